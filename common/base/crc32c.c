#include "common/base/crc32c.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>
#define HAVE_SSE42 1
#endif

static uint32_t table[256];

static void table_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		table[i] = c;
	}
}

static uint32_t crc_soft(uint32_t c, const uint8_t *p, size_t len)
{
	if (table[1] == 0)
		table_fill();
	while (len-- != 0)
		c = table[(c ^ *p++) & 0xff] ^ c >> 8;
	return c;
}

#ifdef HAVE_SSE42
__attribute__((target("sse4.2")))
static uint32_t crc_hard(uint32_t c, const uint8_t *p, size_t len)
{
	uint64_t c64 = c, v;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, 8);
		c64 = _mm_crc32_u64(c64, v);
	}
	c = (uint32_t)c64;
	while (len-- != 0)
		c = _mm_crc32_u8(c, *p++);
	return c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t len)
{
	crc = ~crc;
#ifdef HAVE_SSE42
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_hard(crc, p, len);
#endif
	return ~crc_soft(crc, p, len);
}
