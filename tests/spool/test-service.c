/* The protocol, served: the whole way of a message through spoold, and what each peer may not do. */
#include <stdlib.h>

#include "tests/spool/peers.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ipc/roles.h"

static struct client smtpd, qmgr, local, imapd;

static int setup(void **state)
{
	int r = service_setup(state);

	client_open(&smtpd, ROLE_SMTPD);
	client_open(&qmgr, ROLE_QMGR);
	client_open(&local, ROLE_DELIVER_LOCAL);
	client_open(&imapd, ROLE_IMAPD);
	return r;
}

static int teardown(void **state)
{
	client_close(&smtpd);
	client_close(&qmgr);
	client_close(&local);
	client_close(&imapd);
	return service_teardown(state);
}

/* One message, taken: its token in tok. */
static void take(uint64_t id, uint8_t tok[TOKEN_SIZE])
{
	struct spool_take t = { .now = clock_wall_s() + 1, .n = 10 };
	struct spool_taken out;

	assert_true(ASK(&qmgr, spool_take, &t));
	GOT(&qmgr, spool_taken, &out);
	assert_int_equal(out.msgs_n, 1);
	assert_int_equal(out.msgs[0].msgid, id);
	assert_int_equal(out.msgs[0].token.len, TOKEN_SIZE);
	memcpy(tok, out.msgs[0].token.p, TOKEN_SIZE);
}

static int deliver(uint64_t id, const uint8_t *tok, uint64_t account, const char *mailbox)
{
	struct spool_add add = { .account = account, .mailbox = slice_cstr(mailbox), .grant = grant_token(id, account) };
	struct spool_deliver_rcpt rc = { .index = 0, .adds = &add, .adds_n = 1 };
	struct spool_deliver in = { .msgid = id, .token = slice_of(tok, TOKEN_SIZE), .rcpts = &rc, .rcpts_n = 1, .cached = SLICE_LIT("SUM") };

	assert_true(ASK(&local, spool_deliver, &in));
	return client_failed(&local);
}

static void whole_way(void **state)
{
	struct spool_select sel = { .watch = 1, .claim_recent = 1 };
	struct spool_content con;
	struct spool_content_reply conr;
	struct spool_snapshot snap;
	struct spool_body_get get;
	struct spool_body_got got;
	struct spool_cached cached;
	struct spool_cached_reply cachedr;
	struct spool_range all = { 1, UINT32_MAX };
	uint8_t tok[TOKEN_SIZE];
	uint64_t id, id2;

	(void)state;
	assert_string_equal(client_events(&smtpd), "state accepting=1;");
	(void)client_events(&qmgr);
	id = ask_accept(&smtpd, "def@daum.test", "Subject: hi\r\n\r\nhello\r\n");
	assert_true(id != 0);
	assert_string_equal(client_events(&qmgr), "work;");
	take(id, tok);
	con = (struct spool_content){ .msgid = id, .token = slice_of(tok, sizeof(tok)) };
	assert_true(ASK(&local, spool_content, &con));
	GOT(&local, spool_content_reply, &conr);
	assert_slice(0, conr.bytes, "Subject: hi\r\n\r\nhello\r\n");
	assert_int_equal(deliver(id, tok, 5, ""), 0);

	sel.session = ask_open(&imapd, 5);
	assert_true(sel.session != 0);
	assert_true(ASK(&imapd, spool_select, &sel));
	GOT(&imapd, spool_snapshot, &snap);
	assert_int_equal(snap.count, 1);
	assert_int_equal(snap.uidnext, 2);
	assert_int_equal(snap.first_recent, 1);
	get = (struct spool_body_get){ .session = sel.session, .mailbox = snap.mailbox, .uid = 1, .off = 9, .len = 2 };
	cached = (struct spool_cached){ .session = sel.session, .mailbox = snap.mailbox, .uids = &all, .uids_n = 1 };
	assert_true(ASK(&imapd, spool_body_get, &get));
	GOT(&imapd, spool_body_got, &got);
	assert_slice(0, got.bytes, "hi");
	assert_int_equal(got.size, 22);
	assert_true(ASK(&imapd, spool_cached, &cached));
	GOT(&imapd, spool_cached_reply, &cachedr);
	assert_int_equal(cachedr.items_n, 1);
	assert_slice(0, cachedr.items[0].cached, "SUM");
	assert_string_equal(client_events(&imapd), "");

	id2 = ask_accept(&smtpd, "def@daum.test", "second");
	take(id2, tok);
	assert_int_equal(deliver(id2, tok, 5, "INBOX"), 0);
	assert_string_equal(client_events(&imapd), "change rows=2/0, vanished=;");
	/* The first was claimed, the second is recent. */
	assert_true(ASK(&imapd, spool_select, &sel));
	GOT(&imapd, spool_snapshot, &snap);
	assert_int_equal(snap.first_recent, 2);
}

