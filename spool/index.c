/*
 * The tables in Berkeley DB 5.3. Nothing else in the tree includes db.h.
 *
 * DB_PRIVATE and no locking subsystem: one process, one thread, so there are no
 * locks to run out of, however many rows one transaction changes. Commits use
 * DB_TXN_NOSYNC; write-ahead logging still holds, so that recovery always finds a
 * whole commit. An error that leaves the environment unusable (DB_RUNRECOVERY) is
 * ERR_CORRUPT: the caller gives up and starts anew. While it is opened the reason
 * is looked at: a disk that is full damages nothing.
 */
#include "spool/index.h"

#include <db.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/log.h"

enum {
	LOG_BUFFER = 2 * 1024 * 1024, LOG_FILE_MAX = 32 * 1024 * 1024,
	BULK_SIZE = 256 * 1024, PAGE_SIZE = 4096,
};

struct spool_index {
	DB_ENV *env;
	DB_TXN *txn;
	DB *db[IX_COUNT];
	uint8_t *bulk;          /* BULK_SIZE bytes */
	bool bulk_busy;
	bool full;              /* the disk was full when the environment became unusable */
	index_watch_fn *watch;  /* may be NULL */
	void *watch_ctx;
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
	struct spool_index *ix = env->app_private;

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

static int open_env(struct spool_index *ix, const struct index_conf *conf)
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
	    DB_INIT_LOG | DB_INIT_TXN, 0600);
}

