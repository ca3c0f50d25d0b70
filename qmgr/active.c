#include "qmgr/active_private.h"

#include <stdio.h>
#include <stdlib.h>

static int dest_cmp(const struct qdest *x, const struct qdest *y)
{
	return slice_cmp(x->domain, y->domain);
}

static int msg_cmp(const struct qmsg *x, const struct qmsg *y)
{
	return x->msgid < y->msgid ? -1 : x->msgid > y->msgid;
}

RB_GENERATE_INTERNAL(qdest_tree, qdest, node, dest_cmp, static UNUSED)
RB_GENERATE_INTERNAL(qmsg_tree, qmsg, node, msg_cmp, static UNUSED)

struct active *active_new(const struct conf *conf, const struct active_ops *ops)
{
	struct active *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->conf = conf;
	a->ops = *ops;
	RB_INIT(&a->dests);
	RB_INIT(&a->msgs);
	TAILQ_INIT(&a->ready);
	dest_init(&a->local, 0);
	a->local.window = 0;
	a->local.kind = DEST_LOCAL;
	return a;
}

void active_free(struct active **a)
{
	struct qdest *d, *dn;
	struct qmsg *m, *mn;

	if (*a == NULL)
		return;
	RB_FOREACH_SAFE(m, qmsg_tree, &(*a)->msgs, mn) {
		RB_REMOVE(qmsg_tree, &(*a)->msgs, m);
		message_free(&m);
	}
	RB_FOREACH_SAFE(d, qdest_tree, &(*a)->dests, dn) {
		RB_REMOVE(qdest_tree, &(*a)->dests, d);
		free(d);
	}
	free(*a);
	*a = NULL;
}

void active_set_conf(struct active *a, const struct conf *conf)
{
	a->conf = conf;
}

uint32_t active_count(const struct active *a)
{
	return a->count;
}

struct qmsg *active_each(struct active *a, uint64_t after)
{
	struct qmsg key = { .msgid = after + 1 };

	return RB_NFIND(qmsg_tree, &a->msgs, &key);
}

/* ---- recipients on and off the lists ------------------------------------------ */

static struct qdest *dest_get(struct active *a, struct slice domain, uint64_t now_ms)
{
	struct qdest key = { .domain = domain }, *d = RB_FIND(qdest_tree, &a->dests, &key);

	if (d != NULL) {
		d->used_ms = now_ms;
		return d;
	}
	d = calloc(1, sizeof(*d) + domain.len);
	if (d == NULL)
		return NULL;
	if (domain.len != 0)
		memcpy(d + 1, domain.p, domain.len);
	d->domain = slice_of(d + 1, domain.len);
	dest_init(d, now_ms);
	(void)RB_INSERT(qdest_tree, &a->dests, d);
	return d;
}

void active_check_ready(struct active *a, struct qdest *d, uint64_t now_ms)
{
	bool ready = d->waiting != 0 && dest_has_room(d, now_ms);

	if (d == &a->local)
		return;
	if (ready && !d->ready)
		TAILQ_INSERT_TAIL(&a->ready, d, ready_link);
	else if (!ready && d->ready)
		TAILQ_REMOVE(&a->ready, d, ready_link);
	d->ready = ready;
}

void active_finish(struct qrcpt *r, uint8_t kind, struct slice status, struct slice text, struct slice relay)
{
	message_set_outcome(r, kind, status, text, relay);
	r->state = QR_DONE;
	r->msg->open--;
}

static void finish_dead(struct qrcpt *r, const struct qdest *d)
{
	char text[sizeof(d->reason) + 64];
	int n = snprintf(text, sizeof(text), "delivery temporarily suspended: %s", d->reason);

	active_finish(r, OUTCOME_DEFERRED, SLICE_LIT("4.4.1"), slice_of(text, n > 0 ? (size_t)n : 0), SLICE_LIT("none"));
	r->out.not_before_ms = d->dead_until_ms;
}

static struct qentry *entry_for(struct qmsg *m, struct qdest *d, bool front)
{
	struct qentry *e = front ? TAILQ_FIRST(&d->entries) : TAILQ_LAST(&d->entries, qentry_list);

