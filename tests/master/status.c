/* Asks a master: status SOCKET [stop|reload]. Prints "STATE HOSTNAME", then "NAME INSTANCE PID STATE RESTARTS" a process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc/proto_master.h"
#include "common/ipc/roles.h"

static struct loop *loop;
static struct arena *arena;
static const char *verb;
static int result = 1;

static void on_status(void *ctx, int r, struct ipc_msg *m)
{
	struct master_status_reply s;

	(void)ctx;
	if (r == 0 && IPC_DECODE(m, master_status_reply, arena, &s) == 0) {
		(void)printf("%.*s %.*s\n", SLICE_ARG(s.state), SLICE_ARG(s.hostname));
		for (unsigned i = 0; i < s.procs_n; i++)
			(void)printf("%.*s %u %u %.*s %u\n", SLICE_ARG(s.procs[i].name), s.procs[i].instance, s.procs[i].pid,
			    SLICE_ARG(s.procs[i].state), s.procs[i].restarts);
		result = 0;
	}
	loop_stop(loop);
}

static void on_done(void *ctx, int r, struct ipc_msg *m)
{
	struct master_done d;

	(void)ctx;
	if (r == 0 && IPC_DECODE(m, master_done, arena, &d) == 0) {
		(void)printf("%s %.*s\n", d.ok != 0 ? "ok" : "failed", SLICE_ARG(d.text));
		result = d.ok != 0 ? 0 : 3;
	}
	loop_stop(loop);
}

static void on_open(struct channel *ch, void *ctx)
{
	struct master_status s = { 0 };
	struct master_do d = { .verb = slice_cstr(verb) };

	(void)ctx;
	if (verb == NULL)
		(void)IPC_REQUEST(ch, master_status, &s, 60000, on_status, NULL);
	else
		(void)IPC_REQUEST(ch, master_do, &d, 60000, on_done, NULL);
}

static void on_close(struct channel *ch, int why, void *ctx)
{
	(void)ch;
	(void)why;
	(void)ctx;
	loop_stop(loop);
}

int main(int argc, char **argv)
{
	struct channel_conf conf = { .proto = "master", .major = PROTO_MASTER_MAJOR, .minor = PROTO_MASTER_MINOR,
	    .role = ROLE_CONTROL, .peer_role = ROLE_MASTER, .peer_uid = (uid_t)-1, .on_open = on_open, .on_close = on_close };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct channel *ch;
	int fd;

	if (argc < 2)
		return 2;
	verb = argc > 2 ? argv[2] : NULL;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	loop = loop_new();
	arena = arena_new(1 << 20);
	if (loop == NULL || arena == NULL || connect(fd, (struct sockaddr *)(void *)&sa, sizeof(sa)) != 0 ||
	    (ch = channel_new(loop, fd, &conf)) == NULL || loop_run(loop) != 0)
		return 1;
	if (channel_is_open(ch))
		channel_close(ch);
	if (loop_turn(loop, 0) != 0)
		return 1;
	loop_free(&loop);
	arena_free(&arena);
	return result;
}
