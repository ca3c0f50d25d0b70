/*
 * Any bytes give a summary. Parts lie inside the message, sections are found,
 * and the IMAP texts are balanced and hold no raw 8-bit outside of literals.
 */
#include <stdlib.h>

#include "common/mail/charset.h"
#include "common/mail/mime.h"
#include "common/mail/rfc2047.h"
#include "common/mail/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One parenthesised list, whole. */
static void check_imap(struct slice s)
{
	unsigned depth = 0;
	size_t i = 0;

	while (i < s.len) {
		uint8_t c = s.p[i++];

		if (c == '(') {
			depth++;
		} else if (c == ')') {
			if (depth-- == 0 || (depth == 0 && i != s.len))
				abort();
		} else if (c == '"') {
			while (i < s.len && s.p[i] != '"')
				if (s.p[i] == '\\' || s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == 0 || s.p[i++] > 126)
					abort();
			if (i++ == s.len)
				abort();
		} else if (c == '{') {
			size_t n = 0;

			while (i < s.len && is_class(s.p[i], CC_DIGIT))
				n = n * 10 + (size_t)(s.p[i++] - '0');
			if (s.len - i < 3 || memcmp(s.p + i, "}\r\n", 3) != 0 || n > s.len - i - 3)
				abort();
			if (slice_chr(slice_sub(s, i + 3, n), 0) >= 0)
				abort();
			i += 3 + n;
		} else if (c < 32 || c > 126) {
			abort();
		}
	}
	if (depth != 0 || s.len == 0 || s.p[0] != '(')
		abort();
}

static void check_tree(struct slice in, struct arena *a)
{
	struct mime_limits small = { 3, 5 };
	struct mime_part *root;
	unsigned n = 0;

	if (mime_parse(in, &small, a, &root) != 0)
		abort();
	for (struct mime_part *m = root; m != NULL; m = mime_next(m)) {
		if (m->depth > 3 + 1 || m->header_off + m->header_len != m->body_off || m->body_off + m->body_len > in.len)
			abort();
		if (m->parent != NULL && m->header_off < m->parent->body_off)
			abort();
		if ((m->kind == MIME_LEAF) != (m->child == NULL) || m->type.type.len == 0)
			abort();
		n++;
	}
	if (n > 10 || root->body_off + root->body_len != in.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct arena *a = arena_new(16 << 20);
	struct buf b = BUF_INIT(1 << 20);
	struct mail_summary s;
	uint64_t off, len;

	if (a == NULL)
		return 0;
	if (mail_summary_make(in, a, &s) != 0 || s.parts_n == 0)
		abort();
	check_imap(s.envelope);
	check_imap(s.body);
	check_imap(s.bodystructure);
	if (!utf8_valid(s.preview))
		abort();
	for (uint32_t i = 0; i < s.parts_n; i++) {
		const struct mail_part *p = &s.parts[i];

		if (mail_summary_find(&s, p->section) != p)
			abort();
		for (unsigned what = SECTION_BODY; what <= SECTION_MIME; what++)
			if (mail_summary_cut(&s, p->section, what, size, &off, &len) == 0 && (off > size || len > size - off))
				abort();
	}
	if (mail_summary_cut(&s, SLICE_LIT(""), SECTION_BODY, size, &off, &len) != 0 || off != 0 || len != size)
		abort();
	check_tree(in, a);
	rfc2047_decode(in, &b);
	if (buf_err(&b) == 0 && !utf8_valid(buf_slice(&b)))
		abort();
	buf_free(&b);
	arena_free(&a);
	return 0;
}
