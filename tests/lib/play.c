#include "tests/lib/unit.h"

#include "tests/lib/play.h"

static void client_bytes(struct slice line, bool raw, struct buf *out)
{
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.p[i];

		if (raw && c == '\\' && i + 1 < line.len) {
			c = line.p[++i];
			c = c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
		}
		buf_add_byte(out, c);
	}
	if (!raw)
		buf_add_cstr(out, "\r\n");
}

void play_expect(struct buf *out, const char *name, struct slice want)
{
	struct slice got = buf_slice(out);
	ptrdiff_t lf = slice_chr(got, '\n');
	bool prefix = want.len != 0 && want.p[want.len - 1] == '*';

	if (lf < 1 || got.p[lf - 1] != '\r')
		fail_msg("%s: no reply, want \"%.*s\"", name, SLICE_ARG(want));
	got = slice_sub(got, 0, (size_t)lf - 1);
	if (prefix ? !slice_eq(slice_sub(got, 0, want.len - 1), slice_sub(want, 0, want.len - 1)) : !slice_eq(got, want))
		fail_msg("%s: got \"%.*s\" want \"%.*s\"", name, SLICE_ARG(got), SLICE_ARG(want));
	buf_consume(out, (size_t)lf + 1);
}

static void play_line(const struct play_ops *ops, const char *name, struct slice line, size_t step)
{
	struct slice arg = slice_sub(line, 3, SIZE_MAX);
	struct buf bytes = BUF_INIT(1 << 20);
	char text[16];

	switch (line.p[0]) {
	case 'C':
	case 'R':
		client_bytes(arg, line.p[0] == 'R', &bytes);
		for (size_t off = 0; off < buf_len(&bytes); off += step)
			ops->send(ops->ctx, slice_sub(buf_slice(&bytes), off, step));
		break;
	case 'S':
		play_expect(ops->out, name, arg);
		break;
	case 'T':
		assert_int_equal(slice_to_cstr(arg, text, sizeof(text)), 0);
		ops->pass(ops->ctx, strtoull(text, NULL, 10));
		break;
	case 'X':
		if (!ops->closed(ops->ctx))
			fail_msg("%s: not closed", name);
		break;
	default:
		fail_msg("%s: bad line \"%.*s\"", name, SLICE_ARG(line));
	}
	buf_free(&bytes);
}

void play_text(const struct play_ops *ops, const char *name, const char *text, size_t step)
{
	struct slice rest = slice_cstr(text);

	while (rest.len != 0) {
		ptrdiff_t lf = slice_chr(rest, '\n');
		struct slice line = slice_sub(rest, 0, lf < 0 ? rest.len : (size_t)lf);

		rest = slice_sub(rest, line.len + 1, SIZE_MAX);
		play_line(ops, name, line, step);
	}
	if (buf_len(ops->out) != 0)
		fail_msg("%s: more replies: \"%.*s\"", name, SLICE_ARG(buf_slice(ops->out)));
}
