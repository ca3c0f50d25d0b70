#include "pop3d/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/proto_spool.h"
#include "pop3d/client.h"

enum {
	OUT_MAX = 1024 * 1024,
	PEERS_WAIT_MS = 3000,    /* for spoold and accountd before clients are taken anyway */
	NOFILE = 20000,
};

static void server_check_done(struct server *srv)
{
	if (srv->env.stopping && srv->clients_n == 0)
		daemon_done(srv->d);
}

/* ---- clients ------------------------------------------------------------------ */

static void client_end(struct client *c)
{
	struct server *srv = c->srv;

	conn_finish(&c->conn);
	loop_timer_del(srv->d->loop, &c->timer);
	pop3_session_free(&c->s);
	backend_close(c, false);
	buf_free(&c->out);
	place_give(srv->places, &c->place);
	LIST_REMOVE(c, link);
	srv->clients_n--;
	free(c);
	server_check_done(srv);
}

static void client_timer(void *ctx)
{
	struct client *c = ctx;
	uint64_t due = pop3_session_deadline(c->s);

	if (due != 0 && due <= clock_mono_ms())
		(void)pop3_session_timeout(c->s);
	client_run(c);
}

/* The timer is only ever moved nearer: one that fires too early looks again. */
static void client_arm(struct client *c)
{
	uint64_t due = pop3_session_deadline(c->s), now = clock_mono_ms();

	if (due == 0 || (loop_timer_active(&c->timer) && c->timer.due_ms <= due))
		return;
	loop_timer_set(c->srv->d->loop, &c->timer, due > now ? due - now : 1, client_timer, c);
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

void client_run(struct client *c)
{
	struct buf none = BUF_INIT(0), *in = c->conn != NULL ? conn_in(c->conn) : &none;
	bool was_full = buf_len(in) >= CONN_IN_MAX, again = !c->asked, over;
	enum pop3_want want = POP3_WANT_BODY;

	(void)client_flush(c, false);
	while (again) {
		want = pop3_session_run(c->s, in);
		again = client_flush(c, false) && want == POP3_WANT_DRAIN;
		if (want == POP3_WANT_LOGIN || want == POP3_WANT_BODY || want == POP3_WANT_EXPUNGE)
			again = !backend_ask(c, want);
		else if (want != POP3_WANT_DRAIN)
			backend_body_close(c);
	}
	over = want == POP3_WANT_INPUT && (c->conn == NULL || c->eof);
	if (over)
		pop3_session_lost(c->s);
	if (over || want == POP3_WANT_CLOSE) {
		(void)client_flush(c, true);
		client_end(c);
		return;
	}
	client_arm(c);
	if (was_full && buf_len(in) < CONN_IN_MAX)
		conn_resume(c->conn);
}

static void client_event(void *ctx, struct conn *conn, enum conn_event ev)
{
	struct client *c = ctx;

	(void)conn;
	if (ev == CONN_ERROR)
		conn_close(&c->conn);
	if (ev == CONN_EOF)
		c->eof = true;
	if (ev != CONN_TIMEOUT)
		client_run(c);
}

/* ---- new connections ------------------------------------------------------------- */

static int client_start(struct server *srv, struct client *c)
{
	struct pop3_client who = { .addr = conn_peer_addr(c->conn),
	    .plaintext = srv->d->conf->allow_plaintext_login && conn_peer_is_loopback(c->conn) };

	c->s = pop3_session_new(&srv->env, &who, &c->out);
	if (c->s == NULL)
		return ERR_NOMEM;
	LIST_INSERT_HEAD(&srv->clients, c, link);
	srv->clients_n++;
	(void)pop3_session_greet(c->s);
	client_run(c);
	return 0;
}

static void server_accept(void *ctx, int fd)
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
		if (place_take(srv->places, conn_peer_addr(conn), srv->d->conf->connection_limit,
		    srv->d->conf->connection_limit_address, &c->place, &why) == 0) {
			why = "out of memory";
			if (client_start(srv, c) == 0)
				return;
			place_give(srv->places, &c->place);
		}
	}
	if (conn != NULL) {
		log_warn("no place for [%s]: %s", conn_peer_addr(conn), why);
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
}

