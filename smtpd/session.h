#ifndef PABAL_SMTPD_SESSION_H
#define PABAL_SMTPD_SESSION_H

#include "common/base/buf.h"
#include "common/daemon/edgetls.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"

/*
 * One SMTP session as a pure step: bytes in, replies out, and what it wants
 * next. No socket, no channel, no file: the owner (server.c, a test, a fuzzer)
 * does what is wanted and feeds the answer back. The order of replies is the
 * order of commands, because the session takes no further input while an
 * answer is due; what the client pipelined waits in the owner's buffer.
 */
struct smtp_session;

/* What every session of a process shares. The owner keeps it current: a session
 * looks here at each command. */
enum smtp_spool_state { SMTP_SPOOL_DOWN, SMTP_SPOOL_FULL, SMTP_SPOOL_OPEN };

struct smtp_env {
	const char *hostname;
	uint64_t size_limit;             /* bytes of content */
	uint32_t rcpt_limit;
	uint32_t error_limit, junk_limit;
	uint32_t hop_limit;
	uint64_t timeout_ms;             /* one command, or a pause in the content */
	uint64_t data_timeout_ms;        /* content: this and a second per 500 bytes */
	uint64_t login_timeout_ms;       /* from the connection to the login that submission demands */
	size_t inline_limit;             /* longer bodies go to a file */
	bool starttls;                   /* there are certificates */
	bool plaintext_login;            /* clients on loopback may log in without TLS */
	bool oauth;                      /* OAUTHBEARER and XOAUTH2 are offered */
	bool hide_client;                /* Received of a submitted message does not name the client */
	enum smtp_spool_state spool;
	bool stopping;                   /* 421 at the next command boundary */
};

/* The texts are copied. */
struct smtp_client {
	const char *addr;                /* "192.0.2.1", "2001:db8::1" */
	bool relay;                      /* may send to any domain */
	bool submission;                 /* ports 587 and 465: only who has logged in may send (RFC 6409) */
	bool implicit_tls;               /* port 465: the session begins with SMTP_WANT_TLS, then the greeting */
	bool loopback;
};

enum smtp_want {
	SMTP_WANT_INPUT,         /* more bytes, then smtp_session_run() */
	SMTP_WANT_TLS,           /* send the output, drop all input that is there, do a handshake, then ..._tls_started() */
	SMTP_WANT_LOGIN,         /* send smtp_session_login() to accountd, then ..._login_done() */
	SMTP_WANT_SENDER,        /* ask accountd for smtp_session_sender(), then ..._sender_done() */
	SMTP_WANT_LOOKUP,        /* ask accountd for smtp_session_lookup_addr(), then ..._lookup_done() */
	SMTP_WANT_FILE,          /* ask spoold for a body file, then ..._file_done() */
	SMTP_WANT_WRITE,         /* write smtp_session_unwritten() to the file, then ..._write_done() */
	SMTP_WANT_ACCEPT,        /* send smtp_session_submission() to spoold, then ..._accept_done() */
	SMTP_WANT_CLOSE,         /* send the output and close */
};

enum smtp_lookup { SMTP_LOOKUP_LOCAL, SMTP_LOOKUP_UNKNOWN, SMTP_LOOKUP_REMOTE, SMTP_LOOKUP_TEMPFAIL };
enum smtp_sender { SMTP_SENDER_OWN, SMTP_SENDER_FOREIGN, SMTP_SENDER_TEMPFAIL };

/* out takes the replies; env and out outlive the session. NULL without memory. */
struct smtp_session *smtp_session_new(const struct smtp_env *env, const struct smtp_client *client, struct buf *out);
/* Logs the end of the session with its counters. *s = NULL. */
void smtp_session_free(struct smtp_session **s);

/* The banner; or, if the client spoke before it (RFC 5321 3.1), 554 and the end. */
enum smtp_want smtp_session_greet(struct smtp_session *s, bool early_talker);
/* Goes on as far as in (whose max is over 16 KiB) and the answers allow. What holds a secret is wiped in it. */
enum smtp_want smtp_session_run(struct smtp_session *s, struct buf *in);
/* The client closed its side and all input has been used: logs it. */
void smtp_session_lost(struct smtp_session *s);

/* When smtp_session_timeout() has to be called (clock_mono_ms()), 0: not now. Moves at each call of the others. */
uint64_t smtp_session_deadline(const struct smtp_session *s);
enum smtp_want smtp_session_timeout(struct smtp_session *s);

/* The answers. After each: smtp_session_run() again. */
/* The handshake is done: what the client said before is forgotten (RFC 3207 4.2), its login too. With implicit_tls
 * smtp_session_greet() follows. The facts are copied. ERR_NOMEM: close. A handshake that failed has no answer: the connection is over. */
int smtp_session_tls_started(struct smtp_session *s, const struct edge_tls *tls) MUST_CHECK;
/* Good until ..._login_done(), which wipes its secret. */
const struct account_login *smtp_session_login(const struct smtp_session *s);
/* As sasl_answer(): r 0 and m an account_logged_in or account_scram by type; or r negative. */
void smtp_session_login_done(struct smtp_session *s, int r, uint16_t type, const void *m);
/* The question, good until ..._sender_done(). */
struct account_sender smtp_session_sender(const struct smtp_session *s);
void smtp_session_sender_done(struct smtp_session *s, enum smtp_sender result);
struct slice smtp_session_lookup_addr(const struct smtp_session *s);
void smtp_session_lookup_done(struct smtp_session *s, enum smtp_lookup result);
/* file: spoold's number of it, never 0; r negative: there is none (ERR_FULL: no space). */
void smtp_session_file_done(struct smtp_session *s, int r, uint64_t file);
struct slice smtp_session_unwritten(const struct smtp_session *s);
void smtp_session_write_done(struct smtp_session *s, int r);
/* The number of the file that the session still wants, 0 when none: the owner drops any other. */
uint64_t smtp_session_file(const struct smtp_session *s);
/* spoold is gone, and the file with it. Harmless without one. */
void smtp_session_file_lost(struct smtp_session *s);
/* Slices and lists are good until ..._accept_done(). ERR_NOMEM over the transaction's cap. */
int smtp_session_submission(struct smtp_session *s, struct spool_accept *m_r) MUST_CHECK;
/* r 0: it is on disk, msgid its number. ERR_FULL: no space. Anything else: try later. */
void smtp_session_accept_done(struct smtp_session *s, int r, uint64_t msgid);

/* Bytes of content that it keeps in memory. */
size_t smtp_session_held(const struct smtp_session *s);

/* For tests: is a transaction open, and how many commands were answered. */
bool smtp_session_in_transaction(const struct smtp_session *s);
uint64_t smtp_session_commands(const struct smtp_session *s);

#endif
