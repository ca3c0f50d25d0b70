#include "spool/syncer.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/crc32c.h"

enum { THREADS_MAX = 16, READ_SIZE = 256 * 1024, IDS_MAX = 100 * 1000 * 1000 };

struct queue {
	struct sync_job *head, **tail;
};

struct syncer {
	struct loop *loop;
	const struct bodyfiles *files;
	pthread_t threads[THREADS_MAX];
	unsigned threads_n;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue todo, done;        /* under lock */
	bool ending;
	int efd;
	struct loop_fd lfd;
};

static void put(struct queue *q, struct sync_job *job)
{
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
}

static struct sync_job *get(struct queue *q)
{
	struct sync_job *job = q->head;

	if (job != NULL && (q->head = job->next) == NULL)
		q->tail = &q->head;
	return job;
}

static int file_sum(const struct bodyfiles *files, struct sync_job *job, uint8_t *buf)
{
	uint64_t off = 0;
	int r = bodyfile_size(files, job->file, &job->size);

	job->crc = 0;
	while (r == 0 && off < job->size) {
		size_t n = job->size - off < READ_SIZE ? (size_t)(job->size - off) : READ_SIZE;

		if ((r = bodyfile_read(files, job->file, off, n, buf)) == 0)
			job->crc = crc32c(job->crc, buf, n);
		off += n;
	}
	return r;
}

static int add_id(void *ctx, uint64_t id)
{
	struct sync_job *job = ctx;

	if ((job->size & (job->size - 1)) == 0) {       /* 0, 1, 2, 4, ...: full */
		uint64_t *p = reallocarray(job->ids, job->size != 0 ? (size_t)job->size * 2 : 1, sizeof(*p));

		if (p == NULL || job->size >= IDS_MAX)
			return ERR_NOMEM;
		job->ids = p;
	}
	job->ids[job->size++] = id;
	return 0;
}

static void work(struct syncer *sy, struct sync_job *job)
{
	uint8_t *buf;

	if (job->kind == SYNC_LIST) {
		job->r = bodyfile_list(sy->files, add_id, job);
		return;
	}
	if ((buf = malloc(READ_SIZE)) == NULL) {
		job->r = ERR_NOMEM;
		return;
	}
	job->r = file_sum(sy->files, job, buf);
	if (job->r == 0)
		job->r = bodyfile_sync(sy->files, job->file);
	free(buf);
}

static void *thread_main(void *arg)
{
	static const uint64_t one = 1;
	struct syncer *sy = arg;
	struct sync_job *job;

	(void)pthread_mutex_lock(&sy->lock);
	for (;;) {
		while ((job = sy->ending ? NULL : get(&sy->todo)) == NULL && !sy->ending)
			(void)pthread_cond_wait(&sy->wake, &sy->lock);
		if (job == NULL)
			break;
		(void)pthread_mutex_unlock(&sy->lock);
		work(sy, job);
		(void)pthread_mutex_lock(&sy->lock);
		put(&sy->done, job);
		if (write(sy->efd, &one, sizeof(one)) < 0)
			continue;       /* the counter is full: the loop is awake anyway */
	}
	(void)pthread_mutex_unlock(&sy->lock);
	return NULL;
}

static void on_done(void *ctx, unsigned events)
{
	struct syncer *sy = ctx;
	struct sync_job *job, *next;
	uint64_t n;

	(void)events;
	if (read(sy->efd, &n, sizeof(n)) < 0)
		return;
	(void)pthread_mutex_lock(&sy->lock);
	job = sy->done.head;
	sy->done = (struct queue){ .tail = &sy->done.head };
	(void)pthread_mutex_unlock(&sy->lock);
	for (; job != NULL; job = next) {
		next = job->next;
		job->done(job);
	}
}

struct syncer *syncer_new(struct loop *l, const struct bodyfiles *files, unsigned threads)
{
	struct syncer *sy = calloc(1, sizeof(*sy));
	sigset_t all, old;

	if (sy == NULL)
		return NULL;
	sy->loop = l;
	sy->files = files;
	sy->todo.tail = &sy->todo.head;
	sy->done.tail = &sy->done.head;
	sy->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)pthread_mutex_init(&sy->lock, NULL);
	(void)pthread_cond_init(&sy->wake, NULL);
	if (sy->efd < 0 || loop_fd_add(l, &sy->lfd, sy->efd, LOOP_READ, on_done, sy) != 0) {
		if (sy->efd >= 0)
			(void)close(sy->efd);
		free(sy);
		return NULL;
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (sy->threads_n < threads && sy->threads_n < THREADS_MAX &&
	    pthread_create(&sy->threads[sy->threads_n], NULL, thread_main, sy) == 0)
		sy->threads_n++;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (sy->threads_n == 0)
		syncer_free(&sy);
	return sy;
}

void syncer_free(struct syncer **syp)
{
	struct syncer *sy = *syp;
	struct sync_job *job;

	if (sy == NULL)
		return;
	(void)pthread_mutex_lock(&sy->lock);
	sy->ending = true;
	(void)pthread_cond_broadcast(&sy->wake);
	(void)pthread_mutex_unlock(&sy->lock);
	for (unsigned i = 0; i < sy->threads_n; i++)
		(void)pthread_join(sy->threads[i], NULL);
	while ((job = get(&sy->done)) != NULL)
		job->done(job);
	while ((job = get(&sy->todo)) != NULL) {
		job->r = ERR_CLOSED;
		job->done(job);
	}
	loop_fd_del(sy->loop, &sy->lfd);
	(void)close(sy->efd);
	(void)pthread_mutex_destroy(&sy->lock);
	(void)pthread_cond_destroy(&sy->wake);
	free(sy);
	*syp = NULL;
}

void syncer_add(struct syncer *sy, struct sync_job *job)
{
	job->r = 0;
	job->size = 0;
	job->crc = 0;
	job->ids = NULL;
	(void)pthread_mutex_lock(&sy->lock);
	put(&sy->todo, job);
	(void)pthread_cond_signal(&sy->wake);
	(void)pthread_mutex_unlock(&sy->lock);
}
