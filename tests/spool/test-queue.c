/* The queue in the engine: accept, outcomes, deliveries, the schedule, over crashes. */
#include "tests/spool/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Berkeley DB leaks when its environment has failed and is closed. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb";
}

static struct arena *a;

static int setup(void **state)
{
	a = arena_new(16 << 20);
	return engine_setup(state);
}

static int teardown(void **state)
{
	arena_free(&a);
	return engine_teardown(state);
}

static int due_text(void *ctx, uint64_t due, uint64_t msgid)
{
	buf_addf(ctx, "%llu:%llu ", (unsigned long long)due, (unsigned long long)(msgid % 1000));
	return 0;
}

static uint64_t first_due(void)
{
	struct buf b = BUF_INIT(65536);
	uint64_t v;

	assert_int_equal(spool_due(sp, due_text, &b), 0);
	buf_add_byte(&b, 0);
	v = strtoull((char *)b.p, NULL, 10);
	buf_free(&b);
	return v;
}

static void accept_and_read(void **state)
{
	uint64_t id = do_accept("s@naver.test", "a@daum.test b@daum.test", "Subject: x\r\n\r\nhello\r\n");
	struct ix_msg m;
	struct ix_rcpt rc;

	(void)state;
	assert_true(id >= 1000000 * UINT64_C(1000000));
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(spool_msg_get(sp, id, a, &m), 0);
		assert_slice(0, m.sender, "s@naver.test");
		assert_int_equal(m.pending, 2);
		assert_int_equal(spool_rcpt_get(sp, id, 1, a, &rc), 0);
		assert_slice(1, rc.addr, "b@daum.test");
		assert_string_equal(body_text(m.bodyid), "Subject: x\r\n\r\nhello\r\n");
		assert_int_equal(first_due(), 1000000);
		assert_int_equal(spool_counters(sp)->queued, 1);
		turn == 0 ? engine_close() : engine_crash();
		engine_open();
	}
	assert_int_equal(do_accept("s@x", "", "x"), 0);
}

static void outcomes(void **state)
{
	uint64_t id = do_accept("s@x", "a@y b@y", "body\r\n");
	struct ix_msg m;
	struct ix_rcpt rc;

	(void)state;
	assert_int_equal(do_result(id, 0, RCPT_PENDING, 2000000), 0);
	assert_int_equal(first_due(), 1000000);
	assert_int_equal(do_result(id, 1, RCPT_PENDING, 3000000), 0);
	assert_int_equal(first_due(), 2000000);
	assert_int_equal(do_result(id, 0, RCPT_DONE, 0), 0);
	assert_int_equal(first_due(), 3000000);
	assert_int_equal(spool_rcpt_get(sp, id, 0, a, &rc), 0);
	assert_int_equal(rc.attempts, 2);
	assert_int_equal(do_result(id, 0, RCPT_DONE, 0), ERR_STATE);            /* again */
	assert_int_equal(do_result(id, 7, RCPT_DONE, 0), ERR_NOTFOUND);
	assert_int_equal(do_result(id, 1, 9, 0), ERR_SYNTAX);
	assert_int_equal(do_result(12345, 0, RCPT_DONE, 0), ERR_NOTFOUND);
	engine_crash();
	engine_open();
	assert_int_equal(do_result(id, 1, RCPT_FAILED, 0), 0);
	assert_int_equal(spool_msg_get(sp, id, a, &m), ERR_NOTFOUND);
	assert_int_equal(first_due(), 0);
	assert_int_equal(spool_counters(sp)->queued, 0);
	assert_int_equal(spool_counters(sp)->dead, 1);
}

static void notices(void **state)
{
	uint64_t id = do_accept("s@x", "a@y", "body\r\n");
	struct op_rcpt to = { .addr = SLICE_LIT("s@x") };
	struct op_accept notice = { .rcpts = &to, .rcpts_n = 1, .body = { .size = 6, .bytes = SLICE_LIT("failed") } };
	struct op_result res = { .index = 0, .state = RCPT_FAILED, .status = SLICE_LIT("5.1.1") };
	struct spool_op op = { .kind = OP_OUTCOME, .outcome = { .msgid = id, .results = &res, .results_n = 1, .notices = &notice, .notices_n = 1 } };
	uint64_t ids[4];
	uint32_t n;
	struct ix_msg m;

	(void)state;
	assert_int_equal(do_op(&op, NULL), 0);
	engine_crash();
	engine_open();
	assert_int_equal(spool_queue_ids(sp, 0, 4, ids, &n), 0);
	assert_int_equal(n, 1);
	assert_true(ids[0] > id);
	assert_int_equal(spool_msg_get(sp, ids[0], a, &m), 0);
	assert_int_equal(m.sender.len, 0);
	assert_string_equal(body_text(ids[0]), "failed");
	/* The same again is a repetition: no second notice. */
	op.kind = OP_OUTCOME;
	op.outcome = (struct op_outcome){ .msgid = id, .results = &res, .results_n = 1, .notices = &notice, .notices_n = 1 };
	assert_int_equal(do_op(&op, NULL), ERR_NOTFOUND);
	/* A notice alone (success) about a message that is gone already is taken. */
	op.outcome = (struct op_outcome){ .msgid = id, .notices = &notice, .notices_n = 1 };
	assert_int_equal(do_op(&op, NULL), 0);
	assert_int_equal(spool_counters(sp)->queued, 2);
}

