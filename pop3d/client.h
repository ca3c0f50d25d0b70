#ifndef PABAL_POP3D_CLIENT_H
#define PABAL_POP3D_CLIENT_H

/* What server.c and backend.c share: one connection and what is behind it. */

#include <bsd/sys/queue.h>

#include "common/daemon/edge.h"
#include "pop3d/ahead.h"
#include "pop3d/session.h"

struct server;

struct client {
	struct edge_client at;
	STAILQ_ENTRY(client) waiting;    /* for its turn to ask for a part of a body */
	struct server *srv;
	struct conn *conn;               /* NULL: gone, and an answer is still due */
	struct pop3_session *s;
	struct buf out;
	struct loop_timer timer;
	bool eof;
	bool tls_begun;                  /* conn_start_tls_server() was called */
	struct edge_tls tls;
	bool asked;                      /* a request is open, or it is in srv->waiting */
	/* in spoold */
	bool opened;
	uint32_t spool_session;
	uint64_t mailbox;
	/* the body that is being read from a file of its own, or -1 */
	int body_fd;
	uint64_t body_id, body_size;
	struct ahead ahead;
};

struct server {
	struct daemon *d;
	struct pop3_env env;
	struct edge edge;
	STAILQ_HEAD(, client) waiting;
	unsigned parts_open;             /* of bodies, asked for and not answered */
	struct ahead_set ahead;
};

/* Runs the session as far as it goes; may free the client. */
void client_run(struct client *c);

/* Begins what the session wants; false when the answer has been fed already. */
bool backend_ask(struct client *c, enum pop3_want want);
/* The session is over, or spoold is gone (lost). */
void backend_close(struct client *c, bool lost);
/* No part of a body is wanted any more. */
void backend_body_close(struct client *c);

#endif
