/*
 * What the row cannot decide: the summary (from a window), the header, and then
 * one text part after the other, each judged before the next is asked for. A
 * message that cannot be read does not match. Parts are cut at SEARCH_PART_MAX;
 * what is no text (images, archives) is not searched.
 */
#include "imapd/search.h"

static enum imap_run ask_bytes(struct imap_session *s, const struct search_args *a, imap_handler_fn *handler)
{
	const struct view *v = &s->view;
	struct spool_body_get m = { .session = s->spool, .mailbox = v->mailbox, .uid = view_uid(v, a->index),
		.bodyid = view_bodyid(v, a->index), .off = a->off,
		.len = a->left < SEARCH_CHUNK ? (uint32_t)a->left : SEARCH_CHUNK };

	return imap_ask(s, spool_body_get_MSG, &m, handler);
}

static void load_start(struct search_args *a, struct buf *b, uint64_t off, uint64_t len, size_t max)
{
	buf_free(b);
	*b = BUF_INIT(max);
	a->off = off;
	a->left = len < max ? len : max;
	a->started = true;
}

static int load_take(struct search_args *a, struct buf *b, const struct imap_reply *rep)
{
	const struct spool_body_got *m = rep->m;

	if (rep->r != 0)
		return rep->r;
	if (m->bytes.len == 0 || m->bytes.len > a->left)
		return ERR_CORRUPT;
	buf_add_slice(b, m->bytes);
	a->off += m->bytes.len;
	a->left -= m->bytes.len;
	a->loaded += m->bytes.len;
	return buf_err(b);
}

/* The current message does not match, since it cannot be read. */
static enum imap_run give_up(struct imap_session *s, struct search_args *a)
{
	if (!view_gone(&s->view, a->index))
		a->failed = true;
	a->started = false;
	a->at++;
	a->phase = SEARCH_BEGIN;
	return RUN_AGAIN;
}

static enum imap_run on_header(struct imap_session *s, const struct imap_reply *rep)
{
	struct search_args *a = s->cmd.args;

	return load_take(a, &a->header, rep) == 0 ? RUN_AGAIN : give_up(s, a);
}

static enum imap_run on_part(struct imap_session *s, const struct imap_reply *rep)
{
	struct search_args *a = s->cmd.args;

	return load_take(a, &a->part, rep) == 0 ? RUN_AGAIN : give_up(s, a);
}

static enum imap_run on_window(struct imap_session *s, const struct imap_reply *rep)
{
	struct search_args *a = s->cmd.args;
	int r = imap_window_fill(&a->window, rep);

	return r != 0 ? imap_fail(s, r) : RUN_YIELD;
}

static enum imap_run summary_step(struct imap_session *s, struct search_args *a)
{
	uint32_t uid = view_uid(&s->view, a->index);
	struct slice bytes;

	if (!imap_window_covers(&a->window, uid)) {
		uint32_t range = a->at;

		return imap_window_ask(s, &a->window, a->maybe.v, a->maybe.n, range, a->index, on_window);
	}
	bytes = imap_window_find(&a->window, uid);
	a->body = imap_window_body(&a->window, uid);
	a->loaded += a->body.len;
	a->head = slice_of(NULL, 0);
	arena_reset(a->arena);
	a->have_summary = bytes.p != NULL && mail_summary_load(bytes, a->arena, &a->summary) == 0;
	a->level = LEVEL_SUMMARY;
	a->started = false;
	a->phase = a->have_summary ? SEARCH_HEADER : SEARCH_WHOLE;
	return RUN_DONE;
}

/* Without a summary from the spool one is made here, from the whole message. */
static enum imap_run whole_step(struct imap_session *s, struct search_args *a)
{
	uint64_t size = view_size(&s->view, a->index);

	if (a->body.len != 0 && a->body.len == size) {
		a->have_summary = mail_summary_make(a->body, a->arena, &a->summary) == 0;
		a->phase = SEARCH_HEADER;
		return a->have_summary ? RUN_DONE : give_up(s, a);
	}
	if (!a->started)
		load_start(a, &a->part, 0, size, size < INT32_MAX ? (size_t)size + 1 : INT32_MAX);
	if (a->left != 0)
		return ask_bytes(s, a, on_part);
	a->started = false;
	a->have_summary = mail_summary_make(buf_slice(&a->part), a->arena, &a->summary) == 0;
	buf_free(&a->part);
	if (!a->have_summary)
		return give_up(s, a);
	a->phase = SEARCH_HEADER;
	return RUN_DONE;
}

