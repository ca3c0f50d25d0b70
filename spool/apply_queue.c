/* The queue's ops, applied: ACCEPT, OUTCOME, DELIVER, QUEUE_DO. */
#include "common/base/log.h"
#include "common/mail/queueid.h"
#include "spool/spool_internal.h"

enum { TRACE_TEXT_MAX = 1024, RCPTS_SINGLY = 100 };

static uint64_t us_to_s(uint64_t us)
{
	return us / 1000000;
}

int msg_put(struct spool *s, uint64_t msgid, const struct ix_msg *m)
{
	struct ix_key k = key_u64(msgid);

	return IX_PUT(s, IX_QUEUE, &k, ix_msg, m);
}

static int rcpt_put(struct spool *s, uint64_t msgid, uint32_t index, const struct ix_rcpt *rc)
{
	struct ix_key k = key_u64_u32(msgid, index);

	return IX_PUT(s, IX_RCPT, &k, ix_rcpt, rc);
}

int apply_trace(struct apply *ap, uint64_t msgid, const char *event, const char *fmt, ...)
{
	struct ix_key k = key_u64_u64_u32(msgid, ap->lsn, ap->traces++);
	struct buf text = BUF_INIT(4096);
	struct ix_trace t = { .time_us = ap->time_us, .event = slice_cstr(event) };
	va_list args;
	int r;

	va_start(args, fmt);
	buf_addv(&text, fmt, args);
	va_end(args);
	t.text = slice_sub(buf_slice(&text), 0, TRACE_TEXT_MAX);
	r = IX_PUT_NEW(ap->s, IX_TRACE, &k, ix_trace, &t);
	buf_free(&text);
	return r;
}

/* ---- the schedule ---- */

/* A place in it; 0 is none. */
static uint64_t due_of(uint64_t seconds)
{
	return seconds != 0 ? seconds : 1;
}

static int due_set(struct spool *s, uint64_t msgid, struct ix_msg *m, uint64_t due)
{
	struct ix_key k;
	int r;

	if (m->due == due)
		return 0;
	if (m->due != 0) {
		k = key_u64_u64(m->due, msgid);
		if ((r = index_del(s->ix, IX_DUE, key_slice(&k))) != 0)
			return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	}
	m->due = due;
	if (due == 0)
		return 0;
	k = key_u64_u64(due, msgid);
	spool_due_unsee(s, due, msgid);
	return index_put_new(s->ix, IX_DUE, key_slice(&k), slice_of(NULL, 0));
}

struct earliest {
	uint64_t due;
	struct arena *arena;
};

static int earliest_rcpt(void *ctx, struct slice key, struct slice val)
{
	struct earliest *e = ctx;
	struct ix_rcpt rc;
	int r;

	(void)key;
	arena_reset(e->arena);
	if ((r = IX_DECODE(val, ix_rcpt, e->arena, &rc)) != 0)
		return r;
	if (rc.state == RCPT_PENDING && (e->due == 0 || due_of(rc.due) < e->due))
		e->due = due_of(rc.due);
	return 0;
}

/* Puts the message where its earliest pending recipient belongs, or nowhere while held. */
static int reschedule(struct spool *s, uint64_t msgid, struct ix_msg *m)
{
	struct earliest e = { .arena = NULL };
	struct ix_key k = key_u64(msgid);
	int r = 0;

	if ((m->flags & MSG_HELD) == 0 && m->pending != 0) {
		if ((e.arena = arena_new(65536)) == NULL)
			return ERR_NOMEM;
		r = index_scan(s->ix, IX_RCPT, key_slice(&k), slice_of(NULL, 0), 0, earliest_rcpt, &e);
		arena_free(&e.arena);
		if (r == 0 && e.due == 0)
			r = ERR_CORRUPT;
	}
	return r != 0 ? r : due_set(s, msgid, m, e.due);
}

/* One by one they need no look into the table, where most of them never were. */
static int rcpts_remove(struct spool *s, uint64_t msgid, const struct ix_msg *m)
{
	struct ix_key k = key_u64(msgid);
	size_t n;
	int r = 0;

	if (m->nrcpts > RCPTS_SINGLY)
		return index_del_prefix(s->ix, IX_RCPT, key_slice(&k), SIZE_MAX, &n);
	for (uint32_t i = 0; r == 0 && i < m->nrcpts; i++) {
		k = key_u64_u32(msgid, i);
		r = index_del(s->ix, IX_RCPT, key_slice(&k));
	}
	return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
}

