/*
 * The encryption of a connection: conn.c sees conn_tls_recv() and conn_tls_send() in the place of recv() and send(), and
 * during the handshake conn_tls_step().
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/conn_tls_private.h"

enum {
	EXTRA_MAX = 32,                 /* messages after the handshake without as many records of data */
	MINUTE_MAX = 100, MINUTE_MS = 60 * 1000,
	RECORD_HANDSHAKE = 22,
};

/* ---- starting ------------------------------------------------------------------------------ */

static struct conn_tls *tls_new(struct conn *c)
{
	struct conn_tls *t = c->tls == NULL ? calloc(1, sizeof(*t)) : NULL;

	if (t == NULL)
		return NULL;
	t->c = c;
	t->waiter.fn = conn_tls_job_there;
	t->plain_left = buf_len(&c->out);
	buf_consume(&c->in, buf_len(&c->in));
	c->tls = t;
	return t;
}

void conn_start_tls_server(struct conn *c, struct tls_server *s)
{
	struct conn_tls *t;

	if (c->broken)
		return;
	t = tls_new(c);
	if (t == NULL) {
		/* Out of memory: not in plaintext by any means. The owner hears of it from the socket. */
		(void)shutdown(c->fd, SHUT_RDWR);
		return;
	}
	t->server = s;
	if (t->plain_left == 0)
		t->state = TLS_WAIT;
	loop_timer_set(c->loop, &t->timer, tls_server_handshake_ms(s), conn_tls_late, c);
	conn_flush_soon(c);
}

int conn_start_tls_client(struct conn *c, struct tls_client *client, const struct tls_target *target)
{
	struct conn_tls *t;
	char *key = NULL;
	SSL *ssl = NULL;
	int r = c->broken || c->tls != NULL ? ERR_STATE : tls_client_ssl(client, target, &ssl, &key);

	if (r != 0)
		return r;
	t = tls_new(c);
	if (t == NULL) {
		SSL_free(ssl);
		free(key);
		return ERR_NOMEM;
	}
	t->client = client;
	t->ssl = ssl;
	t->key = key;
	if (!conn_tls_attach(t)) {
		conn_tls_free(c);
		return ERR_NOMEM;
	}
	conn_flush_soon(c);
	return 0;
}

void conn_tls_free(struct conn *c)
{
	struct conn_tls *t = c->tls;

	loop_timer_del(c->loop, &t->timer);
	loop_task_del(c->loop, &t->task);
	tls_server_unwait(&t->waiter);
	if (t->ask != NULL)
		t->ask->owner = NULL;
	t->dead = true;
	if (t->ssl != NULL && SSL_waiting_for_async(t->ssl))
		conn_tls_abandon(t);
	/* Without the other side's word SSL_free() would spoil the session. */
	if (t->ssl != NULL && t->state == TLS_OPEN)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	ERR_clear_error();
	free(t->signature);
	free(t->sni);
	free(t->mail);
	free(t->key);
	free(t);
	c->tls = NULL;
}

/* ---- data ------------------------------------------------------------------------------------ */

bool conn_tls_busy(const struct conn *c) { return c->tls->state < TLS_OPEN; }

unsigned conn_tls_events(const struct conn *c, unsigned ev)
{
	const struct conn_tls *t = c->tls;

	switch (t->state) {
	case TLS_PLAIN:
		return t->plain_left != 0 ? LOOP_WRITE : 0;
	case TLS_WAIT:
		return LOOP_READ;
	case TLS_HANDSHAKE:
		return t->want;
	default:
		if (t->write_wants_read)
			ev = (ev | LOOP_READ) & ~(unsigned)LOOP_WRITE;
		if (t->read_wants_write || t->bye_wants_write)
			ev |= LOOP_WRITE;
		return ev;
	}
}

unsigned conn_tls_wishes(struct conn *c, unsigned events)
{
	struct conn_tls *t = c->tls;
	unsigned more = 0;

	if (t->read_wants_write && (events & LOOP_WRITE) != 0) {
		t->read_wants_write = false;
		more |= LOOP_READ;
	}
	if (t->write_wants_read && (events & LOOP_READ) != 0) {
		t->write_wants_read = false;
		more |= LOOP_WRITE;
	}
	return more;
}

static ssize_t broken(struct conn_tls *t)
{
	const char *why = tls_error_text("unknown error");

	t->state = TLS_FAILED;
	errno = t->sys;
	if (t->sys == 0) {
		t->error = t->flood ? "too many messages after the handshake" : why;
		errno = EPROTO;
	}
	return -1;
}

