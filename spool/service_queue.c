/* smtpd's and qmgr's requests: ACCEPT, TAKE, OUTCOME, RELEASE. */
#include <bsd/stdlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/queueid.h"
#include "spool/service_internal.h"

/* ---- taken messages ---- */

static int taken_cmp(const struct taken *a, const struct taken *b)
{
	return (a->msgid > b->msgid) - (a->msgid < b->msgid);
}

RB_GENERATE_INTERNAL(taken_tree, taken, entry, taken_cmp, static UNUSED)

static struct taken *taken_find(struct service *svc, uint64_t msgid)
{
	struct taken key = { .msgid = msgid };

	return RB_FIND(taken_tree, &svc->taken, &key);
}

bool taken_has(struct service *svc, uint64_t msgid)
{
	return taken_find(svc, msgid) != NULL;
}

static int taken_add(struct service *svc, struct peer *p, uint64_t msgid, struct slice token, uint64_t expiry)
{
	struct taken *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return ERR_NOMEM;
	t->msgid = msgid;
	t->peer = p;
	t->expiry = expiry;
	if (token.len == sizeof(t->token))
		memcpy(t->token, token.p, token.len);
	else
		t->expiry = 0;
	if (RB_INSERT(taken_tree, &svc->taken, t) != NULL)
		free(t);
	return 0;
}

void taken_drop(struct service *svc, uint64_t msgid)
{
	struct taken *t = taken_find(svc, msgid);
	struct ix_msg msg;

	if (t == NULL)
		return;
	RB_REMOVE(taken_tree, &svc->taken, t);
	free(t);
	if (spool_msg_get(svc->spool, msgid, svc->arena, &msg) == 0 && msg.due != 0)
		spool_due_unsee(svc->spool, msg.due, msgid);
}

void taken_peer_gone(struct service *svc, struct peer *p)
{
	struct taken *t, *next;

	RB_FOREACH_SAFE(t, taken_tree, &svc->taken, next)
		if (t->peer == p) {
			RB_REMOVE(taken_tree, &svc->taken, t);
			free(t);
		}
	spool_due_seen(svc->spool, 0, 0);
}

/* ---- ACCEPT ---- */

static char *logline(const char *fmt, ...) PRINTF_LIKE(1, 2);
static char *logline(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return s;
}

static int accept_op(struct service *svc, const struct spool_accept *in, struct op_accept *op)
{
	struct op_body body = op->body;

	*op = (struct op_accept){ .sender = in->sender, .origin = in->origin, .envid = in->envid, .ret = in->ret,
		.message_id = in->message_id, .rcpts_n = in->rcpts_n, .body = body };
	if ((op->rcpts = arena_calloc(svc->arena, in->rcpts_n, sizeof(*op->rcpts))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < in->rcpts_n; i++)
		op->rcpts[i] = (struct op_rcpt){ in->rcpts[i].addr, in->rcpts[i].orcpt, in->rcpts[i].notify };
	return 0;
}

int request_accept(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_accept in;
	struct spool_op op = { .kind = OP_ACCEPT };
	struct spool_accepted out;
	struct spool_done done;
	struct answer *a;
	int r;

	REQUEST_DECODE(svc, p, m, spool_accept, &in);
	if ((r = files_body(svc, p, m, &in.body, &op.accept.body)) == 1)
		return 0;
	if (r == ERR_SYNTAX)
		return r;
	if (r == 0 && (r = accept_op(svc, &in, &op.accept)) == 0)
		r = service_do(svc, &op, &done, NULL);
	if (r != 0) {
		struct live_file *f = svc->synced != NULL ? files_find(svc, NULL, in.body.file) : NULL;

		if (f != NULL)
			files_drop(svc, f, true);
		(void)service_fail(svc, p, m->id, r, NULL);
		return 0;
	}
	out.msgid = done.id;
	service_hint(svc, clock_wall_s());
	if ((a = ANSWER(svc, p, m->id, spool_accepted, &out)) != NULL) {
		a->file = in.body.file;
		a->log = logline("%s: accepted from=<%s> size=%llu nrcpt=%u message-id=%s", queue_id(done.id).s,
		    in.sender.len != 0 ? log_esc(in.sender) : "", (unsigned long long)in.body.size, in.rcpts_n, log_esc(in.message_id));
	}
	return 0;
}

/* ---- TAKE ---- */

/* In the same time wherever they differ. */
static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t d = 0;

	for (size_t i = 0; i < n; i++)
		d |= a[i] ^ b[i];
	return d == 0;
}

