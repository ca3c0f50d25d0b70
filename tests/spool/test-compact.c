/*
 * Compaction: what it counts, that it gives space back and takes nothing that lives, wherever
 * it is interrupted, and that the index can be made anew afterwards.
 */
#include "tests/spool/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/segment.h"

/* Berkeley DB does not give back all memory of an environment it could not open. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb";
}

enum { ACCOUNT = 7, SEGMENT = 64 << 10 };

/* ---- what the tests share ---- */

static char log_text[65536];

static void keep_log(enum log_level level, const char *text)
{
	size_t n = strlen(log_text), k = strlen(text);

	(void)level;
	if (n + k + 2 < sizeof(log_text))
		memcpy(log_text + n, text, k), memcpy(log_text + n + k, "\n", 2);
}

static void capture(void)
{
	log_capture(keep_log);
	log_set_level(LOG_LEVEL_INFO);
}

/* The body of message n: its number in the first line, then filling. */
static const char *body_of(unsigned n, size_t size)
{
	static char text[32768];

	memset(text, 'a' + (int)(n % 26), size);
	text[snprintf(text, sizeof(text), "marker-%06u-marker\r\n", n)] = '\r';
	text[size] = '\0';
	return text;
}

/* n messages of size bytes, delivered to INBOX as UIDs first, first + 1, ... */
static void fill(unsigned first, unsigned n, size_t size)
{
	for (unsigned i = first; i < first + n; i++) {
		uint64_t id = do_accept("s@x", "r@y", body_of(i, size));

		assert_true(id != 0);
		assert_int_equal(do_deliver(id, 0, ACCOUNT, "INBOX"), 0);
	}
}

static int expunge(uint32_t first, uint32_t last)
{
	struct op_range r = { first, last };
	struct spool_op op = { .kind = OP_EXPUNGE, .expunge = { .mailbox = mailbox_id(ACCOUNT, "INBOX"), .uids = &r, .uids_n = 1 } };

	return do_op(&op, NULL);
}

static int reap(void)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more)
		r = spool_reap(sp, 100, &more);
	return r;
}

/* UIDs of every keep-th message live, the others are expunged. */
static void thin(unsigned n, unsigned keep)
{
	for (unsigned i = 1; i <= n; i += keep)
		assert_int_equal(expunge(i, i + keep - 2), 0);
	assert_int_equal(reap(), 0);
}

static int check_row(void *ctx, const struct row *r)
{
	size_t *size = ctx;

	if (strcmp(body_text(r->bodyid), body_of(r->uid, *size)) != 0)
		fail_msg("uid %u has another body", r->uid);
	return 0;
}

/* Each row has the body it was delivered with. */
static void check_bodies(size_t size)
{
	struct op_range all = { 1, UINT32_MAX };

	assert_int_equal(spool_rows(sp, mailbox_id(ACCOUNT, "INBOX"), &all, 1, check_row, &size), 0);
}

static int move_all(const struct compact_pick *p)
{
	struct compaction *c = NULL;
	uint64_t copied = 0;
	bool more = true;
	int r = spool_compact_begin(sp, p->first_lsn, &c), r2;

	while (r == 0 && more) {
		r = spool_compact_step(c, 20000, &copied, &more);
		r2 = spool_commit(sp);
		r = r != 0 ? r : r2;
	}
	spool_compact_end(&c);
	return r;
}

/* A whole pass over everything with something dead in it. */
static int compact(uint64_t *removed_r)
{
	struct compact_pick picks[100];
	uint64_t bytes;
	bool more = true;
	size_t n;
	int r;

	*removed_r = 0;
	if ((r = reap()) != 0 || (r = spool_compact_seal(sp, UINT64_MAX)) != 0)
		return r;
	n = spool_compact_plan(sp, 50, UINT64_MAX, picks, ARRAY_LEN(picks));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = move_all(&picks[i]);
	while (r == 0 && spool_compact_wants(sp) > spool_snapshot_lsn(sp)) {
		if (spool_snapshot_newest(sp, &bytes) == spool_counters(sp)->applied)
			r = spool_append_nothing(sp);
		if (r == 0)
			r = spool_snapshot(sp);
	}
	while (r == 0 && more)
		r = spool_compact_remove(sp, 2, removed_r, &more);
	return r;
}

static uint64_t log_size(void)
{
	const struct log_segment *segs;
	uint64_t size = 0;
	size_t n;

	segs = log_segments(spool_log_of(sp), &n);
	for (size_t i = 0; i < n; i++)
		size += segs[i].size;
	return size;
}

