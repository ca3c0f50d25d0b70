#ifndef PABAL_IMAPD_SESSION_H
#define PABAL_IMAPD_SESSION_H

#include "common/daemon/edgetls.h"
#include "imapd/backend.h"

/*
 * An IMAP session as a pure machine: bytes in, bytes out, requests to a
 * backend, and nothing else. Whoever runs it appends to `in`, calls
 * imap_session_run(), and sends what is in `out`.
 */
struct imap_env {               /* shared by all sessions of a process */
	const struct imap_backend_ops *ops;
	void *be;
	bool allow_plaintext_login;     /* from loopback, that is */
	bool starttls;                  /* there are certificates */
	bool oauth;                     /* OAUTHBEARER and XOAUTH2 are offered */
	uint64_t login_timeout_ms;      /* from the greeting */
	uint64_t literal_max;           /* bytes of an APPEND */
	uint64_t inline_max;            /* a larger message gets a body file */
};

enum {
	IMAP_OUT_HIGH = 256 * 1024,     /* nothing is produced while more waits to be sent */
	IMAP_IDLE_HELLO_MS = 120 * 1000,
	IMAP_ERRORS_MAX = 20,           /* bad commands in a row after a login */
	IMAP_ERRORS_MAX_PREAUTH = 5,
	IMAP_LOGINS_MAX = 5,            /* refused logins */
	IMAP_BACKEND_WAIT_MS = 30 * 1000, /* how long the spool may be away */
	IMAP_LINE_MAX = 60 * 1024, IMAP_LINE_MAX_PREAUTH = 13 * 1024,   /* room for a token in AUTHENTICATE */
	IMAP_TEXT_MAX = 256 * 1024, IMAP_TEXT_MAX_PREAUTH = 16 * 1024,
	IMAP_LITERALS_MAX = 100, IMAP_LITERALS_MAX_PREAUTH = 4,
	IMAP_ARENA_MAX = 8 * 1024 * 1024, /* memory of one command */
};

/* Who runs the session. */
struct imap_host_ops {
	/* STARTTLS was answered OK: send what is in out, drop all input, do a handshake, then imap_session_tls_started(). */
	void (*start_tls)(void *ctx);
	/* Call imap_session_run() again soon: other sessions first. */
	void (*again)(void *ctx);
	/* Call imap_session_timer() in ms; 0: not any more. */
	void (*timer)(void *ctx, uint64_t ms);
	/* It has done something, whoever made it: there may be something in out, and reading may go on or pause. */
	void (*ran)(void *ctx);
	/* The session is over: send what is in out unless abort is set, and close. Do not free it from within. */
	void (*over)(void *ctx, bool abort);
};

struct imap_host {              /* of one session; copied */
	const struct imap_host_ops *ops;
	void *ctx;
	struct buf *in, *out;
	const char *peer;               /* address as text, for the log and accountd */
	const struct edge_tls *tls;     /* it is under TLS already (port 993); NULL: not. Good until the login */
	bool loopback;
};

/* Greets. NULL: no memory. */
struct imap_session *imap_session_new(const struct imap_env *env, const struct imap_host *host);
/* Cancels what is asked, closes the spool's session, leaves no timer that it had not set before. *s = NULL. */
void imap_session_free(struct imap_session **s);
/* There are bytes in `in`, or there is room in `out` again. */
void imap_session_run(struct imap_session *s);
void imap_session_timer(struct imap_session *s);
/* The handshake is done: what the client said before is forgotten. tls is good until the login. */
void imap_session_tls_started(struct imap_session *s, const struct edge_tls *tls);
/* The client closed its side: what is asked is finished, then it is over. */
void imap_session_eof(struct imap_session *s);
/* Finishes the command that is being done, takes no other, and says BYE. */
void imap_session_stop(struct imap_session *s);
/* "* BYE text" and over. text is also logged. */
void imap_session_bye(struct imap_session *s, const char *text);
/* For the owner of the backend: a change of the bound session's mailbox; spoold went, and came back. */
void imap_session_change(struct imap_session *s, const struct spool_change *ch);
void imap_session_lost(struct imap_session *s);
void imap_session_back(struct imap_session *s);
/*
 * A session that waits in IDLE and has nothing else to do can be put away in a few bytes, sleep.c: *s is NULL then, and
 * who runs it wakes it before anything is done with it, which is all that he may do with what he has got. NULL: it has
 * something to do, or there is no memory for it, and *s is as it was. Not from within a call of the session's host.
 */
struct imap_sleeper *imap_session_sleep(struct imap_session **s);
/* As it was; host is what it had before. NULL: no memory, *z is as it was. */
struct imap_session *imap_session_wake(struct imap_sleeper **z, const struct imap_env *env, const struct imap_host *host);
/* As imap_session_free(). *z = NULL. */
void imap_sleeper_free(struct imap_sleeper **z, const struct imap_env *env);
bool imap_session_logged_in(const struct imap_session *s);
/* Is it ready to take more input? Otherwise the reading may pause. */
bool imap_session_reading(const struct imap_session *s);

#endif
