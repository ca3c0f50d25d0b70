#ifndef PABAL_SPOOL_INDEX_H
#define PABAL_SPOOL_INDEX_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * The log's index: sorted tables of keys and values. What changed lately is in memory,
 * the rest in Berkeley DB (index_db.c, the only code that knows it). One process, one thread at a time, a private
 * environment, one transaction at a time. A commit is in memory: after a crash
 * the index is as of some earlier commit, never in between, and the log has the
 * rest. Keys are big-endian so that they sort; tables.h has their formats.
 */
struct spool_index;

enum index_table {
	IX_META,        /* "applied", "counters", ... */
	IX_BODY,        /* bodyid -> struct ix_body */
	IX_FILE,        /* body file id -> bodyid */
	IX_DEAD,        /* bodyid: nobody refers to it any more */
	IX_SUMMARY,     /* bodyid -> cached summary */
	IX_QUEUE,       /* msgid -> struct ix_msg */
	IX_RCPT,        /* msgid, index -> struct ix_rcpt */
	IX_DUE,         /* due seconds, msgid: the schedule */
	IX_ADDED,       /* msgid, mailbox: rows a queued message made already */
	IX_TRACE,       /* msgid, lsn, number -> struct ix_trace */
	IX_ACCOUNT,     /* account -> struct ix_account */
	IX_NAME,        /* account, mailbox name -> struct ix_name */
	IX_MAILBOX,     /* mailbox -> struct ix_mailbox */
	IX_ROW,         /* mailbox, uid -> packed row */
	IX_VANISHED,    /* mailbox, modseq -> struct ix_vanished */
	IX_SEGMENT,     /* first lsn -> live bytes and bodies */
	IX_COUNT,
};
const char *index_table_name(enum index_table t);

struct index_conf {
	const char *home;       /* directory of the environment; made when missing */
	uint64_t cache_bytes;
	bool threads;           /* a thread may be made, for index_beside_begin() */
};

/* Opens or makes it and recovers from a crash. ERR_CORRUPT: it cannot be used, make it anew
 * from the log. ERR_IO, ERR_NOMEM, ERR_FULL. */
int index_open(struct spool_index **ix_r, const struct index_conf *conf) MUST_CHECK;
/* Aborts what is open. With checkpoint everything is written and the next open has nothing to recover; without
 * what was in memory is lost, as in a crash. */
void index_close(struct spool_index **ix, bool checkpoint);

/* All changes need a transaction; reads see it. begin also writes some of the changes that wait in memory, when
 * too many were left by index_beside_begin(). */
int index_begin(struct spool_index *ix) MUST_CHECK;
int index_commit(struct spool_index *ix) MUST_CHECK;
void index_abort(struct spool_index *ix);
/* Between these two the caller does something else (it waits for the log's flush) and uses nothing of the index, while a
 * thread writes changes that wait in memory. In a transaction or not; without a thread nothing happens. */
void index_beside_begin(struct spool_index *ix);
void index_beside_end(struct spool_index *ix);

/* The value, copied into a. ERR_NOTFOUND. */
int index_get(struct spool_index *ix, enum index_table t, struct slice key, struct arena *a,
    struct slice *val_r) MUST_CHECK;
/* The value where it lies, good until anything in the index changes or this table is read again. */
int index_peek(struct spool_index *ix, enum index_table t, struct slice key, struct slice *val_r) MUST_CHECK;
/* Is it there? 0, ERR_NOTFOUND, or why that cannot be told. */
int index_find(struct spool_index *ix, enum index_table t, struct slice key) MUST_CHECK;
int index_put(struct spool_index *ix, enum index_table t, struct slice key, struct slice val) MUST_CHECK;
/* The same for a key that is certainly not there now: if it is deleted soon, nothing of it was ever written. */
int index_put_new(struct spool_index *ix, enum index_table t, struct slice key, struct slice val) MUST_CHECK;
/* ERR_NOTFOUND when it is not there. */
int index_del(struct spool_index *ix, enum index_table t, struct slice key) MUST_CHECK;
/* Deletes up to max keys with this prefix; tells how many. */
int index_del_prefix(struct spool_index *ix, enum index_table t, struct slice prefix, size_t max,
    size_t *n_r) MUST_CHECK;

/* Calls fn for each key >= from that starts with prefix, in order, until it returns non-zero,
 * which is returned (make "enough" a positive number). key and val are good during the call.
 * fn must not change this table; it may use the others. bulk: about how many bytes of pairs will be looked at,
 * which are read in pieces of so many (of 256 KiB at most); 0: pair after pair, for few or large ones. */
enum { INDEX_BULK_MAX = 256 * 1024 };
typedef int index_scan_fn(void *ctx, struct slice key, struct slice val);
int index_scan(struct spool_index *ix, enum index_table t, struct slice prefix, struct slice from,
    size_t bulk, index_scan_fn *fn, void *ctx) MUST_CHECK;

/* Writes about n of the changes that are in memory into the tables (SIZE_MAX: all); *more_r (may be NULL): there are
 * more that should follow soon. Not in a transaction. */
int index_settle(struct spool_index *ix, size_t n, bool *more_r) MUST_CHECK;
/* Is a part of them written, and the rest should follow? */
bool index_settling(const struct spool_index *ix);
/* Everything in memory is written, a checkpoint too, and the log files are removed that are no longer needed. Not in a
 * transaction. */
int index_checkpoint(struct spool_index *ix) MUST_CHECK;
/* A checkpoint of what is written, beside us, if kbytes of Berkeley DB's log have come since the last one. Tells what
 * became of the one before. */
int index_checkpoint_start(struct spool_index *ix, unsigned kbytes) MUST_CHECK;

/* fn is called before a key is put or deleted (by any of the functions above), until it is NULL. It may read. */
typedef void index_watch_fn(void *ctx, enum index_table t, struct slice key);
void index_watch(struct spool_index *ix, index_watch_fn *fn, void *ctx);

/* For tests: how many bytes of changes are kept in memory before they are written (0: as the cache's size says).
 * Before index_open(). */
void index_set_layer(size_t bytes);
/* For tests: a thread is made, whatever index_open() is told. */
void index_set_threads(bool on);
/* For tests: what flushes the index's files instead of fsync(2). Before index_open(). */
void index_set_fsync(int (*fn)(int fd));

#endif
