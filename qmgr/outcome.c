#include "qmgr/outcome.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/queueid.h"
#include "qmgr/schedule.h"

enum { RECORD_MANY = 2000, RECORD_TEXT_MANY = 80 };

/* ---- the log line ----------------------------------------------------------------- */

/* Seconds in the fewest digits that tell something, as Postfix prints them. */
static void add_delay(struct buf *b, uint64_t ms)
{
	if (ms >= 10000)
		buf_addf(b, "%llu", (unsigned long long)((ms + 500) / 1000));
	else if (ms >= 100)
		buf_addf(b, "%llu.%llu", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000 / 100));
	else if (ms >= 10)
		buf_addf(b, "0.%02llu", (unsigned long long)(ms / 10));
	else if (ms != 0)
		buf_addf(b, "0.00%llu", (unsigned long long)ms);
	else
		buf_add_byte(b, '0');
}

static void add_text(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_byte(b, is_class(s.p[i], CC_PRINT) ? s.p[i] : '?');
}

void outcome_log_line(struct buf *b, const struct qrcpt *r, const struct outcome_clock *t)
{
	const struct qmsg *m = r->msg;
	const struct qoutcome *o = &r->out;
	uint64_t in_us = t->mono_ms > m->taken_ms ? t->mono_ms - m->taken_ms : 0;
	uint64_t taken_s = t->now_s - in_us / 1000;
	uint64_t before = taken_s > m->created ? (taken_s - m->created) * 1000 : 0;
	uint64_t in_queue = o->started_ms > m->taken_ms ? o->started_ms - m->taken_ms : 0;

	buf_addf(b, "%s: to=<", queue_id(m->msgid).s);
	add_text(b, r->addr);
	buf_add_cstr(b, ">, relay=");
	add_text(b, o->relay.len != 0 ? o->relay : SLICE_LIT("none"));
	if (o->tls.len != 0) {
		buf_add_cstr(b, ", tls=");
		add_text(b, o->tls);
	}
	buf_add_cstr(b, ", delay=");
	add_delay(b, before + in_us);
	buf_add_cstr(b, ", delays=");
	add_delay(b, before);
	buf_add_byte(b, '/');
	add_delay(b, in_queue);
	buf_add_byte(b, '/');
	add_delay(b, o->connect_ms);
	buf_add_byte(b, '/');
	add_delay(b, o->send_ms);
	buf_addf(b, ", dsn=%s, status=%s (", o->status, o->state == RCPT_DONE ? "sent" :
	    o->state == RCPT_FAILED ? "bounced" : "deferred");
	add_text(b, o->text);
	buf_add_byte(b, ')');
}

/* ---- what it means ------------------------------------------------------------------ */

/* The agent's status if it is of the class that the outcome has, else the plain one of the class. */
static void fit_status(struct qoutcome *o, char class)
{
	if (o->status[0] != class || o->status[1] != '.')
		(void)snprintf(o->status, sizeof(o->status), "%c.0.0", class);
}

static void settle_deferred(struct qrcpt *r, const struct conf *conf, const struct outcome_clock *t)
{
	struct qoutcome *o = &r->out;
	uint32_t tries = r->attempts < UINT32_MAX ? r->attempts + 1 : r->attempts;
	struct buf text = BUF_INIT(4096);
	uint64_t later;

	fit_status(o, '4');
	if (retry_expired(tries, r->msg->created, t->steady_s, conf)) {
		buf_addf(&text, "delivery time expired; last: %s %.*s", o->status, SLICE_ARG(o->text));
		o->text = arena_dup(r->msg->arena, slice_sub(buf_slice(&text), 0, MESSAGE_TEXT_MAX));
		(void)snprintf(o->status, sizeof(o->status), "5.4.7");
		o->state = RCPT_FAILED;
		buf_free(&text);
		return;
	}
	o->state = RCPT_PENDING;
	o->due_s = retry_due(tries, r->msg->created, t->now_s, conf, random_below(UINT32_MAX));
	if (o->not_before_ms > t->mono_ms) {
		later = t->now_s + (o->not_before_ms - t->mono_ms + 999) / 1000;
		later += random_below((uint32_t)(conf->queue_backoff_min / 4 + 1));
		if (later > o->due_s)
			o->due_s = later;
	}
}

