/*
 * The AUTHORIZATION state, RFC 1939 4 and 7:
 *	USER name
 *	PASS string           (all of the line, spaces too)
 * and CAPA, RFC 2449 5, STLS, RFC 2595 4, QUIT, NOOP.
 *
 * Logins are only taken under TLS, or where the configuration and the client's
 * address allow it; elsewhere USER is refused, so that a client that obeys never
 * sends the password. Whether a user exists is told by nothing.
 */
#include "pop3d/internal.h"

static enum pop3_verdict refuse_clear(struct pop3_session *s)
{
	pop3_err(s, "[AUTH] logins without encryption are not allowed on this connection%s", s->env->starttls ? ": STLS first" : "");
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_user)
{
	struct slice name = slice_trim(args->text);

	if (!pop3_may_log_in(s))
		return refuse_clear(s);
	if (name.len == 0 || name.len >= sizeof(s->user_buf)) {
		pop3_err(s, "a user name is wanted");
		return POP3_BAD;
	}
	memcpy(s->user_buf, name.p, name.len);
	s->user = slice_of(s->user_buf, name.len);
	pop3_ok(s, "now the password");
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_pass)
{
	if (!pop3_may_log_in(s))
		return refuse_clear(s);
	if (s->user.len == 0) {
		pop3_err(s, "USER first");
		return POP3_BAD;
	}
	if (args->text.len >= sizeof(s->password_buf)) {
		pop3_err(s, "the password is too long");
		return POP3_BAD;
	}
	if (args->text.len != 0)
		memcpy(s->password_buf, args->text.p, args->text.len);
	s->method = "USER";
	s->question = (struct account_login){ .how = LOGIN_PASSWORD, .user = s->user,
		.secret = slice_of(s->password_buf, args->text.len), .addr = slice_cstr(s->addr), .service = SLICE_LIT("pop3"),
		.tls = s->tls != NULL };
	s->want = POP3_WANT_LOGIN;
	return POP3_WAIT;
}

POP3_HANDLER(pop3_act_stls)
{
	(void)args;
	if (s->tls != NULL) {
		pop3_err(s, "TLS is on already");
		return POP3_BAD;
	}
	if (!s->env->starttls) {
		pop3_err(s, "[SYS/TEMP] TLS is not available now");
		return POP3_STAY;
	}
	pop3_ok(s, "begin TLS");
	s->want = POP3_WANT_TLS;
	return POP3_WAIT;
}

POP3_HANDLER(pop3_act_capa)
{
	struct sasl_conf conf;

	(void)args;
	pop3_ok(s, "capabilities");
	buf_add_cstr(s->out, "TOP\r\nUIDL\r\n");
	if (s->env->starttls && s->tls == NULL && s->state == POP3_ST_AUTH)
		buf_add_cstr(s->out, "STLS\r\n");
	if (pop3_may_log_in(s)) {
		conf = pop3_sasl_conf(s);
		buf_add_cstr(s->out, "USER\r\nSASL");
		sasl_list(&conf, " ", s->out);
		buf_add_cstr(s->out, "\r\n");
	}
	buf_add_cstr(s->out, "PIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nIMPLEMENTATION Pabal\r\n.\r\n");
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_noop)
{
	(void)args;
	pop3_ok(s, "nothing done");
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_quit)
{
	(void)args;
	if (s->state == POP3_ST_TRANSACTION)
		return POP3_UPDATE;
	pop3_ok(s, "goodbye");
	s->quit_ok = true;
	return POP3_CLOSE;
}
