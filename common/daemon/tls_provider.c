/*
 * The OpenSSL provider "pabal": private keys that are somewhere else.
 *
 * A key of it (RSA, RSA-PSS, EC, Ed25519) is the public key of the default provider, which answers every question
 * about it, and the name under which keyd knows the private one. It can do one thing: sign the text of a handshake,
 * for which conn_tls_sign() asks keyd.
 *
 * OpenSSL 3 looks for a signature first in the default provider and gives it an exported copy of the key. An export
 * that would have to hold the private part is therefore refused: then OpenSSL takes the signature of the key's own
 * provider.
 */
#include "common/daemon/tls_private.h"

const char tls_provider_name[] = "pabal";
#define PROP "provider=pabal"
#define PARAM_ID "pabal-key-id"

enum type { TYPE_RSA, TYPE_RSA_PSS, TYPE_EC, TYPE_ED25519 };
static const char *const type_names[] = { "RSA", "RSA-PSS", "EC", "ED25519" };

/* ---- keys ----------------------------------------------------------------------- */

struct key {
	enum type type;
	EVP_PKEY *pub;
	uint8_t id[KEY_ID_SIZE];
};

static void *key_new(enum type type)
{
	struct key *k = OPENSSL_zalloc(sizeof(*k));

	if (k != NULL)
		k->type = type;
	return k;
}

static void key_free(void *v)
{
	struct key *k = v;

	if (k == NULL)
		return;
	EVP_PKEY_free(k->pub);
	OPENSSL_free(k);
}

static void *rsa_new(void *prov) { (void)prov; return key_new(TYPE_RSA); }
static void *rsa_pss_new(void *prov) { (void)prov; return key_new(TYPE_RSA_PSS); }
static void *ec_new(void *prov) { (void)prov; return key_new(TYPE_EC); }
static void *ed25519_new(void *prov) { (void)prov; return key_new(TYPE_ED25519); }

/* The private part counts as there. */
static int key_has(const void *v, int selection)
{
	const struct key *k = v;

	(void)selection;
	return k != NULL && k->pub != NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
	const struct key *ka = a, *kb = b;

	(void)selection;
	return ka->pub != NULL && kb->pub != NULL && EVP_PKEY_eq(ka->pub, kb->pub) == 1;
}

static int key_import(void *v, int selection, const OSSL_PARAM params[])
{
	struct key *k = v;
	const OSSL_PARAM *id = OSSL_PARAM_locate_const(params, PARAM_ID);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(tls_lib(), type_names[k->type], "provider=default");
	int ok = c != NULL && k->pub == NULL && EVP_PKEY_fromdata_init(c) == 1 &&
	    EVP_PKEY_fromdata(c, &k->pub, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) == 1;

	(void)selection;
	if (ok && id != NULL) {
		ok = id->data_type == OSSL_PARAM_OCTET_STRING && id->data_size == sizeof(k->id);
		if (ok)
			memcpy(k->id, id->data, sizeof(k->id));
	}
	EVP_PKEY_CTX_free(c);
	return ok;
}

static int key_export(void *v, int selection, OSSL_CALLBACK *cb, void *arg)
{
	struct key *k = v;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || k->pub == NULL)
		return 0;
	return EVP_PKEY_export(k->pub, EVP_PKEY_PUBLIC_KEY, cb, arg);
}

static const OSSL_PARAM *key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(PARAM_ID, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : NULL;
}

static int key_get_params(void *v, OSSL_PARAM params[])
{
	struct key *k = v;

	return k->pub != NULL && EVP_PKEY_get_params(k->pub, params) == 1;
}

static const OSSL_PARAM *key_gettable(void *prov)
{
	static const OSSL_PARAM list[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)prov;
	return list;
}

/* The names of the signatures, as in the default provider. */
static const char *rsa_operation(int op) { return op == OSSL_OP_SIGNATURE ? "RSA" : NULL; }
static const char *ec_operation(int op) { return op == OSSL_OP_SIGNATURE ? "ECDSA" : NULL; }
static const char *ed25519_operation(int op) { return op == OSSL_OP_SIGNATURE ? "ED25519" : NULL; }

