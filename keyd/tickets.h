#ifndef PABAL_KEYD_TICKETS_H
#define PABAL_KEYD_TICKETS_H

#include "common/ipc/proto_key.h"

/*
 * The session ticket keys of one role (RFC 5077 4): the newest makes tickets, the others still open those they made.
 * They live in memory only and are wiped when they have had their time: what was recorded from a connection with a
 * ticket cannot be opened a day and a half later by whoever takes over this host.
 */
enum { TICKET_KEYS = 3, TICKET_ROTATE_MS = 12 * 3600 * 1000 };

struct ticket_key { uint8_t name[16], aes[32], mac[32]; };
struct tickets {
	struct ticket_key keys[TICKET_KEYS];    /* the newest first */
	unsigned n;
};

/* A new key in front; the oldest goes when there are enough. */
void tickets_rotate(struct tickets *t);
/* As the message that tells of them; list is room for TICKET_KEYS and has to live as long as *m_r. */
void tickets_message(const struct tickets *t, struct key_ticket list[TICKET_KEYS], struct key_tickets *m_r);

#endif
