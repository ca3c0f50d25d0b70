#ifndef PABAL_QMGR_ACTIVE_PRIVATE_H
#define PABAL_QMGR_ACTIVE_PRIVATE_H

/* What active.c and jobs.c share; nobody else includes it. */
#include "qmgr/active.h"

RB_HEAD(qdest_tree, qdest);
RB_HEAD(qmsg_tree, qmsg);
TAILQ_HEAD(qdest_list, qdest);

struct active {
	const struct conf *conf;
	struct active_ops ops;
	struct qdest_tree dests;
	struct qmsg_tree msgs;
	uint32_t count;
	struct qdest local;             /* not in the tree: all that is delivered here */
	struct qdest_list ready;        /* remote ones with something waiting and room */
};

/* Puts a recipient at the end (or front) of its destination, or gives it its outcome when that is dead. */
void active_enqueue(struct active *a, struct qrcpt *r, struct qdest *d, bool front, uint64_t now_ms);
/* Is d to be on the ready list? Puts it there or takes it off. */
void active_check_ready(struct active *a, struct qdest *d, uint64_t now_ms);
/* Gives an open recipient that is on no list its outcome; progress() is the caller's to call. */
void active_finish(struct qrcpt *r, uint8_t kind, struct slice status, struct slice text, struct slice relay);
/* Everything that waits at a destination that died. */
void active_defer_dead(struct active *a, struct qdest *d, uint64_t now_ms);

#endif