/* One body for many: rows are added, no body is written. */
static void one_body(void **state)
{
	struct op_rcpt rc[10];
	struct op_add add[10];
	struct op_deliver_rcpt d[10];
	char names[10][16];
	struct spool_op op = { .kind = OP_ACCEPT, .accept = { .rcpts = rc, .rcpts_n = 10,
		.body = { .size = 5, .bytes = SLICE_LIT("hello") } } };
	struct spool_done done;
	struct ix_body b;

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "u%u@x", i);
		rc[i] = (struct op_rcpt){ .addr = slice_cstr(names[i]) };
		assert_int_equal(do_create(i + 1, "INBOX"), 0);
		add[i] = (struct op_add){ .account = i + 1, .mailbox = mailbox_id(i + 1, "INBOX") };
		d[i] = (struct op_deliver_rcpt){ .index = i, .adds = &add[i], .adds_n = 1 };
	}
	assert_int_equal(do_op(&op, &done), 0);
	op = (struct spool_op){ .kind = OP_DELIVER, .deliver = { .msgid = done.id, .rcpts = d, .rcpts_n = 10, .cached = SLICE_LIT("sum") } };
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(done.id, 10);
	assert_int_equal(spool_counters(sp)->bodies, 1);
	assert_int_equal(spool_counters(sp)->rows, 10);
	assert_int_equal(spool_counters(sp)->queued, 0);
	for (uint32_t i = 0; i < 10; i++) {
		struct row row;
		struct slice sum;

		assert_int_equal(spool_row_get(sp, add[i].mailbox, 1, &row), 0);
		assert_string_equal(body_text(row.bodyid), "hello");
		assert_int_equal(spool_body_get(sp, row.bodyid, &b), 0);
		assert_int_equal(b.refs, 10);
		assert_int_equal(spool_summary(sp, row.bodyid, a, &sum), 0);
		assert_slice(i, sum, "sum");
	}
}

static void exactly_once(void **state)
{
	uint64_t id = do_accept("s@x", "a@y alias@y", "x"), inbox;

	(void)state;
	assert_int_equal(do_deliver(id, 0, 5, "INBOX"), 0);
	assert_int_equal(do_deliver(id, 0, 5, "INBOX"), 0);     /* told again: nothing */
	engine_crash();
	engine_open();
	assert_int_equal(do_deliver(id, 0, 5, "INBOX"), 0);
	inbox = mailbox_id(5, "INBOX");
	assert_string_equal(rows_text(inbox), "1");
	/* Another recipient that ends in the same mailbox: done, without a second row. */
	assert_int_equal(do_deliver(id, 1, 5, "INBOX"), 0);
	assert_string_equal(rows_text(inbox), "1");
	assert_int_equal(spool_counters(sp)->queued, 0);
	assert_int_equal(do_deliver(id, 1, 5, "INBOX"), ERR_NOTFOUND);
}

static void forwards(void **state)
{
	uint64_t id = do_accept("s@x", "list@y", "x");
	struct op_rcpt to[] = { { .addr = SLICE_LIT("one@z") }, { .addr = SLICE_LIT("LIST@y") }, { .addr = SLICE_LIT("one@z") } };
	struct op_deliver_rcpt d = { .index = 0, .forwards = to, .forwards_n = 3 };
	struct spool_op op = { .kind = OP_DELIVER, .deliver = { .msgid = id, .rcpts = &d, .rcpts_n = 1 } };
	struct ix_msg m;
	struct ix_rcpt rc;

	(void)state;
	assert_int_equal(do_op(&op, NULL), 0);
	assert_int_equal(spool_msg_get(sp, id, a, &m), 0);
	assert_int_equal(m.nrcpts, 2);          /* neither the loop nor the second of the same */
	assert_int_equal(m.pending, 1);
	assert_int_equal(spool_rcpt_get(sp, id, 0, a, &rc), 0);
	assert_int_equal(rc.state, RCPT_EXPANDED);
	assert_int_equal(spool_rcpt_get(sp, id, 1, a, &rc), 0);
	assert_slice(1, rc.addr, "one@z");
	assert_int_equal(do_result(id, 1, RCPT_DONE, 0), 0);
	assert_int_equal(spool_counters(sp)->queued, 0);
}

