/*
 * A whole POP3 session from the client's bytes, cut in two ways: the same
 * replies, whatever the sizes of the parts in which bodies come (but for STLS);
 * the password is not left behind; nothing is removed without QUIT.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "tests/pop3d/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

static void run(struct drop *d, struct slice in, size_t step, uint32_t part)
{
	drop_init(d);
	d->env.starttls = d->env.oauth = true;
	d->part_max = part;
	for (size_t off = 0; off < in.len && d->want != POP3_WANT_CLOSE; off += step)
		drop_send(d, slice_sub(in, off, step));
	buf_add_slice(&d->taken, buf_slice(&d->out));
	if (d->password_left || (d->removed_n != 0 && d->want != POP3_WANT_CLOSE))
		abort();
	if (buf_err(&d->out) != 0 || buf_err(&d->taken) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drop a, b;
	struct slice in;

	if (size < 2 || size > 1 << 14)
		return 0;
	log_capture(quiet);
	in = slice_of(data + 1, size - 1);
	run(&a, in, in.len, UINT32_MAX);
	run(&b, in, 1 + data[0] % 31, 1 + data[0] % 7);
	/* what stands in one packet with STLS is not heard, and what comes after it is */
	if (a.handshakes == 0 && (!slice_eq(buf_slice(&a.taken), buf_slice(&b.taken)) || a.removed_n != b.removed_n))
		abort();
	drop_free(&a);
	drop_free(&b);
	return 0;
}
