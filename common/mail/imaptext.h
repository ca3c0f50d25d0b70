#ifndef PABAL_MAIL_IMAPTEXT_H
#define PABAL_MAIL_IMAPTEXT_H

#include "common/base/buf.h"

/*
 * Strings as IMAP wants them (RFC 9051 and 3501). What is printable 7-bit
 * without quote and backslash is quoted, everything else is a literal
 * ("{3}" CRLF and the bytes), so that no raw 8-bit stands in a quoted string.
 * NUL, which no IMAP string may hold, is sent as "?".
 */
void imap_add_string(struct buf *b, struct slice s);
/* NIL when s.p is NULL. */
void imap_add_nstring(struct buf *b, struct slice s);

#endif
