/*
 * Sections of messages: never more than a chunk of one in memory, and the next
 * chunk only when the client has taken the last. Where a section is comes from
 * the summary; nothing is parsed, whatever part of it is asked for. Once a
 * literal's size is written its bytes must follow: what cannot be read then
 * ends in a disconnect, never in padding.
 */
#include "imapd/fetch.h"

enum imap_run fetch_ask_bytes(struct imap_session *s, uint64_t off, uint64_t len, imap_handler_fn *handler)
{
	const struct fetch_args *a = s->cmd.args;
	const struct view *v = &s->view;
	struct spool_body_get m = { .session = s->spool, .mailbox = v->mailbox, .uid = view_uid(v, a->index),
		.bodyid = view_bodyid(v, a->index), .off = off,
		.len = len < FETCH_CHUNK ? (uint32_t)len : FETCH_CHUNK };

	return imap_ask(s, spool_body_get_MSG, &m, handler);
}

/* The bytes of an answer: some, and not more than were wanted. */
static int got_bytes(const struct imap_reply *rep, uint64_t left, struct slice *bytes_r)
{
	const struct spool_body_got *m = rep->m;

	if (rep->r != 0)
		return rep->r;
	*bytes_r = m->bytes;
	return m->bytes.len != 0 && m->bytes.len <= left ? 0 : ERR_CORRUPT;
}

static void item_nil(struct imap_session *s, struct fetch_args *a, const struct fetch_item *it)
{
	fetch_print_label(s->out, it);
	buf_add_cstr(s->out, " NIL");
	a->cut = a->open = false;
	buf_free(&a->load);
	a->item++;
}

static void item_done(struct fetch_args *a)
{
	a->cut = a->open = false;
	buf_free(&a->load);
	a->item++;
}

static void print_head(struct imap_session *s, const struct fetch_item *it, uint64_t len)
{
	fetch_print_label(s->out, it);
	buf_addf(s->out, " {%llu}\r\n", (unsigned long long)len);
}

static enum imap_run on_chunk(struct imap_session *s, const struct imap_reply *rep)
{
	struct fetch_args *a = s->cmd.args;
	const struct fetch_item *it = &a->items[a->item];
	struct slice bytes;

	if (got_bytes(rep, a->left, &bytes) != 0) {
		if (a->open)
			return RUN_ABORT;
		a->failed = true;
		item_nil(s, a, it);
		return RUN_AGAIN;
	}
	if (!a->open)
		print_head(s, it, a->left);
	a->open = true;
	buf_add_slice(s->out, bytes);
	a->off += bytes.len;
	a->left -= bytes.len;
	if (a->left == 0)
		item_done(a);
	return RUN_AGAIN;
}

/* HEADER.FIELDS: the header is gathered, filtered, and cut. */
static void print_fields(struct imap_session *s, struct fetch_args *a, const struct fetch_item *it)
{
	struct buf out = BUF_INIT(FETCH_HEADER_MAX + 16);
	struct slice text;

	fetch_filter_header(&out, buf_slice(&a->load), it);
	text = buf_slice(&out);
	if (it->partial)
		text = slice_sub(text, it->off, it->len);
	if (buf_err(&out) != 0) {
		a->failed = true;
		item_nil(s, a, it);
	} else {
		print_head(s, it, text.len);
		buf_add_slice(s->out, text);
		item_done(a);
	}
	buf_free(&out);
}

static enum imap_run on_header(struct imap_session *s, const struct imap_reply *rep)
{
	struct fetch_args *a = s->cmd.args;
	struct slice bytes;

	if (got_bytes(rep, a->left, &bytes) != 0) {
		a->failed = true;
		item_nil(s, a, &a->items[a->item]);
		return RUN_AGAIN;
	}
	buf_add_slice(&a->load, bytes);
	a->off += bytes.len;
	a->left -= bytes.len;
	return RUN_AGAIN;
}

/* Where the item's bytes are: false when there is no such section. */
static bool cut_section(struct imap_session *s, struct fetch_args *a, const struct fetch_item *it)
{
	uint64_t size = view_size(&s->view, a->index);

	if (it->section.len == 0 && it->what == SECTION_BODY) {
		a->off = 0;
		a->left = size;
	} else if (!a->have_summary ||
	    mail_summary_cut(&a->summary, it->section, it->what, size, &a->off, &a->left) != 0 ||
	    a->off > size || a->left > size - a->off) {
		return false;
	}
	if (it->fields) {
		if (a->left > FETCH_HEADER_MAX)
			a->left = FETCH_HEADER_MAX;
		a->load = BUF_INIT(FETCH_HEADER_MAX);
	} else if (it->partial) {
		uint64_t skip = it->off < a->left ? it->off : a->left;

		a->off += skip;
		a->left -= skip;
		if (a->left > it->len)
			a->left = it->len;
	}
	return true;
}

enum imap_run fetch_section_step(struct imap_session *s)
{
	struct fetch_args *a = s->cmd.args;
	const struct fetch_item *it = &a->items[a->item];

	if (!a->cut) {
		if (!cut_section(s, a, it)) {
			item_nil(s, a, it);
			return RUN_DONE;
		}
		a->cut = true;
		if (a->left == 0 && !it->fields) {
			fetch_print_label(s->out, it);
			buf_add_cstr(s->out, " \"\"");
			item_done(a);
			return RUN_DONE;
		}
	}
	if (!it->fields)
		return fetch_ask_bytes(s, a->off, a->left, on_chunk);
	if (a->left != 0)
		return fetch_ask_bytes(s, a->off, a->left, on_header);
	print_fields(s, a, it);
	return RUN_DONE;
}

/* ---- a message without a summary ------------------------------------------------------ */

static enum imap_run on_load(struct imap_session *s, const struct imap_reply *rep)
{
	struct fetch_args *a = s->cmd.args;
	struct slice bytes;
	int r;

	if ((r = got_bytes(rep, a->left, &bytes)) == 0) {
		buf_add_slice(&a->load, bytes);
		r = buf_err(&a->load);
	}
	if (r != 0) {
		a->failed = true;
		a->cut = false;
		buf_free(&a->load);
		a->phase = FETCH_NEXT;  /* nothing of it was sent: it is passed over */
		return RUN_AGAIN;
	}
	a->off += bytes.len;
	a->left -= bytes.len;
	return RUN_AGAIN;
}

enum imap_run fetch_load_step(struct imap_session *s)
{
	struct fetch_args *a = s->cmd.args;
	int r;

	if (!a->cut) {
		a->cut = true;
		a->off = 0;
		a->left = view_size(&s->view, a->index);
		a->load = BUF_INIT((size_t)(a->left < INT32_MAX ? a->left + 1 : INT32_MAX));
	}
	if (a->left != 0)
		return fetch_ask_bytes(s, a->off, a->left, on_load);
	r = mail_summary_make(buf_slice(&a->load), a->arena, &a->summary);
	a->have_summary = r == 0;
	a->cut = false;
	buf_free(&a->load);
	if (r == 0)
		return RUN_DONE;
	a->failed = true;
	a->phase = FETCH_NEXT;
	return RUN_AGAIN;
}
