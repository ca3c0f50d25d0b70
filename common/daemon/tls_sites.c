/*
 * Which certificates a server shows for which name: one SSL_CTX for each set of certificates that serve the same
 * names together (one for each type of key; the first one that keyd names wins).
 */
#include "common/daemon/tls_private.h"

#include <stdlib.h>

#include "common/base/log.h"

enum { TYPES = 4, NONE = -1, NAME_MAX_LEN = 255 };
static const char *const types[TYPES] = { "EC", "ED25519", "RSA", "RSA-PSS" };

struct cert {
	X509 *x;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	int type;               /* NONE: of no use */
};
struct site { SSL_CTX *ctx; int certs[TYPES]; };
struct named { char *name; unsigned cert; };    /* cert: while it is built; then the site's number */

struct tls_sites {
	struct site *sites;
	struct named *names;
	unsigned sites_n, names_n, certs_n;
	SSL_CTX *fallback;      /* one of sites, or NULL */
};

/* ---- certificates --------------------------------------------------------------- */

static void cert_free(struct cert *c)
{
	X509_free(c->x);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
}

static X509 *x509_take(const uint8_t **p, const uint8_t *end)
{
	X509 *x = X509_new_ex(tls_lib(), NULL);

	if (x != NULL && d2i_X509(&x, p, end - *p) == NULL)
		x = NULL;       /* freed by d2i */
	return x;
}

static bool has_id(const X509 *x, struct slice id)
{
	uint8_t *der = NULL, sum[KEY_ID_SIZE];
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	bool ok = n > 0 && EVP_Digest(der, (size_t)n, sum, NULL, EVP_sha256(), NULL) == 1 && slice_eq(id, slice_of(sum, sizeof(sum)));

	OPENSSL_free(der);
	return ok;
}

static const char *cert_load(struct cert *c, const struct key_cert *from)
{
	const uint8_t *p = from->chain.p, *end = p + from->chain.len;
	X509 *x;

	c->type = NONE;
	if (p == NULL || (c->x = x509_take(&p, end)) == NULL || (c->chain = sk_X509_new_null()) == NULL)
		return "is none";
	while (p < end) {
		if ((x = x509_take(&p, end)) == NULL || sk_X509_push(c->chain, x) <= 0) {
			X509_free(x);
			return "its chain is damaged";
		}
	}
	if (from->key.len != KEY_ID_SIZE || !has_id(c->x, from->key))
		return "is for another key";
	if ((c->key = tls_remote_key(c->x, from->key.p)) == NULL)
		return "has a key of an unknown type";
	for (int i = 0; i < TYPES; i++)
		if (EVP_PKEY_is_a(c->key, types[i]) == 1)
			c->type = i;
	return NULL;
}

static struct cert *certs_load(const struct key_certs *m)
{
	struct cert *certs = calloc(m->certs_n + 1, sizeof(*certs));

	for (unsigned i = 0; certs != NULL && i < m->certs_n; i++) {
		const char *why = cert_load(&certs[i], &m->certs[i]);

		ERR_clear_error();
		if (why == NULL)
			continue;
		log_warn("certificate of %s is not used: it %s", m->certs[i].names_n != 0 ? log_esc(m->certs[i].names[0].name) : "-", why);
		certs[i].type = NONE;
	}
	return certs;
}

/* ---- sites ---------------------------------------------------------------------- */

static SSL_CTX *site_ctx(const int want[TYPES], const struct cert *certs, SSL_CTX *(*make)(void *), void *arg)
{
	SSL_CTX *ctx = make(arg);
	bool any = false;

	for (int i = 0; ctx != NULL && i < TYPES; i++) {
		const struct cert *c = want[i] != NONE ? &certs[want[i]] : NULL;

		if (c == NULL)
			continue;
		if (SSL_CTX_use_cert_and_key(ctx, c->x, c->key, c->chain, 1) == 1)
			any = true;
		else
			log_warn("a certificate with a key of type %s is not used: %s", types[i], tls_error_text("unknown error"));
	}
	if (!any) {
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* The number of the site with these certificates, which is made if there is none; NONE: they are of no use. */
static int site_of(struct tls_sites *s, const int want[TYPES], const struct cert *certs, SSL_CTX *(*make)(void *), void *arg)
{
	struct site *grown;
	SSL_CTX *ctx;

	for (unsigned i = s->sites_n; i-- > 0; )
		if (memcmp(s->sites[i].certs, want, sizeof(s->sites[i].certs)) == 0)
			return (int)i;
	ctx = site_ctx(want, certs, make, arg);
	if (ctx == NULL)
		return NONE;
	grown = reallocarray(s->sites, s->sites_n + 1, sizeof(*grown));
	if (grown == NULL) {
		SSL_CTX_free(ctx);
		return NONE;
	}
	s->sites = grown;
	grown[s->sites_n].ctx = ctx;
	memcpy(grown[s->sites_n].certs, want, sizeof(grown->certs));
	return (int)s->sites_n++;
}

static int named_cmp(const void *a, const void *b)
{
	const struct named *na = a, *nb = b;
	int r = strcmp(na->name, nb->name);

	return r != 0 ? r : (na->cert > nb->cert) - (na->cert < nb->cert);
}

static int names_collect(struct tls_sites *s, const struct key_certs *m, const struct cert *certs)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->certs_n; i++)
		n += certs[i].type != NONE ? m->certs[i].names_n : 0;
	s->names = calloc(n + 1, sizeof(*s->names));
	if (s->names == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < m->certs_n; i++) {
		for (unsigned j = 0; certs[i].type != NONE && j < m->certs[i].names_n; j++) {
			char text[NAME_MAX_LEN + 1];

			if (slice_to_cstr(m->certs[i].names[j].name, text, sizeof(text)) != 0 || text[0] == '\0')
				continue;
			if ((s->names[s->names_n].name = strdup(text)) == NULL)
				return ERR_NOMEM;
			s->names[s->names_n++].cert = i;
		}
	}
	qsort(s->names, s->names_n, sizeof(*s->names), named_cmp);
	return 0;
}

