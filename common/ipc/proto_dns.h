#ifndef PABAL_IPC_PROTO_DNS_H
#define PABAL_IPC_PROTO_DNS_H

#include "common/ipc/channel.h"
#include "common/ipc/wire.h"

/* "dns": dnsd answers with what an SMTP client needs, not with packets. */
enum { PROTO_DNS_MAJOR = 1, PROTO_DNS_MINOR = 0 };

enum { DNS_OK = 0, DNS_NXDOMAIN = 1 /* no such domain: permanent */, DNS_NODATA = 2 /* exists, nothing to send mail to: permanent */,
	DNS_NULLMX = 3 /* RFC 7505: takes no mail */, DNS_TEMPFAIL = 4, DNS_BOGUS = 5 /* DNSSEC: treat as temporary */ };

/* The mail exchangers of a domain with their addresses, in the order to try: preference, random
 * among equals, A/AAAA of the domain itself when there is no MX (RFC 5321 5.1). An address
 * literal "[192.0.2.1]" or "[IPv6:...]" is answered without asking anyone. */
#define DNS_MX_FIELDS(X) X##_STR(domain, 255)
IPC_MESSAGE(dns_mx, 1, DNS_MX_FIELDS)
/* family 4 or 6; addr 4 or 16 bytes. */
#define DNS_ADDR_FIELDS(X) X##_U8(family) X##_BYTES(addr, 16)
WIRE_DECLARE(dns_addr, DNS_ADDR_FIELDS)
#define DNS_HOST_FIELDS(X) X##_STR(name, 255) X##_U16(preference) X##_U8(secure) X##_LIST(dns_addr, addrs, 32)
WIRE_DECLARE(dns_host, DNS_HOST_FIELDS)
/* status, and why as text for the log; hosts without addresses are left out; secure: DNSSEC validated MX. */
#define DNS_MX_REPLY_FIELDS(X) X##_U8(status) X##_STR(text, 512) X##_U8(secure) X##_U32(ttl) X##_LIST(dns_host, hosts, 100)
IPC_MESSAGE(dns_mx_reply, 2, DNS_MX_REPLY_FIELDS)

#endif
