#ifndef PABAL_TESTS_SMTPD_DIALOGUE_H
#define PABAL_TESTS_SMTPD_DIALOGUE_H

/*
 * A session with everything around it faked, for dialogues in memory. accountd
 * is the address itself:
 *	*@here.test      LOCAL       nobody@here.test   UNKNOWN
 *	down@*           TEMPFAIL    postmaster         LOCAL, anything else REMOTE
 * It knows the password "secret" and the token "token" of u@here.test, whose other
 * addresses are alias@here.test and u+...@here.test; down@here.test gives a fault,
 * slow@here.test is slowed. The certificate is what f->tls says.
 * spoold keeps the last accepted message as text and answers what it is told to.
 */
#include "common/base/buf.h"
#include "smtpd/session.h"

struct fake {
	struct smtp_env env;
	struct smtp_client client;
	struct smtp_session *s;
	struct buf in, out;
	enum smtp_want want;
	int file_r, write_r, accept_r;  /* what spoold answers, 0: well */
	bool dies_at_end;               /* spoold, and is back at once: the file is gone when it is sent */
	bool hold_lookup, hold_login;   /* accountd keeps its answers back */
	struct edge_tls tls;            /* what a handshake gives */
	bool hold_tls;
	unsigned handshakes, logins, senders;    /* asked for */
	struct buf file;                /* what was written to the body file */
	uint64_t file_no;               /* handed out last */
	struct buf body;                /* of the last message accepted */
	char envelope[1024];            /* "FROM > RCPT RCPT" of the last */
	struct spool_body_in facts;     /* of the last; bytes is empty */
	char message_id[256], origin[512];
	unsigned accepted, dropped;
};

void fake_init(struct fake *f);
void fake_free(struct fake *f);
/* Makes the session anew, of a client as f->client is now. */
void fake_client(struct fake *f);
void fake_submission(struct fake *f);
void fake_submissions(struct fake *f);
/* Sends the banner; with implicit TLS the handshake comes first. */
void fake_start(struct fake *f, bool early);
/* Gives bytes to the session and does what it wants. */
void fake_send(struct fake *f, struct slice bytes);
/* Does what it wants, without new bytes. */
void fake_pump(struct fake *f);
enum smtp_lookup fake_lookup(struct slice addr);
enum smtp_sender fake_sender(const struct account_sender *q);
/* 0 and the answer, or what accountd would say. */
int fake_login(const struct account_login *q, struct account_logged_in *in_r);

/* The test's clock in milliseconds, and turning it. */
extern uint64_t fake_now_ms;
void fake_clock(void);

#endif
