/* Which mechanisms are offered, the frame of an exchange, and the mechanisms that show a secret or need none. */
#include "tests/lib/unit.h"

#include "common/mail/base64.h"
#include "tests/sasl/talk.h"

#define BINDING { (const uint8_t *)"binding", 7 }
static const struct sasl_conf plaintext = { .service = "imap", .addr = "192.0.2.1", .plaintext = true };
static const struct sasl_conf all = { .service = "imap", .addr = "192.0.2.1", .host = "mail.x.test", .tls = true,
	.plaintext = true, .oauth = true, .exporter = BINDING, .external = { (const uint8_t *)"Abc@x.test", 10 } };

static void test_offered(void **state)
{
	static const struct { struct sasl_conf conf; const char *want; } rows[] = {
		{ { .service = "smtp" }, " AUTH=SCRAM-SHA-256" },
		{ { .plaintext = true }, " AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN" },
		{ { .oauth = true }, " AUTH=SCRAM-SHA-256" },
		{ { .exporter = BINDING, .external = BINDING }, " AUTH=SCRAM-SHA-256" },
		{ { .tls = true, .end_point = BINDING }, " AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256" },
		{ { .tls = true, .exporter = BINDING, .external = BINDING, .plaintext = true, .oauth = true },
		    " AUTH=EXTERNAL AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN AUTH=LOGIN" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = BUF_INIT(1024);

		sasl_list(&rows[i].conf, " AUTH=", &b);
		assert_slice(i, buf_slice(&b), rows[i].want);
		buf_free(&b);
	}
}

static void test_start(void **state)
{
	static const struct { const char *mechanism; const struct sasl_conf *conf; int want; } rows[] = {
		{ "PLAIN", &plaintext, 0 },
		{ "plain", &plaintext, 0 },
		{ "scram-sha-256", &plaintext, 0 },
		{ "SCRAM-SHA-256-PLUS", &plaintext, ERR_DENIED },
		{ "EXTERNAL", &plaintext, ERR_DENIED },
		{ "OAUTHBEARER", &plaintext, ERR_DENIED },
		{ "CRAM-MD5", &all, ERR_NOTFOUND },
		{ "PLAINX", &all, ERR_NOTFOUND },
		{ "", &all, ERR_NOTFOUND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum sasl_step step;
		struct sasl *s;

		assert_row(i, sasl_start(&s, rows[i].conf, slice_cstr(rows[i].mechanism), SLICE_LIT(""), &step) == rows[i].want);
		assert_row(i, (s != NULL) == (rows[i].want == 0) && step == (s != NULL ? SASL_CHALLENGE : SASL_FAILED));
		sasl_free(&s);
	}
}

struct row {
	const char *mechanism;
	const char *lines[TALK_LINES];
};

static const struct row rows[] = {
	/* PLAIN */
	{ "PLAIN", { "C:|abc@x.test|secret", "Q:password abc@x.test secret", "A:ok", "OK abc@x.test" } },
	{ "PLAIN", { "N:", "S:", "C:|abc@x.test|secret", "Q:password abc@x.test secret", "A:ok", "OK abc@x.test" } },
	{ "PLAIN", { "C:abc@x.test|abc@x.test|p", "Q:password abc@x.test p", "A:denied", "DENIED" } },
	{ "PLAIN", { "C:ABC@X.test|abc@x.test|p", "A:again", "SLOWED" } },
	{ "PLAIN", { "C:\"abc\"@x.test|abc@x.test|p", "A:closed", "FAULT" } },
	{ "PLAIN", { "C:|abc@x.test|\xea\xb0\x80", "Q:password abc@x.test \xea\xb0\x80", "A:odd", "FAULT" } },
	{ "PLAIN", { "C:other@x.test|abc@x.test|p", "DENIED" } },
	{ "PLAIN", { "C:|abc@x.test|", "SYNTAX" } },
	{ "PLAIN", { "C:||p", "SYNTAX" } },
	{ "PLAIN", { "C:abc|p", "SYNTAX" } },
	{ "PLAIN", { "C:abc", "SYNTAX" } },
	{ "PLAIN", { "R:=", "SYNTAX" } },
	{ "PLAIN", { "C:|abc|p|", "SYNTAX" } },
	{ "PLAIN", { "C:|abc|p|q", "SYNTAX" } },
	{ "PLAIN", { "C:||||", "SYNTAX" } },
	{ "PLAIN", { "C:|a\tb|p", "SYNTAX" } },
	{ "PLAIN", { "C:|a\x7f|p", "SYNTAX" } },
	{ "PLAIN", { "C:|a\xc2\x85|p", "SYNTAX" } },
	{ "PLAIN", { "C:|a\r\nb|p", "SYNTAX" } },
	{ "PLAIN", { "C:|a\xff|p", "SYNTAX" } },
	{ "PLAIN", { "C:|a|p\xc0\x80", "SYNTAX" } },
	{ "PLAIN", { "C:|a|p\xed\xa0\x80", "SYNTAX" } },
	{ "PLAIN", { "C:\xff|a|p", "SYNTAX" } },
	{ "PLAIN", { "R:AGFiYwBw=", "BASE64" } },
	{ "PLAIN", { "R:AGFiYw Bw", "BASE64" } },
	{ "PLAIN", { "R:====", "BASE64" } },
	{ "PLAIN", { "R:AGFiYwB=", "BASE64" } },
	{ "PLAIN", { "N:", "S:", "R:=", "BASE64" } },
	{ "PLAIN", { "N:", "S:", "R:*", "CANCELLED" } },
	{ "PLAIN", { "N:", "S:", "R:**", "BASE64" } },
	{ "PLAIN", { "N:", "S:", "C:", "SYNTAX" } },
	/* LOGIN */
	{ "LOGIN", { "N:", "S:Username:", "C:abc", "S:Password:", "C:secret", "Q:password abc secret", "A:ok", "OK abc" } },
	{ "LOGIN", { "C:abc", "S:Password:", "C:secret", "Q:password abc secret", "A:denied", "DENIED" } },
	{ "LOGIN", { "N:", "S:Username:", "C:abc", "S:Password:", "R:*", "CANCELLED" } },
	{ "LOGIN", { "N:", "S:Username:", "R:*", "CANCELLED" } },
	{ "LOGIN", { "N:", "S:Username:", "C:", "SYNTAX" } },
	{ "LOGIN", { "R:=", "SYNTAX" } },
	{ "LOGIN", { "C:a|b", "SYNTAX" } },
	{ "LOGIN", { "C:abc", "S:Password:", "C:", "SYNTAX" } },
	{ "LOGIN", { "C:abc", "S:Password:", "C:a|b", "SYNTAX" } },
	{ "LOGIN", { "C:abc", "S:Password:", "C:\xff", "SYNTAX" } },
	{ "LOGIN", { "C:abc", "S:Password:", "R:?", "BASE64" } },
	/* EXTERNAL */
	{ "EXTERNAL", { "R:=", "Q:external Abc@x.test -", "A:ok", "OK Abc@x.test" } },
	{ "EXTERNAL", { "N:", "S:", "R:", "Q:external Abc@x.test -", "A:denied", "DENIED" } },
	{ "EXTERNAL", { "C:abc@X.TEST", "Q:external Abc@x.test -", "A:ok", "OK Abc@x.test" } },
	{ "EXTERNAL", { "C:def@x.test", "DENIED" } },
	{ "EXTERNAL", { "C:abc@x.test|", "SYNTAX" } },
	{ "EXTERNAL", { "N:", "S:", "R:*", "CANCELLED" } },
	/* OAUTHBEARER */
	{ "OAUTHBEARER", { "C:n,a=abc@x.test,^auth=Bearer vF9df~4.x+/==^^", "Q:bearer abc@x.test vF9df~4.x+/==", "A:ok", "OK abc@x.test" } },
	{ "OAUTHBEARER", { "C:n,,^auth=bearer  abc^^", "Q:bearer - abc", "A:ok", "OK " } },
	{ "OAUTHBEARER", { "C:y,a=a=2Cb,^host=MAIL.x.test^port=993^auth=Bearer t^^", "Q:bearer a,b t", "A:denied",
	    "S:{\"status\":\"invalid_token\"}", "C:^", "DENIED" } },
	{ "OAUTHBEARER", { "N:", "S:", "C:n,,^auth=Bearer t^^", "A:denied", "S:{\"status\":\"invalid_token\"}", "R:*", "DENIED" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer t^^", "A:again", "SLOWED" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer t^^", "A:closed", "FAULT" } },
	{ "OAUTHBEARER", { "C:n,,^host=other.test^auth=Bearer t^^", "DENIED" } },
	{ "OAUTHBEARER", { "C:p=tls-exporter,,^auth=Bearer t^^", "DENIED" } },
	{ "OAUTHBEARER", { "C:^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,auth=Bearer t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer t^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer t", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer t^^x", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer ^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer =^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer a=b^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer a b^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer a|^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Basic t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^auth=Bearer t^auth=Bearer t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^1=2^auth=Bearer t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,,^=2^auth=Bearer t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,a=,^auth=Bearer t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:n,a=x=2c,^auth=Bearer t^^", "SYNTAX" } },
	{ "OAUTHBEARER", { "C:f,n,,^auth=Bearer t^^", "SYNTAX" } },
	/* XOAUTH2 */
	{ "XOAUTH2", { "C:user=abc@x.test^auth=Bearer tok^^", "Q:bearer abc@x.test tok", "A:ok", "OK abc@x.test" } },
	{ "XOAUTH2", { "C:user=abc@x.test^auth=Bearer tok^^", "A:denied",
	    "S:{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}", "R:", "DENIED" } },
	{ "XOAUTH2", { "C:auth=Bearer tok^^", "SYNTAX" } },
	{ "XOAUTH2", { "C:user=^auth=Bearer tok^^", "SYNTAX" } },
	{ "XOAUTH2", { "C:user=a^user=b^auth=Bearer tok^^", "SYNTAX" } },
	{ "XOAUTH2", { "C:user=a\nb^auth=Bearer tok^^", "SYNTAX" } },
	{ "XOAUTH2", { "C:user=abc^^", "SYNTAX" } },
	{ "XOAUTH2", { "R:=", "SYNTAX" } },
};

static void test_exchanges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		talk(i, &all, rows[i].mechanism, rows[i].lines);
}

/* prefix, n times a byte, suffix */
static void long_line(struct buf *b, struct slice prefix, size_t n, struct slice suffix)
{
	struct buf plain = BUF_INIT(1 << 17);

	buf_add_slice(&plain, prefix);
	for (size_t i = 0; i < n; i++)
		buf_add_byte(&plain, 'a');
	buf_add_slice(&plain, suffix);
	base64_encode(b, buf_slice(&plain));
	buf_free(&plain);
}

static void test_lengths(void **state)
{
	static const struct { const char *mechanism; struct slice prefix; size_t n; struct slice suffix; int want; } lens[] = {
		{ "PLAIN", SLICE_LIT("\0"), 1024, SLICE_LIT("\0p"), -1 },
		{ "PLAIN", SLICE_LIT("\0"), 1025, SLICE_LIT("\0p"), SASL_TOO_LONG },
		{ "PLAIN", SLICE_LIT("\0a\0"), 1024, SLICE_LIT(""), -1 },
		{ "PLAIN", SLICE_LIT("\0a\0"), 1025, SLICE_LIT(""), SASL_TOO_LONG },
		{ "PLAIN", SLICE_LIT(""), 1025, SLICE_LIT("\0a\0p"), SASL_TOO_LONG },
		{ "PLAIN", SLICE_LIT("\0a\0"), 9213, SLICE_LIT(""), SASL_TOO_LONG },
		{ "PLAIN", SLICE_LIT("\0a\0"), 9214, SLICE_LIT(""), SASL_TOO_LONG },
		{ "OAUTHBEARER", SLICE_LIT("n,,\1auth=Bearer "), 8192, SLICE_LIT("\1\1"), -1 },
		{ "OAUTHBEARER", SLICE_LIT("n,,\1auth=Bearer "), 8193, SLICE_LIT("\1\1"), SASL_TOO_LONG },
		{ "OAUTHBEARER", SLICE_LIT("n,,\1"), 65, SLICE_LIT("=x\1auth=Bearer t\1\1"), SASL_TOO_LONG },
		{ "XOAUTH2", SLICE_LIT("user="), 1025, SLICE_LIT("\1auth=Bearer t\1\1"), SASL_TOO_LONG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct buf b = BUF_INIT(1 << 17);
		enum sasl_step step;
		struct sasl *s;

		long_line(&b, lens[i].prefix, lens[i].n, lens[i].suffix);
		assert_row(i, sasl_start(&s, &all, slice_cstr(lens[i].mechanism), buf_slice(&b), &step) == 0);
		assert_row(i, step == (lens[i].want < 0 ? SASL_ASK : SASL_FAILED));
		assert_row(i, lens[i].want < 0 || (int)sasl_failure(s) == lens[i].want);
		sasl_free(&s);
		buf_free(&b);
	}
}

/* A caller that does not keep the order gets a failure, and nothing is read. */
static void test_order(void **state)
{
	enum sasl_step step;
	struct sasl *s;

	(void)state;
	assert_int_equal(sasl_start(&s, &all, SLICE_LIT("PLAIN"), SLICE_LIT("AGFiYwBw"), &step), 0);
	assert_int_equal(step, SASL_ASK);
	assert_int_equal(sasl_input(s, SLICE_LIT("AGFiYwBw")), SASL_FAILED);
	assert_int_equal(sasl_failure(s), SASL_FAULT);
	assert_int_equal(sasl_answer(s, 0, account_logged_in_MSG, &talk_ok), SASL_FAILED);
	sasl_free(&s);
	assert_int_equal(sasl_start(&s, &all, SLICE_LIT("PLAIN"), SLICE_LIT(""), &step), 0);
	assert_int_equal(sasl_answer(s, 0, account_logged_in_MSG, &talk_ok), SASL_FAILED);
	sasl_free(&s);
	sasl_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offered),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
