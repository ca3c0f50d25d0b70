#include "accountd/kv.h"

#include <db.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"

enum { CACHE_BYTES = 8 * 1024 * 1024, LOG_FILE_BYTES = 4 * 1024 * 1024, LOG_BUFFER_BYTES = 256 * 1024, PAGE_BYTES = 4096 };

struct kv {
	DB_ENV *env;
	DB *db;
	DB_TXN *txn;
	bool lazy;              /* of the transaction */
	bool broken;
};

static void on_message(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	log_error("account store: %s", text);
}

static int to_err(struct kv *kv, int ret, const char *what)
{
	switch (ret) {
	case 0:
		return 0;
	case DB_NOTFOUND:
		return ERR_NOTFOUND;
	case DB_KEYEXIST:
		return ERR_EXISTS;
	case DB_BUFFER_SMALL:
		log_error("account store: a value is too large: event=%s", what);
		return ERR_CORRUPT;
	}
	if (ret == DB_RUNRECOVERY)
		kv->broken = true;
	log_error("account store: %s failed: %s", what, db_strerror(ret));
	errno = ret > 0 ? ret : EIO;
	if (ret == ENOSPC || ret == EDQUOT)
		return ERR_FULL;
	return ret == ENOMEM ? ERR_NOMEM : ERR_IO;
}

static int open_env(struct kv *kv, const char *home)
{
	const uint32_t flags = DB_CREATE | DB_PRIVATE | DB_RECOVER | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL;
	int ret;

	if ((ret = db_env_create(&kv->env, 0)) != 0)
		return ret;
	kv->env->set_errcall(kv->env, on_message);
	if ((ret = kv->env->set_cachesize(kv->env, 0, CACHE_BYTES, 1)) != 0 ||
	    (ret = kv->env->set_lg_max(kv->env, LOG_FILE_BYTES)) != 0 ||
	    (ret = kv->env->set_lg_bsize(kv->env, LOG_BUFFER_BYTES)) != 0 ||
	    (ret = kv->env->set_tmp_dir(kv->env, ".")) != 0 ||
	    (ret = kv->env->log_set_config(kv->env, DB_LOG_AUTO_REMOVE, 1)) != 0)
		return ret;
	return kv->env->open(kv->env, home, flags, 0600);
}

