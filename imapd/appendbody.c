#include "imapd/appendbody.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ipc/proto_spool.h"
#include "common/mail/summary.h"

enum { WRITE_AT = 128 * 1024, LINE_GOOD = 998 };

void append_body_init(struct append_body *a, size_t inline_max)
{
	memset(a, 0, sizeof(*a));
	a->inline_max = inline_max;
	a->fd = -1;
	a->mem = BUF_INIT(SIZE_MAX / 4);
}

bool append_body_wants_file(const struct append_body *a)
{
	return a->fd < 0 && a->err == 0 && buf_len(&a->mem) > a->inline_max;
}

static void flush(struct append_body *a)
{
	while (a->err == 0 && buf_len(&a->mem) != 0) {
		struct slice s = buf_slice(&a->mem);
		ssize_t n = write(a->fd, s.p, s.len);

		if (n > 0)
			buf_consume(&a->mem, (size_t)n);
		else if (n == 0 || errno != EINTR)
			a->err = n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? ERR_FULL : ERR_IO;
	}
}

void append_body_file(struct append_body *a, int fd)
{
	a->fd = fd;
	flush(a);
}

/* A run without CR, LF and NUL. */
static void put_text(struct append_body *a, struct slice s)
{
	if (s.len == 0)
		return;
	if (a->line_len == 0 && s.p[0] == '.')
		a->flags |= BODY_DOT;
	a->line_len += s.len;
	if (a->line_len > LINE_GOOD)
		a->flags |= BODY_LONG_LINE;
	for (size_t i = 0; (a->flags & BODY_8BIT) == 0 && i < s.len; i++)
		if (s.p[i] >= 0x80)
			a->flags |= BODY_8BIT;
	buf_add_slice(&a->mem, s);
	a->size += s.len;
}

static void put_line_end(struct append_body *a)
{
	buf_add(&a->mem, "\r\n", 2);
	a->size += 2;
	a->lines++;
	a->line_len = 0;
}

static void judge_cr(struct append_body *a, bool lf)
{
	if (a->cr && !lf)
		put_text(a, SLICE_LIT(" "));
	a->cr = false;
}

static size_t text_run(struct slice s)
{
	size_t i = 0;

	while (i < s.len && s.p[i] != '\n' && s.p[i] != '\r' && s.p[i] != 0)
		i++;
	return i;
}

void append_body_add(struct append_body *a, struct slice s)
{
	size_t off = 0;

	while (off < s.len && a->err == 0) {
		uint8_t c = s.p[off];

		judge_cr(a, c == '\n');
		if (c == '\n') {
			put_line_end(a);
			off++;
		} else if (c == '\r') {
			a->cr = true;
			off++;
		} else if (c == 0) {
			a->err = ERR_SYNTAX;
		} else {
			size_t n = text_run(slice_sub(s, off, SIZE_MAX));

			put_text(a, slice_sub(s, off, n));
			off += n;
		}
	}
	if (a->err == 0 && buf_err(&a->mem) != 0)
		a->err = ERR_NOMEM;
	if (a->fd >= 0 && buf_len(&a->mem) >= WRITE_AT)
		flush(a);
}

void append_body_end(struct append_body *a)
{
	judge_cr(a, false);
	if (a->err == 0 && buf_err(&a->mem) != 0)
		a->err = ERR_NOMEM;
	if (a->fd >= 0)
		flush(a);
}

void append_body_summary(struct append_body *a, struct buf *out)
{
	void *p;

	if (a->fd < 0) {
		if (mail_summary_build(buf_slice(&a->mem), out) != 0)
			buf_reset(out);
		return;
	}
	p = mmap(NULL, (size_t)a->size, PROT_READ, MAP_PRIVATE, a->fd, 0);
	if (p == MAP_FAILED)
		return;
	if (mail_summary_build(slice_of(p, (size_t)a->size), out) != 0)
		buf_reset(out);
	munmap(p, (size_t)a->size);
}

void append_body_free(struct append_body *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	buf_free(&a->mem);
}
