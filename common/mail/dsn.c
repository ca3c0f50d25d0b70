#include "config.h"

#include "common/mail/dsn.h"

#include "common/mail/date.h"
#include "common/mail/header.h"

enum { FOLD_AT = 76, PEER_TEXT_MAX = 2000, WORD_MAX = 900 };

/* ---- harmless text ------------------------------------------------------------------ */

/*
 * s from column col on, as words with single spaces, folded with CRLF and
 * indent. Controls and 8-bit bytes become '?', line ends are spaces.
 */
static void add_folded(struct buf *b, struct slice s, size_t col, const char *indent)
{
	size_t i = 0;

	s = slice_sub(s, 0, PEER_TEXT_MAX);
	while (i < s.len) {
		size_t start, n;

		while (i < s.len && (is_class(s.p[i], CC_WSP) || s.p[i] == '\r' || s.p[i] == '\n'))
			i++;
		start = i;
		while (i < s.len && i - start < WORD_MAX && !is_class(s.p[i], CC_WSP) && s.p[i] != '\r' && s.p[i] != '\n')
			i++;
		n = i - start;
		if (n == 0)
			break;
		if (col + 1 + n > FOLD_AT) {
			buf_add_cstr(b, "\r\n");
			buf_add_cstr(b, indent);
			col = strlen(indent);
		} else {
			buf_add_byte(b, ' ');
			col++;
		}
		for (size_t k = start; k < i; k++)
			buf_add_byte(b, is_class(s.p[k], CC_PRINT) ? s.p[k] : '?');
		col += n;
	}
}

/* One token-like text without spaces, in place. */
static void add_plain(struct buf *b, struct slice s)
{
	s = slice_sub(s, 0, WORD_MAX);
	for (size_t i = 0; i < s.len; i++)
		buf_add_byte(b, is_class(s.p[i], CC_PRINT) ? s.p[i] : '?');
}

/* "name: prefix text" CRLF, folded. */
static void add_field(struct buf *b, const char *name, const char *prefix, struct slice s)
{
	buf_addf(b, "%s:%s", name, prefix);
	add_folded(b, s, strlen(name) + 1 + strlen(prefix), "    ");
	buf_add_cstr(b, "\r\n");
}

static void add_date(struct buf *b, const char *name, int64_t sec, int zone)
{
	buf_addf(b, "%s: ", name);
	mail_date_format(b, sec, zone);
	buf_add_cstr(b, "\r\n");
}

/* ---- the parts -------------------------------------------------------------------------- */

static const char *action_name(enum dsn_action a)
{
	static const char *const names[] = { "failed", "delayed", "delivered", "relayed", "expanded" };

	return names[a];
}

static bool any_action(const struct dsn *d, enum dsn_action a)
{
	for (size_t i = 0; i < d->rcpts_n; i++)
		if (d->rcpts[i].action == a)
			return true;
	return false;
}

