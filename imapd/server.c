#include "imapd/server.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/edge.h"
#include "common/daemon/tls.h"
#include "common/mail/charset.h"
#include "imapd/link.h"
#include "imapd/session.h"

enum { NOFILE = 20000 };

struct server;

struct client {
	struct edge_client at;
	struct server *srv;
	struct conn *conn;              /* NULL: broken, the end is due */
	struct imap_session *s;         /* NULL: before the handshake of port 993, or it is put away */
	struct imap_sleeper *asleep;    /* in IDLE, put away; client_wake() before anything is done with it */
	struct loop_timer timer;
	struct loop_task task;          /* again, or the end */
	bool over, abort, paused;
	struct edge_tls *tls;           /* from the handshake to the login */
};

struct server {
	struct daemon *d;
	struct imap_env env;
	struct imap_link *link;
	struct edge edge;
};

/* ---- a client's end -------------------------------------------------------------- */

static void client_free(struct client *c)
{
	struct server *srv = c->srv;

	if (c->s != NULL)
		imap_session_free(&c->s);
	imap_sleeper_free(&c->asleep, &srv->env);
	loop_timer_del(srv->d->loop, &c->timer);
	loop_task_del(srv->d->loop, &c->task);
	if (c->abort)
		conn_close(&c->conn);
	else
		conn_finish(&c->conn);
	edge_leave(&srv->edge, &c->at);
	free(c->tls);
	free(c);
}

static void client_end(void *ctx)
{
	client_free(ctx);
}

static void client_over(void *ctx, bool abort)
{
	struct client *c = ctx;

	if (c->over)
		return;
	c->over = true;
	c->abort = abort;
	loop_task_add(c->srv->d->loop, &c->task, client_end, c);
}

/* ---- sleep ---------------------------------------------------------------------------- */

static struct imap_host client_host(struct client *c);

/* Its session, awake; NULL: there is none yet, or no memory for it, and it is over. */
static struct imap_session *client_wake(struct client *c)
{
	struct imap_host host;

	if (c->asleep == NULL || c->over)
		return c->s;
	host = client_host(c);
	c->s = imap_session_wake(&c->asleep, &c->srv->env, &host);
	if (c->s == NULL)
		client_over(c, true);
	return c->s;
}

/*
 * Puts it away if nothing is to be done; where the loop has called us for this client, so that nobody is in the middle of
 * something. Not after news of spoold: hundreds of sessions may have to be told of it now, and the next timer comes.
 */
static void client_rest(struct client *c)
{
	if (!c->over && c->s != NULL)
		c->asleep = imap_session_sleep(&c->s);
}

/* ---- running ------------------------------------------------------------------------ */

/* Reading stops while the session waits for somebody and has input left. */
static void client_pace(struct client *c)
{
	bool want;

	if (c->over || c->conn == NULL)
		return;
	want = imap_session_reading(c->s) || buf_len(conn_in(c->conn)) == 0;
	if (want == !c->paused)
		return;
	c->paused = !want;
	if (want)
		conn_resume(c->conn);
	else
		conn_pause(c->conn);
}

static void client_run(void *ctx)
{
	struct client *c = ctx;

	if (!c->over && client_wake(c) != NULL)
		imap_session_run(c->s);
}

static void client_again(void *ctx)
{
	struct client *c = ctx;

	if (!c->over)
		loop_task_add(c->srv->d->loop, &c->task, client_run, c);
}

static void client_timer(void *ctx)
{
	struct client *c = ctx;

	if (!c->over && client_wake(c) != NULL)
		imap_session_timer(c->s);
	client_rest(c);
}

static void client_timer_set(void *ctx, uint64_t ms)
{
	struct client *c = ctx;

	if (ms == 0)
		loop_timer_del(c->srv->d->loop, &c->timer);
	else
		loop_timer_set(c->srv->d->loop, &c->timer, ms, client_timer, c);
}

