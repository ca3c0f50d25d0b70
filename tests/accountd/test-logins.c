/* Every kind of login, in one process: what each answers, what it costs, and what is remembered. */
#include "tests/lib/unit.h"

#include "accountd/apppass.h"
#include "accountd/record.h"
#include "common/base/log.h"
#include "common/mail/base64.h"
#include "tests/accountd/inproc.h"

static const char conf[] = "login_failures = 5\nscram_iterations = 4096\noauth_login = yes\ntls_client_ca = /x\nlog_level = debug\n";

static struct peer pabal, imapd, pop3d, smtpd;

static void join(void)
{
	peer_join(&pabal, ROLE_CONTROL, NULL);
	peer_join(&imapd, ROLE_IMAPD, NULL);
	peer_join(&pop3d, ROLE_POP3D, NULL);
	peer_join(&smtpd, ROLE_SMTPD, NULL);
}

static void leave(void)
{
	peer_leave(&pabal);
	peer_leave(&imapd);
	peer_leave(&pop3d);
	peer_leave(&smtpd);
}

static int set_up(void **state)
{
	static const struct clock_ops ops = { .mono_ms = later_ms, .wall_us = later_us, .random = random_bytes };

	(void)state;
	clock_set(&ops);
	tempdir_make(dir);
	open_accountd(conf);
	join();
	assert_int_equal(ask_admin(&pabal, ADMIN_DOMAIN_ADD, "daum.test", ""), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD, "def@daum.test", "secret-def"), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	leave();
	close_accountd();
	tempdir_remove(dir);
	clock_set(NULL);
	return 0;
}

static void restart(const char *with)
{
	leave();
	close_accountd();
	open_accountd(with);
	join();
}

/* ---- SCRAM, the client's part ----------------------------------------------------------- */

static int scram_login(struct peer *p, const char *user, const char *password, const char *addr)
{
	static const struct slice text = SLICE_LIT("Client Key");
	struct account_login req = { .how = LOGIN_SCRAM_FIRST, .user = slice_cstr(user), .addr = slice_cstr(addr), .tls = 1 };
	struct buf auth = BUF_INIT(4096);
	struct account_scram first;
	struct scram_keys keys;
	uint8_t salted[DIGEST_SIZE], proof[DIGEST_SIZE], signature[DIGEST_SIZE];
	struct slice message;

	if (PEER_CALL(p, account_login, &req) == account_fail_MSG)
		return last_result(p);
	PEER_REPLY(p, account_scram, &first);
	buf_addf(&auth, "n=%s,r=c,r=c%.*s,s=", user, SLICE_ARG(first.nonce));
	base64_encode(&auth, first.salt);
	buf_addf(&auth, ",i=%u,c=biws,r=c%.*s", first.iterations, SLICE_ARG(first.nonce));
	message = buf_slice(&auth);
	assert_int_equal(scram_keys_make(slice_cstr(password), first.salt, first.iterations, &keys), 0);
	assert_int_equal(digest_pbkdf2(slice_cstr(password), first.salt, first.iterations, salted), 0);
	assert_int_equal(digest_hmac(slice_of(salted, sizeof(salted)), &text, 1, proof), 0);
	assert_int_equal(digest_hmac(slice_of(keys.stored, DIGEST_SIZE), &message, 1, signature), 0);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		proof[i] ^= signature[i];
	req.how = LOGIN_SCRAM_PROOF;
	req.secret = slice_of(proof, sizeof(proof));
	req.text = message;
	(void)PEER_CALL(p, account_login, &req);
	buf_free(&auth);
	return last_result(p);
}

/* ---- app passwords ------------------------------------------------------------------------ */

static uint32_t add_app(const char *user, uint8_t services, char password_r[64])
{
	struct account_app_add req = { .user = slice_cstr(user), .label = SLICE_LIT("the phone"), .services = services };
	struct account_app_added added;

	assert_int_equal(PEER_CALL(&pabal, account_app_add, &req), account_app_added_MSG);
	PEER_REPLY(&pabal, account_app_added, &added);
	assert_int_equal(slice_to_cstr(added.password, password_r, 64), 0);
	return added.app;
}

