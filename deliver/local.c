/* Jobs of deliver-local: recipients resolved, results reported. */
#include "deliver/local_private.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/mail/queueid.h"

enum { JOB_ARENA_MAX = 128 * 1024 * 1024, RESOLVED_ARENA_MAX = 8 * 1024 * 1024 };

struct local *local_new(struct loop *l, const struct conf *conf)
{
	struct local *lo = calloc(1, sizeof(*lo));

	if (lo == NULL)
		return NULL;
	lo->loop = l;
	lo->conf = conf;
	TAILQ_INIT(&lo->jobs);
	return lo;
}

void local_set_conf(struct local *lo, const struct conf *conf)
{
	lo->conf = conf;
}

/* ---- the end of a job ------------------------------------------------------------------- */

static void check_stopped(void *ctx)
{
	struct local *lo = ctx;
	void (*fn)(void *) = lo->stopped;

	if (fn == NULL || !TAILQ_EMPTY(&lo->jobs))
		return;
	lo->stopped = NULL;
	fn(lo->stopped_ctx);
}

static void ljob_free(struct ljob *job)
{
	struct local *lo = job->local;
	struct arena *a = job->arena;

	TAILQ_REMOVE(&lo->jobs, job, link);
	loop_timer_del(lo->loop, &job->park);
	for (uint32_t i = 0; i < job->rcpts_n; i++)
		if (job->rcpts[i].ask_id != 0)
			channel_cancel(job->rcpts[i].ask_ch, job->rcpts[i].ask_id);
	if (job->spool_id != 0)
		channel_cancel(job->spool_ch, job->spool_id);
	content_free(&job->content);
	buf_free(&job->cached);
	free(job);
	arena_free(&a);
	loop_task_add(lo->loop, &lo->check, check_stopped, lo);
}

void ljob_report(struct ljob *job)
{
	uint64_t now = loop_now(job->local->loop), ready = job->ready_ms != 0 ? job->ready_ms : now;
	struct job_result res = { .reachable = 1, .connect_ms = (uint32_t)(ready - job->start_ms),
	    .send_ms = (uint32_t)(now - ready), .outcomes_n = job->rcpts_n };

	if (!channel_is_open(job->qmgr)) {
		ljob_free(job);
		return;
	}
	res.outcomes = arena_calloc(job->arena, job->rcpts_n, sizeof(*res.outcomes));
	if (res.outcomes == NULL) {
		channel_close(job->qmgr);       /* it gives the job again */
		ljob_free(job);
		return;
	}
	for (uint32_t i = 0; i < job->rcpts_n; i++) {
		const struct lrcpt *r = &job->rcpts[i];

		res.outcomes[i] = (struct job_outcome){ .index = job->job.rcpts[r->pos].index, .kind = r->kind,
		    .recorded = r->recorded, .status = slice_cstr(r->status), .text = r->text,
		    .relay = r->relay.len != 0 ? r->relay : SLICE_LIT("local") };
	}
	IPC_REPLY(job->qmgr, job_result, job->id, &res);
	ljob_free(job);
}

static void on_park(void *ctx)
{
	struct ljob *job = ctx;
	bool resolver = job->unresolved != 0;

	for (uint32_t i = 0; i < job->rcpts_n; i++)
		lrcpt_settle(&job->rcpts[i], OUTCOME_DEFERRED, "4.3.0", resolver ?
		    SLICE_LIT("local fault: the account service does not answer") :
		    SLICE_LIT("local fault: the spool does not answer"));
	ljob_report(job);
}

/* ---- resolving ------------------------------------------------------------------------------ */

static void ljob_resolve(struct ljob *job);

static void resolve_failed(struct lrcpt *r, struct ipc_msg *m)
{
	struct account_fail f = { 0 };
	int code = m != NULL && m->type == account_fail_MSG && IPC_DECODE(m, account_fail, NULL, &f) == 0 ? (int)f.code : ERR_IO;

	if (code == ERR_STATE || code == ERR_LIMIT)
		lrcpt_settle(r, OUTCOME_BOUNCED, "5.4.6", f.text.len != 0 ? f.text : SLICE_LIT("alias loop"));
	else if (code == ERR_SYNTAX)
		lrcpt_settle(r, OUTCOME_BOUNCED, "5.1.3", SLICE_LIT("bad recipient address syntax"));
	else
		lrcpt_settle(r, OUTCOME_DEFERRED, "4.3.0", SLICE_LIT("local fault: the account service failed"));
}

static void on_resolved(void *ctx, int r, struct ipc_msg *m)
{
	struct lrcpt *rc = ctx;
	struct ljob *job = rc->job;
	struct account_resolved res;
	struct arena *a;

	rc->ask_id = 0;
	job->asking--;
	if (r == ERR_CLOSED)
		return;         /* asked again when the next one opens, or parked out */
	a = arena_new(RESOLVED_ARENA_MAX);
	if (r == 0 && a != NULL && IPC_DECODE(m, account_resolved, a, &res) == 0)
		lrcpt_take_targets(rc, &res);
	else
		resolve_failed(rc, m);
	arena_free(&a);
	job->unresolved--;
	ljob_resolve(job);
}

