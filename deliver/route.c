#include "deliver/route.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/base/log.h"

static void route_end(struct route *r, uint8_t kind, const char *status, const char *what, struct slice domain, struct slice why)
{
	r->n = 0;
	r->kind = kind;
	(void)snprintf(r->status, sizeof(r->status), "%s", status);
	(void)snprintf(r->text, sizeof(r->text), "%s %s%s%s", what, log_esc(domain), why.len != 0 ? ": " : "",
	    why.len != 0 ? log_esc(why) : "");
}

bool route_addr_is_local(uint8_t family, const uint8_t *a)
{
	static const uint8_t zero[16], mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == 4)
		return a[0] == 0 || a[0] == 127 || a[0] >= 224;
	if (memcmp(a, mapped, 12) == 0)
		return route_addr_is_local(4, a + 12);
	return (memcmp(a, zero, 15) == 0 && a[15] <= 1) || a[0] == 0xff;
}

void route_addr_text(uint8_t family, const uint8_t *addr, char text_r[64])
{
	if (inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, text_r, 64) == NULL)
		text_r[0] = '\0';
}

/* The preference from which on exchangers are ours or worse; UINT32_MAX when we are none. */
static uint32_t own_preference(const struct dns_mx_reply *m, struct slice own_name)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < m->hosts_n; i++) {
		struct slice name = m->hosts[i].name;

		if (name.len != 0 && name.p[name.len - 1] == '.')
			name.len--;
		if (slice_ieq(name, own_name) && m->hosts[i].preference < best)
			best = m->hosts[i].preference;
	}
	return best;
}

static void route_add_host(struct route *r, const struct dns_host *h, bool allow_local, bool *refused)
{
	for (uint32_t k = 0; k < h->addrs_n && r->n < ROUTE_ADDRS_MAX; k++) {
		const struct dns_addr *a = &h->addrs[k];
		struct route_addr *to = &r->addrs[r->n];

		if ((a->family != 4 || a->addr.len != 4) && (a->family != 6 || a->addr.len != 16))
			continue;
		if (!allow_local && route_addr_is_local(a->family, a->addr.p)) {
			*refused = true;
			continue;
		}
		to->family = a->family;
		memcpy(to->addr, a->addr.p, a->addr.len);
		(void)snprintf(to->host, sizeof(to->host), "%s", log_esc(h->name));
		r->n++;
	}
}

void route_make(const struct dns_mx_reply *m, struct slice destination, struct slice own_name, bool allow_local,
    struct route *r)
{
	uint32_t own;
	bool refused = false;

	memset(r, 0, sizeof(*r));
	switch (m->status) {
	case DNS_OK: break;
	case DNS_NXDOMAIN:
		route_end(r, OUTCOME_BOUNCED, "5.1.2", "domain does not exist:", destination, m->text);
		return;
	case DNS_NODATA:
		route_end(r, OUTCOME_BOUNCED, "5.4.4", "domain has no address to send mail to:", destination, m->text);
		return;
	case DNS_NULLMX:
		route_end(r, OUTCOME_BOUNCED, "5.1.10", "domain does not accept mail (null MX):", destination, slice_of(NULL, 0));
		return;
	case DNS_BOGUS:
		route_end(r, OUTCOME_DEFERRED, "4.4.3", "DNSSEC validation failed for", destination, m->text);
		return;
	default:
		route_end(r, OUTCOME_DEFERRED, "4.4.3", "name service failed for", destination, m->text);
		return;
	}
	own = own_preference(m, own_name);
	for (uint32_t i = 0; i < m->hosts_n; i++)
		if (m->hosts[i].preference < own)
			route_add_host(r, &m->hosts[i], allow_local, &refused);
	if (r->n != 0)
		return;
	if (own != UINT32_MAX)
		route_end(r, OUTCOME_BOUNCED, "5.4.6", "mail loops back to myself: this host is the best mail exchanger of",
		    destination, slice_of(NULL, 0));
	else if (refused)
		route_end(r, OUTCOME_BOUNCED, "5.4.4", "only local addresses for the mail exchangers of", destination,
		    slice_of(NULL, 0));
	else
		route_end(r, OUTCOME_DEFERRED, "4.4.3", "no mail exchanger has an address for", destination, slice_of(NULL, 0));
}