	if (e != NULL && e->msg == m)
		return e;
	e = arena_alloc(m->arena, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->msg = m;
	e->dest = d;
	TAILQ_INIT(&e->rcpts);
	if (front)
		TAILQ_INSERT_HEAD(&d->entries, e, link);
	else
		TAILQ_INSERT_TAIL(&d->entries, e, link);
	return e;
}

void active_enqueue(struct active *a, struct qrcpt *r, struct qdest *d, bool front, uint64_t now_ms)
{
	struct qentry *e;

	if (dest_is_dead(d, now_ms)) {
		finish_dead(r, d);
		return;
	}
	e = entry_for(r->msg, d, front);
	if (e == NULL) {
		active_finish(r, OUTCOME_DEFERRED, SLICE_LIT("4.3.0"), SLICE_LIT("out of memory"), SLICE_LIT("none"));
		return;
	}
	r->state = QR_WAITING;
	r->dest = NULL;
	r->entry = e;
	if (front)
		TAILQ_INSERT_HEAD(&e->rcpts, r, link);
	else
		TAILQ_INSERT_TAIL(&e->rcpts, r, link);
	e->n++;
	d->waiting++;
	active_check_ready(a, d, now_ms);
}

void active_defer_dead(struct active *a, struct qdest *d, uint64_t now_ms)
{
	struct qentry *e;
	struct qrcpt *r;

	while ((e = TAILQ_FIRST(&d->entries)) != NULL) {
		struct qmsg *m = e->msg;

		TAILQ_REMOVE(&d->entries, e, link);
		d->waiting -= e->n;
		while ((r = TAILQ_FIRST(&e->rcpts)) != NULL) {
			TAILQ_REMOVE(&e->rcpts, r, link);
			finish_dead(r, d);
		}
		a->ops.progress(a->ops.ctx, m);         /* may free m, and e with it */
	}
	active_check_ready(a, d, now_ms);
}

/* Takes a recipient off its list without an outcome. */
static void rcpt_unlist(struct active *a, struct qrcpt *r)
{
	if (r->state == QR_ROUTING && r->dest != NULL)
		TAILQ_REMOVE(&r->dest->routing, r, link);
	if (r->state == QR_WAITING) {
		struct qentry *e = r->entry;
		struct qdest *d = e->dest;

		TAILQ_REMOVE(&e->rcpts, r, link);
		d->waiting--;
		if (--e->n == 0)
			TAILQ_REMOVE(&d->entries, e, link);
		if (d->waiting == 0 && d->ready) {
			TAILQ_REMOVE(&a->ready, d, ready_link);
			d->ready = false;
		}
	}
	if (r->state != QR_IDLE && r->state != QR_DONE) {
		r->msg->open--;
		r->msg->idle++;
		r->state = QR_IDLE;
	}
	r->dest = NULL;
}

/* ---- messages ------------------------------------------------------------------- */

void active_remove(struct active *a, struct qmsg **m)
{
	for (uint32_t i = 0; i < (*m)->rcpts_n; i++)
		rcpt_unlist(a, &(*m)->rcpts[i]);
	RB_REMOVE(qmsg_tree, &a->msgs, *m);
	a->count--;
	message_free(m);
}

/* The recipients of old that are in a job stay in it, as recipients of m. */
static void take_over_jobs(struct qmsg *m, struct qmsg *old)
{
	for (uint32_t i = 0; i < old->rcpts_n; i++) {
		struct qrcpt *o = &old->rcpts[i], *n = NULL;
		struct qjob *job = o->job;

		if (o->state != QR_ACTIVE)
			continue;
		for (uint32_t k = 0; k < m->rcpts_n && n == NULL; k++)
			if (m->rcpts[k].index == o->index)
				n = &m->rcpts[k];
		for (uint32_t k = 0; k < job->n; k++)
			if (job->rcpts[k] == o)
				job->rcpts[k] = n;
		job->msg = m;
		o->state = QR_DONE;
		if (n == NULL)
			continue;
		if (n->state == QR_IDLE) {
			m->idle--;
			m->open++;
		}
		n->state = QR_ACTIVE;
		n->job = job;
	}
	m->lost = old->lost;
	m->forwarded |= old->forwarded;
}

static void route_rcpt(struct active *a, struct qrcpt *r, uint64_t now_ms)
{
	struct qdest *d = dest_get(a, r->domain, now_ms);

	if (d == NULL) {
		active_finish(r, OUTCOME_DEFERRED, SLICE_LIT("4.3.0"), SLICE_LIT("out of memory"), SLICE_LIT("none"));
		return;
	}
	if (d->kind != DEST_UNROUTED && now_ms < d->routed_until_ms) {
		active_enqueue(a, r, d->kind == DEST_LOCAL ? &a->local : d, false, now_ms);
		return;
	}
	r->dest = d;
	TAILQ_INSERT_TAIL(&d->routing, r, link);
	if (!d->asking) {
		d->asking = true;
		a->ops.route(a->ops.ctx, d->domain, r->addr);
	}
}

void active_add(struct active *a, struct qmsg *m, uint64_t now_ms)
{
	struct qmsg *old = RB_FIND(qmsg_tree, &a->msgs, m);
	uint64_t msgid = m->msgid;

	if (old != NULL) {
		take_over_jobs(m, old);
		active_remove(a, &old);
	}
	(void)RB_INSERT(qmsg_tree, &a->msgs, m);
	a->count++;
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (m->rcpts[i].state == QR_ROUTING && m->rcpts[i].dest == NULL)
			route_rcpt(a, &m->rcpts[i], now_ms);
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (m->rcpts[i].state == QR_DONE) {
			a->ops.progress(a->ops.ctx, m);
			break;
		}
	m = RB_FIND(qmsg_tree, &a->msgs, &(struct qmsg){ .msgid = msgid });
	if (m != NULL && m->open == 0 && m->rcpts_n == m->idle)
		a->ops.progress(a->ops.ctx, m);         /* nothing was due */
	a->ops.ready(a->ops.ctx);
}

void active_drop_idle(struct active *a)
{
	struct qmsg *m, *mn;

	RB_FOREACH_SAFE(m, qmsg_tree, &a->msgs, mn) {
		bool busy = false;

		for (uint32_t i = 0; i < m->rcpts_n; i++)
			if (m->rcpts[i].state == QR_ACTIVE)
				busy = true;
			else
				rcpt_unlist(a, &m->rcpts[i]);
		if (!busy)
			active_remove(a, &m);
	}
}

/* ---- routing ------------------------------------------------------------------------ */

void active_routed(struct active *a, struct slice domain, enum dest_kind kind, uint64_t now_ms)
{
	struct qdest key = { .domain = domain }, *d = RB_FIND(qdest_tree, &a->dests, &key);
	struct qrcpt_list list = TAILQ_HEAD_INITIALIZER(list);
	struct qrcpt *r;

	if (d == NULL)
		return;
	d->asking = false;
	d->kind = kind;
	d->routed_until_ms = now_ms + ACTIVE_ROUTE_MS;
	TAILQ_CONCAT(&list, &d->routing, link);
	while ((r = TAILQ_FIRST(&list)) != NULL) {
		struct qmsg *m = r->msg;
		bool told = false;

		/* All of one message's recipients before progress(), which may free it. */
		for (; r != NULL && r->msg == m; r = TAILQ_FIRST(&list)) {
			TAILQ_REMOVE(&list, r, link);
			r->dest = NULL;
			active_enqueue(a, r, kind == DEST_LOCAL ? &a->local : d, false, now_ms);
			told |= r->state == QR_DONE;
		}
		if (told)
			a->ops.progress(a->ops.ctx, m);
	}
	a->ops.ready(a->ops.ctx);
}

void active_ask_again(struct active *a)
{
	struct qdest *d;
	struct qrcpt *r;

	RB_FOREACH(d, qdest_tree, &a->dests) {
		r = TAILQ_FIRST(&d->routing);
		d->asking = r != NULL;
		if (r != NULL)
			a->ops.route(a->ops.ctx, d->domain, r->addr);
	}
}

/* ---- housekeeping --------------------------------------------------------------------- */

void active_revive(struct active *a)
{
	struct qdest *d;

	RB_FOREACH(d, qdest_tree, &a->dests)
		dest_revive(d);
}

uint64_t active_tick(struct active *a, uint64_t now_ms)
{
	struct qdest *d, *next;

	RB_FOREACH_SAFE(d, qdest_tree, &a->dests, next) {
		if (d->waiting != 0 || d->active != 0 || d->asking || !TAILQ_EMPTY(&d->routing) ||
		    dest_is_dead(d, now_ms) || now_ms < d->used_ms + ACTIVE_DEST_IDLE_MS)
			continue;
		RB_REMOVE(qdest_tree, &a->dests, d);
		free(d);
	}
	return 60 * 1000;
}

static void status_fill(struct job_dest *s, const struct qdest *d, struct slice name, uint64_t now_ms, uint64_t now_s)
{
	*s = (struct job_dest){ .destination = name, .active = d->active, .waiting = d->waiting, .window = dest_window(d) };
	if (dest_is_dead(d, now_ms))
		s->dead_until = now_s + (d->dead_until_ms - now_ms) / 1000;
}

uint32_t active_status(const struct active *a, struct job_dest *s, uint32_t max, uint64_t now_ms, uint64_t now_s)
{
	struct active *w = (struct active *)(uintptr_t)a;       /* tree.h knows no const */
	struct qdest *d;
	uint32_t n = 0;

	if (max != 0 && (a->local.waiting != 0 || a->local.active != 0))
		status_fill(&s[n++], &a->local, SLICE_LIT("local"), now_ms, now_s);
	RB_FOREACH(d, qdest_tree, &w->dests)
		if (n < max && (d->waiting != 0 || d->active != 0 || dest_is_dead(d, now_ms)))
			status_fill(&s[n++], d, d->domain, now_ms, now_s);
	return n;
}
