#include "tests/lib/unit.h"

#include "tests/keyd/pki.h"

static EVP_PKEY *key_of(enum pki_type t)
{
	switch (t) {
	case PKI_EC256: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	case PKI_EC384: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	case PKI_EC521: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
	case PKI_SECP256K1: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	case PKI_RSA2048: return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	case PKI_RSA1024: return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	case PKI_RSAPSS: {
		EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
		EVP_PKEY *k = NULL;

		assert_true(EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(c, 2048) == 1 && EVP_PKEY_generate(c, &k) == 1);
		EVP_PKEY_CTX_free(c);
		return k;
	}
	case PKI_ED25519: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case PKI_ED448: return EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	}
	return NULL;
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	if (value == NULL)
		return;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

void pki_make(struct pki *p, const struct pki_spec *spec, const struct pki *issuer)
{
	static long serial = 1000;
	bool default_days = spec->days_from == 0 && spec->days_to == 0;
	int from = default_days ? -1 : spec->days_from, to = default_days ? 90 : spec->days_to;
	const struct pki *by = issuer != NULL ? issuer : p;
	time_t now = (time_t)clock_wall_s();
	X509_NAME *name = X509_NAME_new();
	bool eddsa;

	p->key = key_of(spec->type);
	p->x = X509_new();
	assert_true(p->key != NULL && p->x != NULL && name != NULL);
	if (spec->cn != NULL)
		assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)spec->cn, -1, -1, 0), 1);
	assert_int_equal(X509_set_version(p->x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(p->x), ++serial), 1);
	assert_int_equal(X509_set_subject_name(p->x, name), 1);
	assert_int_equal(X509_set_issuer_name(p->x, issuer != NULL ? X509_get_subject_name(issuer->x) : name), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(p->x), now + from * 86400L));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(p->x), now + to * 86400L));
	assert_int_equal(X509_set_pubkey(p->x, p->key), 1);
	add_ext(p->x, by->x, NID_subject_alt_name, spec->alt);
	add_ext(p->x, by->x, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_ext(p->x, by->x, NID_key_usage, spec->ca ? "critical,keyCertSign" : spec->ku);
	add_ext(p->x, by->x, NID_ext_key_usage, spec->eku);
	eddsa = EVP_PKEY_is_a(by->key, "ED25519") || EVP_PKEY_is_a(by->key, "ED448");
	assert_true(X509_sign(p->x, by->key, eddsa ? NULL : EVP_sha256()) > 0);
	X509_NAME_free(name);
}

void pki_free(struct pki *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->x);
	p->key = NULL;
	p->x = NULL;
}

static void add_bio(struct buf *b, BIO *mem)
{
	char *p = NULL;
	long n = BIO_get_mem_data(mem, &p);

	buf_add(b, p, (size_t)n);
	BIO_free(mem);
}

void pki_add_cert(struct buf *b, const struct pki *p)
{
	BIO *mem = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(mem, p->x), 1);
	add_bio(b, mem);
}

void pki_add_key(struct buf *b, const struct pki *p, enum pki_key_form form)
{
	static unsigned char pass[] = "geheim";
	BIO *mem = BIO_new(BIO_s_mem());
	int r = 0;

	switch (form) {
	case PKI_PKCS8:
		r = PEM_write_bio_PKCS8PrivateKey(mem, p->key, NULL, NULL, 0, NULL, NULL);
		break;
	case PKI_TRADITIONAL:
		r = PEM_write_bio_PrivateKey_traditional(mem, p->key, NULL, NULL, 0, NULL, NULL);
		break;
	case PKI_ENCRYPTED:
		r = PEM_write_bio_PKCS8PrivateKey(mem, p->key, EVP_aes_256_cbc(), (char *)pass, 6, NULL, NULL);
		break;
	case PKI_ENCRYPTED_TRADITIONAL:
		r = PEM_write_bio_PrivateKey_traditional(mem, p->key, EVP_aes_256_cbc(), pass, 6, NULL, NULL);
		break;
	}
	assert_int_equal(r, 1);
	add_bio(b, mem);
}
