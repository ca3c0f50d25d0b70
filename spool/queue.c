/* The queue, read. */
#include "spool/spool_internal.h"

int spool_msg_get(struct spool *s, uint64_t msgid, struct arena *a, struct ix_msg *m_r)
{
	struct ix_key k = key_u64(msgid);

	return IX_GET(s, IX_QUEUE, &k, ix_msg, a, m_r);
}

int spool_rcpt_get(struct spool *s, uint64_t msgid, uint32_t index, struct arena *a, struct ix_rcpt *rc_r)
{
	struct ix_key k = key_u64_u32(msgid, index);

	return IX_GET(s, IX_RCPT, &k, ix_rcpt, a, rc_r);
}

struct rcpts {
	struct arena *arena;
	spool_rcpt_fn *fn;
	void *ctx;
};

static int each_rcpt(void *ctx, struct slice key, struct slice val)
{
	struct rcpts *it = ctx;
	struct slice copy = arena_dup(it->arena, val);
	struct ix_rcpt rc;
	int r;

	if (copy.p == NULL)
		return ERR_NOMEM;
	if (key.len != 12)
		return ERR_CORRUPT;
	if ((r = IX_DECODE(copy, ix_rcpt, it->arena, &rc)) != 0)
		return r;
	return it->fn(it->ctx, get_be32(key.p + 8), &rc);
}

int spool_rcpts(struct spool *s, uint64_t msgid, struct arena *a, spool_rcpt_fn *fn, void *ctx)
{
	struct rcpts it = { a, fn, ctx };
	struct ix_key k = key_u64(msgid);

	return index_scan(s->ix, IX_RCPT, key_slice(&k), slice_of(NULL, 0), 0, each_rcpt, &it);
}

struct ids {
	uint64_t *ids;
	uint32_t n, max;
};

static int each_id(void *ctx, struct slice key, struct slice val)
{
	struct ids *it = ctx;

	(void)val;
	if (key.len != 8)
		return ERR_CORRUPT;
	if (it->n == it->max)
		return 1;
	it->ids[it->n++] = get_be64(key.p);
	return 0;
}

int spool_queue_ids(struct spool *s, uint64_t after, uint32_t n, uint64_t *ids, uint32_t *n_r)
{
	struct ids it = { ids, 0, n };
	struct ix_key from = key_u64(after == UINT64_MAX ? after : after + 1);
	int r = index_scan(s->ix, IX_QUEUE, slice_of(NULL, 0), key_slice(&from), 0, each_id, &it);

	*n_r = it.n;
	return r < 0 ? r : 0;
}

struct dues {
	spool_due_fn *fn;
	void *ctx;
};

static int each_due(void *ctx, struct slice key, struct slice val)
{
	struct dues *it = ctx;

	(void)val;
	return key.len != 16 ? ERR_CORRUPT : it->fn(it->ctx, get_be64(key.p), get_be64(key.p + 8));
}

void spool_due_seen(struct spool *s, uint64_t due, uint64_t msgid)
{
	s->seen_due = due;
	s->seen_msgid = msgid;
}

void spool_due_unsee(struct spool *s, uint64_t due, uint64_t msgid)
{
	if (due < s->seen_due || (due == s->seen_due && msgid <= s->seen_msgid))
		spool_due_seen(s, due, msgid != 0 ? msgid - 1 : 0);
}

int spool_due(struct spool *s, spool_due_fn *fn, void *ctx)
{
	struct dues it = { fn, ctx };
	struct ix_key from = key_u64_u64(s->seen_due, s->seen_msgid + 1);

	return index_scan(s->ix, IX_DUE, slice_of(NULL, 0), key_slice(&from), 0, each_due, &it);
}

struct traces {
	struct arena *arena;
	spool_trace_fn *fn;
	void *ctx;
};

static int each_trace(void *ctx, struct slice key, struct slice val)
{
	struct traces *it = ctx;
	struct slice copy = arena_dup(it->arena, val);
	struct ix_trace t;
	int r;

	if (copy.p == NULL)
		return ERR_NOMEM;
	if (key.len != 20)
		return ERR_CORRUPT;
	if ((r = IX_DECODE(copy, ix_trace, it->arena, &t)) != 0)
		return r;
	return it->fn(it->ctx, get_be64(key.p + 8), &t);
}

int spool_trace(struct spool *s, uint64_t msgid, struct arena *a, spool_trace_fn *fn, void *ctx)
{
	struct traces it = { a, fn, ctx };
	struct ix_key k = key_u64(msgid);

	return index_scan(s->ix, IX_TRACE, key_slice(&k), slice_of(NULL, 0), 0, each_trace, &it);
}
