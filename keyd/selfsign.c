#include "keyd/selfsign.h"

#include "common/base/clock.h"

enum { BACKDATE_S = 3600, DAY_S = 86400, RSA_BITS = 2048, CN_MAX = 64 };

static EVP_PKEY *new_key(enum key_type type)
{
	switch (type) {
	case KEY_RSA:
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
	case KEY_ECDSA:
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	case KEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case KEY_TYPES:
		break;
	}
	return NULL;
}

static bool add_names(X509 *x, const char *const *names, unsigned n)
{
	GENERAL_NAMES *alt = GENERAL_NAMES_new();
	bool ok = alt != NULL;

	for (unsigned i = 0; ok && i < n; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();

		ok = g != NULL && s != NULL && ASN1_STRING_set(s, names[i], (int)strlen(names[i])) == 1;
		if (ok) {
			GENERAL_NAME_set0_value(g, GEN_DNS, s);
			s = NULL;
			ok = sk_GENERAL_NAME_push(alt, g) > 0;
		}
		if (!ok) {
			ASN1_IA5STRING_free(s);
			GENERAL_NAME_free(g);
		}
	}
	ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, alt, 0, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(alt);
	return ok;
}

static bool add_text_ext(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static bool set_serial(X509 *x)
{
	uint8_t random[16];
	BIGNUM *bn;
	bool ok;

	random_fill(random, sizeof(random));
	random[0] = (uint8_t)((random[0] & 0x7f) | 0x40);
	bn = BN_bin2bn(random, sizeof(random), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;
	BN_free(bn);
	return ok;
}

static bool set_name(X509 *x, const char *name)
{
	X509_NAME *n = X509_NAME_new();
	/* a longer one stands in the subjectAltName alone */
	const char *cn = strlen(name) <= CN_MAX ? name : "Pabal";
	bool ok = n != NULL && X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1 &&
	    X509_set_subject_name(x, n) == 1 && X509_set_issuer_name(x, n) == 1;

	X509_NAME_free(n);
	return ok;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *const *names, unsigned n, uint32_t days)
{
	time_t from = (time_t)clock_wall_s() - BACKDATE_S, to = (time_t)clock_wall_s() + (time_t)days * DAY_S;

	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_name(x, names[0]) &&
	    ASN1_TIME_set(X509_getm_notBefore(x), from) != NULL && ASN1_TIME_set(X509_getm_notAfter(x), to) != NULL &&
	    X509_set_pubkey(x, key) == 1 && add_names(x, names, n) &&
	    add_text_ext(x, NID_basic_constraints, "critical,CA:FALSE") && add_text_ext(x, NID_key_usage, "critical,digitalSignature") &&
	    add_text_ext(x, NID_ext_key_usage, "serverAuth") && add_text_ext(x, NID_subject_key_identifier, "hash") &&
	    X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0;
}

int selfsign_make(enum key_type type, const char *const *names, unsigned n, uint32_t days, struct cert **c_r, struct buf *why)
{
	EVP_PKEY *key = new_key(type);
	X509 *x = X509_new();
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL;
	long len;
	int r = ERR_IO;

	*c_r = NULL;
	if (key != NULL && x != NULL && b != NULL && n != 0 && fill(x, key, names, n, days) &&
	    PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_bio_X509(b, x) == 1) {
		len = BIO_get_mem_data(b, &p);
		r = cert_load(slice_of(p, (size_t)len), slice_of(p, (size_t)len), c_r, why);
		OPENSSL_cleanse(p, (size_t)len);
	} else {
		buf_add_cstr(why, "the certificate cannot be made: ");
		crypto_add_why(why);
	}
	BIO_free(b);
	X509_free(x);
	EVP_PKEY_free(key);
	return r;
}
