#include "dnsd/plan.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/clock.h"

int plan_name(const uint8_t *p, size_t len, char out_r[PLAN_NAME_MAX + 1])
{
	size_t off = 0, n = 0;

	if (len > PLAN_NAME_MAX)        /* RFC 1035 3.1 */
		return ERR_SYNTAX;
	for (;;) {
		size_t label = off < len ? p[off++] : 64;

		if (label == 0)
			break;
		if (label > 63 || label > len - off || n + label + 1 > PLAN_NAME_MAX)
			return ERR_SYNTAX;
		if (n != 0)
			out_r[n++] = '.';
		for (size_t i = 0; i < label; i++) {
			uint8_t c = p[off + i];

			if (!is_class(c, CC_ALPHA | CC_DIGIT) && c != '-' && c != '_')
				return ERR_SYNTAX;
			out_r[n++] = (char)ascii_lower(c);
		}
		off += label;
	}
	out_r[n] = '\0';
	return off == len ? 0 : ERR_SYNTAX;
}

/* ---- the exchangers ------------------------------------------------------------ */

static int by_preference(const void *va, const void *vb)
{
	const struct plan_host *a = va, *b = vb;

	return (a->preference > b->preference) - (a->preference < b->preference);
}

static void swap(struct plan_host *a, struct plan_host *b)
{
	struct plan_host t = *a;

	*a = *b;
	*b = t;
}

/* By preference, random among equals (RFC 5321 5.1). */
static void order(struct plan_host *h, unsigned n)
{
	for (unsigned i = n; i > 1; i--)
		swap(&h[i - 1], &h[random_below(i)]);
	/* qsort() need not keep the order of equals, but what it makes of a random order is random enough. */
	qsort(h, n, sizeof(*h), by_preference);
}

static bool has_host(const struct plan_host *h, unsigned n, const struct plan_host *x)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(h[i].name, x->name) == 0)
			return true;
	return false;
}

/* Without our own name and everything that is not better than it: RFC 5321 5.1, or mail goes in circles. */
static unsigned drop_self(struct plan *p, struct plan_host *h, unsigned n, const char *self)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t mine = h[i].preference;

		if (self == NULL || !slice_ieq_cstr(slice_cstr(h[i].name), self))
			continue;
		p->self = true;
		while (i > 0 && h[i - 1].preference == mine)
			i--;
		return i;
	}
	return n;
}

/* All usable exchangers, each name once at its best place. The caller frees it. */
static struct plan_host *read_mx(struct plan *p, const struct plan_rdata *rdata, unsigned n, unsigned *n_r)
{
	struct plan_host *all = calloc(n, sizeof(*all));
	unsigned used = 0, kept = 0;

	for (unsigned i = 0; all != NULL && i < n; i++) {
		struct plan_host *h = &all[used];

		if (rdata[i].len < 3 || plan_name(rdata[i].p + 2, rdata[i].len - 2, h->name) != 0 || h->name[0] == '\0') {
			p->dropped = true;
			memset(h, 0, sizeof(*h));
			continue;
		}
		h->preference = (uint16_t)(rdata[i].p[0] << 8 | rdata[i].p[1]);
		used++;
	}
	if (used > 1)
		order(all, used);
	for (unsigned i = 0; i < used; i++)
		if (!has_host(all, kept, &all[i])) {
			if (kept != i)
				all[kept] = all[i];
			kept++;
		}
	*n_r = kept;
	return all;
}

