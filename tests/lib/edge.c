#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_master.h"
#include "common/ipc/proto_spool.h"
#include "tests/lib/edge.h"

enum { DEADLINE_MS = 300 * 1000, MASTER_FD = 3 };

static void turn(struct edge *e, uint64_t until, const char *what)
{
	if (clock_mono_ms() > until)
		fail_msg("waited too long for %s", what);
	assert_int_equal(loop_turn(e->loop, 1000), 0);
}

void edge_wait(struct edge *e, const bool *flag, const char *what)
{
	uint64_t until = clock_mono_ms() + DEADLINE_MS;

	while (!*flag)
		turn(e, until, what);
}

static int on_ready(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct edge *e = ctx;

	(void)ch;
	(void)m;
	e->ready = true;
	return 0;
}

/* It tells of a peer that closed; whether there is a new one is the test's to decide. */
static int on_lost(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	(void)ch;
	(void)m;
	(void)ctx;
	return 0;
}

static const struct ipc_handler master_handlers[] = {
	{ master_ready_MSG, on_ready },
	{ master_lost_MSG, on_lost },
	{ 0, NULL },
};

static void master_closed(struct channel *ch, int why, void *ctx)
{
	struct edge *e = ctx;

	(void)ch;
	(void)why;
	e->master = NULL;
	e->gone = true;
}

static void peer_closed(struct channel *ch, int why, void *ctx)
{
	struct edge *e = ctx;

	(void)why;
	if (e->spool == ch)
		e->spool = NULL;
	if (e->account == ch)
		e->account = NULL;
}

static void socket_pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
}

static pid_t spawn(const char *program, int fd)
{
	const char *top = getenv("abs_top_builddir");
	char path[4096];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/%s", top != NULL ? top : ".", program);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *argv[] = { path, NULL };

		/* in its cell a leak checker cannot trace itself */
		(void)setenv("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=0", 1);
		if (dup2(fd, MASTER_FD) < 0 || (fd == MASTER_FD && fcntl(fd, F_SETFD, 0) != 0))
			_exit(99);
		(void)execv(path, argv);
		_exit(99);
	}
	(void)close(fd);
	return pid;
}

void edge_peer_new(struct edge *e, enum role role)
{
	bool spool = role == ROLE_SPOOLD;
	struct channel_conf c = { .proto = spool ? "spool" : "account", .role = (uint8_t)role, .peer_role = (uint8_t)e->role,
	    .major = spool ? PROTO_SPOOL_MAJOR : PROTO_ACCOUNT_MAJOR, .minor = spool ? PROTO_SPOOL_MINOR : PROTO_ACCOUNT_MINOR,
	    .peer_uid = (uid_t)-1, .handlers = spool ? e->spool_handlers : e->account_handlers,
	    .on_open = spool ? e->spool_open : NULL, .on_close = peer_closed, .ctx = e, .handler_ctx = e->ctx };
	struct master_peer m = { .role = (uint8_t)role, .uid = (uint32_t)getuid(), .proto = slice_cstr(c.proto) };
	struct channel *ch;
	int sv[2];

	socket_pair(sv);
	ch = channel_new(e->loop, sv[0], &c);
	assert_non_null(ch);
	if (spool)
		e->spool = ch;
	else
		e->account = ch;
	assert_non_null(e->master);
	master_peer_encode(channel_begin(e->master), &m);
	channel_end(e->master, master_peer_MSG, 0, false, sv[1]);
}

static int listen_loopback(uint16_t *port_r)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port_r = ntohs(sin.sin_port);
	return fd;
}

void edge_listen(struct edge *e, enum conf_listen_service svc)
{
	struct master_listener ln = { .service = (uint8_t)svc };
	int fd = listen_loopback(&e->port);

	master_listener_encode(channel_begin(e->master), &ln);
	channel_end(e->master, master_listener_MSG, 0, false, fd);
}

