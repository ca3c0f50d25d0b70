#include "spool/record.h"

#include "common/base/buf.h"
#include "common/base/crc32c.h"

enum { CRC_AT = 36 };
static const uint8_t magic[4] = { 'P', 'B', 'L', 'R' };

void record_encode(uint8_t *dst, uint32_t seed, struct record *r, struct slice payload)
{
	size_t size = (size_t)record_size(payload.len);

	memset(dst, 0, RECORD_HEADER);
	if (payload.len != 0)
		memcpy(dst + RECORD_HEADER, payload.p, payload.len);
	memset(dst + RECORD_HEADER + payload.len, 0, size - RECORD_HEADER - payload.len);
	r->len = (uint32_t)payload.len;
	r->sum = crc32c(0, dst + RECORD_HEADER, size - RECORD_HEADER);
	memcpy(dst, magic, sizeof(magic));
	dst[4] = RECORD_VERSION;
	dst[5] = r->type;
	put_le32(dst + 8, r->len);
	put_le32(dst + 12, r->index);
	put_le64(dst + 16, r->lsn);
	put_le32(dst + 24, r->prev);
	put_le32(dst + 28, r->sum);
	r->crc = crc32c(seed, dst, CRC_AT);
	put_le32(dst + CRC_AT, r->crc);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n != 0 && *p == 0)
		p++, n--;
	return n == 0;
}

bool record_has_magic(const uint8_t *p)
{
	return memcmp(p, magic, sizeof(magic)) == 0;
}

int record_decode(const uint8_t *p, uint32_t seed, struct record *r_r)
{
	if (!record_has_magic(p))
		return all_zero(p, RECORD_HEADER) ? ERR_NOTFOUND : ERR_CORRUPT;
	*r_r = (struct record){
		.type = p[5],
		.len = get_le32(p + 8),
		.index = get_le32(p + 12),
		.lsn = get_le64(p + 16),
		.prev = get_le32(p + 24),
		.sum = get_le32(p + 28),
		.crc = get_le32(p + CRC_AT),
	};
	if (r_r->crc != crc32c(seed, p, CRC_AT))
		return ERR_CORRUPT;
	if (p[4] != RECORD_VERSION)
		return ERR_VERSION;
	if (!all_zero(p + 6, 2) || !all_zero(p + 32, 4) || r_r->lsn == 0 || r_r->index >= r_r->lsn ||
	    (r_r->type == RECORD_SEAL && r_r->len != 0))
		return ERR_CORRUPT;
	return 0;
}

bool record_payload_ok(const struct record *r, const uint8_t *p)
{
	return crc32c(0, p, (size_t)record_size(r->len) - RECORD_HEADER) == r->sum;
}
