#include "accountd/store_internal.h"

#include <stdlib.h>

#include "common/base/log.h"

static const struct slice meta_key = SLICE_LIT("M");

/* ---- keys and records ------------------------------------------------------- */

void key_add(struct key *k, struct slice part, bool end)
{
	if (part.len + 1 > sizeof(k->p) - k->len)
		return;
	if (part.len != 0)
		memcpy(k->p + k->len, part.p, part.len);
	k->len += part.len;
	if (end)
		k->p[k->len++] = '\0';
}

struct key key_domain(char type, struct slice domain)
{
	struct key k = { .len = 1 };

	k.p[0] = (uint8_t)type;
	if (domain.len != 0)
		key_add(&k, domain, true);
	return k;
}

struct key key_name(char type, const struct name *n)
{
	struct key k = key_domain(type, name_domain(n));

	key_add(&k, name_local(n), true);
	return k;
}

int store_decoded(const struct cursor *c, int r, uint8_t version, uint8_t want, const char *what)
{
	if (r == 0 && version != want)
		r = ERR_VERSION;
	else if (r != 0 || (r = cur_end(c)) != 0)
		r = ERR_CORRUPT;
	if (r != 0)
		log_error("account store: a %s record is not understood: reason=%s", what, log_esc(slice_cstr(err_str(r))));
	return r;
}

int store_get_meta(struct store *st, struct kv_value *v, struct record_meta *m_r)
{
	int r = kv_get(st->kv, meta_key, v);

	if (r == ERR_NOTFOUND) {
		*m_r = (struct record_meta){ .version = RECORD_VERSION, .next = 1 };
		return 0;
	}
	if (r == 0)
		STORE_DECODE(meta, slice_of(v->p, v->len), m_r);
	return r;
}

int store_put_meta(struct store *st, const struct record_meta *m)
{
	int r;

	STORE_PUT(st, meta, meta_key, m, true);
	return r;
}

int store_get_domain(struct store *st, struct slice domain, struct kv_value *v, struct record_domain *d_r)
{
	struct key k = key_domain('D', domain);
	int r = kv_get(st->kv, key_slice(&k), v);

	if (r == 0)
		STORE_DECODE(domain, slice_of(v->p, v->len), d_r);
	return r;
}

int store_put_domain(struct store *st, struct slice domain, const struct record_domain *d, bool replace)
{
	struct key k = key_domain('D', domain);
	int r;

	STORE_PUT(st, domain, key_slice(&k), d, replace);
	return r;
}

/* ---- opening --------------------------------------------------------------- */

int store_open(struct store **st_r, const char *home)
{
	struct store *st = calloc(1, sizeof(*st));
	int r;

	if (st == NULL)
		return ERR_NOMEM;
	if ((r = kv_open(&st->kv, home, "accounts.db")) != 0) {
		free(st);
		return r;
	}
	if ((r = store_load_secrets(st)) != 0) {
		store_close(&st);
		return r;
	}
	*st_r = st;
	return 0;
}

void store_close(struct store **st)
{
	if (*st == NULL)
		return;
	kv_close(&(*st)->kv);
	explicit_bzero(*st, sizeof(**st));
	free(*st);
	*st = NULL;
}

bool store_broken(const struct store *st)
{
	return kv_broken(st->kv);
}

void store_checkpoint(struct store *st)
{
	kv_checkpoint(st->kv);
}

/* ---- domains ----------------------------------------------------------------- */

static int domain_add(struct store *st, struct slice domain, uint64_t now, uint64_t *id_r)
{
	struct record_domain d = { .version = RECORD_VERSION, .created = now };
	struct record_meta m;
	struct kv_value v;
	int r;

	if ((r = store_get_meta(st, &v, &m)) != 0)
		return r;
	*id_r = d.id = m.next++;
	if ((r = store_put_domain(st, domain, &d, false)) != 0)
		return r;
	if (m.first_domain.len == 0)
		m.first_domain = domain;
	return store_put_meta(st, &m);
}

