#include "config.h"

#include "common/mail/preview.h"

#include "common/base/strnum.h"
#include "common/mail/charset.h"
#include "common/mail/qp.h"

enum { PREVIEW_INPUT = 16 * 1024 };    /* bytes of the part that are looked at */

static struct mime_part *find_text(struct mime_part *root, const char *subtype)
{
	for (struct mime_part *p = root; p != NULL; p = mime_next(p))
		if (mime_is_text(p) && slice_ieq_cstr(p->type.subtype, subtype) && p->body_len != 0 &&
		    !slice_ieq_cstr(p->disposition.type, "attachment"))
			return p;
	return NULL;
}

/* Adds s with runs of spaces and controls as one space, until *left characters are there. */
static void add_words(struct buf *b, struct slice s, unsigned *left)
{
	bool gap = buf_len(b) != 0;
	uint32_t cp;
	size_t n;

	for (size_t i = 0; i < s.len && *left != 0; i += n) {
		/* The letters of a word at once. */
		for (n = 0; !gap && n < *left && n < s.len - i && s.p[i + n] > 32 && s.p[i + n] < 0x7f; n++)
			;
		if (n != 0) {
			buf_add_slice(b, slice_sub(s, i, n));
			*left -= (unsigned)n;
			continue;
		}
		n = utf8_take(slice_sub(s, i, 4), &cp);
		if (n == 0)
			return;
		if (cp <= 32 || (cp >= 0x7f && cp <= 0xa0) || cp == 0x200b || cp == 0xfeff || cp == 0x2028 || cp == 0x2029) {
			gap = gap || buf_len(b) != 0;
			continue;
		}
		if (gap && *left == 1)
			return;
		if (gap) {
			buf_add_byte(b, ' ');
			(*left)--;
		}
		gap = false;
		buf_add_slice(b, slice_sub(s, i, n));
		(*left)--;
	}
}

static void add_plain(struct buf *b, struct slice text, bool quoted_too)
{
	unsigned left = PREVIEW_CHARS;

	for (size_t off = 0; off < text.len && left != 0;) {
		struct slice line = slice_sub(text, off, SIZE_MAX);
		ptrdiff_t lf = slice_chr(line, '\n');

		if (lf >= 0)
			line = slice_sub(line, 0, (size_t)lf);
		off += line.len + 1;
		if (!quoted_too && line.len != 0 && line.p[0] == '>')
			continue;
		add_words(b, line, &left);
	}
}

/* ---- HTML ----------------------------------------------------------------------- */

static bool name_in(struct slice name, const char *const *set, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq_cstr(name, set[i]))
			return true;
	return false;
}

/* Where the element whose text nobody reads ends: after "</name". */
static size_t skip_element(struct slice s, size_t off, struct slice name)
{
	for (; off < s.len; off++)
		if (s.p[off] == '<' && s.len - off > name.len + 1 && s.p[off + 1] == '/' &&
		    slice_ieq(slice_sub(s, off + 2, name.len), name))
			return off + 2 + name.len;
	return s.len;
}

/* After "<": the tag or comment; returns where it ends. */
static size_t take_tag(struct slice s, size_t off, struct buf *out)
{
	static const char *const unread[] = { "style", "script", "head", "title" };
	static const char *const inline_tags[] = { "a", "b", "i", "u", "em", "strong", "span", "font", "small", "big", "sub", "sup" };
	struct slice name, rest = slice_sub(s, off, SIZE_MAX);
	struct cursor c;
	const uint8_t *q;
	ptrdiff_t end;
	bool closing;

	if (rest.len >= 3 && memcmp(rest.p, "!--", 3) == 0) {
		q = memmem(rest.p, rest.len, "-->", 3);
		return q != NULL ? off + (size_t)(q - rest.p) + 3 : s.len;
	}
	c = cursor_of(rest);
	closing = cur_take_byte(&c, '/');
	if (cur_take_class(&c, CC_ALPHA | CC_DIGIT, 64, &name) != 0)
		name = slice_of(NULL, 0);
	if (!closing && name_in(name, unread, ARRAY_LEN(unread)))
		off = skip_element(s, off, name);
	else if (!name_in(name, inline_tags, ARRAY_LEN(inline_tags)))
		buf_add_byte(out, ' ');
	end = slice_chr(slice_sub(s, off, SIZE_MAX), '>');
	return end >= 0 ? off + (size_t)end + 1 : s.len;
}

