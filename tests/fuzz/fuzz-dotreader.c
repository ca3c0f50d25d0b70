/*
 * The content reader and writer: cutting the stream into pieces changes
 * nothing, and what the writer sends the reader gives back. The line reader
 * too gives the same lines for any cut.
 */
#include <stdlib.h>

#include "common/mail/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sink(void *arg, struct slice run)
{
	if (run.len == 0)
		abort();
	buf_add_slice(arg, run);
}

/* Pieces of lengths taken from step, or all at once with step 0. Returns how much was used, 0 without an end. */
static size_t feed(struct dot_reader *d, struct slice in, size_t step)
{
	size_t off = 0, used;

	while (off < in.len) {
		enum dot_result r = dot_reader_feed(d, slice_sub(in, off, step == 0 ? SIZE_MAX : 1 + (off * 7 + step) % step), &used);

		off += used;
		if (r == DOT_END)
			return off;
	}
	return 0;
}

static void same_for_any_cut(struct slice in, enum dot_bare bare, size_t step)
{
	struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
	struct dot_reader x = { .bare = bare, .sink = sink, .arg = &a };
	struct dot_reader y = { .bare = bare, .sink = sink, .arg = &b };
	size_t end = feed(&x, in, 0);

	if (feed(&y, in, step) != end || !slice_eq(buf_slice(&a), buf_slice(&b)) || x.size != buf_len(&a))
		abort();
	if (x.lines != y.lines || x.longest_line != y.longest_line || x.has_nul != y.has_nul ||
	    x.has_8bit != y.has_8bit || x.has_bare_cr != y.has_bare_cr || x.has_bare_lf != y.has_bare_lf ||
	    x.has_dot_line != y.has_dot_line)
		abort();
	buf_free(&a);
	buf_free(&b);
}

static void write_then_read(struct slice in, bool clean, size_t step)
{
	struct buf wire = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
	struct dot_reader d = { .sink = sink, .arg = &back };
	struct dot_writer w = { .clean = clean };

	for (size_t off = 0; off < in.len; off += step)
		dot_writer_add(&w, &wire, slice_sub(in, off, step));
	dot_writer_end(&w, &wire);
	if (feed(&d, buf_slice(&wire), step) != buf_len(&wire))
		abort();
	if (clean && (d.has_bare_cr || d.has_bare_lf))
		abort();
	/* the same bytes, except for what cleaning changed and a CRLF that was missing at the end */
	if (buf_len(&back) < in.len || buf_len(&back) > in.len + 2)
		abort();
	if (!clean && !slice_eq(slice_sub(buf_slice(&back), 0, in.len), in))
		abort();
	buf_free(&wire);
	buf_free(&back);
}

static void lines(struct slice in, size_t step, struct buf *out)
{
	struct line_reader r = LINE_READER_INIT(40);
	struct buf b = BUF_INIT(1 << 17);

	for (size_t off = 0; off < in.len; off += step) {
		enum line_result res;
		struct slice line;

		buf_add_slice(&b, slice_sub(in, off, step));
		while ((res = line_next(&r, &b, &line)) != LINE_MORE) {
			if (slice_chr(line, '\n') >= 0 || slice_chr(line, '\r') >= 0 || slice_chr(line, 0) >= 0 || line.len > 38)
				abort();
			buf_add_slice(out, line);
			buf_addf(out, "|%d|", (int)res);
			line_done(&r, &b);
		}
	}
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
	struct slice in;
	size_t step;

	if (size == 0 || size > 1 << 16)
		return 0;
	step = 1 + data[0] % 31;
	in = slice_of(data + 1, size - 1);
	same_for_any_cut(in, DOT_BARE_REFUSE, step);
	same_for_any_cut(in, DOT_BARE_REPAIR, step);
	write_then_read(in, false, step);
	write_then_read(in, true, step);
	lines(in, in.len + 1, &a);
	lines(in, step, &b);
	if (!slice_eq(buf_slice(&a), buf_slice(&b)))
		abort();
	buf_free(&a);
	buf_free(&b);
	return 0;
}