/* Clients are taken once both peers are there: at a start no login fails for that. Later losses do not stop it. */
static void server_listen(struct server *srv)
{
	if (srv->listening)
		return;
	srv->listening = true;
	loop_timer_del(srv->d->loop, &srv->peers_timer);
	for (unsigned i = 0; i < srv->listeners_n; i++)
		listener_resume(srv->listeners[i]);
}

static void peers_timeout(void *ctx)
{
	log_warn("spoold or accountd is not there yet: clients are taken nevertheless");
	server_listen(ctx);
}

static void on_peer_open(struct daemon *d, struct channel *ch)
{
	(void)ch;
	if (daemon_peer(d, ROLE_SPOOLD) != NULL && daemon_peer(d, ROLE_ACCOUNTD) != NULL)
		server_listen(d->state);
}

static int server_start(struct daemon *d)
{
	struct server *srv = calloc(1, sizeof(*srv));

	if (srv == NULL || (srv->places = places_new()) == NULL) {
		free(srv);
		return ERR_NOMEM;
	}
	srv->d = d;
	LIST_INIT(&srv->clients);
	STAILQ_INIT(&srv->waiting);
	env_set(&srv->env, d->conf);
	d->state = srv;
	loop_timer_set(d->loop, &srv->peers_timer, PEERS_WAIT_MS, peers_timeout, srv);
	return 0;
}

/* Those whose address a reload took away make room. */
static void listeners_prune(struct server *srv)
{
	unsigned n = 0;

	for (unsigned i = 0; i < srv->listeners_n; i++) {
		if (listener_ended(srv->listeners[i]))
			listener_free(&srv->listeners[i]);
		else
			srv->listeners[n++] = srv->listeners[i];
	}
	srv->listeners_n = n;
}

static void server_listener(struct daemon *d, enum conf_listen_service svc, int fd)
{
	struct server *srv = d->state;
	struct listener *ln = NULL;

	listeners_prune(srv);
	if (svc != LISTEN_POP3 || srv->env.stopping || srv->listeners_n == ARRAY_LEN(srv->listeners))
		(void)close(fd);
	else if ((ln = listener_new(d->loop, fd, server_accept, srv)) == NULL)
		log_error("a listening socket is lost: out of memory");
	if (ln == NULL)
		return;
	if (!srv->listening)
		listener_pause(ln);
	srv->listeners[srv->listeners_n++] = ln;
}

static void server_reload(struct daemon *d, const struct conf *old)
{
	struct server *srv = d->state;

	(void)old;
	env_set(&srv->env, d->conf);
}

static void server_stop(struct daemon *d)
{
	struct server *srv = d->state;
	struct client *c, *next;

	while (srv->listeners_n != 0)
		listener_free(&srv->listeners[--srv->listeners_n]);
	/* one client more keeps the process until all have been told */
	srv->clients_n++;
	srv->env.stopping = true;
	LIST_FOREACH_SAFE(c, &srv->clients, link, next)
		client_run(c);
	srv->clients_n--;
	server_check_done(srv);
}

/* The session was in spoold, and is gone with it: what it is asked for now is answered [SYS/TEMP]. */
static void on_spool_close(struct daemon *d, struct channel *ch, int why)
{
	struct server *srv = d->state;
	struct client *c;

	(void)ch;
	(void)why;
	LIST_FOREACH(c, &srv->clients, link)
		backend_close(c, true);
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
	{ ROLE_NONE, NULL, NULL, NULL },
};

const struct daemon_spec pop3_server_spec = {
	.role = ROLE_POP3D,
	.nofile = NOFILE,
	.peers = peers,
	.start = server_start,
	.listener = server_listener,
	.reload = server_reload,
	.stop = server_stop,
};
