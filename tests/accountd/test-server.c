/* The real accountd process in its cell: what each peer may ask and gets. */
#include "tests/lib/unit.h"

#include "accountd/scram.h"
#include "common/base/clock.h"
#include "common/daemon/token.h"
#include "common/ipc/proto_account.h"
#include "common/mail/base64.h"
#include "tests/lib/tempdir.h"
#include "tests/lib/server.h"

static const char conf[] = "recipient_delimiter = +\nlogin_failures = 3\nauth_threads = 2\nscram_iterations = 4096\n";

static struct server s;
static char dir[TEMPDIR_MAX];

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

/* ---- SCRAM ------------------------------------------------------------------------ */

struct exchange {
	struct scram_keys keys;
	uint8_t client_key[DIGEST_SIZE];
	struct buf auth;
	uint8_t proof[DIGEST_SIZE];
};

/* The client's part, of the salt, iterations and nonce that accountd gives. 0 or the code of a failure. */
static int scram_first(struct server_client *c, const char *user, const char *password, const char *addr, struct exchange *x)
{
	static const struct slice text = SLICE_LIT("Client Key");
	struct account_login req = { .how = LOGIN_SCRAM_FIRST, .user = slice_cstr(user), .addr = slice_cstr(addr), .service = SLICE_LIT("imap") };
	struct account_scram first;
	struct account_fail f;
	struct slice auth;
	uint8_t salted[DIGEST_SIZE], signature[DIGEST_SIZE];

	x->auth = BUF_INIT(4096);
	if (SERVER_CALL(c, account_login, &req) == account_fail_MSG) {
		assert_int_equal(IPC_DECODE(&c->reply, account_fail, NULL, &f), 0);
		return (int32_t)f.code;
	}
	assert_int_equal(IPC_DECODE(&c->reply, account_scram, NULL, &first), 0);
	assert_int_equal(first.salt.len, SCRAM_SALT_SIZE);
	assert_int_equal(first.iterations, 4096);
	buf_addf(&x->auth, "n=%s,r=client,r=client%.*s,s=", user, SLICE_ARG(first.nonce));
	base64_encode(&x->auth, first.salt);
	buf_addf(&x->auth, ",i=%u,c=biws,r=client%.*s", first.iterations, SLICE_ARG(first.nonce));
	auth = buf_slice(&x->auth);
	assert_int_equal(scram_keys_make(slice_cstr(password), first.salt, first.iterations, &x->keys), 0);
	assert_int_equal(digest_pbkdf2(slice_cstr(password), first.salt, first.iterations, salted), 0);
	assert_int_equal(digest_hmac(slice_of(salted, sizeof(salted)), &text, 1, x->client_key), 0);
	assert_int_equal(digest_hmac(slice_of(x->keys.stored, DIGEST_SIZE), &auth, 1, signature), 0);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		x->proof[i] = x->client_key[i] ^ signature[i];
	return 0;
}

static int scram_proof(struct server_client *c, const char *user, const char *addr, const struct exchange *x)
{
	struct account_login req = { .how = LOGIN_SCRAM_PROOF, .user = slice_cstr(user), .addr = slice_cstr(addr), .service = SLICE_LIT("imap"),
		.secret = slice_of(x->proof, sizeof(x->proof)), .text = buf_slice(&x->auth) };
	uint8_t want[DIGEST_SIZE];
	struct account_logged_in in;
	struct account_fail f;

	if (SERVER_CALL(c, account_login, &req) == account_fail_MSG) {
		assert_int_equal(IPC_DECODE(&c->reply, account_fail, NULL, &f), 0);
		return (int32_t)f.code;
	}
	assert_int_equal(IPC_DECODE(&c->reply, account_logged_in, NULL, &in), 0);
	assert_int_equal(scram_signature(&x->keys, buf_slice(&x->auth), want), 0);
	assert_int_equal(in.signature.len, DIGEST_SIZE);
	assert_memory_equal(in.signature.p, want, DIGEST_SIZE);
	return 0;
}

static int scram(struct server_client *c, const char *user, const char *password, const char *addr)
{
	struct exchange x;
	int r = scram_first(c, user, password, addr, &x);

	if (r == 0)
		r = scram_proof(c, user, addr, &x);
	buf_free(&x.auth);
	return r;
}

