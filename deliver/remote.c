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

struct remote *remote_new(struct loop *l, const struct conf *conf)
{
	struct remote *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loop = l;
	r->conf = conf;
	TAILQ_INIT(&r->jobs);
	TAILQ_INIT(&r->conns);
	return r;
}

void remote_set_conf(struct remote *r, const struct conf *conf)
{
	rconn_kill_idle(r);     /* they greeted with what may be the old name */
	r->conf = conf;
}

/* ---- the end of a job --------------------------------------------------------------------- */

static void check_stopped(void *ctx)
{
	struct remote *r = ctx;
	void (*fn)(void *) = r->stopped;

	if (fn == NULL || !TAILQ_EMPTY(&r->jobs))
		return;
	r->stopped = NULL;
	rconn_kill_idle(r);
	fn(r->stopped_ctx);
}

static void rjob_free(struct rjob *job)
{
	struct remote *r = job->remote;
	struct arena *a = job->arena;

	TAILQ_REMOVE(&r->jobs, job, link);
	loop_timer_del(r->loop, &job->park);
	for (unsigned i = 0; i < ARRAY_LEN(job->ask_id); i++)
		if (job->ask_id[i] != 0)
			channel_cancel(job->ask_ch[i], job->ask_id[i]);
	rconn_kill(&job->conn);
	content_free(&job->content);
	free(job);
	arena_free(&a);
	loop_task_add(r->loop, &r->check, check_stopped, r);
}

/* Tells qmgr and ends the job. Recipients without an outcome are deferred with the last reason. */
static void rjob_report(struct rjob *job)
{
	struct remote *r = job->remote;
	struct job_result res = { .reachable = job->reached || job->local_fault };
	uint64_t now = loop_now(r->loop), ready = job->ready_ms != 0 ? job->ready_ms : now;

	res.outcomes = arena_calloc(job->arena, job->tx.rcpts_n, sizeof(*res.outcomes));
	if (res.outcomes == NULL || job->qmgr == NULL || !channel_is_open(job->qmgr)) {
		if (res.outcomes == NULL && job->qmgr != NULL)
			channel_close(job->qmgr);       /* it gives the job again */
		rjob_free(job);
		return;
	}
	res.outcomes_n = job->tx.rcpts_n;
	res.connect_ms = (uint32_t)(ready - job->start_ms);
	res.send_ms = (uint32_t)(now - ready);
	for (uint32_t i = 0; i < job->tx.rcpts_n; i++) {
		const struct client_rcpt *rc = &job->tx.rcpts[i];
		struct job_outcome *o = &res.outcomes[i];

		o->index = job->job.rcpts[i].index;
		o->kind = rc->kind != 0 ? rc->kind : OUTCOME_DEFERRED;
		o->status = slice_cstr(rc->kind != 0 ? rc->status : job->fail_status);
		o->text = rc->kind != 0 ? rc->text : slice_cstr(job->fail_text);
		o->relay = job->relays[i].len != 0 ? job->relays[i] : job->fail_relay.len != 0 ? job->fail_relay : SLICE_LIT("none");
	}
	IPC_REPLY(job->qmgr, job_result, job->id, &res);
	rjob_free(job);
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
		rc->text = arena_dup(job->arena, slice_cstr(text));
	}
}

void rjob_set_fail(struct rjob *job, const char *status, const char *text)
{
	(void)snprintf(job->fail_status, sizeof(job->fail_status), "%s", status);
	(void)snprintf(job->fail_text, sizeof(job->fail_text), "%s", text);
}

/* ---- what remote_conn.c tells ---------------------------------------------------------------- */

void rjob_note_relay(struct rjob *job, const struct rconn *rc)
{
	struct buf b = BUF_INIT(1024);
	struct slice relay = { 0 };

	for (uint32_t i = 0; i < job->tx.rcpts_n; i++) {
		if (job->tx.rcpts[i].kind == 0 || job->relays[i].len != 0)
			continue;
		if (relay.len == 0) {
			rconn_relay(rc, &b);
			relay = arena_dup(job->arena, slice_sub(buf_slice(&b), 0, 512));
		}
		job->relays[i] = relay;
	}
	buf_free(&b);
}

