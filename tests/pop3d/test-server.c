/* The real pop3d process in its cell, between a client and a spoold and accountd that this test plays. */
#include "tests/lib/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "tests/lib/edge.h"

enum { BIG = 5 * 1024 * 1024, SMALL = 100, SESSION = 5, MAILBOX = 9 };

struct fixture {
	struct edge e;
	uint8_t *big;            /* body 1; body 2 is its first SMALL bytes */
	bool big_is_file;        /* comes as a descriptor */
	bool rows_in_memfd;
	bool no_inbox;
	uint32_t rows;
	unsigned gets, aheads;
	uint32_t gone;           /* this uid is expunged for CACHED */
	uint32_t held[128];      /* body requests without an answer, while hold_gets */
	bool hold_gets;
	bool closed;
	uint32_t expunged_first, expunged_last;
};

static int make_memfd(const void *p, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t off = 0; off < n;) {
		ssize_t k = write(fd, (const uint8_t *)p + off, n - off);

		assert_true(k > 0);
		off += (size_t)k;
	}
	return fd;
}

static int on_login(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct account_login q;
	struct account_fail fail = { .code = (uint32_t)ERR_DENIED };
	struct account_logged_in in = { .account = 3, .user = SLICE_LIT("def@here.test"), .token = SLICE_LIT("token") };

	(void)ctx;
	assert_int_equal(IPC_DECODE(m, account_login, NULL, &q), 0);
	assert_true(slice_eq_cstr(q.service, "pop3") && slice_eq_cstr(q.addr, "127.0.0.1"));
	if (slice_eq_cstr(q.user, "slow")) {
		fail.code = (uint32_t)ERR_AGAIN;
		IPC_REPLY(ch, account_fail, m->id, &fail);
	} else if (!slice_eq_cstr(q.secret, "secret")) {
		IPC_REPLY(ch, account_fail, m->id, &fail);
	} else {
		IPC_REPLY(ch, account_logged_in, m->id, &in);
	}
	return 0;
}

static int on_open(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct spool_open q;
	struct spool_ok ok = { .value = SESSION };

	(void)ctx;
	assert_int_equal(IPC_DECODE(m, spool_open, NULL, &q), 0);
	assert_true(slice_eq_cstr(q.token, "token"));
	IPC_REPLY(ch, spool_ok, m->id, &ok);
	return 0;
}

static int on_close(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct spool_close q;

	(void)ch;
	assert_int_equal(IPC_DECODE(m, spool_close, NULL, &q), 0);
	assert_int_equal(q.session, SESSION);
	((struct fixture *)ctx)->closed = true;
	return 0;
}

static void put_row(struct buf *b, uint32_t uid, uint64_t size, uint64_t bodyid)
{
	uint8_t row[SPOOL_ROW_SIZE] = { 0 };

	put_le32(row, uid);
	put_le64(row + 24, size);
	put_le64(row + 40, bodyid);
	buf_add(b, row, sizeof(row));
}

static int on_select(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_select q;
	struct spool_keyword kw = { .name = SLICE_LIT("$Junk") };
	struct spool_snapshot snap = { .mailbox = MAILBOX, .uidvalidity = 77, .keywords = &kw, .keywords_n = 1 };
	struct spool_fail fail = { .code = (uint32_t)ERR_NOTFOUND };
	struct buf rows = BUF_INIT(1 << 24);

	assert_int_equal(IPC_DECODE(m, spool_select, NULL, &q), 0);
	assert_true(q.session == SESSION && q.watch == 0 && q.claim_recent == 0 && slice_eq_cstr(q.name, "INBOX"));
	if (f->no_inbox) {
		IPC_REPLY(ch, spool_fail, m->id, &fail);
		return 0;
	}
	put_row(&rows, 1, BIG, 1);
	for (uint32_t i = 1; i < f->rows; i++)
		put_row(&rows, i + 1, SMALL, 2);
	snap.count = f->rows;
	if (f->rows_in_memfd) {
		IPC_REPLY_FD(ch, spool_snapshot, m->id, &snap, make_memfd(buf_slice(&rows).p, buf_len(&rows)));
	} else {
		snap.rows = buf_slice(&rows);
		IPC_REPLY(ch, spool_snapshot, m->id, &snap);
	}
	buf_free(&rows);
	return 0;
}

