/* Which connection does for which destination, and where TLS is known to be broken. */
#include "tests/lib/unit.h"

#include "deliver/tlspolicy.h"

static void test_names(void **state)
{
	static const struct { const char *policy, *destination, *host, *want; enum conf_tls_level level; } rows[] = {
		{ "* none", "b.test", "mx.b.test", "mx.b.test b.test", CONF_TLS_NONE },
		{ "c.test verify", "b.test", "mx.b.test.", "mx.b.test b.test", CONF_TLS_MAY },
		{ "b.test verify", "B.test", "MX.b.test", "mx.b.test b.test", CONF_TLS_VERIFY },
		{ "b.test verify mail.b.test \t X.test", "b.test", "mx.b.test", "mail.b.test x.test", CONF_TLS_VERIFY },
		{ "* encrypt", "[192.0.2.1]", "[192.0.2.1]", "", CONF_TLS_ENCRYPT },
		{ "* encrypt", "[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", "", CONF_TLS_ENCRYPT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *lines[] = { (char *)(uintptr_t)rows[i].policy };
		struct conf conf = { .tls_policy = { .v = lines, .n = 1 } };
		struct tls_want w;

		assert_int_equal(tls_want_make(&w, &conf, slice_cstr(rows[i].destination), rows[i].host), 0);
		assert_row(i, w.level == rows[i].level);
		assert_slice(i, buf_slice(&w.names), rows[i].want);
		buf_free(&w.names);
	}
}

static void test_host_name(void **state)
{
	static const struct { const char *host, *want; } rows[] = {
		{ "mx.b.test", "mx.b.test" }, { "mx.b.test.", "mx.b.test" }, { "[192.0.2.1]", "192.0.2.1" },
		{ "[IPv6:2001:db8::1]", "2001:db8::1" }, { "[]", "" }, { "[", "[" }, { ".", "." }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slice(i, tls_host_name(rows[i].host), rows[i].want);
}

static struct tls_want want(enum conf_tls_level level, const char *names)
{
	struct tls_want w = { .level = level, .names = BUF_INIT(1024) };

	buf_add_cstr(&w.names, names);
	return w;
}

/* The reuse matrix: how it was made, and 1 for each level that it may serve: none, may, encrypt, verify a, verify b. */
static void test_reuse(void **state)
{
	static const struct { enum conf_tls_level level; bool secure, verified; const char *serves; } rows[] = {
		{ CONF_TLS_NONE, false, false, "10000" },
		{ CONF_TLS_MAY, false, false, "11000" },
		{ CONF_TLS_MAY, true, false, "01100" },
		{ CONF_TLS_MAY, true, true, "01110" },
		{ CONF_TLS_ENCRYPT, true, false, "01100" },
		{ CONF_TLS_ENCRYPT, true, true, "01110" },
		{ CONF_TLS_VERIFY, true, true, "01110" },
		/* cannot be, and would not be believed */
		{ CONF_TLS_ENCRYPT, false, false, "10000" },
		{ CONF_TLS_VERIFY, false, true, "10000" },
		{ CONF_TLS_VERIFY, true, false, "01100" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_made made = { .want = want(rows[i].level, "a.test"), .secure = rows[i].secure, .verified = rows[i].verified };

		for (unsigned k = 0; k < 5; k++) {
			struct tls_want w = want(k < 4 ? (enum conf_tls_level)k : CONF_TLS_VERIFY, k < 4 ? "a.test" : "b.test");

			if (tls_made_serves(&made, &w) != (rows[i].serves[k] == '1'))
				fail_msg("row %zu: %u", i, k);
			buf_free(&w.names);
		}
		buf_free(&made.want.names);
	}
}

static struct route_addr addr(unsigned n)
{
	return (struct route_addr){ .family = 4, .addr = { 192, 0, (uint8_t)(n >> 8), (uint8_t)n } };
}

static void test_broken(void **state)
{
	struct tls_broken *t = calloc(1, sizeof(*t));
	struct route_addr a = addr(1), six = { .family = 6, .addr = { 192, 0, 0, 1 } };

	(void)state;
	assert_non_null(t);
	assert_false(tls_broken_has(t, &a, 0));
	tls_broken_add(t, &a, 1000);
	assert_true(tls_broken_has(t, &a, 1000));
	assert_false(tls_broken_has(t, &six, 1000));
	assert_true(tls_broken_has(t, &a, 1000 + TLS_BROKEN_MS - 1));
	assert_false(tls_broken_has(t, &a, 1000 + TLS_BROKEN_MS));
	tls_broken_add(t, &a, 2000);
	assert_int_equal(t->n, 1);
	assert_true(tls_broken_has(t, &a, 1000 + TLS_BROKEN_MS));
	/* full: the oldest goes */
	for (unsigned i = 2; i <= TLS_BROKEN_MAX; i++) {
		a = addr(i);
		tls_broken_add(t, &a, 1000 + i);
	}
	a = addr(5000);
	tls_broken_add(t, &a, 3000);
	assert_int_equal(t->n, TLS_BROKEN_MAX);
	assert_true(tls_broken_has(t, &a, 3000));
	a = addr(2);
	assert_false(tls_broken_has(t, &a, 3000));
	a = addr(1);
	assert_true(tls_broken_has(t, &a, 3000));
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_host_name),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests_name("deliver/tlspolicy", tests, NULL, NULL);
}
