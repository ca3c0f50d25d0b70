/* Connections to loopback addresses, with and without TLS. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load_internal.h"

static struct conn *spare;			/* closed ones are used again, never freed: late events stay harmless */
static SSL_CTX *tls_ctx;

uint64_t bytes_in, bytes_out;

struct sockaddr_storage address_parse(const char *spec, socklen_t *len_r)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	const char *colon = strrchr(spec, ':');
	char host[64];

	memset(&ss, 0, sizeof(ss));
	if (colon == NULL || (size_t)(colon - spec) >= sizeof(host))
		die("'%s' is not ADDRESS:PORT", spec);
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - spec), spec);
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1 && ntohl(in->sin_addr.s_addr) >> 24 == 127) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number_prefix(colon + 1));
		*len_r = sizeof(*in);
	} else if (strcmp(host, "[::1]") == 0) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons((uint16_t)number_prefix(colon + 1));
		*len_r = sizeof(*in6);
	} else {
		die("'%s' is not a loopback address", spec);
	}
	return ss;
}

struct conn *conn_new(struct task *owner, int fd)
{
	struct conn *c = spare;
	int one = 1;

	if (c != NULL) {
		spare = c->next;
	} else {
		c = xrealloc(NULL, sizeof(*c));
		memset(c, 0, sizeof(*c));
	}
	c->fd = fd;
	c->owner = owner;
	c->ssl = NULL;
	c->drained = false;
	c->start = c->end = c->scanned = c->taken = 0;
	c->next = owner->conns;
	owner->conns = c;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	loop_watch(c);
	return c;
}

struct conn *conn_open_plain(const char *address)
{
	socklen_t len, n;
	struct sockaddr_storage ss = address_parse(address, &len), peer;
	int error = 0, fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *c;

	if (fd < 0)
		die("socket: %s", strerror(errno));
	c = conn_new(current, fd);
	if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS)
		task_fail("connect: %s", strerror(errno));
	while (n = sizeof(peer), getpeername(fd, (struct sockaddr *)&peer, &n) != 0) {
		n = sizeof(error);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0)
			task_fail("connect to %s: %s", address, strerror(error));
		task_wait();
	}
	return c;
}

struct conn *conn_open(const char *address)
{
	struct conn *c = conn_open_plain(address);

	if (opt.tls == TLS_IMPLICIT)
		conn_start_tls(c);
	return c;
}

void conn_close(struct conn *c)
{
	struct conn **p = &c->owner->conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	SSL_free(c->ssl);
	c->ssl = NULL;
	(void)close(c->fd);
	c->fd = -1;
	c->next = spare;
	spare = c;
}

/* After an OpenSSL call that did not succeed: waits if it only has to wait. */
static void tls_wait(struct conn *c, int result, const char *what)
{
	int e = SSL_get_error(c->ssl, result);

	ERR_clear_error();
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		task_fail("%s failed", what);
	task_wait();
}

void conn_start_tls(struct conn *c)
{
	int r;

	if (tls_ctx == NULL && ((tls_ctx = SSL_CTX_new(TLS_client_method())) == NULL))
		die("no TLS");
	/* No verification: the certificate was made for this run. No resumption: every handshake is a whole one. */
	SSL_CTX_set_verify(tls_ctx, SSL_VERIFY_NONE, NULL);
	(void)SSL_CTX_set_session_cache_mode(tls_ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(tls_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if ((c->ssl = SSL_new(tls_ctx)) == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		die("no memory for TLS");
	while ((r = SSL_connect(c->ssl)) != 1)
		tls_wait(c, r, "the TLS handshake");
}

void conn_write(struct conn *c, const void *data, size_t len)
{
	const char *p = data;

	bytes_out += len;
	while (len > 0) {
		ssize_t n;

		if (c->ssl != NULL) {
			if ((n = SSL_write(c->ssl, p, (int)(len > 16384 ? 16384 : len))) <= 0) {
				tls_wait(c, (int)n, "a write by TLS");
				continue;
			}
		} else if ((n = send(c->fd, p, len, MSG_NOSIGNAL)) < 0) {
			if (errno != EAGAIN && errno != EINTR)
				task_fail("write: %s", strerror(errno));
			task_wait();
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}

void conn_printf(struct conn *c, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		die("a command is too long");
	conn_write(c, text, (size_t)n);
}

static void conn_make_room(struct conn *c)
{
	if (c->start == c->end)
		c->start = c->end = c->scanned = 0;
	if (c->end < c->cap)
		return;
	if (c->start > 0) {
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->end -= c->start;
		c->scanned -= c->start < c->scanned ? c->start : c->scanned;
		c->start = 0;
	} else {
		c->cap = c->cap > 0 ? c->cap * 4 : 4096;
		c->in = xrealloc(c->in, c->cap);
	}
}

/* Reads what there is; false: nothing. */
static bool conn_read(struct conn *c)
{
	size_t room;
	ssize_t n;

	conn_make_room(c);
	room = c->cap - c->end;
	if (c->ssl != NULL) {
		if ((n = SSL_read(c->ssl, c->in + c->end, (int)room)) <= 0) {
			int e = SSL_get_error(c->ssl, (int)n);

			ERR_clear_error();
			if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
				task_fail("the server broke off (TLS)");
			return false;
		}
	} else {
		if (c->drained)
			return false;
		n = recv(c->fd, c->in + c->end, room, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			c->drained = errno == EAGAIN;
			return false;
		}
		if (n <= 0)
			task_fail("the server broke off%s%s", n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
		c->drained = (size_t)n < room;
		if (!c->drained && c->cap < 256 * 1024 && c->start == 0) {
			c->cap *= 4;
			c->in = xrealloc(c->in, c->cap);
		}
	}
	c->end += (size_t)n;
	bytes_in += (uint64_t)n;
	return true;
}

char *conn_line_now(struct conn *c)
{
	for (;;) {
		size_t from = c->scanned > c->start ? c->scanned : c->start;
		char *line = c->in + c->start, *nl = from < c->end ? memchr(c->in + from, '\n', c->end - from) : NULL;

		if (nl != NULL) {
			size_t next = (size_t)(nl - c->in) + 1;

			c->taken += next - c->start;
			c->start = c->scanned = next;
			*nl = '\0';
			if (nl > line && nl[-1] == '\r')
				nl[-1] = '\0';
			return line;
		}
		c->scanned = c->end;
		if (!conn_read(c))
			return NULL;
	}
}

char *conn_line(struct conn *c)
{
	char *line;

	while ((line = conn_line_now(c)) == NULL)
		task_wait();
	return line;
}

void conn_skip(struct conn *c, size_t n)
{
	while (n > 0) {
		size_t have;

		while (c->start == c->end)
			if (!conn_read(c))
				task_wait();
		have = c->end - c->start < n ? c->end - c->start : n;
		c->start += have;
		c->taken += have;
		c->scanned = c->start;
		n -= have;
	}
}

size_t conn_taken(const struct conn *c)
{
	return c->taken;
}

uint64_t conn_event_ns(const struct conn *c)
{
	return c->event_ns;
}
