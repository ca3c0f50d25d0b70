/* The log: what is found again when its files are cut, garbled, grafted or foreign, and the fixture. */
#include "tests/spool/fixture.h"
#include "tests/spool/logtest.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/crc32c.h"

/* The bytes of a segment's file that are not the zeros at its end. */
static int file_of(uint64_t first)
{
	char path[64], name[SEGMENT_NAME];
	int fd;

	segment_name(first, name);
	(void)snprintf(path, sizeof(path), "log/%s", name);
	fd = openat(logtest_dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
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

/* What a failed flush left on the disk behind a shorter batch that took its place: the right LSN,
 * a right checksum, at the right place, and still not a record of this log. */
static void leftover_not_followed(void **state)
{
	static const size_t len[] = { 5, 60, 60, 60 };
	static uint8_t img[MIB], old[MIB];
	struct spool_log *l = must_open();
	struct log_pos pos = { 0, 0, 0 };
	int fd;

	(void)state;
	must_append(l, 0, len[0], NULL);
	assert_int_equal(log_flush(l), 0);
	fd = file_of(1);
	assert_int_equal(pread(fd, img, MIB, 0), MIB);
	for (unsigned i = 1; i < 4; i++)
		must_append(l, 100 + i, len[i], &pos);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
	assert_int_equal(pread(fd, old, MIB, 0), MIB);
	put_image(fd, img);
	l = must_open();
	for (unsigned i = 1; i < 3; i++)
		must_append(l, i, len[i], NULL);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
	disk_reset();
	put(fd, pos.off - RECORD_HEADER, old + pos.off - RECORD_HEADER, RECORD_HEADER + len[3]);
	(void)close(fd);
	l = must_open();
	assert_int_equal(log_last_lsn(l), 3);
	assert_int_equal(replay_count(l, 1, len, 3), 3);
	must_append(l, 3, len[3], NULL);
	assert_int_equal(log_flush(l), 0);
	assert_int_equal(replay_count(l, 1, len, 4), 4);
	log_close(&l);
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
		fd = openat(logtest_dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	l = must_open();
	(void)log_segments(l, &n);
	assert_int_equal(n, 0);
	assert_int_equal(faccessat(logtest_dirfd, "log/next", F_OK, 0), -1);
	must_append(l, 0, 1, NULL);
	assert_int_equal(log_flush(l), 0);
	log_close(&l);
}

/* ---- the fixture ------------------------------------------------------- */

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
#define T(f) cmocka_unit_test_setup_teardown(f, logtest_setup, logtest_teardown)
		T(torn_tail), T(damaged_durable), T(damaged_sealed), T(leftover_not_followed), T(foreign_version),
		T(foreign_files), T(fixture_v1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