/* Whether the text is anywhere in the files below log/; and their length. */
static bool on_disk(const char *text, uint64_t *size_r)
{
	static char content[4 << 20];
	char path[4200];
	struct dirent *e;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/log", testdir_path());
	assert_non_null(d = opendir(path));
	*size_r = 0;
	while ((e = readdir(d)) != NULL) {
		ssize_t n;
		int fd;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/log/%s", testdir_path(), e->d_name);
		assert_true((fd = open(path, O_RDONLY)) >= 0);
		n = read(fd, content, sizeof(content));
		assert_true(n >= 0 && n < (ssize_t)sizeof(content));
		found = found || memmem(content, (size_t)n, text, strlen(text)) != NULL;
		*size_r += (uint64_t)n;
		(void)close(fd);
	}
	(void)closedir(d);
	return found;
}

/* Turns a byte in the middle of snapshot number i, the newest being 0. */
static void damage_snapshot(unsigned i)
{
	char path[4200], names[8][32];
	unsigned n = 0;
	struct dirent *e;
	struct stat st;
	uint8_t b;
	DIR *d;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/snapshot", testdir_path());
	assert_non_null(d = opendir(path));
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && n < 8)
			(void)snprintf(names[n++], sizeof(names[0]), "%.31s", e->d_name);
	(void)closedir(d);
	assert_true(i < n);
	for (unsigned k = 0; k < n; k++) {
		unsigned newer = 0;

		for (unsigned m = 0; m < n; m++)
			newer += strcmp(names[m], names[k]) > 0;
		if (newer == i)
			(void)snprintf(path, sizeof(path), "%s/snapshot/%s", testdir_path(), names[k]);
	}
	assert_true((fd = open(path, O_RDWR)) >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &b, 1, st.st_size / 2), 1);
	b ^= 0x40;
	assert_int_equal(pwrite(fd, &b, 1, st.st_size / 2), 1);
	(void)close(fd);
}

/* ---- the tests ---- */

struct sums { uint64_t bytes, bodies; };

static struct sums live_sums(void)
{
	const struct log_segment *segs;
	struct sums t = { 0, 0 };
	size_t n;

	segs = log_segments(spool_log_of(sp), &n);
	for (size_t i = 0; i < n; i++) {
		struct ix_segment live = spool_segment_live(sp, segs[i].first_lsn);

		t.bytes += live.live_bytes;
		t.bodies += live.live_bodies;
	}
	return t;
}

static void accounts(void **state)
{
	struct sums t;
	uint64_t hash, removed;

	(void)state;
	fill(1, 100, 10000);
	t = live_sums();
	assert_int_equal(t.bytes, 100 * 10000);
	assert_int_equal(t.bodies, 100);
	thin(100, 10);
	t = live_sums();
	assert_int_equal(t.bytes, 10 * 10000);
	assert_int_equal(t.bodies, 10);
	assert_true(spool_segment_live(sp, 1).dead_since != 0);
	engine_crash();
	engine_open();
	/* What was reaped may have come back, and goes again. */
	assert_int_equal(reap(), 0);
	t = live_sums();
	assert_int_equal(t.bytes, 10 * 10000);
	assert_int_equal(compact(&removed), 0);
	assert_true(removed > 900 * 1000);
	t = live_sums();
	assert_int_equal(t.bytes, 10 * 10000);
	assert_int_equal(t.bodies, 10);
	check_bodies(10000);
	hash = index_hash();
	engine_close();
	engine_open();
	assert_true(index_hash() == hash);
	engine_crash();
	engine_lose("index");
	engine_open();
	assert_true(index_hash() == hash);
	check_bodies(10000);
}

static void gives_space_back(void **state)
{
	struct compact_pick picks[8];
	uint64_t before, removed, disk_before, disk_after;

	(void)state;
	fill(1, 300, 10000);
	assert_true(on_disk("marker-000002-marker", &disk_before));
	assert_int_equal(spool_compact_plan(sp, 50, 0, picks, 8), 0);
	thin(300, 20);
	before = log_size();
	assert_true(spool_compact_plan(sp, 50, 0, picks, 8) >= 2);
	assert_int_equal(spool_compact_plan(sp, 101, 1, picks, 8), 0);
	assert_int_equal(compact(&removed), 0);
	assert_true(removed > 2800 * 1000);
	assert_true(log_size() < before - 1500 * 1000);
	assert_string_equal(rows_text(mailbox_id(ACCOUNT, "INBOX")), "20 40 60 80 100 120 140 160 180 200 220 240 260 280 300");
	check_bodies(10000);
	for (unsigned i = 1; i <= 300; i++) {
		char marker[32];

		(void)snprintf(marker, sizeof(marker), "marker-%06u-marker", i);
		assert_row(i, on_disk(marker, &disk_after) == (i % 20 == 0));
	}
	assert_true(disk_after < disk_before - 1500 * 1000);
	/* What was compacted is not worth it again. */
	assert_int_equal(compact(&removed), 0);
	assert_int_equal(removed, 0);
}