/* What stands between "&" and ";", or 0. */
static uint32_t entity_value(struct slice e)
{
	static const struct { const char *name; uint32_t cp; } t[] = {
		{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' }, { "nbsp", ' ' },
		{ "copy", 0xa9 }, { "reg", 0xae }, { "hellip", 0x2026 }, { "ndash", 0x2013 }, { "mdash", 0x2014 },
		{ "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "ldquo", 0x201c }, { "rdquo", 0x201d }, { "euro", 0x20ac },
		{ "zwnj", ' ' }, { "shy", ' ' },
	};
	uint32_t cp = 0;

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (slice_eq_cstr(e, t[i].name))
			return t[i].cp;
	if (e.len < 2 || e.p[0] != '#')
		return 0;
	if (ascii_lower(e.p[1]) != 'x')
		return slice_to_u32(slice_sub(e, 1, SIZE_MAX), 0x10ffff, &cp) == 0 ? cp : 0;
	for (size_t i = 2; i < e.len && cp < 0x110000; i++) {
		if (hex_value(e.p[i]) < 0)
			return 0;
		cp = cp << 4 | (uint32_t)hex_value(e.p[i]);
	}
	return cp;
}

/* After "&": adds the character, or the "&" when nothing known follows; returns where to go on. */
static size_t take_entity(struct slice s, size_t off, struct buf *out)
{
	struct slice e = slice_sub(s, off, 12);
	ptrdiff_t end = slice_chr(e, ';');
	uint32_t cp = end > 0 ? entity_value(slice_sub(e, 0, (size_t)end)) : 0;

	if (cp == 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) {
		buf_add_byte(out, '&');
		return off;
	}
	utf8_add(out, cp);
	return off + (size_t)end + 1;
}

static void html_text(struct slice s, struct buf *out)
{
	size_t i = 0, run = 0;

	while (i < s.len) {
		if (s.p[i] != '<' && s.p[i] != '&') {
			i++;
			continue;
		}
		buf_add_slice(out, slice_sub(s, run, i - run));
		run = s.p[i] == '<' ? take_tag(s, i + 1, out) : take_entity(s, i + 1, out);
		i = run;
	}
	buf_add_slice(out, slice_sub(s, run, SIZE_MAX));
}

/* ---------------------------------------------------------------------------------- */

void preview_format(struct buf *b, struct slice message, struct mime_part *root)
{
	struct mime_part *p = find_text(root, "plain");
	struct buf raw = BUF_INIT(2 * PREVIEW_INPUT), text = BUF_INIT(8 * PREVIEW_INPUT), plain = BUF_INIT(8 * PREVIEW_INPUT);
	bool html = p == NULL;

	if (html && (p = find_text(root, "html")) == NULL)
		return;
	mime_decode(p->encoding, slice_sub(message, p->body_off, p->body_len < PREVIEW_INPUT ? p->body_len : PREVIEW_INPUT), &raw);
	charset_to_utf8(mime_param_find(&p->type, "charset"), buf_slice(&raw), &text);
	if (html) {
		html_text(buf_slice(&text), &plain);
		add_plain(b, buf_slice(&plain), true);
	} else {
		add_plain(b, buf_slice(&text), false);
		if (buf_len(b) == 0)
			add_plain(b, buf_slice(&text), true);
	}
	buf_free(&raw);
	buf_free(&text);
	buf_free(&plain);
}
