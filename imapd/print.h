#ifndef PABAL_IMAPD_PRINT_H
#define PABAL_IMAPD_PRINT_H

#include "common/base/buf.h"

/* What a server writes, beside the strings of common/mail/imaptext.h. */

/* astring: an atom if it can be one. */
void imap_put_astring(struct buf *b, struct slice s);
/* "24-Nov-2026 18:26:40 +0000" with the quotes. */
void imap_put_date(struct buf *b, uint64_t sec);

#endif
