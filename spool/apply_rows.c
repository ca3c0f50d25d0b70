/* Rows' ops, applied: APPEND, STORE, EXPUNGE, COPY, and the row that DELIVER adds. */
#include "spool/spool_internal.h"

void row_store(struct row *r, uint8_t how, uint32_t flags, uint64_t keywords)
{
	switch (how) {
	case STORE_ADD:
		r->flags |= flags;
		r->keywords |= keywords;
		break;
	case STORE_REMOVE:
		r->flags &= ~flags;
		r->keywords &= ~keywords;
		break;
	default:
		r->flags = flags;
		r->keywords = keywords;
	}
}

int mailbox_keywords(struct spool *s, struct ix_mailbox *m, const struct op_keyword *k, uint32_t n, bool add,
    uint64_t *bits_r, bool *grown_r)
{
	struct op_keyword *list = m->keywords;

	*bits_r = 0;
	if (grown_r != NULL)
		*grown_r = false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = 0;

		while (b < m->keywords_n && !slice_ieq(list[b].name, k[i].name))
			b++;
		if (b == m->keywords_n) {
			if (!add)
				continue;
			if (b == KEYWORDS_MAX)
				return ERR_LIMIT;
			if ((list = arena_calloc(s->arena, KEYWORDS_MAX, sizeof(*list))) == NULL)
				return ERR_NOMEM;
			if (b != 0)
				memcpy(list, m->keywords, b * sizeof(*list));
			list[b] = k[i];
			m->keywords = list;
			m->keywords_n++;
			if (grown_r != NULL)
				*grown_r = true;
		}
		*bits_r |= (uint64_t)1 << b;
	}
	return 0;
}

/* ---- counts ---- */

static void count_row(struct spool *s, struct ix_mailbox *m, const struct row *r, int sign)
{
	m->messages += (uint32_t)sign;
	if ((r->flags & FLAG_SEEN) == 0)
		m->unseen += (uint32_t)sign;
	if ((r->flags & FLAG_DELETED) != 0)
		m->deleted += (uint32_t)sign;
	m->size += sign > 0 ? r->size : (uint64_t)-r->size;
	s->n.rows += (uint64_t)(int64_t)sign;
}

static int row_put(struct spool *s, uint64_t mailbox, const struct row *r, bool new_)
{
	struct ix_key k = key_u64_u32(mailbox, r->uid);
	uint8_t val[ROW_VALUE_SIZE];

	row_encode(val, r);
	return (new_ ? index_put_new : index_put)(s->ix, IX_ROW, key_slice(&k), slice_of(val, sizeof(val)));
}

static int mailbox_load(struct apply *ap, uint64_t id, struct ix_mailbox *m_r)
{
	int r = spool_mailbox_get(ap->s, id, ap->s->arena, m_r);

	return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
}

/* Puts the row at m's next uid; the caller writes m. */
static int add_row(struct apply *ap, uint64_t id, struct ix_mailbox *m, const struct row *row, struct change *c)
{
	if (row->uid != m->uidnext)
		return ERR_CORRUPT;
	m->uidnext++;
	count_row(ap->s, m, row, 1);
	if (c != NULL) {
		row_pack(&c->rows, row);
		c->uidnext = m->uidnext;
	}
	return row_put(ap->s, id, row, true);
}

int mailbox_add_row(struct apply *ap, uint64_t id, struct row *row)
{
	struct ix_mailbox m;
	int r = mailbox_load(ap, id, &m);

	if (r != 0)
		return r;
	if (row->modseq != m.modseq + 1)
		return ERR_CORRUPT;
	m.modseq = row->modseq;
	if ((r = add_row(ap, id, &m, row, apply_change(ap, id, &m))) != 0)
		return r;
	return mailbox_put(ap->s, id, &m);
}

/* ---- APPEND ---- */

