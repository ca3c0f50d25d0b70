#include "common/mail/summary.h"

#include "common/mail/bodystructure.h"
#include "common/mail/date.h"
#include "common/mail/envelope.h"
#include "common/mail/header.h"
#include "common/mail/mime.h"
#include "common/mail/preview.h"

WIRE_IMPLEMENT(mail_part, MAIL_PART_FIELDS)
WIRE_IMPLEMENT(mail_summary, MAIL_SUMMARY_FIELDS)

enum { TREE_MEMORY = 64 * 1024 * 1024, SECTION_LEN_MAX = 1024 };

/* The texts while they are made. */
struct work {
	struct slice message;
	struct arena *a;
	struct buf envelope, body, bodystructure, preview;
	struct mail_part *parts;
	uint32_t parts_n, parts_max;
};

/* ---- parts --------------------------------------------------------------------- */

static struct mail_part *entry_new(struct work *w, const struct mime_part *m, struct slice section)
{
	struct mail_part *e = &w->parts[w->parts_n++];
	const struct mime_part *inner = m->kind == MIME_MESSAGE ? m->child : NULL;

	e->section = section;
	e->mime_off = (uint32_t)m->header_off;
	e->mime_len = (uint32_t)m->header_len;
	e->body_off = (uint32_t)m->body_off;
	e->body_len = (uint32_t)m->body_len;
	e->encoding = (uint8_t)m->encoding;
	e->flags = (uint8_t)((m->kind == MIME_MULTIPART ? PART_MULTIPART : 0) | (inner != NULL ? PART_RFC822 : 0) |
	    (mime_is_text(m) ? PART_TEXT : 0) |
	    (mime_is_text(m) && slice_ieq_cstr(m->type.subtype, "html") ? PART_HTML : 0) |
	    (slice_ieq_cstr(m->disposition.type, "attachment") ? PART_ATTACHMENT : 0));
	if (inner != NULL) {
		e->header_off = (uint32_t)inner->header_off;
		e->header_len = (uint32_t)inner->header_len;
	}
	if (mime_is_text(m))
		e->charset = slice_sub(mime_param_find(&m->type, "charset"), 0, 64);
	return e;
}

/* prefix "." number */
static int section_of(struct arena *a, struct slice prefix, unsigned number, struct slice *section_r)
{
	struct buf b = BUF_INIT(SECTION_LEN_MAX);
	int r;

	buf_add_slice(&b, prefix);
	if (prefix.len != 0)
		buf_add_byte(&b, '.');
	buf_add_u64(&b, number);
	*section_r = arena_dup(a, buf_slice(&b));
	r = buf_err(&b) != 0 ? buf_err(&b) : section_r->p == NULL ? ERR_NOMEM : 0;
	buf_free(&b);
	return r;
}

/* Gives m, whose parent has its section already, a section, and makes its entry. */
static int add_entry(struct work *w, struct mime_part *m)
{
	const struct mime_part *up = m->parent;
	int r;

	if (up == NULL) {
		struct mail_part *e = entry_new(w, m, slice_of("", 0));

		e->header_off = e->mime_off;
		e->header_len = e->mime_len;
		if (m->kind == MIME_MULTIPART)
			return 0;
		m->section = SLICE_LIT("1");
	} else if (up->kind == MIME_MESSAGE && m->kind == MIME_MULTIPART) {
		m->section = up->section;    /* its parts are the message's; it has no number of its own */
		return 0;
	} else if ((r = section_of(w->a, up->section, m->index, &m->section)) != 0) {
		return r;
	}
	(void)entry_new(w, m, m->section);
	return 0;
}

static int make_parts(struct work *w, struct mime_part *root)
{
	size_t n = 1;
	int r;

	for (struct mime_part *m = root; m != NULL; m = mime_next(m))
		n++;
	if ((w->parts = arena_calloc(w->a, n, sizeof(*w->parts))) == NULL)
		return ERR_NOMEM;
	for (struct mime_part *m = root; m != NULL; m = mime_next(m))
		if ((r = add_entry(w, m)) != 0)
			return r;
	return 0;
}

/* ---- the whole ------------------------------------------------------------------ */

static void set_date(struct slice header, struct mail_summary *s)
{
	struct mail_field f;
	int64_t sec, day;
	int zone;

	if (!header_find(header, "Date", &f) || mail_date_parse(f.body, &sec, &zone) != 0)
		return;
	day = mail_date_days(sec, zone);
	s->sent_date = sec > 0 ? (uint64_t)sec : 0;
	s->sent_day = day > 0 ? (uint32_t)day : 0;
}

static void set_message_id(struct slice header, struct mail_summary *s)
{
	struct mail_field f;
	ptrdiff_t open, close;
	struct slice id;

	if (!header_find(header, "Message-ID", &f) || (open = slice_chr(f.body, '<')) < 0)
		return;
	id = slice_sub(f.body, (size_t)open + 1, SIZE_MAX);
	if ((close = slice_chr(id, '>')) < 0 || close > 1000)
		return;
	id = slice_sub(id, 0, (size_t)close);
	for (size_t i = 0; i < id.len; i++)
		if (!is_class(id.p[i], CC_PRINT))
			return;
	s->message_id = id;
}

static size_t count_lines(struct slice s)
{
	size_t n = 0;
	ptrdiff_t i;

	for (struct slice rest = s; (i = slice_chr(rest, '\n')) >= 0; n++)
		rest = slice_sub(rest, (size_t)i + 1, SIZE_MAX);
	return n + (s.len != 0 && s.p[s.len - 1] != '\n');
}

