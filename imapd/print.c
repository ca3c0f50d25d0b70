#include "imapd/print.h"

#include "common/mail/date.h"
#include "common/mail/imaptext.h"

void imap_put_astring(struct buf *b, struct slice s)
{
	bool atom = s.len != 0 && !slice_ieq_cstr(s, "NIL");

	for (size_t i = 0; i < s.len && atom; i++)
		atom = is_class(s.p[i], CC_IMAP_ASTR);
	if (atom)
		buf_add_slice(b, s);
	else
		imap_add_string(b, s.p != NULL ? s : SLICE_LIT(""));
}

void imap_put_date(struct buf *b, uint64_t sec)
{
	buf_add_byte(b, '"');
	mail_imap_datetime_format(b, sec > INT64_MAX ? 0 : (int64_t)sec, 0);
	buf_add_byte(b, '"');
}
