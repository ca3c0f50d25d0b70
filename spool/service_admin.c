/* The administrator's requests: QUEUE_LIST, QUEUE_SHOW, QUEUE_DO, TRACE, STATS, ACCOUNT_DELETE. */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/service_internal.h"

enum { LIST_MAX = 1000, JOB_STEP = 200 };

/* ---- does a message have this text in an address? ---- */

static bool contains(struct slice s, struct slice part)
{
	for (size_t i = 0; part.len <= s.len && i <= s.len - part.len; i++)
		if (slice_ieq(slice_sub(s, i, part.len), part))
			return true;
	return false;
}

static bool matches(const struct spool_msg *msg, struct slice match)
{
	if (match.len == 0 || contains(msg->sender, match))
		return true;
	for (uint32_t i = 0; i < msg->rcpts_n; i++)
		if (contains(msg->rcpts[i].addr, match))
			return true;
	return false;
}

int request_queue_list(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_queue_list in;
	struct spool_taken out = { 0 };
	uint64_t ids[LIST_MAX];
	uint32_t n = 0;
	size_t kept = 0;
	int r;

	REQUEST_DECODE(svc, p, m, spool_queue_list, &in);
	if (in.n > LIST_MAX)
		in.n = LIST_MAX;
	r = spool_queue_ids(svc->spool, in.after, in.n, ids, &n);
	if (r == 0 && (out.msgs = arena_calloc(svc->arena, n, sizeof(*out.msgs))) == NULL)
		r = ERR_NOMEM;
	out.next_due = n == in.n ? in.after : 0;
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		struct spool_msg *msg = &out.msgs[out.msgs_n];
		size_t size = 0;

		r = msg_load(svc, ids[i], false, false, &size, msg);
		if (i != 0 && (r == ERR_NOMEM || (r == 0 && kept + size > REPLY_MAX))) {
			out.next_due = ids[i - 1];      /* the rest in another answer */
			r = 0;
			break;
		}
		if (n == in.n)
			out.next_due = ids[i];
		if (r == 0 && matches(msg, in.match)) {
			out.msgs_n++;
			kept += size;
		}
	}
	if (!service_refused(svc, p, m->id, r))
		(void)ANSWER(svc, p, m->id, spool_taken, &out);
	return 0;
}

int request_queue_show(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_queue_show in;
	struct spool_msg msg;
	struct spool_taken out = { .msgs = &msg, .msgs_n = 1 };
	size_t size = 0;

	REQUEST_DECODE(svc, p, m, spool_queue_show, &in);
	if (!service_refused(svc, p, m->id, msg_load(svc, in.msgid, false, false, &size, &msg)))
		(void)ANSWER(svc, p, m->id, spool_taken, &out);
	return 0;
}

/* ---- QUEUE_DO: in pieces, one batch each, so that a long queue stops nobody ---- */

struct queue_job {
	LIST_ENTRY(queue_job) link;
	struct service *svc;
	struct peer *peer;              /* NULL: gone; the job goes on */
	uint32_t id;
	uint8_t verb;
	char match[SPOOL_ADDR_MAX];
	size_t match_len;
	uint64_t after, only, count;    /* only: one message, 0: all that match */
	struct loop_timer timer;
};

static void job_free(struct queue_job *j)
{
	LIST_REMOVE(j, link);
	loop_timer_del(j->svc->loop, &j->timer);
	free(j);
}

void queue_jobs_peer_gone(struct service *svc, struct peer *p)
{
	struct queue_job *j;

	LIST_FOREACH(j, &svc->queue_jobs, link)
		if (j->peer == p)
			j->peer = NULL;
}

void queue_jobs_end(struct service *svc)
{
	struct queue_job *j;

	while ((j = LIST_FIRST(&svc->queue_jobs)) != NULL)
		job_free(j);
}

/* The next messages it means; *more_r: there may be further ones. */
static int job_collect(struct queue_job *j, struct op_id *msgs, uint32_t *n_r, bool *more_r)
{
	struct service *svc = j->svc;
	uint64_t ids[JOB_STEP];
	struct spool_msg msg;
	uint32_t n;
	int r;

	*n_r = 0;
	*more_r = false;
	if (j->only != 0) {
		msgs[(*n_r)++].id = j->only;
		return 0;
	}
	if ((r = spool_queue_ids(svc->spool, j->after, JOB_STEP, ids, &n)) != 0)
		return r;
	*more_r = n == JOB_STEP;
	for (uint32_t i = 0; i < n; i++) {
		size_t size = 0;

		j->after = ids[i];
		arena_reset(svc->arena);
		if (j->match_len != 0 && ((r = msg_load(svc, ids[i], false, false, &size, &msg)) != 0 ||
		    !matches(&msg, slice_of(j->match, j->match_len))))
			continue;
		msgs[(*n_r)++].id = ids[i];
	}
	return 0;
}

static void job_step(void *ctx)
{
	struct queue_job *j = ctx;
	struct service *svc = j->svc;
	struct op_id msgs[JOB_STEP];
	struct spool_op op = { .kind = OP_QUEUE_DO };
	struct spool_done done = { 0 };
	uint32_t n;
	bool more;
	int r;

	service_settle(svc);
	r = job_collect(j, msgs, &n, &more);
	if (r == 0 && n != 0) {
		op.queue = (struct op_queue){ .verb = j->verb, .msgs = msgs, .msgs_n = n };
		r = service_do(svc, &op, &done, NULL);
	}
	if (r == 0) {
		j->count += done.id;
		if (j->verb == QUEUE_FLUSH || j->verb == QUEUE_UNHOLD)
			service_hint(svc, j->verb == QUEUE_FLUSH ? 0 : clock_wall_s());
	}
	if (r == 0 && more) {
		loop_timer_set(svc->loop, &j->timer, 0, job_step, j);
		return;
	}
	if (r != 0 || (j->only != 0 && done.id == 0 && j->verb == QUEUE_DELETE))
		(void)service_fail(svc, j->peer, j->id, r != 0 ? r : ERR_NOTFOUND, NULL);
	else
		(void)service_ok(svc, j->peer, j->id, j->count);
	job_free(j);
}

