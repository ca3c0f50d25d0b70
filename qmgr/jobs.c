/* Jobs: which one is next, and what became of it. */
#include "qmgr/active_private.h"

#include <stdlib.h>

static void job_free(struct qjob **job)
{
	free((*job)->rcpts);
	free((*job)->indexes);
	free(*job);
	*job = NULL;
}

static struct qjob *job_new(struct qmsg *m, struct qdest *d, uint32_t n)
{
	struct qjob *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->rcpts = calloc(n, sizeof(struct qrcpt *));
	job->indexes = calloc(n, sizeof(*job->indexes));
	if (job->rcpts == NULL || job->indexes == NULL) {
		job_free(&job);
		return NULL;
	}
	job->msgid = m->msgid;
	job->msg = m;
	job->dest = d;
	return job;
}

/* Up to max recipients of the entry at the front; the rest of it goes to the end of the line. */
static struct qjob *job_from(struct qdest *d, uint32_t max, uint64_t now_ms)
{
	struct qentry *e = TAILQ_FIRST(&d->entries);
	uint32_t n = e->n < max ? e->n : max;
	struct qjob *job = job_new(e->msg, d, n);
	struct qrcpt *r;

	if (job == NULL)
		return NULL;
	job->started_ms = now_ms;
	while (job->n < n) {
		r = TAILQ_FIRST(&e->rcpts);
		TAILQ_REMOVE(&e->rcpts, r, link);
		r->state = QR_ACTIVE;
		r->job = job;
		job->indexes[job->n] = r->index;
		job->rcpts[job->n++] = r;
	}
	e->n -= n;
	d->waiting -= n;
	TAILQ_REMOVE(&d->entries, e, link);
	if (e->n != 0)
		TAILQ_INSERT_TAIL(&d->entries, e, link);
	d->active++;
	d->used_ms = now_ms;
	return job;
}

struct qjob *active_next(struct active *a, bool local, uint64_t now_ms)
{
	struct qdest *d = local ? &a->local : TAILQ_FIRST(&a->ready);
	uint32_t max = local ? ACTIVE_LOCAL_RCPTS : (uint32_t)a->conf->destination_recipients;
	struct qjob *job;

	if (d == NULL || d->waiting == 0)
		return NULL;
	job = job_from(d, max, now_ms);
	if (job == NULL)
		return NULL;
	job->local = local;
	if (!local) {
		/* To the end of the line of destinations. */
		TAILQ_REMOVE(&a->ready, d, ready_link);
		d->ready = false;
		active_check_ready(a, d, now_ms);
	}
	return job;
}

/* Position of each outcome's recipient in the job, each exactly once. */
static int job_match(const struct qjob *job, const struct job_result *res, uint32_t *pos)
{
	uint32_t guess = 0;

	if (res->outcomes_n != job->n)
		return ERR_SYNTAX;
	for (uint32_t i = 0; i < job->n; i++)
		pos[i] = UINT32_MAX;
	for (uint32_t i = 0; i < job->n; i++) {
		const struct job_outcome *o = &res->outcomes[i];
		uint32_t tries = 0;

		if (o->kind < OUTCOME_DONE || o->kind > OUTCOME_BOUNCED)
			return ERR_SYNTAX;
		while (tries < job->n && job->indexes[guess] != o->index) {
			guess = (guess + 1) % job->n;
			tries++;
		}
		if (tries == job->n || pos[guess] != UINT32_MAX)
			return ERR_SYNTAX;
		pos[guess] = i;
		guess = (guess + 1) % job->n;
	}
	return 0;
}

static void job_apply(struct qjob *job, const struct job_result *res, const uint32_t *pos)
{
	for (uint32_t i = 0; i < job->n; i++) {
		const struct job_outcome *o = &res->outcomes[pos[i]];
		struct qrcpt *r = job->rcpts[i];

		if (r == NULL)
			continue;
		r->job = NULL;
		active_finish(r, o->kind, o->status, o->text, o->relay);
		r->out.tls = arena_dup(r->msg->arena, o->tls);
		r->out.recorded = o->recorded != 0 && o->kind == OUTCOME_DONE;
		r->out.started_ms = job->started_ms;
		r->out.connect_ms = res->connect_ms;
		r->out.send_ms = res->send_ms;
	}
}

/* The counting at the destination; true when it died of it. */
static bool job_feedback(struct active *a, struct qjob *job, const struct job_result *res, uint64_t now_ms)
{
	struct qdest *d = job->dest;
	bool died = false;

	if (res->reachable)
		dest_reached(d, (uint32_t)a->conf->destination_concurrency);
	else
		died = dest_unreached(d, now_ms, a->conf->queue_backoff_min * 1000,
		    res->outcomes_n != 0 ? res->outcomes[0].text : slice_of(NULL, 0));
	d->active--;
	d->used_ms = now_ms;
	active_check_ready(a, d, now_ms);
	return died;
}

int active_job_done(struct active *a, struct qjob **job, const struct job_result *res, uint64_t now_ms)
{
	uint32_t *pos = calloc((*job)->n, sizeof(*pos));
	struct qdest *d = (*job)->dest;
	struct qmsg *m = (*job)->msg;
	bool wanted = false, died;
	int r = pos == NULL ? ERR_NOMEM : job_match(*job, res, pos);

	if (r != 0) {
		free(pos);
		return r;
	}
	for (uint32_t i = 0; i < (*job)->n; i++)
		wanted |= (*job)->rcpts[i] != NULL;
	job_apply(*job, res, pos);
	free(pos);
	died = job_feedback(a, *job, res, now_ms);
	job_free(job);
	if (wanted)
		a->ops.progress(a->ops.ctx, m);
	if (died)
		active_defer_dead(a, d, now_ms);
	a->ops.ready(a->ops.ctx);
	return 0;
}

void active_job_lost(struct active *a, struct qjob **jobp, uint64_t now_ms)
{
	struct qjob *job = *jobp;
	struct qmsg *m = job->msg;
	bool told = false, wanted = false;

	job->dest->active--;
	for (uint32_t i = 0; i < job->n; i++)
		wanted |= job->rcpts[i] != NULL;
	if (wanted)
		m->lost++;
	for (uint32_t i = job->n; i-- > 0; ) {
		struct qrcpt *r = job->rcpts[i];

		if (r == NULL)
			continue;
		r->job = NULL;
		if (m->lost >= ACTIVE_LOST_MAX)
			active_finish(r, OUTCOME_DEFERRED, SLICE_LIT("4.3.0"), SLICE_LIT("the delivery agent died again and again"),
			    SLICE_LIT("none"));
		else
			active_enqueue(a, r, job->dest, true, now_ms);
		told |= r->state == QR_DONE;
	}
	active_check_ready(a, job->dest, now_ms);
	job_free(jobp);
	if (told)
		a->ops.progress(a->ops.ctx, m);
	a->ops.ready(a->ops.ctx);
}
