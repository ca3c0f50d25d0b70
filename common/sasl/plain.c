/* PLAIN (RFC 4616) and LOGIN (never more than a draft, draft-murchison-sasl-login, but there are clients that know
 * nothing else). Both show the password, so they are offered under TLS only. */
#include "common/sasl/sasl_internal.h"

static enum sasl_step ask_password(struct sasl *s, struct slice password)
{
	int r = sasl_text_check(password, SASL_PASSWORD_MAX);

	return r != 0 ? sasl_step_fail_err(s, r) : sasl_step_ask(s, LOGIN_PASSWORD, password, SLICE_LIT(""));
}

/*
 *	message = [authzid] UTF8NUL authcid UTF8NUL passwd
 *	authcid, authzid, passwd = 1*SAFE       UTF-8 without NUL
 */
static enum sasl_step plain_input(struct sasl *s, struct slice in)
{
	struct slice authzid, authcid, rest;
	ptrdiff_t nul = slice_chr(in, '\0');
	int r;

	if (nul < 0)
		return sasl_step_fail(s, SASL_BAD_SYNTAX);
	authzid = slice_sub(in, 0, (size_t)nul);
	rest = slice_sub(in, (size_t)nul + 1, SIZE_MAX);
	if ((nul = slice_chr(rest, '\0')) < 0)
		return sasl_step_fail(s, SASL_BAD_SYNTAX);
	authcid = slice_sub(rest, 0, (size_t)nul);
	if ((r = sasl_set_user(s, authcid)) != 0 || (authzid.len != 0 && (r = sasl_name_check(authzid)) != 0))
		return sasl_step_fail_err(s, r);
	if (authzid.len != 0 && !sasl_name_same(authzid, authcid))
		return sasl_step_fail(s, SASL_DENIED);
	return ask_password(s, slice_sub(rest, (size_t)nul + 1, SIZE_MAX));
}

const struct sasl_row sasl_plain = { .name = "PLAIN", .input = plain_input };

/* Two challenges, whose texts clients compare: the name, then the password. */
enum { LOGIN_STAGE_USER, LOGIN_STAGE_PASSWORD };

static enum sasl_step login_begin(struct sasl *s)
{
	return sasl_step_send(s, SLICE_LIT("Username:"));
}

static enum sasl_step login_input(struct sasl *s, struct slice in)
{
	int r;

	if (s->stage == LOGIN_STAGE_PASSWORD)
		return ask_password(s, in);
	if ((r = sasl_set_user(s, in)) != 0)
		return sasl_step_fail_err(s, r);
	s->stage = LOGIN_STAGE_PASSWORD;
	return sasl_step_send(s, SLICE_LIT("Password:"));
}

const struct sasl_row sasl_login = { .name = "LOGIN", .begin = login_begin, .input = login_input };
