#ifndef PABAL_MAIL_DSN_H
#define PABAL_MAIL_DSN_H

#include "common/base/buf.h"

/*
 * Delivery status notifications: RFC 3464 reports in a multipart/report
 * (RFC 6522) that tell a sender what became of recipients.
 *
 * The null-sender rule (RFC 5321 4.5.5, 6.1): a report travels with the null
 * path as its own sender, and none is ever made about a message that came with
 * the null path; whoever has such a message to report about drops the report.
 * dsn_format() refuses with ERR_STATE, so that two servers can never answer
 * each other's reports.
 *
 * Everything that a peer said (reply texts, names, addresses) is made printable
 * and folded: it cannot add a field, a line or a part.
 */
enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
	struct slice final;          /* canonical address */
	struct slice original;       /* ORCPT without its xtext coding, "rfc822;addr"; empty: none */
	enum dsn_action action;
	struct slice status;         /* "5.1.1" */
	struct slice remote_mta;     /* host that answered; empty: the reason is our own */
	struct slice diagnostic;     /* its reply "550 5.1.1 ...", or our reason */
	int64_t last_attempt;        /* seconds; 0: none */
	int64_t will_retry_until;    /* seconds; for DSN_DELAYED */
};

struct dsn {
	struct slice reporting_mta;  /* our name; reports come from MAILER-DAEMON there */
	struct slice sender;         /* the envelope sender of the message, canonical: who gets the report */
	struct slice envid;          /* ENVID without its xtext coding; empty: none */
	struct slice message_id;     /* of the report, without brackets */
	struct slice boundary;       /* unpredictable, of letters and digits, at most 70 */
	struct slice queue_id;       /* of the message */
	struct slice original_id;    /* its Message-ID without brackets; empty: none */
	int64_t arrival;             /* when it came, seconds */
	int64_t now;
	int zone;                    /* minutes east, for all dates */
	const struct dsn_recipient *rcpts;
	size_t rcpts_n;              /* at least one */
	struct slice original;       /* the message, canonical CRLF; empty: only the report */
	bool full;                   /* return all of it (RET=FULL), if it is not over original_max, else its header */
	size_t original_max;
};

enum { DSN_HEADER_MAX = 64 * 1024 };    /* of a header that is returned alone; cut at a line */

/* Appends the whole message. ERR_STATE: null sender; ERR_EXISTS: the boundary occurs in the original,
 * take another; or buf_err(). */
int dsn_format(struct buf *b, const struct dsn *d) MUST_CHECK;

#endif