static void scrams(void **state)
{
	struct server_client imapd, pabal;
	struct exchange x, y;

	(void)state;
	populate();
	server_connect(&s, ROLE_IMAPD, &imapd);
	assert_int_equal(scram(&imapd, "def@daum.test", "secret-def", "192.0.2.1"), 0);
	assert_int_equal(scram(&imapd, "Def", "secret-def", "192.0.2.1"), 0);
	assert_int_equal(scram(&imapd, "def@daum.test", "Secret-def", "192.0.2.2"), ERR_DENIED);
	assert_int_equal(scram(&imapd, "nobody", "secret-def", "192.0.2.3"), ERR_DENIED);
	assert_int_equal(scram(&imapd, "", "", "192.0.2.3"), ERR_DENIED);
	/* A proof works once, and for its user; a nonce that was not asked for does not. */
	assert_int_equal(scram_first(&imapd, "def@daum.test", "secret-def", "192.0.2.1", &x), 0);
	assert_int_equal(scram_proof(&imapd, "nobody", "192.0.2.4", &x), ERR_DENIED);
	assert_int_equal(scram_proof(&imapd, "def@daum.test", "192.0.2.1", &x), 0);
	assert_int_equal(scram_proof(&imapd, "def@daum.test", "192.0.2.1", &x), ERR_DENIED);
	buf_free(&x.auth);
	/* The salt of a name is always the same, whether there is such a user or not. */
	for (int i = 0; i < 2; i++) {
		const char *user = i == 0 ? "def@daum.test" : "nobody@daum.test";

		assert_int_equal(scram_first(&imapd, user, "x", "192.0.2.1", &x), 0);
		assert_int_equal(scram_first(&imapd, user, "x", "192.0.2.1", &y), 0);
		assert_memory_equal(x.client_key, y.client_key, DIGEST_SIZE);
		assert_false(slice_eq(buf_slice(&x.auth), buf_slice(&y.auth)));
		buf_free(&x.auth);
		buf_free(&y.auth);
	}
	/* A new password, and none. */
	server_connect(&s, ROLE_CONTROL, &pabal);
	(void)admin(&pabal, ADMIN_USER_PASSWORD, "def@daum.test", "", "newer", 0);
	assert_int_equal(scram(&imapd, "def@daum.test", "secret-def", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(scram(&imapd, "def@daum.test", "newer", "192.0.2.1"), 0);
	(void)admin(&pabal, ADMIN_USER_DELETE, "def@daum.test", "", "", 0);
	assert_int_equal(scram(&imapd, "def@daum.test", "newer", "192.0.2.5"), ERR_DENIED);
	/* Slowed like passwords. */
	for (int i = 0; i < 3; i++)
		(void)scram(&imapd, "x", i == 0 ? "1" : i == 1 ? "2" : "3", "192.0.2.9");
	assert_int_equal(scram(&imapd, "y", "1", "192.0.2.9"), ERR_AGAIN);
	server_leave(&pabal);
	server_leave(&imapd);
}

/* smtpd logs people in, but gets no token; and asks who may send as whom. */
static void submission(void **state)
{
	static const struct { uint64_t account; const char *address; uint64_t may; } t[] = {
		{ 2, "def@daum.test", 1 }, { 2, "DEF+any@Daum.Test", 1 }, { 2, "all@daum.test", 1 }, { 2, "all+x@daum.test", 1 },
		{ 2, "postmaster@daum.test", 1 }, { 2, "out@far.test", 0 }, { 2, "nobody@daum.test", 0 }, { 2, "def@far.test", 0 },
		{ 2, "", 0 }, { 2, "def", 0 }, { 2, "no address", 0 }, { 3, "def@daum.test", 0 }, { 0, "out@far.test", 0 },
	};
	struct account_login in = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("def"), .secret = SLICE_LIT("secret-def"),
		.addr = SLICE_LIT("192.0.2.1"), .service = SLICE_LIT("smtp") };
	struct account_logged_in out;
	struct server_client smtpd;
	struct account_ok ok;

	(void)state;
	populate();
	server_connect(&s, ROLE_SMTPD, &smtpd);
	assert_int_equal(SERVER_CALL(&smtpd, account_login, &in), account_logged_in_MSG);
	assert_int_equal(IPC_DECODE(&smtpd.reply, account_logged_in, NULL, &out), 0);
	assert_slice(0, out.user, "def@daum.test");
	assert_true(out.account == 2 && out.token.len == 0 && out.signature.len == 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct account_sender ask = { .account = t[i].account, .address = slice_cstr(t[i].address) };

		assert_row(i, SERVER_CALL(&smtpd, account_sender, &ask) == account_ok_MSG);
		assert_row(i, IPC_DECODE(&smtpd.reply, account_ok, NULL, &ok) == 0 && ok.value == t[i].may);
	}
	server_leave(&smtpd);
}

/* A peer that asks what is not its business loses its channel, and nobody else does. */
static void trespass(void **state)
{
	struct account_login in = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("def@daum.test"), .secret = SLICE_LIT("secret-def"), .addr = SLICE_LIT("192.0.2.1") };
	struct account_resolve resolve = { .address = SLICE_LIT("def@daum.test") };
	struct account_lookup look = { .address = SLICE_LIT("def@daum.test") };
	struct account_sender sender = { .account = 2, .address = SLICE_LIT("def@daum.test") };
	struct account_admin add = { .verb = ADMIN_DOMAIN_ADD, .name = SLICE_LIT("x.test") };
	struct server_client c, good;

	(void)state;
	populate();
	server_connect(&s, ROLE_SMTPD, &good);
	server_connect(&s, ROLE_QMGR, &c);
	assert_int_equal(SERVER_CALL(&c, account_login, &in), 0);
	server_leave(&c);
	server_connect(&s, ROLE_IMAPD, &c);
	assert_int_equal(SERVER_CALL(&c, account_sender, &sender), 0);
	server_leave(&c);
	server_connect(&s, ROLE_POP3D, &c);
	in.how = 99;
	assert_int_equal(SERVER_CALL(&c, account_login, &in), 0);
	in.how = LOGIN_PASSWORD;
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
		cmocka_unit_test_setup_teardown(scrams, set_up, tear_down),
		cmocka_unit_test_setup_teardown(submission, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trespass, set_up, tear_down),
		cmocka_unit_test_setup_teardown(restarts, set_up, tear_down),
	};

	token_init();
	digest_init();
	return cmocka_run_group_tests_name("accountd", tests, NULL, NULL);
}
