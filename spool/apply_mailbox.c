/* Mailboxes' ops, applied: CREATE, DELETE, RENAME, SUBSCRIBE, ACCOUNT_DELETE, RECENT. */
#include <stdlib.h>

#include "spool/spool_internal.h"

static int name_put(struct spool *s, uint64_t account, struct slice name, const struct ix_name *n)
{
	struct name_key k;
	struct slice key = name_key(&k, account, name);

	buf_reset(&s->val);
	ix_name_encode(&s->val, n);
	return buf_err(&s->val) != 0 ? buf_err(&s->val) : index_put(s->ix, IX_NAME, key, buf_slice(&s->val));
}

static int name_del(struct spool *s, uint64_t account, struct slice name)
{
	struct name_key k;

	return index_del(s->ix, IX_NAME, name_key(&k, account, name));
}

int mailbox_put(struct spool *s, uint64_t id, const struct ix_mailbox *m)
{
	struct ix_key k = key_u64(id);

	return IX_PUT(s, IX_MAILBOX, &k, ix_mailbox, m);
}

struct change *apply_change(struct apply *ap, uint64_t mailbox, const struct ix_mailbox *m)
{
	struct spool *s = ap->s;
	struct change *c;

	if (ap->changes == NULL || s->conf.watched == NULL || !s->conf.watched(s->conf.ctx, mailbox))
		return NULL;
	c = change_of(ap->changes, mailbox);
	if (c != NULL && m != NULL) {
		c->modseq = m->modseq;
		c->uidnext = m->uidnext;
	}
	return c;
}

/* ---- CREATE ---- */

static int create_one(struct apply *ap, uint64_t account, struct ix_account *acc, const struct op_new_mailbox *in)
{
	struct spool *s = ap->s;
	struct ix_mailbox m = { .account = account, .created_us = ap->time_us, .uidvalidity = in->uidvalidity, .uidnext = 1,
		.modseq = 1, .first_recent = 1, .special_use = in->special_use };
	struct ix_name n = { 0 };
	int r;

	if (in->id != s->n.last_mailbox + 1 || in->uidvalidity <= acc->uidvalidity)
		return ERR_CORRUPT;
	r = name_get(s, account, in->name, &n);
	if ((r != 0 && r != ERR_NOTFOUND) || n.mailbox != 0)
		return r != 0 && r != ERR_NOTFOUND ? r : ERR_CORRUPT;
	n.mailbox = s->n.last_mailbox = in->id;
	n.subscribed |= in->subscribed;
	acc->uidvalidity = in->uidvalidity;
	acc->mailboxes++;
	s->n.mailboxes++;
	if ((r = name_put(s, account, in->name, &n)) != 0)
		return r;
	return mailbox_put(s, in->id, &m);
}

int apply_create(struct apply *ap, const struct op_create *op)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(op->account);
	struct ix_account acc;
	int r = IX_GET(s, IX_ACCOUNT, &k, ix_account, s->arena, &acc);

	if (r == ERR_NOTFOUND) {
		acc = (struct ix_account){ .created_us = ap->time_us };
		r = 0;
	}
	for (uint32_t i = 0; r == 0 && i < op->mailboxes_n; i++)
		r = create_one(ap, op->account, &acc, &op->mailboxes[i]);
	return r != 0 ? r : IX_PUT(s, IX_ACCOUNT, &k, ix_account, &acc);
}

/* ---- DELETE ---- */

int apply_delete(struct apply *ap, const struct op_delete *op)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(op->account);
	struct ix_account acc;
	struct ix_name n;
	int r;

	if ((r = name_get(s, op->account, op->name, &n)) != 0 || n.mailbox != op->mailbox)
		return r == 0 || r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	n.mailbox = 0;
	r = n.subscribed != 0 ? name_put(s, op->account, op->name, &n) : name_del(s, op->account, op->name);
	if (r != 0 || (r = mailbox_drop(ap, op->mailbox)) != 0 ||
	    (r = IX_GET(s, IX_ACCOUNT, &k, ix_account, s->arena, &acc)) != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	acc.mailboxes--;
	return IX_PUT(s, IX_ACCOUNT, &k, ix_account, &acc);
}

/* ---- RENAME ---- */

