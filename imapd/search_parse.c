/*
 * search     = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key)      RFC 3501 6.4.4
 * search-key = "ALL" / ... / "OR" SP search-key SP search-key / "NOT" SP search-key /
 *              "(" search-key *(SP search-key) ")" / sequence-set
 */
#include "imapd/search.h"

enum arg_kind { ARG_NONE, ARG_TEXT, ARG_DATE, ARG_NUMBER, ARG_KEYWORD, ARG_HEADER, ARG_UID, ARG_NOT, ARG_OR };

static const struct search_word {
	const char *name;
	enum arg_kind arg;
	enum search_kind kind;
	uint32_t mask, want;            /* FLAGS; others: want is the date's relation or 1 for UNKEYWORD */
	const char *field;
} words[] = {
	{ "ALL", ARG_NONE, KEY_ALL, 0, 0, NULL },
	{ "ANSWERED", ARG_NONE, KEY_FLAGS, FLAG_ANSWERED, FLAG_ANSWERED, NULL },
	{ "BCC", ARG_TEXT, KEY_ENVELOPE, 0, 0, "Bcc" },
	{ "BEFORE", ARG_DATE, KEY_DATE, 0, DATE_BEFORE, NULL },
	{ "BODY", ARG_TEXT, KEY_BODY, 0, 0, NULL },
	{ "CC", ARG_TEXT, KEY_ENVELOPE, 0, 0, "Cc" },
	{ "DELETED", ARG_NONE, KEY_FLAGS, FLAG_DELETED, FLAG_DELETED, NULL },
	{ "DRAFT", ARG_NONE, KEY_FLAGS, FLAG_DRAFT, FLAG_DRAFT, NULL },
	{ "FLAGGED", ARG_NONE, KEY_FLAGS, FLAG_FLAGGED, FLAG_FLAGGED, NULL },
	{ "FROM", ARG_TEXT, KEY_ENVELOPE, 0, 0, "From" },
	{ "HEADER", ARG_HEADER, KEY_HEADER, 0, 0, NULL },
	{ "KEYWORD", ARG_KEYWORD, KEY_KEYWORD, 0, 0, NULL },
	{ "LARGER", ARG_NUMBER, KEY_LARGER, 0, 0, NULL },
	{ "NEW", ARG_NONE, KEY_FLAGS, FLAG_RECENT | FLAG_SEEN, FLAG_RECENT, NULL },
	{ "NOT", ARG_NOT, KEY_NOT, 0, 0, NULL },
	{ "OLD", ARG_NONE, KEY_FLAGS, FLAG_RECENT, 0, NULL },
	{ "ON", ARG_DATE, KEY_DATE, 0, DATE_ON, NULL },
	{ "OR", ARG_OR, KEY_OR, 0, 0, NULL },
	{ "RECENT", ARG_NONE, KEY_FLAGS, FLAG_RECENT, FLAG_RECENT, NULL },
	{ "SEEN", ARG_NONE, KEY_FLAGS, FLAG_SEEN, FLAG_SEEN, NULL },
	{ "SENTBEFORE", ARG_DATE, KEY_SENT, 0, DATE_BEFORE, NULL },
	{ "SENTON", ARG_DATE, KEY_SENT, 0, DATE_ON, NULL },
	{ "SENTSINCE", ARG_DATE, KEY_SENT, 0, DATE_SINCE, NULL },
	{ "SINCE", ARG_DATE, KEY_DATE, 0, DATE_SINCE, NULL },
	{ "SMALLER", ARG_NUMBER, KEY_SMALLER, 0, 0, NULL },
	{ "SUBJECT", ARG_TEXT, KEY_ENVELOPE, 0, 0, "Subject" },
	{ "TEXT", ARG_TEXT, KEY_TEXT, 0, 0, NULL },
	{ "TO", ARG_TEXT, KEY_ENVELOPE, 0, 0, "To" },
	{ "UID", ARG_UID, KEY_SET, 0, 0, NULL },
	{ "UNANSWERED", ARG_NONE, KEY_FLAGS, FLAG_ANSWERED, 0, NULL },
	{ "UNDELETED", ARG_NONE, KEY_FLAGS, FLAG_DELETED, 0, NULL },
	{ "UNDRAFT", ARG_NONE, KEY_FLAGS, FLAG_DRAFT, 0, NULL },
	{ "UNFLAGGED", ARG_NONE, KEY_FLAGS, FLAG_FLAGGED, 0, NULL },
	{ "UNKEYWORD", ARG_KEYWORD, KEY_KEYWORD, 0, 1, NULL },
	{ "UNSEEN", ARG_NONE, KEY_FLAGS, FLAG_SEEN, 0, NULL },
};

static int take_key(struct imap_parse *p, struct search_args *a, unsigned depth, struct search_key **key_r);

