#include "common/sasl/sasl_internal.h"

#include "common/mail/address.h"
#include "common/mail/charset.h"

int sasl_text_check(struct slice text, size_t max)
{
	if (text.len > max)
		return ERR_LIMIT;
	if (text.len == 0 || slice_chr(text, '\0') >= 0 || !utf8_valid(text))
		return ERR_SYNTAX;
	return 0;
}

int sasl_name_check(struct slice name)
{
	int r = sasl_text_check(name, SASL_USER_MAX);

	for (size_t i = 0; r == 0 && i < name.len; i++) {
		if (is_class(name.p[i], CC_CTL))
			r = ERR_SYNTAX;
		/* U+0080 to U+009F are control characters, too (RFC 3454 C.2.2) */
		if (name.p[i] == 0xc2 && i + 1 < name.len && name.p[i + 1] < 0xa0)
			r = ERR_SYNTAX;
	}
	return r;
}

static bool address_same(struct slice a, struct slice b)
{
	struct buf x = BUF_INIT(MAIL_PATH_MAX + 2), y = BUF_INIT(MAIL_PATH_MAX + 2);
	struct mail_path p, q;
	bool same = false;

	if (mail_mailbox_parse(a, MAIL_PATH_POSTMASTER, &p) == 0 && mail_mailbox_parse(b, MAIL_PATH_POSTMASTER, &q) == 0) {
		mail_path_print(&x, &p);
		mail_path_print(&y, &q);
		same = buf_err(&x) == 0 && buf_err(&y) == 0 && slice_ieq(buf_slice(&x), buf_slice(&y));
	}
	buf_free(&x);
	buf_free(&y);
	return same;
}

bool sasl_name_same(struct slice a, struct slice b)
{
	return slice_ieq(a, b) || address_same(a, b);
}