static void tokens(void **state)
{
	struct spool_add add = { .account = 5 };
	struct spool_deliver_rcpt rc = { .adds = &add, .adds_n = 1 };
	struct spool_deliver in = { .rcpts = &rc, .rcpts_n = 1 };
	struct spool_open o = { .token = SLICE_LIT("no token") };
	struct spool_content con;
	uint64_t id = ask_accept(&smtpd, "a@y", "x"), id2 = ask_accept(&smtpd, "a@y", "y");
	uint8_t tok[TOKEN_SIZE];
	struct spool_take t = { .now = clock_wall_s() + 1, .n = 1 };
	struct spool_taken out;

	(void)state;
	assert_true(ASK(&qmgr, spool_take, &t));
	GOT(&qmgr, spool_taken, &out);
	memcpy(tok, out.msgs[0].token.p, TOKEN_SIZE);
	con = (struct spool_content){ .msgid = id2, .token = slice_of(tok, sizeof(tok)) };
	assert_true(ASK(&local, spool_content, &con));
	assert_int_equal(client_failed(&local), ERR_DENIED);            /* another message's token */
	assert_int_equal(deliver(id2, tok, 5, ""), ERR_DENIED);
	in.msgid = id;
	in.token = slice_of(tok, sizeof(tok));
	for (int i = 0; i < 3; i++) {
		add.grant = i == 0 ? slice_of(NULL, 0) : i == 1 ? grant_token(id, 6) : grant_token(id2, 5);
		assert_true(ASK(&local, spool_deliver, &in));
		assert_int_equal(client_failed(&local), ERR_DENIED);
	}
	assert_int_equal(spool_counters(service_spool(svc))->mailboxes, 0);     /* nothing was made on the way */
	assert_true(ASK(&imapd, spool_open, &o));
	assert_int_equal(client_failed(&imapd), ERR_DENIED);
	o.token = grant_token(id, 5);
	assert_true(ASK(&imapd, spool_open, &o));
	assert_int_equal(client_failed(&imapd), ERR_DENIED);
}

/* A peer that asks what its role may not, or sends what no one can read, is closed, and no other. */
static void roles(void **state)
{
	struct spool_take t = { .now = 1, .n = 1 };
	struct spool_open o = { .token = session_token(5) };

	(void)state;
	assert_false(ASK(&smtpd, spool_take, &t));
	assert_null(smtpd.ch);
	assert_false(ASK(&local, spool_open, &o));
	t.n = 100001;
	assert_false(ASK(&qmgr, spool_take, &t));
	assert_true(ask_open(&imapd, 5) != 0);
	/* Rubbish. */
	buf_add_cstr(channel_begin(imapd.ch), "rubbish");
	channel_end(imapd.ch, spool_open_MSG, 1, false, -1);
	settle();
	assert_null(imapd.ch);
	client_close(&smtpd);
	client_open(&smtpd, ROLE_SMTPD);
	assert_true(ask_accept(&smtpd, "a@y", "x") != 0);
}

/* Sessions are good on their channel only. */
static void sessions(void **state)
{
	struct client other;
	struct spool_select sel = { .watch = 1 };

	(void)state;
	client_open(&other, ROLE_POP3D);
	sel.session = ask_open(&imapd, 5);
	assert_true(ASK(&other, spool_select, &sel));
	assert_int_equal(client_failed(&other), ERR_STATE);
	assert_true(ASK(&imapd, spool_select, &sel));
	assert_int_equal(client_failed(&imapd), 0);
	client_close(&other);
}

/* Many sessions' requests in one turn: one flush. */
static void one_flush(void **state)
{
	struct spool_rcpt_in rc = { .addr = SLICE_LIT("a@y") };
	struct spool_accept in = { .rcpts = &rc, .rcpts_n = 1, .body = { .size = 1, .bytes = SLICE_LIT("x") } };
	struct client other;
	unsigned before;

	(void)state;
	client_open(&other, ROLE_SMTPD);
	assert_true(ask_accept(&smtpd, "a@y", "x") != 0);
	before = disk_calls[DISK_FDATASYNC];
	for (int i = 0; i < 50; i++)
		(void)IPC_SEND(i % 2 == 0 ? smtpd.ch : other.ch, spool_accept, 1000 + (uint32_t)i, &in);
	settle();
	assert_int_equal(spool_counters(service_spool(svc))->queued, 51);
	assert_in_range(disk_calls[DISK_FDATASYNC] - before, 1, 2);
	client_close(&other);
}

