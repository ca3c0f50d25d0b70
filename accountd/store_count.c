#include "accountd/store_internal.h"

#include "common/base/clock.h"

/* The store's own secrets, and the counts of failed logins. */

static const struct slice secrets_key = SLICE_LIT("S");

static int make_secrets(struct store *st)
{
	struct record_secrets s = { .version = RECORD_VERSION };
	int r;

	random_fill(st->salt_key, sizeof(st->salt_key));
	random_fill(st->count_key, sizeof(st->count_key));
	s.salt_key = slice_of(st->salt_key, sizeof(st->salt_key));
	s.count_key = slice_of(st->count_key, sizeof(st->count_key));
	if ((r = kv_begin(st->kv)) != 0)
		return r;
	STORE_PUT(st, secrets, secrets_key, &s, false);
	return kv_end(st->kv, r);
}

int store_load_secrets(struct store *st)
{
	struct record_secrets s;
	struct kv_value v;
	int r = kv_get(st->kv, secrets_key, &v);

	if (r == ERR_NOTFOUND)
		return make_secrets(st);
	if (r == 0)
		STORE_DECODE(secrets, slice_of(v.p, v.len), &s);
	if (r == 0 && (s.salt_key.len != sizeof(st->salt_key) || s.count_key.len != sizeof(st->count_key)))
		r = ERR_CORRUPT;
	if (r == 0) {
		memcpy(st->salt_key, s.salt_key.p, sizeof(st->salt_key));
		memcpy(st->count_key, s.count_key.p, sizeof(st->count_key));
	}
	explicit_bzero(&v, sizeof(v));
	return r;
}

struct slice store_count_key(const struct store *st)
{
	return slice_of(st->count_key, sizeof(st->count_key));
}

static int put_count(struct store *st, const struct store_count *c)
{
	struct record_count rec = { .version = RECORD_VERSION, .key = c->key, .failures = c->failures, .last = c->last,
		.text = slice_sub(slice_cstr(c->text), 0, 64) };
	struct key k = { .p = { 'T', c->table }, .len = 2 };
	uint8_t slot[4];
	int r;

	put_be32(slot, c->slot);
	key_add(&k, slice_of(slot, sizeof(slot)), false);
	if (c->failures == 0) {
		r = kv_del(st->kv, key_slice(&k));
		return r == ERR_NOTFOUND ? 0 : r;
	}
	STORE_PUT(st, count, key_slice(&k), &rec, true);
	return r;
}

int store_count_put(struct store *st, const struct store_count *c, unsigned n)
{
	int r = kv_begin_lazy(st->kv);

	if (r != 0)
		return r;
	for (unsigned i = 0; i < n && r == 0; i++)
		r = put_count(st, &c[i]);
	return kv_end(st->kv, r);
}

struct count_scan {
	store_count_fn *fn;
	void *ctx;
};

static int each_count(void *ctx, struct slice key, struct slice value)
{
	struct count_scan *s = ctx;
	struct store_count c = { 0 };
	struct record_count rec;
	int r;

	if (key.len != 6)
		return ERR_CORRUPT;
	STORE_DECODE(count, value, &rec);
	if (r != 0)
		return r;
	c.table = key.p[1];
	c.slot = get_be32(key.p + 2);
	c.key = rec.key;
	c.failures = rec.failures;
	c.last = rec.last;
	if (slice_to_cstr(rec.text, c.text, sizeof(c.text)) != 0)
		return ERR_CORRUPT;
	return s->fn(s->ctx, &c);
}

int store_count_each(struct store *st, store_count_fn *fn, void *ctx)
{
	static const struct slice prefix = SLICE_LIT("T");
	struct count_scan s = { .fn = fn, .ctx = ctx };

	return kv_scan(st->kv, prefix, false, prefix, each_count, &s);
}