/* One of very many recipients is forwarded: all the others are looked at. */
static void forwards_of_many(void **state)
{
	enum { MANY = 1000 };
	static char addr[MANY][64];
	static struct op_rcpt rc[MANY];
	struct op_rcpt to[] = { { .addr = SLICE_LIT("one@z") }, { .addr = SLICE_LIT("") } };
	struct op_deliver_rcpt d = { .index = 7, .forwards = to, .forwards_n = 2 };
	struct spool_op op = { .kind = OP_ACCEPT,
		.accept = { .rcpts = rc, .rcpts_n = MANY, .body = { .size = 1, .bytes = SLICE_LIT("x") } } };
	struct spool_done done;
	struct ix_msg m;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(addr[i], sizeof(addr[i]), "somebody.%05d@a.domain.example", i);
		rc[i].addr = slice_cstr(addr[i]);
	}
	to[1].addr = rc[MANY - 1].addr;
	assert_int_equal(do_op(&op, &done), 0);
	op = (struct spool_op){ .kind = OP_DELIVER, .deliver = { .msgid = done.id, .rcpts = &d, .rcpts_n = 1 } };
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(spool_msg_get(sp, op.deliver.msgid, a, &m), 0);
	assert_int_equal(m.nrcpts, MANY + 1);
}

static void queue_verbs(void **state)
{
	uint64_t one = do_accept("s@x", "a@y", "1"), two = do_accept("s@x", "b@y", "2");
	struct op_id ids[3] = { { one }, { two }, { two + 99 } };
	struct spool_op op = { .kind = OP_QUEUE_DO, .queue = { .verb = QUEUE_HOLD, .msgs = ids, .msgs_n = 3 } };
	struct spool_done done;

	(void)state;
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(done.id, 2);
	assert_int_equal(first_due(), 0);
	assert_int_equal(do_result(one, 0, RCPT_PENDING, 9999999), 0);
	op.queue = (struct op_queue){ .verb = QUEUE_UNHOLD, .msgs = ids, .msgs_n = 1 };
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(first_due(), 9999999);
	op.queue = (struct op_queue){ .verb = QUEUE_FLUSH, .msgs = ids, .msgs_n = 1 };
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(first_due(), 1000000);
	op.queue = (struct op_queue){ .verb = QUEUE_DELETE, .msgs = ids, .msgs_n = 1 };
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(spool_counters(sp)->queued, 1);
	op.queue = (struct op_queue){ .verb = 9, .msgs = ids, .msgs_n = 1 };
	assert_int_equal(do_op(&op, &done), ERR_SYNTAX);
}

/* A refused op leaves the others of its batch alone; a failed flush undoes all of them. */
static void batches(void **state)
{
	struct op_rcpt rc = { .addr = SLICE_LIT("a@y") };
	struct op_accept good = { .rcpts = &rc, .rcpts_n = 1, .body = { .size = 1, .bytes = SLICE_LIT("x") } };
	struct spool_op op = { .kind = OP_ACCEPT };
	struct spool_done done;
	unsigned flushes;

	(void)state;
	assert_true(do_accept("s@x", "a@y", "the first makes the segment") != 0);
	flushes = disk_calls[DISK_FDATASYNC];
	for (int i = 0; i < 10; i++) {
		op.accept = good;
		if (i % 3 == 1)
			op.accept.rcpts_n = 0;
		assert_int_equal(spool_do(sp, &op, &done, NULL), i % 3 == 1 ? ERR_SYNTAX : 0);
	}
	assert_int_equal(spool_commit(sp), 0);
	assert_int_equal(disk_calls[DISK_FDATASYNC] - flushes, 1);
	assert_int_equal(spool_counters(sp)->queued, 8);
	disk_fail(DISK_FDATASYNC, 1, EIO, false);
	op.accept = good;
	assert_int_equal(spool_do(sp, &op, &done, NULL), 0);
	assert_int_equal(spool_commit(sp), ERR_IO);
	assert_int_equal(spool_counters(sp)->queued, 8);
	disk_heal();
	op.accept = good;
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(spool_counters(sp)->queued, 9);
	engine_crash();
	engine_open();
	assert_int_equal(spool_counters(sp)->queued, 9);
}

