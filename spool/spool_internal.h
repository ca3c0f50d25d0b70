#ifndef PABAL_SPOOL_SPOOL_INTERNAL_H
#define PABAL_SPOOL_SPOOL_INTERNAL_H

/* Shared by the engine's own files; the service and the tools use spool.h. */
#include <limits.h>

#include "spool/index.h"
#include "spool/mboxname.h"
#include "spool/spool.h"

struct seg_live {
	uint64_t first_lsn;
	struct ix_segment live;
	bool dirty;
};

struct spool {
	struct spool_conf conf;
	char *home;
	const struct sysops *sys;
	struct spool_log *log;
	struct spool_index *ix;
	struct bodyfiles files;
	bool in_batch;
	bool dead;
	int batch_err;                  /* why the batch is spoiled */
	struct ix_counters n, saved;    /* as of now; as of the last commit */
	struct seg_live *segs;          /* by first_lsn */
	size_t segs_n, segs_cap;
	struct arena *arena;            /* of one spool_do() or replayed record */
	struct buf picked;              /* struct row: those that the op being done means, read to check it */
	struct buf enc, val;            /* an op's record, an index value */
	uint64_t snapshots[2];          /* LSNs of the newest and the one before, 0: none */
	struct snapshot *snap;          /* being written, or NULL */
	uint64_t snapshot_bytes;        /* length of the last one written */
	uint64_t seen_due, seen_msgid;  /* the schedule up to this place needs no look */
	struct ix_key clean_trace, clean_vanished;      /* where cleaning goes on */
	bool no_doomed;                 /* no deleted mailbox has rows left */
};

/* The path of a file in the index's directory that says it is damaged; it goes aside with it. */
int engine_damaged_path(const struct spool *s, char path[PATH_MAX]) MUST_CHECK;

enum { ARENA_MAX = 1 << 30, ENC_MAX = 1 << 30 };

/* One record being applied. */
struct apply {
	struct spool *s;
	uint64_t lsn;
	struct log_pos pos;
	struct slice payload;
	uint64_t time_us;
	uint32_t traces;                /* of this record so far */
	struct change_list *changes;    /* NULL: nobody wants to know */
};

/* Decides the open fields of op, or refuses it. Nothing is changed but by further spool_do_inner(). */
int prepare_op(struct spool *s, struct spool_op *op, struct spool_done *res_r);
int prepare_queue_op(struct spool *s, struct spool_op *op, struct spool_done *res_r);
int prepare_mailbox_op(struct spool *s, struct spool_op *op, struct spool_done *res_r);
int prepare_rows_op(struct spool *s, struct spool_op *op, struct spool_done *res_r);
/* spool_do() within a prepare_: shares its memory. */
int spool_do_inner(struct spool *s, struct spool_op *op, struct spool_done *res_r, struct change_list *changes);

/* Applies a decoded op; ERR_CORRUPT when it does not fit what is there. */
int apply_op(struct apply *ap, const struct spool_op *op);
int apply_accept(struct apply *ap, const struct op_accept *op);
int apply_outcome(struct apply *ap, const struct op_outcome *op);
int apply_deliver(struct apply *ap, const struct op_deliver *op);
int apply_queue(struct apply *ap, const struct op_queue *op);
int apply_create(struct apply *ap, const struct op_create *op);
int apply_delete(struct apply *ap, const struct op_delete *op);
int apply_rename(struct apply *ap, const struct op_rename *op);
int apply_subscribe(struct apply *ap, const struct op_subscribe *op);
int apply_account_delete(struct apply *ap, const struct op_account *op);
int apply_append(struct apply *ap, const struct op_append *op);
int apply_store(struct apply *ap, const struct op_store *op);
int apply_expunge(struct apply *ap, const struct op_expunge *op);
int apply_copy(struct apply *ap, const struct op_copy *op);
int apply_copy_part(struct apply *ap, const struct op_copy_part *op);
int apply_copy_end(struct apply *ap, const struct op_copy_end *op);
/* Is that COPY going on? 0, ERR_NOTFOUND. */
int copying_find(struct spool *s, uint64_t to, uint32_t first);
int apply_recent(struct apply *ap, const struct op_recent *op);
int apply_moved(struct apply *ap, const struct op_moved *op);

/* ---- bodies ---- */
int body_add(struct apply *ap, const struct op_body *b, uint32_t refs);
int body_ref(struct apply *ap, uint64_t bodyid, int delta);
int body_put_summary(struct apply *ap, uint64_t bodyid, struct slice cached);
int segs_load(struct spool *s);
int segs_store(struct spool *s);
/* Forgets the accounts of segments that the log no longer has, in the open transaction. */
int segs_prune(struct spool *s, bool *any_r);

