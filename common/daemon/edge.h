#ifndef PABAL_DAEMON_EDGE_H
#define PABAL_DAEMON_EDGE_H

#include <bsd/sys/queue.h>

#include "common/daemon/conn.h"
#include "common/daemon/daemon.h"
#include "common/daemon/places.h"

/*
 * What the servers that strangers connect to (smtpd, pop3d, imapd) have in common,
 * whatever they speak: their listening sockets, who is connected, and the end.
 *
 * Clients are taken from edge_open() on: at a start none is told that a peer is
 * not there. That is when both peers are there (edge_peers_check()), or EDGE_PEERS_MS
 * after edge_init() without them. The loss of a peer later stops nothing.
 */
enum { EDGE_LISTENERS_MAX = 64, EDGE_PEERS_MS = 3000 };

/* Embedded in what a server knows of a client; zeroed before edge_enter(). */
struct edge_client {
	LIST_ENTRY(edge_client) link;
	struct place *place;
	void *ctx;
};

struct edge;
struct edge_listener {
	struct edge *e;
	enum conf_listen_service svc;
	struct listener *ln;
};

typedef void edge_accept_fn(void *ctx, enum conf_listen_service svc, int fd);

/* Embedded by the server, which only reads it. */
struct edge {
	struct daemon *d;
	edge_accept_fn *accept;
	void *ctx;
	struct places *places;
	struct edge_listener *listeners[EDGE_LISTENERS_MAX];
	unsigned listeners_n;
	LIST_HEAD(, edge_client) clients;
	uint64_t clients_n;
	bool open, stopping;
	struct loop_timer peers_timer;
};

/* accept is called with ctx for each connection, as by a listener. ERR_NOMEM. */
int edge_init(struct edge *e, struct daemon *d, edge_accept_fn *accept, void *ctx) MUST_CHECK;
/* Undoes edge_init(); all clients have left. Closes the listening sockets. */
void edge_end(struct edge *e);

/* Takes clients from now on. */
void edge_open(struct edge *e);
/* edge_open() if spoold and accountd are both there. */
void edge_peers_check(struct edge *e);

/* What the frame hands in: takes fd over. One of another program's services, too many, or after edge_stop() is closed;
 * those that master has shut down make room. */
void edge_listener(struct edge *e, enum conf_listen_service svc, int fd);

/* A client from addr (text) that is known as ctx: within the limits of the configuration it is counted and in
 * the list until edge_leave(). ERR_LIMIT or ERR_NOMEM, and *why_r then says it in words for the client. */
int edge_enter(struct edge *e, struct edge_client *c, const char *addr, void *ctx, const char **why_r) MUST_CHECK;
/* The last one to leave after edge_stop() ends the process. */
void edge_leave(struct edge *e, struct edge_client *c);
/* Calls fn with the ctx of each client; that one may leave meanwhile, no other. */
void edge_each(struct edge *e, void (*fn)(void *ctx));

/* Moves a client's timer to the time due_ms of clock_mono_ms() unless it is due before that; 0: leaves it. So it
 * is seldom moved, and fn looks whether it came too early. */
void edge_timer_nearer(struct edge *e, struct loop_timer *t, uint64_t due_ms, void (*fn)(void *ctx), void *ctx);

/* The init of an edge (or a part of it): makes d->tls. The row of its peer ROLE_KEYD is that of tls.h. */
int edge_tls_init(struct daemon *d, int dirfd) MUST_CHECK;

/* Nobody new is let in, every client is told by fn as with edge_each(); daemon_done() when none is left. */
void edge_stop(struct edge *e, void (*fn)(void *ctx));

#endif
