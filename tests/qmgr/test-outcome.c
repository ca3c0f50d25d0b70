/* What an answer means: states, times, log lines, records and the notices in them. */
#include "tests/lib/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "qmgr/notice.h"
#include "qmgr/outcome.h"

enum { NOW = 1800000000, HOUR = 3600, DAY = 86400 };

static char last_line[4096];

static void capture(enum log_level level, const char *text)
{
	(void)level;
	(void)snprintf(last_line, sizeof(last_line), "%s", text);
}

static struct conf conf(void)
{
	return (struct conf){ .queue_backoff_min = 300, .queue_backoff_max = 3600, .queue_lifetime = 5 * DAY, .queue_delay_notice = 4 * HOUR };
}

static const struct outcome_clock clk = { .now_s = NOW, .steady_s = NOW, .mono_ms = 100000 };

static struct qmsg *message(const char *sender, uint64_t age, uint32_t attempts, uint8_t notify, uint32_t n)
{
	struct spool_rcpt r[4];
	struct spool_msg m = { .msgid = 0xabcdef, .sender = slice_cstr(sender), .created = NOW - age, .rcpts = r, .rcpts_n = n,
	    .message_id = SLICE_LIT("<orig@a.test>"), .size = 40, .relay_off = 4 };
	static const char *const addrs[] = { "r0@b.test", "r1@b.test", "r2@b.test", "r3@b.test" };

	for (uint32_t i = 0; i < n; i++)
		r[i] = (struct spool_rcpt){ .index = i, .addr = slice_cstr(addrs[i]), .attempts = attempts, .notify = notify };
	return message_new(&m, NOW, 99000);
}

static void answer(struct qmsg *m, uint32_t i, uint8_t kind, const char *status, const char *text)
{
	message_set_outcome(&m->rcpts[i], kind, slice_cstr(status), slice_cstr(text), SLICE_LIT("mx.b.test[192.0.2.1]:25"));
	m->rcpts[i].state = QR_DONE;
	m->rcpts[i].out.started_ms = 99500;
	m->rcpts[i].out.connect_ms = 250;
	m->rcpts[i].out.send_ms = 12;
	m->open--;
}

struct row {
	uint8_t kind;
	const char *status, *text;
	uint32_t attempts;
	uint64_t age;
	uint8_t want_state;
	const char *want_status, *want_line;
};

static const struct row rows[] = {
	{ OUTCOME_DONE, "2.0.0", "250 2.0.0 Ok: queued as X", 0, 2, RCPT_DONE, "2.0.0",
	  "0000ABCDEF: to=<r0@b.test>, relay=mx.b.test[192.0.2.1]:25, delay=2.0, delays=1.0/0.5/0.2/0.01, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X)" },
	{ OUTCOME_DEFERRED, "4.2.1", "450 busy", 0, 2, RCPT_PENDING, "4.2.1",
	  "0000ABCDEF: to=<r0@b.test>, relay=mx.b.test[192.0.2.1]:25, delay=2.0, delays=1.0/0.5/0.2/0.01, dsn=4.2.1, status=deferred (450 busy)" },
	{ OUTCOME_BOUNCED, "5.1.1", "550 no", 0, 100, RCPT_FAILED, "5.1.1",
	  "0000ABCDEF: to=<r0@b.test>, relay=mx.b.test[192.0.2.1]:25, delay=100, delays=99/0.5/0.2/0.01, dsn=5.1.1, status=bounced (550 no)" },
	/* statuses of a class that does not fit are not believed */
	{ OUTCOME_DONE, "5.1.1", "x", 0, 2, RCPT_DONE, "2.0.0", NULL },
	{ OUTCOME_BOUNCED, "", "x", 0, 2, RCPT_FAILED, "5.0.0", NULL },
	{ OUTCOME_DEFERRED, "5.1.1", "x", 0, 2, RCPT_PENDING, "4.0.0", NULL },
	/* the end of its time */
	{ OUTCOME_DEFERRED, "4.4.1", "refused", 50, 5 * DAY + 10, RCPT_FAILED, "5.4.7", NULL },
	{ OUTCOME_DEFERRED, "4.4.1", "refused", 4, 5 * DAY + 10, RCPT_FAILED, "5.4.7", NULL },
	{ OUTCOME_DEFERRED, "4.4.1", "refused", 3, 5 * DAY + 10, RCPT_PENDING, "4.4.1", NULL },
	{ OUTCOME_DEFERRED, "4.4.1", "refused", 50, 5 * DAY - 10, RCPT_PENDING, "4.4.1", NULL },
	/* one line stays one line */
	{ OUTCOME_DEFERRED, "4.4.1", "a\nb\x01\xff", 0, 2, RCPT_PENDING, "4.4.1",
	  "0000ABCDEF: to=<r0@b.test>, relay=mx.b.test[192.0.2.1]:25, delay=2.0, delays=1.0/0.5/0.2/0.01, dsn=4.4.1, status=deferred (a?b?\?)" },
};