int apply_append(struct apply *ap, const struct op_append *op)
{
	struct spool *s = ap->s;
	struct row row = { .uid = op->uid, .flags = op->flags, .modseq = op->modseq, .size = op->body.size,
		.date = op->date, .bodyid = op->body.bodyid };
	struct change *c;
	struct ix_mailbox m;
	bool grown;
	int r;

	if ((r = body_add(ap, &op->body, 1)) != 0 || (r = body_put_summary(ap, op->body.bodyid, op->cached)) != 0 ||
	    (r = mailbox_load(ap, op->mailbox, &m)) != 0)
		return r;
	if (op->modseq != m.modseq + 1)
		return ERR_CORRUPT;
	m.modseq = op->modseq;
	if ((r = mailbox_keywords(s, &m, op->keywords, op->keywords_n, true, &row.keywords, &grown)) != 0)
		return r == ERR_LIMIT ? ERR_CORRUPT : r;
	c = apply_change(ap, op->mailbox, &m);
	if (c != NULL)
		c->keywords |= grown;
	if ((r = add_row(ap, op->mailbox, &m, &row, c)) != 0)
		return r;
	return mailbox_put(s, op->mailbox, &m);
}

/* ---- STORE ---- */

static int store_rows(struct apply *ap, const struct op_store *op, struct ix_mailbox *m, uint64_t bits, const struct buf *rows,
    struct change *c)
{
	size_t n = buf_len(rows) / sizeof(struct row);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct row row;

		memcpy(&row, rows->p + i * sizeof(row), sizeof(row));
		count_row(ap->s, m, &row, -1);
		row_store(&row, op->how, op->flags, bits);
		row.modseq = op->modseq;
		count_row(ap->s, m, &row, 1);
		if (c != NULL)
			row_pack(&c->rows, &row);
		r = row_put(ap->s, op->mailbox, &row, false);
	}
	return r;
}

int apply_store(struct apply *ap, const struct op_store *op)
{
	struct spool *s = ap->s;
	const struct buf *rows;
	struct ix_mailbox m;
	struct change *c;
	struct buf own;
	uint64_t bits;
	bool grown;
	int r;

	if ((r = mailbox_load(ap, op->mailbox, &m)) != 0)
		return r;
	if (op->modseq != m.modseq + 1)
		return ERR_CORRUPT;
	m.modseq = op->modseq;
	if ((r = mailbox_keywords(s, &m, op->keywords, op->keywords_n, op->how != STORE_REMOVE, &bits, &grown)) != 0)
		return r == ERR_LIMIT ? ERR_CORRUPT : r;
	c = apply_change(ap, op->mailbox, &m);
	if (c != NULL)
		c->keywords |= grown;
	r = op_rows(ap, op->mailbox, op->uids, op->uids_n, &own, &rows);
	if (r == 0)
		r = store_rows(ap, op, &m, bits, rows, c);
	buf_free(&own);
	return r != 0 ? r : mailbox_put(s, op->mailbox, &m);
}

/* ---- EXPUNGE ---- */

/* Takes the rows away and remembers that they were; the caller writes m, whose modseq is the new one. */
static int expunge_rows(struct apply *ap, uint64_t id, struct ix_mailbox *m, const struct op_range *uids, uint32_t n, bool unref)
{
	struct spool *s = ap->s;
	struct ix_vanished v = { .time_us = ap->time_us, .uids = (struct op_range *)(uintptr_t)uids, .uids_n = n };
	struct ix_key vk = key_u64_u64(id, m->modseq);
	struct change *c = apply_change(ap, id, m);
	const struct buf *rows;
	struct buf own;
	int r = op_rows(ap, id, uids, n, &own, &rows);

	for (size_t i = 0; r == 0 && i < buf_len(rows) / sizeof(struct row); i++) {
		struct row row;
		struct ix_key k;

		memcpy(&row, rows->p + i * sizeof(row), sizeof(row));
		count_row(s, m, &row, -1);
		if (c != NULL) {
			struct gone g = { .uid = row.uid, .bodyid = row.bodyid };

			buf_add(&c->gone, &g, sizeof(g));
		}
		k = key_u64_u32(id, row.uid);
		if ((r = index_del(s->ix, IX_ROW, key_slice(&k))) == 0 && unref)
			r = body_ref(ap, row.bodyid, -1);
	}
	buf_free(&own);
	return r != 0 ? r : IX_PUT(s, IX_VANISHED, &vk, ix_vanished, &v);
}

