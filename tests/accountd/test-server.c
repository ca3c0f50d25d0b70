/* The real accountd process in its cell: what each peer may ask and gets. */
#include "tests/lib/unit.h"

#include "common/base/clock.h"
#include "common/daemon/token.h"
#include "common/ipc/proto_account.h"
#include "tests/accountd/tempdir.h"
#include "tests/lib/server.h"

static const char conf[] = "recipient_delimiter = +\nlogin_failures = 3\nauth_threads = 2\n";

static struct server s;
static char dir[64];

static void start(void)
{
	server_start(&s, "accountd/accountd", ROLE_ACCOUNTD, "account", PROTO_ACCOUNT_MAJOR, PROTO_ACCOUNT_MINOR, conf, dir, true);
}

static int set_up(void **state)
{
	(void)state;
	tempdir_make(dir);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(server_stop(&s), 0);
	tempdir_remove(dir);
	return 0;
}

static uint64_t admin(struct server_client *c, uint8_t verb, const char *name, const char *target, const char *password, int want)
{
	struct account_admin req = { .verb = verb, .name = slice_cstr(name), .target = slice_cstr(target), .password = slice_cstr(password) };
	struct account_fail f;
	struct account_ok ok = { 0 };

	if (SERVER_CALL(c, account_admin, &req) == account_ok_MSG) {
		assert_int_equal(IPC_DECODE(&c->reply, account_ok, NULL, &ok), 0);
		assert_int_equal(want, 0);
	} else {
		assert_int_equal(IPC_DECODE(&c->reply, account_fail, NULL, &f), 0);
		assert_int_equal((int32_t)f.code, want);
		assert_true(f.text.len > 10 && f.text.p[f.text.len - 1] == '.');
	}
	return ok.value;
}

static void populate(void)
{
	struct server_client pabal;

	server_connect(&s, ROLE_CONTROL, &pabal);
	(void)admin(&pabal, ADMIN_USER_ADD, "def@daum.test", "", "secret-def", ERR_NOTFOUND);
	(void)admin(&pabal, ADMIN_DOMAIN_ADD, "daum.test", "", "", 0);
	assert_int_equal(admin(&pabal, ADMIN_USER_ADD, "def@daum.test", "", "secret-def", 0), 2);
	(void)admin(&pabal, ADMIN_USER_ADD, "def@daum.test", "", "x", ERR_EXISTS);
	(void)admin(&pabal, ADMIN_ALIAS_ADD, "all@daum.test", "def@daum.test", "", 0);
	(void)admin(&pabal, ADMIN_ALIAS_ADD, "all@daum.test", "out@far.test", "", 0);
	server_leave(&pabal);
}

static uint8_t lookup(struct server_client *c, const char *address)
{
	struct account_lookup req = { .address = slice_cstr(address) };
	struct account_lookup_reply reply = { 0 };

	if (SERVER_CALL(c, account_lookup, &req) != account_lookup_reply_MSG)
		return 0;
	assert_int_equal(IPC_DECODE(&c->reply, account_lookup_reply, NULL, &reply), 0);
	return reply.kind;
}

/* 0 and the token, or the code of the failure. */
static int login(struct server_client *c, const char *user, const char *password, const char *addr, struct token *t_r)
{
	struct account_login req = { .how = LOGIN_PASSWORD, .user = slice_cstr(user), .secret = slice_cstr(password), .addr = slice_cstr(addr),
	    .service = SLICE_LIT("imap") };
	struct account_logged_in in;
	struct account_fail f;

	if (SERVER_CALL(c, account_login, &req) == account_fail_MSG) {
		assert_int_equal(IPC_DECODE(&c->reply, account_fail, NULL, &f), 0);
		return (int32_t)f.code;
	}
	assert_int_equal(IPC_DECODE(&c->reply, account_logged_in, NULL, &in), 0);
	assert_slice(0, in.user, "def@daum.test");
	assert_int_equal(token_check(slice_of(server_secret, 32), in.token, TOKEN_SESSION, clock_wall_s(), t_r), 0);
	assert_int_equal(t_r->account, in.account);
	return 0;
}

