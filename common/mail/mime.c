#include "config.h"

#include "common/mail/mime.h"

#include "common/mail/base64.h"
#include "common/mail/header.h"
#include "common/mail/qp.h"

enum { BOUNDARY_MAX = 998 };

struct open_multipart {
	struct slice boundary;
	uint32_t hash;         /* of the boundary: a message of delimiter-like lines must not cost lines * depth compares */
	struct mime_part *part;
};

struct parser {
	struct slice in;
	struct arena *a;
	struct mime_limits limits;
	struct open_multipart stack[MIME_DEPTH_MAX + 1];    /* that wait for a delimiter, outermost first */
	unsigned stack_n;
	unsigned parts;
	size_t count_off, count;    /* LFs before count_off */
};

static size_t count_lf(const uint8_t *s, size_t n)
{
	const uint8_t *end = s + n;
	size_t count = 0;

	for (; n != 0 && (s = memchr(s, '\n', n)) != NULL; n = (size_t)(end - s), count++)
		s++;
	return count;
}

/* How many LFs stand before off. Cheap because off goes forward all but for the width of a line end. */
static size_t lines_before(struct parser *p, size_t off)
{
	if (off == p->count_off)
		return p->count;
	if (off > p->count_off)
		p->count += count_lf(p->in.p + p->count_off, off - p->count_off);
	else
		p->count -= count_lf(p->in.p + off, p->count_off - off);
	p->count_off = off;
	return p->count;
}

static struct mime_part *part_new(struct parser *p, struct mime_part *parent, size_t off)
{
	struct mime_part *m = arena_alloc(p->a, sizeof(*m));

	if (m == NULL)
		return NULL;
	p->parts++;
	m->parent = parent;
	m->header_off = m->body_off = off;
	m->encoding_name = SLICE_LIT("7bit");
	if (parent == NULL)
		return m;
	m->depth = parent->depth + 1;
	m->index = ++parent->children;
	if (parent->last_child != NULL)
		parent->last_child->next = m;
	else
		parent->child = m;
	parent->last_child = m;
	return m;
}

/* ---- the header of a part ------------------------------------------------------ */

static int set_plain(struct parser *p, struct mime_part *m)
{
	static const struct mime_param charset = { .name = SLICE_LIT("charset"), .value = SLICE_LIT("us-ascii") };

	memset(&m->type, 0, sizeof(m->type));
	m->kind = MIME_LEAF;
	m->type.type = SLICE_LIT("text");
	m->type.subtype = SLICE_LIT("plain");
	if ((m->type.params = arena_alloc(p->a, sizeof(charset))) == NULL)
		return ERR_NOMEM;
	m->type.params[0] = charset;
	m->type.params_n = 1;
	return 0;
}

static void set_opaque(struct mime_part *m)
{
	m->kind = MIME_LEAF;
	m->type.type = SLICE_LIT("application");
	m->type.subtype = SLICE_LIT("octet-stream");
}

static enum mime_encoding encoding_of(struct slice name)
{
	if (slice_ieq_cstr(name, "base64"))
		return MIME_BASE64;
	if (slice_ieq_cstr(name, "quoted-printable"))
		return MIME_QP;
	if (slice_ieq_cstr(name, "7bit") || slice_ieq_cstr(name, "8bit") || slice_ieq_cstr(name, "binary"))
		return MIME_IDENTITY;
	return MIME_UNKNOWN;
}

static int set_encoding(struct mime_part *m, struct slice text)
{
	struct cursor c = cursor_of(text);
	struct slice name;

	if (cur_take_class(&c, CC_TOKEN, 64, &name) != 0)
		return 0;
	m->encoding_name = name;
	m->encoding = encoding_of(name);
	return 0;
}

static int set_type(struct parser *p, struct mime_part *m, struct slice text)
{
	return mime_type_parse(text, p->a, &m->type);
}

/* One field of the header; the first of a name counts. */
static int take_field(struct parser *p, struct mime_part *m, const struct mail_field *f, unsigned *seen)
{
	static const char *const names[] = { "type", "transfer-encoding", "disposition", "id", "description",
	    "language", "location", "md5" };
	struct slice name, text, *plain[] = { &m->id, &m->description, &m->language, &m->location, &m->md5 };
	unsigned i;
	int r;

	if (!slice_istarts(f->name, "content-"))
		return 0;
	name = slice_sub(f->name, 8, SIZE_MAX);
	for (i = 0; i < ARRAY_LEN(names) && !slice_ieq_cstr(name, names[i]); i++)
		;
	if (i == ARRAY_LEN(names) || (*seen & 1u << i) != 0)
		return 0;
	*seen |= 1u << i;
	if ((r = header_unfold_dup(f->body, p->a, &text)) != 0)
		return r;
	if (i == 0)
		return set_type(p, m, text);
	if (i == 1)
		return set_encoding(m, text);
	if (i == 2)
		return mime_disposition_parse(text, p->a, &m->disposition);
	if (text.len != 0)
		*plain[i - 3] = text;
	return 0;
}

