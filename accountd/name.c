#include "accountd/name.h"

#include "common/base/buf.h"

int name_canonical(struct slice address, char out_r[MAIL_ADDR_MAX + 1], struct slice *text_r)
{
	struct buf b = BUF_INIT(MAIL_PATH_MAX + 2);
	struct mail_path path;
	int r;

	if ((r = mail_mailbox_parse(address, MAIL_PATH_POSTMASTER, &path)) != 0)
		return r;
	mail_path_print(&b, &path);
	if ((r = buf_err(&b)) == 0 &&
	    (r = slice_to_cstr(slice_sub(buf_slice(&b), 1, buf_len(&b) - 2), out_r, MAIL_ADDR_MAX + 1)) == 0)
		*text_r = slice_cstr(out_r);
	buf_free(&b);
	return r;
}

int name_parse(struct slice address, struct name *n_r)
{
	char text[MAIL_ADDR_MAX + 1];
	struct slice whole, local, domain;
	int r;

	if ((r = name_canonical(address, text, &whole)) != 0)
		return r;
	mail_addr_split(whole, &local, &domain);
	if (domain.len == 0)
		local = whole;
	return name_join(local, domain, n_r);
}

int name_join(struct slice local, struct slice domain, struct name *n_r)
{
	size_t len = local.len + (domain.len != 0 ? domain.len + 1 : 0);

	if (len > MAIL_ADDR_MAX)
		return ERR_LIMIT;
	memset(n_r, 0, sizeof(*n_r));
	for (size_t i = 0; i < local.len; i++)
		n_r->text[i] = (char)ascii_lower(local.p[i]);
	n_r->at = (uint16_t)local.len;
	n_r->len = (uint16_t)len;
	if (domain.len != 0) {
		n_r->text[local.len] = '@';
		for (size_t i = 0; i < domain.len; i++)
			n_r->text[local.len + 1 + i] = (char)ascii_lower(domain.p[i]);
	}
	return 0;
}

void name_with_local(const struct name *n, struct slice local, struct name *n_r)
{
	struct name whole = *n;

	if (name_join(local, name_domain(&whole), n_r) != 0)
		*n_r = whole;
}

bool name_eq(const struct name *a, const struct name *b)
{
	return slice_eq(name_text(a), name_text(b));
}

int name_domain_parse(struct slice text, char out_r[MAIL_DOMAIN_MAX + 1], struct slice *domain_r)
{
	if (text.len > MAIL_ADDR_MAX - 2 || !mail_domain_valid(text))
		return ERR_SYNTAX;
	for (size_t i = 0; i < text.len; i++)
		out_r[i] = (char)ascii_lower(text.p[i]);
	out_r[text.len] = '\0';
	*domain_r = slice_of(out_r, text.len);
	return 0;
}

bool name_split_detail(struct slice local, const char *delimiters, struct slice *user_r, struct slice *detail_r)
{
	bool split = false;

	*user_r = local;
	*detail_r = slice_sub(local, local.len, 0);
	if (delimiters == NULL || (local.len != 0 && local.p[0] == '"'))
		return false;
	for (const char *d = delimiters; *d != '\0'; d++) {
		struct slice user, detail;

		if (mail_local_split(local, (uint8_t)*d, &user, &detail) && user.len < user_r->len) {
			*user_r = user;
			*detail_r = detail;
			split = true;
		}
	}
	return split;
}