int store_domain_add(struct store *st, struct slice domain, uint64_t now, uint64_t *id_r)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, domain_add(st, domain, now, id_r));
}

static int not_empty(void *ctx, struct slice key, struct slice value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return ERR_STATE;
}

static int must_be_empty(struct store *st, char type, struct slice domain)
{
	struct key k = key_domain(type, domain);

	return kv_scan(st->kv, key_slice(&k), false, key_slice(&k), not_empty, NULL);
}

int store_oldest_item(void *ctx, const struct store_item *item)
{
	struct oldest *o = ctx;
	struct slice local, domain;

	if (o->number != 0 && o->number <= item->account)
		return 0;
	o->number = item->account;
	mail_addr_split(item->name, &local, &domain);
	return name_join(local, domain, &o->name);
}

static int domain_delete(struct store *st, struct slice domain)
{
	struct oldest o = { 0 };
	struct key k = key_domain('D', domain);
	struct record_meta m;
	struct kv_value v;
	int r;

	if ((r = kv_del(st->kv, key_slice(&k))) != 0 ||
	    (r = must_be_empty(st, 'U', domain)) != 0 ||
	    (r = must_be_empty(st, 'A', domain)) != 0 ||
	    (r = store_get_meta(st, &v, &m)) != 0)
		return r;
	if (!slice_eq(m.first_domain, domain))
		return 0;
	if ((r = store_each(st, STORE_DOMAINS, slice_of(NULL, 0), slice_of(NULL, 0), store_oldest_item, &o)) != 0)
		return r;
	m.first_domain = name_text(&o.name);
	return store_put_meta(st, &m);
}

int store_domain_delete(struct store *st, struct slice domain)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, domain_delete(st, domain));
}

int store_domain_get(struct store *st, struct slice domain, struct store_domain *d_r)
{
	struct record_domain d;
	struct kv_value v;
	int r;

	if ((r = store_get_domain(st, domain, &v, &d)) != 0)
		return r;
	d_r->id = d.id;
	d_r->created = d.created;
	memset(&d_r->first_user, 0, sizeof(d_r->first_user));
	return d.first_user.len != 0 ? name_join(d.first_user, domain, &d_r->first_user) : 0;
}

int store_domain_first(struct store *st, char out_r[MAIL_DOMAIN_MAX + 1])
{
	struct record_meta m;
	struct kv_value v;
	int r;

	if ((r = store_get_meta(st, &v, &m)) != 0)
		return r;
	if (m.first_domain.len == 0)
		return ERR_NOTFOUND;
	return slice_to_cstr(m.first_domain, out_r, MAIL_DOMAIN_MAX + 1);
}

/* ---- aliases -------------------------------------------------------------------- */

static int alias_add(struct store *st, const struct name *n, struct slice target, uint64_t now)
{
	struct record_alias a = { .version = RECORD_VERSION, .created = now };
	struct key k = key_name('A', n);
	struct record_domain d;
	struct kv_value v;
	int r;

	if ((r = store_get_domain(st, name_domain(n), &v, &d)) != 0)
		return r;
	key_add(&k, target, false);
	STORE_PUT(st, alias, key_slice(&k), &a, false);
	return r;
}

int store_alias_add(struct store *st, const struct name *n, struct slice target, uint64_t now)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, alias_add(st, n, target, now));
}

static int first_key(void *ctx, struct slice key, struct slice value)
{
	struct key *k = ctx;

	(void)value;
	memcpy(k->p, key.p, key.len);
	k->len = key.len;
	return 1;
}

static int alias_delete(struct store *st, const struct name *n, struct slice target, uint64_t *count_r)
{
	struct key prefix = key_name('A', n), k = prefix;
	int r;

	*count_r = 0;
	if (target.len != 0) {
		key_add(&k, target, false);
		*count_r = 1;
		return kv_del(st->kv, key_slice(&k));
	}
	while ((r = kv_scan(st->kv, key_slice(&prefix), false, key_slice(&prefix), first_key, &k)) == 1) {
		if ((r = kv_del(st->kv, key_slice(&k))) != 0)
			return r;
		(*count_r)++;
	}
	return r == 0 && *count_r == 0 ? ERR_NOTFOUND : r;
}

