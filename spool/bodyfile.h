#ifndef PABAL_SPOOL_BODYFILE_H
#define PABAL_SPOOL_BODYFILE_H

#include "common/base/slice.h"
#include "spool/sysops.h"

/*
 * Bodies above the inline limit: files "body/XX/NNNNNNNNNNNNNNNN", the id in hex and the
 * last byte of it as folder. The id is random and never used again.
 *
 * A file is created under its final name and its descriptor goes to the process that
 * takes in the message. When that is done, bodyfile_sync() makes the file and its
 * directory durable, before the record that refers to it is appended. A file that
 * no record refers to (the process died in between, the message was refused) is
 * an orphan; the sweep at start lists all files and unlinks those. Whoever
 * wrote a file may still hold its descriptor: length and checksum belong into the record.
 */
struct bodyfiles {
	const struct sysops *sys;
	int fd;                 /* of "body" */
};

/* Opens "body" below the spool directory, made with its 256 folders if they are missing.
 * sys NULL: the real system calls. ERR_FULL, ERR_IO. */
int bodyfiles_open(struct bodyfiles *b_r, const struct sysops *sys, int dirfd) MUST_CHECK;
void bodyfiles_close(struct bodyfiles *b);

/* A new, empty file; *fd_r can be read and written, and is the caller's. ERR_FULL, ERR_IO. */
int bodyfile_create(const struct bodyfiles *b, uint64_t *id_r, int *fd_r) MUST_CHECK;
/* Opens it for reading only. ERR_NOTFOUND, ERR_IO. */
int bodyfile_open(const struct bodyfiles *b, uint64_t id, int *fd_r) MUST_CHECK;
/* Flushes the file and its folder. May run in several threads at once. ERR_NOTFOUND, ERR_FULL, ERR_IO. */
int bodyfile_sync(const struct bodyfiles *b, uint64_t id) MUST_CHECK;
/* Its length in bytes. ERR_NOTFOUND, ERR_IO. */
int bodyfile_size(const struct bodyfiles *b, uint64_t id, uint64_t *size_r) MUST_CHECK;
/* Reads exactly len bytes at off: ERR_NOTFOUND, ERR_CORRUPT when the file is shorter, ERR_IO. */
int bodyfile_read(const struct bodyfiles *b, uint64_t id, uint64_t off, size_t len, uint8_t *dst) MUST_CHECK;
/* Unlinks it, not flushed: a file that comes back after a crash is an orphan. ERR_NOTFOUND, ERR_IO. */
int bodyfile_unlink(const struct bodyfiles *b, uint64_t id) MUST_CHECK;

/* Calls fn for every body file, in no order, until it returns non-zero, which is returned. fn may
 * unlink the file. What is not a body file is logged and left alone. */
typedef int bodyfile_list_fn(void *ctx, uint64_t id);
int bodyfile_list(const struct bodyfiles *b, bodyfile_list_fn *fn, void *ctx) MUST_CHECK;

#endif
