#ifndef PABAL_TESTS_TEMPDIR_H
#define PABAL_TESTS_TEMPDIR_H
/* An empty directory of the test's own, removed with what is in it. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEMPDIR_MAX = 1024 };

static inline void tempdir_make(char path[TEMPDIR_MAX])
{
	const char *base = getenv("TMPDIR");

	if (snprintf(path, TEMPDIR_MAX, "%s/pabal-XXXXXX", base != NULL ? base : "/tmp") >= TEMPDIR_MAX || mkdtemp(path) == NULL)
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
	if (rmdir(path) != 0)
		abort();
}
#endif
