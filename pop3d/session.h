#ifndef PABAL_POP3D_SESSION_H
#define PABAL_POP3D_SESSION_H

#include "common/base/buf.h"
#include "common/daemon/edgetls.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"

/*
 * One POP3 session as a pure step: bytes in, replies out, and what it wants
 * next, as in smtpd/session.h. The maildrop is the INBOX as it was at login:
 * message numbers and sizes do not move while the session lasts, whatever other
 * sessions do, and nobody is locked out. What was marked with DELE is removed at
 * QUIT and never otherwise.
 */
struct pop3_session;

struct pop3_env {
	const char *hostname;
	uint64_t login_ms;               /* a login has to come within this */
	uint64_t idle_ms;
	bool starttls;                   /* there are certificates */
	bool oauth;                      /* OAUTHBEARER and XOAUTH2 are offered */
	bool stopping;
};

/* The text is copied. */
struct pop3_client {
	const char *addr;
	bool plaintext;                  /* logins without TLS are taken on this connection */
	bool implicit_tls;               /* port 995: the session begins with POP3_WANT_TLS, then the greeting */
};

enum pop3_want {
	POP3_WANT_INPUT,         /* more bytes, then pop3_session_run() */
	POP3_WANT_DRAIN,         /* out is full: send it, then pop3_session_run() */
	POP3_WANT_TLS,           /* send the output, drop all input that is there, do a handshake, then ..._tls_started() */
	POP3_WANT_LOGIN,         /* ask accountd ..._question(), then ..._login_done() */
	POP3_WANT_OPEN,          /* open the INBOX with ..._token(), then ..._open_done() */
	POP3_WANT_BODY,          /* part of a message, then ..._body_done() */
	POP3_WANT_EXPUNGE,       /* ..._expunge() to spoold, then ..._expunge_done() */
	POP3_WANT_CLOSE,
};

/* out takes the replies; what is in it is taken away by the owner when DRAIN is wanted. */
struct pop3_session *pop3_session_new(const struct pop3_env *env, const struct pop3_client *client, struct buf *out);
/* Logs the end. *s = NULL. */
void pop3_session_free(struct pop3_session **s);
enum pop3_want pop3_session_greet(struct pop3_session *s);
enum pop3_want pop3_session_run(struct pop3_session *s, struct buf *in);
/* The client is gone without QUIT: nothing is deleted. Only logs. */
void pop3_session_lost(struct pop3_session *s);
/* As in smtpd/session.h. A timeout closes without a reply and deletes nothing (RFC 1939 3). */
uint64_t pop3_session_deadline(const struct pop3_session *s);
enum pop3_want pop3_session_timeout(struct pop3_session *s);

/* The handshake is done: what the client said before is forgotten (RFC 2595 4). tls outlives the session. */
enum pop3_want pop3_session_tls_started(struct pop3_session *s, const struct edge_tls *tls);

/* What to ask accountd; good until ..._login_done(), which wipes its secret. */
const struct account_login *pop3_session_question(const struct pop3_session *s);
/* r 0 and m the account_logged_in or account_scram by type; or r negative, as accountd or the channel said. */
void pop3_session_login_done(struct pop3_session *s, int r, uint16_t type, const void *m);
/* What accountd gave for spoold; good until ..._open_done(). */
struct slice pop3_session_token(const struct pop3_session *s);
/* rows: count packed rows of SPOOL_ROW_SIZE bytes, ascending by uid, as spool_select gave them; copied. r negative:
 * it cannot be opened now. */
void pop3_session_open_done(struct pop3_session *s, int r, uint32_t uidvalidity, struct slice rows);

struct pop3_part {
	uint32_t uid;
	uint64_t bodyid, off;
	uint32_t len;                    /* at most; 0 never */
	uint64_t size;                   /* of the whole message, as the row told it */
};
struct pop3_part pop3_session_part(const struct pop3_session *s);
/* While the messages are read in order: the uids of the part's one and of those behind it that can be expected to be
 * wanted next, whole ones of together at most `bytes`. The ranges and their number, at most max; 0: the part is all
 * there is to ask for. */
uint32_t pop3_session_ahead(const struct pop3_session *s, uint64_t bytes, struct spool_range *ranges, uint32_t max);
/* bytes from part.off on, at least one unless it is at size; r negative: there are none (ERR_NOTFOUND: it is expunged). */
void pop3_session_body_done(struct pop3_session *s, int r, uint64_t size, struct slice bytes);

/* The next ranges to remove, at most max. */
uint32_t pop3_session_expunge(struct pop3_session *s, struct spool_range *ranges, uint32_t max);
void pop3_session_expunge_done(struct pop3_session *s, int r);

/* For tests: commands answered. */
uint64_t pop3_session_commands(const struct pop3_session *s);

#endif
