#include "common/mail/framing.h"

#include "common/base/log.h"

/* ---- lines ---------------------------------------------------------------- */

static enum line_result line_judge(struct slice line, struct slice *line_r)
{
	size_t n = line.len - 1;    /* without LF */
	bool crlf = n != 0 && line.p[n - 1] == '\r';

	if (crlf)
		n--;
	*line_r = slice_sub(line, 0, n);
	if (slice_chr(*line_r, 0) >= 0)
		return LINE_NUL;
	if (slice_chr(*line_r, '\r') >= 0)
		return LINE_BARE_CR;
	return crlf ? LINE_OK : LINE_BARE_LF;
}

enum line_result line_next(struct line_reader *r, struct buf *b, struct slice *line_r)
{
	struct slice in = buf_slice(b);
	enum line_result res;
	ptrdiff_t lf;
	size_t len;

	*line_r = slice_of(NULL, 0);
	if (r->taken != 0)
		panic("line_next without line_done");
	lf = slice_chr(slice_sub(in, r->scanned, SIZE_MAX), '\n');
	if (lf < 0) {
		r->scanned = in.len;
		if (r->skipping || in.len >= r->max) {
			r->skipping = true;
			r->skipped += in.len;
			buf_consume(b, in.len);
			r->scanned = 0;
		}
		return LINE_MORE;
	}
	len = r->scanned + (size_t)lf + 1;
	r->scanned = 0;
	if (r->skipping || len > r->max) {
		buf_consume(b, len);
		r->skipping = false;
		r->skipped = 0;
		return LINE_TOO_LONG;
	}
	res = line_judge(slice_sub(in, 0, len), line_r);
	if (res == LINE_OK) {
		r->taken = len;
		return res;
	}
	buf_consume(b, len);
	*line_r = slice_of(NULL, 0);
	return res;
}

void line_done(struct line_reader *r, struct buf *b)
{
	buf_consume(b, r->taken);
	r->taken = 0;
}

/* ---- content in ------------------------------------------------------------ */

enum {
	ST_BOL,        /* after CRLF or at the start */
	ST_DOT,        /* "." at the start of a line, not handed on */
	ST_DOT_CR,     /* ".\r" there, neither handed on */
	ST_TEXT,
	ST_REPAIRED,   /* after a bare LF that became CRLF: a line starts, but "." means nothing */
	ST_CR,         /* a CR that is not handed on yet */
	ST_END,
};

static bool has_high_bit(struct slice s)
{
	const uint64_t high = 0x8080808080808080u;
	uint64_t any = 0;
	size_t i = 0;

	for (; s.len - i >= 8; i += 8) {
		uint64_t v;

		memcpy(&v, s.p + i, 8);
		any |= v;
	}
	for (; i < s.len; i++)
		any |= s.p[i];
	return (any & high) != 0;
}

static void dot_emit(struct dot_reader *d, struct slice run)
{
	if (run.len == 0)
		return;
	d->size += run.len;
	if (d->max_size != 0 && d->size > d->max_size)
		d->over_size = true;
	if (d->over_size)
		return;
	if (!d->has_nul)
		d->has_nul = slice_chr(run, 0) >= 0;
	if (!d->has_8bit)
		d->has_8bit = has_high_bit(run);
	d->sink(d->arg, run);
}

static void dot_line_end(struct dot_reader *d, int next)
{
	if (d->line_len > d->longest_line)
		d->longest_line = d->line_len;
	d->line_len = 0;
	d->lines++;
	d->state = next;
}

/* The run that is open is in[run..i); these two close it. */
static void dot_flush(struct dot_reader *d, struct slice in, size_t run, size_t end)
{
	dot_emit(d, slice_sub(in, run, end - run));
}

static void dot_bare_cr(struct dot_reader *d)
{
	d->has_bare_cr = true;
	d->line_len++;
	d->state = ST_TEXT;
	dot_emit(d, d->bare == DOT_BARE_REPAIR ? SLICE_LIT(" ") : SLICE_LIT("\r"));
}

/*
 * In the middle of a line, from i: up to its end or the end of the input.
 * Returns the new place; *run is the start of what is not handed on.
 */
static size_t dot_text(struct dot_reader *d, struct slice in, size_t i, size_t *run)
{
	struct slice rest = slice_sub(in, i, SIZE_MAX);
	ptrdiff_t lf = slice_chr(rest, '\n');
	size_t len = lf >= 0 ? (size_t)lf : rest.len;
	ptrdiff_t cr;

	if (lf > 0 && rest.p[len - 1] == '\r' && slice_chr(slice_sub(rest, 0, len - 1), '\r') < 0) {
		d->line_len += len - 1;
		dot_line_end(d, ST_BOL);
		return i + len + 1;
	}
	cr = slice_chr(slice_sub(rest, 0, len), '\r');
	if (cr >= 0) {
		d->line_len += (size_t)cr;
		dot_flush(d, in, *run, i + (size_t)cr);
		*run = i + (size_t)cr + 1;
		d->state = ST_CR;
		return *run;
	}
	d->line_len += len;
	if (lf < 0)
		return i + len;
	d->has_bare_lf = true;
	if (d->bare == DOT_BARE_REPAIR) {
		dot_flush(d, in, *run, i + len);
		dot_emit(d, SLICE_LIT("\r\n"));
		*run = i + len + 1;
		dot_line_end(d, ST_REPAIRED);
	} else {
		d->line_len++;
	}
	return i + len + 1;
}

