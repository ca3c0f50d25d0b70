#include "imapd/names.h"

#include "common/mail/mutf7.h"
#include "imapd/print.h"

/* "inbox" and "inbox/..." get their capitals. */
static struct slice inbox_fold(struct slice s, struct arena *a)
{
	uint8_t *p;

	if (!slice_istarts(s, "INBOX") || (s.len > 5 && s.p[5] != '/') || memcmp(s.p, "INBOX", 5) == 0)
		return s;
	if ((p = arena_alloc(a, s.len)) == NULL)
		return slice_of(NULL, 0);
	memcpy(p, s.p, s.len);
	memcpy(p, "INBOX", 5);
	return slice_of(p, s.len);
}

int imap_name_decode(struct slice wire, struct arena *a, struct slice *name_r)
{
	struct buf utf8 = BUF_INIT(4 * IMAP_NAME_MAX);
	struct slice s = slice_of(NULL, 0);
	int r;

	if (wire.len > IMAP_NAME_MAX)
		return ERR_LIMIT;
	if (wire.len == 0)
		return ERR_SYNTAX;
	r = mutf7_to_utf8(wire, &utf8);
	if (r == 0) {
		s = arena_dup(a, buf_slice(&utf8));
		if (s.p != NULL)
			s = inbox_fold(s, a);
		r = s.p == NULL ? ERR_NOMEM : s.len > IMAP_NAME_MAX ? ERR_LIMIT : 0;
	}
	buf_free(&utf8);
	*name_r = s;
	return r;
}

bool imap_name_can_create(struct slice name)
{
	size_t level = 0, dots = 0;

	if (name.len == 0 || name.len > IMAP_NAME_MAX)
		return false;
	for (size_t i = 0; i <= name.len; i++) {
		uint8_t c = i < name.len ? name.p[i] : '/';

		if (c == '/') {
			if (level == 0 || dots == level)
				return false;
			level = dots = 0;
			continue;
		}
		if (is_class(c, CC_CTL) || c == '%' || c == '*')
			return false;
		level++;
		dots += c == '.';
	}
	return true;
}

void imap_name_print(struct buf *b, struct slice name)
{
	struct buf wire = BUF_INIT(16 * 1024);

	/* A name that has no such form (made before this rule) goes out as it is, for what it is. */
	imap_put_astring(b, mutf7_from_utf8(name, &wire) == 0 ? buf_slice(&wire) : name);
	buf_free(&wire);
}

bool imap_name_match(struct slice name, struct slice pattern)
{
	size_t n = 0, k = 0, star_k = SIZE_MAX, star_n = 0, pct_k = SIZE_MAX, pct_n = 0;

	for (;;) {
		if (k < pattern.len && pattern.p[k] == '*') {
			star_k = ++k;
			star_n = n;
			pct_k = SIZE_MAX;
			continue;
		}
		if (k < pattern.len && pattern.p[k] == '%') {
			pct_k = ++k;
			pct_n = n;
			continue;
		}
		if (k == pattern.len && n == name.len)
			return true;
		if (k < pattern.len && n < name.len && pattern.p[k] == name.p[n]) {
			k++;
			n++;
			continue;
		}
		/* Give the last wildcard one byte more; a '%' that would pass a '/' hands over to the last '*'. */
		if (pct_k != SIZE_MAX && pct_n < name.len && name.p[pct_n] != '/') {
			k = pct_k;
			n = ++pct_n;
			continue;
		}
		if (star_k == SIZE_MAX || star_n >= name.len)
			return false;
		k = star_k;
		n = ++star_n;
		pct_k = SIZE_MAX;
	}
}

int imap_name_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		unsigned x = a.p[i] == '/' ? 0 : a.p[i] + 1u, y = b.p[i] == '/' ? 0 : b.p[i] + 1u;

		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

bool imap_name_below(struct slice name, struct slice parent)
{
	return name.len > parent.len && name.p[parent.len] == '/' && slice_eq(slice_sub(name, 0, parent.len), parent);
}
