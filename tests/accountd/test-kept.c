/* What is kept over a restart: records of the first version, imported hashes, counts of failed logins; and what is kept
 * nowhere: secrets. */
#include "tests/lib/unit.h"

#include <fcntl.h>

#include "accountd/store_internal.h"
#include "common/base/log.h"
#include "tests/accountd/inproc.h"

static const char conf[] = "login_failures = 3\nscram_iterations = 4096\nlog_level = debug\n";

static struct peer pabal, imapd;

static void start(const char *with)
{
	open_accountd(with);
	peer_join(&pabal, ROLE_CONTROL, NULL);
	peer_join(&imapd, ROLE_IMAPD, NULL);
}

static void stop(void)
{
	peer_leave(&pabal);
	peer_leave(&imapd);
	close_accountd();
}

static int set_up(void **state)
{
	static const struct clock_ops ops = { .mono_ms = later_ms, .wall_us = later_us, .random = random_bytes };

	(void)state;
	clock_set(&ops);
	tempdir_make(dir);
	start(conf);
	assert_int_equal(ask_admin(&pabal, ADMIN_DOMAIN_ADD, "daum.test", ""), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD, "def@daum.test", "secret-def"), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop();
	tempdir_remove(dir);
	clock_set(NULL);
	return 0;
}

static struct name name_of(const char *text)
{
	struct name n;

	assert_int_equal(name_parse(slice_cstr(text), &n), 0);
	return n;
}

static struct store_user user(const char *text)
{
	struct name n = name_of(text);
	struct store_user u;

	assert_int_equal(store_user_get(ac.store, &n, &u), 0);
	return u;
}

/* A record as the first version wrote it is read; the next login with the password writes it anew, with keys. */
static void first_version(void **state)
{
	struct name n = name_of("old@daum.test");
	struct key k = key_name('U', &n);
	struct buf b = BUF_INIT(1000);
	struct crypt_data *work = malloc(sizeof(*work));
	char hash[PASSWORD_HASH_SIZE];
	struct record_user1 rec = { .version = 1, .account = 77, .created = 5 };
	struct store_user u;

	(void)state;
	assert_int_equal(password_hash("long ago", work, hash), 0);
	free(work);
	rec.hash = slice_cstr(hash);
	record_user1_encode(&b, &rec);
	assert_int_equal(kv_put(ac.store->kv, key_slice(&k), buf_slice(&b), false), 0);
	buf_free(&b);
	u = user("old@daum.test");
	assert_true(u.account == 77 && u.created == 5 && u.iterations == 0 && !u.scram);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "old", "wrong", "192.0.2.1"), ERR_DENIED);
	assert_false(user("old@daum.test").scram);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "old", "long ago", "192.0.2.1"), 0);
	u = user("old@daum.test");
	assert_true(u.account == 77 && u.created == 5 && u.iterations == 4096 && u.scram);
	assert_string_equal(u.hash, hash);
	stop();
	start("scram_iterations = 0\n");
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "old", "long ago", "192.0.2.1"), 0);
	assert_true(user("old@daum.test").scram);
	/* Without iterations no keys are made. */
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_PASSWORD, "old@daum.test", "newer"), 0);
	assert_false(user("old@daum.test").scram);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "old", "newer", "192.0.2.1"), 0);
	assert_false(user("old@daum.test").scram);
}

static void imported(void **state)
{
	static const char good[] = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
	static const char *const bad[] = {
		"", "x", "Hello world!", "abJnggxhB/yWI", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "_J9..CCCCXBrJUJV154M",
		"$5$saltstring", "$5$saltstring$", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc",
		"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5x", "$9$x$y", "*0", "$y$", "$3$$8846f7eaee8fb117ad06bdd830b7586c",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_row(i, ask_admin(&pabal, ADMIN_USER_ADD_HASH, "imported@daum.test", bad[i]) == ERR_SYNTAX);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD_HASH, "imported@daum.test", good), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_ADD_HASH, "imported@daum.test", good), ERR_EXISTS);
	assert_string_equal(user("imported@daum.test").hash, good);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "imported", "Hello world?", "192.0.2.1"), ERR_DENIED);
	assert_string_equal(user("imported@daum.test").hash, good);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "imported", "Hello world!", "192.0.2.1"), 0);
	/* Proven, it is kept as a password of today is. */
	assert_memory_equal(user("imported@daum.test").hash, "$y$", 3);
	assert_true(user("imported@daum.test").scram);
	stop();
	start(conf);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "imported", "Hello world!", "192.0.2.1"), 0);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_PASSWORD_HASH, "def@daum.test", good), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "Hello world!", "192.0.2.1"), 0);
}

