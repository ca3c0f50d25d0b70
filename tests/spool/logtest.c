#include "tests/spool/logtest.h"

#include <unistd.h>

int logtest_dirfd;

static void swallow(enum log_level level, const char *text)
{
	(void)level, (void)text;
}

int logtest_setup(void **state)
{
	(void)state;
	logtest_dirfd = testdir_open();
	disk_reset();
	if (getenv("TEST_LOG") == NULL)
		log_capture(swallow);
	return 0;
}

int logtest_teardown(void **state)
{
	(void)state;
	disk_reset();
	testdir_remove();
	(void)close(logtest_dirfd);
	return 0;
}

int try_open(struct spool_log **l_r)
{
	struct log_conf conf = { .dirfd = logtest_dirfd, .segment_size = MIB, .reserve = 1000, .sys = &disk_ops };

	return log_open(l_r, &conf);
}

struct spool_log *must_open(void)
{
	struct spool_log *l;

	assert_int_equal(try_open(&l), 0);
	return l;
}

struct slice payload(unsigned n, size_t len)
{
	static uint8_t b[MIB];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8) + 1);
	return slice_of(b, len);
}

uint64_t must_append(struct spool_log *l, unsigned n, size_t len, struct log_pos *pos_r)
{
	struct log_pos pos;
	uint64_t lsn = 0;

	assert_int_equal(log_append(l, (uint8_t)(1 + n % 255), payload(n, len), &lsn, &pos), 0);
	if (pos_r != NULL)
		*pos_r = pos;
	return lsn;
}

/* What a replay shall see: the payload numbers from first on, with these lengths. */
struct expect {
	const size_t *len;
	size_t n;               /* how many there are */
	uint64_t lsn;           /* of the next one; payload number is lsn - 1 */
	size_t seen;
};

static int expect_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice p, const struct log_pos *pos)
{
	struct expect *e = ctx;

	assert_int_equal(lsn, e->lsn);
	assert_true(lsn - 1 < e->n);
	assert_int_equal(type, 1 + (lsn - 1) % 255);
	assert_int_equal(pos->len, p.len);
	assert_true(slice_eq(p, payload((unsigned)(lsn - 1), e->len[lsn - 1])));
	e->lsn++;
	e->seen++;
	return 0;
}

size_t replay_count(struct spool_log *l, uint64_t from, const size_t *len, size_t n)
{
	struct expect e = { len, n, from, 0 };

	assert_int_equal(log_replay(l, from, expect_fn, &e), 0);
	return e.seen;
}
