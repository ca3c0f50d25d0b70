/* deliver-local whole, with played qmgr, spoold and accountd. */
#include "tests/lib/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/proto_account.h"
#include "common/mail/summary.h"
#include "deliver/local.h"
#include "tests/deliver/peers.h"

enum { RCPTS = 1000, RESULTS = 8 };

struct world {
	struct loop *loop;
	struct conf conf;
	struct agent *lo;
	struct channel *qmgr, *spoold, *accountd;
	/* what the played peers answer */
	bool account_mute, content_mute, deliver_mute;
	int account_fail, content_fail, deliver_fail;
	uint32_t grant_len;             /* of each target */
	FILE *file;
	uint64_t file_size;
	/* what they saw */
	unsigned resolves, contents, delivers;
	struct buf ops;                 /* "index:account@INBOX,>forward ..." of all DELIVERs, those ended by ';' */
	struct buf cached;              /* of the last */
	struct buf results[RESULTS];
	unsigned results_n, want_results;
	bool stopped;
};

static const char content[] = "Return-Path: <s@a.test>\r\nSubject: hello\r\nFrom: s@a.test\r\n\r\nbody\r\n";
static uint8_t long_grant[SPOOL_TOKEN_MAX];

/* ---- played peers ------------------------------------------------------------------------ */

/* uN: account N. alias: accounts 1 and 2 and an address elsewhere. fwd: elsewhere only. nobody: UNKNOWN. gone: REMOTE.
 * empty: no targets. loop: STATE. wide: LIMIT. bad: SYNTAX. fault: IO. */
static void resolve(struct world *w, struct slice addr, struct account_resolved *res, int *fail)
{
	static struct account_target t[3];
	struct slice grant = slice_of(long_grant, w->grant_len);

	res->targets = t;
	res->kind = ADDRESS_LOCAL;
	if (slice_istarts(addr, "alias")) {
		t[0] = (struct account_target){ .account = 1, .grant = grant };
		t[1] = (struct account_target){ .account = 2, .grant = grant };
		t[2] = (struct account_target){ .address = SLICE_LIT("x@c.test") };
		res->targets_n = 3;
	} else if (slice_istarts(addr, "fwd")) {
		t[0] = (struct account_target){ .address = SLICE_LIT("y@c.test") };
		res->targets_n = 1;
	} else if (slice_istarts(addr, "nobody")) {
		res->kind = ADDRESS_UNKNOWN;
	} else if (slice_istarts(addr, "gone")) {
		res->kind = ADDRESS_REMOTE;
	} else if (slice_istarts(addr, "loop")) {
		*fail = ERR_STATE;
	} else if (slice_istarts(addr, "wide")) {
		*fail = ERR_LIMIT;
	} else if (slice_istarts(addr, "bad")) {
		*fail = ERR_SYNTAX;
	} else if (slice_istarts(addr, "fault")) {
		*fail = ERR_IO;
	} else if (!slice_istarts(addr, "empty")) {
		t[0] = (struct account_target){ .account = (uint64_t)(addr.p[1] - '0'), .detail = SLICE_LIT("detail"), .grant = grant };
		res->targets_n = 1;
	}
}

static int a_resolve(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct account_resolved res = { 0 };
	struct account_resolve req;
	struct account_fail f = { .text = SLICE_LIT("played") };
	int fail = w->account_fail;

	assert_int_equal(IPC_DECODE(m, account_resolve, NULL, &req), 0);
	assert_int_equal(req.msgid, 7);
	w->resolves++;
	if (w->account_mute)
		return 0;
	resolve(w, req.address, &res, &fail);
	f.code = (uint32_t)fail;
	if (fail != 0)
		IPC_REPLY(ch, account_fail, m->id, &f);
	else
		IPC_REPLY(ch, account_resolved, m->id, &res);
	return 0;
}

static void fail_reply(struct channel *ch, uint32_t id, int code)
{
	struct spool_fail f = { .code = (uint32_t)code, .text = SLICE_LIT("played") };

	IPC_REPLY(ch, spool_fail, id, &f);
}

static int s_content(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct spool_content_reply rep = { .size = sizeof(content) - 1, .bytes = SLICE_LIT(content) };

	w->contents++;
	if (w->content_mute)
		return 0;
	if (w->content_fail != 0) {
		fail_reply(ch, m->id, w->content_fail);
	} else if (w->file != NULL) {
		rep = (struct spool_content_reply){ .size = w->file_size };
		IPC_REPLY_FD(ch, spool_content_reply, m->id, &rep, dup(fileno(w->file)));
	} else {
		IPC_REPLY(ch, spool_content_reply, m->id, &rep);
	}
	return 0;
}

