#include "pop3d/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/tls.h"
#include "common/ipc/proto_spool.h"
#include "pop3d/client.h"

enum {
	OUT_MAX = 1024 * 1024,
	NOFILE = 20000,
};

/* ---- clients ------------------------------------------------------------------ */

static void client_end(struct client *c)
{
	struct server *srv = c->srv;

	conn_finish(&c->conn);
	loop_timer_del(srv->d->loop, &c->timer);
	pop3_session_free(&c->s);
	backend_close(c, false);
	buf_free(&c->out);
	edge_leave(&srv->edge, &c->at);
	free(c);
}

static void client_timer(void *ctx)
{
	struct client *c = ctx;
	uint64_t due = pop3_session_deadline(c->s);

	if (due != 0 && due <= clock_mono_ms())
		(void)pop3_session_timeout(c->s);
	client_run(c);
}

/* Gives the replies to the connection, unless that is full: then they stay, and the session
 * wants DRAIN when they are many. False: some stayed. */
static bool client_flush(struct client *c, bool force)
{
	if (c->conn != NULL && conn_out_len(c->conn) > CONN_OUT_HIGH && !force)
		return buf_len(&c->out) == 0;
	if (c->conn != NULL && buf_len(&c->out) != 0)
		conn_write(c->conn, buf_slice(&c->out).p, buf_len(&c->out));
	buf_reset(&c->out);
	return true;
}

/* Under way until CONN_TLS; nothing is read before. */
static void client_start_tls(struct client *c)
{
	if (c->tls_begun || c->conn == NULL)
		return;
	c->tls_begun = true;
	(void)client_flush(c, true);
	conn_start_tls_server(c->conn, c->srv->d->tls);
}

void client_run(struct client *c)
{
	struct buf none = BUF_INIT(0), *in = c->conn != NULL ? conn_in(c->conn) : &none;
	bool was_full = buf_len(in) >= CONN_IN_MAX, again = !c->asked, over;
	enum pop3_want want = POP3_WANT_BODY;

	c->srv->env.starttls = tls_server_ready(c->srv->d->tls);
	(void)client_flush(c, false);
	while (again) {
		want = pop3_session_run(c->s, in);
		again = client_flush(c, false) && want == POP3_WANT_DRAIN;
		if (want == POP3_WANT_LOGIN || want == POP3_WANT_OPEN || want == POP3_WANT_BODY || want == POP3_WANT_EXPUNGE)
			again = !backend_ask(c, want);
		else if (want != POP3_WANT_DRAIN)
			backend_body_close(c);
	}
	if (want == POP3_WANT_TLS)
		client_start_tls(c);
	over = (want == POP3_WANT_INPUT || want == POP3_WANT_TLS) && (c->conn == NULL || c->eof);
	if (over)
		pop3_session_lost(c->s);
	if (over || want == POP3_WANT_CLOSE) {
		(void)client_flush(c, true);
		client_end(c);
		return;
	}
	edge_timer_nearer(&c->srv->edge, &c->timer, pop3_session_deadline(c->s), client_timer, c);
	if (was_full && buf_len(in) < CONN_IN_MAX)
		conn_resume(c->conn);
}

static void client_event(void *ctx, struct conn *conn, enum conn_event ev)
{
	struct client *c = ctx;

	if (ev == CONN_ERROR) {
		if (conn_tls_error(conn) != NULL)
			log_info("TLS with [%s]: %s", conn_peer_addr(conn), conn_tls_error(conn));
		conn_close(&c->conn);
	}
	if (ev == CONN_TLS) {
		edge_tls_get(conn, &c->tls);
		(void)pop3_session_tls_started(c->s, &c->tls);
	}
	if (ev == CONN_EOF)
		c->eof = true;
	if (ev != CONN_TIMEOUT)
		client_run(c);
}

/* ---- new connections ------------------------------------------------------------- */

static int client_start(struct server *srv, struct client *c, bool implicit_tls)
{
	struct pop3_client who = { .addr = conn_peer_addr(c->conn), .implicit_tls = implicit_tls,
	    .plaintext = srv->d->conf->allow_plaintext_login && conn_peer_is_loopback(c->conn) };

	c->s = pop3_session_new(&srv->env, &who, &c->out);
	if (c->s == NULL)
		return ERR_NOMEM;
	(void)pop3_session_greet(c->s);
	client_run(c);
	return 0;
}

