#ifndef PABAL_TESTS_KEYD_TEXTS_H
#define PABAL_TESTS_KEYD_TEXTS_H

/* The two kinds of texts that a TLS server signs. */
#include <string.h>

#include "common/base/slice.h"

enum { TEXT_ROOM = 256 };

static inline struct slice text_tls13(uint8_t b[TEXT_ROOM], size_t hash)
{
	memset(b, ' ', 64);
	memcpy(b + 64, "TLS 1.3, server CertificateVerify", 34);
	memset(b + 98, 0xa5, TEXT_ROOM - 98);
	return slice_of(b, 98 + hash);
}

static inline struct slice text_tls12(uint8_t b[TEXT_ROOM], uint16_t group, uint8_t point)
{
	memset(b, 0x5a, 64);
	b[64] = 3;
	b[65] = (uint8_t)(group >> 8);
	b[66] = (uint8_t)group;
	b[67] = point;
	memset(b + 68, 4, TEXT_ROOM - 68);
	return slice_of(b, 68u + point);
}

#endif
