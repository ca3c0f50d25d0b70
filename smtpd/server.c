#include "smtpd/server.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/tls.h"
#include "smtpd/server_internal.h"

enum {
	OUT_MAX = 1024 * 1024,
	HELD_HIGH = 128 * 1024 * 1024,           /* content in memory before new messages go to files early */
	INLINE_UNDER_PRESSURE = 4096,
	NOFILE = 20000,
};

/* ---- clients ----------------------------------------------------------------------------- */

/* Many large messages at a time must not become as much memory: past a mark those that begin go to files. */
static void count_held(struct client *c, size_t held)
{
	struct server *srv = c->srv;
	size_t limit = srv->d->conf->body_inline_limit;

	srv->held = srv->held - c->held + held;
	c->held = held;
	srv->env.inline_limit = srv->held > HELD_HIGH && limit > INLINE_UNDER_PRESSURE ? INLINE_UNDER_PRESSURE : limit;
}

static void client_end(struct client *c)
{
	struct server *srv = c->srv;

	count_held(c, 0);
	conn_finish(&c->conn);
	loop_timer_del(srv->d->loop, &c->timer);
	smtp_session_free(&c->s);
	client_file_drop(c);
	buf_free(&c->out);
	edge_leave(&srv->edge, &c->at);
	free(c);
}

static void client_timer(void *ctx)
{
	struct client *c = ctx;
	uint64_t due = smtp_session_deadline(c->s);

	if (due != 0 && due <= clock_mono_ms())
		(void)smtp_session_timeout(c->s);
	client_run(c);
}

void client_run(struct client *c)
{
	struct buf none = BUF_INIT(0), *in = c->conn != NULL ? conn_in(c->conn) : &none;
	bool was_full = buf_len(in) >= CONN_IN_MAX;
	enum smtp_want want;

	if (c->asked)
		return;
	c->srv->env.starttls = tls_server_ready(c->srv->d->tls);
	do {
		want = smtp_session_run(c->s, in);
		if (smtp_session_file(c->s) != c->file)
			client_file_drop(c);
	} while (want != SMTP_WANT_INPUT && want != SMTP_WANT_CLOSE && want != SMTP_WANT_TLS && !client_ask(c, want));
	/* What a pipelining client is told before a recipient is looked up goes with what it is told then: one segment
	 * on its way through TCP, and not two. */
	if (want != SMTP_WANT_LOOKUP || c->conn == NULL) {
		if (c->conn != NULL && buf_len(&c->out) != 0)
			conn_write(c->conn, buf_slice(&c->out).p, buf_len(&c->out));
		buf_reset(&c->out);
	}
	count_held(c, smtp_session_held(c->s));
	if (want == SMTP_WANT_CLOSE) {
		client_end(c);
	} else if ((want == SMTP_WANT_INPUT || want == SMTP_WANT_TLS) && (c->conn == NULL || c->eof)) {
		smtp_session_lost(c->s);
		client_end(c);
	} else if (want == SMTP_WANT_TLS) {
		if (!conn_has_tls(c->conn))
			conn_start_tls_server(c->conn, c->srv->d->tls);
	} else {
		edge_timer_nearer(&c->srv->edge, &c->timer, smtp_session_deadline(c->s), client_timer, c);
		if (was_full && buf_len(in) < CONN_IN_MAX)
			conn_resume(c->conn);
	}
}

/* The handshake is done. */
static void client_tls(struct client *c)
{
	struct edge_tls tls;

	edge_tls_get(c->conn, &tls);
	if (smtp_session_tls_started(c->s, &tls) != 0)
		conn_close(&c->conn);
	else if (c->implicit_tls)
		(void)smtp_session_greet(c->s, false);
}

static void client_event(void *ctx, struct conn *conn, enum conn_event ev)
{
	struct client *c = ctx;

	if (ev == CONN_ERROR && conn_tls_error(conn) != NULL)
		log_info("SSL_accept error from unknown[%s]: %s", conn_peer_addr(conn), conn_tls_error(conn));
	if (ev == CONN_ERROR)
		conn_close(&c->conn);
	if (ev == CONN_TLS)
		client_tls(c);
	if (ev == CONN_EOF)
		c->eof = true;
	if (ev == CONN_DATA || ev == CONN_EOF || ev == CONN_ERROR || ev == CONN_TLS)
		client_run(c);
}

/* ---- new connections --------------------------------------------------------------------- */

static void turn_away(struct server *srv, struct conn *conn, bool implicit_tls, const char *why)
{
	log_warn("no place for unknown[%s]: %s", conn_peer_addr(conn), why);
	if (implicit_tls) {
		/* it would take a handshake to say so */
		conn_close(&conn);
		return;
	}
	conn_writef(conn, "421 4.7.0 %s %s, try again later\r\n", srv->env.hostname, why);
	conn_finish(&conn);
}

