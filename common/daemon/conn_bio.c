/* The socket as OpenSSL sees it: a BIO that reads and writes the connection's descriptor. */
#include <errno.h>
#include <sys/socket.h>

#include "common/daemon/conn_tls_private.h"

enum {
	RECORD_HANDSHAKE = 22,
	HELLO_MAX = 32 * 1024,          /* OpenSSL would take four times as much */
	HANDSHAKE_MAX = 160 * 1024,     /* bytes of the peer until the handshake is done */
};

/* The first bytes of a client tell whether this is TLS, and how much memory its ClientHello wants. */
const char *conn_tls_head_judge(const struct conn_tls *t)
{
	const uint8_t *h = t->head;
	size_t record = (size_t)h[3] << 8 | h[4], hello = (size_t)h[6] << 16 | (size_t)h[7] << 8 | h[8];

	if (t->head_n != 0 && h[0] != RECORD_HANDSHAKE)
		return "this is not TLS: the client speaks plaintext";
	if (t->head_n >= 2 && h[1] != 3)
		return "wrong version number";
	if (t->head_n == CONN_TLS_HEAD && (record < 4 || h[5] != SSL3_MT_CLIENT_HELLO))
		return "there is no ClientHello";
	return t->head_n == CONN_TLS_HEAD && hello > HELLO_MAX ? "the ClientHello is too large" : NULL;
}

static const char *handshake_judge(struct conn_tls *t, const uint8_t *p, size_t n)
{
	t->taken += n;
	if (t->taken > HANDSHAKE_MAX)
		return "the handshake is too large";
	for (size_t i = 0; t->server != NULL && i < n && t->head_n < CONN_TLS_HEAD; i++)
		t->head[t->head_n++] = p[i];
	return t->server != NULL ? conn_tls_head_judge(t) : NULL;
}

static int sock_read(BIO *b, char *p, int n)
{
	struct conn_tls *t = BIO_get_data(b);
	ssize_t got;

	BIO_clear_retry_flags(b);
	if (t->dead || t->flood || t->error != NULL || n <= 0)
		return -1;
	do
		got = recv(t->c->fd, p, (size_t)n, 0);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		t->tcp_eof = true;
	else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(b);
	else if (got < 0)
		t->sys = errno;
	else if (t->state == TLS_HANDSHAKE && (t->error = handshake_judge(t, (const uint8_t *)p, (size_t)got)) != NULL)
		return -1;
	return (int)got;
}

static int sock_write(BIO *b, const char *p, int n)
{
	struct conn_tls *t = BIO_get_data(b);
	ssize_t put;

	BIO_clear_retry_flags(b);
	if (t->dead || n <= 0)
		return -1;
	do
		put = send(t->c->fd, p, (size_t)n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(b);
	else if (put < 0)
		t->sys = errno;
	return (int)put;
}

static long sock_ctrl(BIO *b, int cmd, long n, void *p)
{
	(void)b;
	(void)n;
	(void)p;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *sock_bio(struct conn_tls *t)
{
	static BIO_METHOD *method;
	BIO *b;

	if (method == NULL) {
		int type = BIO_get_new_index();

		method = type < 0 ? NULL : BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "connection");
		if (method == NULL || BIO_meth_set_read(method, sock_read) != 1 || BIO_meth_set_write(method, sock_write) != 1 ||
		    BIO_meth_set_ctrl(method, sock_ctrl) != 1) {
			BIO_meth_free(method);
			method = NULL;
			return NULL;
		}
	}
	b = BIO_new(method);
	if (b != NULL) {
		BIO_set_data(b, t);
		BIO_set_init(b, 1);
	}
	return b;
}

bool conn_tls_attach(struct conn_tls *t)
{
	BIO *b = sock_bio(t);

	if (b == NULL || SSL_set_app_data(t->ssl, t) != 1) {
		(void)BIO_free(b);
		return false;
	}
	SSL_set_bio(t->ssl, b, b);
	return true;
}
