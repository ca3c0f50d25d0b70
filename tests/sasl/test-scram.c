/* SCRAM-SHA-256 and -PLUS: the example of RFC 7677 3, proved with the keys; what is malformed; channel bindings. */
#include "tests/lib/unit.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#include "common/mail/base64.h"
#include "tests/sasl/talk.h"

#define CNONCE "rOprNGfwEbeRWgbNEkqO"
#define NONCE CNONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST "S:r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define FINAL "S:v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static const struct sasl_conf no_tls = { .service = "imap", .addr = "192.0.2.1" };
static const struct sasl_conf tls = { .service = "imap", .addr = "192.0.2.1", .tls = true,
	.exporter = { (const uint8_t *)"EXPORTER", 8 } };
static const struct sasl_conf tls_both = { .service = "imap", .addr = "192.0.2.1", .tls = true,
	.exporter = { (const uint8_t *)"EXPORTER", 8 }, .end_point = { (const uint8_t *)"ENDPOINT", 8 } };

struct row {
	const struct sasl_conf *conf;
	const char *mechanism;
	const char *lines[TALK_LINES];
};

#define PLAIN_FIRST "C:n,,n=user,r=" CNONCE
#define BEGIN PLAIN_FIRST, "Q:first user -", "A:scram", FIRST

static const struct row rows[] = {
	/* RFC 7677 3 */
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF,
	    "Q:proof user 32 n=user,r=" CNONCE ",r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" NONCE,
	    "A:ok", FINAL, "R:", "OK user" } },
	{ &no_tls, "SCRAM-SHA-256", { "N:", "S:", BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:ok", FINAL, "R:", "OK user" } },
	/* after the signature */
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:ok", FINAL, "R:*", "CANCELLED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:ok", FINAL, "C:x", "SYNTAX" } },
	/* accountd says no */
	{ &no_tls, "SCRAM-SHA-256", { PLAIN_FIRST, "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { PLAIN_FIRST, "A:again", "SLOWED" } },
	{ &no_tls, "SCRAM-SHA-256", { PLAIN_FIRST, "A:closed", "FAULT" } },
	{ &no_tls, "SCRAM-SHA-256", { PLAIN_FIRST, "A:odd", "FAULT" } },
	{ &no_tls, "SCRAM-SHA-256", { PLAIN_FIRST, "A:ok", "FAULT" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:denied", "S:e=invalid-proof", "R:", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:denied", "S:e=invalid-proof", "R:*", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:denied", "S:e=invalid-proof", "R:?", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:again", "SLOWED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF, "A:scram", "FAULT" } },
	/* names */
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a=2Cb=3D=2C,r=x", "Q:first a,b=, -", "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=\xea\xb0\x80,r=x", "Q:first \xea\xb0\x80 -", "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,a=user,n=user,r=x", "Q:first user -", "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,a=User@X.test,n=user@x.test,r=x", "Q:first user@x.test -", "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,a=other,n=user,r=x", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a=2cb,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a=,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a=2,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a=3E,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a\tb,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a|b,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a\xff,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=a\xc2\x9f,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,a=a=zz,n=a,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,a=\xff,n=a,r=x", "SYNTAX" } },
	/* client-first */
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x,x=1,y=2", "Q:first user -", "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "R:=", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:N,,n=user,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,b=user,n=user,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,a=,n=user,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:nn,,n=user,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,N=user,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,m=1,n=user,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,m=1,r=x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x,m=1", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,r=x,n=user", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=a b", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=a\x7f", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=\xea\xb0\x80", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x,", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x,x", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x,x=", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x,1=2", "SYNTAX" } },
	/* client-final */
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",x=1,p=" PROOF,
	    "Q:proof user 32 n=user,r=" CNONCE ",r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" NONCE ",x=1",
	    "A:denied", "S:e=invalid-proof", "R:", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=eSws,r=" NONCE ",p=" PROOF, "S:e=channel-bindings-dont-match", "R:", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE "x,p=" PROOF, "S:e=other-error", "R:*", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" CNONCE ",p=" PROOF, "S:e=other-error", "R:", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "R:*", "CANCELLED" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "R:", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE, "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF ",x=1", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF ",p=" PROOF, "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",m=1,p=" PROOF, "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:r=" NONCE ",c=biws,p=" PROOF, "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=,r=" NONCE ",p=" PROOF, "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=,p=" PROOF, "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=AAAA", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=AAA", "SYNTAX" } },
	{ &no_tls, "SCRAM-SHA-256", { BEGIN, "C:c=biws,r=" NONCE ",p=" PROOF "AAAA", "SYNTAX" } },
	/* channel binding: "y" and "n" without TLS */
	{ &no_tls, "SCRAM-SHA-256", { "C:y,,n=user,r=x", "Q:first user -", "A:denied", "DENIED" } },
	{ &no_tls, "SCRAM-SHA-256", { "C:p=tls-exporter,,n=user,r=x", "DENIED" } },
	/* somebody took -PLUS away */
	{ &tls, "SCRAM-SHA-256", { "C:y,,n=user,r=x", "DENIED" } },
	{ &tls, "SCRAM-SHA-256", { "C:n,,n=user,r=x", "Q:first user -", "A:denied", "DENIED" } },
	{ &tls, "SCRAM-SHA-256", { "C:p=tls-exporter,,n=user,r=x", "DENIED" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:n,,n=user,r=x", "DENIED" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:y,,n=user,r=x", "DENIED" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p=tls-unique,,n=user,r=x", "DENIED" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p=tls-server-end-point,,n=user,r=x", "DENIED" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p=,,n=user,r=x", "SYNTAX" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p=tls_exporter,,n=user,r=x", "SYNTAX" } },
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p,,n=user,r=x", "SYNTAX" } },
	/* "p=tls-exporter,,EXPORTER", "p=tls-server-end-point,,ENDPOINT" in base64 */
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p=tls-exporter,,n=user,r=" CNONCE, "Q:first user -", "A:scram", FIRST,
	    "C:c=cD10bHMtZXhwb3J0ZXIsLEVYUE9SVEVS,r=" NONCE ",p=" PROOF, "A:ok", FINAL, "R:", "OK user" } },
	{ &tls_both, "SCRAM-SHA-256-PLUS", { "C:p=tls-server-end-point,,n=user,r=" CNONCE, "Q:first user -", "A:scram", FIRST,
	    "C:c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsRU5EUE9JTlQ=,r=" NONCE ",p=" PROOF, "A:ok", FINAL, "R:", "OK user" } },
	/* a man in the middle has another one */
	{ &tls, "SCRAM-SHA-256-PLUS", { "C:p=tls-exporter,,n=user,r=" CNONCE, "Q:first user -", "A:scram", FIRST,
	    "C:c=cD10bHMtZXhwb3J0ZXIsLE9USEVSCg==,r=" NONCE ",p=" PROOF, "S:e=channel-bindings-dont-match", "R:", "DENIED" } },
	{ &tls_both, "SCRAM-SHA-256-PLUS", { "C:p=tls-exporter,,n=user,r=" CNONCE, "Q:first user -", "A:scram", FIRST,
	    "C:c=biws,r=" NONCE ",p=" PROOF, "S:e=channel-bindings-dont-match", "R:", "DENIED" } },
};

static void test_exchanges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		talk(i, rows[i].conf, rows[i].mechanism, rows[i].lines);
}

