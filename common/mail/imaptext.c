#include "common/mail/imaptext.h"

enum { QUOTED_MAX = 1000 };

static bool quotable(struct slice s)
{
	if (s.len > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((!is_class(s.p[i], CC_PRINT) && s.p[i] != '\t') || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

void imap_add_string(struct buf *b, struct slice s)
{
	ptrdiff_t nul;

	if (quotable(s)) {
		buf_add_byte(b, '"');
		buf_add_slice(b, s);
		buf_add_byte(b, '"');
		return;
	}
	buf_addf(b, "{%zu}\r\n", s.len);
	while ((nul = slice_chr(s, 0)) >= 0) {
		buf_add_slice(b, slice_sub(s, 0, (size_t)nul));
		buf_add_byte(b, '?');
		s = slice_sub(s, (size_t)nul + 1, SIZE_MAX);
	}
	buf_add_slice(b, s);
}

void imap_add_nstring(struct buf *b, struct slice s)
{
	if (s.p == NULL)
		buf_add_cstr(b, "NIL");
	else
		imap_add_string(b, s);
}
