/*
 * DATA, RFC 5321 4.1.1.4, and what becomes of the content after it. The final
 * reply is 250 only after spoold has said that the message is on disk.
 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/mail/queueid.h"
#include "common/mail/received.h"
#include "smtpd/internal.h"

enum { ORIGIN_MAX = 1000, LINE_LONG = 998, TLS_TEXT_MAX = 160 };

SMTP_HANDLER(smtp_act_data)
{
	(void)args;
	if (s->tx->rcpts_n == 0) {
		/* 3.3: 503 without a RCPT, 554 when none was good (which a pipelining client learns here) */
		if (s->tx->rcpts_tried == 0)
			smtp_reply_set(reply, 503, "5.5.1", "RCPT first");
		else
			smtp_reply_set(reply, 554, "5.5.1", "No valid recipients");
		return SMTP_STAY;
	}
	smtp_reply_set(reply, 354, "", "End data with <CR><LF>.<CR><LF>");
	return SMTP_CONTENT_BEGIN;
}

/*
 * RFC 5321 4.4 wants a "from" clause, and recommends the client's name and address in it. To hide them says
 * "from unknown": true, a domain by the grammar, and nobody's.
 */
static void add_trace(struct smtp_session *s, struct smtp_content *c)
{
	struct smtp_tx *tx = s->tx;
	struct received r = {
		.helo = slice_cstr(s->helo),
		.client_addr = slice_cstr(s->client.addr),
		.host = slice_cstr(s->env->hostname),
		.protocol = smtp_session_proto(s),
		.id = tx->id,
		.time = (int64_t)clock_wall_s(),
	};
	char tls[TLS_TEXT_MAX];
	size_t relay_off;

	if (s->user != NULL && s->env->hide_client) {
		r.helo = SLICE_LIT("unknown");
		r.client_addr = slice_of(NULL, 0);
	}
	if (s->tls.version != NULL) {
		(void)snprintf(tls, sizeof(tls), "using %s with cipher %s (%u/%u bits)", s->tls.version, s->tls.cipher,
		    s->tls.bits, s->tls.bits);
		r.tls = tls;
	}
	if (tx->rcpts_n == 1)
		r.recipient = STAILQ_FIRST(&tx->rcpts)->addr;
	return_path_format(&c->bytes, tx->sender);
	relay_off = buf_len(&c->bytes);
	received_format(&c->bytes, &r);
	smtp_content_prefix_done(c, relay_off);
}

int smtp_data_begin(struct smtp_session *s)
{
	struct smtp_tx *tx = s->tx;

	tx->content = arena_alloc(tx->arena, sizeof(*tx->content));
	if (tx->content == NULL)
		return ERR_NOMEM;
	smtp_content_init(tx->content, tx->arena, s->env->size_limit, s->env->inline_limit, s->env->hop_limit);
	add_trace(s, tx->content);
	return s->user != NULL ? smtp_submit_begin(s) : 0;
}

enum smtp_verdict smtp_data_end(struct smtp_session *s, struct smtp_reply *reply)
{
	switch (smtp_content_fault(s->tx->content)) {
	case SMTP_FAULT_NONE:
		if (s->tx->submit != NULL)
			return smtp_submit_check(s, reply);
		s->want = SMTP_WANT_ACCEPT;
		return SMTP_WAIT;
	case SMTP_FAULT_BARE:
		smtp_reply_set(reply, 550, "5.6.0", "The message has a line that does not end with CR LF");
		break;
	case SMTP_FAULT_SIZE:
		smtp_reply_set(reply, 552, "5.3.4", "Message size exceeds the limit of %llu bytes",
		    (unsigned long long)s->env->size_limit);
		break;
	case SMTP_FAULT_NUL:
		smtp_reply_set(reply, 550, "5.6.0", "The message has a NUL byte");
		break;
	case SMTP_FAULT_HOPS:
		smtp_reply_set(reply, 554, "5.4.6", "Too many hops, the message is looping");
		break;
	case SMTP_FAULT_HEADER:
		smtp_reply_set(reply, 550, "5.6.0", "%s", s->tx->content->refused);
		break;
	case SMTP_FAULT_FULL:
		smtp_reply_set(reply, 452, "4.3.1", "Not enough storage, try again later");
		break;
	default:
		smtp_reply_set(reply, 451, "4.3.0", "The message could not be stored, try again later");
		break;
	}
	return SMTP_TX_END;
}

