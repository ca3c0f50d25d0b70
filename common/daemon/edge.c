#include "common/daemon/edge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/tls.h"

/* ---- listening sockets ------------------------------------------------------------- */

static void peers_timeout(void *ctx)
{
	log_warn("spoold or accountd is not there yet: clients are taken nevertheless");
	edge_open(ctx);
}

int edge_init(struct edge *e, struct daemon *d, edge_accept_fn *accept, void *ctx)
{
	memset(e, 0, sizeof(*e));
	e->places = places_new();
	if (e->places == NULL)
		return ERR_NOMEM;
	e->d = d;
	e->accept = accept;
	e->ctx = ctx;
	LIST_INIT(&e->clients);
	loop_timer_set(d->loop, &e->peers_timer, EDGE_PEERS_MS, peers_timeout, e);
	return 0;
}

static void edge_listener_free(struct edge_listener *el)
{
	listener_free(&el->ln);
	free(el);
}

static void listeners_close(struct edge *e)
{
	loop_timer_del(e->d->loop, &e->peers_timer);
	while (e->listeners_n != 0)
		edge_listener_free(e->listeners[--e->listeners_n]);
}

void edge_end(struct edge *e)
{
	listeners_close(e);
	places_free(&e->places);
}

void edge_open(struct edge *e)
{
	if (e->open)
		return;
	e->open = true;
	loop_timer_del(e->d->loop, &e->peers_timer);
	for (unsigned i = 0; i < e->listeners_n; i++)
		if (!listener_ended(e->listeners[i]->ln))
			listener_resume(e->listeners[i]->ln);
}

void edge_peers_check(struct edge *e)
{
	if (daemon_peer(e->d, ROLE_SPOOLD) != NULL && daemon_peer(e->d, ROLE_ACCOUNTD) != NULL)
		edge_open(e);
}

/* Those whose address a reload took away make room. */
static void listeners_prune(struct edge *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->listeners_n; i++) {
		if (listener_ended(e->listeners[i]->ln))
			edge_listener_free(e->listeners[i]);
		else
			e->listeners[n++] = e->listeners[i];
	}
	e->listeners_n = n;
}

static void edge_accepted(void *ctx, int fd)
{
	const struct edge_listener *el = ctx;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	/* It was reset while it waited, and has no address any more that a log or a limit could name. */
	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0) {
		(void)close(fd);
		return;
	}
	el->e->accept(el->e->ctx, el->svc, fd);
}

void edge_listener(struct edge *e, enum conf_listen_service svc, int fd)
{
	struct edge_listener *el = NULL;

	listeners_prune(e);
	if (svc >= LISTEN_COUNT || strcmp(conf_services[svc].role, role_name(e->d->spec->role)) != 0 || e->stopping ||
	    e->listeners_n == EDGE_LISTENERS_MAX) {
		(void)close(fd);
		return;
	}
	el = calloc(1, sizeof(*el));
	if (el == NULL || (el->ln = listener_new(e->d->loop, fd, edge_accepted, el)) == NULL) {
		log_error("a listening socket is lost: out of memory");
		(void)close(fd);
		free(el);
		return;
	}
	el->e = e;
	el->svc = svc;
	if (!e->open)
		listener_pause(el->ln);
	e->listeners[e->listeners_n++] = el;
}

/* ---- clients ----------------------------------------------------------------------- */

static void check_done(struct edge *e)
{
	if (e->stopping && e->clients_n == 0)
		daemon_done(e->d);
}

int edge_enter(struct edge *e, struct edge_client *c, const char *addr, void *ctx, const char **why_r)
{
	const struct conf *conf = e->d->conf;
	int r = place_take(e->places, addr, conf->connection_limit, conf->connection_limit_address, &c->place, why_r);

	if (r != 0)
		return r;
	c->ctx = ctx;
	LIST_INSERT_HEAD(&e->clients, c, link);
	e->clients_n++;
	return 0;
}

void edge_leave(struct edge *e, struct edge_client *c)
{
	place_give(e->places, &c->place);
	LIST_REMOVE(c, link);
	e->clients_n--;
	check_done(e);
}

void edge_each(struct edge *e, void (*fn)(void *ctx))
{
	struct edge_client *c, *next;

	LIST_FOREACH_SAFE(c, &e->clients, link, next)
		fn(c->ctx);
}

void edge_timer_nearer(struct edge *e, struct loop_timer *t, uint64_t due_ms, void (*fn)(void *ctx), void *ctx)
{
	uint64_t now = clock_mono_ms();

	if (due_ms == 0 || (loop_timer_active(t) && t->due_ms <= due_ms))
		return;
	loop_timer_set(e->d->loop, t, due_ms > now ? due_ms - now : 1, fn, ctx);
}

void edge_stop(struct edge *e, void (*fn)(void *ctx))
{
	listeners_close(e);
	e->stopping = true;
	/* one client more keeps the process until all have been told */
	e->clients_n++;
	edge_each(e, fn);
	e->clients_n--;
	check_done(e);
}

/* ---- TLS ------------------------------------------------------------------------------ */

int edge_tls_init(struct daemon *d, int dirfd)
{
	(void)dirfd;
	d->tls = tls_server_new(d, role_name(d->spec->role));
	return d->tls != NULL ? 0 : ERR_NOMEM;
}
