#include "common/base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/poller.h"

/*
 * What waits is common/base/poller.h, one file per system. Here: dispatch that
 * survives callbacks which delete each other, a binary heap of timers, and the
 * tasks of a turn's end.
 */
struct loop {
	struct poller *poller;
	uint64_t now_ms;
	bool stop;
	struct loop_timer **heap;
	unsigned heap_n, heap_cap;
	struct loop_task *tasks, **tasks_tail;
	/* the events of this turn that were not dispatched yet */
	struct poller_event events[64];
	unsigned events_n, events_i;
	struct loop_fd sig_fd;
	void (*sig_fn)(void *, int);
	void *sig_ctx;
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->poller = poller_new();
	if (l->poller == NULL) {
		free(l);
		return NULL;
	}
	l->sig_fd.fd = -1;
	l->tasks_tail = &l->tasks;
	l->now_ms = clock_mono_ms();
	return l;
}

void loop_free(struct loop **l)
{
	if (*l == NULL)
		return;
	if ((*l)->sig_fd.fd >= 0) {
		loop_fd_del(*l, &(*l)->sig_fd);
		(void)close((*l)->sig_fd.fd);
	}
	poller_free((*l)->poller);
	free((*l)->heap);
	free(*l);
	*l = NULL;
}

uint64_t loop_now(const struct loop *l)
{
	return l->now_ms;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

/* ---- descriptors ------------------------------------------------------- */

int loop_fd_add(struct loop *l, struct loop_fd *f, int fd, unsigned events,
    void (*fn)(void *, unsigned), void *ctx)
{
	f->fd = fd;
	f->events = f->armed = events;
	f->fn = fn;
	f->ctx = ctx;
	f->slot = 1;
	if (poller_set(l->poller, f, fd, events, true) != 0) {
		f->slot = 0;
		return ERR_IO;
	}
	return 0;
}

static void arm(struct loop *l, struct loop_fd *f)
{
	f->armed = f->events;
	if (poller_set(l->poller, f, f->fd, f->events, false) != 0)
		panic("loop: cannot change the events of descriptor %d: errno=%d", f->fd, errno);
}

void loop_fd_set(struct loop *l, struct loop_fd *f, unsigned events)
{
	if (f->slot == 0 || f->events == events)
		return;
	f->events = events;
	/* Less is told to the system only when it reports what is not wanted: mostly it is wanted again before. */
	if ((events & ~f->armed) != 0)
		arm(l, f);
}

/* What of the reported events is wanted. */
static unsigned wanted(struct loop *l, struct loop_fd *f, unsigned events)
{
	if ((events & LOOP_HUP) != 0)
		return events;
	if ((events & f->armed & ~f->events) != 0)
		arm(l, f);
	return events & f->events;
}

void loop_fd_del(struct loop *l, struct loop_fd *f)
{
	if (f->slot == 0)
		return;
	f->slot = 0;
	poller_del(l->poller, f->fd);
	for (unsigned i = l->events_i; i < l->events_n; i++)
		if (l->events[i].tag == f)
			l->events[i].tag = NULL;
}

/* ---- timers: a binary heap by due time --------------------------------- */

static void heap_put(struct loop *l, unsigned i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->heap_pos = i + 1;
}

static void heap_up(struct loop *l, unsigned i)
{
	struct loop_timer *t = l->heap[i];

	while (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, unsigned i)
{
	struct loop_timer *t = l->heap[i];

	for (;;) {
		unsigned k = 2 * i + 1;

		if (k >= l->heap_n)
			break;
		if (k + 1 < l->heap_n && l->heap[k + 1]->due_ms < l->heap[k]->due_ms)
			k++;
		if (l->heap[k]->due_ms >= t->due_ms)
			break;
		heap_put(l, i, l->heap[k]);
		i = k;
	}
	heap_put(l, i, t);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ms, void (*fn)(void *), void *ctx)
{
	loop_timer_del(l, t);
	t->due_ms = clock_mono_ms() + ms;
	t->fn = fn;
	t->ctx = ctx;
	if (l->heap_n == l->heap_cap) {
		unsigned cap = l->heap_cap != 0 ? l->heap_cap * 2 : 64;
		struct loop_timer **h = realloc(l->heap, cap * sizeof(struct loop_timer *));

		if (h == NULL)
			panic("loop: no memory for a timer");
		l->heap = h;
		l->heap_cap = cap;
	}
	heap_put(l, l->heap_n++, t);
	heap_up(l, l->heap_n - 1);
}

void loop_timer_del(struct loop *l, struct loop_timer *t)
{
	unsigned i = t->heap_pos;

	if (i == 0)
		return;
	t->heap_pos = 0;
	i--;
	if (i == --l->heap_n)
		return;
	heap_put(l, i, l->heap[l->heap_n]);
	heap_down(l, i);
	heap_up(l, l->heap[i]->heap_pos - 1);
}

/* Only what was due when this turn began runs: a timer that sets itself anew is
 * due after now_ms, or waits for the next turn. */
static void timers_run(struct loop *l)
{
	const uint64_t now = l->now_ms;

	for (unsigned left = l->heap_n; left != 0 && l->heap_n != 0 && l->heap[0]->due_ms <= now; left--) {
		struct loop_timer *t = l->heap[0];

		loop_timer_del(l, t);
		t->fn(t->ctx);
	}
}

/* ---- tasks --------------------------------------------------------------- */

void loop_task_add(struct loop *l, struct loop_task *t, void (*fn)(void *), void *ctx)
{
	t->fn = fn;
	t->ctx = ctx;
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	*l->tasks_tail = t;
	l->tasks_tail = &t->next;
}

void loop_task_del(struct loop *l, struct loop_task *t)
{
	if (!t->queued)
		return;
	t->queued = false;
	for (struct loop_task **p = &l->tasks; *p != NULL; p = &(*p)->next) {
		if (*p != t)
			continue;
		*p = t->next;
		if (l->tasks_tail == &t->next)
			l->tasks_tail = p;
		return;
	}
}

/* Those queued when it starts, each once; what they queue runs in the next turn,
 * which then does not wait. */
static void tasks_run(struct loop *l)
{
	struct loop_task end = { .queued = true }, *t;

	if (l->tasks == NULL)
		return;
	*l->tasks_tail = &end;
	l->tasks_tail = &end.next;
	while ((t = l->tasks) != &end) {
		l->tasks = t->next;
		t->queued = false;
		log_drain();    /* before what it was about is sent */
		t->fn(t->ctx);
	}
	l->tasks = end.next;
	if (l->tasks_tail == &end.next)
		l->tasks_tail = &l->tasks;
}

/* ---- the turn ------------------------------------------------------------- */

int loop_turn(struct loop *l, int max_wait_ms)
{
	int wait = max_wait_ms, n;

	if (l->heap_n != 0) {
		uint64_t now = clock_mono_ms(), due = l->heap[0]->due_ms;
		uint64_t left = due > now ? due - now : 0;

		if (wait < 0 || left < (uint64_t)wait)
			wait = left > 3600000 ? 3600000 : (int)left;
	}
	if (l->tasks != NULL)
		wait = 0;
	log_drain();
	n = poller_wait(l->poller, l->events, ARRAY_LEN(l->events), wait);
	if (n < 0)
		return ERR_IO;
	l->now_ms = clock_mono_ms();
	l->events_n = (unsigned)n;
	for (l->events_i = 0; l->events_i < l->events_n;) {
		struct poller_event *e = &l->events[l->events_i++];
		struct loop_fd *f = e->tag;
		unsigned events = f != NULL ? wanted(l, f, e->events) : 0;

		if (events != 0)
			f->fn(f->ctx, events);
	}
	l->events_n = l->events_i = 0;
	timers_run(l);
	tasks_run(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int r = 0;

	while (!l->stop && r == 0)
		r = loop_turn(l, -1);
	return r;
}

/* ---- signals -------------------------------------------------------------- */

static void sig_ready(void *ctx, unsigned events)
{
	struct loop *l = ctx;
	int sig;

	(void)events;
	while ((sig = poller_signal_read(l->sig_fd.fd)) > 0)
		l->sig_fn(l->sig_ctx, sig);
}

int loop_signals(struct loop *l, const int *signals, unsigned n, void (*fn)(void *, int), void *ctx)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (unsigned i = 0; i < n; i++)
		(void)sigaddset(&set, signals[i]);
	fd = poller_signal_open(&set);
	if (fd < 0)
		return ERR_IO;
	l->sig_fn = fn;
	l->sig_ctx = ctx;
	return loop_fd_add(l, &l->sig_fd, fd, LOOP_READ, sig_ready, l);
}
