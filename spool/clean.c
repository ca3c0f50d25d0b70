/* Forgetting in bounded steps what is older than the configuration wants: traces, and the
 * history of vanished UIDs. Nothing of it has records: the log does not know of time passing. */
#include "spool/spool_internal.h"

enum { CLEAN_MAX = 512 };

struct old {
	struct spool *s;
	uint64_t before_us;
	unsigned seen, max;
	bool ended;             /* behind it there is nothing old */
	struct ix_key keys[CLEAN_MAX];
	unsigned n;
	struct ix_key last;     /* the last key looked at */
	struct arena *arena;
};

static void key_copy(struct ix_key *k, struct slice key)
{
	k->len = key.len <= sizeof(k->b) ? key.len : sizeof(k->b);
	memcpy(k->b, key.p, k->len);
}

/* Messages lie in the order in which they were accepted: the first that is not old is the last to be looked at. What is
 * told of a message later than that stands with it. */
static int old_trace(void *ctx, struct slice key, struct slice val)
{
	struct old *o = ctx;
	struct ix_key msg = { .len = 8 };
	struct ix_trace t;
	int r;

	arena_reset(o->arena);
	if (key.len != 20)
		return ERR_CORRUPT;
	if ((r = IX_DECODE(val, ix_trace, o->arena, &t)) != 0)
		return r;
	o->ended = t.time_us >= o->before_us && slice_eq_cstr(t.event, TRACE_ACCEPTED);
	if (o->ended)
		return 1;
	key_copy(&o->last, key);
	memcpy(msg.b, key.p, 8);
	if (t.time_us < o->before_us && index_find(o->s->ix, IX_QUEUE, key_slice(&msg)) == ERR_NOTFOUND)
		key_copy(&o->keys[o->n++], key);
	return ++o->seen >= o->max ? 1 : 0;
}

static int old_vanished(void *ctx, struct slice key, struct slice val)
{
	struct old *o = ctx;

	if (key.len != 16 || val.len < 8)
		return ERR_CORRUPT;
	key_copy(&o->last, key);
	if (get_le64(val.p) < o->before_us)     /* time_us is the first field */
		key_copy(&o->keys[o->n++], key);
	return ++o->seen >= o->max ? 1 : 0;
}

/* What is told of a mailbox's history from here on begins later. */
static int history_from(struct spool *s, const struct ix_key *k)
{
	uint64_t mailbox = get_be64(k->b), modseq = get_be64(k->b + 8);
	struct ix_mailbox m;
	int r;

	arena_reset(s->arena);
	r = spool_mailbox_get(s, mailbox, s->arena, &m);
	if (r != 0 || m.history_from >= modseq)
		return r == ERR_NOTFOUND ? 0 : r;
	m.history_from = modseq;
	return mailbox_put(s, mailbox, &m);
}

static int delete_keys(struct spool *s, enum index_table t, const struct old *o)
{
	int r;

	if (o->n == 0)
		return 0;
	if ((r = engine_begin_derived(s)) != 0)
		return r;
	for (unsigned i = 0; r == 0 && i < o->n; i++) {
		if ((r = index_del(s->ix, t, key_slice(&o->keys[i]))) == 0 && t == IX_VANISHED)
			r = history_from(s, &o->keys[i]);
	}
	return engine_commit_derived(s, r);
}

/* One step through a table from where the last one ended; pos is empty at its start and after its end. */
static int clean_table(struct spool *s, enum index_table t, uint64_t before_us, unsigned n, struct ix_key *pos,
    index_scan_fn *fn, bool *more_r)
{
	struct old o = { .s = s, .before_us = before_us, .max = n < CLEAN_MAX ? n : CLEAN_MAX, .arena = arena_new(65536) };
	int r;

	if (o.arena == NULL)
		return ERR_NOMEM;
	r = index_scan(s->ix, t, slice_of(NULL, 0), key_slice(pos), 0, fn, &o);
	arena_free(&o.arena);
	if (r < 0)
		return r;
	*more_r |= r > 0 && !o.ended;
	pos->len = 0;
	if (r > 0 && !o.ended)
		*pos = o.last;
	return delete_keys(s, t, &o);
}

int spool_clean(struct spool *s, uint64_t trace_before_us, uint64_t history_before_us, unsigned n, bool *more_r)
{
	int r;

	*more_r = false;
	if (s->in_batch)
		return ERR_STATE;
	if ((r = clean_table(s, IX_TRACE, trace_before_us, n, &s->clean_trace, old_trace, more_r)) != 0)
		return r;
	return clean_table(s, IX_VANISHED, history_before_us, n, &s->clean_vanished, old_vanished, more_r);
}
