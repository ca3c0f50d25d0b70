#include "common/mail/bodystructure.h"

#include "common/mail/envelope.h"
#include "common/mail/imaptext.h"

static void add_params(struct buf *b, const struct mime_value *v)
{
	if (v->params_n == 0) {
		buf_add_cstr(b, "NIL");
		return;
	}
	for (unsigned i = 0; i < v->params_n; i++) {
		const struct mime_param *p = &v->params[i];

		buf_add_byte(b, i == 0 ? '(' : ' ');
		if (p->extended) {
			buf_add_byte(b, '"');
			buf_add_slice(b, p->name);    /* a token */
			buf_add_cstr(b, "*\"");
		} else {
			imap_add_string(b, p->name);
		}
		buf_add_byte(b, ' ');
		imap_add_string(b, p->value);
	}
	buf_add_byte(b, ')');
}

/* body-fld-lang: the tags of Content-Language. */
static void add_language(struct buf *b, struct slice s)
{
	struct cursor c = cursor_of(s);
	struct slice tag;
	unsigned n = 0;

	while (c.off < s.len) {
		if (cur_take_class(&c, CC_ALPHA | CC_DIGIT, 64, &tag) != 0) {
			c.off++;
			continue;
		}
		/* the subtags */
		while (cur_peek(&c) == '-' || (cur_peek(&c) >= 0 && is_class((uint8_t)cur_peek(&c), CC_ALPHA | CC_DIGIT)))
			c.off++, tag.len++;
		buf_add_byte(b, n++ == 0 ? '(' : ' ');
		imap_add_string(b, tag);
	}
	buf_add_cstr(b, n == 0 ? "NIL" : ")");
}

/* " dsp lang loc", the end of every part's extension data. */
static void add_extension(struct buf *b, const struct mime_part *p)
{
	if (p->disposition.type.len != 0) {
		buf_add_cstr(b, " (");
		imap_add_string(b, p->disposition.type);
		buf_add_byte(b, ' ');
		add_params(b, &p->disposition);
		buf_add_cstr(b, ") ");
	} else {
		buf_add_cstr(b, " NIL ");
	}
	add_language(b, p->language);
	buf_add_byte(b, ' ');
	imap_add_nstring(b, p->location);
}

static void add_part(struct buf *b, struct slice message, const struct mime_part *p, bool ext);

static void add_multipart(struct buf *b, struct slice message, const struct mime_part *p, bool ext)
{
	for (const struct mime_part *c = p->child; c != NULL && buf_err(b) == 0; c = c->next)
		add_part(b, message, c, ext);
	buf_add_byte(b, ' ');
	imap_add_string(b, p->type.subtype);
	if (!ext)
		return;
	buf_add_byte(b, ' ');
	add_params(b, &p->type);
	add_extension(b, p);
}

static void add_single(struct buf *b, struct slice message, const struct mime_part *p, bool ext)
{
	imap_add_string(b, p->type.type);
	buf_add_byte(b, ' ');
	imap_add_string(b, p->type.subtype);
	buf_add_byte(b, ' ');
	add_params(b, &p->type);
	buf_add_byte(b, ' ');
	imap_add_nstring(b, p->id);
	buf_add_byte(b, ' ');
	imap_add_nstring(b, p->description);
	buf_add_byte(b, ' ');
	imap_add_string(b, p->encoding_name);
	buf_addf(b, " %zu", p->body_len);
	if (p->kind == MIME_MESSAGE) {
		buf_add_byte(b, ' ');
		(void)envelope_format(b, slice_sub(message, p->child->header_off, p->child->header_len));
		buf_add_byte(b, ' ');
		add_part(b, message, p->child, ext);
	}
	if (p->kind == MIME_MESSAGE || mime_is_text(p))
		buf_addf(b, " %zu", p->lines);
	if (!ext)
		return;
	buf_add_byte(b, ' ');
	imap_add_nstring(b, p->md5);
	add_extension(b, p);
}

/* Recursion no deeper than MIME_DEPTH_MAX. */
static void add_part(struct buf *b, struct slice message, const struct mime_part *p, bool ext)
{
	buf_add_byte(b, '(');
	if (p->kind == MIME_MULTIPART)
		add_multipart(b, message, p, ext);
	else
		add_single(b, message, p, ext);
	buf_add_byte(b, ')');
}

void bodystructure_format(struct buf *b, struct slice message, const struct mime_part *root, bool extended)
{
	add_part(b, message, root, extended);
}
