/* The keys of SCRAM, the server's nonces, and app passwords. */
#include "tests/lib/unit.h"

#include "accountd/apppass.h"
#include "accountd/nonce.h"
#include "common/base/buf.h"
#include "common/mail/base64.h"

static struct slice unbase64(const char *text, struct buf *b)
{
	buf_reset(b);
	assert_int_equal(base64_decode_strict(slice_cstr(text), b), 0);
	return buf_slice(b);
}

/* RFC 7677 3: the user "user" with the password "pencil". */
static void rfc7677(void **state)
{
	static const char auth[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct buf salt = BUF_INIT(100), proof = BUF_INIT(100), want = BUF_INIT(100);
	uint8_t signature[DIGEST_SIZE], bad[DIGEST_SIZE];
	struct scram_keys keys, wrong;

	(void)state;
	(void)unbase64("W22ZaJ0SNY7soEsUEjb6gQ==", &salt);
	(void)unbase64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &proof);
	(void)unbase64("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", &want);
	assert_int_equal(scram_keys_make(slice_cstr("pencil"), buf_slice(&salt), 4096, &keys), 0);
	assert_true(scram_proof_fits(&keys, slice_cstr(auth), buf_slice(&proof)));
	assert_int_equal(scram_signature(&keys, slice_cstr(auth), signature), 0);
	assert_memory_equal(signature, buf_slice(&want).p, sizeof(signature));
	assert_int_equal(scram_keys_make(slice_cstr("Pencil"), buf_slice(&salt), 4096, &wrong), 0);
	assert_false(scram_proof_fits(&wrong, slice_cstr(auth), buf_slice(&proof)));
	assert_false(scram_proof_fits(&keys, slice_sub(slice_cstr(auth), 1, SIZE_MAX), buf_slice(&proof)));
	assert_false(scram_proof_fits(&keys, slice_cstr(auth), slice_of(NULL, 0)));
	assert_false(scram_proof_fits(&keys, slice_cstr(auth), slice_sub(buf_slice(&proof), 0, 31)));
	memcpy(bad, buf_slice(&proof).p, sizeof(bad));
	bad[31] ^= 1;
	assert_false(scram_proof_fits(&keys, slice_cstr(auth), slice_of(bad, sizeof(bad))));
	/* StoredKey is not good for a login. */
	assert_false(scram_proof_fits(&keys, slice_cstr(auth), slice_of(keys.stored, sizeof(keys.stored))));
	buf_free(&salt);
	buf_free(&proof);
	buf_free(&want);
}

#define N "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void auth_messages(void **state)
{
	static const struct { const char *text; bool good; } t[] = {
		{ "n=u,r=C,r=C" N ",s=YQ==,i=4096,c=biws,r=C" N, true },
		{ "n=u,r=C,x=ext,r=C" N ",s=YQ==,i=4096,y=ext,c=biws,r=C" N ",z=ext", true },
		{ "n==2C=3D,r=Cc" N ",r=Cc" N N ",s=,i=,c=,r=Cc" N N, true },
		{ "", false }, { ",", false }, { "n=u", false }, { "r=C,n=u", false },
		{ "n=u,r=,r=" N ",s=YQ==,i=4096,c=biws,r=" N, false },                  /* an empty client nonce */
		{ "n=u,r=C,r=C" N ",s=YQ==,i=4096,c=biws,r=D" N, false },
		{ "n=u,r=C,r=D" N ",s=YQ==,i=4096,c=biws,r=D" N, false },
		{ "n=u,r=C,r=C" N "x,s=YQ==,i=4096,c=biws,r=C" N "x", false },
		{ "n=u,r=C,r=C" N ",i=4096,s=YQ==,c=biws,r=C" N, false },
		{ "n=u,r=C,r=C" N ",s=YQ==,i=4096,c=biws", false },
		{ "n=u,r=C,r=C" N ",s=YQ==,i=4096,c=biws,x=1,r=C" N, false },
		{ "n=u,r=C,r=C" N ",s=YQ==,i=4096", false },
		{ "n=u,r=C,r=x,r=C" N ",s=YQ==,i=4096,c=biws,r=C" N, false },
		{ "m=1,n=u,r=C,r=C" N ",s=YQ==,i=4096,c=biws,r=C" N, false },
	};
	struct slice nonce;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = scram_server_nonce(slice_cstr(t[i].text), &nonce);

		assert_row(i, r == (t[i].good ? 0 : ERR_SYNTAX));
		if (r == 0)
			assert_slice(i, nonce, N);
		/* Every beginning of it has an answer. */
		for (size_t n = 0; n < strlen(t[i].text); n++)
			if (scram_server_nonce(slice_of(t[i].text, n), &nonce) == 0)
				assert_row(i, nonce.len == SCRAM_NONCE_LEN);
	}
}

