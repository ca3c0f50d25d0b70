#ifndef PABAL_SMTPD_VERBS_H
#define PABAL_SMTPD_VERBS_H

#include "common/mail/address.h"
#include "smtpd/reply.h"

struct smtp_session;

/* The states of a session; bits, so that a verb names all it is allowed in. */
enum smtp_state {
	SMTP_ST_NEW = 1,         /* no banner yet */
	SMTP_ST_GREETED = 2,     /* banner sent, no EHLO or HELO */
	SMTP_ST_READY = 4,
	SMTP_ST_TX = 8,          /* after MAIL */
	SMTP_ST_CONTENT = 16,    /* after 354 */
	SMTP_ST_AUTH = 32,       /* after 334: the next line is the client's part of the exchange */
	SMTP_ST_CLOSED = 64,
};

/* What the loop does after a handler; nobody else opens or ends a transaction or changes the state. */
enum smtp_verdict {
	SMTP_STAY,
	SMTP_WAIT,               /* no reply yet: an answer from elsewhere makes it */
	SMTP_HELLO,              /* EHLO/HELO taken: ends a transaction; READY */
	SMTP_TX_BEGIN,           /* from args->mail */
	SMTP_TX_ASK,             /* the same, once accountd has said that the sender is the client's own; no reply yet */
	SMTP_TX_TAKE,            /* it is */
	SMTP_TX_END,
	SMTP_CONTENT_BEGIN,
	SMTP_TLS,                /* reply, then TLS; ends a transaction */
	SMTP_CHALLENGE,          /* 334 is sent already; AUTH */
	SMTP_AUTH_END,           /* well or not */
	SMTP_CLOSE,
};

struct smtp_helo_args {
	struct slice name;
};

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };
struct smtp_mail_args {
	struct mail_path path;
	uint64_t size;           /* SIZE=, 0: not said */
	enum smtp_body_type body;
};

struct smtp_rcpt_args {
	struct mail_path path;
};

struct smtp_auth_args {
	struct slice mechanism;
	struct slice initial;    /* base64 or "=", empty: none */
};

struct smtp_text_args {
	struct slice text;
};

union smtp_args {
	struct smtp_helo_args helo;
	struct smtp_mail_args mail;
	struct smtp_rcpt_args rcpt;
	struct smtp_auth_args auth;
	struct smtp_text_args text;
};

/* What a parser may know of the session. */
struct smtp_caps {
	bool esmtp;              /* EHLO was said: parameters are allowed */
	bool auth;               /* the service has logins: MAIL takes AUTH= */
	uint64_t size_limit;
};

enum {
	SMTP_V_LAST = 1,         /* RFC 2920 3.1: nothing may be pipelined behind it */
	SMTP_V_JUNK = 2,         /* brings no mail: counted against junk_limit */
	SMTP_V_DROP = 4,         /* not SMTP at all */
	SMTP_V_OPEN = 8,         /* allowed before the login that submission demands */
	SMTP_V_LONG = 16,        /* its line may be as long as a line of SASL */
};

/*
 * One row per verb: the loop checks states and flags, so no handler can forget
 * to. parse gets the rest of the line after the verb and one space; it returns
 * 0, or an error after setting the reply. act sets the reply unless it waits.
 */
struct smtp_verb {
	const char *name;
	int (*parse)(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r, struct smtp_reply *reply);
	enum smtp_verdict (*act)(struct smtp_session *s, const union smtp_args *args, struct smtp_reply *reply);
	unsigned allowed;
	unsigned flags;
	const char *need;        /* the text of 503 in another state */
};
extern const struct smtp_verb smtp_verbs[];
extern const unsigned smtp_verbs_n;

enum { SMTP_VERBS_MAX = 40 };    /* at least smtp_verbs_n: sizes the counters */

/* Takes the verb from the cursor, up to the space or end after it. NULL: unknown. */
const struct smtp_verb *smtp_verb_take(struct cursor *c);
/* The names for HELP, parted by spaces. */
void smtp_verbs_list(char *dst, size_t size, bool starttls, bool auth);

/* Shared parsers. */
int smtp_parse_none(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r, struct smtp_reply *reply);
int smtp_parse_text(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r, struct smtp_reply *reply);
int smtp_parse_text_required(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r,
    struct smtp_reply *reply);

/*
 * The parameters of MAIL and RCPT, RFC 5321 4.1.2:
 *	Mail-parameters = esmtp-param *(SP esmtp-param)
 *	esmtp-param     = esmtp-keyword ["=" esmtp-value]
 * Each verb has a table of those it knows; a keyword given twice is an error.
 */
struct smtp_param {
	const char *name;
	bool value_required;
	int (*set)(const struct smtp_caps *caps, struct slice value, union smtp_args *args, struct smtp_reply *reply);
};
/* From the cursor to its end. Errors set the reply: 501 or 555. */
int smtp_params_take(struct cursor *c, const struct smtp_caps *caps, const struct smtp_param *table, unsigned n,
    union smtp_args *args, struct smtp_reply *reply) MUST_CHECK;

#define SMTP_PARSER(name) \
	int name(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r, struct smtp_reply *reply)
#define SMTP_HANDLER(name) \
	enum smtp_verdict name(struct smtp_session *s, const union smtp_args *args, struct smtp_reply *reply)

SMTP_PARSER(smtp_parse_helo);
SMTP_PARSER(smtp_parse_mail);
SMTP_PARSER(smtp_parse_rcpt);
SMTP_PARSER(smtp_parse_auth);
SMTP_HANDLER(smtp_act_ehlo);
SMTP_HANDLER(smtp_act_helo);
SMTP_HANDLER(smtp_act_mail);
SMTP_HANDLER(smtp_act_rcpt);
SMTP_HANDLER(smtp_act_data);
SMTP_HANDLER(smtp_act_starttls);
SMTP_HANDLER(smtp_act_auth);
SMTP_HANDLER(smtp_act_rset);
SMTP_HANDLER(smtp_act_noop);
SMTP_HANDLER(smtp_act_quit);
SMTP_HANDLER(smtp_act_vrfy);
SMTP_HANDLER(smtp_act_help);
SMTP_HANDLER(smtp_act_unimplemented);

#endif
