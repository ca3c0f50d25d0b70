/*
 * dnsd answers deliver-remote where mail for a domain goes: an edge, with network and
 * without files. One cache for all workers.
 *
 * SECURITY: DNS packets are parsed in libunbound's thread, in this cell: the process can
 * ask name servers and answer its peers, and nothing else. What a peer gets are host
 * names of harmless characters and addresses that mail may be sent to.
 */
#include <bsd/sys/queue.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "common/daemon/sandbox.h"
#include "dnsd/mx.h"

struct asked {
	LIST_ENTRY(asked) entry;
	struct channel *ch;
	uint32_t id;
	struct mx_wait *wait;
};

static struct dnsd {
	struct daemon *d;
	struct mx *mx;
	struct arena *arena;
	LIST_HEAD(, asked) asked;
	bool stopping;
} dnsd;

static void asked_free(struct asked *a)
{
	LIST_REMOVE(a, entry);
	free(a);
	if (dnsd.stopping && LIST_EMPTY(&dnsd.asked))
		daemon_done(dnsd.d);
}

static void on_plan(void *ctx, const struct dns_mx_reply *reply)
{
	struct asked *a = ctx;

	IPC_REPLY(a->ch, dns_mx_reply, a->id, reply);
	if (a->wait != NULL)
		asked_free(a);
}

static int on_mx(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct dns_mx req;
	struct asked *a;
	int r = IPC_DECODE(m, dns_mx, dnsd.arena, &req);

	(void)ctx;
	if (r != 0)
		return r;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return ERR_NOMEM;
	a->ch = ch;
	a->id = m->id;
	LIST_INSERT_HEAD(&dnsd.asked, a, entry);
	a->wait = mx_ask(dnsd.mx, req.domain, on_plan, a);
	/* Answered at once: on_plan() could not free it, for we still hold it. */
	if (a->wait == NULL)
		asked_free(a);
	return 0;
}

static void peer_gone(struct daemon *d, struct channel *ch, int why)
{
	struct asked *a, *next;

	(void)d;
	(void)why;
	LIST_FOREACH_SAFE(a, &dnsd.asked, entry, next) {
		if (a->ch != ch)
			continue;
		mx_cancel(a->wait);
		asked_free(a);
	}
}

/* In the cell already: the resolver's thread has to be born in it. */
static int start(struct daemon *d)
{
	dnsd.d = d;
	LIST_INIT(&dnsd.asked);
	dnsd.arena = arena_new(65536);
	dnsd.mx = mx_new(d->loop, d->conf);
	return dnsd.arena != NULL && dnsd.mx != NULL ? 0 : ERR_STATE;
}

static void reload(struct daemon *d, const struct conf *old)
{
	if (mx_reload(dnsd.mx, d->conf, old) != 0)
		log_error("the new dns_ options are not taken up: the old resolver goes on");
}

static void stop(struct daemon *d)
{
	dnsd.stopping = true;
	if (LIST_EMPTY(&dnsd.asked))
		daemon_done(d);
}

static const struct ipc_handler handlers[] = { { dns_mx_MSG, on_mx }, { 0, NULL } };

static const struct daemon_peer_spec peers[] = {
	{ ROLE_DELIVER_REMOTE, handlers, NULL, peer_gone },
	{ ROLE_NONE, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.role = ROLE_DNSD, .cell = CELL_NET_OUT | CELL_THREADS, .nofile = 4096, .peers = peers,
		.start = start, .reload = reload, .stop = stop,
	};
	int code = daemon_run(argc, argv, &spec);

	mx_free(&dnsd.mx);
	arena_free(&dnsd.arena);
	return code;
}