/* Bodies so small that a moved one is mostly overhead must not be moved for ever. */
static void small_bodies(void **state)
{
	struct compact_pick picks[8];
	uint64_t removed;

	(void)state;
	fill(1, 400, 30);
	thin(400, 2);
	assert_int_equal(compact(&removed), 0);
	check_bodies(30);
	for (size_t i = 0, n = spool_compact_plan(sp, 50, 0, picks, 8); i < n; i++)
		assert_row(i, picks[i].copy < 8192);
	assert_int_equal(compact(&removed), 0);
	assert_int_equal(compact(&removed), 0);
	assert_int_equal(removed, 0);
}

static bool pin_all;
static bool pinned(void *ctx, uint64_t bodyid)
{
	(void)ctx;
	(void)bodyid;
	return pin_all;
}

/* A body that a session may still read moves too, and goes once it is let go. */
static void pinned_bodies(void **state)
{
	uint64_t id, removed, size;

	(void)state;
	engine_close();
	test_pinned = pinned;
	engine_open();
	pin_all = true;
	fill(1, 10, 1000);
	id = spool_counters(sp)->last_id;
	assert_int_equal(expunge(1, 10), 0);
	assert_int_equal(compact(&removed), 0);
	assert_true(removed > 10 * 1000);
	assert_string_equal(body_text(id), body_of(10, 1000));
	assert_int_equal(spool_counters(sp)->dead, 10);
	pin_all = false;
	assert_int_equal(compact(&removed), 0);
	assert_true(removed > 10 * 1000);
	assert_null(body_text(id));
	assert_false(on_disk("marker-", &size));
	engine_close();
	test_pinned = NULL;
	engine_open();
}

static void snapshots(void **state)
{
	uint64_t hash, bytes, lsn;
	bool more = true;
	unsigned n = 1000, steps = 0;

	(void)state;
	fill(1, 200, 2000);
	assert_int_equal(spool_snapshot_step(sp, 1000, &more), ERR_STATE);
	assert_int_equal(spool_snapshot_begin(sp), 0);
	assert_int_equal(spool_snapshot_begin(sp), ERR_STATE);
	lsn = spool_counters(sp)->applied;
	/* All kinds of changes while it is written, in front of it and behind it. */
	for (more = true; more; steps++) {
		assert_int_equal(spool_snapshot_step(sp, 700, &more), 0);
		if (!more)
			break;
		if (steps % 3 == 0)
			fill(n++, 1, 1500);
		if (steps % 5 == 0)
			assert_int_equal(expunge(1 + steps % 200, 1 + steps % 200), 0);
		if (steps % 7 == 0)
			assert_int_equal(reap(), 0);
		if (steps % 11 == 0)
			(void)do_create(ACCOUNT + steps % 4, n % 2 == 0 ? "a" : "b");
		if (steps % 13 == 0) {
			struct spool_op op = { .kind = OP_SUBSCRIBE, .subscribe = { ACCOUNT, SLICE_LIT("zzz"), steps % 2 } };
			struct spool_done done;

			assert_int_equal(spool_do(sp, &op, &done, NULL), 0);
			assert_int_equal(spool_snapshot_step(sp, 1, &more), ERR_STATE);
			spool_abort(sp);
			more = true;
		}
	}
	assert_true(steps > 100);
	assert_true(spool_snapshot_newest(sp, &bytes) == lsn && bytes > 10000);
	assert_int_equal(reap(), 0);
	hash = index_hash();
	engine_crash();
	engine_lose("index");
	log_text[0] = '\0';
	capture();
	engine_open();
	assert_non_null(strstr(log_text, "anew from snapshot"));
	/* What was reaped comes back from before, and goes again. */
	assert_int_equal(reap(), 0);
	assert_true(index_hash() == hash);
}

static void rebuilds(void **state)
{
	uint64_t hash, removed;

	(void)state;
	capture();
	fill(1, 120, 10000);
	hash = index_hash();
	/* From the log alone. */
	engine_crash();
	engine_lose("index");
	log_text[0] = '\0';
	engine_open();
	assert_non_null(strstr(log_text, "anew from the log"));
	assert_true(index_hash() == hash);
	/* From a snapshot, when the segments before it are gone. */
	thin(120, 4);
	assert_int_equal(compact(&removed), 0);
	assert_true(removed > 0);
	fill(121, 10, 10000);
	hash = index_hash();
	engine_crash();
	engine_lose("index");
	log_text[0] = '\0';
	engine_open();
	assert_non_null(strstr(log_text, "anew from snapshot"));
	assert_true(index_hash() == hash);
	/* The newest snapshot is damaged: from the one before. */
	engine_crash();
	engine_lose("index");
	damage_snapshot(0);
	log_text[0] = '\0';
	engine_open();
	assert_non_null(strstr(log_text, "cannot be used"));
	assert_non_null(strstr(log_text, "anew from snapshot"));
	assert_true(index_hash() == hash);
	check_bodies(10000);
	/* None is left: that cannot be mended, and nothing is made up. */
	engine_crash();
	engine_lose("index");
	damage_snapshot(1);
	assert_int_equal(engine_try_open(), ERR_CORRUPT);
	engine_lose("log");
	engine_open();
}

