#ifndef PABAL_SPOOL_SYNCER_H
#define PABAL_SPOOL_SYNCER_H

#include "common/base/loop.h"
#include "spool/bodyfile.h"

/*
 * A few threads that flush body files, several at once, so that the file system joins
 * the flushes and the loop does not wait for them. Their other work: listing the files at
 * start. done runs in the loop's thread.
 */
struct syncer;

struct sync_job {
	enum { SYNC_FILE, SYNC_LIST } kind;
	uint64_t file;
	void (*done)(struct sync_job *job);
	void *ctx;
	/* results */
	int r;
	uint64_t size;          /* of the file; how many ids */
	uint32_t crc;           /* CRC-32C of its content */
	uint64_t *ids;          /* SYNC_LIST: the taker frees them */
	struct sync_job *next;
};

/* NULL: no memory, no thread. */
struct syncer *syncer_new(struct loop *l, const struct bodyfiles *files, unsigned threads);
/* Waits for what runs; jobs not done by then are answered with ERR_CLOSED. */
void syncer_free(struct syncer **sy);
/* The job is the caller's and stays where it is until done. */
void syncer_add(struct syncer *sy, struct sync_job *job);

#endif
