/* The queue's ops, checked and completed before they are recorded. */
#include "common/base/clock.h"
#include "spool/spool_internal.h"

/* Microseconds, but always more than the last. */
static uint64_t next_id(uint64_t *last)
{
	uint64_t now = clock_wall_us();

	return *last = now > *last ? now : *last + 1;
}

static int prepare_accept(struct spool *s, struct op_accept *op, uint64_t *last_id)
{
	if (op->rcpts_n == 0 || op->rcpts_n > OP_RCPTS_MAX)
		return op->rcpts_n == 0 ? ERR_SYNTAX : ERR_LIMIT;
	if (op->body.relay_off > op->body.size || (op->body.file == 0 && op->body.bytes.len != op->body.size))
		return ERR_SYNTAX;
	if (op->body.file != 0 && spool_file_used(s, op->body.file))
		return ERR_EXISTS;
	op->msgid = op->body.bodyid = next_id(last_id);
	return 0;
}

/* ---- OUTCOME: only what is still pending; a repeated outcome changes nothing ---- */

static int prepare_outcome(struct spool *s, struct op_outcome *op)
{
	struct op_result *kept = arena_calloc(s->arena, op->results_n, sizeof(*kept));
	uint64_t last = s->n.last_id;
	struct ix_msg m;
	struct ix_rcpt rc;
	uint32_t n = 0;
	int r;

	if (kept == NULL)
		return ERR_NOMEM;
	r = spool_msg_get(s, op->msgid, s->arena, &m);
	if (r != 0 && (r != ERR_NOTFOUND || op->results_n != 0 || op->notices_n == 0))
		return r;
	if (r == ERR_NOTFOUND)
		op->set_flags = 0;
	for (uint32_t i = 0; i < op->results_n; i++) {
		const struct op_result *o = &op->results[i];

		if (o->state > RCPT_EXPANDED || (i > 0 && o->index <= op->results[i - 1].index))
			return ERR_SYNTAX;      /* ascending, each once */
		r = spool_rcpt_get(s, op->msgid, o->index, s->arena, &rc);
		if (r != 0)
			return r;
		if (rc.state == RCPT_PENDING)
			kept[n++] = *o;
	}
	if (op->results_n != 0 && n == 0)
		return ERR_STATE;
	op->results = kept;
	op->results_n = n;
	for (uint32_t i = 0; i < op->notices_n; i++)
		if ((r = prepare_accept(s, &op->notices[i], &last)) != 0)
			return r;
	return op->results_n == 0 && op->notices_n == 0 && op->set_flags == 0 ? 1 : 0;
}

/* ---- DELIVER ---- */

struct known {
	struct slice addr;
	bool found;
	struct arena *arena;
};

static int same_addr(void *ctx, uint32_t index, const struct ix_rcpt *rc)
{
	struct known *k = ctx;

	(void)index;
	k->found = slice_ieq(rc->addr, k->addr);
	arena_reset(k->arena);
	return k->found ? 1 : 0;
}

/* Was this address a recipient of the message before? That ends loops of forwards. */
static int rcpt_known(struct spool *s, uint64_t msgid, const struct op_deliver *op, uint32_t upto, struct slice addr, bool *found_r)
{
	struct known k = { .addr = addr, .arena = arena_new(65536) };
	int r;

	if (k.arena == NULL)
		return ERR_NOMEM;
	r = spool_rcpts(s, msgid, k.arena, same_addr, &k);
	arena_free(&k.arena);
	for (uint32_t i = 0; !k.found && i <= upto; i++)
		for (uint32_t f = 0; !k.found && f < op->rcpts[i].forwards_n; f++)
			k.found = slice_ieq(op->rcpts[i].forwards[f].addr, addr);
	*found_r = k.found;
	return r < 0 ? r : 0;
}

