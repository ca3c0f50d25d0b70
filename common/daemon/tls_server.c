/* The TLS of an edge: its certificates, which keyd sends, the choice by name, and what is asked of clients. */
#include "common/daemon/tls_private.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/conf.h"

enum {
	NAME_MAX_LEN = 255,
	SIGNING_MAX = 256,              /* requests to keyd, and handshakes that wait for them, each with a stack of 32 KiB; others queue */
	COMPLAIN_MS = 10 * 1000,
	WAKE_TURN = 64,
	DECODE_MAX = 16 * 1024 * 1024,
};

struct tls_server {
	struct loop *loop;
	char service[32], min_version[4], client_ca[1024];
	uint64_t handshake_ms, complained_ms;
	struct channel *keyd;
	struct tls_tickets *tickets;
	struct tls_sites *sites;
	X509_STORE *client_store;       /* NULL: clients are not asked */
	STACK_OF(X509_NAME) *client_names;
	struct tls_waiters waiters, keyless;
	TAILQ_HEAD(, tls_ask) asks;
	unsigned asks_n;
	struct loop_task wake_task, keyd_task;
	bool complained, starved, waking;
};

/* ---- names and protocols -------------------------------------------------------------- */

static int on_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_server *t = arg;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[NAME_MAX_LEN + 1];
	SSL_CTX *ctx;
	size_t n;

	(void)alert;
	if (asked == NULL || (n = strlen(asked)) >= sizeof(name) || t->sites == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t i = 0; i <= n; i++)
		name[i] = (char)ascii_lower((uint8_t)asked[i]);
	ctx = tls_sites_find(t->sites, name);
	/* A name that nobody has: the default certificate. What the client makes of it is its affair. */
	if (ctx == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_set_SSL_CTX(ssl, ctx) != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Protocols of other services (RFC 7301, IANA): a client that speaks only these is at the wrong door, or was sent
 * here by somebody between (the ALPACA attack). */
static bool is_foreign(struct slice p)
{
	static const char *const foreign[] = { "http/0.9", "http/1.0", "http/1.1", "h2", "h3", "spdy/3", "ftp", "imap", "pop3",
		"managesieve", "nntp", "xmpp-client", "xmpp-server", "irc", "dot", "doq", "smb", "mqtt", "postgresql", "tds/8.0",
		"stun.turn", "coap", "webrtc", "acme-tls/1", "sunrpc", "radius/1.0", "radius/1.1", "ntske/1", "nnsp" };

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (slice_eq_cstr(p, foreign[i]))
			return true;
	return false;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned in_n, void *arg)
{
	const struct tls_server *t = arg;
	const char *own = strncmp(t->service, "imap", 4) == 0 ? "imap" : strncmp(t->service, "pop3", 4) == 0 ? "pop3" : NULL;
	struct cursor c = cursor_of(slice_of(in, in_n));
	bool all_foreign = true;
	struct slice p;

	(void)ssl;
	while (cur_left(&c) != 0) {
		size_t n = (size_t)cur_peek(&c);

		if (!cur_take_byte(&c, (uint8_t)n) || cur_take_n(&c, n, &p) != 0)
			return SSL_TLSEXT_ERR_ALERT_FATAL;
		if (own != NULL && slice_eq_cstr(p, own)) {
			*out = p.p;
			*out_n = (unsigned char)p.len;
			return SSL_TLSEXT_ERR_OK;
		}
		all_foreign = all_foreign && is_foreign(p);
	}
	return all_foreign ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* A bad certificate does not end the handshake; the owner of the connection learns what is wrong with it. */
static int on_verify(int ok, X509_STORE_CTX *x)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct conn_tls *ct = ssl != NULL ? SSL_get_app_data(ssl) : NULL;

	if (!ok && ct != NULL)
		conn_tls_verify_failed(ct, X509_STORE_CTX_get_error(x));
	return ct != NULL;
}

static SSL_CTX *ctx_make(void *arg)
{
	struct tls_server *t = arg;
	SSL_CTX *ctx = tls_ctx_new(true, t->min_version);
	STACK_OF(X509_NAME) *names;

	if (ctx == NULL || tls_tickets_attach(t->tickets, ctx, t->service) != 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	(void)SSL_CTX_set_tlsext_servername_arg(ctx, t);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, t);
	if (t->client_store != NULL) {
		SSL_CTX_set1_cert_store(ctx, t->client_store);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, on_verify);
		names = SSL_dup_CA_list(t->client_names);
		if (names != NULL)
			SSL_CTX_set_client_CA_list(ctx, names);
	}
	return ctx;
}