/* Body 2, by the message it is asked for: each begins with a dot and has no line end at its end. */
static struct slice small(const struct fixture *f, uint32_t uid)
{
	return slice_of(f->big + (size_t)(uid % 1000) * 640, SMALL);
}

static int on_body_get(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_body_get q;
	struct spool_body_got got;

	assert_int_equal(IPC_DECODE(m, spool_body_get, NULL, &q), 0);
	assert_true(q.session == SESSION && q.mailbox == MAILBOX && q.len != 0);
	f->gets++;
	if (f->hold_gets) {
		assert_true(f->gets <= ARRAY_LEN(f->held));
		f->held[f->gets - 1] = m->id;
		return 0;
	}
	memset(&got, 0, sizeof(got));
	got.size = q.bodyid == 1 ? BIG : SMALL;
	if (q.bodyid == 1 && f->big_is_file) {
		IPC_REPLY_FD(ch, spool_body_got, m->id, &got, make_memfd(f->big, BIG));
		return 0;
	}
	got.bytes = q.bodyid == 1 ? slice_sub(slice_of(f->big, BIG), (size_t)q.off, q.len) : small(f, q.uid);
	IPC_REPLY(ch, spool_body_got, m->id, &got);
	return 0;
}

static int on_cached(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct arena *a = arena_new(1 << 20);
	struct spool_cached_item items[2000];
	struct spool_cached_reply out = { .items = items };
	struct spool_cached q;

	assert_int_equal(IPC_DECODE(m, spool_cached, a, &q), 0);
	assert_true(q.session == SESSION && q.mailbox == MAILBOX && q.bare == 1 && q.bodies >= SMALL && q.front == 0 && q.uids_n != 0);
	f->aheads++;
	for (uint32_t i = 0; i < q.uids_n; i++) {
		for (uint32_t uid = q.uids[i].first; uid <= q.uids[i].last; uid++) {
			assert_true(uid > 1 && uid <= f->rows && out.items_n < ARRAY_LEN(items));
			if (uid != f->gone)
				items[out.items_n++] = (struct spool_cached_item){ .uid = uid, .body = small(f, uid) };
		}
	}
	IPC_REPLY(ch, spool_cached_reply, m->id, &out);
	arena_free(&a);
	return 0;
}

static int on_expunge(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct arena *a = arena_new(1 << 20);
	struct spool_expunge q;
	struct spool_ok ok = { .value = 1 };

	assert_int_equal(IPC_DECODE(m, spool_expunge, a, &q), 0);
	assert_true(q.session == SESSION && q.mailbox == MAILBOX && q.only_deleted == 0 && q.uids_n == 1);
	f->expunged_first = q.uids[0].first;
	f->expunged_last = q.uids[0].last;
	IPC_REPLY(ch, spool_ok, m->id, &ok);
	arena_free(&a);
	return 0;
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_open_MSG, on_open },
	{ spool_close_MSG, on_close },
	{ spool_select_MSG, on_select },
	{ spool_body_get_MSG, on_body_get },
	{ spool_cached_MSG, on_cached },
	{ spool_expunge_MSG, on_expunge },
	{ 0, NULL },
};

static const struct ipc_handler account_handlers[] = {
	{ account_login_MSG, on_login },
	{ 0, NULL },
};