static void fault(void **state)
{
	uint64_t id = ask_accept(&smtpd, "a@y", "x");

	(void)state;
	assert_true(id != 0);
	disk_fail(DISK_FDATASYNC, 1, EIO, false);
	assert_int_equal(ask_accept(&smtpd, "a@y", "lost"), 0);
	assert_int_equal(client_failed(&smtpd), ERR_IO);
	disk_heal();
	assert_true(ask_accept(&smtpd, "a@y", "kept") != 0);
	assert_int_equal(spool_counters(service_spool(svc))->queued, 2);
}

/* A log that cannot be mended: the process has to end. */
static void dead(void **state)
{
	(void)state;
	assert_true(ask_accept(&smtpd, "a@y", "x") != 0);
	disk_fail(DISK_FDATASYNC, 1, EIO, true);
	assert_int_equal(ask_accept(&smtpd, "a@y", "lost"), 0);
	assert_true(service_died);
	disk_heal();
	client_close(&smtpd), client_close(&local), client_close(&qmgr), client_close(&imapd);
	service_restart(true);
	client_open(&smtpd, ROLE_SMTPD), client_open(&local, ROLE_DELIVER_LOCAL);
	client_open(&qmgr, ROLE_QMGR), client_open(&imapd, ROLE_IMAPD);
	assert_true(ask_accept(&smtpd, "a@y", "kept") != 0);
	assert_true(spool_counters(service_spool(svc))->queued >= 2);
}

static void outcome_and_retake(void **state)
{
	uint64_t id = ask_accept(&smtpd, "a@y", "x");
	struct spool_result res = { .state = RCPT_PENDING, .due = clock_wall_s() + 1000, .status = SLICE_LIT("4.4.1") };
	struct spool_outcome o = { .msgid = id, .release = 1, .results = &res, .results_n = 1 };
	struct spool_take t = { .now = clock_wall_s() + 1, .n = 10 };
	struct spool_release rel = { id };
	struct spool_taken out;
	uint8_t tok[TOKEN_SIZE];

	(void)state;
	take(id, tok);
	assert_true(ASK(&qmgr, spool_take, &t));
	GOT(&qmgr, spool_taken, &out);
	assert_int_equal(out.msgs_n, 0);                /* taken already */
	assert_int_equal(out.next_due, 0);
	TELL(&qmgr, spool_release, &rel);
	take(id, tok);
	assert_true(ASK(&qmgr, spool_outcome, &o));
	assert_int_equal(client_failed(&qmgr), 0);
	assert_true(ASK(&qmgr, spool_take, &t));
	GOT(&qmgr, spool_taken, &out);
	assert_int_equal(out.msgs_n, 0);
	assert_int_equal(out.next_due, res.due);
	t.now = res.due;
	assert_true(ASK(&qmgr, spool_take, &t));
	GOT(&qmgr, spool_taken, &out);
	assert_int_equal(out.msgs_n, 1);
	assert_int_equal(out.msgs[0].rcpts[0].attempts, 1);
	/* qmgr dies: its messages are free again. */
	client_close(&qmgr);
	client_open(&qmgr, ROLE_QMGR);
	assert_true(ASK(&qmgr, spool_take, &t));
	GOT(&qmgr, spool_taken, &out);
	assert_int_equal(out.msgs_n, 1);
}

