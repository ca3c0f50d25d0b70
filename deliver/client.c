#include "deliver/client_private.h"

#include <stdio.h>

void client_start(struct client *c, struct slice name, enum client_tls tls)
{
	*c = (struct client){ .name = name, .tls = tls, .state = CS_GREETING };
	reply_reader_init(&c->replies);
}

void client_free(struct client *c)
{
	reply_reader_free(&c->replies);
}

const char *client_doing(const struct client *c)
{
	switch (c->state) {
	case CS_GREETING: return "receiving the initial server greeting";
	case CS_EHLO: return "performing the EHLO handshake";
	case CS_HELO: return "performing the HELO handshake";
	case CS_STARTTLS: return "sending STARTTLS";
	case CS_TLS: return "performing the TLS handshake";
	case CS_RSET: return "sending RSET";
	case CS_TX: return c->pos == 0 ? "sending MAIL FROM" : c->pos <= c->order_n ? "sending RCPT TO" : "sending DATA";
	case CS_BODY: return "sending message body";
	case CS_FINAL: return "sending end of data -- message may be sent more than once";
	case CS_QUIT: return "sending QUIT";
	case CS_READY:
	case CS_DEAD: break;
	}
	return "waiting";
}

/* ---- failing ---------------------------------------------------------------- */

enum client_event client_fail(struct client *c, enum client_fail why, const char *status, struct slice text)
{
	size_t n = text.len < CLIENT_TEXT_MAX ? text.len : CLIENT_TEXT_MAX;

	if (c->state == CS_QUIT) {      /* nothing hangs on it any more */
		c->state = CS_DEAD;
		return CLIENT_CLOSED;
	}
	/* A server that did not like our side of a TLS 1.3 handshake breaks off behind it. */
	if (((c->state == CS_STARTTLS || c->state == CS_TLS) && (why == CLIENT_FAIL_LOST || why == CLIENT_FAIL_CLOSING)) ||
	    (c->state == CS_EHLO && c->secure && why == CLIENT_FAIL_LOST))
		why = CLIENT_FAIL_TLS;
	c->fail = why;
	c->after_dot = c->state == CS_FINAL && c->accepted != 0;
	(void)snprintf(c->fail_status, sizeof(c->fail_status), "%s", status);
	if (n != 0)
		memcpy(c->fail_text, text.p, n);
	c->fail_text[n] = '\0';
	c->state = CS_DEAD;
	c->tx = NULL;
	return CLIENT_FAILED;
}

enum client_event client_fail_protocol(struct client *c, const char *what)
{
	char text[CLIENT_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "bad reply while %s: %s", client_doing(c), what);
	return client_fail(c, CLIENT_FAIL_PROTOCOL, "4.5.0", slice_cstr(text));
}

void client_lost(struct client *c, const char *status, const char *what)
{
	char text[CLIENT_TEXT_MAX];

	if (c->state == CS_DEAD)
		return;
	(void)snprintf(text, sizeof(text), "%s while %s", what, client_doing(c));
	(void)client_fail(c, CLIENT_FAIL_LOST, status, slice_cstr(text));
}

struct slice client_reply_text(const struct smtp_reply *r, char *out)
{
	struct buf b = BUF_INIT(CLIENT_TEXT_MAX + 32);
	struct slice s;

	reply_print(&b, r, CLIENT_TEXT_MAX);
	s = slice_sub(buf_slice(&b), 0, CLIENT_TEXT_MAX);
	if (s.len != 0)
		memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	buf_free(&b);
	return slice_of(out, s.len);
}

enum client_event client_fail_reply(struct client *c, enum client_fail why, const struct smtp_reply *r)
{
	char text[CLIENT_TEXT_MAX + 1], status[REPLY_STATUS_MAX];

	(void)snprintf(status, sizeof(status), "%s", r->status[0] != '\0' ? r->status : "4.0.0");
	status[0] = '4';
	return client_fail(c, why, status, client_reply_text(r, text));
}

/* ---- outcomes --------------------------------------------------------------- */

static void rcpt_set(struct client *c, struct client_rcpt *rc, uint8_t kind, const char *status, struct slice text)
{
	rc->kind = kind;
	(void)snprintf(rc->status, sizeof(rc->status), "%s", status);
	rc->text = arena_dup(c->tx->arena, text);
}

