/* One process: its program, what it is handed, its end. */
#include "config.h"

#include "master/master.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/peercred.h"

enum { CONTROL_FD = 3, CLOSED_KILL_MS = 5000 };

const char *child_state_name(enum child_state s)
{
	static const char *const names[] = {
		[CHILD_NONE] = "not started", [CHILD_STARTING] = "starting", [CHILD_READY] = "ready",
		[CHILD_WAITING] = "died, waiting", [CHILD_STOPPING] = "stopping", [CHILD_GONE] = "ended",
	};

	return names[s];
}

struct child *child_find(const struct master *m, enum role role, unsigned instance)
{
	struct child *c;

	TAILQ_FOREACH(c, &m->children, entry)
		if (c->kind->role == role && c->instance == instance)
			return c;
	return NULL;
}

struct child *child_new(struct master *m, const struct kind *k, unsigned instance)
{
	struct child *c = calloc(1, sizeof(*c)), *o;

	if (c == NULL)
		return NULL;
	c->m = m;
	c->kind = k;
	c->instance = instance;
	(void)snprintf(c->name, sizeof(c->name), "%s[%u]", role_name(k->role), instance);
	/* Ordered by kind, then instance. */
	TAILQ_FOREACH(o, &m->children, entry)
		if (o->kind > k || (o->kind == k && o->instance > instance)) {
			TAILQ_INSERT_BEFORE(o, c, entry);
			return c;
		}
	TAILQ_INSERT_TAIL(&m->children, c, entry);
	return c;
}

/* ---- the start -------------------------------------------------------------------- */

/* What a process gets of our environment: little. */
static void environment_make(char *envp[], unsigned max)
{
	static const char *const keep[] = { "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
	    "LLVM_PROFILE_FILE", "GCOV_PREFIX", "GCOV_PREFIX_STRIP", "LD_LIBRARY_PATH",
#ifdef WITH_TEST_HOOKS
	    "PABAL_CELL_PROBE",
#endif
	};
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", text[ARRAY_LEN(keep)][1024];
	unsigned n = 0;

	envp[n++] = path;
	for (unsigned i = 0; i < ARRAY_LEN(keep) && n + 1 < max; i++) {
		const char *v = getenv(keep[i]);

		if (v != NULL && snprintf(text[i], sizeof(text[i]), "%s=%s", keep[i], v) < (int)sizeof(text[i]))
			envp[n++] = text[i];
	}
	envp[n] = NULL;
}

/* After fork(): descriptor 3 is the channel, 0 and 1 are nothing, 2 is the log, and there are no others. */
static NORETURN void child_exec(const char *path, char *name, int fd, char *const envp[])
{
	char *const argv[] = { name, NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	(void)sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd == CONTROL_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, CONTROL_FD) < 0)
		_exit(126);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		_exit(126);
	closefrom(CONTROL_FD + 1);
	(void)umask(077);
	if (chdir("/") != 0)
		_exit(126);
	(void)execve(path, argv, envp);
	_exit(127);
}

static void child_ready(struct child *c)
{
	c->state = CHILD_READY;
	log_info("ready process=%s pid=%ld", c->name, (long)c->pid);
	master_advance(c->m);
}

static int on_ready(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct child *c = ctx;

	(void)m;
	if (ch != c->ch || c->state != CHILD_STARTING)
		return c->state == CHILD_STOPPING ? 0 : ERR_STATE;
	child_ready(c);
	return 0;
}

static int on_reloaded(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct child *c = ctx;

	(void)m;
	if (ch != c->ch)
		return ERR_STATE;
	c->reloading = false;
	master_advance(c->m);
	return 0;
}

static int on_lost(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct child *c = ctx;
	struct master_lost in;
	int r = IPC_DECODE(m, master_lost, NULL, &in);

	if (r == 0 && ch == c->ch)
		link_lost(c, in.link);
	return r;
}

static const struct ipc_handler handlers[] = {
	{ master_ready_MSG, on_ready }, { master_reloaded_MSG, on_reloaded }, { master_lost_MSG, on_lost }, { 0, NULL },
};

