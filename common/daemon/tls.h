#ifndef PABAL_DAEMON_TLS_H
#define PABAL_DAEMON_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "common/daemon/daemon.h"

/*
 * TLS of the edges (server) and of deliver-remote (client), on OpenSSL 3. Connections use it by conn.h.
 *
 * A server has certificates but no key: keyd signs (proto_key.h). The keys that OpenSSL sees belong to an OpenSSL
 * provider of ours (tls_provider.c) whose signature runs in an ASYNC job: the handshake sleeps until keyd has answered,
 * the loop and all other sessions go on.
 *
 * TLS 1.2 and 1.3; X25519MLKEM768 where the library has it, X25519, P-256, P-384; AEAD with forward secrecy only; no
 * renegotiation, no compression, no early data. Session tickets are bound to the service: they come with keys of keyd
 * for this role and with a session id context that names the service. KeyUpdates and other messages after the
 * handshake are limited; over the limit the connection is closed.
 */
struct tls_info {
	const char *version;            /* "TLSv1.3" */
	const char *cipher;             /* "TLS_AES_256_GCM_SHA384" */
	const char *group;              /* "x25519", or "" when not known */
	unsigned bits;                  /* of the cipher */
	bool resumed;
	const char *sni;                /* what the client asked for, in lower case, or "" */
	/* the peer's certificate */
	bool verified;                  /* it has one, which leads to a trusted authority and (client's side) has the right name */
	const char *verify_error;       /* why not; "" when verified or when nothing was asked */
	const char *mail;               /* server's side: the address in its subjectAltName if verified, or "" */
};

/* Before the sandbox: reads conf->tls_client_ca, loads what OpenSSL would want to load later. NULL with a log line:
 * the process has to end. */
struct tls_server *tls_server_new(struct daemon *d, const char *service);
void tls_server_free(struct tls_server **t);
/* What keyd sends, for the table of handlers of the peer ROLE_KEYD, whose ctx is the struct daemon: d->tls. */
extern const struct ipc_handler tls_server_handlers[];
/* For daemon_peer_spec: keyd came, and went; handshakes that wait for it fail when it goes. */
void tls_server_keyd_open(struct daemon *d, struct channel *ch);
void tls_server_keyd_close(struct daemon *d, struct channel *ch, int why);
/* Are there certificates, so that STARTTLS can be offered? */
bool tls_server_ready(const struct tls_server *t);
/* The configuration has changed. Sessions that are open stay as they are. */
void tls_server_reload(struct tls_server *t, const struct conf *conf);

struct tls_target {
	const char *host;               /* for SNI (unless it is an address) and the session cache; not copied beyond the call */
	bool verify;                    /* the handshake fails unless the certificate is good for one of names */
	struct slice names;             /* parted by white space; empty: host */
};
/* Before the sandbox: reads ca_file (missing or empty file: verify always fails, one log line). NULL: no memory. */
struct tls_client *tls_client_new(const char *ca_file, const char *min_version);
/* For new connections; the authorities stay those that were read. */
void tls_client_reload(struct tls_client *t, const char *min_version);
void tls_client_free(struct tls_client **t);

#endif
