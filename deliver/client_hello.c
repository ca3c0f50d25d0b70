/* The beginning of a session: greeting, EHLO or HELO, STARTTLS. */
#include "deliver/client_private.h"

#include <stdio.h>

#include "common/base/strnum.h"

static bool is_own_name(const struct client *c, struct slice text)
{
	ptrdiff_t end = slice_chr(text, '\n');

	if (end >= 0)
		text = slice_sub(text, 0, (size_t)end);
	end = slice_chr(text, ' ');
	if (end >= 0)
		text = slice_sub(text, 0, (size_t)end);
	return text.len != 0 && slice_ieq(text, c->name);
}

static enum client_event client_looped(struct client *c)
{
	char text[CLIENT_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "mail loops back to myself: the host greets as %.*s", SLICE_ARG(c->name));
	return client_fail(c, CLIENT_FAIL_LOOP, "5.4.6", slice_cstr(text));
}

static void client_hello(struct client *c, const char *verb, enum client_state state, struct buf *out)
{
	buf_addf(out, "%s %.*s\r\n", verb, SLICE_ARG(c->name));
	c->state = state;
}

/* ehlo-line = ehlo-keyword *( SP ehlo-param ) */
static void ehlo_line(struct client *c, struct slice line)
{
	static const struct { const char *name; unsigned cap; } words[] = {
		{ "PIPELINING", CAP_PIPELINING }, { "SIZE", CAP_SIZE }, { "8BITMIME", CAP_8BITMIME },
		{ "DSN", CAP_DSN }, { "ENHANCEDSTATUSCODES", CAP_STATUS }, { "STARTTLS", CAP_STARTTLS },
	};
	ptrdiff_t sp = slice_chr(line, ' ');
	struct slice word = sp >= 0 ? slice_sub(line, 0, (size_t)sp) : line;
	struct slice arg = sp >= 0 ? slice_trim(slice_sub(line, (size_t)sp + 1, SIZE_MAX)) : slice_of(NULL, 0);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_ieq_cstr(word, words[i].name))
			c->caps |= words[i].cap;
	if (slice_ieq_cstr(word, "SIZE") && slice_to_u64(arg, UINT64_MAX, &c->size_limit) != 0)
		c->size_limit = 0;
}

static void ehlo_parse(struct client *c, struct slice text)
{
	size_t off = 0;
	bool first = true;

	c->caps = 0;
	c->size_limit = 0;
	while (off <= text.len) {
		struct slice rest = slice_sub(text, off, SIZE_MAX);
		ptrdiff_t nl = slice_chr(rest, '\n');
		struct slice line = nl >= 0 ? slice_sub(rest, 0, (size_t)nl) : rest;

		if (!first)
			ehlo_line(c, line);
		first = false;
		off += line.len + 1;
	}
}

enum client_event client_on_greeting(struct client *c, const struct smtp_reply *r, struct buf *out)
{
	if (r->code != 220)
		return r->code / 100 >= 4 ? client_fail_reply(c, CLIENT_FAIL_REFUSED, r) :
		    client_fail_protocol(c, "unexpected code");
	if (is_own_name(c, r->text))
		return client_looped(c);
	client_hello(c, "EHLO", CS_EHLO, out);
	return CLIENT_MORE;
}

/* Greeted: TLS first, or ready. What an EHLO under TLS says of STARTTLS means nothing (RFC 3207 4.2). */
static enum client_event client_greeted(struct client *c, struct buf *out)
{
	if (!c->secure && c->tls != CLIENT_TLS_NEVER && (c->caps & CAP_STARTTLS)) {
		buf_add_cstr(out, "STARTTLS\r\n");
		c->state = CS_STARTTLS;
		return CLIENT_MORE;
	}
	if (!c->secure && c->tls == CLIENT_TLS_MUST)
		return client_fail(c, CLIENT_FAIL_TLS, "4.7.4", SLICE_LIT("TLS is required, but was not offered by host"));
	c->state = CS_READY;
	return CLIENT_READY;
}

enum client_event client_on_hello(struct client *c, const struct smtp_reply *r, struct buf *out)
{
	bool ehlo = c->state == CS_EHLO;

	switch (r->code / 100) {
	case 2:
		if (is_own_name(c, r->text))
			return client_looped(c);
		if (ehlo)
			ehlo_parse(c, r->text);
		return client_greeted(c, out);
	case 5:
		if (!ehlo)
			return client_fail_reply(c, CLIENT_FAIL_REFUSED, r);
		client_hello(c, "HELO", CS_HELO, out);
		return CLIENT_MORE;
	case 4:
		return client_fail_reply(c, CLIENT_FAIL_REFUSED, r);
	default:
		return client_fail_protocol(c, "unexpected code");
	}
}

/*
 * RFC 3207 4. Bytes behind the 220 were sent before the handshake by somebody who wants them read after it: nobody
 * goes on with such a host, not without TLS either.
 */
enum client_event client_on_starttls(struct client *c, const struct smtp_reply *r, bool more)
{
	char reply[CLIENT_TEXT_MAX + 1], text[CLIENT_TEXT_MAX + 1];

	if (r->code == 220 && more)
		return client_fail(c, CLIENT_FAIL_INJECTION, "4.7.0",
		    SLICE_LIT("the host sent bytes behind its reply to STARTTLS, which nobody does who means well"));
	if (r->code == 220) {
		c->state = CS_TLS;
		return CLIENT_TLS;
	}
	if (r->code / 100 < 4)
		return client_fail_protocol(c, "unexpected code");
	if (c->tls == CLIENT_TLS_MUST) {
		(void)snprintf(text, sizeof(text), "TLS is required, but the host refused it: %.300s",
		    (const char *)client_reply_text(r, reply).p);
		return client_fail(c, CLIENT_FAIL_TLS, "4.7.4", slice_cstr(text));
	}
	c->state = CS_READY;
	return CLIENT_READY;
}

void client_tls_started(struct client *c, struct buf *out)
{
	if (c->state != CS_TLS)
		return;
	reply_reader_free(&c->replies);
	reply_reader_init(&c->replies);
	c->secure = true;
	c->caps = 0;
	c->size_limit = 0;
	client_hello(c, "EHLO", CS_EHLO, out);
}

void client_tls_failed(struct client *c, const char *why)
{
	char text[CLIENT_TEXT_MAX + 1];

	if (c->state != CS_TLS)
		return;
	(void)snprintf(text, sizeof(text), "TLS handshake failed: %s", why);
	(void)client_fail(c, CLIENT_FAIL_TLS, "4.7.5", slice_cstr(text));
}
