/*
 * fetch     = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
 * fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
 *             "BODY" ["STRUCTURE"] / "UID" / "BODY" [".PEEK"] section ["<" number "." nz-number ">"]
 * section   = "[" [part *("." part) ["." text] / text] "]"
 * text      = "HEADER" / "HEADER.FIELDS" [".NOT"] SP "(" astring *(SP astring) ")" / "TEXT" / "MIME"
 *                                                                        RFC 3501 9
 */
#include "imapd/fetch.h"

static const struct {
	const char *name;
	enum fetch_kind kind;
	bool summary, section;
	enum section_text what;
	bool peek;
} simple[] = {
	{ "FLAGS", FETCH_FLAGS, false, false, 0, false },
	{ "UID", FETCH_UID, false, false, 0, false },
	{ "INTERNALDATE", FETCH_DATE, false, false, 0, false },
	{ "RFC822.SIZE", FETCH_SIZE, false, false, 0, false },
	{ "ENVELOPE", FETCH_ENVELOPE, true, false, 0, false },
	{ "BODYSTRUCTURE", FETCH_BODYSTRUCTURE, true, false, 0, false },
	{ "RFC822", FETCH_SECTION, false, true, SECTION_BODY, false },
	{ "RFC822.HEADER", FETCH_SECTION, true, true, SECTION_HEADER, true },
	{ "RFC822.TEXT", FETCH_SECTION, true, true, SECTION_TEXT, false },
};

static struct fetch_item *add_item(struct imap_parse *p, struct fetch_args *a, enum fetch_kind kind)
{
	struct fetch_item *it;

	if (a->items == NULL)
		a->items = arena_calloc(p->arena, FETCH_ITEMS_MAX, sizeof(*a->items));
	if (a->items == NULL || a->items_n == FETCH_ITEMS_MAX) {
		p->why = "there are too many items";
		return NULL;
	}
	it = &a->items[a->items_n++];
	it->kind = kind;
	a->want_uid = a->want_uid || kind == FETCH_UID;
	a->want_flags = a->want_flags || kind == FETCH_FLAGS;
	a->rows_n += kind == FETCH_FLAGS || kind == FETCH_UID || kind == FETCH_SIZE;
	return it;
}

static int take_fields(struct imap_parse *p, struct fetch_item *it)
{
	int r;

	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_byte(p, '(', "a list of header fields is missing")) != 0)
		return r;
	if ((it->names = arena_calloc(p->arena, FETCH_FIELDS_MAX, sizeof(*it->names))) == NULL)
		return ERR_NOMEM;
	do {
		if (it->names_n == FETCH_FIELDS_MAX)
			return imap_why(p, "there are too many header fields");
		if ((r = imap_take_astring(p, &it->names[it->names_n++])) != 0)
			return r;
	} while (cur_take_byte(&p->cur, ' '));
	return imap_take_byte(p, ')', "a list of header fields has no end");
}

static int take_section_text(struct imap_parse *p, struct fetch_item *it)
{
	if (cur_take_icase(&p->cur, "HEADER")) {
		it->what = SECTION_HEADER;
		if (!cur_take_icase(&p->cur, ".FIELDS"))
			return 0;
		it->fields = true;
		it->fields_not = cur_take_icase(&p->cur, ".NOT");
		return take_fields(p, it);
	}
	if (cur_take_icase(&p->cur, "TEXT"))
		it->what = SECTION_TEXT;
	else if (it->section.len != 0 && cur_take_icase(&p->cur, "MIME"))
		it->what = SECTION_MIME;
	else
		return imap_why(p, "a section is HEADER, HEADER.FIELDS, TEXT, MIME or numbers");
	return 0;
}

static int take_section(struct imap_parse *p, struct fetch_item *it)
{
	size_t start = ++p->cur.off;
	unsigned depth = 0;
	uint32_t n;
	int r;

	it->section = SLICE_LIT("");
	it->what = SECTION_BODY;
	while (imap_peek(p) >= '0' && imap_peek(p) <= '9') {
		if (imap_peek(p) == '0' || imap_take_u32(p, true, &n) != 0 || ++depth > FETCH_SECTION_DEPTH)
			return imap_why(p, "a part number is wrong");
		it->section = slice_sub(p->cur.in, start, p->cur.off - start);
		if (!cur_take_byte(&p->cur, '.'))
			break;
		if (imap_peek(p) == ']')
			return imap_why(p, "a section ends in a dot");
	}
	if (imap_peek(p) != ']' && (r = take_section_text(p, it)) != 0)
		return r;
	return imap_take_byte(p, ']', "a section has no end");
}

