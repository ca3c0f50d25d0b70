#ifndef PABAL_SPOOL_LOG_H
#define PABAL_SPOOL_LOG_H

#include <stdbool.h>

#include "common/base/buf.h"

/*
 * The append-only log: the truth of the spool, and the narrow interface behind
 * which another log (a distributed one) could stand. Records are opaque here.
 *
 * A record on disk: magic, version, type, payload length, LSN, checksums over all
 * of that and the payload (spool/record.h). Segments are files
 * "log/NNNNNNNNNNNNNNNN" (the first LSN in them, hex), written full of zeros before
 * use, so that an append needs one flush and no metadata; a sealed segment never
 * changes again (spool/segment.h).
 *
 * append puts records into the batch in memory; flush writes and flushes the
 * whole batch with one fdatasync (one more, and one of the directory, when a new
 * segment begins in it). Until flush has returned 0 nothing of the
 * batch has happened: on failure it is discarded as a whole, the LSNs are
 * taken again, and what may have reached the disk is overwritten. When even
 * that fails the log refuses further appends (ERR_IO, log_broken()) and the process
 * has to start anew, which recovers from what is on disk.
 *
 * What a failed or interrupted flush can leave behind: nothing, while log_broken()
 * is false. When it is true, or the process or the machine died during the
 * flush, the next open finds the first 0 to n records of that one batch, and
 * from then on they are durable as any other. So a caller that died or broke without an answer
 * may find done what it never confirmed, and never the reverse.
 *
 * At open the tail is scanned; the first record that is not whole and right
 * ends the log, the rest of that segment is zeroed again, and the recovered
 * last batch is written and flushed once more, since the page cache may hold what
 * the disk does not (a failed flush before the crash). Only the last batch can be
 * torn: when a record is damaged that a later one shows to have been durable, open
 * does not cut the log there but fails with ERR_CORRUPT.
 */
struct spool_log;

struct log_pos {
	uint64_t segment;       /* first LSN of its segment, the file's name */
	uint32_t off;           /* of the payload in the file */
	uint32_t len;           /* of the payload */
};

struct log_conf {
	int dirfd;              /* the spool directory; not owned */
	uint64_t segment_size;  /* bytes, 64 KiB (for tests) to 1 GiB */
	uint64_t reserve;       /* bytes of free space below which log_full() is true */
	const struct sysops *sys;       /* spool/sysops.h; NULL: the real system calls */
	bool threads;           /* the next segment is made by a thread, which uses sys too */
};

struct log_segment {
	uint64_t first_lsn, last_lsn;   /* last_lsn is 0 while nothing is in it */
	uint64_t size, used;            /* bytes */
	bool sealed;
};

/* Opens or creates the log below conf->dirfd, takes its lock and recovers its tail. Of sealed segments
 * but the newest only the header and the seal are looked at; log_replay() checks every byte. ERR_IO,
 * ERR_FULL, ERR_CORRUPT (damage to what was durable: run "pabal spool check"), ERR_VERSION,
 * ERR_LIMIT (segment_size), ERR_STATE (another process has it open). What is wrong is logged. */
int log_open(struct spool_log **l_r, const struct log_conf *conf) MUST_CHECK;
/* Drops the batch, flushes nothing. *l may be NULL. */
void log_close(struct spool_log **l);

/* Adds one record to the batch and tells its LSN (strictly ascending, never 0) and where
 * it will lie. The payload is copied; type is not 0 (ERR_SYNTAX). ERR_LIMIT: over a segment,
 * or the batch over 1 GiB; ERR_FULL: no space for a new segment; ERR_IO, ERR_NOMEM. A failed
 * append leaves the batch as it was. */
int log_append(struct spool_log *l, uint8_t type, struct slice payload,
    uint64_t *lsn_r, struct log_pos *pos_r) MUST_CHECK;
/* Bytes and records in the batch. */
size_t log_pending(const struct spool_log *l);
/* Makes the batch durable: 0, or ERR_FULL/ERR_IO and the batch is gone. An empty batch is 0 and flushes nothing. */
int log_flush(struct spool_log *l) MUST_CHECK;
void log_discard(struct spool_log *l);
/* A failed flush could not be undone: nothing works any more but reading; start anew. */
bool log_broken(const struct spool_log *l);
/* To be called now and then: while the current segment is more than a quarter
 * full it writes a slice (4 MiB) of the next one, or has a thread make it, so that nobody waits for a whole segment of
 * zeros. 0: nothing to do now; ERR_AGAIN: there is more, call again; ERR_FULL, ERR_IO. */
int log_idle(struct spool_log *l) MUST_CHECK;
/* The last durable LSN, 0 in an empty log. */
uint64_t log_last_lsn(const struct spool_log *l);

/* Calls fn for every durable record with LSN >= from, in order, until it returns non-zero,
 * which is returned. The payload is good during the call. fn may append and flush, but
 * not remove; what it appends is not replayed. ERR_CORRUPT: a damaged record (logged). */
typedef int log_replay_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice payload,
    const struct log_pos *pos);
int log_replay(struct spool_log *l, uint64_t from, log_replay_fn *fn, void *ctx) MUST_CHECK;

/* The records of one sealed segment, one after the other. It can be read to its end though it is removed meanwhile.
 * ERR_NOTFOUND; ERR_STATE: not sealed; ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
struct log_cursor;
int log_cursor_open(struct spool_log *l, uint64_t first_lsn, struct log_cursor **c_r) MUST_CHECK;
/* The payload is good until the next call. ERR_NOTFOUND: that was the last; ERR_CORRUPT (logged), ERR_IO, ERR_NOMEM. */
int log_cursor_next(struct log_cursor *c, uint64_t *lsn_r, uint8_t *type_r, struct slice *payload_r, struct log_pos *pos_r) MUST_CHECK;
void log_cursor_close(struct log_cursor **c);

/* Reads len bytes at off within the payload at pos (also from the unflushed batch is not
 * possible). ERR_NOTFOUND when the segment is gone or pos is not durable; ERR_LIMIT when off and len
 * are not within pos; ERR_CORRUPT, ERR_IO. Does not check the CRC. */
int log_read(struct spool_log *l, const struct log_pos *pos, uint32_t off, uint32_t len,
    uint8_t *dst) MUST_CHECK;

/* Segments, oldest first; the array is the log's and good until the next append or remove. */
const struct log_segment *log_segments(const struct spool_log *l, size_t *n_r);
/* Closes the current segment, so that the next append opens a new one; one fdatasync.
 * Nothing happens when it is empty. ERR_STATE with records in the batch; otherwise fails as
 * log_flush() does. */
int log_seal(struct spool_log *l) MUST_CHECK;
/* Unlinks a sealed segment and flushes the directory. ERR_NOTFOUND; ERR_STATE when it is the
 * current one or the newest, which alone remembers the LSN. */
int log_remove(struct spool_log *l, uint64_t first_lsn) MUST_CHECK;
/* Free space (or inodes) is below the reserve; refreshed at most once a second. */
bool log_full(struct spool_log *l);
/* Others used or gave back much space below the same directory: log_full() asks anew. */
void log_space_changed(struct spool_log *l);
/* Flushes and bytes since open, for the statistics. */
struct log_stats { uint64_t flushes, records, bytes, segments_made; };
void log_stats(const struct spool_log *l, struct log_stats *st_r);

#endif
