#ifndef PABAL_POP3D_AHEAD_H
#define PABAL_POP3D_AHEAD_H

#include <bsd/sys/queue.h>

#include "common/base/buf.h"
#include "common/base/loop.h"
#include "common/ipc/proto_spool.h"

/*
 * Bodies read ahead: a client that reads its messages in order is answered from memory, spoold is asked for many at
 * once. What is kept is bounded for a session and for all of the process, and goes when it was not touched for a
 * while. It cannot be out of date: the body of a uid never changes, and a message that is expunged meanwhile could
 * be read by this session anyway (proto_spool.h, BODY_GET).
 */
enum {
	AHEAD_MAX = 128 * 1024,          /* bytes of a session */
	AHEAD_ALL_MAX = 16 * 1024 * 1024,/* of all, those with it that are asked for */
	AHEAD_IDLE_MS = 5 * 1000,
	AHEAD_RANGES = 64,               /* of one request */
};

struct ahead_item {
	uint32_t uid;
	uint32_t off, len;               /* in bytes */
};

/* Of a session; zeroed before first use. */
struct ahead {
	TAILQ_ENTRY(ahead) link;
	uint64_t used_ms;
	uint32_t n, at;                  /* items, ascending by uid; the one that was found last */
	size_t held;                     /* bytes that count for it in the set */
	struct ahead_item *items;        /* NULL: nothing is there */
	uint8_t *bytes;
};
TAILQ_HEAD(ahead_list, ahead);

/* Of the process. */
struct ahead_set {
	struct loop *loop;
	struct loop_timer timer;
	struct ahead_list list;          /* the one not touched for longest first */
	size_t held;
};

void ahead_init(struct ahead_set *set, struct loop *loop);
/* Forgets what is there, and how many bytes may be asked for now: they count as held, until ahead_fill() or ahead_drop(). */
size_t ahead_begin(struct ahead_set *set, struct ahead *a);
/* Takes a copy of what came; without memory, or when it is more than was asked for, of nothing. */
void ahead_fill(struct ahead_set *set, struct ahead *a, const struct spool_cached_reply *m);
/* The body of uid if it is there: good until the next call of any of these. */
bool ahead_find(struct ahead_set *set, struct ahead *a, uint32_t uid, struct slice *body_r);
void ahead_drop(struct ahead_set *set, struct ahead *a);

#endif
