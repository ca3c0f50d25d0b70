/*
 * deliver-remote: an edge. It makes connections to strangers and parses what they
 * answer; it has no file, and of mail only what its jobs let it read.
 */
#include <string.h>

#include "common/base/log.h"
#include "common/daemon/sandbox.h"
#include "common/daemon/tls.h"
#include "deliver/remote.h"

static struct tls_client *tls;

/* What OpenSSL and the authorities need of the file system is read here. */
static int init(struct daemon *d, int dirfd)
{
	(void)dirfd;
	tls = tls_client_new(d->conf->tls_ca_file, d->conf->tls_min_version);
	return tls != NULL ? 0 : ERR_NOMEM;
}

static int start(struct daemon *d)
{
	return agent_main_start(d, remote_new(d->loop, d->conf, tls));
}

static void reload(struct daemon *d, const struct conf *old)
{
	agent_main_reload(d, old);
	tls_client_reload(tls, d->conf->tls_min_version);
	if (strcmp(old->tls_ca_file, d->conf->tls_ca_file) != 0)
		log_warn("tls_ca_file has changed: that takes a restart");
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
	.init = init,
	.start = start,
	.reload = reload,
	.stop = agent_main_stop,
};

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &spec);
}
