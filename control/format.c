#include "control/format.h"

#include <stdlib.h>
#include <time.h>

enum { COLUMNS_MAX = 16 };

/* Length of the UTF-8 character at the front, 0 if there is none (RFC 3629). */
static size_t utf8_len(struct slice s, uint32_t *cp_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t c = s.p[0];
	size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;
	uint32_t cp = n == 1 ? c : n == 2 ? c & 0x1fu : n == 3 ? c & 0x0fu : c & 0x07u;

	if (n == 0 || n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s.p[i] & 0x3fu);
	}
	*cp_r = cp;
	if ((n > 1 && cp < least[n]) || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	return n;
}

/* Characters that move the cursor or turn the direction of the text. */
static bool is_unsafe(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) ||
	    (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff || cp >= 0xe0000;
}

void format_text(struct buf *b, struct slice s)
{
	while (s.len != 0) {
		uint32_t cp = 0;
		size_t n = utf8_len(s, &cp);

		if (n == 0 || is_unsafe(cp)) {
			n = n != 0 ? n : 1;
			for (size_t i = 0; i < n; i++)
				buf_addf(b, "\\x%02X", s.p[i]);
		} else {
			buf_add(b, s.p, n);
		}
		s = slice_sub(s, n, SIZE_MAX);
	}
}

void format_time(struct buf *b, uint64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[32];

	if (seconds == 0 || seconds > 253402300799u || gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		buf_add_byte(b, '-');
	else
		buf_add_cstr(b, text);
}

void format_duration(struct buf *b, uint64_t s)
{
	unsigned long long n = s;

	if (n < 60)
		buf_addf(b, "%llus", n);
	else if (n < 3600)
		buf_addf(b, "%llum", n / 60);
	else if (n < 86400)
		buf_addf(b, n / 60 % 60 != 0 ? "%lluh %llum" : "%lluh", n / 3600, n / 60 % 60);
	else
		buf_addf(b, n / 3600 % 24 != 0 ? "%llud %lluh" : "%llud", n / 86400, n / 3600 % 24);
}

void format_size(struct buf *b, uint64_t bytes)
{
	static const char units[] = "kmgt";
	unsigned unit = 0;
	uint64_t tenths;

	if (bytes < 1024) {
		buf_add_u64(b, bytes);
		return;
	}
	while (unit < 3 && bytes >= (uint64_t)1024 * 1024) {
		bytes /= 1024;
		unit++;
	}
	tenths = bytes * 10 / 1024;
	buf_add_u64(b, tenths / 10);
	if (tenths < 100)
		buf_addf(b, ".%u", (unsigned)(tenths % 10));
	buf_add_byte(b, (uint8_t)units[unit]);
}

/* ---- tables ------------------------------------------------------------------- */

static size_t width(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

/* Takes the next cell; true when it was the last of its line. */
static bool take_cell(struct slice *rest, struct slice *cell_r)
{
	size_t n = 0;
	bool last;

	while (n < rest->len && rest->p[n] != '\t' && rest->p[n] != '\n')
		n++;
	*cell_r = slice_sub(*rest, 0, n);
	last = n >= rest->len || rest->p[n] == '\n';
	*rest = slice_sub(*rest, n + 1, SIZE_MAX);
	return last;
}

static void add_spaces(struct buf *b, size_t n)
{
	while (n-- != 0)
		buf_add_byte(b, ' ');
}

void format_table(struct buf *b, struct slice cells, unsigned right)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	struct slice rest = cells, cell;
	unsigned col = 0;
	bool last;

	while (rest.len != 0) {
		last = take_cell(&rest, &cell);
		if (col < COLUMNS_MAX && width(cell) > widths[col])
			widths[col] = width(cell);
		col = last ? 0 : col + 1;
	}
	rest = cells;
	col = 0;
	while (rest.len != 0) {
		size_t pad;

		last = take_cell(&rest, &cell);
		pad = col < COLUMNS_MAX ? widths[col] - width(cell) : 0;
		if ((right >> col & 1) != 0)
			add_spaces(b, pad);
		buf_add_slice(b, cell);
		if (!last && (right >> col & 1) == 0)
			add_spaces(b, pad);
		buf_add_cstr(b, last ? "\n" : "  ");
		col = last ? 0 : col + 1;
	}
}

/* ---- JSON ------------------------------------------------------------------------ */

json_t *json_text(struct slice s)
{
	json_t *v = json_stringn(s.len != 0 ? (const char *)s.p : "", s.len);
	struct buf b = BUF_INIT(s.len * 4 + 1);

	if (v != NULL)
		return v;
	format_text(&b, s);
	v = json_stringn(b.p != NULL ? (const char *)b.p : "", buf_len(&b));
	buf_free(&b);
	return v;
}

void format_json(struct buf *b, json_t *v)
{
	char *text = v != NULL ? json_dumps(v, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY) : NULL;

	if (text == NULL) {
		b->err = ERR_NOMEM;
	} else {
		buf_add_cstr(b, text);
		buf_add_byte(b, '\n');
	}
	free(text);
	json_decref(v);
}
