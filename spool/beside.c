#include "spool/beside.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum state { RESTS, WANTED, RUNS, ENDS };

struct beside {
	beside_fn *fn;
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, rest;
	enum state state;       /* under lock */
	atomic_bool stop;
};

static void *beside_main(void *arg)
{
	struct beside *b = arg;

	(void)pthread_mutex_lock(&b->lock);
	for (;;) {
		while (b->state == RESTS)
			(void)pthread_cond_wait(&b->wake, &b->lock);
		if (b->state == ENDS)
			break;
		b->state = RUNS;
		(void)pthread_mutex_unlock(&b->lock);
		b->fn(b->ctx, &b->stop);
		(void)pthread_mutex_lock(&b->lock);
		b->state = RESTS;
		(void)pthread_cond_signal(&b->rest);
	}
	(void)pthread_mutex_unlock(&b->lock);
	return NULL;
}

static void state_set(struct beside *b, enum state state)
{
	(void)pthread_mutex_lock(&b->lock);
	b->state = state;
	(void)pthread_cond_signal(&b->wake);
	(void)pthread_mutex_unlock(&b->lock);
}

struct beside *beside_new(beside_fn *fn, void *ctx)
{
	struct beside *b = calloc(1, sizeof(*b));
	sigset_t all, old;
	int e;

	if (b == NULL)
		return NULL;
	b->fn = fn;
	b->ctx = ctx;
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_cond_init(&b->wake, NULL);
	(void)pthread_cond_init(&b->rest, NULL);
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&b->thread, NULL, beside_main, b);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e == 0)
		return b;
	free(b);
	return NULL;
}

void beside_begin(struct beside *b)
{
	atomic_store(&b->stop, false);
	state_set(b, WANTED);
}

void beside_end(struct beside *b)
{
	atomic_store(&b->stop, true);
	(void)pthread_mutex_lock(&b->lock);
	if (b->state == WANTED)
		b->state = RESTS;
	while (b->state == RUNS)
		(void)pthread_cond_wait(&b->rest, &b->lock);
	(void)pthread_mutex_unlock(&b->lock);
}

void beside_free(struct beside **bp)
{
	struct beside *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	beside_end(b);
	state_set(b, ENDS);
	(void)pthread_join(b->thread, NULL);
	(void)pthread_cond_destroy(&b->rest);
	(void)pthread_cond_destroy(&b->wake);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}