int job_token_check(struct service *svc, struct slice text, uint64_t msgid)
{
	const struct taken *k = taken_find(svc, msgid);
	uint64_t now = clock_wall_s();
	struct token t;
	int r;

	/* The one we gave away ourselves needs no arithmetic. */
	if (k != NULL && k->expiry > now && text.len == sizeof(k->token) && same_bytes(k->token, text.p, text.len))
		return 0;
	r = token_check(svc->sc.secret, text, TOKEN_JOB, now, &t);
	return r == 0 && t.msgid != msgid ? ERR_DENIED : r;
}

/* So many recipients are found by their keys, without a look through the table. */
enum { LOAD_SINGLY = 16 };

struct load {
	struct service *svc;
	struct buf rcpts;       /* struct spool_rcpt */
	size_t *size;           /* encoded, about */
	bool pending_only;
};

static int load_rcpt(void *ctx, uint32_t index, const struct ix_rcpt *rc)
{
	struct load *l = ctx;
	struct spool_rcpt out = { .index = index, .addr = rc->addr, .orcpt = rc->orcpt, .notify = rc->notify, .state = rc->state,
		.attempts = rc->attempts, .due = rc->due, .status = rc->status, .text = rc->text, .relay = rc->relay };

	if (l->pending_only && rc->state != RCPT_PENDING)
		return 0;
	*l->size += 64 + rc->addr.len + rc->orcpt.len + rc->status.len + rc->text.len + rc->relay.len;
	if (*l->size > REPLY_MAX && buf_len(&l->rcpts) != 0)
		return 1;       /* the rest another time */
	buf_add(&l->rcpts, &out, sizeof(out));
	return buf_err(&l->rcpts);
}

int msg_load(struct service *svc, uint64_t msgid, bool pending_only, bool token, size_t *size, struct spool_msg *m_r)
{
	struct load l = { .svc = svc, .rcpts = BUF_INIT(REQUEST_ARENA), .size = size, .pending_only = pending_only };
	struct token t = { .kind = TOKEN_JOB, .msgid = msgid, .expiry = clock_wall_s() + JOB_TOKEN_LIFE };
	struct ix_body b;
	struct ix_rcpt rc;
	struct ix_msg m;
	uint8_t *tok;
	int r = spool_msg_get(svc->spool, msgid, svc->arena, &m);

	if (r != 0 || (r = spool_body_get(svc->spool, m.bodyid, &b)) != 0)
		return r;
	*m_r = (struct spool_msg){ .msgid = msgid, .sender = m.sender, .created = m.created_us / 1000000, .size = b.size,
		.relay_off = b.relay_off, .body_flags = b.flags, .flags = m.flags, .ret = m.ret, .envid = m.envid,
		.origin = m.origin, .message_id = m.message_id };
	*size += 256 + m.sender.len + m.origin.len + m.envid.len + m.message_id.len;
	if (token) {
		if ((tok = arena_alloc(svc->arena, TOKEN_SIZE)) == NULL)
			return ERR_NOMEM;
		if ((r = token_mint(svc->sc.secret, &t, tok)) != 0)
			return r;
		m_r->token = slice_of(tok, TOKEN_SIZE);
	}
	r = 0;
	if (m.nrcpts > LOAD_SINGLY)
		r = spool_rcpts(svc->spool, msgid, svc->arena, load_rcpt, &l);
	for (uint32_t i = 0; r == 0 && i < m.nrcpts && m.nrcpts <= LOAD_SINGLY; i++)
		if ((r = spool_rcpt_get(svc->spool, msgid, i, svc->arena, &rc)) == 0)
			r = load_rcpt(&l, i, &rc);
	m_r->rcpts_n = (uint32_t)(buf_len(&l.rcpts) / sizeof(*m_r->rcpts));
	m_r->rcpts = arena_calloc(svc->arena, m_r->rcpts_n, sizeof(*m_r->rcpts));
	if (r >= 0 && m_r->rcpts == NULL)
		r = ERR_NOMEM;
	if (r >= 0 && m_r->rcpts_n != 0)
		memcpy(m_r->rcpts, l.rcpts.p, buf_len(&l.rcpts));
	buf_free(&l.rcpts);
	return r < 0 ? r : 0;
}

struct take {
	struct service *svc;
	struct peer *peer;
	const struct spool_take *in;
	struct spool_taken out;
	size_t size, rcpts;
};

