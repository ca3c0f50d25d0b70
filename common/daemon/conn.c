#include "common/daemon/conn_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"

enum {
	OUT_MAX = 16 * 1024 * 1024,     /* a session that writes this much unread is broken: it must use DRAIN */
	READ_CHUNK = 16 * 1024,
	LINGER_MS = 10 * 1000,
	LINGER_READS = 16,              /* in one turn */
	DUE_FLUSH = 1, DUE_READ = 2,
	FINISHING_MAX = 256,            /* connections that nobody owns any more but that wait for their peers */
};

static unsigned finishing_n;

static void conn_ready(void *ctx, unsigned events);
static void conn_flush(struct conn *c);
static void conn_due(void *ctx);
static void conn_linger(struct conn *c);

static bool in_full(const struct conn *c) { return buf_len(&c->in) >= CONN_IN_MAX; }

/* An idle connection keeps no buffers. errno stays. */
static void spare(struct buf *b)
{
	int e = errno;

	if (buf_len(b) == 0 && buf_err(b) == 0)
		buf_free(b);
	errno = e;
}

void conn_watch(struct conn *c)
{
	unsigned ev = 0;

	if (c->broken)
		return;
	if (c->lingering || (!c->connecting && !c->paused && !c->throttled && !c->eof && !in_full(c) && !c->finishing))
		ev |= LOOP_READ;
	/* What is flushed at the end of this turn anyway needs no word from the system. */
	if (c->connecting || (buf_len(&c->out) != 0 && (c->due & DUE_FLUSH) == 0))
		ev |= LOOP_WRITE;
	if (c->tls != NULL && !c->lingering)
		ev = conn_tls_events(c, ev);
	loop_fd_set(c->loop, &c->lfd, ev);
}

bool conn_tell(struct conn *c, enum conn_event ev)
{
	bool gone = false, *outer = c->gone;

	c->gone = &gone;
	c->ops.event(c->ops.ctx, c, ev);
	if (gone) {
		if (outer != NULL)
			*outer = true;
		return false;
	}
	c->gone = outer;
	return true;
}

static void conn_free(struct conn *c)
{
	if (c->gone != NULL)
		*c->gone = true;
	loop_timer_del(c->loop, &c->timer);
	loop_task_del(c->loop, &c->task);
	loop_fd_del(c->loop, &c->lfd);
	if (c->tls != NULL)
		conn_tls_free(c);
	(void)close(c->fd);
	if (c->finishing)
		finishing_n--;
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

void conn_break(struct conn *c, int err)
{
	if (c->broken)
		return;
	if (c->finishing) {
		conn_free(c);
		return;
	}
	c->broken = true;
	c->err = err;
	loop_timer_del(c->loop, &c->timer);
	loop_fd_del(c->loop, &c->lfd);
	(void)conn_tell(c, CONN_ERROR);
}

static void timer_fired(void *ctx)
{
	struct conn *c = ctx;

	if (c->finishing)
		conn_free(c);
	else
		(void)conn_tell(c, CONN_TIMEOUT);
}

void conn_touch(struct conn *c)
{
	if (c->timeout_ms != 0 && !c->finishing)
		loop_timer_set(c->loop, &c->timer, c->timeout_ms, timer_fired, c);
}

static void addr_text(int fd, bool peer, char *text, uint16_t *port_r)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len = sizeof(u);
	const void *a;
	int r = peer ? getpeername(fd, &u.sa, &len) : getsockname(fd, &u.sa, &len);

	text[0] = '\0';
	if (r != 0 || (u.sa.sa_family != AF_INET && u.sa.sa_family != AF_INET6))
		return;
	a = u.sa.sa_family == AF_INET ? (const void *)&u.in4.sin_addr : (const void *)&u.in6.sin6_addr;
	*port_r = ntohs(u.sa.sa_family == AF_INET ? u.in4.sin_port : u.in6.sin6_port);
	if (u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&u.in6.sin6_addr))
		(void)inet_ntop(AF_INET, (const uint8_t *)a + 12, text, INET6_ADDRSTRLEN);
	else
		(void)inet_ntop(u.sa.sa_family, a, text, INET6_ADDRSTRLEN);
}

