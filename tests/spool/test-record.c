/* The record: what is encoded is decoded, and no changed bit passes. */
#include "tests/lib/unit.h"

#include "common/base/buf.h"
#include "common/base/crc32c.h"
#include "spool/record.h"
#include "spool/segment.h"

enum { SEED = 0x12345678 };

static void round_trip(void **state)
{
	static const struct { uint8_t type; const char *text; uint32_t index; uint64_t lsn; uint32_t prev; } t[] = {
		{ 1, "", 0, 1, 0 }, { 255, "x", 0, UINT64_MAX, 0xffffffff },
		{ 0, "", 4, 5, 1 }, { 7, "12345678", 0xffffffff, 0x100000000, 9 },
		{ 8, "123456789 and some more", 1, 2, 3 },
	};
	uint8_t b[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct record in = { .type = t[i].type, .index = t[i].index, .lsn = t[i].lsn, .prev = t[i].prev }, out;
		struct slice p = slice_cstr(t[i].text);
		size_t size = (size_t)record_size(p.len);

		assert_row(i, size % RECORD_ALIGN == 0 && size >= RECORD_HEADER + p.len && size < RECORD_HEADER + p.len + 8);
		memset(b, 0xee, sizeof(b));
		record_encode(b, SEED, &in, p);
		assert_row(i, b[size] == 0xee);
		assert_row(i, record_decode(b, SEED, &out) == 0);
		assert_row(i, memcmp(&in, &out, sizeof(in)) == 0 || (in.type == out.type && in.crc == out.crc));
		assert_row(i, out.lsn == t[i].lsn && out.len == p.len && out.index == t[i].index && out.prev == t[i].prev);
		assert_row(i, record_batch(&out) == t[i].lsn - t[i].index);
		assert_row(i, record_payload_ok(&out, b + RECORD_HEADER));
		assert_row(i, record_decode(b, SEED + 1, &out) == ERR_CORRUPT);
		for (size_t bit = 0; bit < size * 8; bit++) {
			b[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_row(i, (bit / 8 < RECORD_HEADER ? record_decode(b, SEED, &out) == ERR_CORRUPT :
			    !record_payload_ok(&in, b + RECORD_HEADER)));
			b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* Headers whose checksum is right and whose content is not. */
static void hostile_header(void **state)
{
	static const struct { size_t at; uint8_t v; int r; } t[] = {
		{ 4, 0, ERR_VERSION }, { 4, 2, ERR_VERSION }, { 4, 255, ERR_VERSION },
		{ 6, 1, ERR_CORRUPT }, { 7, 1, ERR_CORRUPT }, { 32, 1, ERR_CORRUPT }, { 35, 1, ERR_CORRUPT },
		{ 16, 0, ERR_CORRUPT },         /* LSN 0 */
		{ 12, 3, ERR_CORRUPT },         /* index not below the LSN */
		{ 5, 0, ERR_CORRUPT },          /* a seal with a payload */
		{ 12, 2, 0 }, { 11, 255, 0 },
	};
	struct record r, in = { .type = 1, .lsn = 3 };
	uint8_t b[64], c[64];

	(void)state;
	record_encode(b, SEED, &in, slice_cstr("abc"));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		memcpy(c, b, sizeof(c));
		c[t[i].at] = t[i].v;
		put_le32(c + 36, crc32c(SEED, c, 36));
		assert_row(i, record_decode(c, SEED, &r) == t[i].r);
	}
	memset(c, 0, sizeof(c));
	assert_int_equal(record_decode(c, SEED, &r), ERR_NOTFOUND);
	c[39] = 1;
	assert_int_equal(record_decode(c, SEED, &r), ERR_CORRUPT);
}

static void segment_names(void **state)
{
	static const struct { const char *in; int r; uint64_t v; } t[] = {
		{ "0000000000000001", 0, 1 }, { "ffffffffffffffff", 0, UINT64_MAX }, { "00000000deadbeef", 0, 0xdeadbeef },
		{ "0000000000000000", ERR_SYNTAX, 0 }, { "", ERR_SYNTAX, 0 }, { "000000000000001", ERR_SYNTAX, 0 },
		{ "00000000000000001", ERR_SYNTAX, 0 }, { "00000000DEADBEEF", ERR_SYNTAX, 0 }, { "next", ERR_SYNTAX, 0 },
		{ "000000000000000g", ERR_SYNTAX, 0 }, { "000000000000000/", ERR_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char name[SEGMENT_NAME];
		uint64_t v = 0;

		assert_row(i, segment_name_parse(t[i].in, &v) == t[i].r);
		assert_row(i, v == t[i].v);
		if (t[i].r != 0)
			continue;
		segment_name(v, name);
		assert_string_equal(name, t[i].in);
	}
}

static void segment_heads(void **state)
{
	static const struct { size_t at; uint8_t v; int r; } t[] = {
		{ 8, 2, ERR_VERSION }, { 11, 1, ERR_VERSION }, { 12, 1, ERR_CORRUPT }, { 0, 'p', ERR_CORRUPT },
		{ 16, 4, ERR_CORRUPT },         /* the size is no multiple of 8 */
		{ 18, 0, ERR_CORRUPT },         /* too small */
		{ 20, 1, ERR_CORRUPT },         /* too large */
		{ 24, 99, 0 }, { 40, 1, 0 },
	};
	struct segment_head h, h2;
	uint8_t b[64], c[64];

	(void)state;
	segment_head_encode(b, 1 << 20, 42, &h);
	assert_int_equal(segment_head_decode(b, &h2), 0);
	assert_true(h.size == h2.size && h.seed == h2.seed && h2.size == 1 << 20);
	for (size_t bit = 0; bit < 64 * 8; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_row(bit, segment_head_decode(b, &h2) == ERR_CORRUPT);
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		memcpy(c, b, sizeof(c));
		c[t[i].at] = t[i].v;
		put_le32(c + 60, crc32c(0, c, 60));
		assert_row(i, segment_head_decode(c, &h2) == t[i].r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(hostile_header),
		cmocka_unit_test(segment_names), cmocka_unit_test(segment_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
