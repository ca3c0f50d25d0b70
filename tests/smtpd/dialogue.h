#ifndef PABAL_TESTS_SMTPD_DIALOGUE_H
#define PABAL_TESTS_SMTPD_DIALOGUE_H

/*
 * A session with everything around it faked, for dialogues in memory. accountd
 * is the address itself:
 *	*@here.test      LOCAL       nobody@here.test   UNKNOWN
 *	down@*           TEMPFAIL    postmaster         LOCAL, anything else REMOTE
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
	bool hold_lookup;               /* accountd keeps its answers back */
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
/* Sends the banner. */
void fake_start(struct fake *f, bool early);
/* Gives bytes to the session and does what it wants. */
void fake_send(struct fake *f, struct slice bytes);
/* Does what it wants, without new bytes. */
void fake_pump(struct fake *f);
enum smtp_lookup fake_lookup(struct slice addr);

/* The test's clock in milliseconds, and turning it. */
extern uint64_t fake_now_ms;
void fake_clock(void);

#endif
