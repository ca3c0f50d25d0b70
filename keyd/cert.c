#include "keyd/cert.h"

#include <stdlib.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 /* a signature has to fit into key_signature */ };

/* ---- PEM -------------------------------------------------------------------------- */

/* Nobody is there to be asked for a passphrase; that it was wanted is all we need to know. */
static int no_passphrase(char *buf, int size, int rwflag, void *asked)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)asked = true;
	return -1;
}

static int read_key(struct slice pem, EVP_PKEY **key_r, struct buf *why)
{
	BIO *b = BIO_new_mem_buf(pem.len != 0 ? (const void *)pem.p : "", (int)pem.len);
	bool asked = false;

	if (b == NULL)
		return ERR_NOMEM;
	*key_r = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, &asked);
	BIO_free(b);
	if (*key_r != NULL) {
		ERR_clear_error();
		return 0;
	}
	if (asked) {
		buf_add_cstr(why, "the private key is encrypted, which keyd cannot undo; decrypt it: openssl pkey -in KEY -out NEW");
		ERR_clear_error();
		return ERR_DENIED;
	}
	buf_add_cstr(why, "there is no private key in PEM that can be read: ");
	crypto_add_why(why);
	return ERR_SYNTAX;
}

static int read_chain(struct slice pem, STACK_OF(X509) *chain, struct buf *why)
{
	BIO *b = BIO_new_mem_buf(pem.len != 0 ? (const void *)pem.p : "", (int)pem.len);
	bool asked = false;
	unsigned long e;
	int r = 0;

	if (b == NULL)
		return ERR_NOMEM;
	while (r == 0) {
		X509 *x = PEM_read_bio_X509(b, NULL, no_passphrase, &asked);

		if (x == NULL)
			break;
		if (sk_X509_num(chain) == CERT_CHAIN_N) {
			buf_addf(why, "there are more than %d certificates in the chain", CERT_CHAIN_N);
			r = ERR_LIMIT;
		} else if (sk_X509_push(chain, x) > 0) {
			continue;
		} else {
			r = ERR_NOMEM;
		}
		X509_free(x);
	}
	BIO_free(b);
	e = ERR_peek_last_error();
	if (r == 0 && !(ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)) {
		buf_addf(why, "certificate %d cannot be read: ", sk_X509_num(chain) + 1);
		crypto_add_why(why);
		return ERR_SYNTAX;
	}
	ERR_clear_error();
	if (r == 0 && sk_X509_num(chain) == 0) {
		buf_add_cstr(why, "there is no certificate in PEM");
		return ERR_SYNTAX;
	}
	return r;
}

/* ---- checks ----------------------------------------------------------------------- */

static int check_strength(struct cert *c, struct buf *why)
{
	char group[64] = "";

	c->bits = (unsigned)EVP_PKEY_get_bits(c->pkey);
	if (EVP_PKEY_is_a(c->pkey, "RSA")) {
		c->type = KEY_RSA;
		if (c->bits >= RSA_BITS_MIN && c->bits <= RSA_BITS_MAX)
			return 0;
		buf_addf(why, "the RSA key has %u bits; from %d to %d are taken", c->bits, RSA_BITS_MIN, RSA_BITS_MAX);
		return ERR_DENIED;
	}
	if (EVP_PKEY_is_a(c->pkey, "EC")) {
		c->type = KEY_ECDSA;
		(void)EVP_PKEY_get_group_name(c->pkey, group, sizeof(group), NULL);
		if (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 || strcmp(group, "secp521r1") == 0)
			return 0;
		buf_addf(why, "the key's curve %.60s is not one of P-256, P-384 and P-521", group);
		return ERR_DENIED;
	}
	if (EVP_PKEY_is_a(c->pkey, "ED25519")) {
		c->type = KEY_ED25519;
		return 0;
	}
	buf_add_cstr(why, "the key is none of RSA, ECDSA and Ed25519");
	return ERR_DENIED;
}

