/* The log: what is appended, flushed, replayed, read, sealed and removed. */
#include "tests/spool/logtest.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void append_flush_replay(void **state)
{
	static const size_t len[] = { 0, 1, 7, 8, 9, 40, 4095, 4096, 100000, 300000, 300000, 300000, 300000, 3 };
	struct log_pos pos[ARRAY_LEN(len)];
	static uint8_t got[MIB];
	struct spool_log *l = must_open();
	struct log_stats st;

	(void)state;
	assert_int_equal(log_last_lsn(l), 0);
	assert_int_equal(log_flush(l), 0);
	for (size_t i = 0; i < ARRAY_LEN(len); i++) {
		assert_int_equal(must_append(l, (unsigned)i, len[i], &pos[i]), i + 1);
		assert_true(log_pending(l) != 0);
		assert_int_equal(log_last_lsn(l), i);
		/* Not readable and not replayed before the flush. */
		assert_int_equal(log_read(l, &pos[i], 0, pos[i].len, got), ERR_NOTFOUND);
		assert_int_equal(replay_count(l, 1, len, i), i);
		assert_int_equal(log_flush(l), 0);
		assert_int_equal(log_pending(l), 0);
		assert_int_equal(log_last_lsn(l), i + 1);
	}
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_LEN(len); i++) {
			uint32_t n = pos[i].len, half = n / 2;

			assert_int_equal(log_read(l, &pos[i], 0, n, got), 0);
			assert_row(i, slice_eq(slice_of(got, n), payload((unsigned)i, len[i])));
			assert_int_equal(log_read(l, &pos[i], half, n - half, got), 0);
			assert_row(i, slice_eq(slice_of(got, n - half), slice_sub(payload((unsigned)i, len[i]), half, n)));
			assert_int_equal(log_read(l, &pos[i], 1, n, got), ERR_LIMIT);
			assert_int_equal(log_read(l, &pos[i], n + 1, 0, got), ERR_LIMIT);
			assert_int_equal(replay_count(l, i + 1, len, ARRAY_LEN(len)), ARRAY_LEN(len) - i);
		}
		assert_int_equal(replay_count(l, ARRAY_LEN(len) + 1, len, 0), 0);
		log_stats(l, &st);
		assert_int_equal(st.flushes, again == 0 ? ARRAY_LEN(len) : 0);
		assert_int_equal(st.records, again == 0 ? ARRAY_LEN(len) : 0);
		log_close(&l);
		l = must_open();
		assert_int_equal(log_last_lsn(l), ARRAY_LEN(len));
	}
	log_close(&l);
}

static void limits(void **state)
{
	size_t most = MIB - SEGMENT_HEADER - 2 * RECORD_HEADER;
	struct log_conf conf = { .dirfd = logtest_dirfd, .segment_size = (64 << 10) - 1, .sys = &disk_ops };
	struct spool_log *l, *other;
	struct log_pos pos = { 99, 4136, 10 };
	uint64_t lsn;
	uint8_t b[16];

	(void)state;
	assert_int_equal(log_open(&l, &conf), ERR_LIMIT);
	assert_null(l);
	conf.segment_size = ((uint64_t)1 << 30) + 1;
	assert_int_equal(log_open(&l, &conf), ERR_LIMIT);
	l = must_open();
	assert_int_equal(try_open(&other), ERR_STATE);
	assert_int_equal(log_append(l, 1, payload(0, most + 1), &lsn, &pos), ERR_LIMIT);
	assert_int_equal(log_append(l, 0, payload(0, 1), &lsn, &pos), ERR_SYNTAX);
	assert_int_equal(log_read(l, &pos, 0, 1, b), ERR_NOTFOUND);
	assert_int_equal(log_remove(l, 1), ERR_NOTFOUND);
	assert_int_equal(must_append(l, 0, most, NULL), 1);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(log_remove(l, 1), ERR_STATE);
	assert_int_equal(replay_count(l, 1, &most, 1), 1);
	log_close(&l);
	l = must_open();
	assert_int_equal(replay_count(l, 1, &most, 1), 1);
	log_close(&l);
	log_close(&l);
}

