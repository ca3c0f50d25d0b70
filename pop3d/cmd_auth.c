/*
 * AUTH, RFC 5034 4:
 *	auth-command = "AUTH" SP sasl-mech *( SP initial-response ) CRLF *( base64 CRLF ) [ "*" CRLF ]
 *	initial-response = base64 / "="
 * with the challenges as "+ base64". AUTH alone lists the mechanisms, as clients older than CAPA expect. And what becomes
 * of a login, whichever command gathered it.
 */
#include "common/base/log.h"
#include "common/sasl/edge.h"
#include "pop3d/internal.h"

struct sasl_conf pop3_sasl_conf(const struct pop3_session *s)
{
	return sasl_edge_conf("pop3", s->addr, s->tls, pop3_may_log_in(s), s->env->oauth);
}

void pop3_login_forget(struct pop3_session *s)
{
	explicit_bzero(s->password_buf, sizeof(s->password_buf));
	s->question.secret = slice_of(NULL, 0);
	s->user = slice_of(NULL, 0);
	buf_free(&s->token);
	buf_free(&s->account);
}

void pop3_auth_end(struct pop3_session *s)
{
	sasl_free(&s->sasl);
	s->lines.max = POP3_LINE_MAX;
}

enum pop3_verdict pop3_login_failed(struct pop3_session *s, struct slice user, int r)
{
	if (r == ERR_DENIED) {
		pop3_err(s, "[AUTH] wrong user name or password");
		s->failed++;
	} else {
		pop3_err(s, "[SYS/TEMP] the mailbox cannot be opened now, try again later");
		s->slowed += r == ERR_AGAIN;
	}
	log_info("login failed: user=%s from=[%s] method=%s tls=%s why=%s", log_esc(user), s->addr, s->method,
	    s->tls != NULL ? s->tls->version : "no", r == ERR_DENIED ? "denied" : r == ERR_AGAIN ? "slowed" : "fault");
	pop3_login_forget(s);
	return s->failed >= POP3_LOGINS_MAX || s->slowed >= POP3_SLOWED_MAX ? POP3_CLOSE : POP3_STAY;
}

/* accountd let it in; user is what the client called itself. */
static enum pop3_verdict let_in(struct pop3_session *s, struct slice user, const struct account_logged_in *in)
{
	buf_add_slice(&s->account, in->user);
	buf_add_slice(&s->token, in->token);
	if (in->account == 0 || buf_err(&s->account) != 0 || buf_err(&s->token) != 0)
		return pop3_login_failed(s, user, ERR_IO);
	s->want = POP3_WANT_OPEN;
	return POP3_WAIT;
}

/* The exchange ended without a login. */
static enum pop3_verdict auth_failed(struct pop3_session *s)
{
	static const char *const texts[] = { [SASL_CANCELLED] = "the login was cancelled", [SASL_BAD_BASE64] = "that is no base64",
		[SASL_BAD_SYNTAX] = "that is no message of this mechanism", [SASL_TOO_LONG] = "a part of the message is too long",
		[SASL_TOO_MANY] = "too many lines" };
	enum sasl_failure why = sasl_failure(s->sasl);

	if (why == SASL_DENIED || why == SASL_SLOWED || why == SASL_FAULT)
		return pop3_login_failed(s, sasl_user(s->sasl), why == SASL_DENIED ? ERR_DENIED : why == SASL_SLOWED ? ERR_AGAIN : ERR_IO);
	pop3_err(s, "%s", texts[why]);
	return POP3_BAD;
}

static enum pop3_verdict auth_step(struct pop3_session *s, enum sasl_step step)
{
	enum pop3_verdict v = POP3_WAIT;

	switch (step) {
	case SASL_CHALLENGE:
		buf_add_cstr(s->out, "+ ");
		buf_add_slice(s->out, sasl_challenge(s->sasl));
		buf_add_cstr(s->out, "\r\n");
		return POP3_WAIT;
	case SASL_ASK:
		s->want = POP3_WANT_LOGIN;
		return POP3_WAIT;
	case SASL_OK:
		v = let_in(s, sasl_user(s->sasl), sasl_result(s->sasl));
		break;
	case SASL_FAILED:
		v = auth_failed(s);
		break;
	}
	pop3_auth_end(s);
	return v;
}

enum pop3_verdict pop3_auth_line(struct pop3_session *s, struct slice line)
{
	return auth_step(s, sasl_input(s->sasl, line));
}

enum pop3_verdict pop3_login_answer(struct pop3_session *s, int r, uint16_t type, const void *m)
{
	if (s->sasl != NULL)
		return auth_step(s, sasl_answer(s->sasl, r, type, m));
	explicit_bzero(s->password_buf, sizeof(s->password_buf));
	s->question.secret = slice_of(NULL, 0);
	if (r == 0 && type != account_logged_in_MSG)
		r = ERR_STATE;
	return r != 0 ? pop3_login_failed(s, s->user, r) : let_in(s, s->user, m);
}

static enum pop3_verdict auth_list(struct pop3_session *s)
{
	struct sasl_conf conf = pop3_sasl_conf(s);

	pop3_ok(s, "mechanisms");
	for (unsigned m = 0; m < SASL_COUNT && pop3_may_log_in(s); m++)
		if (sasl_offered(&conf, (enum sasl_mechanism)m))
			buf_addf(s->out, "%s\r\n", sasl_name((enum sasl_mechanism)m));
	buf_add_cstr(s->out, ".\r\n");
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_auth)
{
	struct slice text = slice_trim(args->text), mechanism, initial;
	ptrdiff_t sp = slice_chr(text, ' ');
	struct sasl_conf conf;
	enum sasl_step step;
	int r;

	if (text.len == 0)
		return auth_list(s);
	if (!pop3_may_log_in(s)) {
		pop3_err(s, "[AUTH] logins without encryption are not allowed on this connection");
		return POP3_STAY;
	}
	mechanism = slice_sub(text, 0, sp < 0 ? text.len : (size_t)sp);
	initial = slice_sub(text, mechanism.len + 1, SIZE_MAX);
	conf = pop3_sasl_conf(s);
	pop3_login_forget(s);
	r = sasl_start(&s->sasl, &conf, mechanism, initial, &step);
	if (r == ERR_NOMEM) {
		pop3_err(s, "[SYS/TEMP] out of memory, try again later");
		return POP3_STAY;
	}
	if (r != 0) {
		pop3_err(s, "[AUTH] this mechanism is not offered");
		return POP3_BAD;
	}
	s->method = sasl_mechanism_name(s->sasl);
	s->lines.max = POP3_SASL_LINE_MAX;
	return auth_step(s, step);
}
