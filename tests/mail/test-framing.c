#include "tests/lib/unit.h"

#include "common/mail/framing.h"

/* Feeds in in pieces of step bytes; the results as text: "line|", or "!L!", "!N!", "!C!", "!F!". */
static void run_lines(struct slice in, size_t step, size_t max, struct buf *out)
{
	static const char *const mark[] = { NULL, NULL, "!L!", "!N!", "!C!", "!F!" };
	struct line_reader r = LINE_READER_INIT(max);
	struct buf b = BUF_INIT(4096);

	for (size_t off = 0; off < in.len; off += step) {
		enum line_result res;
		struct slice line;

		buf_add_slice(&b, slice_sub(in, off, step));
		assert_int_equal(buf_err(&b), 0);
		while ((res = line_next(&r, &b, &line)) != LINE_MORE) {
			if (res == LINE_OK) {
				buf_add_slice(out, line);
				buf_add_byte(out, '|');
				line_done(&r, &b);
			} else {
				buf_add_cstr(out, mark[res]);
				assert_int_equal(line.len, 0);
			}
		}
	}
	buf_free(&b);
}

static void lines(void **state)
{
	static const struct { const char *in; size_t len; const char *want; } t[] = {
		{ "NOOP\r\nQUIT\r\n", 12, "NOOP|QUIT|" },
		{ "\r\n\r\n", 4, "||" },
		{ "NOOP", 4, "" },
		{ "NOOP\r", 5, "" },
		{ "NOOP\nQUIT\r\n", 11, "!F!QUIT|" },
		{ "\nQUIT\r\n", 7, "!F!QUIT|" },
		{ "NO\rOP\r\nQUIT\r\n", 13, "!C!QUIT|" },
		{ "NOOP\r\r\nQUIT\r\n", 13, "!C!QUIT|" },
		{ "NO\rOP\nQUIT\r\n", 12, "!C!QUIT|" },
		{ "NO\0OP\r\nQUIT\r\n", 13, "!N!QUIT|" },
		{ "\0\r\nQUIT\r\n", 9, "!N!QUIT|" },
		{ "NO\0O\rP\nQUIT\r\n", 13, "!N!QUIT|" },
		{ "0123456789abcd\r\nX\r\n", 19, "0123456789abcd|X|" },
		{ "0123456789abcde\r\nX\r\n", 20, "!L!X|" },
		{ "0123456789abcde\nX\r\n", 19, "!F!X|" },
		{ "0123456789abcdef\nX\r\n", 20, "!L!X|" },
		{ "0123456789abcdef0123456789abcdef01\0\r\n3\r\n", 40, "!L!3|" },
		{ "\xff\xfe\r\n", 4, "\xff\xfe|" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (size_t step = 1; step <= t[i].len; step++) {
			struct buf out = BUF_INIT(4096);

			run_lines(slice_of(t[i].in, t[i].len), step, 16, &out);
			assert_slice(i * 100 + step, buf_slice(&out), t[i].want);
			buf_free(&out);
		}
	}
}

static void line_keeps_what_follows(void **state)
{
	struct line_reader r = LINE_READER_INIT(64);
	struct buf b = BUF_INIT(4096);
	struct slice line;

	(void)state;
	buf_add_cstr(&b, "DATA\r\n.\r\n");
	assert_int_equal(line_next(&r, &b, &line), LINE_OK);
	assert_slice(0, line, "DATA");
	line_done(&r, &b);
	assert_slice(1, buf_slice(&b), ".\r\n");
	line_done(&r, &b);
	assert_slice(2, buf_slice(&b), ".\r\n");
	buf_free(&b);
}

static void sink(void *arg, struct slice run)
{
	buf_add_slice(arg, run);
}

enum { CR = 1, LF = 2, NUL = 4, E = 8, DOT = 16, BIG = 32 };

static unsigned flags_of(const struct dot_reader *d)
{
	return (d->has_bare_cr ? CR : 0u) | (d->has_bare_lf ? LF : 0u) | (d->has_nul ? NUL : 0u) |
	    (d->has_8bit ? E : 0u) | (d->has_dot_line ? DOT : 0u) | (d->over_size ? BIG : 0u);
}

struct dot_row {
	const char *in;
	size_t len;
	enum dot_bare bare;
	const char *want;    /* NULL: does not end */
	const char *rest;
	unsigned flags;
	unsigned lines, longest;
};

#define L(s) s, sizeof(s) - 1
static const struct dot_row dot_rows[] = {
	{ L(".\r\n"), DOT_BARE_REFUSE, "", "", 0, 0, 0 },
	{ L(".\r\nQUIT\r\n"), DOT_BARE_REFUSE, "", "QUIT\r\n", 0, 0, 0 },
	{ L("a\r\n.\r\n"), DOT_BARE_REFUSE, "a\r\n", "", 0, 1, 1 },
	{ L("a\r\nbc\r\n.\r\nx"), DOT_BARE_REFUSE, "a\r\nbc\r\n", "x", 0, 2, 2 },
	{ L("\r\n\r\n.\r\n"), DOT_BARE_REFUSE, "\r\n\r\n", "", 0, 2, 0 },
	{ L("..\r\n.\r\n"), DOT_BARE_REFUSE, ".\r\n", "", DOT, 1, 1 },
	{ L("...\r\n.\r\n"), DOT_BARE_REFUSE, "..\r\n", "", DOT, 1, 2 },
	{ L(".a\r\n.\r\n"), DOT_BARE_REFUSE, "a\r\n", "", 0, 1, 1 },
	{ L("a.\r\n.\r\n"), DOT_BARE_REFUSE, "a.\r\n", "", 0, 1, 2 },
	{ L("a\r\n. \r\n.\r\n"), DOT_BARE_REFUSE, "a\r\n \r\n", "", 0, 2, 1 },
	/* none of these is an end of content */
	{ L("a\n.\r\nb"), DOT_BARE_REFUSE, NULL, "", LF, 1, 3 },
	{ L("a\n.\nb"), DOT_BARE_REFUSE, NULL, "", LF, 0, 0 },
	{ L("a\r.\r\nb"), DOT_BARE_REFUSE, NULL, "", CR, 1, 3 },
	{ L("a\r\n.\nb"), DOT_BARE_REFUSE, NULL, "", LF, 1, 1 },
	{ L("a\r\n.\r"), DOT_BARE_REFUSE, NULL, "", 0, 1, 1 },
	{ L("a\r\n.\r\r\nb"), DOT_BARE_REFUSE, NULL, "", CR, 2, 1 },
	{ L("a\r\n."), DOT_BARE_REFUSE, NULL, "", 0, 1, 1 },
	{ L("a\r\n\n.\r\n"), DOT_BARE_REFUSE, NULL, "", LF, 2, 2 },
	{ L("a\n.\r\nMAIL FROM:<x@y>\r\n.\r\n"), DOT_BARE_REFUSE, "a\n.\r\nMAIL FROM:<x@y>\r\n", "", LF, 2, 15 },
	{ L("a\r\n.\n\r\n.\r\n"), DOT_BARE_REFUSE, "a\r\n\n\r\n", "", LF, 2, 1 },
	{ L("a\r\r\n.\r\n"), DOT_BARE_REFUSE, "a\r\r\n", "", CR, 1, 2 },
	{ L("\r\r\r\n.\r\n"), DOT_BARE_REFUSE, "\r\r\r\n", "", CR, 1, 2 },
	/* repaired */
	{ L("a\n.\r\nb\r\n.\r\n"), DOT_BARE_REPAIR, "a\r\n.\r\nb\r\n", "", LF | DOT, 3, 1 },
	{ L("a\n.\n\r\n.\r\n"), DOT_BARE_REPAIR, "a\r\n.\r\n\r\n", "", LF | DOT, 3, 1 },
	{ L("a\rb\r\r\n.\r\n"), DOT_BARE_REPAIR, "a b \r\n", "", CR, 1, 4 },
	{ L("a\r\n.\rx\r\n.\r\n"), DOT_BARE_REPAIR, "a\r\n x\r\n", "", CR, 2, 2 },
	{ L("\n\n\r\n.\r\n"), DOT_BARE_REPAIR, "\r\n\r\n\r\n", "", LF, 3, 0 },
	{ L("a\n\r\n.\r\n"), DOT_BARE_REPAIR, "a\r\n\r\n", "", LF, 2, 1 },
	{ L("a\r\n.\nb\r\n.\r\n"), DOT_BARE_REPAIR, "a\r\n\r\nb\r\n", "", LF, 3, 1 },
	{ L("\xc3\xa4\r\n.\r\n\0"), DOT_BARE_REFUSE, "\xc3\xa4\r\n", "", E, 1, 2 },
};

static void dots_row(size_t i, const struct dot_row *t, size_t step)
{
	struct buf out = BUF_INIT(4096);
	struct dot_reader d = { .bare = t->bare, .sink = sink, .arg = &out };
	enum dot_result r = DOT_MORE;
	size_t off = 0, used = 0, row = i * 100 + step;

	while (r == DOT_MORE && off < t->len) {
		r = dot_reader_feed(&d, slice_sub(slice_of(t->in, t->len), off, step), &used);
		off += used;
	}
	assert_row(row, (r == DOT_END) == (t->want != NULL));
	assert_row(row, flags_of(&d) == t->flags);
	assert_row(row, d.lines == t->lines && d.longest_line == t->longest);
	if (t->want != NULL) {
		assert_slice(row, buf_slice(&out), t->want);
		assert_row(row, d.size == buf_len(&out));
		if (t->rest[0] != '\0')
			assert_slice(row, slice_sub(slice_of(t->in, t->len), off, SIZE_MAX), t->rest);
	}
	buf_free(&out);
}

static void dots(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dot_rows); i++)
		for (size_t step = 1; step <= dot_rows[i].len; step++)
			dots_row(i, &dot_rows[i], step);
}