#define FN(id, f) { (id), (void (*)(void))(f) }
#define KEYMGMT(name, make, operation) \
	static const OSSL_DISPATCH name[] = { \
		FN(OSSL_FUNC_KEYMGMT_NEW, make), FN(OSSL_FUNC_KEYMGMT_FREE, key_free), \
		FN(OSSL_FUNC_KEYMGMT_HAS, key_has), FN(OSSL_FUNC_KEYMGMT_MATCH, key_match), \
		FN(OSSL_FUNC_KEYMGMT_IMPORT, key_import), FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types), \
		FN(OSSL_FUNC_KEYMGMT_EXPORT, key_export), FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_import_types), \
		FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable), \
		FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation), { 0, NULL }, \
	};
KEYMGMT(rsa_keymgmt, rsa_new, rsa_operation)
KEYMGMT(rsa_pss_keymgmt, rsa_pss_new, rsa_operation)
KEYMGMT(ec_keymgmt, ec_new, ec_operation)
KEYMGMT(ed25519_keymgmt, ed25519_new, ed25519_operation)

/* ---- signatures ------------------------------------------------------------------ */

struct signer {
	const struct key *key;
	unsigned hash;          /* 256, 384, 512; 0: none */
	bool pss;
};

static void *signer_new(void *prov, const char *propq)
{
	(void)prov;
	(void)propq;
	return OPENSSL_zalloc(sizeof(struct signer));
}

static void signer_free(void *v) { OPENSSL_free(v); }

static void *signer_dup(void *v) { return OPENSSL_memdup(v, sizeof(struct signer)); }

static int hash_bits(const char *name, unsigned *bits_r)
{
	static const struct { const char *name; unsigned bits; } names[] = {
		{ "", 0 }, { "SHA256", 256 }, { "SHA2-256", 256 }, { "SHA384", 384 }, { "SHA2-384", 384 },
		{ "SHA512", 512 }, { "SHA2-512", 512 },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_ieq_cstr(slice_cstr(name), names[i].name)) {
			*bits_r = names[i].bits;
			return 1;
		}
	}
	return 0;
}

static int padding_set(struct signer *s, const OSSL_PARAM *p)
{
	int pad = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		s->pss = p->data != NULL && strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
		return s->pss || (p->data != NULL && strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0);
	}
	if (OSSL_PARAM_get_int(p, &pad) != 1)
		return 0;
	s->pss = pad == RSA_PKCS1_PSS_PADDING;
	return s->pss || pad == RSA_PKCS1_PADDING;
}

/* TLS knows one salt length only: that of the hash. */
static int salt_set(const struct signer *s, const OSSL_PARAM *p)
{
	int n = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		return p->data != NULL && strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	return OSSL_PARAM_get_int(p, &n) == 1 && (n == RSA_PSS_SALTLEN_DIGEST || n == (int)s->hash / 8);
}

static int signer_set_params(void *v, const OSSL_PARAM params[])
{
	struct signer *s = v;
	const OSSL_PARAM *p;
	unsigned mgf = 0;

	if (params == NULL)
		return 1;
	if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST)) != NULL &&
	    (p->data_type != OSSL_PARAM_UTF8_STRING || !hash_bits(p->data, &s->hash)))
		return 0;
	if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)) != NULL && !padding_set(s, p))
		return 0;
	if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN)) != NULL && !salt_set(s, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
	return p == NULL || (p->data_type == OSSL_PARAM_UTF8_STRING && hash_bits(p->data, &mgf) && mgf == s->hash);
}

static const OSSL_PARAM *signer_settable(void *v, void *prov)
{
	static const OSSL_PARAM list[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)v;
	(void)prov;
	return list;
}

static int signer_init(void *v, const char *md, void *key, const OSSL_PARAM params[])
{
	struct signer *s = v;

	if (key != NULL)
		s->key = key;
	if (s->key == NULL || s->key->pub == NULL || !hash_bits(md != NULL ? md : "", &s->hash))
		return 0;
	s->pss = s->key->type == TYPE_RSA_PSS;
	return signer_set_params(s, params);
}

