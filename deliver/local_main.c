/*
 * deliver-local: a thinker. It parses whole messages of strangers and has neither
 * files nor network; what it decides, accountd's grants and spoold's tokens bound.
 */
#include "common/daemon/daemon.h"
#include "common/ipc/proto_job.h"
#include "deliver/local.h"

static int start(struct daemon *d)
{
	d->state = local_new(d->loop, d->conf);
	return d->state != NULL ? 0 : ERR_NOMEM;
}

static void reload(struct daemon *d, const struct conf *old)
{
	(void)old;
	local_set_conf(d->state, d->conf);
}

static void stopped(void *ctx)
{
	daemon_done(ctx);
}

static void stop(struct daemon *d)
{
	local_stop(d->state, stopped, d);
}

static void qmgr_open(struct daemon *d, struct channel *ch)
{
	local_qmgr_open(d->state, ch);
}

static void qmgr_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	local_qmgr_close(d->state, ch);
}

static void spoold_open(struct daemon *d, struct channel *ch)
{
	local_spoold_open(d->state, ch);
}

static void spoold_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	local_spoold_close(d->state, ch);
}

static void accountd_open(struct daemon *d, struct channel *ch)
{
	local_accountd_open(d->state, ch);
}

static void accountd_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	local_accountd_close(d->state, ch);
}

static int on_job(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return local_on_job(((struct daemon *)ctx)->state, ch, m);
}

static const struct ipc_handler qmgr_handlers[] = { { job_MSG, on_job }, { 0, NULL } };

static const struct daemon_peer_spec peers[] = {
	{ .role = ROLE_QMGR, .handlers = qmgr_handlers, .on_open = qmgr_open, .on_close = qmgr_close },
	{ .role = ROLE_SPOOLD, .on_open = spoold_open, .on_close = spoold_close },
	{ .role = ROLE_ACCOUNTD, .on_open = accountd_open, .on_close = accountd_close },
	{ .role = ROLE_NONE },
};

static const struct daemon_spec spec = {
	.role = ROLE_DELIVER_LOCAL,
	.peers = peers,
	.start = start,
	.reload = reload,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &spec);
}