struct named {
	struct slice name;
	struct ix_name n;
};
struct below {
	struct spool *s;
	struct slice name;
	struct buf found;       /* struct named; names in the spool's arena */
};

static int below_collect(void *ctx, struct slice name, const struct ix_name *n)
{
	struct below *b = ctx;
	struct named v = { .n = *n };

	if (!slice_eq(name, b->name) && !mbox_name_below(name, b->name))
		return 0;
	v.name = arena_dup(b->s->arena, name);
	if (v.name.p == NULL)
		return ERR_NOMEM;
	buf_add(&b->found, &v, sizeof(v));
	return buf_err(&b->found);
}

static int rename_one(struct spool *s, const struct op_rename *op, const struct named *v)
{
	uint8_t name[2 * SPOOL_NAME_MAX];
	size_t tail = v->name.len - op->from.len, len = op->to.len + tail;
	struct ix_name old = { 0 }, n = v->n;
	int r;

	if (len > SPOOL_NAME_MAX)
		return ERR_CORRUPT;
	memcpy(name, op->to.p, op->to.len);
	if (tail != 0)
		memcpy(name + op->to.len, v->name.p + op->from.len, tail);
	r = name_get(s, op->account, slice_of(name, len), &old);
	if ((r != 0 && r != ERR_NOTFOUND) || old.mailbox != 0)
		return r != 0 && r != ERR_NOTFOUND ? r : ERR_CORRUPT;
	n.subscribed |= old.subscribed;
	if ((r = name_del(s, op->account, v->name)) != 0)
		return r;
	return name_put(s, op->account, slice_of(name, len), &n);
}

int apply_rename(struct apply *ap, const struct op_rename *op)
{
	struct spool *s = ap->s;
	struct below b = { .s = s, .name = op->from, .found = BUF_INIT(ARENA_MAX) };
	const struct named *v;
	size_t n;
	int r = spool_names(s, op->account, below_collect, &b);

	v = (const struct named *)(const void *)b.found.p;
	n = buf_len(&b.found) / sizeof(*v);
	if (r == 0 && n == 0)
		r = ERR_CORRUPT;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = rename_one(s, op, &v[i]);
	buf_free(&b.found);
	return r;
}

/* ---- SUBSCRIBE, ACCOUNT_DELETE, RECENT ---- */

int apply_subscribe(struct apply *ap, const struct op_subscribe *op)
{
	struct spool *s = ap->s;
	struct ix_name n = { 0 };
	int r = name_get(s, op->account, op->name, &n);

	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	n.subscribed = op->on != 0;
	if (n.mailbox == 0 && n.subscribed == 0)
		return r == 0 ? name_del(s, op->account, op->name) : 0;
	return name_put(s, op->account, op->name, &n);
}

static int all_collect(void *ctx, struct slice name, const struct ix_name *n)
{
	struct buf *ids = ctx;

	(void)name;
	if (n->mailbox != 0)
		buf_add(ids, &n->mailbox, sizeof(n->mailbox));
	return buf_err(ids);
}

int apply_account_delete(struct apply *ap, const struct op_account *op)
{
	struct spool *s = ap->s;
	struct buf ids = BUF_INIT(ARENA_MAX);
	struct ix_key k = key_u64(op->account);
	uint64_t id;
	size_t n;
	int r = spool_names(s, op->account, all_collect, &ids);

	for (size_t i = 0; r == 0 && i < buf_len(&ids) / sizeof(id); i++) {
		memcpy(&id, ids.p + i * sizeof(id), sizeof(id));
		r = mailbox_drop(ap, id);
	}
	buf_free(&ids);
	if (r != 0 || (r = index_del_prefix(s->ix, IX_NAME, key_slice(&k), SIZE_MAX, &n)) != 0)
		return r;
	r = index_del(s->ix, IX_ACCOUNT, key_slice(&k));
	return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
}

int apply_recent(struct apply *ap, const struct op_recent *op)
{
	struct spool *s = ap->s;
	struct ix_mailbox m;
	int r = spool_mailbox_get(s, op->mailbox, s->arena, &m);

	if (r != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	if (op->first_recent < m.first_recent || op->first_recent > m.uidnext)
		return ERR_CORRUPT;
	m.first_recent = op->first_recent;
	return mailbox_put(s, op->mailbox, &m);
}
