/* Jobs of deliver-remote: what is asked of others, which address is next, what is reported. */
#include "deliver/remote_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/ipc/proto_dns.h"
#include "common/mail/queueid.h"

enum { JOB_ARENA_MAX = 32 * 1024 * 1024, ROUTE_ARENA_MAX = 1024 * 1024 };

static void rjob_ask(struct rjob *job, enum ask what);
static void rjob_next(struct rjob *job);

static struct rjob *rjob_of(struct agent_job *h)
{
	return (struct rjob *)h;
}

static void quiet(struct agent *a)
{
	struct remote *r = (struct remote *)a;

	rconn_kill_idle(r);     /* they greeted with what may be the old name */
	r->broken.n = 0;
}

/* ---- the end of a job --------------------------------------------------------------------- */

static void rjob_clear(struct agent_job *h)
{
	struct rjob *job = rjob_of(h);

	for (unsigned i = 0; i < ARRAY_LEN(job->ask_id); i++)
		if (job->ask_id[i] != 0)
			channel_cancel(job->ask_ch[i], job->ask_id[i]);
	rconn_kill(&job->conn);
}

/* Tells qmgr and ends the job. Recipients without an outcome are deferred with the last reason. */
static void rjob_report(struct rjob *job)
{
	struct job_outcome *outcomes = arena_calloc(job->h.arena, job->tx.rcpts_n, sizeof(*outcomes));

	for (uint32_t i = 0; outcomes != NULL && i < job->tx.rcpts_n; i++) {
		const struct client_rcpt *rc = &job->tx.rcpts[i];
		struct job_outcome *o = &outcomes[i];
		const struct rplace *at;

		o->index = job->h.job.rcpts[i].index;
		o->kind = rc->kind != 0 ? rc->kind : OUTCOME_DEFERRED;
		o->status = slice_cstr(rc->kind != 0 ? rc->status : job->fail_status);
		o->text = rc->kind != 0 ? rc->text : slice_cstr(job->fail_text);
		at = job->places[i].relay.len != 0 ? &job->places[i] : &job->fail_place;
		o->relay = at->relay.len != 0 ? at->relay : SLICE_LIT("none");
		o->tls = at->tls;
	}
	agent_job_report(&job->h, job->reached || job->local_fault, outcomes, job->tx.rcpts_n);
}

/* All recipients without an outcome get this one. */
static void rjob_settle(struct rjob *job, uint8_t kind, const char *status, const char *text)
{
	for (uint32_t i = 0; i < job->tx.rcpts_n; i++) {
		struct client_rcpt *rc = &job->tx.rcpts[i];

		if (rc->kind != 0)
			continue;
		rc->kind = kind;
		(void)snprintf(rc->status, sizeof(rc->status), "%s", status);
		rc->text = arena_dup(job->h.arena, slice_cstr(text));
	}
}

void rjob_set_fail(struct rjob *job, const char *status, const char *text)
{
	(void)snprintf(job->fail_status, sizeof(job->fail_status), "%s", status);
	(void)snprintf(job->fail_text, sizeof(job->fail_text), "%s", text);
}

/* ---- what remote_conn.c tells ---------------------------------------------------------------- */

static struct rplace place_of(struct rjob *job, const struct rconn *rc)
{
	struct buf relay = BUF_INIT(1024), tls = BUF_INIT(1024);
	struct rplace p;

	rconn_relay(rc, &relay);
	rconn_tls_text(rc, &tls);
	p.relay = arena_dup(job->h.arena, slice_sub(buf_slice(&relay), 0, 512));
	p.tls = arena_dup(job->h.arena, slice_sub(buf_slice(&tls), 0, JOB_TLS_MAX));
	buf_free(&relay);
	buf_free(&tls);
	return p;
}

void rjob_note_relay(struct rjob *job, const struct rconn *rc)
{
	struct rplace at = { 0 };

	for (uint32_t i = 0; i < job->tx.rcpts_n; i++) {
		if (job->tx.rcpts[i].kind == 0 || job->places[i].relay.len != 0)
			continue;
		if (at.relay.len == 0)
			at = place_of(job, rc);
		job->places[i] = at;
	}
}

void rjob_note_fail_relay(struct rjob *job, const struct rconn *rc)
{
	job->fail_place = place_of(job, rc);
}

void rjob_done(struct rjob *job)
{
	rjob_report(job);
}

void rjob_content_failed(struct rjob *job)
{
	log_error("%s: the content could not be read", queue_id(job->h.job.msgid).s);
	job->local_fault = true;
	rjob_settle(job, OUTCOME_DEFERRED, "4.3.0", "local fault: the content could not be read");
	rjob_report(job);
}