/* RFC 8446 4.2.3; 0: TLS has no such signature. */
static uint16_t scheme(const struct signer *s)
{
	unsigned i = s->hash == 256 ? 0 : s->hash == 384 ? 1 : 2;

	if (s->key->type == TYPE_ED25519)
		return s->hash == 0 ? 0x0807 : 0;
	if (s->hash == 0)
		return 0;
	switch (s->key->type) {
	case TYPE_EC:
		return (uint16_t)(0x0403 + (i << 8));
	case TYPE_RSA_PSS:
		return s->pss ? (uint16_t)(0x0809 + i) : 0;
	default:
		return s->pss ? (uint16_t)(0x0804 + i) : (uint16_t)(0x0401 + (i << 8));
	}
}

/* Runs on the small stack of an ASYNC job, which sleeps in conn_tls_sign(). */
static int signer_sign(void *v, unsigned char *sig, size_t *len, size_t size, const unsigned char *text, size_t text_len)
{
	const struct signer *s = v;
	size_t most = (size_t)EVP_PKEY_get_size(s->key->pub);

	if (sig == NULL) {
		*len = most;
		return 1;
	}
	*len = size < most ? size : most;
	return scheme(s) != 0 && conn_tls_sign(s->key->id, scheme(s), slice_of(text, text_len), sig, len) == 0;
}

static const OSSL_DISPATCH signature[] = {
	FN(OSSL_FUNC_SIGNATURE_NEWCTX, signer_new), FN(OSSL_FUNC_SIGNATURE_FREECTX, signer_free),
	FN(OSSL_FUNC_SIGNATURE_DUPCTX, signer_dup), FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signer_init),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signer_sign),
	FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signer_set_params),
	FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signer_settable),
	{ 0, NULL },
};

/* ---- the provider ------------------------------------------------------------------- */

/* The same names as the default provider's, so that OpenSSL knows that the types are the same. */
static const OSSL_ALGORITHM keymgmts[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROP, rsa_keymgmt, NULL },
	{ "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", PROP, rsa_pss_keymgmt, NULL },
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", PROP, ec_keymgmt, NULL },
	{ "ED25519:1.3.101.112", PROP, ed25519_keymgmt, NULL },
	{ NULL, NULL, NULL, NULL },
};
static const OSSL_ALGORITHM signatures[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROP, signature, NULL },
	{ "ECDSA", PROP, signature, NULL },
	{ "ED25519:1.3.101.112", PROP, signature, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *query(void *prov, int op, int *no_cache)
{
	(void)prov;
	*no_cache = 0;
	return op == OSSL_OP_KEYMGMT ? keymgmts : op == OSSL_OP_SIGNATURE ? signatures : NULL;
}

int tls_provider_init(const OSSL_CORE_HANDLE *h, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx_r)
{
	static const OSSL_DISPATCH provider[] = { FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), { 0, NULL } };

	(void)in;
	*ctx_r = (void *)(uintptr_t)h;
	*out = provider;
	return 1;
}

EVP_PKEY *tls_remote_key(X509 *x, const uint8_t id[KEY_ID_SIZE])
{
	OSSL_PARAM extra[] = { OSSL_PARAM_octet_string(PARAM_ID, (void *)(uintptr_t)id, KEY_ID_SIZE), OSSL_PARAM_END };
	OSSL_PARAM *data = NULL, *all = NULL;
	EVP_PKEY *pub = X509_get0_pubkey(x), *key = NULL;
	EVP_PKEY_CTX *c = NULL;
	unsigned i = 0;

	while (pub != NULL && i < ARRAY_LEN(type_names) && EVP_PKEY_is_a(pub, type_names[i]) != 1)
		i++;
	if (pub == NULL || i == ARRAY_LEN(type_names))
		return NULL;
	if (EVP_PKEY_todata(pub, EVP_PKEY_PUBLIC_KEY, &data) != 1 || (all = OSSL_PARAM_merge(data, extra)) == NULL ||
	    (c = EVP_PKEY_CTX_new_from_name(tls_lib(), type_names[i], PROP)) == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, all) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(c);
	OPENSSL_free(all);
	OSSL_PARAM_free(data);
	return key;
}
