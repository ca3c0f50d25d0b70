#ifndef PABAL_SPOOL_SPOOL_H
#define PABAL_SPOOL_SPOOL_H

#include "spool/bodyfile.h"
#include "spool/change.h"
#include "spool/log.h"
#include "spool/op.h"
#include "spool/tables.h"

/*
 * The spool: the log, and the index made from it. One thread.
 *
 * Changes come in batches. spool_do() checks one op, fills in what it decides, adds
 * its record to the log's batch and applies it to the index, in one transaction
 * that stays open. spool_commit() flushes the log, then commits the index with the
 * LSN applied: only then has anything happened. An op that is refused leaves the batch
 * as it was; a fault while applying spoils the whole batch, and nothing of it happened.
 * While a batch is open, what is read is not durable yet: nobody may be told.
 *
 * At open: recover the index, replay the log from the LSN it knows; if the index cannot
 * be used, or knows more than the log, it is moved aside and made anew from the newest
 * snapshot that is whole, or from the log alone.
 */
struct spool;

struct spool_conf {
	int dirfd;                      /* the spool directory; not owned */
	const char *index_home;         /* path of the index's directory, which must be dirfd's "index" */
	uint64_t segment_size, reserve, cache_bytes;
	const struct sysops *sys;       /* NULL: the real ones */
	bool threads;                   /* what can be done beside the caller may be */
	bool anew;                      /* move the index aside and make it anew ("pabal spool rebuild") */
	/* Does anybody want to know of changes of this mailbox? NULL: nobody. */
	bool (*watched)(void *ctx, uint64_t mailbox);
	/* Must this body stay though nobody refers to it (a session saw it)? NULL: no. */
	bool (*pinned)(void *ctx, uint64_t bodyid);
	void *ctx;
};

int spool_open(struct spool **s_r, const struct spool_conf *conf) MUST_CHECK;
/* Drops an open batch. clean: write a checkpoint. */
void spool_close(struct spool **s, bool clean);

/* What an op decided. ranges: STORE: refused, COPY: copied; good until the next spool_do(). */
struct spool_done {
	uint64_t id;                    /* msgid, mailbox, or how many */
	uint64_t modseq;
	uint32_t uidvalidity, uid;
	const struct op_range *ranges;
	uint32_t ranges_n;
	uint32_t next;                  /* EXPUNGE, COPY: the op took a piece; goes on from this UID; 0: that was all */
};
/*
 * EXPUNGE, COPY and RENAME of INBOX (which becomes a COPY with move) take SPOOL_PIECE messages at most and look at
 * SPOOL_PIECE_LOOK, so that one op takes a bounded time: done.next tells where the next op of its kind goes on.
 * OP_COPY_PART is asked for with first 0 for the first piece (done.uid is then its name for the others), and with end
 * when its uids are the last of the COPY; what is whole in one piece becomes an OP_COPY.
 */
enum { SPOOL_PIECE = 1000, SPOOL_PIECE_LOOK = 4000 };
/* op's undecided fields are filled in (from memory of the spool, good until the next call).
 * Changes of watched mailboxes are appended to *changes (may be NULL).
 * Refused: ERR_NOTFOUND, ERR_EXISTS, ERR_DENIED, ERR_SYNTAX, ERR_LIMIT, ERR_STATE, ERR_FULL.
 * Spoiled: ERR_IO, ERR_NOMEM, ERR_CORRUPT; spool_commit() will tell it again. */
int spool_do(struct spool *s, struct spool_op *op, struct spool_done *res_r, struct change_list *changes) MUST_CHECK;
bool spool_in_batch(const struct spool *s);
/* Bytes that wait for the flush. */
size_t spool_pending(const struct spool *s);
/* 0, or nothing of the batch happened; or spool_is_dead(): then the process has to start anew, and what of
 * the batch is durable is known only after that (nobody may be told anything). */
int spool_commit(struct spool *s) MUST_CHECK;
void spool_abort(struct spool *s);
bool spool_is_dead(const struct spool *s);

/* ---- reading (arena: the caller's; what is returned lives there) ---- */
/* New mail is refused: free space is below the reserve. file: body files may have grown since the last look,
 * which is otherwise at most a second old. */
