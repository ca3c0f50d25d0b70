#include "tests/lib/unit.h"

#include "accountd/directory.h"
#include "common/base/log.h"
#include "tests/lib/tempdir.h"

static struct store *st;
static char dir[TEMPDIR_MAX];

static struct name name_of(const char *text)
{
	struct name n;

	assert_int_equal(name_parse(slice_cstr(text), &n), 0);
	return n;
}

static void add_user(const char *user)
{
	struct name n = name_of(user);
	uint64_t account;

	assert_int_equal(store_user_add(st, &n, &(struct store_password){ .hash = "$y$hash" }, 1, &account), 0);
}

static void add_alias(const char *alias, const char *target)
{
	struct name n = name_of(alias);

	assert_int_equal(store_alias_add(st, &n, slice_cstr(target), 1), 0);
}

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

static void names(void **state)
{
	static const struct { const char *in; int r; const char *want, *local, *domain; } t[] = {
		{ "Abc@Naver.Test", 0, "abc@naver.test", "abc", "naver.test" },
		{ "\"abc\"@naver.test", 0, "abc@naver.test", "abc", "naver.test" },
		{ "\"A b\"@naver.test", 0, "\"a b\"@naver.test", "\"a b\"", "naver.test" },
		{ "\"a@b\"@naver.test", 0, "\"a@b\"@naver.test", "\"a@b\"", "naver.test" },
		{ "PostMaster", 0, "postmaster", "postmaster", "" },
		{ "", ERR_SYNTAX, "", "", "" },
		{ "abc", ERR_SYNTAX, "", "", "" },
		{ "@naver.test", ERR_SYNTAX, "", "", "" },
		{ "a@b@naver.test", ERR_SYNTAX, "", "", "" },
		{ "abc@", ERR_SYNTAX, "", "", "" },
		{ "abc@naver.test ", ERR_SYNTAX, "", "", "" },
		{ "a\xff@naver.test", ERR_SYNTAX, "", "", "" },
		{ "a\n@naver.test", ERR_SYNTAX, "", "", "" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789@a.test", ERR_LIMIT, "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct name n;

		assert_row(i, name_parse(slice_cstr(t[i].in), &n) == t[i].r);
		if (t[i].r != 0)
			continue;
		assert_slice(i, name_text(&n), t[i].want);
		assert_slice(i, name_local(&n), t[i].local);
		assert_slice(i, name_domain(&n), t[i].domain);
	}
	assert_int_equal(name_parse(slice_of("a\0b@c.test", 10), &(struct name){ .len = 0 }), ERR_SYNTAX);
}

static void details(void **state)
{
	static const struct { const char *local, *delims, *user, *detail; } t[] = {
		{ "user+x", "+", "user", "x" }, { "user+x+y", "+", "user", "x+y" }, { "user", "+", "user", "" },
		{ "user+", "+", "user", "" }, { "+user", "+", "+user", "" }, { "user-x+y", "+-", "user", "x+y" },
		{ "user+x", "", "user+x", "" }, { "user+x", NULL, "user+x", "" }, { "\"a b+x\"", "+", "\"a b+x\"", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct slice user, detail;

		(void)name_split_detail(slice_cstr(t[i].local), t[i].delims, &user, &detail);
		assert_slice(i, user, t[i].user);
		assert_slice(i, detail, t[i].detail);
	}
}

static void make_world(void)
{
	uint64_t id;

	assert_int_equal(store_domain_add(st, slice_cstr("naver.test"), 1, &id), 0);
	assert_int_equal(store_domain_add(st, slice_cstr("daum.test"), 1, &id), 0);
	assert_int_equal(store_domain_add(st, slice_cstr("empty.test"), 1, &id), 0);
	add_user("abc@naver.test");
	add_user("aaa@naver.test");
	add_user("def@daum.test");
	add_user("postmaster@daum.test");
	add_alias("all@naver.test", "abc@naver.test");
	add_alias("all@naver.test", "aaa@naver.test");
	add_alias("all@naver.test", "Out@remote.test");
	add_alias("self@naver.test", "self@naver.test");
	add_alias("keep@naver.test", "keep@naver.test");
	add_alias("keep@naver.test", "copy@remote.test");
	add_user("keep@naver.test");
	add_alias("loop1@naver.test", "loop2@naver.test");
	add_alias("loop2@naver.test", "loop1@naver.test");
	add_alias("loop3@naver.test", "loop1@naver.test");
	add_alias("loop3@naver.test", "abc+deep@naver.test");
	add_alias("twice@naver.test", "all@naver.test");
	add_alias("twice@naver.test", "abc@naver.test");
	add_alias("gone@naver.test", "nobody@naver.test");
	add_alias("list+own@naver.test", "abc@naver.test");
	add_alias("abuse@daum.test", "postmaster@daum.test");
}

static void lookup(void **state)
{
	static const struct { const char *in; int r; uint8_t kind; } t[] = {
		{ "abc@naver.test", 0, ADDRESS_LOCAL }, { "ABC@NAVER.TEST", 0, ADDRESS_LOCAL },
		{ "\"abc\"@naver.test", 0, ADDRESS_LOCAL }, { "abc+x@naver.test", 0, ADDRESS_LOCAL },
		{ "abc-x@naver.test", 0, ADDRESS_UNKNOWN }, { "+abc@naver.test", 0, ADDRESS_UNKNOWN },
		{ "nobody@naver.test", 0, ADDRESS_UNKNOWN }, { "abc@daum.test", 0, ADDRESS_UNKNOWN },
		{ "all@naver.test", 0, ADDRESS_LOCAL }, { "all+x@naver.test", 0, ADDRESS_LOCAL },
		{ "al@naver.test", 0, ADDRESS_UNKNOWN }, { "list@naver.test", 0, ADDRESS_UNKNOWN },
		{ "list+own@naver.test", 0, ADDRESS_LOCAL },
		{ "abc@sub.naver.test", 0, ADDRESS_REMOTE }, { "abc@ver.test", 0, ADDRESS_REMOTE },
		{ "x@remote.test", 0, ADDRESS_REMOTE }, { "x@[192.0.2.1]", 0, ADDRESS_REMOTE },
		{ "postmaster", 0, ADDRESS_LOCAL }, { "Postmaster", 0, ADDRESS_LOCAL },
		{ "postmaster@naver.test", 0, ADDRESS_LOCAL }, { "POSTMASTER+x@naver.test", 0, ADDRESS_LOCAL },
		{ "postmaster@daum.test", 0, ADDRESS_LOCAL }, { "postmaster@empty.test", 0, ADDRESS_UNKNOWN },
		{ "", ERR_SYNTAX, 0 }, { "@", ERR_SYNTAX, 0 }, { "abc", ERR_SYNTAX, 0 },
	};
	struct directory d = { .store = st, .delimiters = "+" };

	(void)state;
	make_world();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t kind = 0;

		assert_row(i, directory_lookup(&d, slice_cstr(t[i].in), &kind) == t[i].r);
		assert_row(i, kind == t[i].kind);
	}
}

/* Targets as "local@domain[+detail]" of users and "->address" of forwards, in order. */
static void print_targets(struct buf *b, const struct account_resolved *res)
{
	for (uint32_t i = 0; i < res->targets_n; i++) {
		const struct account_target *t = &res->targets[i];

		buf_addf(b, "%s%s%.*s", i != 0 ? " " : "", t->account == 0 ? "->" : "", SLICE_ARG(t->address));
		if (t->detail.len != 0)
			buf_addf(b, "(%.*s)", SLICE_ARG(t->detail));
	}
}

static void resolve(void **state)
{
	static const struct { const char *in; int r; uint8_t kind; const char *want; } t[] = {
		{ "abc@naver.test", 0, ADDRESS_LOCAL, "abc@naver.test" },
		{ "ABC+Junk@naver.test", 0, ADDRESS_LOCAL, "abc@naver.test(junk)" },
		{ "all@naver.test", 0, ADDRESS_LOCAL, "->Out@remote.test aaa@naver.test abc@naver.test" },
		{ "twice@naver.test", 0, ADDRESS_LOCAL, "abc@naver.test ->Out@remote.test aaa@naver.test" },
		{ "keep@naver.test", 0, ADDRESS_LOCAL, "->copy@remote.test keep@naver.test" },
		{ "loop3@naver.test", 0, ADDRESS_LOCAL, "abc@naver.test(deep)" },
		{ "loop1@naver.test", ERR_STATE, ADDRESS_LOCAL, "" },
		{ "self@naver.test", ERR_STATE, ADDRESS_LOCAL, "" },
		{ "gone@naver.test", 0, ADDRESS_LOCAL, "->nobody@naver.test" },
		{ "nobody@naver.test", 0, ADDRESS_UNKNOWN, "" },
		{ "x@remote.test", 0, ADDRESS_REMOTE, "" },
		{ "postmaster", 0, ADDRESS_LOCAL, "abc@naver.test" },
		{ "postmaster@daum.test", 0, ADDRESS_LOCAL, "postmaster@daum.test" },
		{ "abuse@daum.test", 0, ADDRESS_LOCAL, "postmaster@daum.test" },
		{ "postmaster@empty.test", 0, ADDRESS_UNKNOWN, "" },
	};
	struct directory d = { .store = st, .delimiters = "+" };
	struct arena *a = arena_new(4 << 20);

	(void)state;
	make_world();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(10000);
		struct account_resolved res;

		assert_row(i, directory_resolve(&d, slice_cstr(t[i].in), a, &res) == t[i].r);
		assert_row(i, res.kind == t[i].kind);
		print_targets(&b, &res);
		assert_slice(i, buf_slice(&b), t[i].want);
		buf_free(&b);
		arena_reset(a);
	}
	arena_free(&a);
}

