#include "config.h"

#include "common/daemon/daemon.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/cellprobe.h"
#include "common/daemon/conn.h"
#include "common/daemon/control_path.h"
#include "common/daemon/sandbox.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_dns.h"
#include "common/ipc/proto_job.h"
#include "common/ipc/proto_key.h"
#include "common/ipc/proto_master.h"
#include "common/ipc/proto_spool.h"

enum { MASTER_FD = 3, NOFILE_DEFAULT = 1024, HOLD_OUT = 8 * 1024 * 1024 };

/* A channel to a peer; before GO only what master told of it. */
struct peer {
	TAILQ_ENTRY(peer) entry;
	struct frame *f;
	const struct daemon_peer_spec *spec;
	struct master_peer info;
	char proto[32];
	int fd;                 /* -1 once the channel has it */
	struct channel *ch;
};

struct held_listener {
	STAILQ_ENTRY(held_listener) entry;
	enum conf_listen_service svc;
	int fd;
};

/* struct daemon is what the program sees; this is what is behind it. */
struct frame {
	struct daemon d;
	struct channel *master;
	struct conf *conf;
	struct sandbox_conf cell;
	char root[4096];
	uint8_t secret[32];
	int dirfd, exit_code;
	bool running, stopping;
	TAILQ_HEAD(, peer) peers;
	STAILQ_HEAD(, held_listener) listeners;
	int control_fd;
	struct listener *control;
	unsigned control_n;             /* connections of the pabal command */
	bool control_full;              /* that has been told */
};

static struct frame *frame_of(const struct daemon *d)
{
	return (struct frame *)(uintptr_t)d;    /* d is its first member */
}

static void frame_end(struct frame *f, int code)
{
	f->exit_code = code;
	loop_stop(f->d.loop);
}

/* ---- peers ------------------------------------------------------------------ */

static const struct { const char *name; uint16_t major, minor; } protos[] = {
	{ "spool", PROTO_SPOOL_MAJOR, PROTO_SPOOL_MINOR },
	{ "account", PROTO_ACCOUNT_MAJOR, PROTO_ACCOUNT_MINOR },
	{ "dns", PROTO_DNS_MAJOR, PROTO_DNS_MINOR },
	{ "job", PROTO_JOB_MAJOR, PROTO_JOB_MINOR },
	{ "key", PROTO_KEY_MAJOR, PROTO_KEY_MINOR },
};

static int proto_version(struct channel_conf *c)
{
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		if (strcmp(protos[i].name, c->proto) != 0)
			continue;
		c->major = protos[i].major;
		c->minor = protos[i].minor;
		c->secret = strcmp(c->proto, "account") == 0 || strcmp(c->proto, "key") == 0;
		return 0;
	}
	return ERR_NOTFOUND;
}

static void peer_opened(struct channel *ch, void *ctx)
{
	struct peer *p = ctx;

	if (p->spec->on_open != NULL)
		p->spec->on_open(&p->f->d, ch);
}

static void peer_closed(struct channel *ch, int why, void *ctx)
{
	struct peer *p = ctx;
	struct frame *f = p->f;
	const struct master_lost lost = { .link = p->info.link };

	TAILQ_REMOVE(&f->peers, p, entry);
	if (!f->stopping && f->master != NULL && channel_is_open(f->master))
		IPC_SEND(f->master, master_lost, 0, &lost);
	if (!f->stopping)
		(why == ERR_CLOSED ? log_info : log_warn)("lost %s[%u]: %s", role_name((enum role)p->info.role),
		    p->info.instance, why == 0 ? "closed here" : err_str(why));
	if (p->spec->on_close != NULL)
		p->spec->on_close(&f->d, ch, why);
	free(p);
}

