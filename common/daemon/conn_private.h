#ifndef PABAL_DAEMON_CONN_PRIVATE_H
#define PABAL_DAEMON_CONN_PRIVATE_H

#include <arpa/inet.h>
#include <sys/types.h>

#include "common/daemon/conn.h"

/* Between conn.c (the connection) and conn_tls.c (its encryption). */
struct conn_tls;

struct conn {
	struct loop *loop;
	struct loop_fd lfd;
	struct loop_timer timer;
	struct loop_task task;          /* of the end of the turn: what is due */
	struct conn_ops ops;
	struct buf in, out;
	uint64_t timeout_ms;
	int fd, err;
	bool connecting, paused, eof, eof_told, broken, finishing, lingering, throttled, want_drain;
	uint8_t due;
	uint16_t peer_port;
	char peer[INET6_ADDRSTRLEN];
	struct conn_tls *tls;           /* NULL: plaintext */
	bool *gone;                     /* set when the callback that runs now freed us */
};

/* ---- conn.c -------------------------------------------------------------------- */

/* False when the callback freed the connection. */
bool conn_tell(struct conn *c, enum conn_event ev);
/* It is broken: CONN_ERROR; a connection that nobody owns is freed. */
void conn_break(struct conn *c, int err);
/* Waits for what it has to wait for. */
void conn_watch(struct conn *c);
/* There was a sign of life. */
void conn_touch(struct conn *c);
/* Sends what waits at the end of the turn. */
void conn_flush_soon(struct conn *c);
/* Reads what OpenSSL holds already, at the end of the turn. */
void conn_read_soon(struct conn *c);

/* ---- conn_tls.c: c->tls is not NULL ------------------------------------------------ */

/* From conn_start_tls_*() until CONN_TLS: plaintext is no longer read, and not yet cleartext. */
bool conn_tls_busy(const struct conn *c);
/* The events to wait for: ev is what the reader and the output want. */
unsigned conn_tls_events(const struct conn *c, unsigned ev);
/* While busy: goes on. False when the connection is gone or broken. */
bool conn_tls_step(struct conn *c, unsigned events);
/* The output that was to go in the clear has gone: the handshake begins. False as above. */
bool conn_tls_begin(struct conn *c);
/* Like recv() and send(): the number of bytes, 0 at the end, or -1 with errno. Frees nothing. */
ssize_t conn_tls_recv(struct conn *c, void *p, size_t n);
ssize_t conn_tls_send(struct conn *c, struct slice s);
/* Is there something to read that the kernel does not know of? */
bool conn_tls_pending(const struct conn *c);
/* A wish of OpenSSL's that these events fulfil: 1 to read, 2 to flush. */
unsigned conn_tls_wishes(struct conn *c, unsigned events);
/* Sends close_notify; false: not yet all of it, wait for LOOP_WRITE. */
bool conn_tls_bye(struct conn *c);
void conn_tls_free(struct conn *c);

#endif
