#include "control/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/daemon/control_path.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_job.h"
#include "common/ipc/proto_key.h"
#include "common/ipc/proto_master.h"
#include "common/ipc/proto_spool.h"
#include "control/command.h"

enum { HELLO_TIMEOUT_MS = 10000, ARENA_MAX = 256 * 1024 * 1024 };

struct client {
	enum role role;
	struct loop *loop;
	struct channel *ch;     /* NULL once it is closed */
	struct arena *arena;
	struct buf payload;
	struct ipc_msg reply;
	bool answered;
	int result;
};

static const struct { enum role role; const char *proto; uint16_t major, minor; } protos[] = {
	{ ROLE_MASTER, "master", PROTO_MASTER_MAJOR, PROTO_MASTER_MINOR },
	{ ROLE_ACCOUNTD, "account", PROTO_ACCOUNT_MAJOR, PROTO_ACCOUNT_MINOR },
	{ ROLE_SPOOLD, "spool", PROTO_SPOOL_MAJOR, PROTO_SPOOL_MINOR },
	{ ROLE_KEYD, "key", PROTO_KEY_MAJOR, PROTO_KEY_MINOR },
	{ ROLE_QMGR, "job", PROTO_JOB_MAJOR, PROTO_JOB_MINOR },
};

static void on_close(struct channel *ch, int why, void *ctx)
{
	struct client *c = ctx;

	(void)ch;
	(void)why;
	c->ch = NULL;
}

/* The socket by its directory's descriptor, since the path may be longer than an address holds. */
static int connect_socket(const struct conf *conf, enum role role)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char name[32];
	int dir, fd, n, e;

	if (control_socket_name(role, name) != 0)
		return -1;
	dir = open(conf->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	n = snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%s", dir, name);
	if (fd >= 0 && n > 0 && (size_t)n < sizeof(sun.sun_path) &&
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0) {
		e = errno;
		(void)close(fd);
		errno = e;
		fd = -1;
	}
	e = errno;
	(void)close(dir);
	errno = e;
	return fd;
}

static void tell_unreachable(const struct conf *conf, enum role role)
{
	const char *name = role_name(role);

	switch (errno) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		(void)complain("%s does not answer at %s/%s.sock: Pabal is not running; \"pabal start\" starts it.",
		    name, conf->run_dir, name);
		break;
	case EACCES:
	case EPERM:
		(void)complain("You may not ask %s at %s/%s.sock: be root or a member of admin_group.",
		    name, conf->run_dir, name);
		break;
	default:
		(void)complain("%s cannot be reached at %s/%s.sock: %s.", name, conf->run_dir, name, strerror(errno));
	}
}

struct client *client_open(const struct conf *conf, enum role role, bool quiet)
{
	return client_open_serving(conf, role, quiet, NULL, NULL);
}

struct client *client_open_serving(const struct conf *conf, enum role role, bool quiet, const struct ipc_handler *handlers,
    void *ctx)
{
	struct channel_conf cc = { .role = ROLE_CONTROL, .peer_role = (uint8_t)role, .peer_uid = (uid_t)-1,
		.on_close = on_close, .handlers = handlers, .handler_ctx = ctx };
	struct client *c;
	int fd = connect_socket(conf, role);

	if (fd < 0) {
		if (!quiet || (errno != ENOENT && errno != ECONNREFUSED))
			tell_unreachable(conf, role);
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (protos[i].role == role) {
			cc.proto = protos[i].proto;
			cc.major = protos[i].major;
			cc.minor = protos[i].minor;
		}
	c = calloc(1, sizeof(*c));
	cc.ctx = c;
	cc.secret = role == ROLE_ACCOUNTD || role == ROLE_KEYD;
	if (c == NULL || (c->loop = loop_new()) == NULL || (c->arena = arena_new(ARENA_MAX)) == NULL) {
		(void)close(fd);
		(void)complain("There is no memory.");
		client_close(&c);
		return NULL;
	}
	c->role = role;
	c->payload = BUF_INIT(IPC_MAX_FRAME);
	if ((c->ch = channel_new(c->loop, fd, &cc)) == NULL) {
		(void)complain("There is no memory.");
		client_close(&c);
	}
	return c;
}

void client_close(struct client **cp)
{
	struct client *c = *cp;

	if (c == NULL)
		return;
	while (c->ch != NULL) {
		channel_close(c->ch);
		if (loop_turn(c->loop, 0) != 0)
			break;
	}
	buf_free(&c->payload);
	arena_free(&c->arena);
	if (c->loop != NULL)
		loop_free(&c->loop);
	free(c);
	*cp = NULL;
}

struct loop *client_loop(struct client *c)
{
	return c->loop;
}

struct channel *client_channel(struct client *c)
{
	return c->ch;
}

static void tell_closed(const struct client *c)
{
	(void)complain("%s closed the connection: it ended, is of another version, or does not let you in; its log tells.",
	    role_name(c->role));
}

bool client_ready(const struct client *c)
{
	if (c->ch == NULL)
		tell_closed(c);
	return c->ch != NULL;
}

struct arena *client_arena(struct client *c)
{
	return c->arena;
}

pid_t client_peer_pid(const struct client *c)
{
	return c->ch != NULL ? channel_peer_pid(c->ch) : -1;
}

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;

	c->answered = true;
	c->result = r;
	if (r == 0) {
		buf_reset(&c->payload);
		buf_add_slice(&c->payload, m->payload);
		c->reply = *m;
		c->reply.payload = buf_slice(&c->payload);
		c->reply.fd = -1;
		c->result = buf_err(&c->payload);
	}
}

int client_call_fd(struct client *c, uint16_t type, int fd, uint64_t timeout_ms, struct ipc_msg *m_r)
{
	const char *name = role_name(c->role);

	c->answered = false;
	(void)channel_end_request(c->ch, type, fd, timeout_ms, on_reply, c);
	while (!c->answered)
		if (loop_turn(c->loop, -1) != 0) {
			(void)complain("Waiting for %s failed: %s.", name, strerror(errno));
			return ERR_IO;
		}
	if (c->result == 0) {
		*m_r = c->reply;
		return 0;
	}
	if (c->result == ERR_TIMEOUT)
		(void)complain("%s did not answer in time; its log may tell why.", name);
	else if (c->result == ERR_CLOSED)
		tell_closed(c);
	else
		(void)complain("The answer of %s was lost: %s.", name, err_str(c->result));
	return c->result;
}

int client_call(struct client *c, uint16_t type, uint64_t timeout_ms, struct ipc_msg *m_r)
{
	return client_call_fd(c, type, -1, timeout_ms, m_r);
}

int client_strange(const struct client *c)
{
	(void)complain("%s gave an answer that is not understood; is pabal of the same version?", role_name(c->role));
	return ERR_SYNTAX;
}

static void on_time_over(void *ctx)
{
	struct client *c = ctx;

	c->result = ERR_TIMEOUT;
}

int client_wait_closed(struct client *c, uint64_t timeout_ms)
{
	struct loop_timer timer = { 0 };
	int r = 0;

	c->result = 0;
	loop_timer_set(c->loop, &timer, timeout_ms, on_time_over, c);
	while (c->ch != NULL && c->result == 0 && r == 0)
		r = loop_turn(c->loop, -1);
	loop_timer_del(c->loop, &timer);
	return r != 0 ? r : c->result;
}