static int prepare_forwards(struct spool *s, struct op_deliver *op, uint32_t ri)
{
	struct op_deliver_rcpt *d = &op->rcpts[ri];
	struct op_rcpt *in = d->forwards;
	uint32_t n = d->forwards_n;
	bool found;
	int r;

	d->forwards_n = 0;
	if (n != 0 && (d->forwards = arena_calloc(s->arena, n, sizeof(*d->forwards))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if ((r = rcpt_known(s, op->msgid, op, ri, in[i].addr, &found)) != 0)
			return r;
		if (!found)
			d->forwards[d->forwards_n++] = in[i];
	}
	return 0;
}

/* One row for each mailbox, over all of the message's recipients and deliveries. */
static int prepare_adds(struct spool *s, const struct ix_msg *msg, struct op_deliver *op, uint32_t ri)
{
	struct op_deliver_rcpt *d = &op->rcpts[ri];
	uint32_t kept = 0;
	int r;

	for (uint32_t i = 0; i < d->adds_n; i++) {
		struct op_add *a = &d->adds[i];
		struct ix_key k = key_u64_u64(op->msgid, a->mailbox);
		struct ix_mailbox m;
		bool twice;

		r = msg->added != 0 ? index_find(s->ix, IX_ADDED, key_slice(&k)) : ERR_NOTFOUND;
		if (r != 0 && r != ERR_NOTFOUND)
			return r;
		twice = r == 0;
		for (uint32_t j = 0; !twice && j <= ri; j++)
			for (uint32_t n = 0; !twice && n < (j == ri ? kept : op->rcpts[j].adds_n); n++)
				twice = op->rcpts[j].adds[n].mailbox == a->mailbox;
		if (twice)
			continue;
		if ((r = spool_mailbox_get(s, a->mailbox, s->arena, &m)) != 0)
			return r;
		if (m.account != a->account)
			return ERR_DENIED;
		if (m.uidnext == UINT32_MAX)
			return ERR_LIMIT;
		a->uid = m.uidnext;
		a->modseq = m.modseq + 1;
		a->flags &= FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT;
		d->adds[kept++] = *a;
	}
	d->adds_n = kept;
	return 0;
}

static int prepare_deliver(struct spool *s, struct op_deliver *op, struct spool_done *res_r)
{
	struct op_deliver_rcpt *in = op->rcpts;
	uint32_t n = op->rcpts_n, forwards = 0;
	struct ix_msg m;
	struct ix_rcpt rc;
	int r;

	if ((r = spool_msg_get(s, op->msgid, s->arena, &m)) != 0)
		return r;
	if ((op->rcpts = arena_calloc(s->arena, n, sizeof(*op->rcpts))) == NULL)
		return ERR_NOMEM;
	op->rcpts_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if ((r = spool_rcpt_get(s, op->msgid, in[i].index, s->arena, &rc)) != 0)
			return r;
		if (i > 0 && in[i - 1].index >= in[i].index)
			return ERR_SYNTAX;
		if (rc.state != RCPT_PENDING)
			continue;       /* done before: exactly once */
		op->rcpts[op->rcpts_n++] = in[i];
		if ((r = prepare_adds(s, &m, op, op->rcpts_n - 1)) != 0 || (r = prepare_forwards(s, op, op->rcpts_n - 1)) != 0)
			return r;
		forwards += op->rcpts[op->rcpts_n - 1].forwards_n;
	}
	if (forwards > OP_RCPTS_MAX - m.nrcpts)
		return ERR_LIMIT;
	res_r->id = op->rcpts_n;
	return op->rcpts_n == 0 ? 1 : 0;
}

/* ---- QUEUE_DO ---- */

static int prepare_queue(struct spool *s, struct op_queue *op, struct spool_done *res_r)
{
	uint32_t kept = 0;
	struct ix_msg m;
	int r;

	if (op->verb < QUEUE_HOLD || op->verb > QUEUE_FLUSH)
		return ERR_SYNTAX;
	for (uint32_t i = 0; i < op->msgs_n; i++) {
		bool skip = i > 0 && op->msgs[i].id <= op->msgs[i - 1].id;

		r = skip ? ERR_NOTFOUND : spool_msg_get(s, op->msgs[i].id, s->arena, &m);
		if (r != 0 && r != ERR_NOTFOUND)
			return r;
		if (r == 0 && (op->verb == QUEUE_HOLD ? (m.flags & MSG_HELD) == 0 : op->verb != QUEUE_UNHOLD || (m.flags & MSG_HELD) != 0))
			op->msgs[kept++] = op->msgs[i];
	}
	op->msgs_n = kept;
	res_r->id = kept;
	return kept == 0 ? 1 : 0;
}

int prepare_queue_op(struct spool *s, struct spool_op *op, struct spool_done *res_r)
{
	uint64_t last = s->n.last_id;
	int r;

	switch (op->kind) {
	case OP_ACCEPT:
		if (spool_full(s, op->accept.body.file != 0))
			return ERR_FULL;
		r = prepare_accept(s, &op->accept, &last);
		res_r->id = op->accept.msgid;
		return r;
	case OP_OUTCOME:
		res_r->id = op->outcome.msgid;
		return prepare_outcome(s, &op->outcome);
	case OP_DELIVER:
		return prepare_deliver(s, &op->deliver, res_r);
	case OP_QUEUE_DO:
		return prepare_queue(s, &op->queue, res_r);
	default:
		return ERR_SYNTAX;
	}
}
