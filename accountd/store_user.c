#include "accountd/store_internal.h"

/* Users and their app passwords. */

int store_decode_user(struct slice value, struct record_user *u_r)
{
	struct record_user1 old;
	int r;

	if (value.len == 0 || value.p[0] != 1) {
		STORE_DECODE_AS(user, RECORD_USER_VERSION, value, u_r);
		if (r == 0 && ((u_r->iterations != 0 && u_r->salt.len != SCRAM_SALT_SIZE) || u_r->stored.len != u_r->server.len ||
		    (u_r->stored.len != 0 && (u_r->stored.len != DIGEST_SIZE || u_r->iterations == 0))))
			r = ERR_CORRUPT;
		return r;
	}
	STORE_DECODE_AS(user1, 1, value, &old);
	if (r == 0)
		*u_r = (struct record_user){ .version = RECORD_USER_VERSION, .account = old.account, .created = old.created,
			.hash = old.hash };
	return r;
}

static int get_user(struct store *st, const struct name *n, struct kv_value *v, struct record_user *u_r)
{
	struct key k = key_name('U', n);
	int r = kv_get(st->kv, key_slice(&k), v);

	return r == 0 ? store_decode_user(slice_of(v->p, v->len), u_r) : r;
}

static int put_user(struct store *st, const struct name *n, const struct record_user *u, bool replace)
{
	struct key k = key_name('U', n);
	int r;

	STORE_PUT(st, user, key_slice(&k), u, replace);
	return r;
}

int store_salt(const struct store *st, struct slice name, uint8_t salt_r[SCRAM_SALT_SIZE])
{
	uint8_t out[DIGEST_SIZE];
	int r = digest_hmac(slice_of(st->salt_key, sizeof(st->salt_key)), &name, 1, out);

	if (r == 0)
		memcpy(salt_r, out, SCRAM_SALT_SIZE);
	return r;
}

/* Puts p into the record; salt is the caller's memory. */
static int set_password(const struct store *st, const struct name *n, struct record_user *u,
    const struct store_password *p, uint8_t salt[SCRAM_SALT_SIZE])
{
	int r;

	u->version = RECORD_USER_VERSION;
	u->hash = slice_cstr(p->hash);
	u->stored = u->server = slice_of(NULL, 0);
	if (p->iterations == 0)
		return 0;
	if ((r = store_salt(st, name_text(n), salt)) != 0)
		return r;
	u->salt = slice_of(salt, SCRAM_SALT_SIZE);
	u->iterations = p->iterations;
	u->stored = slice_of(p->keys.stored, sizeof(p->keys.stored));
	u->server = slice_of(p->keys.server, sizeof(p->keys.server));
	return 0;
}

static int user_add(struct store *st, const struct name *n, const struct store_password *p, uint64_t now, uint64_t *account_r)
{
	struct record_user u = { .created = now };
	uint8_t salt[SCRAM_SALT_SIZE];
	struct record_domain d;
	struct record_meta m;
	struct kv_value dv, mv;
	int r;

	if ((r = store_get_domain(st, name_domain(n), &dv, &d)) != 0 || (r = store_get_meta(st, &mv, &m)) != 0 ||
	    (r = set_password(st, n, &u, p, salt)) != 0)
		return r;
	*account_r = u.account = m.next++;
	if ((r = put_user(st, n, &u, false)) != 0 || (r = store_put_meta(st, &m)) != 0)
		return r;
	if (d.first_user.len != 0)
		return 0;
	d.first_user = name_local(n);
	return store_put_domain(st, name_domain(n), &d, true);
}

int store_user_add(struct store *st, const struct name *n, const struct store_password *p, uint64_t now, uint64_t *account_r)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, user_add(st, n, p, now, account_r));
}

static int first_key(void *ctx, struct slice key, struct slice value)
{
	struct key *k = ctx;

	(void)value;
	memcpy(k->p, key.p, key.len);
	k->len = key.len;
	return 1;
}

static int delete_apps(struct store *st, const struct name *n)
{
	struct key prefix = key_name('P', n), k = prefix;
	int r;

	while ((r = kv_scan(st->kv, key_slice(&prefix), false, key_slice(&prefix), first_key, &k)) == 1)
		if ((r = kv_del(st->kv, key_slice(&k))) != 0)
			break;
	return r;
}