/* Writes over the last page of a table of the index. */
static void damage(const char *table)
{
	static const char bad[4096] = "damaged";
	char path[4200];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/index/%s.db", testdir_path(), table);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 3 * (off_t)sizeof(bad));
	assert_int_equal(pwrite(fd, bad, sizeof(bad), st.st_size - (off_t)sizeof(bad)), sizeof(bad));
	(void)close(fd);
}

/* An index that cannot be read does not say that a body file is nobody's. The next start makes it anew. */
static void damaged_index(void **state)
{
	enum { FILE_ID = 1000 };
	struct op_rcpt rc = { .addr = SLICE_LIT("a@y") };
	struct spool_op op = { .kind = OP_ACCEPT, .accept = { .rcpts = &rc, .rcpts_n = 1, .body = { .size = 1 } } };
	struct spool_done done;

	(void)state;
	for (op.accept.body.file = 1; op.accept.body.file <= FILE_ID; op.accept.body.file++)
		assert_int_equal(do_op(&op, &done), 0);
	assert_false(spool_file_used(sp, FILE_ID + 1));
	engine_close();
	damage("file");
	engine_open();
	assert_true(spool_file_used(sp, FILE_ID));
	assert_int_equal(do_accept("s@x", "a@y", "x"), 0);
	assert_true(spool_is_dead(sp));
	engine_crash();
	engine_open();
	assert_true(spool_file_used(sp, FILE_ID));
	assert_false(spool_file_used(sp, FILE_ID + 1));
	assert_int_equal(spool_counters(sp)->queued, FILE_ID);
	assert_true(do_accept("s@x", "a@y", "x") != 0);
}

static int count_trace(void *ctx, uint64_t lsn, const struct ix_trace *t)
{
	buf_add_slice(ctx, t->event);
	buf_add_byte(ctx, ' ');
	assert_true(lsn != 0);
	return 0;
}

static void traces_and_cleaning(void **state)
{
	uint64_t id = do_accept("s@x", "a@y b@y", "x");
	struct buf b = BUF_INIT(65536);
	bool more;

	(void)state;
	assert_int_equal(do_result(id, 0, RCPT_PENDING, 5), 0);
	assert_int_equal(do_result(id, 0, RCPT_DONE, 0), 0);
	assert_int_equal(spool_clean(sp, test_now_us + 1000, 0, 100, &more), 0);        /* still queued: stays */
	assert_int_equal(do_result(id, 1, RCPT_FAILED, 0), 0);
	assert_int_equal(spool_trace(sp, id, a, count_trace, &b), 0);
	buf_add_byte(&b, 0);
	assert_string_equal((char *)b.p, "accepted deferred sent bounced removed ");
	assert_int_equal(spool_clean(sp, test_now_us + 1000, 0, 100, &more), 0);
	buf_reset(&b);
	assert_int_equal(spool_trace(sp, id, a, count_trace, &b), 0);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(spool_counters(sp)->dead, 1);
	assert_int_equal(spool_reap(sp, 100, &more), 0);
	assert_int_equal(spool_counters(sp)->dead, 0);
	assert_int_equal(spool_counters(sp)->bodies, 0);
	assert_null(body_text(id));
	buf_free(&b);
}

/* What is not old is not walked through. */
static void cleaning_ends(void **state)
{
	uint64_t first = do_accept("s@x", "a@y", "x"), before, id = 0;
	struct buf b = BUF_INIT(65536);
	bool more;

	(void)state;
	assert_int_equal(do_result(first, 0, RCPT_DONE, 0), 0);
	before = test_now_us += 1000000;
	for (int i = 0; i < 20; i++) {
		test_now_us += 1000000;
		assert_true((id = do_accept("s@x", "a@y", "x")) != 0);
	}
	/* accepted, sent, removed; then the first that is younger */
	assert_int_equal(spool_clean(sp, before, 0, 3, &more), 0);
	assert_true(more);
	assert_int_equal(spool_clean(sp, before, 0, 3, &more), 0);
	assert_false(more);
	assert_int_equal(spool_trace(sp, first, a, count_trace, &b), 0);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(spool_trace(sp, id, a, count_trace, &b), 0);
	assert_true(buf_len(&b) != 0);
	buf_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(accept_and_read), T(outcomes), T(notices), T(one_body), T(exactly_once), T(forwards), T(forwards_of_many), T(queue_verbs),
		T(batches), T(damaged_index), T(traces_and_cleaning), T(cleaning_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
