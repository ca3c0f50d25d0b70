/* The real imapd process in its cell, between clients and a spoold and accountd that this test plays. */
#include "tests/lib/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "tests/lib/edge.h"

enum { BIG = 3 * 1024 * 1024, SMALL = 40, MAILBOX = 9, ROWS_MAX = 100000 };

struct fixture {
	struct edge e;
	uint8_t *big;           /* body 1; body 2 is its first SMALL bytes */
	bool as_file, in_memfd;
	uint32_t rows, sessions, opens;
	uint32_t flags;         /* of message 2 */
	unsigned closed;
	bool all_closed, again;
	int file;
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
	assert_true(slice_eq_cstr(q.service, "imap") && slice_eq_cstr(q.addr, "127.0.0.1"));
	if (!slice_eq_cstr(q.secret, "secret"))
		IPC_REPLY(ch, account_fail, m->id, &fail);
	else
		IPC_REPLY(ch, account_logged_in, m->id, &in);
	return 0;
}

static int on_open(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_open q;
	struct spool_ok ok = { .value = ++f->sessions };

	assert_int_equal(IPC_DECODE(m, spool_open, NULL, &q), 0);
	assert_true(slice_eq_cstr(q.token, "token"));
	f->opens++;
	IPC_REPLY(ch, spool_ok, m->id, &ok);
	return 0;
}

static int on_close(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_close q;

	(void)ch;
	assert_int_equal(IPC_DECODE(m, spool_close, NULL, &q), 0);
	f->all_closed = ++f->closed == f->opens;
	return 0;
}

static void put_row(struct fixture *f, struct buf *b, uint32_t uid)
{
	uint8_t row[SPOOL_ROW_SIZE] = { 0 };

	put_le32(row, uid);
	put_le32(row + 4, uid == 2 ? f->flags : 0);
	put_le64(row + 16, 1);
	put_le64(row + 24, uid == 1 ? BIG : SMALL);
	put_le64(row + 32, 1764000000);
	put_le64(row + 40, uid == 1 ? 1 : 2);
	buf_add(b, row, sizeof(row));
}

static int on_select(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_select q;
	struct spool_snapshot snap = { .mailbox = MAILBOX, .uidvalidity = 77, .uidnext = f->rows + 1, .count = f->rows };
	struct buf rows = BUF_INIT(1 << 24);

	assert_int_equal(IPC_DECODE(m, spool_select, NULL, &q), 0);
	assert_true(q.watch == 1 && slice_eq_cstr(q.name, "INBOX"));
	for (uint32_t i = 0; i < f->rows; i++)
		put_row(f, &rows, i + 1);
	f->again = f->opens == 2;
	if (f->in_memfd) {
		IPC_REPLY_FD(ch, spool_snapshot, m->id, &snap, make_memfd(buf_slice(&rows).p, buf_len(&rows)));
	} else {
		snap.rows = buf_slice(&rows);
		IPC_REPLY(ch, spool_snapshot, m->id, &snap);
	}
	buf_free(&rows);
	return 0;
}

/* Told to every session that may have it selected, before the answer. */
static int on_store(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct arena *a = arena_new(1 << 20);
	struct spool_store q;
	struct spool_stored stored = { .modseq = 2 };
	struct buf row = BUF_INIT(4096);

	assert_int_equal(IPC_DECODE(m, spool_store, a, &q), 0);
	assert_true(q.mailbox == MAILBOX && q.uids_n == 1 && q.uids[0].first == 2);
	f->flags |= q.flags;
	put_row(f, &row, 2);
	for (uint32_t i = 1; i <= f->sessions; i++) {
		struct spool_change c = { .session = i, .mailbox = MAILBOX, .modseq = 2, .uidnext = 4, .by_self = i == q.session,
			.rows = buf_slice(&row) };

		IPC_SEND(ch, spool_change, 0, &c);
	}
	IPC_REPLY(ch, spool_stored, m->id, &stored);
	buf_free(&row);
	arena_free(&a);
	return 0;
}

static int on_body_get(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_body_get q;
	struct spool_body_got got;

	assert_int_equal(IPC_DECODE(m, spool_body_get, NULL, &q), 0);
	assert_true(q.mailbox == MAILBOX && q.len != 0);
	memset(&got, 0, sizeof(got));
	got.size = q.bodyid == 1 ? BIG : SMALL;
	if (q.bodyid == 1 && f->as_file) {
		IPC_REPLY_FD(ch, spool_body_got, m->id, &got, make_memfd(f->big, BIG));
		return 0;
	}
	got.bytes = slice_sub(slice_of(f->big, (size_t)got.size), (size_t)q.off, q.len);
	IPC_REPLY(ch, spool_body_got, m->id, &got);
	return 0;
}

