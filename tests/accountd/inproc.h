#ifndef PABAL_TESTS_ACCOUNTD_INPROC_H
#define PABAL_TESTS_ACCOUNTD_INPROC_H
/*
 * accountd in the test's own process, without its cell: every mechanism can be asked through real channels, and what
 * it costs can be counted.
 */
#include <bsd/stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accountd/accountd.h"
#include "common/base/clock.h"
#include "common/daemon/token.h"
#include "common/ipc/peercred.h"
#include "tests/lib/tempdir.h"

static struct accountd ac;
static struct daemon dm;
static struct loop *lp;
static char dir[TEMPDIR_MAX];
static uint64_t clock_ahead;            /* ms */
static struct buf logged;

/* The clock stands unless the test turns it: how long something takes here changes nothing. */
static uint64_t later_ms(void)
{
	return 1000000 + clock_ahead;
}

static uint64_t later_us(void)
{
	return 1790000000000000u + clock_ahead * 1000;
}

static void random_bytes(void *p, size_t n)
{
	arc4random_buf(p, n);
}

static void on_log(enum log_level level, const char *text)
{
	(void)level;
	buf_add_cstr(&logged, text);
	buf_add_byte(&logged, '\n');
}

static bool was_logged(const char *text)
{
	buf_add_byte(&logged, '\0');
	logged.len--;
	return strstr((const char *)logged.p, text) != NULL;
}

static void open_accountd(const char *conf)
{
	static const uint8_t secret[32] = "the secret of the whole system";
	struct buf errors = BUF_INIT(10000);
	struct conf *c;

	assert_int_equal(conf_parse(&c, "test.conf", slice_cstr(conf), &errors), 0);
	buf_free(&errors);
	lp = loop_new();
	dm = (struct daemon){ .loop = lp, .conf = c, .secret = slice_of(secret, sizeof(secret)) };
	assert_int_equal(accountd_open(&ac, &dm, dir), 0);
}

static void close_accountd(void)
{
	struct conf *c = (struct conf *)(uintptr_t)dm.conf;

	for (int i = 0; i < 1000 && !LIST_EMPTY(&ac.tasks); i++)
		assert_int_equal(loop_turn(lp, 100), 0);
	loop_timer_del(lp, &ac.checkpoint);
	loop_timer_del(lp, &ac.save);
	accountd_close(&ac);
	loop_free(&lp);
	conf_free(&c);
}

/* ---- a peer ------------------------------------------------------------------------- */

struct peer {
	struct channel *ch, *server;
	unsigned answered;              /* by account_logged_in */
	unsigned denied, again, other;
	uint16_t type;
	struct buf payload;             /* of the last reply */
};

static void closed(struct channel *ch, int why, void *ctx)
{
	struct peer *p = ctx;

	(void)why;
	if (ch == p->ch)
		p->ch = NULL;
}

static void server_closed(struct channel *ch, int why, void *ctx)
{
	struct peer *p = channel_data(ch);

	(void)why;
	(void)ctx;
	accountd_validator_gone(&ac, ch);
	tasks_orphan(&ac, ch);
	if (p != NULL)
		p->server = NULL;
}

static void peer_join(struct peer *p, enum role role, const struct ipc_handler *handlers)
{
	struct channel_conf client = { .proto = "account", .role = (uint8_t)role, .peer_role = ROLE_ACCOUNTD,
		.major = PROTO_ACCOUNT_MAJOR, .minor = PROTO_ACCOUNT_MINOR, .peer_uid = (uid_t)-1, .on_close = closed, .ctx = p,
		.handlers = handlers, .secret = true };
	struct channel_conf server = { .proto = "account", .role = ROLE_ACCOUNTD, .peer_role = (uint8_t)role,
		.major = PROTO_ACCOUNT_MAJOR, .minor = PROTO_ACCOUNT_MINOR, .peer_uid = (uid_t)-1, .on_close = server_closed, .ctx = &dm,
		.secret = true, .handlers = role == ROLE_CONTROL ? accountd_control_handlers :
		    role == ROLE_SMTPD ? accountd_smtpd_handlers : accountd_login_handlers };
	int sv[2];

	memset(p, 0, sizeof(*p));
	p->payload = BUF_INIT(IPC_MAX_FRAME);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(peercred_enable(sv[0]), 0);
	assert_int_equal(peercred_enable(sv[1]), 0);
	p->ch = channel_new(lp, sv[0], &client);
	p->server = channel_new(lp, sv[1], &server);
	assert_true(p->ch != NULL && p->server != NULL);
	channel_set_data(p->server, p);
}

static void peer_leave(struct peer *p)
{
	if (p->ch != NULL)
		channel_close(p->ch);
	while (p->ch != NULL || p->server != NULL)
		assert_int_equal(loop_turn(lp, 1000), 0);
	buf_free(&p->payload);
}

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct peer *p = ctx;
	struct account_fail f;

	assert_int_equal(r, 0);
	buf_reset(&p->payload);
	buf_add_slice(&p->payload, m->payload);
	p->type = m->type;
	if (m->type == account_fail_MSG) {
		assert_int_equal(IPC_DECODE(m, account_fail, NULL, &f), 0);
		p->denied += (int32_t)f.code == ERR_DENIED;
		p->again += (int32_t)f.code == ERR_AGAIN;
		p->other += (int32_t)f.code != ERR_DENIED && (int32_t)f.code != ERR_AGAIN;
	} else {
		p->answered++;
	}
}

static unsigned replies(const struct peer *p)
{
	return p->answered + p->denied + p->again + p->other;
}

static void peer_wait(struct peer *p, unsigned n)
{
	while (replies(p) < n)
		assert_int_equal(loop_turn(lp, 1000), 0);
	assert_int_equal(replies(p), n);
}

#define PEER_SEND(p, T, req) ((void)IPC_REQUEST((p)->ch, T, (req), 0, on_reply, (p)))
#define PEER_CALL(p, T, req) (PEER_SEND(p, T, req), peer_wait((p), replies(p) + 1), (p)->type)
/* The last reply, decoded. */
#define PEER_REPLY(p, T, out) \
	do { \
		struct ipc_msg m_ = { .type = (p)->type, .payload = buf_slice(&(p)->payload), .fd = -1 }; \
		assert_int_equal(IPC_DECODE(&m_, T, ac.arena, out), 0); \
	} while (0)

/* 0, or the code of the failure. */
static int last_result(const struct peer *p)
{
	struct account_fail f;

	if (p->type != account_fail_MSG)
		return 0;
	PEER_REPLY(p, account_fail, &f);
	return (int32_t)f.code;
}

static int ask_admin(struct peer *p, uint8_t verb, const char *name, const char *password)
{
	struct account_admin req = { .verb = verb, .name = slice_cstr(name), .password = slice_cstr(password) };

	(void)PEER_CALL(p, account_admin, &req);
	return last_result(p);
}

static int ask_login(struct peer *p, uint8_t how, const char *user, const char *secret, const char *addr)
{
	struct account_login req = { .how = how, .user = slice_cstr(user), .secret = slice_cstr(secret), .addr = slice_cstr(addr),
		.tls = 1 };

	(void)PEER_CALL(p, account_login, &req);
	return last_result(p);
}

#endif
