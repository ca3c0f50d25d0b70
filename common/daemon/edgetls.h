#ifndef PABAL_DAEMON_EDGETLS_H
#define PABAL_DAEMON_EDGETLS_H

#include "common/base/slice.h"
#include "common/daemon/conn.h"

/*
 * What a session of an edge has to know of the TLS connection that it is on: plain facts, so that the session stays a
 * machine without sockets, and a test can make them up. The texts are those of the connection, never NULL.
 */
struct edge_tls {
	const char *version, *cipher;   /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	unsigned bits;                  /* of the cipher */
	const char *sni;                /* the name that the client asked for, or "" */
	const char *external;           /* the address in the client's certificate if that was verified, or "" */
	/* channel bindings; length 0: there is none of that type */
	uint8_t exporter[CONN_BINDING_MAX], end_point[CONN_BINDING_MAX];
	size_t exporter_len, end_point_len;
};

static inline struct slice edge_tls_exporter(const struct edge_tls *t) { return slice_of(t->exporter, t->exporter_len); }
static inline struct slice edge_tls_end_point(const struct edge_tls *t) { return slice_of(t->end_point, t->end_point_len); }

/* After CONN_TLS. Good as long as the connection. */
void edge_tls_get(const struct conn *c, struct edge_tls *t_r);

#endif