static int on_body_file(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_body_file_reply reply = { .file = 5 };
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_true(fd >= 0);
	f->file = dup(fd);
	assert_true(f->file >= 0);
	IPC_REPLY_FD(ch, spool_body_file_reply, m->id, &reply, fd);
	return 0;
}

static int on_append(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct arena *a = arena_new(1 << 20);
	struct spool_append q;
	struct spool_appended reply = { 77, 9 };
	uint8_t *got = malloc(BIG);

	assert_int_equal(IPC_DECODE(m, spool_append, a, &q), 0);
	assert_true(q.body.file == 5 && q.body.size == BIG && q.body.bytes.len == 0 && q.cached.len != 0);
	assert_int_equal(pread(f->file, got, BIG, 0), BIG);
	assert_memory_equal(got, f->big, BIG);
	close(f->file);
	free(got);
	arena_free(&a);
	IPC_REPLY(ch, spool_appended, m->id, &reply);
	return 0;
}

static int on_unselect(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct spool_unselect q;

	(void)ch;
	(void)ctx;
	return IPC_DECODE(m, spool_unselect, NULL, &q);
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_open_MSG, on_open },
	{ spool_close_MSG, on_close },
	{ spool_select_MSG, on_select },
	{ spool_unselect_MSG, on_unselect },
	{ spool_store_MSG, on_store },
	{ spool_body_get_MSG, on_body_get },
	{ spool_body_file_MSG, on_body_file },
	{ spool_append_MSG, on_append },
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
	for (size_t i = 0; i < BIG; i++)
		f->big[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (uint8_t)('a' + i % 23);
	f->e.spool_handlers = spool_handlers;
	f->e.account_handlers = account_handlers;
	f->e.ctx = f;
	edge_start(&f->e, "imapd/imapd", ROLE_IMAPD, LISTEN_IMAP, conf);
}

static void end(struct fixture *f)
{
	assert_int_equal(edge_stop(&f->e), 0);
	free(f->big);
}

static void login(struct fixture *f, struct edge_client *c)
{
	edge_connect(&f->e, c);
	edge_hear(c, "* OK [CAPABILITY IMAP4rev1");
	edge_say(c, "a LOGIN def {6+}\r\nsecret\r\n");
	edge_hear(c, "a OK [CAPABILITY");
}

static void select_inbox(struct edge_client *c, const char *exists)
{
	edge_say(c, "s SELECT INBOX\r\n");
	edge_hear(c, "* FLAGS");
	edge_hear(c, "* OK [PERMANENTFLAGS");
	edge_hear(c, exists);
	edge_hear(c, "* 0 RECENT");
	edge_hear(c, "* OK [UNSEEN 1]");
	edge_hear(c, "* OK [UIDVALIDITY 77]");
	edge_hear(c, "* OK [UIDNEXT");
	edge_hear(c, "s OK [READ-WRITE]");
}

static void expect_big(struct fixture *f, struct edge_client *c)
{
	struct buf got = BUF_INIT((size_t)BIG * 2);

	edge_hear(c, "* 1 FETCH (BODY[] {3145728}");
	edge_read(c, &got, BIG);
	assert_memory_equal(buf_slice(&got).p, f->big, BIG);
	edge_hear(c, ")");
	edge_hear(c, "b OK");
	buf_free(&got);
}

static void two_clients(void **state)
{
	struct fixture f;
	struct edge_client c, d;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	login(&f, &c);
	login(&f, &d);
	select_inbox(&c, "* 3 EXISTS");
	select_inbox(&d, "* 3 EXISTS");
	edge_say(&d, "i IDLE\r\n");
	edge_hear(&d, "+ idling");
	edge_say(&c, "a STORE 2 +FLAGS (\\Flagged)\r\n");
	edge_hear(&c, "* 2 FETCH (FLAGS (\\Flagged))");
	edge_hear(&c, "a OK");
	edge_hear(&d, "* 2 FETCH (FLAGS (\\Flagged))");
	/* DONE in pieces, and in one with what follows it */
	edge_say(&d, "do");
	edge_say(&d, "ne\r\nj IDLE\r\n");
	edge_hear(&d, "i OK");
	edge_hear(&d, "+ idling");
	edge_say(&d, "DONE\r\nk FETCH 2 UID\r\nl IDLE\r\n");
	edge_hear(&d, "j OK");
	edge_hear(&d, "* 2 FETCH (UID");
	edge_hear(&d, "k OK");
	edge_hear(&d, "+ idling");
	edge_say(&c, "b FETCH 1 BODY.PEEK[]\r\n");
	expect_big(&f, &c);
	f.as_file = true;
	edge_say(&c, "b FETCH 1 BODY.PEEK[]\r\nc LOGOUT\r\n");
	expect_big(&f, &c);
	edge_hear(&c, "* BYE");
	edge_hear(&c, "c OK");
	edge_hear_close(&c);
	edge_hang_up(&d);
	edge_wait(&f.e, &f.all_closed, "CLOSE of both sessions");
	end(&f);
}

