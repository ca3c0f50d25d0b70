/*
 * The header of a submitted message. All of it is in memory when it is looked at
 * (content.c holds it back from the file), so that what is missing can be put
 * below our Received field. RFC 6409 8; RFC 5322 3.6.
 */
#include "smtpd/submit.h"

#include "common/base/clock.h"
#include "common/mail/addrlist.h"
#include "common/mail/date.h"
#include "common/mail/header.h"
#include "smtpd/internal.h"

enum { FIELD_MAX = 16 * 1024, ADDR_TEXT_MAX = 1024 };

/* ---- addresses ------------------------------------------------------------------ */

/* The address as the envelope would have it; empty if no envelope could. ERR_NOMEM. */
static int addr_canonical(struct arena *a, const struct mail_addr *addr, struct slice *text_r)
{
	struct buf b = BUF_INIT(ADDR_TEXT_MAX);
	struct mail_path path;
	int r = ERR_SYNTAX;

	buf_add_byte(&b, '"');
	for (size_t i = 0; i < addr->local.len; i++) {
		if (addr->local.p[i] == '"' || addr->local.p[i] == '\\')
			buf_add_byte(&b, '\\');
		buf_add_byte(&b, addr->local.p[i]);
	}
	buf_add_cstr(&b, "\"@");
	buf_add_slice(&b, addr->domain);
	if (buf_err(&b) == 0)
		r = mail_mailbox_parse(buf_slice(&b), 0, &path);
	if (r == 0)
		r = mail_path_canonical(&path, a, text_r);
	if (r != 0)
		*text_r = slice_of(NULL, 0);
	buf_free(&b);
	return r == ERR_NOMEM ? r : 0;
}

/* The addresses of a field, at most max: their number, or why it is refused. */
static const char *take_addrs(struct smtp_tx *tx, struct slice body, struct slice *addrs, unsigned max, unsigned *n_r)
{
	struct buf line = BUF_INIT(FIELD_MAX);
	const char *refused = NULL;
	struct addr_walker w;
	struct mail_addr addr;

	*n_r = 0;
	header_unfold(body, &line);
	if (buf_err(&line) != 0)
		refused = "The From or Sender field is too long";
	addr_walk(&w, buf_slice(&line));
	while (refused == NULL && addr_next(&w, &addr)) {
		if (addr.kind != ADDR_MAILBOX)
			continue;
		if (*n_r == max)
			refused = max == 1 ? "Sender names more than one address" : "From names too many addresses";
		else if (addr_canonical(tx->arena, &addr, &addrs[(*n_r)++]) != 0)
			smtp_content_fail(tx->content, ERR_NOMEM);
	}
	addr_walk_end(&w);
	buf_free(&line);
	return refused;
}

/* ---- the header ------------------------------------------------------------------ */

struct seen {
	unsigned from, sender;
	bool date, message_id;
	struct slice from_body, sender_body;
	size_t size;             /* of the header */
	bool blank;              /* it ended with an empty line */
	bool cut;
};

/* Walks over our own fields in front too, as every reader will. */
static void look(struct slice all, size_t prefix_len, struct seen *seen_r)
{
	struct header_walker w;
	struct mail_field f;

	memset(seen_r, 0, sizeof(*seen_r));
	if (all.len > prefix_len && is_class(all.p[prefix_len], CC_WSP))
		return;    /* it would go on with a field of ours */
	header_walk(&w, all);
	while (header_next(&w, &f)) {
		if (f.off < prefix_len)
			continue;
		if (slice_ieq_cstr(f.name, "From") && seen_r->from++ == 0)
			seen_r->from_body = f.body;
		else if (slice_ieq_cstr(f.name, "Sender") && seen_r->sender++ == 0)
			seen_r->sender_body = f.body;
		seen_r->date = seen_r->date || slice_ieq_cstr(f.name, "Date");
		seen_r->message_id = seen_r->message_id || slice_ieq_cstr(f.name, "Message-ID");
	}
	seen_r->size = w.off - prefix_len;
	seen_r->blank = w.blank;
	seen_r->cut = w.cut;
}

static const char *take_fields(struct smtp_session *s, const struct seen *seen)
{
	struct smtp_submit *sub = s->tx->submit;
	const char *refused = NULL;
	unsigned n;

	if (seen->from > 1 || seen->sender > 1)
		return "The header has more than one From or Sender field";
	sub->has_from = seen->from != 0;
	sub->has_sender = seen->sender != 0;
	if (seen->from != 0)
		refused = take_addrs(s->tx, seen->from_body, sub->from, SMTP_FROM_MAX, &sub->from_n);
	if (refused == NULL && seen->sender != 0)
		refused = take_addrs(s->tx, seen->sender_body, &sub->sender, 1, &n);
	return refused;
}

/* Whose message it is when it does not say: the envelope's sender, or who has logged in. */
static struct slice author(const struct smtp_session *s)
{
	struct slice user = slice_cstr(s->user);
	struct mail_path path;

	if (s->tx->sender.len != 0)
		return s->tx->sender;
	return mail_mailbox_parse(user, 0, &path) == 0 ? user : slice_of(NULL, 0);
}