static void add_header(struct buf *b, const struct dsn *d, bool eight)
{
	const char *subject = any_action(d, DSN_FAILED) ? "Undelivered Mail Returned to Sender" :
	    any_action(d, DSN_DELAYED) ? "Delayed Mail (still being retried)" : "Successful Mail Delivery Report";

	buf_add_cstr(b, "From: Mail Delivery System <MAILER-DAEMON@");
	add_plain(b, d->reporting_mta);
	buf_add_cstr(b, ">\r\nTo: <");
	add_plain(b, d->sender);
	buf_addf(b, ">\r\nSubject: %s\r\n", subject);
	add_date(b, "Date", d->now, d->zone);
	buf_add_cstr(b, "Message-ID: <");
	add_plain(b, d->message_id);
	buf_add_cstr(b, ">\r\n");
	if (d->original_id.len != 0) {
		buf_add_cstr(b, "In-Reply-To: <");
		add_plain(b, d->original_id);
		buf_add_cstr(b, ">\r\nReferences: <");
		add_plain(b, d->original_id);
		buf_add_cstr(b, ">\r\n");
	}
	buf_add_cstr(b, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
	add_plain(b, d->boundary);
	buf_add_cstr(b, "\"\r\n");
	if (eight)
		buf_add_cstr(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_cstr(b, "\r\nThis is a report in MIME format about a message that you sent.\r\n\r\n");
}

static void add_delimiter(struct buf *b, const struct dsn *d, const char *end)
{
	buf_add_cstr(b, "--");
	add_plain(b, d->boundary);
	buf_add_cstr(b, end);
}

static void add_reasons(struct buf *b, const struct dsn *d, enum dsn_action action)
{
	for (size_t i = 0; i < d->rcpts_n; i++) {
		const struct dsn_recipient *r = &d->rcpts[i];

		if (r->action != action)
			continue;
		buf_add_cstr(b, "  <");
		add_plain(b, r->final);
		buf_add_cstr(b, ">\r\n   ");
		if (r->remote_mta.len != 0) {
			buf_add_cstr(b, " host ");
			add_plain(b, r->remote_mta);
			buf_add_cstr(b, " said:\r\n   ");
		}
		if (r->diagnostic.len != 0)
			add_folded(b, r->diagnostic, 3, "    ");
		else
			buf_addf(b, " %s", action_name(action));
		buf_add_cstr(b, "\r\n");
		if (action == DSN_DELAYED && r->will_retry_until != 0) {
			buf_add_cstr(b, "    It is tried again until ");
			mail_date_format(b, r->will_retry_until, d->zone);
			buf_add_cstr(b, ".\r\n");
		}
		buf_add_cstr(b, "\r\n");
	}
}

static void add_text(struct buf *b, const struct dsn *d)
{
	static const struct { enum dsn_action action; const char *text; } t[] = {
		{ DSN_FAILED, "Your message could not be delivered to these recipients:\r\n\r\n" },
		{ DSN_DELAYED, "Your message has not been delivered to these recipients yet. You need\r\n"
		    "not send it again: it stays here and is tried again.\r\n\r\n" },
		{ DSN_DELIVERED, "Your message was delivered to these recipients:\r\n\r\n" },
		{ DSN_RELAYED, "Your message was handed to a system that sends no reports, for these\r\nrecipients:\r\n\r\n" },
		{ DSN_EXPANDED, "Your message was handed on to the members of these addresses:\r\n\r\n" },
	};

	add_delimiter(b, d, "\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Description: Notification\r\n\r\n");
	buf_add_cstr(b, "This is the mail system at ");
	add_plain(b, d->reporting_mta);
	buf_add_cstr(b, ".\r\n\r\n");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		if (!any_action(d, t[i].action))
			continue;
		buf_add_cstr(b, t[i].text);
		add_reasons(b, d, t[i].action);
	}
	if (d->queue_id.len != 0) {
		buf_add_cstr(b, "Its name in our logs is ");
		add_plain(b, d->queue_id);
		buf_add_cstr(b, ".\r\n");
	}
}

static void add_rcpt_fields(struct buf *b, const struct dsn *d, const struct dsn_recipient *r)
{
	buf_add_cstr(b, "\r\n");
	if (r->original.len != 0)
		add_field(b, "Original-Recipient", "", r->original);
	add_field(b, "Final-Recipient", " rfc822;", r->final);
	buf_addf(b, "Action: %s\r\n", action_name(r->action));
	add_field(b, "Status", "", r->status);
	if (r->remote_mta.len != 0)
		add_field(b, "Remote-MTA", " dns;", r->remote_mta);
	/* only a reply of SMTP is one of type smtp (RFC 3464 2.3.6) */
	if (r->diagnostic.len != 0)
		add_field(b, "Diagnostic-Code", r->remote_mta.len != 0 ? " smtp;" : " X-Pabal;", r->diagnostic);
	if (r->last_attempt != 0)
		add_date(b, "Last-Attempt-Date", r->last_attempt, d->zone);
	if (r->action == DSN_DELAYED && r->will_retry_until != 0)
		add_date(b, "Will-Retry-Until", r->will_retry_until, d->zone);
}

static void add_status(struct buf *b, const struct dsn *d)
{
	buf_add_cstr(b, "\r\n");
	add_delimiter(b, d, "\r\nContent-Type: message/delivery-status\r\nContent-Description: Delivery report\r\n\r\n");
	add_field(b, "Reporting-MTA", " dns;", d->reporting_mta);
	if (d->envid.len != 0)
		add_field(b, "Original-Envelope-Id", "", d->envid);
	if (d->queue_id.len != 0)
		add_field(b, "X-Pabal-Queue-ID", "", d->queue_id);
	add_date(b, "Arrival-Date", d->arrival, d->zone);
	for (size_t i = 0; i < d->rcpts_n; i++)
		add_rcpt_fields(b, d, &d->rcpts[i]);
}

/* What of the original goes back. */
static struct slice returned(const struct dsn *d, bool *full_r)
{
	struct slice s = d->original;

	*full_r = d->full && s.len <= d->original_max;
	if (*full_r)
		return s;
	s = slice_sub(s, 0, header_size(s));
	if (s.len > DSN_HEADER_MAX) {
		s = slice_sub(s, 0, DSN_HEADER_MAX);
		while (s.len != 0 && s.p[s.len - 1] != '\n')
			s.len--;
	}
	return s;
}

static bool has_8bit(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (is_class(s.p[i], CC_8BIT))
			return true;
	return false;
}

static void add_original(struct buf *b, const struct dsn *d, struct slice part, bool full, bool eight)
{
	buf_add_cstr(b, "\r\n");
	add_delimiter(b, d, "\r\n");
	buf_add_cstr(b, full ? "Content-Type: message/rfc822\r\nContent-Description: Undelivered Message\r\n" :
	    "Content-Type: text/rfc822-headers\r\nContent-Description: Headers of the message\r\n");
	if (eight)
		buf_add_cstr(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_cstr(b, "\r\n");
	buf_add_slice(b, part);
}

int dsn_format(struct buf *b, const struct dsn *d)
{
	bool full, eight;
	struct slice part;

	if (d->sender.len == 0)
		return ERR_STATE;
	part = returned(d, &full);
	if (part.len != 0 && memmem(part.p, part.len, d->boundary.p, d->boundary.len) != NULL)
		return ERR_EXISTS;
	eight = has_8bit(part);
	add_header(b, d, eight);
	add_text(b, d);
	add_status(b, d);
	if (d->original.len != 0)
		add_original(b, d, part, full, eight);
	buf_add_cstr(b, "\r\n");
	add_delimiter(b, d, "--\r\n");
	return buf_err(b);
}
