#include "common/mail/charset.h"

#include <errno.h>
#include <iconv.h>

enum { REPLACEMENT = 0xfffd };

/* ---- UTF-8 ------------------------------------------------------------------- */

size_t utf8_take(struct slice s, uint32_t *cp_r)
{
	static const uint32_t min[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t c = s.p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
	uint32_t cp;

	if (n == 0 || n > s.len)
		return 0;
	cp = n == 1 ? c : c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s.p[i] & 0x3f);
	}
	if (cp < min[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*cp_r = cp;
	return n;
}

size_t ascii_run(struct slice s, size_t i)
{
	uint64_t w;

	for (; s.len - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if ((w & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (i < s.len && s.p[i] < 0x80)
		i++;
	return i;
}

bool utf8_valid(struct slice s)
{
	uint32_t cp;
	size_t n;

	for (size_t i = 0; (i = ascii_run(s, i)) < s.len; i += n)
		if ((n = utf8_take(slice_sub(s, i, 4), &cp)) == 0)
			return false;
	return true;
}

void utf8_add(struct buf *b, uint32_t cp)
{
	uint8_t u[4];

	if (cp < 0x80) {
		buf_add_byte(b, (uint8_t)cp);
	} else if (cp < 0x800) {
		u[0] = (uint8_t)(0xc0 | cp >> 6), u[1] = (uint8_t)(0x80 | (cp & 0x3f));
		buf_add(b, u, 2);
	} else if (cp < 0x10000) {
		u[0] = (uint8_t)(0xe0 | cp >> 12), u[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
		u[2] = (uint8_t)(0x80 | (cp & 0x3f));
		buf_add(b, u, 3);
	} else {
		u[0] = (uint8_t)(0xf0 | cp >> 18), u[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
		u[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f)), u[3] = (uint8_t)(0x80 | (cp & 0x3f));
		buf_add(b, u, 4);
	}
}

static void add_utf8(struct slice in, struct buf *out)
{
	size_t good = 0, i = 0, n;
	uint32_t cp;

	while (i < in.len) {
		n = utf8_take(slice_sub(in, i, 4), &cp);
		if (n != 0) {
			i += n;
			continue;
		}
		buf_add_slice(out, slice_sub(in, good, i - good));
		utf8_add(out, REPLACEMENT);
		good = ++i;
	}
	buf_add_slice(out, slice_sub(in, good, SIZE_MAX));
}

/* ---- the single-byte charsets of our own --------------------------------------- */

/* 0x80 to 0x9f; the five holes are the C1 controls, as browsers have it. */
static const uint16_t win1252[32] = {
	0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
};

/* Of iso-8859-15, where it is not iso-8859-1. */
static uint32_t latin9(uint8_t c)
{
	switch (c) {
	case 0xa4: return 0x20ac;
	case 0xa6: return 0x160;
	case 0xa8: return 0x161;
	case 0xb4: return 0x17d;
	case 0xb8: return 0x17e;
	case 0xbc: return 0x152;
	case 0xbd: return 0x153;
	case 0xbe: return 0x178;
	default: return c;
	}
}

enum kind { KIND_ASCII, KIND_UTF8, KIND_LATIN1, KIND_LATIN9, KIND_WIN1252, KIND_OTHER };

static enum kind kind_of(struct slice name)
{
	static const struct { const char *name; enum kind kind; } t[] = {
		{ "", KIND_ASCII }, { "us-ascii", KIND_ASCII }, { "ascii", KIND_ASCII },
		{ "ansi_x3.4-1968", KIND_ASCII }, { "utf-8", KIND_UTF8 }, { "utf8", KIND_UTF8 },
		{ "iso-8859-1", KIND_LATIN1 }, { "iso8859-1", KIND_LATIN1 }, { "latin1", KIND_LATIN1 },
		{ "iso-8859-15", KIND_LATIN9 }, { "iso8859-15", KIND_LATIN9 }, { "latin-9", KIND_LATIN9 },
		{ "windows-1252", KIND_WIN1252 }, { "cp1252", KIND_WIN1252 },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (slice_ieq_cstr(name, t[i].name))
			return t[i].kind;
	return KIND_OTHER;
}

static void add_single(enum kind kind, struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		uint32_t cp = in.p[i];

		if (cp >= 0x80 && cp < 0xa0 && kind == KIND_WIN1252)
			cp = win1252[cp - 0x80];
		else if (kind == KIND_LATIN9)
			cp = latin9(in.p[i]);
		utf8_add(out, cp);
	}
}

static void add_guess(struct slice in, struct buf *out)
{
	if (utf8_valid(in))
		buf_add_slice(out, in);
	else
		add_single(KIND_WIN1252, in, out);
}

/* ---- iconv --------------------------------------------------------------------- */

/* The mail name, and the name to open: the wider charset where senders mean it. */
static struct converter {
	const char *name, *open;
	iconv_t cd;
	bool ready;
} converters[] = {
	{ .name = "euc-kr", .open = "CP949" }, { .name = "ks_c_5601-1987", .open = "CP949" },
	{ .name = "cp949", .open = "CP949" }, { .name = "iso-2022-kr", .open = "ISO-2022-KR" },
	{ .name = "iso-2022-jp", .open = "ISO-2022-JP" }, { .name = "shift_jis", .open = "CP932" },
	{ .name = "euc-jp", .open = "EUC-JP" }, { .name = "gb2312", .open = "GB18030" },
	{ .name = "gbk", .open = "GB18030" }, { .name = "gb18030", .open = "GB18030" },
	{ .name = "big5", .open = "BIG5-HKSCS" }, { .name = "koi8-r", .open = "KOI8-R" },
	{ .name = "koi8-u", .open = "KOI8-U" }, { .name = "iso-8859-2", .open = "ISO-8859-2" },
	{ .name = "iso-8859-3", .open = "ISO-8859-3" }, { .name = "iso-8859-4", .open = "ISO-8859-4" },
	{ .name = "iso-8859-5", .open = "ISO-8859-5" }, { .name = "iso-8859-6", .open = "ISO-8859-6" },
	{ .name = "iso-8859-7", .open = "ISO-8859-7" }, { .name = "iso-8859-8", .open = "ISO-8859-8" },
	{ .name = "iso-8859-9", .open = "ISO-8859-9" }, { .name = "iso-8859-10", .open = "ISO-8859-10" },
	{ .name = "iso-8859-13", .open = "ISO-8859-13" }, { .name = "iso-8859-14", .open = "ISO-8859-14" },
	{ .name = "iso-8859-16", .open = "ISO-8859-16" }, { .name = "windows-1250", .open = "CP1250" },
	{ .name = "windows-1251", .open = "CP1251" }, { .name = "windows-1253", .open = "CP1253" },
	{ .name = "windows-1254", .open = "CP1254" }, { .name = "windows-1255", .open = "CP1255" },
	{ .name = "windows-1256", .open = "CP1256" }, { .name = "windows-1257", .open = "CP1257" },
	{ .name = "windows-1258", .open = "CP1258" }, { .name = "windows-874", .open = "CP874" },
	{ .name = "tis-620", .open = "TIS-620" }, { .name = "utf-16", .open = "UTF-16" },
	{ .name = "utf-16le", .open = "UTF-16LE" }, { .name = "utf-16be", .open = "UTF-16BE" },
	{ .name = "utf-7", .open = "UTF-7" },
};

void charset_preload(void)
{
	for (size_t i = 0; i < ARRAY_LEN(converters); i++) {
		struct converter *c = &converters[i];

		if (c->ready)
			continue;
		c->cd = iconv_open("UTF-8", c->open);
		c->ready = c->cd != (iconv_t)-1;
	}
}

void charset_unload(void)
{
	for (size_t i = 0; i < ARRAY_LEN(converters); i++) {
		if (converters[i].ready)
			(void)iconv_close(converters[i].cd);
		converters[i].ready = false;
	}
}

static struct converter *converter_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(converters); i++)
		if (converters[i].ready && slice_ieq_cstr(name, converters[i].name))
			return &converters[i];
	return NULL;
}

static void add_converted(iconv_t cd, struct slice in, struct buf *out)
{
	char *p = (char *)(uintptr_t)in.p;    /* iconv() does not write there */
	size_t left = in.len;

	(void)iconv(cd, NULL, NULL, NULL, NULL);
	while (left != 0) {
		char tmp[1024], *q = tmp;
		size_t room = sizeof(tmp);
		size_t r = iconv(cd, &p, &left, &q, &room);

		add_utf8(slice_of(tmp, sizeof(tmp) - room), out);
		if (r != (size_t)-1)
			break;
		if (errno == E2BIG && room != sizeof(tmp))
			continue;
		utf8_add(out, REPLACEMENT);    /* not valid, or cut at the end */
		p++;
		left--;
	}
}

/* ---------------------------------------------------------------------------------- */

bool charset_known(struct slice charset)
{
	return kind_of(charset) != KIND_OTHER || converter_of(charset) != NULL;
}

bool charset_keeps_ascii(struct slice charset)
{
	return kind_of(charset) != KIND_OTHER || converter_of(charset) == NULL;
}

void charset_to_utf8(struct slice charset, struct slice in, struct buf *out)
{
	enum kind kind = kind_of(charset);
	struct converter *c;

	switch (kind) {
	case KIND_UTF8:
		add_utf8(in, out);
		break;
	case KIND_ASCII:
		add_guess(in, out);
		break;
	case KIND_OTHER:
		c = converter_of(charset);
		if (c != NULL)
			add_converted(c->cd, in, out);
		else
			add_guess(in, out);
		break;
	case KIND_LATIN1:
	case KIND_LATIN9:
	case KIND_WIN1252:
		/* what calls itself latin1 is windows-1252, where they differ */
		add_single(kind == KIND_LATIN1 ? KIND_WIN1252 : kind, in, out);
		break;
	}
}
