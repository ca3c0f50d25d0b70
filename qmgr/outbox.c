#include "qmgr/outbox.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/queueid.h"
#include "qmgr/notice.h"

struct outbox {
	struct loop *loop;
	struct outbox_ops ops;
	struct record_list records;
	uint32_t count, releasing, unanswered;
	struct channel *spoold;
	struct slice hostname;
	struct loop_timer retry;
};

static void record_step(struct record *rec);

struct outbox *outbox_new(struct loop *l, const struct outbox_ops *ops)
{
	struct outbox *box = calloc(1, sizeof(*box));

	if (box == NULL)
		return NULL;
	box->loop = l;
	box->ops = *ops;
	TAILQ_INIT(&box->records);
	return box;
}

void outbox_set_name(struct outbox *box, struct slice hostname)
{
	box->hostname = hostname;
}

bool outbox_is_synced(const struct outbox *box)
{
	return box->spoold != NULL && box->unanswered == 0;
}

bool outbox_holds(struct outbox *box, uint64_t msgid)
{
	struct record *rec;

	TAILQ_FOREACH(rec, &box->records, link) {
		if (rec->op.msgid != msgid)
			continue;
		box->releasing += rec->op.release == 0;
		rec->op.release = 1;
		return true;
	}
	return false;
}

uint32_t outbox_count(const struct outbox *box)
{
	return box->count;
}

uint32_t outbox_releasing(const struct outbox *box)
{
	return box->releasing;
}

static void record_forget_request(struct record *rec)
{
	if (rec->request != 0)
		channel_cancel(rec->ch, rec->request);
	rec->request = 0;
	rec->ch = NULL;
}

/* The record has had an answer (or is gone): was it the last one that was waited for? */
static void outbox_answered(struct outbox *box)
{
	if (--box->unanswered == 0 && box->spoold != NULL)
		box->ops.synced(box->ops.ctx);
}

static void record_mark_answered(struct record *rec)
{
	if (rec->answered)
		return;
	rec->answered = true;
	outbox_answered(rec->box);
}

static void record_end(struct record *rec, bool written)
{
	struct outbox *box = rec->box;

	record_mark_answered(rec);
	/* outbox_holds() may have come after it was sent. */
	if (rec->op.release != 0 && !rec->released && box->spoold != NULL && channel_is_open(box->spoold))
		IPC_SEND(box->spoold, spool_release, 0, &(struct spool_release){ .msgid = rec->op.msgid });
	TAILQ_REMOVE(&box->records, rec, link);
	box->count--;
	box->releasing -= rec->op.release != 0;
	if (written && rec->gone)
		log_info("%s: removed", queue_id(rec->op.msgid).s);
	if (box->ops.written != NULL)
		box->ops.written(box->ops.ctx, rec);
	record_free(&rec);
}

void outbox_free(struct outbox **box)
{
	struct record *rec;

	if (*box == NULL)
		return;
	loop_timer_del((*box)->loop, &(*box)->retry);
	while ((rec = TAILQ_FIRST(&(*box)->records)) != NULL) {
		TAILQ_REMOVE(&(*box)->records, rec, link);
		record_forget_request(rec);
		record_free(&rec);
	}
	free(*box);
	*box = NULL;
}

static void outbox_kick(struct outbox *box)
{
	struct record *rec, *next;

	TAILQ_FOREACH_SAFE(rec, &box->records, link, next)
		if (rec->request == 0)
			record_step(rec);
}

static void on_retry(void *ctx)
{
	outbox_kick(ctx);
}

static void record_later(struct record *rec)
{
	struct outbox *box = rec->box;

	record_mark_answered(rec);
	if (!loop_timer_active(&box->retry))
		loop_timer_set(box->loop, &box->retry, OUTBOX_RETRY_MS, on_retry, box);
}

/* The reply to a request of this record has come or never will; false: nothing to look at. */
static bool record_answered(struct record *rec, int r)
{
	rec->request = 0;
	rec->ch = NULL;
	if (r == 0)
		return true;
	rec->uncertain = true;
	if (rec->box->spoold != NULL && channel_is_open(rec->box->spoold))
		record_later(rec);              /* else outbox_set_spoold() goes on with it */
	return false;
}

static int fail_code(struct ipc_msg *m, struct spool_fail *f)
{
	if (IPC_DECODE(m, spool_fail, NULL, f) != 0)
		return ERR_SYNTAX;
	return (int)f->code;
}

/* ---- the steps: compare if uncertain, read the content for a notice, send -------------- */