static struct conn *conn_new(struct loop *l, int fd, const struct conn_ops *ops, bool connecting)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (c == NULL) {
		(void)close(fd);
		return NULL;
	}
	c->loop = l;
	c->fd = fd;
	c->ops = *ops;
	c->connecting = connecting;
	c->in = BUF_INIT(CONN_IN_MAX + READ_CHUNK);
	c->out = BUF_INIT(OUT_MAX);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (loop_fd_add(l, &c->lfd, fd, connecting ? LOOP_WRITE : LOOP_READ, conn_ready, c) != 0) {
		(void)close(fd);
		free(c);
		return NULL;
	}
	return c;
}

struct conn *conn_accept(struct loop *l, int fd, const struct conn_ops *ops)
{
	struct conn *c = conn_new(l, fd, ops, false);

	if (c != NULL)
		addr_text(fd, true, c->peer, &c->peer_port);
	return c;
}

/* Fills in a socket address; its length, or 0 for a family or text that is none. */
static socklen_t sockaddr_make(struct sockaddr_storage *ss, uint8_t family, const uint8_t *addr, uint16_t port)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (family == 4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		memcpy(&in4->sin_addr, addr, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr, 16);
	return sizeof(*in6);
}

static int bind_local(int fd, uint8_t family, const char *text)
{
	struct sockaddr_storage ss;
	uint8_t addr[16];
	socklen_t len;

	if (text == NULL || text[0] == '\0' || inet_pton(family == 4 ? AF_INET : AF_INET6, text, addr) != 1)
		return 0;       /* of the other family: the system chooses */
	len = sockaddr_make(&ss, family, addr, 0);
	return bind(fd, (struct sockaddr *)&ss, len);
}

struct conn *conn_connect(struct loop *l, uint8_t family, const uint8_t *addr, uint16_t port,
    const char *bind_addr, uint64_t timeout_ms, const struct conn_ops *ops)
{
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_make(&ss, family, addr, port);
	struct conn *c;
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	if (bind_local(fd, family, bind_addr) != 0 ||
	    (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS)) {
		int e = errno;

		(void)close(fd);
		errno = e;
		return NULL;
	}
	c = conn_new(l, fd, ops, true);
	if (c == NULL)
		return NULL;
	(void)inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, c->peer, sizeof(c->peer));
	c->peer_port = port;
	c->timeout_ms = timeout_ms;
	conn_touch(c);
	return c;
}

/* ---- reading --------------------------------------------------------------- */

static bool conn_connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int e = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
		e = errno;
	if (e != 0) {
		conn_break(c, e);
		return false;
	}
	c->connecting = false;
	conn_touch(c);
	return conn_tell(c, CONN_CONNECTED);
}

/* One read of plaintext; under TLS what OpenSSL has, for the poller does not know of that. */
static ssize_t conn_take(struct conn *c, size_t *got_r)
{
	ssize_t n;
	uint8_t *p;

	*got_r = 0;
	do {
		p = buf_reserve(&c->in, READ_CHUNK);
		if (p == NULL) {
			errno = ENOMEM;
			return -1;
		}
		n = c->tls != NULL ? conn_tls_recv(c, p, READ_CHUNK) : recv(c->fd, p, READ_CHUNK, 0);
		if (n <= 0) {
			spare(&c->in);
			return n;
		}
		buf_commit(&c->in, (size_t)n);
		*got_r += (size_t)n;
	} while (c->tls != NULL && !in_full(c) && conn_tls_pending(c));
	return n;
}

static bool conn_read(struct conn *c)
{
	size_t got;
	ssize_t n;
	int e;

	if (c->paused || c->throttled || c->eof || in_full(c) || c->finishing)
		return true;
	n = conn_take(c, &got);
	e = errno;
	if (n == 0)
		c->eof = c->eof_told = true;
	if (got != 0) {
		conn_touch(c);
		if (!conn_tell(c, CONN_DATA))
			return false;
		if (c->broken)
			return true;
		spare(&c->in);
	}
	if (n == 0)
		return conn_tell(c, CONN_EOF);
	if (n < 0 && e != EAGAIN && e != EWOULDBLOCK && e != EINTR) {
		conn_break(c, e);
		return false;
	}
	if (c->tls != NULL && !conn_tls_busy(c) && conn_tls_pending(c))
		conn_read_soon(c);
	return true;
}