static int s_deliver(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct spool_deliver d;
	struct spool_ok ok = { 0 };

	assert_int_equal(IPC_DECODE(m, spool_deliver, a, &d), 0);
	assert_slice(0, d.token, "token");
	w->delivers++;
	for (uint32_t i = 0; i < d.rcpts_n; i++) {
		const struct spool_deliver_rcpt *r = &d.rcpts[i];

		assert_true(i == 0 || r->index > d.rcpts[i - 1].index);
		buf_addf(&w->ops, "%s%u:", i != 0 ? " " : "", r->index);
		for (uint32_t k = 0; k < r->adds_n; k++)
			buf_addf(&w->ops, "%llu@%.*s,", (unsigned long long)r->adds[k].account, SLICE_ARG(r->adds[k].mailbox));
		for (uint32_t k = 0; k < r->forwards_n; k++)
			buf_addf(&w->ops, ">%.*s,", SLICE_ARG(r->forwards[k].addr));
	}
	buf_add_byte(&w->ops, ';');
	buf_reset(&w->cached);
	buf_add_slice(&w->cached, d.cached);
	if (w->deliver_fail != 0)
		fail_reply(ch, m->id, w->deliver_fail);
	else if (!w->deliver_mute)
		IPC_REPLY(ch, spool_ok, m->id, &ok);
	arena_free(&a);
	return 0;
}

static int q_capacity(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	(void)ch;
	(void)m;
	(void)ctx;
	return 0;
}

static const struct ipc_handler a_handlers[] = { { account_resolve_MSG, a_resolve }, { 0, NULL } };
static const struct ipc_handler s_handlers[] = { { spool_content_MSG, s_content }, { spool_deliver_MSG, s_deliver }, { 0, NULL } };
static const struct ipc_handler q_handlers[] = { { job_capacity_MSG, q_capacity }, { 0, NULL } };

static void peer_open(struct channel *ch, void *ctx)
{
	agent_open(((struct world *)ctx)->lo, (enum role)channel_peer_role(ch), ch);
}

static void peer_close(struct channel *ch, int why, void *ctx)
{
	(void)why;
	agent_close(((struct world *)ctx)->lo, (enum role)channel_peer_role(ch), ch);
}

static int on_job(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return agent_on_job(((struct world *)ctx)->lo, ch, m);
}

static const struct ipc_handler job_handlers[] = { { job_MSG, on_job }, { 0, NULL } };

static void start_qmgr(struct world *w)
{
	w->qmgr = peer_pair(w->loop, "job", ROLE_DELIVER_LOCAL, ROLE_QMGR, (struct channel_conf){ .handlers = job_handlers,
	    .on_open = peer_open, .on_close = peer_close }, q_handlers, NULL, w);
}

static void start_spoold(struct world *w)
{
	w->spoold = peer_pair(w->loop, "spool", ROLE_DELIVER_LOCAL, ROLE_SPOOLD, (struct channel_conf){ .on_open = peer_open,
	    .on_close = peer_close }, s_handlers, NULL, w);
}

static void start_accountd(struct world *w)
{
	w->accountd = peer_pair(w->loop, "account", ROLE_DELIVER_LOCAL, ROLE_ACCOUNTD, (struct channel_conf){
	    .on_open = peer_open, .on_close = peer_close }, a_handlers, NULL, w);
}

static void on_result(void *ctx, int r, struct ipc_msg *m)
{
	struct world *w = ctx;
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct job_result res;

	if (r == 0) {
		assert_int_equal(IPC_DECODE(m, job_result, a, &res), 0);
		assert_true(w->results_n < RESULTS);
		w->results[w->results_n] = BUF_INIT(1024 * 1024);
		result_print(&w->results[w->results_n++], &res);
	}
	arena_free(&a);
}

/* Recipients by name, the indexes going down from 100: the order on the wire is nobody's promise. */
static void give_job(struct world *w, const char *const *names, uint32_t n)
{
	static struct job_rcpt rcpts[RCPTS];
	struct job job = { .msgid = 7, .token = SLICE_LIT("token"), .destination = SLICE_LIT("local"), .sender = SLICE_LIT("s@a.test"),
	    .rcpts = rcpts, .rcpts_n = n };

	for (uint32_t i = 0; i < n; i++)
		rcpts[i] = (struct job_rcpt){ .index = 2000 - i, .addr = slice_cstr(names[i]) };
	(void)IPC_REQUEST(w->qmgr, job, &job, 0, on_result, w);
}