/* Asks for as many recipients as may be asked for; goes on when all are known. */
static void ljob_resolve(struct ljob *job)
{
	struct channel *ch = job->local->accountd;

	if (job->unresolved == 0) {
		ljob_step(job);
		return;
	}
	if (ch == NULL || !channel_is_open(ch))
		return;
	for (; job->next < job->rcpts_n && job->asking < LOCAL_RESOLVES; job->next++) {
		struct lrcpt *r = &job->rcpts[job->next];
		struct account_resolve ask = { .msgid = job->job.msgid, .address = job->job.rcpts[r->pos].addr };

		if (r->resolved || r->ask_id != 0)
			continue;
		r->ask_ch = ch;
		r->ask_id = IPC_REQUEST(ch, account_resolve, &ask, 0, on_resolved, r);
		job->asking++;
	}
}

void local_accountd_open(struct local *lo, struct channel *ch)
{
	struct ljob *job, *next;

	lo->accountd = ch;
	TAILQ_FOREACH_SAFE(job, &lo->jobs, link, next) {
		/* An answer that the old one still owes is not waited for. */
		for (uint32_t i = 0; i < job->rcpts_n; i++)
			if (job->rcpts[i].ask_id != 0) {
				channel_cancel(job->rcpts[i].ask_ch, job->rcpts[i].ask_id);
				job->rcpts[i].ask_id = 0;
			}
		job->asking = 0;
		job->next = 0;
		if (job->unresolved != 0)
			ljob_resolve(job);
	}
}

void local_accountd_close(struct local *lo, struct channel *ch)
{
	if (lo->accountd == ch)
		lo->accountd = NULL;
}

void local_spoold_open(struct local *lo, struct channel *ch)
{
	struct ljob *job, *next;

	lo->spoold = ch;
	TAILQ_FOREACH_SAFE(job, &lo->jobs, link, next) {
		if (job->spool_id != 0)
			channel_cancel(job->spool_ch, job->spool_id);
		job->spool_id = 0;
		ljob_step(job);
	}
}

void local_spoold_close(struct local *lo, struct channel *ch)
{
	if (lo->spoold == ch)
		lo->spoold = NULL;
}

/* ---- qmgr ------------------------------------------------------------------------------------ */

static int rcpt_cmp(const void *x, const void *y)
{
	const struct lrcpt *a = x, *b = y;
	const struct job_rcpt *rcpts = a->job->job.rcpts;

	return (rcpts[a->pos].index > rcpts[b->pos].index) - (rcpts[a->pos].index < rcpts[b->pos].index);
}

static int ljob_take(struct ljob *job, struct ipc_msg *m)
{
	struct slice copy = arena_dup(job->arena, m->payload);
	struct ipc_msg own = { .type = m->type, .payload = copy, .fd = -1 };
	int r;

	if (copy.p == NULL)
		return ERR_NOMEM;
	if ((r = IPC_DECODE(&own, job, job->arena, &job->job)) != 0)
		return r;
	if (job->job.rcpts_n == 0)
		return ERR_SYNTAX;
	job->rcpts_n = job->unresolved = job->job.rcpts_n;
	job->rcpts = arena_calloc(job->arena, job->rcpts_n, sizeof(*job->rcpts));
	if (job->rcpts == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < job->rcpts_n; i++) {
		job->rcpts[i].job = job;
		job->rcpts[i].pos = i;
	}
	/* spoold wants them ascending */
	qsort(job->rcpts, job->rcpts_n, sizeof(*job->rcpts), rcpt_cmp);
	return 0;
}

int local_on_job(struct local *lo, struct channel *ch, struct ipc_msg *m)
{
	struct ljob *job;
	int r;

	if (lo->stopping)
		return 0;       /* qmgr keeps it: the channel closes soon */
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return ERR_NOMEM;
	job->arena = arena_new(JOB_ARENA_MAX);
	job->content = CONTENT_NONE;
	r = job->arena == NULL ? ERR_NOMEM : ljob_take(job, m);
	if (r != 0) {
		arena_free(&job->arena);
		free(job);
		return r;
	}
	job->local = lo;
	job->qmgr = ch;
	job->id = m->id;
	job->start_ms = loop_now(lo->loop);
	TAILQ_INSERT_TAIL(&lo->jobs, job, link);
	loop_timer_set(lo->loop, &job->park, LOCAL_PARK_MS, on_park, job);
	ljob_resolve(job);
	return 0;
}

void local_qmgr_open(struct local *lo, struct channel *ch)
{
	struct job_capacity cap = { .jobs = LOCAL_JOBS };

	lo->qmgr = ch;
	IPC_SEND(ch, job_capacity, 0, &cap);
}

void local_qmgr_close(struct local *lo, struct channel *ch)
{
	struct ljob *job, *next;

	TAILQ_FOREACH_SAFE(job, &lo->jobs, link, next)
		if (job->qmgr == ch)
			ljob_free(job);
	if (lo->qmgr == ch)
		lo->qmgr = NULL;
}

void local_stop(struct local *lo, void (*done)(void *ctx), void *ctx)
{
	lo->stopping = true;
	lo->stopped = done;
	lo->stopped_ctx = ctx;
	loop_task_add(lo->loop, &lo->check, check_stopped, lo);
}

void local_free(struct local **lop)
{
	struct local *lo = *lop;
	struct ljob *job;

	if (lo == NULL)
		return;
	while ((job = TAILQ_FIRST(&lo->jobs)) != NULL)
		ljob_free(job);
	loop_task_del(lo->loop, &lo->check);
	free(lo);
	*lop = NULL;
}