void plan_take_mx(struct plan *p, enum answer kind, const struct plan_rdata *rdata, unsigned n, const char *self)
{
	struct plan_host *all;
	unsigned used;

	p->mx = kind;
	if (kind == ANSWER_NODATA) {
		p->implicit = true;
		memcpy(p->hosts[0].name, p->domain, sizeof(p->domain));
		p->hosts_n = drop_self(p, p->hosts, 1, self);
	}
	if (kind != ANSWER_DATA || n == 0)
		return;
	if (n == 1 && rdata[0].len == 3 && rdata[0].p[2] == 0) {
		p->null_mx = true;
		return;
	}
	all = read_mx(p, rdata, n, &used);
	if (all == NULL) {
		p->mx = ANSWER_FAILED;
		return;
	}
	used = drop_self(p, all, used, self);
	p->cut = used > PLAN_HOSTS_MAX;
	p->hosts_n = p->cut ? PLAN_HOSTS_MAX : used;
	memcpy(p->hosts, all, p->hosts_n * sizeof(*all));
	free(all);
}

/* ---- their addresses --------------------------------------------------------------- */

static bool usable_v4(const uint8_t *a, bool allow_local)
{
	if (a[0] == 0 || a[0] == 127)
		return allow_local && (a[0] == 127 || (a[1] | a[2] | a[3]) == 0);
	return a[0] < 224;      /* no multicast, nothing reserved, no broadcast */
}

static bool usable_v6(const uint8_t *a, bool allow_local)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, zero[15];

	if (memcmp(a, mapped, sizeof(mapped)) == 0)
		return usable_v4(a + 12, allow_local);
	if (memcmp(a, zero, sizeof(zero)) == 0 && a[15] <= 1)
		return allow_local;
	return a[0] != 0xff;
}

void plan_take_addrs(struct plan *p, struct plan_host *h, uint8_t family, enum answer kind, const struct plan_rdata *rdata,
    unsigned n, bool allow_local)
{
	size_t size = family == 4 ? 4 : 16, base = family == 4 ? 0 : PLAN_ADDRS_MAX;
	unsigned *count = family == 4 ? &h->v4_n : &h->v6_n;

	*(family == 4 ? &h->a : &h->aaaa) = kind;
	for (unsigned i = 0; kind == ANSWER_DATA && i < n; i++) {
		struct plan_addr *out = &h->addrs[base + *count];

		if (rdata[i].len != size ||
		    !(family == 4 ? usable_v4(rdata[i].p, allow_local) : usable_v6(rdata[i].p, allow_local))) {
			p->dropped = true;
			continue;
		}
		if (*count == PLAN_ADDRS_MAX)
			break;
		out->family = family;
		memcpy(out->addr, rdata[i].p, size);
		(*count)++;
	}
	/* Load is spread over the addresses of one name. */
	for (unsigned i = *count; i > 1; i--) {
		struct plan_addr *x = &h->addrs[base + i - 1], *y = &h->addrs[base + random_below(i)], t = *x;

		*x = *y;
		*y = t;
	}
}

/* ---- the plan --------------------------------------------------------------------------- */

static int finish(struct dns_mx_reply *r, uint8_t status, const char *text)
{
	r->status = status;
	r->text = slice_cstr(text);
	return 0;
}

static int add_host(const struct plan_host *h, struct arena *a, struct dns_mx_reply *r)
{
	unsigned n = h->v4_n + h->v6_n, i4 = 0, i6 = 0;
	struct dns_host *out = &r->hosts[r->hosts_n];

	if (n == 0)
		return 0;
	out->name = arena_dup(a, slice_cstr(h->name));
	out->addrs = arena_calloc(a, n, sizeof(*out->addrs));
	if (out->name.p == NULL || out->addrs == NULL)
		return ERR_NOMEM;
	out->preference = h->preference;
	out->secure = (h->v4_n == 0 || h->secure_a) && (h->v6_n == 0 || h->secure_aaaa);
	/* In turn IPv6 and IPv4, so that one that does not work costs one try. */
	while (out->addrs_n < n) {
		bool six = i6 < h->v6_n && (i6 <= i4 || i4 == h->v4_n);
		const struct plan_addr *from = six ? &h->addrs[PLAN_ADDRS_MAX + i6++] : &h->addrs[i4++];
		struct dns_addr *to = &out->addrs[out->addrs_n++];

		to->family = from->family;
		to->addr = arena_dup(a, slice_of(from->addr, from->family == 4 ? 4 : 16));
		if (to->addr.p == NULL)
			return ERR_NOMEM;
	}
	r->hosts_n++;
	return 0;
}