static void show(const char *user, struct account_user_shown *u)
{
	struct account_user_show req = { .user = slice_cstr(user) };

	assert_int_equal(PEER_CALL(&pabal, account_user_show, &req), account_user_shown_MSG);
	PEER_REPLY(&pabal, account_user_shown, u);
}

static void app_passwords(void **state)
{
	struct account_app_delete del = { .user = SLICE_LIT("def@daum.test") };
	struct account_app_add none = { .user = SLICE_LIT("nobody@daum.test"), .services = 7 };
	struct account_user_shown u;
	char imap[64], mail[64], upper[64], last[64];
	uint32_t a, b;

	(void)state;
	a = add_app("def@daum.test", SERVICE_IMAP, imap);
	b = add_app("def@daum.test", SERVICE_POP3 | SERVICE_SMTP, mail);
	assert_true(a == 1 && b == 2);
	assert_string_not_equal(imap, mail);
	/* Each for its services, by PLAIN and by SCRAM. */
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", imap, "192.0.2.1"), 0);
	assert_int_equal(ask_login(&pop3d, LOGIN_PASSWORD, "def", imap, "192.0.2.2"), ERR_DENIED);
	assert_int_equal(ask_login(&pop3d, LOGIN_PASSWORD, "def", mail, "192.0.2.1"), 0);
	assert_int_equal(ask_login(&smtpd, LOGIN_PASSWORD, "def", mail, "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", mail, "192.0.2.3"), ERR_DENIED);
	assert_int_equal(scram_login(&imapd, "def@daum.test", imap, "192.0.2.1"), 0);
	assert_int_equal(scram_login(&pop3d, "def@daum.test", imap, "192.0.2.4"), ERR_DENIED);
	assert_int_equal(scram_login(&smtpd, "def@daum.test", mail, "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "def@daum.test", "secret-def", "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
	/* As people type it. */
	for (size_t i = 0; i <= strlen(imap); i++)
		upper[i] = (char)(imap[i] == '-' ? ' ' : ascii_upper((uint8_t)imap[i]));
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", upper, "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "nobody", imap, "192.0.2.5"), ERR_DENIED);
	show("def@daum.test", &u);
	assert_true(u.apps_n == 2 && u.scram == 1 && u.iterations == 4096);
	assert_slice(0, u.kind, "yescrypt");
	assert_slice(0, u.apps[0].label, "the phone");
	assert_slice(0, u.apps[0].used_from, "192.0.2.1");
	assert_true(u.apps[0].used != 0 && u.apps[1].services == (SERVICE_POP3 | SERVICE_SMTP));
	/* A new main password leaves them; deleting one ends it at once, in the cache too. */
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_PASSWORD, "def@daum.test", "newer"), 0);
	assert_int_equal(scram_login(&imapd, "def@daum.test", imap, "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "def@daum.test", "newer", "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", imap, "192.0.2.1"), 0);
	del.app = a;
	assert_int_equal(PEER_CALL(&pabal, account_app_delete, &del), account_ok_MSG);
	assert_int_equal(PEER_CALL(&pabal, account_app_delete, &del), account_fail_MSG);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", imap, "192.0.2.1"), ERR_DENIED);
	assert_int_equal(scram_login(&imapd, "def@daum.test", imap, "192.0.2.6"), ERR_DENIED);
	assert_int_equal(PEER_CALL(&pabal, account_app_add, &none), account_fail_MSG);
	/* At most STORE_APPS_MAX; they go with their user. */
	for (unsigned i = 1; i < STORE_APPS_MAX; i++)
		(void)add_app("def@daum.test", SERVICE_ALL, last);
	none.user = slice_cstr("def@daum.test");
	assert_int_equal(PEER_CALL(&pabal, account_app_add, &none), account_fail_MSG);
	assert_int_equal(last_result(&pabal), ERR_FULL);
	assert_int_equal(scram_login(&imapd, "def@daum.test", last, "192.0.2.1"), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_DELETE, "def@daum.test", ""), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD, "def@daum.test", "again"), 0);
	show("def@daum.test", &u);
	assert_int_equal(u.apps_n, 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", last, "192.0.2.7"), ERR_DENIED);
}

