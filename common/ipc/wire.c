#include "common/ipc/wire.h"

#include "common/base/log.h"

/* n bytes that are there, or NULL. */
static inline const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->in.p + c->off;

	if (cur_left(c) < n)
		return NULL;
	c->off += n;
	return p;
}

int wire_get_u8(struct cursor *c, uint8_t *v_r)
{
	const uint8_t *p = take(c, 1);

	if (p == NULL)
		return ERR_SYNTAX;
	*v_r = p[0];
	return 0;
}

int wire_get_u16(struct cursor *c, uint16_t *v_r)
{
	const uint8_t *p = take(c, 2);

	if (p == NULL)
		return ERR_SYNTAX;
	*v_r = get_le16(p);
	return 0;
}

int wire_get_u32(struct cursor *c, uint32_t *v_r)
{
	const uint8_t *p = take(c, 4);

	if (p == NULL)
		return ERR_SYNTAX;
	*v_r = get_le32(p);
	return 0;
}

int wire_get_u64(struct cursor *c, uint64_t *v_r)
{
	const uint8_t *p = take(c, 8);

	if (p == NULL)
		return ERR_SYNTAX;
	*v_r = get_le64(p);
	return 0;
}

int wire_get_bytes(struct cursor *c, size_t max, struct slice *v_r)
{
	const uint8_t *p = take(c, 4);
	uint32_t n;

	if (p == NULL)
		return ERR_SYNTAX;
	n = get_le32(p);
	if (n > max)
		return ERR_LIMIT;
	if ((p = take(c, n)) == NULL)
		return ERR_SYNTAX;
	*v_r = slice_of(p, n);
	return 0;
}

int wire_get_count(struct cursor *c, size_t max, uint32_t *n_r)
{
	int r = wire_get_u32(c, n_r);

	if (r != 0)
		return r;
	if (*n_r > max)
		return ERR_LIMIT;
	return *n_r <= cur_left(c) ? 0 : ERR_SYNTAX;
}

void wire_put_bytes(struct buf *b, struct slice s)
{
	buf_add_le32(b, (uint32_t)s.len);
	buf_add_slice(b, s);
}

void wire_print_str(struct buf *b, const char *name, struct slice s)
{
	buf_addf(b, " %s=%s", name, log_esc(s));
}