static int open_db(struct kv *kv, const char *file)
{
	int ret;

	if ((ret = db_create(&kv->db, kv->env, 0)) != 0)
		return ret;
	if ((ret = kv->db->set_pagesize(kv->db, PAGE_BYTES)) != 0 ||
	    (ret = kv->db->set_flags(kv->db, DB_CHKSUM)) != 0)
		return ret;
	return kv->db->open(kv->db, NULL, file, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
}

int kv_open(struct kv **kv_r, const char *home, const char *file)
{
	struct kv *kv = calloc(1, sizeof(*kv));
	int r;

	if (kv == NULL)
		return ERR_NOMEM;
	if ((r = to_err(kv, open_env(kv, home), "opening the environment")) != 0 ||
	    (r = to_err(kv, open_db(kv, file), "opening the database")) != 0) {
		kv_close(&kv);
		return r == ERR_NOTFOUND || r == ERR_EXISTS ? ERR_IO : r;
	}
	*kv_r = kv;
	return 0;
}

void kv_close(struct kv **kvp)
{
	struct kv *kv = *kvp;

	if (kv == NULL)
		return;
	if (kv->txn != NULL)
		(void)kv->txn->abort(kv->txn);
	if (kv->db != NULL) {
		if (!kv->broken)
			kv_checkpoint(kv);
		(void)kv->db->close(kv->db, 0);
	}
	if (kv->env != NULL)
		(void)kv->env->close(kv->env, 0);
	free(kv);
	*kvp = NULL;
}

bool kv_broken(const struct kv *kv)
{
	return kv->broken;
}

void kv_checkpoint(struct kv *kv)
{
	(void)to_err(kv, kv->env->txn_checkpoint(kv->env, 0, 0, 0), "checkpoint");
}

int kv_begin_lazy(struct kv *kv)
{
	kv->lazy = true;
	return to_err(kv, kv->env->txn_begin(kv->env, NULL, &kv->txn, DB_TXN_WRITE_NOSYNC), "beginning a transaction");
}

int kv_begin(struct kv *kv)
{
	kv->lazy = false;
	return to_err(kv, kv->env->txn_begin(kv->env, NULL, &kv->txn, DB_TXN_SYNC), "beginning a transaction");
}

int kv_end(struct kv *kv, int r)
{
	DB_TXN *txn = kv->txn;

	kv->txn = NULL;
	if (r == 0)
		return to_err(kv, txn->commit(txn, kv->lazy ? DB_TXN_WRITE_NOSYNC : DB_TXN_SYNC), "commit");
	(void)to_err(kv, txn->abort(txn), "abort");
	return r;
}

static DBT dbt_in(struct slice s)
{
	DBT d;

	memset(&d, 0, sizeof(d));
	d.data = (void *)(uintptr_t)s.p;
	d.size = (uint32_t)s.len;
	return d;
}

static DBT dbt_out(void *p, size_t size)
{
	DBT d;

	memset(&d, 0, sizeof(d));
	d.data = p;
	d.ulen = (uint32_t)size;
	d.flags = DB_DBT_USERMEM;
	return d;
}

int kv_get(struct kv *kv, struct slice key, struct kv_value *v_r)
{
	DBT k = dbt_in(key), v = dbt_out(v_r->p, sizeof(v_r->p));
	int r = to_err(kv, kv->db->get(kv->db, kv->txn, &k, &v, 0), "read");

	v_r->len = r == 0 ? v.size : 0;
	return r;
}

int kv_put(struct kv *kv, struct slice key, struct slice value, bool replace)
{
	DBT k = dbt_in(key), v = dbt_in(value);

	if (key.len > KV_KEY_MAX || value.len > KV_VALUE_MAX)
		return ERR_LIMIT;
	return to_err(kv, kv->db->put(kv->db, kv->txn, &k, &v, replace ? 0 : DB_NOOVERWRITE), "write");
}

int kv_del(struct kv *kv, struct slice key)
{
	DBT k = dbt_in(key);

	return to_err(kv, kv->db->del(kv->db, kv->txn, &k, 0), "delete");
}

int kv_scan(struct kv *kv, struct slice from, bool skip_equal, struct slice prefix, kv_scan_fn *fn, void *ctx)
{
	uint8_t key[KV_KEY_MAX], value[KV_VALUE_MAX];
	DBT k = dbt_out(key, sizeof(key)), v = dbt_out(value, sizeof(value));
	uint32_t op = DB_SET_RANGE;
	DBC *cur = NULL;
	int r;

	if (from.len > sizeof(key))
		return ERR_LIMIT;
	if ((r = to_err(kv, kv->db->cursor(kv->db, kv->txn, &cur, 0), "opening a cursor")) != 0)
		return r;
	if (from.len != 0)
		memcpy(key, from.p, from.len);
	k.size = (uint32_t)from.len;
	for (;;) {
		struct slice got;
		bool first = op == DB_SET_RANGE;

		if ((r = to_err(kv, cur->get(cur, &k, &v, op), "scan")) != 0) {
			if (r == ERR_NOTFOUND)
				r = 0;
			break;
		}
		op = DB_NEXT;
		got = slice_of(key, k.size);
		if (!slice_eq(slice_sub(got, 0, prefix.len), prefix))
			break;
		if (first && skip_equal && slice_eq(got, from))
			continue;
		if ((r = fn(ctx, got, slice_of(value, v.size))) != 0)
			break;
	}
	(void)cur->close(cur);
	return r;
}
