/*
 * Random histories against the model: batches of ops, flushes that fail, crashes with and
 * without loss of what was not flushed, snapshots, lost and damaged indexes. After each
 * the spool is what the model is; and an index that is made anew is, byte for byte, the one it was.
 * TEST_SEED and TEST_HISTORIES choose others.
 */
#include "tests/spool/model.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "spool/index.h"

/* Berkeley DB does not give back all memory of an environment it could not open. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb";
}

enum { BATCH_MAX = 8 };
static struct model saved[BATCH_MAX + 1];       /* before the batch, and after each of its ops */
static uint64_t saved_lsn[BATCH_MAX + 1];
static unsigned dropped;        /* segments */
static bool derived;            /* something was reaped or cleaned: a new index has more */

/* Some system call fails some calls from now, once or for good. */
static void any_fault(unsigned within)
{
	static const enum disk_op ops[] = { DISK_FDATASYNC, DISK_FDATASYNC, DISK_PWRITEV, DISK_PWRITE, DISK_PWRITE, DISK_OPENAT, DISK_PREAD,
		DISK_FSYNC, DISK_FTRUNCATE, DISK_RENAMEAT, DISK_UNLINKAT, DISK_MKDIRAT, DISK_FSTAT, DISK_FSTATVFS };
	static const int errs[] = { EIO, ENOSPC, 0 };

	if (roll(6) == 0)
		disk_die(1 + roll(4 * within));
	else
		disk_fail(ops[roll(ARRAY_LEN(ops))], 1 + roll(within), errs[roll(ARRAY_LEN(errs))], roll(3) == 0);
}

static void batch(void)
{
	unsigned n = 1 + roll(BATCH_MAX), done = 0;
	bool fault = roll(12) == 0;
	int r = 0;

	saved[0] = model;
	saved_lsn[0] = spool_counters(sp)->applied;
	if (fault)
		any_fault(3);
	for (unsigned i = 0; i < n; i++) {
		r = model_step();
		if (r == ERR_IO || r == ERR_FULL || r == ERR_NOMEM)
			break;
		if (r == ERR_CORRUPT)
			fail_msg("corrupt");
		r = 0;
		test_now_us += roll(3000000);
		saved[++done] = model;
		saved_lsn[done] = spool_counters(sp)->applied;
	}
	if (r != 0 || roll(25) == 0) {
		spool_abort(sp);
		model = saved[0];
	} else if ((r = spool_commit(sp)) != 0) {
		assert_true(fault);
		model = saved[0];
	}
	disk_heal();
	if (!spool_is_dead(sp))
		return;
	/* A log that could not be mended wants a new start, which may find the first of the batch's ops. */
	assert_true(fault);
	engine_crash();
	if (roll(2) == 0)
		disk_power_cut();
	engine_open();
	while (done > 0 && saved_lsn[done] != spool_counters(sp)->applied)
		done--;
	assert_int_equal(saved_lsn[done], spool_counters(sp)->applied);
	model = saved[done];
	model_check("a log that could not be mended");
}

static void damage_index(void)
{
	static const char *const files[] = { "row.db", "meta.db", "queue.db", "log.0000000001" };
	char path[4200], noise[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/index/%s", testdir_path(), files[roll(ARRAY_LEN(files))]);
	if ((fd = open(path, O_WRONLY)) < 0)
		return;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)roll(256);
	(void)!pwrite(fd, noise, sizeof(noise), 0);
	(void)close(fd);
}

struct in_segment {
	uint64_t segment, ids[256];
	size_t n;
};

static int body_in(void *ctx, struct slice key, struct slice val)
{
	struct in_segment *s = ctx;
	struct cursor c = cursor_of(val);
	struct ix_body b;

	assert_int_equal(ix_body_decode(&c, NULL, &b), 0);
	if (b.refs != 0 && b.file == 0 && b.segment == s->segment && s->n < ARRAY_LEN(s->ids))
		s->ids[s->n++] = get_be64(key.p);
	return 0;
}

