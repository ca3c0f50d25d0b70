/*
 * TLS handshakes. A server's runs in an ASYNC job of OpenSSL, a small stack of its own: where it needs a signature it
 * asks keyd and sleeps, and SSL_do_handshake() returns to us; called again when the answer is there it goes on. Nothing
 * else runs in a job. A job that sleeps has to come to its end before its SSL is freed.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/daemon/conn_tls_private.h"

enum { LOST_MAX = 3, MAIL_MAX = 254, RECORD_HEADER = 5, FIRST_MAX = RECORD_HEADER + 16 * 1024 };

static struct conn_tls *running;        /* whose SSL_do_handshake() runs now */

/* ---- the signature ------------------------------------------------------------------ */

static void handshake_go(void *ctx);

void conn_tls_answer(struct conn_tls *t, int r, struct ipc_msg *m)
{
	struct key_signature reply;
	struct key_fail fail;

	t->ask = NULL;
	if (r == ERR_CLOSED && !t->c->broken && ++t->lost < LOST_MAX) {
		t->sign = SIGN_AWAY;
		tls_server_wait_keyd(t->server, &t->waiter);
		return;
	}
	t->sign = SIGN_FAILED;
	if (r == 0 && IPC_DECODE(m, key_signature, NULL, &reply) == 0) {
		if ((t->signature = malloc(reply.signature.len + 1)) != NULL) {
			memcpy(t->signature, reply.signature.p, t->signature_n = reply.signature.len);
			t->sign = SIGN_DONE;
		}
	} else if (r == 0 && IPC_DECODE(m, key_fail, NULL, &fail) == 0) {
		tls_server_complain(t->server, "says ", log_esc(fail.text));
	} else {
		tls_server_complain(t->server, r == ERR_TIMEOUT ? "is too slow" : r != 0 ? "has gone" : "gives a wrong answer", "");
	}
	if (!t->c->broken)
		loop_task_add(t->c->loop, &t->task, handshake_go, t->c);
}

static int sign_ask(struct conn_tls *t, const uint8_t id[KEY_ID_SIZE], uint16_t scheme, struct slice text)
{
	struct key_sign m = { .key = slice_of(id, KEY_ID_SIZE), .scheme = scheme, .text = text };
	int r = text.len <= KEY_TEXT_MAX ? tls_server_ask(t->server, t, &m, &t->ask) : ERR_LIMIT;

	if (r == ERR_CLOSED)
		tls_server_complain(t->server, "is not there", "");
	if (r == 0 || r == ERR_CLOSED)
		t->sign = r == 0 ? SIGN_ASKED : SIGN_AWAY;
	return r == ERR_CLOSED ? 0 : r;
}

static int sign_take(struct conn_tls *t, uint8_t *sig, size_t *len)
{
	int r = t->sign == SIGN_DONE && t->signature_n != 0 && t->signature_n <= *len ? 0 : ERR_DENIED;

	if (r == 0)
		memcpy(sig, t->signature, *len = t->signature_n);
	free(t->signature);
	t->signature = NULL;
	t->sign = SIGN_NONE;
	t->has_signed = true;
	return r;
}

/* On the job's stack. AddressSanitizer does not know that stack: what lives on it while the job sleeps must not be
 * its own. */
__attribute__((no_sanitize_address))
int conn_tls_sign(const uint8_t id[KEY_ID_SIZE], uint16_t scheme, struct slice text, uint8_t *sig, size_t *len)
{
	struct conn_tls *t = running;
	int r;

	if (t == NULL || t->dead || t->server == NULL || t->sign != SIGN_NONE || ASYNC_get_current_job() == NULL)
		return ERR_STATE;
	r = sign_ask(t, id, scheme, text);
	while (r == 0 && (t->sign == SIGN_ASKED || t->sign == SIGN_AWAY)) {
		if (ASYNC_pause_job() != 1)
			r = ERR_STATE;
		else if (t->sign == SIGN_AWAY)
			r = sign_ask(t, id, scheme, text);
	}
	if (r == 0)
		r = sign_take(t, sig, len);
	if (r != 0 && t->error == NULL)
		t->error = "keyd has not signed";
	return r;
}

/* ---- the handshake --------------------------------------------------------------------- */

