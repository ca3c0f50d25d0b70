/* Requests on many rows take turns (spool/service_jobs.h). */
#include "spool/service_jobs.h"

static void jobs_run(void *ctx);

/* The first one that is due; else *wait_r is how long to wait, UINT64_MAX when there is none. */
static struct row_job *next_due(struct service *svc, uint64_t *wait_r)
{
	uint64_t now = loop_now(svc->loop);
	struct row_job *j;

	*wait_r = UINT64_MAX;
	TAILQ_FOREACH(j, &svc->row_jobs, link) {
		if (j->due <= now) {
			*wait_r = 0;
			return j;
		}
		if (j->due - now < *wait_r)
			*wait_r = j->due - now;
	}
	return NULL;
}

/* A task, not a timer of no time, which may run more than once in a turn. */
static void arm(struct service *svc)
{
	uint64_t wait;

	(void)next_due(svc, &wait);
	loop_timer_del(svc->loop, &svc->job_timer);
	if (wait == 0)
		loop_task_add(svc->loop, &svc->job_task, jobs_run, svc);
	else if (wait != UINT64_MAX)
		loop_timer_set(svc->loop, &svc->job_timer, wait, jobs_run, svc);
}

static void jobs_run(void *ctx)
{
	struct service *svc = ctx;
	uint64_t wait;
	struct row_job *j = next_due(svc, &wait);

	if (j != NULL && j->reads && spool_in_batch(svc->spool)) {
		service_settle(svc);    /* after which there may be other jobs */
		j = next_due(svc, &wait);
	}
	if (j != NULL && !svc->dead) {
		TAILQ_REMOVE(&svc->row_jobs, j, link);
		TAILQ_INSERT_TAIL(&svc->row_jobs, j, link);
		arena_reset(svc->arena);
		if (j->step(j))
			row_job_drop(j);
	}
	if (!svc->dead)
		arm(svc);
}

void row_job_start(struct service *svc, struct row_job *j)
{
	j->svc = svc;
	TAILQ_INSERT_TAIL(&svc->row_jobs, j, link);
	arm(svc);
}

void row_job_drop(struct row_job *j)
{
	TAILQ_REMOVE(&j->svc->row_jobs, j, link);
	j->destroy(j);
}

void row_jobs_flushed(struct service *svc, int r)
{
	struct row_job *j;

	TAILQ_FOREACH(j, &svc->row_jobs, link) {
		if (j->in_batch && j->flushed != NULL)
			j->flushed(j, r);
		j->in_batch = false;
	}
}

void row_jobs_peer_gone(struct service *svc, const struct peer *p)
{
	struct row_job *j;

	TAILQ_FOREACH(j, &svc->row_jobs, link)
		if (j->peer == p)
			j->peer = NULL;
}

void row_jobs_end(struct service *svc)
{
	struct row_job *j;

	while ((j = TAILQ_FIRST(&svc->row_jobs)) != NULL)
		row_job_drop(j);
	loop_timer_del(svc->loop, &svc->job_timer);
	loop_task_del(svc->loop, &svc->job_task);
}
