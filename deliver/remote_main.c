/*
 * deliver-remote: an edge. It makes connections to strangers and parses what they
 * answer; it has no file, and of mail only what its jobs let it read.
 */
#include "common/daemon/daemon.h"
#include "common/daemon/sandbox.h"
#include "common/ipc/proto_job.h"
#include "deliver/remote.h"

static int start(struct daemon *d)
{
	d->state = remote_new(d->loop, d->conf);
	return d->state != NULL ? 0 : ERR_NOMEM;
}

static void reload(struct daemon *d, const struct conf *old)
{
	(void)old;
	remote_set_conf(d->state, d->conf);
}

static void stopped(void *ctx)
{
	daemon_done(ctx);
}

static void stop(struct daemon *d)
{
	remote_stop(d->state, stopped, d);
}

static void qmgr_open(struct daemon *d, struct channel *ch)
{
	remote_qmgr_open(d->state, ch);
}

static void qmgr_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	remote_qmgr_close(d->state, ch);
}

static void spoold_open(struct daemon *d, struct channel *ch)
{
	remote_spoold_open(d->state, ch);
}

static void spoold_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	remote_spoold_close(d->state, ch);
}

static void dnsd_open(struct daemon *d, struct channel *ch)
{
	remote_dnsd_open(d->state, ch);
}

static void dnsd_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	remote_dnsd_close(d->state, ch);
}

static int on_job(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return remote_on_job(((struct daemon *)ctx)->state, ch, m);
}

static const struct ipc_handler qmgr_handlers[] = { { job_MSG, on_job }, { 0, NULL } };

static const struct daemon_peer_spec peers[] = {
	{ .role = ROLE_QMGR, .handlers = qmgr_handlers, .on_open = qmgr_open, .on_close = qmgr_close },
	{ .role = ROLE_SPOOLD, .on_open = spoold_open, .on_close = spoold_close },
	{ .role = ROLE_DNSD, .on_open = dnsd_open, .on_close = dnsd_close },
	{ .role = ROLE_NONE },
};

static const struct daemon_spec spec = {
	.role = ROLE_DELIVER_REMOTE,
	.cell = CELL_NET_OUT,
	.nofile = 4096,
	.peers = peers,
	.start = start,
	.reload = reload,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &spec);
}
