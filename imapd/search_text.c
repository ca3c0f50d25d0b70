/* Text as SEARCH compares it: decoded (RFC 2047, transfer encodings, charsets) and in lower case. */
#include "imapd/search.h"

#include "common/mail/charset.h"
#include "common/mail/header.h"
#include "common/mail/mime.h"
#include "common/mail/rfc2047.h"

/* Simple case folding of the scripts that have cases and are common in mail. */
static uint32_t fold_one(uint32_t c)
{
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f) ||
	    (c >= 0xff21 && c <= 0xff3a))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) || (c >= 0x14a && c <= 0x177) ||
	    (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x1e00 && c <= 0x1eff))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	if (c == 0x178)
		return 0xff;
	if (c == 0x3c2)
		return 0x3c3;
	if (c == 0x1e9e)
		return 0xdf;
	return c;
}

void search_fold(struct slice in, struct buf *out)
{
	uint8_t *p = buf_reserve(out, in.len);
	size_t i = 0;

	if (p == NULL)
		return;
	for (; i < in.len && in.p[i] < 0x80; i++)
		p[i] = ascii_lower(in.p[i]);
	buf_commit(out, i);
	while (i < in.len) {
		uint32_t c;
		size_t n = in.p[i] < 0x80 ? 0 : utf8_take(slice_sub(in, i, SIZE_MAX), &c);

		if (n == 0)
			buf_add_byte(out, ascii_lower(in.p[i++]));
		else
			utf8_add(out, fold_one(c));
		i += n;
	}
}

bool search_contains(struct slice folded, struct slice needle)
{
	return needle.len == 0 || (folded.len != 0 && memmem(folded.p, folded.len, needle.p, needle.len) != NULL);
}

/* Decodes encoded words, folds, compares; scratch buffers are the caller's. */
static bool decoded_contains(struct slice raw, struct slice needle)
{
	struct buf text = BUF_INIT(4 * SEARCH_HEADER_MAX), folded = BUF_INIT(4 * SEARCH_HEADER_MAX);
	bool hit;

	rfc2047_decode(raw, &text);
	search_fold(buf_slice(&text), &folded);
	hit = search_contains(buf_slice(&folded), needle);
	buf_free(&text);
	buf_free(&folded);
	return hit;
}

bool search_in_header(struct slice header, struct slice name, struct slice needle)
{
	struct header_walker w;
	struct mail_field f;
	bool hit = false;

	header_walk(&w, header);
	while (!hit && header_next(&w, &f)) {
		struct buf line = BUF_INIT(SEARCH_HEADER_MAX);

		if (!slice_ieq(f.name, name))
			continue;
		header_unfold(f.body, &line);
		hit = needle.len == 0 || decoded_contains(buf_slice(&line), needle);
		buf_free(&line);
	}
	return hit;
}

void search_header_text(struct slice header, struct buf *out)
{
	struct header_walker w;
	struct mail_field f;
	struct buf line = BUF_INIT(SEARCH_HEADER_MAX), text = BUF_INIT(4 * SEARCH_HEADER_MAX);

	header_walk(&w, header);
	while (header_next(&w, &f)) {
		buf_reset(&line);
		buf_reset(&text);
		header_unfold(f.body, &line);
		buf_add_slice(&text, f.name);
		buf_add_cstr(&text, ": ");
		rfc2047_decode(buf_slice(&line), &text);
		buf_add_byte(&text, '\n');
		search_fold(buf_slice(&text), out);
	}
	buf_free(&line);
	buf_free(&text);
}

void search_part_text(struct slice raw, const struct mail_part *part, struct buf *out)
{
	struct buf bytes = BUF_INIT(SEARCH_PART_MAX + 1024), text = BUF_INIT(4 * SEARCH_PART_MAX);

	mime_decode((enum mime_encoding)part->encoding, raw, &bytes);
	charset_to_utf8(part->charset, buf_slice(&bytes), &text);
	search_fold(buf_slice(&text), out);
	buf_free(&bytes);
	buf_free(&text);
}

/* ---- the envelope's text ------------------------------------------------------------- */