/* Without keys of the users' own passwords, app passwords still have theirs. */
static void app_passwords_alone(void **state)
{
	char password[64];

	(void)state;
	restart("scram_iterations = 0\n");
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD, "abc@daum.test", "secret-abc"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", "secret-abc", "192.0.2.1"), ERR_DENIED);
	(void)add_app("abc@daum.test", SERVICE_ALL, password);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", password, "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", "secret-abc", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "abc", "secret-abc", "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", "secret-abc", "192.0.2.1"), ERR_DENIED);
	/* Later the password gets keys, with the iterations that the app password has. */
	restart(conf);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "abc", "secret-abc", "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", "secret-abc", "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", password, "192.0.2.1"), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_PASSWORD, "abc@daum.test", "newer"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", "newer", "192.0.2.1"), 0);
	assert_int_equal(scram_login(&imapd, "abc@daum.test", password, "192.0.2.1"), 0);
}

/* ---- what a login costs ---------------------------------------------------------------------- */

struct cost { unsigned long sha256, hmac, pbkdf2, crypt; };

static struct cost cost_now(void)
{
	return (struct cost){ digest_counts.sha256, digest_counts.hmac, digest_counts.pbkdf2, digest_counts.crypt };
}

static struct cost cost_of(uint8_t how, const char *user, const char *addr)
{
	static unsigned n;
	struct cost before = cost_now(), after;
	char wrong[40];

	(void)snprintf(wrong, sizeof(wrong), "wrong %u", n++);
	if (how == LOGIN_SCRAM_PROOF)
		assert_int_equal(scram_login(&imapd, user, wrong, addr), ERR_DENIED);
	else if (how == LOGIN_SCRAM_FIRST)
		assert_int_equal(ask_login(&imapd, how, user, "", addr), 0);
	else
		assert_int_equal(ask_login(&imapd, how, user, wrong, addr), how == LOGIN_BEARER ? ERR_AGAIN : ERR_DENIED);
	after = cost_now();
	return (struct cost){ after.sha256 - before.sha256, after.hmac - before.hmac, after.pbkdf2 - before.pbkdf2,
	    after.crypt - before.crypt };
}

/* A wrong login costs the same digests of each kind, whether there is such a user, and whatever the user has. */
static void equal_cost(void **state)
{
	static const uint8_t hows[] = { LOGIN_PASSWORD, LOGIN_SCRAM_FIRST, LOGIN_SCRAM_PROOF, LOGIN_BEARER };
	static const char *const users[] = { "def@daum.test", "apps@daum.test", "old@daum.test", "nobody@daum.test", "x@far.test",
		"not an address", "nobody" };
	struct store_password plain = { 0 };
	char password[64];
	struct name n;
	uint64_t id;

	(void)state;
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD, "apps@daum.test", "secret"), 0);
	for (int i = 0; i < 3; i++)
		(void)add_app("apps@daum.test", SERVICE_ALL, password);
	/* One without keys, as from before there were any. */
	assert_int_equal(name_parse(slice_cstr("old@daum.test"), &n), 0);
	plain.hash = ac.dummy_hash;
	assert_int_equal(store_user_add(ac.store, &n, &plain, 1, &id), 0);
	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		struct cost want = { 0 };

		for (size_t k = 0; k < ARRAY_LEN(users); k++) {
			char addr[32];
			struct cost got;

			(void)snprintf(addr, sizeof(addr), "10.0.%zu.%zu", i, k);
			got = cost_of(hows[i], users[k], addr);
			if (k == 0)
				want = got;
			assert_row(i * 100 + k, memcmp(&got, &want, sizeof(got)) == 0);
			if (hows[i] == LOGIN_PASSWORD)
				assert_row(k, got.crypt == 1 && got.pbkdf2 == 0);
		}
	}
}

/* ---- the cache, and many at a time ----------------------------------------------------------------- */

