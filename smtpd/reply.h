#ifndef PABAL_SMTPD_REPLY_H
#define PABAL_SMTPD_REPLY_H

#include "common/base/buf.h"

/*
 * A reply before it is sent: RFC 5321 4.2 code, RFC 3463 enhanced code (empty
 * where RFC 2034 wants none: banner, EHLO, 354), text whose lines are parted by
 * '\n'. Text of a peer may be in it: what is not printable is sent as '?', and a
 * line is cut so that it stays within 512 bytes.
 */
struct smtp_reply {
	unsigned code;       /* 0: none yet */
	const char *enh;     /* a literal */
	char text[1024];
};

void smtp_reply_set(struct smtp_reply *r, unsigned code, const char *enh, const char *fmt, ...) PRINTF_LIKE(4, 5);
void smtp_reply_print(struct buf *out, const struct smtp_reply *r);

#endif