int request_queue_do(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_queue_do in;
	struct queue_job *j;
	struct ix_msg msg;
	int r = 0;

	REQUEST_DECODE(svc, p, m, spool_queue_do, &in);
	if (in.verb < QUEUE_HOLD || in.verb > QUEUE_FLUSH)
		return ERR_SYNTAX;
	if (in.msgid != 0)
		r = spool_msg_get(svc->spool, in.msgid, svc->arena, &msg);
	if (r == 0 && (j = calloc(1, sizeof(*j))) == NULL)
		r = ERR_NOMEM;
	if (service_refused(svc, p, m->id, r))
		return 0;
	j->svc = svc;
	j->peer = p;
	j->id = m->id;
	j->verb = in.verb;
	j->only = in.msgid;
	j->match_len = in.match.len;
	if (in.match.len != 0)
		memcpy(j->match, in.match.p, in.match.len);
	LIST_INSERT_HEAD(&svc->queue_jobs, j, link);
	job_step(j);
	return 0;
}

/* ---- TRACE, STATS, ACCOUNT_DELETE ---- */

enum { TRACE_ITEMS_MAX = 20000 };
struct trace_out {
	struct buf items;       /* struct spool_trace_item */
	size_t size;
};

static int trace_item(void *ctx, uint64_t lsn, const struct ix_trace *t)
{
	struct trace_out *o = ctx;
	struct spool_trace_item it = { .time_us = t->time_us, .lsn = lsn, .event = t->event, .text = t->text };

	o->size += 64 + t->event.len + t->text.len;
	if (o->size > REPLY_MAX)
		return 1;
	buf_add(&o->items, &it, sizeof(it));
	return buf_err(&o->items);
}

int request_trace(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct trace_out o = { .items = BUF_INIT(REQUEST_ARENA) };
	struct spool_trace in;
	struct spool_trace_reply out;
	int r;

	REQUEST_DECODE(svc, p, m, spool_trace, &in);
	r = spool_trace(svc->spool, in.msgid, svc->arena, trace_item, &o);
	out.items = (struct spool_trace_item *)(void *)o.items.p;
	out.items_n = (uint32_t)(buf_len(&o.items) / sizeof(*out.items));
	if (r == 0 && out.items_n == 0)
		r = ERR_NOTFOUND;
	if (!service_refused(svc, p, m->id, r < 0 ? r : 0))
		(void)ANSWER(svc, p, m->id, spool_trace_reply, &out);
	buf_free(&o.items);
	return 0;
}

int request_stats(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	const struct ix_counters *c = spool_counters(svc->spool);
	struct log_stats ls;
	struct spool_stats in;
	struct spool_stats_reply out;
	const struct log_segment *seg;
	uint64_t log_bytes = 0, removed, copied, snapshot_bytes;
	size_t segments;

	REQUEST_DECODE(svc, p, m, spool_stats, &in);
	log_stats(spool_log_of(svc->spool), &ls);
	seg = log_segments(spool_log_of(svc->spool), &segments);
	for (size_t i = 0; i < segments; i++)
		log_bytes += seg[i].size;
	compact_stats(svc, &removed, &copied);
	struct spool_stat st[] = {
		{ SLICE_LIT("queued"), c->queued }, { SLICE_LIT("bodies"), c->bodies }, { SLICE_LIT("body_bytes"), c->body_bytes },
		{ SLICE_LIT("dead_bodies"), c->dead }, { SLICE_LIT("mailboxes"), c->mailboxes }, { SLICE_LIT("rows"), c->rows },
		{ SLICE_LIT("lsn"), c->applied }, { SLICE_LIT("flushes"), ls.flushes }, { SLICE_LIT("records"), ls.records },
		{ SLICE_LIT("bytes"), ls.bytes }, { SLICE_LIT("segments_made"), ls.segments_made },
		{ SLICE_LIT("segments"), segments }, { SLICE_LIT("log_bytes"), log_bytes },
		{ SLICE_LIT("compact_removed"), removed }, { SLICE_LIT("compact_copied"), copied },
		{ SLICE_LIT("snapshot"), spool_snapshot_newest(svc->spool, &snapshot_bytes) }, { SLICE_LIT("accepting"), svc->accepting },
		{ SLICE_LIT("free_bytes"), spool_free_bytes(svc->spool) },
	};
	out.stats = st;
	out.stats_n = ARRAY_LEN(st);
	(void)ANSWER(svc, p, m->id, spool_stats_reply, &out);
	return 0;
}

int request_account_delete(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct spool_account_delete in;
	struct spool_op op = { .kind = OP_ACCOUNT_DELETE };
	struct spool_done done;
	int r;

	REQUEST_DECODE(svc, p, m, spool_account_delete, &in);
	op.account.account = in.account;
	r = service_do(svc, &op, &done, &changes);
	if (service_refused(svc, p, m->id, r))
		change_list_free(&changes);
	else
		answer_take_changes(service_ok(svc, p, m->id, 0), &changes, 0);
	return 0;
}