static void discard(void **state)
{
	static const size_t len[] = { 10, 20, 500000, 30 };
	struct spool_log *l = must_open();

	(void)state;
	log_discard(l);
	assert_int_equal(must_append(l, 0, 10, NULL), 1);
	assert_int_equal(log_flush(l), 0);
	/* Over three segments, and twice, so that the names are taken again. */
	for (int k = 0; k < 2; k++) {
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(must_append(l, 50 + i, 600000, NULL), 2 + i);
		log_discard(l);
		assert_false(log_broken(l));
		assert_int_equal(log_pending(l), 0);
		assert_int_equal(log_last_lsn(l), 1);
	}
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(must_append(l, i, len[i], NULL), i + 1);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(replay_count(l, 1, len, 4), 4);
	must_append(l, 9, 9, NULL);
	log_close(&l);
	l = must_open();
	assert_int_equal(replay_count(l, 1, len, 4), 4);
	log_close(&l);
}

static void flushes_counted(void **state)
{
	struct spool_log *l = must_open();
	size_t len[301];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(len); i++)
		len[i] = 50;
	must_append(l, 0, 50, NULL);
	assert_int_equal(log_flush(l), 0);
	for (unsigned batch = 0; batch < 30; batch++) {
		unsigned fd = disk_calls[DISK_FDATASYNC], fs = disk_calls[DISK_FSYNC], w = disk_calls[DISK_PWRITE];

		for (unsigned i = 0; i < 10; i++)
			must_append(l, 1 + batch * 10 + i, 50, NULL);
		assert_int_equal(log_flush(l), 0);
		assert_int_equal(disk_calls[DISK_FDATASYNC], fd + 1);
		assert_int_equal(disk_calls[DISK_FSYNC], fs);
		assert_int_equal(disk_calls[DISK_PWRITE], w + 1);
	}
	assert_int_equal(replay_count(l, 1, len, ARRAY_LEN(len)), ARRAY_LEN(len));
	log_close(&l);
}

static void rollover(void **state)
{
	enum { N = 40 };
	struct spool_log *l = must_open();
	const struct log_segment *s;
	struct log_pos pos[N];
	static uint8_t got[MIB];
	size_t len[N], n;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		len[i] = 120000 + i * 1000;
		must_append(l, (unsigned)i, len[i], &pos[i]);
		/* A batch over several segments, then each alone. */
		if (i >= 24)
			assert_int_equal(log_flush(l), 0);
	}
	for (int again = 0; again < 2; again++) {
		s = log_segments(l, &n);
		assert_true(n > 4);
		assert_int_equal(s[0].first_lsn, 1);
		for (size_t i = 0; i < n; i++) {
			assert_row(i, s[i].sealed == (i + 1 < n));
			assert_row(i, s[i].last_lsn >= s[i].first_lsn);
			assert_row(i, i == 0 || s[i].first_lsn == s[i - 1].last_lsn + 1);
			assert_row(i, !s[i].sealed || s[i].size == s[i].used);
			assert_row(i, s[i].sealed || s[i].size == MIB);
		}
		assert_int_equal(s[n - 1].last_lsn, N);
		assert_int_equal(replay_count(l, 1, len, N), N);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(log_read(l, &pos[i], 0, pos[i].len, got), 0);
			assert_row(i, slice_eq(slice_of(got, pos[i].len), payload((unsigned)i, len[i])));
		}
		log_close(&l);
		l = must_open();
	}
	/* One in the middle goes; what is around it stays. */
	s = log_segments(l, &n);
	{
		uint64_t gone = s[1].first_lsn, after = s[2].first_lsn, newest = s[n - 1].first_lsn;
		struct log_pos p = pos[gone - 1];

		assert_int_equal(log_remove(l, newest), ERR_STATE);
		assert_int_equal(log_remove(l, gone), 0);
		assert_int_equal(log_remove(l, gone), ERR_NOTFOUND);
		assert_int_equal(log_read(l, &p, 0, 1, got), ERR_NOTFOUND);
		assert_int_equal(replay_count(l, after, len, N), N - after + 1);
		log_close(&l);
		l = must_open();
		assert_int_equal(replay_count(l, after, len, N), N - after + 1);
		assert_int_equal(log_last_lsn(l), N);
	}
	log_close(&l);
}

