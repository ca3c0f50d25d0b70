/*
 * The table of verbs, what is common to their parsers, and nothing else. A new
 * verb is a row here and a file verb_NAME.c.
 */
#include "smtpd/verbs.h"

#include <stdio.h>

enum {
	ANY = SMTP_ST_GREETED | SMTP_ST_READY | SMTP_ST_TX,
	LAST = SMTP_V_LAST, JUNK = SMTP_V_JUNK, DROP = SMTP_V_DROP, OPEN = SMTP_V_OPEN, LONG = SMTP_V_LONG,
};

const struct smtp_verb smtp_verbs[] = {
	{ "EHLO", smtp_parse_helo, smtp_act_ehlo, ANY, LAST | JUNK | OPEN, NULL },
	{ "HELO", smtp_parse_helo, smtp_act_helo, ANY, LAST | JUNK | OPEN, NULL },
	{ "MAIL", smtp_parse_mail, smtp_act_mail, SMTP_ST_READY, 0, "EHLO or HELO first, one MAIL at a time" },
	{ "RCPT", smtp_parse_rcpt, smtp_act_rcpt, SMTP_ST_TX, 0, "MAIL first" },
	{ "DATA", smtp_parse_none, smtp_act_data, SMTP_ST_TX, LAST, "MAIL and RCPT first" },
	{ "RSET", smtp_parse_none, smtp_act_rset, ANY, JUNK | OPEN, NULL },
	{ "NOOP", smtp_parse_text, smtp_act_noop, ANY, JUNK | OPEN, NULL },
	{ "QUIT", smtp_parse_none, smtp_act_quit, ANY, OPEN, NULL },
	{ "STARTTLS", smtp_parse_none, smtp_act_starttls, ANY, LAST | JUNK | OPEN, NULL },
	{ "AUTH", smtp_parse_auth, smtp_act_auth, SMTP_ST_READY, LAST | JUNK | OPEN | LONG,
	    "EHLO first, and not within a transaction" },
	{ "VRFY", smtp_parse_text_required, smtp_act_vrfy, ANY, JUNK, NULL },
	{ "EXPN", smtp_parse_text, smtp_act_unimplemented, ANY, JUNK, NULL },
	{ "HELP", smtp_parse_text, smtp_act_help, ANY, JUNK | OPEN, NULL },
	/* RFC 5321 4.5.1 and appendix F: known by name, not done */
	{ "TURN", smtp_parse_text, smtp_act_unimplemented, ANY, JUNK, NULL },
	{ "ETRN", smtp_parse_text, smtp_act_unimplemented, ANY, JUNK, NULL },
	{ "SEND", smtp_parse_text, smtp_act_unimplemented, ANY, JUNK, NULL },
	{ "SOML", smtp_parse_text, smtp_act_unimplemented, ANY, JUNK, NULL },
	{ "SAML", smtp_parse_text, smtp_act_unimplemented, ANY, JUNK, NULL },
	/* a browser or scanner that was made to talk to us */
	{ "GET", NULL, NULL, 0, DROP, NULL },
	{ "POST", NULL, NULL, 0, DROP, NULL },
	{ "PUT", NULL, NULL, 0, DROP, NULL },
	{ "HEAD", NULL, NULL, 0, DROP, NULL },
	{ "CONNECT", NULL, NULL, 0, DROP, NULL },
	{ "OPTIONS", NULL, NULL, 0, DROP, NULL },
	{ "DELETE", NULL, NULL, 0, DROP, NULL },
	{ "TRACE", NULL, NULL, 0, DROP, NULL },
	{ "PATCH", NULL, NULL, 0, DROP, NULL },
};
const unsigned smtp_verbs_n = ARRAY_LEN(smtp_verbs);
_Static_assert(ARRAY_LEN(smtp_verbs) <= SMTP_VERBS_MAX, "more counters");

const struct smtp_verb *smtp_verb_take(struct cursor *c)
{
	struct slice rest = cur_rest(c);
	ptrdiff_t sp = slice_chr(rest, ' ');
	struct slice name = slice_sub(rest, 0, sp < 0 ? rest.len : (size_t)sp);

	c->off += name.len;
	(void)cur_take_byte(c, ' ');
	for (unsigned i = 0; i < smtp_verbs_n; i++)
		if (slice_ieq_cstr(name, smtp_verbs[i].name))
			return &smtp_verbs[i];
	return NULL;
}