static void hmac(const uint8_t *key, struct slice text, uint8_t out_r[32])
{
	unsigned n = 0;

	assert_non_null(HMAC(EVP_sha256(), key, 32, text.p, text.len, out_r, &n));
	assert_int_equal(n, 32);
}

/* With the password of the RFC's example the proof fits the AuthMessage, and the signature is the RFC's. */
static void test_rfc_7677(void **state)
{
	uint8_t salted[32], client_key[32], stored[32], sig[32], server_key[32];
	struct buf b = BUF_INIT(4096), f = BUF_INIT(4096);
	const struct account_login *q;
	enum sasl_step step;
	struct sasl *s;

	(void)state;
	base64_encode(&b, SLICE_LIT("n,,n=user,r=" CNONCE));
	assert_int_equal(sasl_start(&s, &no_tls, SLICE_LIT("SCRAM-SHA-256"), buf_slice(&b), &step), 0);
	assert_int_equal(step, SASL_ASK);
	assert_int_equal(sasl_answer(s, 0, account_scram_MSG, &talk_scram), SASL_CHALLENGE);
	base64_encode(&f, SLICE_LIT("c=biws,r=" NONCE ",p=" PROOF));
	assert_int_equal(sasl_input(s, buf_slice(&f)), SASL_ASK);
	q = sasl_question(s);
	assert_int_equal(q->how, LOGIN_SCRAM_PROOF);
	assert_int_equal(PKCS5_PBKDF2_HMAC("pencil", 6, talk_scram.salt.p, (int)talk_scram.salt.len, 4096, EVP_sha256(), 32, salted), 1);
	hmac(salted, SLICE_LIT("Client Key"), client_key);
	assert_int_equal(EVP_Digest(client_key, 32, stored, NULL, EVP_sha256(), NULL), 1);
	hmac(stored, q->text, sig);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(q->secret.p[i] ^ sig[i], client_key[i]);
	hmac(salted, SLICE_LIT("Server Key"), server_key);
	hmac(server_key, q->text, sig);
	assert_memory_equal(sig, talk_ok.signature.p, 32);
	sasl_free(&s);
	buf_free(&b);
	buf_free(&f);
}

static void test_lengths(void **state)
{
	static const struct { const char *prefix; size_t n; const char *suffix; int want; } lens[] = {
		{ "n,,n=", 1024, ",r=x", -1 },
		{ "n,,n=", 1025, ",r=x", SASL_TOO_LONG },
		{ "n,,n=a,r=", 256, "", -1 },
		{ "n,,n=a,r=", 257, "", SASL_TOO_LONG },
		{ "n,,n=a,r=x,x=", 1487, "", -1 },
		{ "n,,n=a,r=x,x=", 1488, "", SASL_TOO_LONG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct buf plain = BUF_INIT(1 << 16), b = BUF_INIT(1 << 16);
		enum sasl_step step;
		struct sasl *s;

		buf_add_cstr(&plain, lens[i].prefix);
		for (size_t k = 0; k < lens[i].n; k++)
			buf_add_byte(&plain, 'a');
		buf_add_cstr(&plain, lens[i].suffix);
		base64_encode(&b, buf_slice(&plain));
		assert_int_equal(sasl_start(&s, &no_tls, SLICE_LIT("SCRAM-SHA-256"), buf_slice(&b), &step), 0);
		assert_row(i, step == (lens[i].want < 0 ? SASL_ASK : SASL_FAILED));
		assert_row(i, lens[i].want < 0 || (int)sasl_failure(s) == lens[i].want);
		sasl_free(&s);
		buf_free(&plain);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_rfc_7677),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
