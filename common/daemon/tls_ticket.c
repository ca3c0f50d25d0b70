/*
 * Session tickets of a server (RFC 5077, RFC 8446 4.6.1). A ticket carries besides OpenSSL's session when the first
 * full handshake was, so that no chain of resumptions goes on for ever, and the tls-server-end-point binding of the
 * certificate that the client saw then. Sessions with a client's certificate are not resumed: whether it is still
 * good would not be asked.
 */
#include "common/daemon/tls_private.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

enum { KEYS = 3, NAME = 16, SECRET = 32, IV = 16, CHAIN_LIFE_S = 24 * 3600, TIME = 8 };

struct ticket_key { uint8_t name[NAME], aes[SECRET], mac[SECRET]; };

struct tls_tickets {
	EVP_CIPHER *cipher;
	struct ticket_key keys[KEYS];
	unsigned n;
};

static int ex_index = -1;       /* of SSL_CTX: its struct tls_tickets */

struct tls_tickets *tls_tickets_new(void)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	if (ex_index < 0)
		ex_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (t != NULL && (ex_index < 0 || (t->cipher = EVP_CIPHER_fetch(tls_lib(), "AES-256-CBC", NULL)) == NULL)) {
		free(t);
		t = NULL;
	}
	return t;
}

void tls_tickets_free(struct tls_tickets **tp)
{
	struct tls_tickets *t = *tp;

	if (t == NULL)
		return;
	EVP_CIPHER_free(t->cipher);
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	free(t);
	*tp = NULL;
}

void tls_tickets_set(struct tls_tickets *t, const struct key_tickets *m)
{
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	t->n = 0;
	for (unsigned i = 0; i < m->keys_n && t->n < KEYS; i++) {
		const struct key_ticket *k = &m->keys[i];

		if (k->name.len != NAME || k->aes.len != SECRET || k->mac.len != SECRET)
			continue;
		memcpy(t->keys[t->n].name, k->name.p, NAME);
		memcpy(t->keys[t->n].aes, k->aes.p, SECRET);
		memcpy(t->keys[t->n++].mac, k->mac.p, SECRET);
	}
}

bool tls_tickets_ready(const struct tls_tickets *t) { return t->n != 0; }

static int mac_set(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	char md[] = "SHA256";
	OSSL_PARAM p[] = {
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, k->mac, SECRET),
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, md, 0),
		OSSL_PARAM_END,
	};

	return EVP_MAC_CTX_set_params(mac, p);
}

/* 1: use it; 2: use it and send a new one; 0: no ticket, a full handshake; -1: no memory. */
static int on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *c, EVP_MAC_CTX *mac, int enc)
{
	struct tls_tickets *t = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ex_index);
	unsigned i = 0;

	if (t == NULL || t->n == 0)
		return 0;
	if (enc) {
		memcpy(name, t->keys[0].name, NAME);
		random_fill(iv, IV);
		return EVP_EncryptInit_ex2(c, t->cipher, t->keys[0].aes, iv, NULL) == 1 && mac_set(mac, &t->keys[0]) == 1 ? 1 : -1;
	}
	while (i < t->n && memcmp(name, t->keys[i].name, NAME) != 0)
		i++;
	if (i == t->n)
		return 0;
	if (EVP_DecryptInit_ex2(c, t->cipher, t->keys[i].aes, iv, NULL) != 1 || mac_set(mac, &t->keys[i]) != 1)
		return -1;
	return i == 0 ? 1 : 2;
}

static int on_make(SSL *ssl, void *arg)
{
	SSL_SESSION *s = SSL_get_session(ssl);
	X509 *x = SSL_get_certificate(ssl);
	uint8_t data[TIME + EVP_MAX_MD_SIZE];
	size_t n = 0;
	void *old = NULL;

	(void)arg;
	if (s == NULL || (SSL_SESSION_get0_ticket_appdata(s, &old, &n) == 1 && n != 0))
		return 1;
	put_le64(data, clock_wall_s());
	n = x != NULL ? tls_end_point(x, data + TIME) : 0;
	return SSL_SESSION_set1_ticket_appdata(s, data, TIME + n);
}

static SSL_TICKET_RETURN on_open(SSL *ssl, SSL_SESSION *s, const unsigned char *name, size_t name_len,
    SSL_TICKET_STATUS status, void *arg)
{
	uint64_t now = clock_wall_s(), at;
	void *data = NULL;
	size_t n = 0;

	(void)name;
	(void)name_len;
	(void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (SSL_SESSION_get0_peer(s) != NULL || SSL_SESSION_get0_ticket_appdata(s, &data, &n) != 1 || n < TIME)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	at = get_le64(data);
	if (at > now || now - at > CHAIN_LIFE_S)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION ? SSL_TICKET_RETURN_USE_RENEW :
	    SSL_TICKET_RETURN_USE;
}

size_t tls_ticket_end_point(SSL *ssl, uint8_t out_r[EVP_MAX_MD_SIZE])
{
	void *data = NULL;
	size_t n = 0;

	if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &data, &n) != 1 || n <= TIME || n - TIME > EVP_MAX_MD_SIZE)
		return 0;
	memcpy(out_r, (const uint8_t *)data + TIME, n - TIME);
	return n - TIME;
}

int tls_tickets_attach(struct tls_tickets *t, SSL_CTX *ctx, const char *service)
{
	char context[SSL_MAX_SID_CTX_LENGTH + 1];
	int n = snprintf(context, sizeof(context), "%s/", service);

	if (n <= 0 || (size_t)n >= sizeof(context) ||
	    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)context, (unsigned)n) != 1 ||
	    SSL_CTX_set_ex_data(ctx, ex_index, t) != 1 || SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_key) != 1 ||
	    SSL_CTX_set_session_ticket_cb(ctx, on_make, on_open, NULL) != 1 || SSL_CTX_set_num_tickets(ctx, 1) != 1)
		return ERR_NOMEM;
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return 0;
}
