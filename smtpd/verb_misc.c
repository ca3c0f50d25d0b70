/*
 * The verbs that move no mail.
 * RFC 5321 4.1.1.5 (RSET), 4.1.1.6 (VRFY), 4.1.1.7 (EXPN), 4.1.1.8 (HELP), 4.1.1.9 (NOOP), 4.1.1.10 (QUIT):
 *	rset = "RSET" CRLF
 *	vrfy = "VRFY" SP String CRLF
 *	help = "HELP" [ SP String ] CRLF
 *	noop = "NOOP" [ SP String ] CRLF
 *	quit = "QUIT" CRLF
 */
#include "smtpd/internal.h"

SMTP_HANDLER(smtp_act_rset)
{
	(void)s;
	(void)args;
	smtp_reply_set(reply, 250, "2.0.0", "Ok");
	return SMTP_TX_END;
}

SMTP_HANDLER(smtp_act_noop)
{
	(void)s;
	(void)args;
	smtp_reply_set(reply, 250, "2.0.0", "Ok");
	return SMTP_STAY;
}

SMTP_HANDLER(smtp_act_quit)
{
	(void)args;
	smtp_reply_set(reply, 221, "2.0.0", "%s closing connection", s->env->hostname);
	return SMTP_CLOSE;
}

/* 3.5.3: 252 tells nothing, which is what address harvesters should learn here. */
SMTP_HANDLER(smtp_act_vrfy)
{
	(void)s;
	(void)args;
	smtp_reply_set(reply, 252, "2.0.0", "Cannot verify, but will take mail for local users");
	return SMTP_STAY;
}

SMTP_HANDLER(smtp_act_help)
{
	char names[256];

	(void)args;
	smtp_verbs_list(names, sizeof(names), smtp_starttls_offered(s), smtp_auth_allowed(s));
	smtp_reply_set(reply, 214, "2.0.0", "Commands: %s", names);
	return SMTP_STAY;
}

SMTP_HANDLER(smtp_act_unimplemented)
{
	(void)args;
	smtp_reply_set(reply, 502, "5.5.1", "%s is not implemented", s->verb->name);
	return SMTP_STAY;
}
