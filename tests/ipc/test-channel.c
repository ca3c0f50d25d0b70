#include "tests/lib/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/roles.h"
#include "common/ipc/channel.h"
#include "common/ipc/peercred.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"

/* One side of a pair of channels in one loop, and what happened there. */
struct side {
	struct channel *ch;
	unsigned opened, closed, got, replies, failed;
	int why, last_r;
	char text[64];
	bool hold_reply;
};

static struct loop *loop;
static void quiet(enum log_level level, const char *text) { (void)level; (void)text; }

static void on_open(struct channel *ch, void *ctx) { (void)ch; ((struct side *)ctx)->opened++; }
static void on_close(struct channel *ch, int why, void *ctx)
{
	struct side *s = ctx;

	(void)ch;
	s->closed++;
	s->why = why;
	s->ch = NULL;
}

static int on_lookup(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct side *s = ctx;
	struct account_lookup q;
	struct account_lookup_reply r = { .kind = ADDRESS_LOCAL };
	int e = IPC_DECODE(m, account_lookup, NULL, &q);

	if (e != 0)
		return e;
	s->got++;
	if (slice_to_cstr(q.address, s->text, sizeof(s->text)) != 0)
		return ERR_LIMIT;
	if (!s->hold_reply)
		IPC_REPLY(ch, account_lookup_reply, m->id, &r);
	return 0;
}

static int on_file(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct side *s = ctx;
	char c;

	(void)ch;
	if (m->fd < 0 || read(m->fd, &c, 1) != 1)
		return ERR_SYNTAX;
	s->text[s->got++] = c;
	s->text[s->got] = '\0';
	return 0;
}

static const struct ipc_handler handlers[] = {
	{ account_lookup_MSG, on_lookup }, { account_ok_MSG, on_file }, { 0, NULL },
};

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct side *s = ctx;
	struct account_lookup_reply rep;

	s->last_r = r;
	if (r != 0) {
		s->failed++;
		return;
	}
	assert_int_equal(IPC_DECODE(m, account_lookup_reply, NULL, &rep), 0);
	assert_int_equal(rep.kind, ADDRESS_LOCAL);
	s->replies++;
}

static struct channel_conf conf_for(struct side *s, uint8_t role, uint8_t peer)
{
	return (struct channel_conf){ .proto = "account", .major = 1, .role = role, .peer_role = peer,
	    .peer_uid = getuid(), .handlers = handlers, .on_open = on_open, .on_close = on_close, .ctx = s };
}

static void turns(unsigned n)
{
	while (n-- != 0)
		assert_int_equal(loop_turn(loop, 0), 0);
}

static void pair_fds(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(peercred_enable(sv[0]), 0);
	assert_int_equal(peercred_enable(sv[1]), 0);
}

static void pair(struct side *a, struct side *b)
{
	struct channel_conf ca = conf_for(a, ROLE_SMTPD, ROLE_ACCOUNTD), cb = conf_for(b, ROLE_ACCOUNTD, ROLE_SMTPD);
	int sv[2];

	memset(a, 0, sizeof(*a));
	memset(b, 0, sizeof(*b));
	pair_fds(sv);
	a->ch = channel_new(loop, sv[0], &ca);
	b->ch = channel_new(loop, sv[1], &cb);
}

static void shut(struct side *a, struct side *b)
{
	if (a->ch != NULL)
		channel_close(a->ch);
	if (b->ch != NULL)
		channel_close(b->ch);
	turns(4);
	assert_int_equal(a->closed, 1);
	assert_int_equal(b->closed, 1);
}