/* ---- counts of failed logins ---------------------------------------------------------------- */

static uint32_t failures(struct account_failures_reply *reply)
{
	struct account_failures req = { .n = 1000 };

	assert_int_equal(PEER_CALL(&pabal, account_failures, &req), account_failures_reply_MSG);
	PEER_REPLY(&pabal, account_failures_reply, reply);
	return reply->items_n;
}

static void counts(void **state)
{
	struct account_failures_clear clear = { .text = SLICE_LIT("2001:db8::99") };
	struct account_failures_reply reply;
	struct account_failures page = { .n = 1 };

	(void)state;
	assert_int_equal(failures(&reply), 0);
	for (int i = 0; i < 4; i++) {
		char wrong[2] = { (char)('0' + i), '\0' };

		assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "x@far.test", wrong, "2001:db8::1"), i < 3 ? ERR_DENIED : ERR_AGAIN);
	}
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
	assert_int_equal(failures(&reply), 2);
	assert_slice(0, reply.items[0].text, "2001:db8::");
	assert_slice(1, reply.items[1].text, "x@far.test");
	assert_true(reply.items[0].kind == 0 && reply.items[0].failures == 3 && reply.items[0].wait == 1);
	stop();
	start(conf);
	/* Not sooner by a restart, and no later. */
	assert_int_equal(failures(&reply), 2);
	assert_int_equal(reply.items[1].failures, 3);
	assert_int_equal(PEER_CALL(&pabal, account_failures, &page), account_failures_reply_MSG);
	PEER_REPLY(&pabal, account_failures_reply, &reply);
	assert_true(reply.items_n == 1 && reply.more == 1);
	clock_ahead += 1000;
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "x@far.test", "5", "2001:db8::2"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "2001:db8::2"), ERR_AGAIN);
	/* Who is known at an address stays so. */
	for (int i = 0; i < 3; i++) {
		char wrong[2] = { (char)('a' + i), '\0' }, addr[] = "198.51.100.1";

		addr[11] = (char)('1' + i);
		assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", wrong, addr), ERR_DENIED);
	}
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "198.51.100.9"), ERR_AGAIN);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
	/* Forgiven by the administrator, by an address of the same /64 and by a name. */
	assert_int_equal(PEER_CALL(&pabal, account_failures_clear, &clear), account_ok_MSG);
	assert_int_equal(PEER_CALL(&pabal, account_failures_clear, &clear), account_fail_MSG);
	clear.text = SLICE_LIT("X@far.test");
	assert_int_equal(PEER_CALL(&pabal, account_failures_clear, &clear), account_ok_MSG);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "x@far.test", "6", "2001:db8::1"), ERR_DENIED);
	stop();
	start(conf);
	assert_int_equal(failures(&reply), 5);
	clock_ahead += 3600 * 1000;
	assert_int_equal(failures(&reply), 0);
}

static int count_one(void *ctx, const struct store_count *c)
{
	unsigned *n = ctx;

	assert_true(c->failures != 0 && c->slot < 64);
	(*n)++;
	return 0;
}

