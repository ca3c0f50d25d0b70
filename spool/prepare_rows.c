/* Ops on rows, checked and completed before they are recorded. */
#include "common/base/clock.h"
#include "spool/spool_internal.h"

enum { STORED_FLAGS = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT };

static int keywords_ok(const struct op_keyword *k, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (k[i].name.len == 0 || k[i].name.len > OP_KEYWORD_MAX)
			return ERR_SYNTAX;
		for (size_t j = 0; j < k[i].name.len; j++)
			if (!is_class(k[i].name.p[j], CC_IMAP_ASTR))
				return ERR_SYNTAX;
	}
	return 0;
}

/* Collects uids as ranges on the heap. */
struct uids {
	struct buf b;           /* struct op_range */
	uint32_t n;             /* uids */
};

static int uids_add(struct uids *u, uint32_t uid)
{
	struct op_range v = { uid, uid };

	u->n++;
	if (buf_len(&u->b) != 0) {
		struct op_range *last = (struct op_range *)(void *)(u->b.p + u->b.len - sizeof(v));

		if (last->last + 1 == uid) {
			last->last = uid;
			return 0;
		}
	}
	buf_add(&u->b, &v, sizeof(v));
	return buf_err(&u->b);
}

/* Into the spool's arena; frees the heap. */
static int uids_finish(struct spool *s, struct uids *u, struct op_range **r_r, uint32_t *n_r)
{
	size_t n = buf_len(&u->b) / sizeof(**r_r);
	int r = n > OP_LIST_MAX ? ERR_LIMIT : 0;

	if (r == 0 && (*r_r = arena_calloc(s->arena, n, sizeof(**r_r))) == NULL)
		r = ERR_NOMEM;
	if (r == 0 && n != 0)
		memcpy(*r_r, u->b.p, n * sizeof(**r_r));
	*n_r = r == 0 ? (uint32_t)n : 0;
	buf_free(&u->b);
	return r;
}

/* ---- APPEND ---- */

static int prepare_append(struct spool *s, struct op_append *op, struct spool_done *res_r)
{
	uint64_t now = clock_wall_us(), bits;
	struct ix_mailbox m;
	int r;

	if (spool_full(s, op->body.file != 0))
		return ERR_FULL;
	if (op->body.relay_off > op->body.size || (op->body.file == 0 && op->body.bytes.len != op->body.size))
		return ERR_SYNTAX;
	if (op->body.file != 0 && spool_file_used(s, op->body.file))
		return ERR_EXISTS;
	if ((r = keywords_ok(op->keywords, op->keywords_n)) != 0 || (r = spool_mailbox_get(s, op->mailbox, s->arena, &m)) != 0)
		return r;
	if (m.account != op->account)
		return ERR_DENIED;
	if (m.uidnext == UINT32_MAX)
		return ERR_LIMIT;
	res_r->id = op->mailbox;
	res_r->uidvalidity = m.uidvalidity;
	if ((r = mailbox_keywords(s, &m, op->keywords, op->keywords_n, true, &bits, NULL)) != 0)
		return r;
	op->body.bodyid = now > s->n.last_id ? now : s->n.last_id + 1;
	op->flags &= STORED_FLAGS;
	if (op->date == 0)
		op->date = now / 1000000;
	res_r->uid = op->uid = m.uidnext;
	res_r->modseq = op->modseq = m.modseq + 1;
	return 0;
}

/* ---- STORE ---- */

struct store_check {
	struct spool *s;
	const struct op_store *op;
	uint64_t bits, unchanged_since;
	struct uids changed, refused;
};

static int store_row(void *ctx, const struct row *row)
{
	struct store_check *c = ctx;
	struct row after = *row;

	if (c->unchanged_since != 0 && row->modseq > c->unchanged_since)
		return uids_add(&c->refused, row->uid);
	row_store(&after, c->op->how, c->op->flags, c->bits);
	if (after.flags == row->flags && after.keywords == row->keywords)
		return 0;
	buf_add(&c->s->picked, row, sizeof(*row));
	return uids_add(&c->changed, row->uid);
}

