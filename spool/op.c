/* proto_spool.h is implemented in common/ipc; only the tables of op.h are here. */
#include "common/ipc/proto_spool.h"
#define WIRE_IMPLEMENT_HERE
#undef WIRE_MAYBE_IMPLEMENT
#define WIRE_MAYBE_IMPLEMENT(T, FIELDS) WIRE_IMPLEMENT(T, FIELDS)
#include "spool/op.h"

struct op_desc {
	const char *name;
	void (*encode)(struct buf *b, const struct spool_op *op);
	int (*decode)(struct cursor *c, struct arena *a, struct spool_op *op);
	void (*print)(struct buf *b, const struct spool_op *op);
};

#define OP_FUNCTIONS(n, K, T, m) \
	static void encode_##m(struct buf *b, const struct spool_op *op) { T##_encode(b, &op->m); } \
	static int decode_##m(struct cursor *c, struct arena *a, struct spool_op *op) { return T##_decode(c, a, &op->m); } \
	static void print_##m(struct buf *b, const struct spool_op *op) { T##_print(b, &op->m); }
SPOOL_OPS(OP_FUNCTIONS)

#define OP_DESC(n, K, T, m) [K] = { #T, encode_##m, decode_##m, print_##m },
static const struct op_desc descs[OP_KIND_END] = { SPOOL_OPS(OP_DESC) };

static const struct op_desc *desc_of(unsigned kind)
{
	return kind < OP_KIND_END && descs[kind].name != NULL ? &descs[kind] : NULL;
}

const char *spool_op_name(unsigned kind)
{
	const struct op_desc *d = desc_of(kind);

	return d != NULL ? d->name : "unknown";
}

int spool_op_encode(struct buf *b, const struct spool_op *op)
{
	const struct op_desc *d = desc_of(op->kind);

	if (d == NULL)
		return ERR_STATE;
	buf_add_byte(b, OP_VERSION);
	buf_add_byte(b, (uint8_t)op->kind);
	buf_add_le64(b, op->time_us);
	d->encode(b, op);
	return buf_err(b);
}

int spool_op_decode(struct slice payload, struct arena *a, struct spool_op *op_r)
{
	struct cursor c = cursor_of(payload);
	const struct op_desc *d;
	uint8_t version, kind;
	int r;

	if ((r = wire_get_u8(&c, &version)) != 0)
		return r;
	if (version != OP_VERSION)
		return ERR_VERSION;
	if ((r = wire_get_u8(&c, &kind)) != 0)
		return r;
	if ((d = desc_of(kind)) == NULL)
		return ERR_SYNTAX;
	op_r->kind = (enum spool_op_kind)kind;
	if ((r = wire_get_u64(&c, &op_r->time_us)) != 0 || (r = d->decode(&c, a, op_r)) != 0)
		return r;
	return cur_end(&c);
}

void spool_op_print(struct buf *b, const struct spool_op *op)
{
	const struct op_desc *d = desc_of(op->kind);

	buf_add_cstr(b, spool_op_name(op->kind));
	buf_addf(b, " time=%llu", (unsigned long long)op->time_us);
	if (d != NULL)
		d->print(b, op);
}
