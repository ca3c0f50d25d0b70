#include "common/mail/mimeparam.h"

#include "common/base/buf.h"
#include "common/base/strnum.h"
#include "common/mail/header.h"

/* One "name=value" as it stands, before continuations are joined. */
struct piece {
	struct slice name, value;
	struct slice base;     /* name without "*0*" */
	uint32_t number;
	bool numbered, extended, used;
};

/* Spaces and nested comments. */
static void skip_cfws(struct cursor *c)
{
	header_skip_cfws(c, SLICE_LIT(" \t"));
}

static int take_quoted(struct cursor *c, struct arena *a, struct slice *value_r)
{
	size_t start = ++c->off, n = 0;
	bool escaped = false;
	uint8_t *p;
	int ch;

	while ((ch = cur_peek(c)) >= 0 && ch != '"') {
		escaped |= ch == '\\';
		c->off += ch == '\\' && cur_left(c) > 1 ? 2 : 1;
	}
	*value_r = slice_sub(c->in, start, c->off - start);
	(void)cur_take_byte(c, '"');
	if (!escaped)
		return 0;
	if ((p = arena_alloc(a, value_r->len)) == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < value_r->len; i++) {
		if (value_r->p[i] == '\\' && i + 1 < value_r->len)
			i++;
		p[n++] = value_r->p[i];
	}
	*value_r = slice_of(p, n);
	return 0;
}

/* Up to the ";", without a comment that follows a space. */
static struct slice take_bare(struct cursor *c)
{
	struct slice s = cur_rest(c);
	ptrdiff_t end = slice_chr(s, ';');

	if (end >= 0)
		s = slice_sub(s, 0, (size_t)end);
	c->off += s.len;
	for (size_t i = 1; i < s.len; i++)
		if (s.p[i] == '(' && is_class(s.p[i - 1], CC_WSP))
			s.len = i;
	return slice_trim(s);
}

static void skip_to_semicolon(struct cursor *c)
{
	ptrdiff_t at = slice_chr(cur_rest(c), ';');

	c->off = at >= 0 ? c->off + (size_t)at : c->in.len;
}

/* RFC 2231: parameter-name = attribute [ "*" number ] [ "*" ] */
static void split_name(struct piece *p)
{
	struct slice s = p->name;
	size_t star;

	p->extended = s.len > 1 && s.p[s.len - 1] == '*';
	if (p->extended)
		s.len--;
	p->base = s;
	for (star = s.len; star != 0 && s.p[star - 1] != '*'; star--)
		;
	if (star > 1 && slice_to_u32(slice_sub(s, star, SIZE_MAX), MIME_PARAMS_MAX, &p->number) == 0) {
		p->numbered = true;
		p->base = slice_sub(s, 0, star - 1);
	}
}

static int take_params(struct cursor *c, struct arena *a, struct piece *ps, unsigned *n_r)
{
	unsigned n = 0;
	int r;

	while (n < MIME_PARAMS_MAX) {
		struct piece *p = &ps[n];

		skip_to_semicolon(c);
		if (!cur_take_byte(c, ';'))
			break;
		memset(p, 0, sizeof(*p));
		skip_cfws(c);
		if (cur_take_class(c, CC_TOKEN, 1024, &p->name) != 0)
			continue;
		skip_cfws(c);
		if (!cur_take_byte(c, '='))
			continue;
		skip_cfws(c);
		if (cur_peek(c) != '"')
			p->value = take_bare(c);
		else if ((r = take_quoted(c, a, &p->value)) != 0)
			return r;
		split_name(p);
		n++;
	}
	*n_r = n;
	return 0;
}

static struct piece *piece_find(struct piece *ps, unsigned n, struct slice base, uint32_t number)
{
	for (unsigned i = 0; i < n; i++)
		if (ps[i].numbered && ps[i].number == number && slice_ieq(ps[i].base, base))
			return &ps[i];
	return NULL;
}

