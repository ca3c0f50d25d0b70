#ifndef PABAL_SPOOL_CHANGE_H
#define PABAL_SPOOL_CHANGE_H

#include <bsd/sys/queue.h>

#include "common/base/buf.h"
#include "spool/tables.h"

/* What an op changed in a mailbox that somebody watches: told to them after the flush. */
struct gone {
	uint32_t uid;
	uint64_t bodyid;
};

struct change {
	TAILQ_ENTRY(change) link;
	uint64_t mailbox, modseq;
	uint32_t uidnext;
	bool deleted;           /* the mailbox is gone */
	bool keywords;          /* its list of keywords grew */
	struct buf rows;        /* packed, SPOOL_ROW_SIZE each: new or changed */
	struct buf gone;        /* struct gone each, by uid */
};
TAILQ_HEAD(change_list, change);

/* The last of the list if it is of this mailbox, else a new one at the end; NULL without memory. */
struct change *change_of(struct change_list *l, uint64_t mailbox);
void change_list_free(struct change_list *l);

#endif