static void cached(void **state)
{
	struct cost before;

	(void)state;
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
	before = cost_now();
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask_login(i % 2 != 0 ? &imapd : &smtpd, LOGIN_PASSWORD, "DEF@daum.test", "secret-def", "192.0.2.2"), 0);
	assert_int_equal(cost_now().crypt, before.crypt);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-deg", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(cost_now().crypt, before.crypt + 1);
	clock_ahead += 5 * 60 * 1000 + 1;
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
	assert_int_equal(cost_now().crypt, before.crypt + 2);
	/* Whoever is slowed is slowed before the cache is asked: it is no oracle. */
	for (int i = 0; i < 5; i++) {
		char wrong[2] = { (char)('a' + i), '\0' };

		assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "x", wrong, "192.0.2.66"), ERR_DENIED);
	}
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.66"), ERR_AGAIN);
	restart("login_cache = 0\n");
	for (unsigned i = 1; i <= 2; i++) {
		before = cost_now();
		assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
		assert_int_equal(cost_now().crypt, before.crypt + 1);
	}
}

/* Equal ones are one check; a password that changes meanwhile is not believed in afterwards. */
static void together(void **state)
{
	enum { N = 500 };
	struct account_login req = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("def"), .secret = SLICE_LIT("secret-def"),
		.addr = SLICE_LIT("192.0.2.1"), .tls = 1 };
	struct account_admin change = { .verb = ADMIN_USER_PASSWORD, .name = SLICE_LIT("def@daum.test"), .password = SLICE_LIT("newer") };
	struct cost before = cost_now();
	unsigned n = replies(&imapd);

	(void)state;
	for (int i = 0; i < N; i++)
		PEER_SEND(&imapd, account_login, &req);
	peer_wait(&imapd, n + N);
	assert_int_equal(imapd.answered, N);
	assert_int_equal(cost_now().crypt, before.crypt + 1);
	/* Wrong ones too, and each address has its own count of them. */
	req.secret = slice_cstr("wrong");
	n = replies(&imapd);
	for (int i = 0; i < N; i++)
		PEER_SEND(&imapd, account_login, &req);
	peer_wait(&imapd, n + N);
	assert_int_equal(imapd.denied, N);
	assert_int_equal(cost_now().crypt, before.crypt + 2);
	/* The old password, while the new one is being made. */
	clock_ahead += 10 * 60 * 1000;
	req.secret = slice_cstr("secret-def");
	PEER_SEND(&pabal, account_admin, &change);
	n = replies(&imapd);
	while (pabal.type != account_ok_MSG || replies(&imapd) < n + 20) {
		if (replies(&imapd) < n + 20)
			(void)ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1");
		else
			assert_int_equal(loop_turn(lp, 1000), 0);
		if (replies(&imapd) == n + 20)
			break;
	}
	peer_wait(&pabal, 3);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "newer", "192.0.2.1"), 0);
}

/* A client that uses one app password for everything: what it is for is not held up by what it is not for. */
static void other_service(void **state)
{
	struct account_login req = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("def"), .addr = SLICE_LIT("192.0.2.1"), .tls = 1 };
	struct cost before;
	char imap[64];

	(void)state;
	(void)add_app("def@daum.test", SERVICE_IMAP, imap);
	before = cost_now();
	req.secret = slice_cstr(imap);
	PEER_SEND(&smtpd, account_login, &req);
	while (cost_now().crypt == before.crypt)
		assert_int_equal(loop_turn(lp, 1), 0);
	PEER_SEND(&imapd, account_login, &req);
	peer_wait(&imapd, 1);
	assert_int_equal(imapd.answered, 1);
	peer_wait(&smtpd, 1);
	assert_int_equal(smtpd.denied, 1);
}

