#ifndef PABAL_TESTS_SPOOL_LOGTEST_H
#define PABAL_TESTS_SPOOL_LOGTEST_H

#include "tests/lib/unit.h"

#include "common/base/log.h"
#include "spool/log.h"
#include "spool/segment.h"
#include "tests/spool/disk.h"

/* What the tests of the log share: a log of 1 MiB segments on the test's disk, and payloads
 * that are known by their LSN. */
enum { MIB = 1 << 20 };

/* The spool directory of the test that runs. */
extern int logtest_dirfd;
int logtest_setup(void **state);
int logtest_teardown(void **state);

int try_open(struct spool_log **l_r);
struct spool_log *must_open(void);
/* Payload number n of that length: its bytes tell it from every other. Good until the next call. */
struct slice payload(unsigned n, size_t len);
/* Appends payload number n and tells its LSN; pos_r may be NULL. */
uint64_t must_append(struct spool_log *l, unsigned n, size_t len, struct log_pos *pos_r);
/* Replays from LSN from on, where LSN i must be payload number i - 1 of length len[i - 1], at most
 * n of them in all, and tells how many came. */
size_t replay_count(struct spool_log *l, uint64_t from, const size_t *len, size_t n);

#endif