int store_alias_delete(struct store *st, const struct name *n, struct slice target, uint64_t *count_r)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, alias_delete(st, n, target, count_r));
}

/* ---- iterating ---------------------------------------------------------------------- */

struct each {
	enum store_kind kind;
	store_item_fn *fn;
	void *ctx;
	uint64_t count;
};

static const char key_types[] = { [STORE_DOMAINS] = 'D', [STORE_USERS] = 'U', [STORE_ALIASES] = 'A' };

/* Takes a part of a key up to its NUL. */
static struct slice key_part(struct slice *rest)
{
	ptrdiff_t end = slice_chr(*rest, '\0');
	struct slice part = slice_sub(*rest, 0, end < 0 ? rest->len : (size_t)end);

	*rest = slice_sub(*rest, part.len + 1, SIZE_MAX);
	return part;
}

static int item_value(enum store_kind kind, struct slice value, struct store_item *item)
{
	struct record_domain d;
	struct record_user u;
	struct record_alias a;
	int r = 0;

	switch (kind) {
	case STORE_DOMAINS:
		STORE_DECODE(domain, value, &d);
		item->account = d.id;
		item->created = d.created;
		break;
	case STORE_USERS:
		if ((r = store_decode_user(value, &u)) != 0)
			return r;
		item->account = u.account;
		item->created = u.created;
		break;
	case STORE_ALIASES:
		STORE_DECODE(alias, value, &a);
		item->created = a.created;
		break;
	}
	return r;
}

static int each_item(void *ctx, struct slice key, struct slice value)
{
	struct each *e = ctx;
	struct store_item item = { .target = slice_of(NULL, 0) };
	struct slice rest = slice_sub(key, 1, SIZE_MAX), domain = key_part(&rest), local;
	struct name name;
	int r;

	item.name = domain;
	if (e->kind != STORE_DOMAINS) {
		local = key_part(&rest);
		if (name_join(local, domain, &name) != 0)
			return ERR_CORRUPT;
		item.name = name_text(&name);
		item.target = e->kind == STORE_ALIASES ? rest : item.target;
	}
	if ((r = item_value(e->kind, value, &item)) != 0)
		return r;
	e->count++;
	return e->fn(e->ctx, &item);
}

int store_alias_each(struct store *st, const struct name *n, store_item_fn *fn, void *ctx)
{
	struct each e = { .kind = STORE_ALIASES, .fn = fn, .ctx = ctx };
	struct key k = key_name('A', n);
	int r = kv_scan(st->kv, key_slice(&k), false, key_slice(&k), each_item, &e);

	return r == 0 && e.count == 0 ? ERR_NOTFOUND : r;
}

int store_each(struct store *st, enum store_kind kind, struct slice domain, struct slice after,
    store_item_fn *fn, void *ctx)
{
	struct each e = { .kind = kind, .fn = fn, .ctx = ctx };
	struct key prefix = key_domain(key_types[kind], domain), from = prefix;
	ptrdiff_t lf = slice_chr(after, '\n');
	struct slice text = lf < 0 ? after : slice_sub(after, 0, (size_t)lf), local, at;

	if (after.len != 0 && kind == STORE_DOMAINS) {
		from = key_domain('D', text);
	} else if (after.len != 0) {
		mail_addr_split(text, &local, &at);
		from = key_domain(key_types[kind], at);
		key_add(&from, local, true);
		if (lf >= 0)
			key_add(&from, slice_sub(after, (size_t)lf + 1, SIZE_MAX), false);
	}
	return kv_scan(st->kv, key_slice(&from), true, key_slice(&prefix), each_item, &e);
}
