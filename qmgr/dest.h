#ifndef PABAL_QMGR_DEST_H
#define PABAL_QMGR_DEST_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "common/base/slice.h"

/*
 * A destination: where some recipients of many messages go, one per domain, and
 * one for all that is delivered here. It knows how much may go there at a time:
 *
 *	The window starts at DEST_WINDOW_START. Each delivery that reached the
 *	destination adds 1/window, as long as the window is in use (active + start
 *	> window), up to the configured cap. Each one that could not reach it halves
 *	the window and adds 1/window to the failures in a row; when these make up a
 *	whole window (and are at least two) the destination is dead until
 *	dead_until: its mail is deferred without being tried. Then it starts again
 *	with a window of 1. An answer 4xx or 5xx to a recipient counts as reached.
 *
 * This file holds the arithmetic; the lists are active.c's.
 */
enum { DEST_WINDOW_START = 5, DEST_WINDOW_UNIT = 1000 };

enum dest_kind { DEST_UNROUTED, DEST_LOCAL, DEST_REMOTE };

struct qrcpt;
struct qentry;
TAILQ_HEAD(qrcpt_list, qrcpt);
TAILQ_HEAD(qentry_list, qentry);

struct qdest {
	RB_ENTRY(qdest) node;
	TAILQ_ENTRY(qdest) ready_link;
	struct slice domain;            /* lower case; points behind the struct */
	/* whose domain it is: asked of accountd, remembered until routed_until_ms */
	enum dest_kind kind;
	uint64_t routed_until_ms;
	bool asking;
	struct qrcpt_list routing;      /* wait for accountd's answer */
	/* the queue */
	struct qentry_list entries;     /* messages with waiting recipients */
	uint32_t waiting;               /* recipients in them */
	bool ready;                     /* on the ready list */
	uint32_t active;                /* jobs given to agents */
	uint32_t window;                /* in DEST_WINDOW_UNIT; 0: without a limit (local) */
	uint32_t fails, fail_share;     /* unreachable in a row; their sum of 1/window */
	uint64_t dead_until_ms;         /* 0: alive */
	char reason[256];               /* of the last unreachable, for those deferred without a try */
	uint64_t used_ms;               /* when something last happened to it */
};

void dest_init(struct qdest *d, uint64_t now_ms);
/* May one more job be given? */
bool dest_has_room(const struct qdest *d, uint64_t now_ms);
bool dest_is_dead(const struct qdest *d, uint64_t now_ms);
uint32_t dest_window(const struct qdest *d);            /* whole jobs */
/* A job ended (active is still counting it). cap: destination_concurrency. */
void dest_reached(struct qdest *d, uint32_t cap);
/* True when it is dead from now on, until now_ms + dead_ms. */
bool dest_unreached(struct qdest *d, uint64_t now_ms, uint64_t dead_ms, struct slice reason);
/* Forgets that it was dead (pabal queue flush). */
void dest_revive(struct qdest *d);

#endif