/* Somebody who tries the name before there is such a user keeps nobody out who comes after. */
static void tried_before(void **state)
{
	struct account_login req = { .how = LOGIN_PASSWORD, .user = SLICE_LIT("new@daum.test"), .secret = SLICE_LIT("secret-new"),
		.addr = SLICE_LIT("192.0.2.1"), .tls = 1 };
	struct account_admin add = { .verb = ADMIN_USER_ADD, .name = SLICE_LIT("new@daum.test"), .password = SLICE_LIT("secret-new") };
	unsigned added = replies(&pabal) + 1, sent = replies(&imapd);

	(void)state;
	PEER_SEND(&pabal, account_admin, &add);
	while (replies(&pabal) < added) {
		if (replies(&imapd) == sent) {          /* always one under way */
			PEER_SEND(&imapd, account_login, &req);
			sent++;
		}
		assert_int_equal(loop_turn(lp, 1000), 0);
	}
	assert_int_equal(pabal.type, account_ok_MSG);
	PEER_SEND(&imapd, account_login, &req);
	peer_wait(&imapd, sent + 1);
	assert_true(imapd.answered >= 1);
}

/* A thousand users of one address, as of a webmail, and a flood from elsewhere: none of the thousand is sent away, and
 * a look-up does not wait. */
static void many(void **state)
{
	enum { USERS = 200 };
	struct account_login req = { .how = LOGIN_PASSWORD, .tls = 1 };
	struct account_lookup look = { .address = SLICE_LIT("def@daum.test") };
	char user[40], password[40];

	(void)state;
	for (unsigned i = 0; i < USERS; i++) {
		(void)snprintf(user, sizeof(user), "n%u", i);
		req.user = slice_cstr(user);
		req.secret = slice_cstr("x");
		req.addr = slice_cstr("192.0.2.1");
		PEER_SEND(&imapd, account_login, &req);
	}
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(password, sizeof(password), "guess %u", i);
		req.user = slice_cstr("def");
		req.secret = slice_cstr(password);
		req.addr = slice_cstr("198.51.100.1");
		PEER_SEND(&pop3d, account_login, &req);
	}
	assert_int_equal(PEER_CALL(&smtpd, account_lookup, &look), account_lookup_reply_MSG);
	assert_true(replies(&imapd) < USERS);
	peer_wait(&imapd, USERS);
	/* All were looked at, though some were counted before and the rest must then wait: none for want of room. */
	assert_true(!was_logged("addr=192.0.2.1 service=imap how=password result=overloaded"));
	assert_true(imapd.denied > 0);
	peer_wait(&pop3d, 300);
	assert_int_equal(pop3d.denied, 5);    /* login_failures: no more guesses for making them at once */
}

/* ---- certificates and tokens -------------------------------------------------------------------------- */

