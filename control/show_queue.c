#include "common/mail/queueid.h"
#include "control/show.h"

static const char *const states[] = {
	[RCPT_PENDING] = "pending", [RCPT_DONE] = "done", [RCPT_FAILED] = "failed", [RCPT_EXPANDED] = "expanded",
};

static const char *state_name(uint8_t state)
{
	return state < ARRAY_LEN(states) ? states[state] : "unknown";
}

static void add_reason(struct buf *b, const struct spool_rcpt *r)
{
	if (r->status.len == 0 && r->text.len == 0)
		return;
	buf_add_cstr(b, ": ");
	format_text(b, r->status);
	if (r->status.len != 0 && r->text.len != 0)
		buf_add_byte(b, ' ');
	format_text(b, r->text);
	if (r->relay.len != 0) {
		buf_add_cstr(b, " (");
		format_text(b, r->relay);
		buf_add_byte(b, ')');
	}
}

static void show_rcpt(struct buf *b, const struct spool_rcpt *r, uint64_t now)
{
	buf_add_cstr(b, "    ");
	format_text(b, r->addr);
	buf_add_cstr(b, "  ");
	if (r->state == RCPT_PENDING) {
		buf_addf(b, "try %llu ", (unsigned long long)r->attempts + 1);
		if (r->due > now) {
			buf_add_cstr(b, "in ");
			format_duration(b, r->due - now);
		} else {
			buf_add_cstr(b, "now");
		}
	} else {
		buf_add_cstr(b, state_name(r->state));
	}
	add_reason(b, r);
	buf_add_byte(b, '\n');
}

static void add_line(struct buf *b, const char *name, struct slice value)
{
	if (value.len == 0)
		return;
	buf_addf(b, "  %s: ", name);
	format_text(b, value);
	buf_add_byte(b, '\n');
}

void show_msg(struct buf *b, const struct spool_msg *m, uint64_t now, bool detail)
{
	buf_addf(b, "%s%s  ", queue_id(m->msgid).s, (m->flags & MSG_HELD) != 0 ? " H" : "");
	format_duration(b, now > m->created ? now - m->created : 0);
	buf_add_cstr(b, "  ");
	format_size(b, m->size);
	buf_add_cstr(b, "  <");
	format_text(b, m->sender);
	buf_add_cstr(b, ">\n");
	if (detail) {
		buf_add_cstr(b, "  came: ");
		format_time(b, m->created);
		buf_add_cstr(b, " UTC\n");
		add_line(b, "from", m->origin);
		add_line(b, "message-id", m->message_id);
		add_line(b, "envid", m->envid);
		if ((m->flags & MSG_DELAY_NOTICED) != 0)
			buf_add_cstr(b, "  the sender was told of the delay\n");
	}
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (detail || m->rcpts[i].state == RCPT_PENDING)
			show_rcpt(b, &m->rcpts[i], now);
}

static json_t *rcpt_json(const struct spool_rcpt *r)
{
	return json_pack("{s:o, s:s, s:I, s:I, s:o, s:o, s:o}", "address", json_text(r->addr), "state", state_name(r->state),
	    "attempts", (json_int_t)r->attempts, "due", (json_int_t)r->due, "status", json_text(r->status),
	    "text", json_text(r->text), "relay", json_text(r->relay));
}

json_t *show_msg_json(const struct spool_msg *m)
{
	json_t *rcpts = json_array();

	for (uint32_t i = 0; i < m->rcpts_n; i++)
		(void)json_array_append_new(rcpts, rcpt_json(&m->rcpts[i]));
	return json_pack("{s:s, s:o, s:I, s:I, s:b, s:b, s:o, s:o, s:o, s:o}", "id", queue_id(m->msgid).s,
	    "sender", json_text(m->sender), "created", (json_int_t)m->created, "size", (json_int_t)m->size,
	    "held", (m->flags & MSG_HELD) != 0, "delay_noticed", (m->flags & MSG_DELAY_NOTICED) != 0,
	    "envid", json_text(m->envid), "origin", json_text(m->origin), "message_id", json_text(m->message_id),
	    "recipients", rcpts);
}

void show_trace(struct buf *b, const struct spool_trace_reply *t)
{
	for (uint32_t i = 0; i < t->items_n; i++) {
		const struct spool_trace_item *item = &t->items[i];

		format_time(b, item->time_us / 1000000u);
		buf_addf(b, ".%06u  ", (unsigned)(item->time_us % 1000000u));
		format_text(b, item->event);
		buf_add_cstr(b, "  ");
		format_text(b, item->text);
		buf_add_byte(b, '\n');
	}
}

json_t *show_trace_json(const struct spool_trace_reply *t)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < t->items_n; i++) {
		const struct spool_trace_item *item = &t->items[i];

		(void)json_array_append_new(a, json_pack("{s:I, s:I, s:o, s:o}", "time_us", (json_int_t)item->time_us,
		    "lsn", (json_int_t)item->lsn, "event", json_text(item->event), "text", json_text(item->text)));
	}
	return a;
}

void show_destinations(struct buf *b, const struct job_status_reply *s, uint64_t now)
{
	struct buf cells = BUF_INIT(64 * 1024 * 1024);

	buf_add_cstr(&cells, "DESTINATION\tACTIVE\tWAITING\tLIMIT\tSTATE\n");
	for (uint32_t i = 0; i < s->dests_n; i++) {
		const struct job_dest *d = &s->dests[i];

		format_text(&cells, d->destination);
		buf_addf(&cells, "\t%u\t%u\t%u\t", d->active, d->waiting, d->window);
		if (d->dead_until > now) {
			buf_add_cstr(&cells, "not reached, again in ");
			format_duration(&cells, d->dead_until - now);
		} else {
			buf_add_cstr(&cells, "ok");
		}
		buf_add_byte(&cells, '\n');
	}
	format_table(b, buf_slice(&cells), 2 | 4 | 8);
	buf_free(&cells);
}

json_t *show_destinations_json(const struct job_status_reply *s)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < s->dests_n; i++) {
		const struct job_dest *d = &s->dests[i];

		(void)json_array_append_new(a, json_pack("{s:o, s:I, s:I, s:I, s:I}", "destination", json_text(d->destination),
		    "active", (json_int_t)d->active, "waiting", (json_int_t)d->waiting, "window", (json_int_t)d->window,
		    "dead_until", (json_int_t)d->dead_until));
	}
	return a;
}