static void body_files(void **state)
{
	static char big[400000];
	struct spool_body_file bf = { 0 };
	struct spool_body_file_reply file;
	struct spool_rcpt_in rc = { .addr = SLICE_LIT("a@y") };
	struct spool_accept in = { .rcpts = &rc, .rcpts_n = 1, .body = { .size = sizeof(big) } };
	struct spool_accepted acc;
	struct spool_content con;
	struct spool_content_reply conr;
	struct spool_body_drop drop;
	uint8_t tok[TOKEN_SIZE];

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_true(ASK(&smtpd, spool_body_file, &bf));
	GOT(&smtpd, spool_body_file_reply, &file);
	assert_true(smtpd.fd >= 0);
	assert_int_equal(write(smtpd.fd, big, sizeof(big)), sizeof(big));
	in.body.file = file.file;
	in.body.size = 17;
	assert_true(ASK(&smtpd, spool_accept, &in));
	assert_int_equal(client_failed(&smtpd), ERR_STATE);             /* not its size: the file is gone */
	assert_true(ASK(&smtpd, spool_accept, &in));
	assert_int_equal(client_failed(&smtpd), ERR_NOTFOUND);
	assert_true(ASK(&smtpd, spool_body_file, &bf));
	GOT(&smtpd, spool_body_file_reply, &file);
	assert_int_equal(write(smtpd.fd, big, sizeof(big)), sizeof(big));
	in.body.file = file.file;
	in.body.size = sizeof(big);
	assert_true(ASK(&smtpd, spool_accept, &in));
	GOT(&smtpd, spool_accepted, &acc);
	take(acc.msgid, tok);
	con = (struct spool_content){ .msgid = acc.msgid, .token = slice_of(tok, sizeof(tok)) };
	assert_true(ASK(&local, spool_content, &con));
	GOT(&local, spool_content_reply, &conr);
	assert_int_equal(conr.size, sizeof(big));
	assert_true(local.fd >= 0);
	assert_int_equal(lseek(local.fd, 0, SEEK_END), sizeof(big));
	assert_true(write(local.fd, "x", 1) < 0);                       /* to read only */
	/* Another's file, and one that is dropped. */
	assert_true(ASK(&smtpd, spool_body_file, &bf));
	GOT(&smtpd, spool_body_file_reply, &file);
	drop.file = file.file;
	TELL(&smtpd, spool_body_drop, &drop);
	in.body.file = file.file;
	assert_true(ASK(&smtpd, spool_accept, &in));
	assert_int_equal(client_failed(&smtpd), ERR_NOTFOUND);
	/* The one that counts is still there after a start that sweeps. */
	client_close(&smtpd), client_close(&local), client_close(&qmgr), client_close(&imapd);
	service_restart(true);
	client_open(&smtpd, ROLE_SMTPD), client_open(&local, ROLE_DELIVER_LOCAL);
	client_open(&qmgr, ROLE_QMGR), client_open(&imapd, ROLE_IMAPD);
	for (int i = 0; i < 60; i++)
		settle();
	take(acc.msgid, tok);
	con.token = slice_of(tok, sizeof(tok));
	assert_true(ASK(&local, spool_content, &con));
	assert_true(local.fd >= 0);
}

static void full_disk(void **state)
{
	uint64_t id = ask_accept(&smtpd, "a@y", "x");
	struct spool_body_file bf = { 0 };
	uint8_t tok[TOKEN_SIZE];

	(void)state;
	(void)client_events(&smtpd);
	test_conf->spool_reserve = 1 << 20;
	client_close(&smtpd), client_close(&local), client_close(&qmgr), client_close(&imapd);
	service_restart(true);
	client_open(&smtpd, ROLE_SMTPD), client_open(&local, ROLE_DELIVER_LOCAL);
	client_open(&qmgr, ROLE_QMGR), client_open(&imapd, ROLE_IMAPD);
	disk_set_free(1000, 1000);
	for (int i = 0; i < 30000 && buf_len(&smtpd.events) < 20; i++)
		assert_int_equal(loop_turn(loop, 10), 0);
	assert_non_null(strstr(client_events(&smtpd), "state accepting=0;"));
	assert_int_equal(ask_accept(&smtpd, "a@y", "refused"), 0);
	assert_int_equal(client_failed(&smtpd), ERR_FULL);
	assert_true(ASK(&smtpd, spool_body_file, &bf));
	assert_int_equal(client_failed(&smtpd), ERR_FULL);
	take(id, tok);
	assert_int_equal(deliver(id, tok, 5, ""), 0);                   /* deliveries go on */
	disk_set_free(0, 0);
}

