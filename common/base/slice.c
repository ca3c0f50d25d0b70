#include "common/base/slice.h"

bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool slice_eq_cstr(struct slice a, const char *b)
{
	return slice_eq(a, slice_cstr(b));
}

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool slice_ieq_cstr(struct slice a, const char *b)
{
	return slice_ieq(a, slice_cstr(b));
}

bool slice_istarts(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && slice_ieq(slice_sub(s, 0, n), slice_of(prefix, n));
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n != 0 ? memcmp(a.p, b.p, n) : 0;

	if (r != 0)
		return r;
	return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t slice_chr(struct slice s, uint8_t c)
{
	const uint8_t *q = s.len != 0 ? memchr(s.p, c, s.len) : NULL;

	return q != NULL ? q - s.p : -1;
}

struct slice slice_trim(struct slice s)
{
	while (s.len != 0 && is_class(s.p[0], CC_WSP))
		s.p++, s.len--;
	while (s.len != 0 && is_class(s.p[s.len - 1], CC_WSP))
		s.len--;
	return s;
}

int slice_to_cstr(struct slice s, char *dst, size_t size)
{
	if (s.len >= size)
		return ERR_LIMIT;
	if (slice_chr(s, 0) >= 0)
		return ERR_SYNTAX;
	if (s.len != 0)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return 0;
}

bool cur_take_byte(struct cursor *c, uint8_t ch)
{
	if (cur_peek(c) != ch)
		return false;
	c->off++;
	return true;
}

bool cur_take_icase(struct cursor *c, const char *lit)
{
	if (!slice_istarts(cur_rest(c), lit))
		return false;
	c->off += strlen(lit);
	return true;
}

int cur_take_class(struct cursor *c, unsigned cc, size_t max, struct slice *out_r)
{
	size_t start = c->off;

	while (c->off < c->in.len && is_class(c->in.p[c->off], cc)) {
		if (c->off - start == max)
			return ERR_LIMIT;
		c->off++;
	}
	*out_r = slice_sub(c->in, start, c->off - start);
	return c->off != start ? 0 : ERR_SYNTAX;
}

int cur_take_n(struct cursor *c, size_t n, struct slice *out_r)
{
	if (cur_left(c) < n)
		return ERR_SYNTAX;
	*out_r = slice_sub(c->in, c->off, n);
	c->off += n;
	return 0;
}

void cur_skip_wsp(struct cursor *c)
{
	while (c->off < c->in.len && is_class(c->in.p[c->off], CC_WSP))
		c->off++;
}

int cur_end(const struct cursor *c)
{
	return c->off == c->in.len ? 0 : ERR_SYNTAX;
}
