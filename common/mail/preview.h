#ifndef PABAL_MAIL_PREVIEW_H
#define PABAL_MAIL_PREVIEW_H

#include "common/mail/mime.h"

enum { PREVIEW_CHARS = 200 };

/*
 * The first words of a message in the spirit of RFC 8970: at most PREVIEW_CHARS
 * characters of its first text/plain part that is no attachment, or else of its
 * first text/html without the markup; as one line of valid UTF-8 without
 * control characters. Lines quoted with ">" are left out if there are others.
 * Nothing when there is no text.
 */
void preview_format(struct buf *b, struct slice message, struct mime_part *root);

#endif
