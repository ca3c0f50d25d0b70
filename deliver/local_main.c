/*
 * deliver-local: a thinker. It parses whole messages of strangers and has neither
 * files nor network; what it decides, accountd's grants and spoold's tokens bound.
 */
#include "deliver/local.h"

static int start(struct daemon *d)
{
	return agent_main_start(d, local_new(d->loop, d->conf));
}

static const struct daemon_peer_spec peers[] = {
	{ ROLE_QMGR, agent_main_handlers, agent_main_open, agent_main_close },
	{ ROLE_SPOOLD, NULL, agent_main_open, agent_main_close },
	{ ROLE_ACCOUNTD, NULL, agent_main_open, agent_main_close },
	{ ROLE_NONE, NULL, NULL, NULL },
};

static const struct daemon_spec spec = {
	.role = ROLE_DELIVER_LOCAL,
	.peers = peers,
	.start = start,
	.reload = agent_main_reload,
	.stop = agent_main_stop,
};

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &spec);
}
