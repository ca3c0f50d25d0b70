/*
 * The tables in Berkeley DB 5.3. Nothing else in the tree includes db.h.
 *
 * DB_PRIVATE and no locking subsystem: one thread reads and writes, so there are no
 * locks to run out of, however many rows one transaction changes. DB_THREAD is there for
 * the one thread that writes checkpoints: it touches the cache and the log, never a table. Commits use
 * DB_TXN_NOSYNC; write-ahead logging still holds, so that recovery always finds a
 * whole commit. An error that leaves the environment unusable (DB_RUNRECOVERY) is
 * ERR_CORRUPT: the caller gives up and starts anew. While it is opened the reason
 * is looked at: a disk that is full damages nothing.
 */
#include "spool/index_db.h"

#include <db.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/log.h"

enum {
	LOG_BUFFER = 2 * 1024 * 1024, LOG_FILE_MAX = 32 * 1024 * 1024,
	PAGE_SIZE = 4096,
	/* Summaries are about 1 KiB: that more of them lie together makes reading them cheaper. Counts for new tables only. */
	SUMMARY_PAGE = 16 * 1024,
	/* what a scan reads at first: many want few */
	BULK_FIRST = SUMMARY_PAGE,
};

/* Memory that Berkeley DB copies into: it has to be ours in an environment with threads. */
struct room {
	uint8_t *p;
	size_t cap;
};

enum { ITERS = 4 };
struct iter_room {
	struct room key, val;
	bool busy;
};

struct index_db {
	DB_ENV *env;
	DB_TXN *txn;
	DB *db[IX_COUNT];
	bool empty[IX_COUNT];   /* known to hold nothing */
	bool thinned[IX_COUNT]; /* something was deleted in this transaction */
	struct room got[IX_COUNT];      /* of idb_get() */
	struct iter_room iters[ITERS];
	uint8_t *bulk;          /* INDEX_BULK_MAX bytes */
	bool bulk_busy;
	atomic_bool full;       /* the disk was full when the environment became unusable */
	/* the thread that writes checkpoints, made when it is first needed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool have_thread;
	/* under lock: */
	bool busy, stop;
	unsigned kbytes;
	int result;             /* of the last one, of Berkeley DB */
};

static const char *const names[IX_COUNT] = {
	[IX_META] = "meta", [IX_BODY] = "body", [IX_FILE] = "file", [IX_DEAD] = "dead",
	[IX_SUMMARY] = "summary", [IX_QUEUE] = "queue", [IX_RCPT] = "rcpt", [IX_DUE] = "due",
	[IX_ADDED] = "added", [IX_TRACE] = "trace", [IX_ACCOUNT] = "account", [IX_NAME] = "name",
	[IX_MAILBOX] = "mailbox", [IX_ROW] = "row", [IX_VANISHED] = "vanished", [IX_SEGMENT] = "segment",
};

const char *index_table_name(enum index_table t)
{
	return (unsigned)t < IX_COUNT ? names[t] : "unknown";
}

static void on_message(const DB_ENV *env, const char *prefix, const char *msg)
{
	(void)env;
	(void)prefix;
	log_warn("index: %s", msg);
}

/* DB_RUNRECOVERY is all that callers of Berkeley DB get to see; the reason is only told here. */
static void on_event(DB_ENV *env, u_int32_t event, void *info)
{
	struct index_db *ix = env->app_private;

	if (event == DB_EVENT_PANIC && info != NULL && (*(int *)info == ENOSPC || *(int *)info == EDQUOT))
		ix->full = true;
}

static int map_error(int e)
{
	switch (e) {
	case 0:
		return 0;
	case DB_NOTFOUND:
	case DB_KEYEMPTY:
		return ERR_NOTFOUND;
	case ENOMEM:
		return ERR_NOMEM;
	case ENOSPC:
	case EDQUOT:
		errno = e;
		return ERR_FULL;
	case DB_RUNRECOVERY:
	case DB_VERIFY_BAD:
	case DB_OLD_VERSION:
	case DB_VERSION_MISMATCH:
	case DB_PAGE_NOTFOUND:
	case EINVAL:
		return ERR_CORRUPT;
	default:
		if (e > 0)
			errno = e;
		return ERR_IO;
	}
}

