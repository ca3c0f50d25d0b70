#ifndef PABAL_TESTS_DELIVER_TLS_PEER_H
#define PABAL_TESTS_DELIVER_TLS_PEER_H

/* The server's side of TLS on memory: bytes of the wire in and out, plain bytes in and out; and certificates for it. */
#include "common/base/buf.h"

enum tls_cert { CERT_GOOD, CERT_DOMAIN, CERT_WRONG_NAME, CERT_EXPIRED, CERT_SELF_SIGNED, CERTS_N };

/* An authority and one context for each certificate: for mx1.b.test, for b.test, for other.test, for mx1.b.test but over,
 * for mx1.b.test but signed by itself. ca_path_r: a file with the authority, which tls_peers_free() removes. */
struct tls_peers;
struct tls_peers *tls_peers_new(void);
const char *tls_peers_ca(const struct tls_peers *p);
void tls_peers_free(struct tls_peers **p);

struct tls_peer;
/* max_version: 12 or 13; ciphers: of TLS 1.2, or NULL */
struct tls_peer *tls_peer_new(struct tls_peers *p, enum tls_cert cert, int max_version, const char *ciphers);
void tls_peer_free(struct tls_peer **t);
/* Takes bytes of the wire; appends to plain what they say and to wire what is to be sent. False: it is broken. */
bool tls_peer_feed(struct tls_peer *t, struct slice in, struct buf *plain, struct buf *wire) MUST_CHECK;
void tls_peer_write(struct tls_peer *t, struct slice plain, struct buf *wire);
/* Is the handshake done? */
bool tls_peer_is_open(const struct tls_peer *t);
bool tls_peer_resumed(const struct tls_peer *t);
/* The name that was asked for, or "". */
const char *tls_peer_sni(const struct tls_peer *t);

#endif
