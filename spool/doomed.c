/*
 * Deleted mailboxes. The op takes the name and the record away, at once and whatever the mailbox's size; the
 * rows and the history stay behind a note in the index ("doomed", mailbox) and are reaped in bounded steps. Nothing of
 * that has records, as with bodies that nobody refers to: it follows from the records there are, so a replay leaves
 * notes again. A body that dies of it died when its mailbox was deleted; where another went since this is too early, which
 * only hastens compaction.
 */
#include "spool/spool_internal.h"

static const char prefix[] = "doomed";
enum { PREFIX = sizeof(prefix) - 1 };

static struct ix_key doomed_key(uint64_t id)
{
	struct ix_key k = { .len = PREFIX + 8 };

	memcpy(k.b, prefix, PREFIX);
	put_be64(k.b + PREFIX, id);
	return k;
}

int mailbox_drop(struct apply *ap, uint64_t id)
{
	struct spool *s = ap->s;
	struct ix_doomed d = { ap->time_us };
	struct ix_key k = key_u64(id), dk = doomed_key(id);
	struct change *c = apply_change(ap, id, NULL);

	if (c != NULL)
		c->deleted = true;
	s->no_doomed = false;
	s->n.mailboxes--;
	return index_del(s->ix, IX_MAILBOX, key_slice(&k)) != 0 ? ERR_CORRUPT : IX_PUT(s, IX_META, &dk, ix_doomed, &d);
}

struct pick {
	struct spool *s;
	uint64_t id;            /* 0: none that can be reaped */
	uint64_t time_us;
	bool any;
};

static int pick_one(void *ctx, struct slice key, struct slice val)
{
	struct pick *p = ctx;
	const struct spool_conf *conf = &p->s->conf;
	struct ix_doomed d;
	uint64_t id;
	int r = IX_DECODE(val, ix_doomed, NULL, &d);

	if (r != 0 || key.len != PREFIX + 8)
		return ERR_CORRUPT;
	p->any = true;
	id = get_be64(key.p + PREFIX);
	/* Who has it selected can still read it. */
	if (conf->watched != NULL && conf->watched(conf->ctx, id))
		return 0;
	p->id = id;
	p->time_us = d.time_us;
	return 1;
}

struct rows {
	struct buf b;           /* struct row */
	size_t max;
};

static int take_row(void *ctx, const struct row *row)
{
	struct rows *t = ctx;

	if (buf_len(&t->b) / sizeof(*row) == t->max)
		return 1;
	buf_add(&t->b, row, sizeof(*row));
	return buf_err(&t->b);
}

static int reap_rows(struct spool *s, const struct pick *p, const struct rows *t)
{
	struct apply ap = { .s = s, .time_us = p->time_us };
	int r = 0;

	for (size_t i = 0; r == 0 && i < buf_len(&t->b) / sizeof(struct row); i++) {
		struct row row;
		struct ix_key k;

		memcpy(&row, t->b.p + i * sizeof(row), sizeof(row));
		k = key_u64_u32(p->id, row.uid);
		if ((r = index_del(s->ix, IX_ROW, key_slice(&k))) == 0)
			r = body_ref(&ap, row.bodyid, -1);
		s->n.rows--;
	}
	return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
}

/* Its rows, then its history, then the note. */
static int reap_mailbox(struct spool *s, const struct pick *p, unsigned n)
{
	static const struct op_range all = { 1, UINT32_MAX };
	struct rows t = { .b = BUF_INIT(ARENA_MAX), .max = n };
	struct ix_key k = key_u64(p->id), dk = doomed_key(p->id);
	size_t rows, gone = 0;
	int r = spool_rows(s, p->id, &all, 1, take_row, &t);

	rows = buf_len(&t.b) / sizeof(struct row);
	if (r >= 0)
		r = reap_rows(s, p, &t);
	buf_free(&t.b);
	if (r != 0 || rows == n)
		return r;
	if ((r = index_del_prefix(s->ix, IX_VANISHED, key_slice(&k), n, &gone)) != 0 || gone == n)
		return r;
	return index_del(s->ix, IX_META, key_slice(&dk));
}

int doomed_reap(struct spool *s, unsigned n, bool *more_r)
{
	struct pick p = { .s = s };
	int r;

	if (s->no_doomed)
		return 0;
	r = index_scan(s->ix, IX_META, slice_of(prefix, PREFIX), slice_of(NULL, 0), 0, pick_one, &p);
	if (r < 0)
		return r;
	s->no_doomed = !p.any;
	if (p.id == 0)
		return 0;
	*more_r = true;
	if ((r = engine_begin_derived(s)) != 0)
		return r;
	return engine_commit_derived(s, reap_mailbox(s, &p, n));
}
