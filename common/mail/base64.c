#include "common/mail/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_class(c, CC_DIGIT))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void base64_decode(struct base64_decoder *d, struct slice in, struct buf *out)
{
	uint8_t *p = buf_reserve(out, in.len / 4 * 3 + 3);
	size_t n = 0;

	if (p == NULL)
		return;
	for (size_t i = 0; i < in.len; i++) {
		int v = base64_value(in.p[i]);

		if (in.p[i] == '=') {
			d->n = 0;
			d->bits = 0;
		}
		if (v < 0)
			continue;
		d->bits = (d->bits << 6 | (uint32_t)v) & 0xffffff;
		d->n++;
		/* a byte is whole at the 2nd, 3rd and 4th digit */
		if (d->n == 2)
			p[n++] = (uint8_t)(d->bits >> 4);
		else if (d->n == 3)
			p[n++] = (uint8_t)(d->bits >> 2);
		else if (d->n == 4) {
			p[n++] = (uint8_t)d->bits;
			d->n = 0;
		}
	}
	buf_commit(out, n);
}

int base64_decode_strict(struct slice in, struct buf *out)
{
	struct base64_decoder d = { 0, 0 };
	size_t pad = 0;

	if (in.len % 4 != 0)
		return ERR_SYNTAX;
	while (pad < 2 && pad < in.len && in.p[in.len - 1 - pad] == '=')
		pad++;
	in.len -= pad;
	for (size_t i = 0; i < in.len; i++)
		if (base64_value(in.p[i]) < 0)
			return ERR_SYNTAX;
	/* the bits that carry nothing must be zero, so that a text has one encoding */
	if (pad != 0 && (base64_value(in.p[in.len - 1]) & (pad == 1 ? 3 : 15)) != 0)
		return ERR_SYNTAX;
	base64_decode(&d, in, out);
	return buf_err(out);
}

void base64_encode(struct buf *out, struct slice in)
{
	uint8_t *q = buf_reserve(out, (in.len + 2) / 3 * 4);
	size_t n = 0;

	if (q == NULL)
		return;
	for (size_t i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t v = (uint32_t)in.p[i] << 16;

		if (left > 1)
			v |= (uint32_t)in.p[i + 1] << 8;
		if (left > 2)
			v |= in.p[i + 2];
		q[n++] = (uint8_t)digits[v >> 18];
		q[n++] = (uint8_t)digits[v >> 12 & 63];
		q[n++] = left > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
		q[n++] = left > 2 ? (uint8_t)digits[v & 63] : '=';
	}
	buf_commit(out, n);
}

void base64_encode_lines(struct buf *out, struct slice in)
{
	for (size_t off = 0; off < in.len; off += 57) {
		base64_encode(out, slice_sub(in, off, 57));
		buf_add_cstr(out, "\r\n");
	}
}