void smtp_verbs_list(char *dst, size_t size, bool starttls, bool auth)
{
	size_t off = 0;

	dst[0] = '\0';
	for (unsigned i = 0; i < smtp_verbs_n; i++) {
		int n;

		if ((smtp_verbs[i].flags & SMTP_V_DROP) != 0 || smtp_verbs[i].act == smtp_act_unimplemented)
			continue;
		if ((smtp_verbs[i].act == smtp_act_starttls && !starttls) || (smtp_verbs[i].act == smtp_act_auth && !auth))
			continue;
		n = snprintf(dst + off, size - off, "%s%s", off != 0 ? " " : "", smtp_verbs[i].name);
		if (n < 0 || (size_t)n >= size - off)
			return;
		off += (size_t)n;
	}
}

/* A line may end in spaces; a verb without arguments has nothing else behind it. */
int smtp_parse_none(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r, struct smtp_reply *reply)
{
	(void)caps;
	(void)args_r;
	cur_skip_wsp(c);
	if (cur_end(c) == 0)
		return 0;
	smtp_reply_set(reply, 501, "5.5.4", "This command takes no argument");
	return ERR_SYNTAX;
}

int smtp_parse_text(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r, struct smtp_reply *reply)
{
	(void)caps;
	(void)reply;
	args_r->text.text = slice_trim(cur_rest(c));
	return 0;
}

int smtp_parse_text_required(struct cursor *c, const struct smtp_caps *caps, union smtp_args *args_r,
    struct smtp_reply *reply)
{
	(void)caps;
	args_r->text.text = slice_trim(cur_rest(c));
	if (args_r->text.text.len != 0)
		return 0;
	smtp_reply_set(reply, 501, "5.5.4", "An argument is missing");
	return ERR_SYNTAX;
}

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"); 0 if there is none. */
static size_t keyword_len(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (is_class(s.p[n], CC_ALPHA | CC_DIGIT) || (n != 0 && s.p[n] == '-')))
		n++;
	return n;
}

static int param_take(struct cursor *c, struct slice *name_r, struct slice *value_r, bool *has_value_r)
{
	int r = cur_take_n(c, keyword_len(cur_rest(c)), name_r);

	*value_r = slice_of(NULL, 0);
	*has_value_r = r == 0 && cur_take_byte(c, '=');
	if (*has_value_r)
		r = cur_take_class(c, CC_ESMTP_VALUE, SIZE_MAX, value_r);
	if (r != 0 || name_r->len == 0 || (cur_peek(c) != ' ' && cur_end(c) != 0))
		return ERR_SYNTAX;
	return 0;
}

static int param_apply(const struct smtp_caps *caps, const struct smtp_param *p, unsigned bit, unsigned *seen,
    struct slice value, bool has_value, union smtp_args *args, struct smtp_reply *reply)
{
	if ((*seen & bit) != 0) {
		smtp_reply_set(reply, 501, "5.5.4", "%s is given twice", p->name);
		return ERR_SYNTAX;
	}
	*seen |= bit;
	if (has_value != p->value_required) {
		smtp_reply_set(reply, 501, "5.5.4", "%s %s a value", p->name, p->value_required ? "needs" : "takes not");
		return ERR_SYNTAX;
	}
	return p->set(caps, value, args, reply);
}

int smtp_params_take(struct cursor *c, const struct smtp_caps *caps, const struct smtp_param *table, unsigned n,
    union smtp_args *args, struct smtp_reply *reply)
{
	unsigned seen = 0;

	for (;;) {
		struct slice name, value;
		bool has_value;
		unsigned i;
		int r;

		cur_skip_wsp(c);
		if (cur_end(c) == 0)
			return 0;
		if (param_take(c, &name, &value, &has_value) != 0) {
			smtp_reply_set(reply, 501, "5.5.4", "Syntax error in the parameters");
			return ERR_SYNTAX;
		}
		for (i = 0; i < n && !slice_ieq_cstr(name, table[i].name); i++)
			;
		if (i == n || !caps->esmtp) {
			smtp_reply_set(reply, 555, "5.5.4", "Parameter %.*s is not supported%s", SLICE_ARG(slice_sub(name, 0, 64)),
			    caps->esmtp ? "" : " after HELO");
			return ERR_SYNTAX;
		}
		r = param_apply(caps, &table[i], 1u << i, &seen, value, has_value, args, reply);
		if (r != 0)
			return r;
	}
}
