#ifndef PABAL_DAEMON_CONN_H
#define PABAL_DAEMON_CONN_H

#include "common/base/buf.h"
#include "common/base/loop.h"

/*
 * A TCP connection of an edge or agent: buffered, with back-pressure, one timeout, and TLS (tls.h), which is
 * seen here and nowhere else: conn_in() and conn_out() hold plaintext.
 *
 * The reader takes what it wants from conn_in() with buf_consume(); what is left
 * stays and comes again with more. While the output holds more than
 * CONN_OUT_HIGH bytes nothing is read (a client that pipelines and does not read
 * the replies stops itself), until conn_on_drain says there is room again.
 */
struct conn;

enum { CONN_IN_MAX = 64 * 1024, CONN_OUT_HIGH = 256 * 1024 };

enum conn_event {
	CONN_CONNECTED,         /* conn_connect() succeeded */
	CONN_DATA,              /* new bytes in conn_in() */
	CONN_DRAIN,             /* the output went below CONN_OUT_HIGH / 2 after it was above CONN_OUT_HIGH,
	                         * or became empty after conn_want_drain() */
	CONN_EOF,               /* the peer closed its side; what is in conn_in() is all there will be */
	CONN_TLS,               /* the handshake that conn_start_tls_server() or _client() began is done */
	CONN_TIMEOUT,           /* conn_set_timeout() passed without a byte read or written */
	CONN_ERROR,             /* broken; conn_errno() says why. No further event comes */
};

struct conn_ops {
	void (*event)(void *ctx, struct conn *c, enum conn_event ev);
	void *ctx;
};

/* Takes over a connected, non-blocking socket. NULL without memory; the fd is closed then. */
struct conn *conn_accept(struct loop *l, int fd, const struct conn_ops *ops);
/* Starts connecting to addr (4 or 16 bytes) from bind_addr (text, NULL or "": any). CONN_CONNECTED or
 * CONN_ERROR/CONN_TIMEOUT follows. NULL: no memory or no socket, errno says why. */
struct conn *conn_connect(struct loop *l, uint8_t family, const uint8_t *addr, uint16_t port,
    const char *bind_addr, uint64_t timeout_ms, const struct conn_ops *ops);
struct buf *conn_in(struct conn *c);
/* Appends to the output; sent at the end of the turn. */
void conn_write(struct conn *c, const void *p, size_t n);
void conn_writef(struct conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* To encode straight into the output; follow with conn_kick(). */
struct buf *conn_out(struct conn *c);
void conn_kick(struct conn *c);
size_t conn_out_len(const struct conn *c);
/* One CONN_DRAIN when the output is empty. */
void conn_want_drain(struct conn *c);
/* Stops and restarts reading (while an answer from another process is awaited). Bytes that are
 * in conn_in() when reading resumes are announced again by a CONN_DATA at the end of the turn. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
void conn_set_timeout(struct conn *c, uint64_t ms);     /* 0: none */
/* Closes once the output is sent (or after 10 seconds, or on error); no events any more. *c = NULL.
 * Whoever limits connections counts these no more: when very many wait so, the next is sent what goes at once. */
void conn_finish(struct conn **c);
/* Closes now. *c = NULL. */
void conn_close(struct conn **c);
int conn_errno(const struct conn *c);
/*
 * TLS, as a server or as a client. What is in conn_in() is thrown away (RFC 3207 4.2: nothing that came before the
 * handshake counts), what is in the output is sent first, then the handshake begins; CONN_TLS or CONN_ERROR follows,
 * and no CONN_DATA before. A server's handshake has to be done within t's time. The TLS state is made when the first
 * byte comes: a connection that says nothing costs nothing. *t outlives the connection. Only once in a connection.
 */
struct tls_server;
struct tls_client;
struct tls_target;
void conn_start_tls_server(struct conn *c, struct tls_server *t);
/* ERR_NOMEM, ERR_SYNTAX (the name is none). */
int conn_start_tls_client(struct conn *c, struct tls_client *t, const struct tls_target *target) MUST_CHECK;
/* Is it under TLS, from conn_start_tls_*() on? */
bool conn_has_tls(const struct conn *c);
/* After CONN_TLS; NULL without TLS. Good as long as the connection. */
struct tls_info;
const struct tls_info *conn_tls_info(const struct conn *c);
/* Why CONN_ERROR came if TLS was why: "certificate has expired", "wrong version number"; else NULL. */
const char *conn_tls_error(const struct conn *c);
/* Channel bindings of this connection (RFC 5929, 9266); ERR_NOTFOUND: it has none of that type. */
enum conn_binding { CONN_BINDING_EXPORTER, CONN_BINDING_SERVER_END_POINT };
enum { CONN_BINDING_MAX = 64 };
int conn_tls_binding(const struct conn *c, enum conn_binding type, uint8_t out_r[CONN_BINDING_MAX], size_t *len_r) MUST_CHECK;
/* Text of the addresses: "192.0.2.1", "2001:db8::1"; without port. The local one is good until the next call. */
const char *conn_peer_addr(const struct conn *c);
const char *conn_local_addr(const struct conn *c);
uint16_t conn_peer_port(const struct conn *c);
bool conn_peer_is_loopback(const struct conn *c);

/* listener.c. Accepts on a listening socket: fn is called for each connection, in batches. Pauses by
 * itself for a second when descriptors run out (EMFILE), one log line. */
struct listener;
struct listener *listener_new(struct loop *l, int fd, void (*fn)(void *ctx, int fd), void *ctx);
void listener_pause(struct listener *ln);
void listener_resume(struct listener *ln);
/* True once master has shut the socket down: it is closed and nothing comes any more. */
bool listener_ended(const struct listener *ln);
/* Closes the socket. */
void listener_free(struct listener **ln);

#endif
