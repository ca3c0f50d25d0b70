#ifndef PABAL_QMGR_OUTBOX_H
#define PABAL_QMGR_OUTBOX_H

#include "qmgr/outcome.h"

/*
 * Records on their way to spoold. A record is kept until spoold has said that it
 * is written; a fault or a full disk is tried again every OUTBOX_RETRY_MS.
 *
 * When spoold dies nobody knows whether a record that was sent was written. It
 * is sent again to the new one: repeating a state changes nothing there, a
 * message that is gone is answered NOTFOUND. Only a notice would go out twice;
 * a record with one is first compared with what spoold has (QUEUE_SHOW), and
 * dropped when its recipients are not pending any more.
 */
enum { OUTBOX_RETRY_MS = 5000 };

struct outbox_ops {
	/* A record was written or has become pointless. May be NULL. */
	void (*written)(void *ctx, const struct record *rec);
	/* All records have been answered by this spoold at least once: messages may be taken from it. */
	void (*synced)(void *ctx);
	void *ctx;
};

struct outbox;

struct outbox *outbox_new(struct loop *l, const struct outbox_ops *ops);
void outbox_free(struct outbox **box);
/* hostname, for the notices; kept, not copied. */
void outbox_set_name(struct outbox *box, struct slice hostname);
/* Takes over rec and sends it, or keeps it until spoold is there. */
void outbox_add(struct outbox *box, struct record *rec);
/* spoold is here (again): all records are sent anew. NULL: it is gone. */
void outbox_set_spoold(struct outbox *box, struct channel *ch);
/* Is a record of this message still to be written? Then it is the one that releases it. */
bool outbox_holds(struct outbox *box, uint64_t msgid);
bool outbox_is_synced(const struct outbox *box);
uint32_t outbox_count(const struct outbox *box);
/* Those that release their message: they still hold a place in the window. */
uint32_t outbox_releasing(const struct outbox *box);

#endif
