#ifndef PABAL_DELIVER_REPLY_H
#define PABAL_DELIVER_REPLY_H

#include "common/mail/framing.h"

/*
 * Replies of an SMTP server, RFC 5321 4.2:
 *
 *	Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 *	Reply-code = %x32-35 %x30-35 %x30-39
 *
 * The server is a stranger. Defined answers: a line over REPLY_LINE_MAX bytes, a
 * line that does not end with CR LF or holds NUL or a lone CR, something that is
 * no reply code, another code in a further line, more than REPLY_LINES_MAX lines
 * or REPLY_TEXT_MAX bytes are REPLY_BAD, after which the connection is of no
 * use. RFC 5321 4.5.3.1.5 allows 512 bytes a line; more is taken because real
 * servers send it.
 */
enum { REPLY_LINE_MAX = 2048, REPLY_LINES_MAX = 128, REPLY_TEXT_MAX = 16 * 1024, REPLY_STATUS_MAX = 16 };

struct smtp_reply {
	unsigned code;                  /* 200 to 559 */
	struct slice text;              /* its lines without codes, LF between them; good until the next reply_next() */
	char status[REPLY_STATUS_MAX];  /* RFC 3463 "5.1.1": the server's, or "" if it gave none that fits the code */
};

struct reply_reader {
	struct line_reader lines;
	struct buf text;
	unsigned code, n;               /* of the reply begun; n: its lines so far */
	bool given;                     /* text belongs to the reply that was given */
	const char *why;                /* after REPLY_BAD: what was wrong */
};

enum reply_result { REPLY_MORE, REPLY_DONE, REPLY_BAD };

void reply_reader_init(struct reply_reader *r);
void reply_reader_free(struct reply_reader *r);
/* The next whole reply at the front of in, which is consumed. */
enum reply_result reply_next(struct reply_reader *r, struct buf *in, struct smtp_reply *reply_r) MUST_CHECK;

/* "250 2.0.0 Ok: queued as X": one line, other than printable bytes as '?', at most max bytes. */
void reply_print(struct buf *b, const struct smtp_reply *reply, size_t max);
/* The enhanced code at the front of text if it is well formed (RFC 3463 2) and of the class; else false. */
bool reply_status_parse(struct slice text, unsigned class, char status_r[REPLY_STATUS_MAX]);

#endif
