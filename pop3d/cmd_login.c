/*
 * The AUTHORIZATION state, RFC 1939 4 and 7:
 *	USER name
 *	PASS string           (all of the line, spaces too)
 * and CAPA, RFC 2449 5, QUIT, NOOP.
 *
 * A name and a password in the clear are only taken where the configuration and
 * the client's address allow it; elsewhere USER is refused, so that a client that
 * obeys never sends the password. Whether a user exists is told by nothing.
 */
#include "pop3d/internal.h"

static void refuse_clear(struct pop3_session *s)
{
	pop3_err(s, "[AUTH] logins without encryption are not allowed on this connection");
}

POP3_HANDLER(pop3_act_user)
{
	struct slice name = slice_trim(args->text);

	if (!s->plaintext) {
		refuse_clear(s);
		return POP3_STAY;
	}
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
	if (!s->plaintext) {
		refuse_clear(s);
		return POP3_STAY;
	}
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
	s->password = slice_of(s->password_buf, args->text.len);
	s->want = POP3_WANT_LOGIN;
	return POP3_WAIT;
}

POP3_HANDLER(pop3_act_capa)
{
	(void)args;
	pop3_ok(s, "capabilities");
	buf_add_cstr(s->out, "TOP\r\nUIDL\r\n");
	if (s->plaintext)
		buf_add_cstr(s->out, "USER\r\n");
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
