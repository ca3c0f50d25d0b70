#include "common/mail/rfc2047.h"

#include "common/mail/base64.h"
#include "common/mail/charset.h"
#include "common/mail/qp.h"

struct word {
	struct slice charset, text;
	bool base64;
	size_t len;    /* of all of it */
};

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" */
static bool take_word(struct slice s, struct word *w)
{
	struct cursor c = cursor_of(s);
	struct slice rest;
	ptrdiff_t star;
	int enc;

	if (!cur_take_icase(&c, "=?") || cur_take_class(&c, CC_TOKEN, 64, &w->charset) != 0 || !cur_take_byte(&c, '?'))
		return false;
	enc = cur_peek(&c);
	if (enc != 'b' && enc != 'B' && enc != 'q' && enc != 'Q')
		return false;
	c.off++;
	w->base64 = enc == 'b' || enc == 'B';
	if (!cur_take_byte(&c, '?'))
		return false;
	rest = cur_rest(&c);
	for (size_t i = 0; i + 1 < rest.len; i++) {
		/* spaces inside are against the RFC, and real */
		if (rest.p[i] == '?' && rest.p[i + 1] != '=')
			return false;
		if (rest.p[i] != '?')
			continue;
		w->text = slice_sub(rest, 0, i);
		w->len = c.off + i + 2;
		star = slice_chr(w->charset, '*');
		if (star > 0)
			w->charset = slice_sub(w->charset, 0, (size_t)star);
		return true;
	}
	return false;
}

static void decode_q(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '=' && s.len - i > 2 && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0) {
			buf_add_byte(out, (uint8_t)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2])));
			i += 2;
		} else {
			buf_add_byte(out, s.p[i] == '_' ? ' ' : s.p[i]);
		}
	}
}

static size_t spaces(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (is_class(s.p[n], CC_WSP) || s.p[n] == '\r' || s.p[n] == '\n'))
		n++;
	return n;
}

/* One word and its neighbours of the same charset: how far they reach in in from off. */
static size_t decode_run(struct slice in, size_t off, struct word w, struct buf *out)
{
	struct slice charset = w.charset;
	struct buf raw = BUF_INIT(in.len + 8);

	for (;;) {
		struct base64_decoder d = { 0, 0 };
		size_t gap;

		if (w.base64)
			base64_decode(&d, w.text, &raw);
		else
			decode_q(w.text, &raw);
		off += w.len;
		gap = spaces(slice_sub(in, off, SIZE_MAX));
		if (!take_word(slice_sub(in, off + gap, SIZE_MAX), &w))
			break;
		off += gap;
		if (!slice_ieq(w.charset, charset))
			break;
	}
	charset_to_utf8(charset, buf_slice(&raw), out);
	buf_free(&raw);
	return off;
}

void rfc2047_decode(struct slice in, struct buf *out)
{
	size_t plain = 0, i = 0;
	struct word w;

	while (i < in.len) {
		if (in.p[i] != '=' || !take_word(slice_sub(in, i, SIZE_MAX), &w)) {
			i++;
			continue;
		}
		charset_to_utf8(SLICE_LIT(""), slice_sub(in, plain, i - plain), out);
		i = decode_run(in, i, w, out);
		plain = i;
	}
	charset_to_utf8(SLICE_LIT(""), slice_sub(in, plain, SIZE_MAX), out);
}
