/* A name has one form: what is accepted either way comes back byte for byte. */
#include <stdlib.h>

#include "common/mail/charset.h"
#include "common/mail/mutf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);

	if (mutf7_to_utf8(in, &a) == 0) {
		if (!utf8_valid(buf_slice(&a)))
			abort();
		if (mutf7_from_utf8(buf_slice(&a), &b) != 0 || !slice_eq(buf_slice(&b), in))
			abort();
	}
	buf_reset(&a);
	buf_reset(&b);
	if (mutf7_from_utf8(in, &a) == 0) {
		for (size_t i = 0; i < buf_len(&a); i++)
			if (!is_class(a.p[i], CC_PRINT))
				abort();
		if (mutf7_to_utf8(buf_slice(&a), &b) != 0 || !slice_eq(buf_slice(&b), in))
			abort();
	} else if (utf8_valid(in) && slice_chr(in, 0) < 0) {
		abort();
	}
	buf_free(&a);
	buf_free(&b);
	return 0;
}