static void rcpt_set_reply(struct client *c, struct client_rcpt *rc, const struct smtp_reply *r, unsigned class)
{
	char text[CLIENT_TEXT_MAX + 1], status[REPLY_STATUS_MAX];
	static const uint8_t kinds[6] = { [2] = OUTCOME_DONE, [4] = OUTCOME_DEFERRED, [5] = OUTCOME_BOUNCED };

	if (r->status[0] != '\0')
		(void)snprintf(status, sizeof(status), "%s", r->status);
	else
		(void)snprintf(status, sizeof(status), "%u.0.0", class);
	status[0] = (char)('0' + class);
	rcpt_set(c, rc, kinds[class], status, client_reply_text(r, text));
}

/* All recipients without an outcome: only the accepted ones, or all. */
static void tx_set_rest(struct client *c, const struct smtp_reply *r, unsigned class)
{
	for (uint32_t i = 0; i < c->order_n; i++) {
		struct client_rcpt *rc = &c->tx->rcpts[c->order[i]];

		if (rc->kind == 0)
			rcpt_set_reply(c, rc, r, class);
	}
}

static enum client_event tx_done(struct client *c, bool need_rset)
{
	c->need_rset = need_rset;
	c->tx = NULL;
	c->state = CS_READY;
	return CLIENT_TX_DONE;
}

/* ---- commands ---------------------------------------------------------------- */

static bool is_visible(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= 32 || s.p[i] >= 127)
			return false;
	return s.len != 0;
}

/* "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF */
static void send_mail(struct client *c, struct buf *out)
{
	const struct client_tx *tx = c->tx;

	buf_add_cstr(out, "MAIL FROM:<");
	buf_add_slice(out, tx->sender);
	buf_add_byte(out, '>');
	if (c->caps & CAP_SIZE) {
		buf_add_cstr(out, " SIZE=");
		buf_add_u64(out, tx->size);
	}
	if ((tx->body_flags & BODY_8BIT) && (c->caps & CAP_8BITMIME))
		buf_add_cstr(out, " BODY=8BITMIME");
	if (c->caps & CAP_DSN) {
		if (tx->ret == 1 || tx->ret == 2)
			buf_add_cstr(out, tx->ret == 1 ? " RET=FULL" : " RET=HDRS");
		if (is_visible(tx->envid)) {
			buf_add_cstr(out, " ENVID=");
			buf_add_slice(out, tx->envid);
		}
	}
	buf_add_cstr(out, "\r\n");
}

