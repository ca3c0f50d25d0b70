/*
 * login = "LOGIN" SP astring SP astring      RFC 3501 6.2.3
 *
 * accountd judges the password and gives a token; spoold opens its session for
 * that token. Which of name and password was wrong is not told.
 */
#include "imapd/commands.h"

#include <stdlib.h>

#include "common/base/log.h"

struct login_args {
	struct slice user, password;
};

int imap_parse_login(struct imap_session *s, struct imap_parse *p)
{
	struct login_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_astring(p, &a->user)) != 0 ||
	    (r = imap_take_sp(p)) != 0 || (r = imap_take_astring(p, &a->password)) != 0)
		return r;
	if (a->user.len > 1024 || a->password.len > 1024)
		return imap_why(p, "the name or the password is too long");
	return imap_take_end(p);
}

static bool keep(struct slice *to, struct slice from)
{
	uint8_t *p = malloc(from.len + 1);

	if (p == NULL)
		return false;
	if (from.len != 0)
		memcpy(p, from.p, from.len);
	free((void *)(uintptr_t)to->p);
	*to = slice_of(p, from.len);
	return true;
}

static enum imap_run on_open(struct imap_session *s, const struct imap_reply *rep)
{
	struct buf code = BUF_INIT(1024);
	enum imap_run r;

	if (rep->r != 0)
		return imap_fail(s, rep->r == ERR_DENIED ? ERR_TIMEOUT : rep->r);
	s->spool = (uint32_t)((const struct spool_ok *)rep->m)->value;
	s->env->ops->bind(s->env->be, s->spool, s->ctx);
	imap_session_set_state(s, IMAP_AUTH);
	imap_timer_set(s);
	buf_add_cstr(&code, "CAPABILITY ");
	imap_capability_print(s, &code);
	r = imap_ok_code(s, buf_slice(&code), "Logged in");
	buf_free(&code);
	return r;
}

static const char *tls_text(const struct imap_session *s)
{
	return s->tls != NULL ? s->tls->version : "no";
}

/* ERR_AGAIN: this client or account is slowed, or accountd is overloaded; it counts like a wrong password. */
enum imap_run imap_refused(struct imap_session *s, const char *method, struct slice user, int r)
{
	if (r == ERR_DENIED || r == ERR_AGAIN) {
		log_info("client=%s, user=%s, login refused%s, method=%s, tls=%s", log_esc(slice_cstr(s->peer)), log_esc(user),
		    r == ERR_AGAIN ? ": slowed" : "", method, tls_text(s));
		if (++s->refused_logins >= IMAP_LOGINS_MAX) {
			imap_session_bye(s, "Too many refused logins");
			return RUN_DONE;
		}
	}
	return r == ERR_DENIED ? imap_no(s, "AUTHENTICATIONFAILED", "The name or the password is wrong") :
	    imap_no(s, "UNAVAILABLE", "Logins are not possible right now, try again later");
}

enum imap_run imap_let_in(struct imap_session *s, const char *method, const struct account_logged_in *in)
{
	struct spool_open open;

	if (!keep(&s->user, in->user) || !keep(&s->token, in->token))
		return imap_fail(s, ERR_NOMEM);
	log_info("client=%s, user=%s, login, method=%s, tls=%s", log_esc(slice_cstr(s->peer)), log_esc(s->user), method,
	    tls_text(s));
	open = (struct spool_open){ .token = s->token };
	return imap_ask(s, spool_open_MSG, &open, on_open);
}

static enum imap_run on_login(struct imap_session *s, const struct imap_reply *rep)
{
	struct login_args *a = s->cmd.args;
	int r = rep->r;

	if (r == 0 && rep->type != account_logged_in_MSG)
		r = ERR_STATE;
	return r != 0 ? imap_refused(s, "LOGIN", a->user, r) : imap_let_in(s, "LOGIN", rep->m);
}

bool imap_may_log_in(const struct imap_session *s)
{
	return s->tls != NULL || (s->env->allow_plaintext_login && s->loopback);
}

enum imap_run imap_run_login(struct imap_session *s)
{
	struct login_args *a = s->cmd.args;
	struct account_login m = { .user = a->user, .how = LOGIN_PASSWORD, .secret = a->password,
		.addr = slice_cstr(s->peer), .service = SLICE_LIT("imap"), .tls = s->tls != NULL };

	if (!imap_may_log_in(s))
		return imap_no(s, "PRIVACYREQUIRED", "Logins without TLS are not taken here");
	return imap_ask_login(s, &m, on_login);
}
