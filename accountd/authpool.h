#ifndef PABAL_ACCOUNTD_AUTHPOOL_H
#define PABAL_ACCOUNTD_AUTHPOOL_H

#include "accountd/password.h"
#include "common/base/loop.h"

/*
 * A few threads that do nothing but crypt(3), so that the event loop never waits for a
 * hash. They touch a job and nothing else; results come back as callbacks of the loop.
 */
struct authpool;

enum { AUTHPOOL_THREADS_MAX = 32, AUTHPOOL_QUEUE_MAX = 512 };

/* Embedded by its owner, which keeps it until done() is called. */
struct authpool_job {
	bool hash_wanted;                       /* make hash from password; else: does password fit hash? */
	char password[PASSWORD_MAX + 1];        /* wiped before done() */
	char hash[PASSWORD_HASH_SIZE];
	int result;                             /* hash_wanted: 0 or an error. Else 0 fits, ERR_DENIED not */
	void (*done)(struct authpool_job *job, void *ctx);
	void *ctx;
	struct authpool_job *next;              /* the pool's */
};

/* NULL: no memory, descriptors or threads. */
struct authpool *authpool_new(struct loop *l, unsigned threads);
/* Waits for the jobs that a thread has begun; the rest, and their done(), are dropped: the owner has them still. */
void authpool_free(struct authpool **p);
/* More or fewer threads; may wait for a hash to end. ERR_NOMEM: as many as there were. */
int authpool_resize(struct authpool *p, unsigned threads) MUST_CHECK;
/* ERR_AGAIN when AUTHPOOL_QUEUE_MAX jobs wait already: done() will not be called. */
int authpool_submit(struct authpool *p, struct authpool_job *job) MUST_CHECK;

#endif
