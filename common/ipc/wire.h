#ifndef PABAL_IPC_WIRE_H
#define PABAL_IPC_WIRE_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * From one table of fields: a struct, its encoder, decoder and printer.
 *
 *	#define SPOOL_RCPT_FIELDS(X) \
 *		X##_U32(index) \
 *		X##_STR(addr, 1024) \
 *		X##_LIST(spool_alias, aliases, 100)
 *	WIRE_DECLARE(spool_rcpt, SPOOL_RCPT_FIELDS)      in a header
 *	WIRE_IMPLEMENT(spool_rcpt, SPOOL_RCPT_FIELDS)    in one .c file
 *
 * gives
 *	struct spool_rcpt { uint32_t index; struct slice addr;
 *	                    struct spool_alias *aliases; uint32_t aliases_n; };
 *	void spool_rcpt_encode(struct buf *b, const struct spool_rcpt *m);
 *	int  spool_rcpt_decode(struct cursor *c, struct arena *a, struct spool_rcpt *m_r);
 *	void spool_rcpt_print(struct buf *b, const struct spool_rcpt *m);
 *
 * Integers are little-endian; STR and BYTES are a u32 length and that many
 * bytes, LIST a u32 count and the elements. STR is text (printed), BYTES is
 * opaque (only its length is printed), SECRET is never printed. The decoder
 * checks every length against what is there and against the limit in the
 * table before anything is allocated; slices point into the input, lists live
 * in the arena. It does not insist on the end: whoever frames the value calls
 * cur_end(). An empty struct is not possible; give it an X##_U8(reserved).
 */
int wire_get_u8(struct cursor *c, uint8_t *v_r) MUST_CHECK;
int wire_get_u16(struct cursor *c, uint16_t *v_r) MUST_CHECK;
int wire_get_u32(struct cursor *c, uint32_t *v_r) MUST_CHECK;
int wire_get_u64(struct cursor *c, uint64_t *v_r) MUST_CHECK;
/* ERR_LIMIT when the length is over max. */
int wire_get_bytes(struct cursor *c, size_t max, struct slice *v_r) MUST_CHECK;
/* A list's count: ERR_LIMIT over max, ERR_SYNTAX when fewer bytes than elements are left. */
int wire_get_count(struct cursor *c, size_t max, uint32_t *n_r) MUST_CHECK;
void wire_put_bytes(struct buf *b, struct slice s);
/* name="text" with the text escaped and cut. */
void wire_print_str(struct buf *b, const char *name, struct slice s);

#define WIRE_S_U8(n) uint8_t n;
#define WIRE_S_U16(n) uint16_t n;
#define WIRE_S_U32(n) uint32_t n;
#define WIRE_S_U64(n) uint64_t n;
#define WIRE_S_STR(n, max) struct slice n;
#define WIRE_S_BYTES(n, max) struct slice n;
#define WIRE_S_SECRET(n, max) struct slice n;
#define WIRE_S_LIST(T, n, max) struct T *n; uint32_t n##_n;
#define WIRE_S_STRUCT(T, n) struct T n;