static void large_append(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	login(&f, &c);
	edge_say(&c, "a APPEND INBOX {3145728+}\r\n");
	edge_say_bytes(&c, slice_of(f.big, BIG));
	edge_say(&c, "\r\nb NOOP\r\n");
	edge_hear(&c, "a OK [APPENDUID 77 9]");
	edge_hear(&c, "b OK");
	edge_hang_up(&c);
	end(&f);
}

static void many_messages(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	f.rows = ROWS_MAX;
	f.in_memfd = true;
	login(&f, &c);
	select_inbox(&c, "* 100000 EXISTS");
	edge_say(&c, "a UID FETCH 1:* FLAGS\r\n");
	for (unsigned i = 1; i <= ROWS_MAX; i++) {
		char want[48];

		(void)snprintf(want, sizeof(want), "* %u FETCH (UID %u FLAGS ())", i, i);
		edge_hear(&c, want);
	}
	edge_hear(&c, "a OK");
	edge_hang_up(&c);
	end(&f);
}

/* spoold goes and comes: the session and its mailbox live on. */
static void spool_restarts(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	login(&f, &c);
	select_inbox(&c, "* 3 EXISTS");
	f.rows = 4;
	f.flags = FLAG_SEEN;
	channel_close(f.e.spool);
	edge_peer_new(&f.e, ROLE_SPOOLD);
	edge_wait(&f.e, &f.again, "the second SELECT");
	edge_say(&c, "a NOOP\r\nb NOOP\r\n");
	edge_hear(&c, "* 4 EXISTS");
	edge_hear(&c, "* 0 RECENT");
	edge_hear(&c, "* 2 FETCH (FLAGS (\\Seen))");
	edge_hear(&c, "a OK");
	edge_hear(&c, "b OK");
	assert_int_equal(f.opens, 2);
	edge_hang_up(&c);
	end(&f);
}

static void refusals(void **state)
{
	struct fixture f;
	struct edge_client c, d;

	(void)state;
	start(&f, "");
	edge_connect(&f.e, &c);
	edge_hear(&c, "* OK [CAPABILITY IMAP4rev1");
	edge_say(&c, "a LOGIN def secret\r\n");
	edge_hear(&c, "a NO [PRIVACYREQUIRED]");
	edge_hang_up(&c);
	end(&f);
	start(&f, "allow_plaintext_login = yes\nconnection_limit_address = 1\n");
	edge_connect(&f.e, &c);
	edge_hear(&c, "* OK [CAPABILITY IMAP4rev1");
	edge_connect(&f.e, &d);
	edge_hear(&d, "* BYE [UNAVAILABLE] too many connections from your address");
	edge_hear_close(&d);
	edge_say(&c, "a LOGIN def wrong\r\n");
	edge_hear(&c, "a NO [AUTHENTICATIONFAILED]");
	edge_hang_up(&c);
	end(&f);
	start(&f, "allow_plaintext_login = yes\nlogin_timeout = 1s\n");
	edge_connect(&f.e, &c);
	edge_hear(&c, "* OK [CAPABILITY IMAP4rev1");
	edge_hear(&c, "* BYE The time for the login is over");
	edge_hear_close(&c);
	end(&f);
}

static void stop(void **state)
{
	struct fixture f;
	struct edge_client c, d;

	(void)state;
	start(&f, "allow_plaintext_login = yes\n");
	login(&f, &c);
	login(&f, &d);
	edge_say(&d, "i IDLE\r\n");
	edge_hear(&d, "+ idling");
	edge_stop_begin(&f.e);
	edge_hear(&c, "* BYE");
	edge_hear_close(&c);
	edge_hear(&d, "* BYE");
	edge_hear_close(&d);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_clients),
		cmocka_unit_test(large_append),
		cmocka_unit_test(many_messages),
		cmocka_unit_test(spool_restarts),
		cmocka_unit_test(refusals),
		cmocka_unit_test(stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
