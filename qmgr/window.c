/* Taking messages from spoold: how many, and when. */
#include "qmgr/qmgr_private.h"

#include "common/base/clock.h"
#include "common/base/log.h"

static uint32_t window_room(const struct qmgr *q)
{
	uint64_t held = (uint64_t)active_count(q->active) + outbox_releasing(q->outbox);

	return held < q->conf->queue_window ? (uint32_t)(q->conf->queue_window - held) : 0;
}

static void on_timer(void *ctx)
{
	struct qmgr *q = ctx;

	q->hint = true;
	window_check(q);
}

static void window_sleep(struct qmgr *q, uint64_t ms)
{
	loop_timer_set(q->loop, &q->take_timer, ms < QMGR_POLL_MS ? ms : QMGR_POLL_MS, on_timer, q);
}

static void window_fault(struct qmgr *q, const char *why)
{
	log_warn("spoold gave no work: %s", why);
	q->pause_until_ms = loop_now(q->loop) + QMGR_RETRY_MS;
	q->hint = true;
	window_sleep(q, QMGR_RETRY_MS);
}

static void take_message(struct qmgr *q, const struct spool_msg *sm, uint64_t now_s)
{
	struct spool_release rel = { .msgid = sm->msgid };
	struct qmsg *m;

	if (outbox_holds(q->outbox, sm->msgid))
		return;         /* its record will release it */
	m = message_new(sm, now_s, loop_now(q->loop));
	if (m == NULL) {
		log_error("out of memory: a message goes back to the queue");
		IPC_SEND(q->spoold, spool_release, 0, &rel);
		q->pause_until_ms = loop_now(q->loop) + QMGR_RETRY_MS;
		return;
	}
	active_add(q->active, m, loop_now(q->loop));
}

static void on_taken(void *ctx, int r, struct ipc_msg *m)
{
	struct qmgr *q = ctx;
	uint64_t now = q->taken_now_s, wait;
	struct spool_taken t;
	struct arena *a;

	q->take_request = 0;
	if (r == ERR_CLOSED)
		return;
	a = arena_new(SIZE_MAX / 4);
	if (r != 0 || a == NULL || IPC_DECODE(m, spool_taken, a, &t) != 0) {
		arena_free(&a);
		window_fault(q, r != 0 ? err_str(r) : "not an answer to TAKE");
		return;
	}
	q->next_due = t.next_due;
	for (uint32_t i = 0; i < t.msgs_n; i++)
		take_message(q, &t.msgs[i], now);
	wait = take_wait_ms(qmgr_now_s(q), t.next_due, q->conf);
	q->hint |= t.msgs_n == QMGR_TAKE_MESSAGES || (t.msgs_n != 0 && wait == 0);
	/* Something is said to be due and yet nothing came: not again at once. */
	window_sleep(q, t.msgs_n == 0 && wait < 1000 ? 1000 : wait);
	arena_free(&a);
	window_check(q);
}

void window_check(struct qmgr *q)
{
	struct spool_take take = { .rcpts = QMGR_TAKE_RCPTS };
	uint32_t room = window_room(q);
	uint64_t now = qmgr_now_s(q), floor = q->conf->queue_window / 4;

	if (q->stopping || !q->hint || q->take_request != 0 || q->spoold == NULL || !channel_is_open(q->spoold) ||
	    !outbox_is_synced(q->outbox) || loop_now(q->loop) < q->pause_until_ms)
		return;
	/* Not message by message. */
	if (room == 0 || (room < QMGR_TAKE_MESSAGES && room < floor && active_count(q->active) != 0))
		return;
	q->hint = false;
	take.n = room < QMGR_TAKE_MESSAGES ? room : QMGR_TAKE_MESSAGES;
	q->taken_now_s = take.now = take_now(now, q->next_due, q->conf);
	if (take.now != now && loop_now(q->loop) >= q->clock_warned_ms) {
		log_warn("the clock was set back: what waits in the queue is taken as due");
		q->clock_warned_ms = loop_now(q->loop) + QMGR_CLOCK_WARN_MS;
	}
	q->take_ch = q->spoold;
	q->take_request = IPC_REQUEST(q->spoold, spool_take, &take, 0, on_taken, q);
}

void window_set_spoold(struct qmgr *q)
{
	if (q->take_request != 0)
		channel_cancel(q->take_ch, q->take_request);
	q->take_request = 0;
	q->next_due = 0;
	q->hint = true;
	q->pause_until_ms = 0;
	if (q->spoold == NULL)
		loop_timer_del(q->loop, &q->take_timer);
	else
		window_check(q);
}

int qmgr_on_work(struct qmgr *q, struct ipc_msg *m)
{
	struct spool_work w;
	uint64_t now = qmgr_now_s(q);
	int r = IPC_DECODE(m, spool_work, NULL, &w);

	if (r != 0)
		return r;
	if (w.due == 0)
		active_revive(q->active);
	if (w.due <= now) {
		q->hint = true;
		window_check(q);
	} else if (q->next_due == 0 || w.due < q->next_due) {
		q->next_due = w.due;
		window_sleep(q, take_wait_ms(now, w.due, q->conf));
	}
	return 0;
}