static int open_tables(struct spool_index *ix)
{
	int e = 0;

	for (unsigned t = 0; e == 0 && t < IX_COUNT; t++) {
		char file[32];

		(void)snprintf(file, sizeof(file), "%s.db", names[t]);
		if ((e = db_create(&ix->db[t], ix->env, 0)) == 0 &&
		    (e = ix->db[t]->set_pagesize(ix->db[t], PAGE_SIZE)) == 0 &&
		    (e = ix->db[t]->set_flags(ix->db[t], DB_CHKSUM)) == 0)
			e = ix->db[t]->open(ix->db[t], NULL, file, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
	}
	return e;
}

/* What failed to open and is not known to be whole is ERR_CORRUPT; what lacks a resource is not. */
static int open_error(const struct spool_index *ix, int e)
{
	if (e == EACCES || e == EROFS || e == EMFILE)
		return ERR_IO;
	if (ix->full)
		return ERR_FULL;
	return e < 0 || e == EINVAL || e == EIO ? ERR_CORRUPT : map_error(e);
}

int index_open(struct spool_index **ix_r, const struct index_conf *conf)
{
	struct spool_index *ix;
	int e, r;

	if (mkdir(conf->home, 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	if ((ix = calloc(1, sizeof(*ix))) == NULL || (ix->bulk = malloc(BULK_SIZE)) == NULL) {
		free(ix);
		return ERR_NOMEM;
	}
	if ((e = open_env(ix, conf)) == 0)
		e = open_tables(ix);
	if (e != 0) {
		log_warn("index: cannot be opened: %s", db_strerror(e));
		r = open_error(ix, e);
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
	index_abort(ix);
	if (checkpoint && ix->env != NULL)
		(void)ix->env->txn_checkpoint(ix->env, 0, 0, DB_FORCE);
	for (unsigned t = 0; t < IX_COUNT; t++)
		if (ix->db[t] != NULL)
			(void)ix->db[t]->close(ix->db[t], checkpoint ? 0 : DB_NOSYNC);
	if (ix->env != NULL)
		(void)ix->env->close(ix->env, 0);
	free(ix->bulk);
	free(ix);
	*ixp = NULL;
}

int index_begin(struct spool_index *ix)
{
	return map_error(ix->env->txn_begin(ix->env, NULL, &ix->txn, DB_TXN_NOSYNC));
}

int index_commit(struct spool_index *ix)
{
	DB_TXN *txn = ix->txn;

	ix->txn = NULL;
	return map_error(txn->commit(txn, DB_TXN_NOSYNC));
}

void index_abort(struct spool_index *ix)
{
	DB_TXN *txn = ix->txn;
	int e;

	ix->txn = NULL;
	if (txn != NULL && (e = txn->abort(txn)) != 0)
		log_error("index: a transaction cannot be undone: %s", db_strerror(e));
}

int index_get(struct spool_index *ix, enum index_table t, struct slice key, struct arena *a, struct slice *val_r)
{
	DBT k = dbt_of(key), v = { 0 };
	int e = ix->db[t]->get(ix->db[t], ix->txn, &k, &v, 0);

	if (e != 0)
		return map_error(e);
	*val_r = arena_dup(a, slice_of_dbt(&v));
	return val_r->p != NULL ? 0 : ERR_NOMEM;
}

int index_find(struct spool_index *ix, enum index_table t, struct slice key)
{
	DBT k = dbt_of(key);

	return map_error(ix->db[t]->exists(ix->db[t], ix->txn, &k, 0));
}

void index_watch(struct spool_index *ix, index_watch_fn *fn, void *ctx)
{
	ix->watch = fn;
	ix->watch_ctx = ctx;
}

static void before_change(struct spool_index *ix, enum index_table t, struct slice key)
{
	if (ix->watch != NULL)
		ix->watch(ix->watch_ctx, t, key);
}

int index_put(struct spool_index *ix, enum index_table t, struct slice key, struct slice val)
{
	DBT k = dbt_of(key), v = dbt_of(val);

	before_change(ix, t, key);
	return map_error(ix->db[t]->put(ix->db[t], ix->txn, &k, &v, 0));
}

int index_del(struct spool_index *ix, enum index_table t, struct slice key)
{
	DBT k = dbt_of(key);

	before_change(ix, t, key);
	return map_error(ix->db[t]->del(ix->db[t], ix->txn, &k, 0));
}

static bool has_prefix(struct slice key, struct slice prefix)
{
	return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.p, prefix.p, prefix.len) == 0);
}

/* A positioned key is copied by the library into its own memory, so &k may point into the caller's. */
static int cursor_open(struct spool_index *ix, enum index_table t, DBC **c_r)
{
	return ix->db[t]->cursor(ix->db[t], ix->txn, c_r, 0);
}

int index_del_prefix(struct spool_index *ix, enum index_table t, struct slice prefix, size_t max, size_t *n_r)
{
	DBT k = dbt_of(prefix), v = { 0 };
	DBC *c;
	int e, e2;

	*n_r = 0;
	if ((e = cursor_open(ix, t, &c)) != 0)
		return map_error(e);
	e = c->get(c, &k, &v, prefix.len != 0 ? DB_SET_RANGE : DB_FIRST);
	while (e == 0 && *n_r < max && has_prefix(slice_of_dbt(&k), prefix)) {
		before_change(ix, t, slice_of_dbt(&k));
		if ((e = c->del(c, 0)) != 0)
			break;
		++*n_r;
		e = c->get(c, &k, &v, DB_NEXT);
	}
	e2 = c->close(c);
	if (e == DB_NOTFOUND)
		e = 0;
	return map_error(e != 0 ? e : e2);
}

static int scan_single(DBC *c, struct slice prefix, struct slice from, index_scan_fn *fn, void *ctx)
{
	DBT k = dbt_of(from), v = { 0 };
	int e = c->get(c, &k, &v, from.len != 0 ? DB_SET_RANGE : DB_FIRST), r;

	for (; e == 0; e = c->get(c, &k, &v, DB_NEXT)) {
		if (!has_prefix(slice_of_dbt(&k), prefix))
			return 0;
		if ((r = fn(ctx, slice_of_dbt(&k), slice_of_dbt(&v))) != 0)
			return r;
	}
	return e == DB_NOTFOUND ? 0 : map_error(e);
}

static int scan_page(const DBT *v, struct slice prefix, bool *end_r, index_scan_fn *fn, void *ctx)
{
	void *p;
	int r;

	DB_MULTIPLE_INIT(p, v);
	for (;;) {
		void *kp, *vp;
		size_t kn, vn;
		struct slice key;

		DB_MULTIPLE_KEY_NEXT(p, v, kp, kn, vp, vn);
		if (p == NULL)
			return 0;
		key = slice_of(kp, kn);
		if (!has_prefix(key, prefix)) {
			*end_r = true;
			return 0;
		}
		if ((r = fn(ctx, key, slice_of(vp, vn))) != 0)
			return r;
	}
}

static int scan_bulk(struct spool_index *ix, DBC *c, struct slice prefix, struct slice from, index_scan_fn *fn, void *ctx)
{
	DBT k = dbt_of(from), v = { .data = ix->bulk, .ulen = BULK_SIZE, .flags = DB_DBT_USERMEM };
	bool end = false;
	int e, r = 0;

	e = c->get(c, &k, &v, (from.len != 0 ? DB_SET_RANGE : DB_FIRST) | DB_MULTIPLE_KEY);
	while (e == 0) {
		if ((r = scan_page(&v, prefix, &end, fn, ctx)) != 0 || end)
			return r;
		e = c->get(c, &k, &v, DB_NEXT | DB_MULTIPLE_KEY);
	}
	return e == DB_NOTFOUND ? 0 : map_error(e);
}

int index_scan(struct spool_index *ix, enum index_table t, struct slice prefix, struct slice from, bool bulk,
    index_scan_fn *fn, void *ctx)
{
	DBC *c;
	int e, r;

	if (from.len == 0)
		from = prefix;
	if ((e = cursor_open(ix, t, &c)) != 0)
		return map_error(e);
	if (bulk && !ix->bulk_busy) {
		ix->bulk_busy = true;
		r = scan_bulk(ix, c, prefix, from, fn, ctx);
		ix->bulk_busy = false;
	} else {
		r = scan_single(c, prefix, from, fn, ctx);
	}
	e = c->close(c);
	return r != 0 ? r : map_error(e);
}

int index_checkpoint(struct spool_index *ix, unsigned kbytes)
{
	return map_error(ix->env->txn_checkpoint(ix->env, kbytes, 0, kbytes == 0 ? DB_FORCE : 0));
}

void index_set_fsync(int (*fn)(int fd))
{
	(void)db_env_set_func_fsync(fn);
}
