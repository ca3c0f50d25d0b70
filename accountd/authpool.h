#ifndef PABAL_ACCOUNTD_AUTHPOOL_H
#define PABAL_ACCOUNTD_AUTHPOOL_H

#include "accountd/fairqueue.h"
#include "accountd/password.h"
#include "accountd/scram.h"
#include "common/base/loop.h"

/*
 * A few threads that do nothing but crypt(3) and PBKDF2, so that the event loop never waits for a
 * hash. They touch a job and nothing else; results come back as callbacks of the loop. Who asks
 * waits in a fair queue (fairqueue.h).
 */
struct authpool;

enum { AUTHPOOL_THREADS_MAX = 32, AUTHPOOL_QUEUE_MAX = 2048 };

enum authpool_kind {
	AUTHPOOL_CHECK,         /* does password fit hash? If so, what is wanted is made */
	AUTHPOOL_MAKE,          /* makes what is wanted */
	AUTHPOOL_PROBE,         /* is hash one that crypt(3) can check, whole? */
};

/* Embedded by its owner, which keeps it until done() is called, and wipes it. */
struct authpool_job {
	enum authpool_kind kind;
	bool hash_wanted;                       /* new_hash is made, but by a CHECK only when hash is of an older kind */
	uint32_t iterations;                    /* not 0: keys are made with salt */
	uint8_t salt[SCRAM_SALT_SIZE];
	char password[PASSWORD_MAX + 1];        /* wiped before done() */
	char hash[PASSWORD_HASH_SIZE];
	char new_hash[PASSWORD_HASH_SIZE];      /* empty: none was made */
	struct scram_keys keys;
	/* 0: fits, made, good. ERR_DENIED: does not; ERR_AGAIN: it gave way to others in the queue; ERR_NOMEM, ERR_IO. */
	int result;
	void (*done)(struct authpool_job *job, void *ctx);
	void *ctx;
	struct authpool_job *next;              /* the pool's */
	struct fairqueue_item queued;
};

/* NULL: no memory, descriptors or threads. */
struct authpool *authpool_new(struct loop *l, unsigned threads);
/* Waits for the jobs that a thread has begun; the rest, and their done(), are dropped: the owner has them still. */
void authpool_free(struct authpool **p);
/* More or fewer threads; may wait for a hash to end. ERR_NOMEM: as many as there were. */
int authpool_resize(struct authpool *p, unsigned threads) MUST_CHECK;
/* source: who asks, for the fair queue. ERR_AGAIN when AUTHPOOL_QUEUE_MAX jobs wait already: done() will not be called. */
int authpool_submit(struct authpool *p, struct authpool_job *job, uint64_t source, bool favoured) MUST_CHECK;

#endif
