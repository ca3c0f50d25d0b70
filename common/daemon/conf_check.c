/* After the last line: made defaults, lists, and the checks that need more than one option or a type's inside. */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/strnum.h"
#include "common/daemon/conf_internal.h"

#ifndef LOCALSTATEDIR
#define LOCALSTATEDIR "/var"
#endif

static unsigned line_of(const struct conf_parser *p, const char *name)
{
	int i = conf_find(slice_cstr(name));

	return i >= 0 ? p->seen[i].line : 0;
}

static int make_lists(struct conf_parser *p)
{
	for (unsigned i = 0; i < conf_options_n; i++) {
		struct conf_list *l = (struct conf_list *)(void *)((char *)p->c + conf_rows[i].offset);
		unsigned n = 0;

		if (conf_rows[i].type != CONF_LIST)
			continue;
		if ((l->v = arena_calloc(p->c->arena, p->seen[i].n + 1u, sizeof(*l->v))) == NULL)
			return ERR_NOMEM;
		for (const struct conf_elem *e = p->seen[i].first; e != NULL; e = e->next)
			l->v[n++] = e->v;
		l->n = n;
	}
	return 0;
}

static int make_defaults(struct conf_parser *p)
{
	struct conf *c = p->c;
	char name[256] = "";

	if (c->spool_dir == NULL)
		c->spool_dir = LOCALSTATEDIR "/spool/pabal";
	if (c->state_dir == NULL)
		c->state_dir = LOCALSTATEDIR "/lib/pabal";
	if (c->key_dir == NULL)
		c->key_dir = LOCALSTATEDIR "/lib/pabal-keys";
	if (c->run_dir == NULL)
		c->run_dir = LOCALSTATEDIR "/run/pabal";
	if (c->log_file == NULL)
		c->log_file = "";
	if (c->hostname != NULL && c->hostname[0] != '\0')
		return 0;
	if (gethostname(name, sizeof(name) - 1) != 0 || !conf_hostname_ok(name))
		memcpy(name, "localhost", sizeof("localhost"));
	c->hostname = arena_cstr(c->arena, slice_cstr(name));
	return c->hostname != NULL ? 0 : ERR_NOMEM;
}

/* The elements of one list option with their lines. */
static const struct conf_elem *elements(const struct conf_parser *p, const char *name)
{
	int i = conf_find(slice_cstr(name));

	return i >= 0 ? p->seen[i].first : NULL;
}

static void check_listen(struct conf_parser *p)
{
	enum conf_listen_service svc, svc2;
	char host[64], host2[64];
	uint16_t port, port2;

	for (const struct conf_elem *e = elements(p, "listen"); e != NULL; e = e->next) {
		const struct conf_elem *o = elements(p, "listen");

		if (conf_listen_parse(e->v, &svc, host, &port) != 0) {
			conf_error(p, e->line, "listen = %s: must be smtp, submission, submissions, pop3, pop3s, imap or imaps "
			    "and a numeric ADDRESS:PORT, "
			    "like \"smtp 0.0.0.0:25\" or \"imap [::1]:143\"", log_esc(slice_cstr(e->v)));
			continue;
		}
		for (; o != e && port != 0; o = o->next)
			if (conf_listen_parse(o->v, &svc2, host2, &port2) == 0 && port == port2 &&
			    strcmp(host, host2) == 0) {
				conf_error(p, e->line, "listen = %s: the same address and port as in line %u",
				    log_esc(slice_cstr(e->v)), o->line);
				break;
			}
	}
}

static void check_networks(struct conf_parser *p)
{
	for (const struct conf_elem *e = elements(p, "relay_from"); e != NULL; e = e->next) {
		struct conf_network n;
		int r = conf_network_parse(e->v, &n);

		if (r == ERR_STATE)
			conf_error(p, e->line, "relay_from = %s: bits behind the network part are set",
			    log_esc(slice_cstr(e->v)));
		else if (r != 0)
			conf_error(p, e->line, "relay_from = %s: must be a network ADDRESS/BITS, "
			    "like 192.0.2.0/24 or 2001:db8::/32", log_esc(slice_cstr(e->v)));
	}
}

/* ADDRESS or ADDRESS@PORT */
static bool server_ok(struct slice s, bool need_port)
{
	ptrdiff_t at = slice_chr(s, '@');
	uint8_t addr[16];
	char host[64];
	uint32_t port;

	if (at < 0 && need_port)
		return false;
	if (at >= 0 && (slice_to_u32(slice_sub(s, (size_t)at + 1, SIZE_MAX), 65535, &port) != 0 || port == 0))
		return false;
	if (slice_to_cstr(at >= 0 ? slice_sub(s, 0, (size_t)at) : s, host, sizeof(host)) != 0)
		return false;
	return conf_address_parse(host, addr) != 0;
}

static bool stub_ok(const char *v)
{
	struct slice s = slice_cstr(v), domain;
	char name[256];
	size_t n = 0;

	while (n < s.len && !is_class(s.p[n], CC_WSP))
		n++;
	domain = slice_sub(s, 0, n);
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	if (slice_to_cstr(domain, name, sizeof(name)) != 0)
		return false;
	if (!slice_eq_cstr(domain, ".") && !conf_hostname_ok(name))
		return false;
	return server_ok(slice_trim(slice_sub(s, n, SIZE_MAX)), false);
}