static bool have_results(void *ctx)
{
	struct world *w = ctx;

	return w->results_n >= w->want_results;
}

static void wait_results(struct world *w, unsigned n)
{
	w->want_results = n;
	turn_until(w->loop, have_results, w, "results");
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = loop_new();
	w->conf = (struct conf){ .hostname = "us.test" };
	w->ops = w->cached = BUF_INIT(4 * 1024 * 1024);
	w->grant_len = 5;
	w->lo = local_new(w->loop, &w->conf);
	start_qmgr(w);
	start_spoold(w);
	start_accountd(w);
	turn_settle(w->loop);
	return w;
}

static void world_delete(struct world *w)
{
	channel_close(w->qmgr);
	channel_close(w->spoold);
	channel_close(w->accountd);
	turn_settle(w->loop);
	agent_free(&w->lo);
	turn_settle(w->loop);
	loop_free(&w->loop);
	for (unsigned i = 0; i < w->results_n; i++)
		buf_free(&w->results[i]);
	buf_free(&w->ops);
	buf_free(&w->cached);
	if (w->file != NULL)
		(void)fclose(w->file);
	free(w);
}

/* ---- one recipient each ----------------------------------------------------------------------- */

struct row { const char *name, *want, *ops; };

static const struct row rows[] = {
	{ "u1@us.test", "1 2000:1r 2.0.0 local delivered to mailbox", "2000:1@INBOX,;" },
	{ "alias@us.test", "1 2000:1r 2.0.0 forward delivered to mailbox", "2000:1@INBOX,2@INBOX,>x@c.test,;" },
	{ "fwd@us.test", "1 2000:1r 2.0.0 forward forwarded", "2000:>y@c.test,;" },
	{ "nobody@us.test", "1 2000:3 5.1.1 local no such user here", "" },
	{ "gone@us.test", "1 2000:2 4.3.5 local the domain is not served here any more", "" },
	{ "empty@us.test", "1 2000:3 5.4.6 local an alias leads to nobody", "" },
	{ "loop@us.test", "1 2000:3 5.4.6 local played", "" },
	{ "wide@us.test", "1 2000:3 5.4.6 local played", "" },
	{ "bad@us.test", "1 2000:3 5.1.3 local bad recipient address syntax", "" },
	{ "fault@us.test", "1 2000:2 4.3.0 local local fault: the account service failed", "" },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = world_new();

		give_job(w, &rows[i].name, 1);
		wait_results(w, 1);
		assert_slice(i, buf_slice(&w->results[0]), rows[i].want);
		assert_slice(i, buf_slice(&w->ops), rows[i].ops);
		/* It is asked for before it is known who gets it. */
		assert_true(w->contents == 1 || (w->contents == 0 && rows[i].ops[0] == '\0'));
		world_delete(w);
	}
}

/* Many recipients: one content, one op, one summary. */
static void test_one_op(void **state)
{
	static const char *const names[] = { "u1@us.test", "nobody@us.test", "u2@us.test", "fwd@us.test", "fault@us.test" };
	struct world *w = world_new();
	struct arena *a = arena_new(1024 * 1024);
	struct mail_summary s;

	(void)state;
	give_job(w, names, 5);
	wait_results(w, 1);
	assert_slice(0, buf_slice(&w->ops), "1997:>y@c.test, 1998:2@INBOX, 2000:1@INBOX,;");
	assert_int_equal(w->contents, 1);
	assert_int_equal(mail_summary_load(buf_slice(&w->cached), a, &s), 0);
	assert_int_equal(s.version, MAIL_SUMMARY_VERSION);
	arena_free(&a);
	world_delete(w);
}

/* More than fits one frame goes in several ops; all get their outcome. */
static void test_many(void **state)
{
	static const char *names[RCPTS];
	struct world *w = world_new();
	unsigned done = 0;

	(void)state;
	for (unsigned i = 0; i < RCPTS; i++)
		names[i] = "alias@us.test";
	w->grant_len = SPOOL_TOKEN_MAX;
	give_job(w, names, RCPTS);
	wait_results(w, 1);
	assert_int_equal(w->resolves, RCPTS);
	assert_int_equal(w->contents, 1);
	buf_add_byte(&w->results[0], '\0');
	for (const char *p = (const char *)w->results[0].p; (p = strstr(p, ":1r ")) != NULL; p++)
		done++;
	assert_int_equal(done, RCPTS);
	assert_in_range(w->delivers, 1, 3);
	world_delete(w);
}

