/* Searching in bytes as they are, ASCII case ignored. */
#include "imapd/search.h"

#include "common/mail/charset.h"
#include "common/mail/mime.h"

enum { PIECE = 4096 };

/* Eight bytes in lower case: only bytes of 'A' to 'Z' get their bit 0x20. */
static uint64_t lower8(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t low = w & 0x7f * ones;
	uint64_t is = (low + (0x80 - 'A') * ones) & ~(low + (0x80 - 'Z' - 1) * ones) & ~w & 0x80 * ones;

	return w | is >> 2;
}

static void lower(uint8_t *dst, const uint8_t *src, size_t n)
{
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t w;

		memcpy(&w, src + i, 8);
		w = lower8(w);
		memcpy(dst + i, &w, 8);
	}
	for (; i < n; i++)
		dst[i] = ascii_lower(src[i]);
}

/* In time that is linear whatever the text is. Piece by piece, each begins with the end of the one before. */
static bool contains_slow(struct slice raw, struct slice needle)
{
	uint8_t piece[PIECE];
	size_t off = 0;

	while (raw.len - off >= needle.len) {
		size_t n = raw.len - off < PIECE ? raw.len - off : PIECE;

		lower(piece, raw.p + off, n);
		if (memmem(piece, n, needle.p, needle.len) != NULL)
			return true;
		if (n == raw.len - off)
			return false;
		off += n - (needle.len - 1);
	}
	return false;
}

static bool match_at(const uint8_t *p, struct slice needle)
{
	for (size_t i = 0; i < needle.len; i++)
		if (ascii_lower(p[i]) != needle.p[i])
			return false;
	return true;
}

typedef uint8_t vec __attribute__((vector_size(16)));

static vec vec_of(uint8_t c)
{
	vec v = { 0 };

	return v + c;
}

static vec vec_load(const uint8_t *p)
{
	vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

/*
 * needle is in lower case and shorter than half a piece. Sixteen places at a time: only where its first and its last
 * byte are is it compared. A text in which they are everywhere and it is not goes the other way.
 */
static bool contains(struct slice raw, struct slice needle)
{
	size_t n = needle.len, i = 0, tries = 64 + raw.len / 32;
	vec fl, fu, ll, lu;

	if (n == 0 || raw.len < n)
		return n == 0;
	fl = vec_of(needle.p[0]), fu = vec_of(upper(needle.p[0]));
	ll = vec_of(needle.p[n - 1]), lu = vec_of(upper(needle.p[n - 1]));
	for (; raw.len - i >= n - 1 + sizeof(vec); i += sizeof(vec)) {
		vec a = vec_load(raw.p + i), b = vec_load(raw.p + i + n - 1);
		vec m = (vec)((a == fl) | (a == fu)) & (vec)((b == ll) | (b == lu));
		uint64_t any[2];

		memcpy(any, &m, sizeof(any));
		if ((any[0] | any[1]) == 0)
			continue;
		for (unsigned k = 0; k < sizeof(vec); k++) {
			if (m[k] == 0)
				continue;
			if (match_at(raw.p + i + k, needle))
				return true;
			if (tries-- == 0)
				return contains_slow(slice_sub(raw, i, SIZE_MAX), needle);
		}
	}
	return contains_slow(slice_sub(raw, i, SIZE_MAX), needle);
}

/* What unfolding a header joins has a blank in it, and what is between name and value is not told: a word of the text. */
static bool in_word(uint8_t c)
{
	return c > ' ' && c != ':' && c != 0x7f;
}

void search_probe_set(struct search_key *k)
{
	for (size_t i = 0; i < k->text.len; i++)
		if (k->text.p[i] >= 0x80)
			return;
	if (k->text.len > PIECE / 2)
		return;
	k->probe = k->text;
	for (size_t i = 0, n; i < k->text.len; i += n + 1) {
		for (n = 0; i + n < k->text.len && in_word(k->text.p[i + n]); n++)
			;
		if (n > k->word.len)
			k->word = slice_sub(k->text, i, n);
	}
}

static bool sought(const struct search_key *k, bool header)
{
	return !k->hit && k->text.len != 0 && (k->kind == KEY_TEXT || (k->kind == KEY_BODY && !header));
}

static bool may(const struct search_key *k, struct slice header)
{
	for (; k != NULL; k = k->next)
		if ((sought(k, false) && contains(header, k->word)) || may(k->child, header))
			return true;
	return false;
}

bool search_header_may(const struct search_key *k, struct slice header)
{
	static const char word[] = "=?";

	return memmem(header.p, header.len, word, sizeof(word) - 1) != NULL || may(k, header);
}

/* Has every text that is sought a probe? */
static bool probed(const struct search_key *k)
{
	for (; k != NULL; k = k->next)
		if ((sought(k, false) && k->probe.len == 0) || !probed(k->child))
			return false;
	return true;
}

static void mark(struct search_key *k, struct slice raw)
{
	for (; k != NULL; k = k->next) {
		if (sought(k, false))
			k->hit = contains(raw, k->probe);
		mark(k->child, raw);
	}
}

bool search_part_raw(struct search_key *k, struct slice raw, const struct mail_part *part)
{
	if ((part->encoding != MIME_IDENTITY && part->encoding != MIME_UNKNOWN) || !charset_keeps_ascii(part->charset) || !probed(k))
		return false;
	mark(k, raw);
	return true;
}