static void test_settle(void **state)
{
	struct conf c = conf();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct qmsg *m = message("s@a.test", rows[i].age, rows[i].attempts, 0, 1);

		answer(m, 0, rows[i].kind, rows[i].status, rows[i].text);
		outcome_settle(m, &c, &clk);
		assert_row(i, m->rcpts[0].out.state == rows[i].want_state);
		assert_slice(i, slice_cstr(m->rcpts[0].out.status), rows[i].want_status);
		if (rows[i].want_line != NULL)
			assert_slice(i, slice_cstr(last_line), rows[i].want_line);
		if (rows[i].want_state == RCPT_PENDING)
			assert_row(i, m->rcpts[0].out.due_s >= NOW + 300 && m->rcpts[0].out.due_s <= NOW + 3600);
		message_free(&m);
	}
}

/* A dead destination: not before it is tried again. */
static void test_not_before(void **state)
{
	struct conf c = conf();
	struct qmsg *m = message("s@a.test", 1, 0, 0, 1);

	(void)state;
	answer(m, 0, OUTCOME_DEFERRED, "4.4.1", "suspended");
	m->rcpts[0].out.not_before_ms = clk.mono_ms + 5000 * 1000;
	outcome_settle(m, &c, &clk);
	assert_in_range(m->rcpts[0].out.due_s, NOW + 5000, NOW + 5000 + 75);
	message_free(&m);
}

static bool contains(struct slice s, const char *what)
{
	size_t n = strlen(what);

	for (size_t i = 0; i + n <= s.len; i++)
		if (memcmp(s.p + i, what, n) == 0)
			return true;
	return false;
}

static struct record *collect(struct qmsg *m, bool all, bool release)
{
	struct conf c = conf();
	struct record *rec;

	outcome_settle(m, &c, &clk);
	assert_int_equal(outcome_collect(m, all, release, &c, &clk, &rec), 0);
	return rec;
}

/* Deferrals and successes at once, failures with the last; nothing twice. */
static void test_collect(void **state)
{
	struct qmsg *m = message("s@a.test", 1, 0, 0, 4);
	struct record *rec;

	(void)state;
	answer(m, 0, OUTCOME_BOUNCED, "5.1.1", "no");
	answer(m, 1, OUTCOME_DONE, "2.0.0", "ok");
	rec = collect(m, false, false);
	assert_int_equal(rec->op.results_n, 1);
	assert_int_equal(rec->op.results[0].index, 1);
	assert_int_equal(rec->op.release, 0);
	assert_true(rec->composed);
	record_free(&rec);
	assert_null(collect(m, false, false));
	answer(m, 2, OUTCOME_DONE, "2.0.0", "ok");
	m->rcpts[2].out.recorded = true;        /* by deliver-local */
	assert_null(collect(m, false, false));
	answer(m, 3, OUTCOME_BOUNCED, "5.7.1", "never");
	rec = collect(m, true, true);
	assert_int_equal(rec->op.results_n, 2);
	assert_int_equal(rec->op.results[0].index, 0);
	assert_int_equal(rec->op.results[1].index, 3);
	assert_int_equal(rec->op.release, 1);
	assert_int_equal(rec->failed_n, 2);
	assert_false(rec->composed);
	assert_true(rec->gone);
	assert_null(collect(m, true, true));
	record_free(&rec);
	message_free(&m);
}

