#ifndef PABAL_TESTS_EDGE_KEYD_H
#define PABAL_TESTS_EDGE_KEYD_H

/* The keyd of an edge that tests/lib/edge.h runs, played by this process, and clients that speak TLS with it. */
#include "tests/lib/edge.h"
#include "tests/lib/tls.h"

struct edge_keyd {
	struct edge *e;
	struct kit_cert cert;
	struct channel *ch;             /* our end; NULL: closed */
	struct tls_client *client;
	unsigned signs;
};

/* A keyd with one certificate, for mx.here.test; after edge_start(). The edge has it some turns later. */
void edge_keyd_start(struct edge_keyd *t, struct edge *e);
/* Before edge_stop(). */
void edge_keyd_end(struct edge_keyd *t);
/* The client's side of a handshake; fails the test when it does. */
void edge_keyd_handshake(struct edge_keyd *t, struct edge_client *c);
/* The same; false when it fails. */
bool edge_keyd_try(struct edge_keyd *t, struct edge_client *c);

#endif
