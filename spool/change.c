#include "spool/change.h"

#include <stdlib.h>

enum { CHANGE_ROWS_MAX = 512 * 1024 * 1024 };

struct change *change_of(struct change_list *l, uint64_t mailbox)
{
	struct change *c = TAILQ_LAST(l, change_list);

	if (c != NULL && c->mailbox == mailbox)
		return c;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->mailbox = mailbox;
	c->rows = BUF_INIT(CHANGE_ROWS_MAX);
	c->gone = BUF_INIT(CHANGE_ROWS_MAX);
	TAILQ_INSERT_TAIL(l, c, link);
	return c;
}

void change_list_free(struct change_list *l)
{
	struct change *c;

	while ((c = TAILQ_FIRST(l)) != NULL) {
		TAILQ_REMOVE(l, c, link);
		buf_free(&c->rows);
		buf_free(&c->gone);
		free(c);
	}
}