struct who { const char *sender; uint8_t notify; uint64_t age; uint32_t flags; uint32_t failed, delayed; };

/* r0 fails, r1 is deferred. */
static const struct who told_rows[] = {
	{ "s@a.test", NOTIFY_DEFAULT, 10, 0, 1, 0 },
	{ "s@a.test", NOTIFY_DEFAULT, 4 * HOUR, 0, 1, 1 },
	{ "s@a.test", NOTIFY_DEFAULT, 4 * HOUR, MSG_DELAY_NOTICED, 1, 0 },
	{ "s@a.test", NOTIFY_NEVER, 4 * HOUR, 0, 0, 0 },
	{ "s@a.test", NOTIFY_FAILURE, 4 * HOUR, 0, 1, 0 },
	{ "s@a.test", NOTIFY_DELAY, 4 * HOUR, 0, 0, 1 },
	{ "s@a.test", NOTIFY_SUCCESS, 4 * HOUR, 0, 0, 0 },
	{ "s@a.test", NOTIFY_FAILURE | NOTIFY_DELAY, 4 * HOUR, 0, 1, 1 },
	{ "", NOTIFY_DEFAULT, 4 * HOUR, 0, 0, 0 },
	{ "", NOTIFY_FAILURE | NOTIFY_DELAY, 4 * HOUR, 0, 0, 0 },
};

static void test_who_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(told_rows); i++) {
		struct qmsg *m = message(told_rows[i].sender, told_rows[i].age, 0, told_rows[i].notify, 2);
		struct record *rec;

		m->flags = told_rows[i].flags;
		answer(m, 0, OUTCOME_BOUNCED, "5.1.1", "no");
		answer(m, 1, OUTCOME_DEFERRED, "4.4.1", "later");
		rec = collect(m, true, true);
		assert_row(i, rec->op.results_n == 2);
		assert_row(i, rec->failed_n == told_rows[i].failed);
		assert_row(i, rec->delayed_n == told_rows[i].delayed);
		assert_row(i, rec->op.set_flags == (told_rows[i].delayed != 0 ? MSG_DELAY_NOTICED : 0));
		assert_row(i, rec->composed == (told_rows[i].failed + told_rows[i].delayed == 0));
		assert_row(i, !rec->gone);
		record_free(&rec);
		message_free(&m);
	}
}

/* The deferral was recorded before, the notice of the delay comes all the same. */
static void test_delay_alone(void **state)
{
	struct qmsg *m = message("s@a.test", 5 * HOUR, 0, 0, 2);
	struct record *rec;

	(void)state;
	answer(m, 0, OUTCOME_DEFERRED, "4.4.1", "later");
	rec = collect(m, false, false);
	assert_int_equal(rec->delayed_n, 0);
	record_free(&rec);
	answer(m, 1, OUTCOME_DONE, "2.0.0", "ok");
	m->rcpts[1].out.recorded = true;
	rec = collect(m, true, true);
	assert_non_null(rec);
	assert_int_equal(rec->op.results_n, 0);
	assert_int_equal(rec->delayed_n, 1);
	record_free(&rec);
	message_free(&m);
}

