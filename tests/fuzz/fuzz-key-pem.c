/*
 * A file of a key and its chain, of any bytes, gives a whole certificate or a reason. The input is such a file, or,
 * behind a 'g' or 'x', changes (two letters of place, one of value) to a good one, which is made at the start; the rest of
 * the file behind the last change is cut off behind an 'x'.
 */
#include <stdlib.h>

#include "keyd/selfsign.h"

static struct buf good = { .max = 1 << 20 };

static void make_good(void)
{
	static const char *const hosts[] = { "mx.a.test", "*.a.test" };
	struct buf why = BUF_INIT(1000);
	struct cert *c;

	crypto_init();
	if (selfsign_make(KEY_ED25519, hosts, 2, 30, &c, &why) != 0 || cert_write(c, &good) != 0)
		abort();
	cert_free(&c);
	buf_free(&why);
}

static void check(struct slice text)
{
	static unsigned rounds;
	struct buf why = BUF_INIT(65536), again = BUF_INIT(1 << 20);
	struct cert *c = NULL, *d = NULL;

	if (cert_load(text, text, &c, &why) != 0) {
		if (c != NULL || buf_len(&why) == 0)
			abort();
	} else {
		if (c->names_n == 0 || c->first[0] == '\0' || buf_len(&c->chain) == 0 || c->certificates == 0)
			abort();
		for (unsigned i = 0; i < c->names_n; i++)
			if (!cert_name_ok(c->names[i]))
				abort();
		if (rounds++ % 8 == 0 && (cert_write(c, &again) != 0 || cert_load(buf_slice(&again), buf_slice(&again), &d, &why) != 0 ||
		    !slice_eq(buf_slice(&c->chain), buf_slice(&d->chain))))
			abort();
	}
	cert_free(&c);
	cert_free(&d);
	buf_free(&why);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT(1 << 20);
	size_t at = SIZE_MAX;

	if (buf_len(&good) == 0)
		make_good();
	check(slice_of(data, size));
	if (size == 0 || (data[0] != 'g' && data[0] != 'x'))
		return 0;
	buf_add_slice(&text, buf_slice(&good));
	for (size_t i = 1; i + 3 <= size; i += 3) {
		at = (data[i] * 64u + data[i + 1]) % buf_len(&good);
		text.p[at] = data[i + 2];
	}
	check(slice_sub(buf_slice(&text), 0, data[0] == 'x' ? at : SIZE_MAX));
	buf_free(&text);
	return 0;
}
