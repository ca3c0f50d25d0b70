#ifndef PABAL_DELIVER_TLSPOLICY_H
#define PABAL_DELIVER_TLSPOLICY_H

#include "common/base/buf.h"
#include "common/daemon/conf.h"
#include "deliver/client.h"
#include "deliver/route.h"

/*
 * What TLS a destination wants of a connection, what a connection has, and whether one will do for the other. Pure.
 *
 *	none     no TLS, not even when it is offered
 *	may      TLS when it is offered, with any certificate; where it failed, without
 *	encrypt  TLS, with any certificate
 *	verify   TLS, with a certificate of a trusted authority for one of the names
 *
 * The names of verify are those of the policy's line, else the exchanger's and the domain itself. Without DNSSEC the
 * exchanger's name comes from whoever answered for the name server: who wants to be sure names the names. For an address
 * literal it is the address.
 */
struct tls_want {
	enum conf_tls_level level;
	struct buf names;               /* parted by a space: a certificate has to be for one of them; empty: for the address */
};
/* b of names is made; free with buf_free(). ERR_NOMEM. */
int tls_want_make(struct tls_want *w, const struct conf *conf, struct slice destination, const char *host) MUST_CHECK;
/* The exchanger's name for SNI and certificates: without the brackets of a literal and the dot at the end. */
struct slice tls_host_name(const char *host);
enum client_tls tls_want_client(enum conf_tls_level level);

/* How a connection was made. */
struct tls_made {
	struct tls_want want;           /* of its first job */
	bool secure;
	bool verified;                  /* the certificate is good for want.names */
};
/* May a job that wants this go over that connection? What is better than wanted will do, except TLS for none; a
 * connection without TLS serves may only if TLS was tried. */
bool tls_made_serves(const struct tls_made *made, const struct tls_want *want);

/*
 * Addresses where the handshake failed, so that not every message tries twice. Bounded in number and time; when it is
 * full the oldest goes. Only may asks it.
 */
enum { TLS_BROKEN_MAX = 1000, TLS_BROKEN_MS = 3600 * 1000 };
struct tls_broken {
	struct tls_broken_addr { uint64_t until_ms; uint8_t family, addr[16]; } list[TLS_BROKEN_MAX];
	unsigned n;
};
void tls_broken_add(struct tls_broken *t, const struct route_addr *addr, uint64_t now_ms);
bool tls_broken_has(const struct tls_broken *t, const struct route_addr *addr, uint64_t now_ms);

#endif
