/*
 * AUTH, RFC 4954 4:
 *	auth-command     = "AUTH" SP sasl-mech [SP initial-response] *(CRLF [base64]) [CRLF cancel-response] CRLF
 *	initial-response = base64 / "="
 *	cancel-response  = "*"
 *
 * The exchange itself is common/sasl's, the judgement accountd's. Here is when it
 * is allowed, and what is replied and logged. Nothing of the client's lines is.
 */
#include "common/sasl/edge.h"
#include "smtpd/internal.h"

enum { REFUSED_MAX = 5, MECHANISM_MAX = 20 };

bool smtp_auth_allowed(const struct smtp_session *s)
{
	return s->client.submission && (s->tls.version != NULL || (s->env->plaintext_login && s->client.loopback));
}

struct sasl_conf smtp_auth_conf(const struct smtp_session *s)
{
	return sasl_edge_conf("smtp", s->client.addr, s->tls.version != NULL ? &s->tls : NULL, smtp_auth_allowed(s), s->env->oauth);
}

SMTP_PARSER(smtp_parse_auth)
{
	struct slice rest = slice_trim(cur_rest(c));
	ptrdiff_t sp = slice_chr(rest, ' ');

	(void)caps;
	args_r->auth.mechanism = slice_sub(rest, 0, sp < 0 ? rest.len : (size_t)sp);
	args_r->auth.initial = slice_trim(slice_sub(rest, args_r->auth.mechanism.len, SIZE_MAX));
	if (args_r->auth.mechanism.len != 0 && args_r->auth.mechanism.len <= MECHANISM_MAX &&
	    slice_chr(args_r->auth.initial, ' ') < 0)
		return 0;
	smtp_reply_set(reply, 501, "5.5.4", "Syntax: AUTH mechanism [initial-response]");
	return ERR_SYNTAX;
}

void smtp_auth_end(struct smtp_session *s)
{
	sasl_free(&s->sasl);
}

bool smtp_auth_over_limit(const struct smtp_session *s)
{
	return s->refused >= REFUSED_MAX;
}

/* ---- the end of an exchange ----------------------------------------------------- */

/* In the words of Postfix and its SASL library, which the programs that watch logs for attacks know. */
static void log_failure(struct smtp_session *s, const char *why)
{
	const struct sasl *sasl = s->sasl;
	struct slice user = sasl_user(sasl);

	log_info("warning: %s: SASL %s authentication failed: %s, sasl_username=%s", s->client_text,
	    sasl_mechanism_name(sasl), why, user.len != 0 ? log_esc(user) : "(unavailable)");
}

static const struct { unsigned code; const char *enh, *text, *log; bool refused; } failures[] = {
	[SASL_CANCELLED] = { 501, "5.7.0", "Authentication cancelled", NULL, false },
	[SASL_BAD_BASE64] = { 501, "5.5.2", "That is not base64", NULL, false },
	[SASL_BAD_SYNTAX] = { 501, "5.5.2", "That is not what the mechanism wants", NULL, false },
	[SASL_TOO_LONG] = { 500, "5.5.6", "Authentication exchange line is too long", NULL, false },
	[SASL_TOO_MANY] = { 501, "5.7.0", "Authentication exchange has too many lines", NULL, false },
	[SASL_DENIED] = { 535, "5.7.8", "Authentication credentials invalid", "authentication failure", true },
	[SASL_SLOWED] = { 454, "4.7.0", "Too many failed logins, try again later", "too many failed logins", true },
	/* this text is not taken for an attack */
	[SASL_FAULT] = { 454, "4.7.0", "Temporary authentication failure", "Connection lost to authentication server", false },
};

static enum smtp_verdict fail(struct smtp_session *s, enum sasl_failure why, struct smtp_reply *reply)
{
	smtp_reply_set(reply, failures[why].code, failures[why].enh, "%s", failures[why].text);
	if (failures[why].log != NULL)
		log_failure(s, failures[why].log);
	if (failures[why].refused)
		s->refused++;
	smtp_auth_end(s);
	return SMTP_AUTH_END;
}

