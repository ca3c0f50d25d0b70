/*
 * MAIL, RFC 5321 4.1.1.2:
 *	mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF
 * Parameters: SIZE (RFC 1870), BODY (RFC 6152). Spaces after the colon, which
 * the RFC forbids and many programs send, are taken.
 */
#include "common/base/strnum.h"
#include "smtpd/internal.h"

/* size-value = 1*20DIGIT */
static int set_size(const struct smtp_caps *caps, struct slice value, union smtp_args *args, struct smtp_reply *reply)
{
	int r = value.len <= 20 ? slice_to_u64(value, caps->size_limit, &args->mail.size) : ERR_SYNTAX;

	if (r == ERR_LIMIT)
		smtp_reply_set(reply, 552, "5.3.4", "Message size exceeds the limit of %llu bytes",
		    (unsigned long long)caps->size_limit);
	else if (r != 0)
		smtp_reply_set(reply, 501, "5.5.4", "SIZE wants a number");
	return r;
}

/* body-value = "7BIT" / "8BITMIME" */
static int set_body(const struct smtp_caps *caps, struct slice value, union smtp_args *args, struct smtp_reply *reply)
{
	(void)caps;
	if (slice_ieq_cstr(value, "7BIT")) {
		args->mail.body = SMTP_BODY_7BIT;
	} else if (slice_ieq_cstr(value, "8BITMIME")) {
		args->mail.body = SMTP_BODY_8BITMIME;
	} else {
		smtp_reply_set(reply, 501, "5.5.4", "BODY wants 7BIT or 8BITMIME");
		return ERR_SYNTAX;
	}
	return 0;
}

static const struct smtp_param params[] = {
	{ "SIZE", true, set_size },
	{ "BODY", true, set_body },
};

SMTP_PARSER(smtp_parse_mail)
{
	int r;

	if (!cur_take_icase(c, "FROM:")) {
		smtp_reply_set(reply, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return ERR_SYNTAX;
	}
	cur_skip_wsp(c);
	r = mail_path_take(c, MAIL_PATH_NULL, &args_r->mail.path);
	if (r != 0 || (cur_peek(c) != ' ' && cur_end(c) != 0)) {
		smtp_reply_set(reply, 501, "5.1.7", r == ERR_LIMIT ? "Sender address is too long" : "Bad sender address syntax");
		return r != 0 ? r : ERR_SYNTAX;
	}
	return smtp_params_take(c, caps, params, ARRAY_LEN(params), args_r, reply);
}

SMTP_HANDLER(smtp_act_mail)
{
	(void)args;
	if (s->env->spool == SMTP_SPOOL_DOWN) {
		smtp_reply_set(reply, 451, "4.3.0", "The mail queue is not available, try again later");
		return SMTP_STAY;
	}
	if (s->env->spool == SMTP_SPOOL_FULL) {
		smtp_reply_set(reply, 452, "4.3.1", "Not enough storage, try again later");
		return SMTP_STAY;
	}
	smtp_reply_set(reply, 250, "2.1.0", "Sender ok");
	return SMTP_TX_BEGIN;
}
