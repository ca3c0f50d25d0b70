/* OpenSSL's library context and the settings of every SSL_CTX. */
#include "common/daemon/tls_private.h"

#include "common/base/log.h"

enum { SESSION_LIFE_S = 7200, CERT_LIST_MAX = 64 * 1024, CHAIN_MAX = 10 };

static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups_new[] = "X25519MLKEM768:X25519:P-256:P-384", groups_old[] = "X25519:P-256:P-384";
static const char sigalgs[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

static struct {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *std, *own;
	unsigned users;
} the;

static void lib_unload(void)
{
	if (the.own != NULL)
		(void)OSSL_PROVIDER_unload(the.own);
	if (the.std != NULL)
		(void)OSSL_PROVIDER_unload(the.std);
	OSSL_LIB_CTX_free(the.lib);
	memset(&the, 0, sizeof(the));
}

OSSL_LIB_CTX *tls_lib_get(void)
{
	if (the.users++ != 0)
		return the.lib;
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
	    NULL);
	the.lib = OSSL_LIB_CTX_new();
	/* Ours is taken where it is asked for by name, and for its own keys; everything else is the default's. */
	if (the.lib != NULL && OSSL_PROVIDER_add_builtin(the.lib, tls_provider_name, tls_provider_init) == 1 &&
	    (the.std = OSSL_PROVIDER_load(the.lib, "default")) != NULL &&
	    (the.own = OSSL_PROVIDER_load(the.lib, tls_provider_name)) != NULL &&
	    EVP_set_default_properties(the.lib, "?provider=default") == 1)
		return the.lib;
	log_error("OpenSSL does not start: %s", tls_error_text("out of memory"));
	lib_unload();
	return NULL;
}

void tls_lib_put(void)
{
	if (the.users != 0 && --the.users == 0)
		lib_unload();
}

OSSL_LIB_CTX *tls_lib(void) { return the.lib; }

const char *tls_error_text(const char *fallback)
{
	unsigned long e = ERR_peek_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return text != NULL ? text : fallback;
}

int tls_ctx_min_version(SSL_CTX *ctx, const char *min_version)
{
	int v = strcmp(min_version, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;

	return SSL_CTX_set_min_proto_version(ctx, v) == 1 ? 0 : ERR_NOMEM;
}

static void on_message(int sent, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	struct conn_tls *ct = SSL_get_app_data(ssl);

	(void)version;
	(void)arg;
	if (ct != NULL)
		conn_tls_message(ct, sent != 0, type, slice_of(p, n));
}

static bool ctx_set(SSL_CTX *c, bool server, const char *min_version)
{
	/* OpenSSL compiles in ways to be lax; the level forbids keys and hashes below 112 bits. */
	SSL_CTX_set_security_level(c, 2);
	(void)SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT |
	    (server ? SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA : 0));
	(void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	(void)SSL_CTX_clear_mode(c, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(c, 1);
	(void)SSL_CTX_set_timeout(c, SESSION_LIFE_S);
	SSL_CTX_set_max_cert_list(c, CERT_LIST_MAX);
	SSL_CTX_set_verify_depth(c, CHAIN_MAX);
	(void)SSL_CTX_set_max_early_data(c, 0);
	SSL_CTX_set_msg_callback(c, on_message);
	if (SSL_CTX_set1_groups_list(c, groups_new) != 1 && SSL_CTX_set1_groups_list(c, groups_old) != 1)
		return false;
	ERR_clear_error();
	return tls_ctx_min_version(c, min_version) == 0 && SSL_CTX_set_cipher_list(c, ciphers) == 1 &&
	    SSL_CTX_set_ciphersuites(c, suites) == 1 && SSL_CTX_set1_sigalgs_list(c, sigalgs) == 1;
}

SSL_CTX *tls_ctx_new(bool server, const char *min_version)
{
	SSL_CTX *c = SSL_CTX_new_ex(the.lib, NULL, server ? TLS_server_method() : TLS_client_method());

	if (c != NULL && ctx_set(c, server, min_version))
		return c;
	SSL_CTX_free(c);
	return NULL;
}

/* OpenSSL would ask the terminal for the passphrase of an encrypted block. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

X509_STORE *tls_store_load(const char *file, STACK_OF(X509_NAME) **names_r)
{
	X509_STORE *store = X509_STORE_new();
	BIO *b = BIO_new_file(file, "r");
	X509 *x = X509_new_ex(the.lib, NULL);
	unsigned n = 0;

	while (store != NULL && b != NULL && x != NULL && PEM_read_bio_X509(b, &x, no_passphrase, NULL) != NULL) {
		X509_NAME *name = names_r != NULL ? X509_NAME_dup(X509_get_subject_name(x)) : NULL;

		n += X509_STORE_add_cert(store, x) == 1;
		if (name != NULL && (*names_r == NULL ? (*names_r = sk_X509_NAME_new_null()) : *names_r) != NULL &&
		    sk_X509_NAME_push(*names_r, name) > 0)
			name = NULL;
		X509_NAME_free(name);
		X509_free(x);
		x = X509_new_ex(the.lib, NULL);
	}
	X509_free(x);
	(void)BIO_free(b);
	if (n == 0) {
		log_warn("file of authorities %s: %s", log_esc(slice_cstr(file)),
		    b == NULL ? "cannot be read" : "no certificate in it");
		X509_STORE_free(store);
		store = NULL;
	}
	ERR_clear_error();
	return store;
}

size_t tls_end_point(const X509 *x, uint8_t out_r[EVP_MAX_MD_SIZE])
{
	int md = NID_undef, pk;
	const EVP_MD *type;
	unsigned n = 0;

	if (X509_get_signature_info((X509 *)(uintptr_t)x, &md, &pk, NULL, NULL) != 1)
		return 0;
	if (md == NID_md5 || md == NID_sha1)
		md = NID_sha256;
	type = EVP_get_digestbynid(md);
	if (type == NULL || X509_digest(x, type, out_r, &n) != 1)
		n = 0;
	ERR_clear_error();
	return n;
}