static const char *add_missing(struct smtp_session *s, const struct seen *seen, struct buf *b)
{
	struct smtp_content *c = s->tx->content;
	struct slice from = author(s);

	if (seen->from == 0 && from.len == 0)
		return "The From field is missing";
	if (!seen->date) {
		buf_add_cstr(b, "Date: ");
		mail_date_format(b, (int64_t)clock_wall_s(), 0);
		buf_add_cstr(b, "\r\n");
	}
	if (seen->from == 0)
		buf_addf(b, "From: <%.*s>\r\n", SLICE_ARG(from));
	if (!seen->message_id) {
		size_t at = buf_len(b) + sizeof("Message-ID: ") - 1;

		buf_addf(b, "Message-ID: <%llu.%s@%s>\r\n", (unsigned long long)clock_wall_us(), s->tx->id, s->env->hostname);
		c->message_id = arena_dup(s->tx->arena, slice_sub(buf_slice(b), at, buf_len(b) - at - 2));
	}
	return NULL;
}

/* The header is there: its end, or as much as is ever held. */
static void header_come(void *ctx, struct smtp_content *c)
{
	struct smtp_session *s = ctx;
	struct slice in = slice_sub(buf_slice(&c->bytes), c->prefix_len, SIZE_MAX);
	struct buf add = BUF_INIT(SMTP_HEADER_ADD);
	struct seen seen;

	look(buf_slice(&c->bytes), c->prefix_len, &seen);
	/* Not its end: a line that is no field, and all there. */
	if (seen.cut || (c->in_header && !c->ended && slice_chr(slice_sub(in, seen.size, SIZE_MAX), '\n') < 0))
		c->refused = "The header is too long";
	if (c->refused == NULL)
		c->refused = take_fields(s, &seen);
	if (c->refused == NULL)
		c->refused = add_missing(s, &seen, &add);
	if (smtp_content_fault(c) == SMTP_FAULT_NONE) {
		/* A line that is no field begins the body: say so to every reader alike. */
		if (!seen.blank && seen.size < in.len)
			smtp_content_insert(c, c->prefix_len + seen.size, SLICE_LIT("\r\n"));
		smtp_content_insert(c, c->prefix_len, buf_slice(&add));
		if (buf_err(&add) != 0)
			smtp_content_fail(c, ERR_FULL);
	}
	buf_free(&add);
}

int smtp_submit_begin(struct smtp_session *s)
{
	s->tx->submit = arena_alloc(s->tx->arena, sizeof(*s->tx->submit));
	if (s->tx->submit == NULL)
		return ERR_NOMEM;
	smtp_content_hold_header(s->tx->content, header_come, s);
	return 0;
}

/* ---- whose name it is ------------------------------------------------------------- */

static enum smtp_verdict accept(struct smtp_session *s)
{
	s->want = SMTP_WANT_ACCEPT;
	return SMTP_WAIT;
}

static enum smtp_verdict refuse(struct smtp_session *s, struct smtp_reply *reply)
{
	const struct smtp_submit *sub = s->tx->submit;

	if (sub->by_sender && sub->sender.len == 0)
		smtp_reply_set(reply, 550, "5.6.0", "The Sender field names no address");
	else if (sub->by_sender)
		smtp_reply_set(reply, 550, "5.7.1", "<%.*s>: Sender field rejected: not owned by user %s", SLICE_ARG(sub->sender), s->user);
	else if (sub->from_n == 0)
		smtp_reply_set(reply, 550, "5.6.0", "The From field names no address");
	else
		smtp_reply_set(reply, 550, "5.7.1", "<%.*s>: From field rejected: not owned by user %s",
		    SLICE_ARG(sub->from[sub->next]), s->user);
	return SMTP_TX_END;
}

/* True if accountd has to be asked about it: the envelope's sender is known to be the user's own. */
static bool to_ask(struct smtp_session *s, struct slice addr)
{
	if (slice_eq(addr, s->tx->sender))
		return false;
	s->tx->submit->asked = addr;
	s->want = SMTP_WANT_SENDER;
	return true;
}

/*
 * From is through, or it did not do. A Sender has to be the user's own in either case: readers show it in front of From
 * ("x on behalf of y").
 */
static enum smtp_verdict try_sender(struct smtp_session *s, struct smtp_reply *reply)
{
	struct smtp_submit *sub = s->tx->submit;
	bool through = sub->next == sub->from_n && (sub->from_n != 0 || !sub->has_from);

	if (!sub->by_sender && !sub->has_sender && through)
		return accept(s);
	if (sub->by_sender || !sub->has_sender)
		return refuse(s, reply);
	sub->by_sender = true;
	if (sub->sender.len == 0)
		return refuse(s, reply);
	return to_ask(s, sub->sender) ? SMTP_WAIT : accept(s);
}

enum smtp_verdict smtp_submit_check(struct smtp_session *s, struct smtp_reply *reply)
{
	struct smtp_submit *sub = s->tx->submit;

	for (; sub->next < sub->from_n; sub->next++) {
		struct slice addr = sub->from[sub->next];

		if (addr.len == 0)
			return try_sender(s, reply);
		if (to_ask(s, addr))
			return SMTP_WAIT;
	}
	return try_sender(s, reply);
}

enum smtp_verdict smtp_submit_checked(struct smtp_session *s, enum smtp_sender result, struct smtp_reply *reply)
{
	struct smtp_submit *sub = s->tx->submit;

	if (result == SMTP_SENDER_TEMPFAIL) {
		smtp_sender_reply(s, result, sub->asked, reply);
		return SMTP_TX_END;
	}
	if (result == SMTP_SENDER_FOREIGN)
		return try_sender(s, reply);
	if (sub->by_sender)
		return accept(s);
	sub->next++;
	return smtp_submit_check(s, reply);
}
