/*
 * The index: what changed lately in memory, the rest in the tables below
 * (index_db.h, Berkeley DB).
 *
 * A layer is a sorted tree for each table. Changes go into the upper one. When it has
 * grown, it becomes the lower one at the begin of a transaction, and from then on
 * its entries are written into the tables in key order, by a thread while the caller waits for the
 * flush of the log, and when that is not enough some at the begin of each
 * transaction (so that nobody waits for a whole layer), in one transaction
 * of Berkeley DB. The counters with the LSN applied are an entry like others, so the tables
 * are always as of a commit, and after a crash the log has the rest.
 *
 * Most of what the queue writes is deleted a few milliseconds later. It never gets below the
 * upper layer: a key that was new and is deleted again leaves nothing to be written.
 *
 * Entries live in their layer's arena. What they were at the begin of the transaction
 * is kept in a list, so that an abort can put it back. What an entry needs no more stays in the arena
 * until the layer has been written.
 */
#include "spool/index.h"

#include <stdlib.h>

#include "spool/beside.h"
#include "spool/index_db.h"
#include "spool/index_layer.h"

/* What an entry was before this transaction. */
struct undo {
	struct entry *e;
	enum index_table t;
	bool added, gone, fresh;
	uint32_t vlen;
	const uint8_t *val;
};

struct spool_index {
	struct index_db *db;
	struct beside *beside;          /* writes the lower layer while the log is flushed; may be NULL */
	struct layer *up, *low;         /* low: being written, or NULL */
	enum index_table low_t;         /* where writing it goes on; low_e NULL: at the first */
	struct entry *low_e;
	size_t layer_bytes;             /* at which the upper one is full */
	size_t owed;                    /* entries to be written, before the next transaction if there is no thread */
	bool in_txn;
	bool broken;                    /* the tables cannot be used any more */
	uint64_t txn;
	struct buf undo;                /* struct undo */
	index_watch_fn *watch;          /* may be NULL */
	void *watch_ctx;
};

enum {
	LAYER_MIN = 256 * 1024, LAYER_MAX = 16 * 1024 * 1024,
	OWED_MIN = 32, OWED_PER_CHANGE = 2, OWED_MAX = 1000, OWED_LAG = 1024 /* bytes of a layer */, BESIDE_STEP = 16,
	LAYERS_MAX = 4, UNDO_MAX = 1 << 30,
};
static size_t layer_override;
static bool threads_override;

void index_set_layer(size_t bytes)
{
	layer_override = bytes;
}

void index_set_threads(bool on)
{
	threads_override = on;
}

/* What a call to the tables said. */
static int told(struct spool_index *ix, int r)
{
	if (r == ERR_CORRUPT)
		ix->broken = true;
	return r;
}

static void write_beside(void *ctx, const atomic_bool *stop);

int index_open(struct spool_index **ix_r, const struct index_conf *conf)
{
	struct spool_index *ix = calloc(1, sizeof(*ix));
	int r;

	if (ix == NULL)
		return ERR_NOMEM;
	ix->undo = BUF_INIT(UNDO_MAX);
	ix->layer_bytes = (size_t)(conf->cache_bytes / 8);
	if (ix->layer_bytes < LAYER_MIN)
		ix->layer_bytes = LAYER_MIN;
	if (ix->layer_bytes > LAYER_MAX)
		ix->layer_bytes = LAYER_MAX;
	if (layer_override != 0)
		ix->layer_bytes = layer_override;
	r = (ix->up = layer_new()) != NULL ? idb_open(&ix->db, conf) : ERR_NOMEM;
	if (r == 0 && (conf->threads || threads_override) && (ix->beside = beside_new(write_beside, ix)) == NULL)
		r = ERR_NOMEM;
	if (r != 0) {
		index_close(&ix, false);
		return r;
	}
	*ix_r = ix;
	return 0;
}

void index_close(struct spool_index **ixp, bool checkpoint)
{
	struct spool_index *ix = *ixp;

	if (ix == NULL)
		return;
	beside_free(&ix->beside);
	index_abort(ix);
	/* What cannot be written is in the log. */
	if (checkpoint && ix->db != NULL)
		checkpoint = index_settle(ix, SIZE_MAX, NULL) == 0;
	idb_close(&ix->db, checkpoint);
	layer_free(&ix->up);
	layer_free(&ix->low);
	buf_free(&ix->undo);
	free(ix);
	*ixp = NULL;
}

/* ---- from the layers into the tables ---- */

/* The next entry of the lower layer that has to be written, or NULL. */
static struct entry *low_next(struct spool_index *ix)
{
	struct entry *e = ix->low_e;