static void settle(struct qrcpt *r, const struct conf *conf, const struct outcome_clock *t)
{
	struct qoutcome *o = &r->out;
	struct buf line = BUF_INIT(4096);

	switch (o->kind) {
	case OUTCOME_DONE:
		fit_status(o, '2');
		o->state = RCPT_DONE;
		if (slice_eq_cstr(o->relay, JOB_RELAY_FORWARD))
			r->msg->forwarded = true;
		break;
	case OUTCOME_BOUNCED:
		fit_status(o, '5');
		o->state = RCPT_FAILED;
		break;
	default:
		settle_deferred(r, conf, t);
	}
	o->settled = true;
	outcome_log_line(&line, r, t);
	log_info("%.*s", SLICE_ARG(buf_slice(&line)));
	buf_free(&line);
}

void outcome_settle(struct qmsg *m, const struct conf *conf, const struct outcome_clock *t)
{
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (m->rcpts[i].out.kind != 0 && !m->rcpts[i].out.settled)
			settle(&m->rcpts[i], conf, t);
}

bool outcome_is_gone(const struct qmsg *m)
{
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (!m->rcpts[i].out.settled || m->rcpts[i].out.state == RCPT_PENDING)
			return false;
	return !m->forwarded;
}

/* ---- the record ----------------------------------------------------------------------- */

void record_free(struct record **rec)
{
	struct arena *a;

	if (*rec == NULL)
		return;
	a = (*rec)->arena;
	arena_free(&a);
	*rec = NULL;
}

static bool to_record(const struct qrcpt *r, bool all)
{
	return r->out.settled && !r->out.recorded && (all || r->out.state != RCPT_FAILED);
}

/* RFC 3461 4.1: is the sender to be told of this event? Without NOTIFY: of failures and delays. */
static bool wants_notice(const struct qrcpt *r, uint8_t event)
{
	return r->notify == NOTIFY_DEFAULT || (!(r->notify & NOTIFY_NEVER) && (r->notify & event));
}

static bool notice_add(struct record *rec, struct notice_rcpt **list, uint32_t *n, const struct qrcpt *r, uint64_t until)
{
	struct notice_rcpt *to;

	if (*list == NULL)
		*list = arena_calloc(rec->arena, r->msg->rcpts_n, sizeof(**list));
	if (*list == NULL)
		return false;
	to = &(*list)[(*n)++];
	to->addr = arena_dup(rec->arena, r->addr);
	to->orcpt = arena_dup(rec->arena, r->orcpt);
	to->status = arena_dup(rec->arena, slice_cstr(r->out.status));
	to->text = arena_dup(rec->arena, r->out.text);
	to->relay = arena_dup(rec->arena, r->out.relay);
	to->until_s = until;
	return to->addr.p != NULL && to->orcpt.p != NULL && to->status.p != NULL && to->text.p != NULL &&
	    to->relay.p != NULL;
}

/* In a record of very many recipients the texts are cut: it has to fit one frame. */
static struct slice record_text(const struct record *rec, struct slice s)
{
	return arena_dup(rec->arena, slice_sub(s, 0, rec->many ? RECORD_TEXT_MANY : SIZE_MAX));
}

/* The spool keeps one text of where it went: "mx.b.test[192.0.2.1]:25 tls=none". */
static struct slice record_relay(const struct record *rec, const struct qoutcome *o)
{
	struct buf b = BUF_INIT(MESSAGE_RELAY_MAX + JOB_TLS_MAX + 16);
	struct slice s;

	buf_add_slice(&b, o->relay);
	if (o->tls.len != 0) {
		buf_add_cstr(&b, " tls=");
		buf_add_slice(&b, o->tls);
	}
	s = record_text(rec, buf_slice(&b));
	buf_free(&b);
	return s;
}

