#include "qmgr/qmgr_private.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/proto_account.h"
#include "common/mail/queueid.h"

enum { STATUS_DESTS_MAX = 10000 };

uint64_t qmgr_now_s(const struct qmgr *q)
{
	return queue_now(&q->clock, clock_wall_s(), clock_mono_ms());
}

static struct outcome_clock outcome_clock(const struct qmgr *q)
{
	return (struct outcome_clock){ .now_s = qmgr_now_s(q), .steady_s = queue_steady(&q->clock, clock_mono_ms()),
	    .mono_ms = loop_now(q->loop) };
}

/* ---- routing: whose is a domain? ----------------------------------------------------- */

struct ask {
	struct qmgr *q;
	size_t domain_len;
	char domain[];
};

static void ask_again(void *ctx)
{
	struct qmgr *q = ctx;

	if (q->accountd != NULL && channel_is_open(q->accountd))
		active_ask_again(q->active);
}

static void on_lookup(void *ctx, int r, struct ipc_msg *m)
{
	struct ask *ask = ctx;
	struct qmgr *q = ask->q;
	struct account_lookup_reply rep;

	if (r == 0 && IPC_DECODE(m, account_lookup_reply, NULL, &rep) == 0) {
		active_routed(q->active, slice_of(ask->domain, ask->domain_len),
		    rep.kind == ADDRESS_REMOTE ? DEST_REMOTE : DEST_LOCAL, loop_now(q->loop));
	} else if (r != ERR_CLOSED && !loop_timer_active(&q->ask_timer)) {
		log_warn("accountd did not tell whose a domain is, will be asked again");
		loop_timer_set(q->loop, &q->ask_timer, QMGR_RETRY_MS, ask_again, q);
	}
	free(ask);
}

static void on_route(void *ctx, struct slice domain, struct slice addr)
{
	struct qmgr *q = ctx;
	struct account_lookup look = { .address = addr };
	struct ask *ask;

	if (q->accountd == NULL || !channel_is_open(q->accountd))
		return;         /* qmgr_accountd_open() asks */
	ask = calloc(1, sizeof(*ask) + domain.len);
	if (ask == NULL) {
		loop_timer_set(q->loop, &q->ask_timer, QMGR_RETRY_MS, ask_again, q);
		return;
	}
	ask->q = q;
	ask->domain_len = domain.len;
	if (domain.len != 0)
		memcpy(ask->domain, domain.p, domain.len);
	(void)IPC_REQUEST(q->accountd, account_lookup, &look, 0, on_lookup, ask);
}

void qmgr_accountd_open(struct qmgr *q, struct channel *ch)
{
	q->accountd = ch;
	active_ask_again(q->active);
}

void qmgr_accountd_close(struct qmgr *q, struct channel *ch)
{
	if (q->accountd == ch)
		q->accountd = NULL;
}

/* ---- outcomes ------------------------------------------------------------------------- */

static bool spoold_there(const struct qmgr *q)
{
	return q->spoold != NULL && channel_is_open(q->spoold);
}

/* m has all its outcomes: recorded, released, forgotten. Stays when there is no memory; the tick comes back. */
static void message_end(struct qmgr *q, struct qmsg *m)
{
	struct outcome_clock t = outcome_clock(q);
	struct spool_release rel = { .msgid = m->msgid };
	struct record *rec;

	if (outcome_collect(m, true, true, q->conf, &t, &rec) != 0)
		return;
	if (rec == NULL) {
		if (spoold_there(q))
			IPC_SEND(q->spoold, spool_release, 0, &rel);
		if (outcome_is_gone(m))
			log_info("%s: removed", queue_id(m->msgid).s);
		else
			q->hint = true;         /* what else it has may be due, and nobody says so after a release */
	}
	active_remove(q->active, &m);
	if (rec != NULL)
		outbox_add(q->outbox, rec);
	agents_kick(q);
}

static void on_progress(void *ctx, struct qmsg *m)
{
	struct qmgr *q = ctx;
	struct outcome_clock t = outcome_clock(q);
	struct record *rec;

	outcome_settle(m, q->conf, &t);
	if (m->open == 0)
		message_end(q, m);
	else if (outcome_collect(m, false, false, q->conf, &t, &rec) == 0 && rec != NULL)
		outbox_add(q->outbox, rec);
}

static void on_ready(void *ctx)
{
	agents_kick(ctx);
}

static void on_written(void *ctx, const struct record *rec)
{
	struct qmgr *q = ctx;

	q->hint |= rec->op.release != 0 && !rec->released;      /* as after every bare release */
	agents_kick(ctx);       /* room in the window, or the end of a stop */
}

static void on_synced(void *ctx)
{
	window_check(ctx);
}

