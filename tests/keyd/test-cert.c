/* Reading keys and chains: what is good, and what each bad one is called. */
#include "tests/lib/unit.h"

#include "tests/keyd/pki.h"
#include "keyd/selfsign.h"

static struct pki root, inter;

static int set_up(void **state)
{
	(void)state;
	pki_make(&root, &(struct pki_spec){ .type = PKI_EC256, .cn = "Test Root", .ca = true }, NULL);
	pki_make(&inter, &(struct pki_spec){ .type = PKI_RSA2048, .cn = "Test Intermediate", .ca = true }, &root);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pki_free(&root);
	pki_free(&inter);
	return 0;
}

/* How the texts are made of the parts: k the leaf's key, l leaf, i intermediate, r root, o another's key, x half of a
 * certificate, g garbage, p encrypted with a passphrase, e an empty line of comment. */
static void compose(struct buf *b, const char *parts, const struct pki *leaf, const struct pki *other, enum pki_key_form form)
{
	struct buf half = BUF_INIT(65536);

	for (; *parts != '\0'; parts++)
		switch (*parts) {
		case 'k': pki_add_key(b, leaf, form); break;
		case 'l': pki_add_cert(b, leaf); break;
		case 'i': pki_add_cert(b, &inter); break;
		case 'r': pki_add_cert(b, &root); break;
		case 'o': pki_add_key(b, other, form); break;
		case 'x':
			buf_reset(&half);
			pki_add_cert(&half, leaf);
			buf_add_slice(b, slice_sub(buf_slice(&half), 0, buf_len(&half) / 2));
			break;
		case 'g': buf_add_cstr(b, "-----BEGIN CERTIFICATE-----\nAAAA!!!!\n-----END CERTIFICATE-----\n"); break;
		case 'p':
			buf_add_cstr(b, "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
			    "AAECAwQFBgcICQoLDA0ODw==\n-----END CERTIFICATE-----\n");
			break;
		case 'e': buf_add_cstr(b, "# a comment\r\n\r\n"); break;
		case 'n': buf_add(b, "\0\0\0", 3); break;
		default: fail();
		}
	buf_free(&half);
}

