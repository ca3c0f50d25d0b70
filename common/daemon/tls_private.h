#ifndef PABAL_DAEMON_TLS_PRIVATE_H
#define PABAL_DAEMON_TLS_PRIVATE_H

#include <bsd/sys/queue.h>

#include "common/daemon/openssl.h"
#include "common/daemon/tls.h"
#include "common/ipc/proto_key.h"

/* Between the files tls_*.c and conn_tls.c; nobody else sees OpenSSL. */
struct conn_tls;

/* ---- tls_ctx.c: what servers and clients have in common ------------------------------ */

/* OpenSSL's library context with the default provider and ours; made by the first, freed by the last user. NULL
 * with a log line. No configuration file of OpenSSL is read. */
OSSL_LIB_CTX *tls_lib_get(void);
void tls_lib_put(void);
OSSL_LIB_CTX *tls_lib(void);
/* With all our settings but certificates. min_version as in the configuration. NULL: no memory. */
SSL_CTX *tls_ctx_new(bool server, const char *min_version);
int tls_ctx_min_version(SSL_CTX *ctx, const char *min_version) MUST_CHECK;
/* The reason of the oldest error in OpenSSL's queue, which is emptied; or fallback. Lives for ever. */
const char *tls_error_text(const char *fallback);
/* Reads a file of authorities. The certificates become also a list of names if names_r is not NULL (free it). NULL
 * with a log line. */
X509_STORE *tls_store_load(const char *file, STACK_OF(X509_NAME) **names_r);
/* RFC 5929 4.1: the hash of a certificate for tls-server-end-point; its length, 0: undefined for this one. */
size_t tls_end_point(const X509 *x, uint8_t out_r[EVP_MAX_MD_SIZE]);

/* ---- tls_provider.c ------------------------------------------------------------------- */

extern const char tls_provider_name[];
int tls_provider_init(const OSSL_CORE_HANDLE *h, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx_r);
/* What OpenSSL takes for the private key of a certificate: it signs through conn_tls_sign(). NULL: no memory, or a
 * type that we have not. Free with EVP_PKEY_free(). */
EVP_PKEY *tls_remote_key(X509 *x, const uint8_t id[KEY_ID_SIZE]);
/* conn_tls.c: asks keyd for the connection whose handshake runs now; sleeps in its ASYNC job meanwhile. */
int conn_tls_sign(const uint8_t id[KEY_ID_SIZE], uint16_t scheme, struct slice text, uint8_t *sig, size_t *len) MUST_CHECK;

/* ---- tls_server.c --------------------------------------------------------------------- */

/* NULL with *why_r: no certificates, no memory. */
SSL *tls_server_ssl(struct tls_server *t, const char **why_r);
uint64_t tls_server_handshake_ms(const struct tls_server *t);
/*
 * A signature that is asked of keyd: conn_tls_answer() of owner follows. Who goes away before the answer sets owner to
 * NULL; the request counts until keyd has answered, so that clients who come and go make keyd's line no longer than
 * those who wait. ERR_CLOSED: keyd is not there, wait for it.
 */
struct tls_ask {
	TAILQ_ENTRY(tls_ask) entry;
	struct tls_server *server;
	struct channel *keyd;
	uint32_t request;
	struct conn_tls *owner;
};
int tls_server_ask(struct tls_server *t, struct conn_tls *owner, const struct key_sign *m, struct tls_ask **a_r) MUST_CHECK;
/* As many are asked for as may be: begin no handshake, wait. */
bool tls_server_full(const struct tls_server *t);
/* A handshake waits or failed because of keyd: says so, not too often. */
void tls_server_complain(struct tls_server *t, const char *what, const char *detail);
/* The handshakes that found all ASYNC jobs taken, or keyd's line full; goes on with the first by its task. */
struct tls_waiter {
	TAILQ_ENTRY(tls_waiter) entry;
	void (*fn)(struct tls_waiter *w);
	struct tls_waiters *in;         /* NULL: waits for nothing */
};
TAILQ_HEAD(tls_waiters, tls_waiter);
void tls_server_wait(struct tls_server *t, struct tls_waiter *w);
void tls_server_job_free(struct tls_server *t);
/* Those that have a job and wait for a keyd: all go on when there is one. */
void tls_server_wait_keyd(struct tls_server *t, struct tls_waiter *w);
/* Of either kind. */
void tls_server_unwait(struct tls_waiter *w);

/* tls_sites.c: which certificates for which name. */
struct tls_sites;
/* make gives an SSL_CTX without certificates. NULL: no memory. Certificates that are of no use are logged and left out. */
struct tls_sites *tls_sites_new(const struct key_certs *certs, SSL_CTX *(*make)(void *ctx), void *ctx);
void tls_sites_free(struct tls_sites **s);
/* The SSL_CTX for a name in lower case, or NULL: nobody has it. */
SSL_CTX *tls_sites_find(const struct tls_sites *s, const char *name);
SSL_CTX *tls_sites_default(const struct tls_sites *s);
void tls_sites_each(const struct tls_sites *s, void (*fn)(SSL_CTX *ctx, void *arg), void *arg);
unsigned tls_sites_count(const struct tls_sites *s);

/* tls_ticket.c: session tickets of a server. */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(void);
void tls_tickets_free(struct tls_tickets **t);
void tls_tickets_set(struct tls_tickets *t, const struct key_tickets *keys);
bool tls_tickets_ready(const struct tls_tickets *t);
int tls_tickets_attach(struct tls_tickets *t, SSL_CTX *ctx, const char *service) MUST_CHECK;
/* The binding that the ticket of a resumed session carries; its length or 0. */
size_t tls_ticket_end_point(SSL *ssl, uint8_t out_r[EVP_MAX_MD_SIZE]);

/* ---- tls_client.c --------------------------------------------------------------------- */

/* ERR_NOMEM, ERR_SYNTAX. key_r: under which its sessions are kept, to be freed. */
int tls_client_ssl(struct tls_client *t, const struct tls_target *target, SSL **ssl_r, char **key_r) MUST_CHECK;
/* Takes the reference over if it returns true. */
bool tls_client_keep(struct tls_client *t, const char *key, SSL_SESSION *s);
/* A handshake failed: no session of this peer is offered again. */
void tls_client_forget(struct tls_client *t, const char *key);

/* tls_sessions.c: sessions of a client, the least used go first. */
struct tls_sessions;
struct tls_sessions *tls_sessions_new(unsigned max);
void tls_sessions_free(struct tls_sessions **s);
/* Takes over the reference, even on failure. */
void tls_sessions_put(struct tls_sessions *s, const char *key, SSL_SESSION *sess);
/* A reference of its own, or NULL. A session of TLS 1.3 is given once (RFC 8446 C.4). Two hours after the last full
 * handshake there is none: the peer's certificate has to be looked at anew. */
SSL_SESSION *tls_sessions_get(struct tls_sessions *s, const char *key);
void tls_sessions_del(struct tls_sessions *s, const char *key);
unsigned tls_sessions_count(const struct tls_sessions *s);

/* conn_tls.c: the connection of an SSL (its app data): for callbacks. */
struct tls_client *conn_tls_client(const struct conn_tls *ct, const char **key_r);
/* The first thing that was wrong with the peer's certificate. */
void conn_tls_verify_failed(struct conn_tls *ct, int x509_error);
void conn_tls_message(struct conn_tls *ct, bool sent, int type, struct slice msg);
/* conn_handshake.c: keyd's answer to tls_server_ask(), as a channel gives it. */
void conn_tls_answer(struct conn_tls *ct, int r, struct ipc_msg *m);

#endif