/*
 * All is sent and we close. Bytes of the peer that nobody reads would make the
 * kernel answer with a reset, which can take our last reply away from a peer that
 * is still sending: then its bytes are thrown away until it closes, or the linger
 * time is over. Frees the connection when there is nothing to wait for.
 */
static void conn_linger(struct conn *c)
{
	bool unread = c->lingering || buf_len(&c->in) != 0;    /* who sent more than we took may be sending still */
	int left = LINGER_READS;
	uint8_t *p;
	ssize_t n;

	buf_consume(&c->in, buf_len(&c->in));
	if (!c->lingering)
		(void)shutdown(c->fd, SHUT_WR);
	do {
		p = buf_reserve(&c->in, READ_CHUNK);
		n = p != NULL ? recv(c->fd, p, READ_CHUNK, 0) : 0;
		unread = unread || n > 0;
	} while ((n > 0 || (n < 0 && errno == EINTR)) && --left > 0);
	if (!unread || n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
		conn_free(c);
		return;
	}
	c->lingering = true;
	conn_watch(c);
}

static void conn_ready(void *ctx, unsigned events)
{
	struct conn *c = ctx;
	bool gone = false, hung, *outer = c->gone;

	if (c->lingering) {
		conn_linger(c);
		return;
	}
	if (c->connecting) {
		if (conn_connected(c))
			conn_watch(c);
		return;
	}
	c->gone = &gone;
	if (c->tls != NULL) {
		events |= conn_tls_wishes(c, events);
		if (conn_tls_busy(c) && (!conn_tls_step(c, events) || gone || c->broken))
			events = 0;
	}
	if ((events & LOOP_WRITE) != 0)
		conn_flush(c);
	if (!gone && !c->broken && (events & LOOP_READ) != 0 && (c->tls == NULL || !conn_tls_busy(c)))
		(void)conn_read(c);
	if (gone)
		return;
	c->gone = outer;
	if (c->broken)
		return;
	/* Hung up on both sides while nobody reads: the poller would report it for ever. */
	if (c->tls != NULL && conn_tls_busy(c))
		hung = conn_tls_events(c, 0) == 0;
	else
		hung = c->paused || c->throttled || c->eof || c->finishing || in_full(c);
	if ((events & LOOP_HUP) != 0 && hung) {
		conn_break(c, ECONNRESET);
		return;
	}
	conn_watch(c);
}

static void read_again(struct conn *c)
{
	bool tls = c->tls != NULL && !conn_tls_busy(c);

	if (c->broken || c->paused || c->throttled || (c->tls != NULL && !tls))
		return;
	if (buf_len(&c->in) != 0 && !conn_tell(c, CONN_DATA))
		return;
	if (!c->broken && tls && conn_tls_pending(c) && !conn_read(c))
		return;
	if (!c->broken)
		conn_watch(c);
}

void conn_read_soon(struct conn *c)
{
	c->due |= DUE_READ;
	loop_task_add(c->loop, &c->task, conn_due, c);
}

/* ---- writing ---------------------------------------------------------------- */

static ssize_t conn_send(struct conn *c, struct slice s)
{
	return c->tls != NULL ? conn_tls_send(c, s) : send(c->fd, s.p, s.len, MSG_NOSIGNAL);
}

static void conn_flush(struct conn *c)
{
	struct slice s;
	bool sent = false;
	ssize_t n;

	if (c->broken || c->connecting)
		return;
	if (buf_err(&c->out) != 0) {
		conn_break(c, ENOBUFS);
		return;
	}
	while ((s = buf_slice(&c->out)).len != 0) {
		n = conn_send(c, s);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			conn_break(c, errno);
			return;
		}
		sent = true;
		buf_consume(&c->out, (size_t)n);
	}
	if (sent)
		conn_touch(c);
	spare(&c->out);
	if (c->tls != NULL && !conn_tls_begin(c))
		return;
	if (c->finishing && buf_len(&c->out) == 0) {
		if (c->tls != NULL && !conn_tls_bye(c))
			conn_watch(c);
		else
			conn_linger(c);
		return;
	}
	if ((c->throttled && buf_len(&c->out) < CONN_OUT_HIGH / 2) || (c->want_drain && buf_len(&c->out) == 0)) {
		bool was = c->throttled;

		c->throttled = c->want_drain = false;
		if (!conn_tell(c, CONN_DRAIN) || c->broken)
			return;
		if (was)
			conn_read_soon(c);
	}
	conn_watch(c);
}

