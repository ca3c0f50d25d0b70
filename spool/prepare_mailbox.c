/* Ops on names of mailboxes, checked and completed before they are recorded. */
#include "common/base/clock.h"
#include "spool/spool_internal.h"

static int account_get(struct spool *s, uint64_t account, struct ix_account *acc_r)
{
	struct ix_key k = key_u64(account);
	int r = IX_GET(s, IX_ACCOUNT, &k, ix_account, s->arena, acc_r);

	if (r == ERR_NOTFOUND) {
		*acc_r = (struct ix_account){ 0 };
		return 0;
	}
	return r;
}

static struct slice normalized(struct spool *s, struct slice text, int *r_r)
{
	struct mbox_name n;
	struct slice out = { 0 };

	if ((*r_r = mbox_name_make(text, &n)) != 0)
		return out;
	out = arena_dup(s->arena, mbox_name_slice(&n));
	if (out.p == NULL)
		*r_r = ERR_NOMEM;
	return out;
}

/* ---- CREATE: with the parents that are missing ---- */

enum { LIST_MAX = 40 };
struct new_list {
	struct op_new_mailbox *v;
	uint32_t n, max;
};

static int new_list_add(struct spool *s, struct new_list *l, uint64_t account, const struct op_new_mailbox *want, bool parent)
{
	struct slice up = mbox_name_parent(want->name);
	struct op_new_mailbox p = { .name = up };
	uint64_t id;
	int r;

	for (uint32_t i = 0; i < l->n; i++)
		if (slice_eq(l->v[i].name, want->name))
			return parent ? 0 : ERR_EXISTS;
	r = spool_mailbox_find(s, account, want->name, &id);
	if (r != ERR_NOTFOUND)
		return r != 0 ? r : parent ? 0 : ERR_EXISTS;
	if (up.len != 0 && (r = new_list_add(s, l, account, &p, true)) != 0)
		return r;
	if (l->n == l->max)
		return ERR_LIMIT;
	l->v[l->n++] = *want;
	return 0;
}

static int prepare_create(struct spool *s, struct op_create *op, struct spool_done *res_r)
{
	struct new_list l = { .max = op->mailboxes_n + LIST_MAX };
	struct ix_account acc;
	uint64_t now = clock_wall_us() / 1000000;
	int r;

	if ((l.v = arena_calloc(s->arena, l.max, sizeof(*l.v))) == NULL)
		return ERR_NOMEM;
	if ((r = account_get(s, op->account, &acc)) != 0)
		return r;
	for (uint32_t i = 0; i < op->mailboxes_n; i++) {
		struct op_new_mailbox *m = &op->mailboxes[i];

		m->name = normalized(s, m->name, &r);
		if (r != 0 || (r = new_list_add(s, &l, op->account, m, false)) != 0)
			return r;
	}
	if (l.n == 0)
		return ERR_SYNTAX;
	if (acc.mailboxes + l.n > ACCOUNT_MAILBOXES_MAX)
		return ERR_LIMIT;
	for (uint32_t i = 0; i < l.n; i++) {
		if (acc.uidvalidity == UINT32_MAX)
			return ERR_LIMIT;
		acc.uidvalidity = now > acc.uidvalidity && now <= UINT32_MAX ? (uint32_t)now : acc.uidvalidity + 1;
		l.v[i].id = s->n.last_mailbox + 1 + i;
		l.v[i].uidvalidity = acc.uidvalidity;
	}
	op->mailboxes = l.v;
	op->mailboxes_n = l.n;
	res_r->id = l.v[l.n - 1].id;
	res_r->uidvalidity = acc.uidvalidity;
	return 0;
}

int spool_account_init(struct spool *s, uint64_t account)
{
	static const struct { const char *name, *use; } special[] = {
		{ "INBOX", "" }, { "Drafts", "\\Drafts" }, { "Sent", "\\Sent" }, { "Trash", "\\Trash" },
		{ "Junk", "\\Junk" }, { "Archive", "\\Archive" },
	};
	struct op_new_mailbox boxes[ARRAY_LEN(special)];
	struct spool_op op = { .kind = OP_MAILBOX_CREATE, .create = { .account = account, .mailboxes = boxes } };
	struct spool_done res;
	uint64_t id;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(special); i++) {
		struct slice name = slice_cstr(special[i].name);

		r = spool_mailbox_find(s, account, name, &id);
		if (r == 0 && i == 0)
			return 0;       /* it has been made before; what the user deleted stays deleted */
		if (r == ERR_NOTFOUND)
			boxes[op.create.mailboxes_n++] = (struct op_new_mailbox){ .name = name,
			    .special_use = slice_cstr(special[i].use), .subscribed = 1 };
		else if (r != 0)
			return r;
	}
	return spool_do(s, &op, &res, NULL);
}

/* ---- DELETE, RENAME, SUBSCRIBE ---- */

static int prepare_delete(struct spool *s, struct op_delete *op, struct spool_done *res_r)
{
	int r;

	op->name = normalized(s, op->name, &r);
	if (r != 0)
		return r;
	if (mbox_name_is_inbox(op->name))
		return ERR_DENIED;
	r = spool_mailbox_find(s, op->account, op->name, &op->mailbox);
	res_r->id = op->mailbox;
	return r;
}