/* Always false, for the caller to return. */
bool conn_tls_fail(struct conn *c, const char *why, int e)
{
	struct conn_tls *t = c->tls;

	if (t->state != TLS_FAILED && t->client != NULL && t->key != NULL)
		tls_client_forget(t->client, t->key);
	t->state = TLS_FAILED;
	if (t->error == NULL)
		t->error = why;
	loop_timer_del(c->loop, &t->timer);
	ERR_clear_error();
	conn_break(c, e);
	return false;
}

void conn_tls_late(void *ctx)
{
	struct conn *c = ctx;

	(void)conn_tls_fail(c, c->tls->sign == SIGN_AWAY ? "keyd is not there" : "handshake timed out", ETIMEDOUT);
}

static char *mail_of(X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char *mail = NULL;

	for (int i = 0; mail == NULL && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		int n = g->type == GEN_EMAIL ? ASN1_STRING_length(g->d.rfc822Name) : 0;
		const uint8_t *p = n > 0 ? ASN1_STRING_get0_data(g->d.rfc822Name) : NULL;
		bool ok = p != NULL && n <= MAIL_MAX;

		for (int j = 0; ok && j < n; j++)
			ok = is_class(p[j], CC_PRINT) && p[j] != ' ';
		if (ok)
			mail = strndup((const char *)p, (size_t)n);
	}
	GENERAL_NAMES_free(names);
	return mail;
}

static void info_fill(struct conn_tls *t)
{
	const char *sni = t->server != NULL ? SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
	X509 *peer = SSL_get0_peer_certificate(t->ssl);
	int group = (int)SSL_get_negotiated_group(t->ssl), e = t->verify_error;
	const char *group_name = group != NID_undef ? SSL_group_to_name(t->ssl, group) : NULL;

	if (e == X509_V_OK)
		e = (int)SSL_get_verify_result(t->ssl);
	t->sni = strdup(sni != NULL ? sni : "");
	for (char *p = t->sni; p != NULL && *p != '\0'; p++)
		*p = (char)ascii_lower((uint8_t)*p);
	t->info = (struct tls_info){ .version = SSL_get_version(t->ssl), .cipher = SSL_get_cipher_name(t->ssl),
	    .group = group_name != NULL ? group_name : "", .bits = (unsigned)SSL_get_cipher_bits(t->ssl, NULL),
	    .resumed = SSL_session_reused(t->ssl) == 1, .sni = t->sni != NULL ? t->sni : "", .verify_error = "", .mail = "" };
	if (peer == NULL)
		return;
	t->info.verified = e == X509_V_OK;
	if (!t->info.verified)
		t->info.verify_error = X509_verify_cert_error_string(e);
	else if (t->server != NULL && (t->mail = mail_of(peer)) != NULL)
		t->info.mail = t->mail;
}

static bool handshake_done(struct conn *c)
{
	struct conn_tls *t = c->tls;

	t->state = TLS_OPEN;
	loop_timer_del(c->loop, &t->timer);
	(void)SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
	info_fill(t);
	conn_touch(c);
	if (!conn_tell(c, CONN_TLS) || c->broken)
		return false;
	conn_read_soon(c);
	if (buf_len(&c->out) != 0)
		conn_flush_soon(c);
	return true;
}

static bool handshake_failed(struct conn *c)
{
	struct conn_tls *t = c->tls;
	long verify = t->client != NULL ? SSL_get_verify_result(t->ssl) : X509_V_OK;
	unsigned long e = ERR_peek_error();

	if (e != 0 && ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
	    verify != X509_V_OK)
		return conn_tls_fail(c, X509_verify_cert_error_string(verify), EPROTO);
	if (e == 0 && t->error == NULL && t->sys != 0)
		return conn_tls_fail(c, NULL, t->sys);
	return conn_tls_fail(c, tls_error_text("closed during the handshake"), t->tcp_eof ? ECONNRESET : EPROTO);
}

