#ifndef PABAL_TESTS_SPOOL_DISK_H
#define PABAL_TESTS_SPOOL_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "spool/sysops.h"

/*
 * A table of system calls for tests of the spool: real files in a directory of the test,
 * with every call counted, any call made to fail, and a disk behind the page
 * cache: what was written and not flushed is lost, sector by sector by the dice, when
 * disk_power_cut() is called, and so are renames and unlinks whose directory was not
 * flushed. A flush that fails writes some sectors, and leaves the others in the
 * cache, clean, as Linux does. It flushes nothing for real, so it is fast.
 */
enum disk_op {
	DISK_OPENAT, DISK_PREAD, DISK_PWRITE, DISK_PWRITEV, DISK_FDATASYNC, DISK_FSYNC, DISK_FTRUNCATE,
	DISK_RENAMEAT, DISK_UNLINKAT, DISK_MKDIRAT, DISK_FSTAT, DISK_FSTATVFS, DISK_CLOSE, DISK_OPS
};
extern const char *const disk_op_name[DISK_OPS];
extern unsigned disk_calls[DISK_OPS];
extern const struct sysops disk_ops;

/* Forgets counts, faults and what is not flushed. */
void disk_reset(void);
/* The at-th call of op from now on fails with err; forever: and every call of it after that.
 * err 0: a short write or read (half of what was asked). */
void disk_fail(enum disk_op op, unsigned at, int err, bool forever);
/* From the at-th call of any kind on every call but close fails with EIO: the machine is gone. */
void disk_die(unsigned at);
void disk_heal(void);
/* Whether the fault has struck. */
bool disk_struck(void);
void disk_power_cut(void);
/* Free space that fstatvfs tells; 0: the real one. */
void disk_set_free(uint64_t bytes, uint64_t inodes);
/* The dice. */
void disk_seed(uint64_t seed);
uint32_t disk_random(uint32_t below);

/* An empty directory below TMPDIR or in memory, and its descriptor; and its end. */
int testdir_open(void);
const char *testdir_path(void);
void testdir_remove(void);

#endif