/* ---- mailboxes and rows ---- */
struct name_key {
	uint8_t b[8 + SPOOL_NAME_MAX];
	size_t len;
};
/* Account and name as a key of IX_NAME; name of at most SPOOL_NAME_MAX bytes. */
struct slice name_key(struct name_key *k, uint64_t account, struct slice name);
int name_get(struct spool *s, uint64_t account, struct slice name, struct ix_name *n_r);
/* The rows that an op's UIDs mean: those that were read to check it, else, at a replay, they are read into own. */
int op_rows(struct apply *ap, uint64_t mailbox, const struct op_range *r, uint32_t n, struct buf *own, const struct buf **rows_r);
enum { ACCOUNT_MAILBOXES_MAX = 50000 };
/* flags and keywords after a STORE. */
void row_store(struct row *r, uint8_t how, uint32_t flags, uint64_t keywords);
int mailbox_put(struct spool *s, uint64_t id, const struct ix_mailbox *m);
/* Adds a row with the mailbox's next uid; checks that it and modseq are the ones recorded. */
int mailbox_add_row(struct apply *ap, uint64_t id, struct row *r);
/* Removes the record of an id at once; its rows and history are left to spool_reap() (spool/doomed.c). */
int mailbox_drop(struct apply *ap, uint64_t id);
/* About n of what deleted mailboxes left; *more_r: there is more that can be taken now. Not in a batch. */
int doomed_reap(struct spool *s, unsigned n, bool *more_r);
/* The bits of these keywords; unknown ones are added to m when add is set (ERR_LIMIT over
 * KEYWORDS_MAX), else they have none. grown_r may be NULL. */
int mailbox_keywords(struct spool *s, struct ix_mailbox *m, const struct op_keyword *k, uint32_t n, bool add, uint64_t *bits_r, bool *grown_r);
struct change *apply_change(struct apply *ap, uint64_t mailbox, const struct ix_mailbox *m);

/* ---- queue ---- */
int msg_put(struct spool *s, uint64_t msgid, const struct ix_msg *m);
int apply_trace(struct apply *ap, uint64_t msgid, const char *event, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Encodes a WIRE value into s->val and puts it. */
#define IX_PUT(s, table, key, T, m) \
	(buf_reset(&(s)->val), T##_encode(&(s)->val, (m)), \
	    buf_err(&(s)->val) != 0 ? buf_err(&(s)->val) : index_put((s)->ix, (table), key_slice(key), buf_slice(&(s)->val)))
/* For a key that is not there. */
#define IX_PUT_NEW(s, table, key, T, m) \
	(buf_reset(&(s)->val), T##_encode(&(s)->val, (m)), \
	    buf_err(&(s)->val) != 0 ? buf_err(&(s)->val) : index_put_new((s)->ix, (table), key_slice(key), buf_slice(&(s)->val)))
/* Gets and decodes a WIRE value; lists and texts live in a. */
#define IX_GET(s, table, key, T, a, m) \
	ix_get_value((s), (table), key_slice(key), (a), (m), (int (*)(struct cursor *, struct arena *, void *))(void (*)(void))T##_decode)
int ix_get_value(struct spool *s, enum index_table t, struct slice key, struct arena *a, void *m_r,
    int (*decode)(struct cursor *, struct arena *, void *));
int ix_decode_value(struct slice val, struct arena *a, void *m_r, int (*decode)(struct cursor *, struct arena *, void *));
#define IX_DECODE(val, T, a, m) \
	ix_decode_value((val), (a), (m), (int (*)(struct cursor *, struct arena *, void *))(void (*)(void))T##_decode)

/* A replay: records that follow what the index has applied, in batches of its own. */
struct replay {
	struct spool *s;
	uint64_t records, bytes;
};
int engine_replay_record(void *ctx, uint64_t lsn, uint8_t type, struct slice payload, const struct log_pos *pos);
int engine_replay_commit(struct replay *rp);
/* An index alone, without log and bodies, for tools: home is its directory. It is closed by spool_close(). */
int engine_open_index(struct spool **s_r, const struct spool_conf *conf);
/* Reads the counters and the segments' accounts; as for a new one when there are none. */
int engine_load_counters(struct spool *s);
/* Unlinks a directory of an index, if there is one. */
void engine_remove_index(int dirfd, const char *name);

/* A transaction of the index alone, outside a batch; r: how it went so far. */
int engine_begin_derived(struct spool *s);
int engine_commit_derived(struct spool *s, int r);

#endif
