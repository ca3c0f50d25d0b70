#include "keyd/sign.h"

enum { PAD = 64, RANDOMS = 64, NAMED_CURVE = 3, UNCOMPRESSED = 4 };
static const char context[] = "TLS 1.3, server CertificateVerify";        /* with its NUL */

static bool is_tls13(struct slice t)
{
	size_t hash = t.len - PAD - sizeof(context);

	if (t.len <= PAD + sizeof(context) || (hash != 32 && hash != 48 && hash != 64))
		return false;
	for (size_t i = 0; i < PAD; i++)
		if (t.p[i] != ' ')
			return false;
	return memcmp(t.p + PAD, context, sizeof(context)) == 0;
}

/* Groups of RFC 8422 5.1.1, each with the length of its points; nothing follows the point. */
static bool is_tls12(struct slice t)
{
	static const struct { uint16_t group; uint8_t point; bool nist; } groups[] = {
		{ 23, 65, true }, { 24, 97, true }, { 25, 133, true }, { 29, 32, false }, { 30, 56, false },
	};
	const uint8_t *p = t.p + RANDOMS;

	if (t.len < RANDOMS + 5 || p[0] != NAMED_CURVE)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if ((p[1] << 8 | p[2]) == groups[i].group)
			return p[3] == groups[i].point && t.len == RANDOMS + 4u + groups[i].point &&
			    (!groups[i].nist || p[4] == UNCOMPRESSED);
	return false;
}

int sign_text_kind(struct slice text, enum sign_kind *kind_r)
{
	if (is_tls13(text))
		*kind_r = SIGN_TLS13;
	else if (is_tls12(text))
		*kind_r = SIGN_TLS12;
	else
		return ERR_DENIED;
	return 0;
}

/* RFC 8446 4.2.3. bits: the curve that TLS 1.3 wants with the hash; TLS 1.2 leaves it open. */
static const struct scheme {
	uint16_t number;
	enum key_type type;
	const char *md;
	bool pss, tls13;
	unsigned bits;
} schemes[] = {
	{ 0x0401, KEY_RSA, "SHA256", false, false, 0 }, { 0x0501, KEY_RSA, "SHA384", false, false, 0 },
	{ 0x0601, KEY_RSA, "SHA512", false, false, 0 }, { 0x0804, KEY_RSA, "SHA256", true, true, 0 },
	{ 0x0805, KEY_RSA, "SHA384", true, true, 0 }, { 0x0806, KEY_RSA, "SHA512", true, true, 0 },
	{ 0x0403, KEY_ECDSA, "SHA256", false, true, 256 }, { 0x0503, KEY_ECDSA, "SHA384", false, true, 384 },
	{ 0x0603, KEY_ECDSA, "SHA512", false, true, 521 }, { 0x0807, KEY_ED25519, NULL, false, true, 0 },
};

static const struct scheme *scheme_of(uint16_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (schemes[i].number == number)
			return &schemes[i];
	return NULL;
}

static const char *misfit(const struct cert *c, const struct scheme *s, enum sign_kind kind)
{
	if (s == NULL)
		return "unknown scheme";
	if (s->type != c->type)
		return "the scheme is for another type of key";
	if (kind == SIGN_TLS13 && !s->tls13)
		return "the scheme is not for TLS 1.3";
	if (kind == SIGN_TLS13 && s->bits != 0 && s->bits != c->bits)
		return "the scheme is for another curve";
	return NULL;
}

int sign_text(const struct cert *c, uint16_t scheme, struct slice text, uint8_t sig_r[SIGNATURE_MAX], size_t *n_r, const char **why_r)
{
	const struct scheme *s = scheme_of(scheme);
	EVP_PKEY_CTX *pctx = NULL;
	enum sign_kind kind;
	EVP_MD_CTX *ctx;
	bool ok;

	if (sign_text_kind(text, &kind) != 0) {
		*why_r = "the text is no proof of a TLS server";
		return ERR_DENIED;
	}
	if ((*why_r = misfit(c, s, kind)) != NULL)
		return ERR_DENIED;
	ctx = EVP_MD_CTX_new();
	*n_r = SIGNATURE_MAX;
	ok = ctx != NULL && EVP_DigestSignInit_ex(ctx, &pctx, s->md, NULL, NULL, c->pkey, NULL) == 1 &&
	    (!s->pss || (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
	    EVP_DigestSign(ctx, sig_r, n_r, text.p, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	*why_r = ok ? NULL : "OpenSSL could not sign";
	return ok ? 0 : ERR_IO;
}