static void peer_connect(struct peer *p)
{
	struct frame *f = p->f;
	struct channel_conf c = { .proto = p->proto, .role = (uint8_t)f->d.spec->role,
	    .peer_role = p->info.role, .peer_uid = (uid_t)p->info.uid, .handlers = p->spec->handlers,
	    .on_open = peer_opened, .on_close = peer_closed, .ctx = p, .handler_ctx = &f->d,
	    .hold_out = p->info.is_server != 0 ? HOLD_OUT : 0 };
	int fd = p->fd;

	p->fd = -1;
	if (proto_version(&c) != 0) {
		log_error("master names an unknown protocol: %s", p->proto);
		(void)close(fd);
	} else {
		p->ch = channel_new(f->d.loop, fd, &c);
	}
	if (p->ch == NULL) {
		TAILQ_REMOVE(&f->peers, p, entry);
		free(p);
	}
}

static int on_peer(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;
	const struct daemon_peer_spec *ps = f->d.spec->peers;
	struct master_peer info;
	struct peer *p;
	int r = IPC_DECODE(m, master_peer, NULL, &info);

	(void)ch;
	if (r != 0)
		return r;
	while (ps != NULL && ps->role != ROLE_NONE && (uint8_t)ps->role != info.role)
		ps++;
	if (ps == NULL || ps->role == ROLE_NONE || m->fd < 0)
		return ERR_STATE;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	p->f = f;
	p->spec = ps;
	p->info = info;
	if ((r = slice_to_cstr(info.proto, p->proto, sizeof(p->proto))) != 0) {
		free(p);
		return r;
	}
	p->info.proto = slice_cstr(p->proto);
	p->fd = m->fd;
	m->fd = -1;
	TAILQ_INSERT_TAIL(&f->peers, p, entry);
	if (f->running)
		peer_connect(p);
	return 0;
}

struct channel *daemon_peer_nth(const struct daemon *d, enum role role, unsigned n)
{
	struct peer *p;

	TAILQ_FOREACH(p, &frame_of(d)->peers, entry)
		if ((enum role)p->info.role == role && p->ch != NULL && channel_is_open(p->ch) && n-- == 0)
			return p->ch;
	return NULL;
}

struct channel *daemon_peer(const struct daemon *d, enum role role)
{
	return daemon_peer_nth(d, role, 0);
}

/* ---- listening sockets --------------------------------------------------------- */