static void check_dns(struct conf_parser *p)
{
	for (const struct conf_elem *e = elements(p, "dns_forwarder"); e != NULL; e = e->next)
		if (!server_ok(slice_cstr(e->v), false))
			conf_error(p, e->line, "dns_forwarder = %s: must be a numeric ADDRESS or ADDRESS@PORT",
			    log_esc(slice_cstr(e->v)));
	for (const struct conf_elem *e = elements(p, "dns_stub"); e != NULL; e = e->next)
		if (!stub_ok(e->v))
			conf_error(p, e->line, "dns_stub = %s: must be DOMAIN ADDRESS@PORT", log_esc(slice_cstr(e->v)));
}

/* DOMAIN|* none|may|encrypt|verify [NAME ...] */
static void check_tls_policies(struct conf_parser *p)
{
	for (const struct conf_elem *e = elements(p, "tls_policy"); e != NULL; e = e->next) {
		struct conf_tls_policy pol;

		if (conf_tls_policy_parse(slice_cstr(e->v), &pol) != 0)
			conf_error(p, e->line, "tls_policy = %s: must be DOMAIN or *, and none, may, encrypt or verify, "
			    "and after verify the names that the certificate may have", log_esc(slice_cstr(e->v)));
	}
}

static void check_texts(struct conf_parser *p)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	const struct conf *c = p->c;
	uint8_t addr[16];
	unsigned i = 0;

	while (i < ARRAY_LEN(levels) && strcmp(c->log_level, levels[i]) != 0)
		i++;
	if (i == ARRAY_LEN(levels))
		conf_error(p, line_of(p, "log_level"), "log_level = %s: must be error, warn, info or debug",
		    log_esc(slice_cstr(c->log_level)));
	if (strcmp(c->tls_min_version, "1.2") != 0 && strcmp(c->tls_min_version, "1.3") != 0)
		conf_error(p, line_of(p, "tls_min_version"), "tls_min_version = %s: must be 1.2 or 1.3",
		    log_esc(slice_cstr(c->tls_min_version)));
	if (!conf_hostname_ok(c->hostname))
		conf_error(p, line_of(p, "hostname"), "hostname = %s: must be a domain name",
		    log_esc(slice_cstr(c->hostname)));
	if (c->smtp_bind_address[0] != '\0' && conf_address_parse(c->smtp_bind_address, addr) == 0)
		conf_error(p, line_of(p, "smtp_bind_address"), "smtp_bind_address = %s: must be a numeric address",
		    log_esc(slice_cstr(c->smtp_bind_address)));
	for (const char *q = c->recipient_delimiter; *q != '\0'; q++)
		if (!is_class((uint8_t)*q, CC_ATEXT) || is_class((uint8_t)*q, CC_ALPHA | CC_DIGIT)) {
			conf_error(p, line_of(p, "recipient_delimiter"), "recipient_delimiter = %s: must be of "
			    "!#$%%&'*+-/=?^_`{|}~ only", log_esc(slice_cstr(c->recipient_delimiter)));
			break;
		}
}

static void check_dirs(struct conf_parser *p)
{
	const struct { const char *name, *v; } t[] = {
		{ "spool_dir", p->c->spool_dir }, { "state_dir", p->c->state_dir }, { "run_dir", p->c->run_dir },
		{ "key_dir", p->c->key_dir },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		if (t[i].v[0] == '\0' || strcmp(t[i].v, "/") == 0)
			conf_error(p, line_of(p, t[i].name), "%s: must be a directory of its own", t[i].name);
		for (size_t k = 0; k < i; k++)
			if (t[i].v[0] != '\0' && strcmp(t[i].v, t[k].v) == 0)
				conf_error(p, line_of(p, t[i].name), "%s and %s are the same directory; each needs its own",
				    t[k].name, t[i].name);
	}
}

static void check_pairs(struct conf_parser *p)
{
	const struct conf *c = p->c;
	const struct { const char *low, *high; uint64_t lo, hi; } t[] = {
		{ "queue_backoff_min", "queue_backoff_max", c->queue_backoff_min, c->queue_backoff_max },
		{ "queue_delay_notice", "queue_lifetime", c->queue_delay_notice, c->queue_lifetime },
		{ "body_inline_limit", "segment_size", c->body_inline_limit, c->segment_size },
		{ "connection_limit_address", "connection_limit", c->connection_limit_address, c->connection_limit },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		unsigned line = line_of(p, t[i].low), line2 = line_of(p, t[i].high);

		/* Lowering the limit of a worker alone lowers the one of an address with it. */
		if (t[i].lo > t[i].hi && (line != 0 || i != ARRAY_LEN(t) - 1))
			conf_error(p, line > line2 ? line : line2, "%s is more than %s", t[i].low, t[i].high);
	}
	if (c->connection_limit_address > c->connection_limit)
		p->c->connection_limit_address = c->connection_limit;
	if (c->uid_base != 0 && c->uid_base < 1000)
		conf_error(p, line_of(p, "uid_base"), "uid_base = %llu: must be 0 or at least 1000",
		    (unsigned long long)c->uid_base);
}

int conf_finish(struct conf_parser *p)
{
	int r;

	if ((r = make_lists(p)) != 0 || (r = make_defaults(p)) != 0)
		return r;
	check_listen(p);
	check_networks(p);
	check_dns(p);
	check_tls_policies(p);
	check_texts(p);
	check_dirs(p);
	check_pairs(p);
	return 0;
}
