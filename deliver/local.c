/* Jobs of deliver-local: recipients resolved, results reported. */
#include "deliver/local_private.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/mail/queueid.h"

enum { JOB_ARENA_MAX = 128 * 1024 * 1024, RESOLVED_ARENA_MAX = 8 * 1024 * 1024 };

static struct ljob *ljob_of(struct agent_job *h)
{
	return (struct ljob *)h;
}

/* ---- the end of a job ------------------------------------------------------------------- */

static void ljob_clear(struct agent_job *h)
{
	struct ljob *job = ljob_of(h);

	for (uint32_t i = 0; i < job->rcpts_n; i++)
		if (job->rcpts[i].ask_id != 0)
			channel_cancel(job->rcpts[i].ask_ch, job->rcpts[i].ask_id);
	if (job->spool_id != 0)
		channel_cancel(job->spool_ch, job->spool_id);
	buf_free(&job->cached);
}

void ljob_report(struct ljob *job)
{
	struct job_outcome *outcomes = arena_calloc(job->h.arena, job->rcpts_n, sizeof(*outcomes));

	for (uint32_t i = 0; outcomes != NULL && i < job->rcpts_n; i++) {
		const struct lrcpt *r = &job->rcpts[i];

		outcomes[i] = (struct job_outcome){ .index = job->h.job.rcpts[r->pos].index, .kind = r->kind,
		    .recorded = r->recorded, .status = slice_cstr(r->status), .text = r->text,
		    .relay = r->relay.len != 0 ? r->relay : SLICE_LIT("local") };
	}
	agent_job_report(&job->h, true, outcomes, job->rcpts_n);
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
		struct account_resolve ask = { .msgid = job->h.job.msgid, .address = job->h.job.rcpts[r->pos].addr };

		if (r->resolved || r->ask_id != 0)
			continue;
		r->ask_ch = ch;
		r->ask_id = IPC_REQUEST(ch, account_resolve, &ask, 0, on_resolved, r);
		job->asking++;
	}
}

static void accountd_open(struct ljob *job)
{
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

static void spoold_open(struct ljob *job)
{
	if (job->spool_id != 0)
		channel_cancel(job->spool_ch, job->spool_id);
	job->spool_id = 0;
	ljob_step(job);
}

static void peer_open(struct agent *a, enum role role, struct channel *ch)
{
	struct local *lo = (struct local *)a;
	struct agent_job *h, *next;

	*(role == ROLE_SPOOLD ? &lo->spoold : &lo->accountd) = ch;
	TAILQ_FOREACH_SAFE(h, &a->jobs, link, next) {
		if (role == ROLE_SPOOLD)
			spoold_open(ljob_of(h));
		else
			accountd_open(ljob_of(h));
	}
}

static void peer_close(struct agent *a, enum role role, struct channel *ch)
{
	struct local *lo = (struct local *)a;

	(void)role;
	if (lo->accountd == ch)
		lo->accountd = NULL;
	if (lo->spoold == ch)
		lo->spoold = NULL;
}

/* ---- qmgr ------------------------------------------------------------------------------------ */

static int rcpt_cmp(const void *x, const void *y)
{
	const struct lrcpt *a = x, *b = y;
	const struct job_rcpt *rcpts = a->job->h.job.rcpts;

	return (rcpts[a->pos].index > rcpts[b->pos].index) - (rcpts[a->pos].index < rcpts[b->pos].index);
}

static int ljob_start(struct agent_job *h)
{
	struct ljob *job = ljob_of(h);

	job->local = (struct local *)h->agent;
	if (h->job.rcpts_n == 0)
		return ERR_SYNTAX;
	job->rcpts = arena_calloc(h->arena, h->job.rcpts_n, sizeof(*job->rcpts));
	if (job->rcpts == NULL)
		return ERR_NOMEM;
	job->rcpts_n = job->unresolved = h->job.rcpts_n;
	for (uint32_t i = 0; i < job->rcpts_n; i++) {
		job->rcpts[i].job = job;
		job->rcpts[i].pos = i;
	}
	/* spoold wants them ascending */
	qsort(job->rcpts, job->rcpts_n, sizeof(*job->rcpts), rcpt_cmp);
	loop_timer_set(h->agent->loop, &h->park, LOCAL_PARK_MS, on_park, job);
	/* The content is asked for while the recipients are resolved. */
	ljob_resolve(job);
	ljob_step(job);
	return 0;
}

static const struct agent_ops ops = {
	.jobs = LOCAL_JOBS,
	.job_size = sizeof(struct ljob),
	.arena_max = JOB_ARENA_MAX,
	.job_start = ljob_start,
	.job_clear = ljob_clear,
	.job_orphan = agent_job_end,
	.peer_open = peer_open,
	.peer_close = peer_close,
};

struct agent *local_new(struct loop *l, const struct conf *conf)
{
	struct local *lo = calloc(1, sizeof(*lo));

	if (lo == NULL)
		return NULL;
	agent_init(&lo->a, &ops, l, conf);
	return &lo->a;
}