void conn_kick(struct conn *c)
{
	if (c->broken)
		return;
	if (buf_len(&c->out) > CONN_OUT_HIGH)
		c->throttled = true;
	conn_flush_soon(c);
}

void conn_flush_soon(struct conn *c)
{
	c->due |= DUE_FLUSH;
	loop_task_add(c->loop, &c->task, conn_due, c);
}

static void conn_due(void *ctx)
{
	struct conn *c = ctx;
	uint8_t due = c->due;
	bool gone = false, *outer = c->gone;

	c->due = 0;
	c->gone = &gone;
	if ((due & DUE_FLUSH) != 0)
		conn_flush(c);
	if (gone)
		return;
	c->gone = outer;
	if ((due & DUE_READ) != 0)
		read_again(c);
}

void conn_write(struct conn *c, const void *p, size_t n)
{
	buf_add(&c->out, p, n);
	conn_kick(c);
}

void conn_writef(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&c->out, fmt, ap);
	va_end(ap);
	conn_kick(c);
}

struct buf *conn_in(struct conn *c) { return &c->in; }
struct buf *conn_out(struct conn *c) { return &c->out; }
size_t conn_out_len(const struct conn *c) { return buf_len(&c->out); }

void conn_want_drain(struct conn *c)
{
	c->want_drain = true;
	conn_kick(c);
}

/* ---- the rest ---------------------------------------------------------------- */

void conn_pause(struct conn *c)
{
	c->paused = true;
	if (!c->broken && !c->connecting)
		conn_watch(c);
}

void conn_resume(struct conn *c)
{
	c->paused = false;
	if (!c->broken)
		conn_read_soon(c);
}

void conn_set_timeout(struct conn *c, uint64_t ms)
{
	c->timeout_ms = ms;
	if (ms == 0)
		loop_timer_del(c->loop, &c->timer);
	else if (!c->broken)
		conn_touch(c);
}

void conn_finish(struct conn **cp)
{
	struct conn *c = *cp;
	bool owed;

	*cp = NULL;
	if (c == NULL)
		return;
	owed = !c->broken && !c->connecting && buf_len(&c->out) != 0 && (c->tls == NULL || !conn_tls_busy(c));
	for (ssize_t n = 1; owed && finishing_n >= FINISHING_MAX && n > 0 && buf_len(&c->out) != 0; )
		if ((n = conn_send(c, buf_slice(&c->out))) > 0)
			buf_consume(&c->out, (size_t)n);
	if (!c->broken && c->tls != NULL && (!owed || buf_len(&c->out) == 0))
		(void)conn_tls_bye(c);
	if (!owed || finishing_n >= FINISHING_MAX) {
		conn_free(c);
		return;
	}
	if (c->gone != NULL) {          /* to the callback that runs now we are gone */
		*c->gone = true;
		c->gone = NULL;
	}
	c->finishing = true;
	finishing_n++;
	loop_timer_set(c->loop, &c->timer, LINGER_MS, timer_fired, c);
	c->due = 0;
	conn_flush_soon(c);
	conn_watch(c);
}

void conn_close(struct conn **cp)
{
	if (*cp != NULL)
		conn_free(*cp);
	*cp = NULL;
}

int conn_errno(const struct conn *c) { return c->err; }
const char *conn_peer_addr(const struct conn *c) { return c->peer; }

const char *conn_local_addr(const struct conn *c)
{
	static char text[INET6_ADDRSTRLEN];
	uint16_t port;

	addr_text(c->fd, false, text, &port);
	return text;
}

uint16_t conn_peer_port(const struct conn *c) { return c->peer_port; }

bool conn_peer_is_loopback(const struct conn *c)
{
	return strncmp(c->peer, "127.", 4) == 0 || strcmp(c->peer, "::1") == 0;
}
