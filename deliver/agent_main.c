/* Between the frame and an agent. */
#include "deliver/agent.h"

int agent_main_start(struct daemon *d, struct agent *a)
{
	d->state = a;
	return a != NULL ? 0 : ERR_NOMEM;
}

void agent_main_reload(struct daemon *d, const struct conf *old)
{
	(void)old;
	agent_set_conf(d->state, d->conf);
}

static void stopped(void *ctx)
{
	daemon_done(ctx);
}

void agent_main_stop(struct daemon *d)
{
	agent_stop(d->state, stopped, d);
}

void agent_main_open(struct daemon *d, struct channel *ch)
{
	agent_open(d->state, (enum role)channel_peer_role(ch), ch);
}

void agent_main_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	agent_close(d->state, (enum role)channel_peer_role(ch), ch);
}

static int on_job(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return agent_on_job(((struct daemon *)ctx)->state, ch, m);
}

const struct ipc_handler agent_main_handlers[] = { { job_MSG, on_job }, { 0, NULL } };
