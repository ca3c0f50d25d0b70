#include "dnsd/mx.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"

struct mx_wait {
	TAILQ_ENTRY(mx_wait) entry;
	struct mx_query *query;
	mx_fn *fn;
	void *ctx;
};

/* The resolver that a query began with; a reload makes a new one for the queries after it. */
struct generation {
	struct resolver *resolver;
	unsigned queries;
};

struct host_question {
	struct question q;
	struct mx_query *query;
	unsigned host;
	uint8_t family;
};

struct mx_query {
	RB_ENTRY(mx_query) entry;
	struct mx *m;
	struct generation *gen;
	TAILQ_HEAD(, mx_wait) waits;
	struct loop_timer timer;
	struct question mx;
	struct host_question hosts[2 * PLAN_HOSTS_MAX];
	unsigned open;                  /* questions without an answer */
	bool timed_out;
	struct plan plan;               /* plan.domain is the key */
};

RB_HEAD(query_tree, mx_query);

struct mx {
	struct loop *loop;
	const struct conf *conf;
	struct generation *gen;
	struct query_tree queries;
	unsigned queries_n;
	struct arena *arena;
};

static int query_cmp(const struct mx_query *a, const struct mx_query *b)
{
	return strcmp(a->plan.domain, b->plan.domain);
}

RB_GENERATE_INTERNAL(query_tree, mx_query, entry, query_cmp, static UNUSED)

/* ---- resolvers --------------------------------------------------------------------- */

static struct generation *generation_new(struct loop *l, const struct conf *conf)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (g != NULL && (g->resolver = resolver_new(l, conf)) == NULL) {
		free(g);
		g = NULL;
	}
	return g;
}

static void generation_free(struct generation *g)
{
	resolver_free(&g->resolver);
	free(g);
}

struct mx *mx_new(struct loop *l, const struct conf *conf)
{
	struct mx *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->loop = l;
	m->conf = conf;
	RB_INIT(&m->queries);
	if ((m->arena = arena_new(1024 * 1024)) == NULL || (m->gen = generation_new(l, conf)) == NULL)
		mx_free(&m);
	return m;
}

static void query_free(struct mx_query *qy)
{
	struct mx *m = qy->m;
	struct generation *g = qy->gen;
	struct mx_wait *w;

	resolver_cancel(g->resolver, &qy->mx);
	for (unsigned i = 0; i < ARRAY_LEN(qy->hosts); i++)
		resolver_cancel(g->resolver, &qy->hosts[i].q);
	while ((w = TAILQ_FIRST(&qy->waits)) != NULL) {
		TAILQ_REMOVE(&qy->waits, w, entry);
		free(w);
	}
	loop_timer_del(m->loop, &qy->timer);
	RB_REMOVE(query_tree, &m->queries, qy);
	m->queries_n--;
	g->queries--;
	free(qy);
}

void mx_free(struct mx **mp)
{
	struct mx *m = *mp;
	struct mx_query *qy;

	if (m == NULL)
		return;
	while ((qy = RB_MIN(query_tree, &m->queries)) != NULL) {
		struct generation *g = qy->gen;

		query_free(qy);
		if (g != m->gen && g->queries == 0)
			generation_free(g);
	}
	if (m->gen != NULL)
		generation_free(m->gen);
	arena_free(&m->arena);
	free(m);
	*mp = NULL;
}

int mx_reload(struct mx *m, const struct conf *conf, const struct conf *old)
{
	struct generation *g;

	m->conf = conf;
	if (!resolver_options_differ(conf, old))
		return 0;
	if ((g = generation_new(m->loop, conf)) == NULL)
		return ERR_STATE;
	if (m->gen->queries == 0)
		generation_free(m->gen);
	m->gen = g;
	return 0;
}

bool mx_idle(const struct mx *m)
{
	return m->queries_n == 0;
}

/* ---- a query -------------------------------------------------------------------------- */

/* A task of its own: an answer's callback must not free the resolver that called it. */
struct old_generation {
	struct loop_task task;
	struct generation *gen;
};

static void free_old(void *ctx)
{
	struct old_generation *o = ctx;

	generation_free(o->gen);
	free(o);
}

static void query_finish(struct mx_query *qy)
{
	struct mx *m = qy->m;
	struct generation *g = qy->gen;
	struct dns_mx_reply reply;
	struct mx_wait *w;

	if (qy->timed_out)
		reply = (struct dns_mx_reply){ .status = DNS_TEMPFAIL, .text = SLICE_LIT("the name servers did not answer in time") };
	else if (plan_finish(&qy->plan, m->arena, &reply) != 0)
		reply = (struct dns_mx_reply){ .status = DNS_TEMPFAIL, .text = SLICE_LIT("out of memory") };
	if (reply.status == DNS_BOGUS)
		log_warn("domain=%s: %.*s", qy->plan.domain, SLICE_ARG(reply.text));
	log_debug("domain=%s status=%u hosts=%u secure=%u", qy->plan.domain, reply.status, reply.hosts_n, reply.secure);
	while ((w = TAILQ_FIRST(&qy->waits)) != NULL) {
		TAILQ_REMOVE(&qy->waits, w, entry);
		w->fn(w->ctx, &reply);
		free(w);
	}
	arena_reset(m->arena);
	query_free(qy);
	if (g != m->gen && g->queries == 0) {
		struct old_generation *o = calloc(1, sizeof(*o));

		if (o == NULL)
			return;
		o->gen = g;
		loop_task_add(m->loop, &o->task, free_old, o);
	}
}

