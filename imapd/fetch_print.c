#include "imapd/fetch.h"

#include "common/mail/header.h"

static void print_names(struct buf *b, const struct fetch_item *it)
{
	for (uint32_t i = 0; i < it->names_n; i++) {
		buf_add_cstr(b, i == 0 ? " (" : " ");
		imap_put_astring(b, it->names[i]);
	}
	buf_add_byte(b, ')');
}

void fetch_print_label(struct buf *b, const struct fetch_item *it)
{
	static const char *const words[] = { [SECTION_BODY] = "", [SECTION_HEADER] = "HEADER",
		[SECTION_TEXT] = "TEXT", [SECTION_MIME] = "MIME" };

	if (it->label != NULL) {
		buf_add_cstr(b, it->label);
		return;
	}
	buf_add_cstr(b, "BODY[");
	buf_add_slice(b, it->section);
	if (it->section.len != 0 && it->what != SECTION_BODY)
		buf_add_byte(b, '.');
	buf_add_cstr(b, words[it->what]);
	if (it->fields) {
		buf_add_cstr(b, it->fields_not ? ".FIELDS.NOT" : ".FIELDS");
		print_names(b, it);
	}
	buf_add_byte(b, ']');
	if (it->partial)
		buf_addf(b, "<%u>", it->off);
}

void fetch_print_item(struct imap_session *s, struct fetch_args *a, const struct fetch_item *it)
{
	const struct view *v = &s->view;
	struct buf *b = s->out;

	switch (it->kind) {
	case FETCH_FLAGS:
		buf_add_cstr(b, "FLAGS ");
		view_print_flags(v, b, a->index);
		break;
	case FETCH_UID:
		buf_add_cstr(b, "UID ");
		buf_add_u64(b, view_uid(v, a->index));
		break;
	case FETCH_DATE:
		buf_add_cstr(b, "INTERNALDATE ");
		imap_put_date(b, view_date(v, a->index));
		break;
	case FETCH_SIZE:
		buf_add_cstr(b, "RFC822.SIZE ");
		buf_add_u64(b, view_size(v, a->index));
		break;
	case FETCH_ENVELOPE:
		buf_add_cstr(b, "ENVELOPE ");
		buf_add_slice(b, a->summary.envelope);
		break;
	case FETCH_BODY:
		buf_add_cstr(b, "BODY ");
		buf_add_slice(b, a->summary.body);
		break;
	case FETCH_BODYSTRUCTURE:
		buf_add_cstr(b, "BODYSTRUCTURE ");
		buf_add_slice(b, a->summary.bodystructure);
		break;
	case FETCH_SECTION:
		break;
	}
}

/* ---- lines that are told by rows: most of what is fetched, so they are written straight into the output ---- */

enum { LINE_FRAME = 64, LINE_ITEM = VIEW_FLAGS_TEXT + 16 };

static char *put(char *p, struct slice s)
{
	memcpy(p, s.p, s.len);
	return p + s.len;
}

static char *put_number(char *p, struct slice before, uint64_t v)
{
	char digits[20];
	size_t d = sizeof(digits);

	do
		digits[--d] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return put(put(p, before), slice_of(digits + d, sizeof(digits) - d));
}

static char *put_item(char *p, const struct view *v, uint32_t i, enum fetch_kind kind)
{
	if (kind == FETCH_UID)
		return put_number(p, SLICE_LIT("UID "), view_uid(v, i));
	if (kind == FETCH_SIZE)
		return put_number(p, SLICE_LIT("RFC822.SIZE "), view_size(v, i));
	p = put(p, SLICE_LIT("FLAGS "));
	p += view_flags_text(view_flags(v, i), p);
	*p++ = ')';
	return p;
}

bool fetch_print_plain(struct imap_session *s, const struct fetch_args *a)
{
	const struct view *v = &s->view;
	uint8_t *room;
	char *start, *p;

	if (!a->plain || v->keywords_new || view_is_dirty(v, a->index) || view_known_keywords(v, a->index) != 0 ||
	    (room = buf_reserve(s->out, LINE_FRAME + LINE_ITEM * a->items_n)) == NULL)
		return false;
	start = p = (char *)room;
	p = put(put_number(p, SLICE_LIT("* "), (uint64_t)a->index + 1), SLICE_LIT(" FETCH ("));
	if ((s->cmd.def->flags & CMD_UID) != 0 && !a->want_uid) {
		p = put_item(p, v, a->index, FETCH_UID);
		*p++ = ' ';
	}
	for (unsigned k = 0; k < a->items_n; k++) {
		if (k != 0)
			*p++ = ' ';
		p = put_item(p, v, a->index, a->items[k].kind);
	}
	p = put(p, SLICE_LIT(")\r\n"));
	buf_commit(s->out, (size_t)(p - start));
	return true;
}

static bool is_named(const struct fetch_item *it, struct slice name)
{
	for (uint32_t i = 0; i < it->names_n; i++)
		if (slice_ieq(it->names[i], name))
			return true;
	return false;
}

void fetch_filter_header(struct buf *out, struct slice header, const struct fetch_item *it)
{
	struct header_walker w;
	struct mail_field f;

	header_walk(&w, header);
	while (header_next(&w, &f))
		if (is_named(it, f.name) != it->fields_not)
			buf_add_slice(out, f.raw);
	buf_add_cstr(out, "\r\n");
}
