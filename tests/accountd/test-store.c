#include "tests/lib/unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "accountd/admin.h"
#include "tests/lib/tempdir.h"

static struct store *st;
static char dir[TEMPDIR_MAX];

static int open_store(void **state)
{
	(void)state;
	tempdir_make(dir);
	return store_open(&st, dir);
}

static int close_store(void **state)
{
	(void)state;
	store_close(&st);
	tempdir_remove(dir);
	return 0;
}

static void reopen(void)
{
	store_close(&st);
	assert_int_equal(store_open(&st, dir), 0);
}

/* Does the request as accountd does; the hash is not a real one. */
static int admin(uint8_t verb, const char *name, const char *target, const char *password, uint64_t *value_r,
    struct buf *why)
{
	struct account_admin req = { .verb = verb, .name = slice_cstr(name), .target = slice_cstr(target),
		.password = slice_cstr(password) };
	struct admin_plan p;
	int r = admin_check(st, &req, &p, why);

	*value_r = 0;
	return r != 0 ? r : admin_apply(st, &p, &(struct store_password){ .hash = "$y$x" }, 5, value_r, why);
}

/* A history of requests: each one's result, its sentence (a part of it), and the number it answers with. */
static void requests(void **state)
{
	static const struct { uint8_t verb; const char *name, *target, *pw; int r; uint64_t value; const char *why; } t[] = {
		{ ADMIN_USER_ADD, "a@naver.test", "", "pw", ERR_NOTFOUND, 0, "no domain naver.test here" },
		{ ADMIN_DOMAIN_ADD, "naver", "", "", 0, 1, NULL },
		{ ADMIN_DOMAIN_ADD, "Naver.Test", "", "", 0, 2, NULL },
		{ ADMIN_DOMAIN_ADD, "naver.test", "", "", ERR_EXISTS, 0, "exists already" },
		{ ADMIN_DOMAIN_ADD, "-x.test", "", "", ERR_SYNTAX, 0, "is not a domain name" },
		{ ADMIN_DOMAIN_ADD, "[127.0.0.1]", "", "", ERR_SYNTAX, 0, "is not a domain name" },
		{ ADMIN_DOMAIN_ADD, "", "", "", ERR_SYNTAX, 0, "is not a domain name" },
		{ ADMIN_DOMAIN_ADD, "a\nb", "", "", ERR_SYNTAX, 0, "is not a domain name" },
		{ ADMIN_USER_ADD, "a@naver.test", "", "", ERR_SYNTAX, 0, "password is empty" },
		{ ADMIN_USER_ADD, "a@naver.test", "", "x\ty", ERR_SYNTAX, 0, "control character" },
		{ ADMIN_USER_ADD, "A@naver.test", "", "pw", 0, 3, NULL },
		{ ADMIN_USER_ADD, "a@naver.test", "", "pw", ERR_EXISTS, 0, "a@naver.test exists already" },
		{ ADMIN_USER_ADD, "a", "", "pw", ERR_SYNTAX, 0, "not an address" },
		{ ADMIN_USER_ADD, "postmaster", "", "pw", ERR_SYNTAX, 0, "not an address" },
		{ ADMIN_USER_ADD, "a@[192.0.2.1]", "", "pw", ERR_SYNTAX, 0, "not an address" },
		{ ADMIN_USER_ADD, "b@naver.test", "", "pw", 0, 4, NULL },
		{ ADMIN_USER_PASSWORD, "c@naver.test", "", "pw", ERR_NOTFOUND, 0, "no user c@naver.test" },
		{ ADMIN_USER_PASSWORD, "b@naver.test", "", "pw2", 0, 4, NULL },
		{ ADMIN_DOMAIN_DELETE, "naver.test", "", "", ERR_STATE, 0, "still has users" },
		{ ADMIN_USER_DELETE, "b@naver.test", "", "", 0, 4, NULL },
		{ ADMIN_USER_DELETE, "b@naver.test", "", "", ERR_NOTFOUND, 0, "no user b@naver.test" },
		{ ADMIN_USER_ADD, "b@naver.test", "", "pw", 0, 5, NULL },      /* 4 is never used again */
		{ ADMIN_ALIAS_ADD, "all@naver.test", "", "", ERR_SYNTAX, 0, "needs a target" },
		{ ADMIN_ALIAS_ADD, "all@naver.test", "x", "", ERR_SYNTAX, 0, "x is not an address" },
		{ ADMIN_ALIAS_ADD, "all@nowhere.test", "a@naver.test", "", ERR_NOTFOUND, 0, "no domain" },
		{ ADMIN_ALIAS_ADD, "all@naver.test", "A@naver.test", "", 0, 0, NULL },
		{ ADMIN_ALIAS_ADD, "all@naver.test", "a@naver.test", "", ERR_EXISTS, 0, "target a@naver.test already" },
		{ ADMIN_ALIAS_ADD, "all@naver.test", "Far@away.test", "", 0, 0, NULL },
		{ ADMIN_ALIAS_DELETE, "all@naver.test", "far@away.test", "", ERR_NOTFOUND, 0, "no alias all@naver.test with" },
		{ ADMIN_ALIAS_DELETE, "all@naver.test", "Far@away.test", "", 0, 1, NULL },
		{ ADMIN_ALIAS_ADD, "all@naver.test", "b@naver.test", "", 0, 0, NULL },
		{ ADMIN_USER_DELETE, "a@naver.test", "", "", 0, 3, NULL },
		{ ADMIN_USER_DELETE, "b@naver.test", "", "", 0, 5, NULL },
		{ ADMIN_DOMAIN_DELETE, "naver.test", "", "", ERR_STATE, 0, "still has users or aliases" },
		{ ADMIN_ALIAS_DELETE, "all@naver.test", "", "", 0, 2, NULL },
		{ ADMIN_ALIAS_DELETE, "all@naver.test", "", "", ERR_NOTFOUND, 0, "no alias all@naver.test" },
		{ ADMIN_DOMAIN_DELETE, "naver.test", "", "", 0, 0, NULL },
		{ ADMIN_DOMAIN_DELETE, "naver.test", "", "", ERR_NOTFOUND, 0, "no domain naver.test" },
		{ 0, "x", "", "", ERR_SYNTAX, 0, "does not know this request" },
		{ 99, "x", "", "", ERR_SYNTAX, 0, "does not know this request" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf why = BUF_INIT(2000);
		uint64_t value;

		assert_row(i, admin(t[i].verb, t[i].name, t[i].target, t[i].pw, &value, &why) == t[i].r);
		assert_row(i, value == t[i].value || t[i].r != 0);
		buf_add_byte(&why, '\0');
		if (t[i].why != NULL)
			assert_row(i, strstr((const char *)why.p, t[i].why) != NULL);
		else
			assert_row(i, why.p[0] == '\0');
		buf_free(&why);
		if (i % 5 == 0)
			reopen();
	}
}

static struct name name_of(const char *text)
{
	struct name n;

	assert_int_equal(name_parse(slice_cstr(text), &n), 0);
	return n;
}

/* Who gets postmaster's mail follows the oldest user and the oldest domain. */
static void oldest(void **state)
{
	struct name n[] = { name_of("z@a.test"), name_of("y@a.test"), name_of("x@a.test") };
	char first[MAIL_DOMAIN_MAX + 1];
	struct store_domain d;
	uint64_t id;

	(void)state;
	assert_int_equal(store_domain_first(st, first), ERR_NOTFOUND);
	assert_int_equal(store_domain_add(st, slice_cstr("z.test"), 1, &id), 0);
	assert_int_equal(store_domain_add(st, slice_cstr("m.test"), 1, &id), 0);
	assert_int_equal(store_domain_add(st, slice_cstr("a.test"), 1, &id), 0);
	assert_int_equal(store_domain_first(st, first), 0);
	assert_string_equal(first, "z.test");
	assert_int_equal(store_domain_delete(st, slice_cstr("z.test")), 0);
	assert_int_equal(store_domain_first(st, first), 0);
	assert_string_equal(first, "m.test");
	assert_int_equal(store_domain_get(st, slice_cstr("a.test"), &d), 0);
	assert_int_equal(d.first_user.len, 0);
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		assert_int_equal(store_user_add(st, &n[i], &(struct store_password){ .hash = "h" }, 1, &id), 0);
	for (size_t i = 0; i < ARRAY_LEN(n); i++) {
		reopen();
		assert_int_equal(store_domain_get(st, slice_cstr("a.test"), &d), 0);
		assert_row(i, name_eq(&d.first_user, &n[i]));
		assert_int_equal(store_user_delete(st, &n[i], &id), 0);
	}
	assert_int_equal(store_domain_get(st, slice_cstr("a.test"), &d), 0);
	assert_int_equal(d.first_user.len, 0);
}

struct collected {
	struct buf text;
	unsigned max;
};

static int collect(void *ctx, const struct store_item *item)
{
	struct collected *c = ctx;

	if (c->max-- == 0)
		return 1;
	buf_addf(&c->text, "%.*s", SLICE_ARG(item->name));
	if (item->target.len != 0)
		buf_addf(&c->text, ">%.*s", SLICE_ARG(item->target));
	buf_add_byte(&c->text, ' ');
	return 0;
}

static void lists(void **state)
{
	static const char *const users[] = { "b@a.test", "a@b.test", "a@a.test", "c@a.test" };
	static const struct { enum store_kind kind; const char *domain, *after; unsigned max; const char *want; } t[] = {
		{ STORE_DOMAINS, "", "", 9, "a.test b.test c.test " },
		{ STORE_DOMAINS, "", "a.test", 9, "b.test c.test " },
		{ STORE_DOMAINS, "", "c.test", 9, "" },
		{ STORE_USERS, "", "", 9, "a@a.test b@a.test c@a.test a@b.test " },
		{ STORE_USERS, "a.test", "", 2, "a@a.test b@a.test " },
		{ STORE_USERS, "a.test", "b@a.test", 9, "c@a.test " },
		{ STORE_USERS, "", "bb@a.test", 9, "c@a.test a@b.test " },
		{ STORE_USERS, "c.test", "", 9, "" },
		{ STORE_ALIASES, "", "", 9, "x@a.test>a@a.test x@a.test>b@a.test y@a.test>a@a.test " },
		{ STORE_ALIASES, "", "x@a.test\na@a.test", 9, "x@a.test>b@a.test y@a.test>a@a.test " },
		{ STORE_ALIASES, "b.test", "", 9, "" },
	};
	struct name x = name_of("x@a.test"), y = name_of("y@a.test");
	uint64_t id;

	(void)state;
	for (const char *const *d = (const char *const[]){ "b.test", "c.test", "a.test", NULL }; *d != NULL; d++)
		assert_int_equal(store_domain_add(st, slice_cstr(*d), 1, &id), 0);
	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		struct name n = name_of(users[i]);

		assert_int_equal(store_user_add(st, &n, &(struct store_password){ .hash = "h" }, 1, &id), 0);
	}
	assert_int_equal(store_alias_add(st, &y, slice_cstr("a@a.test"), 1), 0);
	assert_int_equal(store_alias_add(st, &x, slice_cstr("b@a.test"), 1), 0);
	assert_int_equal(store_alias_add(st, &x, slice_cstr("a@a.test"), 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct collected c = { .text = BUF_INIT(1000), .max = t[i].max };
		int r = store_each(st, t[i].kind, slice_cstr(t[i].domain), slice_cstr(t[i].after), collect, &c);

		assert_row(i, r == 0 || r == 1);
		assert_slice(i, buf_slice(&c.text), t[i].want);
		buf_free(&c.text);
	}
}

/* What was answered is there after a kill at any moment: a child adds users and tells each by a pipe. */
static void killed(void **state)
{
	(void)state;
	store_close(&st);
	for (int round = 0; round < 5; round++) {
		int fds[2];
		unsigned told = 0, n;
		uint64_t id;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			if (store_open(&st, dir) != 0)
				_exit(1);
			if (round == 0 && store_domain_add(st, slice_cstr("k.test"), 1, &id) != 0)
				_exit(1);
			for (unsigned i = 0;; i++) {
				char text[64];
				struct name name;

				(void)snprintf(text, sizeof(text), "r%du%u@k.test", round, i);
				if (name_parse(slice_cstr(text), &name) != 0 || store_user_add(st, &name, &(struct store_password){ .hash = "h" }, 1, &id) != 0 ||
				    write(fds[1], &i, sizeof(i)) < 0)
					_exit(1);
			}
		}
		(void)close(fds[1]);
		while (told < 20u + (unsigned)round * 7 && read(fds[0], &n, sizeof(n)) == sizeof(n))
			told = n + 1;
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			told = n + 1;
		(void)close(fds[0]);
		assert_true(told >= 20);
		assert_int_equal(store_open(&st, dir), 0);
		for (unsigned i = 0; i < told; i++) {
			char text[64];
			struct name name;
			struct store_user u;

			(void)snprintf(text, sizeof(text), "r%du%u@k.test", round, i);
			name = name_of(text);
			assert_row(i, store_user_get(st, &name, &u) == 0);
		}
		store_close(&st);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests, open_store, close_store),
		cmocka_unit_test_setup_teardown(oldest, open_store, close_store),
		cmocka_unit_test_setup_teardown(lists, open_store, close_store),
		cmocka_unit_test_setup_teardown(killed, open_store, close_store),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
