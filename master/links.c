/*
 * The channels between the processes: one socket pair for each arrow and
 * instance. A message that may not be closes the channel it came by and nothing
 * else; both processes live on, and master gives them a new one.
 */
#include "config.h"

#include "master/master.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/peercred.h"
#include "master/plumb.h"

/* LINK_ROOM: what all connections of an edge give in at once is one turn of spoold, and one flush. */
enum { LINKS_MAX = 1024, RELINK_MS = 1000, LINK_ROOM = 2 * 1024 * 1024 };

static void send_peer(struct child *to, const struct child *peer, const struct link *l, int fd)
{
	struct master_peer msg = { .role = (uint8_t)peer->kind->role, .instance = peer->instance,
	    .uid = (uint32_t)to->m->ids.uid[peer->kind->role], .is_server = to == l->server,
	    .proto = slice_cstr(l->proto), .link = l->id };

	master_peer_encode(channel_begin(to->ch), &msg);
	channel_end(to->ch, master_peer_MSG, 0, false, fd);
}

static bool reachable(const struct child *c)
{
	return c->linked && c->ch != NULL && !c->unwanted &&
	    (c->state == CHILD_STARTING || c->state == CHILD_READY);
}

static int link_make(struct child *client, struct child *server, const char *proto)
{
	struct master *m = client->m;
	struct link *l = calloc(1, sizeof(*l));
	int fds[2];

	if (l == NULL)
		return ERR_NOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		free(l);
		return ERR_IO;
	}
	/* Before they are handed out, so that the very first byte tells who sent it. */
	if (peercred_enable(fds[0]) != 0 || peercred_enable(fds[1]) != 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		free(l);
		return ERR_IO;
	}
	peercred_room(fds, LINK_ROOM);
	l->id = ++m->last_link;
	l->client = client;
	l->server = server;
	l->proto = proto;
	TAILQ_INSERT_TAIL(&m->links, l, entry);
	send_peer(client, server, l, fds[0]);
	send_peer(server, client, l, fds[1]);
	return 0;
}

int links_make(struct child *c)
{
	static struct plumb_link ends[LINKS_MAX];
	unsigned counts[ROLE_COUNT], n;
	int r = 0;

	master_counts(c->m, counts);
	n = plumb_links(c->kind->role, counts, ends, LINKS_MAX);
	for (unsigned i = 0; r == 0 && i < n && i < LINKS_MAX; i++) {
		struct child *o = child_find(c->m, ends[i].peer, ends[i].instance);

		if (o != NULL && o != c && reachable(o))
			r = ends[i].serves ? link_make(o, c, ends[i].proto) : link_make(c, o, ends[i].proto);
	}
	return r;
}

static void link_free(struct link *l)
{
	struct master *m = l->client->m;

	loop_timer_del(m->loop, &l->timer);
	TAILQ_REMOVE(&m->links, l, entry);
	free(l);
}

void links_drop(struct child *c)
{
	struct link *l, *next;

	TAILQ_FOREACH_SAFE(l, &c->m->links, entry, next)
		if (l->client == c || l->server == c)
			link_free(l);
}

static void link_again(void *ctx)
{
	struct link *l = ctx;
	struct child *client = l->client, *server = l->server;
	const char *proto = l->proto;

	link_free(l);
	if (!reachable(client) || !reachable(server))
		return;
	log_warn("the channel between %s and %s was closed while both live; they get a new one", client->name,
	    server->name);
	if (link_make(client, server, proto) != 0)
		log_error("no channel between %s and %s: out of memory or descriptors", client->name, server->name);
}

void link_lost(struct child *c, uint32_t id)
{
	struct link *l;

	TAILQ_FOREACH(l, &c->m->links, entry)
		if (l->id == id && (l->client == c || l->server == c)) {
			if (!loop_timer_active(&l->timer))
				loop_timer_set(c->m->loop, &l->timer, RELINK_MS, link_again, l);
			return;
		}
}
