/* Body files: made, written through the descriptor, flushed, listed, read, unlinked. */
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/bodyfile.h"
#include "tests/spool/disk.h"

static int dirfd_;
static struct bodyfiles b;

static void swallow(enum log_level level, const char *text)
{
	(void)level, (void)text;
}

static int setup(void **state)
{
	(void)state;
	dirfd_ = testdir_open();
	disk_reset();
	log_capture(swallow);
	return bodyfiles_open(&b, &disk_ops, dirfd_);
}

static int teardown(void **state)
{
	(void)state;
	bodyfiles_close(&b);
	clock_set(NULL);
	disk_reset();
	testdir_remove();
	(void)close(dirfd_);
	return 0;
}

static uint64_t make(const char *text)
{
	uint64_t id = 0;
	int fd;

	assert_int_equal(bodyfile_create(&b, &id, &fd), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	assert_true(id != 0);
	return id;
}

static void life(void **state)
{
	uint64_t id = make("hello, world"), size = 0;
	unsigned fs = disk_calls[DISK_FSYNC];
	uint8_t got[32];
	int fd;

	(void)state;
	assert_int_equal(bodyfile_sync(&b, id), 0);
	/* The file and its folder. */
	assert_int_equal(disk_calls[DISK_FSYNC], fs + 2);
	assert_int_equal(bodyfile_size(&b, id, &size), 0);
	assert_int_equal(size, 12);
	assert_int_equal(bodyfile_read(&b, id, 7, 5, got), 0);
	assert_slice(0, slice_of(got, 5), "world");
	assert_int_equal(bodyfile_read(&b, id, 7, 6, got), ERR_CORRUPT);
	assert_int_equal(bodyfile_read(&b, id, 12, 0, got), 0);
	assert_int_equal(bodyfile_read(&b, id, UINT64_MAX, 2, got), ERR_CORRUPT);
	assert_int_equal(bodyfile_open(&b, id, &fd), 0);
	assert_int_equal(write(fd, "x", 1), -1);
	(void)close(fd);
	assert_int_equal(bodyfile_unlink(&b, id), 0);
	assert_int_equal(bodyfile_unlink(&b, id), ERR_NOTFOUND);
	assert_int_equal(bodyfile_read(&b, id, 0, 1, got), ERR_NOTFOUND);
	assert_int_equal(bodyfile_size(&b, id, &size), ERR_NOTFOUND);
	assert_int_equal(bodyfile_sync(&b, id), ERR_NOTFOUND);
	assert_int_equal(bodyfile_open(&b, id, &fd), ERR_NOTFOUND);
}

struct seen { uint64_t id[64]; size_t n; };

static int seen_fn(void *ctx, uint64_t id)
{
	struct seen *s = ctx;

	assert_true(s->n < ARRAY_LEN(s->id));
	s->id[s->n++] = id;
	return s->n % 2 == 0 ? bodyfile_unlink(&b, id) : 0;
}

static int stop_fn(void *ctx, uint64_t id)
{
	(void)ctx, (void)id;
	return 77;
}

static void sweep(void **state)
{
	static const char *const foreign[] = { "body/00/x", "body/00/0000000000000001", "body/00/000000000000000",
	    "body/00/0000000000000000", "body/00/000000000000FF00" };
	struct seen s = { .n = 0 };
	uint64_t id[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(id); i++)
		id[i] = make("x");
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		(void)close(openat(dirfd_, foreign[i], O_WRONLY | O_CREAT, 0600));
	assert_int_equal(bodyfile_list(&b, stop_fn, NULL), 77);
	assert_int_equal(bodyfile_list(&b, seen_fn, &s), 0);
	assert_int_equal(s.n, ARRAY_LEN(id));
	for (size_t i = 0; i < ARRAY_LEN(id); i++) {
		size_t k = 0;

		while (k < s.n && s.id[k] != id[i])
			k++;
		assert_row(i, k < s.n);
	}
	s.n = 0;
	assert_int_equal(bodyfile_list(&b, seen_fn, &s), 0);
	assert_int_equal(s.n, ARRAY_LEN(id) / 2);
}

static unsigned dice_n;
static void dice(void *p, size_t n)
{
	memset(p, (int)(dice_n++ / 3), n);
}

static void ids_are_not_taken_twice(void **state)
{
	static const struct clock_ops ops = { .random = dice };
	uint64_t one, two;

	(void)state;
	clock_set(&ops);
	dice_n = 0;
	one = make("one");
	two = make("two");
	assert_int_equal(one, 0x0101010101010101);
	assert_int_equal(two, 0x0202020202020202);
}

static void failures(void **state)
{
	static const struct { enum disk_op op; int err, create, sync, unlink_; } t[] = {
		{ DISK_OPENAT, ENOSPC, ERR_FULL, ERR_IO, 0 },
		{ DISK_OPENAT, EIO, ERR_IO, ERR_IO, 0 },
		{ DISK_FSYNC, EIO, 0, ERR_IO, 0 },
		{ DISK_FSYNC, ENOSPC, 0, ERR_FULL, 0 },
		{ DISK_UNLINKAT, EIO, 0, 0, ERR_IO },
	};
	struct bodyfiles other;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t id = make("x"), id2;
		int fd, r;

		disk_fail(t[i].op, 1, t[i].err, true);
		r = bodyfile_create(&b, &id2, &fd);
		if (r == 0)
			(void)close(fd);
		assert_row(i, r == t[i].create);
		assert_row(i, bodyfile_sync(&b, id) == t[i].sync);
		assert_row(i, bodyfile_unlink(&b, id) == t[i].unlink_);
		disk_heal();
	}
	disk_fail(DISK_MKDIRAT, 1, ENOSPC, true);
	assert_int_equal(bodyfiles_open(&other, &disk_ops, dirfd_), ERR_FULL);
	disk_fail(DISK_MKDIRAT, 9, EACCES, true);
	assert_int_equal(bodyfiles_open(&other, &disk_ops, dirfd_), ERR_IO);
	disk_heal();
	assert_int_equal(bodyfiles_open(&other, NULL, dirfd_), 0);
	bodyfiles_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(life), T(sweep), T(ids_are_not_taken_twice), T(failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
