#include "smtpd/content.h"

/* How far over the limit a client may go before it is cut off in the middle. */
enum { FLOOD_FACTOR = 4, FLOOD_SLACK = 1024 * 1024, PREFIX_MAX = 4096 };

/* ---- the header: hops and message id -------------------------------------- */

static void field_done(struct smtp_content *c)
{
	struct slice f = slice_of(c->field, c->field_len);
	ptrdiff_t colon = slice_chr(f, ':');
	struct slice name, value;

	c->field_len = 0;
	if (colon < 0)
		return;
	name = slice_trim(slice_sub(f, 0, (size_t)colon));
	if (slice_ieq_cstr(name, "Received")) {
		c->received++;
	} else if (c->message_id.len == 0 && slice_ieq_cstr(name, "Message-ID")) {
		value = slice_trim(slice_sub(f, (size_t)colon + 1, SIZE_MAX));
		c->message_id = arena_dup(c->arena, slice_sub(value, 0, sizeof(c->field) - 64));
	}
}

/* Part of a line without its LF; a CR before it is not text. */
static void field_add(struct smtp_content *c, struct slice part)
{
	size_t room = sizeof(c->field) - c->field_len;

	for (size_t i = 0; i < part.len && i < room; i++)
		if (part.p[i] != '\r')
			c->field[c->field_len++] = part.p[i];
}

static void header_scan(struct smtp_content *c, struct slice run)
{
	while (run.len != 0 && c->in_header) {
		ptrdiff_t lf;
		size_t n;

		if (c->line_start) {
			if (!is_class(run.p[0], CC_WSP))
				field_done(c);
			c->in_header = run.p[0] != '\r' && run.p[0] != '\n';
			c->line_start = false;
			continue;
		}
		lf = slice_chr(run, '\n');
		n = lf < 0 ? run.len : (size_t)lf;
		field_add(c, slice_sub(run, 0, n));
		c->line_start = lf >= 0;
		run = slice_sub(run, lf < 0 ? n : n + 1, SIZE_MAX);
	}
}

/* ---- bytes ------------------------------------------------------------------ */

static void content_sink(void *arg, struct slice run)
{
	struct smtp_content *c = arg;

	if (c->in_header)
		header_scan(c, run);
	if (smtp_content_fault(c) != SMTP_FAULT_NONE)
		return;
	buf_add_slice(&c->bytes, run);
	c->total += run.len;
	if (buf_err(&c->bytes) != 0)
		smtp_content_fail(c, ERR_FULL);
}

void smtp_content_init(struct smtp_content *c, struct arena *a, uint64_t size_limit, size_t inline_limit,
    uint32_t hop_limit)
{
	memset(c, 0, sizeof(*c));
	c->dots = (struct dot_reader){ .bare = DOT_BARE_REFUSE, .max_size = size_limit, .sink = content_sink, .arg = c };
	c->inline_limit = inline_limit;
	c->hop_limit = hop_limit;
	c->arena = a;
	c->in_header = c->line_start = true;
	/* a step stops between chunks once the limit is passed */
	c->bytes = BUF_INIT(inline_limit + (size_t)SMTP_CONTENT_CHUNK * 2 + PREFIX_MAX);
}

void smtp_content_prefix_done(struct smtp_content *c, size_t relay_off)
{
	struct slice s = buf_slice(&c->bytes);

	c->total = c->prefix_len = s.len;
	c->relay_off = (uint32_t)relay_off;
	for (size_t i = 0; i < s.len; i++)
		c->prefix_lines += s.p[i] == '\n';
	if (buf_err(&c->bytes) != 0)
		smtp_content_fail(c, ERR_FULL);
}

void smtp_content_hold_header(struct smtp_content *c, smtp_header_fn *fn, void *ctx)
{
	c->header_fn = fn;
	c->header_ctx = ctx;
	c->bytes.max += SMTP_HEADER_HOLD + SMTP_HEADER_ADD;
}

void smtp_content_insert(struct smtp_content *c, size_t off, struct slice text)
{
	struct buf *b = &c->bytes;
	uint8_t *room = text.len != 0 ? buf_reserve(b, text.len) : NULL;
	uint8_t *at;

	if (text.len == 0)
		return;
	if (room == NULL) {
		smtp_content_fail(c, ERR_FULL);
		return;
	}
	at = b->p + b->off + off;
	memmove(at + text.len, at, (size_t)(room - at));
	memcpy(at, text.p, text.len);
	buf_commit(b, text.len);
	c->total += text.len;
	for (size_t i = 0; i < text.len; i++)
		c->prefix_lines += text.p[i] == '\n';
}

/* True: the header is still wanted in memory. */
static bool header_held(struct smtp_content *c)
{
	if (c->header_fn == NULL || c->header_seen)
		return false;
	if (!c->ended && c->in_header && c->total < SMTP_HEADER_HOLD)
		return true;
	c->header_seen = true;
	c->header_fn(c->header_ctx, c);
	return false;
}

void smtp_content_free(struct smtp_content *c)
{
	buf_free(&c->bytes);
}

enum smtp_content_fault smtp_content_fault(const struct smtp_content *c)
{
	if (c->dots.has_bare_cr || c->dots.has_bare_lf)
		return SMTP_FAULT_BARE;
	if (c->dots.over_size)
		return SMTP_FAULT_SIZE;
	if (c->dots.has_nul)
		return SMTP_FAULT_NUL;
	if (c->received > c->hop_limit)
		return SMTP_FAULT_HOPS;
	if (c->refused != NULL)
		return SMTP_FAULT_HEADER;
	if (c->local_fault == ERR_FULL)
		return SMTP_FAULT_FULL;
	return c->local_fault != 0 ? SMTP_FAULT_TEMP : SMTP_FAULT_NONE;
}

void smtp_content_fail(struct smtp_content *c, int r)
{
	if (c->local_fault == 0)
		c->local_fault = r;
	buf_free(&c->bytes);
	c->bytes.err = 0;
	c->file = 0;
}

enum smtp_content_state smtp_content_step(struct smtp_content *c, struct buf *in)
{
	for (;;) {
		struct slice chunk;
		bool held = false;
		size_t used;

		if (smtp_content_fault(c) == SMTP_FAULT_NONE)
			held = header_held(c);
		if (smtp_content_fault(c) != SMTP_FAULT_NONE) {
			buf_free(&c->bytes);
			c->file = 0;
		} else if (held) {
			/* whatever its size */
		} else if (c->file == 0 && c->total > c->inline_limit) {
			return SMTP_CONTENT_FILE;
		} else if (c->file != 0 && (buf_len(&c->bytes) >= SMTP_CONTENT_CHUNK || (c->ended && buf_len(&c->bytes) != 0))) {
			return SMTP_CONTENT_WRITE;
		}
		if (c->ended)
			return SMTP_CONTENT_END;
		if (c->dots.over_size && c->dots.size / FLOOD_FACTOR > c->dots.max_size + FLOOD_SLACK)
			return SMTP_CONTENT_FLOOD;
		chunk = slice_sub(buf_slice(in), 0, SMTP_CONTENT_CHUNK);
		if (chunk.len == 0)
			return SMTP_CONTENT_MORE;
		c->ended = dot_reader_feed(&c->dots, chunk, &used) == DOT_END;
		buf_consume(in, used);
	}
}

void smtp_content_file(struct smtp_content *c, int r, uint64_t file)
{
	if (r == 0)
		c->file = file;
	else
		smtp_content_fail(c, r);
}

void smtp_content_written(struct smtp_content *c, int r)
{
	if (r == 0)
		buf_reset(&c->bytes);
	else
		smtp_content_fail(c, r);
}