static int user_delete(struct store *st, const struct name *n, uint64_t *account_r)
{
	struct oldest o = { 0 };
	struct key k = key_name('U', n);
	struct record_domain d;
	struct record_user u;
	struct kv_value v;
	int r;

	r = get_user(st, n, &v, &u);
	if (r == 0)
		*account_r = u.account;
	explicit_bzero(&v, sizeof(v));
	if (r != 0 || (r = kv_del(st->kv, key_slice(&k))) != 0 || (r = delete_apps(st, n)) != 0 ||
	    (r = store_get_domain(st, name_domain(n), &v, &d)) != 0)
		return r;
	if (!slice_eq(d.first_user, name_local(n)))
		return 0;
	if ((r = store_each(st, STORE_USERS, name_domain(n), slice_of(NULL, 0), store_oldest_item, &o)) != 0)
		return r;
	d.first_user = name_local(&o.name);
	return store_put_domain(st, name_domain(n), &d, true);
}

int store_user_delete(struct store *st, const struct name *n, uint64_t *account_r)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, user_delete(st, n, account_r));
}

/* ---- app passwords ---------------------------------------------------------------- */

struct app_list {
	struct store_app *a;
	unsigned n;
	unsigned scram;
	uint32_t last_id;
};

static int decode_app(struct slice value, struct record_app *rec)
{
	int r;

	STORE_DECODE(app, value, rec);
	if (r == 0 && (rec->hash.len != DIGEST_SIZE || rec->stored.len != rec->server.len ||
	    (rec->stored.len != 0 && rec->stored.len != DIGEST_SIZE)))
		r = ERR_CORRUPT;
	return r;
}

static int add_app(void *ctx, struct slice key, struct slice value)
{
	struct app_list *l = ctx;
	struct record_app rec;
	struct store_app *a;
	int r;

	if (key.len < 4 || l->n == STORE_APPS_MAX)
		return ERR_CORRUPT;
	if ((r = decode_app(value, &rec)) != 0)
		return r;
	l->last_id = get_be32(key.p + key.len - 4);
	l->scram += rec.stored.len != 0;
	if (l->a != NULL) {
		a = &l->a[l->n];
		memset(a, 0, sizeof(*a));
		a->id = l->last_id;
		a->services = rec.services;
		a->created = rec.created;
		a->used = rec.used;
		a->scram = rec.stored.len != 0;
		memcpy(a->hash, rec.hash.p, DIGEST_SIZE);
		if (a->scram) {
			memcpy(a->keys.stored, rec.stored.p, DIGEST_SIZE);
			memcpy(a->keys.server, rec.server.p, DIGEST_SIZE);
		}
		if (slice_to_cstr(rec.label, a->label, sizeof(a->label)) != 0 ||
		    slice_to_cstr(rec.used_from, a->used_from, sizeof(a->used_from)) != 0)
			return ERR_CORRUPT;
	}
	l->n++;
	return 0;
}

static int scan_apps(struct store *st, const struct name *n, struct app_list *l)
{
	struct key k = key_name('P', n);

	return kv_scan(st->kv, key_slice(&k), false, key_slice(&k), add_app, l);
}

int store_app_list(struct store *st, const struct name *n, struct store_app a_r[STORE_APPS_MAX], unsigned *n_r)
{
	struct app_list l = { .a = a_r };
	int r = scan_apps(st, n, &l);

	*n_r = r == 0 ? l.n : 0;
	return r;
}

static struct key app_key(const struct name *n, uint32_t id)
{
	struct key k = key_name('P', n);
	uint8_t be[4];

	put_be32(be, id);
	key_add(&k, slice_of(be, sizeof(be)), false);
	return k;
}

/* The user's record for keys of so many iterations. */
static int app_iterations(struct store *st, const struct name *n, uint32_t iterations)
{
	uint8_t salt[SCRAM_SALT_SIZE];
	struct record_user u;
	struct kv_value v;
	int r = get_user(st, n, &v, &u);

	if (r == 0 && iterations != 0 && u.iterations != 0 && iterations != u.iterations)
		r = ERR_STATE;
	if (r == 0 && iterations != 0 && u.iterations == 0 && (r = store_salt(st, name_text(n), salt)) == 0) {
		u.salt = slice_of(salt, sizeof(salt));
		u.iterations = iterations;
		r = put_user(st, n, &u, true);
	}
	explicit_bzero(&v, sizeof(v));
	return r;
}

