#ifndef PABAL_SPOOL_INDEX_DB_H
#define PABAL_SPOOL_INDEX_DB_H

#include "spool/index.h"

/*
 * The index's tables on disk: what lies below the layers that index.c keeps in
 * memory. Nobody but index.c uses it. Errors as in index.h.
 */
struct index_db;

int idb_open(struct index_db **ix_r, const struct index_conf *conf) MUST_CHECK;
/* Aborts what is open. checkpoint: the next open has nothing to recover. */
void idb_close(struct index_db **ix, bool checkpoint);

/* All changes need a transaction; reads see it. */
int idb_begin(struct index_db *ix) MUST_CHECK;
int idb_commit(struct index_db *ix) MUST_CHECK;
void idb_abort(struct index_db *ix);
bool idb_in_txn(const struct index_db *ix);
int idb_put(struct index_db *ix, enum index_table t, struct slice key, struct slice val) MUST_CHECK;
int idb_del(struct index_db *ix, enum index_table t, struct slice key) MUST_CHECK;

/* The value, in memory of the table, good until its next use. */
int idb_get(struct index_db *ix, enum index_table t, struct slice key, struct slice *val_r) MUST_CHECK;
int idb_find(struct index_db *ix, enum index_table t, struct slice key) MUST_CHECK;

/* From a key on, in order. from has to stay until the first next. bulk: as of index_scan(). */
struct idb_iter {
	struct index_db *ix;
	void *cursor;
	struct iter_room *room;
	struct slice from;
	bool begun;
	uint32_t bulk, bulk_max;        /* bytes of the next read of several pairs, and of the largest; 0: pair after pair */
	void *page;
};
/* Has to be closed, whatever it returns. */
int idb_iter_open(struct index_db *ix, enum index_table t, struct slice from, size_t bulk, struct idb_iter *it_r) MUST_CHECK;
/* ERR_NOTFOUND: the end. What is returned is good until the next call. */
int idb_iter_next(struct idb_iter *it, struct slice *key_r, struct slice *val_r) MUST_CHECK;
int idb_iter_close(struct idb_iter *it) MUST_CHECK;

/* Now, in this thread. */
int idb_checkpoint(struct index_db *ix) MUST_CHECK;
/* By a thread of its own, if kbytes of Berkeley DB's log have come since the last one and none is being written. Tells
 * what became of the one before. */
int idb_checkpoint_start(struct index_db *ix, unsigned kbytes) MUST_CHECK;

#endif
