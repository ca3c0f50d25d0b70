#ifndef PABAL_ACCOUNTD_FAIRQUEUE_H
#define PABAL_ACCOUNTD_FAIRQUEUE_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * What waits for a thread, in order, and fair to those who asked: each source (an address) has a queue of
 * its own, and they take turns. Whoever sends a thousand logins waits for a thousand; who sends one waits for
 * one of each. Favoured items (of who is known to belong here) come first, but for every fourth turn. When it is full, the
 * source with the longest queue gives up its last item for one with a shorter queue. No locks: the owner has one.
 */
struct fairqueue;
struct fairqueue_source;

/* Embedded by its owner. */
struct fairqueue_item {
	TAILQ_ENTRY(fairqueue_item) entry;
	struct fairqueue_source *source;
	void *owner;
};

/* NULL: no memory. */
struct fairqueue *fairqueue_new(unsigned max);
/* The items are their owners'. */
void fairqueue_free(struct fairqueue **q);
/* ERR_AGAIN: full, and nobody has more than this source. *evicted_r: NULL, or one that is in it no more. */
int fairqueue_put(struct fairqueue *q, struct fairqueue_item *item, uint64_t source, bool favoured,
    struct fairqueue_item **evicted_r) MUST_CHECK;
/* The next, or NULL. */
struct fairqueue_item *fairqueue_take(struct fairqueue *q);

#endif