static void lookups(void **state)
{
	struct account_resolve req = { .msgid = 77, .address = SLICE_LIT("all+x@daum.test") };
	struct arena *a = arena_new(1 << 20);
	struct server_client smtpd, local;
	struct account_resolved res;
	struct token t;

	(void)state;
	populate();
	server_connect(&s, ROLE_SMTPD, &smtpd);
	server_connect(&s, ROLE_DELIVER_LOCAL, &local);
	assert_int_equal(lookup(&smtpd, "DEF@daum.test"), ADDRESS_LOCAL);
	assert_int_equal(lookup(&smtpd, "nobody@daum.test"), ADDRESS_UNKNOWN);
	assert_int_equal(lookup(&smtpd, "x@far.test"), ADDRESS_REMOTE);
	assert_int_equal(lookup(&smtpd, "postmaster"), ADDRESS_LOCAL);
	assert_int_equal(lookup(&smtpd, "no address"), 0);
	assert_int_equal(smtpd.reply.type, account_fail_MSG);
	assert_int_equal(SERVER_CALL(&local, account_resolve, &req), account_resolved_MSG);
	assert_int_equal(IPC_DECODE(&local.reply, account_resolved, a, &res), 0);
	assert_int_equal(res.targets_n, 2);
	assert_slice(0, res.targets[0].address, "def@daum.test");
	assert_int_equal(res.targets[1].account, 0);
	assert_int_equal(token_check(slice_of(server_secret, 32), res.targets[0].grant, TOKEN_GRANT, clock_wall_s(), &t), 0);
	assert_true(t.account == res.targets[0].account && t.msgid == 77);
	assert_int_equal(res.targets[1].grant.len, 0);
	server_leave(&smtpd);
	server_leave(&local);
	arena_free(&a);
}

static void logins(void **state)
{
	struct server_client imapd, pabal;
	struct token t;

	(void)state;
	populate();
	server_connect(&s, ROLE_IMAPD, &imapd);
	assert_int_equal(login(&imapd, "def@daum.test", "secret-def", "192.0.2.1", &t), 0);
	assert_int_equal(t.account, 2);
	assert_int_equal(login(&imapd, "Def", "secret-def", "192.0.2.1", &t), 0);
	assert_int_equal(login(&imapd, "def@daum.test", "wrong", "192.0.2.2", &t), ERR_DENIED);
	assert_int_equal(login(&imapd, "nobody@daum.test", "secret-def", "192.0.2.2", &t), ERR_DENIED);
	assert_int_equal(login(&imapd, "all@daum.test", "secret-def", "192.0.2.2", &t), ERR_DENIED);
	assert_int_equal(login(&imapd, "def@daum.test", "secret-def", "192.0.2.2", &t), ERR_AGAIN);
	assert_int_equal(login(&imapd, "def@daum.test", "secret-def", "192.0.2.1", &t), 0);
	assert_int_equal(login(&imapd, "", "", "", &t), ERR_DENIED);
	/* A new password holds at once. */
	server_connect(&s, ROLE_CONTROL, &pabal);
	(void)admin(&pabal, ADMIN_USER_PASSWORD, "def@daum.test", "", "newer", 0);
	assert_int_equal(login(&imapd, "def@daum.test", "secret-def", "192.0.2.1", &t), ERR_DENIED);
	assert_int_equal(login(&imapd, "def@daum.test", "newer", "192.0.2.1", &t), 0);
	(void)admin(&pabal, ADMIN_USER_DELETE, "def@daum.test", "", "", 0);
	assert_int_equal(login(&imapd, "def@daum.test", "newer", "192.0.2.1", &t), ERR_DENIED);
	server_leave(&pabal);
	server_leave(&imapd);
}

