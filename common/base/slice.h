#ifndef PABAL_BASE_SLICE_H
#define PABAL_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/err.h"

/* A counted, read-only view. Never NUL-terminated; may hold any byte. */
struct slice {
	const uint8_t *p;
	size_t len;
};

/* For printf: printf("%.*s", SLICE_ARG(s)). Only for text known to be harmless. */
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).p
#define SLICE_LIT(s) ((struct slice){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct slice slice_of(const void *p, size_t len)
{
	return (struct slice){ (const uint8_t *)p, len };
}

static inline struct slice slice_cstr(const char *s)
{
	return slice_of(s, s != NULL ? strlen(s) : 0);
}

/* The part from off, at most len long; clamped to what is there. */
static inline struct slice slice_sub(struct slice s, size_t off, size_t len)
{
	if (off > s.len)
		off = s.len;
	if (len > s.len - off)
		len = s.len - off;
	return (struct slice){ len != 0 ? s.p + off : NULL, len };
}

bool slice_eq(struct slice a, struct slice b);
bool slice_eq_cstr(struct slice a, const char *b);
/* ASCII case only, independent of the locale. */
bool slice_ieq(struct slice a, struct slice b);
bool slice_ieq_cstr(struct slice a, const char *b);
bool slice_istarts(struct slice s, const char *prefix);
/* <0, 0, >0 like memcmp; a shorter prefix sorts first. */
int slice_cmp(struct slice a, struct slice b);
/* Index of the first byte c, or -1. */
ptrdiff_t slice_chr(struct slice s, uint8_t c);
/* Without SP and HTAB at both ends. */
struct slice slice_trim(struct slice s);
/* Copies s and a NUL into dst; ERR_LIMIT if it does not fit, ERR_SYNTAX if s holds a NUL. */
int slice_to_cstr(struct slice s, char *dst, size_t size) MUST_CHECK;

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}
static inline uint8_t ascii_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

/*
 * Character classes: 256-entry tables, never strchr() on a set (which is true
 * for NUL) and never the locale's isalpha().
 */
enum {
	CC_DIGIT = 1u << 0,
	CC_ALPHA = 1u << 1,
	CC_HEX = 1u << 2,
	CC_ATEXT = 1u << 3,    /* RFC 5322 3.2.3 */
	CC_WSP = 1u << 4,      /* SP, HTAB */
	CC_CTL = 1u << 5,      /* 0-31, 127 */
	CC_8BIT = 1u << 6,     /* 128-255 */
	CC_FTEXT = 1u << 7,    /* RFC 5322 3.6.8: 33-126 without ':' */
	CC_TOKEN = 1u << 8,    /* RFC 2045 5.1 */
	CC_IMAP_ATOM = 1u << 9,/* RFC 9051 ATOM-CHAR */
	CC_IMAP_ASTR = 1u << 10,/* RFC 9051 ASTRING-CHAR: ATOM-CHAR and ']' */
	CC_ESMTP_VALUE = 1u << 11,/* RFC 5321 esmtp-value: 33-126 without '=' */
	CC_PRINT = 1u << 12,   /* 32-126 */
};
extern const uint16_t charclass[256];
static inline bool is_class(uint8_t c, unsigned cc) { return (charclass[c] & cc) != 0; }

/* A position in a slice that is never written to. */
struct cursor {
	struct slice in;
	size_t off;
};

static inline struct cursor cursor_of(struct slice s) { return (struct cursor){ s, 0 }; }
static inline size_t cur_left(const struct cursor *c) { return c->in.len - c->off; }
static inline struct slice cur_rest(const struct cursor *c)
{
	return slice_sub(c->in, c->off, SIZE_MAX);
}
/* The next byte without taking it, or -1 at the end. */
static inline int cur_peek(const struct cursor *c)
{
	return c->off < c->in.len ? c->in.p[c->off] : -1;
}
/* Takes the byte ch; false if another or none is next. */
bool cur_take_byte(struct cursor *c, uint8_t ch);
/* Takes lit, ASCII case ignored; false and nothing taken if it is not there. */
bool cur_take_icase(struct cursor *c, const char *lit);
/* Takes bytes of class cc as long as they come, at most max: ERR_SYNTAX if there
 * is none, ERR_LIMIT if there are more than max. */
int cur_take_class(struct cursor *c, unsigned cc, size_t max, struct slice *out_r) MUST_CHECK;
/* Takes exactly n bytes; ERR_SYNTAX if fewer are left. */
int cur_take_n(struct cursor *c, size_t n, struct slice *out_r) MUST_CHECK;
/* Skips SP and HTAB. */
void cur_skip_wsp(struct cursor *c);
/* 0 at the end, ERR_SYNTAX if bytes are left. */
int cur_end(const struct cursor *c) MUST_CHECK;

#endif