static void seal(void **state)
{
	static const size_t len[] = { 10, 20, 30 };
	struct spool_log *l = must_open();
	const struct log_segment *s;
	size_t n;

	(void)state;
	assert_int_equal(log_seal(l), 0);
	must_append(l, 0, 10, NULL);
	assert_int_equal(log_seal(l), ERR_STATE);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(log_seal(l), 0);
	assert_int_equal(log_seal(l), 0);
	assert_int_equal(log_remove(l, 1), ERR_STATE);
	assert_int_equal(log_last_lsn(l), 1);
	log_close(&l);
	l = must_open();
	s = log_segments(l, &n);
	assert_int_equal(n, 1);
	assert_true(s[0].sealed);
	assert_int_equal(s[0].size, SEGMENT_HEADER + record_size(10) + RECORD_HEADER);
	assert_int_equal(log_last_lsn(l), 1);
	assert_int_equal(must_append(l, 1, 20, NULL), 2);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(must_append(l, 2, 30, NULL), 3);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(replay_count(l, 1, len, 3), 3);
	assert_int_equal(log_remove(l, 1), 0);
	log_close(&l);
	l = must_open();
	assert_int_equal(replay_count(l, 2, len, 3), 2);
	log_close(&l);
}

static void idle_makes_ahead(void **state)
{
	struct spool_log *l = must_open();
	unsigned w;
	int r;

	(void)state;
	must_append(l, 0, 400000, NULL);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(log_idle(l), 0);
	must_append(l, 1, 400000, NULL);
	assert_int_equal(log_flush(l), 0);
	while ((r = log_idle(l)) == ERR_AGAIN)
		;
	assert_int_equal(r, 0);
	w = disk_calls[DISK_PWRITE];
	must_append(l, 2, 400000, NULL);
	assert_int_equal(log_flush(l), 0);
	/* The seal, and the record in the new segment: nobody wrote zeros. */
	assert_int_equal(disk_calls[DISK_PWRITE], w + 2);
	log_close(&l);
}

static void full_disk(void **state)
{
	struct log_conf conf = { .dirfd = logtest_dirfd, .segment_size = MIB, .reserve = 50 << 20, .sys = &disk_ops };
	static const struct { uint64_t bytes, inodes; bool full; } t[] = {
		{ 100 << 20, 100000, false }, { 10 << 20, 100000, true }, { 100 << 20, 10, true },
	};
	struct spool_log *l;
	struct log_pos pos;
	uint64_t lsn;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(log_open(&l, &conf), 0);
		disk_set_free(t[i].bytes, t[i].inodes);
		assert_row(i, log_full(l) == t[i].full);
		assert_row(i, log_full(l) == t[i].full);
		assert_row(i, disk_calls[DISK_FSTATVFS] == i + 1);
		log_close(&l);
	}
	/* No room for a new segment: the batch stays as it was and can be flushed. */
	assert_int_equal(log_open(&l, &conf), 0);
	must_append(l, 0, 500000, NULL);
	disk_fail(DISK_PWRITE, 1, ENOSPC, true);
	assert_int_equal(log_append(l, 2, payload(1, 600000), &lsn, &pos), ERR_FULL);
	assert_true(log_full(l));
	disk_heal();
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(log_last_lsn(l), 1);
	assert_int_equal(must_append(l, 1, 600000, NULL), 2);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, logtest_setup, logtest_teardown)
		T(append_flush_replay), T(limits), T(discard), T(flushes_counted), T(rollover),
		T(seal), T(idle_makes_ahead), T(full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
