#include "deliver/agent.h"

#include <stdlib.h>

void agent_init(struct agent *a, const struct agent_ops *ops, struct loop *l, const struct conf *conf)
{
	a->ops = ops;
	a->loop = l;
	a->conf = conf;
	TAILQ_INIT(&a->jobs);
}

static void quiet(struct agent *a)
{
	if (a->ops->quiet != NULL)
		a->ops->quiet(a);
}

void agent_free(struct agent **ap)
{
	struct agent *a = *ap;
	struct agent_job *job;

	if (a == NULL)
		return;
	while ((job = TAILQ_FIRST(&a->jobs)) != NULL)
		agent_job_end(job);
	quiet(a);
	loop_task_del(a->loop, &a->check);
	free(a);
	*ap = NULL;
}

void agent_set_conf(struct agent *a, const struct conf *conf)
{
	quiet(a);
	a->conf = conf;
}

/* ---- the end ---------------------------------------------------------------------- */

static void check_stopped(void *ctx)
{
	struct agent *a = ctx;
	void (*fn)(void *) = a->stopped;

	if (fn == NULL || !TAILQ_EMPTY(&a->jobs))
		return;
	a->stopped = NULL;
	quiet(a);
	fn(a->stopped_ctx);
}

void agent_job_end(struct agent_job *job)
{
	struct agent *a = job->agent;
	struct arena *arena = job->arena;

	TAILQ_REMOVE(&a->jobs, job, link);
	loop_timer_del(a->loop, &job->park);
	a->ops->job_clear(job);
	content_free(&job->content);
	free(job);
	arena_free(&arena);
	loop_task_add(a->loop, &a->check, check_stopped, a);
}

void agent_job_report(struct agent_job *job, bool reachable, struct job_outcome *outcomes, uint32_t n)
{
	uint64_t now = loop_now(job->agent->loop), ready = job->ready_ms != 0 ? job->ready_ms : now;
	struct job_result res = { .reachable = reachable, .connect_ms = (uint32_t)(ready - job->start_ms),
	    .send_ms = (uint32_t)(now - ready), .outcomes = outcomes, .outcomes_n = n };

	if (job->qmgr != NULL && outcomes == NULL)
		channel_close(job->qmgr);       /* it gives the job again */
	else if (job->qmgr != NULL && channel_is_open(job->qmgr))
		IPC_REPLY(job->qmgr, job_result, job->id, &res);
	agent_job_end(job);
}

void agent_stop(struct agent *a, void (*done)(void *ctx), void *ctx)
{
	struct agent_job *job, *next;

	a->stopping = true;
	a->stopped = done;
	a->stopped_ctx = ctx;
	if (a->ops->job_hurry != NULL)
		TAILQ_FOREACH_SAFE(job, &a->jobs, link, next)
			a->ops->job_hurry(job);
	loop_task_add(a->loop, &a->check, check_stopped, a);
}

/* ---- peers ------------------------------------------------------------------------ */

void agent_open(struct agent *a, enum role role, struct channel *ch)
{
	struct job_capacity cap = { .jobs = a->ops->jobs };

	if (role == ROLE_QMGR)
		IPC_SEND(ch, job_capacity, 0, &cap);
	else
		a->ops->peer_open(a, role, ch);
}

void agent_close(struct agent *a, enum role role, struct channel *ch)
{
	struct agent_job *job, *next;

	if (role != ROLE_QMGR) {
		a->ops->peer_close(a, role, ch);
		return;
	}
	TAILQ_FOREACH_SAFE(job, &a->jobs, link, next)
		if (job->qmgr == ch)
			a->ops->job_orphan(job);
}

/* The message goes with this turn: what the job points to is a copy. */
static int job_read(struct agent_job *job, const struct ipc_msg *m)
{
	struct slice copy = arena_dup(job->arena, m->payload);
	struct ipc_msg own = { .type = m->type, .payload = copy, .fd = -1 };

	return copy.p != NULL ? IPC_DECODE(&own, job, job->arena, &job->job) : ERR_NOMEM;
}

int agent_on_job(struct agent *a, struct channel *ch, struct ipc_msg *m)
{
	struct agent_job *job;
	int r;

	if (a->stopping)
		return 0;       /* qmgr keeps it: the channel closes soon */
	job = calloc(1, a->ops->job_size);
	if (job == NULL)
		return ERR_NOMEM;
	job->agent = a;
	job->content = CONTENT_NONE;
	job->qmgr = ch;
	job->id = m->id;
	job->start_ms = loop_now(a->loop);
	TAILQ_INSERT_TAIL(&a->jobs, job, link);
	job->arena = arena_new(a->ops->arena_max);
	r = job->arena != NULL ? job_read(job, m) : ERR_NOMEM;
	if (r == 0)
		r = a->ops->job_start(job);
	if (r != 0)
		agent_job_end(job);
	return r;
}