ssize_t conn_tls_recv(struct conn *c, void *p, size_t n)
{
	struct conn_tls *t = c->tls;
	size_t got = 0;
	int e;

	ERR_clear_error();
	t->dry = false;
	if (t->state != TLS_OPEN || t->flood)
		return broken(t);
	if (SSL_read_ex(t->ssl, p, n, &got) == 1) {
		t->extra -= t->extra != 0;
		return (ssize_t)got;
	}
	e = SSL_get_error(t->ssl, 0);
	if (!t->flood && (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)) {
		t->dry = true;
		t->read_wants_write = e == SSL_ERROR_WANT_WRITE;
		errno = EAGAIN;
		return -1;
	}
	if (e == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (e == SSL_ERROR_SYSCALL && t->tcp_eof && !t->flood) {
		log_debug("[%s] has closed without a word of TLS", c->peer);
		return 0;
	}
	return broken(t);
}

ssize_t conn_tls_send(struct conn *c, struct slice s)
{
	struct conn_tls *t = c->tls;
	size_t n = 0;
	ssize_t r;
	int e;

	if (t->state == TLS_PLAIN && t->plain_left != 0) {
		r = send(c->fd, s.p, s.len < t->plain_left ? s.len : t->plain_left, MSG_NOSIGNAL);
		t->plain_left -= r > 0 ? (size_t)r : 0;
		return r;
	}
	if (t->state < TLS_OPEN) {
		errno = EAGAIN;
		return -1;
	}
	if (t->state != TLS_OPEN || t->bye) {
		errno = EPIPE;
		return -1;
	}
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, s.p, s.len, &n) == 1)
		return (ssize_t)n;
	e = SSL_get_error(t->ssl, 0);
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
		return broken(t);
	t->write_wants_read = e == SSL_ERROR_WANT_READ;
	errno = EAGAIN;
	return -1;
}

bool conn_tls_pending(const struct conn *c)
{
	const struct conn_tls *t = c->tls;

	return t->state == TLS_OPEN && !t->dry && SSL_has_pending(t->ssl) == 1;
}

bool conn_tls_bye(struct conn *c)
{
	struct conn_tls *t = c->tls;
	int r;

	t->bye_wants_write = false;
	if (t->state != TLS_OPEN || t->bye)
		return true;
	ERR_clear_error();
	r = SSL_shutdown(t->ssl);
	t->bye_wants_write = r < 0 && SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_WRITE;
	t->bye = !t->bye_wants_write;
	ERR_clear_error();
	return t->bye;
}

/* ---- callbacks from OpenSSL --------------------------------------------------------------------- */

struct tls_client *conn_tls_client(const struct conn_tls *t, const char **key_r)
{
	*key_r = t->key;
	return t->dead ? NULL : t->client;
}

void conn_tls_verify_failed(struct conn_tls *t, int x509_error)
{
	if (t->verify_error == X509_V_OK)
		t->verify_error = x509_error;
}

/* KeyUpdates, tickets, tries to renegotiate: each costs us more than the peer. */
void conn_tls_message(struct conn_tls *t, bool sent, int type, struct slice msg)
{
	uint64_t now;

	if (sent || t->state != TLS_OPEN || msg.len == 0)
		return;
	if (type != SSL3_RT_HANDSHAKE && (type != SSL3_RT_HEADER || msg.p[0] != RECORD_HANDSHAKE))
		return;
	now = clock_mono_ms();
	if (t->minute_n == 0 || now - t->minute_ms > MINUTE_MS) {
		t->minute_ms = now;
		t->minute_n = 0;
	}
	t->flood = t->flood || ++t->extra > EXTRA_MAX || ++t->minute_n > MINUTE_MAX;
}

/* ---- what the owner may know ---------------------------------------------------------------------- */

bool conn_has_tls(const struct conn *c) { return c->tls != NULL; }

const struct tls_info *conn_tls_info(const struct conn *c)
{
	return c->tls != NULL && c->tls->info.version != NULL ? &c->tls->info : NULL;
}

const char *conn_tls_error(const struct conn *c) { return c->tls != NULL ? c->tls->error : NULL; }

static size_t end_point(const struct conn_tls *t, uint8_t out_r[EVP_MAX_MD_SIZE])
{
	const X509 *x = t->server != NULL ? SSL_get_certificate(t->ssl) : SSL_get0_peer_certificate(t->ssl);

	if (t->server != NULL && t->info.resumed)
		return tls_ticket_end_point(t->ssl, out_r);
	return x != NULL ? tls_end_point(x, out_r) : 0;
}

int conn_tls_binding(const struct conn *c, enum conn_binding type, uint8_t out_r[CONN_BINDING_MAX], size_t *len_r)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	const struct conn_tls *t = c->tls;

	_Static_assert(CONN_BINDING_MAX >= EVP_MAX_MD_SIZE, "a hash fits");
	if (conn_tls_info(c) == NULL)
		return ERR_NOTFOUND;
	if (type == CONN_BINDING_SERVER_END_POINT) {
		*len_r = end_point(t, out_r);
		return *len_r != 0 ? 0 : ERR_NOTFOUND;
	}
	/* RFC 9266 3: with TLS 1.2 only under the extended master secret. */
	if (SSL_version(t->ssl) < TLS1_3_VERSION && SSL_get_extms_support(t->ssl) != 1)
		return ERR_NOTFOUND;
	*len_r = 32;
	return SSL_export_keying_material(t->ssl, out_r, *len_r, label, sizeof(label) - 1, NULL, 0, 0) == 1 ? 0 : ERR_NOTFOUND;
}