static void on_written(void *ctx, int r, struct ipc_msg *m)
{
	struct record *rec = ctx;
	struct spool_fail f;
	struct spool_ok ok;
	int code;

	if (!record_answered(rec, r))
		return;
	rec->uncertain = false;
	if (IPC_DECODE(m, spool_ok, NULL, &ok) == 0) {
		record_end(rec, true);
		return;
	}
	code = fail_code(m, &f);
	if (code == ERR_STATE) {
		/* None of it is pending any more: it was written before spoold died. */
		record_end(rec, true);
		return;
	}
	if (code == ERR_NOTFOUND) {
		log_info("%s: gone from the queue before its outcome was recorded", queue_id(rec->op.msgid).s);
		record_end(rec, false);
		return;
	}
	log_warn("%s: outcome not recorded, will be tried again: %s", queue_id(rec->op.msgid).s,
	    code == ERR_SYNTAX ? "bad answer of spoold" : log_esc(f.text));
	record_later(rec);
}

/* Is any recipient of the record still pending in what spoold has? */
static bool still_pending(const struct record *rec, const struct spool_msg *m)
{
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		for (uint32_t k = 0; k < rec->op.results_n; k++)
			if (m->rcpts[i].index == rec->op.results[k].index && m->rcpts[i].state == RCPT_PENDING &&
			    rec->op.results[k].state != RCPT_PENDING)
				return true;
	return false;
}

/* A record is one change: it was written whole or not at all. */
static bool was_written(const struct record *rec, const struct spool_msg *m)
{
	for (uint32_t k = 0; k < rec->op.results_n; k++)
		if (rec->op.results[k].state != RCPT_PENDING)
			return !still_pending(rec, m);
	return (m->flags & rec->op.set_flags) != 0;     /* only deferrals: the flag of the delay notice tells */
}

static void on_shown(void *ctx, int r, struct ipc_msg *m)
{
	struct record *rec = ctx;
	struct arena *a = arena_new(MESSAGE_ARENA_MAX);
	struct spool_taken t;
	struct spool_fail f;

	if (!record_answered(rec, r) || a == NULL) {
		arena_free(&a);
		return;
	}
	if (IPC_DECODE(m, spool_taken, a, &t) == 0) {
		rec->uncertain = false;
		if (t.msgs_n == 0 || was_written(rec, &t.msgs[0]))
			record_end(rec, true);
		else
			record_step(rec);
	} else if (fail_code(m, &f) == ERR_NOTFOUND) {
		record_end(rec, true);
	} else {
		record_later(rec);
	}
	arena_free(&a);
}

static void on_content(void *ctx, int r, struct ipc_msg *m)
{
	struct record *rec = ctx;
	struct spool_content_reply c = { 0 };
	struct spool_fail f;

	if (!record_answered(rec, r))
		return;
	if (IPC_DECODE(m, spool_content_reply, NULL, &c) != 0) {
		if (fail_code(m, &f) == ERR_NOTFOUND) {
			record_end(rec, false);
			return;
		}
		/* Better a notice without the returned content than none. */
		log_warn("%s: content for a notice: %s", queue_id(rec->op.msgid).s, log_esc(f.text));
	}
	if (notice_make(rec, rec->box->hostname, c.bytes, m->fd, clock_wall_s()) != 0) {
		log_warn("%s: no memory for a notice, will be tried again", queue_id(rec->op.msgid).s);
		record_later(rec);
		return;
	}
	rec->composed = true;
	record_step(rec);
}

static void record_step(struct record *rec)
{
	struct channel *ch = rec->box->spoold;
	bool notices = rec->failed_n != 0 || rec->delayed_n != 0;

	if (ch == NULL || !channel_is_open(ch))
		return;
	rec->ch = ch;
	if (rec->uncertain && notices) {
		struct spool_queue_show show = { .msgid = rec->op.msgid };

		rec->request = IPC_REQUEST(ch, spool_queue_show, &show, 0, on_shown, rec);
	} else if (!rec->composed) {
		struct spool_content get = { .msgid = rec->op.msgid, .token = rec->token };

		rec->request = IPC_REQUEST(ch, spool_content, &get, 0, on_content, rec);
	} else {
		rec->released = rec->op.release != 0;
		rec->request = IPC_REQUEST(ch, spool_outcome, &rec->op, 0, on_written, rec);
	}
}

void outbox_add(struct outbox *box, struct record *rec)
{
	rec->box = box;
	rec->answered = true;           /* only those that a new spoold finds here hold up taking */
	TAILQ_INSERT_TAIL(&box->records, rec, link);
	box->count++;
	box->releasing += rec->op.release != 0;
	record_step(rec);
}

void outbox_set_spoold(struct outbox *box, struct channel *ch)
{
	struct record *rec;

	/* Answers of the old one are not waited for. */
	box->unanswered = 0;
	TAILQ_FOREACH(rec, &box->records, link) {
		if (rec->request != 0) {
			record_forget_request(rec);
			rec->uncertain = true;
		}
		rec->answered = rec->released = false;
		box->unanswered++;
	}
	box->spoold = ch;
	if (ch == NULL)
		return;
	outbox_kick(box);
	if (box->unanswered == 0)
		box->ops.synced(box->ops.ctx);
}