static DBT dbt_of(struct slice s)
{
	static uint8_t empty;

	return (DBT){ .data = (void *)(uintptr_t)(s.p != NULL ? s.p : &empty), .size = (u_int32_t)s.len };
}

static struct slice slice_of_dbt(const DBT *d)
{
	return slice_of(d->data, d->size);
}

static int room_grow(struct room *m, size_t n)
{
	size_t cap = m->cap != 0 ? m->cap : 256;
	uint8_t *p;

	while (cap < n)
		cap *= 2;
	if (cap == m->cap)
		return 0;
	if ((p = realloc(m->p, cap)) == NULL)
		return ENOMEM;
	m->p = p;
	m->cap = cap;
	return 0;
}

static void room_free(struct room *m)
{
	free(m->p);
	*m = (struct room){ 0 };
}

static DBT dbt_room(const struct room *m)
{
	return (DBT){ .data = m->p, .ulen = (u_int32_t)m->cap, .flags = DB_DBT_USERMEM };
}

static int open_env(struct index_db *ix, const struct index_conf *conf)
{
	uint64_t cache = conf->cache_bytes < 1048576 ? 1048576 : conf->cache_bytes;
	int e;

	if ((e = db_env_create(&ix->env, 0)) != 0)
		return e;
	ix->env->set_errcall(ix->env, on_message);
	ix->env->app_private = ix;
	if ((e = ix->env->set_event_notify(ix->env, on_event)) != 0 ||
	    (e = ix->env->set_cachesize(ix->env, (u_int32_t)(cache >> 30), (u_int32_t)(cache & 0x3fffffff), 1)) != 0 ||
	    (e = ix->env->set_lg_bsize(ix->env, LOG_BUFFER)) != 0 ||
	    (e = ix->env->set_lg_max(ix->env, LOG_FILE_MAX)) != 0 ||
	    (e = ix->env->log_set_config(ix->env, DB_LOG_AUTO_REMOVE, 1)) != 0 ||
	    (e = ix->env->set_flags(ix->env, DB_TXN_NOSYNC, 1)) != 0)
		return e;
	return ix->env->open(ix->env, conf->home, DB_CREATE | DB_PRIVATE | DB_RECOVER | DB_INIT_MPOOL |
	    DB_INIT_LOG | DB_INIT_TXN | DB_THREAD, 0600);
}

