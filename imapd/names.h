#ifndef PABAL_IMAPD_NAMES_H
#define PABAL_IMAPD_NAMES_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * Mailbox names. At the wire they are modified UTF-7 (RFC 3501 5.1.3), inside
 * and for spoold UTF-8, with '/' between levels. INBOX is one mailbox however
 * it is written, also as the first level of another name.
 */
enum { IMAP_NAME_MAX = 1000 };

/* To UTF-8 with INBOX in capitals. ERR_SYNTAX: not modified UTF-7; ERR_LIMIT: too long; ERR_NOMEM. */
int imap_name_decode(struct slice wire, struct arena *a, struct slice *name_r) MUST_CHECK;
/* May a mailbox be made with this name? No empty level, no control characters, no '%' or '*',
 * not only dots in a level. One '/' at the end is to be removed before. */
bool imap_name_can_create(struct slice name);
/* Adds the name as the wire's astring. */
void imap_name_print(struct buf *b, struct slice name);

/* Does name match the pattern ('*' anything, '%' anything but '/')? Costs name * pattern at most. */
bool imap_name_match(struct slice name, struct slice pattern);
/* Sorts a parent right before its children: like memcmp with '/' before all else. */
int imap_name_cmp(struct slice a, struct slice b);
/* Is name below parent? */
bool imap_name_below(struct slice name, struct slice parent);

#endif
