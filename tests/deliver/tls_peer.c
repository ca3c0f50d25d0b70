#include "tests/lib/unit.h"

#include <unistd.h>

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "tests/deliver/tls_peer.h"

struct tls_peers {
	EVP_PKEY *ca_key;
	X509 *ca;
	SSL_CTX *ctx[CERTS_N];
	char path[64];
};

struct tls_peer {
	SSL *ssl;
	BIO *in, *out;
	char sni[256];
};

/* ---- certificates ---------------------------------------------------------------------- */

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *e;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* issuer NULL: signed by itself. */
static X509 *make_cert(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, long from, long to)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *n;
	char san[300];

	assert_non_null(x);
	assert_int_equal(X509_set_version(x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), serial++), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), from));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), to));
	assert_int_equal(X509_set_pubkey(x, key), 1);
	n = X509_get_subject_name(x);
	assert_int_equal(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0), 1);
	assert_int_equal(X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer) : n), 1);
	if (strcmp(name, "authority") == 0) {
		add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE");
		add_ext(x, x, NID_key_usage, "critical,keyCertSign");
	} else {
		(void)snprintf(san, sizeof(san), "DNS:%s", name);
		add_ext(x, issuer != NULL ? issuer : x, NID_subject_alt_name, san);
	}
	assert_true(X509_sign(x, issuer_key != NULL ? issuer_key : key, EVP_sha256()) > 0);
	return x;
}

static SSL_CTX *make_ctx(struct tls_peers *p, enum tls_cert cert)
{
	static const struct { const char *name; long from, to; bool self; } certs[CERTS_N] = {
		[CERT_GOOD] = { "mx1.b.test", -86400, 86400, false },
		[CERT_DOMAIN] = { "b.test", -86400, 86400, false },
		[CERT_WRONG_NAME] = { "other.test", -86400, 86400, false },
		[CERT_EXPIRED] = { "mx1.b.test", -86400 * 2, -86400, false },
		[CERT_SELF_SIGNED] = { "mx1.b.test", -86400, 86400, true },
	};
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x;

	assert_non_null(ctx);
	assert_non_null(key);
	x = make_cert(certs[cert].name, key, certs[cert].self ? NULL : p->ca, certs[cert].self ? NULL : p->ca_key,
	    certs[cert].from, certs[cert].to);
	assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

struct tls_peers *tls_peers_new(void)
{
	struct tls_peers *p = calloc(1, sizeof(*p));
	FILE *f;
	int fd;

	assert_non_null(p);
	p->ca_key = EVP_EC_gen("P-256");
	assert_non_null(p->ca_key);
	p->ca = make_cert("authority", p->ca_key, NULL, NULL, -86400, 86400);
	for (int i = 0; i < CERTS_N; i++)
		p->ctx[i] = make_ctx(p, (enum tls_cert)i);
	(void)snprintf(p->path, sizeof(p->path), "%s", "/tmp/pabal-test-ca.XXXXXX");
	fd = mkstemp(p->path);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, p->ca), 1);
	assert_int_equal(fclose(f), 0);
	return p;
}

const char *tls_peers_ca(const struct tls_peers *p) { return p->path; }

void tls_peers_free(struct tls_peers **pp)
{
	struct tls_peers *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	for (int i = 0; i < CERTS_N; i++)
		SSL_CTX_free(p->ctx[i]);
	X509_free(p->ca);
	EVP_PKEY_free(p->ca_key);
	(void)unlink(p->path);
	free(p);
}

/* ---- a connection ------------------------------------------------------------------------ */

struct tls_peer *tls_peer_new(struct tls_peers *p, enum tls_cert cert, int max_version, const char *ciphers)
{
	struct tls_peer *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->ssl = SSL_new(p->ctx[cert]);
	assert_non_null(t->ssl);
	assert_int_equal(SSL_set_max_proto_version(t->ssl, max_version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION), 1);
	if (ciphers != NULL)
		assert_int_equal(SSL_set_cipher_list(t->ssl, ciphers), 1);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	assert_true(t->in != NULL && t->out != NULL);
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_peer_free(struct tls_peer **t)
{
	if (*t == NULL)
		return;
	SSL_free((*t)->ssl);
	free(*t);
	*t = NULL;
}

static void drain(struct tls_peer *t, struct buf *wire)
{
	char *p;
	long n = BIO_get_mem_data(t->out, &p);

	if (n > 0)
		buf_add(wire, p, (size_t)n);
	(void)BIO_reset(t->out);
}

bool tls_peer_feed(struct tls_peer *t, struct slice in, struct buf *plain, struct buf *wire)
{
	uint8_t part[4096];
	int n, e;

	if (in.len != 0)
		assert_int_equal(BIO_write(t->in, in.p, (int)in.len), (int)in.len);
	while ((n = SSL_read(t->ssl, part, sizeof(part))) > 0)
		buf_add(plain, part, (size_t)n);
	e = SSL_get_error(t->ssl, n);
	drain(t, wire);
	if (t->sni[0] == '\0' && SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name) != NULL)
		(void)snprintf(t->sni, sizeof(t->sni), "%s", SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name));
	return e == SSL_ERROR_WANT_READ;
}

void tls_peer_write(struct tls_peer *t, struct slice plain, struct buf *wire)
{
	if (plain.len != 0)
		assert_int_equal(SSL_write(t->ssl, plain.p, (int)plain.len), (int)plain.len);
	drain(t, wire);
}

bool tls_peer_is_open(const struct tls_peer *t) { return SSL_is_init_finished(t->ssl) == 1; }
bool tls_peer_resumed(const struct tls_peer *t) { return SSL_session_reused(t->ssl) == 1; }
const char *tls_peer_sni(const struct tls_peer *t) { return t->sni; }