/* The message leaves the queue; its trace stays. rows: of its body that were added just now. */
static int msg_remove(struct apply *ap, uint64_t msgid, struct ix_msg *m, int rows)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(msgid);
	size_t n;
	int r;

	if ((r = due_set(s, msgid, m, 0)) != 0 || (r = rcpts_remove(s, msgid, m)) != 0 ||
	    (m->added != 0 && (r = index_del_prefix(s->ix, IX_ADDED, key_slice(&k), SIZE_MAX, &n)) != 0) ||
	    (r = index_del(s->ix, IX_QUEUE, key_slice(&k))) != 0)
		return r;
	s->n.queued--;
	if ((r = body_ref(ap, m->bodyid, rows - 1)) != 0)
		return r;
	return apply_trace(ap, msgid, "removed", "queue entry is done");
}

/* Writes the message back, or removes it when nothing is left to do. */
static int msg_settle(struct apply *ap, uint64_t msgid, struct ix_msg *m, int rows)
{
	int r;

	if (m->pending == 0)
		return msg_remove(ap, msgid, m, rows);
	if ((r = body_ref(ap, m->bodyid, rows)) != 0 || (r = reschedule(ap->s, msgid, m)) != 0)
		return r;
	return msg_put(ap->s, msgid, m);
}

static int new_rcpt(struct apply *ap, uint64_t msgid, struct ix_msg *m, const struct op_rcpt *in)
{
	struct ix_rcpt rc = { .addr = in->addr, .orcpt = in->orcpt, .notify = in->notify, .due = us_to_s(ap->time_us) };
	struct ix_key k;

	m->pending++;
	k = key_u64_u32(msgid, m->nrcpts++);
	return IX_PUT_NEW(ap->s, IX_RCPT, &k, ix_rcpt, &rc);
}

/* ---- ACCEPT ---- */

int apply_accept(struct apply *ap, const struct op_accept *op)
{
	struct spool *s = ap->s;
	struct ix_msg m = { .bodyid = op->body.bodyid, .created_us = ap->time_us, .ret = op->ret, .sender = op->sender,
		.origin = op->origin, .envid = op->envid, .message_id = op->message_id };
	struct ix_key k = key_u64(op->msgid);
	int r;

	if (op->msgid != op->body.bodyid || op->rcpts_n == 0)
		return ERR_CORRUPT;
	if ((r = body_add(ap, &op->body, 1)) != 0)
		return r;
	for (uint32_t i = 0; i < op->rcpts_n; i++)
		if ((r = new_rcpt(ap, op->msgid, &m, &op->rcpts[i])) != 0)
			return r;
	s->n.queued++;
	if ((r = due_set(s, op->msgid, &m, due_of(us_to_s(ap->time_us)))) != 0 || (r = IX_PUT_NEW(s, IX_QUEUE, &k, ix_msg, &m)) != 0)
		return r;
	return apply_trace(ap, op->msgid, TRACE_ACCEPTED, "from=<%s> size=%llu nrcpt=%u %s", op->sender.len != 0 ? log_esc(op->sender) : "",
	    (unsigned long long)op->body.size, op->rcpts_n, op->origin.len != 0 ? log_esc(op->origin) : "");
}

/* ---- OUTCOME ---- */

static const char *state_event(uint8_t state)
{
	switch (state) {
	case RCPT_DONE:
		return "sent";
	case RCPT_FAILED:
		return "bounced";
	case RCPT_EXPANDED:
		return "expanded";
	default:
		return "deferred";
	}
}