static int client_start(struct server *srv, struct client *c, enum conf_listen_service svc, bool early)
{
	struct smtp_client who = {
		.addr = conn_peer_addr(c->conn),
		.loopback = conn_peer_is_loopback(c->conn),
		.submission = svc != LISTEN_SMTP,
		.implicit_tls = conf_services[svc].tls,
	};

	who.relay = conf_network_match(&srv->d->conf->relay_from, who.addr);
	c->s = smtp_session_new(&srv->env, &who, &c->out);
	if (c->s == NULL)
		return ERR_NOMEM;
	c->implicit_tls = who.implicit_tls;
	if (!c->implicit_tls)
		(void)smtp_session_greet(c->s, early);
	client_run(c);
	return 0;
}

static void server_accept(void *ctx, enum conf_listen_service svc, int fd)
{
	struct server *srv = ctx;
	struct client *c = calloc(1, sizeof(*c));
	struct conn_ops ops = { client_event, c };
	uint8_t byte;
	/* RFC 5321 3.1: the client waits for the greeting */
	bool implicit_tls = conf_services[svc].tls, early = !implicit_tls && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
	struct conn *conn = conn_accept(srv->d->loop, fd, &ops);
	const char *why = "out of memory";

	if (c != NULL && conn != NULL) {
		c->srv = srv;
		c->conn = conn;
		c->fd = -1;
		c->out = BUF_INIT(OUT_MAX);
		if (edge_enter(&srv->edge, &c->at, conn_peer_addr(conn), c, &why) == 0) {
			why = "out of memory";
			if (client_start(srv, c, svc, early) == 0)
				return;
			edge_leave(&srv->edge, &c->at);
		}
	}
	if (conn != NULL)
		turn_away(srv, conn, implicit_tls, why);
	free(c);
}

/* ---- the frame's calls ---------------------------------------------------------------------- */

static void env_set(struct smtp_env *env, const struct conf *conf)
{
	env->hostname = conf->hostname;
	env->size_limit = conf->message_size_limit;
	env->rcpt_limit = (uint32_t)conf->recipient_limit;
	env->error_limit = (uint32_t)conf->smtp_error_limit;
	env->junk_limit = (uint32_t)conf->smtp_junk_limit;
	env->hop_limit = (uint32_t)conf->hop_limit;
	env->timeout_ms = conf->smtp_timeout * MS_PER_S;
	env->data_timeout_ms = conf->smtp_data_timeout * MS_PER_S;
	env->login_timeout_ms = conf->login_timeout * MS_PER_S;
	env->inline_limit = conf->body_inline_limit;
	env->plaintext_login = conf->allow_plaintext_login;
	env->oauth = conf->oauth_login;
	env->hide_client = conf->submission_hide_client;
}

/* spoold is there once it has said whether it takes mail. */
static void peers_check(struct server *srv)
{
	if (srv->env.spool != SMTP_SPOOL_DOWN)
		edge_peers_check(&srv->edge);
}

static void on_account_open(struct daemon *d, struct channel *ch)
{
	struct server *srv = d->state;

	(void)ch;
	peers_check(srv);
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

static int on_spool_state(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct server *srv = ((struct daemon *)ctx)->state;
	struct spool_state state;
	int r = IPC_DECODE(m, spool_state, NULL, &state);

	(void)ch;
	if (r == 0) {
		srv->env.spool = state.accepting != 0 ? SMTP_SPOOL_OPEN : SMTP_SPOOL_FULL;
		peers_check(srv);
	}
	return r;
}

static void client_spool_lost(void *ctx)
{
	struct client *c = ctx;

	smtp_session_file_lost(c->s);
	client_file_forget(c);
}

static void on_spool_close(struct daemon *d, struct channel *ch, int why)
{
	struct server *srv = d->state;

	(void)ch;
	(void)why;
	srv->env.spool = SMTP_SPOOL_DOWN;
	edge_each(&srv->edge, client_spool_lost);
	accept_pump(srv);
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_state_MSG, on_spool_state },
	{ 0, NULL },
};

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SPOOLD, spool_handlers, NULL, on_spool_close },
	{ ROLE_ACCOUNTD, NULL, on_account_open, NULL },
	{ ROLE_KEYD, tls_server_handlers, tls_server_keyd_open, tls_server_keyd_close },
	{ ROLE_NONE, NULL, NULL, NULL },
};

const struct daemon_spec smtp_server_spec = {
	.role = ROLE_SMTPD,
	.nofile = NOFILE,
	.peers = peers,
	.init = edge_tls_init,
	.start = server_start,
	.listener = server_listener,
	.reload = server_reload,
	.stop = server_stop,
};
