/* The log: what is appended, flushed, replayed, read, sealed and removed; and what is
 * found again when files are cut, garbled, foreign or full. */
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/log.h"
#include "spool/log.h"
#include "spool/segment.h"
#include "tests/spool/disk.h"

enum { MIB = 1 << 20 };

static int dirfd_, quiet;

static void swallow(enum log_level level, const char *text)
{
	(void)level, (void)text;
}

static int setup(void **state)
{
	(void)state;
	dirfd_ = testdir_open();
	disk_reset();
	if (quiet == 0)
		log_capture(swallow);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk_reset();
	testdir_remove();
	(void)close(dirfd_);
	return 0;
}

static int try_open(struct spool_log **l_r)
{
	struct log_conf conf = { .dirfd = dirfd_, .segment_size = MIB, .reserve = 1000, .sys = &disk_ops };

	return log_open(l_r, &conf);
}

static struct spool_log *must_open(void)
{
	struct spool_log *l;

	assert_int_equal(try_open(&l), 0);
	return l;
}

/* Payload number n of that length: its bytes tell it from every other. */
static struct slice payload(unsigned n, size_t len)
{
	static uint8_t b[MIB];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8) + 1);
	return slice_of(b, len);
}

static uint64_t must_append(struct spool_log *l, unsigned n, size_t len, struct log_pos *pos_r)
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

static size_t replay_count(struct spool_log *l, uint64_t from, const size_t *len, size_t n)
{
	struct expect e = { len, n, from, 0 };

	assert_int_equal(log_replay(l, from, expect_fn, &e), 0);
	return e.seen;
}

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
	struct log_conf conf = { .dirfd = dirfd_, .segment_size = MIB - 1, .sys = &disk_ops };
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
	struct log_conf conf = { .dirfd = dirfd_, .segment_size = MIB, .reserve = 50 << 20, .sys = &disk_ops };
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

/* ---- damage ------------------------------------------------------------ */