static int apply_result(struct apply *ap, uint64_t msgid, struct ix_msg *m, const struct op_result *res)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64_u32(msgid, res->index);
	struct ix_rcpt rc;
	int r = IX_GET(s, IX_RCPT, &k, ix_rcpt, s->arena, &rc);

	if (r != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	if (rc.state != RCPT_PENDING || res->state > RCPT_EXPANDED)
		return ERR_CORRUPT;
	rc.state = res->state;
	rc.attempts++;
	rc.status = res->status;
	rc.text = res->text;
	rc.relay = res->relay;
	if (res->state == RCPT_PENDING)
		rc.due = res->due;
	else
		m->pending--;
	if ((r = rcpt_put(s, msgid, res->index, &rc)) != 0)
		return r;
	return apply_trace(ap, msgid, state_event(res->state), "to=<%s> relay=%s dsn=%s text=%s", log_esc(rc.addr),
	    res->relay.len != 0 ? log_esc(res->relay) : "none", log_esc(res->status), log_esc(res->text));
}

int apply_outcome(struct apply *ap, const struct op_outcome *op)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(op->msgid);
	struct ix_msg m;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < op->notices_n; i++) {
		if ((r = apply_accept(ap, &op->notices[i])) != 0)
			return r;
		r = apply_trace(ap, op->msgid, "notice", "to=<%s> id=%s", log_esc(op->notices[i].rcpts[0].addr),
		    queue_id(op->notices[i].msgid).s);
	}
	if (r != 0 || (op->results_n == 0 && op->set_flags == 0))
		return r;               /* notices alone: the message may be gone already */
	if ((r = IX_GET(s, IX_QUEUE, &k, ix_msg, s->arena, &m)) != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	for (uint32_t i = 0; i < op->results_n; i++)
		if ((r = apply_result(ap, op->msgid, &m, &op->results[i])) != 0)
			return r;
	m.flags |= op->set_flags;
	return msg_settle(ap, op->msgid, &m, 0);
}

/* ---- DELIVER ---- */

static int deliver_add(struct apply *ap, uint64_t msgid, struct ix_msg *m, const struct ix_body *b, const struct op_add *add, bool last)
{
	struct row row = { .uid = add->uid, .flags = add->flags, .modseq = add->modseq, .size = b->size,
		.date = us_to_s(ap->time_us), .bodyid = m->bodyid };
	struct ix_key k = key_u64_u64(msgid, add->mailbox);
	int r = mailbox_add_row(ap, add->mailbox, &row);

	if (r != 0 || last)
		return r;               /* nobody will ask any more */
	m->added = 1;
	return index_put(ap->s->ix, IX_ADDED, key_slice(&k), slice_of(NULL, 0));
}

static int deliver_rcpt(struct apply *ap, uint64_t msgid, struct ix_msg *m, const struct ix_body *b, const struct op_deliver_rcpt *d, bool last)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64_u32(msgid, d->index);
	struct ix_rcpt rc;
	int r = IX_GET(s, IX_RCPT, &k, ix_rcpt, s->arena, &rc);

	if (r != 0 || rc.state != RCPT_PENDING)
		return r == ERR_NOTFOUND || r == 0 ? ERR_CORRUPT : r;
	for (uint32_t i = 0; i < d->adds_n; i++)
		if ((r = deliver_add(ap, msgid, m, b, &d->adds[i], last)) != 0 ||
		    (r = apply_trace(ap, msgid, "delivered", "to=<%s> account=%llu mailbox=%llu uid=%u", log_esc(rc.addr),
		    (unsigned long long)d->adds[i].account, (unsigned long long)d->adds[i].mailbox, d->adds[i].uid)) != 0)
			return r;
	for (uint32_t i = 0; i < d->forwards_n; i++)
		if ((r = new_rcpt(ap, msgid, m, &d->forwards[i])) != 0 ||
		    (r = apply_trace(ap, msgid, "forwarded", "to=<%s> new=<%s>", log_esc(rc.addr), log_esc(d->forwards[i].addr))) != 0)
			return r;
	rc.state = d->adds_n == 0 && d->forwards_n != 0 ? RCPT_EXPANDED : RCPT_DONE;
	rc.attempts++;
	rc.status = SLICE_LIT("2.0.0");
	rc.text = SLICE_LIT("delivered");
	rc.relay = SLICE_LIT("local");
	m->pending--;
	if (d->adds_n == 0 && (r = apply_trace(ap, msgid, rc.state == RCPT_DONE ? "done" : "expanded", "to=<%s>", log_esc(rc.addr))) != 0)
		return r;
	return last ? 0 : rcpt_put(s, msgid, d->index, &rc);
}