/* Goes on with it as far as it goes. False when the connection is gone or broken. */
bool conn_tls_handshake(struct conn *c)
{
	struct conn_tls *t = c->tls;
	int r, e;

	if (t->server != NULL && t->sign == SIGN_NONE && !t->has_signed && tls_server_full(t->server)) {
		t->want = 0;
		tls_server_wait(t->server, &t->waiter);
		return true;
	}
	ERR_clear_error();
	running = t;
	r = SSL_do_handshake(t->ssl);
	running = NULL;
	e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, r);
	if (t->server != NULL && e != SSL_ERROR_WANT_ASYNC && e != SSL_ERROR_WANT_ASYNC_JOB)
		tls_server_job_free(t->server);
	t->want = 0;
	switch (e) {
	case SSL_ERROR_NONE:
		return handshake_done(c);
	case SSL_ERROR_WANT_READ:
		t->want = LOOP_READ;
		break;
	case SSL_ERROR_WANT_WRITE:
		t->want = LOOP_WRITE;
		break;
	case SSL_ERROR_WANT_ASYNC:
		if (t->sign == SIGN_AWAY)
			tls_server_wait_keyd(t->server, &t->waiter);
		break;
	case SSL_ERROR_WANT_ASYNC_JOB:
		tls_server_wait(t->server, &t->waiter);
		break;
	default:
		return handshake_failed(c);
	}
	return true;
}

/* Keyd has answered, or is there again, or there is a job for it. */
static void handshake_go(void *ctx)
{
	struct conn *c = ctx;

	if (!c->broken && c->tls->state == TLS_HANDSHAKE && conn_tls_handshake(c))
		conn_watch(c);
}

void conn_tls_job_there(struct tls_waiter *w)
{
	struct conn_tls *t = (struct conn_tls *)(void *)((char *)w - offsetof(struct conn_tls, waiter));

	handshake_go(t->c);
}

/* From how many bytes on the socket counts as readable. */
static bool low_water(struct conn *c, size_t n)
{
	int low = (int)n;

	c->tls->low = n;
	return setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0;
}

/* How much there has to be before OpenSSL gets it: the first record. */
static size_t first_record(const uint8_t *head, size_t n)
{
	size_t len = n < CONN_TLS_HEAD ? CONN_TLS_HEAD : RECORD_HEADER + ((size_t)head[3] << 8 | head[4]);

	return len <= FIRST_MAX ? len : CONN_TLS_HEAD;
}

/*
 * A server's client has sent something. Until its first record is there whole it waits in the socket, where it costs
 * least: a client that begins and goes no further has no TLS state here. Where the system wakes us sooner than asked
 * (at the end of the stream, for instance) OpenSSL gets what there is.
 */
static bool server_begin(struct conn *c)
{
	static uint8_t first[FIRST_MAX];
	struct conn_tls *t = c->tls;
	const char *why = "out of memory";
	ssize_t n = recv(c->fd, first, sizeof(first), MSG_PEEK);
	size_t want;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return true;
	if (n < 0)
		return conn_tls_fail(c, NULL, errno);
	if (n == 0)
		return conn_tls_fail(c, "closed before the handshake", ECONNRESET);
	t->head_n = (uint8_t)(n < CONN_TLS_HEAD ? n : CONN_TLS_HEAD);
	memcpy(t->head, first, t->head_n);
	if ((why = conn_tls_head_judge(t)) != NULL)
		return conn_tls_fail(c, why, EPROTO);
	t->head_n = 0;
	want = first_record(first, (size_t)n);
	if ((size_t)n < want && t->low < want && low_water(c, want))
		return true;
	if (t->low != 0)
		(void)low_water(c, 1);
	t->ssl = tls_server_ssl(t->server, &why);
	if (t->ssl == NULL || !conn_tls_attach(t))
		return conn_tls_fail(c, why != NULL ? why : "out of memory", EPROTO);
	t->state = TLS_HANDSHAKE;
	return conn_tls_handshake(c);
}

bool conn_tls_step(struct conn *c, unsigned events)
{
	struct conn_tls *t = c->tls;

	if (t->state == TLS_WAIT && (events & (LOOP_READ | LOOP_HUP)) != 0)
		return server_begin(c);
	if (t->state == TLS_HANDSHAKE && t->want != 0 && (events & (t->want | LOOP_HUP)) != 0)
		return conn_tls_handshake(c);
	return true;
}

bool conn_tls_begin(struct conn *c)
{
	struct conn_tls *t = c->tls;

	if (t->state != TLS_PLAIN || t->plain_left != 0)
		return true;
	t->state = t->server != NULL ? TLS_WAIT : TLS_HANDSHAKE;
	return t->server != NULL || conn_tls_handshake(c);
}

void conn_tls_abandon(struct conn_tls *t)
{
	t->sign = SIGN_FAILED;
	running = t;
	(void)SSL_do_handshake(t->ssl);
	running = NULL;
	tls_server_job_free(t->server);
}
