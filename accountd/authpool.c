#include "accountd/authpool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker {
	struct authpool *pool;
	unsigned index;
	pthread_t thread;
};

struct authpool {
	struct loop *loop;
	struct loop_fd done_fd;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct worker workers[AUTHPOOL_THREADS_MAX];
	unsigned running;               /* threads that were started and not joined */
	/* Under the lock: */
	unsigned wanted;                /* a worker with an index from here on ends */
	struct fairqueue *waiting;
	struct authpool_job *done, **done_end;
};

static int make_wanted(struct authpool_job *job, struct crypt_data *work)
{
	struct slice password = slice_cstr(job->password);
	int r = 0;

	if (job->hash_wanted && (job->kind != AUTHPOOL_CHECK || !password_hash_current(job->hash)))
		r = password_hash(job->password, work, job->new_hash);
	if (r == 0 && job->iterations != 0)
		r = scram_keys_make(password, slice_of(job->salt, sizeof(job->salt)), job->iterations, &job->keys);
	return r;
}

static void job_run(struct authpool_job *job, struct crypt_data *work)
{
	switch (job->kind) {
	case AUTHPOOL_CHECK:
		job->result = password_fits(job->password, job->hash, work) ? 0 : ERR_DENIED;
		/* What could not be made better stays as it is. */
		if (job->result == 0 && make_wanted(job, work) != 0) {
			job->new_hash[0] = '\0';
			job->iterations = 0;
		}
		break;
	case AUTHPOOL_MAKE:
		job->result = make_wanted(job, work);
		break;
	case AUTHPOOL_PROBE:
		job->result = password_hash_whole(job->hash, work) ? 0 : ERR_DENIED;
		break;
	}
	explicit_bzero(job->password, sizeof(job->password));
}

/* The next job, or NULL when this worker is not wanted any more. Holds the lock. */
static struct authpool_job *next_job(struct worker *w)
{
	struct authpool *p = w->pool;
	struct fairqueue_item *item = NULL;

	while (w->index < p->wanted && (item = fairqueue_take(p->waiting)) == NULL)
		(void)pthread_cond_wait(&p->work, &p->lock);
	return item != NULL ? item->owner : NULL;
}

/* Holds the lock. */
static void finished(struct authpool *p, struct authpool_job *job)
{
	uint64_t one = 1;

	job->next = NULL;
	*p->done_end = job;
	p->done_end = &job->next;
	if (write(p->done_fd.fd, &one, sizeof(one)) < 0)
		return;         /* the counter is full: it is readable already */
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct authpool *p = w->pool;
	struct crypt_data *work = malloc(sizeof(*work));
	struct authpool_job *job;

	(void)pthread_mutex_lock(&p->lock);
	while (work != NULL && (job = next_job(w)) != NULL) {
		(void)pthread_mutex_unlock(&p->lock);
		job_run(job, work);
		(void)pthread_mutex_lock(&p->lock);
		finished(p, job);
	}
	(void)pthread_mutex_unlock(&p->lock);
	free(work);
	return NULL;
}

static void on_done(void *ctx, unsigned events)
{
	struct authpool *p = ctx;
	struct authpool_job *job, *next;
	uint64_t n;

	(void)events;
	if (read(p->done_fd.fd, &n, sizeof(n)) < 0)
		return;
	(void)pthread_mutex_lock(&p->lock);
	job = p->done;
	p->done = NULL;
	p->done_end = &p->done;
	(void)pthread_mutex_unlock(&p->lock);
	for (; job != NULL; job = next) {
		next = job->next;
		job->done(job, job->ctx);
	}
}

static void set_wanted(struct authpool *p, unsigned n)
{
	(void)pthread_mutex_lock(&p->lock);
	p->wanted = n;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
}

int authpool_resize(struct authpool *p, unsigned threads)
{
	sigset_t all, old;
	int r = 0;

	if (threads > AUTHPOOL_THREADS_MAX)
		threads = AUTHPOOL_THREADS_MAX;
	set_wanted(p, threads);
	while (p->running > threads)
		(void)pthread_join(p->workers[--p->running].thread, NULL);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->running < threads && r == 0) {
		struct worker *w = &p->workers[p->running];

		w->pool = p;
		w->index = p->running;
		if (pthread_create(&w->thread, NULL, worker_main, w) == 0)
			p->running++;
		else
			r = ERR_NOMEM;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

struct authpool *authpool_new(struct loop *l, unsigned threads)
{
	struct authpool *p = calloc(1, sizeof(*p));
	int fd;

	if (p == NULL || (p->waiting = fairqueue_new(AUTHPOOL_QUEUE_MAX)) == NULL) {
		free(p);
		return NULL;
	}
	p->loop = l;
	p->done_end = &p->done;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->work, NULL);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->done_fd.fd = -1;
	if (fd < 0 || loop_fd_add(l, &p->done_fd, fd, LOOP_READ, on_done, p) != 0) {
		if (fd >= 0)
			(void)close(fd);
		fairqueue_free(&p->waiting);
		free(p);
		return NULL;
	}
	if (authpool_resize(p, threads) != 0 && p->running == 0)
		authpool_free(&p);
	return p;
}

void authpool_free(struct authpool **pp)
{
	struct authpool *p = *pp;
	int fd;

	if (p == NULL)
		return;
	set_wanted(p, 0);
	while (p->running > 0)
		(void)pthread_join(p->workers[--p->running].thread, NULL);
	fd = p->done_fd.fd;
	loop_fd_del(p->loop, &p->done_fd);
	(void)close(fd);
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_mutex_destroy(&p->lock);
	fairqueue_free(&p->waiting);
	free(p);
	*pp = NULL;
}

int authpool_submit(struct authpool *p, struct authpool_job *job, uint64_t source, bool favoured)
{
	struct fairqueue_item *evicted;
	int r;

	job->queued.owner = job;
	(void)pthread_mutex_lock(&p->lock);
	r = fairqueue_put(p->waiting, &job->queued, source, favoured, &evicted);
	if (evicted != NULL) {
		struct authpool_job *other = evicted->owner;

		explicit_bzero(other->password, sizeof(other->password));
		other->result = ERR_AGAIN;
		finished(p, other);
	}
	if (r == 0)
		(void)pthread_cond_signal(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
	return r;
}
