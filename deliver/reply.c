#include "deliver/reply.h"

#include <stdio.h>

void reply_reader_init(struct reply_reader *r)
{
	*r = (struct reply_reader){ .lines = LINE_READER_INIT(REPLY_LINE_MAX), .text = BUF_INIT(REPLY_TEXT_MAX) };
}

void reply_reader_free(struct reply_reader *r)
{
	buf_free(&r->text);
}

/* status-code = class "." subject "." detail; subject and detail 1*3digit without leading zeros to spare */
bool reply_status_parse(struct slice text, unsigned class, char status_r[REPLY_STATUS_MAX])
{
	struct cursor c = cursor_of(text);
	struct slice subject, detail;

	status_r[0] = '\0';
	if (!cur_take_byte(&c, (uint8_t)('0' + class)) || !cur_take_byte(&c, '.') ||
	    cur_take_class(&c, CC_DIGIT, 3, &subject) != 0 || !cur_take_byte(&c, '.') ||
	    cur_take_class(&c, CC_DIGIT, 3, &detail) != 0)
		return false;
	if (cur_left(&c) != 0 && cur_peek(&c) != ' ')
		return false;
	(void)snprintf(status_r, REPLY_STATUS_MAX, "%u.%.*s.%.*s", class, SLICE_ARG(subject), SLICE_ARG(detail));
	return true;
}

static enum reply_result reply_bad(struct reply_reader *r, const char *why)
{
	r->why = why;
	return REPLY_BAD;
}

/* One line: *last_r tells whether it ends the reply. NULL, or what is wrong with it. */
static const char *reply_line(struct reply_reader *r, struct slice line, bool *last_r)
{
	unsigned code;

	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' || line.p[1] > '5' ||
	    !is_class(line.p[2], CC_DIGIT))
		return "not a reply code";
	code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 + (unsigned)(line.p[2] - '0');
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return "not a reply code";
	if (r->n != 0 && code != r->code)
		return "the lines of a reply have different codes";
	if (++r->n > REPLY_LINES_MAX)
		return "too many lines in a reply";
	r->code = code;
	if (r->n > 1)
		buf_add_byte(&r->text, '\n');
	buf_add_slice(&r->text, slice_sub(line, 4, SIZE_MAX));
	if (buf_err(&r->text) != 0)
		return "reply too long";
	*last_r = line.len == 3 || line.p[3] == ' ';
	return NULL;
}

enum reply_result reply_next(struct reply_reader *r, struct buf *in, struct smtp_reply *reply_r)
{
	struct slice line;
	const char *wrong;
	bool last = false;

	if (r->given) {
		r->given = false;
		r->n = 0;
		buf_reset(&r->text);
	}
	while (!last) {
		switch (line_next(&r->lines, in, &line)) {
		case LINE_MORE:
			/* An endless line is not waited for. */
			return r->lines.skipping ? reply_bad(r, "reply line too long") : REPLY_MORE;
		case LINE_TOO_LONG: return reply_bad(r, "reply line too long");
		case LINE_NUL: return reply_bad(r, "NUL in a reply");
		case LINE_BARE_CR: return reply_bad(r, "bare CR in a reply");
		case LINE_BARE_LF: return reply_bad(r, "bare LF in a reply");
		case LINE_OK: break;
		}
		wrong = reply_line(r, line, &last);
		line_done(&r->lines, in);
		if (wrong != NULL)
			return reply_bad(r, wrong);
	}
	reply_r->code = r->code;
	reply_r->text = buf_slice(&r->text);
	(void)reply_status_parse(reply_r->text, r->code / 100, reply_r->status);
	r->given = true;
	return REPLY_DONE;
}

void reply_print(struct buf *b, const struct smtp_reply *reply, size_t max)
{
	size_t start = buf_len(b);

	buf_addf(b, "%u", reply->code);
	if (reply->text.len != 0)
		buf_add_byte(b, ' ');
	for (size_t i = 0; i < reply->text.len && buf_len(b) - start < max; i++) {
		uint8_t ch = reply->text.p[i];

		buf_add_byte(b, ch == '\n' ? ' ' : is_class(ch, CC_PRINT) ? ch : '?');
	}
}