static void client_ran(void *ctx)
{
	struct client *c = ctx;

	if (c->conn == NULL)
		return;
	if (conn_out_len(c->conn) != 0)
		conn_kick(c->conn);
	if (c->s == NULL)
		return;
	if (c->tls != NULL && imap_session_logged_in(c->s)) {
		free(c->tls);
		c->tls = NULL;
	}
	client_pace(c);
}

static bool client_start(struct client *c, const struct edge_tls *tls);

/* Of port 993 the session begins here, of the others it goes on. */
static void client_tls(struct client *c)
{
	c->tls = malloc(sizeof(*c->tls));
	if (c->tls != NULL)
		edge_tls_get(c->conn, c->tls);
	if (c->tls != NULL && c->s != NULL)
		imap_session_tls_started(c->s, c->tls);
	else if (c->tls == NULL || !client_start(c, c->tls))
		client_over(c, true);
}

static void client_start_tls(void *ctx)
{
	struct client *c = ctx;

	conn_start_tls_server(c->conn, c->srv->d->tls);
}

static void client_error(struct client *c)
{
	if (conn_tls_error(c->conn) != NULL)
		log_info("client=%s, TLS: %s", conn_peer_addr(c->conn), conn_tls_error(c->conn));
	client_over(c, true);
}

static void client_event(void *ctx, struct conn *conn, enum conn_event ev)
{
	struct client *c = ctx;

	(void)conn;
	if (c->over || (client_wake(c) == NULL && c->over))
		return;
	c->srv->env.starttls = tls_server_ready(c->srv->d->tls);
	switch (ev) {
	case CONN_DATA:
	case CONN_DRAIN:
		client_run(c);
		break;
	case CONN_EOF:
		if (c->s != NULL)
			imap_session_eof(c->s);
		else
			client_over(c, true);
		break;
	case CONN_TIMEOUT:
		if (c->s != NULL)
			imap_session_bye(c->s, "Nothing was heard for too long");
		else
			client_over(c, true);
		break;
	case CONN_ERROR:
		client_error(c);
		break;
	case CONN_TLS:
		client_tls(c);
		break;
	case CONN_CONNECTED:
		break;
	}
	client_rest(c);
}

/* ---- new connections ------------------------------------------------------------------ */

static void turn_away(struct conn *conn, const char *why, bool tls)
{
	log_warn("no place for client=%s: %s", conn_peer_addr(conn), why);
	if (!tls)
		conn_writef(conn, "* BYE [UNAVAILABLE] %s, try again later\r\n", why);
	conn_finish(&conn);
}

static struct imap_host client_host(struct client *c)
{
	static const struct imap_host_ops ops = { client_start_tls, client_again, client_timer_set, client_ran, client_over };

	return (struct imap_host){ .ops = &ops, .ctx = c, .in = conn_in(c->conn), .out = conn_out(c->conn),
		.peer = conn_peer_addr(c->conn), .loopback = conn_peer_is_loopback(c->conn) };
}

static bool client_start(struct client *c, const struct edge_tls *tls)
{
	struct imap_host host = client_host(c);

	host.tls = tls;
	conn_set_timeout(c->conn, c->srv->d->conf->imap_timeout * MS_PER_S);
	c->s = imap_session_new(&c->srv->env, &host);
	return c->s != NULL;
}

static void server_accept(void *ctx, enum conf_listen_service svc, int fd)
{
	struct server *srv = ctx;
	struct client *c = calloc(1, sizeof(*c));
	struct conn_ops ops = { client_event, c };
	struct conn *conn = conn_accept(srv->d->loop, fd, &ops);
	const char *why = "out of memory";

	if (c == NULL || conn == NULL) {
		conn_close(&conn);
		free(c);
		return;
	}
	if (edge_enter(&srv->edge, &c->at, conn_peer_addr(conn), c, &why) != 0) {
		turn_away(conn, why, conf_services[svc].tls);
		free(c);
		return;
	}
	c->srv = srv;
	c->conn = conn;
	srv->env.starttls = tls_server_ready(srv->d->tls);
	if (conf_services[svc].tls) {
		client_start_tls(c);
	} else if (!client_start(c, NULL)) {
		client_over(c, true);
		log_error("no memory for client=%s", conn_peer_addr(conn));
	}
}

