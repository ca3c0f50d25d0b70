#include "common/mail/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { LABEL_MAX = 63, ROUTE_MAX = 1024 };

static struct slice cur_since(const struct cursor *c, size_t start)
{
	return slice_sub(c->in, start, c->off - start);
}

/* Dot-string = Atom *("." Atom) */
static int take_dot_string(struct cursor *c)
{
	struct slice atom;
	int r;

	do {
		if ((r = cur_take_class(c, CC_ATEXT, MAIL_LOCAL_MAX, &atom)) != 0)
			return r;
	} while (cur_take_byte(c, '.'));
	return 0;
}

/* Quoted-string = DQUOTE *( %d32-33 / %d35-91 / %d93-126 / "\" %d32-126 ) DQUOTE */
static int take_quoted_string(struct cursor *c)
{
	size_t start = c->off;
	int ch;

	if (!cur_take_byte(c, '"'))
		return ERR_SYNTAX;
	while ((ch = cur_peek(c)) != '"') {
		if (ch == '\\') {
			c->off++;
			ch = cur_peek(c);
		}
		if (ch < 0 || !is_class((uint8_t)ch, CC_PRINT))
			return ERR_SYNTAX;
		c->off++;
		if (c->off - start > MAIL_LOCAL_MAX)
			return ERR_LIMIT;
	}
	c->off++;
	return 0;
}

/* sub-domain = Let-dig [Ldh-str]; also '_' as a letter. */
static int take_label(struct cursor *c)
{
	size_t start = c->off;
	struct slice label;
	int ch;

	while ((ch = cur_peek(c)) >= 0 && (is_class((uint8_t)ch, CC_ALPHA | CC_DIGIT) || ch == '-' || ch == '_'))
		c->off++;
	label = cur_since(c, start);
	if (label.len == 0 || label.p[0] == '-' || label.p[label.len - 1] == '-')
		return ERR_SYNTAX;
	return label.len <= LABEL_MAX ? 0 : ERR_LIMIT;
}

int mail_literal_addr(struct slice domain, int *family_r, uint8_t addr_r[16])
{
	char text[64];
	struct slice s;
	bool v6;
	int r;

	if (domain.len < 2 || domain.p[0] != '[' || domain.p[domain.len - 1] != ']')
		return ERR_SYNTAX;
	s = slice_sub(domain, 1, domain.len - 2);
	v6 = slice_istarts(s, "IPv6:");
	if (v6)
		s = slice_sub(s, 5, SIZE_MAX);
	if ((r = slice_to_cstr(s, text, sizeof(text))) != 0)
		return r;
	*family_r = v6 ? AF_INET6 : AF_INET;
	return inet_pton(*family_r, text, addr_r) == 1 ? 0 : ERR_SYNTAX;
}

int mail_domain_take(struct cursor *c, struct slice *domain_r, bool *literal_r)
{
	size_t start = c->off;
	uint8_t addr[16];
	int family, r;

	*literal_r = cur_peek(c) == '[';
	if (*literal_r) {
		ptrdiff_t end = slice_chr(slice_sub(c->in, c->off, MAIL_DOMAIN_MAX), ']');

		if (end < 0)
			return ERR_SYNTAX;
		c->off += (size_t)end + 1;
		*domain_r = cur_since(c, start);
		return mail_literal_addr(*domain_r, &family, addr);
	}
	do {
		if ((r = take_label(c)) != 0)
			return r;
	} while (cur_take_byte(c, '.'));
	*domain_r = cur_since(c, start);
	return domain_r->len <= MAIL_DOMAIN_MAX ? 0 : ERR_LIMIT;
}

bool mail_domain_valid(struct slice s)
{
	struct cursor c = cursor_of(s);
	struct slice domain;
	bool literal;

	return mail_domain_take(&c, &domain, &literal) == 0 && !literal && cur_end(&c) == 0;
}

static int take_local(struct cursor *c, struct mail_path *p)
{
	size_t start = c->off;
	int r;

	p->quoted = cur_peek(c) == '"';
	r = p->quoted ? take_quoted_string(c) : take_dot_string(c);
	if (r != 0)
		return r;
	p->local = cur_since(c, start);
	return p->local.len <= MAIL_LOCAL_MAX ? 0 : ERR_LIMIT;
}

static int take_mailbox(struct cursor *c, unsigned flags, struct mail_path *p_r)
{
	size_t start = c->off;
	int r;

	memset(p_r, 0, sizeof(*p_r));
	if ((r = take_local(c, p_r)) != 0)
		return r;
	if (cur_take_byte(c, '@')) {
		if ((r = mail_domain_take(c, &p_r->domain, &p_r->literal)) != 0)
			return r;
	} else if ((flags & MAIL_PATH_POSTMASTER) == 0 || !slice_ieq_cstr(p_r->local, "postmaster")) {
		return ERR_SYNTAX;
	}
	p_r->text = cur_since(c, start);
	return p_r->text.len <= MAIL_ADDR_MAX ? 0 : ERR_LIMIT;
}

int mail_mailbox_take(struct cursor *c, struct mail_path *p_r)
{
	return take_mailbox(c, 0, p_r);
}

int mail_mailbox_parse(struct slice s, unsigned flags, struct mail_path *p_r)
{
	struct cursor c = cursor_of(s);
	int r;

	if (s.len == 0 && (flags & MAIL_PATH_NULL) != 0) {
		memset(p_r, 0, sizeof(*p_r));
		p_r->null = true;
		return 0;
	}
	if ((r = take_mailbox(&c, flags, p_r)) != 0)
		return r;
	return cur_end(&c);
}

