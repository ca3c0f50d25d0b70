/*
 * RETR and TOP, RFC 1939 5 and 7: a message in parts, each asked of spoold when
 * there is room for it, so that a large one costs one part of memory.
 *	RETR msg    TOP msg n
 * A bare CR or LF in a body (there should be none) is sent as a space: a client
 * that takes it for a line end must not find an end of message behind it.
 */
#include "common/base/log.h"
#include "pop3d/internal.h"

static void transfer_begin(struct pop3_session *s, enum pop3_job job, uint32_t msg, uint64_t lines)
{
	s->in_order = s->last_msg != 0 && msg > s->last_msg && msg - s->last_msg <= POP3_IN_ORDER ? s->in_order + 1 : 0;
	s->last_msg = msg;
	s->job = job;
	s->job_msg = msg;
	s->transfer = (struct pop3_transfer){ .dots = { .clean = true }, .in_header = true, .line_empty = true,
	    .lines_left = lines };
	s->want = POP3_WANT_BODY;
}

POP3_HANDLER(pop3_act_retr)
{
	transfer_begin(s, POP3_JOB_RETR, args->msg, 0);
	return POP3_WAIT;
}

POP3_HANDLER(pop3_act_top)
{
	transfer_begin(s, POP3_JOB_TOP, args->msg, args->lines);
	return POP3_WAIT;
}

/* The header, the empty line, and then so many lines: how much of bytes belongs to it. *end_r: no more is wanted. */
static size_t top_part(struct pop3_transfer *t, struct slice bytes, bool *end_r)
{
	size_t i = 0;

	*end_r = false;
	while (i < bytes.len) {
		ptrdiff_t lf = slice_chr(slice_sub(bytes, i, SIZE_MAX), '\n');
		size_t n = lf < 0 ? bytes.len - i : (size_t)lf;

		for (size_t k = i; t->in_header && t->line_empty && k < i + n; k++)
			t->line_empty = bytes.p[k] == '\r';
		if (lf < 0)
			return bytes.len;
		i += n + 1;
		if (t->in_header)
			t->in_header = !t->line_empty;
		else
			t->lines_left--;
		t->line_empty = true;
		if (!t->in_header && t->lines_left == 0) {
			*end_r = true;
			return i;
		}
	}
	return i;
}

static void transfer_end(struct pop3_session *s)
{
	dot_writer_end(&s->transfer.dots, s->out);
	if (s->job == POP3_JOB_RETR)
		s->retrieved++;
	else
		s->top++;
	s->job = POP3_JOB_NONE;
}

static void transfer_refuse(struct pop3_session *s, int r)
{
	if (r == ERR_NOTFOUND)
		pop3_err(s, "message %u was removed by another session", s->job_msg);
	else
		pop3_err(s, "[SYS/TEMP] message %u cannot be read now", s->job_msg);
	s->job = POP3_JOB_NONE;
}

bool pop3_transfer_part(struct pop3_session *s, int r, uint64_t size, struct slice bytes)
{
	struct pop3_transfer *t = &s->transfer;
	bool end = false;

	if (r == 0 && (t->off > size || (bytes.len == 0 && t->off < size)))
		r = ERR_CORRUPT;
	if (r != 0 && !t->answered) {
		transfer_refuse(s, r);
		return true;
	}
	if (r != 0) {
		log_warn("message broken off: uid=%u off=%llu: %s", s->msgs[s->job_msg - 1].uid, (unsigned long long)t->off,
		    err_str(r));
		return false;
	}
	if (!t->answered && s->job == POP3_JOB_RETR)
		pop3_ok(s, "%llu octets", (unsigned long long)size);
	else if (!t->answered)
		pop3_ok(s, "the top of message %u", s->job_msg);
	t->answered = true;
	if (bytes.len > size - t->off)
		bytes.len = (size_t)(size - t->off);
	if (s->job == POP3_JOB_TOP)
		bytes.len = top_part(t, bytes, &end);
	dot_writer_add(&t->dots, s->out, bytes);
	t->off += bytes.len;
	s->bytes += bytes.len;
	if (end || t->off >= size)
		transfer_end(s);
	return true;
}