/* Nobody can be reached: is that for ever? */
static int finish_empty(const struct plan *p, struct dns_mx_reply *r)
{
	bool failed = false, bogus = false;

	for (unsigned i = 0; i < p->hosts_n; i++) {
		const struct plan_host *h = &p->hosts[i];

		failed = failed || h->a == ANSWER_FAILED || h->aaaa == ANSWER_FAILED;
		bogus = bogus || h->a == ANSWER_BOGUS || h->aaaa == ANSWER_BOGUS;
	}
	if (bogus)
		return finish(r, DNS_BOGUS, "the addresses of the mail exchangers failed DNSSEC validation");
	if (failed)
		return finish(r, DNS_TEMPFAIL, "the addresses of the mail exchangers could not be found out");
	if (p->self)
		return finish(r, DNS_NODATA, "mail for this domain comes back to this host, which does not take it");
	if (p->implicit)
		return finish(r, DNS_NODATA, p->dropped ? "the domain has no mail exchanger and no usable address" :
		    "the domain has no mail exchanger and no address");
	return finish(r, DNS_NODATA, p->dropped ? "no mail exchanger of the domain is usable" :
	    "no mail exchanger of the domain has an address");
}

int plan_finish(const struct plan *p, struct arena *a, struct dns_mx_reply *r)
{
	int e;

	memset(r, 0, sizeof(*r));
	r->ttl = p->ttl;
	r->secure = p->secure;
	switch (p->mx) {
	case ANSWER_NXDOMAIN:
		return finish(r, DNS_NXDOMAIN, "there is no such domain");
	case ANSWER_FAILED:
		return finish(r, DNS_TEMPFAIL, "the mail exchangers could not be found out");
	case ANSWER_BOGUS:
		return finish(r, DNS_BOGUS, "the mail exchangers failed DNSSEC validation");
	case ANSWER_DATA:
	case ANSWER_NODATA:
		break;
	}
	if (p->null_mx)
		return finish(r, DNS_NULLMX, "the domain takes no mail (null MX)");
	r->hosts = arena_calloc(a, p->hosts_n, sizeof(*r->hosts));
	if (r->hosts == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < p->hosts_n; i++)
		if ((e = add_host(&p->hosts[i], a, r)) != 0)
			return e;
	return r->hosts_n == 0 ? finish_empty(p, r) : finish(r, DNS_OK, "");
}

bool plan_literal(struct slice domain, bool allow_local, struct arena *a, struct dns_mx_reply *r)
{
	struct plan_host h = { .preference = 0 };
	struct plan dummy = { .hosts_n = 0 };
	struct plan_rdata rdata;
	uint8_t addr[16];
	int family;

	if (domain.len == 0 || domain.p[0] != '[')
		return false;
	memset(r, 0, sizeof(*r));
	if (mail_literal_addr(domain, &family, addr) != 0 || domain.len > PLAN_NAME_MAX) {
		(void)finish(r, DNS_NXDOMAIN, "this is not an address literal");
		return true;
	}
	rdata = (struct plan_rdata){ addr, family == AF_INET ? 4 : 16 };
	plan_take_addrs(&dummy, &h, family == AF_INET ? 4 : 6, ANSWER_DATA, &rdata, 1, allow_local);
	memcpy(h.name, domain.p, domain.len);
	r->hosts = arena_calloc(a, 1, sizeof(*r->hosts));
	if (r->hosts == NULL || add_host(&h, a, r) != 0)
		(void)finish(r, DNS_TEMPFAIL, "out of memory");
	else if (r->hosts_n == 0)
		(void)finish(r, DNS_NODATA, "mail is not sent to this address");
	return true;
}
