#include "smtpd/reply.h"

#include <stdio.h>

enum { REPLY_LINE_MAX = 512 - 2 };    /* RFC 5321 4.5.3.1.5, without CRLF */

void smtp_reply_set(struct smtp_reply *r, unsigned code, const char *enh, const char *fmt, ...)
{
	va_list ap;

	r->code = code;
	r->enh = enh;
	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

static void print_line(struct buf *out, const struct smtp_reply *r, struct slice line, bool last)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%03u%c%s%s", r->code, last ? ' ' : '-', r->enh,
	    r->enh[0] != '\0' && line.len != 0 ? " " : "");
	size_t head_len = n > 0 ? (size_t)n : 0;

	buf_add(out, head, head_len);
	line = slice_sub(line, 0, REPLY_LINE_MAX - head_len);
	for (size_t i = 0; i < line.len; i++)
		buf_add_byte(out, is_class(line.p[i], CC_PRINT) ? line.p[i] : '?');
	buf_add_cstr(out, "\r\n");
}

void smtp_reply_print(struct buf *out, const struct smtp_reply *r)
{
	struct slice rest = slice_cstr(r->text);
	ptrdiff_t nl;

	while ((nl = slice_chr(rest, '\n')) >= 0) {
		print_line(out, r, slice_sub(rest, 0, (size_t)nl), false);
		rest = slice_sub(rest, (size_t)nl + 1, SIZE_MAX);
	}
	print_line(out, r, rest, true);
}