static void on_a_full_disk(void **state)
{
	uint64_t removed;

	(void)state;
	fill(1, 60, 5000);
	/* Two snapshots that are newer than all that is removed. */
	assert_int_equal(spool_compact_seal(sp, UINT64_MAX), 0);
	assert_int_equal(spool_snapshot(sp), 0);
	assert_int_equal(spool_append_nothing(sp), 0);
	assert_int_equal(spool_snapshot(sp), 0);
	assert_int_equal(expunge(1, 40), 0);
	/* Nothing can be written: what is empty goes all the same. */
	disk_fail(DISK_PWRITE, 1, ENOSPC, true);
	(void)compact(&removed);
	disk_heal();
	engine_crash();
	engine_open();
	assert_int_equal(reap(), 0);
	disk_fail(DISK_PWRITE, 1, ENOSPC, true);
	{
		bool more = true;

		removed = 0;
		while (more)
			assert_int_equal(spool_compact_remove(sp, 2, &removed, &more), 0);
	}
	assert_true(removed > 3 * SEGMENT / 2);
	disk_heal();
	check_bodies(5000);
	assert_int_equal(compact(&removed), 0);
	check_bodies(5000);
	assert_int_equal(mailbox_of(mailbox_id(ACCOUNT, "INBOX")).messages, 20);
}

/* ---- interrupted anywhere ---- */

static void fresh(void **state)
{
	assert_int_equal(engine_setup(state), 0);
	fill(1, 24, 8000);
	for (unsigned i = 1; i <= 24; i += 3)
		assert_int_equal(expunge(i, i + 1), 0);
}

/* After the fault and a new start nothing that lived is gone, and compaction goes through. */
static void after(void **state, bool cut, unsigned at)
{
	uint64_t removed, size;

	engine_crash();
	if (cut)
		disk_power_cut();
	disk_heal();
	if (at % 3 == 0)
		engine_lose("index");
	assert_row(at, engine_try_open() == 0);
	assert_row(at, strcmp(rows_text(mailbox_id(ACCOUNT, "INBOX")), "3 6 9 12 15 18 21 24") == 0);
	check_bodies(8000);
	assert_row(at, compact(&removed) == 0);
	check_bodies(8000);
	assert_row(at, !on_disk("marker-000001-marker", &size) && on_disk("marker-000024-marker", &size));
	if (at % 4 == 0) {
		uint64_t hash = index_hash();

		engine_crash();
		engine_lose("index");
		engine_open();
		assert_row(at, index_hash() == hash);
	}
	assert_int_equal(engine_teardown(state), 0);
}

static void dies_anywhere(void **state)
{
	uint64_t removed;

	/* TEST_STEP=1: really at each. */
	const char *step = getenv("TEST_STEP");
	unsigned by = step != NULL && strcmp(step, "1") == 0 ? 1 : 5;

	for (unsigned at = 1;; at += by) {
		bool struck;

		fresh(state);
		disk_die(at);
		(void)compact(&removed);
		struck = disk_struck();
		after(state, at % 2 == 0, at);
		if (!struck) {
			assert_true(at > 40);
			print_message("# died at %u calls\n", at / by);
			return;
		}
	}
}

static void each_call_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC, 0 };
	uint64_t removed;

	for (unsigned op = 0; op < DISK_OPS; op++)
		for (unsigned e = 0; e < ARRAY_LEN(errors); e++)
			for (unsigned at = 1; at < 60; at += at < 2 ? 1 : 23) {
				bool struck;

				if (op == DISK_CLOSE || (errors[e] == 0 && op != DISK_PWRITE && op != DISK_PREAD))
					break;
				fresh(state);
				disk_fail((enum disk_op)op, at, errors[e], false);
				(void)compact(&removed);
				struck = disk_struck();
				disk_heal();
				/* It goes on in the same process when it can. */
				if (!spool_is_dead(sp) && at % 2 == 0) {
					check_bodies(8000);
					assert_row(at, compact(&removed) == 0);
				}
				after(state, false, at);
				if (!struck)
					break;
			}
}

#define T(f) cmocka_unit_test_setup_teardown(f, engine_setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(accounts), T(gives_space_back), T(small_bodies), T(pinned_bodies), T(snapshots), T(rebuilds), T(on_a_full_disk),
		cmocka_unit_test(dies_anywhere), cmocka_unit_test(each_call_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
