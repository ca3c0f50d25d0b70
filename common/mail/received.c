#include "common/mail/received.h"

#include "common/mail/date.h"

enum { PEER_TEXT_MAX = 255 };

/* s where a word or comment stands. */
static void add_harmless(struct buf *b, struct slice s)
{
	s = slice_sub(s, 0, PEER_TEXT_MAX);
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];
		bool good = c > 32 && c < 127 && c != '(' && c != ')' && c != '\\' && c != '<' && c != '>' &&
		    c != ';' && c != '"' && c != ',';

		buf_add_byte(b, good ? c : '?');
	}
}

/* An address between brackets; its own quotes and specials stay, line breaks cannot. */
static void add_path(struct buf *b, struct slice addr)
{
	buf_add_byte(b, '<');
	for (size_t i = 0; i < addr.len; i++)
		buf_add_byte(b, is_class(addr.p[i], CC_CTL) ? '?' : addr.p[i]);
	buf_add_byte(b, '>');
}

static void add_from(struct buf *b, const struct received *r)
{
	if (r->client_addr.len == 0 && r->helo.len == 0)
		return;
	buf_add_cstr(b, "from ");
	if (r->helo.len != 0)
		add_harmless(b, r->helo);
	else
		buf_add_cstr(b, "unknown");
	if (r->client_addr.len != 0) {
		buf_add_cstr(b, " (");
		if (r->client_name.len != 0)
			add_harmless(b, r->client_name);
		else
			buf_add_cstr(b, "unknown");
		buf_add_cstr(b, slice_chr(r->client_addr, ':') >= 0 ? " [IPv6:" : " [");
		add_harmless(b, r->client_addr);
		buf_add_cstr(b, "])");
	}
	buf_add_cstr(b, "\r\n\t");
}

void received_format(struct buf *b, const struct received *r)
{
	buf_add_cstr(b, "Received: ");
	add_from(b, r);
	if (r->tls != NULL)
		buf_addf(b, "(%s)\r\n\t", r->tls);
	if (r->user.len != 0) {
		buf_add_cstr(b, "(Authenticated sender: ");
		add_harmless(b, r->user);
		buf_add_cstr(b, ")\r\n\t");
	}
	buf_add_cstr(b, "by ");
	add_harmless(b, r->host);
	buf_addf(b, " with %s", r->protocol);
	if (r->id != NULL)
		buf_addf(b, " id %s", r->id);
	if (r->recipient.len != 0) {
		buf_add_cstr(b, "\r\n\tfor ");
		add_path(b, r->recipient);
	}
	buf_add_cstr(b, "; ");
	mail_date_format(b, r->time, r->zone);
	buf_add_cstr(b, "\r\n");
}

void return_path_format(struct buf *b, struct slice sender)
{
	buf_add_cstr(b, "Return-Path: ");
	add_path(b, sender);
	buf_add_cstr(b, "\r\n");
}
