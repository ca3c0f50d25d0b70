/*
 * Nothing is signed but the proof of a TLS server: what is taken has each byte that makes it one. The input is a text,
 * or, behind a letter, changes (two letters of place, one of value) to a good one.
 */
#include <stdlib.h>

#include "keyd/sign.h"
#include "tests/keyd/texts.h"

static void check(struct slice t)
{
	static const uint8_t points[] = { [23] = 65, [24] = 97, [25] = 133, [29] = 32, [30] = 56 };
	enum sign_kind kind;

	if (sign_text_kind(t, &kind) != 0)
		return;
	if (kind == SIGN_TLS13) {
		if (t.len != 98 + 32 && t.len != 98 + 48 && t.len != 98 + 64)
			abort();
		for (size_t i = 0; i < 64; i++)
			if (t.p[i] != 0x20)
				abort();
		if (memcmp(t.p + 64, "TLS 1.3, server CertificateVerify\0", 34) != 0)
			abort();
		return;
	}
	if (t.len < 68 || t.p[64] != 3 || t.p[65] != 0 || t.p[66] > 30 || points[t.p[66]] == 0 || t.p[67] != points[t.p[66]] ||
	    t.len != 68u + t.p[67] || (t.p[66] < 29 && t.p[68] != 4))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t room[TEXT_ROOM];
	struct slice t;

	check(slice_of(data, size));
	if (size == 0)
		return 0;
	t = data[0] == 'a' ? text_tls13(room, 32) : data[0] == 'b' ? text_tls13(room, 48) : data[0] == 'c' ? text_tls12(room, 23, 65) :
	    data[0] == 'd' ? text_tls12(room, 29, 32) : text_tls12(room, data[0], (uint8_t)size);
	for (size_t i = 1; i + 3 <= size; i += 3)
		room[(data[i] * 16u + data[i + 1]) % TEXT_ROOM] = data[i + 2];
	check(t);
	check(slice_sub(t, 0, size));
	return 0;
}