static void server_accept(void *ctx, enum conf_listen_service svc, int fd)
{
	struct server *srv = ctx;
	struct client *c = calloc(1, sizeof(*c));
	struct conn_ops ops = { client_event, c };
	struct conn *conn = conn_accept(srv->d->loop, fd, &ops);
	const char *why = "out of memory";

	if (c != NULL && conn != NULL) {
		c->srv = srv;
		c->conn = conn;
		c->body_fd = -1;
		c->out = BUF_INIT(OUT_MAX);
		if (edge_enter(&srv->edge, &c->at, conn_peer_addr(conn), c, &why) == 0) {
			why = "out of memory";
			if (client_start(srv, c, conf_services[svc].tls) == 0)
				return;
			edge_leave(&srv->edge, &c->at);
		}
	}
	if (conn != NULL) {
		log_warn("no place for [%s]: %s", conn_peer_addr(conn), why);
		if (!conf_services[svc].tls)
			conn_writef(conn, "-ERR [SYS/TEMP] %s, try again later\r\n", why);
		conn_finish(&conn);
	}
	free(c);
}

/* ---- the frame's calls ------------------------------------------------------------- */

static void env_set(struct pop3_env *env, const struct conf *conf)
{
	env->hostname = conf->hostname;
	env->login_ms = conf->login_timeout * MS_PER_S;
	env->idle_ms = conf->pop3_timeout * MS_PER_S;
	env->oauth = conf->oauth_login;
}

static void on_peer_open(struct daemon *d, struct channel *ch)
{
	struct server *srv = d->state;

	(void)ch;
	edge_peers_check(&srv->edge);
}

static int server_start(struct daemon *d)
{
	struct server *srv = calloc(1, sizeof(*srv));

	if (srv == NULL || edge_init(&srv->edge, d, server_accept, srv) != 0) {
		free(srv);
		return ERR_NOMEM;
	}
	srv->d = d;
	STAILQ_INIT(&srv->waiting);
	ahead_init(&srv->ahead, d->loop);
	env_set(&srv->env, d->conf);
	d->state = srv;
	return 0;
}

static void server_listener(struct daemon *d, enum conf_listen_service svc, int fd)
{
	struct server *srv = d->state;

	edge_listener(&srv->edge, svc, fd);
}

static void server_reload(struct daemon *d, const struct conf *old)
{
	struct server *srv = d->state;

	(void)old;
	env_set(&srv->env, d->conf);
	tls_server_reload(d->tls, d->conf);
}

static void client_stop(void *ctx)
{
	client_run(ctx);
}

static void server_stop(struct daemon *d)
{
	struct server *srv = d->state;

	srv->env.stopping = true;
	edge_stop(&srv->edge, client_stop);
}

/* The session was in spoold, and is gone with it: what it is asked for now is answered [SYS/TEMP]. */
static void client_spool_lost(void *ctx)
{
	backend_close(ctx, true);
}

static void on_spool_close(struct daemon *d, struct channel *ch, int why)
{
	struct server *srv = d->state;

	(void)ch;
	(void)why;
	edge_each(&srv->edge, client_spool_lost);
}

/* The maildrop is a snapshot: what becomes of the mailbox is not looked at. */
static int on_spool_change(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	(void)ch;
	(void)m;
	(void)ctx;
	return 0;
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_change_MSG, on_spool_change },
	{ 0, NULL },
};

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SPOOLD, spool_handlers, on_peer_open, on_spool_close },
	{ ROLE_ACCOUNTD, NULL, on_peer_open, NULL },
	{ ROLE_KEYD, tls_server_handlers, tls_server_keyd_open, tls_server_keyd_close },
	{ ROLE_NONE, NULL, NULL, NULL },
};

const struct daemon_spec pop3_server_spec = {
	.role = ROLE_POP3D,
	.nofile = NOFILE,
	.peers = peers,
	.init = edge_tls_init,
	.start = server_start,
	.listener = server_listener,
	.reload = server_reload,
	.stop = server_stop,
};