static enum smtp_verdict succeed(struct smtp_session *s, struct smtp_reply *reply)
{
	const struct account_logged_in *in = sasl_result(s->sasl);
	struct buf b = BUF_INIT(2048);

	if (in->user.len == 0 || slice_chr(in->user, '\0') >= 0 || in->account == 0)
		return fail(s, SASL_FAULT, reply);
	s->mechanism = arena_cstr(s->arena, slice_cstr(sasl_mechanism_name(s->sasl)));
	s->user = s->mechanism != NULL ? arena_cstr(s->arena, in->user) : NULL;
	if (s->user == NULL)
		return fail(s, SASL_FAULT, reply);
	s->account = in->account;
	smtp_auth_end(s);
	smtp_log_login(s, &b);
	smtp_log_tls(s, &b);
	log_info("NOQUEUE: client=%s%.*s", s->client_text, SLICE_ARG(buf_slice(&b)));
	buf_free(&b);
	smtp_reply_set(reply, 235, "2.7.0", "Authentication successful");
	return SMTP_AUTH_END;
}

/* ---- the exchange ---------------------------------------------------------------- */

static enum smtp_verdict go_on(struct smtp_session *s, enum sasl_step step, struct smtp_reply *reply)
{
	switch (step) {
	case SASL_CHALLENGE:
		buf_add_cstr(s->out, "334 ");
		buf_add_slice(s->out, sasl_challenge(s->sasl));
		buf_add_cstr(s->out, "\r\n");
		return SMTP_CHALLENGE;
	case SASL_ASK:
		s->want = SMTP_WANT_LOGIN;
		return SMTP_WAIT;
	case SASL_OK:
		return succeed(s, reply);
	default:
		return fail(s, sasl_failure(s->sasl), reply);
	}
}

static bool may_begin(const struct smtp_session *s, struct smtp_reply *reply)
{
	if (!s->client.submission)
		smtp_reply_set(reply, 503, "5.5.1", "Authentication is not offered here");
	else if (s->user != NULL)
		smtp_reply_set(reply, 503, "5.5.1", "Already authenticated");
	else if (!smtp_auth_allowed(s))
		smtp_reply_set(reply, 538, "5.7.11", "Encryption required for authentication: STARTTLS first");
	else
		return true;
	return false;
}

SMTP_HANDLER(smtp_act_auth)
{
	struct sasl_conf conf = smtp_auth_conf(s);
	enum sasl_step step;
	int r;

	if (!may_begin(s, reply))
		return SMTP_STAY;
	r = sasl_start(&s->sasl, &conf, args->auth.mechanism, args->auth.initial, &step);
	if (r == 0)
		return go_on(s, step, reply);
	if (r == ERR_NOTFOUND || r == ERR_DENIED)
		smtp_reply_set(reply, 504, "5.5.4", "That authentication mechanism is not offered");
	else
		smtp_reply_set(reply, 454, "4.7.0", "Temporary authentication failure");
	return SMTP_STAY;
}

enum smtp_verdict smtp_auth_line(struct smtp_session *s, struct slice line, struct smtp_reply *reply)
{
	return go_on(s, sasl_input(s->sasl, line), reply);
}

enum smtp_verdict smtp_auth_bad_line(struct smtp_session *s, bool too_long, struct smtp_reply *reply)
{
	return fail(s, too_long ? SASL_TOO_LONG : SASL_BAD_BASE64, reply);
}

enum smtp_verdict smtp_auth_answered(struct smtp_session *s, int r, uint16_t type, const void *m, struct smtp_reply *reply)
{
	return go_on(s, sasl_answer(s->sasl, r, type, m), reply);
}

const struct account_login *smtp_session_login(const struct smtp_session *s)
{
	return sasl_question(s->sasl);
}
