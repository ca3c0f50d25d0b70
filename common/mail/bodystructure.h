#ifndef PABAL_MAIL_BODYSTRUCTURE_H
#define PABAL_MAIL_BODYSTRUCTURE_H

#include "common/mail/mime.h"

/* A parsed message as IMAP text, RFC 9051 7.5.2: BODY, or BODYSTRUCTURE with its extension data. */
void bodystructure_format(struct buf *b, struct slice message, const struct mime_part *root, bool extended);

#endif
