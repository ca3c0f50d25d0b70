#include "keyd/tickets.h"

#include "common/base/clock.h"

void tickets_rotate(struct tickets *t)
{
	if (t->n < TICKET_KEYS)
		t->n++;
	memmove(&t->keys[1], &t->keys[0], sizeof(t->keys) - sizeof(t->keys[0]));
	random_fill(&t->keys[0], sizeof(t->keys[0]));
}

void tickets_message(const struct tickets *t, struct key_ticket list[TICKET_KEYS], struct key_tickets *m_r)
{
	for (unsigned i = 0; i < t->n; i++)
		list[i] = (struct key_ticket){ .name = slice_of(t->keys[i].name, sizeof(t->keys[i].name)),
		    .aes = slice_of(t->keys[i].aes, sizeof(t->keys[i].aes)), .mac = slice_of(t->keys[i].mac, sizeof(t->keys[i].mac)) };
	*m_r = (struct key_tickets){ .keys = list, .keys_n = t->n };
}
