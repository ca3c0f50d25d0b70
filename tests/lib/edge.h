#ifndef PABAL_TESTS_EDGE_H
#define PABAL_TESTS_EDGE_H

/*
 * Runs the real program of an edge (smtpd, pop3d, imapd) with this process as its
 * master, its spoold and its accountd, and talks to it over loopback. Everything
 * happens in one loop: whoever waits turns it, up to a deadline.
 */
#include <sys/types.h>

#include "common/base/loop.h"
#include "common/daemon/conf.h"
#include "common/daemon/conn.h"
#include "common/ipc/channel.h"
#include "common/ipc/roles.h"

struct edge {
	struct loop *loop;
	enum role role;
	pid_t pid;
	struct channel *master;
	struct channel *spool, *account;     /* our ends; NULL when closed */
	const struct ipc_handler *spool_handlers, *account_handlers;
	void (*spool_open)(struct channel *ch, void *ctx);
	void *ctx;
	uint16_t port;
	bool ready, gone, stopping;
};

/* program is below abs_top_builddir; conf is the text of pabal.conf. The fields *_handlers,
 * spool_open and ctx are set before. Fails the test when it does not come up. */
void edge_start(struct edge *e, const char *program, enum role role, enum conf_listen_service svc, const char *conf);
/* Another listening socket, which edge_connect() uses from now on; one set before does not change. */
void edge_listen(struct edge *e, enum conf_listen_service svc);
/* A new channel for the peer, as after its restart. */
void edge_peer_new(struct edge *e, enum role role);
/* Tells it to stop. */
void edge_stop_begin(struct edge *e);
/* The same unless it was done before, and waits: its exit status. */
int edge_stop(struct edge *e);
/* Turns the loop until *flag. */
void edge_wait(struct edge *e, const bool *flag, const char *what);

/* A client. */
struct edge_client {
	struct edge *e;
	struct conn *c;
	bool closed, tls;
};

void edge_connect(struct edge *e, struct edge_client *c);
/* Sends text as it is. */
void edge_say(struct edge_client *c, const char *text);
void edge_say_bytes(struct edge_client *c, struct slice s);
/* The next line (with CRLF on the wire) must begin with prefix. */
void edge_hear(struct edge_client *c, const char *prefix);
/* The next n bytes, appended to b. */
void edge_read(struct edge_client *c, struct buf *b, size_t n);
/* The server closes and nothing more comes before. */
void edge_hear_close(struct edge_client *c);
void edge_hang_up(struct edge_client *c);

#endif
