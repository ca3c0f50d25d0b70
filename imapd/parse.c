#include "imapd/parse.h"

#include "common/base/strnum.h"
#include "common/mail/date.h"
#include "imapd/names.h"

int imap_why(struct imap_parse *p, const char *why)
{
	p->why = why;
	return ERR_SYNTAX;
}

static int no_room(struct imap_parse *p)
{
	p->why = "the command is too large";
	return ERR_NOMEM;
}

int imap_take_byte(struct imap_parse *p, uint8_t c, const char *why)
{
	return cur_take_byte(&p->cur, c) ? 0 : imap_why(p, why);
}

int imap_take_sp(struct imap_parse *p)
{
	return imap_take_byte(p, ' ', "a space and an argument are missing");
}

int imap_take_end(struct imap_parse *p)
{
	return cur_end(&p->cur) == 0 ? 0 : imap_why(p, "there is something after the last argument");
}

int imap_take_tag(struct imap_parse *p, struct slice *tag_r)
{
	if (cur_take_class(&p->cur, CC_IMAP_ASTR, 255, tag_r) != 0 || slice_chr(*tag_r, '+') >= 0)
		return imap_why(p, "a tag is missing");
	return 0;
}

int imap_take_atom(struct imap_parse *p, struct slice *s_r)
{
	if (cur_take_class(&p->cur, CC_IMAP_ATOM, 1024, s_r) != 0)
		return imap_why(p, "an atom is missing");
	return 0;
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE; 8-bit bytes are let through. */
static int take_quoted(struct imap_parse *p, struct slice *s_r)
{
	size_t start = ++p->cur.off, n = 0;
	bool escapes = false;
	uint8_t *q;
	int c;

	while ((c = cur_peek(&p->cur)) != '"') {
		p->cur.off++;
		if (c == '\\') {
			c = cur_peek(&p->cur);
			p->cur.off++;
			escapes = true;
			if (c != '"' && c != '\\')
				return imap_why(p, "a backslash in a quoted string stands before another byte");
		}
		if (c < 0 || c == '\r' || c == '\n')
			return imap_why(p, "a quoted string has no end");
		n++;
	}
	*s_r = slice_of(p->cur.in.p + start, p->cur.off - start);
	p->cur.off++;
	if (!escapes)
		return 0;
	if ((q = arena_alloc(p->arena, n)) == NULL)
		return no_room(p);
	for (size_t i = 0, k = 0; i < s_r->len; i++, k++) {
		if (s_r->p[i] == '\\')
			i++;
		q[k] = s_r->p[i];
	}
	*s_r = slice_of(q, n);
	return 0;
}

static int take_literal(struct imap_parse *p, struct slice *s_r)
{
	uint64_t n;

	p->cur.off++;
	if (cur_take_u64(&p->cur, INT64_MAX, &n) != 0)
		return imap_why(p, "a literal's size is missing");
	(void)cur_take_byte(&p->cur, '+');
	if (!cur_take_icase(&p->cur, "}\r\n") || n > cur_left(&p->cur) ||
	    cur_take_n(&p->cur, (size_t)n, s_r) != 0)
		return imap_why(p, "a literal is not where it can be");
	if (slice_chr(*s_r, 0) >= 0)
		return imap_why(p, "a literal holds a NUL byte");
	return 0;
}

int imap_take_string(struct imap_parse *p, struct slice *s_r)
{
	int r;

	if (imap_peek(p) == '"')
		r = take_quoted(p, s_r);
	else if (imap_peek(p) == '{')
		r = take_literal(p, s_r);
	else
		return imap_why(p, "a string is missing");
	if (r == 0 && s_r->p == NULL)
		s_r->p = (const uint8_t *)"";
	return r;
}

int imap_take_astring(struct imap_parse *p, struct slice *s_r)
{
	if (imap_peek(p) == '"' || imap_peek(p) == '{')
		return imap_take_string(p, s_r);
	if (cur_take_class(&p->cur, CC_IMAP_ASTR, SIZE_MAX, s_r) != 0)
		return imap_why(p, "an argument is missing or has characters that need quotes");
	return 0;
}

int imap_take_nstring(struct imap_parse *p, struct slice *s_r)
{
	if (imap_peek(p) == '"' || imap_peek(p) == '{')
		return imap_take_string(p, s_r);
	if (!cur_take_icase(&p->cur, "NIL"))
		return imap_why(p, "a string or NIL is missing");
	*s_r = slice_of(NULL, 0);
	return 0;
}

static bool is_list_char(int c)
{
	return c == '%' || c == '*' || (c >= 0 && is_class((uint8_t)c, CC_IMAP_ASTR));
}

int imap_take_list_mailbox(struct imap_parse *p, struct slice *s_r)
{
	size_t start = p->cur.off;

	if (imap_peek(p) == '"' || imap_peek(p) == '{')
		return imap_take_string(p, s_r);
	while (is_list_char(imap_peek(p)))
		p->cur.off++;
	*s_r = slice_sub(p->cur.in, start, p->cur.off - start);
	return s_r->len != 0 ? 0 : imap_why(p, "a mailbox name or pattern is missing");
}

int imap_take_mailbox(struct imap_parse *p, struct slice *name_r, bool *bad_r)
{
	struct slice s;
	int r = imap_take_astring(p, &s);

	if (r != 0)
		return r;
	r = imap_name_decode(s, p->arena, name_r);
	if (r == ERR_NOMEM)
		return no_room(p);
	*bad_r = r != 0;
	return 0;
}

int imap_take_u32(struct imap_parse *p, bool nz, uint32_t *v_r)
{
	if (cur_take_u32(&p->cur, UINT32_MAX, v_r) != 0 || (nz && *v_r == 0))
		return imap_why(p, "a number is missing or out of range");
	return 0;
}

int imap_take_u64(struct imap_parse *p, uint64_t *v_r)
{
	if (cur_take_u64(&p->cur, INT64_MAX, v_r) != 0)
		return imap_why(p, "a number is missing or out of range");
	return 0;
}

int imap_take_date(struct imap_parse *p, int64_t *days_r)
{
	struct slice s;
	int r;

	if (imap_peek(p) == '"')
		r = take_quoted(p, &s);
	else
		r = imap_take_atom(p, &s);
	if (r != 0 || mail_imap_date_parse(s, days_r) != 0)
		return imap_why(p, "a date like 1-Feb-2026 is missing");
	return 0;
}

int imap_take_datetime(struct imap_parse *p, uint64_t *sec_r)
{
	struct slice s;
	int64_t sec;
	int zone;

	if (imap_peek(p) != '"' || take_quoted(p, &s) != 0 || mail_imap_datetime_parse(s, &sec, &zone) != 0)
		return imap_why(p, "a date-time like \"24-Nov-2026 18:26:40 +0000\" is missing");
	*sec_r = sec < 0 ? 0 : (uint64_t)sec;
	return 0;
}

/* ---- flags ------------------------------------------------------------------ */

static const struct { const char *name; uint32_t bit; } flag_names[] = {
	{ "\\Seen", FLAG_SEEN }, { "\\Answered", FLAG_ANSWERED }, { "\\Flagged", FLAG_FLAGGED },
	{ "\\Deleted", FLAG_DELETED }, { "\\Draft", FLAG_DRAFT }, { "\\Recent", FLAG_RECENT },
};

uint32_t imap_flag_bit(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
		if (slice_ieq_cstr(name, flag_names[i].name))
			return flag_names[i].bit;
	return 0;
}

static int add_keyword(struct imap_parse *p, struct imap_flags *f, struct slice name)
{
	if (name.len > IMAP_KEYWORD_LEN_MAX)
		return imap_why(p, "a keyword is too long");
	for (uint32_t i = 0; i < f->keywords_n; i++)
		if (slice_ieq(f->keywords[i].name, name))
			return 0;
	if (f->keywords == NULL &&
	    (f->keywords = arena_calloc(p->arena, IMAP_KEYWORDS_MAX, sizeof(*f->keywords))) == NULL)
		return no_room(p);
	if (f->keywords_n == IMAP_KEYWORDS_MAX)
		return imap_why(p, "too many keywords");
	f->keywords[f->keywords_n++].name = name;
	return 0;
}

/* flag = "\Answered" / ... / keyword(atom); "\Recent" is the server's alone. */
static int take_flag(struct imap_parse *p, struct imap_flags *f)
{
	struct cursor start = p->cur;
	struct slice name;
	uint32_t bit;

	if (!cur_take_byte(&p->cur, '\\')) {
		if (cur_take_class(&p->cur, CC_IMAP_ATOM, 1024, &name) != 0)
			return imap_why(p, "a flag is missing");
		return add_keyword(p, f, name);
	}
	if (cur_take_class(&p->cur, CC_IMAP_ATOM, 1024, &name) != 0)
		return imap_why(p, "a flag is missing");
	name = slice_sub(start.in, start.off, p->cur.off - start.off);
	bit = imap_flag_bit(name);
	if (bit == 0 || bit == FLAG_RECENT)
		return imap_why(p, bit == 0 ? "there is no such system flag" : "\\Recent cannot be set");
	f->flags |= bit;
	return 0;
}

int imap_take_flags(struct imap_parse *p, bool bare, struct imap_flags *f_r)
{
	bool list = cur_take_byte(&p->cur, '(');
	int r;

	memset(f_r, 0, sizeof(*f_r));
	if (!list && !bare)
		return imap_why(p, "a list of flags is missing");
	if (list && cur_take_byte(&p->cur, ')'))
		return 0;
	do {
		if ((r = take_flag(p, f_r)) != 0)
			return r;
	} while (cur_take_byte(&p->cur, ' '));
	return list ? imap_take_byte(p, ')', "a list of flags has no end") : 0;
}

int imap_skip_list(struct imap_parse *p)
{
	unsigned depth = 0, entries = 0;
	struct slice s;
	int r;

	do {
		if (++entries > IMAP_LIST_MAX)
			return imap_why(p, "a list is too long");
		if (cur_take_byte(&p->cur, '(')) {
			if (++depth > IMAP_DEPTH_MAX)
				return imap_why(p, "lists are too deep");
		} else if (cur_take_byte(&p->cur, ')')) {
			if (depth == 0)
				return imap_why(p, "a list is missing");
			depth--;
		} else if (depth == 0) {
			return imap_why(p, "a list is missing");
		} else if (!cur_take_byte(&p->cur, ' ')) {
			if ((r = imap_take_astring(p, &s)) != 0)
				return r;
		}
	} while (depth != 0);
	return 0;
}