/* The addresses of "(" 1*address ")" / nil as "name <local@domain>" lines. */
static int take_addresses(struct imap_parse *p, struct buf *out)
{
	struct slice v[4];

	if (cur_take_icase(&p->cur, "NIL"))
		return 0;
	if (!cur_take_byte(&p->cur, '('))
		return ERR_SYNTAX;
	while (cur_take_byte(&p->cur, '(')) {
		for (unsigned i = 0; i < 4; i++)
			if ((i != 0 && !cur_take_byte(&p->cur, ' ')) || imap_take_nstring(p, &v[i]) != 0)
				return ERR_SYNTAX;
		buf_add_slice(out, v[0]);
		buf_add_cstr(out, " <");
		buf_add_slice(out, v[2]);
		if (v[3].p != NULL)
			buf_add_byte(out, '@');
		buf_add_slice(out, v[3]);
		buf_add_cstr(out, ">\n");
		if (!cur_take_byte(&p->cur, ')'))
			return ERR_SYNTAX;
		(void)cur_take_byte(&p->cur, ' ');
	}
	return cur_take_byte(&p->cur, ')') ? 0 : ERR_SYNTAX;
}

/* (date subject from sender reply-to to cc bcc in-reply-to message-id): goes to the field and takes its text;
 * *nil_r: it says NIL for it. */
static int envelope_field(struct slice envelope, struct slice name, struct arena *arena, struct buf *out, bool *nil_r)
{
	static const char *const names[] = { "Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc",
		"In-Reply-To", "Message-ID" };
	struct imap_parse p = { .cur = cursor_of(envelope), .arena = arena };
	struct slice text;

	if (!cur_take_byte(&p.cur, '('))
		return ERR_SYNTAX;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_reset(out);
		if (i < 2 || i > 7) {
			if (imap_take_nstring(&p, &text) != 0)
				return ERR_SYNTAX;
			*nil_r = text.p == NULL;
			buf_add_slice(out, text);
		} else if (take_addresses(&p, out) != 0) {
			return ERR_SYNTAX;
		}
		if (slice_ieq_cstr(name, names[i]))
			return buf_err(out);
		if (!cur_take_byte(&p.cur, i + 1 < ARRAY_LEN(names) ? ' ' : ')'))
			return ERR_SYNTAX;
	}
	return ERR_NOTFOUND;
}

enum search_result search_in_envelope(struct slice envelope, struct slice name, struct slice needle)
{
	struct buf text = BUF_INIT(SEARCH_HEADER_MAX);
	struct arena *arena = arena_new(SEARCH_HEADER_MAX);
	enum search_result r = SEARCH_MAYBE;
	bool nil;

	if (arena != NULL && envelope_field(envelope, name, arena, &text, &nil) == 0) {
		if (needle.len == 0)
			r = buf_len(&text) != 0 ? SEARCH_YES : SEARCH_MAYBE;
		else if (decoded_contains(buf_slice(&text), needle))
			r = SEARCH_YES;
		else    /* long fields are cut in it: the header decides then */
			r = buf_len(&text) < 4096 ? SEARCH_NO : SEARCH_MAYBE;
	}
	arena_free(&arena);
	buf_free(&text);
	return r;
}

bool search_is_text_field(struct slice name)
{
	return slice_ieq_cstr(name, "Subject") || slice_ieq_cstr(name, "Message-ID") || slice_ieq_cstr(name, "Date") ||
	    slice_ieq_cstr(name, "In-Reply-To");
}

enum search_result search_in_summary(const struct mail_summary *sum, struct slice name, struct slice needle, struct arena *arena)
{
	struct buf text = BUF_INIT(SEARCH_HEADER_MAX);
	enum search_result r = SEARCH_MAYBE;
	bool nil = false;

	if ((sum->parts[0].flags & PART_WHOLE) != 0 && search_is_text_field(name) &&
	    envelope_field(sum->envelope, name, arena, &text, &nil) == 0)
		r = !nil && (needle.len == 0 || decoded_contains(buf_slice(&text), needle)) ? SEARCH_YES : SEARCH_NO;
	buf_free(&text);
	return r;
}
