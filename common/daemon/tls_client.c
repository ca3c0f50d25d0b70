/* The TLS of deliver-remote: what it demands of servers, and the sessions it may resume. */
#include "common/daemon/tls_private.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "common/base/log.h"

enum { NAME_MAX_LEN = 255, SESSIONS_MAX = 1000, NAMES_MAX = 100 };

/* Of a host that may be anybody any encryption is better than none (RFC 7435): there are many whose RSA certificates do
 * CBC or no forward secrecy at best. */
static const char lax_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:DHE+AES:kRSA+AESGCM:kRSA+AES:!aNULL:!eNULL:!PSK:!aDSS:!AESCCM8";

struct tls_client {
	SSL_CTX *ctx;
	struct tls_sessions *sessions;
};

/* OpenSSL gives us a reference if we return 1. */
static int on_session(SSL *ssl, SSL_SESSION *s)
{
	struct conn_tls *ct = SSL_get_app_data(ssl);
	const char *key = NULL;
	struct tls_client *t = ct != NULL ? conn_tls_client(ct, &key) : NULL;

	return t != NULL && key != NULL && tls_client_keep(t, key, s);
}

struct tls_client *tls_client_new(const char *ca_file, const char *min_version)
{
	struct tls_client *t = calloc(1, sizeof(*t));
	X509_STORE *store;

	if (t == NULL)
		return NULL;
	if (tls_lib_get() == NULL) {
		free(t);
		return NULL;
	}
	t->ctx = tls_ctx_new(false, min_version);
	t->sessions = tls_sessions_new(SESSIONS_MAX);
	if (t->ctx == NULL || t->sessions == NULL) {
		tls_client_free(&t);
		return NULL;
	}
	store = ca_file != NULL && ca_file[0] != '\0' ? tls_store_load(ca_file, NULL) : NULL;
	if (store != NULL)
		SSL_CTX_set_cert_store(t->ctx, store);
	else
		log_warn("no certificate of a mail server can be verified");
	(void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->ctx, on_session);
	return t;
}

void tls_client_free(struct tls_client **tp)
{
	struct tls_client *t = *tp;

	if (t == NULL)
		return;
	tls_sessions_free(&t->sessions);
	SSL_CTX_free(t->ctx);
	free(t);
	tls_lib_put();
	*tp = NULL;
}

void tls_client_reload(struct tls_client *t, const char *min_version)
{
	if (tls_ctx_min_version(t->ctx, min_version) != 0)
		log_warn("tls_min_version is not taken up: out of memory");
}

bool tls_client_keep(struct tls_client *t, const char *key, SSL_SESSION *s)
{
	if (SSL_SESSION_is_resumable(s) != 1)
		return false;
	tls_sessions_put(t->sessions, key, s);
	return true;
}

void tls_client_forget(struct tls_client *t, const char *key) { tls_sessions_del(t->sessions, key); }

/* ---- whom to speak to -------------------------------------------------------------------- */

static bool is_address(const char *s)
{
	uint8_t a[16];

	return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

/* Letters, digits, hyphens and underscores between dots; lower case into out, without a dot at the end. */
static int name_copy(struct slice s, char out[NAME_MAX_LEN + 1])
{
	bool dot = true;

	if (s.len != 0 && s.p[s.len - 1] == '.')
		s.len--;
	if (s.len == 0 || s.len > NAME_MAX_LEN)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (!is_class(c, CC_ALPHA | CC_DIGIT) && c != '-' && c != '_' && (c != '.' || dot))
			return ERR_SYNTAX;
		dot = c == '.';
		out[i] = (char)ascii_lower(c);
	}
	out[s.len] = '\0';
	return dot ? ERR_SYNTAX : 0;
}

static int host_copy(const char *host, char out[NAME_MAX_LEN + 1])
{
	if (host == NULL)
		return ERR_SYNTAX;
	if (is_address(host))
		return slice_to_cstr(slice_cstr(host), out, NAME_MAX_LEN + 1);
	return name_copy(slice_cstr(host), out);
}

/* Which names the certificate may have. */
static int names_set(SSL *ssl, struct slice names, const char *host)
{
	struct cursor c = cursor_of(slice_trim(names));
	char name[NAME_MAX_LEN + 1];
	int r = 0, n = 0;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (cur_left(&c) == 0) {
		if (is_address(host))
			return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : ERR_NOMEM;
		return SSL_set1_host(ssl, host) == 1 ? 0 : ERR_NOMEM;
	}
	while (r == 0 && cur_left(&c) != 0) {
		size_t from = c.off;

		while (c.off < c.in.len && !is_class(c.in.p[c.off], CC_WSP))
			c.off++;
		r = ++n <= NAMES_MAX ? name_copy(slice_sub(c.in, from, c.off - from), name) : ERR_SYNTAX;
		if (r == 0 && SSL_add1_host(ssl, name) != 1)
			r = ERR_NOMEM;
		cur_skip_wsp(&c);
	}
	return r;
}

/* A session that was not verified, or against other names, is none for this target. */
static char *session_key(const struct tls_target *target, const char *host)
{
	struct slice names = slice_trim(target->names);
	size_t n = strlen(host) + 3 + names.len;
	char *key = malloc(n);

	if (key != NULL)
		(void)snprintf(key, n, "%s %c%.*s", host, target->verify ? 'v' : '-', SLICE_ARG(names));
	return key;
}

int tls_client_ssl(struct tls_client *t, const struct tls_target *target, SSL **ssl_r, char **key_r)
{
	char host[NAME_MAX_LEN + 1];
	SSL_SESSION *sess;
	int r = host_copy(target->host, host);
	SSL *ssl;

	if (r != 0)
		return ERR_SYNTAX;
	ssl = SSL_new(t->ctx);
	*key_r = session_key(target, host);
	r = ssl != NULL && *key_r != NULL ? names_set(ssl, target->names, host) : ERR_NOMEM;
	if (r == 0 && !is_address(host) && SSL_set_tlsext_host_name(ssl, host) != 1)
		r = ERR_NOMEM;
	if (r != 0) {
		ERR_clear_error();
		SSL_free(ssl);
		free(*key_r);
		*key_r = NULL;
		return r;
	}
	SSL_set_security_level(ssl, target->verify ? 2 : 1);
	if (!target->verify) {
		(void)SSL_set_cipher_list(ssl, lax_ciphers);
		(void)SSL_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
	}
	SSL_set_verify(ssl, target->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if ((sess = tls_sessions_get(t->sessions, *key_r)) != NULL) {
		(void)SSL_set_session(ssl, sess);
		SSL_SESSION_free(sess);
	}
	SSL_set_connect_state(ssl);
	*ssl_r = ssl;
	return 0;
}
