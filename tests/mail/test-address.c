#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/lib/unit.h"

#include "common/mail/address.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define L63 A60 "aaa"
#define D255 L63 "." L63 "." L63 "." L63

static void paths(void **state)
{
	enum { N = MAIL_PATH_NULL, P = MAIL_PATH_POSTMASTER };
	static const struct { const char *in; unsigned flags; int r; const char *canon; } t[] = {
		{ "<a@b.test>", 0, 0, "a@b.test" },
		{ "<A.b-c+d@B.Test>", 0, 0, "A.b-c+d@b.test" },
		{ "<!#$%&'*+-/=?^_`{|}~@x>", 0, 0, "!#$%&'*+-/=?^_`{|}~@x" },
		{ "<>", N, 0, "" },
		{ "<>", 0, ERR_SYNTAX, NULL },
		{ "<Postmaster>", P, 0, "postmaster" },
		{ "<postmaster>", N, ERR_SYNTAX, NULL },
		{ "<abuse>", P, ERR_SYNTAX, NULL },
		{ "<\"a b\"@c.test>", 0, 0, "\"a b\"@c.test" },
		{ "<\"ab\"@c.test>", 0, 0, "ab@c.test" },
		{ "<\"a\\b\"@c.test>", 0, 0, "ab@c.test" },
		{ "<\"a\\\\b\"@c.test>", 0, 0, "\"a\\\\b\"@c.test" },
		{ "<\"a\\\"b\"@c.test>", 0, 0, "\"a\\\"b\"@c.test" },
		{ "<\"a@b\"@c.test>", 0, 0, "\"a@b\"@c.test" },
		{ "<\"a>b\"@c.test>", 0, 0, "\"a>b\"@c.test" },
		{ "<\"a..b\"@c.test>", 0, 0, "\"a..b\"@c.test" },
		{ "<\"\"@c.test>", 0, 0, "\"\"@c.test" },
		{ "<\"a@c.test>", 0, ERR_SYNTAX, NULL },
		{ "<\"a\\\">", 0, ERR_SYNTAX, NULL },
		{ "<\"a\tb\"@c.test>", 0, ERR_SYNTAX, NULL },
		{ "<\"a\rb\"@c.test>", 0, ERR_SYNTAX, NULL },
		{ "<a@[192.0.2.1]>", 0, 0, "a@[192.0.2.1]" },
		{ "<a@[IPv6:2001:DB8::1]>", 0, 0, "a@[ipv6:2001:db8::1]" },
		{ "<a@[192.0.2.256]>", 0, ERR_SYNTAX, NULL },
		{ "<a@[192.0.2]>", 0, ERR_SYNTAX, NULL },
		{ "<a@[2001:db8::1]>", 0, ERR_SYNTAX, NULL },
		{ "<a@[IPv6:]>", 0, ERR_SYNTAX, NULL },
		{ "<a@[x-tag:abc]>", 0, ERR_SYNTAX, NULL },
		{ "<a@[192.0.2.1>", 0, ERR_SYNTAX, NULL },
		{ "<@r1.test:a@b.test>", 0, 0, "a@b.test" },
		{ "<@r1.test,@r2.test:a@b.test>", 0, 0, "a@b.test" },
		{ "<@r1.test,a@b.test>", 0, ERR_SYNTAX, NULL },
		{ "<@r1.test:>", 0, ERR_SYNTAX, NULL },
		{ "<a@b_c.test>", 0, 0, "a@b_c.test" },
		{ "<a@-b.test>", 0, ERR_SYNTAX, NULL },
		{ "<a@b-.test>", 0, ERR_SYNTAX, NULL },
		{ "<a@b..test>", 0, ERR_SYNTAX, NULL },
		{ "<a@.b>", 0, ERR_SYNTAX, NULL },
		{ "<a@b.>", 0, ERR_SYNTAX, NULL },
		{ "<a@>", 0, ERR_SYNTAX, NULL },
		{ "<@b>", 0, ERR_SYNTAX, NULL },
		{ "<a>", 0, ERR_SYNTAX, NULL },
		{ "<.a@b>", 0, ERR_SYNTAX, NULL },
		{ "<a.@b>", 0, ERR_SYNTAX, NULL },
		{ "<a..b@c>", 0, ERR_SYNTAX, NULL },
		{ "<a b@c>", 0, ERR_SYNTAX, NULL },
		{ "<a@b c>", 0, ERR_SYNTAX, NULL },
		{ "a@b", 0, ERR_SYNTAX, NULL },
		{ "<a@b", 0, ERR_SYNTAX, NULL },
		{ "", 0, ERR_SYNTAX, NULL },
		{ "<", 0, ERR_SYNTAX, NULL },
		{ "< a@b>", 0, ERR_SYNTAX, NULL },
		{ "<\xc3\xa9@b>", 0, ERR_SYNTAX, NULL },
		{ "<a@\xc3\xa9>", 0, ERR_SYNTAX, NULL },
		{ "<" A60 "aaaa@b>", 0, 0, A60 "aaaa@b" },
		{ "<" A60 "aaaaa@b>", 0, ERR_LIMIT, NULL },
		{ "<" A60 ".aaa@b>", 0, 0, A60 ".aaa@b" },
		{ "<" A60 ".aaaa@b>", 0, ERR_LIMIT, NULL },
		{ "<a@" L63 ".test>", 0, 0, "a@" L63 ".test" },
		{ "<a@" L63 "a.test>", 0, ERR_LIMIT, NULL },
		{ "<a@" D255 ">", 0, ERR_LIMIT, NULL },
		{ "<a@" D255 ".a>", 0, ERR_LIMIT, NULL },
	};
	struct arena *a = arena_new(1 << 20);

	(void)state;
	assert_non_null(a);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct cursor c = cursor_of(slice_cstr(t[i].in));
		struct mail_path p;
		struct slice s;

		if (mail_path_take(&c, t[i].flags, &p) != t[i].r)
			fail_msg("row %zu: %s", i, t[i].in);
		if (t[i].r != 0)
			continue;
		assert_row(i, cur_end(&c) == 0);
		assert_row(i, p.null == (t[i].canon[0] == '\0'));
		assert_row(i, mail_path_canonical(&p, a, &s) == 0);
		assert_slice(i, s, t[i].canon);
	}
	arena_free(&a);
}

