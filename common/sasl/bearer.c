/*
 * OAUTHBEARER (RFC 7628) and the older XOAUTH2: an OAuth token, which accountd has judged by its validator. A refusal is
 * told in a last challenge of JSON, which the client answers with ^A or nothing; then the exchange has failed.
 */
#include "common/sasl/sasl_internal.h"
#include "common/sasl/scram_parse.h"

enum { KVSEP = 0x01 };

struct pairs {
	struct slice user, auth, host;      /* p is NULL when absent */
};

/* value = *(VCHAR / SP / HTAB / CR / LF), and UTF-8 in XOAUTH2's user */
static bool value_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (is_class(s.p[i], CC_CTL) && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n')
			return false;
	return true;
}

static int keep(struct slice *where, struct slice value)
{
	if (where->p != NULL)
		return ERR_SYNTAX;
	*where = value.len != 0 ? value : SLICE_LIT("");
	return 0;
}

/* *kvpair kvsep; kvpair = 1*ALPHA "=" value kvsep. Keys that are not known are passed over. */
static int take_pairs(struct cursor *c, struct pairs *p_r)
{
	struct slice key, rest, value;
	ptrdiff_t end;
	int r;

	*p_r = (struct pairs){ .user = { NULL, 0 } };
	while (!cur_take_byte(c, KVSEP)) {
		if ((r = cur_take_class(c, CC_ALPHA, 64, &key)) != 0)
			return r;
		if (!cur_take_byte(c, '='))
			return ERR_SYNTAX;
		rest = cur_rest(c);
		if ((end = slice_chr(rest, KVSEP)) < 0)
			return ERR_SYNTAX;
		value = slice_sub(rest, 0, (size_t)end);
		c->off += value.len + 1;
		if (!value_valid(value))
			return ERR_SYNTAX;
		r = slice_eq_cstr(key, "user") ? keep(&p_r->user, value) : slice_eq_cstr(key, "auth") ? keep(&p_r->auth, value) :
		    slice_eq_cstr(key, "host") ? keep(&p_r->host, value) : 0;
		if (r != 0)
			return r;
	}
	return cur_end(c);
}

/* "Bearer" SP b64token (RFC 6750 2.1); b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
static int take_token(struct slice auth, struct slice *token_r)
{
	struct cursor c = cursor_of(auth);
	size_t n = 0;

	if (!cur_take_icase(&c, "Bearer "))
		return ERR_SYNTAX;
	while (cur_take_byte(&c, ' '))
		;
	*token_r = cur_rest(&c);
	while (n < token_r->len && (is_class(token_r->p[n], CC_ALPHA | CC_DIGIT) || memchr("-._~+/", token_r->p[n], 6) != NULL))
		n++;
	if (n == 0)
		return ERR_SYNTAX;
	while (n < token_r->len && token_r->p[n] == '=')
		n++;
	if (n != token_r->len)
		return ERR_SYNTAX;
	return token_r->len > SASL_TOKEN_MAX ? ERR_LIMIT : 0;
}

static enum sasl_step ask_token(struct sasl *s, const struct pairs *p)
{
	struct slice token;
	int r = p->auth.p != NULL ? take_token(p->auth, &token) : ERR_SYNTAX;

	return r != 0 ? sasl_step_fail_err(s, r) : sasl_step_ask(s, LOGIN_BEARER, token, SLICE_LIT(""));
}

/* client-resp = gs2-header kvsep *kvpair kvsep. The name is the authorization identity, and may be missing: then the
 * token says it. A token meant for another server is none for us. */
static enum sasl_step oauthbearer_input(struct sasl *s, struct slice in)
{
	struct cursor c = cursor_of(in);
	struct gs2_header gs2;
	struct pairs p;
	struct buf name = BUF_INIT(SASL_USER_MAX);
	int r = gs2_header_take(&c, &gs2);

	if (r == 0 && gs2.flag == 'p')
		r = ERR_DENIED;
	if (r == 0 && !cur_take_byte(&c, KVSEP))
		r = ERR_SYNTAX;
	if (r == 0)
		r = take_pairs(&c, &p);
	if (r == 0 && gs2.authzid.len != 0 && (r = saslname_decode(gs2.authzid, &name)) == 0)
		r = sasl_set_user(s, buf_slice(&name));
	buf_free(&name);
	if (r == 0 && p.host.len != 0 && s->conf.host != NULL && s->conf.host[0] != '\0' &&
	    !slice_ieq_cstr(p.host, s->conf.host))
		r = ERR_DENIED;
	return r != 0 ? sasl_step_fail_err(s, r) : ask_token(s, &p);
}

/* "user=" name ^A "auth=Bearer " token ^A ^A */
static enum sasl_step xoauth2_input(struct sasl *s, struct slice in)
{
	struct cursor c = cursor_of(in);
	struct pairs p;
	int r = take_pairs(&c, &p);

	if (r == 0)
		r = p.user.p != NULL ? sasl_set_user(s, p.user) : ERR_SYNTAX;
	return r != 0 ? sasl_step_fail_err(s, r) : ask_token(s, &p);
}

/* sasl.c ends the exchange at the client's next line. */
static enum sasl_step oauthbearer_denied(struct sasl *s)
{
	s->failure = SASL_DENIED;
	return sasl_step_send(s, SLICE_LIT("{\"status\":\"invalid_token\"}"));
}

static enum sasl_step xoauth2_denied(struct sasl *s)
{
	s->failure = SASL_DENIED;
	return sasl_step_send(s, SLICE_LIT("{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}"));
}

const struct sasl_row sasl_oauthbearer = { .name = "OAUTHBEARER", .input = oauthbearer_input, .denied = oauthbearer_denied };
const struct sasl_row sasl_xoauth2 = { .name = "XOAUTH2", .input = xoauth2_input, .denied = xoauth2_denied };
