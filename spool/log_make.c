/* The next segment, made ahead: by the loop in slices, or by a thread of its own that hands it over. */
#include "spool/log_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/clock.h"

/* The next one is begun when a quarter of the current one is full: at the disk's own speed it is then ready in time. */
enum { IDLE_SLICE = 4 << 20, THREAD_SLICE = 1 << 20, AHEAD_PART = 4, START_REST_MS = 5000 };

/* The thread's: from its begin to its end nobody else touches make. */
struct log_maker {
	const struct sysops *sys;
	int dirfd;
	uint64_t size;
	struct segment_make make;
	int r;
	pthread_t thread;
	atomic_bool ready, stop;
};

static void make_drop(struct spool_log *l)
{
	segment_make_drop(l->sys, l->dirfd, &l->next);
	l->have_next = false;
}

static int make_begin(struct spool_log *l)
{
	int r = segment_make_begin(l->sys, l->dirfd, l->segment_size, &l->next);

	l->have_next = r == 0;
	return r;
}

/* ---- the thread ---- */

static void *maker_main(void *arg)
{
	struct log_maker *m = arg;

	m->r = segment_make_begin(m->sys, m->dirfd, m->size, &m->make);
	if (m->r == 0) {
		do
			m->r = segment_make_step(m->sys, &m->make, THREAD_SLICE);
		while (m->r == ERR_AGAIN && !atomic_load(&m->stop));
		if (m->r != 0)
			segment_make_drop(m->sys, m->dirfd, &m->make);
	}
	atomic_store(&m->ready, true);
	return NULL;
}

static int maker_start(struct spool_log *l)
{
	struct log_maker *m = calloc(1, sizeof(*m));
	sigset_t all, old;
	int e;

	if (m == NULL)
		return ERR_NOMEM;
	m->sys = l->sys;
	m->dirfd = l->dirfd;
	m->size = l->segment_size;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&m->thread, NULL, maker_main, m);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e != 0) {
		free(m);
		return ERR_NOMEM;
	}
	l->maker = m;
	return 0;
}

/* Waits for the thread's end and takes over what it made. */
static int maker_take(struct spool_log *l)
{
	struct log_maker *m = l->maker;
	int r;

	(void)pthread_join(m->thread, NULL);
	l->maker = NULL;
	if ((r = m->r) == 0) {
		l->next = m->make;
		l->have_next = true;
	}
	free(m);
	return r;
}

void log_make_stop(struct spool_log *l)
{
	if (l->maker != NULL) {
		atomic_store(&l->maker->stop, true);
		(void)maker_take(l);
	}
	if (l->have_next)
		(void)l->sys->close(l->next.fd);
	l->have_next = false;
}

/* ---- for the log ---- */

int log_next_complete(struct spool_log *l)
{
	int r = 0;

	if (l->maker != NULL)
		r = maker_take(l);
	else if (!l->have_next)
		r = make_begin(l);
	if (r != 0)
		return r;
	while ((r = segment_make_step(l->sys, &l->next, IDLE_SLICE)) == ERR_AGAIN)
		;
	if (r != 0)
		make_drop(l);
	return r;
}

/* Right after a start, while there is room, the disk is left to those who wait for what is not in memory yet. */
static bool start_rest(const struct spool_log *l)
{
	return l->threads && l->have_cur && l->cur.used < l->cur.head.size / 4 * 3 && clock_mono_ms() - l->opened_ms < START_REST_MS;
}

static bool next_wanted(const struct spool_log *l)
{
	return !l->broken && !start_rest(l) && (!l->have_cur || l->cur.used > l->cur.head.size / AHEAD_PART);
}

void log_make_ahead(struct spool_log *l)
{
	if (l->threads && l->maker == NULL && !l->have_next && next_wanted(l))
		(void)maker_start(l);
}

int log_idle(struct spool_log *l)
{
	int r;

	if (l->maker != NULL)
		return atomic_load(&l->maker->ready) ? maker_take(l) : 0;
	if (!next_wanted(l))
		return 0;
	if (l->threads)
		return l->have_next ? 0 : maker_start(l);
	if (!l->have_next && (r = make_begin(l)) != 0)
		return r;
	r = segment_make_step(l->sys, &l->next, IDLE_SLICE);
	if (r != 0 && r != ERR_AGAIN)
		make_drop(l);
	return r;
}