int apply_deliver(struct apply *ap, const struct op_deliver *op)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(op->msgid);
	struct ix_msg m;
	struct ix_body b;
	bool last;
	int r, rows = 0;

	if ((r = IX_GET(s, IX_QUEUE, &k, ix_msg, s->arena, &m)) != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	last = m.pending == op->rcpts_n;
	for (uint32_t i = 0; i < op->rcpts_n; i++)
		last = last && op->rcpts[i].forwards_n == 0;
	if ((r = spool_body_get(s, m.bodyid, &b)) != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	for (uint32_t i = 0; i < op->rcpts_n; i++) {
		if ((r = deliver_rcpt(ap, op->msgid, &m, &b, &op->rcpts[i], last)) != 0)
			return r;
		rows += (int)op->rcpts[i].adds_n;
	}
	if (rows != 0 && (r = body_put_summary(ap, m.bodyid, op->cached)) != 0)
		return r;
	return msg_settle(ap, op->msgid, &m, rows);
}

/* ---- QUEUE_DO ---- */

struct flush {
	struct apply *ap;
	struct arena *arena;
	uint64_t msgid, due;
	uint32_t *index;        /* of the pending ones */
	uint32_t n, max;
};

static int flush_collect(void *ctx, struct slice key, struct slice val)
{
	struct flush *f = ctx;
	struct ix_rcpt rc;
	int r;

	arena_reset(f->arena);
	if (key.len != 12 || f->n == f->max)
		return ERR_CORRUPT;
	if ((r = IX_DECODE(val, ix_rcpt, f->arena, &rc)) != 0)
		return r;
	if (rc.state == RCPT_PENDING && rc.due > f->due)
		f->index[f->n++] = get_be32(key.p + 8);
	return 0;
}

/* All pending recipients are due now. */
static int queue_flush(struct apply *ap, uint64_t msgid, struct ix_msg *m)
{
	struct spool *s = ap->s;
	struct flush f = { .ap = ap, .msgid = msgid, .due = us_to_s(ap->time_us), .max = m->nrcpts };
	struct ix_key k = key_u64(msgid);
	struct ix_rcpt rc;
	int r;

	if ((f.index = arena_calloc(s->arena, m->nrcpts, sizeof(*f.index))) == NULL || (f.arena = arena_new(65536)) == NULL)
		return ERR_NOMEM;
	r = index_scan(s->ix, IX_RCPT, key_slice(&k), slice_of(NULL, 0), 0, flush_collect, &f);
	for (uint32_t i = 0; r == 0 && i < f.n; i++) {
		struct ix_key rk = key_u64_u32(msgid, f.index[i]);

		arena_reset(f.arena);
		if ((r = IX_GET(s, IX_RCPT, &rk, ix_rcpt, f.arena, &rc)) != 0)
			break;
		rc.due = f.due;
		r = rcpt_put(s, msgid, f.index[i], &rc);
	}
	arena_free(&f.arena);
	return r;
}

static int queue_one(struct apply *ap, uint8_t verb, uint64_t msgid)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(msgid);
	struct ix_msg m;
	int r = IX_GET(s, IX_QUEUE, &k, ix_msg, s->arena, &m);

	if (r != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	switch (verb) {
	case QUEUE_HOLD:
		m.flags |= MSG_HELD;
		r = apply_trace(ap, msgid, "held", "by the administrator");
		break;
	case QUEUE_UNHOLD:
		m.flags &= ~(uint32_t)MSG_HELD;
		r = apply_trace(ap, msgid, "released", "by the administrator");
		break;
	case QUEUE_FLUSH:
		r = queue_flush(ap, msgid, &m);
		break;
	case QUEUE_DELETE:
		r = apply_trace(ap, msgid, "deleted", "by the administrator");
		return r != 0 ? r : msg_remove(ap, msgid, &m, 0);
	default:
		return ERR_CORRUPT;
	}
	return r != 0 ? r : msg_settle(ap, msgid, &m, 0);
}

int apply_queue(struct apply *ap, const struct op_queue *op)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < op->msgs_n; i++)
		r = queue_one(ap, op->verb, op->msgs[i].id);
	return r;
}