SSL *tls_server_ssl(struct tls_server *t, const char **why_r)
{
	SSL_CTX *ctx = t->sites != NULL ? tls_sites_default(t->sites) : NULL;
	SSL *ssl;

	if (ctx == NULL) {
		*why_r = "there is no certificate";
		return NULL;
	}
	ssl = SSL_new(ctx);
	if (ssl == NULL) {
		*why_r = "out of memory";
		return NULL;
	}
	if (!tls_tickets_ready(t->tickets)) {
		(void)SSL_set_options(ssl, SSL_OP_NO_TICKET);
		(void)SSL_set_num_tickets(ssl, 0);
	}
	(void)SSL_set_mode(ssl, SSL_MODE_ASYNC);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* ---- keyd ------------------------------------------------------------------------------ */

static int on_certs(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct tls_server *t = ((struct daemon *)ctx)->tls;
	struct arena *a = arena_new(DECODE_MAX);
	struct tls_sites *sites = NULL;
	struct key_certs certs;
	int r = a != NULL ? IPC_DECODE(m, key_certs, a, &certs) : ERR_NOMEM;

	(void)ch;
	if (r == 0 && t != NULL && (sites = tls_sites_new(&certs, ctx_make, t)) == NULL)
		r = ERR_NOMEM;
	if (sites != NULL) {
		tls_sites_free(&t->sites);
		t->sites = sites;
		log_info("certificates=%u of %u", tls_sites_count(sites), certs.certs_n);
	}
	arena_free(&a);
	return r;
}

static int on_tickets(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct tls_server *t = ((struct daemon *)ctx)->tls;
	struct arena *a = arena_new(4096);
	struct key_tickets tickets;
	int r = a != NULL ? IPC_DECODE(m, key_tickets, a, &tickets) : ERR_NOMEM;

	(void)ch;
	if (r == 0 && t != NULL)
		tls_tickets_set(t->tickets, &tickets);
	arena_free(&a);
	return r;
}

const struct ipc_handler tls_server_handlers[] = {
	{ key_certs_MSG, on_certs }, { key_tickets_MSG, on_tickets }, { 0, NULL },
};

static bool keyd_there(const struct tls_server *t) { return t->keyd != NULL && channel_is_open(t->keyd); }

static void keyd_wake(void *ctx)
{
	struct tls_server *t = ctx;
	struct tls_waiter *w;

	for (int i = 0; i < WAKE_TURN && keyd_there(t) && (w = TAILQ_FIRST(&t->keyless)) != NULL; i++) {
		tls_server_unwait(w);
		w->fn(w);
	}
	if (keyd_there(t) && !TAILQ_EMPTY(&t->keyless))
		loop_task_add(t->loop, &t->keyd_task, keyd_wake, t);
}

void tls_server_wait_keyd(struct tls_server *t, struct tls_waiter *w)
{
	if (w->in != NULL)
		return;
	w->in = &t->keyless;
	TAILQ_INSERT_TAIL(w->in, w, entry);
}

void tls_server_keyd_open(struct daemon *d, struct channel *ch)
{
	if (d->tls == NULL)
		return;
	d->tls->keyd = ch;
	d->tls->complained = false;
	loop_task_add(d->tls->loop, &d->tls->keyd_task, keyd_wake, d->tls);
}

/* The channel has answered what was open on it: those handshakes wait for the next keyd already. */
void tls_server_keyd_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	if (d->tls != NULL && d->tls->keyd == ch)
		d->tls->keyd = NULL;
}

static void ask_free(struct tls_ask *a)
{
	TAILQ_REMOVE(&a->server->asks, a, entry);
	a->server->asks_n--;
	free(a);
}

static void on_answer(void *ctx, int r, struct ipc_msg *m)
{
	struct tls_ask *a = ctx;
	struct tls_server *t = a->server;
	struct conn_tls *owner = a->owner;

	ask_free(a);
	if (owner != NULL)
		conn_tls_answer(owner, r, m);
	tls_server_job_free(t);
}

int tls_server_ask(struct tls_server *t, struct conn_tls *owner, const struct key_sign *m, struct tls_ask **a_r)
{
	struct tls_ask *a;

	if (!keyd_there(t))
		return ERR_CLOSED;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return ERR_NOMEM;
	a->server = t;
	a->owner = owner;
	a->keyd = t->keyd;
	TAILQ_INSERT_TAIL(&t->asks, a, entry);
	t->asks_n++;
	a->request = IPC_REQUEST(t->keyd, key_sign, m, t->handshake_ms, on_answer, a);
	*a_r = a;
	return 0;
}

bool tls_server_full(const struct tls_server *t) { return t->asks_n >= SIGNING_MAX; }

void tls_server_complain(struct tls_server *t, const char *what, const char *detail)
{
	uint64_t now = clock_mono_ms();

	if (t->complained && now - t->complained_ms < COMPLAIN_MS)
		return;
	t->complained = true;
	t->complained_ms = now;
	log_warn("TLS handshakes wait or fail: keyd %s%s", what, detail);
}