#define WIRE_E_U8(n) buf_add_byte(b, m->n);
#define WIRE_E_U16(n) buf_add_le16(b, m->n);
#define WIRE_E_U32(n) buf_add_le32(b, m->n);
#define WIRE_E_U64(n) buf_add_le64(b, m->n);
#define WIRE_E_STR(n, max) wire_put_bytes(b, m->n);
#define WIRE_E_BYTES(n, max) wire_put_bytes(b, m->n);
#define WIRE_E_SECRET(n, max) wire_put_bytes(b, m->n);
#define WIRE_E_LIST(T, n, max) \
	buf_add_le32(b, m->n##_n); \
	for (uint32_t i_ = 0; i_ < m->n##_n; i_++) \
		T##_encode(b, &m->n[i_]);
#define WIRE_E_STRUCT(T, n) T##_encode(b, &m->n);

#define WIRE_D_U8(n) if (r_ == 0) r_ = wire_get_u8(c, &m->n);
#define WIRE_D_U16(n) if (r_ == 0) r_ = wire_get_u16(c, &m->n);
#define WIRE_D_U32(n) if (r_ == 0) r_ = wire_get_u32(c, &m->n);
#define WIRE_D_U64(n) if (r_ == 0) r_ = wire_get_u64(c, &m->n);
#define WIRE_D_STR(n, max) if (r_ == 0) r_ = wire_get_bytes(c, max, &m->n);
#define WIRE_D_BYTES(n, max) if (r_ == 0) r_ = wire_get_bytes(c, max, &m->n);
#define WIRE_D_SECRET(n, max) if (r_ == 0) r_ = wire_get_bytes(c, max, &m->n);
#define WIRE_D_LIST(T, n, max) \
	if (r_ == 0) r_ = wire_get_count(c, max, &m->n##_n); \
	if (r_ == 0 && (m->n = arena_calloc(a, m->n##_n, sizeof(*m->n))) == NULL) r_ = ERR_NOMEM; \
	for (uint32_t i_ = 0; r_ == 0 && i_ < m->n##_n; i_++) \
		r_ = T##_decode(c, a, &m->n[i_]);
#define WIRE_D_STRUCT(T, n) if (r_ == 0) r_ = T##_decode(c, a, &m->n);

#define WIRE_P_U8(n) buf_addf(b, " " #n "=%u", m->n);
#define WIRE_P_U16(n) buf_addf(b, " " #n "=%u", m->n);
#define WIRE_P_U32(n) buf_addf(b, " " #n "=%u", m->n);
#define WIRE_P_U64(n) buf_addf(b, " " #n "=%llu", (unsigned long long)m->n);
#define WIRE_P_STR(n, max) wire_print_str(b, #n, m->n);
#define WIRE_P_BYTES(n, max) buf_addf(b, " " #n "=[%zu bytes]", m->n.len);
#define WIRE_P_SECRET(n, max) buf_add_cstr(b, " " #n "=[secret]");
#define WIRE_P_LIST(T, n, max) \
	buf_add_cstr(b, " " #n "=["); \
	for (uint32_t i_ = 0; i_ < m->n##_n; i_++) { \
		buf_add_cstr(b, i_ != 0 ? ",{" : "{"); \
		T##_print(b, &m->n[i_]); \
		buf_add_cstr(b, " }"); \
	} \
	buf_add_byte(b, ']');
#define WIRE_P_STRUCT(T, n) \
	buf_add_cstr(b, " " #n "={"); \
	T##_print(b, &m->n); \
	buf_add_cstr(b, " }");

/* One .c file of a protocol defines WIRE_IMPLEMENT_HERE before its header, which then implements too. */
#ifdef WIRE_IMPLEMENT_HERE
#define WIRE_MAYBE_IMPLEMENT(T, FIELDS) WIRE_IMPLEMENT(T, FIELDS)
#else
#define WIRE_MAYBE_IMPLEMENT(T, FIELDS)
#endif

#define WIRE_DECLARE(T, FIELDS) \
	struct T { FIELDS(WIRE_S) }; \
	void T##_encode(struct buf *b, const struct T *m); \
	int T##_decode(struct cursor *c, struct arena *a, struct T *m) MUST_CHECK; \
	void T##_print(struct buf *b, const struct T *m); \
	WIRE_MAYBE_IMPLEMENT(T, FIELDS)

#define WIRE_IMPLEMENT(T, FIELDS) \
	void T##_encode(struct buf *b, const struct T *m) { FIELDS(WIRE_E) } \
	int T##_decode(struct cursor *c, struct arena *a, struct T *m) \
	{ \
		int r_ = 0; \
		(void)a; \
		memset(m, 0, sizeof(*m)); \
		FIELDS(WIRE_D) \
		return r_; \
	} \
	void T##_print(struct buf *b, const struct T *m) { FIELDS(WIRE_P) }

#endif