/* A peer that asks what is not its business loses its channel, and nobody else does. */
static void trespass(void **state)
{
	struct account_login in = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("def@daum.test"), .secret = SLICE_LIT("secret-def"), .addr = SLICE_LIT("192.0.2.1") };
	struct account_resolve resolve = { .address = SLICE_LIT("def@daum.test") };
	struct account_lookup look = { .address = SLICE_LIT("def@daum.test") };
	struct account_admin add = { .verb = ADMIN_DOMAIN_ADD, .name = SLICE_LIT("x.test") };
	struct server_client c, good;

	(void)state;
	populate();
	server_connect(&s, ROLE_SMTPD, &good);
	server_connect(&s, ROLE_SMTPD, &c);
	assert_int_equal(SERVER_CALL(&c, account_login, &in), 0);
	server_leave(&c);
	server_connect(&s, ROLE_QMGR, &c);
	assert_int_equal(SERVER_CALL(&c, account_resolve, &resolve), 0);
	server_leave(&c);
	server_connect(&s, ROLE_POP3D, &c);
	assert_int_equal(SERVER_CALL(&c, account_lookup, &look), 0);
	server_leave(&c);
	server_connect(&s, ROLE_IMAPD, &c);
	assert_int_equal(SERVER_CALL(&c, account_admin, &add), 0);
	server_leave(&c);
	server_connect(&s, ROLE_CONTROL, &c);
	assert_int_equal(SERVER_CALL(&c, account_login, &in), 0);
	server_leave(&c);
	/* A message of its type that is cut. */
	server_connect(&s, ROLE_SMTPD, &c);
	buf_add_le32(channel_begin(c.ch), 1000);
	assert_int_equal(server_call(&c, account_lookup_MSG), 0);
	server_leave(&c);
	assert_int_equal(lookup(&good, "def@daum.test"), ADDRESS_LOCAL);
	server_leave(&good);
}

/* Who asked and went away is no harm; what was there is there after a restart. */
static void restarts(void **state)
{
	struct account_login in = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("def@daum.test"), .secret = SLICE_LIT("secret-def"), .addr = SLICE_LIT("192.0.2.1") };
	struct account_list list = { .what = ADMIN_LIST_ALIASES, .n = 1 };
	struct account_list_reply reply;
	struct server_client c;
	struct arena *a = arena_new(1 << 20);
	struct token t;

	(void)state;
	populate();
	server_connect(&s, ROLE_IMAPD, &c);
	assert_int_equal(login(&c, "def@daum.test", "secret-def", "192.0.2.1", &t), 0);
	for (int i = 0; i < 20; i++) {
		account_login_encode(channel_begin(c.ch), &in);
		channel_end(c.ch, account_login_MSG, (uint32_t)i + 1, false, -1);
	}
	server_leave(&c);
	server_reload(&s, "auth_threads = 1\nlogin_failures = 50\n");
	assert_int_equal(server_stop(&s), 0);
	start();
	server_connect(&s, ROLE_IMAPD, &c);
	assert_int_equal(login(&c, "def@daum.test", "secret-def", "192.0.2.1", &t), 0);
	server_leave(&c);
	server_connect(&s, ROLE_CONTROL, &c);
	assert_int_equal(SERVER_CALL(&c, account_list, &list), account_list_reply_MSG);
	assert_int_equal(IPC_DECODE(&c.reply, account_list_reply, a, &reply), 0);
	assert_true(reply.items_n == 1 && reply.more);
	assert_slice(0, reply.items[0].target, "def@daum.test");
	list.after = SLICE_LIT("all@daum.test\ndef@daum.test");
	assert_int_equal(SERVER_CALL(&c, account_list, &list), account_list_reply_MSG);
	assert_int_equal(IPC_DECODE(&c.reply, account_list_reply, a, &reply), 0);
	assert_true(reply.items_n == 1 && !reply.more);
	server_leave(&c);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lookups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(logins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trespass, set_up, tear_down),
		cmocka_unit_test_setup_teardown(restarts, set_up, tear_down),
	};

	token_init();
	return cmocka_run_group_tests_name("accountd", tests, NULL, NULL);
}
