#include "dnsd/resolver.h"

#include <stdlib.h>

#include "common/base/log.h"

enum { ANSWERS_MAX = 200, CLASS_IN = 1, RCODE_NOERROR = 0, RCODE_NXDOMAIN = 3 };

struct resolver {
	struct loop *loop;
	struct ub_ctx *ub;
	struct loop_fd fd;
};

/* Bounds of memory and of open questions; answers from servers on this host are fine, as they are configured. */
static const struct { const char *name, *value; } options[] = {
	{ "use-syslog:", "no" },
	{ "verbosity:", "0" },
	{ "msg-cache-size:", "8m" },
	{ "rrset-cache-size:", "16m" },
	{ "key-cache-size:", "4m" },
	{ "num-queries-per-thread:", "2048" },
	{ "outgoing-range:", "1024" },
	{ "cache-max-negative-ttl:", "900" },
	{ "edns-buffer-size:", "1232" },
	{ "harden-below-nxdomain:", "yes" },
	{ "aggressive-nsec:", "yes" },
};

static bool refused(const char *option, const char *value, int e)
{
	if (e == 0)
		return false;
	log_error("configuration: %s = %s: the resolver refuses it: %s", option, log_esc(slice_cstr(value)), ub_strerror(e));
	return true;
}

static bool is_loopback_server(const char *server)
{
	return strncmp(server, "127.", 4) == 0 || strncmp(server, "::1", 3) == 0;
}

static int set_base(struct resolver *r, const struct conf *c)
{
	bool local = false;

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (refused(options[i].name, options[i].value, ub_ctx_set_option(r->ub, options[i].name, options[i].value)))
			return ERR_STATE;
	if (c->dns_trust_anchor.n == 0 && ub_ctx_set_option(r->ub, "module-config:", "iterator") != 0)
		return ERR_STATE;
	for (unsigned i = 0; i < c->dns_forwarder.n; i++)
		local = local || is_loopback_server(c->dns_forwarder.v[i]);
	for (unsigned i = 0; i < c->dns_stub.n; i++) {
		const char *sp = strpbrk(c->dns_stub.v[i], " \t");

		local = local || (sp != NULL && is_loopback_server(sp + strspn(sp, " \t")));
	}
	if (local && ub_ctx_set_option(r->ub, "do-not-query-localhost:", "no") != 0)
		return ERR_STATE;
	return 0;
}

/* "DOMAIN ADDRESS@PORT" */
static int set_stub(struct resolver *r, const char *text)
{
	char zone[PLAN_NAME_MAX + 2];
	size_t n = strcspn(text, " \t");
	const char *server = text + n + strspn(text + n, " \t");

	if (slice_to_cstr(slice_of(text, n), zone, sizeof(zone)) != 0)
		return ERR_SYNTAX;
	return refused("dns_stub", text, ub_ctx_set_stub(r->ub, zone, server, 0)) ? ERR_STATE : 0;
}

static int set_servers(struct resolver *r, const struct conf *c)
{
	int e;

	for (unsigned i = 0; i < c->dns_forwarder.n; i++)
		if (refused("dns_forwarder", c->dns_forwarder.v[i], ub_ctx_set_fwd(r->ub, c->dns_forwarder.v[i])))
			return ERR_STATE;
	for (unsigned i = 0; i < c->dns_stub.n; i++)
		if ((e = set_stub(r, c->dns_stub.v[i])) != 0)
			return e;
	for (unsigned i = 0; i < c->dns_trust_anchor.n; i++)
		if (refused("dns_trust_anchor", c->dns_trust_anchor.v[i], ub_ctx_add_ta(r->ub, c->dns_trust_anchor.v[i])))
			return ERR_STATE;
	return 0;
}

/* The library answers some names itself, among them all of "test." (RFC 6761); whoever configures
 * servers or records below them wants those asked. After this nothing above can be set any more. */