void edge_start(struct edge *e, const char *program, enum role role, enum conf_listen_service svc, const char *conf)
{
	struct channel_conf c = { .proto = "master", .major = PROTO_MASTER_MAJOR, .minor = PROTO_MASTER_MINOR,
	    .role = ROLE_MASTER, .peer_role = (uint8_t)role, .peer_uid = (uid_t)-1, .handlers = master_handlers,
	    .on_close = master_closed, .ctx = e };
	struct master_config config = { .file = SLICE_LIT("test.conf"), .text = slice_cstr(conf), .uid = (uint32_t)getuid(),
	    .gid = (uint32_t)getgid(), .hostname = SLICE_LIT("mx.here.test"), .root = SLICE_LIT("/") };
	struct master_go go = { 0 };
	int sv[2];

	e->role = role;
	e->loop = loop_new();
	assert_non_null(e->loop);
	socket_pair(sv);
	e->pid = spawn(program, sv[1]);
	e->master = channel_new(e->loop, sv[0], &c);
	assert_non_null(e->master);
	IPC_SEND(e->master, master_config, 0, &config);
	edge_peer_new(e, ROLE_SPOOLD);
	edge_peer_new(e, ROLE_ACCOUNTD);
	edge_listen(e, svc);
	IPC_SEND(e->master, master_go, 0, &go);
	edge_wait(e, &e->ready, "READY");
}

void edge_stop_begin(struct edge *e)
{
	struct master_stop stop = { 0 };

	if (e->master != NULL && !e->stopping)
		IPC_SEND(e->master, master_stop, 0, &stop);
	e->stopping = true;
}

int edge_stop(struct edge *e)
{
	int status = -1;

	edge_stop_begin(e);
	edge_wait(e, &e->gone, "the end of the process");
	assert_int_equal(waitpid(e->pid, &status, 0), e->pid);
	/* Its ends of all channels are closed now: ours notice, and free themselves. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(e->loop, 0), 0);
	loop_free(&e->loop);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- clients ------------------------------------------------------------------ */

static void client_event(void *ctx, struct conn *conn, enum conn_event ev)
{
	struct edge_client *c = ctx;

	(void)conn;
	if (ev == CONN_EOF || ev == CONN_ERROR)
		c->closed = true;
	if (ev == CONN_TLS)
		c->tls = true;
}

void edge_connect(struct edge *e, struct edge_client *c)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };
	struct conn_ops ops = { client_event, c };

	memset(c, 0, sizeof(*c));
	c->e = e;
	c->c = conn_connect(e->loop, 4, loopback, e->port, NULL, DEADLINE_MS, &ops);
	assert_non_null(c->c);
}

void edge_say_bytes(struct edge_client *c, struct slice s)
{
	conn_write(c->c, s.p, s.len);
}

void edge_say(struct edge_client *c, const char *text)
{
	edge_say_bytes(c, slice_cstr(text));
}

void edge_hear(struct edge_client *c, const char *prefix)
{
	uint64_t until = clock_mono_ms() + DEADLINE_MS;
	struct buf *in = conn_in(c->c);
	struct slice line;
	ptrdiff_t lf;

	while ((lf = slice_chr(buf_slice(in), '\n')) < 0) {
		if (c->closed)
			fail_msg("closed, want \"%s\"", prefix);
		turn(c->e, until, prefix);
	}
	line = slice_sub(buf_slice(in), 0, (size_t)lf);
	if (lf == 0 || line.p[lf - 1] != '\r' || !slice_eq_cstr(slice_sub(line, 0, strlen(prefix)), prefix))
		fail_msg("got \"%.*s\" want \"%s\"", SLICE_ARG(line), prefix);
	buf_consume(in, (size_t)lf + 1);
	conn_resume(c->c);
}

void edge_read(struct edge_client *c, struct buf *b, size_t n)
{
	uint64_t until = clock_mono_ms() + DEADLINE_MS;

	while (n != 0) {
		struct slice part = slice_sub(buf_slice(conn_in(c->c)), 0, n);

		buf_add_slice(b, part);
		n -= part.len;
		buf_consume(conn_in(c->c), part.len);
		conn_resume(c->c);
		if (n == 0)
			return;
		if (c->closed)
			fail_msg("closed, %zu bytes more wanted", n);
		turn(c->e, until, "bytes");
	}
}

void edge_hear_close(struct edge_client *c)
{
	edge_wait(c->e, &c->closed, "the end of the connection");
	if (buf_len(conn_in(c->c)) != 0)
		fail_msg("more before the end: \"%.*s\"", SLICE_ARG(buf_slice(conn_in(c->c))));
	conn_close(&c->c);
}

void edge_hang_up(struct edge_client *c)
{
	conn_close(&c->c);
}