/* Encodes to out; out is as before when it fails. ERR_LIMIT: too much for a summary. */
static int encode(struct work *w, const struct mime_part *root, struct buf *out)
{
	struct slice header = slice_sub(w->message, root->header_off, root->header_len);
	struct buf all = BUF_INIT(MAIL_SUMMARY_MAX);
	struct mail_summary s;
	int r;

	memset(&s, 0, sizeof(s));
	s.version = MAIL_SUMMARY_VERSION;
	s.header_len = (uint32_t)root->header_len;
	s.lines = (uint32_t)count_lines(w->message);
	s.envelope = buf_slice(&w->envelope);
	s.body = buf_slice(&w->body);
	s.bodystructure = buf_slice(&w->bodystructure);
	s.preview = buf_slice(&w->preview);
	s.parts = w->parts;
	s.parts_n = w->parts_n;
	set_date(header, &s);
	set_message_id(header, &s);
	mail_summary_encode(&all, &s);
	if ((r = buf_err(&all)) == 0) {
		buf_add_slice(out, buf_slice(&all));
		r = buf_err(out);
	}
	buf_free(&all);
	return r;
}

static int build(struct work *w, const struct mime_limits *limits, struct buf *out)
{
	struct mime_part *root;
	int r;

	if ((r = mime_parse(w->message, limits, w->a, &root)) != 0 || (r = make_parts(w, root)) != 0)
		return r;
	if (envelope_format(&w->envelope, slice_sub(w->message, root->header_off, root->header_len)))
		w->parts[0].flags |= PART_WHOLE;
	bodystructure_format(&w->body, w->message, root, false);
	bodystructure_format(&w->bodystructure, w->message, root, true);
	preview_format(&w->preview, w->message, root);
	if ((r = buf_err(&w->envelope)) != 0 || (r = buf_err(&w->body)) != 0 || (r = buf_err(&w->bodystructure)) != 0)
		return r;
	return encode(w, root, out);
}

int mail_summary_build(struct slice message, struct buf *out)
{
	/* the second and later ones are for messages that would be too much */
	static const struct mime_limits limits[] = { { MIME_DEPTH_MAX, MIME_PARTS_MAX }, { 50, 1000 }, { 10, 100 }, { 0, 1 } };
	int r = ERR_NOMEM;

	message = slice_sub(message, 0, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_LEN(limits) && (r == ERR_NOMEM || r == ERR_LIMIT) && buf_err(out) == 0; i++) {
		struct work w = { .message = message, .a = arena_new(TREE_MEMORY) };

		if (w.a == NULL)
			return ERR_NOMEM;
		w.envelope = w.body = w.bodystructure = BUF_INIT(MAIL_SUMMARY_MAX);
		w.preview = BUF_INIT(1024);
		r = build(&w, &limits[i], out);
		buf_free(&w.envelope);
		buf_free(&w.body);
		buf_free(&w.bodystructure);
		buf_free(&w.preview);
		arena_free(&w.a);
	}
	return r;
}

int mail_summary_make(struct slice message, struct arena *a, struct mail_summary *s_r)
{
	struct buf b = BUF_INIT(MAIL_SUMMARY_MAX);
	struct slice bytes;
	int r;

	memset(s_r, 0, sizeof(*s_r));
	if ((r = mail_summary_build(message, &b)) == 0) {
		bytes = arena_dup(a, buf_slice(&b));
		r = bytes.p != NULL ? mail_summary_load(bytes, a, s_r) : ERR_NOMEM;
	}
	buf_free(&b);
	return r;
}

int mail_summary_load(struct slice bytes, struct arena *a, struct mail_summary *s_r)
{
	struct cursor c = cursor_of(bytes);
	int r;

	memset(s_r, 0, sizeof(*s_r));
	if (bytes.len == 0)
		return ERR_SYNTAX;
	if (bytes.p[0] != MAIL_SUMMARY_VERSION)
		return ERR_VERSION;
	if ((r = mail_summary_decode(&c, a, s_r)) != 0)
		return r;
	return s_r->parts_n != 0 ? cur_end(&c) : ERR_SYNTAX;
}

/* ---- readers ------------------------------------------------------------------------ */

const struct mail_part *mail_summary_find(const struct mail_summary *s, struct slice section)
{
	for (uint32_t i = 0; i < s->parts_n; i++)
		if (slice_eq(s->parts[i].section, section))
			return &s->parts[i];
	return NULL;
}

int mail_summary_cut(const struct mail_summary *s, struct slice section, enum section_text what, uint64_t message_size,
    uint64_t *off_r, uint64_t *len_r)
{
	const struct mail_part *p = mail_summary_find(s, section);
	bool message = section.len == 0 || (p != NULL && (p->flags & PART_RFC822) != 0);
	uint64_t end;

	if (p == NULL || (message_size < (uint64_t)p->body_off + p->body_len))
		return ERR_NOTFOUND;
	end = (uint64_t)p->body_off + p->body_len;
	if (section.len == 0)
		end = message_size;
	switch (what) {
	case SECTION_BODY:
		*off_r = section.len == 0 ? 0 : p->body_off;
		break;
	case SECTION_MIME:
		if (section.len == 0)
			return ERR_NOTFOUND;
		*off_r = p->mime_off;
		end = (uint64_t)p->mime_off + p->mime_len;
		break;
	case SECTION_HEADER:
		if (!message)
			return ERR_NOTFOUND;
		*off_r = p->header_off;
		end = (uint64_t)p->header_off + p->header_len;
		break;
	case SECTION_TEXT:
		if (!message)
			return ERR_NOTFOUND;
		*off_r = (uint64_t)p->header_off + p->header_len;
		break;
	}
	*len_r = end > *off_r ? end - *off_r : 0;
	return 0;
}
