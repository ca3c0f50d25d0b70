#include "accountd/directory.h"

#include "common/base/log.h"

struct match {
	enum { MATCH_REMOTE, MATCH_UNKNOWN, MATCH_ALIAS, MATCH_USER } kind;
	struct name name;       /* of the alias or user */
	struct slice detail;    /* points into the name that was looked for */
	uint64_t account;
};

static int stop_at_first(void *ctx, const struct store_item *item)
{
	(void)ctx;
	(void)item;
	return 1;
}

static int find_user(const struct directory *d, const struct name *n, struct match *m_r)
{
	struct store_user u;
	int r = store_user_get(d->store, n, &u);

	if (r == 0) {
		m_r->kind = MATCH_USER;
		m_r->name = *n;
		m_r->account = u.account;
	}
	explicit_bzero(&u, sizeof(u));
	return r;
}

/* 0 or ERR_NOTFOUND. */
static int find_exact(const struct directory *d, const struct name *n, bool users_only, struct match *m_r)
{
	int r = users_only ? ERR_NOTFOUND : store_alias_each(d->store, n, stop_at_first, NULL);

	if (r == 1) {
		m_r->kind = MATCH_ALIAS;
		m_r->name = *n;
		return 0;
	}
	return r == ERR_NOTFOUND ? find_user(d, n, m_r) : r;
}

static int find(const struct directory *d, const struct name *n, bool users_only, struct match *m_r)
{
	struct store_domain domain;
	struct name base;
	struct slice user;
	int r;

	memset(m_r, 0, sizeof(*m_r));
	r = store_domain_get(d->store, name_domain(n), &domain);
	if (r == ERR_NOTFOUND) {
		m_r->kind = MATCH_REMOTE;
		return 0;
	}
	if (r != 0 || (r = find_exact(d, n, users_only, m_r)) != ERR_NOTFOUND)
		return r;
	base = *n;
	if (name_split_detail(name_local(n), d->delimiters, &user, &m_r->detail)) {
		name_with_local(n, user, &base);
		if ((r = find_exact(d, &base, users_only, m_r)) != ERR_NOTFOUND)
			return r;
	}
	m_r->detail = slice_of(NULL, 0);
	if (slice_eq_cstr(name_local(&base), "postmaster") && domain.first_user.len != 0)
		return find_user(d, &domain.first_user, m_r);
	m_r->kind = MATCH_UNKNOWN;
	return 0;
}

/* Gives a domainless postmaster the oldest domain; ERR_NOTFOUND without any. */
static int complete(const struct directory *d, struct name *n)
{
	char domain[MAIL_DOMAIN_MAX + 1];
	struct name whole;
	int r;

	if (name_domain(n).len != 0)
		return 0;
	if ((r = store_domain_first(d->store, domain)) != 0 ||
	    (r = name_join(name_local(n), slice_cstr(domain), &whole)) != 0)
		return r;
	*n = whole;
	return 0;
}

int directory_lookup(const struct directory *d, struct slice address, uint8_t *kind_r)
{
	struct match m;
	struct name n;
	int r;

	if ((r = name_parse(address, &n)) != 0)
		return r;
	if ((r = complete(d, &n)) == ERR_NOTFOUND) {
		*kind_r = ADDRESS_UNKNOWN;
		return 0;
	}
	if (r != 0 || (r = find(d, &n, false, &m)) != 0)
		return r;
	*kind_r = m.kind == MATCH_REMOTE ? ADDRESS_REMOTE : m.kind == MATCH_UNKNOWN ? ADDRESS_UNKNOWN : ADDRESS_LOCAL;
	return 0;
}

int directory_login_name(const struct directory *d, struct slice text, struct name *n_r)
{
	char domain[MAIL_DOMAIN_MAX + 1];
	struct name n;
	int r;

	if (slice_chr(text, '@') >= 0)
		return name_parse(text, n_r) == 0 && name_domain(n_r).len != 0 ? 0 : ERR_NOTFOUND;
	if ((r = store_domain_first(d->store, domain)) != 0)
		return r;
	if (text.len == 0 || name_join(text, slice_cstr(domain), &n) != 0)
		return ERR_NOTFOUND;
	return name_parse(name_text(&n), n_r) == 0 ? 0 : ERR_NOTFOUND;
}

/* ---- resolving: a list of names that grows at its end while it is walked ------- */

struct step {
	struct slice text;      /* the address as the alias has it, in the arena */
	uint32_t depth;
	uint32_t parent;        /* the step whose alias listed it; 0 for the first is itself */
	bool expanded;
	struct name name;
};

struct resolver {
	const struct directory *d;
	struct arena *a;
	struct step **steps;
	uint32_t n;
	uint32_t at;            /* the step that is being looked at */
	struct account_resolved *res;
};

enum { STEPS_MAX = 2 * RESOLVE_TARGETS_MAX };