	for (;;) {
		e = e != NULL ? layer_next(ix->low, ix->low_t, e) : layer_first(ix->low, ix->low_t);
		while (e == NULL && ++ix->low_t < IX_COUNT)
			e = layer_first(ix->low, ix->low_t);
		if (e == NULL || !(e->gone && e->fresh))
			break;
	}
	return ix->low_e = e;
}

static void low_begin(struct spool_index *ix)
{
	ix->low_t = (enum index_table)0;
	ix->low_e = NULL;
}

static int low_write(struct spool_index *ix, size_t n)
{
	struct entry *e;
	int r = 0;

	if (!idb_in_txn(ix->db)) {
		low_begin(ix);
		if ((r = told(ix, idb_begin(ix->db))) != 0)
			return r;
	}
	for (; r == 0 && n != 0; n--) {
		if ((e = low_next(ix)) == NULL) {
			r = idb_commit(ix->db);
			if (r == 0)
				layer_free(&ix->low);
			break;
		}
		if (e->gone)
			r = idb_del(ix->db, ix->low_t, entry_key(e));
		else
			r = idb_put(ix->db, ix->low_t, entry_key(e), entry_val(e));
		if (e->gone && r == ERR_NOTFOUND)
			r = 0;
	}
	/* Later again, from the beginning. */
	if (r != 0)
		idb_abort(ix->db);
	return told(ix, r);
}

/* The upper layer becomes the lower one, which there is none of. */
static int freeze(struct spool_index *ix)
{
	struct layer *l = layer_new();

	if (l == NULL)
		return ERR_NOMEM;
	ix->low = ix->up;
	ix->up = l;
	return 0;
}

int index_settle(struct spool_index *ix, size_t n, bool *more_r)
{
	int r = 0;

	if (ix->in_txn)
		return ERR_STATE;
	if (ix->low == NULL && ix->up->entries != 0)
		r = freeze(ix);
	if (r == 0 && ix->low != NULL)
		r = low_write(ix, n);
	if (r == 0 && n == SIZE_MAX && ix->up->entries != 0 && (r = freeze(ix)) == 0)
		r = low_write(ix, n);
	if (more_r != NULL)
		*more_r = r == 0 && ix->low != NULL;
	return r;
}

bool index_settling(const struct spool_index *ix)
{
	return ix->low != NULL;
}

/* What fails is tried again at the begin of the next transaction, which tells of it. */
static void write_beside(void *ctx, const atomic_bool *stop)
{
	struct spool_index *ix = ctx;
	int r = 0;

	while (r == 0 && ix->low != NULL && !atomic_load(stop)) {
		r = low_write(ix, BESIDE_STEP);
		ix->owed -= ix->owed < BESIDE_STEP ? ix->owed : BESIDE_STEP;
	}
}

void index_beside_begin(struct spool_index *ix)
{
	if (ix->beside != NULL && ix->low != NULL && !ix->broken)
		beside_begin(ix->beside);
}

void index_beside_end(struct spool_index *ix)
{
	if (ix->beside != NULL)
		beside_end(ix->beside);
}

/* ---- transactions ---- */

/* How much is to be written before the next transaction: in proportion to what it brings, so that the lower layer is
 * done before the upper one is full, but never so much that the one who waits would notice, while there is memory. A
 * thread that writes during flushes may lag by a part of a layer first. */
static size_t owed_now(const struct spool_index *ix, size_t bytes)
{
	size_t n = ix->owed + OWED_MIN;

	if (bytes >= LAYERS_MAX * ix->layer_bytes)
		return SIZE_MAX;
	if (ix->beside != NULL && n <= ix->layer_bytes / OWED_LAG)
		return 0;
	return n < OWED_MAX ? n : OWED_MAX;
}

int index_begin(struct spool_index *ix)
{
	size_t bytes = layer_bytes(ix->up), n;
	bool full = bytes >= ix->layer_bytes;
	int r = ix->broken ? ERR_CORRUPT : 0;

	if (r == 0 && ix->low != NULL && (n = owed_now(ix, bytes)) != 0) {
		r = low_write(ix, n);
		/* What was not written now is still owed. */
		ix->owed -= ix->owed < n ? ix->owed : n;
	}
	if (ix->low == NULL)
		ix->owed = 0;
	if (r == 0 && full && ix->low == NULL)
		r = freeze(ix);
	/* What cannot be written now stays in memory for a while: on a full disk mail can still be deleted. */
	if (r == ERR_CORRUPT || (r != 0 && bytes >= LAYERS_MAX * ix->layer_bytes))
		return r;
	ix->in_txn = true;
	ix->txn++;
	buf_reset(&ix->undo);
	return 0;
}

static struct undo undo_at(const struct spool_index *ix, size_t i)
{
	struct undo u;