static void requests(void **state)
{
	struct side a, b;
	struct account_lookup q = { .address = SLICE_LIT("def@daum.test") };
	uint32_t id;

	(void)state;
	pair(&a, &b);
	for (int i = 0; i < 1000; i++)
		(void)IPC_REQUEST(a.ch, account_lookup, &q, 0, on_reply, &a);
	turns(8);
	assert_int_equal(a.opened, 1);
	assert_int_equal(b.opened, 1);
	assert_int_equal(channel_peer_pid(b.ch), getpid());
	assert_int_equal(a.replies, 1000);
	assert_string_equal(b.text, "def@daum.test");
	b.hold_reply = true;
	id = IPC_REQUEST(a.ch, account_lookup, &q, 0, on_reply, &a);
	(void)IPC_REQUEST(a.ch, account_lookup, &q, 0, on_reply, &a);
	channel_cancel(a.ch, id);
	turns(4);
	shut(&a, &b);
	assert_int_equal(a.failed, 1);
	assert_int_equal(a.last_r, ERR_CLOSED);
}

static void descriptors(void **state)
{
	struct account_ok ok = { 0 };
	struct side a, b;

	(void)state;
	pair(&a, &b);
	for (int i = 0; i < 20; i++) {
		int p[2];
		char c = (char)('a' + i);

		assert_int_equal(pipe(p), 0);
		assert_int_equal(write(p[1], &c, 1), 1);
		(void)close(p[1]);
		if (i % 3 == 0) {
			struct account_lookup q = { .address = SLICE_LIT("x") };

			b.hold_reply = true;
			IPC_SEND(a.ch, account_lookup, 0, &q);
			b.got--;
		}
		account_ok_encode(channel_begin(a.ch), &ok);
		channel_end(a.ch, account_ok_MSG, 0, false, p[0]);
	}
	b.got = 0;
	turns(30);
	assert_int_equal(b.closed, 0);
	shut(&a, &b);
}

