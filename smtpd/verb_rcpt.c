/*
 * RCPT, RFC 5321 4.1.1.3:
 *	rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF
 *
 * Whether the recipient exists is asked of accountd here and not after the
 * content: a message taken and bounced to a forged sender is backscatter.
 */
#include "smtpd/internal.h"

SMTP_PARSER(smtp_parse_rcpt)
{
	int r;

	if (!cur_take_icase(c, "TO:")) {
		smtp_reply_set(reply, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return ERR_SYNTAX;
	}
	cur_skip_wsp(c);
	r = mail_path_take(c, MAIL_PATH_POSTMASTER, &args_r->rcpt.path);
	if (r != 0 || (cur_peek(c) != ' ' && cur_end(c) != 0)) {
		smtp_reply_set(reply, 501, "5.1.3", r == ERR_LIMIT ? "Recipient address is too long" :
		    "Bad recipient address syntax");
		return r != 0 ? r : ERR_SYNTAX;
	}
	return smtp_params_take(c, caps, NULL, 0, args_r, reply);
}

static void no_memory(struct smtp_reply *reply)
{
	smtp_reply_set(reply, 452, "4.3.1", "Not enough memory, try again later");
}

SMTP_HANDLER(smtp_act_rcpt)
{
	struct smtp_tx *tx = s->tx;
	struct smtp_rcpt *rcpt;

	tx->rcpts_tried++;
	if (tx->rcpts_n >= s->env->rcpt_limit) {
		/* RFC 5321 4.5.3.1.10: 452, and the client sends the rest in another transaction */
		smtp_reply_set(reply, 452, "4.5.3", "Too many recipients");
		return SMTP_STAY;
	}
	rcpt = tx->asked;    /* room of one that was refused */
	if (rcpt == NULL)
		rcpt = arena_alloc(tx->arena, sizeof(*rcpt));
	if (rcpt == NULL || mail_path_canonical(&args->rcpt.path, tx->arena, &rcpt->addr) != 0) {
		no_memory(reply);
		return SMTP_STAY;
	}
	tx->asked = rcpt;
	s->want = SMTP_WANT_LOOKUP;
	return SMTP_WAIT;
}

enum smtp_verdict smtp_rcpt_looked_up(struct smtp_session *s, enum smtp_lookup result, struct smtp_reply *reply)
{
	struct smtp_tx *tx = s->tx;
	struct slice addr = tx->asked->addr;

	switch (result) {
	case SMTP_LOOKUP_UNKNOWN:
		smtp_reply_set(reply, 550, "5.1.1", "<%.*s>: no such user here", SLICE_ARG(addr));
		return SMTP_STAY;
	case SMTP_LOOKUP_REMOTE:
		if (s->client.relay || s->user != NULL)
			break;
		smtp_reply_set(reply, 550, "5.7.1", "<%.*s>: relay access denied", SLICE_ARG(addr));
		return SMTP_STAY;
	case SMTP_LOOKUP_LOCAL:
		break;
	default:
		smtp_reply_set(reply, 451, "4.3.0", "<%.*s>: recipients cannot be checked now, try again later", SLICE_ARG(addr));
		return SMTP_STAY;
	}
	STAILQ_INSERT_TAIL(&tx->rcpts, tx->asked, link);
	tx->rcpts_n++;
	tx->asked = NULL;
	smtp_reply_set(reply, 250, "2.1.5", "Recipient ok");
	return SMTP_STAY;
}