	memcpy(&u, ix->undo.p + ix->undo.off + i * sizeof(u), sizeof(u));
	return u;
}

int index_commit(struct spool_index *ix)
{
	size_t n = buf_len(&ix->undo) / sizeof(struct undo);

	ix->in_txn = false;
	/* What was new in this layer and is gone again needs no entry. */
	for (size_t i = 0; i < n; i++) {
		struct undo u = undo_at(ix, i);

		if (u.e->gone && u.e->fresh)
			layer_remove(ix->up, u.t, u.e);
	}
	buf_consume(&ix->undo, buf_len(&ix->undo));
	return 0;
}

void index_abort(struct spool_index *ix)
{
	size_t n = buf_len(&ix->undo) / sizeof(struct undo);

	if (!ix->in_txn)
		return;
	ix->in_txn = false;
	for (size_t i = n; i-- > 0;) {
		struct undo u = undo_at(ix, i);

		if (u.added) {
			layer_remove(ix->up, u.t, u.e);
			continue;
		}
		u.e->gone = u.gone;
		u.e->fresh = u.fresh;
		u.e->val = u.val;
		u.e->vlen = u.vlen;
	}
	buf_consume(&ix->undo, buf_len(&ix->undo));
}

/* ---- changes ---- */

void index_watch(struct spool_index *ix, index_watch_fn *fn, void *ctx)
{
	ix->watch = fn;
	ix->watch_ctx = ctx;
}

/* The entry to be changed, made when it is missing, and remembered as it was. */
static int entry_take(struct spool_index *ix, enum index_table t, struct slice key, bool fresh, struct entry **e_r)
{
	struct entry *e = layer_find_next(ix->up, t, key);
	struct undo u = { .t = t, .added = e == NULL };

	if (e != NULL && e->txn == ix->txn) {
		*e_r = e;
		return 0;
	}
	if (buf_reserve(&ix->undo, sizeof(u)) == NULL)
		return ERR_NOMEM;
	if (e == NULL) {
		if ((e = layer_add(ix->up, t, key)) == NULL)
			return ERR_NOMEM;
		e->fresh = fresh;
	}
	u.e = e;
	u.gone = e->gone;
	u.fresh = e->fresh;
	u.val = e->val;
	u.vlen = e->vlen;
	buf_add(&ix->undo, &u, sizeof(u));
	e->txn = ix->txn;
	ix->owed += OWED_PER_CHANGE;
	*e_r = e;
	return 0;
}

static int put(struct spool_index *ix, enum index_table t, struct slice key, struct slice val, bool fresh)
{
	struct slice copy;
	struct entry *e;
	int r;

	if (!ix->in_txn)
		return ERR_STATE;
	if (ix->watch != NULL)
		ix->watch(ix->watch_ctx, t, key);
	copy = val.len != 0 ? arena_dup(ix->up->arena, val) : slice_of(ix->up, 0);
	if (copy.p == NULL)
		return ERR_NOMEM;
	if ((r = entry_take(ix, t, key, fresh, &e)) != 0)
		return r;
	e->gone = false;
	e->val = copy.p;
	e->vlen = (uint32_t)copy.len;
	return 0;
}

int index_put(struct spool_index *ix, enum index_table t, struct slice key, struct slice val)
{
	return put(ix, t, key, val, false);
}

int index_put_new(struct spool_index *ix, enum index_table t, struct slice key, struct slice val)
{
	return put(ix, t, key, val, true);
}

int index_del(struct spool_index *ix, enum index_table t, struct slice key)
{
	struct entry *e = layer_find(ix->up, t, key, false);
	int r = e == NULL ? index_find(ix, t, key) : e->gone ? ERR_NOTFOUND : 0;

	if (r != 0)
		return r;
	if (!ix->in_txn)
		return ERR_STATE;
	if (ix->watch != NULL)
		ix->watch(ix->watch_ctx, t, key);
	if ((r = entry_take(ix, t, key, false, &e)) != 0)
		return r;
	e->gone = true;
	return 0;
}

/* ---- reading ---- */

/* The newest entry with that key, or NULL. */
static const struct entry *find(const struct spool_index *ix, enum index_table t, struct slice key)
{
	const struct entry *e = layer_find(ix->up, t, key, false);

	return e == NULL && ix->low != NULL ? layer_find(ix->low, t, key, false) : e;
}

int index_peek(struct spool_index *ix, enum index_table t, struct slice key, struct slice *val_r)
{
	const struct entry *e = find(ix, t, key);

	if (e == NULL)
		return told(ix, idb_get(ix->db, t, key, val_r));
	*val_r = entry_val(e);
	return e->gone ? ERR_NOTFOUND : 0;
}