/* ---- delimiters ------------------------------------------------------------------ */

static uint32_t hash_of(struct slice s)
{
	uint32_t h = 2166136261u;    /* FNV-1a */

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 16777619u;
	return h;
}

/* line starts with "--": which open multipart it delimits, or -1. */
static int match_delimiter(const struct parser *p, struct slice line, bool *final_r)
{
	struct slice s = slice_sub(line, 2, SIZE_MAX), shorter;
	uint32_t hash, hash_shorter;

	while (s.len != 0 && (is_class(s.p[s.len - 1], CC_WSP) || s.p[s.len - 1] == '\r' || s.p[s.len - 1] == '\n'))
		s.len--;
	if (s.len == 0 || s.len > BOUNDARY_MAX + 2)
		return -1;
	shorter = s.len > 2 && memcmp(s.p + s.len - 2, "--", 2) == 0 ? slice_sub(s, 0, s.len - 2) : slice_of(NULL, 0);
	hash = hash_of(s);
	hash_shorter = hash_of(shorter);
	for (unsigned i = p->stack_n; i-- != 0;) {
		const struct open_multipart *o = &p->stack[i];

		if (o->hash != hash && o->hash != hash_shorter)
			continue;
		*final_r = slice_eq(o->boundary, shorter);
		if (*final_r || slice_eq(o->boundary, s))
			return (int)i;
	}
	return -1;
}

static bool starts_dashes(struct slice s)
{
	return s.len >= 2 && s.p[0] == '-' && s.p[1] == '-';
}

static struct slice first_line(struct slice s)
{
	ptrdiff_t lf = slice_chr(s, '\n');

	return lf >= 0 ? slice_sub(s, 0, (size_t)lf + 1) : s;
}

/* The first delimiter line at or after off, which is the start of a line; -1 when there is none. */
static int find_delimiter(const struct parser *p, size_t off, struct slice *line_r, bool *final_r)
{
	while (p->stack_n != 0 && off < p->in.len) {
		struct slice rest = slice_sub(p->in, off, SIZE_MAX);
		const uint8_t *q;
		int i;

		if (starts_dashes(rest)) {
			*line_r = first_line(rest);
			i = match_delimiter(p, *line_r, final_r);
			if (i >= 0)
				return i;
		}
		q = memmem(rest.p, rest.len, "\n--", 3);
		if (q == NULL)
			return -1;
		off += (size_t)(q - rest.p) + 1;
	}
	return -1;
}

/* Reads the header of m and sets where its body begins. A delimiter ends it, though it may look like a field. */
static int read_header(struct parser *p, struct mime_part *m)
{
	struct header_walker w;
	struct mail_field f;
	unsigned seen = 0;
	bool final;
	int r;

	header_walk(&w, slice_sub(p->in, m->header_off, SIZE_MAX));
	if (m->parent != NULL && m->parent->kind == MIME_MULTIPART)
		w.off = 0;    /* an mbox line is only for a message */
	for (;;) {
		size_t before = w.off;

		if (!header_next(&w, &f)) {
			m->header_len = w.off;
			break;
		}
		if (starts_dashes(f.raw) && match_delimiter(p, first_line(f.raw), &final) >= 0) {
			m->header_len = before;
			break;
		}
		if ((r = take_field(p, m, &f, &seen)) != 0)
			return r;
	}
	m->body_off = m->header_off + m->header_len;
	return 0;
}

/* ---- the tree --------------------------------------------------------------------- */

static bool in_digest(const struct mime_part *m)
{
	return m->parent != NULL && m->parent->kind == MIME_MULTIPART && slice_ieq_cstr(m->parent->type.subtype, "digest");
}