static void want_none(int want[TYPES])
{
	for (int i = 0; i < TYPES; i++)
		want[i] = NONE;
}

static void want_add(int want[TYPES], const struct cert *certs, unsigned i)
{
	if (certs[i].type != NONE && want[certs[i].type] == NONE)
		want[certs[i].type] = (int)i;
}

/* Each name once, with its site. */
static void names_join(struct tls_sites *s, const struct cert *certs, SSL_CTX *(*make)(void *), void *arg)
{
	unsigned kept = 0;

	for (unsigned i = 0, next; i < s->names_n; i = next) {
		int want[TYPES], site;

		want_none(want);
		for (next = i; next < s->names_n && strcmp(s->names[next].name, s->names[i].name) == 0; next++)
			want_add(want, certs, s->names[next].cert);
		site = site_of(s, want, certs, make, arg);
		for (unsigned j = i + (site != NONE); j < next; j++)
			free(s->names[j].name);
		if (site != NONE) {
			s->names[kept].name = s->names[i].name;
			s->names[kept++].cert = (unsigned)site;
		}
	}
	s->names_n = kept;
}

static void fallback_choose(struct tls_sites *s, const struct key_certs *m, const struct cert *certs,
    SSL_CTX *(*make)(void *), void *arg)
{
	int want[TYPES], site;

	want_none(want);
	for (unsigned i = 0; i < m->certs_n; i++)
		if (m->certs[i].is_default != 0)
			want_add(want, certs, i);
	site = site_of(s, want, certs, make, arg);
	for (unsigned i = 0; site == NONE && i < m->certs_n; i++) {
		want_none(want);
		want_add(want, certs, i);
		site = certs[i].type != NONE ? site_of(s, want, certs, make, arg) : NONE;
	}
	s->fallback = site != NONE ? s->sites[site].ctx : NULL;
}

struct tls_sites *tls_sites_new(const struct key_certs *m, SSL_CTX *(*make)(void *ctx), void *arg)
{
	struct tls_sites *s = calloc(1, sizeof(*s));
	struct cert *certs = certs_load(m);

	if (s == NULL || certs == NULL || names_collect(s, m, certs) != 0) {
		tls_sites_free(&s);
	} else {
		names_join(s, certs, make, arg);
		fallback_choose(s, m, certs, make, arg);
		for (unsigned i = 0; i < m->certs_n; i++)
			s->certs_n += certs[i].type != NONE;
	}
	for (unsigned i = 0; certs != NULL && i < m->certs_n; i++)
		cert_free(&certs[i]);
	free(certs);
	ERR_clear_error();
	return s;
}

void tls_sites_free(struct tls_sites **sp)
{
	struct tls_sites *s = *sp;

	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->sites_n; i++)
		SSL_CTX_free(s->sites[i].ctx);
	for (unsigned i = 0; i < s->names_n; i++)
		free(s->names[i].name);
	free(s->sites);
	free(s->names);
	free(s);
	*sp = NULL;
}

/* ---- looking up -------------------------------------------------------------------- */

static int name_cmp(const void *key, const void *item)
{
	return strcmp(key, ((const struct named *)item)->name);
}

static SSL_CTX *lookup(const struct tls_sites *s, const char *name)
{
	const struct named *n = s->names_n == 0 ? NULL : bsearch(name, s->names, s->names_n, sizeof(*s->names), name_cmp);

	return n != NULL ? s->sites[n->cert].ctx : NULL;
}

SSL_CTX *tls_sites_find(const struct tls_sites *s, const char *name)
{
	SSL_CTX *ctx = lookup(s, name);
	const char *dot = strchr(name, '.');
	char wild[NAME_MAX_LEN + 2] = "*";

	/* RFC 6125 6.4.3: a wildcard is the whole leftmost label and stands for one. */
	if (ctx != NULL || dot == NULL || dot == name || strlen(dot) >= sizeof(wild) - 1)
		return ctx;
	memcpy(wild + 1, dot, strlen(dot) + 1);
	return lookup(s, wild);
}

SSL_CTX *tls_sites_default(const struct tls_sites *s) { return s->fallback; }
unsigned tls_sites_count(const struct tls_sites *s) { return s->certs_n; }

void tls_sites_each(const struct tls_sites *s, void (*fn)(SSL_CTX *ctx, void *arg), void *arg)
{
	for (unsigned i = 0; i < s->sites_n; i++)
		fn(s->sites[i].ctx, arg);
}
