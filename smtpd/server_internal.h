#ifndef PABAL_SMTPD_SERVER_INTERNAL_H
#define PABAL_SMTPD_SERVER_INTERNAL_H

/* What the files around the sessions share: server.c has the connections, server_ask.c the questions to accountd and
 * spoold. */

#include <bsd/sys/queue.h>

#include "common/daemon/edge.h"
#include "smtpd/server.h"
#include "smtpd/session.h"

struct client {
	struct edge_client at;
	STAILQ_ENTRY(client) waiting;    /* for its turn to send ACCEPT */
	struct server *srv;
	struct conn *conn;               /* NULL: gone, and an answer is still due */
	struct smtp_session *s;
	struct buf out;
	struct loop_timer timer;
	bool implicit_tls;
	bool eof;
	bool asked;                      /* a request is open, or it is in srv->waiting */
	size_t held;                     /* content in memory, as counted in srv->held */
	uint64_t file;                   /* body file that we hold, 0: none */
	int fd;
};

struct server {
	struct daemon *d;
	struct smtp_env env;
	struct edge edge;
	STAILQ_HEAD(, client) waiting;
	size_t held;
};

/* server.c: goes on with the session as far as it goes, which may end the client. */
void client_run(struct client *c);

/* server_ask.c: does what the session wants of others. False: the answer is already there. */
bool client_ask(struct client *c, enum smtp_want want);
/* The session has no use for the file that is held any more: it was refused, or ACCEPT took it. */
void client_file_drop(struct client *c);
/* spoold is gone, and the file with it. */
void client_file_forget(struct client *c);
/* spoold has taken something: the next that waited. Gone spoold: all of them hear it. */
void accept_pump(struct server *srv);

#endif