static struct slice origin_text(struct smtp_session *s)
{
	char text[ORIGIN_MAX];
	int n = snprintf(text, sizeof(text), "client=%s helo=%s proto=%s%s%s", s->client_text, s->helo,
	    smtp_session_proto(s), s->user != NULL ? " user=" : "", s->user != NULL ? s->user : "");

	return arena_dup(s->tx->arena, slice_of(text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1));
}

static uint32_t body_flags(const struct dot_reader *d)
{
	return (d->has_8bit ? BODY_8BIT : 0u) | (d->has_nul ? BODY_NUL : 0u) | (d->has_dot_line ? BODY_DOT : 0u) |
	    (d->longest_line > LINE_LONG ? BODY_LONG_LINE : 0u);
}

int smtp_session_submission(struct smtp_session *s, struct spool_accept *m_r)
{
	struct smtp_tx *tx = s->tx;
	struct smtp_content *c = tx->content;
	const struct smtp_rcpt *rcpt;

	memset(m_r, 0, sizeof(*m_r));
	/* Its file went with spoold while it waited for its turn. */
	if (smtp_content_fault(c) != SMTP_FAULT_NONE)
		return ERR_CLOSED;
	m_r->sender = tx->sender;
	m_r->origin = origin_text(s);
	m_r->message_id = c->message_id;
	m_r->rcpts = arena_calloc(tx->arena, tx->rcpts_n, sizeof(*m_r->rcpts));
	if (m_r->rcpts == NULL || m_r->origin.p == NULL)
		return ERR_NOMEM;
	STAILQ_FOREACH(rcpt, &tx->rcpts, link)
		m_r->rcpts[m_r->rcpts_n++].addr = rcpt->addr;
	m_r->body.size = c->total;
	m_r->body.relay_off = c->relay_off;
	m_r->body.flags = body_flags(&c->dots);
	m_r->body.lines = (uint32_t)(c->dots.lines + c->prefix_lines);
	m_r->body.file = c->file;
	if (c->file == 0)
		m_r->body.bytes = buf_slice(&c->bytes);
	return 0;
}

enum smtp_verdict smtp_data_accepted(struct smtp_session *s, int r, uint64_t msgid, struct smtp_reply *reply)
{
	const struct smtp_tx *tx = s->tx;
	struct buf login = BUF_INIT(2048), tls = BUF_INIT(256);

	if (r == 0) {
		smtp_log_login(s, &login);
		smtp_log_tls(s, &tls);
		smtp_reply_set(reply, 250, "2.0.0", "Ok: queued as %s", queue_id(msgid).s);
		log_info("%s: client=%s%.*s, from=<%s>, size=%llu, nrcpt=%u, message-id=%s, proto=%s, helo=<%s>, id=%s%.*s",
		    queue_id(msgid).s, s->client_text, SLICE_ARG(buf_slice(&login)), smtp_log_text(tx->sender),
		    (unsigned long long)tx->content->total, tx->rcpts_n, smtp_log_text(tx->content->message_id),
		    smtp_session_proto(s), s->helo, tx->id, SLICE_ARG(buf_slice(&tls)));
		s->errors = s->junk = 0;
		s->accepted++;
	} else if (r == ERR_FULL) {
		smtp_reply_set(reply, 452, "4.3.1", "Not enough storage, try again later");
	} else {
		smtp_reply_set(reply, 451, "4.3.0", "The message could not be stored, try again later");
	}
	buf_free(&login);
	buf_free(&tls);
	return SMTP_TX_END;
}