/* TLS is in the log line, and in the spool behind the relay. */
static void test_tls(void **state)
{
	struct qmsg *m = message("s@a.test", 2, 0, 0, 1);
	struct record *rec;

	(void)state;
	answer(m, 0, OUTCOME_DONE, "2.0.0", "ok");
	m->rcpts[0].out.tls = SLICE_LIT("TLSv1.3/X (verified)\n");
	rec = collect(m, true, true);
	assert_non_null(rec);
	assert_slice(0, slice_cstr(last_line), "0000ABCDEF: to=<r0@b.test>, relay=mx.b.test[192.0.2.1]:25, tls=TLSv1.3/X (verified)?, "
	    "delay=2.0, delays=1.0/0.5/0.2/0.01, dsn=2.0.0, status=sent (ok)");
	assert_int_equal(rec->op.results_n, 1);
	assert_slice(1, rec->op.results[0].relay, "mx.b.test[192.0.2.1]:25 tls=TLSv1.3/X (verified)\n");
	record_free(&rec);
	message_free(&m);
}

static void test_forwarded(void **state)
{
	struct qmsg *m = message("s@a.test", 1, 0, 0, 1);

	(void)state;
	answer(m, 0, OUTCOME_DONE, "2.0.0", "forwarded");
	m->rcpts[0].out.relay = SLICE_LIT(JOB_RELAY_FORWARD);
	m->rcpts[0].out.recorded = true;
	assert_null(collect(m, true, true));
	assert_false(outcome_is_gone(m));
	message_free(&m);
}

/* ---- notices ------------------------------------------------------------------------ */

static const char original[] = "RP\r\nSubject: hello there\r\nFrom: s@a.test\r\n\r\nthe body\r\n";

static struct record *failed_record(uint8_t ret, uint64_t size)
{
	struct qmsg *m = message("s@a.test", 4 * HOUR, 0, 0, 2);
	struct record *rec;

	m->ret = ret;
	m->size = size;
	answer(m, 0, OUTCOME_BOUNCED, "5.1.1", "550 5.1.1 no such user");
	answer(m, 1, OUTCOME_DEFERRED, "4.4.1", "connect: refused");
	rec = collect(m, true, true);
	message_free(&m);
	return rec;
}

static void test_notice(void **state)
{
	struct record *rec = failed_record(0, sizeof(original) - 1);
	struct spool_accept *n;

	(void)state;
	assert_int_equal(notice_make(rec, SLICE_LIT("us.test"), SLICE_LIT(original), -1, NOW), 0);
	assert_int_equal(rec->op.notices_n, 2);
	n = &rec->op.notices[0];
	assert_int_equal(n->sender.len, 0);
	assert_int_equal(n->rcpts_n, 1);
	assert_slice(0, n->rcpts[0].addr, "s@a.test");
	assert_int_equal(n->rcpts[0].notify, NOTIFY_NEVER);
	assert_int_equal(n->body.size, n->body.bytes.len);
	assert_int_equal(n->body.file, 0);
	assert_slice(0, slice_sub(n->body.bytes, 0, n->body.relay_off), "Return-Path: <>\r\n");
	assert_true(n->body.lines > 10);
	assert_slice(0, n->origin, "notice of=0000ABCDEF");
	assert_true(n->message_id.p[0] == '<');
	assert_true(contains(n->body.bytes, "MAILER-DAEMON@us.test"));
	assert_true(contains(n->body.bytes, "Auto-Submitted: auto-replied"));
	assert_true(contains(n->body.bytes, "r0@b.test"));
	assert_true(contains(n->body.bytes, "Action: failed"));
	assert_true(contains(n->body.bytes, "Status: 5.1.1"));
	assert_true(contains(n->body.bytes, "no such user"));
	assert_true(contains(n->body.bytes, "Subject: hello there"));
	assert_true(contains(n->body.bytes, "the body"));
	assert_false(contains(n->body.bytes, "r1@b.test"));
	assert_false(contains(n->body.bytes, "RP\r\nSubject"));      /* what is ours alone stays here */
	n = &rec->op.notices[1];
	assert_true(contains(n->body.bytes, "Action: delayed"));
	assert_true(contains(n->body.bytes, "r1@b.test"));
	assert_false(contains(n->body.bytes, "the body"));
	record_free(&rec);
	/* RET=HDRS */
	rec = failed_record(2, sizeof(original) - 1);
	assert_int_equal(notice_make(rec, SLICE_LIT("us.test"), SLICE_LIT(original), -1, NOW), 0);
	assert_true(contains(rec->op.notices[0].body.bytes, "Subject: hello there"));
	assert_false(contains(rec->op.notices[0].body.bytes, "the body"));
	record_free(&rec);
}

