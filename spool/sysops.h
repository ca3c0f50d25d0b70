#ifndef PABAL_SPOOL_SYSOPS_H
#define PABAL_SPOOL_SYSOPS_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/base/err.h"

/* The system calls of the spool, in a table, so that a test can fail each of them in
 * turn. Same contract as the calls they are named after (-1 and errno). */
struct sysops {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *buf, size_t n, off_t off);
	ssize_t (*pwrite)(int fd, const void *buf, size_t n, off_t off);
	ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t off);
	int (*fdatasync)(int fd);
	/* Has these bytes written out, so that a later fdatasync has little to do. They are not durable by it. */
	int (*write_out)(int fd, off_t off, off_t len);
	int (*fsync)(int fd);
	int (*ftruncate)(int fd, off_t len);
	int (*renameat)(int olddir, const char *old, int newdir, const char *new_);
	int (*unlinkat)(int dirfd, const char *path, int flags);
	int (*mkdirat)(int dirfd, const char *path, mode_t mode);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatvfs)(int fd, struct statvfs *st);
	int (*close)(int fd);
};

extern const struct sysops sysops_real;

/* errno as an error: ERR_FULL (no space, quota), ERR_NOTFOUND, ERR_EXISTS, ERR_NOMEM, else ERR_IO. */
int sysops_err(void);
/* Writes all n bytes, going on after a short write or a signal: 0, ERR_FULL or ERR_IO. */
int sysops_pwrite_all(const struct sysops *sys, int fd, const void *p, size_t n, off_t off) MUST_CHECK;
/* Reads until n bytes or the end of the file; *got_r is how many came. ERR_IO. */
int sysops_pread_all(const struct sysops *sys, int fd, void *p, size_t n, off_t off, size_t *got_r) MUST_CHECK;
/* Opens dirfd/name, made with mode 0700 if it is missing, and its parent flushed then. */
int sysops_open_dir(const struct sysops *sys, int dirfd, const char *name, int *fd_r) MUST_CHECK;

#endif
