#ifndef PABAL_ACCOUNTD_STORE_INTERNAL_H
#define PABAL_ACCOUNTD_STORE_INTERNAL_H

#include "accountd/kv.h"
#include "accountd/record.h"
#include "accountd/store.h"

/* Shared by the store*.c files only. */

struct store {
	struct kv *kv;
	uint8_t salt_key[32], count_key[16];
};

struct key {
	uint8_t p[KV_KEY_MAX];
	size_t len;
};

static inline struct slice key_slice(const struct key *k) { return slice_of(k->p, k->len); }
/* Appends part and a NUL; parts are limited by the parsers of their text, too much gives a key that matches nothing. */
void key_add(struct key *k, struct slice part, bool end);
struct key key_domain(char type, struct slice domain);
struct key key_name(char type, const struct name *n);

/* r if it is not 0, ERR_VERSION, ERR_CORRUPT; after a log line. */
int store_decoded(const struct cursor *c, int r, uint8_t version, uint8_t want, const char *what) MUST_CHECK;

/* Both set r. */
#define STORE_DECODE_AS(T, want, value, rec) \
	do { \
		struct cursor c_ = cursor_of(value); \
		int d_ = record_##T##_decode(&c_, NULL, rec); \
		r = store_decoded(&c_, d_, (rec)->version, want, #T); \
	} while (0)
#define STORE_DECODE(T, value, rec) STORE_DECODE_AS(T, RECORD_VERSION, value, rec)

#define STORE_PUT(st, T, key, rec, replace) \
	do { \
		struct buf b_ = BUF_INIT_SECRET(KV_VALUE_MAX); \
		record_##T##_encode(&b_, rec); \
		if ((r = buf_err(&b_)) == 0) \
			r = kv_put((st)->kv, key, buf_slice(&b_), replace); \
		buf_free(&b_); \
	} while (0)

/* Records of store.c; slices in the records point into v. */
int store_get_meta(struct store *st, struct kv_value *v, struct record_meta *m_r) MUST_CHECK;
int store_put_meta(struct store *st, const struct record_meta *m) MUST_CHECK;
int store_get_domain(struct store *st, struct slice domain, struct kv_value *v, struct record_domain *d_r) MUST_CHECK;
int store_put_domain(struct store *st, struct slice domain, const struct record_domain *d, bool replace) MUST_CHECK;
/* Of either version. */
int store_decode_user(struct slice value, struct record_user *u_r) MUST_CHECK;
/* Reads the store's own random keys, or makes them. */
int store_load_secrets(struct store *st) MUST_CHECK;

/* For store_each(): keeps the item of the smallest number. */
struct oldest {
	uint64_t number;        /* 0: none yet */
	struct name name;       /* of a user; of a domain the local part is its name */
};
int store_oldest_item(void *ctx, const struct store_item *item);

#endif
