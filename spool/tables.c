/* proto_spool.h and op.h are implemented elsewhere; only the tables of tables.h are here. */
#include "spool/op.h"
#define WIRE_IMPLEMENT_HERE
#undef WIRE_MAYBE_IMPLEMENT
#define WIRE_MAYBE_IMPLEMENT(T, FIELDS) WIRE_IMPLEMENT(T, FIELDS)
#include "spool/tables.h"

void row_encode(uint8_t dst[ROW_VALUE_SIZE], const struct row *r)
{
	put_le32(dst, r->flags);
	put_le64(dst + 4, r->keywords);
	put_le64(dst + 12, r->modseq);
	put_le64(dst + 20, r->size);
	put_le64(dst + 28, r->date);
	put_le64(dst + 36, r->bodyid);
}

void row_pack(struct buf *b, const struct row *r)
{
	uint8_t *p = buf_reserve(b, SPOOL_ROW_SIZE);

	if (p == NULL)
		return;
	put_le32(p, r->uid);
	row_encode(p + 4, r);
	buf_commit(b, SPOOL_ROW_SIZE);
}

int row_decode(struct slice key, struct slice val, struct row *r_r)
{
	if (key.len != 12 || val.len != ROW_VALUE_SIZE)
		return ERR_CORRUPT;
	r_r->uid = get_be32(key.p + 8);
	r_r->flags = get_le32(val.p);
	r_r->keywords = get_le64(val.p + 4);
	r_r->modseq = get_le64(val.p + 12);
	r_r->size = get_le64(val.p + 20);
	r_r->date = get_le64(val.p + 28);
	r_r->bodyid = get_le64(val.p + 36);
	return 0;
}