void rjob_conn_failed(struct rjob *job, const struct client *c, bool again)
{
	if (again) {
		job->next_addr--;
		rjob_next(job);
		return;
	}
	rjob_set_fail(job, c->fail_status, c->fail_text);
	if (c->fail == CLIENT_FAIL_LOOP) {
		job->reached = true;
		rjob_settle(job, OUTCOME_BOUNCED, c->fail_status, c->fail_text);
	} else if (c->after_dot) {
		/* It may have arrived: not at once again somewhere else. */
		rjob_settle(job, OUTCOME_DEFERRED, c->fail_status, c->fail_text);
	}
	rjob_next(job);
}

/* The next address, or the end. */
static void rjob_next(struct rjob *job)
{
	bool open = false;

	for (uint32_t i = 0; i < job->tx.rcpts_n; i++)
		open |= job->tx.rcpts[i].kind == 0;
	while (open && job->h.qmgr != NULL && job->next_addr < job->route.n && job->sessions < ROUTE_SESSIONS_MAX)
		if (rconn_use(job, &job->route.addrs[job->next_addr++]) == 0)
			return;         /* job may be gone */
	rjob_report(job);
}

/* ---- what is asked of dnsd and spoold ---------------------------------------------------------- */

static void on_park(void *ctx)
{
	struct rjob *job = ctx;

	job->local_fault = true;      /* ours, not the destination's */
	if (!job->have[ASK_ROUTE])
		rjob_settle(job, OUTCOME_DEFERRED, "4.4.3", "local fault: the resolver does not answer");
	else
		rjob_settle(job, OUTCOME_DEFERRED, "4.3.0", "local fault: the spool does not answer");
	rjob_report(job);
}

/* Else qmgr would take this process for hung, and all of its jobs would be done again. */
static void on_too_long(void *ctx)
{
	struct rjob *job = ctx;

	if (job->conn != NULL)
		rjob_note_fail_relay(job, job->conn);
	rjob_settle(job, OUTCOME_DEFERRED, "4.4.2", "the delivery took too long");
	rjob_report(job);
}

static void rjob_ready(struct rjob *job)
{
	if (!job->have[ASK_ROUTE] || !job->have[ASK_CONTENT])
		return;
	loop_timer_set(job->remote->a.loop, &job->h.park, REMOTE_JOB_MS, on_too_long, job);
	rjob_next(job);
}

static void on_route(struct rjob *job, struct ipc_msg *m)
{
	struct arena *a = arena_new(ROUTE_ARENA_MAX);
	const struct conf *cf = job->remote->a.conf;
	struct dns_mx_reply rep;

	if (a == NULL || IPC_DECODE(m, dns_mx_reply, a, &rep) != 0)
		rep = (struct dns_mx_reply){ .status = DNS_TEMPFAIL, .text = SLICE_LIT("bad answer of the resolver") };
	route_make(&rep, job->h.job.destination, slice_cstr(cf->hostname), cf->dns_allow_local, &job->route);
	arena_free(&a);
	job->have[ASK_ROUTE] = true;
	if (job->route.n != 0) {
		rjob_ready(job);
		return;
	}
	/* A name that does not exist is an answer; one that could not be found out is a destination out of reach. */
	job->reached = job->route.kind == OUTCOME_BOUNCED;
	rjob_settle(job, job->route.kind, job->route.status, job->route.text);
	rjob_report(job);
}

static void on_content(struct rjob *job, struct ipc_msg *m)
{
	struct spool_fail f = { 0 };

	if (content_take(&job->h.content, m) == 0 && job->h.content.size >= job->h.job.relay_off) {
		job->have[ASK_CONTENT] = true;
		job->tx.size = job->h.content.size - job->h.job.relay_off;
		rjob_ready(job);
		return;
	}
	if (m->type == spool_fail_MSG && IPC_DECODE(m, spool_fail, NULL, &f) == 0)
		log_warn("%s: spoold gives no content: %s", queue_id(job->h.job.msgid).s, log_esc(f.text));
	rjob_content_failed(job);
}

static void on_answer(void *ctx, int r, struct ipc_msg *m, enum ask what)
{
	struct rjob *job = ctx;

	job->ask_id[what] = 0;
	if (r == ERR_CLOSED)
		return;         /* asked again when the next one opens, or parked out */
	if (m == NULL) {        /* its descriptor found no room here */
		log_warn("%s: an answer was lost: %s", queue_id(job->h.job.msgid).s, err_str(r));
		rjob_content_failed(job);
		return;
	}
	if (what == ASK_ROUTE)
		on_route(job, m);
	else
		on_content(job, m);
}

