/*
 * MAIL, RFC 5321 4.1.1.2:
 *	mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF
 * Parameters: SIZE (RFC 1870), BODY (RFC 6152), AUTH (RFC 4954 5). Spaces after the colon, which
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

static int upper_hex(uint8_t c)
{
	if (is_class(c, CC_DIGIT))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
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

/*
 * RFC 4954 5 and RFC 3461 4:
 *	xtext   = *( xchar / hexchar )      xchar: 33 to 126 but "+" and "="
 *	hexchar = "+" 2(DIGIT / "A" / "B" / "C" / "D" / "E" / "F")
 * The value is "<>" or a mailbox in xtext. Nobody is trusted to say who submitted a message elsewhere: it is judged,
 * and then counts as "<>" would.
 */
static int set_auth(const struct smtp_caps *caps, struct slice value, union smtp_args *args, struct smtp_reply *reply)
{
	uint8_t text[MAIL_PATH_MAX];
	struct mail_path path;
	size_t n = 0, i = 0;
	bool bad = false;

	(void)args;
	if (!caps->auth) {
		smtp_reply_set(reply, 555, "5.5.4", "Parameter AUTH is not supported");
		return ERR_SYNTAX;
	}
	while (i < value.len && !bad) {
		struct slice hex = slice_sub(value, i + 1, 2);
		int hi = hex.len == 2 ? upper_hex(hex.p[0]) : -1, lo = hex.len == 2 ? upper_hex(hex.p[1]) : -1;
		bool escaped = value.p[i] == '+';

		bad = (escaped && (hi < 0 || lo < 0)) || n == sizeof(text);
		if (!bad)
			text[n++] = (uint8_t)(escaped ? hi << 4 | lo : value.p[i]);
		i += escaped ? 3 : 1;
	}
	if (!bad && (slice_eq_cstr(value, "<>") || (n != 0 && mail_mailbox_parse(slice_of(text, n), 0, &path) == 0)))
		return 0;
	smtp_reply_set(reply, 501, "5.5.4", "AUTH wants an address in xtext, or <>");
	return ERR_SYNTAX;
}

static const struct smtp_param params[] = {
	{ "SIZE", true, set_size },
	{ "BODY", true, set_body },
	{ "AUTH", true, set_auth },
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
	if (s->env->spool == SMTP_SPOOL_DOWN) {
		smtp_reply_set(reply, 451, "4.3.0", "The mail queue is not available, try again later");
		return SMTP_STAY;
	}
	if (s->env->spool == SMTP_SPOOL_FULL) {
		smtp_reply_set(reply, 452, "4.3.1", "Not enough storage, try again later");
		return SMTP_STAY;
	}
	/* The null sender is everybody's: message disposition notifications have it (RFC 8098 3). */
	if (s->user != NULL && !args->mail.path.null)
		return SMTP_TX_ASK;
	smtp_reply_set(reply, 250, "2.1.0", "Sender ok");
	return SMTP_TX_BEGIN;
}

void smtp_sender_reply(const struct smtp_session *s, enum smtp_sender result, struct slice addr, struct smtp_reply *reply)
{
	if (result == SMTP_SENDER_OWN)
		smtp_reply_set(reply, 250, "2.1.0", "Sender ok");
	else if (result == SMTP_SENDER_FOREIGN)
		smtp_reply_set(reply, 553, "5.7.1", "<%.*s>: Sender address rejected: not owned by user %s", SLICE_ARG(addr), s->user);
	else
		smtp_reply_set(reply, 451, "4.3.0", "<%.*s>: senders cannot be checked now, try again later", SLICE_ARG(addr));
}

enum smtp_verdict smtp_mail_checked(struct smtp_session *s, enum smtp_sender result, struct smtp_reply *reply)
{
	smtp_sender_reply(s, result, s->candidate->sender, reply);
	return result == SMTP_SENDER_OWN ? SMTP_TX_TAKE : SMTP_TX_END;
}