/* A chain of aliases up to the depth allowed, and one more; a list with the most targets, and one more. */
static void resolve_limits(void **state)
{
	struct directory d = { .store = st, .delimiters = "+" };
	struct arena *a = arena_new(4 << 20);
	struct account_resolved res;
	char from[64], to[64];
	uint64_t id;

	(void)state;
	assert_int_equal(store_domain_add(st, slice_cstr("a.test"), 1, &id), 0);
	add_user("end@a.test");
	for (int i = 0; i <= RESOLVE_DEPTH_MAX; i++) {
		(void)snprintf(from, sizeof(from), "n%d@a.test", i);
		(void)snprintf(to, sizeof(to), "n%d@a.test", i + 1);
		add_alias(from, i == RESOLVE_DEPTH_MAX ? "end@a.test" : to);
	}
	assert_int_equal(directory_resolve(&d, slice_cstr("n0@a.test"), a, &res), ERR_LIMIT);
	arena_reset(a);
	assert_int_equal(directory_resolve(&d, slice_cstr("n1@a.test"), a, &res), 0);
	assert_int_equal(res.targets_n, 1);
	for (int i = 0; i <= RESOLVE_TARGETS_MAX; i++) {
		arena_reset(a);
		if (i == RESOLVE_TARGETS_MAX)
			assert_int_equal(directory_resolve(&d, slice_cstr("many@a.test"), a, &res), 0);
		(void)snprintf(to, sizeof(to), "r%d@remote.test", i);
		add_alias("many@a.test", to);
	}
	assert_int_equal(directory_resolve(&d, slice_cstr("many@a.test"), a, &res), ERR_LIMIT);
	arena_free(&a);
}