/* However many there are, there is a fixed number of records. */
static void bounded(void **state)
{
	struct throttle *t = throttle_new(3, 64, store_count_key(ac.store)), *again;
	static struct throttle_row rows[1000];
	static struct store_count c[1000];
	struct throttle_try try;
	unsigned n = 0, stored = 0;
	uint64_t wait;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		char addr[32], name[32];

		(void)snprintf(addr, sizeof(addr), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		(void)snprintf(name, sizeof(name), "u%u", i);
		if (throttle_check(t, slice_cstr(addr), slice_cstr(name), slice_cstr("x"), 1000000 + i, &try, &wait) == 0)
			throttle_end(t, &try, i % 3 == 0 ? THROTTLE_GOOD : THROTTLE_WRONG, 1000000 + i);
		if (i % 1000 != 999)
			continue;
		n = throttle_changed(t, 1000000 + i, rows, ARRAY_LEN(rows));
		assert_in_range(n, 0, 3 * 64);
		for (unsigned k = 0; k < n; k++)
			c[k] = (struct store_count){ .table = (uint8_t)rows[k].kind, .slot = rows[k].slot, .failures = rows[k].failures,
				.key = rows[k].key, .last = 1 };
		assert_int_equal(store_count_put(ac.store, c, n), 0);
	}
	assert_int_equal(store_count_each(ac.store, count_one, &stored), 0);
	assert_in_range(stored, 64, 3 * 64);
	assert_in_range(throttle_entries(t), 64, 3 * 64);
	assert_int_equal(throttle_changed(t, 1, rows, ARRAY_LEN(rows)), 0);
	/* Rows of any content can be restored. */
	again = throttle_new(3, 64, slice_of(NULL, 0));
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		random_fill(&rows[i], sizeof(rows[i]));
		rows[i].slot %= 80;
		rows[i].key %= 50;
		rows[i].kind = (enum throttle_kind)((unsigned)rows[i].kind % 4);
	}
	throttle_restore(again, 5, rows, ARRAY_LEN(rows));
	for (unsigned i = 0; i < 1000; i++)
		if (throttle_check(again, slice_of(&i, sizeof(i)), slice_of(&i, sizeof(i)), slice_cstr("x"), 10, &try, &wait) == 0)
			throttle_end(again, &try, THROTTLE_WRONG, 10);
	throttle_free(&t);
	throttle_free(&again);
}

/* ---- secrets ------------------------------------------------------------------------------------- */

static bool holds(const char *path, const char *text)
{
	struct buf b = BUF_INIT(64 << 20);
	size_t n = strlen(text);
	bool found = false;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	while ((got = read(fd, buf_reserve(&b, 65536), 65536)) > 0)
		buf_commit(&b, (size_t)got);
	(void)close(fd);
	for (size_t i = 0; i + n <= buf_len(&b) && !found; i++)
		found = memcmp(buf_slice(&b).p + i, text, n) == 0;
	buf_free(&b);
	return found;
}

/* No password is in the log, with log_level debug either, nor in any file. */
static void secrets(void **state)
{
	struct account_app_add req = { .user = SLICE_LIT("def@daum.test"), .services = 7 };
	struct account_app_added added;
	char app[64], path[4096];
	const char *words[] = { "secret-def", "another secret", "wrong secret", "the token", app };
	const struct dirent *e;
	DIR *d;

	(void)state;
	assert_int_equal(PEER_CALL(&pabal, account_app_add, &req), account_app_added_MSG);
	PEER_REPLY(&pabal, account_app_added, &added);
	assert_int_equal(slice_to_cstr(added.password, app, sizeof(app)), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "secret-def", "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", app, "192.0.2.1"), 0);
	assert_int_equal(ask_login(&imapd, LOGIN_PASSWORD, "def", "wrong secret", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_login(&imapd, LOGIN_BEARER, "def", "the token", "192.0.2.1"), ERR_DENIED);
	assert_int_equal(ask_admin(&pabal, ADMIN_USER_PASSWORD, "def@daum.test", "another secret"), 0);
	stop();
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_row(i, !was_logged(words[i]));
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		for (size_t i = 0; e->d_name[0] != '.' && i < ARRAY_LEN(words); i++)
			assert_row(i, !holds(path, words[i]));
	}
	(void)closedir(d);
	start(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(imported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(secrets, set_up, tear_down),
	};
	int r;

	token_init();
	digest_init();
	logged = BUF_INIT(16 << 20);
	log_capture(on_log);
	log_set_level(LOG_LEVEL_DEBUG);
	r = cmocka_run_group_tests_name("kept", tests, NULL, NULL);
	buf_free(&logged);
	return r;
}
