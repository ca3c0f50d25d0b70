#ifndef PABAL_SPOOL_WATCH_H
#define PABAL_SPOOL_WATCH_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Who has which mailbox selected, and the messages that were expunged while somebody
 * had: those stay readable for him ("ghosts") until he lets go of the mailbox.
 */
struct watch_box;

/* Embedded in a session. */
struct selection {
	TAILQ_ENTRY(selection) link;
	struct watch_box *box;          /* NULL: nothing selected */
	uint64_t since;                 /* count of selections when this one was made */
	bool events;                    /* wants to be told of changes */
	void *owner;                    /* the session */
};
TAILQ_HEAD(selection_list, selection);

struct watches;
struct watches *watches_new(void);
/* All selections must be gone. */
void watches_free(struct watches **w);
/* Drops what was selected before. ERR_NOMEM. */
int watch_select(struct watches *w, struct selection *s, uint64_t mailbox, bool events);
void watch_unselect(struct watches *w, struct selection *s);
/* 0 when nothing is selected. */
uint64_t watch_mailbox(const struct selection *s);
/* The selections of a mailbox, NULL when there is none. */
struct selection_list *watch_list(struct watches *w, uint64_t mailbox);
/* The message was expunged: it stays for those who have the mailbox selected. */
void watch_expunged(struct watches *w, uint64_t mailbox, uint32_t uid, uint64_t bodyid);
/* May this selection read the expunged message? */
bool watch_may_read(struct watches *w, const struct selection *s, uint32_t uid, uint64_t bodyid);
/* Does anybody still need this body, which has no reference? */
bool watch_pinned(struct watches *w, uint64_t bodyid);

#endif