/* ---- the frame's calls -------------------------------------------------------------------- */

static void env_set(struct server *srv, const struct conf *conf)
{
	struct imap_env *env = &srv->env;

	env->ops = &imap_link_ops;
	env->be = srv->link;
	env->allow_plaintext_login = conf->allow_plaintext_login;
	env->oauth = conf->oauth_login;
	env->login_timeout_ms = conf->login_timeout * MS_PER_S;
	env->literal_max = conf->imap_literal_limit < conf->message_size_limit ? conf->imap_literal_limit :
	    conf->message_size_limit;
	env->inline_max = conf->body_inline_limit;
}

static void client_lost(void *ctx)
{
	struct client *c = ctx;

	if (client_wake(c) != NULL)
		imap_session_lost(c->s);
}

static void client_change(void *ctx, const struct spool_change *ch)
{
	struct client *c = ctx;

	if (!c->over && client_wake(c) != NULL)
		imap_session_change(c->s, ch);
}

static void sessions_lost(void *ctx)
{
	struct server *srv = ctx;

	edge_each(&srv->edge, client_lost);
}

/* Outside the cell: iconv's tables are files. */
static int server_init(struct daemon *d, int dirfd)
{
	charset_preload();
	return edge_tls_init(d, dirfd);
}

static void on_account_open(struct daemon *d, struct channel *ch)
{
	struct server *srv = d->state;

	(void)ch;
	edge_peers_check(&srv->edge);
}

static int server_start(struct daemon *d)
{
	static const struct imap_link_host host = { sessions_lost, client_change };
	struct server *srv = calloc(1, sizeof(*srv));

	if (srv == NULL || edge_init(&srv->edge, d, server_accept, srv) != 0) {
		free(srv);
		return ERR_NOMEM;
	}
	srv->d = d;
	srv->link = imap_link_new(d, &host, srv);
	if (srv->link == NULL) {
		edge_end(&srv->edge);
		free(srv);
		return ERR_NOMEM;
	}
	env_set(srv, d->conf);
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
	env_set(srv, d->conf);
	tls_server_reload(d->tls, d->conf);
}

static void client_stop(void *ctx)
{
	struct client *c = ctx;

	if (client_wake(c) != NULL)
		imap_session_stop(c->s);
	else
		client_over(c, true);   /* in the middle of a handshake */
}

static void server_stop(struct daemon *d)
{
	struct server *srv = d->state;

	edge_stop(&srv->edge, client_stop);
}

static int on_change(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct server *srv = ((struct daemon *)ctx)->state;

	(void)ch;
	return imap_link_change(srv->link, m);
}

static void client_back(void *ctx)
{
	struct client *c = ctx;

	if (client_wake(c) != NULL)
		imap_session_back(c->s);
}

static void on_spool_open(struct daemon *d, struct channel *ch)
{
	struct server *srv = d->state;

	(void)ch;
	imap_link_up(srv->link);
	edge_each(&srv->edge, client_back);
	edge_peers_check(&srv->edge);
}

static void on_spool_close(struct daemon *d, struct channel *ch, int why)
{
	struct server *srv = d->state;

	(void)ch;
	(void)why;
	imap_link_down(srv->link);
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_change_MSG, on_change },
	{ 0, NULL },
};

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SPOOLD, spool_handlers, on_spool_open, on_spool_close },
	{ ROLE_ACCOUNTD, NULL, on_account_open, NULL },
	{ ROLE_KEYD, tls_server_handlers, tls_server_keyd_open, tls_server_keyd_close },
	{ ROLE_NONE, NULL, NULL, NULL },
};

const struct daemon_spec imap_server_spec = {
	.role = ROLE_IMAPD,
	.nofile = NOFILE,
	.peers = peers,
	.init = server_init,
	.start = server_start,
	.listener = server_listener,
	.reload = server_reload,
	.stop = server_stop,
};
