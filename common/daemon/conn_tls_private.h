#ifndef PABAL_DAEMON_CONN_TLS_PRIVATE_H
#define PABAL_DAEMON_CONN_TLS_PRIVATE_H

#include "common/daemon/conn_private.h"
#include "common/daemon/tls_private.h"

/* The TLS state of a connection, between conn_tls.c (starting, data, end), conn_handshake.c and conn_bio.c (the socket). */
enum { CONN_TLS_HEAD = 9 /* bytes of a record's header and of the ClientHello's in it */ };

enum conn_tls_state { TLS_PLAIN, TLS_WAIT, TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };
enum conn_tls_sign { SIGN_NONE, SIGN_ASKED, SIGN_AWAY /* keyd is not there: asks when it comes */, SIGN_DONE, SIGN_FAILED };

struct conn_tls {
	struct conn *c;
	struct tls_server *server;      /* NULL: we are the client */
	struct tls_client *client;
	SSL *ssl;
	enum conn_tls_state state;
	enum conn_tls_sign sign;
	size_t plain_left;              /* of the output: what goes in the clear */
	size_t taken;                   /* bytes read during the handshake */
	size_t low;                     /* a server's: bytes that have to be there before it begins, 0: none set */
	struct loop_timer timer;
	struct loop_task task;
	struct tls_waiter waiter;
	unsigned want;                  /* LOOP_ events of the handshake */
	bool read_wants_write, write_wants_read, bye_wants_write, bye;
	bool dry;                       /* the last read found too little for a record */
	bool tcp_eof, flood, dead;
	int sys;                        /* errno of the socket */
	const char *error;
	/* the signature */
	struct tls_ask *ask;            /* under way, or NULL */
	bool has_signed;
	uint8_t lost;                   /* requests that ended with keyd */
	uint8_t *signature;
	size_t signature_n;
	/* messages after the handshake */
	unsigned extra, minute_n;
	uint64_t minute_ms;
	uint8_t head[CONN_TLS_HEAD], head_n;
	int verify_error;
	struct tls_info info;
	char *sni, *mail, *key;
};

/* conn_bio.c: gives t->ssl the socket. False: no memory. */
bool conn_tls_attach(struct conn_tls *t);
/* What is wrong with the first bytes of a client, as far as they are in t->head, or NULL. */
const char *conn_tls_head_judge(const struct conn_tls *t);
/* conn_handshake.c. Each is false when the connection is gone or broken. */
bool conn_tls_handshake(struct conn *c);
bool conn_tls_fail(struct conn *c, const char *why, int e);
/* For the timer and the waiter of struct conn_tls. */
void conn_tls_late(void *ctx);
void conn_tls_job_there(struct tls_waiter *w);
/* A job that sleeps comes to its end without an answer. */
void conn_tls_abandon(struct conn_tls *t);

#endif
