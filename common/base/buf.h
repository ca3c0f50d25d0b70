#ifndef PABAL_BASE_BUF_H
#define PABAL_BASE_BUF_H

#include <stdarg.h>

#include "common/base/slice.h"

/*
 * A growing byte buffer with a cap and a read position. Appends never fail by
 * themselves: the first that would pass the cap or finds no memory sets err,
 * later ones do nothing, and the caller checks buf_err() once at the end.
 * p + off .. p + len is what has been written and not yet consumed.
 * BUF_INIT(max) needs no destructor until something is appended.
 *
 * secret, which may be set and cleared at any time: what is consumed, moved,
 * reset or freed is overwritten, so that no copy of it stays in memory.
 */
struct buf {
	uint8_t *p;
	size_t off, len, cap, max;
	int err;
	bool secret;
};

#define BUF_INIT(m) ((struct buf){ .max = (m) })
#define BUF_INIT_SECRET(m) ((struct buf){ .max = (m), .secret = true })

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->len != b->off ? b->p + b->off : NULL, b->len - b->off);
}
static inline size_t buf_len(const struct buf *b) { return b->len - b->off; }
static inline int buf_err(const struct buf *b) { return b->err; }

/* Room for n more bytes at the end, uninitialised, or NULL (err is set). They
 * count once buf_commit() is told how many were used. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_cstr(struct buf *b, const char *s);
void buf_add_byte(struct buf *b, uint8_t c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_addv(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Decimal, faster than buf_addf. */
void buf_add_u64(struct buf *b, uint64_t v);
/* Little-endian, for internal protocols and files. */
void buf_add_le16(struct buf *b, uint16_t v);
void buf_add_le32(struct buf *b, uint32_t v);
void buf_add_le64(struct buf *b, uint64_t v);
/* Drops n bytes from the front; n is at most buf_len(). Gives memory back when it becomes empty and is large. */
void buf_consume(struct buf *b, size_t n);
/* Empties it and clears err; keeps the memory. */
void buf_reset(struct buf *b);
/* Frees the memory; the buffer may be used again with the same max and secret. */
void buf_free(struct buf *b);

static inline uint16_t get_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t get_le64(const uint8_t *p)
{
	return (uint64_t)get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}
static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8), p[2] = (uint8_t)(v >> 16), p[3] = (uint8_t)(v >> 24);
}
static inline void put_le64(uint8_t *p, uint64_t v)
{
	put_le32(p, (uint32_t)v);
	put_le32(p + 4, (uint32_t)(v >> 32));
}
/* Big-endian, for keys that must sort. */
static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}
static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}
static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}
static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

#endif