int index_get(struct spool_index *ix, enum index_table t, struct slice key, struct arena *a, struct slice *val_r)
{
	struct slice val;
	int r = index_peek(ix, t, key, &val);

	if (r != 0)
		return r;
	*val_r = arena_dup(a, val);
	return val_r->p != NULL ? 0 : ERR_NOMEM;
}

int index_find(struct spool_index *ix, enum index_table t, struct slice key)
{
	const struct entry *e = find(ix, t, key);

	if (e != NULL)
		return e->gone ? ERR_NOTFOUND : 0;
	return told(ix, idb_find(ix->db, t, key));
}

/* The layers and the table as one sorted sequence. */
struct merge {
	struct spool_index *ix;
	enum index_table t;
	struct entry *up, *low;         /* next ones */
	struct idb_iter it;
	bool have;                      /* key and val are the table's next */
	struct slice key, val;
};

static int merge_fetch(struct merge *m)
{
	int r = idb_iter_next(&m->it, &m->key, &m->val);

	m->have = r == 0;
	return r == ERR_NOTFOUND ? 0 : told(m->ix, r);
}

static int merge_open(struct merge *m, struct spool_index *ix, enum index_table t, struct slice from, size_t bulk)
{
	int r;

	*m = (struct merge){ .ix = ix, .t = t, .up = layer_find(ix->up, t, from, true) };
	if (ix->low != NULL)
		m->low = layer_find(ix->low, t, from, true);
	if ((r = told(ix, idb_iter_open(ix->db, t, from, bulk, &m->it))) == 0)
		r = merge_fetch(m);
	return r;
}

/* The table's pair was used: that it is fetched only at the next call keeps it good until then. */
static int merge_next(struct merge *m, bool *fetch, struct slice *key_r, struct slice *val_r)
{
	for (;;) {
		struct entry *e = m->up;
		int c, r;

		if (*fetch && (r = merge_fetch(m)) != 0)
			return r;
		*fetch = false;
		if (e == NULL || (m->low != NULL && entry_cmp(m->low, e) < 0))
			e = m->low;
		c = e == NULL ? 1 : !m->have ? -1 : entry_cmp_key(e, m->key);
		if (c > 0 && !m->have)
			return ERR_NOTFOUND;
		*fetch = c >= 0;
		if (c > 0) {
			*key_r = m->key;
			*val_r = m->val;
			return 0;
		}
		if (m->low != NULL && (e == m->low || entry_cmp(m->low, e) == 0))
			m->low = layer_next(m->ix->low, m->t, m->low);
		if (e == m->up)
			m->up = layer_next(m->ix->up, m->t, m->up);
		if (e->gone)
			continue;
		*key_r = entry_key(e);
		*val_r = entry_val(e);
		return 0;
	}
}

static bool has_prefix(struct slice key, struct slice prefix)
{
	return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.p, prefix.p, prefix.len) == 0);
}

int index_scan(struct spool_index *ix, enum index_table t, struct slice prefix, struct slice from, size_t bulk,
    index_scan_fn *fn, void *ctx)
{
	struct slice key, val;
	struct merge m;
	bool fetch = false;
	int r, r2;

	r = merge_open(&m, ix, t, from.len != 0 ? from : prefix, bulk);
	while (r == 0) {
		r = merge_next(&m, &fetch, &key, &val);
		if (r == ERR_NOTFOUND || (r == 0 && !has_prefix(key, prefix))) {
			r = 0;
			break;
		}
		if (r == 0)
			r = fn(ctx, key, val);
	}
	r2 = idb_iter_close(&m.it);
	return r != 0 ? r : r2;
}

int index_del_prefix(struct spool_index *ix, enum index_table t, struct slice prefix, size_t max, size_t *n_r)
{
	struct slice key, val;
	struct merge m;
	bool fetch = false;
	int r, r2;

	*n_r = 0;
	r = merge_open(&m, ix, t, prefix, 0);
	while (r == 0 && *n_r < max && (r = merge_next(&m, &fetch, &key, &val)) == 0 && has_prefix(key, prefix)) {
		struct entry *e;

		if (ix->watch != NULL)
			ix->watch(ix->watch_ctx, t, key);
		if ((r = entry_take(ix, t, key, false, &e)) != 0)
			break;
		e->gone = true;
		++*n_r;
	}
	r2 = idb_iter_close(&m.it);
	if (r == ERR_NOTFOUND)
		r = 0;
	return r != 0 ? r : r2;
}

int index_checkpoint(struct spool_index *ix)
{
	int r = index_settle(ix, SIZE_MAX, NULL);

	return r != 0 ? r : told(ix, idb_checkpoint(ix->db));
}

int index_checkpoint_start(struct spool_index *ix, unsigned kbytes)
{
	return told(ix, idb_checkpoint_start(ix->db, kbytes));
}