static void login_names(void **state)
{
	static const struct { const char *in; int r; const char *want; } t[] = {
		{ "abc@naver.test", 0, "abc@naver.test" }, { "Abc", 0, "abc@naver.test" },
		{ "x@daum.test", 0, "x@daum.test" }, { "", ERR_NOTFOUND, NULL }, { "a b", ERR_NOTFOUND, NULL },
		/* one user, in however many ways it is written: failed logins are counted by what comes out */
		{ "\"abc\"@naver.test", 0, "abc@naver.test" }, { "\"a\\bc\"@NAVER.test", 0, "abc@naver.test" },
		{ "@", ERR_NOTFOUND, NULL }, { "a@b@c", ERR_NOTFOUND, NULL }, { "abc@", ERR_NOTFOUND, NULL },
	};
	struct directory d = { .store = st, .delimiters = "+" };
	struct name n;

	(void)state;
	assert_int_equal(directory_login_name(&d, slice_cstr("abc"), &n), ERR_NOTFOUND);
	make_world();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, directory_login_name(&d, slice_cstr(t[i].in), &n) == t[i].r);
		if (t[i].want != NULL)
			assert_slice(i, name_text(&n), t[i].want);
	}
}

/* Nobody is there yet: what is asked first on a new system. */
static void empty_store(void **state)
{
	struct directory d = { .store = st, .delimiters = "+" };
	uint8_t kind = 0;

	(void)state;
	assert_int_equal(directory_lookup(&d, slice_cstr("postmaster"), &kind), 0);
	assert_int_equal(kind, ADDRESS_UNKNOWN);
	assert_int_equal(directory_lookup(&d, slice_cstr("a@b.test"), &kind), 0);
	assert_int_equal(kind, ADDRESS_REMOTE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(details),
		cmocka_unit_test_setup_teardown(lookup, open_store, close_store),
		cmocka_unit_test_setup_teardown(resolve, open_store, close_store),
		cmocka_unit_test_setup_teardown(resolve_limits, open_store, close_store),
		cmocka_unit_test_setup_teardown(login_names, open_store, close_store),
		cmocka_unit_test_setup_teardown(empty_store, open_store, close_store),
	};

	return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