/* op->modseq comes in as unchanged_since. */
static int prepare_store(struct spool *s, struct op_store *op, struct spool_done *res_r)
{
	struct store_check c = { .s = s, .op = op, .unchanged_since = op->modseq,
		.changed = { .b = BUF_INIT(ARENA_MAX) }, .refused = { .b = BUF_INIT(ARENA_MAX) } };
	struct op_range *refused = NULL;
	struct ix_mailbox m;
	int r, r2;

	if (op->how > STORE_REMOVE)
		return ERR_SYNTAX;
	if ((r = keywords_ok(op->keywords, op->keywords_n)) != 0 || (r = spool_mailbox_get(s, op->mailbox, s->arena, &m)) != 0)
		return r;
	res_r->modseq = m.modseq;
	op->flags &= STORED_FLAGS;
	op->uids_n = ranges_normalize(op->uids, op->uids_n);
	if ((r = mailbox_keywords(s, &m, op->keywords, op->keywords_n, op->how != STORE_REMOVE, &c.bits, NULL)) != 0)
		return r;
	r = spool_rows(s, op->mailbox, op->uids, op->uids_n, store_row, &c);
	r2 = uids_finish(s, &c.refused, &refused, &res_r->ranges_n);
	r = r != 0 ? r : r2;
	r2 = uids_finish(s, &c.changed, &op->uids, &op->uids_n);
	if (r != 0 || r2 != 0)
		return r != 0 ? r : r2;
	res_r->ranges = refused;
	if (op->uids_n == 0)
		return 1;
	res_r->modseq = op->modseq = m.modseq + 1;
	return 0;
}

/* ---- EXPUNGE, COPY: a piece of what was asked for ---- */

struct pick {
	struct spool *s;
	struct uids uids;
	uint64_t keywords;      /* of all of them */
	uint32_t looked, next;  /* next: not looked at any more; 0: all were */
	bool only_deleted;
};

static int pick_row(void *ctx, const struct row *row)
{
	struct pick *p = ctx;

	if (p->uids.n == SPOOL_PIECE || p->looked == SPOOL_PIECE_LOOK) {
		p->next = row->uid;
		return 1;
	}
	p->looked++;
	if (p->only_deleted && (row->flags & FLAG_DELETED) == 0)
		return 0;
	p->keywords |= row->keywords;
	buf_add(&p->s->picked, row, sizeof(*row));
	return uids_add(&p->uids, row->uid);
}

static int pick_rows(struct spool *s, uint64_t mailbox, struct pick *p, struct op_range **uids, uint32_t *n)
{
	int r, r2;

	*n = ranges_normalize(*uids, *n);
	r = spool_rows(s, mailbox, *uids, *n, pick_row, p);
	r2 = uids_finish(s, &p->uids, uids, n);
	return r < 0 ? r : r2;
}

/* op->modseq comes in as 1 for those with \Deleted only. */
static int prepare_expunge(struct spool *s, struct op_expunge *op, struct spool_done *res_r)
{
	struct pick p = { .s = s, .only_deleted = op->modseq != 0, .uids = { .b = BUF_INIT(ARENA_MAX) } };
	struct ix_mailbox m;
	int r;

	if ((r = spool_mailbox_get(s, op->mailbox, s->arena, &m)) != 0)
		return r;
	res_r->modseq = m.modseq;
	if (p.only_deleted && m.deleted == 0)
		return 1;
	if ((r = pick_rows(s, op->mailbox, &p, &op->uids, &op->uids_n)) != 0)
		return r;
	res_r->id = p.uids.n;
	res_r->next = p.only_deleted && p.uids.n == m.deleted ? 0 : p.next;
	if (op->uids_n == 0)
		return 1;
	res_r->modseq = op->modseq = m.modseq + 1;
	return 0;
}

