/*
 * deliver-remote: an edge. It makes connections to strangers and parses what they
 * answer; it has no file, and of mail only what its jobs let it read.
 */
#include "common/daemon/sandbox.h"
#include "deliver/remote.h"

static int start(struct daemon *d)
{
	return agent_main_start(d, remote_new(d->loop, d->conf));
}

static const struct daemon_peer_spec peers[] = {
	{ ROLE_QMGR, agent_main_handlers, agent_main_open, agent_main_close },
	{ ROLE_SPOOLD, NULL, agent_main_open, agent_main_close },
	{ ROLE_DNSD, NULL, agent_main_open, agent_main_close },
	{ ROLE_NONE, NULL, NULL, NULL },
};

static const struct daemon_spec spec = {
	.role = ROLE_DELIVER_REMOTE,
	.cell = CELL_NET_OUT,
	.nofile = 4096,
	.peers = peers,
	.start = start,
	.reload = agent_main_reload,
	.stop = agent_main_stop,
};

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &spec);
}
