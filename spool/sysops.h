#ifndef PABAL_SPOOL_SYSOPS_H
#define PABAL_SPOOL_SYSOPS_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The system calls of the spool, in a table, so that a test can fail each of them in
 * turn. Same contract as the calls they are named after (-1 and errno). */
struct sysops {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *buf, size_t n, off_t off);
	ssize_t (*pwrite)(int fd, const void *buf, size_t n, off_t off);
	ssize_t (*pwritev)(int fd, const struct iovec *iov, int n, off_t off);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd);
	int (*ftruncate)(int fd, off_t len);
	int (*renameat)(int olddir, const char *old, int newdir, const char *new_);
	int (*unlinkat)(int dirfd, const char *path, int flags);
	int (*mkdirat)(int dirfd, const char *path, mode_t mode);
	int (*fstatvfs)(int fd, struct statvfs *st);
	int (*close)(int fd);
};

extern const struct sysops sysops_real;

#endif