static int open_tables(struct index_db *ix)
{
	int e = 0;

	for (unsigned t = 0; e == 0 && t < IX_COUNT; t++) {
		char file[32];

		(void)snprintf(file, sizeof(file), "%s.db", names[t]);
		if ((e = db_create(&ix->db[t], ix->env, 0)) == 0 &&
		    (e = ix->db[t]->set_pagesize(ix->db[t], t == IX_SUMMARY ? SUMMARY_PAGE : PAGE_SIZE)) == 0 &&
		    (e = ix->db[t]->set_flags(ix->db[t], DB_CHKSUM)) == 0)
			e = ix->db[t]->open(ix->db[t], NULL, file, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
	}
	return e;
}

/* What failed to open and is not known to be whole is ERR_CORRUPT; what lacks a resource is not. */
static int open_error(const struct index_db *ix, int e)
{
	if (e == EACCES || e == EROFS || e == EMFILE)
		return ERR_IO;
	if (ix->full)
		return ERR_FULL;
	return e < 0 || e == EINVAL || e == EIO ? ERR_CORRUPT : map_error(e);
}

/* Sets empty[t] from what is there. */
static int look_empty(struct index_db *ix, enum index_table t)
{
	DBT k = { .flags = DB_DBT_USERMEM }, v = { .flags = DB_DBT_USERMEM | DB_DBT_PARTIAL };
	DBC *c;
	int e, e2;

	if ((e = ix->db[t]->cursor(ix->db[t], ix->txn, &c, 0)) != 0)
		return e;
	e = c->get(c, &k, &v, DB_FIRST);
	ix->empty[t] = e == DB_NOTFOUND;
	e2 = c->close(c);
	/* There is no room for a key. */
	return e != 0 && e != DB_NOTFOUND && e != DB_BUFFER_SMALL ? e : e2;
}

int idb_open(struct index_db **ix_r, const struct index_conf *conf)
{
	struct index_db *ix;
	int e, r;

	if (mkdir(conf->home, 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	if ((ix = calloc(1, sizeof(*ix))) == NULL || (ix->bulk = malloc(INDEX_BULK_MAX)) == NULL) {
		free(ix);
		return ERR_NOMEM;
	}
	(void)pthread_mutex_init(&ix->lock, NULL);
	(void)pthread_cond_init(&ix->wake, NULL);
	if ((e = open_env(ix, conf)) == 0)
		e = open_tables(ix);
	for (unsigned t = 0; e == 0 && t < IX_COUNT; t++)
		e = look_empty(ix, (enum index_table)t);
	if (e != 0) {
		log_warn("index: cannot be opened: %s", db_strerror(e));
		r = open_error(ix, e);
		idb_close(&ix, false);
		return r;
	}
	*ix_r = ix;
	return 0;
}

void idb_close(struct index_db **ixp, bool checkpoint)
{
	struct index_db *ix = *ixp;

	if (ix == NULL)
		return;
	if (ix->have_thread) {
		(void)pthread_mutex_lock(&ix->lock);
		ix->stop = true;
		(void)pthread_cond_broadcast(&ix->wake);
		(void)pthread_mutex_unlock(&ix->lock);
		(void)pthread_join(ix->thread, NULL);
	}
	idb_abort(ix);
	if (checkpoint && ix->env != NULL)
		(void)ix->env->txn_checkpoint(ix->env, 0, 0, DB_FORCE);
	for (unsigned t = 0; t < IX_COUNT; t++)
		if (ix->db[t] != NULL)
			(void)ix->db[t]->close(ix->db[t], checkpoint ? 0 : DB_NOSYNC);
	if (ix->env != NULL)
		(void)ix->env->close(ix->env, 0);
	(void)pthread_cond_destroy(&ix->wake);
	(void)pthread_mutex_destroy(&ix->lock);
	for (unsigned t = 0; t < IX_COUNT; t++)
		room_free(&ix->got[t]);
	for (unsigned i = 0; i < ITERS; i++) {
		room_free(&ix->iters[i].key);
		room_free(&ix->iters[i].val);
	}
	free(ix->bulk);
	free(ix);
	*ixp = NULL;
}

/* ---- one transaction at a time ---- */

int idb_begin(struct index_db *ix)
{
	memset(ix->thinned, 0, sizeof(ix->thinned));
	return map_error(ix->env->txn_begin(ix->env, NULL, &ix->txn, DB_TXN_NOSYNC));
}

bool idb_in_txn(const struct index_db *ix)
{
	return ix->txn != NULL;
}

int idb_commit(struct index_db *ix)
{
	DB_TXN *txn = ix->txn;
	int e;

	ix->txn = NULL;
	e = txn->commit(txn, DB_TXN_NOSYNC);
	for (unsigned t = 0; e == 0 && t < IX_COUNT; t++)
		if (ix->thinned[t])
			e = look_empty(ix, (enum index_table)t);
	return map_error(e);
}

void idb_abort(struct index_db *ix)
{
	DB_TXN *txn = ix->txn;
	int e;

	ix->txn = NULL;
	if (txn != NULL && (e = txn->abort(txn)) != 0)
		log_error("index: a transaction cannot be undone: %s", db_strerror(e));
}

int idb_put(struct index_db *ix, enum index_table t, struct slice key, struct slice val)
{
	DBT k = dbt_of(key), v = dbt_of(val);

	ix->empty[t] = false;
	return map_error(ix->db[t]->put(ix->db[t], ix->txn, &k, &v, 0));
}

int idb_del(struct index_db *ix, enum index_table t, struct slice key)
{
	DBT k = dbt_of(key);

	if (ix->empty[t])
		return ERR_NOTFOUND;
	ix->thinned[t] = true;
	return map_error(ix->db[t]->del(ix->db[t], ix->txn, &k, 0));
}

/* ---- reading ---- */

int idb_get(struct index_db *ix, enum index_table t, struct slice key, struct slice *val_r)
{
	struct room *m = &ix->got[t];
	DBT k = dbt_of(key), v = dbt_room(m);
	int e;

	if (ix->empty[t])
		return ERR_NOTFOUND;
	e = ix->db[t]->get(ix->db[t], ix->txn, &k, &v, 0);
	if (e == DB_BUFFER_SMALL && (e = room_grow(m, v.size)) == 0) {
		v = dbt_room(m);
		e = ix->db[t]->get(ix->db[t], ix->txn, &k, &v, 0);
	}
	if (e == 0)
		*val_r = slice_of_dbt(&v);
	return map_error(e);
}

int idb_find(struct index_db *ix, enum index_table t, struct slice key)
{
	DBT k = dbt_of(key);

	return ix->empty[t] ? ERR_NOTFOUND : map_error(ix->db[t]->exists(ix->db[t], ix->txn, &k, 0));
}

int idb_iter_open(struct index_db *ix, enum index_table t, struct slice from, size_t bulk, struct idb_iter *it_r)
{
	*it_r = (struct idb_iter){ .ix = ix, .from = from };
	if (ix->empty[t])
		return 0;
	for (unsigned i = 0; i < ITERS && it_r->room == NULL; i++)
		if (!ix->iters[i].busy)
			it_r->room = &ix->iters[i];
	if (it_r->room == NULL && (it_r->room = calloc(1, sizeof(*it_r->room))) == NULL)
		return ERR_NOMEM;
	it_r->room->busy = true;
	if (bulk != 0 && !ix->bulk_busy) {
		bulk = (bulk + BULK_FIRST - 1) / BULK_FIRST * BULK_FIRST;
		it_r->bulk_max = (uint32_t)(bulk < INDEX_BULK_MAX ? bulk : INDEX_BULK_MAX);
		it_r->bulk = BULK_FIRST;
		ix->bulk_busy = true;
	}
	return map_error(ix->db[t]->cursor(ix->db[t], ix->txn, (DBC **)&it_r->cursor, 0));
}

/* The next pair, or the first at or after from; how: or'ed to the direction. DB_BUFFER_SMALL: in bulk, the pair is too
 * large, the cursor is where it was. */
static int fetch(struct idb_iter *it, DBT *k, DBT *v, u_int32_t how)
{
	struct iter_room *m = it->room;
	DBC *c = it->cursor;
	int e = 0;

	for (;;) {
		u_int32_t dir = it->begun ? DB_NEXT : it->from.len != 0 ? DB_SET_RANGE : DB_FIRST;

		if ((e = room_grow(&m->key, it->from.len)) != 0)
			return e;
		*k = dbt_room(&m->key);
		if (dir == DB_SET_RANGE) {
			memcpy(m->key.p, it->from.p, it->from.len);
			k->size = (u_int32_t)it->from.len;
		}
		if (how == 0)
			*v = dbt_room(&m->val);
		e = c->get(c, k, v, dir | how);
		/* The cursor is where it was. */
		if (e != DB_BUFFER_SMALL)
			break;
		if (k->size <= k->ulen && how != 0)
			return e;
		if (k->size <= k->ulen && v->size <= v->ulen)
			return ENOMEM;
		if ((e = room_grow(&m->key, k->size)) != 0 || (how == 0 && (e = room_grow(&m->val, v->size)) != 0))
			return e;
	}
	it->begun = true;
	return e;
}

/* The next pair of those that were read in one piece; DB_BUFFER_SMALL: it does not fit into one. */
static int next_bulk(struct idb_iter *it, struct slice *key_r, struct slice *val_r)
{
	DBT k, v = { .data = it->ix->bulk, .flags = DB_DBT_USERMEM };

	for (;;) {
		void *kp, *vp;
		size_t kn, vn;
		int e;

		if (it->page != NULL) {
			DB_MULTIPLE_KEY_NEXT(it->page, &v, kp, kn, vp, vn);
			if (it->page != NULL) {
				*key_r = slice_of(kp, kn);
				*val_r = slice_of(vp, vn);
				return 0;
			}
		}
		v.ulen = it->bulk;
		if ((e = fetch(it, &k, &v, DB_MULTIPLE_KEY)) != 0)
			return e;
		it->bulk = it->bulk < it->bulk_max / 4 ? it->bulk * 4 : it->bulk_max;
		DB_MULTIPLE_INIT(it->page, &v);
	}
}

int idb_iter_next(struct idb_iter *it, struct slice *key_r, struct slice *val_r)
{
	DBT k, v;
	int e;

	if (it->cursor == NULL)
		return ERR_NOTFOUND;
	if (it->bulk != 0 && (e = next_bulk(it, key_r, val_r)) != DB_BUFFER_SMALL)
		return map_error(e);
	if ((e = fetch(it, &k, &v, 0)) == 0) {
		*key_r = slice_of_dbt(&k);
		*val_r = slice_of_dbt(&v);
	}
	return map_error(e);
}

int idb_iter_close(struct idb_iter *it)
{
	DBC *c = it->cursor;
	struct iter_room *m = it->room;
	bool pooled = m >= it->ix->iters && m < it->ix->iters + ITERS;

	if (it->bulk != 0)
		it->ix->bulk_busy = false;
	if (m != NULL) {
		m->busy = false;
		if (!pooled) {
			room_free(&m->key);
			room_free(&m->val);
			free(m);
		}
	}
	it->room = NULL;
	it->cursor = NULL;
	return c != NULL ? map_error(c->close(c)) : 0;
}

/* ---- checkpoints ---- */

static void *checkpointer(void *arg)
{
	struct index_db *ix = arg;

	(void)pthread_mutex_lock(&ix->lock);
	for (;;) {
		unsigned kbytes;
		int e;

		while (!ix->busy && !ix->stop)
			(void)pthread_cond_wait(&ix->wake, &ix->lock);
		if (ix->stop)
			break;
		kbytes = ix->kbytes;
		(void)pthread_mutex_unlock(&ix->lock);
		e = ix->env->txn_checkpoint(ix->env, kbytes, 0, 0);
		(void)pthread_mutex_lock(&ix->lock);
		ix->result = e;
		ix->busy = false;
		(void)pthread_cond_broadcast(&ix->wake);
	}
	(void)pthread_mutex_unlock(&ix->lock);
	return NULL;
}

/* Signals are the loop's. */
static int thread_start(struct index_db *ix)
{
	sigset_t all, old;
	int e;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&ix->thread, NULL, checkpointer, ix);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	ix->have_thread = e == 0;
	return e == 0 ? 0 : ERR_NOMEM;
}

int idb_checkpoint_start(struct index_db *ix, unsigned kbytes)
{
	int e, r;

	if (!ix->have_thread && (r = thread_start(ix)) != 0)
		return r;
	(void)pthread_mutex_lock(&ix->lock);
	e = ix->result;
	ix->result = 0;
	if (!ix->busy && e == 0) {
		ix->busy = true;
		ix->kbytes = kbytes;
		(void)pthread_cond_broadcast(&ix->wake);
	}
	(void)pthread_mutex_unlock(&ix->lock);
	return map_error(e);
}

int idb_checkpoint(struct index_db *ix)
{
	if (ix->have_thread) {
		(void)pthread_mutex_lock(&ix->lock);
		while (ix->busy)
			(void)pthread_cond_wait(&ix->wake, &ix->lock);
		(void)pthread_mutex_unlock(&ix->lock);
	}
	return map_error(ix->env->txn_checkpoint(ix->env, 0, 0, DB_FORCE));
}

void index_set_fsync(int (*fn)(int fd))
{
	(void)db_env_set_func_fsync(fn);
}
