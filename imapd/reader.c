#include "imapd/reader.h"

#include "common/base/strnum.h"

void imap_reader_init(struct imap_reader *r, size_t line_max, size_t text_max, unsigned literals_max)
{
	memset(r, 0, sizeof(*r));
	r->line = LINE_READER_INIT(line_max);
	r->text_max = text_max;
	r->literals_max = literals_max;
}

void imap_reader_free(struct imap_reader *r)
{
	buf_free(&r->text);
}

static void text_drop(struct imap_reader *r)
{
	buf_free(&r->text);
	r->literals = 0;
	r->left = 0;
	r->in_line = false;
	r->refused = false;
	r->cmd = slice_of(NULL, 0);
	r->data = slice_of(NULL, 0);
	r->state = IMAP_RS_LINE;
}

void imap_reader_done(struct imap_reader *r, struct buf *in)
{
	if (r->in_line)
		line_done(&r->line, in);
	text_drop(r);
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8      RFC 3501 9, RFC 7888 8 */
bool imap_literal_at_end(struct slice line, size_t *brace_r, uint64_t *size_r, bool *sync_r)
{
	size_t end = line.len, first;
	bool sync = true;

	if (end < 3 || line.p[end - 1] != '}')
		return false;
	end--;
	if (line.p[end - 1] == '+') {
		sync = false;
		end--;
	}
	for (first = end; first > 0 && is_class(line.p[first - 1], CC_DIGIT); first--)
		;
	if (first == end || first == 0 || line.p[first - 1] != '{')
		return false;
	if (slice_to_u64(slice_sub(line, first, end - first), INT64_MAX, size_r) != 0)
		*size_r = UINT64_MAX;
	*brace_r = first - 1;
	*sync_r = sync;
	return true;
}

static bool text_add(struct imap_reader *r, struct slice s, bool crlf)
{
	r->text.max = r->text_max;
	buf_add_slice(&r->text, s);
	if (crlf)
		buf_add(&r->text, "\r\n", 2);
	return buf_err(&r->text) == 0;
}

static enum imap_read line_bad(struct imap_reader *r, enum line_result lr)
{
	r->why = lr == LINE_NUL ? "a line holds a NUL byte" :
	    lr == LINE_BARE_CR ? "a line holds a CR without LF" : "a line ends in LF without CR";
	r->cmd = buf_slice(&r->text);
	r->state = IMAP_RS_LINE;
	return IMAP_READ_BAD;
}

/* A whole line has come. */
static enum imap_read line_take(struct imap_reader *r, struct buf *in, struct slice line)
{
	size_t brace;

	if (imap_literal_at_end(line, &brace, &r->lit_size, &r->lit_sync)) {
		bool kept = r->refused || text_add(r, line, true);

		line_done(&r->line, in);
		if (!kept)
			return IMAP_READ_TOO_LONG;
		r->literals++;
		r->state = IMAP_RS_ASKED;
		if (r->refused) {
			imap_reader_refuse(r);
			return IMAP_READ_MORE;
		}
		r->cmd = buf_slice(&r->text);
		return IMAP_READ_LITERAL;
	}
	if (r->refused) {
		line_done(&r->line, in);
		text_drop(r);
		return IMAP_READ_MORE;
	}
	if (r->literals == 0) {
		r->in_line = true;
		r->cmd = line;
		return IMAP_READ_COMMAND;
	}
	if (!text_add(r, line, false))
		return IMAP_READ_TOO_LONG;
	line_done(&r->line, in);
	r->cmd = buf_slice(&r->text);
	return IMAP_READ_COMMAND;
}

static enum imap_read next_line(struct imap_reader *r, struct buf *in)
{
	struct slice line;
	enum line_result lr = line_next(&r->line, in, &line);

	switch (lr) {
	case LINE_OK:
		return line_take(r, in, line);
	case LINE_MORE:
		return r->line.skipping ? IMAP_READ_TOO_LONG : IMAP_READ_MORE;
	case LINE_TOO_LONG:
		return IMAP_READ_TOO_LONG;
	default:
		return line_bad(r, lr);
	}
}

static void next_literal(struct imap_reader *r, struct buf *in)
{
	struct slice s = slice_sub(buf_slice(in), 0, r->left > SIZE_MAX ? SIZE_MAX : (size_t)r->left);

	if (r->state == IMAP_RS_LITERAL)
		(void)text_add(r, s, false);
	r->left -= s.len;
	buf_consume(in, s.len);
}

enum imap_read imap_reader_next(struct imap_reader *r, struct buf *in)
{
	for (;;) {
		enum imap_read res;

		switch (r->state) {
		case IMAP_RS_LINE:
			res = next_line(r, in);
			if (res == IMAP_READ_MORE && buf_len(in) != 0 && r->line.scanned == 0)
				continue;       /* part of a refused command was dropped */
			return res;
		case IMAP_RS_ASKED:
			return IMAP_READ_LITERAL;
		case IMAP_RS_STREAM:
			r->data = slice_sub(buf_slice(in), 0, r->left > SIZE_MAX ? SIZE_MAX : (size_t)r->left);
			if (r->left == 0)
				r->state = IMAP_RS_LINE;
			else if (r->data.len == 0)
				return IMAP_READ_MORE;
			return IMAP_READ_DATA;
		case IMAP_RS_LITERAL:
		case IMAP_RS_SKIP:
			next_literal(r, in);
			if (buf_err(&r->text) != 0)
				return IMAP_READ_TOO_LONG;
			if (r->left != 0)
				return IMAP_READ_MORE;
			r->state = IMAP_RS_LINE;
			continue;
		}
	}
}

bool imap_reader_fits(const struct imap_reader *r)
{
	return r->literals <= r->literals_max && r->lit_size <= r->text_max &&
	    r->lit_size + buf_len(&r->text) < r->text_max;
}

void imap_reader_accept(struct imap_reader *r)
{
	r->left = r->lit_size;
	r->state = IMAP_RS_LITERAL;
}

void imap_reader_stream(struct imap_reader *r)
{
	r->left = r->lit_size;
	r->state = IMAP_RS_STREAM;
}

void imap_reader_refuse(struct imap_reader *r)
{
	if (r->lit_sync) {
		text_drop(r);
		return;
	}
	buf_free(&r->text);
	r->refused = true;
	r->left = r->lit_size;
	r->state = IMAP_RS_SKIP;
}

void imap_reader_consume(struct imap_reader *r, struct buf *in, size_t n)
{
	r->left -= n;
	buf_consume(in, n);
}

bool imap_reader_idle(const struct imap_reader *r)
{
	return r->state == IMAP_RS_LINE && r->literals == 0 && !r->refused;
}
