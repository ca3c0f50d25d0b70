#include "pop3d/ahead.h"

#include <stdlib.h>

void ahead_init(struct ahead_set *set, struct loop *loop)
{
	*set = (struct ahead_set){ .loop = loop };
	TAILQ_INIT(&set->list);
}

static void release(struct ahead_set *set, struct ahead *a)
{
	set->held -= a->held;
	a->held = 0;
}

void ahead_drop(struct ahead_set *set, struct ahead *a)
{
	release(set, a);
	if (a->items == NULL)
		return;
	TAILQ_REMOVE(&set->list, a, link);
	free(a->items);
	free(a->bytes);
	*a = (struct ahead){ 0 };
}

static void timer_set(struct ahead_set *set);

static void idle(void *ctx)
{
	struct ahead_set *set = ctx;
	struct ahead *a;

	while ((a = TAILQ_FIRST(&set->list)) != NULL && loop_now(set->loop) - a->used_ms >= AHEAD_IDLE_MS)
		ahead_drop(set, a);
	timer_set(set);
}

static void timer_set(struct ahead_set *set)
{
	if (!TAILQ_EMPTY(&set->list) && !loop_timer_active(&set->timer))
		loop_timer_set(set->loop, &set->timer, AHEAD_IDLE_MS, idle, set);
}

/* Each takes no more than a quarter of what is left: with many sessions they become small, and then there are none. */
size_t ahead_begin(struct ahead_set *set, struct ahead *a)
{
	size_t left;

	ahead_drop(set, a);
	left = (AHEAD_ALL_MAX - set->held) / 4;
	a->held = left < AHEAD_MAX ? left : AHEAD_MAX;
	set->held += a->held;
	return a->held;
}

void ahead_fill(struct ahead_set *set, struct ahead *a, const struct spool_cached_reply *m)
{
	size_t size = 0, off = 0;

	for (uint32_t i = 0; i < m->items_n; i++)
		size += m->items[i].body.len;
	if (m->items_n == 0 || size > a->held || (a->items = calloc(m->items_n, sizeof(*a->items))) == NULL) {
		release(set, a);
		return;
	}
	if ((a->bytes = malloc(size + 1)) == NULL) {
		free(a->items);
		a->items = NULL;
		release(set, a);
		return;
	}
	for (uint32_t i = 0; i < m->items_n; i++) {
		struct slice body = m->items[i].body;

		a->items[i] = (struct ahead_item){ m->items[i].uid, (uint32_t)off, (uint32_t)body.len };
		if (body.len != 0)
			memcpy(a->bytes + off, body.p, body.len);
		off += body.len;
	}
	a->n = m->items_n;
	a->at = 0;
	set->held -= a->held - size;
	a->held = size;
	a->used_ms = loop_now(set->loop);
	TAILQ_INSERT_TAIL(&set->list, a, link);
	timer_set(set);
}

bool ahead_find(struct ahead_set *set, struct ahead *a, uint32_t uid, struct slice *body_r)
{
	if (a->items == NULL)
		return false;
	if (a->items[a->at].uid > uid)
		a->at = 0;
	while (a->at + 1 < a->n && a->items[a->at].uid < uid)
		a->at++;
	if (a->items[a->at].uid != uid)
		return false;
	*body_r = slice_of(a->bytes + a->items[a->at].off, a->items[a->at].len);
	a->used_ms = loop_now(set->loop);
	TAILQ_REMOVE(&set->list, a, link);
	TAILQ_INSERT_TAIL(&set->list, a, link);
	return true;
}
