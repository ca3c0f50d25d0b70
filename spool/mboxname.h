#ifndef PABAL_SPOOL_MBOXNAME_H
#define PABAL_SPOOL_MBOXNAME_H

#include "common/ipc/proto_spool.h"

/* Names of mailboxes: UTF-8, levels divided by '/'. INBOX is INBOX in any case (RFC 9051 5.1),
 * as a name and as the first level of one. */
struct mbox_name {
	uint8_t b[SPOOL_NAME_MAX];
	size_t len;
};
static inline struct slice mbox_name_slice(const struct mbox_name *n) { return slice_of(n->b, n->len); }

/* The name in its one form; empty is INBOX. ERR_SYNTAX: an empty level, a control character, '*' or '%',
 * not UTF-8, over SPOOL_NAME_MAX bytes or 32 levels. */
int mbox_name_make(struct slice text, struct mbox_name *n_r) MUST_CHECK;
bool mbox_name_is_inbox(struct slice name);
/* The name one level up; empty when there is none. */
struct slice mbox_name_parent(struct slice name);
/* Is name below parent? */
bool mbox_name_below(struct slice name, struct slice parent);
/* RFC 9051 6.3.9: '*' matches anything, '%' anything but '/'; INBOX in any case. Takes at most
 * pattern x name steps. */
bool mbox_name_match(struct slice pattern, struct slice name);

#endif
