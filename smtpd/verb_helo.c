/*
 * EHLO and HELO, RFC 5321 4.1.1.1:
 *	ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
 *	helo = "HELO" SP Domain CRLF
 *
 * The argument is only told on (log, Received), and never a reason to refuse
 * mail (4.1.4). Names outside the grammar that real clients send (underscores,
 * a trailing dot, a bare address) are taken; what could do harm in a header is not.
 */
#include <stdio.h>

#include "smtpd/internal.h"

static bool name_tolerable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (!is_class(c, CC_ALPHA | CC_DIGIT) && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']')
			return false;
	}
	return s.len != 0 && s.len <= MAIL_DOMAIN_MAX;
}

SMTP_PARSER(smtp_parse_helo)
{
	(void)caps;
	args_r->helo.name = slice_trim(cur_rest(c));
	if (name_tolerable(args_r->helo.name))
		return 0;
	smtp_reply_set(reply, 501, "5.5.4", args_r->helo.name.len != 0 ? "That is not a host name or address literal" :
	    "A host name or address literal is missing");
	return ERR_SYNTAX;
}

static void take_name(struct smtp_session *s, const union smtp_args *args, bool esmtp)
{
	s->esmtp = esmtp;
	if (slice_to_cstr(args->helo.name, s->helo, sizeof(s->helo)) != 0)
		s->helo[0] = '\0';
}

SMTP_HANDLER(smtp_act_ehlo)
{
	struct sasl_conf conf;
	struct buf mechanisms = BUF_INIT(512);

	take_name(s, args, true);
	if (smtp_auth_allowed(s) && s->user == NULL) {
		conf = smtp_auth_conf(s);
		sasl_list(&conf, " ", &mechanisms);
	}
	smtp_reply_set(reply, 250, "", "%s\nPIPELINING\nSIZE %llu\n8BITMIME\nENHANCEDSTATUSCODES%s%s%.*s\nHELP",
	    s->env->hostname, (unsigned long long)s->env->size_limit, smtp_starttls_offered(s) ? "\nSTARTTLS" : "",
	    buf_len(&mechanisms) != 0 ? "\nAUTH" : "", SLICE_ARG(buf_slice(&mechanisms)));
	buf_free(&mechanisms);
	return SMTP_HELLO;
}

SMTP_HANDLER(smtp_act_helo)
{
	take_name(s, args, false);
	smtp_reply_set(reply, 250, "", "%s", s->env->hostname);
	return SMTP_HELLO;
}