static int take_due(void *ctx, uint64_t due, uint64_t msgid)
{
	struct take *t = ctx;
	struct spool_msg *msg = &t->out.msgs[t->out.msgs_n];
	int r;

	if (taken_has(t->svc, msgid)) {
		spool_due_seen(t->svc->spool, due, msgid);
		return 0;
	}
	if (due > t->in->now || t->out.msgs_n == t->in->n || t->size > REPLY_MAX / 2 ||
	    (t->in->rcpts != 0 && t->rcpts >= t->in->rcpts)) {
		t->out.next_due = due;
		return 1;
	}
	if ((r = msg_load(t->svc, msgid, true, true, &t->size, msg)) != 0)
		return r == ERR_NOMEM && t->out.msgs_n != 0 ? 1 : r;
	if ((r = taken_add(t->svc, t->peer, msgid, msg->token, clock_wall_s() + JOB_TOKEN_LIFE)) != 0)
		return r;
	t->rcpts += msg->rcpts_n;
	t->out.msgs_n++;
	spool_due_seen(t->svc->spool, due, msgid);
	return 0;
}

int request_take(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_take in;
	struct take t = { .svc = svc, .peer = p, .in = &in };
	int r;

	REQUEST_DECODE(svc, p, m, spool_take, &in);
	if (in.n > 100000)
		return ERR_LIMIT;
	if ((t.out.msgs = arena_calloc(svc->arena, in.n + 1, sizeof(*t.out.msgs))) == NULL)
		r = ERR_NOMEM;
	else
		r = spool_due(svc->spool, take_due, &t);
	if (r < 0) {
		for (uint32_t i = 0; i < t.out.msgs_n; i++)
			taken_drop(svc, t.out.msgs[i].msgid);
		spool_due_seen(svc->spool, 0, 0);
		(void)service_fail(svc, p, m->id, r, NULL);
		return 0;
	}
	(void)ANSWER(svc, p, m->id, spool_taken, &t.out);
	return 0;
}

/* ---- OUTCOME, RELEASE ---- */

static int outcome_op(struct service *svc, const struct spool_outcome *in, struct op_outcome *op)
{
	int r;

	*op = (struct op_outcome){ .msgid = in->msgid, .set_flags = in->set_flags & MSG_DELAY_NOTICED, .results_n = in->results_n,
		.notices_n = in->notices_n };
	op->results = arena_calloc(svc->arena, in->results_n, sizeof(*op->results));
	op->notices = arena_calloc(svc->arena, in->notices_n, sizeof(*op->notices));
	if (op->results == NULL || op->notices == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < in->results_n; i++)
		op->results[i] = (struct op_result){ in->results[i].index, in->results[i].state, in->results[i].due,
			in->results[i].status, in->results[i].text, in->results[i].relay };
	for (uint32_t i = 0; i < in->notices_n; i++) {
		const struct spool_body_in *b = &in->notices[i].body;

		if (b->file != 0 || b->size != b->bytes.len)
			return ERR_SYNTAX;
		op->notices[i].body = (struct op_body){ .size = b->size, .relay_off = b->relay_off, .flags = b->flags,
			.lines = b->lines, .bytes = b->bytes };
		if ((r = accept_op(svc, &in->notices[i], &op->notices[i])) != 0)
			return r;
	}
	return 0;
}

int request_outcome(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_outcome in;
	struct spool_op op = { .kind = OP_OUTCOME };
	struct spool_done done;
	struct ix_msg msg;
	int r;

	REQUEST_DECODE(svc, p, m, spool_outcome, &in);
	if ((r = outcome_op(svc, &in, &op.outcome)) == ERR_SYNTAX)
		return r;
	if (r == 0)
		r = service_do(svc, &op, &done, NULL);
	/* Whatever became of it, a release lets others have it: a lost outcome is only tried again. */
	if (in.release != 0)
		taken_drop(svc, in.msgid);
	if (service_refused(svc, p, m->id, r))
		return 0;
	if (in.notices_n != 0)
		service_hint(svc, clock_wall_s());
	if (in.release != 0 && spool_msg_get(svc->spool, in.msgid, svc->arena, &msg) == 0 && msg.due != 0)
		service_hint(svc, msg.due > 2 ? msg.due : 2);
	for (uint32_t i = 0; i < op.outcome.notices_n; i++)
		log_debug("%s: notice for %s", queue_id(op.outcome.notices[i].msgid).s, queue_id(in.msgid).s);
	(void)service_ok(svc, p, m->id, done.id);
	return 0;
}

int request_release(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_release in;

	REQUEST_DECODE(svc, p, m, spool_release, &in);
	taken_drop(svc, in.msgid);
	return 0;
}