/* As compaction does: the live bodies of a segment are written again. */
static void empty_segment(uint64_t first_lsn)
{
	struct in_segment in = { .segment = first_lsn };
	struct spool_op op = { .kind = OP_BODY_MOVED };
	struct spool_done done;

	assert_int_equal(spool_dump(sp, IX_BODY, body_in, &in), 0);
	for (size_t i = 0; i < in.n; i++) {
		op.moved = (struct op_moved){ in.ids[i], slice_cstr(body_text(in.ids[i])) };
		assert_int_equal(spool_do(sp, &op, &done, NULL), 0);
	}
	assert_int_equal(spool_commit(sp), 0);
}

/* Segments that nothing needs any more go. */
static void drop_segments(void)
{
	const struct log_segment *seg;
	size_t n;

	seg = log_segments(spool_log_of(sp), &n);
	if (n > 2)
		empty_segment(seg[roll((uint32_t)n - 1)].first_lsn);
	assert_int_equal(spool_checkpoint(sp, 0), 0);
	for (bool again = true; again;) {
		again = false;
		seg = log_segments(spool_log_of(sp), &n);
		for (size_t i = 0; i < n && !again; i++)
			if (seg[i].sealed && seg[i].last_lsn <= spool_snapshot_lsn(sp) &&
			    spool_segment_live(sp, seg[i].first_lsn).live_bodies == 0) {
				assert_int_equal(log_remove(spool_log_of(sp), seg[i].first_lsn), 0);
				dropped++;
				again = true;
			}
	}
}

static void event(void)
{
	uint64_t before;
	bool more;

	switch (roll(8)) {
	case 0:
		engine_crash();
		engine_open();
		model_check("crash");
		break;
	case 1:
		engine_crash();
		disk_power_cut();
		engine_open();
		model_check("power cut");
		break;
	case 2:
		engine_close();
		engine_open();
		model_check("restart");
		break;
	case 3:
		before = index_hash();
		engine_crash();
		engine_lose("index");
		engine_open();
		model_check("lost index");
		if (!derived && spool_counters(sp)->applied != 0)
			assert_true(index_hash() == before);
		break;
	case 4:
		if (roll(2) == 0)
			any_fault(8);
		more = spool_snapshot(sp) != 0;
		assert_true(!more || disk_struck());
		disk_heal();
		break;
	case 6:
		/* A start that fails does no harm to the next one. */
		engine_crash();
		any_fault(20);
		if (engine_try_open() != 0) {
			disk_heal();
			engine_open();
		}
		disk_heal();
		model_check("a start with a fault");
		break;
	case 5:
		engine_close();
		damage_index();
		engine_open();
		model_check("damaged index");
		break;
	default:
		derived = true;
		do
			assert_int_equal(spool_reap(sp, 1 + roll(20), &more), 0);
		while (more && roll(8) != 0);
		if (roll(2) == 0)
			assert_int_equal(spool_snapshot(sp), 0);
		drop_segments();
		model_check("reaping");
	}
}

static void history(uint64_t seed)
{
	roll_seed(seed);
	disk_seed(seed);
	memset(&model, 0, sizeof(model));
	derived = false;
	for (int i = 0; i < 200 && model.bodies < M_BODIES - 100; i++) {
		batch();
		if (i % 10 == 9)
			model_check("batch");
		if (roll(12) == 0)
			event();
	}
	model_check("end");
}

static void random_histories(void **state)
{
	const char *s = getenv("TEST_SEED"), *h = getenv("TEST_HISTORIES");
	uint64_t seed = s != NULL ? strtoull(s, NULL, 10) : 1;
	int n = h != NULL ? (int)strtol(h, NULL, 10) : 12;

	for (int i = 0; i < n; i++) {
		assert_int_equal(engine_setup(state), 0);
		print_message("# seed %llu, segments dropped so far %u\n", (unsigned long long)seed + (unsigned)i, dropped);
		history(seed + (unsigned)i);
		assert_int_equal(engine_teardown(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_histories) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
