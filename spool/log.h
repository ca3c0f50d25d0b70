#ifndef PABAL_SPOOL_LOG_H
#define PABAL_SPOOL_LOG_H

#include <stdbool.h>

#include "common/base/buf.h"

/*
 * The append-only log: the truth of the spool, and the narrow interface behind
 * which another log (a distributed one) could stand. Records are opaque here.
 *
 * A record on disk: magic, version, type, payload length, LSN, CRC32C over all
 * of that and the payload. Segments are files "log/NNNNNNNNNNNNNNNN" (the first
 * LSN in them, hex), written full of zeros before use, so that an append needs
 * one flush and no metadata; a sealed segment never changes again.
 *
 * append puts records into the batch in memory; flush writes and flushes the
 * whole batch with one fdatasync. Until flush has returned 0 nothing of the
 * batch has happened: on failure it is discarded as a whole, the LSNs are
 * taken again, and what may have reached the disk is overwritten. When even
 * that fails the log refuses further appends (ERR_IO) and the process has to
 * start anew, which recovers from what is on disk.
 *
 * At open the tail is scanned; the first record that is not whole and right
 * ends the log, the rest of that segment is zeroed again, and the recovered
 * tail is written and flushed once more, since the page cache may hold what
 * the disk does not (a failed flush before the crash).
 */
struct spool_log;

struct log_pos {
	uint64_t segment;       /* first LSN of its segment, the file's name */
	uint32_t off;           /* of the payload in the file */
	uint32_t len;           /* of the payload */
};

struct log_conf {
	int dirfd;              /* the spool directory; not owned */
	uint64_t segment_size;  /* bytes, 1 MiB to 1 GiB */
	uint64_t reserve;       /* bytes of free space below which log_full() is true */
	const struct sysops *sys;       /* spool/sysops.h; NULL: the real system calls */
};

struct log_segment {
	uint64_t first_lsn, last_lsn;   /* last_lsn is 0 while nothing is in it */
	uint64_t size, used;            /* bytes */
	bool sealed;
};

/* Opens or creates the log below conf->dirfd and recovers its tail. ERR_IO, ERR_CORRUPT
 * (a sealed segment is damaged in its middle: run "pabal spool check"), ERR_VERSION. */
int log_open(struct spool_log **l_r, const struct log_conf *conf) MUST_CHECK;
void log_close(struct spool_log **l);

/* Adds one record to the batch and tells its LSN (strictly ascending, never 0) and where
 * it will lie. The payload is copied. ERR_LIMIT: over a segment; ERR_FULL: no space for a
 * new segment; ERR_IO. A failed append leaves the batch as it was. */
int log_append(struct spool_log *l, uint8_t type, struct slice payload,
    uint64_t *lsn_r, struct log_pos *pos_r) MUST_CHECK;
/* Bytes and records in the batch. */
size_t log_pending(const struct spool_log *l);
/* Makes the batch durable: 0, or ERR_FULL/ERR_IO and the batch is gone. An empty batch is 0 and flushes nothing. */
int log_flush(struct spool_log *l) MUST_CHECK;
void log_discard(struct spool_log *l);
/* The last durable LSN, 0 in an empty log. */
uint64_t log_last_lsn(const struct spool_log *l);

/* Calls fn for every durable record with LSN >= from, in order, until it returns non-zero,
 * which is returned. The payload is good during the call. ERR_CORRUPT names a hole in the log. */
typedef int log_replay_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice payload,
    const struct log_pos *pos);
int log_replay(struct spool_log *l, uint64_t from, log_replay_fn *fn, void *ctx) MUST_CHECK;

/* Reads len bytes at off within the payload at pos (also from the unflushed batch is not
 * possible). ERR_NOTFOUND when the segment is gone. Does not check the CRC. */
int log_read(struct spool_log *l, const struct log_pos *pos, uint32_t off, uint32_t len,
    uint8_t *dst) MUST_CHECK;

/* Segments, oldest first; the array is the log's and good until the next append or remove. */
const struct log_segment *log_segments(const struct spool_log *l, size_t *n_r);
/* Closes the current segment, so that the next append opens a new one. */
int log_seal(struct spool_log *l) MUST_CHECK;
/* Unlinks a sealed segment and flushes the directory. */
int log_remove(struct spool_log *l, uint64_t first_lsn) MUST_CHECK;
/* Free space (or inodes) is below the reserve; refreshed at most once a second. */
bool log_full(struct spool_log *l);
/* Flushes and bytes since open, for the statistics. */
struct log_stats { uint64_t flushes, records, bytes, segments_made; };
void log_stats(const struct spool_log *l, struct log_stats *st_r);

#endif