/* Both halves belong together only if what one signs the other verifies. */
static bool key_works(EVP_PKEY *key, EVP_PKEY *pub)
{
	static const uint8_t text[] = "keyd looks whether this key works";
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	uint8_t sig[1024 + 64];
	size_t n = sizeof(sig);
	EVP_MD_CTX *s = EVP_MD_CTX_new(), *v = EVP_MD_CTX_new();
	bool ok = s != NULL && v != NULL && EVP_DigestSignInit(s, NULL, md, NULL, key) == 1 &&
	    EVP_DigestSign(s, sig, &n, text, sizeof(text)) == 1 && EVP_DigestVerifyInit(v, NULL, md, NULL, pub) == 1 &&
	    EVP_DigestVerify(v, sig, n, text, sizeof(text)) == 1;

	EVP_MD_CTX_free(s);
	EVP_MD_CTX_free(v);
	ERR_clear_error();
	return ok;
}

static int check_fit(const struct cert *c, X509 *x, struct buf *why)
{
	EVP_PKEY *pub = X509_get0_pubkey(x);

	if (pub == NULL || EVP_PKEY_eq(pub, c->pkey) != 1) {
		ERR_clear_error();
		buf_add_cstr(why, "the private key does not belong to the first certificate");
		return ERR_SYNTAX;
	}
	if (key_works(c->pkey, pub))
		return 0;
	buf_add_cstr(why, "the private key is damaged: what it signs does not verify");
	return ERR_SYNTAX;
}

/* RFC 8446 4.4.2: each certificate should certify the one before it. */
static int check_order(STACK_OF(X509) *chain, struct buf *why)
{
	for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i), *issuer = sk_X509_value(chain, i + 1);
		bool ok = X509_check_issued(issuer, x) == X509_V_OK && X509_verify(x, X509_get0_pubkey(issuer)) == 1;

		ERR_clear_error();
		if (ok)
			continue;
		buf_addf(why, "certificate %d of the chain is not issued by the one behind it: put them in order, the host's own first", i + 1);
		return ERR_SYNTAX;
	}
	return 0;
}

static int check_purpose(X509 *x, struct buf *why)
{
	uint32_t ku = X509_get_key_usage(x), eku = X509_get_extended_key_usage(x);
	bool bad = (X509_get_extension_flags(x) & EXFLAG_INVALID) != 0;

	ERR_clear_error();
	if (!bad && (ku & KU_DIGITAL_SIGNATURE) != 0 && (eku & (XKU_SSL_SERVER | XKU_ANYEKU)) != 0)
		return 0;
	buf_add_cstr(why, bad ? "the certificate has extensions that cannot be read" :
	    "the certificate is not for TLS servers (keyUsage without digitalSignature, or extendedKeyUsage without serverAuth)");
	return bad ? ERR_SYNTAX : ERR_DENIED;
}

/* ---- load ------------------------------------------------------------------------- */

static int digest(const void *p, size_t n, uint8_t out_r[32])
{
	return EVP_Q_digest(NULL, "SHA256", NULL, p, n, out_r, NULL) == 1 ? 0 : ERR_NOMEM;
}

static int read_id(struct cert *c, X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der), r;

	if (n <= 0)
		return ERR_NOMEM;
	r = digest(der, (size_t)n, c->id);
	OPENSSL_free(der);
	return r;
}

static int add_pem(struct buf *b, X509 *x)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	if (mem == NULL || PEM_write_bio_X509(mem, x) != 1) {
		BIO_free(mem);
		return ERR_NOMEM;
	}
	n = BIO_get_mem_data(mem, &p);
	buf_add(b, p, (size_t)n);
	BIO_free(mem);
	return buf_err(b);
}

static int keep_chain(struct cert *c, STACK_OF(X509) *chain, struct buf *why)
{
	int r = 0;

	c->chain = BUF_INIT(CERT_CHAIN_MAX);
	c->pem = BUF_INIT(2 * CERT_PEM_MAX);
	c->certificates = (unsigned)sk_X509_num(chain);
	for (int i = 0; r == 0 && i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);
		unsigned char *der = NULL;
		int n = i2d_X509(x, &der);

		if (n <= 0)
			return ERR_NOMEM;
		buf_add(&c->chain, der, (size_t)n);
		if (i == 0)
			r = digest(der, (size_t)n, c->fingerprint);
		OPENSSL_free(der);
		if (r == 0)
			r = add_pem(&c->pem, x);
	}
	if (r == 0 && buf_err(&c->chain) == ERR_LIMIT) {
		buf_addf(why, "the chain has more than %d bytes", CERT_CHAIN_MAX);
		return ERR_LIMIT;
	}
	return r != 0 ? r : buf_err(&c->chain);
}