static void on_timeout(void *ctx)
{
	struct mx_query *qy = ctx;

	qy->timed_out = true;
	query_finish(qy);
}

static void take_ttl(struct mx_query *qy, enum answer kind, uint32_t ttl)
{
	if ((kind == ANSWER_DATA || kind == ANSWER_NODATA || kind == ANSWER_NXDOMAIN) && ttl < qy->plan.ttl)
		qy->plan.ttl = ttl;
}

static void on_addrs(void *ctx, enum answer kind, bool secure, uint32_t ttl, const struct plan_rdata *rdata, unsigned n)
{
	struct host_question *hq = ctx;
	struct mx_query *qy = hq->query;
	struct plan_host *h = &qy->plan.hosts[hq->host];

	take_ttl(qy, kind, ttl);
	plan_take_addrs(&qy->plan, h, hq->family, kind, rdata, n, qy->m->conf->dns_allow_local);
	*(hq->family == 4 ? &h->secure_a : &h->secure_aaaa) = secure;
	if (--qy->open == 0)
		query_finish(qy);
}

static void ask_host(struct mx_query *qy, unsigned host, uint8_t family)
{
	struct host_question *hq = &qy->hosts[2 * host + (family == 6)];
	struct plan_host *h = &qy->plan.hosts[host];
	char name[PLAN_NAME_MAX + 2];

	hq->query = qy;
	hq->host = host;
	hq->family = family;
	hq->q.fn = on_addrs;
	hq->q.ctx = hq;
	(void)snprintf(name, sizeof(name), "%s.", h->name);
	if (resolver_ask(qy->gen->resolver, &hq->q, name, family == 4 ? QTYPE_A : QTYPE_AAAA) == 0)
		qy->open++;
	else
		*(family == 4 ? &h->a : &h->aaaa) = ANSWER_FAILED;
}

static void on_mx(void *ctx, enum answer kind, bool secure, uint32_t ttl, const struct plan_rdata *rdata, unsigned n)
{
	struct mx_query *qy = ctx;

	take_ttl(qy, kind, ttl);
	qy->plan.secure = secure;
	plan_take_mx(&qy->plan, kind, rdata, n, qy->m->conf->hostname);
	for (unsigned i = 0; i < qy->plan.hosts_n; i++) {
		ask_host(qy, i, 4);
		ask_host(qy, i, 6);
	}
	if (--qy->open == 0)
		query_finish(qy);
}

static struct mx_query *query_new(struct mx *m, struct slice domain)
{
	struct mx_query *qy = calloc(1, sizeof(*qy));
	char name[PLAN_NAME_MAX + 2];

	if (qy == NULL)
		return NULL;
	qy->m = m;
	qy->gen = m->gen;
	qy->plan.ttl = UINT32_MAX;
	TAILQ_INIT(&qy->waits);
	for (size_t i = 0; i < domain.len; i++)
		qy->plan.domain[i] = (char)ascii_lower(domain.p[i]);
	(void)snprintf(name, sizeof(name), "%s.", qy->plan.domain);
	qy->mx = (struct question){ .fn = on_mx, .ctx = qy };
	if (resolver_ask(m->gen->resolver, &qy->mx, name, QTYPE_MX) != 0) {
		free(qy);
		return NULL;
	}
	qy->open = 1;
	m->gen->queries++;
	m->queries_n++;
	RB_INSERT(query_tree, &m->queries, qy);
	loop_timer_set(m->loop, &qy->timer, MX_TIMEOUT_MS, on_timeout, qy);
	return qy;
}

static struct mx_query *query_find(struct mx *m, struct slice domain)
{
	static struct mx_query key;

	memset(key.plan.domain, 0, sizeof(key.plan.domain));
	for (size_t i = 0; i < domain.len; i++)
		key.plan.domain[i] = (char)ascii_lower(domain.p[i]);
	return RB_FIND(query_tree, &m->queries, &key);
}

static void answer_now(mx_fn *fn, void *ctx, uint8_t status, const char *text)
{
	struct dns_mx_reply reply = { .status = status, .text = slice_cstr(text) };

	fn(ctx, &reply);
}

struct mx_wait *mx_ask(struct mx *m, struct slice domain, mx_fn *fn, void *ctx)
{
	struct dns_mx_reply reply;
	struct mx_query *qy;
	struct mx_wait *w;

	if (plan_literal(domain, m->conf->dns_allow_local, m->arena, &reply)) {
		fn(ctx, &reply);
		arena_reset(m->arena);
		return NULL;
	}
	if (!mail_domain_valid(domain) || domain.len > PLAN_NAME_MAX - 2) {
		answer_now(fn, ctx, DNS_NXDOMAIN, "this is not a domain name");
		return NULL;
	}
	qy = query_find(m, domain);
	if (qy == NULL && m->queries_n == MX_OPEN_MAX) {
		answer_now(fn, ctx, DNS_TEMPFAIL, "too many questions at a time");
		return NULL;
	}
	if ((w = calloc(1, sizeof(*w))) == NULL || (qy == NULL && (qy = query_new(m, domain)) == NULL)) {
		free(w);
		answer_now(fn, ctx, DNS_TEMPFAIL, "the resolver takes no question");
		return NULL;
	}
	w->query = qy;
	w->fn = fn;
	w->ctx = ctx;
	TAILQ_INSERT_TAIL(&qy->waits, w, entry);
	return w;
}

void mx_cancel(struct mx_wait *w)
{
	TAILQ_REMOVE(&w->query->waits, w, entry);
	free(w);
}