static void external(void **state)
{
	struct account_login req = { .how = LOGIN_EXTERNAL, .user = SLICE_LIT("def@daum.test"), .addr = SLICE_LIT("192.0.2.1") };

	(void)state;
	assert_int_equal(ask_login(&imapd, LOGIN_EXTERNAL, "def@daum.test", "", "192.0.2.1"), 0);
	assert_int_equal(ask_login(&smtpd, LOGIN_EXTERNAL, "Def@daum.test", "", "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_EXTERNAL, "nobody@daum.test", "", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_EXTERNAL, "", "", "192.0.2.1"), ERR_DENIED);
	(void)PEER_CALL(&imapd, account_login, &req);           /* not over TLS */
	assert_int_equal(last_result(&imapd), ERR_DENIED);
	restart("");
	assert_int_equal(ask_login(&imapd, LOGIN_EXTERNAL, "def@daum.test", "", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_BEARER, "def@daum.test", "token", "192.0.2.1"), ERR_DENIED);
}

static unsigned asked;
static bool mute;

/* The token is the answer: "good NAME", "refused", "again", "strange". */
static int on_validate(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct account_validated reply = { .verdict = VALIDATED_REFUSED };
	struct account_ok strange = { 0 };
	struct account_validate req;

	(void)ctx;
	assert_int_equal(IPC_DECODE(m, account_validate, NULL, &req), 0);
	assert_slice(0, req.service, "imap");
	assert_slice(0, req.addr, "192.0.2.1");
	asked++;
	if (mute)
		return 0;
	if (slice_istarts(req.token, "good ")) {
		reply.verdict = VALIDATED_GOOD;
		reply.user = slice_sub(req.token, 5, SIZE_MAX);
	} else if (slice_eq_cstr(req.token, "again")) {
		reply.verdict = VALIDATED_AGAIN;
	} else if (slice_eq_cstr(req.token, "strange")) {
		IPC_REPLY(ch, account_ok, m->id, &strange);
		return 0;
	}
	IPC_REPLY(ch, account_validated, m->id, &reply);
	return 0;
}

static const struct ipc_handler validator_handlers[] = { { account_validate_MSG, on_validate }, { 0, NULL } };

static void bearer(void **state)
{
	static const struct { const char *user, *token; int want; } t[] = {
		{ "def@daum.test", "good def@daum.test", 0 }, { "", "good def@daum.test", 0 }, { "DEF", "good Def@daum.test", 0 },
		{ "def@daum.test", "good nobody@daum.test", ERR_DENIED }, { "", "good nobody@daum.test", ERR_DENIED },
		{ "nobody@daum.test", "good def@daum.test", ERR_DENIED }, { "def@daum.test", "again", ERR_AGAIN },
		{ "def@daum.test", "strange", ERR_AGAIN }, { "def@daum.test", "refused", ERR_DENIED }, { "def@daum.test", "good ", ERR_DENIED },
	};
	struct account_login req = { .how = LOGIN_BEARER, .user = SLICE_LIT("def"), .secret = SLICE_LIT("t"), .addr = SLICE_LIT("192.0.2.1") };
	struct account_validator hello = { 0 };
	struct peer validator, second;
	unsigned n;

	(void)state;
	assert_int_equal(ask_login(&imapd, LOGIN_BEARER, "def@daum.test", "good def@daum.test", "192.0.2.1"), ERR_AGAIN);
	peer_join(&validator, ROLE_CONTROL, validator_handlers);
	assert_int_equal(PEER_CALL(&validator, account_validator, &hello), account_ok_MSG);
	peer_join(&second, ROLE_CONTROL, validator_handlers);
	assert_int_equal(PEER_CALL(&second, account_validator, &hello), account_fail_MSG);
	assert_int_equal(last_result(&second), ERR_EXISTS);
	peer_leave(&second);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_row(i, ask_login(&imapd, LOGIN_BEARER, t[i].user, t[i].token, "192.0.2.1") == t[i].want);
	clock_ahead += 3600 * 1000;     /* what was wrong is forgiven */
	/* One that does not answer: at most 64 wait, for 10 seconds, and those of a client that left harm nobody. */
	mute = true;
	n = replies(&imapd);
	asked = 0;
	for (int i = 0; i < 100; i++)
		PEER_SEND(&imapd, account_login, &req);
	peer_wait(&imapd, n + 100 - 64);
	while (asked < 64)
		assert_int_equal(loop_turn(lp, 1000), 0);
	clock_ahead += 10001;
	peer_wait(&imapd, n + 100);
	assert_true(was_logged("result=validator-timeout"));
	PEER_SEND(&imapd, account_login, &req);
	while (asked < 65)
		assert_int_equal(loop_turn(lp, 1000), 0);
	peer_leave(&validator);
	peer_wait(&imapd, n + 101);
	assert_int_equal(last_result(&imapd), ERR_AGAIN);
	mute = false;
	peer_join(&validator, ROLE_CONTROL, validator_handlers);
	assert_int_equal(PEER_CALL(&validator, account_validator, &hello), account_ok_MSG);
	assert_int_equal(ask_login(&imapd, LOGIN_BEARER, "", "good def@daum.test", "192.0.2.1"), 0);
	peer_leave(&validator);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(app_passwords, set_up, tear_down),
		cmocka_unit_test_setup_teardown(app_passwords_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(equal_cost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cached, set_up, tear_down),
		cmocka_unit_test_setup_teardown(together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_service, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tried_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(external, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bearer, set_up, tear_down),
	};
	int r;

	token_init();
	digest_init();
	logged = BUF_INIT(16 << 20);
	log_capture(on_log);
	r = cmocka_run_group_tests_name("logins", tests, NULL, NULL);
	buf_free(&logged);
	return r;
}