/* A piece of the message, if it is here. */
static bool in_body(const struct search_args *a, uint64_t off, uint64_t len, struct slice *piece_r)
{
	if (a->body.len == 0 || off > a->body.len || len > a->body.len - off)
		return false;
	*piece_r = slice_sub(a->body, (size_t)off, (size_t)len);
	return true;
}

static enum imap_run header_step(struct imap_session *s, struct search_args *a)
{
	if (!in_body(a, 0, a->summary.header_len, &a->head)) {
		if (!a->started && ++a->headers >= SEARCH_HEADERS_FEW)
			a->window.front = SEARCH_HEADER_WINDOW;
		if (!a->started)
			load_start(a, &a->header, 0, a->summary.header_len, SEARCH_HEADER_MAX);
		if (a->left != 0)
			return ask_bytes(s, a, on_header);
		a->head = buf_slice(&a->header);
	}
	a->started = false;
	a->level = LEVEL_HEADER;
	a->phase = SEARCH_PARTS;
	a->part_at = 0;
	if (a->want_body && search_header_may(a->root, a->head)) {
		struct buf text = BUF_INIT(4 * SEARCH_HEADER_MAX);

		search_header_text(a->head, &text);
		search_mark(a->root, buf_slice(&text), true);
		buf_free(&text);
	}
	return RUN_DONE;
}

/* The next part that has text of its own or is a message's header. */
static const struct mail_part *next_part(struct search_args *a)
{
	for (; a->part_at < a->summary.parts_n; a->part_at++) {
		const struct mail_part *part = &a->summary.parts[a->part_at];

		if ((part->flags & PART_TEXT) != 0 || ((part->flags & PART_RFC822) != 0 && part->section.len != 0))
			return part;
	}
	return NULL;
}

static void part_judge(struct search_args *a, struct slice raw, const struct mail_part *part)
{
	bool header = (part->flags & PART_RFC822) != 0;
	struct buf text = BUF_INIT(4 * SEARCH_PART_MAX);

	if (header ? !search_header_may(a->root, raw) : search_part_raw(a->root, raw, part))
		return;
	if (header)
		search_header_text(raw, &text);
	else
		search_part_text(raw, part, &text);
	search_mark(a->root, buf_slice(&text), false);
	buf_free(&text);
}

static enum imap_run parts_step(struct imap_session *s, struct search_args *a)
{
	const struct mail_part *part = next_part(a);
	uint32_t off, len;
	struct slice raw;

	if (part == NULL) {
		a->level = LEVEL_BODY;
		return RUN_DONE;
	}
	off = (part->flags & PART_RFC822) != 0 ? part->header_off : part->body_off;
	len = (part->flags & PART_RFC822) != 0 ? part->header_len : part->body_len;
	if (!in_body(a, off, len, &raw)) {
		if (!a->started)
			load_start(a, &a->part, off, len, SEARCH_PART_MAX);
		if (a->left != 0)
			return ask_bytes(s, a, on_part);
		raw = buf_slice(&a->part);
	}
	a->started = false;
	part_judge(a, raw, part);
	a->part_at++;
	return RUN_DONE;
}

enum imap_run search_load_step(struct imap_session *s, bool *yes_r)
{
	struct search_args *a = s->cmd.args;
	enum search_result res;
	enum imap_run r;

	if (a->phase == SEARCH_SUMMARY)
		r = summary_step(s, a);
	else if (a->phase == SEARCH_WHOLE)
		r = whole_step(s, a);
	else if (a->phase == SEARCH_HEADER)
		r = header_step(s, a);
	else
		r = parts_step(s, a);
	if (r != RUN_DONE)
		return r;
	if (s->cmd.verdict != IMAP_OK)
		return RUN_DONE;
	res = search_eval(a->root, s, a, a->level);
	if (res == SEARCH_MAYBE)
		return RUN_AGAIN;
	*yes_r = res == SEARCH_YES;
	return RUN_DONE;
}