static int take_body(struct imap_parse *p, struct fetch_args *a, bool peek)
{
	struct fetch_item *it;
	int r;

	if (imap_peek(p) != '[') {
		if (peek)
			return imap_why(p, "BODY.PEEK needs a section");
		a->want_summary = true;
		return add_item(p, a, FETCH_BODY) != NULL ? 0 : ERR_SYNTAX;
	}
	if ((it = add_item(p, a, FETCH_SECTION)) == NULL)
		return ERR_SYNTAX;
	it->peek = peek;
	if ((r = take_section(p, it)) != 0)
		return r;
	if (it->section.len != 0 || it->what != SECTION_BODY)
		a->want_summary = true;
	if (!peek)
		a->want_seen = true;
	if (!cur_take_byte(&p->cur, '<'))
		return 0;
	it->partial = true;
	if ((r = imap_take_u32(p, false, &it->off)) != 0 || (r = imap_take_byte(p, '.', "a partial needs two numbers")) != 0 ||
	    (r = imap_take_u32(p, true, &it->len)) != 0)
		return r;
	return imap_take_byte(p, '>', "a partial has no end");
}

static int take_simple(struct imap_parse *p, struct fetch_args *a, struct slice name)
{
	struct fetch_item *it;

	for (size_t i = 0; i < ARRAY_LEN(simple); i++) {
		if (!slice_ieq_cstr(name, simple[i].name))
			continue;
		if ((it = add_item(p, a, simple[i].kind)) == NULL)
			return ERR_SYNTAX;
		if (simple[i].section) {
			it->label = simple[i].name;
			it->section = SLICE_LIT("");
			it->what = simple[i].what;
			it->peek = simple[i].peek;
			a->want_seen = a->want_seen || !it->peek;
		}
		a->want_summary = a->want_summary || simple[i].summary;
		return 0;
	}
	return imap_why(p, "there is no such item to fetch");
}

static int take_att(struct imap_parse *p, struct fetch_args *a)
{
	size_t start = p->cur.off;
	struct slice name;
	int c;

	while ((c = imap_peek(p)) == '.' || (c >= 0 && is_class((uint8_t)c, CC_ALPHA | CC_DIGIT)))
		p->cur.off++;
	name = slice_sub(p->cur.in, start, p->cur.off - start);
	if (slice_ieq_cstr(name, "BODY"))
		return take_body(p, a, false);
	if (slice_ieq_cstr(name, "BODY.PEEK"))
		return take_body(p, a, true);
	return take_simple(p, a, name);
}

static bool take_macro(struct imap_parse *p, struct fetch_args *a, int *r)
{
	static const struct { const char *name; enum fetch_kind kinds[5]; unsigned n; } macros[] = {
		{ "FAST", { FETCH_FLAGS, FETCH_DATE, FETCH_SIZE }, 3 },
		{ "ALL", { FETCH_FLAGS, FETCH_DATE, FETCH_SIZE, FETCH_ENVELOPE }, 4 },
		{ "FULL", { FETCH_FLAGS, FETCH_DATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY }, 5 },
	};
	struct slice rest = cur_rest(&p->cur);

	for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
		if (!slice_ieq_cstr(rest, macros[i].name))
			continue;
		for (unsigned k = 0; k < macros[i].n; k++)
			if (add_item(p, a, macros[i].kinds[k]) == NULL)
				*r = ERR_SYNTAX;
		a->want_summary = macros[i].n > 3;
		p->cur.off = p->cur.in.len;
		return true;
	}
	return false;
}

int fetch_items_parse(struct imap_session *s, struct imap_parse *p, struct fetch_args *a)
{
	int r = 0;

	(void)s;
	if (take_macro(p, a, &r))
		return r;
	if (!cur_take_byte(&p->cur, '('))
		return take_att(p, a);
	do {
		if ((r = take_att(p, a)) != 0)
			return r;
	} while (cur_take_byte(&p->cur, ' '));
	return imap_take_byte(p, ')', "the list of items has no end");
}
