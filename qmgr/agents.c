/* The delivery agents: who carries how much, jobs out, results in. */
#include "qmgr/qmgr_private.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/mail/queueid.h"

enum { AGENT_BACKLOG_MAX = 8 * 1024 * 1024, AGENT_CAPACITY_MAX = 100000 };

static struct agent *agent_of(struct channel *ch)
{
	return channel_data(ch);
}

/* Of those with room the one that carries least. */
static struct agent *agent_free(struct qmgr *q, bool local)
{
	struct agent *a, *best = NULL;

	TAILQ_FOREACH(a, &q->agents, link)
		if (a->local == local && a->active < a->capacity && channel_is_open(a->ch) &&
		    channel_backlog(a->ch) < AGENT_BACKLOG_MAX && (best == NULL || a->active < best->active))
			best = a;
	return best;
}

static void job_lost(struct qmgr *q, struct qjob *job, const char *why)
{
	log_warn("%s: job given again: %s", queue_id(job->msgid).s, why);
	active_job_lost(q->active, &job, loop_now(q->loop));
}

static void on_result(void *ctx, int r, struct ipc_msg *m)
{
	struct qjob *job = ctx;
	struct agent *ag = job->owner;
	struct qmgr *q = ag->q;
	struct job_result res;
	struct arena *a;

	ag->active--;
	q->jobs--;
	a = arena_new(MESSAGE_ARENA_MAX);
	if (r == 0 && a == NULL)
		r = ERR_NOMEM;
	if (r == 0)
		r = IPC_DECODE(m, job_result, a, &res);
	if (r == 0)
		r = active_job_done(q->active, &job, &res, loop_now(q->loop));
	if (r != 0) {
		/* Closed, hung, or nonsense: the agent goes, the job stays. */
		if (r != ERR_CLOSED)
			channel_close(ag->ch);
		job_lost(q, job, err_str(r));
	}
	arena_free(&a);
	agents_kick(q);
}

static bool job_put(struct channel *ch, const struct qjob *qj)
{
	const struct qmsg *m = qj->msg;
	struct job_rcpt *rcpts = calloc(qj->n, sizeof(*rcpts));
	struct job job = { .msgid = m->msgid, .token = m->token, .sender = m->sender, .created = m->created,
	    .size = m->size, .relay_off = m->relay_off, .body_flags = m->body_flags, .envid = m->envid, .ret = m->ret,
	    .rcpts = rcpts, .rcpts_n = qj->n,
	    .destination = qj->local ? SLICE_LIT("local") : qj->dest->domain };

	if (rcpts == NULL)
		return false;
	for (uint32_t i = 0; i < qj->n; i++) {
		const struct qrcpt *r = qj->rcpts[i];

		rcpts[i] = (struct job_rcpt){ .index = r->index, .addr = r->addr, .orcpt = r->orcpt, .notify = r->notify };
	}
	job_encode(channel_begin(ch), &job);
	free(rcpts);
	return true;
}

static void job_send(struct qmgr *q, struct agent *ag, struct qjob *qj)
{
	struct qjob *job = qj;

	if (!job_put(ag->ch, qj)) {
		active_job_lost(q->active, &job, loop_now(q->loop));
		return;
	}
	qj->owner = ag;
	ag->active++;
	q->jobs++;
	(void)channel_end_request(ag->ch, job_MSG, -1, ag->local ? QMGR_LOCAL_JOB_MS : QMGR_REMOTE_JOB_MS, on_result, qj);
}

static void pump_kind(struct qmgr *q, bool local)
{
	struct agent *ag;
	struct qjob *job;

	while ((ag = agent_free(q, local)) != NULL && (job = active_next(q->active, local, loop_now(q->loop))) != NULL)
		job_send(q, ag, job);
}

static void pump(void *ctx)
{
	struct qmgr *q = ctx;

	if (!q->stopping) {
		pump_kind(q, true);
		pump_kind(q, false);
	}
	window_check(q);
	qmgr_check_stopped(q);
}

void agents_kick(struct qmgr *q)
{
	loop_task_add(q->loop, &q->pump, pump, q);
}

void qmgr_agent_open(struct qmgr *q, struct channel *ch, bool local)
{
	struct agent *ag = calloc(1, sizeof(*ag));

	if (ag == NULL) {
		channel_close(ch);
		return;
	}
	ag->q = q;
	ag->ch = ch;
	ag->local = local;
	channel_set_data(ch, ag);
	TAILQ_INSERT_TAIL(&q->agents, ag, link);
}

void qmgr_agent_close(struct qmgr *q, struct channel *ch)
{
	struct agent *ag = agent_of(ch);

	if (ag == NULL)
		return;
	if (ag->active != 0)
		panic("an agent is gone, but not its jobs");
	TAILQ_REMOVE(&q->agents, ag, link);
	channel_set_data(ch, NULL);
	free(ag);
	agents_kick(q);
}

int qmgr_on_capacity(struct qmgr *q, struct channel *ch, struct ipc_msg *m)
{
	struct agent *ag = agent_of(ch);
	struct job_capacity c;
	int r = IPC_DECODE(m, job_capacity, NULL, &c);

	if (r != 0)
		return r;
	if (ag == NULL)
		return ERR_STATE;
	ag->capacity = c.jobs < AGENT_CAPACITY_MAX ? c.jobs : AGENT_CAPACITY_MAX;
	agents_kick(q);
	return 0;
}