static void add_percent(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (is_class(c, CC_TOKEN) && c != '*' && c != '\'' && c != '%')
			buf_add_byte(b, c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

/* Joins base*0, base*1, ... as far as they go into one value. */
static int join(struct piece *ps, unsigned n, struct piece *first, struct arena *a, struct mime_param *out)
{
	struct buf b = BUF_INIT(SIZE_MAX / 2);
	struct piece *run[MIME_PARAMS_MAX], *p = first;
	unsigned run_n = 0;
	int r;

	out->name = first->base;
	out->extended = false;
	while (p != NULL && run_n < MIME_PARAMS_MAX) {
		run[run_n++] = p;
		p->used = true;
		out->extended |= p->extended;
		p = piece_find(ps, n, first->base, run_n);
	}
	if (out->extended && !first->extended)
		buf_add_cstr(&b, "''");
	for (unsigned i = 0; i < run_n; i++) {
		if (out->extended && !run[i]->extended)
			add_percent(&b, run[i]->value);
		else
			buf_add_slice(&b, run[i]->value);
	}
	out->value = arena_dup(a, buf_slice(&b));
	r = buf_err(&b) != 0 || out->value.p == NULL ? ERR_NOMEM : 0;
	buf_free(&b);
	return r;
}

static bool has_param(const struct mime_value *v, const struct mime_param *p)
{
	for (unsigned i = 0; i < v->params_n; i++)
		if (v->params[i].extended == p->extended && slice_ieq(v->params[i].name, p->name))
			return true;
	return false;
}

static int parse_params(struct cursor *c, struct arena *a, struct mime_value *v)
{
	struct piece ps[MIME_PARAMS_MAX];
	unsigned n;
	int r;

	if ((r = take_params(c, a, ps, &n)) != 0)
		return r;
	if (n == 0)
		return 0;
	if ((v->params = arena_calloc(a, n, sizeof(*v->params))) == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct mime_param *out = &v->params[v->params_n];

		if (ps[i].used)
			continue;
		if (ps[i].numbered && ps[i].number != 0 && piece_find(ps, n, ps[i].base, 0) != NULL)
			continue;    /* comes, or not, with its first piece */
		if (ps[i].numbered && ps[i].number == 0) {
			if ((r = join(ps, n, &ps[i], a, out)) != 0)
				return r;
		} else {
			out->name = ps[i].numbered ? ps[i].name : ps[i].base;
			out->value = ps[i].value;
			out->extended = ps[i].extended && !ps[i].numbered;
		}
		if (!has_param(v, out))
			v->params_n++;
	}
	return 0;
}

int mime_type_parse(struct slice text, struct arena *a, struct mime_value *v_r)
{
	struct cursor c = cursor_of(text);

	memset(v_r, 0, sizeof(*v_r));
	skip_cfws(&c);
	if (cur_take_class(&c, CC_TOKEN, 128, &v_r->type) != 0)
		goto none;
	skip_cfws(&c);
	if (!cur_take_byte(&c, '/'))
		goto none;
	skip_cfws(&c);
	if (cur_take_class(&c, CC_TOKEN, 128, &v_r->subtype) != 0)
		goto none;
	return parse_params(&c, a, v_r);
none:
	memset(v_r, 0, sizeof(*v_r));
	return 0;
}

int mime_disposition_parse(struct slice text, struct arena *a, struct mime_value *v_r)
{
	struct cursor c = cursor_of(text);

	memset(v_r, 0, sizeof(*v_r));
	skip_cfws(&c);
	if (cur_take_class(&c, CC_TOKEN, 128, &v_r->type) != 0) {
		memset(v_r, 0, sizeof(*v_r));
		return 0;
	}
	return parse_params(&c, a, v_r);
}

struct slice mime_param_find(const struct mime_value *v, const char *name)
{
	for (unsigned i = 0; i < v->params_n; i++)
		if (!v->params[i].extended && slice_ieq_cstr(v->params[i].name, name))
			return v->params[i].value;
	return slice_of(NULL, 0);
}