int apply_expunge(struct apply *ap, const struct op_expunge *op)
{
	struct ix_mailbox m;
	int r = mailbox_load(ap, op->mailbox, &m);

	if (r != 0)
		return r;
	if (op->modseq != m.modseq + 1)
		return ERR_CORRUPT;
	m.modseq = op->modseq;
	if ((r = expunge_rows(ap, op->mailbox, &m, op->uids, op->uids_n, true)) != 0)
		return r;
	return mailbox_put(ap->s, op->mailbox, &m);
}

/* ---- COPY, MOVE ---- */

/* The same keywords in another mailbox's bits. */
static int map_keywords(struct apply *ap, const struct ix_mailbox *from, struct ix_mailbox *to, uint64_t bits, uint64_t *bits_r, bool *grown_r)
{
	struct spool *s = ap->s;
	uint64_t bit;
	bool grown;
	int r;

	*bits_r = 0;
	for (uint32_t i = 0; bits >> i != 0 && i < from->keywords_n; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		if ((r = mailbox_keywords(s, to, &from->keywords[i], 1, true, &bit, &grown)) != 0)
			return r == ERR_LIMIT ? ERR_CORRUPT : r;
		*bits_r |= bit;
		*grown_r |= grown;
	}
	return 0;
}

static int copy_rows(struct apply *ap, const struct op_copy *op, const struct ix_mailbox *from, struct ix_mailbox *to, const struct buf *rows)
{
	struct change *c = apply_change(ap, op->to, to);
	size_t n = buf_len(rows) / sizeof(struct row);
	uint64_t known = 0, mapped = 0;
	bool grown = false, first = true;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct row row;

		memcpy(&row, rows->p + i * sizeof(row), sizeof(row));
		if (first || row.keywords != known) {
			known = row.keywords;
			first = false;
			if ((r = map_keywords(ap, from, to, known, &mapped, &grown)) != 0)
				return r;
		}
		row.keywords = mapped;
		row.uid = op->first_uid + (uint32_t)i;
		row.modseq = op->to_modseq;
		if ((r = add_row(ap, op->to, to, &row, c)) == 0 && op->move == 0)
			r = body_ref(ap, row.bodyid, 1);
	}
	if (c != NULL)
		c->keywords |= grown;
	return r != 0 ? r : mailbox_put(ap->s, op->to, to);
}

int apply_copy(struct apply *ap, const struct op_copy *op)
{
	struct spool *s = ap->s;
	const struct buf *rows;
	struct ix_mailbox from, to;
	struct buf own;
	int r;

	if ((r = mailbox_load(ap, op->from, &from)) != 0 || (r = mailbox_load(ap, op->to, &to)) != 0)
		return r;
	if (op->to_modseq != to.modseq + 1 || op->first_uid != to.uidnext)
		return ERR_CORRUPT;
	to.modseq = op->to_modseq;
	r = op_rows(ap, op->from, op->uids, op->uids_n, &own, &rows);
	if (r == 0 && buf_len(rows) / sizeof(struct row) != op->count)
		r = ERR_CORRUPT;
	if (r == 0)
		r = copy_rows(ap, op, &from, &to, rows);
	buf_free(&own);
	if (r != 0 || op->move == 0)
		return r;
	/* Again: it may be the same mailbox. */
	if ((r = mailbox_load(ap, op->from, &from)) != 0)
		return r;
	if (op->from_modseq != from.modseq + 1)
		return ERR_CORRUPT;
	from.modseq = op->from_modseq;
	if ((r = expunge_rows(ap, op->from, &from, op->uids, op->uids_n, false)) != 0)
		return r;
	return mailbox_put(s, op->from, &from);
}