void rjob_note_fail_relay(struct rjob *job, const struct rconn *rc)
{
	struct buf b = BUF_INIT(1024);

	rconn_relay(rc, &b);
	job->fail_relay = arena_dup(job->arena, slice_sub(buf_slice(&b), 0, 512));
	buf_free(&b);
}

void rjob_done(struct rjob *job)
{
	rjob_report(job);
}

void rjob_content_failed(struct rjob *job)
{
	log_error("%s: the content could not be read", queue_id(job->job.msgid).s);
	job->local_fault = true;
	rjob_settle(job, OUTCOME_DEFERRED, "4.3.0", "local fault: the content could not be read");
	rjob_report(job);
}

void rjob_conn_failed(struct rjob *job, const struct client *c, bool again)
{
	if (again) {
		job->sessions--;
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
	while (open && job->qmgr != NULL && job->next_addr < job->route.n && job->sessions < ROUTE_SESSIONS_MAX)
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
	loop_timer_set(job->remote->loop, &job->park, REMOTE_JOB_MS, on_too_long, job);
	rjob_next(job);
}

static void on_route(struct rjob *job, struct ipc_msg *m)
{
	struct arena *a = arena_new(ROUTE_ARENA_MAX);
	const struct conf *cf = job->remote->conf;
	struct dns_mx_reply rep;

	if (a == NULL || IPC_DECODE(m, dns_mx_reply, a, &rep) != 0)
		rep = (struct dns_mx_reply){ .status = DNS_TEMPFAIL, .text = SLICE_LIT("bad answer of the resolver") };
	route_make(&rep, job->job.destination, slice_cstr(cf->hostname), cf->dns_allow_local, &job->route);
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

	if (content_take(&job->content, m) == 0 && job->content.size >= job->job.relay_off) {
		job->have[ASK_CONTENT] = true;
		job->tx.size = job->content.size - job->job.relay_off;
		rjob_ready(job);
		return;
	}
	if (m->type == spool_fail_MSG && IPC_DECODE(m, spool_fail, NULL, &f) == 0)
		log_warn("%s: spoold gives no content: %s", queue_id(job->job.msgid).s, log_esc(f.text));
	rjob_content_failed(job);
}

static void on_answer(void *ctx, int r, struct ipc_msg *m, enum ask what)
{
	struct rjob *job = ctx;

	job->ask_id[what] = 0;
	if (r == ERR_CLOSED)
		return;         /* asked again when the next one opens, or parked out */
	if (m == NULL) {        /* its descriptor found no room here */
		log_warn("%s: an answer was lost: %s", queue_id(job->job.msgid).s, err_str(r));
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
	struct dns_mx mx = { .domain = job->job.destination };
	struct spool_content get = { .msgid = job->job.msgid, .token = job->job.token };

	if (ch == NULL || !channel_is_open(ch) || job->ask_id[what] != 0 || job->have[what])
		return;
	job->ask_ch[what] = ch;
	job->ask_id[what] = what == ASK_ROUTE ? IPC_REQUEST(ch, dns_mx, &mx, 0, on_route_answer, job) :
	    IPC_REQUEST(ch, spool_content, &get, 0, on_content_answer, job);
}

static void peer_open(struct remote *r, enum ask what, struct channel *ch)
{
	struct rjob *job;

	r->peers[what] = ch;
	TAILQ_FOREACH(job, &r->jobs, link) {
		/* An answer that the old one still owes is not waited for. */
		if (job->ask_id[what] != 0)
			channel_cancel(job->ask_ch[what], job->ask_id[what]);
		job->ask_id[what] = 0;
		rjob_ask(job, what);
	}
}

void remote_dnsd_open(struct remote *r, struct channel *ch) { peer_open(r, ASK_ROUTE, ch); }
void remote_spoold_open(struct remote *r, struct channel *ch) { peer_open(r, ASK_CONTENT, ch); }

static void peer_close(struct remote *r, enum ask what, struct channel *ch)
{
	if (r->peers[what] == ch)
		r->peers[what] = NULL;
}

void remote_dnsd_close(struct remote *r, struct channel *ch) { peer_close(r, ASK_ROUTE, ch); }
void remote_spoold_close(struct remote *r, struct channel *ch) { peer_close(r, ASK_CONTENT, ch); }

/* ---- qmgr --------------------------------------------------------------------------------------- */

static int rjob_take(struct rjob *job, struct ipc_msg *m)
{
	struct slice copy = arena_dup(job->arena, m->payload);
	struct ipc_msg own = { .type = m->type, .payload = copy, .fd = -1 };
	int r;

	if (copy.p == NULL)
		return ERR_NOMEM;
	if ((r = IPC_DECODE(&own, job, job->arena, &job->job)) != 0)
		return r;
	job->tx.sender = job->job.sender;
	job->tx.envid = job->job.envid;
	job->tx.ret = job->job.ret;
	job->tx.body_flags = job->job.body_flags;
	job->tx.arena = job->arena;
	job->tx.rcpts_n = job->job.rcpts_n;
	job->tx.rcpts = arena_calloc(job->arena, job->job.rcpts_n, sizeof(*job->tx.rcpts));
	job->relays = arena_calloc(job->arena, job->job.rcpts_n, sizeof(*job->relays));
	if (job->tx.rcpts == NULL || job->relays == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < job->job.rcpts_n; i++) {
		job->tx.rcpts[i].addr = job->job.rcpts[i].addr;
		job->tx.rcpts[i].orcpt = job->job.rcpts[i].orcpt;
		job->tx.rcpts[i].notify = job->job.rcpts[i].notify;
	}
	return 0;
}

int remote_on_job(struct remote *r, struct channel *ch, struct ipc_msg *m)
{
	struct rjob *job;
	int err;

	if (r->stopping)
		return 0;       /* qmgr keeps it: the channel closes soon */
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return ERR_NOMEM;
	job->arena = arena_new(JOB_ARENA_MAX);
	job->content = CONTENT_NONE;
	err = job->arena == NULL ? ERR_NOMEM : rjob_take(job, m);
	if (err != 0) {
		arena_free(&job->arena);
		free(job);
		return err;
	}
	job->remote = r;
	job->qmgr = ch;
	job->id = m->id;
	job->start_ms = loop_now(r->loop);
	rjob_set_fail(job, "4.4.1", "no address could be tried");
	TAILQ_INSERT_TAIL(&r->jobs, job, link);
	loop_timer_set(r->loop, &job->park, REMOTE_PARK_MS, on_park, job);
	rjob_ask(job, ASK_ROUTE);
	rjob_ask(job, ASK_CONTENT);
	return 0;
}

void remote_qmgr_open(struct remote *r, struct channel *ch)
{
	struct job_capacity cap = { .jobs = REMOTE_JOBS };

	r->qmgr = ch;
	IPC_SEND(ch, job_capacity, 0, &cap);
}

/* Jobs that nobody waits for and that can still be stopped end. */
static void drop_jobs(struct remote *r, const struct channel *ch)
{
	struct rjob *job, *next;

	TAILQ_FOREACH_SAFE(job, &r->jobs, link, next) {
		if (job->qmgr != ch)
			continue;
		if (job->conn != NULL && job->conn->client.state == CS_FINAL)
			job->qmgr = NULL;
		else
			rjob_free(job);
	}
}

void remote_qmgr_close(struct remote *r, struct channel *ch)
{
	drop_jobs(r, ch);
	if (r->qmgr == ch)
		r->qmgr = NULL;
}

void remote_stop(struct remote *r, void (*done)(void *ctx), void *ctx)
{
	struct rjob *job, *next;

	r->stopping = true;
	r->stopped = done;
	r->stopped_ctx = ctx;
	TAILQ_FOREACH_SAFE(job, &r->jobs, link, next)
		if (job->conn == NULL || !job->conn->ready)
			rjob_free(job);
	loop_task_add(r->loop, &r->check, check_stopped, r);
}

void remote_free(struct remote **rp)
{
	struct remote *r = *rp;
	struct rjob *job;

	if (r == NULL)
		return;
	while ((job = TAILQ_FIRST(&r->jobs)) != NULL)
		rjob_free(job);
	rconn_kill_idle(r);
	loop_task_del(r->loop, &r->check);
	free(r);
	*rp = NULL;
}