static int take_text(struct imap_parse *p, struct slice *folded_r)
{
	struct buf b = BUF_INIT(4 * SEARCH_TEXT_MAX);
	struct slice s;
	int r;

	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_astring(p, &s)) != 0)
		return r;
	if (s.len > SEARCH_TEXT_MAX)
		return imap_why(p, "a text to search for is too long");
	search_fold(s, &b);
	*folded_r = arena_dup(p->arena, buf_slice(&b));
	r = buf_err(&b) != 0 || folded_r->p == NULL ? ERR_NOMEM : 0;
	buf_free(&b);
	return r;
}

static int take_children(struct imap_parse *p, struct search_args *a, unsigned depth, unsigned n, struct search_key *k)
{
	struct search_key **end = &k->child;
	int r;

	for (unsigned i = 0; i < n; i++, end = &(*end)->next)
		if ((r = imap_take_sp(p)) != 0 || (r = take_key(p, a, depth + 1, end)) != 0)
			return r;
	return 0;
}

static int take_args(struct imap_parse *p, struct search_args *a, unsigned depth, const struct search_word *w,
    struct search_key *k)
{
	int r = 0;

	switch (w->arg) {
	case ARG_NONE:
		return 0;
	case ARG_TEXT:
		k->name = slice_cstr(w->field);
		a->want_body = a->want_body || w->field == NULL;
		r = take_text(p, &k->text);
		search_probe_set(k);
		return r;
	case ARG_HEADER:
		if ((r = imap_take_sp(p)) != 0 || (r = imap_take_astring(p, &k->name)) != 0)
			return r;
		a->want_header = a->want_header || !search_is_text_field(k->name);
		return take_text(p, &k->text);
	case ARG_DATE:
		k->date = (enum search_date)w->want;
		r = imap_take_sp(p);
		return r != 0 ? r : imap_take_date(p, &k->day);
	case ARG_NUMBER:
		r = imap_take_sp(p);
		return r != 0 ? r : imap_take_u64(p, &k->size);
	case ARG_KEYWORD:
		k->negated = w->want != 0;
		r = imap_take_sp(p);
		return r != 0 ? r : imap_take_atom(p, &k->name);
	case ARG_UID:
		k->uid = true;
		r = imap_take_sp(p);
		return r != 0 ? r : imap_take_set(p, &k->set);
	case ARG_NOT:
		return take_children(p, a, depth, 1, k);
	case ARG_OR:
		return take_children(p, a, depth, 2, k);
	}
	return r;
}

static int take_word(struct imap_parse *p, struct search_args *a, unsigned depth, struct search_key *k)
{
	struct slice name;
	int r;

	if ((r = imap_take_atom(p, &name)) != 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!slice_ieq_cstr(name, words[i].name))
			continue;
		k->kind = words[i].kind;
		k->mask = words[i].mask;
		k->want = words[i].want;
		return take_args(p, a, depth, &words[i], k);
	}
	return imap_why(p, "there is no such search key");
}

/* "(" search-key *(SP search-key) ")", without the opening parenthesis; or all keys to the end. */
static int take_list(struct imap_parse *p, struct search_args *a, unsigned depth, struct search_key *k)
{
	struct search_key **end = &k->child;
	int r;

	k->kind = KEY_AND;
	do {
		if ((r = take_key(p, a, depth + 1, end)) != 0)
			return r;
		end = &(*end)->next;
	} while (cur_take_byte(&p->cur, ' '));
	return 0;
}

static int take_key(struct imap_parse *p, struct search_args *a, unsigned depth, struct search_key **key_r)
{
	struct search_key *k;
	int c = imap_peek(p), r;

	if (depth > SEARCH_DEPTH_MAX || ++a->keys > SEARCH_KEYS_MAX)
		return imap_why(p, "the search is too complicated");
	if ((k = arena_alloc(p->arena, sizeof(*k))) == NULL)
		return ERR_NOMEM;
	*key_r = k;
	if (c == '*' || (c >= '0' && c <= '9')) {
		k->kind = KEY_SET;
		return imap_take_set(p, &k->set);
	}
	if (!cur_take_byte(&p->cur, '('))
		return take_word(p, a, depth, k);
	if ((r = take_list(p, a, depth, k)) != 0)
		return r;
	return imap_take_byte(p, ')', "a list of keys has no end");
}

int search_parse(struct imap_session *s, struct imap_parse *p, struct search_args *a)
{
	struct slice charset;
	int r;

	(void)s;
	if ((r = imap_take_sp(p)) != 0)
		return r;
	if (cur_take_icase(&p->cur, "CHARSET ")) {
		if ((r = imap_take_astring(p, &charset)) != 0 || (r = imap_take_sp(p)) != 0)
			return r;
		a->bad_charset = !slice_ieq_cstr(charset, "UTF-8") && !slice_ieq_cstr(charset, "US-ASCII");
		if (a->bad_charset)
			return 0;       /* what follows is in no charset we know */
	}
	if ((a->root = arena_alloc(p->arena, sizeof(*a->root))) == NULL)
		return ERR_NOMEM;
	if ((r = take_list(p, a, 0, a->root)) != 0)
		return r;
	return imap_take_end(p);
}