static int on_listener(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;
	struct master_listener info;
	struct held_listener *h;
	int r = IPC_DECODE(m, master_listener, NULL, &info);

	(void)ch;
	if (r != 0)
		return r;
	if (m->fd < 0 || f->d.spec->listener == NULL || info.service >= LISTEN_COUNT)
		return ERR_STATE;
	if (f->running) {
		f->d.spec->listener(&f->d, (enum conf_listen_service)info.service, m->fd);
		m->fd = -1;
		return 0;
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return ERR_NOMEM;
	h->svc = (enum conf_listen_service)info.service;
	h->fd = m->fd;
	m->fd = -1;
	STAILQ_INSERT_TAIL(&f->listeners, h, entry);
	return 0;
}

static void control_left(struct channel *ch, int why, void *ctx)
{
	struct frame *f = ctx;

	(void)why;
	f->control_n--;
	if (f->d.spec->control_closed != NULL)
		f->d.spec->control_closed(&f->d, ch);
}

static void control_accept(void *ctx, int fd)
{
	struct frame *f = ctx;
	struct channel_conf c = { .proto = f->d.spec->control_proto, .role = (uint8_t)f->d.spec->role,
	    .peer_role = ROLE_CONTROL, .peer_uid = (uid_t)-1, .handlers = f->d.spec->control_handlers,
	    .on_close = control_left, .ctx = f, .handler_ctx = &f->d };

	/* Who may connect is no enemy; but a script gone wild must not take the descriptors that the work needs. */
	if (f->control_n == CONTROL_CONNECTIONS_MAX) {
		if (!f->control_full)
			log_warn("a control connection was refused: %d are open", CONTROL_CONNECTIONS_MAX);
		f->control_full = true;
		(void)close(fd);
		return;
	}
	f->control_full = false;
	if (proto_version(&c) != 0)
		(void)close(fd);
	else if (channel_new(f->d.loop, fd, &c) == NULL)
		log_warn("a control connection was refused: out of memory");
	else
		f->control_n++;
}

static int on_control_socket(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;
	struct master_control_socket info;
	int r = IPC_DECODE(m, master_control_socket, NULL, &info);

	(void)ch;
	if (r != 0)
		return r;
	if (m->fd < 0 || f->d.spec->control_proto == NULL || f->control_fd >= 0 || f->running)
		return ERR_STATE;
	f->control_fd = m->fd;
	m->fd = -1;
	return 0;
}

/* ---- configuration, start, reload, stop ------------------------------------------ */

static int conf_take(struct frame *f, struct slice file, struct slice text, struct slice hostname)
{
	struct buf errors = BUF_INIT(65536);
	struct conf *c = NULL;
	char name[4096];
	int r = slice_to_cstr(file, name, sizeof(name));

	if (r == 0)
		r = conf_parse(&c, name, text, &errors);
	if (r != 0) {
		log_error("configuration refused: %.*s", SLICE_ARG(buf_slice(&errors)));
		conf_free(&c);
	} else {
		static const char *const levels[] = { "error", "warn", "info", "debug" };

		/* gethostname() and its like are master's: every process says the same name */
		if (hostname.len != 0 && (c->hostname = arena_cstr(c->arena, hostname)) == NULL)
			r = ERR_NOMEM;
		for (unsigned i = 0; i < ARRAY_LEN(levels); i++)
			if (strcmp(levels[i], c->log_level) == 0)
				log_set_level((enum log_level)i);
		f->conf = c;
		f->d.conf = c;
	}
	buf_free(&errors);
	return r;
}

static int on_config(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;
	struct master_config info;
	int r = IPC_DECODE(m, master_config, NULL, &info);

	(void)ch;
	if (r != 0)
		return r;
	if (f->conf != NULL)
		return ERR_STATE;
	if ((r = conf_take(f, info.file, info.text, info.hostname)) != 0 ||
	    (r = slice_to_cstr(info.root, f->root, sizeof(f->root))) != 0)
		return r;
	f->d.instance = info.instance;
	f->cell = (struct sandbox_conf){ .name = f->d.log_name, .allow = f->d.spec->cell, .root = f->root,
	    .uid = (uid_t)info.uid, .gid = (gid_t)info.gid, .privileged = info.privileged != 0,
	    .nofile = f->d.spec->nofile != 0 ? f->d.spec->nofile : NOFILE_DEFAULT };
	if (info.secret.len == sizeof(f->secret)) {
		memcpy(f->secret, info.secret.p, sizeof(f->secret));
		f->d.secret = slice_of(f->secret, sizeof(f->secret));
	}
	f->dirfd = m->fd;
	m->fd = -1;
	return 0;
}

static int frame_start(struct frame *f)
{
	const struct daemon_spec *spec = f->d.spec;
	int r;

	if (spec->init != NULL && (r = spec->init(&f->d, f->dirfd)) != 0)
		return r;
	if ((r = sandbox_enter(&f->cell)) != 0)
		return r;
	r = spec->start != NULL ? spec->start(&f->d) : 0;
#ifdef WITH_TEST_HOOKS
	/* For the test that tries the cells of the real processes: the victim's process id. */
	if (r == 0 && getenv("PABAL_CELL_PROBE") != NULL)
		cell_probe_log(spec->cell, (pid_t)strtol(getenv("PABAL_CELL_PROBE"), NULL, 10));
#endif
	return r;
}

static int on_go(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;
	struct master_ready ready = { 0 };
	struct held_listener *h;
	struct peer *p, *next;
	int r;

	(void)m;
	if (f->conf == NULL || f->running)
		return ERR_STATE;
	if ((r = frame_start(f)) != 0) {
		log_error("cannot start: %s", err_str(r));
		frame_end(f, 1);
		return 0;
	}
	f->running = true;
	TAILQ_FOREACH_SAFE(p, &f->peers, entry, next)
		peer_connect(p);
	while ((h = STAILQ_FIRST(&f->listeners)) != NULL) {
		STAILQ_REMOVE_HEAD(&f->listeners, entry);
		f->d.spec->listener(&f->d, h->svc, h->fd);
		free(h);
	}
	if (f->control_fd >= 0)
		f->control = listener_new(f->d.loop, f->control_fd, control_accept, f);
	IPC_SEND(ch, master_ready, 0, &ready);
	return 0;
}

static int on_reload(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;
	struct conf *old = f->conf;
	struct master_reloaded done = { 0 };
	struct master_reload info;
	int r = IPC_DECODE(m, master_reload, NULL, &info);

	if (r != 0)
		return r;
	if (!f->running)
		return ERR_STATE;
	/* The log file, opened anew. */
	if (m->fd >= 0 && dup2(m->fd, STDERR_FILENO) < 0)
		log_warn("cannot change to the new log file");
	/* master checked it; should it still be refused here, the old one stays. */
	if (conf_take(f, info.file, info.text, info.hostname) == 0) {
		if (f->d.spec->reload != NULL)
			f->d.spec->reload(&f->d, old);
		conf_free(&old);
	}
	IPC_SEND(ch, master_reloaded, 0, &done);
	return 0;
}

static int on_stop(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct frame *f = ctx;

	(void)ch;
	(void)m;
	f->stopping = true;
	listener_free(&f->control);
	if (f->running && f->d.spec->stop != NULL)
		f->d.spec->stop(&f->d);
	else
		frame_end(f, 0);
	return 0;
}

void daemon_done(struct daemon *d)
{
	frame_end(frame_of(d), 0);
}

static const struct ipc_handler master_handlers[] = {
	{ master_config_MSG, on_config }, { master_peer_MSG, on_peer },
	{ master_listener_MSG, on_listener }, { master_control_socket_MSG, on_control_socket },
	{ master_go_MSG, on_go }, { master_reload_MSG, on_reload }, { master_stop_MSG, on_stop },
	{ 0, NULL },
};

static void master_lost(struct channel *ch, int why, void *ctx)
{
	struct frame *f = ctx;

	(void)ch;
	(void)why;
	f->master = NULL;
	if (!f->stopping)
		log_error("lost master: ending");
	frame_end(f, f->stopping ? 0 : 1);
}

int daemon_run(int argc, char **argv, const struct daemon_spec *spec)
{
	static struct frame f = { .dirfd = -1, .control_fd = -1 };
	struct channel_conf c = { .proto = "master", .major = PROTO_MASTER_MAJOR, .minor = PROTO_MASTER_MINOR,
	    .role = (uint8_t)spec->role, .peer_role = ROLE_MASTER, .peer_uid = (uid_t)-1,
	    .handlers = master_handlers, .on_close = master_lost, .ctx = &f };

	(void)argv;
	f.d.spec = spec;
	f.d.log_name = role_name(spec->role);
	log_init(f.d.log_name, 2);
	TAILQ_INIT(&f.peers);
	STAILQ_INIT(&f.listeners);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A terminal's interrupt goes to the whole group; stopping in order is master's to say. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (argc != 1 || fcntl(MASTER_FD, F_GETFD) < 0) {
		log_error("this program is started by pabal-master, not by hand");
		return 2;
	}
	f.d.loop = loop_new();
	if (f.d.loop == NULL || (f.master = channel_new(f.d.loop, MASTER_FD, &c)) == NULL) {
		log_error("cannot start: %s", err_str(ERR_NOMEM));
		return 1;
	}
	log_batch();
	if (loop_run(f.d.loop) != 0) {
		log_error("cannot wait for events: errno=%d", errno);
		return 1;
	}
	/* What was said last is still sent; all else goes with the process. */
	if (f.exit_code == 0 && loop_turn(f.d.loop, 0) != 0)
		return 1;
	return f.exit_code;
}
