#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ipc/proto_master.h"
#include "tests/lib/server.h"

enum { DEADLINE_MS = 300 * 1000, MASTER_FD = 3 };

const uint8_t server_secret[32] = "0123456789abcdef0123456789abcde";

void server_wait(struct server *s, const bool *flag, const char *what)
{
	uint64_t until = clock_mono_ms() + DEADLINE_MS;

	while (!*flag) {
		if (clock_mono_ms() > until)
			fail_msg("waited too long for %s", what);
		assert_int_equal(loop_turn(s->loop, 1000), 0);
	}
}

/* READY, RELOADED; LOST is no news here. */
static int on_ready(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct server *s = ctx;

	(void)ch;
	s->ready = s->ready || m->type == master_ready_MSG;
	s->reloaded = s->reloaded || m->type == master_reloaded_MSG;
	return 0;
}

static const struct ipc_handler master_handlers[] = {
	{ master_ready_MSG, on_ready }, { master_reloaded_MSG, on_ready }, { master_lost_MSG, on_ready }, { 0, NULL },
};

static void master_closed(struct channel *ch, int why, void *ctx)
{
	struct server *s = ctx;

	(void)ch;
	(void)why;
	s->master = NULL;
	s->gone = true;
	s->ready = true;
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

/* A listening Unix socket in the abstract name space: no file stays behind. */
static int control_socket(struct sockaddr_un *sun, const char *name, bool listening)
{
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path + 1, name, strlen(name));
	if (listening) {
		assert_int_equal(bind(fd, (struct sockaddr *)sun, len), 0);
		assert_int_equal(listen(fd, 16), 0);
	} else {
		assert_int_equal(connect(fd, (struct sockaddr *)sun, len), 0);
	}
	return fd;
}

void server_start(struct server *s, const char *program, enum role role, const char *proto, uint16_t major, uint16_t minor,
    const char *conf, const char *dir, bool with_control)
{
	struct channel_conf c = { .proto = "master", .major = PROTO_MASTER_MAJOR, .minor = PROTO_MASTER_MINOR,
	    .role = ROLE_MASTER, .peer_role = (uint8_t)role, .peer_uid = (uid_t)-1, .handlers = master_handlers,
	    .on_close = master_closed, .ctx = s };
	struct master_config config = { .file = SLICE_LIT("test.conf"), .text = slice_cstr(conf), .uid = (uint32_t)getuid(),
	    .gid = (uint32_t)getgid(), .hostname = SLICE_LIT("mx.here.test"), .root = slice_cstr(dir != NULL ? dir : "/"),
	    .secret = slice_of(server_secret, sizeof(server_secret)) };
	struct master_control_socket control = { 0 };
	struct master_go go = { 0 };
	struct sockaddr_un sun;
	int sv[2];

	memset(s, 0, sizeof(*s));
	s->role = role;
	s->proto = proto;
	s->major = major;
	s->minor = minor;
	s->loop = loop_new();
	assert_non_null(s->loop);
	socket_pair(sv);
	s->pid = spawn(program, sv[1]);
	s->master = channel_new(s->loop, sv[0], &c);
	assert_non_null(s->master);
	master_config_encode(channel_begin(s->master), &config);
	channel_end(s->master, master_config_MSG, 0, false, dir != NULL ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1);
	if (with_control) {
		(void)snprintf(s->control_path, sizeof(s->control_path), "pabal-test-%ld-%s", (long)s->pid, proto);
		master_control_socket_encode(channel_begin(s->master), &control);
		channel_end(s->master, master_control_socket_MSG, 0, false, control_socket(&sun, s->control_path, true));
	}
	IPC_SEND(s->master, master_go, 0, &go);
	server_wait(s, &s->ready, "READY");
	assert_false(s->gone);
}

int server_stop(struct server *s)
{
	struct master_stop stop = { 0 };
	int status = -1;

	if (s->master != NULL)
		IPC_SEND(s->master, master_stop, 0, &stop);
	server_wait(s, &s->gone, "the end of the process");
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	/* Its ends of all channels are closed now: ours notice, and free themselves. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(s->loop, 0), 0);
	loop_free(&s->loop);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void server_reload(struct server *s, const char *conf)
{
	struct master_reload reload = { .file = SLICE_LIT("test.conf"), .text = slice_cstr(conf), .hostname = SLICE_LIT("mx.here.test") };

	s->reloaded = false;
	IPC_SEND(s->master, master_reload, 0, &reload);
	server_wait(s, &s->reloaded, "RELOADED");
}

/* ---- clients -------------------------------------------------------------------- */

static void client_closed(struct channel *ch, int why, void *ctx)
{
	struct server_client *c = ctx;

	(void)ch;
	(void)why;
	c->ch = NULL;
	c->answered = true;
}

void server_connect(struct server *s, enum role role, struct server_client *c)
{
	struct channel_conf conf = { .proto = s->proto, .role = (uint8_t)role, .peer_role = (uint8_t)s->role, .major = s->major,
	    .minor = s->minor, .peer_uid = (uid_t)-1, .on_close = client_closed, .ctx = c };
	struct master_peer peer = { .role = (uint8_t)role, .uid = (uint32_t)getuid(), .is_server = 1, .proto = slice_cstr(s->proto) };
	struct sockaddr_un sun;
	int sv[2];

	memset(c, 0, sizeof(*c));
	c->s = s;
	c->payload = BUF_INIT(IPC_MAX_FRAME);
	if (role == ROLE_CONTROL) {
		sv[0] = control_socket(&sun, s->control_path, false);
	} else {
		socket_pair(sv);
		master_peer_encode(channel_begin(s->master), &peer);
		channel_end(s->master, master_peer_MSG, 0, false, sv[1]);
	}
	c->ch = channel_new(s->loop, sv[0], &conf);
	assert_non_null(c->ch);
}

void server_leave(struct server_client *c)
{
	if (c->ch != NULL)
		channel_close(c->ch);
	while (c->ch != NULL)
		assert_int_equal(loop_turn(c->s->loop, 0), 0);
	buf_free(&c->payload);
}

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct server_client *c = ctx;

	c->answered = true;
	c->result = r;
	if (r != 0)
		return;
	buf_reset(&c->payload);
	buf_add_slice(&c->payload, m->payload);
	c->reply = *m;
	c->reply.payload = buf_slice(&c->payload);
}

uint16_t server_call(struct server_client *c, uint16_t type)
{
	c->answered = false;
	(void)channel_end_request(c->ch, type, -1, 0, on_reply, c);
	server_wait(c->s, &c->answered, "a reply");
	return c->result == 0 ? c->reply.type : 0;
}
