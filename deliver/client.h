#ifndef PABAL_DELIVER_CLIENT_H
#define PABAL_DELIVER_CLIENT_H

#include "common/base/arena.h"
#include "common/ipc/proto_job.h"
#include "deliver/reply.h"

/*
 * The SMTP client, RFC 5321, as a pure step: bytes of the server in, bytes for
 * the server out. It knows no socket, no clock and no file; whoever drives it
 * (remote_conn.c, the tests, the fuzzer) brings them.
 *
 *	client_start -> client_step ... CLIENT_READY -> client_begin(tx) -> client_step ...
 *	    CLIENT_BODY -> client_body() ..., client_body_end() -> client_step ... CLIENT_TX_DONE
 *	    -> client_begin(further tx), or client_quit() -> client_step ... CLIENT_CLOSED
 *
 * STARTTLS (RFC 3207) is used as client_start() says. CLIENT_TLS comes when the server agreed: the driver throws
 * away what it has received, does the handshake, and says client_tls_started() or client_tls_failed(); after the
 * former everything that the server said is forgotten and it is greeted anew. A server that refuses STARTTLS when TLS
 * is only wanted is spoken to without. Bytes behind its agreement end the session (CLIENT_FAIL_INJECTION).
 *
 * PIPELINING (RFC 2920) is used when it is offered, SIZE (RFC 1870), 8BITMIME
 * (RFC 6152) and DSN (RFC 3461) too. An 8-bit content for a server that does
 * not offer 8BITMIME is bounced with 5.6.3: it may not be sent as it is
 * (RFC 6152 3) and is not converted yet.
 */
enum { CLIENT_TEXT_MAX = 400 };         /* of an outcome's text */

struct client_rcpt {
	/* set by the caller */
	struct slice addr, orcpt;
	uint8_t notify;
	/* what became of it: 0 not known (the session failed before), else enum OUTCOME_ */
	uint8_t kind;
	bool accepted;                  /* RCPT was answered with 2xx */
	bool too_many;                  /* deferred by 452 or 552 for too many recipients: may go in a further transaction */
	char status[REPLY_STATUS_MAX];
	struct slice text;              /* in the transaction's arena */
};

struct client_tx {
	struct slice sender, envid;     /* canonical text; sender empty: null path */
	uint8_t ret;                    /* 1 FULL, 2 HDRS, 0 not said */
	uint64_t size;
	uint32_t body_flags;            /* BODY_ */
	struct client_rcpt *rcpts;      /* those with kind != 0 at the start are left out */
	uint32_t rcpts_n;
	struct arena *arena;
};

enum client_event {
	CLIENT_MORE,            /* wait for bytes */
	CLIENT_TLS,             /* begin the handshake, then client_tls_started() or client_tls_failed() */
	CLIENT_READY,           /* greeted: client_begin() or client_quit() */
	CLIENT_BODY,            /* send the content: client_body(), client_body_end() */
	CLIENT_TX_DONE,         /* each recipient has its kind; ready for a further one */
	CLIENT_FAILED,          /* of no use any more; c->fail says why. Recipients without a kind are the caller's to judge */
	CLIENT_CLOSED,          /* QUIT was answered */
};

enum client_fail {
	CLIENT_FAIL_NONE,
	CLIENT_FAIL_REFUSED,    /* greeting or HELO answered with 4xx or 5xx */
	CLIENT_FAIL_CLOSING,    /* 421 */
	CLIENT_FAIL_PROTOCOL,   /* it does not speak SMTP */
	CLIENT_FAIL_LOST,       /* connection or patience lost: client_lost() */
	CLIENT_FAIL_LOOP,       /* it calls itself what we call ourselves */
	CLIENT_FAIL_TLS,        /* no TLS though it is required, or it broke off between STARTTLS and the first reply under TLS */
	CLIENT_FAIL_INJECTION,  /* bytes between STARTTLS's reply and the handshake */
};

enum client_state {
	CS_GREETING, CS_EHLO, CS_HELO, CS_STARTTLS, CS_TLS, CS_READY, CS_RSET, CS_TX, CS_BODY, CS_FINAL, CS_QUIT, CS_DEAD,
};

enum { CAP_PIPELINING = 1, CAP_SIZE = 2, CAP_8BITMIME = 4, CAP_DSN = 8, CAP_STATUS = 16, CAP_STARTTLS = 32 };

enum client_tls {
	CLIENT_TLS_NEVER,       /* not even when it is offered */
	CLIENT_TLS_MAY,         /* when it is offered */
	CLIENT_TLS_MUST,        /* or the session fails */
};

struct client {
	struct slice name;              /* ours, for EHLO; outlives the client */
	enum client_state state;
	struct reply_reader replies;
	enum client_tls tls;
	bool secure;                    /* the handshake is done */
	unsigned caps;
	uint64_t size_limit;            /* 0: not said */
	bool need_rset;                 /* the server may still have the last transaction open */
	unsigned txs;                   /* transactions begun */
	uint64_t progress;              /* grows with each whole reply: for timeouts */
	struct client_tx *tx;           /* only from client_begin() to TX_DONE or FAILED */
	uint32_t pos, sent;             /* replies taken, commands sent: 0 MAIL, then the recipients, then DATA */
	uint32_t *order;                /* the recipients of this transaction, in the tx's arena */
	uint32_t order_n;
	uint32_t accepted;
	bool refused;                   /* MAIL was refused: further replies mean nothing */
	struct dot_writer dots;
	enum client_fail fail;
	bool after_dot;                 /* failed while the answer to the content was awaited: it may have arrived */
	char fail_status[REPLY_STATUS_MAX];
	char fail_text[CLIENT_TEXT_MAX + 1];
};

void client_start(struct client *c, struct slice name, enum client_tls tls);
void client_free(struct client *c);
/* Takes replies from in, appends commands to out, until something is to be told. */
enum client_event client_step(struct client *c, struct buf *in, struct buf *out) MUST_CHECK;
/* After CLIENT_TLS. Failed: c->fail is CLIENT_FAIL_TLS, 4.7.5 "TLS handshake failed: why". */
void client_tls_started(struct client *c, struct buf *out);
void client_tls_failed(struct client *c, const char *why);
/* Only when ready. tx stays the caller's and in place. May be CLIENT_TX_DONE at once (too big, not 8-bit);
 * then nothing was sent. ERR_NOMEM of the arena fails the client. */
enum client_event client_begin(struct client *c, struct client_tx *tx, struct buf *out) MUST_CHECK;
void client_body(struct client *c, struct slice part, struct buf *out);
void client_body_end(struct client *c, struct buf *out);
void client_quit(struct client *c, struct buf *out);
/* The driver lost the connection (or patience): what, e.g. "lost connection". Makes "what while ...". */
void client_lost(struct client *c, const char *status, const char *what);
/* "receiving the initial server greeting", "sending RCPT TO", ... */
const char *client_doing(const struct client *c);

#endif