static int add_step(struct resolver *rv, struct slice text, uint32_t depth)
{
	struct step *s;
	int r;

	if (rv->n == STEPS_MAX)
		return ERR_LIMIT;
	if ((s = arena_alloc(rv->a, sizeof(*s))) == NULL || (s->text = arena_dup(rv->a, text)).p == NULL)
		return ERR_NOMEM;
	if ((r = name_parse(text, &s->name)) != 0)
		return r;
	s->depth = depth;
	s->parent = rv->at;
	rv->steps[rv->n++] = s;
	return 0;
}

static int add_target(struct resolver *rv, uint64_t account, struct slice address, struct slice detail)
{
	struct account_resolved *res = rv->res;
	struct account_target *t;

	for (uint32_t i = 0; i < res->targets_n; i++) {
		t = &res->targets[i];
		if (account != 0 ? t->account == account && slice_eq(t->detail, detail)
		    : t->account == 0 && slice_eq(t->address, address))
			return 0;
	}
	if (res->targets_n == RESOLVE_TARGETS_MAX)
		return ERR_LIMIT;
	t = &res->targets[res->targets_n];
	t->account = account;
	t->address = arena_dup(rv->a, address);
	t->detail = arena_dup(rv->a, detail);
	if (t->address.p == NULL || t->detail.p == NULL)
		return ERR_NOMEM;
	res->targets_n++;
	return 0;
}

static int alias_target(void *ctx, const struct store_item *item)
{
	struct resolver *rv = ctx;

	return add_step(rv, item->target, rv->steps[rv->at]->depth + 1);
}

static int expand(struct resolver *rv, struct step *s, const struct match *m)
{
	struct match self;
	int r;

	for (uint32_t i = 0; i < rv->n; i++) {
		struct step *other = rv->steps[i];

		if (!other->expanded || !name_eq(&other->name, &m->name))
			continue;
		if (i != s->parent)
			return 0;       /* a loop, or a second way to the same alias */
		if ((r = find(rv->d, &s->name, true, &self)) != 0 || self.kind != MATCH_USER)
			return r;
		return add_target(rv, self.account, name_text(&self.name), self.detail);
	}
	if (s->depth >= RESOLVE_DEPTH_MAX)
		return ERR_LIMIT;
	s->expanded = true;
	s->name = m->name;
	return store_alias_each(rv->d->store, &m->name, alias_target, rv);
}

static int resolve_step(struct resolver *rv, struct step *s)
{
	struct match m;
	int r;

	if ((r = find(rv->d, &s->name, false, &m)) != 0)
		return r;
	if (rv->at == 0)
		rv->res->kind = m.kind == MATCH_REMOTE ? ADDRESS_REMOTE : m.kind == MATCH_UNKNOWN ? ADDRESS_UNKNOWN : ADDRESS_LOCAL;
	switch (m.kind) {
	case MATCH_USER:
		return add_target(rv, m.account, name_text(&m.name), m.detail);
	case MATCH_ALIAS:
		return expand(rv, s, &m);
	case MATCH_UNKNOWN:
	case MATCH_REMOTE:
		break;
	}
	return rv->at == 0 ? 0 : add_target(rv, 0, s->text, slice_of(NULL, 0));
}

int directory_resolve(const struct directory *d, struct slice address, struct arena *a,
    struct account_resolved *res_r)
{
	struct resolver rv = { .d = d, .a = a, .res = res_r };
	int r;

	memset(res_r, 0, sizeof(*res_r));
	res_r->targets = arena_calloc(a, RESOLVE_TARGETS_MAX, sizeof(*res_r->targets));
	rv.steps = arena_calloc(a, STEPS_MAX, sizeof(struct step *));
	if (res_r->targets == NULL || rv.steps == NULL)
		return ERR_NOMEM;
	if ((r = add_step(&rv, address, 0)) != 0)
		return r;
	if ((r = complete(d, &rv.steps[0]->name)) != 0) {
		res_r->kind = ADDRESS_UNKNOWN;
		return r == ERR_NOTFOUND ? 0 : r;
	}
	for (rv.at = 0; rv.at < rv.n; rv.at++)
		if ((r = resolve_step(&rv, rv.steps[rv.at])) != 0)
			return r;
	if (res_r->kind == ADDRESS_LOCAL && res_r->targets_n == 0)
		return ERR_STATE;
	return 0;
}

int directory_sender(const struct directory *d, uint64_t account, struct slice address, struct arena *a, bool *may_r)
{
	struct account_resolved res;
	int r = directory_resolve(d, address, a, &res);

	*may_r = false;
	if (r == ERR_SYNTAX || (r == ERR_LIMIT && address.len > MAIL_ADDR_MAX))
		return 0;
	for (uint32_t i = 0; r == 0 && i < res.targets_n; i++)
		*may_r |= res.targets[i].account == account && account != 0;
	return r;
}