/* The bytes of a segment's file that are not the zeros at its end. */
static int file_of(uint64_t first)
{
	char path[64], name[SEGMENT_NAME];
	int fd;

	segment_name(first, name);
	(void)snprintf(path, sizeof(path), "log/%s", name);
	fd = openat(dirfd_, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void put(int fd, off_t off, const void *p, size_t n)
{
	assert_int_equal(pwrite(fd, p, n, off), n);
}

/* Makes the file the image of torn_make() again; all that is in it is in its first 8 KiB. */
static void put_image(int fd, const uint8_t *img)
{
	assert_int_equal(ftruncate(fd, 8192), 0);
	put(fd, 0, img, 8192);
	assert_int_equal(ftruncate(fd, MIB), 0);
}

enum damage { CUT, FLIP, ZERO, DAMAGES };

static void damage(int fd, enum damage how, off_t off)
{
	uint8_t c;

	assert_int_equal(pread(fd, &c, 1, off), 1);
	switch (how) {
	case CUT:
		assert_int_equal(ftruncate(fd, off), 0);
		return;
	case FLIP:
		c ^= 0xff;
		break;
	default:
		c = 0;
		break;
	}
	put(fd, off, &c, 1);
}

static const size_t torn_len[] = { 5, 60, 0, 33, 16, 1, 24, 0, 77 };
enum { TORN_FLUSHED = 4, TORN_ALL = 8 };

/* Two batches of two records that count as flushed, and the last one of four. */
static size_t torn_make(uint8_t *img, uint64_t end[TORN_ALL])
{
	struct spool_log *l = must_open();
	int fd;

	for (unsigned i = 0; i < TORN_ALL; i++) {
		struct log_pos pos;

		must_append(l, i, torn_len[i], &pos);
		end[i] = pos.off - RECORD_HEADER + record_size(pos.len);
		if (i == 1 || i == 3 || i == 7)
			assert_int_equal(log_flush(l), 0);
	}
	log_close(&l);
	fd = file_of(1);
	assert_int_equal(pread(fd, img, MIB, 0), MIB);
	(void)close(fd);
	return (size_t)end[TORN_ALL - 1];
}

static void torn_tail(void **state)
{
	static uint8_t img[MIB];
	uint64_t end[TORN_ALL];
	size_t size = torn_make(img, end);

	(void)state;
	for (int how = 0; how < DAMAGES; how++) {
		for (uint64_t off = end[TORN_FLUSHED - 1]; off <= size; off++) {
			int fd = file_of(1);
			struct spool_log *l;
			size_t whole = 0, n;
			bool same;

			disk_reset();
			put_image(fd, img);
			damage(fd, (enum damage)how, (off_t)off);
			/* Zeroing a zero is no damage. */
			same = how == ZERO && img[off] == 0;
			(void)close(fd);
			while (whole < TORN_ALL && (same || end[whole] <= off))
				whole++;
			l = must_open();
			n = (size_t)log_last_lsn(l);
			if (n != whole)
				fail_msg("damage %d at %llu: %zu records, want %zu", how, (unsigned long long)off, n, whole);
			assert_int_equal(replay_count(l, 1, torn_len, ARRAY_LEN(torn_len)), n);
			/* It goes on from there, and what was torn does not come back. */
			assert_int_equal(must_append(l, (unsigned)n, torn_len[n], NULL), n + 1);
			assert_int_equal(log_flush(l), 0);
			log_close(&l);
			l = must_open();
			assert_int_equal(replay_count(l, 1, torn_len, ARRAY_LEN(torn_len)), n + 1);
			log_close(&l);
		}
	}
}

/* What a later batch shows to have been durable is never dropped in silence. */
static void damaged_durable(void **state)
{
	static uint8_t img[MIB];
	uint64_t end[TORN_ALL];
	struct spool_log *l;

	(void)state;
	(void)torn_make(img, end);
	for (int how = FLIP; how < DAMAGES; how++) {
		for (uint64_t off = SEGMENT_HEADER; off < end[TORN_FLUSHED - 1]; off++) {
			int fd = file_of(1), r;

			disk_reset();
			put_image(fd, img);
			damage(fd, (enum damage)how, (off_t)off);
			(void)close(fd);
			r = try_open(&l);
			if (r != ERR_CORRUPT && !(r == 0 && log_last_lsn(l) == TORN_ALL))
				fail_msg("damage %d at %llu: %s", how, (unsigned long long)off, err_str(r));
			log_close(&l);
		}
	}
	/* The header. */
	for (off_t off = 0; off < 64; off++) {
		int fd = file_of(1);

		put_image(fd, img);
		damage(fd, FLIP, off);
		assert_int_equal(try_open(&l), ERR_CORRUPT);
		put_image(fd, img);
		assert_int_equal(ftruncate(fd, off), 0);
		assert_int_equal(try_open(&l), ERR_CORRUPT);
		(void)close(fd);
	}
}

static int ignore_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice p, const struct log_pos *pos)
{
	(void)lsn, (void)type, (void)p, (void)pos;
	++*(size_t *)ctx;
	return 0;
}

static void damaged_sealed(void **state)
{
	static uint8_t img[MIB];
	struct spool_log *l = must_open();
	size_t len[3] = { 30, 40, 50 }, n;
	off_t size;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		must_append(l, i, len[i], NULL);
		assert_int_equal(log_flush(l), 0);
		if (i != 0)
			assert_int_equal(log_seal(l), 0);
	}
	log_close(&l);
	/* Segment 1 holds two records and its seal; segment 3, sealed too, is the newest. */
	for (uint64_t first = 1; first <= 3; first += 2) {
		fd = file_of(first);
		size = lseek(fd, 0, SEEK_END);
		assert_true(size > SEGMENT_HEADER && size < MIB);
		assert_int_equal(pread(fd, img, (size_t)size, 0), size);
		for (off_t off = SEGMENT_HEADER; off < size; off++) {
			bool in_seal = off >= size - RECORD_HEADER;
			int r;

			damage(fd, FLIP, off);
			n = 0;
			r = try_open(&l);
			if (first == 3 && in_seal) {
				/* The seal alone was the last batch: no record is lost without it. */
				assert_int_equal(r, 0);
				assert_int_equal(log_last_lsn(l), 3);
			} else if (first == 1 && !in_seal) {
				/* Not looked at by open. */
				assert_int_equal(r, 0);
				assert_int_equal(log_replay(l, 1, ignore_fn, &n), ERR_CORRUPT);
				assert_true(n < 2);
			} else {
				assert_int_equal(r, ERR_CORRUPT);
			}
			log_close(&l);
			disk_reset();
			put(fd, 0, img, (size_t)size);
			assert_int_equal(ftruncate(fd, size), 0);
		}
		(void)close(fd);
	}
	l = must_open();
	assert_int_equal(replay_count(l, 1, len, 3), 3);
	assert_int_equal(must_append(l, 3, 1, NULL), 4);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
	/* An old one that has lost its end. */
	fd = file_of(1);
	assert_int_equal(ftruncate(fd, SEGMENT_HEADER + (off_t)record_size(30)), 0);
	(void)close(fd);
	assert_int_equal(try_open(&l), ERR_CORRUPT);
}