/* Large ones come from a file, and only their header comes back; a file that is too short hurts nobody. */
static void test_notice_file(void **state)
{
	FILE *f = tmpfile();
	struct record *rec;

	(void)state;
	assert_non_null(f);
	(void)fputs(original, f);
	for (int i = 0; i < 10000; i++)
		(void)fputs("0123456789 line of the body\r\n", f);
	(void)fflush(f);
	rec = failed_record(1, 290000);
	assert_int_equal(notice_make(rec, SLICE_LIT("us.test"), slice_of(NULL, 0), fileno(f), NOW), 0);
	assert_true(contains(rec->op.notices[0].body.bytes, "Subject: hello there"));
	assert_false(contains(rec->op.notices[0].body.bytes, "line of the body"));
	assert_true(rec->op.notices[0].body.size < 16384);
	record_free(&rec);
	assert_int_equal(ftruncate(fileno(f), 30), 0);
	rec = failed_record(1, 290000);
	assert_int_equal(notice_make(rec, SLICE_LIT("us.test"), slice_of(NULL, 0), fileno(f), NOW), 0);
	assert_true(contains(rec->op.notices[0].body.bytes, "Action: failed"));
	record_free(&rec);
	(void)fclose(f);
	/* nothing of it can be had: a notice all the same */
	rec = failed_record(1, 0);
	assert_int_equal(notice_make(rec, SLICE_LIT("us.test"), slice_of(NULL, 0), -1, NOW), 0);
	assert_true(contains(rec->op.notices[0].body.bytes, "Action: failed"));
	record_free(&rec);
}

/* A message to very many that all fail, with long answers: one record that fits a frame, a notice of some of them. */
static void test_very_many(void **state)
{
	enum { N = 10000 };
	static struct spool_rcpt r[N];
	static char text[600];
	struct spool_msg sm = { .msgid = 1, .sender = SLICE_LIT("s@a.test"), .created = NOW, .rcpts = r, .rcpts_n = N };
	struct buf frame = BUF_INIT(16 * 1024 * 1024);
	struct qmsg *m;
	struct record *rec;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (uint32_t i = 0; i < N; i++)
		r[i] = (struct spool_rcpt){ .index = i, .addr = SLICE_LIT("a-rather-long-address-of-somebody@somewhere.far.away.test") };
	m = message_new(&sm, NOW, 0);
	assert_non_null(m);
	for (uint32_t i = 0; i < N; i++) {
		message_set_outcome(&m->rcpts[i], OUTCOME_BOUNCED, SLICE_LIT("5.1.1"), slice_cstr(text), slice_cstr(text));
		m->rcpts[i].state = QR_DONE;
		m->open--;
	}
	rec = collect(m, true, true);
	assert_int_equal(rec->op.results_n, N);
	assert_int_equal(rec->failed_n, N);
	assert_int_equal(notice_make(rec, SLICE_LIT("us.test"), SLICE_LIT(original), -1, NOW), 0);
	assert_int_equal(rec->op.notices_n, 1);
	assert_true(rec->op.notices[0].body.size <= SPOOL_BODY_MAX);
	spool_outcome_encode(&frame, &rec->op);
	assert_int_equal(buf_err(&frame), 0);
	assert_true(buf_len(&frame) < IPC_MAX_FRAME);
	buf_free(&frame);
	record_free(&rec);
	message_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_not_before),
		cmocka_unit_test(test_collect),
		cmocka_unit_test(test_who_is_told),
		cmocka_unit_test(test_delay_alone),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_notice),
		cmocka_unit_test(test_notice_file),
		cmocka_unit_test(test_very_many),
	};

	log_capture(capture);
	return cmocka_run_group_tests_name("qmgr/outcome", tests, NULL, NULL);
}
