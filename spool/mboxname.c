#include "spool/mboxname.h"

enum { LEVELS_MAX = 32, INBOX_LEN = 5 };

/* Length of the UTF-8 sequence at p (RFC 3629: no surrogates, no over-long forms), 0 when it is none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	uint8_t c = p[0];
	size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	/* C1 controls */
	return c == 0xc2 && p[1] < 0xa0 ? 0 : len;
}

static bool is_inbox_level(struct slice s)
{
	return slice_istarts(s, "INBOX") && (s.len == INBOX_LEN || s.p[INBOX_LEN] == '/');
}

int mbox_name_make(struct slice text, struct mbox_name *n_r)
{
	size_t levels = 1, i = 0;

	if (text.len == 0)
		text = SLICE_LIT("INBOX");
	if (text.len > SPOOL_NAME_MAX || text.p[0] == '/' || text.p[text.len - 1] == '/')
		return ERR_SYNTAX;
	while (i < text.len) {
		uint8_t c = text.p[i];
		size_t n = utf8_len(text.p + i, text.len - i);

		if (n == 0 || c < 32 || c == 127 || c == '*' || c == '%')
			return ERR_SYNTAX;
		if (c == '/' && (text.p[i + 1] == '/' || ++levels > LEVELS_MAX))
			return ERR_SYNTAX;
		i += n;
	}
	memcpy(n_r->b, text.p, text.len);
	n_r->len = text.len;
	if (is_inbox_level(text))
		memcpy(n_r->b, "INBOX", INBOX_LEN);
	return 0;
}

bool mbox_name_is_inbox(struct slice name)
{
	return slice_ieq_cstr(name, "INBOX");
}

struct slice mbox_name_parent(struct slice name)
{
	size_t n = name.len;

	while (n > 0 && name.p[n - 1] != '/')
		n--;
	return slice_sub(name, 0, n > 0 ? n - 1 : 0);
}

bool mbox_name_below(struct slice name, struct slice parent)
{
	return name.len > parent.len + 1 && name.p[parent.len] == '/' && slice_eq(slice_sub(name, 0, parent.len), parent);
}

static bool same(struct slice pattern, struct slice name, size_t pi, size_t ni)
{
	/* The first level INBOX is compared without case; name has it in upper case already. */
	if (ni < INBOX_LEN && is_inbox_level(name))
		return ascii_upper(pattern.p[pi]) == name.p[ni];
	return pattern.p[pi] == name.p[ni];
}

/*
 * The usual two-pointer matcher with one place to go back to for each kind of wildcard: when a
 * '%' cannot go on (it would have to eat a '/'), the last '*' before it takes one more byte.
 */
bool mbox_name_match(struct slice pattern, struct slice name)
{
	size_t pi = 0, ni = 0, star_p = SIZE_MAX, star_n = 0, pct_p = SIZE_MAX, pct_n = 0;

	for (;;) {
		if (pi < pattern.len && pattern.p[pi] == '*') {
			star_p = ++pi;
			star_n = ni;
			pct_p = SIZE_MAX;
		} else if (pi < pattern.len && pattern.p[pi] == '%') {
			pct_p = ++pi;
			pct_n = ni;
		} else if (pi < pattern.len && ni < name.len && same(pattern, name, pi, ni)) {
			pi++;
			ni++;
		} else if (pi == pattern.len && ni == name.len) {
			return true;
		} else if (pct_p != SIZE_MAX && pct_n < name.len && name.p[pct_n] != '/') {
			ni = ++pct_n;
			pi = pct_p;
		} else if (star_p != SIZE_MAX && star_n < name.len) {
			ni = ++star_n;
			pi = star_p;
			pct_p = SIZE_MAX;
		} else {
			return false;
		}
	}
}