static void start(struct fixture *f, const char *conf)
{
	memset(f, 0, sizeof(*f));
	f->rows = 3;
	f->big = malloc(BIG);
	assert_non_null(f->big);
	/* lines of 64 bytes, some with a dot in front */
	for (size_t i = 0; i < BIG; i++)
		f->big[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : i % 640 == 0 ? '.' : (uint8_t)('a' + i % 23);
	f->e.spool_handlers = spool_handlers;
	f->e.account_handlers = account_handlers;
	f->e.ctx = f;
	edge_start(&f->e, "pop3d/pop3d", ROLE_POP3D, LISTEN_POP3, conf);
}

static void end(struct fixture *f)
{
	assert_int_equal(edge_stop(&f->e), 0);
	free(f->big);
}

static void login(struct fixture *f, struct edge_client *c)
{
	edge_connect(&f->e, c);
	edge_hear(c, "+OK mx.here.test POP3");
	edge_say(c, "USER def\r\nPASS secret\r\n");
	edge_hear(c, "+OK ");
	edge_hear(c, "+OK 3 messages (5243080 octets)");
}

/* The big body as it has to come over the wire. */
static void expect_big(struct fixture *f, struct edge_client *c)
{
	struct buf got = BUF_INIT((size_t)BIG * 2);
	size_t dots = (BIG + 639) / 640, n = 0;

	edge_hear(c, "+OK 5242880 octets");
	edge_read(c, &got, BIG + dots + 3);
	for (size_t i = 0; i < BIG; i++) {
		if (i % 640 == 0 && got.p[n++] != '.')
			fail_msg("no dot at %zu", n);
		if (got.p[n++] != f->big[i])
			fail_msg("wrong byte at %zu", n);
	}
	assert_memory_equal(got.p + n, ".\r\n", 3);
	buf_free(&got);
}

static void maildrop(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	login(&f, &c);
	edge_say(&c, "LIST\r\nUIDL 3\r\nDELE 2\r\nDELE 3\r\n");
	edge_hear(&c, "+OK 3 messages");
	edge_hear(&c, "1 5242880");
	edge_hear(&c, "2 100");
	edge_hear(&c, "3 100");
	edge_hear(&c, ".");
	edge_hear(&c, "+OK 3 77.3");
	edge_hear(&c, "+OK message 2");
	edge_hear(&c, "+OK message 3");
	edge_say(&c, "RETR 1\r\nRETR 1\r\nQUIT\r\n");
	expect_big(&f, &c);
	f.big_is_file = true;
	expect_big(&f, &c);
	edge_hear(&c, "+OK goodbye, 2 messages deleted");
	edge_hear_close(&c);
	edge_wait(&f.e, &f.closed, "CLOSE of the session");
	assert_true(f.expunged_first == 2 && f.expunged_last == 3);
	/* from the file: one question */
	f.gets = 0;
	login(&f, &c);
	edge_say(&c, "RETR 1\r\n");
	expect_big(&f, &c);
	assert_int_equal(f.gets, 1);
	edge_hang_up(&c);
	end(&f);
}

static void many_messages(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	f.rows = 100000;
	f.rows_in_memfd = true;
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	edge_say(&c, "USER def\r\nPASS secret\r\nUIDL\r\nSTAT\r\n");
	edge_hear(&c, "+OK ");
	edge_hear(&c, "+OK 100000 messages (15242780 octets)");
	edge_hear(&c, "+OK 100000 messages");
	for (unsigned i = 1; i <= 100000; i++) {
		char want[32];

		if (i > 3 && i < 99998) {
			edge_hear(&c, "");
			continue;
		}
		(void)snprintf(want, sizeof(want), "%u 77.%u", i, i);
		edge_hear(&c, want);
	}
	edge_hear(&c, ".");
	edge_hear(&c, "+OK 100000 15242780");
	edge_hang_up(&c);
	end(&f);
}

static void refusals(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "");
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	edge_say(&c, "USER def\r\n");
	edge_hear(&c, "-ERR [AUTH] logins without encryption");
	edge_hang_up(&c);
	end(&f);
	start(&f, "allow_plaintext_login = yes\nlogin_timeout = 1s\n");
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	edge_hear_close(&c);    /* the login timeout */
	end(&f);
	start(&f, "allow_plaintext_login = yes\n");
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	edge_say(&c, "USER def\r\nPASS wrong\r\nUSER slow\r\nPASS secret\r\n");
	edge_hear(&c, "+OK ");
	edge_hear(&c, "-ERR [AUTH]");
	edge_hear(&c, "+OK ");
	edge_hear(&c, "-ERR [SYS/TEMP]");
	edge_hang_up(&c);
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	for (unsigned i = 0; i < 21; i++)
		edge_say(&c, "USER slow\r\nPASS secret\r\n");
	for (unsigned i = 0; i < 20; i++) {
		edge_hear(&c, "+OK ");
		edge_hear(&c, "-ERR [SYS/TEMP]");
	}
	edge_hear_close(&c);    /* slowed logins are not for ever */
	f.no_inbox = true;
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	edge_say(&c, "USER def\r\nPASS secret\r\n");
	edge_hear(&c, "+OK ");
	edge_hear(&c, "+OK 0 messages");
	edge_hang_up(&c);
	end(&f);
}