static void parses(void **state)
{
	static const struct { struct pki_spec leaf; enum pki_key_form form; const char *key, *chain; int r; const char *want; } t[] = {
		/* want: the type, or a part of the reason */
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "li", 0, "ECDSA P-256" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_TRADITIONAL, "ek", "elir", 0, "ECDSA P-256" },
		{ { PKI_EC384, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", 0, "ECDSA P-384" },
		{ { PKI_EC521, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", 0, "ECDSA P-521" },
		{ { PKI_RSA2048, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_TRADITIONAL, "k", "li", 0, "RSA 2048" },
		{ { PKI_ED25519, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "li", 0, "Ed25519" },
		{ { PKI_ED25519, "a", "DNS:a.test", 0, 0, 0, "digitalSignature", "serverAuth,clientAuth" }, PKI_PKCS8, "k", "l", 0, "Ed25519" },
		/* one text for both, in any order */
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "kli", "kli", 0, "ECDSA P-256" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "lk", "lk", 0, "ECDSA P-256" },
		/* dates are not judged */
		{ { PKI_EC256, "a", "DNS:a.test", -20, -10, 0, NULL, NULL }, PKI_PKCS8, "k", "l", 0, "ECDSA P-256" },
		{ { PKI_EC256, "a", "DNS:a.test", 10, 20, 0, NULL, NULL }, PKI_PKCS8, "k", "l", 0, "ECDSA P-256" },
		{ { PKI_EC256, "a", "DNS:a.test", 10, 5, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_SYNTAX, "dates make no sense" },
		/* keys */
		{ { PKI_RSA1024, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_DENIED, "the RSA key has 1024 bits" },
		{ { PKI_SECP256K1, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_DENIED, "curve secp256k1" },
		{ { PKI_ED448, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_DENIED, "none of RSA, ECDSA and Ed25519" },
		{ { PKI_RSAPSS, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_DENIED, "none of RSA, ECDSA and Ed25519" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_ENCRYPTED, "k", "l", ERR_DENIED, "encrypted" },
		{ { PKI_RSA2048, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_ENCRYPTED_TRADITIONAL, "k", "l", ERR_DENIED, "encrypted" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "", "l", ERR_SYNTAX, "no private key" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "l", "l", ERR_SYNTAX, "no private key" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "n", "l", ERR_SYNTAX, "no private key" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "o", "l", ERR_SYNTAX, "does not belong" },
		/* chains */
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "", ERR_SYNTAX, "no certificate" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "k", ERR_SYNTAX, "no certificate" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "il", ERR_SYNTAX, "does not belong" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "lri", ERR_SYNTAX, "certificate 1 of the chain is not issued" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "lir", 0, "ECDSA P-256" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "lii", ERR_SYNTAX, "certificate 2 of the chain" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "x", ERR_SYNTAX, "certificate 1 cannot be read" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "lx", ERR_SYNTAX, "certificate 2 cannot be read" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "lg", ERR_SYNTAX, "certificate 2 cannot be read" },
		/* nobody is asked for a passphrase */
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "lp", ERR_SYNTAX, "certificate 2 cannot be read: bad password read" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "liiiiiiiiii", ERR_LIMIT, "more than 10" },
		/* purpose and names */
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, NULL, "clientAuth" }, PKI_PKCS8, "k", "l", ERR_DENIED, "not for TLS servers" },
		{ { PKI_EC256, "a", "DNS:a.test", 0, 0, 0, "keyAgreement", NULL }, PKI_PKCS8, "k", "l", ERR_DENIED, "not for TLS servers" },
		{ { PKI_EC256, "a.cn.test", NULL, 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", 0, "ECDSA P-256" },
		{ { PKI_EC256, "no host name", NULL, 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_SYNTAX, "no host name" },
		{ { PKI_EC256, NULL, "email:a@b.test", 0, 0, 0, NULL, NULL }, PKI_PKCS8, "k", "l", ERR_SYNTAX, "no host name" },
	};
	struct pki other;

	(void)state;
	pki_make(&other, &(struct pki_spec){ .type = PKI_EC256, .cn = "other" }, NULL);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf key = BUF_INIT(1 << 20), chain = BUF_INIT(1 << 20), why = BUF_INIT(4096), type = BUF_INIT(100);
		struct cert *c;
		struct pki leaf;
		int r;

		pki_make(&leaf, &t[i].leaf, &inter);
		compose(&key, t[i].key, &leaf, &other, t[i].form);
		compose(&chain, t[i].chain, &leaf, &other, t[i].form);
		r = cert_load(buf_slice(&key), buf_slice(&chain), &c, &why);
		buf_add_byte(&why, '\0');
		if (r != t[i].r)
			fail_msg("row %zu: got %d (%s) want %d", i, r, why.p, t[i].r);
		if (r == 0) {
			cert_add_type(&type, c);
			assert_slice(i, buf_slice(&type), t[i].want);
			assert_slice(i, slice_cstr(c->issuer), "Test Intermediate");
			assert_row(i, !c->self_signed);
		} else {
			assert_null(c);
			if (strstr((const char *)why.p, t[i].want) == NULL)
				fail_msg("row %zu: got \"%s\" want \"%s\"", i, why.p, t[i].want);
		}
		cert_free(&c);
		pki_free(&leaf);
		buf_free(&key);
		buf_free(&chain);
		buf_free(&why);
		buf_free(&type);
	}
	pki_free(&other);
}

/* What was written can be read, and the key in it is the same one. */
static void round_trip(void **state)
{
	static const enum pki_type types[] = { PKI_EC256, PKI_RSA2048, PKI_ED25519 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct buf text = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20), why = BUF_INIT(4096);
		struct cert *a, *b;
		struct pki leaf;

		pki_make(&leaf, &(struct pki_spec){ .type = types[i], .cn = "a", .alt = "DNS:a.test" }, &inter);
		pki_add_key(&text, &leaf, types[i] == PKI_ED25519 ? PKI_PKCS8 : PKI_TRADITIONAL);
		pki_add_cert(&text, &leaf);
		pki_add_cert(&text, &inter);
		assert_int_equal(cert_load(buf_slice(&text), buf_slice(&text), &a, &why), 0);
		assert_int_equal(a->certificates, 2);
		assert_int_equal(cert_write(a, &again), 0);
		assert_int_equal(cert_load(buf_slice(&again), buf_slice(&again), &b, &why), 0);
		assert_memory_equal(a->id, b->id, sizeof(a->id));
		assert_memory_equal(a->fingerprint, b->fingerprint, 32);
		assert_true(slice_eq(buf_slice(&a->chain), buf_slice(&b->chain)));
		assert_int_equal(EVP_PKEY_eq(a->pkey, b->pkey), 1);
		/* what is told to others has no key in it */
		buf_add_byte(&a->pem, '\0');
		assert_null(strstr((const char *)a->pem.p, "PRIVATE"));
		cert_free(&a);
		cert_free(&b);
		pki_free(&leaf);
		buf_free(&text);
		buf_free(&again);
		buf_free(&why);
	}
}

static void names(void **state)
{
	static const struct { const char *alt, *want, *first; } t[] = {
		{ "DNS:b.test,DNS:A.test,DNS:b.TEST", "a.test b.test", "b.test" },
		{ "DNS:*.b.test,DNS:b.test", "*.b.test b.test", "*.b.test" },
		{ "DNS:a..test,DNS:.a.test,DNS:a.test.,DNS:*a.test,DNS:a.*.test,DNS:*,DNS:a b,DNS:ok.test", "ok.test", "ok.test" },
		{ "DNS:_x.test,DNS:xn--bcher-kva.test", "_x.test xn--bcher-kva.test", "_x.test" },
		{ "IP:192.0.2.1,DNS:only.test,email:x@y.test", "only.test", "only.test" },
	};
	static const struct { const char *host; bool covers; } hosts[] = {
		{ "b.test", true }, { "x.b.test", true }, { "x.y.b.test", false }, { ".b.test", false }, { "xb.test", false }, { "test", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf text = BUF_INIT(1 << 20), why = BUF_INIT(4096), got = BUF_INIT(4096);
		struct cert *c;
		struct pki leaf;

		pki_make(&leaf, &(struct pki_spec){ .type = PKI_EC256, .cn = "cn.test", .alt = t[i].alt }, NULL);
		pki_add_key(&text, &leaf, PKI_PKCS8);
		pki_add_cert(&text, &leaf);
		assert_int_equal(cert_load(buf_slice(&text), buf_slice(&text), &c, &why), 0);
		assert_true(c->self_signed);
		for (unsigned n = 0; n < c->names_n; n++)
			buf_addf(&got, "%s%s", n != 0 ? " " : "", c->names[n]);
		assert_slice(i, buf_slice(&got), t[i].want);
		assert_string_equal(c->first, t[i].first);
		if (i == 1)
			for (size_t k = 0; k < ARRAY_LEN(hosts); k++)
				assert_row(k, cert_covers(c, hosts[k].host) == hosts[k].covers);
		cert_free(&c);
		pki_free(&leaf);
		buf_free(&text);
		buf_free(&why);
		buf_free(&got);
	}
}

/* A key whose halves do not fit although its public half is the certificate's. */
static void damaged(void **state)
{
	struct buf text = BUF_INIT(1 << 20), why = BUF_INIT(4096);
	struct pki a, b;
	struct cert *c;
	unsigned char *pa = NULL, *pb = NULL;
	BIO *mem = BIO_new(BIO_s_mem());
	char *q = NULL;
	int na, nb;

	(void)state;
	pki_make(&a, &(struct pki_spec){ .type = PKI_EC256, .cn = "a.test" }, NULL);
	pki_make(&b, &(struct pki_spec){ .type = PKI_EC256, .cn = "a.test" }, NULL);
	/* SEC1 keys of P-256: the scalar stands at 7, the public point at the end */
	na = i2d_PrivateKey(a.key, &pa);
	nb = i2d_PrivateKey(b.key, &pb);
	assert_true(na == nb && na > 100);
	memcpy(pa + 7, pb + 7, 32);
	assert_true(PEM_write_bio(mem, "EC PRIVATE KEY", "", pa, na) > 0);
	na = (int)BIO_get_mem_data(mem, &q);
	buf_add(&text, q, (size_t)na);
	pki_add_cert(&text, &a);
	assert_int_equal(cert_load(buf_slice(&text), buf_slice(&text), &c, &why), ERR_SYNTAX);
	buf_add_byte(&why, '\0');
	assert_non_null(strstr((const char *)why.p, "damaged"));
	BIO_free(mem);
	OPENSSL_free(pa);
	OPENSSL_free(pb);
	pki_free(&a);
	pki_free(&b);
	buf_free(&text);
	buf_free(&why);
}

static void self_signed(void **state)
{
	static const char *const hosts[] = { "mx.a.test", "*.a.test" };

	(void)state;
	for (int t = 0; t < KEY_TYPES; t++) {
		struct buf why = BUF_INIT(4096);
		struct cert *c;

		assert_int_equal(selfsign_make((enum key_type)t, hosts, 2, 30, &c, &why), 0);
		assert_true(c->self_signed && c->type == (enum key_type)t && c->names_n == 2 && c->certificates == 1);
		assert_string_equal(c->first, "mx.a.test");
		assert_true(c->not_after - clock_wall_s() <= 30 * 86400 && c->not_after - clock_wall_s() > 29 * 86400);
		cert_free(&c);
		buf_free(&why);
	}
}

/* Every cut of a good text is either a good text or refused. */
static void cuts(void **state)
{
	struct buf text = BUF_INIT(1 << 20), why = BUF_INIT(65536);
	struct pki leaf;
	struct cert *c;
	unsigned good = 0;

	(void)state;
	pki_make(&leaf, &(struct pki_spec){ .type = PKI_ED25519, .cn = "a", .alt = "DNS:a.test" }, &inter);
	pki_add_key(&text, &leaf, PKI_PKCS8);
	pki_add_cert(&text, &leaf);
	for (size_t n = 0; n <= buf_len(&text); n++) {
		buf_reset(&why);
		if (cert_load(slice_sub(buf_slice(&text), 0, n), slice_sub(buf_slice(&text), 0, n), &c, &why) == 0)
			good++;
		else
			assert_true(buf_len(&why) != 0 && c == NULL);
		cert_free(&c);
	}
	/* with its last line end, and without */
	assert_int_equal(good, 2);
	pki_free(&leaf);
	buf_free(&text);
	buf_free(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(parses), cmocka_unit_test(round_trip), cmocka_unit_test(names),
		cmocka_unit_test(damaged), cmocka_unit_test(self_signed), cmocka_unit_test(cuts) };

	crypto_init();
	return cmocka_run_group_tests_name("cert", tests, set_up, tear_down);
}
