#ifndef PABAL_MAIL_ADDRLIST_H
#define PABAL_MAIL_ADDRLIST_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * Address lists of header fields, RFC 5322 3.4 with the obsolete forms of 4.4,
 * read one address at a time from an unfolded field body. Any bytes give
 * some addresses: what has no "@" has an empty domain, rubbish is skipped.
 * Names keep their encoded words (RFC 2047); quotes and backslashes are gone,
 * runs of spaces are one space.
 */
enum addr_kind {
	ADDR_MAILBOX,
	ADDR_GROUP_START,    /* name is the group's name */
	ADDR_GROUP_END,
};

/* Texts live in the walker and are good until the next call. .p is NULL for what is not there. */
struct mail_addr {
	enum addr_kind kind;
	struct slice name;      /* display name, or the comment behind an address without one */
	struct slice route;     /* source route "@a,@b" */
	struct slice local;
	struct slice domain;
};

struct addr_walker {
	struct cursor c;
	bool in_group;
	struct buf name, route, local, domain, comment;
};

void addr_walk(struct addr_walker *w, struct slice body);
/* False at the end (and when memory is over). A group left open is closed. */
bool addr_next(struct addr_walker *w, struct mail_addr *a_r);
void addr_walk_end(struct addr_walker *w);

#endif