static void test_spool_faults(void **state)
{
	static const char *const name = "u1@us.test";
	struct world *w = world_new();

	(void)state;
	w->content_fail = ERR_IO;
	give_job(w, &name, 1);
	wait_results(w, 1);
	assert_slice(0, buf_slice(&w->results[0]), "1 2000:2 4.3.0 local local fault: the spool says: played");
	w->content_fail = 0;
	w->deliver_fail = ERR_FULL;
	give_job(w, &name, 1);
	wait_results(w, 2);
	assert_slice(1, buf_slice(&w->results[1]), "1 2000:2 4.3.1 local local fault: the spool says: played");
	w->deliver_fail = ERR_DENIED;
	give_job(w, &name, 1);
	wait_results(w, 3);
	assert_slice(2, buf_slice(&w->results[2]), "1 2000:2 4.3.0 local local fault: the spool says: played");
	world_delete(w);
}

/* A content in a file; one that is shorter than spoold said is not delivered, and nothing worse happens. */
static void test_file(void **state)
{
	static const char *const name = "u1@us.test";
	struct world *w = world_new();

	(void)state;
	w->file = tmpfile();
	assert_non_null(w->file);
	(void)fputs(content, w->file);
	for (int i = 0; i < 100000; i++)
		(void)fputs("a line of the body\r\n", w->file);
	(void)fflush(w->file);
	w->file_size = (uint64_t)ftell(w->file);
	give_job(w, &name, 1);
	wait_results(w, 1);
	assert_slice(0, buf_slice(&w->results[0]), rows[0].want);
	assert_true(buf_len(&w->cached) != 0);
	w->file_size += 1;
	give_job(w, &name, 1);
	wait_results(w, 2);
	assert_slice(1, buf_slice(&w->results[1]), "1 2000:2 4.3.0 local local fault: the content could not be read");
	assert_int_equal(w->delivers, 1);
	world_delete(w);
}

/* Each peer dies while it is asked; the next one is asked the same. */
static void test_peers_die(void **state)
{
	static const char *const names[] = { "u1@us.test", "u2@us.test", "nobody@us.test" };
	struct world *w = world_new();

	(void)state;
	w->account_mute = w->content_mute = w->deliver_mute = true;
	give_job(w, names, 3);
	turn_settle(w->loop);
	assert_int_equal(w->resolves, 3);
	channel_close(w->accountd);
	turn_settle(w->loop);
	w->account_mute = false;
	start_accountd(w);
	turn_settle(w->loop);
	assert_int_equal(w->resolves, 6);
	assert_int_equal(w->contents, 1);
	channel_close(w->spoold);
	turn_settle(w->loop);
	w->content_mute = false;
	start_spoold(w);
	turn_settle(w->loop);
	assert_int_equal(w->contents, 2);
	assert_int_equal(w->delivers, 1);
	channel_close(w->spoold);
	turn_settle(w->loop);
	w->deliver_mute = false;
	start_spoold(w);
	wait_results(w, 1);
	assert_int_equal(w->contents, 2);
	assert_slice(0, buf_slice(&w->ops), "1999:2@INBOX, 2000:1@INBOX,;1999:2@INBOX, 2000:1@INBOX,;");
	assert_slice(0, buf_slice(&w->results[0]), "1 1998:3 5.1.1 local no such user here|1999:1r 2.0.0 local delivered to mailbox|"
	    "2000:1r 2.0.0 local delivered to mailbox");
	world_delete(w);
}

static void on_stopped(void *ctx)
{
	((struct world *)ctx)->stopped = true;
}

/* qmgr's death ends its jobs; a stop waits for them. */
static void test_qmgr_dies_and_stop(void **state)
{
	static const char *const name = "u1@us.test";
	struct world *w = world_new();

	(void)state;
	w->account_mute = true;
	give_job(w, &name, 1);
	turn_settle(w->loop);
	channel_close(w->qmgr);
	turn_settle(w->loop);
	start_qmgr(w);
	w->account_mute = false;
	w->content_mute = true;
	turn_settle(w->loop);
	give_job(w, &name, 1);
	turn_settle(w->loop);
	agent_stop(w->lo, on_stopped, w);
	turn_settle(w->loop);
	assert_false(w->stopped);
	channel_close(w->spoold);
	turn_settle(w->loop);
	w->content_mute = false;
	start_spoold(w);
	wait_results(w, 1);
	turn_settle(w->loop);
	assert_true(w->stopped);
	assert_int_equal(w->results_n, 1);
	world_delete(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_one_op),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_spool_faults),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_peers_die),
		cmocka_unit_test(test_qmgr_dies_and_stop),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("deliver/local", tests, NULL, NULL);
}
