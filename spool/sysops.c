#include "spool/sysops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* openat() is variadic, so it cannot go into the table itself. */
static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

static int real_write_out(int fd, off_t off, off_t len)
{
#ifdef SYNC_FILE_RANGE_WRITE
	return sync_file_range(fd, off, len, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
#else
	(void)off;
	(void)len;
	return fdatasync(fd);
#endif
}

const struct sysops sysops_real = {
	.openat = real_openat,
	.pread = pread,
	.pwrite = pwrite,
	.pwritev = pwritev,
	.fdatasync = fdatasync,
	.write_out = real_write_out,
	.fsync = fsync,
	.ftruncate = ftruncate,
	.renameat = renameat,
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
	.fstat = fstat,
	.fstatvfs = fstatvfs,
	.close = close,
};

int sysops_err(void)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

int sysops_pwrite_all(const struct sysops *sys, int fd, const void *p, size_t n, off_t off)
{
	const uint8_t *q = p;

	while (n != 0) {
		ssize_t k = sys->pwrite(fd, q, n, off);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
		if (k == 0) {
			errno = EIO;
			return ERR_IO;
		}
		q += k;
		n -= (size_t)k;
		off += k;
	}
	return 0;
}

int sysops_pread_all(const struct sysops *sys, int fd, void *p, size_t n, off_t off, size_t *got_r)
{
	uint8_t *q = p;

	*got_r = 0;
	while (*got_r != n) {
		ssize_t k = sys->pread(fd, q + *got_r, n - *got_r, off + (off_t)*got_r);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return ERR_IO;
		if (k == 0)
			break;
		*got_r += (size_t)k;
	}
	return 0;
}

int sysops_open_dir(const struct sysops *sys, int dirfd, const char *name, int *fd_r)
{
	if (sys->mkdirat(dirfd, name, 0700) == 0) {
		if (sys->fsync(dirfd) != 0)
			return ERR_IO;
	} else if (errno != EEXIST) {
		return sysops_err();
	}
	*fd_r = sys->openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	return *fd_r >= 0 ? 0 : sysops_err();
}
