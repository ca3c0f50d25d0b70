/*
 * COPY in pieces (op_copy_part). While it goes on the index keeps which messages it has made, so that one that got no
 * end, because a piece was refused or the process was killed, can be undone: all of it is there, or nothing.
 */
#include "spool/spool_internal.h"

static const char prefix[] = "copying";
enum { PREFIX = sizeof(prefix) - 1 };

static struct ix_key copying_key(uint64_t to, uint32_t first)
{
	struct ix_key k = { .len = PREFIX + 12 };

	memcpy(k.b, prefix, PREFIX);
	put_be64(k.b + PREFIX, to);
	put_be32(k.b + PREFIX + 8, first);
	return k;
}

static int copying_add(struct spool *s, const struct ix_key *k, struct op_range made)
{
	struct ix_copying c = { 0 };
	struct op_range *list;
	int r = IX_GET(s, IX_META, k, ix_copying, s->arena, &c);

	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	if (c.uids_n != 0 && c.uids[c.uids_n - 1].last + 1 == made.first) {
		c.uids[c.uids_n - 1].last = made.last;
		return IX_PUT(s, IX_META, k, ix_copying, &c);
	}
	if (c.uids_n == OP_LIST_MAX || (list = arena_calloc(s->arena, c.uids_n + 1, sizeof(*list))) == NULL)
		return c.uids_n == OP_LIST_MAX ? ERR_LIMIT : ERR_NOMEM;
	if (c.uids_n != 0)
		memcpy(list, c.uids, c.uids_n * sizeof(*list));
	list[c.uids_n++] = made;
	c.uids = list;
	return IX_PUT(s, IX_META, k, ix_copying, &c);
}

int apply_copy_part(struct apply *ap, const struct op_copy_part *op)
{
	const struct op_copy *copy = &op->copy;
	struct ix_key k = copying_key(copy->to, op->first);
	bool begun = index_find(ap->s->ix, IX_META, key_slice(&k)) == 0;
	int r;

	if (copy->move != 0 || copy->count == 0 || begun == (op->first == copy->first_uid))
		return ERR_CORRUPT;
	if ((r = apply_copy(ap, copy)) != 0)
		return r;
	if (op->end != 0)
		return begun ? index_del(ap->s->ix, IX_META, key_slice(&k)) : 0;
	return copying_add(ap->s, &k, (struct op_range){ copy->first_uid, copy->first_uid + copy->count - 1 });
}

int apply_copy_end(struct apply *ap, const struct op_copy_end *op)
{
	struct ix_key k = copying_key(op->to, op->first);
	int r = index_del(ap->s->ix, IX_META, key_slice(&k));

	return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
}

int copying_find(struct spool *s, uint64_t to, uint32_t first)
{
	struct ix_key k = copying_key(to, first);

	return index_find(s->ix, IX_META, key_slice(&k));
}

int spool_copying_get(struct spool *s, uint64_t to, uint32_t first, struct arena *a, struct op_range **r_r, uint32_t *n_r)
{
	struct ix_key k = copying_key(to, first);
	struct ix_copying c;
	int r = IX_GET(s, IX_META, &k, ix_copying, a, &c);

	if (r == 0) {
		*r_r = c.uids;
		*n_r = c.uids_n;
	}
	return r;
}

struct each {
	spool_copying_fn *fn;
	void *ctx;
};

static int each_copying(void *ctx, struct slice key, struct slice val)
{
	struct each *e = ctx;

	(void)val;
	return key.len != PREFIX + 12 ? ERR_CORRUPT : e->fn(e->ctx, get_be64(key.p + PREFIX), get_be32(key.p + PREFIX + 8));
}

int spool_copying(struct spool *s, spool_copying_fn *fn, void *ctx)
{
	struct each e = { fn, ctx };

	return index_scan(s->ix, IX_META, slice_of(prefix, PREFIX), slice_of(NULL, 0), 0, each_copying, &e);
}
