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
	s->env->ops->bind(s->env->be, s->spool, s);
	imap_session_set_state(s, IMAP_AUTH);
	imap_timer_set(s);
	log_info("client=%s, user=%s, login", log_esc(slice_cstr(s->host.peer)), log_esc(s->user));
	buf_add_cstr(&code, "CAPABILITY ");
	imap_capability_print(s, &code);
	r = imap_ok_code(s, buf_slice(&code), "Logged in");
	buf_free(&code);
	return r;
}

/* ERR_AGAIN: this client or account is slowed, or accountd is overloaded; it counts like a wrong password. */
static enum imap_run refused(struct imap_session *s, int r)
{
	struct login_args *a = s->cmd.args;

	if (r == ERR_DENIED || r == ERR_AGAIN) {
		log_info("client=%s, user=%s, login refused%s", log_esc(slice_cstr(s->host.peer)), log_esc(a->user),
		    r == ERR_AGAIN ? ": slowed" : "");
		if (++s->refused_logins >= IMAP_LOGINS_MAX) {
			imap_session_bye(s, "Too many refused logins");
			return RUN_DONE;
		}
	}
	return r == ERR_DENIED ? imap_no(s, "AUTHENTICATIONFAILED", "The name or the password is wrong") :
	    imap_no(s, "UNAVAILABLE", "Logins are not possible right now, try again later");
}

static enum imap_run on_login(struct imap_session *s, const struct imap_reply *rep)
{
	const struct account_logged_in *m = rep->m;
	struct spool_open open;

	if (rep->r != 0)
		return refused(s, rep->r);
	if (!keep(&s->user, m->user) || !keep(&s->token, m->token))
		return imap_fail(s, ERR_NOMEM);
	open = (struct spool_open){ .token = s->token };
	return imap_ask(s, spool_open_MSG, &open, on_open);
}

enum imap_run imap_run_login(struct imap_session *s)
{
	struct login_args *a = s->cmd.args;
	struct account_login m = { .user = a->user, .how = LOGIN_PASSWORD, .secret = a->password,
		.addr = slice_cstr(s->host.peer), .service = SLICE_LIT("imap") };
	enum imap_run r;

	if (!s->env->allow_plaintext_login || !s->host.loopback)
		return imap_no(s, "PRIVACYREQUIRED", "Logins without TLS are not taken here");
	r = imap_ask_login(s, &m, on_login);
	explicit_bzero((void *)(uintptr_t)a->password.p, a->password.len);
	a->password.len = 0;
	return r;
}
