#ifndef PABAL_TESTS_ACCOUNTD_TEMPDIR_H
#define PABAL_TESTS_ACCOUNTD_TEMPDIR_H
/* An empty directory of the test's own, removed with what is in it. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void tempdir_make(char path[64])
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(path, 64, "%s/pabal-XXXXXX", base != NULL && strlen(base) <= 40 ? base : "/tmp");
	if (mkdtemp(path) == NULL)
		abort();
}

static inline void tempdir_remove(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(path);
}
#endif
