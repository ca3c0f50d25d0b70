#include "common/mail/qp.h"

enum { LINE_LEN = 76 };

int hex_value(uint8_t c)
{
	if (is_class(c, CC_DIGIT))
		return c - '0';
	c = ascii_upper(c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void give_held(struct qp_decoder *d, struct buf *out)
{
	buf_add(out, d->held, d->n);
	d->n = 0;
}

/* After "=": true if c was taken. */
static bool after_equals(struct qp_decoder *d, uint8_t c, struct buf *out)
{
	uint8_t last = d->held[d->n - 1];

	if (c == '\n' && (last == '=' || last == '\r' || last == ' ' || last == '\t')) {
		d->n = 0;
		return true;
	}
	/* spaces between "=" and the line end are forgiven */
	if ((last == '=' || last == ' ' || last == '\t') && d->n < sizeof(d->held) &&
	    (c == ' ' || c == '\t' || c == '\r')) {
		d->held[d->n++] = c;
		return true;
	}
	if (d->n == 1 && hex_value(c) >= 0) {
		d->held[d->n++] = c;
		return true;
	}
	if (d->n == 2 && hex_value(last) >= 0 && hex_value(c) >= 0) {
		buf_add_byte(out, (uint8_t)(hex_value(last) << 4 | hex_value(c)));
		d->n = 0;
		return true;
	}
	return false;
}

void qp_decode(struct qp_decoder *d, struct slice in, struct buf *out)
{
	size_t i = 0;

	while (i < in.len) {
		uint8_t c = in.p[i];
		size_t start = i;

		if (d->n != 0 && d->held[0] == '=') {
			if (after_equals(d, c, out))
				i++;
			else
				give_held(d, out);
			continue;
		}
		if (c == ' ' || c == '\t' || c == '=') {
			if (c == '=' || d->n == sizeof(d->held))
				give_held(d, out);
			d->held[d->n++] = c;
			i++;
			continue;
		}
		if (c == '\r' || c == '\n')
			d->n = 0;    /* spaces at the end of a line */
		give_held(d, out);
		while (i < in.len && in.p[i] != '=' && in.p[i] != ' ' && in.p[i] != '\t' &&
		    ((in.p[i] != '\r' && in.p[i] != '\n') || i == start))
			i++;
		buf_add_slice(out, slice_sub(in, start, i - start));
	}
}

void qp_decode_end(struct qp_decoder *d, struct buf *out)
{
	if (d->n != 0 && d->held[0] == '=' && d->n > 1 && d->held[1] != '\r')
		give_held(d, out);
	d->n = 0;
}

void qp_encode(struct buf *out, struct slice in)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t col = 0;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.p[i];
		bool eol_next = i + 1 == in.len || in.p[i + 1] == '\r';
		bool plain = is_class(c, CC_PRINT) && c != '=' && !(c == ' ' && eol_next) && !(c == '.' && col == 0);

		if (c == '\r' && i + 1 < in.len && in.p[i + 1] == '\n') {
			buf_add_cstr(out, "\r\n");
			i++;
			col = 0;
			continue;
		}
		if (col + (plain ? 1u : 3u) > LINE_LEN - 1) {
			buf_add_cstr(out, "=\r\n");
			col = 0;
		}
		if (plain) {
			buf_add_byte(out, c);
			col++;
		} else {
			buf_addf(out, "=%c%c", hex[c >> 4], hex[c & 15]);
			col += 3;
		}
	}
}
