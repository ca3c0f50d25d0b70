#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUF_KEEP = 64 * 1024 };    /* an empty buffer larger than this gives its memory back */

static void buf_compact(struct buf *b)
{
	if (b->off == 0)
		return;
	memmove(b->p, b->p + b->off, b->len - b->off);
	if (b->secret)
		explicit_bzero(b->p + b->len - b->off, b->off);
	b->len -= b->off;
	b->off = 0;
}

static void memory_free(struct buf *b)
{
	if (b->secret && b->p != NULL)
		explicit_bzero(b->p, b->cap);
	free(b->p);
	b->p = NULL;
	b->cap = 0;
}

/* realloc() may leave the old bytes where they were. */
static uint8_t *memory_grow(struct buf *b, size_t size)
{
	uint8_t *p = b->secret && b->p != NULL ? malloc(size) : realloc(b->p, size);

	if (p == NULL)
		return NULL;
	if (b->secret && b->p != NULL) {
		memcpy(p, b->p, b->len);
		memory_free(b);
	}
	b->p = p;
	b->cap = size;
	return p;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t used = b->len - b->off, want;

	if (b->err != 0)
		return NULL;
	if (n > b->max || used > b->max - n) {
		b->err = ERR_LIMIT;
		return NULL;
	}
	if (b->p != NULL && b->cap - b->len >= n)
		return b->p + b->len;
	if (b->p != NULL && b->off >= b->cap / 2 && b->cap - used >= n) {
		buf_compact(b);
		return b->p + b->len;
	}
	want = b->cap < 256 ? 256 : b->cap * 2;
	if (want < used + n)
		want = used + n;
	if (want > b->max && b->max >= used + n)
		want = b->max;
	if (b->p != NULL)
		buf_compact(b);
	if (memory_grow(b, want) == NULL) {
		b->err = ERR_NOMEM;
		return NULL;
	}
	return b->p + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *q;

	if (n == 0)
		return;
	q = buf_reserve(b, n);
	if (q == NULL)
		return;
	memcpy(q, p, n);
	b->len += n;
}

void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.len);
}

void buf_add_cstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_byte(struct buf *b, uint8_t c)
{
	buf_add(b, &c, 1);
}

void buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	char tmp[512];
	va_list ap2;
	uint8_t *q;
	int n;

	va_copy(ap2, ap);
	n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
	if (n > 0 && (size_t)n < sizeof(tmp)) {
		buf_add(b, tmp, (size_t)n);
	} else if (n > 0 && (q = buf_reserve(b, (size_t)n + 1)) != NULL) {
		(void)vsnprintf((char *)q, (size_t)n + 1, fmt, ap2);
		b->len += (size_t)n;
	}
	va_end(ap2);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof(tmp);

	do
		tmp[--i] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	buf_add(b, tmp + i, sizeof(tmp) - i);
}

void buf_add_le16(struct buf *b, uint16_t v)
{
	uint8_t t[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	buf_add(b, t, sizeof(t));
}

void buf_add_le32(struct buf *b, uint32_t v)
{
	uint8_t t[4];

	put_le32(t, v);
	buf_add(b, t, sizeof(t));
}

void buf_add_le64(struct buf *b, uint64_t v)
{
	uint8_t t[8];

	put_le64(t, v);
	buf_add(b, t, sizeof(t));
}

void buf_consume(struct buf *b, size_t n)
{
	if (b->secret && n != 0)
		explicit_bzero(b->p + b->off, n);
	b->off += n;
	if (b->off < b->len)
		return;
	b->off = b->len = 0;
	if (b->cap > BUF_KEEP)
		memory_free(b);
}

void buf_reset(struct buf *b)
{
	if (b->secret && b->len != 0)
		explicit_bzero(b->p, b->len);
	b->off = b->len = 0;
	b->err = 0;
}

void buf_free(struct buf *b)
{
	memory_free(b);
	*b = (struct buf){ .max = b->max, .secret = b->secret };
}