/* A-d-l ":" as RFC 5321 appendix C wants it: understood and ignored. */
static int skip_route(struct cursor *c)
{
	size_t start = c->off;
	struct slice domain;
	bool literal;
	int r;

	do {
		if (!cur_take_byte(c, '@'))
			return ERR_SYNTAX;
		if ((r = mail_domain_take(c, &domain, &literal)) != 0)
			return r;
		if (c->off - start > ROUTE_MAX)
			return ERR_LIMIT;
	} while (cur_take_byte(c, ','));
	return cur_take_byte(c, ':') ? 0 : ERR_SYNTAX;
}

int mail_path_take(struct cursor *c, unsigned flags, struct mail_path *p_r)
{
	int r;

	memset(p_r, 0, sizeof(*p_r));
	if (!cur_take_byte(c, '<'))
		return ERR_SYNTAX;
	if (cur_take_byte(c, '>')) {
		p_r->null = true;
		return (flags & MAIL_PATH_NULL) != 0 ? 0 : ERR_SYNTAX;
	}
	if (cur_peek(c) == '@' && (r = skip_route(c)) != 0)
		return r;
	if ((r = take_mailbox(c, flags, p_r)) != 0)
		return r;
	return cur_take_byte(c, '>') ? 0 : ERR_SYNTAX;
}

/* The value of the local part into out, which has room for local.len bytes. */
static size_t unquote_local(const struct mail_path *p, uint8_t *out)
{
	size_t n = 0;

	if (!p->quoted) {
		if (p->local.len != 0)
			memcpy(out, p->local.p, p->local.len);
		return p->local.len;
	}
	for (size_t i = 1; i + 1 < p->local.len; i++) {
		if (p->local.p[i] == '\\')
			i++;
		out[n++] = p->local.p[i];
	}
	return n;
}

static bool is_dot_string(struct slice s)
{
	struct cursor c = cursor_of(s);

	return take_dot_string(&c) == 0 && cur_end(&c) == 0;
}

/* Canonical text; out has room for MAIL_ADDR_MAX and more, since it never grows. */
static size_t canonical(const struct mail_path *p, uint8_t *out)
{
	uint8_t value[MAIL_LOCAL_MAX];
	size_t n = 0, len;

	if (p->null)
		return 0;
	len = unquote_local(p, value);
	if (p->domain.len == 0 || is_dot_string(slice_of(value, len))) {
		for (size_t i = 0; i < len; i++)
			out[n++] = p->domain.len == 0 ? ascii_lower(value[i]) : value[i];
	} else {
		out[n++] = '"';
		for (size_t i = 0; i < len; i++) {
			if (value[i] == '"' || value[i] == '\\')
				out[n++] = '\\';
			out[n++] = value[i];
		}
		out[n++] = '"';
	}
	if (p->domain.len == 0)
		return n;
	out[n++] = '@';
	for (size_t i = 0; i < p->domain.len; i++)
		out[n++] = ascii_lower(p->domain.p[i]);
	return n;
}

int mail_path_canonical(const struct mail_path *p, struct arena *a, struct slice *text_r)
{
	uint8_t text[MAIL_PATH_MAX];

	*text_r = arena_dup(a, slice_of(text, canonical(p, text)));
	return text_r->p != NULL ? 0 : ERR_NOMEM;
}

void mail_path_print(struct buf *b, const struct mail_path *p)
{
	uint8_t text[MAIL_PATH_MAX];
	size_t n = canonical(p, text);

	buf_add_byte(b, '<');
	buf_add(b, text, n);
	buf_add_byte(b, '>');
}

int mail_local_value(const struct mail_path *p, struct arena *a, struct slice *value_r)
{
	uint8_t value[MAIL_LOCAL_MAX];

	*value_r = arena_dup(a, slice_of(value, unquote_local(p, value)));
	return value_r->p != NULL ? 0 : ERR_NOMEM;
}

int mail_domain_lower(struct slice domain, struct arena *a, struct slice *lower_r)
{
	uint8_t *p = arena_alloc(a, domain.len);

	if (p == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < domain.len; i++)
		p[i] = ascii_lower(domain.p[i]);
	*lower_r = slice_of(p, domain.len);
	return 0;
}

void mail_addr_split(struct slice text, struct slice *local_r, struct slice *domain_r)
{
	size_t at = text.len;

	while (at != 0 && text.p[at - 1] != '@')
		at--;
	*local_r = at != 0 ? slice_sub(text, 0, at - 1) : text;
	*domain_r = at != 0 ? slice_sub(text, at, SIZE_MAX) : slice_sub(text, text.len, 0);
}

bool mail_local_split(struct slice local, uint8_t delimiter, struct slice *user_r, struct slice *detail_r)
{
	ptrdiff_t at = -1;

	if (delimiter != 0 && local.len > 1)
		at = slice_chr(slice_sub(local, 1, SIZE_MAX), delimiter);
	if (at < 0) {
		*user_r = local;
		*detail_r = slice_sub(local, local.len, 0);
		return false;
	}
	*user_r = slice_sub(local, 0, (size_t)at + 1);
	*detail_r = slice_sub(local, (size_t)at + 2, SIZE_MAX);
	return true;
}