static void nonces(void **state)
{
	struct nonces *n = nonces_new(), *other = nonces_new();
	char a[SCRAM_NONCE_LEN + 1], b[SCRAM_NONCE_LEN + 1];
	struct slice user = slice_cstr("def@daum.test");

	(void)state;
	assert_int_equal(nonces_make(n, user, 1000, a), 0);
	assert_int_equal(nonces_make(n, user, 1000, b), 0);
	assert_int_equal(strlen(a), SCRAM_NONCE_LEN);
	assert_string_not_equal(a, b);
	assert_true(slice_chr(slice_cstr(a), ',') < 0);
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 1000), 0);
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 1000 + NONCE_LIFETIME), 0);
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 1001 + NONCE_LIFETIME), ERR_DENIED);
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 999), ERR_DENIED);        /* from the future */
	assert_int_equal(nonces_check(n, slice_cstr("abc@daum.test"), slice_cstr(a), 1000), ERR_DENIED);
	assert_int_equal(nonces_check(other, user, slice_cstr(a), 1000), ERR_DENIED);
	assert_int_equal(nonces_check(n, user, slice_sub(slice_cstr(a), 0, 63), 1000), ERR_DENIED);
	assert_int_equal(nonces_check(n, user, slice_of(NULL, 0), 1000), ERR_DENIED);
	a[5] ^= 1;
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 1000), ERR_DENIED);
	a[5] ^= 1;
	nonces_use(n, slice_cstr(a));
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 1000), ERR_DENIED);
	assert_int_equal(nonces_check(n, user, slice_cstr(b), 1000), 0);
	/* However many are used, none works twice. */
	for (unsigned i = 0; i < 200000; i++) {
		assert_int_equal(nonces_make(n, user, 2000 + i / 10, b), 0);
		nonces_use(n, slice_cstr(b));
		assert_row(i, nonces_check(n, user, slice_cstr(b), 2000 + i / 10) == ERR_DENIED);
	}
	assert_int_equal(nonces_check(n, user, slice_cstr(a), 22000), ERR_DENIED);
	assert_int_equal(nonces_make(n, user, 22001, b), 0);
	assert_int_equal(nonces_check(n, user, slice_cstr(b), 22001), 0);
	nonces_free(&n);
	nonces_free(&other);
}

static void app_passwords(void **state)
{
	static const struct { const char *typed, *want; } t[] = {
		{ "abcd-efgh-jkmn-pqrs-tuvw-xyz2", "abcd-efgh-jkmn-pqrs-tuvw-xyz2" },
		{ "ABCDEFGHJKMNPQRSTUVWXYZ2", "abcd-efgh-jkmn-pqrs-tuvw-xyz2" },
		{ " abcd efgh jkmn pqrs tuvw xyz2 ", "abcd-efgh-jkmn-pqrs-tuvw-xyz2" },
		{ "abcd-efgh-jkmn-pqrs-tuvw-xyz", NULL }, { "abcd-efgh-jkmn-pqrs-tuvw-xyz22", NULL },
		{ "abcd-efgh-jkmn-pqrs-tuvw-xyz1", NULL }, { "", NULL }, { "abcd_efgh", NULL }, { "l", NULL },
		{ "------------------------------------------------------------", NULL },
	};
	static const uint8_t salt[SCRAM_SALT_SIZE] = "0123456789abcde", salt2[SCRAM_SALT_SIZE] = "0123456789abcdf";
	char a[APPPASS_LEN + 1], b[APPPASS_LEN + 1];
	uint8_t h[DIGEST_SIZE], h2[DIGEST_SIZE];
	static uint8_t huge[DIGEST_INPUT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, apppass_canonical(slice_cstr(t[i].typed), a) == (t[i].want != NULL));
		if (t[i].want != NULL)
			assert_slice(i, slice_cstr(a), t[i].want);
	}
	for (unsigned i = 0; i < 1000; i++) {
		apppass_make(a);
		assert_row(i, apppass_canonical(slice_cstr(a), b) && strcmp(a, b) == 0);
	}
	assert_int_equal(apppass_hash(salt, slice_cstr(t[0].typed), h), 0);
	assert_int_equal(apppass_hash(salt, slice_cstr(t[1].typed), h2), 0);
	assert_memory_equal(h, h2, sizeof(h));
	assert_int_equal(apppass_hash(salt2, slice_cstr(t[0].typed), h2), 0);
	assert_memory_not_equal(h, h2, sizeof(h));
	assert_int_equal(apppass_hash(salt, slice_of(huge, sizeof(huge)), h), ERR_LIMIT);
}

static void services(void **state)
{
	static const struct { const char *text; int bits; } t[] = {
		{ "", 7 }, { "smtp", 1 }, { "POP3,imap", 6 }, { "imap,smtp,pop3", 7 }, { "imap,imap", 4 },
		{ "imap,", -1 }, { ",imap", -1 }, { "http", -1 }, { "imap pop3", -1 }, { ",", -1 },
	};
	uint8_t bits;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = apppass_services(slice_cstr(t[i].text), &bits);

		assert_row(i, t[i].bits < 0 ? r == ERR_SYNTAX : r == 0 && bits == t[i].bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7677), cmocka_unit_test(auth_messages), cmocka_unit_test(nonces),
		cmocka_unit_test(app_passwords), cmocka_unit_test(services),
	};

	digest_init();
	return cmocka_run_group_tests_name("scram", tests, NULL, NULL);
}
