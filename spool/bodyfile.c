#include "spool/bodyfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum { FOLDERS = 256, FOLDER_LEN = 3, PATH_LEN = 20, TRIES = 16 };

static void folder_of(uint64_t id, char *dst)
{
	(void)snprintf(dst, FOLDER_LEN, "%02x", (unsigned)(id & 0xff));
}

static void path_of(uint64_t id, char *dst)
{
	(void)snprintf(dst, PATH_LEN, "%02x/%016llx", (unsigned)(id & 0xff), (unsigned long long)id);
}

int bodyfiles_open(struct bodyfiles *b_r, const struct sysops *sys, int dirfd)
{
	bool made = false;
	int r;

	b_r->sys = sys != NULL ? sys : &sysops_real;
	b_r->fd = -1;
	if ((r = sysops_open_dir(b_r->sys, dirfd, "body", &b_r->fd)) != 0)
		return r;
	for (unsigned i = 0; r == 0 && i < FOLDERS; i++) {
		char name[FOLDER_LEN];

		folder_of(i, name);
		if (b_r->sys->mkdirat(b_r->fd, name, 0700) == 0)
			made = true;
		else if (errno != EEXIST)
			r = sysops_err();
	}
	if (r == 0 && made && b_r->sys->fsync(b_r->fd) != 0)
		r = ERR_IO;
	if (r != 0)
		bodyfiles_close(b_r);
	return r;
}

void bodyfiles_close(struct bodyfiles *b)
{
	if (b->fd >= 0)
		(void)b->sys->close(b->fd);
	b->fd = -1;
}

int bodyfile_create(const struct bodyfiles *b, uint64_t *id_r, int *fd_r)
{
	for (int i = 0; i < TRIES; i++) {
		char path[PATH_LEN];
		uint64_t id;
		int r;

		random_fill(&id, sizeof(id));
		if (id == 0)
			continue;
		path_of(id, path);
		*fd_r = b->sys->openat(b->fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (*fd_r >= 0) {
			*id_r = id;
			return 0;
		}
		if ((r = sysops_err()) != ERR_EXISTS)
			return r == ERR_FULL ? ERR_FULL : ERR_IO;
	}
	return ERR_IO;
}

static int open_path(const struct bodyfiles *b, const char *path, int flags, int *fd_r)
{
	*fd_r = b->sys->openat(b->fd, path, flags | O_NOFOLLOW | O_CLOEXEC, 0);
	if (*fd_r >= 0)
		return 0;
	return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
}

int bodyfile_open(const struct bodyfiles *b, uint64_t id, int *fd_r)
{
	char path[PATH_LEN];

	path_of(id, path);
	return open_path(b, path, O_RDONLY, fd_r);
}

static int sync_path(const struct bodyfiles *b, const char *path, int flags)
{
	int fd, r = open_path(b, path, flags, &fd);

	if (r != 0)
		return r;
	if (b->sys->fsync(fd) != 0)
		r = sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	(void)b->sys->close(fd);
	return r;
}

int bodyfile_sync(const struct bodyfiles *b, uint64_t id)
{
	char path[PATH_LEN], folder[FOLDER_LEN];
	int r;

	path_of(id, path);
	folder_of(id, folder);
	if ((r = sync_path(b, path, O_RDONLY)) != 0)
		return r;
	r = sync_path(b, folder, O_RDONLY | O_DIRECTORY);
	return r == ERR_NOTFOUND ? ERR_IO : r;
}

int bodyfile_size(const struct bodyfiles *b, uint64_t id, uint64_t *size_r)
{
	struct stat st;
	int fd, r = bodyfile_open(b, id, &fd);

	if (r != 0)
		return r;
	if (b->sys->fstat(fd, &st) != 0)
		r = ERR_IO;
	else
		*size_r = (uint64_t)st.st_size;
	(void)b->sys->close(fd);
	return r;
}

int bodyfile_read(const struct bodyfiles *b, uint64_t id, uint64_t off, size_t len, uint8_t *dst)
{
	size_t got;
	int fd, r = off > INT64_MAX - len ? ERR_CORRUPT : bodyfile_open(b, id, &fd);

	if (r != 0)
		return r;
	r = sysops_pread_all(b->sys, fd, dst, len, (off_t)off, &got);
	if (r == 0 && got != len)
		r = ERR_CORRUPT;
	(void)b->sys->close(fd);
	return r;
}

int bodyfile_unlink(const struct bodyfiles *b, uint64_t id)
{
	char path[PATH_LEN];

	path_of(id, path);
	if (b->sys->unlinkat(b->fd, path, 0) == 0)
		return 0;
	return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
}

/* The id, or 0 when it is not a name of a body file in this folder. */
static uint64_t id_of(unsigned folder, const char *name)
{
	uint64_t id = 0;
	size_t n;

	for (n = 0; n < 16; n++) {
		uint8_t c = (uint8_t)name[n];

		if (c >= '0' && c <= '9')
			id = id << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			id = id << 4 | (uint64_t)(c - 'a' + 10);
		else
			return 0;
	}
	return name[n] == '\0' && (id & 0xff) == folder ? id : 0;
}

static int list_folder(const struct bodyfiles *b, unsigned folder, bodyfile_list_fn *fn, void *ctx)
{
	char name[FOLDER_LEN];
	struct dirent *e;
	int fd, r;
	DIR *d;

	folder_of(folder, name);
	if ((r = open_path(b, name, O_RDONLY | O_DIRECTORY, &fd)) != 0)
		return ERR_IO;
	if ((d = fdopendir(fd)) == NULL) {
		(void)b->sys->close(fd);
		return ERR_IO;
	}
	while (r == 0 && (errno = 0, e = readdir(d)) != NULL) {
		uint64_t id = id_of(folder, e->d_name);

		if (id != 0)
			r = fn(ctx, id);
		else if (e->d_name[0] != '.')
			log_warn("spool: foreign file in body/%s: %s", name, log_esc(slice_cstr(e->d_name)));
		if (r != 0)
			break;
	}
	if (r == 0 && errno != 0)
		r = ERR_IO;
	(void)closedir(d);
	return r;
}

int bodyfile_list(const struct bodyfiles *b, bodyfile_list_fn *fn, void *ctx)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < FOLDERS; i++)
		r = list_folder(b, i, fn, ctx);
	return r;
}