/* Would the keywords of from that are used fit into to? */
static int keywords_fit(struct spool *s, const struct ix_mailbox *from, struct ix_mailbox *to, uint64_t used)
{
	uint64_t bits;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < from->keywords_n; i++)
		if ((used >> i & 1) != 0)
			r = mailbox_keywords(s, to, &from->keywords[i], 1, true, &bits, NULL);
	return r;
}

static int prepare_copy(struct spool *s, struct op_copy *op, struct spool_done *res_r)
{
	struct pick p = { .s = s, .uids = { .b = BUF_INIT(ARENA_MAX) } };
	struct ix_mailbox from, to;
	int r;

	if ((r = spool_mailbox_get(s, op->from, s->arena, &from)) != 0 || (r = spool_mailbox_get(s, op->to, s->arena, &to)) != 0)
		return r;
	if (from.account != to.account)
		return ERR_DENIED;
	if ((r = pick_rows(s, op->from, &p, &op->uids, &op->uids_n)) != 0)
		return r;
	if ((r = keywords_fit(s, &from, &to, p.keywords)) != 0)
		return r;
	res_r->next = p.next;
	if (UINT32_MAX - to.uidnext < p.uids.n)
		return ERR_LIMIT;
	op->count = p.uids.n;
	op->first_uid = to.uidnext;
	op->to_modseq = to.modseq + 1;
	op->from_modseq = op->move == 0 ? 0 : op->from == op->to ? to.modseq + 2 : from.modseq + 1;
	res_r->id = op->to;
	res_r->modseq = op->to_modseq;
	res_r->uidvalidity = to.uidvalidity;
	res_r->uid = op->first_uid;
	res_r->ranges = op->uids;
	res_r->ranges_n = op->uids_n;
	return op->count == 0 ? 1 : 0;
}

/* first comes in as 0 for the first piece; end: its uids are the last ones. It becomes what has to be recorded. */
static int prepare_copy_part(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	struct op_copy_part *part = &op->part;
	struct op_copy_end end = { part->copy.to, part->first };
	struct op_copy copy;
	int r;

	part->copy.move = 0;
	if (part->first != 0 && (r = copying_find(s, part->copy.to, part->first)) != 0)
		return r == ERR_NOTFOUND ? ERR_STATE : r;
	if ((r = prepare_copy(s, &part->copy, res_r)) < 0)
		return r;
	part->end = part->end != 0 && res_r->next == 0;
	if (r == 1 && (part->first == 0 || part->end == 0))
		return 1;
	if (r == 1) {
		op->kind = OP_COPY_END;
		op->copy_end = end;
	} else if (part->first == 0 && part->end != 0) {
		copy = part->copy;
		op->kind = OP_COPY;
		op->copy = copy;
	} else if (part->first == 0) {
		part->first = part->copy.first_uid;
	}
	return 0;
}

static int prepare_copy_end(struct spool *s, const struct op_copy_end *op)
{
	int r = copying_find(s, op->to, op->first);

	return r == ERR_NOTFOUND ? 1 : r;
}

static int prepare_recent(struct spool *s, struct op_recent *op)
{
	struct ix_mailbox m;
	int r = spool_mailbox_get(s, op->mailbox, s->arena, &m);

	if (r != 0)
		return r;
	if (op->first_recent > m.uidnext)
		op->first_recent = m.uidnext;
	return op->first_recent <= m.first_recent ? 1 : 0;
}

int prepare_rows_op(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	switch (op->kind) {
	case OP_APPEND:
		return prepare_append(s, &op->append, res_r);
	case OP_STORE:
		return prepare_store(s, &op->store, res_r);
	case OP_EXPUNGE:
		return prepare_expunge(s, &op->expunge, res_r);
	case OP_COPY:
		return prepare_copy(s, &op->copy, res_r);
	case OP_COPY_PART:
		return prepare_copy_part(s, op, res_r);
	case OP_COPY_END:
		return prepare_copy_end(s, &op->copy_end);
	case OP_RECENT:
		return prepare_recent(s, &op->recent);
	default:
		return ERR_SYNTAX;
	}
}