struct target {
	struct spool *s;
	const struct op_rename *op;
};

static int target_check(void *ctx, struct slice name, const struct ix_name *n)
{
	const struct op_rename *op = ((struct target *)ctx)->op;
	uint8_t moved[2 * SPOOL_NAME_MAX];
	uint64_t id;
	size_t tail;
	int r;

	(void)n;
	if (!slice_eq(name, op->from) && !mbox_name_below(name, op->from))
		return 0;
	tail = name.len - op->from.len;
	if (op->to.len + tail > SPOOL_NAME_MAX)
		return ERR_LIMIT;
	memcpy(moved, op->to.p, op->to.len);
	if (tail != 0)
		memcpy(moved + op->to.len, name.p + op->from.len, tail);
	r = spool_mailbox_find(((struct target *)ctx)->s, op->account, slice_of(moved, op->to.len + tail), &id);
	return r == ERR_NOTFOUND ? 0 : r == 0 ? ERR_EXISTS : r;
}

static int create_parents(struct spool *s, uint64_t account, struct slice name)
{
	struct slice up = mbox_name_parent(name);
	struct op_new_mailbox box = { .name = up };
	struct spool_op op = { .kind = OP_MAILBOX_CREATE, .create = { .account = account, .mailboxes = &box, .mailboxes_n = 1 } };
	struct spool_done res;
	int r = up.len != 0 ? spool_do_inner(s, &op, &res, NULL) : 0;

	return r == ERR_EXISTS ? 0 : r;
}

/* Renaming INBOX moves its messages into a new mailbox and leaves it empty (RFC 9051 6.3.6). */
static int rename_inbox(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	struct op_new_mailbox box = { .name = op->rename.to };
	struct spool_op create = { .kind = OP_MAILBOX_CREATE,
		.create = { .account = op->rename.account, .mailboxes = &box, .mailboxes_n = 1 } };
	struct op_range *all = arena_calloc(s->arena, 1, sizeof(*all));
	struct spool_done made;
	uint64_t inbox;
	int r;

	if (all == NULL)
		return ERR_NOMEM;
	if ((r = spool_mailbox_find(s, op->rename.account, op->rename.from, &inbox)) != 0 ||
	    (r = spool_do_inner(s, &create, &made, NULL)) != 0)
		return r;
	*all = (struct op_range){ 1, UINT32_MAX };
	op->kind = OP_COPY;
	op->copy = (struct op_copy){ .from = inbox, .to = made.id, .move = 1, .uids = all, .uids_n = 1 };
	r = prepare_mailbox_op(s, op, res_r);
	res_r->id = made.id;
	return r;
}

static int prepare_rename(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	struct op_rename *rn = &op->rename;
	struct target t = { s, rn };
	int r;

	rn->from = normalized(s, rn->from, &r);
	if (r != 0)
		return r;
	rn->to = normalized(s, rn->to, &r);
	if (r != 0)
		return r;
	if (slice_eq(rn->from, rn->to))
		return ERR_EXISTS;
	if (mbox_name_is_inbox(rn->from))
		return rename_inbox(s, op, res_r);
	if (mbox_name_below(rn->to, rn->from))
		return ERR_STATE;
	if ((r = spool_mailbox_find(s, rn->account, rn->from, &res_r->id)) != 0 ||
	    (r = spool_names(s, rn->account, target_check, &t)) != 0)
		return r;
	return create_parents(s, rn->account, rn->to);
}

static int prepare_subscribe(struct spool *s, struct op_subscribe *op, struct spool_done *res_r)
{
	struct ix_name n = { 0 };
	struct ix_account acc;
	int r;

	op->name = normalized(s, op->name, &r);
	if (r != 0)
		return r;
	r = name_get(s, op->account, op->name, &n);
	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	res_r->id = n.mailbox;
	if (r == ERR_NOTFOUND && op->on != 0) {
		/* A subscription to what is not there is allowed (RFC 9051 6.3.7), and limited. */
		if ((r = account_get(s, op->account, &acc)) != 0)
			return r;
		if (acc.mailboxes > ACCOUNT_MAILBOXES_MAX)
			return ERR_LIMIT;
	}
	return (n.subscribed != 0) == (op->on != 0) ? 1 : 0;
}

static int prepare_account(struct spool *s, const struct op_account *op)
{
	struct ix_key k = key_u64(op->account);
	int r = index_find(s->ix, IX_ACCOUNT, key_slice(&k));

	return r == ERR_NOTFOUND ? 1 : r;
}

int prepare_mailbox_op(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	switch (op->kind) {
	case OP_MAILBOX_CREATE:
		return prepare_create(s, &op->create, res_r);
	case OP_MAILBOX_DELETE:
		return prepare_delete(s, &op->delete_, res_r);
	case OP_MAILBOX_RENAME:
		return prepare_rename(s, op, res_r);
	case OP_SUBSCRIBE:
		return prepare_subscribe(s, &op->subscribe, res_r);
	case OP_ACCOUNT_DELETE:
		return prepare_account(s, &op->account);
	default:
		return prepare_rows_op(s, op, res_r);
	}
}