static void on_route_answer(void *ctx, int r, struct ipc_msg *m) { on_answer(ctx, r, m, ASK_ROUTE); }
static void on_content_answer(void *ctx, int r, struct ipc_msg *m) { on_answer(ctx, r, m, ASK_CONTENT); }

static void rjob_ask(struct rjob *job, enum ask what)
{
	struct channel *ch = job->remote->peers[what];
	struct dns_mx mx = { .domain = job->h.job.destination };
	struct spool_content get = { .msgid = job->h.job.msgid, .token = job->h.job.token };

	if (ch == NULL || !channel_is_open(ch) || job->ask_id[what] != 0 || job->have[what])
		return;
	job->ask_ch[what] = ch;
	job->ask_id[what] = what == ASK_ROUTE ? IPC_REQUEST(ch, dns_mx, &mx, 0, on_route_answer, job) :
	    IPC_REQUEST(ch, spool_content, &get, 0, on_content_answer, job);
}

static enum ask ask_of(enum role role)
{
	return role == ROLE_DNSD ? ASK_ROUTE : ASK_CONTENT;
}

static void peer_open(struct agent *a, enum role role, struct channel *ch)
{
	enum ask what = ask_of(role);
	struct agent_job *h;

	((struct remote *)a)->peers[what] = ch;
	TAILQ_FOREACH(h, &a->jobs, link) {
		struct rjob *job = rjob_of(h);

		/* An answer that the old one still owes is not waited for. */
		if (job->ask_id[what] != 0)
			channel_cancel(job->ask_ch[what], job->ask_id[what]);
		job->ask_id[what] = 0;
		rjob_ask(job, what);
	}
}

static void peer_close(struct agent *a, enum role role, struct channel *ch)
{
	struct channel **peer = &((struct remote *)a)->peers[ask_of(role)];

	if (*peer == ch)
		*peer = NULL;
}

/* ---- qmgr --------------------------------------------------------------------------------------- */

static int rjob_start(struct agent_job *h)
{
	struct rjob *job = rjob_of(h);

	job->remote = (struct remote *)h->agent;
	job->tx.sender = h->job.sender;
	job->tx.envid = h->job.envid;
	job->tx.ret = h->job.ret;
	job->tx.body_flags = h->job.body_flags;
	job->tx.arena = h->arena;
	job->tx.rcpts_n = h->job.rcpts_n;
	job->tx.rcpts = arena_calloc(h->arena, h->job.rcpts_n, sizeof(*job->tx.rcpts));
	job->places = arena_calloc(h->arena, h->job.rcpts_n, sizeof(*job->places));
	if (job->tx.rcpts == NULL || job->places == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < h->job.rcpts_n; i++) {
		job->tx.rcpts[i].addr = h->job.rcpts[i].addr;
		job->tx.rcpts[i].orcpt = h->job.rcpts[i].orcpt;
		job->tx.rcpts[i].notify = h->job.rcpts[i].notify;
	}
	rjob_set_fail(job, "4.4.1", "no address could be tried");
	loop_timer_set(h->agent->loop, &h->park, REMOTE_PARK_MS, on_park, job);
	rjob_ask(job, ASK_ROUTE);
	rjob_ask(job, ASK_CONTENT);
	return 0;
}

/* One that waits for the answer to a whole content is finished. */
static void rjob_orphan(struct agent_job *h)
{
	struct rjob *job = rjob_of(h);

	if (job->conn != NULL && job->conn->client.state == CS_FINAL)
		h->qmgr = NULL;
	else
		agent_job_end(h);
}

/* Without a session it is dropped: qmgr keeps it. */
static void rjob_hurry(struct agent_job *h)
{
	struct rjob *job = rjob_of(h);

	if (job->conn == NULL || !job->conn->ready)
		agent_job_end(h);
}

static const struct agent_ops ops = {
	.jobs = REMOTE_JOBS,
	.job_size = sizeof(struct rjob),
	.arena_max = JOB_ARENA_MAX,
	.job_start = rjob_start,
	.job_clear = rjob_clear,
	.job_orphan = rjob_orphan,
	.job_hurry = rjob_hurry,
	.peer_open = peer_open,
	.peer_close = peer_close,
	.quiet = quiet,
};

struct agent *remote_new(struct loop *l, const struct conf *conf, struct tls_client *tls)
{
	struct remote *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	agent_init(&r->a, &ops, l, conf);
	TAILQ_INIT(&r->conns);
	r->tls = tls;
	return &r->a;
}