/* ---- spoold ----------------------------------------------------------------------------- */

/* What is known of messages in work, failures too: the new spoold is told before it gives anything. */
static void collect_known(struct qmgr *q)
{
	struct outcome_clock t = outcome_clock(q);
	struct record *rec;
	struct qmsg *m;

	for (m = active_each(q->active, 0); m != NULL; m = active_each(q->active, m->msgid))
		if (outcome_collect(m, true, false, q->conf, &t, &rec) == 0 && rec != NULL)
			outbox_add(q->outbox, rec);
}

void qmgr_spoold_open(struct qmgr *q, struct channel *ch)
{
	q->spoold = NULL;
	outbox_set_spoold(q->outbox, NULL);
	collect_known(q);
	active_drop_idle(q->active);
	q->spoold = ch;
	window_set_spoold(q);
	outbox_set_spoold(q->outbox, ch);
}

void qmgr_spoold_close(struct qmgr *q, struct channel *ch)
{
	if (q->spoold != ch)
		return;
	q->spoold = NULL;
	outbox_set_spoold(q->outbox, NULL);
	window_set_spoold(q);
	collect_known(q);
	active_drop_idle(q->active);
	qmgr_check_stopped(q);
}

int qmgr_on_spool_state(struct qmgr *q, struct ipc_msg *m)
{
	struct spool_state s;

	(void)q;        /* deliveries go on when nothing new is accepted */
	return IPC_DECODE(m, spool_state, NULL, &s);
}

/* ---- control, start, stop ------------------------------------------------------------------ */

int qmgr_on_status(struct qmgr *q, struct channel *ch, struct ipc_msg *m)
{
	struct job_status_reply rep = { 0 };
	struct job_status st;
	int r = IPC_DECODE(m, job_status, NULL, &st);

	if (r != 0)
		return r;
	rep.dests = calloc(STATUS_DESTS_MAX, sizeof(*rep.dests));
	if (rep.dests == NULL)
		return ERR_NOMEM;
	rep.dests_n = active_status(q->active, rep.dests, STATUS_DESTS_MAX, loop_now(q->loop), qmgr_now_s(q));
	IPC_REPLY(ch, job_status_reply, m->id, &rep);
	free(rep.dests);
	return 0;
}

static void on_tick(void *ctx)
{
	struct qmgr *q = ctx;
	struct qmsg *m, *next;

	for (m = active_each(q->active, 0); m != NULL; m = next) {
		next = active_each(q->active, m->msgid);
		if (m->open == 0)
			message_end(q, m);
	}
	loop_timer_set(q->loop, &q->tick, active_tick(q->active, loop_now(q->loop)), on_tick, q);
}

void qmgr_check_stopped(struct qmgr *q)
{
	void (*fn)(void *) = q->stopped;

	if (fn == NULL || q->jobs != 0 || (outbox_count(q->outbox) != 0 && spoold_there(q)))
		return;
	q->stopped = NULL;
	fn(q->stopped_ctx);
}

void qmgr_stop(struct qmgr *q, void (*done)(void *ctx), void *ctx)
{
	q->stopping = true;
	q->stopped = done;
	q->stopped_ctx = ctx;
	agents_kick(q);
}

struct qmgr *qmgr_new(struct loop *l, const struct conf *conf)
{
	struct qmgr *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->loop = l;
	TAILQ_INIT(&q->agents);
	queue_clock_init(&q->clock, clock_wall_s(), clock_mono_ms());
	q->active = active_new(conf, &(struct active_ops){ .route = on_route, .progress = on_progress,
	    .ready = on_ready, .ctx = q });
	q->outbox = outbox_new(l, &(struct outbox_ops){ .written = on_written, .synced = on_synced, .ctx = q });
	if (q->active == NULL || q->outbox == NULL) {
		qmgr_free(&q);
		return NULL;
	}
	qmgr_set_conf(q, conf);
	loop_timer_set(l, &q->tick, 60 * 1000, on_tick, q);
	return q;
}

void qmgr_set_conf(struct qmgr *q, const struct conf *conf)
{
	q->conf = conf;
	active_set_conf(q->active, conf);
	outbox_set_name(q->outbox, slice_cstr(conf->hostname));
}

void qmgr_free(struct qmgr **q)
{
	if (*q == NULL)
		return;
	loop_timer_del((*q)->loop, &(*q)->tick);
	loop_timer_del((*q)->loop, &(*q)->ask_timer);
	loop_timer_del((*q)->loop, &(*q)->take_timer);
	loop_task_del((*q)->loop, &(*q)->pump);
	outbox_free(&(*q)->outbox);
	active_free(&(*q)->active);
	free(*q);
	*q = NULL;
}