/* Raw bytes written to a channel: what closes it, and why. */
static void hostile(void **state)
{
	static const struct { const char *name; const char *bytes; size_t len; bool after_hello; int why; } t[] = {
		{ "length below header", "\1\0\0\0\0\0\0\0\0\0\0\0", 12, true, ERR_SYNTAX },
		{ "length over the limit", "\xff\xff\xff\x7f\0\0\0\0\0\0\0\0", 12, true, ERR_LIMIT },
		{ "unknown type", "\x08\0\0\0\x63\0\0\0\0\0\0\0", 12, true, ERR_STATE },
		{ "unknown flag", "\x08\0\0\0\x0a\0\x80\0\0\0\0\0", 12, true, ERR_SYNTAX },
		{ "descriptor missing", "\x10\0\0\0\x02\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, true, ERR_SYNTAX },
		{ "bytes left over", "\x0e\0\0\0\x0a\0\0\0\0\0\0\0\1\0\0\0xy", 18, true, ERR_SYNTAX },
		{ "too short", "\x0c\0\0\0\x0a\0\0\0\0\0\0\0\2\0\0\0", 16, true, ERR_SYNTAX },
		{ "string over its limit", "\x0c\0\0\0\x0a\0\0\0\0\0\0\0\xff\xff\0\0", 16, true, ERR_LIMIT },
		{ "reply to nothing", "\x08\0\0\0\x0b\0\1\0\7\0\0\0", 12, true, 0 },
		{ "no hello", "\x0c\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\0", 16, false, ERR_STATE },
	};

	(void)state;
	log_capture(quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct side b = { 0 };
		struct channel_conf cb = conf_for(&b, ROLE_ACCOUNTD, ROLE_SMTPD);
		static const char hello[] = "\x18\0\0\0\xff\xff\0\0\0\0\0\0\7\0\0\0account\1\0\0\0";
		uint8_t role = ROLE_SMTPD;
		int sv[2];

		pair_fds(sv);
		b.ch = channel_new(loop, sv[0], &cb);
		b.hold_reply = true;
		if (t[i].after_hello) {
			assert_int_equal(write(sv[1], hello, sizeof(hello) - 1), sizeof(hello) - 1);
			assert_int_equal(write(sv[1], &role, 1), 1);
		}
		for (size_t k = 0; k < t[i].len; k++) {    /* a byte at a time */
			assert_row(i, b.closed == 0 || k == t[i].len || t[i].why != 0);
			if (send(sv[1], t[i].bytes + k, 1, MSG_NOSIGNAL) != 1)
				break;
			turns(1);
		}
		turns(2);
		assert_row(i, b.closed == (t[i].why != 0));
		assert_row(i, b.why == t[i].why);
		(void)close(sv[1]);
		turns(3);
		assert_row(i, b.closed == 1);
	}
	log_capture(NULL);
}

static void handshakes(void **state)
{
	static const struct { const char *proto; uint16_t major; uint8_t role; uid_t uid; int why; } t[] = {
		{ "account", 1, ROLE_SMTPD, (uid_t)-1, 0 },
		{ "spool", 1, ROLE_SMTPD, (uid_t)-1, ERR_VERSION },
		{ "account", 2, ROLE_SMTPD, (uid_t)-1, ERR_VERSION },
		{ "account", 1, ROLE_POP3D, (uid_t)-1, ERR_DENIED },
		{ "account", 1, ROLE_SMTPD, 12345, ERR_DENIED },
	};

	(void)state;
	log_capture(quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct side a = { 0 }, b = { 0 };
		struct channel_conf ca = conf_for(&a, t[i].role, 0), cb = conf_for(&b, ROLE_ACCOUNTD, ROLE_SMTPD);
		int sv[2];

		ca.proto = t[i].proto;
		ca.major = t[i].major;
		if (t[i].uid != (uid_t)-1)
			cb.peer_uid = t[i].uid;
		pair_fds(sv);
		a.ch = channel_new(loop, sv[0], &ca);
		b.ch = channel_new(loop, sv[1], &cb);
		turns(3);
		assert_row(i, b.opened == (t[i].why == 0));
		assert_row(i, b.closed == (t[i].why != 0));
		if (b.closed != 0)
			assert_row(i, b.why == t[i].why || b.why == ERR_CLOSED);
		shut(&a, &b);
	}
	log_capture(NULL);
}

/* A peer that does not read is closed when too much waits for it; nothing else stops. */
static void deaf_peer(void **state)
{
	struct account_lookup q = { .address = SLICE_LIT("0123456789012345678901234567890123456789") };
	struct side a = { 0 };
	struct channel_conf ca = conf_for(&a, ROLE_SMTPD, ROLE_ACCOUNTD);
	int sv[2];

	(void)state;
	ca.max_out = 1024 * 1024;
	pair_fds(sv);
	a.ch = channel_new(loop, sv[0], &ca);
	for (int i = 0; i < 40000 && a.ch != NULL; i++) {
		IPC_SEND(a.ch, account_lookup, 0, &q);
		if (i % 100 == 0)
			turns(1);
	}
	turns(2);
	assert_int_equal(a.closed, 1);
	assert_int_equal(a.why, ERR_LIMIT);
	(void)close(sv[1]);
}

/* What is asked of a channel that is closed already, or is just closing, is answered all the same. */
static struct side *late;

static void ask_late(struct channel *ch, int why, void *ctx)
{
	struct account_lookup q = { .address = SLICE_LIT("x") };

	(void)IPC_REQUEST(ch, account_lookup, &q, 60000, on_reply, late);
	on_close(ch, why, ctx);
}

static void asked_too_late(void **state)
{
	struct account_lookup q = { .address = SLICE_LIT("def@daum.test") };
	struct side a = { 0 };
	struct channel_conf ca = conf_for(&a, ROLE_SMTPD, ROLE_ACCOUNTD);
	uint8_t got[512];
	ssize_t hello, n;
	int sv[2];

	(void)state;
	late = &a;
	ca.on_close = ask_late;
	pair_fds(sv);
	a.ch = channel_new(loop, sv[0], &ca);
	turns(1);
	hello = read(sv[1], got, sizeof(got));
	assert_true(hello > 0);
	IPC_SEND(a.ch, account_lookup, 0, &q);
	channel_close(a.ch);
	IPC_SEND(a.ch, account_lookup, 0, &q);
	(void)IPC_REQUEST(a.ch, account_lookup, &q, 60000, on_reply, &a);
	turns(2);
	assert_int_equal(a.closed, 1);
	assert_int_equal(a.failed, 2);
	assert_int_equal(a.last_r, ERR_CLOSED);
	/* what was sent before, and nothing behind it */
	n = read(sv[1], got, sizeof(got));
	assert_int_equal(n, 12 + 4 + q.address.len);
	assert_int_equal(read(sv[1], got, sizeof(got)), 0);
	(void)close(sv[1]);
}

static int passed_fd;

static int on_lookup_passing(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct account_lookup_reply r = { .kind = ADDRESS_LOCAL };

	(void)ctx;
	IPC_REPLY_FD(ch, account_lookup_reply, m->id, &r, passed_fd);
	return 0;
}

/* The descriptor of a reply finds no room in this process: that request fails, the channel and the next one live. */
static void no_room_for_descriptor(void **state)
{
	static const struct ipc_handler passing[] = { { account_lookup_MSG, on_lookup_passing }, { 0, NULL } };
	struct account_lookup q = { .address = SLICE_LIT("x") };
	struct side a = { 0 }, b = { 0 };
	struct channel_conf ca = conf_for(&a, ROLE_SMTPD, ROLE_ACCOUNTD), cb = conf_for(&b, ROLE_ACCOUNTD, ROLE_SMTPD);
	struct rlimit old, none;
	int sv[2];

	(void)state;
	cb.handlers = passing;
	pair_fds(sv);
	a.ch = channel_new(loop, sv[0], &ca);
	b.ch = channel_new(loop, sv[1], &cb);
	turns(4);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 3; i++) {
		passed_fd = dup(0);
		none = old;
		none.rlim_cur = i == 1 ? 3 : old.rlim_cur;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		(void)IPC_REQUEST(a.ch, account_lookup, &q, 0, on_reply, &a);
		turns(6);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(a.failed, i != 0);
	}
	assert_int_equal(a.replies, 2);
	assert_int_equal(a.last_r, 0);
	shut(&a, &b);
}