static void foreign_version(void **state)
{
	static uint8_t img[MIB];
	uint64_t end[TORN_ALL];
	struct segment_head head;
	struct spool_log *l;
	uint8_t rec[RECORD_HEADER];
	uint32_t crc;
	int fd;

	(void)state;
	(void)torn_make(img, end);
	assert_int_equal(segment_head_decode(img, &head), 0);
	/* A right record header of version 2 in the place of the last record's. */
	fd = file_of(1);
	memcpy(rec, img + end[TORN_ALL - 2], sizeof(rec));
	rec[4] = 2;
	crc = crc32c(head.seed, rec, 36);
	memcpy(rec + 36, &crc, 4);
	put(fd, (off_t)end[TORN_ALL - 2], rec, sizeof(rec));
	assert_int_equal(try_open(&l), ERR_VERSION);
	/* A right segment header of version 2. */
	put_image(fd, img);
	img[8] = 2;
	crc = crc32c(0, img, 60);
	memcpy(img + 60, &crc, 4);
	put(fd, 0, img, 64);
	assert_int_equal(try_open(&l), ERR_VERSION);
	(void)close(fd);
}

static void foreign_files(void **state)
{
	static const char *const names[] = { "next", "0000000000000000", "000000000000001", "00000000000000001",
	    "000000000000000A", "000000000000000g", "x", "lost+found" };
	struct spool_log *l = must_open();
	size_t n;

	(void)state;
	log_close(&l);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64];
		int fd;

		(void)snprintf(path, sizeof(path), "log/%s", names[i]);
		fd = openat(dirfd_, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	l = must_open();
	(void)log_segments(l, &n);
	assert_int_equal(n, 0);
	assert_int_equal(faccessat(dirfd_, "log/next", F_OK, 0), -1);
	must_append(l, 0, 1, NULL);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
}

/* ---- the fixture ------------------------------------------------------- */

static int hex(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lines "OFFSET: HEX..." (offset in hex), the rest of the file is zeros. */
static void fixture_load(const char *name, uint8_t *img, size_t size)
{
	const char *top = getenv("abs_top_srcdir");
	char path[4096], line[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/tests/spool/fixtures/%s", top != NULL ? top : ".", name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	memset(img, 0, size);
	while (fgets(line, sizeof(line), f) != NULL) {
		size_t off = 0;
		char *p = line;

		if (*p == '#' || *p == '\n')
			continue;
		for (; hex(*p) >= 0; p++)
			off = off * 16 + (size_t)hex(*p);
		assert_int_equal(*p++, ':');
		for (; *p != '\0' && *p != '\n'; p++) {
			if (*p == ' ')
				continue;
			assert_true(hex(p[0]) >= 0 && hex(p[1]) >= 0 && off < size);
			img[off++] = (uint8_t)(hex(p[0]) * 16 + hex(p[1]));
			p++;
		}
	}
	(void)fclose(f);
}

static int fixture_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice p, const struct log_pos *pos)
{
	static const struct { uint8_t type; const char *text; uint32_t off; } want[] = {
		{ 1, "first record, alone in its batch", 4136 },
		{ 2, "second", 4208 },
		{ 255, "", 4256 },
		{ 7, "fourth, 16 bytes", 4296 },
	};
	size_t *n = ctx;

	assert_true(*n < ARRAY_LEN(want));
	assert_int_equal(lsn, *n + 16);
	assert_int_equal(type, want[*n].type);
	assert_slice(*n, p, want[*n].text);
	assert_int_equal(pos->segment, 16);
	assert_int_equal(pos->off, want[*n].off);
	++*n;
	return 0;
}

static void fixture_v1(void **state)
{
	static uint8_t img[MIB];
	struct spool_log *l;
	size_t n = 0;
	int fd;

	(void)state;
	l = must_open();
	log_close(&l);
	fixture_load("segment-v1.hex", img, sizeof(img));
	fd = file_of(16);
	put(fd, 0, img, sizeof(img));
	(void)close(fd);
	l = must_open();
	assert_int_equal(log_last_lsn(l), 19);
	assert_int_equal(log_replay(l, 1, fixture_fn, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(must_append(l, 4, 5, NULL), 20);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(append_flush_replay), T(limits), T(discard), T(flushes_counted), T(rollover), T(seal),
		T(idle_makes_ahead), T(full_disk), T(torn_tail), T(damaged_durable), T(damaged_sealed),
		T(foreign_version), T(foreign_files), T(fixture_v1),
	};

	quiet = getenv("TEST_LOG") != NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
