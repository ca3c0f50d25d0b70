#ifndef PABAL_MAIL_CHARSET_H
#define PABAL_MAIL_CHARSET_H

#include "common/base/buf.h"

/*
 * Text of any charset as valid UTF-8. us-ascii, utf-8, iso-8859-1, iso-8859-15
 * and windows-1252 are our own; the others come from iconv, whose tables are
 * files. A process that will enter its cell calls charset_preload() before, and
 * what is not loaded then counts as unknown: nothing is ever opened later.
 */

/* Opens the converters of the charsets that real mail uses. Those that the system lacks are left out. */
void charset_preload(void);
/* For tests and an orderly end. */
void charset_unload(void);
/* True if charset_to_utf8() can do better than guess. */
bool charset_known(struct slice charset);

/* Does charset_to_utf8() leave every ASCII byte as it is, where it is, and make no other? */
bool charset_keeps_ascii(struct slice charset);

/*
 * Appends in as UTF-8; what is not valid in its charset becomes U+FFFD. An empty
 * charset is us-ascii. In us-ascii and in an unknown charset 8-bit text counts as
 * UTF-8 if it is valid UTF-8, else as windows-1252.
 */
void charset_to_utf8(struct slice charset, struct slice in, struct buf *out);

/* One code point from s (not empty): its length in bytes, or 0 if none begins there (RFC 3629: no
 * surrogates, nothing overlong). */
size_t utf8_take(struct slice s, uint32_t *cp_r);
/* Where the ASCII that begins at i ends. */
size_t ascii_run(struct slice s, size_t i);
bool utf8_valid(struct slice s);
/* cp is at most 0x10ffff. */
void utf8_add(struct buf *b, uint32_t cp);

#endif
