#include "common/mail/mutf7.h"

#include "common/mail/base64.h"
#include "common/mail/charset.h"

static int digit_value(uint8_t c)
{
	return c == ',' ? 63 : c == '/' ? -1 : base64_value(c);
}

/* The UTF-16 units of a shifted run, one by one, and their code points. */
struct unit_reader {
	uint32_t bits;
	unsigned n;          /* bits that wait */
	uint32_t high;       /* a high surrogate that waits for its low one, or 0 */
	bool any;
};

static int add_unit(struct unit_reader *u, uint32_t unit, struct buf *out)
{
	u->any = true;
	if (u->high != 0) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return ERR_SYNTAX;
		utf8_add(out, 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00));
		u->high = 0;
		return 0;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		u->high = unit;
		return 0;
	}
	if (unit == 0 || (unit < 0x80 && is_class((uint8_t)unit, CC_PRINT)) || (unit >= 0xdc00 && unit <= 0xdfff))
		return ERR_SYNTAX;
	utf8_add(out, unit);
	return 0;
}

/* After "&", up to and with "-". */
static int take_shift(struct cursor *c, struct buf *out)
{
	struct unit_reader u = { 0, 0, 0, false };
	int ch, v, r;

	while ((ch = cur_peek(c)) >= 0 && ch != '-') {
		if ((v = digit_value((uint8_t)ch)) < 0)
			return ERR_SYNTAX;
		c->off++;
		u.bits = u.bits << 6 | (uint32_t)v;
		u.n += 6;
		if (u.n < 16)
			continue;
		u.n -= 16;
		if ((r = add_unit(&u, u.bits >> u.n & 0xffff, out)) != 0)
			return r;
	}
	if (!cur_take_byte(c, '-') || !u.any || u.high != 0)
		return ERR_SYNTAX;
	/* less than a digit left over, and zero */
	return u.n < 6 && (u.bits & ((1u << u.n) - 1)) == 0 ? 0 : ERR_SYNTAX;
}

int mutf7_to_utf8(struct slice in, struct buf *out)
{
	struct cursor c = cursor_of(in);
	bool shifted = false;    /* a shift ended right before: another one would be needless */
	int ch, r;

	while ((ch = cur_peek(&c)) >= 0) {
		c.off++;
		if (!is_class((uint8_t)ch, CC_PRINT))
			return ERR_SYNTAX;
		if (ch != '&' || cur_take_byte(&c, '-')) {
			buf_add_byte(out, (uint8_t)ch);
			shifted = false;
			continue;
		}
		if (shifted)
			return ERR_SYNTAX;
		if ((r = take_shift(&c, out)) != 0)
			return r;
		shifted = true;
	}
	return buf_err(out);
}

/* ---- the other way ---------------------------------------------------------------- */

struct unit_writer {
	uint32_t bits;
	unsigned n;
};

static void put_digit(struct buf *out, uint32_t v)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

	buf_add_byte(out, (uint8_t)digits[v & 63]);
}

static void put_unit(struct unit_writer *u, uint32_t unit, struct buf *out)
{
	u->bits = u->bits << 16 | unit;
	u->n += 16;
	while (u->n >= 6) {
		u->n -= 6;
		put_digit(out, u->bits >> u->n);
	}
	u->bits &= 0x3f;
}

static void end_shift(struct unit_writer *u, struct buf *out)
{
	if (u->n != 0)
		put_digit(out, u->bits << (6 - u->n));
	buf_add_byte(out, '-');
	u->bits = u->n = 0;
}

int mutf7_from_utf8(struct slice in, struct buf *out)
{
	struct unit_writer u = { 0, 0 };
	bool shifted = false;
	uint32_t cp;
	size_t n;

	for (size_t i = 0; i < in.len; i += n) {
		n = utf8_take(slice_sub(in, i, 4), &cp);
		if (n == 0 || cp == 0)
			return ERR_SYNTAX;
		if (cp < 0x80 && is_class((uint8_t)cp, CC_PRINT)) {
			if (shifted)
				end_shift(&u, out);
			shifted = false;
			buf_add_byte(out, (uint8_t)cp);
			if (cp == '&')
				buf_add_byte(out, '-');
			continue;
		}
		if (!shifted)
			buf_add_byte(out, '&');
		shifted = true;
		if (cp >= 0x10000) {
			put_unit(&u, 0xd800 + ((cp - 0x10000) >> 10), out);
			put_unit(&u, 0xdc00 + ((cp - 0x10000) & 0x3ff), out);
		} else {
			put_unit(&u, cp, out);
		}
	}
	if (shifted)
		end_shift(&u, out);
	return buf_err(out);
}
