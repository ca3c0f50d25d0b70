/* What keyd signs and what not. Every signature is verified. */
#include "tests/lib/unit.h"

#include "tests/keyd/pki.h"
#include "keyd/sign.h"
#include "tests/keyd/texts.h"

static const enum pki_type types[] = { PKI_RSA2048, PKI_EC256, PKI_EC384, PKI_EC521, PKI_ED25519 };
static struct cert *certs[ARRAY_LEN(types)];

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct buf text = BUF_INIT(1 << 20), why = BUF_INIT(4096);
		struct pki p;

		pki_make(&p, &(struct pki_spec){ .type = types[i], .cn = "a.test" }, NULL);
		pki_add_key(&text, &p, PKI_PKCS8);
		pki_add_cert(&text, &p);
		assert_int_equal(cert_load(buf_slice(&text), buf_slice(&text), &certs[i], &why), 0);
		pki_free(&p);
		buf_free(&text);
		buf_free(&why);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		cert_free(&certs[i]);
	return 0;
}

static bool verifies(const struct cert *c, const char *md, bool pss, struct slice text, struct slice sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;
	bool ok = EVP_DigestVerifyInit_ex(ctx, &p, md, NULL, NULL, c->pkey, NULL) == 1 &&
	    (!pss || (EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
	    EVP_DigestVerify(ctx, sig.p, sig.len, text.p, text.len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

/* All schemes with all keys and both kinds of texts: index of the keys as in types[]. */
static void schemes(void **state)
{
	static const struct { uint16_t scheme; const char *md; bool pss; const char *in13, *in12; } t[] = {
		{ 0x0401, "SHA256", false, "", "0" }, { 0x0501, "SHA384", false, "", "0" }, { 0x0601, "SHA512", false, "", "0" },
		{ 0x0804, "SHA256", true, "0", "0" }, { 0x0805, "SHA384", true, "0", "0" }, { 0x0806, "SHA512", true, "0", "0" },
		{ 0x0403, "SHA256", false, "1", "123" }, { 0x0503, "SHA384", false, "2", "123" }, { 0x0603, "SHA512", false, "3", "123" },
		{ 0x0807, NULL, false, "4", "4" },
		/* rsa_pss_pss_*, ed448, SHA-1, MD5, DSA, SM2, nonsense */
		{ 0x0809, NULL, false, "", "" }, { 0x080a, NULL, false, "", "" }, { 0x080b, NULL, false, "", "" }, { 0x0808, NULL, false, "", "" },
		{ 0x0201, NULL, false, "", "" }, { 0x0203, NULL, false, "", "" }, { 0x0101, NULL, false, "", "" }, { 0x0402, NULL, false, "", "" },
		{ 0x0708, NULL, false, "", "" }, { 0, NULL, false, "", "" }, { 0xffff, NULL, false, "", "" },
	};
	uint8_t sig[SIGNATURE_MAX], text[TEXT_ROOM];
	const char *why;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (size_t k = 0; k < ARRAY_LEN(types); k++)
			for (int tls12 = 0; tls12 < 2; tls12++) {
				struct slice s = tls12 != 0 ? text_tls12(text, 29, 32) : text_tls13(text, 32);
				bool want = strchr(tls12 != 0 ? t[i].in12 : t[i].in13, '0' + (int)k) != NULL;
				int r = sign_text(certs[k], t[i].scheme, s, sig, &n, &why);

				if (r != (want ? 0 : ERR_DENIED))
					fail_msg("scheme %04x key %zu tls12 %d: got %d (%s)", t[i].scheme, k, tls12, r, why != NULL ? why : "");
				if (want)
					assert_row(i, verifies(certs[k], t[i].md, t[i].pss, s, slice_of(sig, n)));
				else
					assert_row(i, why != NULL);
			}
}

static void good_texts(void **state)
{
	static const struct { uint16_t group; uint8_t point; } groups[] = { { 23, 65 }, { 24, 97 }, { 25, 133 }, { 29, 32 }, { 30, 56 } };
	static const size_t hashes[] = { 32, 48, 64 };
	uint8_t text[TEXT_ROOM];
	enum sign_kind kind;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
		assert_row(i, sign_text_kind(text_tls13(text, hashes[i]), &kind) == 0 && kind == SIGN_TLS13);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		assert_row(i, sign_text_kind(text_tls12(text, groups[i].group, groups[i].point), &kind) == 0 && kind == SIGN_TLS12);
	/* every length but the right one is refused, cut or with more behind it */
	for (size_t n = 0; n <= TEXT_ROOM; n++) {
		(void)text_tls13(text, 32);
		assert_row(n, (sign_text_kind(slice_of(text, n), &kind) == 0) == (n == 130 || n == 146 || n == 162));
		(void)text_tls12(text, 23, 65);
		assert_row(n, (sign_text_kind(slice_of(text, n), &kind) == 0) == (n == 64 + 4 + 65));
	}
}

/* Each change to a byte that matters. */
static void hostile_texts(void **state)
{
	static const struct { bool tls12; size_t at; uint8_t byte; } t[] = {
		{ false, 0, 'x' }, { false, 63, '\t' }, { false, 64, 't' }, { false, 64, ' ' }, { false, 73, 'c' }, { false, 97, ' ' },
		{ false, 96, 'Y' }, { false, 97, 'x' },
		{ true, 64, 1 }, { true, 64, 2 }, { true, 64, 0 }, { true, 65, 1 }, { true, 66, 22 }, { true, 66, 24 }, { true, 67, 64 },
		{ true, 67, 0 }, { true, 68, 2 }, { true, 68, 0 },
	};
	static const char client[] = "TLS 1.3, client CertificateVerify";
	static const char *const documents[] = { "", "hello", "-----BEGIN CERTIFICATE REQUEST-----",
		"TLS 1.3, server CertificateVerify", "SSH-2.0-client" };
	uint8_t text[TEXT_ROOM];
	enum sign_kind kind;
	struct slice s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		s = t[i].tls12 ? text_tls12(text, 23, 65) : text_tls13(text, 48);
		text[t[i].at] = t[i].byte;
		assert_row(i, sign_text_kind(s, &kind) == ERR_DENIED);
	}
	/* a client's proof */
	s = text_tls13(text, 32);
	memcpy(text + 64, client, sizeof(client));
	assert_int_equal(sign_text_kind(s, &kind), ERR_DENIED);
	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		assert_row(i, sign_text_kind(slice_cstr(documents[i]), &kind) == ERR_DENIED);
	/* explicit curves, DHE parameters, a hash alone, NULs */
	for (unsigned n = 0; n <= 255; n++) {
		s = text_tls12(text, (uint16_t)(n << 8), 32);
		assert_row(n, sign_text_kind(s, &kind) == ERR_DENIED);
		s = text_tls12(text, (uint16_t)n, 32);
		assert_row(n, (sign_text_kind(s, &kind) == 0) == (n == 29));
	}
	memset(text, 0, sizeof(text));
	for (size_t n = 0; n <= TEXT_ROOM; n++)
		assert_row(n, sign_text_kind(slice_of(text, n), &kind) == ERR_DENIED);
	/* randoms that pose as the other kind change nothing */
	s = text_tls12(text, 29, 32);
	memset(text, ' ', 64);
	assert_true(sign_text_kind(s, &kind) == 0 && kind == SIGN_TLS12);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(schemes), cmocka_unit_test(good_texts), cmocka_unit_test(hostile_texts) };

	crypto_init();
	return cmocka_run_group_tests_name("sign", tests, set_up, tear_down);
}