/* spoold dies under a session: [SYS/TEMP], nothing is deleted, and a new login works. */
static void spool_dies(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	login(&f, &c);
	channel_close(f.e.spool);
	edge_say(&c, "DELE 2\r\nRETR 1\r\nSTAT\r\nQUIT\r\n");
	edge_hear(&c, "+OK ");
	edge_hear(&c, "-ERR [SYS/TEMP]");
	edge_hear(&c, "+OK 2 ");
	edge_hear(&c, "-ERR [SYS/TEMP]");
	edge_hear_close(&c);
	assert_int_equal(f.expunged_first, 0);
	edge_peer_new(&f.e, ROLE_SPOOLD);
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	for (bool in = false; !in;) {
		edge_say(&c, "USER slow\r\nPASS x\r\n");
		edge_hear(&c, "+OK ");
		edge_hear(&c, "-ERR [SYS/TEMP]");
		in = channel_is_open(f.e.spool);
	}
	edge_hang_up(&c);
	login(&f, &c);
	edge_hang_up(&c);
	channel_close(f.e.account);
	edge_connect(&f.e, &c);
	edge_hear(&c, "+OK ");
	edge_say(&c, "USER def\r\nPASS secret\r\n");
	edge_hear(&c, "+OK ");
	edge_hear(&c, "-ERR [SYS/TEMP]");
	edge_hang_up(&c);
	end(&f);
}

/* However many sessions want bodies: spoold is asked for few at a time, and all get theirs. */
static void bodies_in_turn(void **state)
{
	enum { N = 90 };
	static struct edge_client c[N];
	struct fixture f;
	struct spool_body_got got = { .size = SMALL };
	unsigned held;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	for (unsigned i = 0; i < N; i++)
		login(&f, &c[i]);
	f.hold_gets = true;
	for (unsigned i = 0; i < N; i++)
		edge_say(&c[i], "RETR 2\r\n");
	while (f.gets < 64)
		assert_int_equal(loop_turn(f.e.loop, 1000), 0);
	for (unsigned i = 0; i < 20; i++)       /* would there come more? */
		assert_int_equal(loop_turn(f.e.loop, 50), 0);
	held = f.gets;
	assert_int_equal(held, 64);
	f.hold_gets = false;
	got.bytes = slice_of(f.big, SMALL);
	edge_hang_up(&c[N - 1]);        /* leaves while it waits */
	for (unsigned i = 0; i < held; i++)
		IPC_REPLY(f.e.spool, spool_body_got, f.held[i], &got);
	for (unsigned i = 0; i < N - 1; i++)
		edge_hear(&c[i], "+OK 100 octets");
	for (unsigned i = 0; i < N - 1; i++)
		edge_hang_up(&c[i]);
	end(&f);
}

