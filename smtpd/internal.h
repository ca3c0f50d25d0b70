#ifndef PABAL_SMTPD_INTERNAL_H
#define PABAL_SMTPD_INTERNAL_H

/* What the files of the session share; not for anybody who only owns one. */

#include <bsd/sys/queue.h>

#include "common/base/log.h"
#include "smtpd/content.h"
#include "smtpd/session.h"
#include "smtpd/verbs.h"

enum { SMTP_LINE_MAX = 1024 };    /* RFC 5321 4.5.3.1.4: 512, and room for the parameters of extensions */

struct smtp_rcpt {
	STAILQ_ENTRY(smtp_rcpt) link;
	struct slice addr;           /* canonical */
};

/*
 * The transaction: made by a MAIL that was accepted, freed by exactly one
 * tx_end() in session.c. There is no sender, recipient or content outside it.
 */
struct smtp_tx {
	struct arena *arena;
	struct slice sender;         /* canonical, empty: the null path */
	uint64_t size;               /* announced, 0: not */
	enum smtp_body_type body;
	STAILQ_HEAD(, smtp_rcpt) rcpts;
	uint32_t rcpts_n, rcpts_tried;
	struct smtp_rcpt *asked;     /* the one that accountd is asked about */
	struct smtp_content *content;/* from 354 on */
	char id[16];                 /* stands in the Received header and the log */
};

struct smtp_count {
	uint32_t ok, total;
};

struct smtp_session {
	const struct smtp_env *env;
	struct buf *out;
	struct arena *arena;         /* as long as the session */
	struct smtp_client client;
	char client_text[80];        /* "unknown[192.0.2.1]", as the log has it */
	enum smtp_state state;
	enum smtp_want want;
	struct line_reader lines;
	bool line_begun;             /* the first byte of this line has been looked at */
	bool esmtp;
	char helo[256];              /* empty: not said */
	struct smtp_tx *tx;
	const struct smtp_verb *verb;/* that is being done, or was last; NULL: none or unknown */
	uint32_t errors, junk;
	uint64_t since_ms;           /* of the command or pause that is being waited for */
	uint64_t content_ms;         /* start of the content */
	uint64_t commands;
	uint64_t accepted;           /* messages */
	struct smtp_count counts[SMTP_VERBS_MAX + 1];    /* the last: unknown */
};

/* For the log: nothing when it is empty. */
static inline const char *smtp_log_text(struct slice s)
{
	return s.len != 0 ? log_esc(s) : "";
}

const char *smtp_session_proto(const struct smtp_session *s);

/* verb_data.c: makes tx->content with the trace header in front. ERR_NOMEM. */
int smtp_data_begin(struct smtp_session *s) MUST_CHECK;
/* The end has come: the reply, or none and the session wants ACCEPT. */
enum smtp_verdict smtp_data_end(struct smtp_session *s, struct smtp_reply *reply);
enum smtp_verdict smtp_data_accepted(struct smtp_session *s, int r, uint64_t msgid, struct smtp_reply *reply);
enum smtp_verdict smtp_rcpt_looked_up(struct smtp_session *s, enum smtp_lookup result, struct smtp_reply *reply);

#endif
