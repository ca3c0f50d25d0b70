#ifndef PABAL_SMTPD_INTERNAL_H
#define PABAL_SMTPD_INTERNAL_H

/* What the files of the session share; not for anybody who only owns one. */

#include <bsd/sys/queue.h>

#include "common/base/log.h"
#include "common/sasl/sasl.h"
#include "smtpd/content.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"
#include "smtpd/verbs.h"

enum {
	SMTP_LINE_MAX = 1024,                   /* RFC 5321 4.5.3.1.4: 512, and room for the parameters of extensions */
	SMTP_LINE_LONG = SASL_LINE_MAX + 64,    /* of AUTH and within its exchange, RFC 4954 4 */
};

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
	struct smtp_submit *submit;  /* with it, of a submission */
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
	struct edge_tls tls;         /* texts in arena; version NULL: no TLS */
	struct sasl *sasl;           /* the exchange of AUTH, to its final reply; NULL: none */
	const char *user;            /* who has logged in; in arena, NULL: nobody */
	const char *mechanism;
	uint64_t account;
	unsigned refused;            /* logins */
	struct smtp_tx *tx;
	struct smtp_tx *candidate;   /* becomes tx if the sender is the user's own */
	const struct smtp_verb *verb;/* that is being done, or was last; NULL: none or unknown */
	uint32_t errors, junk;
	uint64_t start_ms;
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

/* "ESMTPSA": RFC 3848. */
const char *smtp_session_proto(const struct smtp_session *s);
/* session.c. Opens and ends transactions, moves the state and sends the reply; args only count for SMTP_TX_BEGIN and _ASK. */
void smtp_session_apply(struct smtp_session *s, enum smtp_verdict v, const union smtp_args *args, struct smtp_reply *reply);
/* After a command: is it enough? */
void smtp_session_check_limits(struct smtp_session *s);
/* The answer that is due has come; a bug (panic) if it is another that is wanted. */
void smtp_session_taken(struct smtp_session *s, enum smtp_want want);
/* ", sasl_method=PLAIN, sasl_username=u@example.org", or nothing. */
void smtp_log_login(const struct smtp_session *s, struct buf *b);
/* ", tls=TLSv1.3/TLS_AES_256_GCM_SHA384", or nothing. */
void smtp_log_tls(const struct smtp_session *s, struct buf *b);

/* verb_starttls.c */
bool smtp_starttls_offered(const struct smtp_session *s);

/* verb_auth.c. May this client log in now (RFC 4954 and RFC 8314 3.3: not in the clear)? */
bool smtp_auth_allowed(const struct smtp_session *s);
struct sasl_conf smtp_auth_conf(const struct smtp_session *s);
/* A line of the client within an exchange, or one that is none. */
enum smtp_verdict smtp_auth_line(struct smtp_session *s, struct slice line, struct smtp_reply *reply);
enum smtp_verdict smtp_auth_bad_line(struct smtp_session *s, bool too_long, struct smtp_reply *reply);
enum smtp_verdict smtp_auth_answered(struct smtp_session *s, int r, uint16_t type, const void *m, struct smtp_reply *reply);
/* Forgets the exchange, if there is one. */
void smtp_auth_end(struct smtp_session *s);
/* That was a refused login too many. */
bool smtp_auth_over_limit(const struct smtp_session *s);

/* verb_mail.c */
enum smtp_verdict smtp_mail_checked(struct smtp_session *s, enum smtp_sender result, struct smtp_reply *reply);
void smtp_sender_reply(const struct smtp_session *s, enum smtp_sender result, struct slice addr, struct smtp_reply *reply);

/* verb_data.c: makes tx->content with the trace header in front. ERR_NOMEM. */
int smtp_data_begin(struct smtp_session *s) MUST_CHECK;
/* The end has come: the reply, or none and the session wants ACCEPT. */
enum smtp_verdict smtp_data_end(struct smtp_session *s, struct smtp_reply *reply);
enum smtp_verdict smtp_data_accepted(struct smtp_session *s, int r, uint64_t msgid, struct smtp_reply *reply);
enum smtp_verdict smtp_rcpt_looked_up(struct smtp_session *s, enum smtp_lookup result, struct smtp_reply *reply);

#endif