static bool result_add(struct record *rec, const struct qrcpt *r)
{
	struct spool_result *to = &rec->op.results[rec->op.results_n++];

	to->index = r->index;
	to->state = r->out.state;
	to->due = r->out.due_s;
	to->status = arena_dup(rec->arena, slice_cstr(r->out.status));
	to->text = record_text(rec, r->out.text);
	to->relay = record_relay(rec, &r->out);
	return to->status.p != NULL && to->text.p != NULL && to->relay.p != NULL;
}

static struct record *record_new(const struct qmsg *m, uint32_t n)
{
	struct arena *a = arena_new(MESSAGE_ARENA_MAX);
	struct record *rec = a != NULL ? arena_alloc(a, sizeof(*rec)) : NULL;

	if (rec == NULL) {
		arena_free(&a);
		return NULL;
	}
	rec->arena = a;
	rec->many = n > RECORD_MANY;
	rec->op.msgid = m->msgid;
	rec->op.results = arena_calloc(a, n, sizeof(*rec->op.results));
	rec->sender = arena_dup(a, m->sender);
	rec->envid = arena_dup(a, m->envid);
	rec->token = arena_dup(a, m->token);
	rec->message_id = arena_dup(a, m->message_id);
	rec->created = m->created;
	rec->size = m->size;
	rec->relay_off = m->relay_off;
	rec->ret = m->ret;
	if (rec->op.results == NULL || rec->sender.p == NULL || rec->envid.p == NULL || rec->token.p == NULL ||
	    rec->message_id.p == NULL)
		record_free(&rec);
	return rec;
}

static bool record_fill(struct record *rec, const struct qmsg *m, bool all, bool delay, uint64_t until)
{
	bool ok = true;

	for (uint32_t i = 0; ok && i < m->rcpts_n; i++) {
		const struct qrcpt *r = &m->rcpts[i];

		if (!r->out.settled)
			continue;
		if (to_record(r, all)) {
			ok = result_add(rec, r);
			if (ok && r->out.state == RCPT_FAILED && m->sender.len != 0 && wants_notice(r, NOTIFY_FAILURE))
				ok = notice_add(rec, &rec->failed, &rec->failed_n, r, 0);
		}
		if (ok && delay && r->out.state == RCPT_PENDING && wants_notice(r, NOTIFY_DELAY))
			ok = notice_add(rec, &rec->delayed, &rec->delayed_n, r, until);
	}
	return ok;
}

int outcome_collect(struct qmsg *m, bool all, bool release, const struct conf *conf, const struct outcome_clock *t,
    struct record **rec_r)
{
	bool delay = all && release && m->sender.len != 0 && !(m->flags & MSG_DELAY_NOTICED) &&
	    delay_notice_due(m->created, t->steady_s, conf);
	struct record *rec;
	bool notices = false;
	uint32_t n = 0;

	*rec_r = NULL;
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		const struct qrcpt *r = &m->rcpts[i];

		n += to_record(r, all);
		notices |= delay && r->out.settled && r->out.state == RCPT_PENDING && wants_notice(r, NOTIFY_DELAY);
	}
	if (n == 0 && !notices)
		return 0;
	rec = record_new(m, n);
	if (rec == NULL)
		return ERR_NOMEM;
	if (!record_fill(rec, m, all, delay, m->created + conf->queue_lifetime)) {
		record_free(&rec);
		return ERR_NOMEM;
	}
	rec->op.release = release;
	rec->op.set_flags = rec->delayed_n != 0 ? MSG_DELAY_NOTICED : 0;
	rec->gone = release && outcome_is_gone(m);
	rec->composed = rec->failed_n == 0 && rec->delayed_n == 0;
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (to_record(&m->rcpts[i], all))
			m->rcpts[i].out.recorded = true;
	*rec_r = rec;
	return 0;
}