bool spool_full(struct spool *s, bool file);
uint64_t spool_free_bytes(struct spool *s);
const struct ix_counters *spool_counters(const struct spool *s);
struct spool_log *spool_log_of(struct spool *s);
const struct bodyfiles *spool_bodyfiles(const struct spool *s);
int spool_msg_get(struct spool *s, uint64_t msgid, struct arena *a, struct ix_msg *m_r) MUST_CHECK;
int spool_rcpt_get(struct spool *s, uint64_t msgid, uint32_t index, struct arena *a, struct ix_rcpt *rc_r) MUST_CHECK;
typedef int spool_rcpt_fn(void *ctx, uint32_t index, const struct ix_rcpt *rc);
/* Decodes into a, which the callback may reset. */
int spool_rcpts(struct spool *s, uint64_t msgid, struct arena *a, spool_rcpt_fn *fn, void *ctx) MUST_CHECK;
/* msgids > after in order; n at most. */
int spool_queue_ids(struct spool *s, uint64_t after, uint32_t n, uint64_t *ids, uint32_t *n_r) MUST_CHECK;
/* The schedule in order: fn(ctx, due, msgid). It begins behind the place that spool_due_seen() told last; what
 * was put before that since brings it back there. spool_due_seen(s, 0, 0): from the beginning again. */
typedef int spool_due_fn(void *ctx, uint64_t due, uint64_t msgid);
void spool_due_seen(struct spool *s, uint64_t due, uint64_t msgid);
/* From that message on again. */
void spool_due_unsee(struct spool *s, uint64_t due, uint64_t msgid);
int spool_due(struct spool *s, spool_due_fn *fn, void *ctx) MUST_CHECK;
typedef int spool_trace_fn(void *ctx, uint64_t lsn, const struct ix_trace *t);
int spool_trace(struct spool *s, uint64_t msgid, struct arena *a, spool_trace_fn *fn, void *ctx) MUST_CHECK;

int spool_body_get(struct spool *s, uint64_t bodyid, struct ix_body *b_r) MUST_CHECK;
/* len bytes at off; off + len at most b->size. */
int spool_body_read(struct spool *s, const struct ix_body *b, uint64_t off, uint32_t len, uint8_t *dst) MUST_CHECK;
int spool_summary(struct spool *s, uint64_t bodyid, struct arena *a, struct slice *sum_r) MUST_CHECK;
/* Calls fn for each of n bodies, in their order, with the summary (empty: it has none; good during the call), until it
 * returns non-zero, which is returned. Those whose ids follow each other are read together. fn must change nothing. */
typedef int spool_summary_fn(void *ctx, uint32_t i, struct slice sum);
int spool_summaries(struct spool *s, const uint64_t *bodyids, uint32_t n, spool_summary_fn *fn, void *ctx) MUST_CHECK;
/* Does a record refer to this body file? True also when that cannot be found out: it has to stay then. */
bool spool_file_used(struct spool *s, uint64_t file);

int spool_mailbox_find(struct spool *s, uint64_t account, struct slice name, uint64_t *id_r) MUST_CHECK;
/* Is there a mailbox of that name, or a subscription to it? */
bool spool_name_known(struct spool *s, uint64_t account, struct slice name);
int spool_mailbox_get(struct spool *s, uint64_t id, struct arena *a, struct ix_mailbox *m_r) MUST_CHECK;
/* The names of an account, in byte order. */
typedef int spool_name_fn(void *ctx, struct slice name, const struct ix_name *n);
int spool_names(struct spool *s, uint64_t account, spool_name_fn *fn, void *ctx) MUST_CHECK;
int spool_row_get(struct spool *s, uint64_t mailbox, uint32_t uid, struct row *r_r) MUST_CHECK;
/* Rows in these ranges (sorted, disjoint), ascending. fn must not change the mailbox. */
typedef int spool_row_fn(void *ctx, const struct row *r);
int spool_rows(struct spool *s, uint64_t mailbox, const struct op_range *ranges, uint32_t n, spool_row_fn *fn, void *ctx) MUST_CHECK;
/* Copies that have got no end: fn(ctx, to, first). What one has made, as ranges in a: ERR_NOTFOUND when it is none of these. */
typedef int spool_copying_fn(void *ctx, uint64_t to, uint32_t first);
int spool_copying(struct spool *s, spool_copying_fn *fn, void *ctx) MUST_CHECK;
int spool_copying_get(struct spool *s, uint64_t to, uint32_t first, struct arena *a, struct op_range **r_r, uint32_t *n_r) MUST_CHECK;
/* Sorts and joins in place; tells the new count. Ranges given backwards are turned. uid 0 counts for nothing. */
uint32_t ranges_normalize(struct op_range *r, uint32_t n);
/* Makes sure INBOX and the special mailboxes exist (an op of the open batch when they do not). */
int spool_account_init(struct spool *s, uint64_t account) MUST_CHECK;