/* One step in a state that looks at a single byte c = in.p[i]. */
static size_t dot_byte(struct dot_reader *d, struct slice in, size_t i, size_t *run)
{
	uint8_t c = in.p[i];

	switch (d->state) {
	case ST_BOL:
		d->state = c == '.' ? ST_DOT : ST_TEXT;
		if (c != '.')
			return i;
		dot_flush(d, in, *run, i);
		*run = ++i;
		return i;
	case ST_DOT:
		d->state = c == '\r' ? ST_DOT_CR : ST_TEXT;
		if (c == '.')
			d->has_dot_line = true;
		if (c == '\r')
			*run = ++i;
		return i;
	case ST_DOT_CR:
		d->state = c == '\n' ? ST_END : ST_CR;
		if (c == '\n')
			*run = ++i;
		return i;
	case ST_REPAIRED:
		if (c == '.')
			d->has_dot_line = true;
		d->state = ST_TEXT;
		return i;
	default:    /* ST_CR */
		if (c != '\n') {
			dot_bare_cr(d);
			return i;
		}
		dot_emit(d, SLICE_LIT("\r\n"));
		dot_line_end(d, ST_BOL);
		*run = ++i;
		return i;
	}
}

enum dot_result dot_reader_feed(struct dot_reader *d, struct slice in, size_t *used_r)
{
	size_t i = 0, run = 0;

	while (i < in.len && d->state != ST_END)
		i = d->state == ST_TEXT ? dot_text(d, in, i, &run) : dot_byte(d, in, i, &run);
	dot_flush(d, in, run, i);
	*used_r = i;
	return d->state == ST_END ? DOT_END : DOT_MORE;
}

/* ---- content out ----------------------------------------------------------- */

enum {
	OUT_BOL,     /* must be 0: a line starts */
	OUT_TEXT,
	OUT_CR,      /* after a CR: sent already, or held back when cleaning */
};

static void dot_writer_plain(struct dot_writer *w, struct buf *out, struct slice in)
{
	size_t run = 0, i = 0;

	while (i < in.len) {
		ptrdiff_t lf;

		if (w->state == OUT_BOL) {
			if (in.p[i] == '.') {
				buf_add_slice(out, slice_sub(in, run, i - run));
				buf_add_byte(out, '.');
				run = i;
			}
			w->state = OUT_TEXT;
		}
		if (w->state == OUT_CR && in.p[i] == '\n') {
			w->state = OUT_BOL;
			i++;
			continue;
		}
		lf = slice_chr(slice_sub(in, i, SIZE_MAX), '\n');
		if (lf < 0) {
			w->state = in.p[in.len - 1] == '\r' ? OUT_CR : OUT_TEXT;
			break;
		}
		w->state = lf > 0 && in.p[i + (size_t)lf - 1] == '\r' ? OUT_BOL : OUT_TEXT;
		i += (size_t)lf + 1;
	}
	buf_add_slice(out, slice_sub(in, run, SIZE_MAX));
}

/* Bytes of whole good lines at the front of in that need nothing added, at the start of a line. */
static size_t clean_lines(struct slice in)
{
	size_t i = 0;

	while (i < in.len && in.p[i] != '.') {
		const uint8_t *p = in.p + i, *cr = memchr(p, '\r', in.len - i);
		size_t n = cr != NULL ? (size_t)(cr - p) : in.len;

		if (i + n + 1 >= in.len || p[n + 1] != '\n' || memchr(p, '\n', n) != NULL)
			break;
		i += n + 2;
	}
	return i;
}

static void dot_writer_clean(struct dot_writer *w, struct buf *out, struct slice in)
{
	size_t i = 0;

	while (i < in.len) {
		size_t start = i;

		if (w->state == OUT_CR) {
			bool crlf = in.p[i] == '\n';

			buf_add_cstr(out, crlf ? "\r\n" : " ");
			w->state = crlf ? OUT_BOL : OUT_TEXT;
			i += crlf;
			continue;
		}
		if (w->state == OUT_BOL) {
			i += clean_lines(slice_sub(in, i, SIZE_MAX));
			buf_add_slice(out, slice_sub(in, start, i - start));
			if (i == in.len)
				return;
			start = i;
			if (in.p[i] == '.')
				buf_add_byte(out, '.');
		}
		while (i < in.len && in.p[i] != '\r' && in.p[i] != '\n')
			i++;
		buf_add_slice(out, slice_sub(in, start, i - start));
		w->state = OUT_TEXT;
		if (i == in.len)
			return;
		if (in.p[i] == '\r')
			w->state = OUT_CR;
		else
			buf_add_byte(out, ' ');
		i++;
	}
}

void dot_writer_add(struct dot_writer *w, struct buf *out, struct slice in)
{
	if (w->clean)
		dot_writer_clean(w, out, in);
	else
		dot_writer_plain(w, out, in);
}

void dot_writer_end(struct dot_writer *w, struct buf *out)
{
	if (w->clean && w->state == OUT_CR)
		buf_add_byte(out, ' ');
	if (w->state != OUT_BOL)
		buf_add_cstr(out, "\r\n");
	buf_add_cstr(out, ".\r\n");
	w->state = OUT_BOL;
}