static int app_add(struct store *st, const struct name *n, const struct store_app *a, uint32_t iterations, uint32_t *id_r)
{
	struct record_app rec = { .version = RECORD_VERSION, .created = a->created, .label = slice_cstr(a->label),
		.services = a->services, .hash = slice_of(a->hash, sizeof(a->hash)) };
	struct app_list l = { .a = NULL };
	struct key k;
	int r;

	if ((r = scan_apps(st, n, &l)) != 0 || (r = app_iterations(st, n, iterations)) != 0)
		return r;
	if (l.n == STORE_APPS_MAX || l.last_id == UINT32_MAX)
		return ERR_FULL;
	if (iterations != 0) {
		rec.stored = slice_of(a->keys.stored, sizeof(a->keys.stored));
		rec.server = slice_of(a->keys.server, sizeof(a->keys.server));
	}
	*id_r = l.last_id + 1;
	k = app_key(n, *id_r);
	STORE_PUT(st, app, key_slice(&k), &rec, false);
	return r;
}

int store_app_add(struct store *st, const struct name *n, const struct store_app *a, uint32_t iterations, uint32_t *id_r)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, app_add(st, n, a, iterations, id_r));
}

int store_app_delete(struct store *st, const struct name *n, uint32_t id)
{
	struct key k = app_key(n, id);
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, kv_del(st->kv, key_slice(&k)));
}

static int app_used(struct store *st, const struct key *k, uint64_t when, const char *from)
{
	struct record_app rec;
	struct kv_value v;
	int r = kv_get(st->kv, key_slice(k), &v);

	if (r == 0 && (r = decode_app(slice_of(v.p, v.len), &rec)) == 0) {
		rec.used = when;
		rec.used_from = slice_sub(slice_cstr(from), 0, 64);
		STORE_PUT(st, app, key_slice(k), &rec, true);
	}
	explicit_bzero(&v, sizeof(v));
	return r;
}

int store_app_used(struct store *st, const struct name *n, uint32_t id, uint64_t when, const char *from)
{
	struct key k = app_key(n, id);
	int r = kv_begin_lazy(st->kv);

	return r != 0 ? r : kv_end(st->kv, app_used(st, &k, when, from));
}

/* ---- passwords --------------------------------------------------------------------- */

static int user_password(struct store *st, const struct name *n, const char *old_hash, const struct store_password *p,
    uint64_t *account_r)
{
	struct store_password fitting = *p;
	struct app_list l = { .a = NULL };
	uint8_t salt[SCRAM_SALT_SIZE];
	struct record_user u;
	struct kv_value v;
	int r;

	if ((r = get_user(st, n, &v, &u)) == 0)
		r = scan_apps(st, n, &l);
	if (r == 0 && old_hash != NULL && !slice_eq_cstr(u.hash, old_hash))
		r = ERR_STATE;
	if (r == 0) {
		*account_r = u.account;
		/* The app passwords' keys cannot be made anew: theirs stay the user's iterations. */
		if (l.scram != 0 && fitting.iterations != u.iterations)
			fitting.iterations = 0;
		r = set_password(st, n, &u, &fitting, salt);
	}
	if (r == 0)
		r = put_user(st, n, &u, true);
	explicit_bzero(&v, sizeof(v));
	explicit_bzero(&fitting, sizeof(fitting));
	return r;
}

int store_user_password(struct store *st, const struct name *n, const struct store_password *p, uint64_t *account_r)
{
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, user_password(st, n, NULL, p, account_r));
}

int store_user_upgrade(struct store *st, const struct name *n, const char *old_hash, const struct store_password *p)
{
	uint64_t account;
	int r = kv_begin(st->kv);

	return r != 0 ? r : kv_end(st->kv, user_password(st, n, old_hash, p, &account));
}

int store_user_get(struct store *st, const struct name *n, struct store_user *u_r)
{
	struct record_user u;
	struct kv_value v;
	int r;

	memset(u_r, 0, sizeof(*u_r));
	if ((r = get_user(st, n, &v, &u)) == 0) {
		u_r->account = u.account;
		u_r->created = u.created;
		u_r->iterations = u.iterations;
		u_r->scram = u.stored.len != 0;
		r = slice_to_cstr(u.hash, u_r->hash, sizeof(u_r->hash));
		if (u.iterations != 0)
			memcpy(u_r->salt, u.salt.p, SCRAM_SALT_SIZE);
		if (u_r->scram) {
			memcpy(u_r->keys.stored, u.stored.p, DIGEST_SIZE);
			memcpy(u_r->keys.server, u.server.p, DIGEST_SIZE);
		}
	}
	explicit_bzero(&v, sizeof(v));
	return r;
}
