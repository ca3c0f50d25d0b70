#ifndef PABAL_ACCOUNTD_KV_H
#define PABAL_ACCOUNTD_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * An ordered map on disk with transactions: every call of Berkeley DB in accountd is in kv.c,
 * so that another engine can take its place. One thread. Errors: ERR_IO, ERR_FULL, ERR_NOMEM
 * after a log line.
 */
struct kv;

enum { KV_KEY_MAX = 700, KV_VALUE_MAX = 1024 };

struct kv_value {
	size_t len;
	uint8_t p[KV_VALUE_MAX];
};

int kv_open(struct kv **kv_r, const char *home, const char *file) MUST_CHECK;
void kv_close(struct kv **kv);
/* Berkeley DB has given up; only closing and opening anew (which recovers) helps. */
bool kv_broken(const struct kv *kv);
void kv_checkpoint(struct kv *kv);

/* At most one transaction at a time; what follows belongs to it. */
int kv_begin(struct kv *kv) MUST_CHECK;
/* The same, but what it changes need not be on disk when it ends: a crash may lose all of it. */
int kv_begin_lazy(struct kv *kv) MUST_CHECK;
/* Commits (flushed, unless lazy) when r is 0, else undoes. r, or the commit's own error. */
int kv_end(struct kv *kv, int r) MUST_CHECK;

/* ERR_NOTFOUND; ERR_CORRUPT when the value is over KV_VALUE_MAX. */
int kv_get(struct kv *kv, struct slice key, struct kv_value *v_r) MUST_CHECK;
/* ERR_EXISTS unless replace. */
int kv_put(struct kv *kv, struct slice key, struct slice value, bool replace) MUST_CHECK;
/* ERR_NOTFOUND. */
int kv_del(struct kv *kv, struct slice key) MUST_CHECK;

/* Keys from `from` on (without it itself when skip_equal) as long as they begin with prefix, in order.
 * A result of fn other than 0 ends the scan and becomes its result. fn may read, not write. */
typedef int kv_scan_fn(void *ctx, struct slice key, struct slice value);
int kv_scan(struct kv *kv, struct slice from, bool skip_equal, struct slice prefix, kv_scan_fn *fn, void *ctx) MUST_CHECK;

#endif
