#ifndef PABAL_TESTS_TLS_H
#define PABAL_TESTS_TLS_H

/*
 * A TLS server of common/daemon/tls.h in this process, with this process as its keyd, certificates made on the spot,
 * and a client of plain OpenSSL or of our own at the other end of a socket pair. Everything happens in one loop;
 * whoever waits turns it, up to a number of turns.
 */
#include "common/daemon/conn.h"
#include "common/daemon/openssl.h"
#include "common/daemon/tls.h"
#include "common/ipc/proto_key.h"

enum { KIT_CERTS = 8 };

struct kit_cert {
	EVP_PKEY *key;
	X509 *x;
	const struct kit_cert *issuer;  /* sent along unless it is a root */
	uint8_t id[KEY_ID_SIZE];
};

struct kit_cert_spec {
	const char *type;               /* "P-256", "P-384", "RSA", "RSA-PSS", "ED25519" */
	const char *san;                /* "DNS:a.test,DNS:b.test"; NULL: none */
	const struct kit_cert *issuer;  /* NULL: itself */
	const char *eku;                /* "serverAuth"; NULL: for everything */
	bool ca, expired;
	unsigned rsa_bits;              /* 0: 2048 */
};

enum kit_keyd { KEYD_SIGN, KEYD_HOLD, KEYD_DENY, KEYD_GARBAGE, KEYD_LONG, KEYD_NONSENSE };

struct kit {
	struct loop *loop;
	struct conf conf;
	struct daemon d;
	struct channel *edge, *keyd;    /* the two ends of the channel; NULL: closed */
	enum kit_keyd mode;
	unsigned signs;                 /* requests seen */
	uint16_t scheme;                /* of the last */
	uint32_t held_id[512];
	uint8_t held_text[512][KEY_TEXT_MAX];
	size_t held_len[512];
	uint16_t held_scheme[512];
	uint8_t held_key[512][KEY_ID_SIZE];
	unsigned held;
	struct kit_cert certs[KIT_CERTS];
	unsigned certs_n;
};

void kit_start(struct kit *k, const char *service);
void kit_end(struct kit *k);
/* In the kit or, for authorities and clients, anywhere; free with kit_cert_free(). */
void kit_cert_make(struct kit_cert *c, const struct kit_cert_spec *spec);
void kit_cert_free(struct kit_cert *c);
/* The same into k->certs. */
struct kit_cert *kit_cert_add(struct kit *k, const struct kit_cert_spec *spec);
/* keyd tells what is in k->certs; names as in the certificates. defaults: bits, which are. */
void kit_tell_certs(struct kit *k, unsigned defaults);
void kit_tell_tickets(struct kit *k, uint8_t seed, uint8_t older);
/* keyd goes; and comes. */
void kit_keyd_close(struct kit *k);
void kit_keyd_open(struct kit *k);
/* Signs what was held. */
void kit_release(struct kit *k);
void kit_turns(struct kit *k, unsigned n);

/* One of our connections and what happened to it. */
struct kit_conn {
	struct conn *c;
	unsigned tls, data, eof, error, timeout, drain;
	struct buf got;
	bool keep;                      /* leaves conn_in() alone */
	bool echo;
};
/* A pair of sockets: our connection at one, the number of the other returned. */
int kit_conn_open(struct kit *k, struct kit_conn *o);
void kit_conn_open_fd(struct kit *k, struct kit_conn *o, int fd);
void kit_conn_free(struct kit_conn *o);

/* A client of plain OpenSSL. */
struct kit_peer { SSL_CTX *ctx; SSL *ssl; int fd; };
void kit_peer_open(struct kit_peer *p, int fd, int min_version, int max_version);
void kit_peer_free(struct kit_peer *p);
/* Turns the loop until the client's handshake is done: 1, or failed: 0, or nothing happens any more: -1. */
int kit_peer_handshake(struct kit *k, struct kit_peer *p);
/* Reads at least n bytes; 0 or -1. */
int kit_peer_read(struct kit *k, struct kit_peer *p, void *buf, size_t n);
int kit_peer_write(struct kit *k, struct kit_peer *p, const void *buf, size_t n);
/* Why it failed: the reason of OpenSSL's error. */
const char *kit_peer_error(void);

#endif
