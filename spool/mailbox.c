/* Mailboxes and rows, read. */
#include <stdlib.h>

#include "spool/spool_internal.h"

struct slice name_key(struct name_key *k, uint64_t account, struct slice name)
{
	put_be64(k->b, account);
	k->len = 8 + (name.len < SPOOL_NAME_MAX ? name.len : SPOOL_NAME_MAX);
	if (name.len != 0)
		memcpy(k->b + 8, name.p, k->len - 8);
	return slice_of(k->b, k->len);
}

int name_get(struct spool *s, uint64_t account, struct slice name, struct ix_name *n_r)
{
	struct name_key k;
	struct slice val;
	int r = index_peek(s->ix, IX_NAME, name_key(&k, account, name), &val);

	return r != 0 ? r : IX_DECODE(val, ix_name, NULL, n_r);
}

int spool_mailbox_find(struct spool *s, uint64_t account, struct slice name, uint64_t *id_r)
{
	struct ix_name n;
	int r = name_get(s, account, name, &n);

	if (r == 0 && n.mailbox == 0)
		r = ERR_NOTFOUND;
	if (r == 0)
		*id_r = n.mailbox;
	return r;
}

bool spool_name_known(struct spool *s, uint64_t account, struct slice name)
{
	struct name_key k;

	return index_find(s->ix, IX_NAME, name_key(&k, account, name)) == 0;
}

int spool_mailbox_get(struct spool *s, uint64_t id, struct arena *a, struct ix_mailbox *m_r)
{
	struct ix_key k = key_u64(id);

	return IX_GET(s, IX_MAILBOX, &k, ix_mailbox, a, m_r);
}

struct names {
	spool_name_fn *fn;
	void *ctx;
};

static int each_name(void *ctx, struct slice key, struct slice val)
{
	struct names *it = ctx;
	struct ix_name n;
	int r = IX_DECODE(val, ix_name, NULL, &n);

	return r != 0 ? r : it->fn(it->ctx, slice_sub(key, 8, SIZE_MAX), &n);
}

int spool_names(struct spool *s, uint64_t account, spool_name_fn *fn, void *ctx)
{
	struct names it = { fn, ctx };
	struct ix_key k = key_u64(account);

	return index_scan(s->ix, IX_NAME, key_slice(&k), slice_of(NULL, 0), 0, each_name, &it);
}

int spool_row_get(struct spool *s, uint64_t mailbox, uint32_t uid, struct row *r_r)
{
	struct ix_key k = key_u64_u32(mailbox, uid);
	struct slice val;
	int r = index_peek(s->ix, IX_ROW, key_slice(&k), &val);

	return r != 0 ? r : row_decode(key_slice(&k), val, r_r);
}

struct rows {
	const struct op_range *ranges;
	uint32_t n, i;
	spool_row_fn *fn;
	void *ctx;
};

static int each_row(void *ctx, struct slice key, struct slice val)
{
	struct rows *it = ctx;
	struct row row;
	int r;

	if ((r = row_decode(key, val, &row)) != 0)
		return r;
	while (it->i < it->n && it->ranges[it->i].last < row.uid)
		it->i++;
	if (it->i == it->n)
		return 1;
	return row.uid < it->ranges[it->i].first ? 0 : it->fn(it->ctx, &row);
}

/* Ranges that lie near each other are read in one go, far ones each for itself. ROW_READ: about what a row takes of that. */
enum { GAP_READ_THROUGH = 64, ROW_READ = 80 };

int spool_rows(struct spool *s, uint64_t mailbox, const struct op_range *ranges, uint32_t n, spool_row_fn *fn, void *ctx)
{
	struct ix_key prefix = key_u64(mailbox);

	for (uint32_t i = 0; i < n;) {
		struct ix_key from = key_u64_u32(mailbox, ranges[i].first);
		struct rows it = { .ranges = ranges + i, .n = 1, .fn = fn, .ctx = ctx };
		uint64_t span;
		int r;

		while (i + it.n < n && ranges[i + it.n].first - ranges[i + it.n - 1].last <= GAP_READ_THROUGH)
			it.n++;
		span = (uint64_t)ranges[i + it.n - 1].last - ranges[i].first + 1;
		i += it.n;
		r = index_scan(s->ix, IX_ROW, key_slice(&prefix), key_slice(&from),
		    span < 4 ? 0 : span < INDEX_BULK_MAX / ROW_READ ? (size_t)span * ROW_READ : INDEX_BULK_MAX, each_row, &it);
		if (r < 0)
			return r;
		if (r > 0 && it.i < it.n)
			return r;       /* fn had enough */
	}
	return 0;
}

static int collect(void *ctx, const struct row *row)
{
	struct buf *out = ctx;

	buf_add(out, row, sizeof(*row));
	return buf_err(out);
}

int op_rows(struct apply *ap, uint64_t mailbox, const struct op_range *r, uint32_t n, struct buf *own, const struct buf **rows_r)
{
	struct spool *s = ap->s;

	*own = BUF_INIT(ARENA_MAX);
	*rows_r = own;
	if (buf_len(&s->picked) == 0)
		return spool_rows(s, mailbox, r, n, collect, own);
	*rows_r = &s->picked;
	return buf_err(&s->picked);
}

static int cmp_range(const void *a, const void *b)
{
	const struct op_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

uint32_t ranges_normalize(struct op_range *r, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct op_range v = r[i];

		if (v.first > v.last)
			v = (struct op_range){ v.last, v.first };
		if (v.last == 0)
			continue;
		if (v.first == 0)
			v.first = 1;
		r[k++] = v;
	}
	n = k;
	if (n == 0)
		return 0;
	qsort(r, n, sizeof(*r), cmp_range);
	k = 0;
	for (uint32_t i = 1; i < n; i++) {
		if (r[i].first <= r[k].last || r[i].first - 1 == r[k].last) {
			if (r[i].last > r[k].last)
				r[k].last = r[i].last;
		} else {
			r[++k] = r[i];
		}
	}
	return k + 1;
}

int spool_dump(struct spool *s, unsigned table, int (*fn)(void *ctx, struct slice key, struct slice val), void *ctx)
{
	if (table >= IX_COUNT)
		return ERR_NOTFOUND;
	return index_scan(s->ix, (enum index_table)table, slice_of(NULL, 0), slice_of(NULL, 0), 0, fn, ctx);
}
