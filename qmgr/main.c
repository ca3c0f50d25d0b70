/*
 * qmgr: a thinker without files and without network. Serves the agents and the
 * pabal command, asks spoold and accountd.
 */
#include "common/daemon/daemon.h"
#include "common/ipc/proto_job.h"
#include "qmgr/qmgr.h"

static struct qmgr *state_of(const struct daemon *d)
{
	return d->state;
}

static int start(struct daemon *d)
{
	d->state = qmgr_new(d->loop, d->conf);
	return d->state != NULL ? 0 : ERR_NOMEM;
}

static void reload(struct daemon *d, const struct conf *old)
{
	(void)old;
	qmgr_set_conf(state_of(d), d->conf);
}

static void stopped(void *ctx)
{
	daemon_done(ctx);
}

static void stop(struct daemon *d)
{
	qmgr_stop(state_of(d), stopped, d);
}

static void spoold_open(struct daemon *d, struct channel *ch)
{
	qmgr_spoold_open(state_of(d), ch);
}

static void spoold_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	qmgr_spoold_close(state_of(d), ch);
}

static void accountd_open(struct daemon *d, struct channel *ch)
{
	qmgr_accountd_open(state_of(d), ch);
}

static void accountd_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	qmgr_accountd_close(state_of(d), ch);
}

static void local_open(struct daemon *d, struct channel *ch)
{
	qmgr_agent_open(state_of(d), ch, true);
}

static void remote_open(struct daemon *d, struct channel *ch)
{
	qmgr_agent_open(state_of(d), ch, false);
}

static void agent_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	qmgr_agent_close(state_of(d), ch);
}

static int on_work(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	(void)ch;
	return qmgr_on_work(state_of(ctx), m);
}

static int on_state(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	(void)ch;
	return qmgr_on_spool_state(state_of(ctx), m);
}

static int on_capacity(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return qmgr_on_capacity(state_of(ctx), ch, m);
}

static int on_status(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return qmgr_on_status(state_of(ctx), ch, m);
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_work_MSG, on_work }, { spool_state_MSG, on_state }, { 0, NULL },
};
static const struct ipc_handler agent_handlers[] = { { job_capacity_MSG, on_capacity }, { 0, NULL } };
static const struct ipc_handler control_handlers[] = { { job_status_MSG, on_status }, { 0, NULL } };

static const struct daemon_peer_spec peers[] = {
	{ .role = ROLE_SPOOLD, .handlers = spool_handlers, .on_open = spoold_open, .on_close = spoold_close },
	{ .role = ROLE_ACCOUNTD, .on_open = accountd_open, .on_close = accountd_close },
	{ .role = ROLE_DELIVER_LOCAL, .handlers = agent_handlers, .on_open = local_open, .on_close = agent_close },
	{ .role = ROLE_DELIVER_REMOTE, .handlers = agent_handlers, .on_open = remote_open, .on_close = agent_close },
	{ .role = ROLE_NONE },
};

static const struct daemon_spec spec = {
	.role = ROLE_QMGR,
	.peers = peers,
	.start = start,
	.control_proto = "job",
	.control_handlers = control_handlers,
	.reload = reload,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &spec);
}
