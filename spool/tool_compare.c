/* Comparing the index with the one that a replay makes, table by table. */
#include "spool/tool_internal.h"

#include <stdlib.h>

enum { TOLD_MAX = 20 };

struct compare {
	struct spool *fresh, *live;
	const struct tool_segments *segs;
	const struct tool_voice *v;
	enum index_table table;
	struct arena *arena;
	unsigned told;          /* of this table */
};

/* A key for a person: its numbers, and what follows them as text. */
static void key_text(struct buf *b, enum index_table t, struct slice key)
{
	size_t i = 0;

	for (; key.len - i >= 8 && (t != IX_NAME || i == 0) && t != IX_META; i += 8)
		buf_addf(b, "%s%llu", i != 0 ? "/" : "", (unsigned long long)get_be64(key.p + i));
	if (key.len - i == 4 && t != IX_NAME && t != IX_META)
		buf_addf(b, "/%u", get_be32(key.p + i));
	else if (i < key.len) {
		buf_add_cstr(b, i != 0 ? "/" : "");
		wire_print_str(b, "name", slice_sub(key, i, SIZE_MAX));
	}
	buf_add_byte(b, 0);
}

static void differs(struct compare *c, struct slice key, const char *how)
{
	struct buf b = BUF_INIT(8192);

	if (c->told++ >= TOLD_MAX) {
		c->v->t->faults++;
		return;
	}
	key_text(&b, c->table, key);
	tool_fault(c->v, "index, table %s, %s: %s", index_table_name(c->table), (const char *)b.p, how);
	buf_free(&b);
}

/* A mailbox's history may have been forgotten, at different times. */
static int same_mailbox(struct compare *c, struct slice a, struct slice b, bool *same_r)
{
	struct ix_mailbox m;
	struct buf x = BUF_INIT(ENC_MAX), y = BUF_INIT(ENC_MAX);
	int r = IX_DECODE(a, ix_mailbox, c->arena, &m);

	m.history_from = 0;
	if (r == 0)
		ix_mailbox_encode(&x, &m);
	if (r == 0 && (r = IX_DECODE(b, ix_mailbox, c->arena, &m)) == 0) {
		m.history_from = 0;
		ix_mailbox_encode(&y, &m);
		*same_r = slice_eq(buf_slice(&x), buf_slice(&y));
	}
	buf_free(&x);
	buf_free(&y);
	return r;
}

/* When the first body of it died depends on when deleted mailboxes are reaped. */
static int same_segment(struct slice a, struct slice b, bool *same_r)
{
	struct ix_segment x, y;
	int r;

	if ((r = IX_DECODE(a, ix_segment, NULL, &x)) != 0 || (r = IX_DECODE(b, ix_segment, NULL, &y)) != 0)
		return r;
	*same_r = x.live_bytes == y.live_bytes && x.live_bodies == y.live_bodies;
	return 0;
}

/* May the index lack this entry, which was made since it was not yet forgotten? */
static bool may_lack(struct compare *c, struct slice key)
{
	struct ix_key box = { .len = 8 };
	struct ix_mailbox m;

	if (c->table == IX_TRACE)
		return true;
	if (c->table == IX_SEGMENT)
		return key.len == 8 && tool_segment_find(c->segs, get_be64(key.p)) == NULL;
	if (c->table != IX_VANISHED || key.len != 16)
		return false;
	memcpy(box.b, key.p, 8);
	return IX_GET(c->live, IX_MAILBOX, &box, ix_mailbox, c->arena, &m) == 0 && get_be64(key.p + 8) <= m.history_from;
}

static int expected(void *ctx, struct slice key, struct slice val)
{
	struct compare *c = ctx;
	struct slice got;
	bool same = false;
	int r;

	arena_reset(c->arena);
	c->v->t->entries++;
	r = index_get(c->live->ix, c->table, key, c->arena, &got);
	if (r == ERR_NOTFOUND) {
		if (!may_lack(c, key))
			differs(c, key, "is missing");
		return 0;
	}
	if (r != 0)
		return r;
	same = slice_eq(got, val);
	if (!same && c->table == IX_MAILBOX && (r = same_mailbox(c, val, got, &same)) != 0 && r != ERR_CORRUPT)
		return r;
	if (!same && c->table == IX_SEGMENT && (r = same_segment(val, got, &same)) != 0 && r != ERR_CORRUPT)
		return r;
	if (!same && !(c->table == IX_SEGMENT && may_lack(c, key)))
		differs(c, key, "is not what the log says");
	return 0;
}

static int unexpected(void *ctx, struct slice key, struct slice val)
{
	struct compare *c = ctx;
	int r = index_find(c->fresh->ix, c->table, key);

	(void)val;
	if (r == ERR_NOTFOUND && !(c->table == IX_SEGMENT && may_lack(c, key)))
		differs(c, key, "is not in the log");
	return r == ERR_NOTFOUND ? 0 : r;
}

int tool_compare(struct spool *fresh, struct spool *live, const struct tool_segments *segs, const struct tool_voice *v)
{
	struct compare c = { .fresh = fresh, .live = live, .segs = segs, .v = v, .arena = arena_new(ARENA_MAX) };
	int r = c.arena != NULL ? 0 : ERR_NOMEM;

	for (unsigned t = 0; r == 0 && t < IX_COUNT; t++) {
		c.table = (enum index_table)t;
		c.told = 0;
		r = index_scan(fresh->ix, c.table, slice_of(NULL, 0), slice_of(NULL, 0), 0, expected, &c);
		if (r == 0)
			r = index_scan(live->ix, c.table, slice_of(NULL, 0), slice_of(NULL, 0), 0, unexpected, &c);
		if (c.told > TOLD_MAX)
			tool_note(v, "index, table %s: %u more like these", index_table_name(c.table), c.told - TOLD_MAX);
	}
	arena_free(&c.arena);
	return r;
}