/* A channel that carries secrets keeps nothing of them on either side once they are handled. */
static struct slice seen_secret;

static int on_secret(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct account_login q;

	(void)ch;
	((struct side *)ctx)->got++;
	assert_int_equal(IPC_DECODE(m, account_login, NULL, &q), 0);
	assert_true(slice_eq_cstr(q.secret, "correct horse"));
	seen_secret = q.secret;
	return 0;
}

static void secrets(void **state)
{
	static const struct ipc_handler login_handlers[] = { { account_login_MSG, on_secret }, { 0, NULL } };
	struct account_login q = { .user = SLICE_LIT("u"), .secret = SLICE_LIT("correct horse") };
	struct side a = { 0 }, b = { 0 };
	struct channel_conf ca = conf_for(&a, ROLE_POP3D, ROLE_ACCOUNTD), cb = conf_for(&b, ROLE_ACCOUNTD, ROLE_POP3D);
	const uint8_t *sent;
	struct buf *out;
	size_t sent_n;
	int sv[2];

	(void)state;
	ca.secret = cb.secret = true;
	cb.handlers = login_handlers;
	pair_fds(sv);
	a.ch = channel_new(loop, sv[0], &ca);
	b.ch = channel_new(loop, sv[1], &cb);
	turns(4);
	out = channel_begin(a.ch);
	account_login_encode(out, &q);
	sent = out->p + out->off;
	sent_n = buf_len(out);
	channel_end(a.ch, account_login_MSG, 0, false, -1);
	turns(4);
	assert_int_equal(b.got, 1);
	for (size_t i = 0; i < sent_n; i++)
		assert_int_equal(sent[i], 0);
	for (size_t i = 0; i < seen_secret.len; i++)
		assert_int_equal(seen_secret.p[i], 0);
	shut(&a, &b);
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void send_fds(int sock, int fd, unsigned n)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int) * 16)];
	} ctl;
	uint8_t byte = 1;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
	    .msg_controllen = CMSG_SPACE(sizeof(int) * n) };

	memset(&ctl, 0, sizeof(ctl));
	ctl.h.cmsg_level = SOL_SOCKET;
	ctl.h.cmsg_type = SCM_RIGHTS;
	ctl.h.cmsg_len = CMSG_LEN(sizeof(int) * n);
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(&ctl.h) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(sock, &m, MSG_NOSIGNAL), 1);
}