static void path_stops(void **state)
{
	struct cursor c = cursor_of(slice_cstr("<a@b> SIZE=10"));
	struct mail_path p;

	(void)state;
	assert_int_equal(mail_path_take(&c, 0, &p), 0);
	assert_slice(0, cur_rest(&c), " SIZE=10");
	assert_slice(0, p.text, "a@b");
	assert_slice(0, p.local, "a");
	assert_slice(0, p.domain, "b");
}

static void nul_is_refused(void **state)
{
	static const uint8_t in[] = "<a\0b@c>";
	struct cursor c = cursor_of(slice_of(in, sizeof(in) - 1));
	struct mail_path p;

	(void)state;
	assert_int_equal(mail_path_take(&c, 0, &p), ERR_SYNTAX);
}

static void mailboxes(void **state)
{
	struct mail_path p;
	struct arena *a = arena_new(4096);
	struct buf b = BUF_INIT(1000);
	struct slice s;

	(void)state;
	assert_int_equal(mail_mailbox_parse(slice_cstr("\"a\\ b\"@C"), 0, &p), 0);
	assert_int_equal(mail_local_value(&p, a, &s), 0);
	assert_slice(0, s, "a b");
	mail_path_print(&b, &p);
	assert_slice(1, buf_slice(&b), "<\"a b\"@c>");
	buf_free(&b);
	assert_int_equal(mail_mailbox_parse(slice_cstr("a@b>"), 0, &p), ERR_SYNTAX);
	assert_int_equal(mail_mailbox_parse(slice_cstr(""), 0, &p), ERR_SYNTAX);
	assert_int_equal(mail_mailbox_parse(slice_cstr(""), MAIL_PATH_NULL, &p), 0);
	assert_true(p.null);
	assert_int_equal(mail_domain_lower(slice_cstr("EXAMPLE.Test"), a, &s), 0);
	assert_slice(2, s, "example.test");
	arena_free(&a);
}

static void splits(void **state)
{
	static const struct { const char *in, *local, *domain; } t[] = {
		{ "a@b", "a", "b" }, { "\"a@b\"@c", "\"a@b\"", "c" }, { "postmaster", "postmaster", "" },
		{ "", "", "" }, { "@", "", "" },
	};
	static const struct { const char *in; uint8_t del; bool split; const char *user, *detail; } u[] = {
		{ "a+b", '+', true, "a", "b" }, { "a+b+c", '+', true, "a", "b+c" }, { "a+", '+', true, "a", "" },
		{ "+a", '+', false, "+a", "" }, { "++", '+', true, "+", "" }, { "+", '+', false, "+", "" },
		{ "ab", '+', false, "ab", "" }, { "a-b", '+', false, "a-b", "" }, { "a+b", 0, false, "a+b", "" },
		{ "", '+', false, "", "" },
	};
	struct slice x, y;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		mail_addr_split(slice_cstr(t[i].in), &x, &y);
		assert_slice(i, x, t[i].local);
		assert_slice(i, y, t[i].domain);
	}
	for (size_t i = 0; i < ARRAY_LEN(u); i++) {
		assert_row(i, mail_local_split(slice_cstr(u[i].in), u[i].del, &x, &y) == u[i].split);
		assert_slice(i, x, u[i].user);
		assert_slice(i, y, u[i].detail);
	}
}

static void literals(void **state)
{
	static const uint8_t v4[] = { 192, 0, 2, 1 };
	uint8_t addr[16];
	int family;

	(void)state;
	assert_int_equal(mail_literal_addr(slice_cstr("[192.0.2.1]"), &family, addr), 0);
	assert_int_equal(family, AF_INET);
	assert_memory_equal(addr, v4, 4);
	assert_int_equal(mail_literal_addr(slice_cstr("[ipv6:::1]"), &family, addr), 0);
	assert_int_equal(family, AF_INET6);
	assert_int_equal(addr[15], 1);
	assert_int_equal(mail_literal_addr(slice_cstr("192.0.2.1"), &family, addr), ERR_SYNTAX);
	assert_int_equal(mail_literal_addr(slice_cstr("[]"), &family, addr), ERR_SYNTAX);
	assert_true(mail_domain_valid(slice_cstr("a.b-c.d1")));
	assert_false(mail_domain_valid(slice_cstr("[192.0.2.1]")));
	assert_false(mail_domain_valid(slice_cstr("a.b ")));
	assert_false(mail_domain_valid(slice_cstr("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(path_stops),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(mailboxes),
		cmocka_unit_test(splits),
		cmocka_unit_test(literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