static void expect_small(struct fixture *f, struct edge_client *c, uint32_t uid)
{
	struct buf got = BUF_INIT(1000);

	edge_hear(c, "+OK 100 octets");
	edge_read(c, &got, 1 + SMALL + 5);
	assert_true(got.p[0] == '.');
	assert_memory_equal(got.p + 1, small(f, uid).p, SMALL);
	assert_memory_equal(got.p + 1 + SMALL, "\r\n.\r\n", 5);
	buf_free(&got);
}

static void retrieve(struct fixture *f, struct edge_client *c, uint32_t msg)
{
	char line[32];

	(void)snprintf(line, sizeof(line), "RETR %u\r\n", msg);
	edge_say(c, line);
	expect_small(f, c, msg);
}

static void login_many(struct fixture *f, struct edge_client *c)
{
	edge_connect(&f->e, c);
	edge_hear(c, "+OK ");
	edge_say(c, "USER def\r\nPASS secret\r\n");
	edge_hear(c, "+OK ");
	edge_hear(c, "+OK 1000 messages");
}

/* Who reads in order is answered from what was read ahead: spoold is asked seldom, and of what is gone there by itself. */
static void in_order(void **state)
{
	struct fixture f;
	struct edge_client c, other;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	f.rows = 1000;
	f.gone = 600;
	login_many(&f, &c);
	for (uint32_t i = 2; i <= 1000; i++) {
		retrieve(&f, &c, i);
		if (i % 100 == 0) {
			edge_say(&c, "DELE 905\r\nRSET\r\nNOOP\r\n");
			edge_hear(&c, "+OK ");
			edge_hear(&c, "+OK ");
			edge_hear(&c, "+OK ");
		}
	}
	assert_true(f.gets >= 2 && f.gets <= 4);        /* the first one, and 600 */
	assert_true(f.aheads >= 1 && f.aheads <= 10);
	/* here and there: one for each */
	f.gets = f.aheads = 0;
	for (uint32_t i = 500; i > 100; i -= 100)
		retrieve(&f, &c, i);
	assert_true(f.gets == 4 && f.aheads == 0);
	/* what is marked as deleted is not asked for */
	edge_say(&c, "DELE 102\r\n");
	edge_hear(&c, "+OK ");
	f.gone = 0;
	retrieve(&f, &c, 200);
	retrieve(&f, &c, 201);
	retrieve(&f, &c, 202);
	assert_true(f.gets == 4 + 1 && f.aheads == 1);
	/* without spoold nothing is told from memory; another session hears first that it is gone */
	login_many(&f, &other);
	channel_close(f.e.spool);
	edge_say(&other, "RETR 2\r\n");
	edge_hear(&other, "-ERR [SYS/TEMP]");
	edge_hang_up(&other);
	edge_say(&c, "RETR 203\r\n");
	edge_hear(&c, "-ERR [SYS/TEMP]");
	edge_hang_up(&c);
	end(&f);
}

/* A stop while a client is in the middle of a large message: it gets all of it. */
static void stop(void **state)
{
	struct fixture f;
	struct edge_client c, idle, third;

	(void)state;
	start(&f, "allow_plaintext_login = yes\nconnection_limit_address = 2\n");
	login(&f, &c);
	login(&f, &idle);
	edge_connect(&f.e, &third);
	edge_hear(&third, "-ERR [SYS/TEMP] too many connections from your address");
	edge_hear_close(&third);
	edge_say(&c, "DELE 2\r\nRETR 1\r\n");
	edge_hear(&c, "+OK message 2");
	edge_stop_begin(&f.e);
	edge_hear(&idle, "-ERR [SYS/TEMP] the server is going down");
	edge_hear_close(&idle);
	expect_big(&f, &c);
	edge_hear(&c, "-ERR [SYS/TEMP] the server is going down");
	edge_hear_close(&c);
	assert_int_equal(f.expunged_first, 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maildrop),
		cmocka_unit_test(many_messages),
		cmocka_unit_test(refusals),
		cmocka_unit_test(spool_dies), cmocka_unit_test(bodies_in_turn),
		cmocka_unit_test(in_order),
		cmocka_unit_test(stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