/* What m is: sets its kind, and type where the header gives none or one that cannot be. */
static int classify(struct parser *p, struct mime_part *m)
{
	bool deep = m->depth >= p->limits.depth;
	struct slice boundary;

	if (m->type.type.len == 0) {
		if (!in_digest(m))
			return set_plain(p, m);
		m->type.type = SLICE_LIT("message");
		m->type.subtype = SLICE_LIT("rfc822");
	}
	if (slice_ieq_cstr(m->type.type, "multipart")) {
		boundary = slice_trim(mime_param_find(&m->type, "boundary"));
		if (boundary.len == 0 || boundary.len > BOUNDARY_MAX || deep || p->stack_n > MIME_DEPTH_MAX)
			return set_plain(p, m);
		m->kind = MIME_MULTIPART;
		p->stack[p->stack_n++] = (struct open_multipart){ boundary, hash_of(boundary), m };
	} else if (slice_ieq_cstr(m->type.type, "message") && slice_ieq_cstr(m->type.subtype, "rfc822")) {
		if (deep || p->parts >= p->limits.parts || m->encoding == MIME_BASE64 || m->encoding == MIME_QP)
			set_opaque(m);
		else
			m->kind = MIME_MESSAGE;
	}
	return 0;
}

/* Reads m's header and, of messages in messages, those inside; m_r is the innermost. */
static int open_part(struct parser *p, struct mime_part *m, struct mime_part **m_r)
{
	int r;

	for (;;) {
		if ((r = read_header(p, m)) != 0 || (r = classify(p, m)) != 0)
			return r;
		m->lines_before = lines_before(p, m->body_off);
		*m_r = m;
		if (m->kind != MIME_MESSAGE)
			return 0;
		if ((m = part_new(p, m, m->body_off)) == NULL)
			return ERR_NOMEM;
	}
}

static int close_part(struct parser *p, struct mime_part *m, size_t end)
{
	struct mime_part *empty;

	if (end < m->body_off)
		end = m->body_off;
	m->body_len = end - m->body_off;
	m->lines = lines_before(p, end) - m->lines_before;
	if (m->body_len != 0 && p->in.p[end - 1] != '\n')
		m->lines++;
	if (m->kind != MIME_MULTIPART || m->child != NULL)
		return 0;
	empty = part_new(p, m, end);
	return empty != NULL ? set_plain(p, empty) : ERR_NOMEM;
}

/* Closes from m up to, but not with, the part until. */
static int close_up_to(struct parser *p, struct mime_part *m, const struct mime_part *until, size_t end)
{
	int r;

	for (; m != until; m = m->parent)
		if ((r = close_part(p, m, end)) != 0)
			return r;
	return 0;
}

/* Where the content before a delimiter line ends: its line end is the delimiter's. */
static size_t content_end(struct slice in, size_t line_off)
{
	if (line_off != 0 && in.p[line_off - 1] == '\n')
		line_off--;
	if (line_off != 0 && in.p[line_off - 1] == '\r')
		line_off--;
	return line_off;
}

int mime_parse(struct slice message, const struct mime_limits *limits, struct arena *a, struct mime_part **root_r)
{
	struct parser p = { .in = message, .a = a, .limits = { MIME_DEPTH_MAX, MIME_PARTS_MAX } };
	struct mime_part *root, *cur;
	struct slice line;
	bool final;
	int i, r;

	if (limits != NULL)
		p.limits = *limits;
	if ((root = part_new(&p, NULL, 0)) == NULL)
		return ERR_NOMEM;
	*root_r = root;
	if ((r = open_part(&p, root, &cur)) != 0)
		return r;
	for (size_t off = cur->body_off; (i = find_delimiter(&p, off, &line, &final)) >= 0;) {
		struct mime_part *m = p.stack[i].part;
		size_t line_off = (size_t)(line.p - message.p);

		if (!final && p.parts >= p.limits.parts)
			break;
		if ((r = close_up_to(&p, cur, m, content_end(message, line_off))) != 0)
			return r;
		off = line_off + line.len;
		p.stack_n = (unsigned)i + !final;
		cur = m;
		if (final)
			continue;
		if ((cur = part_new(&p, m, off)) == NULL)
			return ERR_NOMEM;
		if ((r = open_part(&p, cur, &cur)) != 0)
			return r;
		off = cur->body_off;
	}
	return close_up_to(&p, cur, NULL, message.len);
}

bool mime_is_text(const struct mime_part *p)
{
	return p->kind == MIME_LEAF && slice_ieq_cstr(p->type.type, "text");
}

struct mime_part *mime_next(struct mime_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p != NULL && p->next == NULL)
		p = p->parent;
	return p != NULL ? p->next : NULL;
}

void mime_decode(enum mime_encoding enc, struct slice s, struct buf *out)
{
	struct base64_decoder b = { 0, 0 };
	struct qp_decoder q = { .n = 0 };

	switch (enc) {
	case MIME_BASE64:
		base64_decode(&b, s, out);
		break;
	case MIME_QP:
		qp_decode(&q, s, out);
		qp_decode_end(&q, out);
		break;
	case MIME_IDENTITY:
	case MIME_UNKNOWN:
		buf_add_slice(out, s);
		break;
	}
}
