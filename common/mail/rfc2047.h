#ifndef PABAL_MAIL_RFC2047_H
#define PABAL_MAIL_RFC2047_H

#include "common/base/buf.h"

/*
 * Header text with encoded words ("=?charset?B?...?=", RFC 2047) as valid UTF-8,
 * for SEARCH and previews. Spaces between two encoded words go; neighbours of
 * one charset are joined before they are converted, since senders cut
 * characters in two. What only looks like an encoded word stays as it is; raw
 * 8-bit text is UTF-8 or windows-1252. in is unfolded (line ends count as spaces).
 */
void rfc2047_decode(struct slice in, struct buf *out);

#endif