static int load(struct cert *c, STACK_OF(X509) *chain, struct slice key, struct slice pem, struct buf *why)
{
	X509 *x;
	int r;

	if (chain == NULL)
		return ERR_NOMEM;
	if ((r = read_chain(pem, chain, why)) != 0 || (r = read_key(key, &c->pkey, why)) != 0)
		return r;
	x = sk_X509_value(chain, 0);
	if ((r = check_strength(c, why)) != 0 || (r = check_fit(c, x, why)) != 0 || (r = check_order(chain, why)) != 0 ||
	    (r = check_purpose(x, why)) != 0 || (r = cert_read_dates(c, x, why)) != 0 || (r = cert_read_names(c, x, why)) != 0 ||
	    (r = read_id(c, x)) != 0 || (r = keep_chain(c, chain, why)) != 0)
		return r;
	cert_read_issuer(c, x);
	c->self_signed = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0 && X509_verify(x, c->pkey) == 1;
	ERR_clear_error();
	return 0;
}

int cert_load(struct slice key, struct slice chain, struct cert **c_r, struct buf *why)
{
	struct cert *c = calloc(1, sizeof(*c));
	STACK_OF(X509) *xs = sk_X509_new_null();
	int r = c == NULL ? ERR_NOMEM : key.len > CERT_PEM_MAX + CERT_KEY_PEM_MAX || chain.len > CERT_PEM_MAX + CERT_KEY_PEM_MAX ? ERR_LIMIT :
	    load(c, xs, key, chain, why);

	sk_X509_pop_free(xs, X509_free);
	ERR_clear_error();
	if (r != 0 && buf_len(why) == 0)
		buf_add_cstr(why, err_str(r));
	if (r != 0)
		cert_free(&c);
	*c_r = c;
	return r;
}

void cert_free(struct cert **cp)
{
	struct cert *c = *cp;

	if (c == NULL)
		return;
	EVP_PKEY_free(c->pkey);
	buf_free(&c->chain);
	buf_free(&c->pem);
	for (unsigned i = 0; i < c->names_n; i++)
		free(c->names[i]);
	free(c->names);
	free(c);
	*cp = NULL;
}

int cert_write(const struct cert *c, struct buf *b)
{
	BIO *mem = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	if (mem == NULL || PEM_write_bio_PKCS8PrivateKey(mem, c->pkey, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(mem);
		ERR_clear_error();
		return ERR_NOMEM;
	}
	n = BIO_get_mem_data(mem, &p);
	/* all of it at once: a buffer that grows would leave a copy of the key behind */
	if (buf_reserve(b, (size_t)n + buf_len(&c->pem)) != NULL) {
		buf_add(b, p, (size_t)n);
		buf_add_slice(b, buf_slice(&c->pem));
	}
	OPENSSL_cleanse(p, (size_t)n);
	BIO_free(mem);
	return buf_err(b);
}

bool cert_covers(const struct cert *c, const char *host)
{
	const char *dot = strchr(host, '.');

	for (unsigned i = 0; i < c->names_n; i++) {
		const char *name = c->names[i];

		if (strcmp(name, host) == 0)
			return true;
		if (name[0] == '*' && dot != NULL && dot != host && strcmp(name + 1, dot) == 0)
			return true;
	}
	return false;
}

void cert_add_type(struct buf *b, const struct cert *c)
{
	switch (c->type) {
	case KEY_RSA:
		buf_addf(b, "RSA %u", c->bits);
		break;
	case KEY_ECDSA:
		buf_addf(b, "ECDSA P-%u", c->bits);
		break;
	case KEY_ED25519:
	case KEY_TYPES:
		buf_add_cstr(b, "Ed25519");
		break;
	}
}
