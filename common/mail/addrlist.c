#include "common/mail/addrlist.h"

enum {
	TEXT_MAX = 2048,          /* of a name, local part or domain; the rest is cut */
	ANGLE_REST_MAX = 4096,    /* how far is looked for the end of a broken "<...>" */
};

void addr_walk(struct addr_walker *w, struct slice body)
{
	memset(w, 0, sizeof(*w));
	w->c = cursor_of(body);
	w->name = w->route = w->local = w->domain = w->comment = BUF_INIT(TEXT_MAX);
}

void addr_walk_end(struct addr_walker *w)
{
	buf_free(&w->name);
	buf_free(&w->route);
	buf_free(&w->local);
	buf_free(&w->domain);
	buf_free(&w->comment);
}

static bool is_space(int ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

/* A comment at the cursor; its text into out (the last comment wins). */
static void take_comment(struct cursor *c, struct buf *out)
{
	unsigned depth = 0;
	int ch;

	buf_reset(out);
	while ((ch = cur_peek(c)) >= 0) {
		c->off++;
		if (ch == '\\' && cur_left(c) != 0) {
			buf_add_byte(out, c->in.p[c->off++]);
			continue;
		}
		if (ch == '(' && depth++ == 0)
			continue;
		if (ch == ')' && --depth == 0)
			return;
		buf_add_byte(out, (uint8_t)ch);
	}
}

/* Spaces and comments; true if there was any. */
static bool skip_cfws(struct addr_walker *w)
{
	size_t start = w->c.off;
	int ch;

	while ((ch = cur_peek(&w->c)) >= 0) {
		if (ch == '(')
			take_comment(&w->c, &w->comment);
		else if (is_space(ch))
			w->c.off++;
		else
			break;
	}
	return w->c.off != start;
}

static void take_quoted(struct cursor *c, struct buf *out)
{
	int ch;

	c->off++;
	while ((ch = cur_peek(c)) >= 0) {
		c->off++;
		if (ch == '"')
			return;
		if (ch == '\\' && (ch = cur_peek(c)) >= 0)
			c->off++;
		if (ch >= 0 && ch != '\r' && ch != '\n')
			buf_add_byte(out, (uint8_t)ch);
	}
}

static bool is_special(int ch)
{
	return ch < 0 || ch == '(' || ch == ')' || ch == '<' || ch == '>' || ch == '@' || ch == ',' || ch == ';' ||
	    ch == ':' || ch == '"' || is_space(ch);
}

static void take_atom(struct cursor *c, struct buf *out)
{
	size_t start = c->off;

	while (!is_special(cur_peek(c)))
		c->off++;
	buf_add_slice(out, slice_sub(c->in, start, c->off - start));
}

/*
 * Words up to a special: into name with single spaces, and into local without
 * any, since only what follows tells which of them it was.
 */
static void take_words(struct addr_walker *w)
{
	bool gap = false;

	for (;;) {
		struct buf *word = &w->local;
		size_t start;
		int ch;

		gap |= skip_cfws(w);
		ch = cur_peek(&w->c);
		if (ch != '"' && is_special(ch))
			return;
		start = buf_len(word);
		if (ch == '"')
			take_quoted(&w->c, word);
		else
			take_atom(&w->c, word);
		if (gap && buf_len(&w->name) != 0)
			buf_add_byte(&w->name, ' ');
		buf_add_slice(&w->name, slice_sub(buf_slice(word), start, SIZE_MAX));
		gap = false;
	}
}

/* After "@": atoms, dots and a literal; spaces and comments between them go. */
static void take_domain(struct addr_walker *w)
{
	for (;;) {
		int ch;

		(void)skip_cfws(w);
		ch = cur_peek(&w->c);
		if (ch == '[') {
			ptrdiff_t end = slice_chr(cur_rest(&w->c), ']');
			size_t n = end >= 0 ? (size_t)end + 1 : cur_left(&w->c);

			buf_add_slice(&w->domain, slice_sub(w->c.in, w->c.off, n));
			w->c.off += n;
		} else if (is_special(ch)) {
			return;
		} else {
			take_atom(&w->c, &w->domain);
		}
		/* "a@b c@d" without a comma: the space ends it unless a dot joins */
		if (is_space(cur_peek(&w->c))) {
			uint8_t last = buf_len(&w->domain) != 0 ? w->domain.p[w->domain.len - 1] : 0;

			(void)skip_cfws(w);
			if (cur_peek(&w->c) != '.' && last != '.')
				return;
		}
	}
}

/* "<" [ route ":" ] local "@" domain ">" */
static void take_angle(struct addr_walker *w)
{
	struct slice rest;
	ptrdiff_t colon, end;
	int ch;

	w->c.off++;
	buf_reset(&w->local);
	(void)skip_cfws(w);
	if (cur_peek(&w->c) == '@') {
		rest = slice_sub(w->c.in, w->c.off, ANGLE_REST_MAX);
		end = slice_chr(rest, '>');
		rest = end >= 0 ? slice_sub(rest, 0, (size_t)end) : rest;
		colon = slice_chr(rest, ':');
		if (colon >= 0) {
			buf_add_slice(&w->route, slice_sub(rest, 0, (size_t)colon));
			w->c.off += (size_t)colon + 1;
		}
	}
	while ((ch = cur_peek(&w->c)) >= 0 && ch != '>' && ch != '@' && ch != ',' && ch != ';') {
		(void)skip_cfws(w);
		ch = cur_peek(&w->c);
		if (ch == '"')
			take_quoted(&w->c, &w->local);
		else if (!is_special(ch))
			take_atom(&w->c, &w->local);
		else if (ch == '>' || ch == '@' || ch == ',' || ch == ';' || ch < 0)
			break;
		else
			w->c.off++;
	}
	if (cur_take_byte(&w->c, '@'))
		take_domain(w);
	/* whatever is left up to ">", unless the ">" is missing */
	rest = slice_sub(w->c.in, w->c.off, ANGLE_REST_MAX);
	end = slice_chr(rest, '>');
	colon = slice_chr(rest, ',');
	if (end >= 0 && (colon < 0 || end < colon))
		w->c.off += (size_t)end + 1;
}

static bool finish(struct addr_walker *w, struct mail_addr *a_r, enum addr_kind kind, bool named)
{
	struct slice name = buf_slice(&w->name);

	memset(a_r, 0, sizeof(*a_r));
	a_r->kind = kind;
	if (kind == ADDR_MAILBOX) {
		a_r->local = buf_slice(&w->local);
		a_r->domain = buf_slice(&w->domain);
		if (buf_len(&w->route) != 0)
			a_r->route = buf_slice(&w->route);
		if (!named || name.len == 0)
			name = slice_trim(buf_slice(&w->comment));
	}
	if (name.len != 0)
		a_r->name = name;
	return buf_err(&w->name) != ERR_NOMEM && buf_err(&w->local) != ERR_NOMEM && buf_err(&w->domain) != ERR_NOMEM;
}

static void reset(struct addr_walker *w)
{
	buf_reset(&w->name);
	buf_reset(&w->route);
	buf_reset(&w->local);
	buf_reset(&w->domain);
	buf_reset(&w->comment);
}

bool addr_next(struct addr_walker *w, struct mail_addr *a_r)
{
	for (;;) {
		reset(w);
		take_words(w);
		switch (cur_peek(&w->c)) {
		case '<':
			take_angle(w);
			(void)skip_cfws(w);
			return finish(w, a_r, ADDR_MAILBOX, true);
		case '@':
			w->c.off++;
			take_domain(w);
			(void)skip_cfws(w);
			/* "name local@domain" without brackets: all words are the local part */
			return finish(w, a_r, ADDR_MAILBOX, false);
		case ':':
			w->c.off++;
			if (w->in_group || buf_len(&w->name) == 0)
				continue;
			w->in_group = true;
			return finish(w, a_r, ADDR_GROUP_START, true);
		case ';':
			w->c.off += buf_len(&w->local) == 0;
			if (buf_len(&w->local) != 0)
				return finish(w, a_r, ADDR_MAILBOX, false);
			if (!w->in_group)
				continue;
			w->in_group = false;
			reset(w);
			return finish(w, a_r, ADDR_GROUP_END, true);
		case -1:
			if (buf_len(&w->local) != 0)
				return finish(w, a_r, ADDR_MAILBOX, false);
			if (!w->in_group)
				return false;
			w->in_group = false;
			reset(w);
			return finish(w, a_r, ADDR_GROUP_END, true);
		default:    /* "," or a stray ")" or ">" */
			w->c.off++;
			if (buf_len(&w->local) != 0)
				return finish(w, a_r, ADDR_MAILBOX, false);
			continue;
		}
	}
}