/* ---- handshakes that wait for a job ------------------------------------------------------ */

static void wake(void *ctx)
{
	struct tls_server *t = ctx;
	struct tls_waiter *w;

	t->starved = false;
	t->waking = true;
	for (int i = 0; i < WAKE_TURN && !t->starved && (w = TAILQ_FIRST(&t->waiters)) != NULL; i++) {
		tls_server_unwait(w);
		w->fn(w);
	}
	t->waking = false;
	if (!t->starved)
		tls_server_job_free(t);
}

void tls_server_wait(struct tls_server *t, struct tls_waiter *w)
{
	if (w->in != NULL)
		return;
	w->in = &t->waiters;
	t->starved = true;
	if (t->waking)
		TAILQ_INSERT_HEAD(w->in, w, entry);     /* its turn it is still */
	else
		TAILQ_INSERT_TAIL(w->in, w, entry);
}

void tls_server_unwait(struct tls_waiter *w)
{
	if (w->in != NULL)
		TAILQ_REMOVE(w->in, w, entry);
	w->in = NULL;
}

void tls_server_job_free(struct tls_server *t)
{
	if (!TAILQ_EMPTY(&t->waiters))
		loop_task_add(t->loop, &t->wake_task, wake, t);
}

/* ---- life ------------------------------------------------------------------------------- */

static void conf_take(struct tls_server *t, const struct conf *conf)
{
	t->handshake_ms = conf->tls_handshake_timeout * MS_PER_S;
	(void)snprintf(t->min_version, sizeof(t->min_version), "%s", conf->tls_min_version);
}

struct tls_server *tls_server_new(struct daemon *d, const char *service)
{
	static bool pool_made;
	struct tls_server *t = calloc(1, sizeof(*t));
	const struct conf *conf = d->conf;
	SSL_CTX *try = NULL;

	if (t == NULL)
		return NULL;
	TAILQ_INIT(&t->waiters);
	TAILQ_INIT(&t->keyless);
	TAILQ_INIT(&t->asks);
	t->loop = d->loop;
	conf_take(t, conf);
	(void)snprintf(t->service, sizeof(t->service), "%s", service);
	(void)snprintf(t->client_ca, sizeof(t->client_ca), "%s", conf->tls_client_ca);
	if (tls_lib_get() == NULL) {
		free(t);
		return NULL;
	}
	/* The limit on jobs is the process's. */
	if (!pool_made)
		pool_made = ASYNC_init_thread(SIGNING_MAX, 0) == 1;
	t->tickets = tls_tickets_new();
	if (t->client_ca[0] != '\0' && (t->client_store = tls_store_load(t->client_ca, &t->client_names)) == NULL)
		log_error("tls_client_ca = %s: no authority in it", log_esc(slice_cstr(t->client_ca)));
	/* One for nothing: what OpenSSL loads, it loads now. */
	if (!pool_made || t->tickets == NULL || (t->client_ca[0] != '\0' && t->client_store == NULL) || (try = ctx_make(t)) == NULL) {
		log_error("TLS cannot start: %s", tls_error_text("see above"));
		tls_server_free(&t);
	}
	SSL_CTX_free(try);
	return t;
}

void tls_server_free(struct tls_server **tp)
{
	struct tls_server *t = *tp;
	struct tls_ask *a;

	if (t == NULL)
		return;
	while ((a = TAILQ_FIRST(&t->asks)) != NULL) {
		channel_cancel(a->keyd, a->request);
		ask_free(a);
	}
	loop_task_del(t->loop, &t->wake_task);
	loop_task_del(t->loop, &t->keyd_task);
	tls_sites_free(&t->sites);
	tls_tickets_free(&t->tickets);
	X509_STORE_free(t->client_store);
	sk_X509_NAME_pop_free(t->client_names, X509_NAME_free);
	free(t);
	tls_lib_put();
	*tp = NULL;
}

bool tls_server_ready(const struct tls_server *t)
{
	return t != NULL && t->sites != NULL && tls_sites_default(t->sites) != NULL;
}

uint64_t tls_server_handshake_ms(const struct tls_server *t) { return t->handshake_ms; }

static void min_version_set(SSL_CTX *ctx, void *arg)
{
	if (tls_ctx_min_version(ctx, arg) != 0)
		log_warn("tls_min_version is not taken up: out of memory");
}

void tls_server_reload(struct tls_server *t, const struct conf *conf)
{
	conf_take(t, conf);
	if (t->sites != NULL)
		tls_sites_each(t->sites, min_version_set, t->min_version);
	if (strcmp(t->client_ca, conf->tls_client_ca) != 0)
		log_warn("tls_client_ca has changed: that takes a restart");
}
