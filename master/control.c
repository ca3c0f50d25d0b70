/* The pabal command at master's own control socket. */
#include "config.h"

#include "master/master.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/control_path.h"

enum { PROCS_MAX = 1000 };

static const char *state_name(const struct master *m)
{
	return m->state == MASTER_STOPPING ? "stopping" : m->state == MASTER_STARTING ? "starting" :
	    m->reload_running ? "reloading" : "running";
}

static int on_status(struct channel *ch, struct ipc_msg *msg, void *ctx)
{
	static struct master_proc procs[PROCS_MAX];
	const struct master *m = ctx;
	struct master_status_reply reply = { .state = slice_cstr(state_name(m)),
	    .hostname = slice_cstr(m->conf->hostname), .pid = (uint32_t)getpid(), .started = m->started_us / 1000000,
	    .version = slice_cstr(PACKAGE_VERSION), .procs = procs };
	struct master_status in;
	const struct child *c;
	int r = IPC_DECODE(msg, master_status, NULL, &in);

	if (r != 0)
		return r;
	TAILQ_FOREACH(c, &m->children, entry) {
		if (reply.procs_n == PROCS_MAX || (c->unwanted && c->pid == 0))
			continue;
		procs[reply.procs_n++] = (struct master_proc){ .name = slice_cstr(role_name(c->kind->role)),
		    .instance = c->instance, .pid = (uint32_t)c->pid, .state = slice_cstr(child_state_name(c->state)),
		    .started = c->started_us / 1000000, .restarts = c->restarts };
	}
	IPC_REPLY(ch, master_status_reply, msg->id, &reply);
	return 0;
}

static void answer(struct channel *ch, uint32_t id, bool ok, const char *text)
{
	struct master_done done = { .ok = ok, .text = slice_cstr(text) };

	done.text.len = done.text.len < 65536 ? done.text.len : 65536;
	IPC_REPLY(ch, master_done, id, &done);
}

void control_answer(struct master *m, bool reload, bool ok, const char *text)
{
	struct waiting *w, *next;

	STAILQ_FOREACH_SAFE(w, &m->waiting, entry, next) {
		if (w->reload != reload || (w->later && m->state != MASTER_STOPPING))
			continue;
		answer(w->ch, w->id, ok, text);
		STAILQ_REMOVE(&m->waiting, w, waiting, entry);
		free(w);
	}
}

static int on_do(struct channel *ch, struct ipc_msg *msg, void *ctx)
{
	struct master *m = ctx;
	struct master_do in;
	struct waiting *w;
	int r = IPC_DECODE(msg, master_do, NULL, &in);

	if (r != 0)
		return r;
	if (!slice_eq_cstr(in.verb, "stop") && !slice_eq_cstr(in.verb, "reload")) {
		answer(ch, msg->id, false, "master knows stop and reload");
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->ch = ch;
	w->id = msg->id;
	w->reload = slice_eq_cstr(in.verb, "reload");
	w->later = w->reload && m->reload_running;
	STAILQ_INSERT_TAIL(&m->waiting, w, entry);
	log_info("told by uid=%ld: %s", (long)channel_peer_uid(ch), w->reload ? "reload" : "stop");
	if (w->reload)
		reload_start(m);
	else
		master_stop(m);
	return 0;
}

static const struct ipc_handler handlers[] = {
	{ master_status_MSG, on_status }, { master_do_MSG, on_do }, { 0, NULL },
};

static void on_close(struct channel *ch, int why, void *ctx)
{
	struct master *m = ctx;
	struct waiting *w, *next;
	struct visitor *v = channel_data(ch);

	(void)why;
	TAILQ_REMOVE(&m->visitors, v, entry);
	m->visitors_n--;
	free(v);
	STAILQ_FOREACH_SAFE(w, &m->waiting, entry, next) {
		if (w->ch != ch)
			continue;
		STAILQ_REMOVE(&m->waiting, w, waiting, entry);
		free(w);
	}
}

static void on_accept(void *ctx, int fd)
{
	struct master *m = ctx;
	const struct channel_conf conf = { .proto = "master", .major = PROTO_MASTER_MAJOR, .minor = PROTO_MASTER_MINOR,
	    .role = ROLE_MASTER, .peer_role = ROLE_CONTROL, .peer_uid = (uid_t)-1, .max_frame = 65536,
	    .handlers = handlers, .on_close = on_close, .ctx = m };

	struct visitor *v = m->visitors_n < CONTROL_CONNECTIONS_MAX ? calloc(1, sizeof(*v)) : NULL;

	if (v == NULL) {
		(void)close(fd);
		return;
	}
	v->ch = channel_new(m->loop, fd, &conf);
	if (v->ch == NULL) {
		log_warn("a control connection was refused: out of memory");
		free(v);
		return;
	}
	channel_set_data(v->ch, v);
	TAILQ_INSERT_TAIL(&m->visitors, v, entry);
	m->visitors_n++;
}

int control_start(struct master *m, int fd)
{
	m->control = listener_new(m->loop, fd, on_accept, m);
	return m->control != NULL ? 0 : ERR_NOMEM;
}

void control_end(struct master *m)
{
	struct visitor *v;

	listener_free(&m->control);
	TAILQ_FOREACH(v, &m->visitors, entry)
		channel_close(v->ch);
}