static void dots_nul(void **state)
{
	static const char in[] = "a\0b\r\n.\r\n";
	struct buf out = BUF_INIT(4096);
	struct dot_reader d = { .sink = sink, .arg = &out };
	size_t used;

	(void)state;
	assert_int_equal(dot_reader_feed(&d, slice_of(in, sizeof(in) - 1), &used), DOT_END);
	assert_int_equal(flags_of(&d), NUL);
	assert_int_equal(buf_len(&out), 5);
	buf_free(&out);
}

static void dots_over_size(void **state)
{
	static const char in[] = "0123456789\r\n0123456789\r\nRCPT\r\n.\r\nQUIT\r\n";
	static const struct { uint64_t max; bool over; } t[] = { { 0, false }, { 30, false }, { 29, true }, { 1, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf out = BUF_INIT(4096);
		struct dot_reader d = { .max_size = t[i].max, .sink = sink, .arg = &out };
		size_t used, off = 0;

		while (dot_reader_feed(&d, slice_sub(slice_of(in, sizeof(in) - 1), off, 7), &used) == DOT_MORE)
			off += used;
		off += used;
		assert_row(i, d.over_size == t[i].over);
		assert_row(i, d.size == 30);
		assert_row(i, t[i].max == 0 || buf_len(&out) <= t[i].max);
		assert_slice(i, slice_cstr(in + off), "QUIT\r\n");
		buf_free(&out);
	}
}

static void stuffing(void **state)
{
	static const struct { const char *in; bool clean; const char *want; } t[] = {
		{ "", false, ".\r\n" },
		{ "a\r\n", false, "a\r\n.\r\n" },
		{ "a", false, "a\r\n.\r\n" },
		{ ".\r\n", false, "..\r\n.\r\n" },
		{ ".", false, "..\r\n.\r\n" },
		{ "..a\r\n.b\r\nc.d\r\n", false, "...a\r\n..b\r\nc.d\r\n.\r\n" },
		{ "a\r", false, "a\r\r\n.\r\n" },
		{ "a\n.b\r\n", false, "a\n.b\r\n.\r\n" },
		{ "a\r\r\n.b\r\n", false, "a\r\r\n..b\r\n.\r\n" },
		{ "\r\n.\r\n", false, "\r\n..\r\n.\r\n" },
		{ "", true, ".\r\n" },
		{ ".a\r\n.\r\nb", true, "..a\r\n..\r\nb\r\n.\r\n" },
		{ "a\n.\nb\r\n", true, "a . b\r\n.\r\n" },
		{ "a\r.\rb\r\n", true, "a . b\r\n.\r\n" },
		{ "a\r\r\n.b\r\n", true, "a \r\n..b\r\n.\r\n" },
		{ "a\r", true, "a \r\n.\r\n" },
		{ "\n\r\n", true, " \r\n.\r\n" },
		{ "\r\n\n.", true, "\r\n .\r\n.\r\n" },
		{ "a\r\nb\rc\r\n.d\r\ne\r\n", true, "a\r\nb c\r\n..d\r\ne\r\n.\r\n" },
		{ "a\r\nb\nc\r\n\r\n.d\r", true, "a\r\nb c\r\n\r\n..d \r\n.\r\n" },
		{ "a\r\n\n\r\n.", true, "a\r\n \r\n..\r\n.\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (size_t step = 1; step <= strlen(t[i].in) + 1; step++) {
			struct dot_writer w = { .clean = t[i].clean };
			struct buf out = BUF_INIT(4096);

			for (size_t off = 0; off < strlen(t[i].in); off += step)
				dot_writer_add(&w, &out, slice_sub(slice_cstr(t[i].in), off, step));
			dot_writer_end(&w, &out);
			assert_slice(i * 100 + step, buf_slice(&out), t[i].want);
			buf_free(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(line_keeps_what_follows),
		cmocka_unit_test(dots),
		cmocka_unit_test(dots_nul),
		cmocka_unit_test(dots_over_size),
		cmocka_unit_test(stuffing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
