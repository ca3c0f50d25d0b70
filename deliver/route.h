#ifndef PABAL_DELIVER_ROUTE_H
#define PABAL_DELIVER_ROUTE_H

#include "common/ipc/proto_dns.h"
#include "deliver/client.h"

/*
 * From dnsd's answer to the addresses to try, in order. Pure. What can never be
 * delivered becomes an outcome at once:
 *
 *	NXDOMAIN                        bounced  5.1.2
 *	no data for mail                bounced  5.4.4
 *	null MX (RFC 7505)              bounced  5.1.10
 *	temporary, bogus DNSSEC         deferred 4.4.3
 *	we are the best exchanger       bounced  5.4.6 (RFC 5321 5.1: exchangers of our own
 *	                                preference and worse are dropped)
 *	only loopback, unspecified, multicast or broadcast addresses   bounced 5.4.4
 *	                                (unless dns_allow_local)
 *	nothing has an address          deferred 4.4.3
 */
enum { ROUTE_ADDRS_MAX = 5, ROUTE_SESSIONS_MAX = 2 };

struct route_addr {
	char host[256];         /* the exchanger's name, "[192.0.2.1]" for a literal; harmless text */
	uint8_t family, addr[16];
};
struct route {
	struct route_addr addrs[ROUTE_ADDRS_MAX];
	unsigned n;
	/* n == 0: */
	uint8_t kind;           /* OUTCOME_ */
	char status[REPLY_STATUS_MAX];
	char text[CLIENT_TEXT_MAX + 1];
};

void route_make(const struct dns_mx_reply *reply, struct slice destination, struct slice own_name, bool allow_local,
    struct route *r_r);
/* Is it an address that no foreign mail exchanger can have? IPv4-mapped ones are looked through. */
bool route_addr_is_local(uint8_t family, const uint8_t *addr);
/* "192.0.2.1", "2001:db8::1" */
void route_addr_text(uint8_t family, const uint8_t *addr, char text_r[64]);

#endif
