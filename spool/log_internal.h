#ifndef PABAL_SPOOL_LOG_INTERNAL_H
#define PABAL_SPOOL_LOG_INTERNAL_H

#include "spool/log.h"
#include "spool/segment.h"

/* Shared by log.c, log_open.c and log_read.c; nobody else includes it. */

/* One segment's share of the batch. Its records lie in the batch buffer from start up to the
 * next part's start, and will lie in the file from off to used. */
struct log_part {
	uint64_t first;         /* the segment */
	int fd;
	struct segment_head head;
	uint32_t prev;          /* header checksum of its last record */
	uint64_t off, used;
	size_t start;
	bool fresh;             /* its file was made for this batch */
	bool seal;              /* ends with a seal */
};

enum { LOG_FDS = 16 };
struct log_fd {
	uint64_t first;
	uint64_t used_at;       /* 0: free */
	int fd;
};

struct spool_log {
	const struct sysops *sys;
	int dirfd;              /* of "log" */
	uint64_t segment_size, reserve;
	struct log_segment *segs;
	size_t segs_n, segs_cap;
	struct log_part cur;    /* the segment being written: off == used, start 0 */
	bool have_cur;
	struct segment_make next;       /* the segment being made ahead */
	bool have_next;
	struct log_maker *maker;        /* the thread that makes it, or NULL */
	bool threads;
	uint64_t opened_ms;
	uint64_t durable;       /* last durable LSN */
	uint64_t next_lsn;      /* of the next append */
	struct buf batch;
	struct log_part *parts;
	size_t parts_n, parts_cap;
	bool broken, full;
	uint64_t full_at;       /* when full was looked up, ms; 0: never */
	struct log_stats stats;
	struct log_fd fds[LOG_FDS];
	uint64_t fds_clock;
};

/* Room in segs for n more, so that a later push cannot fail. ERR_NOMEM. */
int log_segs_reserve(struct spool_log *l, size_t n) MUST_CHECK;
/* The segment with that first LSN, or NULL. */
struct log_segment *log_seg_find(const struct spool_log *l, uint64_t first_lsn);
/* Completes the pre-made segment, beginning it if there is none. ERR_FULL, ERR_IO. */
int log_next_complete(struct spool_log *l) MUST_CHECK;
/* Has a thread begin the next segment when it is time for that. If that fails log_idle() gets to know,
 * and it is tried again. */
void log_make_ahead(struct spool_log *l);
/* Ends the thread and closes what was made ahead; the next open unlinks it. */
void log_make_stop(struct spool_log *l);
/* Hands fd over to the cache of descriptors for reading. */
void log_fd_put(struct spool_log *l, uint64_t first_lsn, int fd);
/* Closes the descriptor of that segment, or all with first_lsn 0. */
void log_fd_drop(struct spool_log *l, uint64_t first_lsn);

#endif