static void child_kill(void *ctx)
{
	struct child *c = ctx;

	if (c->pid == 0)
		return;
	log_warn("killed process=%s pid=%ld: it did not end by itself", c->name, (long)c->pid);
	c->m->killed++;
	(void)kill(c->pid, SIGKILL);
}

static void on_close(struct channel *ch, int why, void *ctx)
{
	struct child *c = ctx;

	if (c->ch != ch)
		return;
	c->ch = NULL;
	c->linked = false;
	/* A process that closed its channel ends; one that hangs is helped. */
	if (c->pid != 0 && !loop_timer_active(&c->kill_timer)) {
		if (why != ERR_CLOSED && c->state != CHILD_STOPPING)
			log_error("process=%s pid=%ld sent what it may not: %s", c->name, (long)c->pid, err_str(why));
		loop_timer_set(c->m->loop, &c->kill_timer, CLOSED_KILL_MS, child_kill, c);
	}
}

static int child_spawn(struct child *c)
{
	const struct channel_conf conf = { .proto = "master", .major = PROTO_MASTER_MAJOR,
	    .minor = PROTO_MASTER_MINOR, .role = ROLE_MASTER, .peer_role = (uint8_t)c->kind->role,
	    .peer_uid = (uid_t)-1, .handlers = handlers, .on_close = on_close, .ctx = c };
	struct buf why = BUF_INIT(8192);
	char path[4096], name[40], *envp[16];
	int fds[2], r;

	c->pid = 0;
	c->started_ms = clock_mono_ms();
	c->started_us = clock_wall_us();
	if ((r = kind_program(c->kind, path, sizeof(path), &why)) != 0) {
		log_error("%.*s", SLICE_ARG(buf_slice(&why)));
		buf_free(&why);
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return ERR_IO;
	environment_make(envp, ARRAY_LEN(envp));
	(void)snprintf(name, sizeof(name), "%s", role_name(c->kind->role));
	c->pid = peercred_enable(fds[0]) == 0 && peercred_enable(fds[1]) == 0 ? fork() : -1;
	if (c->pid == 0)
		child_exec(path, name, fds[1], envp);
	(void)close(fds[1]);
	if (c->pid < 0) {
		c->pid = 0;
		(void)close(fds[0]);
		return ERR_IO;
	}
	c->state = CHILD_STARTING;
	c->ch = channel_new(c->m->loop, fds[0], &conf);
	log_info("started process=%s pid=%ld", c->name, (long)c->pid);
	return c->ch != NULL ? 0 : ERR_NOMEM;
}

/* ---- what it is handed -------------------------------------------------------------- */

static int send_config(struct child *c)
{
	const struct master *m = c->m;
	enum role role = c->kind->role;
	const char *dir = kind_dir(m->conf, role);
	struct buf empty = BUF_INIT(4096);
	struct master_config msg = { .file = slice_cstr(m->conf_file), .text = m->conf->text, .instance = c->instance,
	    .uid = (uint32_t)m->ids.uid[role], .gid = (uint32_t)m->ids.gid[role], .privileged = m->ids.root,
	    .hostname = slice_cstr(m->conf->hostname) };
	int fd = -1;

	buf_addf(&empty, "%s/empty", m->conf->run_dir);
	msg.root = dir != NULL ? slice_cstr(dir) : buf_slice(&empty);
	if (role == ROLE_SPOOLD || role == ROLE_ACCOUNTD)
		msg.secret = slice_of(m->secret, sizeof(m->secret));
	if (dir != NULL && (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		log_error("%s cannot be opened: %s", dir, strerror(errno));
		buf_free(&empty);
		return ERR_IO;
	}
	master_config_encode(channel_begin(c->ch), &msg);
	channel_end(c->ch, master_config_MSG, 0, false, fd);
	buf_free(&empty);
	c->linked = true;
	return 0;
}

void child_give_listener(struct child *c, const struct listen_sock *s)
{
	struct master_listener msg = { .service = (uint8_t)s->service, .address = slice_cstr(s->address) };
	int fd;

	if (c->ch == NULL || strcmp(conf_services[s->service].role, role_name(c->kind->role)) != 0)
		return;
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		log_error("no descriptor for %s at %s: errno=%d", c->name, s->address, errno);
		return;
	}
	master_listener_encode(channel_begin(c->ch), &msg);
	channel_end(c->ch, master_listener_MSG, 0, false, fd);
}

static int send_sockets(struct child *c)
{
	const struct master *m = c->m;
	const struct listen_sock *s;

	if (m->listeners_given)
		STAILQ_FOREACH(s, &m->listening, entry)
			child_give_listener(c, s);
	if (m->control_fds[c->kind->role] >= 0) {
		struct master_control_socket msg = { .admin_gid = (uint32_t)m->ids.admin };
		int fd = fcntl(m->control_fds[c->kind->role], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return ERR_IO;
		master_control_socket_encode(channel_begin(c->ch), &msg);
		channel_end(c->ch, master_control_socket_MSG, 0, false, fd);
	}
	return 0;
}

static void restart_later(struct child *c, uint64_t lived_ms);

void child_start(struct child *c)
{
	int r = child_spawn(c);

	if (r == 0)
		r = send_config(c);
	if (r == 0)
		r = links_make(c);
	if (r == 0)
		r = send_sockets(c);
	if (r == 0)
		return;
	log_error("cannot start process=%s: %s", c->name, err_str(r));
	if (c->pid != 0)
		(void)kill(c->pid, SIGKILL);    /* its death is the one that counts */
	else
		restart_later(c, 0);
}

void child_go(struct child *c)
{
	struct master_go go = { 0 };

	if (c->ch != NULL && c->linked)
		IPC_SEND(c->ch, master_go, 0, &go);
}

/* ---- the end ----------------------------------------------------------------------- */

static void start_again(void *ctx)
{
	struct child *c = ctx;

	c->restarts++;
	child_start(c);
	child_go(c);
}

static void restart_later(struct child *c, uint64_t lived_ms)
{
	uint64_t ms = backoff_next(&c->backoff, lived_ms);

	c->state = CHILD_WAITING;
	if (backoff_is_loop(&c->backoff))
		log_error("crash loop: process=%s ended %u times in a row right after its start; next start in %llu.%llu s; "
		    "its own lines above say why", c->name, c->backoff.deaths, (unsigned long long)(ms / 1000),
		    (unsigned long long)(ms % 1000 / 100));
	loop_timer_set(c->m->loop, &c->start_timer, ms, start_again, c);
}

void child_stop(struct child *c)
{
	struct master_stop msg = { 0 };

	loop_timer_del(c->m->loop, &c->start_timer);
	c->reloading = false;
	if (c->pid == 0) {
		c->state = CHILD_GONE;
		return;
	}
	c->state = CHILD_STOPPING;
	if (c->ch != NULL)
		IPC_SEND(c->ch, master_stop, 0, &msg);
	loop_timer_set(c->m->loop, &c->kill_timer, c->m->conf->stop_timeout * MS_PER_S, child_kill, c);
}

static void log_end(const struct child *c, int status, uint64_t lived_ms)
{
	const char *how = WIFSIGNALED(status) ? "signal" : "exit";
	int n = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);

	if (c->state == CHILD_STOPPING)
		log_info("ended process=%s pid=%ld %s=%d", c->name, (long)c->pid, how, n);
	else
		log_warn("died process=%s pid=%ld %s=%d lived=%llu.%03llus%s", c->name, (long)c->pid, how, n,
		    (unsigned long long)(lived_ms / 1000), (unsigned long long)(lived_ms % 1000),
		    !WIFSIGNALED(status) && n == 127 ? ": its program cannot be executed" : "");
}

void child_died(struct child *c, int status)
{
	uint64_t lived_ms = clock_mono_ms() - c->started_ms;

	log_end(c, status, lived_ms);
	c->pid = 0;
	c->reloading = false;
	c->linked = false;
	links_drop(c);
	loop_timer_del(c->m->loop, &c->kill_timer);
	if (c->ch != NULL) {
		struct channel *ch = c->ch;

		c->ch = NULL;
		channel_close(ch);
	}
	if (c->m->state == MASTER_STOPPING || c->unwanted)
		c->state = CHILD_GONE;
	else
		restart_later(c, lived_ms);
	master_advance(c->m);
}
