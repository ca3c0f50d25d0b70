#ifndef PABAL_SMTPD_SUBMIT_H
#define PABAL_SMTPD_SUBMIT_H

#include "common/base/arena.h"
#include "smtpd/content.h"
#include "smtpd/session.h"
#include "smtpd/verbs.h"

/*
 * What a submission server does to the header of a message (RFC 6409): it adds
 * what is missing, and sees to it that nobody writes in another's name. Every
 * address of From has to be the user's own; or, if there is a Sender (RFC 5322
 * 3.6.2: who really sent it), that one. A Sender is never another's.
 */
enum { SMTP_FROM_MAX = 16 };

struct smtp_submit {
	struct slice from[SMTP_FROM_MAX];    /* canonical, empty: no address that anybody could have */
	unsigned from_n;
	struct slice sender;                 /* of the field Sender, empty: none or none that counts */
	bool has_from, has_sender;           /* fields of the client's, not ours */
	unsigned next;                       /* of from */
	bool by_sender;                      /* From is through, or did not do: Sender is asked about */
	struct slice asked;
};

/* Before the content: makes tx->submit and has the header held until it is looked at. ERR_NOMEM. */
int smtp_submit_begin(struct smtp_session *s) MUST_CHECK;
/* After the content: asks accountd, or is through, and the session wants ACCEPT; or refuses. */
enum smtp_verdict smtp_submit_check(struct smtp_session *s, struct smtp_reply *reply);
enum smtp_verdict smtp_submit_checked(struct smtp_session *s, enum smtp_sender result, struct smtp_reply *reply);

#endif
