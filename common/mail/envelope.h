#ifndef PABAL_MAIL_ENVELOPE_H
#define PABAL_MAIL_ENVELOPE_H

#include "common/base/buf.h"

/*
 * The ENVELOPE of a header section as IMAP text, RFC 9051 7.5.2:
 *	(date subject from sender reply-to to cc bcc in-reply-to message-id)
 * Sender and Reply-To that are missing or empty are From; several fields of one
 * name are joined for addresses, the first counts for the others. An address
 * without a domain gets "MISSING_DOMAIN" (NIL there would mean a group), one
 * without a local part "MISSING_MAILBOX". Long texts and lists are cut.
 */
enum { ENVELOPE_TEXT_MAX = 8 * 1024, ENVELOPE_LIST_MAX = 32 * 1024 };

/* True: each field whose text stands in it (date, subject, in-reply-to, message-id) is there once at most, and all
 * of it, unfolded, is the text. */
bool envelope_format(struct buf *b, struct slice header);

#endif
