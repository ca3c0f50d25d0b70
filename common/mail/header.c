#include "common/mail/header.h"

/* The line at off, its line end included; len 0 only at the end of the input. */
static struct slice line_at(struct slice in, size_t off)
{
	struct slice rest = slice_sub(in, off, SIZE_MAX);
	ptrdiff_t lf = slice_chr(rest, '\n');

	return lf >= 0 ? slice_sub(rest, 0, (size_t)lf + 1) : rest;
}

static struct slice without_eol(struct slice line)
{
	if (line.len != 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (line.len != 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

void header_walk(struct header_walker *w, struct slice in)
{
	memset(w, 0, sizeof(*w));
	w->in = in;
	if (in.len >= 6 && (memcmp(in.p, "From ", 5) == 0 || memcmp(in.p, ">From ", 6) == 0))
		w->off = line_at(in, 0).len;
}

/* The length of "Name", with *colon_r the place of the colon; 0: no field begins here. */
static size_t field_name(struct slice line, size_t *colon_r)
{
	size_t n = 0, colon;

	while (n < line.len && is_class(line.p[n], CC_FTEXT))
		n++;
	for (colon = n; colon < line.len && is_class(line.p[colon], CC_WSP); colon++)
		;
	if (n == 0 || colon == line.len || line.p[colon] != ':')
		return 0;
	*colon_r = colon;
	return n;
}

bool header_next(struct header_walker *w, struct mail_field *f_r)
{
	for (;;) {
		struct slice line = line_at(w->in, w->off);
		size_t start = w->off, colon = 0, name;

		if (line.len == 0)
			return false;
		if (without_eol(line).len == 0) {
			w->off += line.len;
			w->blank = true;
			w->in = slice_sub(w->in, 0, w->off);    /* a further call finds the end, not the body */
			return false;
		}
		name = field_name(line, &colon);
		if (name == 0) {
			w->in = slice_sub(w->in, 0, w->off);
			return false;
		}
		do {
			w->off += line.len;
			line = line_at(w->in, w->off);
		} while (line.len != 0 && is_class(line.p[0], CC_WSP));
		if (w->fields == HEADER_FIELDS_MAX || start > HEADER_SIZE_MAX) {
			w->cut = true;
			continue;
		}
		w->fields++;
		f_r->off = start;
		f_r->raw = slice_sub(w->in, start, w->off - start);
		f_r->name = slice_sub(f_r->raw, 0, name);
		f_r->body = without_eol(slice_sub(f_r->raw, colon + 1, SIZE_MAX));
		return true;
	}
}

size_t header_size(struct slice in)
{
	struct header_walker w;
	struct mail_field f;

	header_walk(&w, in);
	while (header_next(&w, &f))
		;
	return w.off;
}

bool header_find(struct slice in, const char *name, struct mail_field *f_r)
{
	struct header_walker w;

	header_walk(&w, in);
	while (header_next(&w, f_r))
		if (slice_ieq_cstr(f_r->name, name))
			return true;
	return false;
}

unsigned header_count(struct slice in, const char *name)
{
	struct header_walker w;
	struct mail_field f;
	unsigned n = 0;

	header_walk(&w, in);
	while (header_next(&w, &f))
		n += slice_ieq_cstr(f.name, name);
	return n;
}

static bool is_eol(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/* Without spaces and line ends at both ends. */
static struct slice trim_field(struct slice s)
{
	while (s.len != 0 && (is_class(s.p[0], CC_WSP) || is_eol(s.p[0])))
		s.p++, s.len--;
	while (s.len != 0 && (is_class(s.p[s.len - 1], CC_WSP) || is_eol(s.p[s.len - 1])))
		s.len--;
	return s;
}

/* Copies s without line ends to out, which has room for s.len bytes. */
static size_t copy_unfolded(struct slice s, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (!is_eol(s.p[i]))
			out[n++] = s.p[i];
	return n;
}

void header_unfold(struct slice body, struct buf *b)
{
	struct slice s = trim_field(body);
	uint8_t *p = s.len != 0 ? buf_reserve(b, s.len) : NULL;

	if (p != NULL)
		buf_commit(b, copy_unfolded(s, p));
}

int header_unfold_dup(struct slice body, struct arena *a, struct slice *text_r)
{
	struct slice s = trim_field(body);
	uint8_t *p;

	*text_r = s;
	if (slice_chr(s, '\n') < 0 && slice_chr(s, '\r') < 0)
		return 0;
	if ((p = arena_alloc(a, s.len)) == NULL)
		return ERR_NOMEM;
	*text_r = slice_of(p, copy_unfolded(s, p));
	return 0;
}

void header_skip_cfws(struct cursor *c, struct slice blanks)
{
	unsigned depth = 0;
	int ch;

	while ((ch = cur_peek(c)) >= 0) {
		if (ch == '(')
			depth++;
		else if (ch == ')' && depth != 0)
			depth--;
		else if (depth != 0 && ch == '\\' && cur_left(c) > 1)
			c->off++;
		else if (depth == 0 && slice_chr(blanks, (uint8_t)ch) < 0)
			return;
		c->off++;
	}
}
