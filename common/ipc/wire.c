#include "common/ipc/wire.h"

#include "common/base/log.h"

int wire_get_u8(struct cursor *c, uint8_t *v_r)
{
	struct slice s;
	int r = cur_take_n(c, 1, &s);

	if (r == 0)
		*v_r = s.p[0];
	return r;
}

int wire_get_u16(struct cursor *c, uint16_t *v_r)
{
	struct slice s;
	int r = cur_take_n(c, 2, &s);

	if (r == 0)
		*v_r = get_le16(s.p);
	return r;
}

int wire_get_u32(struct cursor *c, uint32_t *v_r)
{
	struct slice s;
	int r = cur_take_n(c, 4, &s);

	if (r == 0)
		*v_r = get_le32(s.p);
	return r;
}

int wire_get_u64(struct cursor *c, uint64_t *v_r)
{
	struct slice s;
	int r = cur_take_n(c, 8, &s);

	if (r == 0)
		*v_r = get_le64(s.p);
	return r;
}

int wire_get_bytes(struct cursor *c, size_t max, struct slice *v_r)
{
	uint32_t n;
	int r = wire_get_u32(c, &n);

	if (r != 0)
		return r;
	if (n > max)
		return ERR_LIMIT;
	return cur_take_n(c, n, v_r);
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