static int set_zones(struct resolver *r, const struct conf *c)
{
	if (refused("local zone", "test.", ub_ctx_zone_remove(r->ub, "test.")))
		return ERR_STATE;
	for (unsigned i = 0; i < c->dns_record.n; i++)
		if (refused("dns_record", c->dns_record.v[i], ub_ctx_data_add(r->ub, c->dns_record.v[i])))
			return ERR_STATE;
	return 0;
}

static void on_readable(void *ctx, unsigned events)
{
	struct resolver *r = ctx;
	int e = ub_process(r->ub);

	(void)events;
	if (e != 0)
		log_error("resolver: %s", ub_strerror(e));
}

struct resolver *resolver_new(struct loop *l, const struct conf *conf)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loop = l;
	r->fd.fd = -1;
	r->ub = ub_ctx_create();
	if (r->ub == NULL || ub_ctx_debugout(r->ub, NULL) != 0 || ub_ctx_async(r->ub, 1) != 0 ||
	    set_base(r, conf) != 0 || set_servers(r, conf) != 0 || set_zones(r, conf) != 0 ||
	    loop_fd_add(l, &r->fd, ub_fd(r->ub), LOOP_READ, on_readable, r) != 0) {
		log_error("the resolver cannot be made");
		r->fd.fd = -1;
		resolver_free(&r);
	}
	return r;
}

void resolver_free(struct resolver **rp)
{
	struct resolver *r = *rp;

	if (r == NULL)
		return;
	if (r->fd.fd >= 0)
		loop_fd_del(r->loop, &r->fd);
	if (r->ub != NULL)
		ub_ctx_delete(r->ub);
	free(r);
	*rp = NULL;
}

static enum answer answer_kind(int e, const struct ub_result *res)
{
	if (e != 0 || res == NULL)
		return ANSWER_FAILED;
	if (res->bogus)
		return ANSWER_BOGUS;
	if (res->havedata)
		return ANSWER_DATA;
	if (res->nxdomain || res->rcode == RCODE_NXDOMAIN)
		return ANSWER_NXDOMAIN;
	return res->rcode == RCODE_NOERROR ? ANSWER_NODATA : ANSWER_FAILED;
}

static void on_result(void *ctx, int e, struct ub_result *res)
{
	struct question *q = ctx;
	struct plan_rdata rdata[ANSWERS_MAX];
	unsigned n = 0;

	q->id = 0;
	if (res != NULL && res->data != NULL)
		for (; n < ANSWERS_MAX && res->data[n] != NULL; n++)
			rdata[n] = (struct plan_rdata){ (const uint8_t *)res->data[n], res->len[n] > 0 ? (size_t)res->len[n] : 0 };
	q->fn(q->ctx, answer_kind(e, res), res != NULL && res->secure, res != NULL && res->ttl > 0 ? (uint32_t)res->ttl : 0,
	    rdata, n);
	ub_resolve_free(res);
}

int resolver_ask(struct resolver *r, struct question *q, const char *name, int type)
{
	int e = ub_resolve_async(r->ub, name, type, CLASS_IN, q, on_result, &q->id);

	if (e == 0)
		return 0;
	q->id = 0;
	log_error("resolver: a question cannot be asked: %s", ub_strerror(e));
	return e == UB_NOMEM ? ERR_NOMEM : ERR_IO;
}

void resolver_cancel(struct resolver *r, struct question *q)
{
	if (q->id != 0)
		(void)ub_cancel(r->ub, q->id);
	q->id = 0;
}

static bool lists_differ(const struct conf_list *a, const struct conf_list *b)
{
	if (a->n != b->n)
		return true;
	for (unsigned i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return true;
	return false;
}

bool resolver_options_differ(const struct conf *a, const struct conf *b)
{
	return lists_differ(&a->dns_forwarder, &b->dns_forwarder) || lists_differ(&a->dns_stub, &b->dns_stub) ||
	    lists_differ(&a->dns_record, &b->dns_record) || lists_differ(&a->dns_trust_anchor, &b->dns_trust_anchor);
}