/* RFC 3461 4.1 */
static void send_notify(uint8_t notify, struct buf *out)
{
	const char *sep = " NOTIFY=";
	static const struct { uint8_t bit; const char *name; } bits[] = {
		{ NOTIFY_SUCCESS, "SUCCESS" }, { NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
	};

	if (notify & NOTIFY_NEVER) {
		buf_add_cstr(out, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		if (notify & bits[i].bit) {
			buf_add_cstr(out, sep);
			buf_add_cstr(out, bits[i].name);
			sep = ",";
		}
}

/* "RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF */
static void send_rcpt(struct client *c, const struct client_rcpt *rc, struct buf *out)
{
	buf_add_cstr(out, "RCPT TO:<");
	buf_add_slice(out, rc->addr);
	buf_add_byte(out, '>');
	if (c->caps & CAP_DSN) {
		send_notify(rc->notify, out);
		if (is_visible(rc->orcpt) && slice_chr(rc->orcpt, ';') > 0) {
			buf_add_cstr(out, " ORCPT=");
			buf_add_slice(out, rc->orcpt);
		}
	}
	buf_add_cstr(out, "\r\n");
}

/* Sends what may be sent now: everything with PIPELINING, else one command at a time. */
static void tx_send(struct client *c, struct buf *out)
{
	uint32_t last = c->order_n + 1;

	while (c->sent <= last && ((c->caps & CAP_PIPELINING) || c->sent == c->pos)) {
		if (c->sent == 0)
			send_mail(c, out);
		else if (c->sent < last)
			send_rcpt(c, &c->tx->rcpts[c->order[c->sent - 1]], out);
		else
			buf_add_cstr(out, "DATA\r\n");
		c->sent++;
	}
}

static void tx_open(struct client *c, struct buf *out)
{
	c->state = CS_TX;
	c->pos = c->sent = 0;
	tx_send(c, out);
}

/* Nothing is sent: all recipients get this outcome. */
static enum client_event tx_refuse(struct client *c, const char *status, const char *text)
{
	for (uint32_t i = 0; i < c->order_n; i++)
		rcpt_set(c, &c->tx->rcpts[c->order[i]], OUTCOME_BOUNCED, status, slice_cstr(text));
	return tx_done(c, c->need_rset);
}

/* The envelope was judged by smtpd; a byte that could end a command is refused here all the same. */
static bool is_sendable(struct slice addr)
{
	for (size_t i = 0; i < addr.len; i++)
		if (is_class(addr.p[i], CC_CTL | CC_8BIT))
			return false;
	return addr.len <= SPOOL_ADDR_MAX;
}

enum client_event client_begin(struct client *c, struct client_tx *tx, struct buf *out)
{
	char text[128];

	c->tx = tx;
	c->accepted = 0;
	c->refused = false;
	c->order_n = 0;
	c->order = arena_calloc(tx->arena, tx->rcpts_n, sizeof(*c->order));
	if (c->order == NULL)
		return client_fail(c, CLIENT_FAIL_LOST, "4.3.0", SLICE_LIT("out of memory"));
	for (uint32_t i = 0; i < tx->rcpts_n; i++) {
		struct client_rcpt *rc = &tx->rcpts[i];

		if (rc->kind != 0)
			continue;
		rc->accepted = rc->too_many = false;
		if (!is_sendable(rc->addr) || rc->addr.len == 0)
			rcpt_set(c, rc, OUTCOME_BOUNCED, "5.1.3", SLICE_LIT("bad recipient address syntax"));
		else
			c->order[c->order_n++] = i;
	}
	if (c->order_n == 0)
		return tx_done(c, c->need_rset);
	if (!is_sendable(tx->sender))
		return tx_refuse(c, "5.1.7", "bad sender address syntax");
	if (c->size_limit != 0 && tx->size > c->size_limit) {
		(void)snprintf(text, sizeof(text), "message size %llu exceeds size limit %llu of server",
		    (unsigned long long)tx->size, (unsigned long long)c->size_limit);
		return tx_refuse(c, "5.3.4", text);
	}
	if ((tx->body_flags & BODY_8BIT) && !(c->caps & CAP_8BITMIME))
		return tx_refuse(c, "5.6.3", "message has 8-bit content, server does not offer 8BITMIME");
	c->txs++;
	if (!c->need_rset) {
		tx_open(c, out);
		return CLIENT_MORE;
	}
	c->state = CS_RSET;
	buf_add_cstr(out, "RSET\r\n");
	return CLIENT_MORE;
}

void client_body(struct client *c, struct slice part, struct buf *out)
{
	if (c->state == CS_BODY)
		dot_writer_add(&c->dots, out, part);
}

void client_body_end(struct client *c, struct buf *out)
{
	if (c->state != CS_BODY)
		return;
	dot_writer_end(&c->dots, out);
	c->state = CS_FINAL;
}

void client_quit(struct client *c, struct buf *out)
{
	if (c->state == CS_DEAD || c->state == CS_QUIT)
		return;
	buf_add_cstr(out, "QUIT\r\n");
	c->state = CS_QUIT;
}

/* ---- replies ------------------------------------------------------------------ */

static enum client_event on_mail(struct client *c, const struct smtp_reply *r, struct buf *out)
{
	unsigned class = r->code / 100;

	if (class == 3)
		return client_fail_protocol(c, "unexpected code");
	if (class != 2) {
		tx_set_rest(c, r, class);
		c->refused = true;
		if (!(c->caps & CAP_PIPELINING))
			return tx_done(c, true);
	}
	c->pos++;
	tx_send(c, out);
	return CLIENT_MORE;
}

/*
 * RFC 5321 4.5.3.1.10: a 552 for too many recipients means 452. It is taken for
 * that unless the enhanced code says that something else is full or too big.
 */
static bool is_too_many(const struct smtp_reply *r)
{
	const char *s = r->status;

	if (r->code != 452 && r->code != 552)
		return false;
	return s[0] == '\0' || strcmp(s + 1, ".5.3") == 0;
}

static enum client_event on_rcpt(struct client *c, const struct smtp_reply *r, struct buf *out)
{
	struct client_rcpt *rc = &c->tx->rcpts[c->order[c->pos - 1]];
	unsigned class = r->code / 100;

	if (!c->refused) {
		if (class == 3)
			return client_fail_protocol(c, "unexpected code");
		rc->too_many = is_too_many(r);
		if (class == 2) {
			rc->accepted = true;
			c->accepted++;
		} else {
			rcpt_set_reply(c, rc, r, rc->too_many ? 4 : class);
		}
	}
	c->pos++;
	if (c->pos > c->order_n && c->accepted == 0 && !(c->caps & CAP_PIPELINING))
		return tx_done(c, true);
	tx_send(c, out);
	return CLIENT_MORE;
}

static enum client_event on_data(struct client *c, const struct smtp_reply *r, struct buf *out)
{
	unsigned class = r->code / 100;

	if (r->code == 354) {
		c->pos++;
		c->dots = (struct dot_writer){ .clean = true };
		if (c->accepted != 0) {
			c->state = CS_BODY;
			return CLIENT_BODY;
		}
		/* RFC 2920 3.1: nobody is left, but it waits for content: an empty one, which it has to refuse. */
		buf_add_cstr(out, ".\r\n");
		c->state = CS_FINAL;
		return CLIENT_MORE;
	}
	if (class == 2 || class == 3)
		return client_fail_protocol(c, "unexpected code");
	tx_set_rest(c, r, class);
	return tx_done(c, true);
}

static enum client_event on_final(struct client *c, const struct smtp_reply *r)
{
	if (r->code / 100 == 3)
		return client_fail_protocol(c, "unexpected code");
	tx_set_rest(c, r, r->code / 100);
	return tx_done(c, false);
}

/* in: what came behind the reply. */
static enum client_event on_reply(struct client *c, const struct smtp_reply *r, const struct buf *in, struct buf *out)
{
	if (c->state == CS_QUIT) {
		c->state = CS_DEAD;
		return CLIENT_CLOSED;
	}
	/* A final answer stays one, also when it says that the connection goes with it. */
	if (r->code == 421 && c->state != CS_FINAL)
		return client_fail_reply(c, CLIENT_FAIL_CLOSING, r);
	switch (c->state) {
	case CS_GREETING: return client_on_greeting(c, r, out);
	case CS_EHLO:
	case CS_HELO: return client_on_hello(c, r, out);
	case CS_STARTTLS: return client_on_starttls(c, r, buf_len(in) != 0);
	case CS_RSET:
		if (r->code / 100 != 2)
			return client_fail_reply(c, CLIENT_FAIL_CLOSING, r);
		tx_open(c, out);
		return CLIENT_MORE;
	case CS_TX:
		return c->pos == 0 ? on_mail(c, r, out) : c->pos <= c->order_n ? on_rcpt(c, r, out) : on_data(c, r, out);
	case CS_FINAL: return on_final(c, r);
	case CS_READY:
	case CS_TLS:
	case CS_BODY:
	case CS_QUIT:
	case CS_DEAD: break;
	}
	/* A reply that nobody asked for, or one before the content's end: what it would answer is unknown. */
	return client_fail_reply(c, CLIENT_FAIL_PROTOCOL, r);
}

enum client_event client_step(struct client *c, struct buf *in, struct buf *out)
{
	enum client_event ev = CLIENT_MORE;
	struct smtp_reply r;

	while (ev == CLIENT_MORE) {
		if (c->state == CS_DEAD)
			return c->fail != CLIENT_FAIL_NONE ? CLIENT_FAILED : CLIENT_CLOSED;
		if (c->state == CS_TLS)
			return CLIENT_MORE;     /* it is not for us */
		switch (reply_next(&c->replies, in, &r)) {
		case REPLY_MORE: return CLIENT_MORE;
		case REPLY_BAD: return client_fail_protocol(c, c->replies.why);
		case REPLY_DONE: break;
		}
		c->progress++;
		ev = on_reply(c, &r, in, out);
	}
	return ev;
}