/* A peer that floods with descriptors is closed, and none of them stays open. */
static void too_many_descriptors(void **state)
{
	struct side b = { 0 };
	struct channel_conf cb = conf_for(&b, ROLE_ACCOUNTD, ROLE_SMTPD);
	unsigned before;
	int sv[2];

	(void)state;
	log_capture(quiet);
	before = open_fds();
	pair_fds(sv);
	b.ch = channel_new(loop, sv[0], &cb);
	send_fds(sv[1], sv[1], 10);
	for (int i = 0; i < 4; i++)
		send_fds(sv[1], sv[1], 16);
	turns(8);
	(void)close(sv[1]);
	turns(3);
	assert_int_equal(b.closed, 1);
	assert_int_equal(open_fds(), before);
	log_capture(NULL);
}

static int on_big(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	static const uint8_t bytes[100000];
	struct spool_body_got got = { .bytes = slice_of(bytes, sizeof(bytes)) };
	struct spool_stats q;

	if (IPC_DECODE(m, spool_stats, NULL, &q) != 0)
		return ERR_SYNTAX;
	((struct side *)ctx)->got++;
	IPC_REPLY(ch, spool_body_got, m->id, &got);
	return 0;
}

static void on_big_reply(void *ctx, int r, struct ipc_msg *m)
{
	(void)m;
	*(r == 0 ? &((struct side *)ctx)->replies : &((struct side *)ctx)->failed) += 1;
}

/* Asked for far more at once than may wait: the server answers as fast as the peer takes it. */
static void held_server(void **state)
{
	static const struct ipc_handler big[] = { { spool_stats_MSG, on_big }, { 0, NULL } };
	struct spool_stats q = { 0 };
	struct side a = { 0 }, b = { 0 };
	struct channel_conf ca = conf_for(&a, ROLE_IMAPD, ROLE_SPOOLD), cb = conf_for(&b, ROLE_SPOOLD, ROLE_IMAPD);
	size_t most = 0;
	int sv[2];

	(void)state;
	cb.handlers = big;
	cb.hold_out = 300000;
	cb.max_out = 1000000;
	pair_fds(sv);
	a.ch = channel_new(loop, sv[0], &ca);
	b.ch = channel_new(loop, sv[1], &cb);
	for (int i = 0; i < 500; i++)
		(void)IPC_REQUEST(a.ch, spool_stats, &q, 0, on_big_reply, &a);
	for (int i = 0; i < 20000 && a.replies < 500 && b.ch != NULL; i++) {
		turns(1);
		if (b.ch != NULL && channel_backlog(b.ch) > most)
			most = channel_backlog(b.ch);
	}
	assert_int_equal(a.replies, 500);
	assert_true(most < 500000);
	shut(&a, &b);
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new();
	return loop == NULL;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(&loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests), cmocka_unit_test(descriptors), cmocka_unit_test(hostile),
		cmocka_unit_test(handshakes), cmocka_unit_test(deaf_peer), cmocka_unit_test(held_server),
		cmocka_unit_test(asked_too_late), cmocka_unit_test(no_room_for_descriptor),
		cmocka_unit_test(secrets), cmocka_unit_test(too_many_descriptors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