static void queue_commands(void **state)
{
	struct client pabal;
	struct spool_queue_do q = { .verb = QUEUE_HOLD, .match = SLICE_LIT("@Y") };
	struct spool_queue_list l = { .n = 10 };
	struct spool_queue_show sh;
	struct spool_trace tr;
	struct spool_stats st = { 0 };
	struct spool_trace_reply trr;
	struct spool_stats_reply str;
	struct spool_taken out;
	uint64_t id = ask_accept(&smtpd, "a@y", "x");

	(void)state;
	assert_true(ask_accept(&smtpd, "b@z", "x") != 0);
	client_open(&pabal, ROLE_CONTROL);
	assert_true(ASK(&pabal, spool_queue_do, &q));
	assert_int_equal(client_value(&pabal), 1);
	assert_true(ASK(&pabal, spool_queue_list, &l));
	GOT(&pabal, spool_taken, &out);
	assert_int_equal(out.msgs_n, 2);
	assert_int_equal(out.msgs[0].flags, MSG_HELD);
	assert_int_equal(out.msgs[0].token.len, 0);
	sh.msgid = 5;
	assert_true(ASK(&pabal, spool_queue_show, &sh));
	assert_int_equal(client_failed(&pabal), ERR_NOTFOUND);
	sh.msgid = id;
	assert_true(ASK(&pabal, spool_queue_show, &sh));
	GOT(&pabal, spool_taken, &out);
	assert_slice(0, out.msgs[0].rcpts[0].addr, "a@y");
	tr.msgid = id;
	assert_true(ASK(&pabal, spool_trace, &tr));
	GOT(&pabal, spool_trace_reply, &trr);
	assert_int_equal(trr.items_n, 2);
	assert_slice(0, trr.items[1].event, "held");
	assert_true(ASK(&pabal, spool_stats, &st));
	GOT(&pabal, spool_stats_reply, &str);
	assert_slice(0, str.stats[0].name, "queued");
	assert_int_equal(str.stats[0].value, 2);
	q = (struct spool_queue_do){ .verb = QUEUE_DELETE };
	assert_true(ASK(&pabal, spool_queue_do, &q));
	assert_int_equal(client_value(&pabal), 2);
	assert_int_equal(spool_counters(service_spool(svc))->queued, 0);
	client_close(&pabal);
}

/* A pattern is looked for in all recipients of each message, however many others have. */
static void queue_pattern(void **state)
{
	enum { MSGS = 30, MANY = 2000 };
	struct client pabal;
	struct spool_rcpt_in *to = calloc(MANY, sizeof(*to));
	struct spool_accept in = { .sender = SLICE_LIT("s@x"), .rcpts = to, .rcpts_n = MANY,
		.body = { .size = 1, .bytes = SLICE_LIT("x") } };
	struct spool_queue_do q = { .verb = QUEUE_HOLD, .match = SLICE_LIT("needle@") };

	(void)state;
	assert_non_null(to);
	for (int i = 0; i < MANY; i++)
		to[i].addr = i == MANY - 1 ? SLICE_LIT("needle@y") : SLICE_LIT("somebody.with.a.long.name@some.domain.of.some.example");
	for (int i = 0; i < MSGS; i++) {
		assert_true(ASK(&smtpd, spool_accept, &in));
		assert_int_equal(client_failed(&smtpd), 0);
	}
	client_open(&pabal, ROLE_CONTROL);
	assert_true(ASK(&pabal, spool_queue_do, &q));
	assert_int_equal(client_value(&pabal), MSGS);
	client_close(&pabal);
	free(to);
}

/* A list comes in answers of so many messages looked at; where to go on is told also by one in which nothing matched. */
static void queue_pages(void **state)
{
	static const struct { uint32_t n; struct slice match; uint32_t msgs[4], answers; } rows[] = {
		{ 10, SLICE_LIT(""), { 3 }, 1 },
		{ 3, SLICE_LIT(""), { 3, 0 }, 2 },
		{ 2, SLICE_LIT(""), { 2, 1 }, 2 },
		{ 1, SLICE_LIT(""), { 1, 1, 1, 0 }, 4 },
		{ 1, SLICE_LIT("C@Y"), { 0, 0, 1, 0 }, 4 },
		{ 10, SLICE_LIT("nobody"), { 0 }, 1 },
	};
	struct client pabal;

	(void)state;
	for (const char *to = "abc"; *to != '\0'; to++) {
		char rcpt[] = { *to, '@', 'y', '\0' };

		assert_true(ask_accept(&smtpd, rcpt, "x") != 0);
	}
	client_open(&pabal, ROLE_CONTROL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spool_queue_list l = { .n = rows[i].n, .match = rows[i].match };
		struct spool_taken out;

		for (uint32_t k = 0; k < rows[i].answers; k++) {
			assert_true(ASK(&pabal, spool_queue_list, &l));
			GOT(&pabal, spool_taken, &out);
			assert_int_equal(out.msgs_n, rows[i].msgs[k]);
			assert_true((out.next_due == 0) == (k == rows[i].answers - 1));
			assert_true(out.next_due == 0 || out.next_due > l.after);
			l.after = out.next_due;
		}
	}
	client_close(&pabal);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_way), T(tokens), T(roles), T(sessions), T(one_flush), T(fault), T(dead), T(outcome_and_retake), T(body_files),
		T(full_disk), T(queue_commands), T(queue_pattern), T(queue_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