/* ---- housekeeping, each a bounded step outside a batch; *more_r: call again soon ---- */
/* Bodies nobody refers to; rows of deleted mailboxes, unless somebody watches them. */
int spool_reap(struct spool *s, unsigned n, bool *more_r) MUST_CHECK;
int spool_clean(struct spool *s, uint64_t trace_before_us, uint64_t history_before_us, unsigned n, bool *more_r) MUST_CHECK;
/* Writes about n of the index's changes that are in memory; *more_r: go on soon. */
int spool_settle(struct spool *s, size_t n, bool *more_r) MUST_CHECK;
bool spool_settling(const struct spool *s);
/* kbytes 0: all of the index now, with its flushes. Else by a thread, if so much of the index's own log has come since the
 * last one; the result is that of the one before. */
int spool_checkpoint(struct spool *s, unsigned kbytes) MUST_CHECK;

/* Live bytes and bodies of the segment that begins with this LSN. */
struct ix_segment spool_segment_live(const struct spool *s, uint64_t first_lsn);

/* ---- compaction (spool/compact.c): the bodies that live in a segment are appended anew, and it is unlinked ---- */
struct compact_pick {
	uint64_t first_lsn, last_lsn;
	uint64_t gain, copy;            /* bytes: that come back; that are copied for it */
};
/* Which segments are worth it: percent of it dead; or something in it dead since before_us (0: does not count).
 * The first max of them in picks, oldest first. */
size_t spool_compact_plan(const struct spool *s, unsigned percent, uint64_t dead_before_us, struct compact_pick *picks, size_t max);
/* Seals the segment being written if something in it is dead since before that, so that it can be planned. Not in a batch. */
int spool_compact_seal(struct spool *s, uint64_t dead_before_us) MUST_CHECK;

/* A record of its own that says nothing: begins a segment, or sets two snapshots apart. Not in a batch. */
int spool_append_nothing(struct spool *s) MUST_CHECK;

struct compaction;
/* A sealed segment, to be emptied. ERR_NOTFOUND, ERR_STATE, ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
int spool_compact_begin(struct spool *s, uint64_t first_lsn, struct compaction **c_r) MUST_CHECK;
/* Reads about that many bytes of it and adds what lives in them to the open batch (which it may open). *copied_r grows by
 * what was added. ERR_FULL: try again when there is space; ERR_CORRUPT: the segment is damaged; ERR_IO, ERR_NOMEM. */
int spool_compact_step(struct compaction *c, size_t bytes, uint64_t *copied_r, bool *more_r) MUST_CHECK;
void spool_compact_end(struct compaction **c);
/* Unlinks up to n sealed segments in which nothing lives and whose records both snapshots hold. *bytes_r grows by their
 * size. Not in a batch. */
int spool_compact_remove(struct spool *s, unsigned n, uint64_t *bytes_r, bool *more_r) MUST_CHECK;
/* Which LSN the older snapshot must have reached for everything to be removed that is empty; 0: nothing is. */
uint64_t spool_compact_wants(const struct spool *s);

/* ---- snapshots: "snapshot/LSN", the whole index as a stream (spool/snapshot.h) ---- */
/* Writes, flushes and names one, and unlinks all but the two newest. Not in a batch. */
int spool_snapshot(struct spool *s) MUST_CHECK;
/* The same in steps of about so many bytes, with batches in between: it is as of its begin. When a step fails there
 * is no snapshot. ERR_STATE: in a batch; begin: one is being written; step: none is. */
int spool_snapshot_begin(struct spool *s) MUST_CHECK;
int spool_snapshot_step(struct spool *s, size_t bytes, bool *more_r) MUST_CHECK;
void spool_snapshot_cancel(struct spool *s);
bool spool_snapshot_running(const struct spool *s);
/* LSN of the newest one, 0: none; and its size, 0: not known. */
uint64_t spool_snapshot_newest(const struct spool *s, uint64_t *bytes_r);
/* The LSN up to which segments without live bodies are not needed: that of the older of the
 * two snapshots; 0 while there are not two. */
uint64_t spool_snapshot_lsn(const struct spool *s);
/* Every key and value of a table, for dump and for tests. */
int spool_dump(struct spool *s, unsigned table, int (*fn)(void *ctx, struct slice key, struct slice val), void *ctx) MUST_CHECK;

#endif
