/*
 * A session's beginning, end, clock, and its tie to the spool: which may go
 * away and come back under a living session. Then the spool's session is opened
 * again with the token of the login, and the mailbox selected again; what
 * changed meanwhile becomes ordinary news. While it is away no command is
 * begun; one that was being run is answered NO [UNAVAILABLE].
 */
#include "imapd/core.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* Sets the one timer to the first thing that is due; nothing is when it is over. */
void imap_timer_set(struct imap_session *s)
{
	uint64_t now = clock_mono_ms(), due = UINT64_MAX;

	if (s->over) {
		s->host->timer(s->ctx, 0);
		return;
	}
	if (s->state == IMAP_NOAUTH)
		due = s->started_ms + s->env->login_timeout_ms;
	if (s->lost && s->lost_ms + IMAP_BACKEND_WAIT_MS < due)
		due = s->lost_ms + IMAP_BACKEND_WAIT_MS;
	if (s->idle_ms != 0 && s->idle_ms + IMAP_IDLE_HELLO_MS < due)
		due = s->idle_ms + IMAP_IDLE_HELLO_MS;
	s->host->timer(s->ctx, due == UINT64_MAX ? 0 : due > now ? due - now : 1);
}

struct imap_session *imap_session_make(const struct imap_env *env, const struct imap_host *host)
{
	struct imap_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->env = env;
	s->host = host->ops;
	s->ctx = host->ctx;
	s->peer = host->peer;
	s->loopback = host->loopback;
	s->in = host->in;
	s->out = host->out;
	s->tls = host->tls;
	s->state = IMAP_NOAUTH;
	return s;
}

struct imap_session *imap_session_new(const struct imap_env *env, const struct imap_host *host)
{
	struct imap_session *s = imap_session_make(env, host);

	if (s == NULL)
		return NULL;
	s->started_ms = clock_mono_ms();
	imap_reader_init(&s->reader, IMAP_LINE_MAX_PREAUTH, IMAP_TEXT_MAX_PREAUTH, IMAP_LITERALS_MAX_PREAUTH);
	s->in->secret = s->reader.text.secret = true;   /* until there is a login one may be in any line */
	buf_add_cstr(s->out, "* OK [CAPABILITY ");
	imap_capability_print(s, s->out);
	buf_add_cstr(s->out, "] Pabal is ready\r\n");
	imap_timer_set(s);
	s->host->ran(s->ctx);
	return s;
}

static void spool_leave(struct imap_session *s)
{
	if (s->spool == 0)
		return;
	s->env->ops->event(s->env->be, spool_close_MSG, &(struct spool_close){ .session = s->spool });
	s->env->ops->bind(s->env->be, s->spool, NULL);
	s->spool = 0;
}

void imap_session_drop(struct imap_session *s)
{
	arena_free(&s->cmd.arena);
	view_close(&s->view);
	imap_reader_free(&s->reader);
	if (s->token.p != NULL)
		explicit_bzero((void *)(uintptr_t)s->token.p, s->token.len);
	free((void *)(uintptr_t)s->token.p);
	free((void *)(uintptr_t)s->user.p);
	free(s);
}

void imap_session_free(struct imap_session **sp)
{
	struct imap_session *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	s->over = true;         /* the end of a command sets no timer any more */
	imap_cmd_clear(s);
	if (s->reopen != NULL)
		s->env->ops->cancel(s->env->be, s->reopen);
	spool_leave(s);
	imap_session_drop(s);
}

void imap_unselect(struct imap_session *s)
{
	if (!view_is_open(&s->view))
		return;
	if (s->spool != 0)
		s->env->ops->event(s->env->be, spool_unselect_MSG, &(struct spool_unselect){ .session = s->spool });
	view_close(&s->view);
	imap_session_set_state(s, IMAP_AUTH);
}

void imap_session_eof(struct imap_session *s)
{
	s->eof = true;
	if (s->tls_state == TLS_HANDSHAKE)
		imap_session_bye(s, "The client left in the middle of the TLS handshake");
	imap_session_run(s);
}

void imap_session_timer(struct imap_session *s)
{
	uint64_t now = clock_mono_ms();

	if (s->over)
		return;
	if (s->state == IMAP_NOAUTH && now >= s->started_ms + s->env->login_timeout_ms) {
		imap_session_bye(s, "The time for the login is over");
		return;
	}
	if (s->lost && now >= s->lost_ms + IMAP_BACKEND_WAIT_MS) {
		imap_session_bye(s, "[UNAVAILABLE] The mail store is away, come back later");
		return;
	}
	if (s->idle_ms != 0 && now >= s->idle_ms + IMAP_IDLE_HELLO_MS) {
		if (buf_len(s->out) == 0)
			buf_add_cstr(s->out, "* OK Still here\r\n");
		s->idle_ms = now;
		s->host->ran(s->ctx);
	}
	imap_timer_set(s);
}

void imap_session_change(struct imap_session *s, const struct spool_change *ch)
{
	if (s->over || !view_is_open(&s->view))
		return;
	if (view_apply(&s->view, ch, ch->by_self && s->cmd.quiet) != 0) {
		imap_session_bye(s, "[UNAVAILABLE] The state of the mailbox was lost, connect again");
		return;
	}
	if (s->idle_ms != 0)
		imap_session_run(s);
}

/* ---- the spool goes and comes ------------------------------------------------------ */

void imap_session_lost(struct imap_session *s)
{
	if (s->spool != 0)
		s->env->ops->bind(s->env->be, s->spool, NULL);
	s->spool = 0;
	s->epoch++;
	if (s->over || (s->state & IMAP_LOGGED_IN) == 0)
		return;
	if (!s->lost)
		s->lost_ms = clock_mono_ms();
	s->lost = true;
	imap_timer_set(s);
}

static void reopen_failed(struct imap_session *s, int r)
{
	if (r == ERR_CLOSED)
		return;         /* it went again; imap_session_back() comes again */
	imap_session_bye(s, r == ERR_DENIED ? "The session has ended, log in again" :
	    "[UNAVAILABLE] The mailbox cannot be opened again, connect again");
}

static void reopened(struct imap_session *s)
{
	s->lost = false;
	imap_timer_set(s);
	imap_session_run(s);
}

static void on_reselected(void *ctx, const struct imap_reply *rep)
{
	struct imap_session *s = ctx;
	int r = rep->r;

	s->reopen = NULL;
	if (r == 0)
		r = view_resync(&s->view, rep->m, *rep->fd);
	if (r != 0)
		reopen_failed(s, r);
	else
		reopened(s);
}

/* Of a bare view: what was not missed need not be brought. */
static void on_counts(void *ctx, const struct imap_reply *rep)
{
	struct imap_session *s = ctx;
	struct spool_view m = { .session = s->spool, .mailbox = s->view.mailbox };

	s->reopen = NULL;
	if (rep->r != 0) {
		reopen_failed(s, rep->r);
	} else if (view_is_current(&s->view, rep->m)) {
		reopened(s);
	} else {
		s->reopen = s->env->ops->request(s->env->be, spool_view_MSG, &m, on_reselected, s);
		if (s->reopen == NULL)
			reopen_failed(s, ERR_NOMEM);
	}
}

static void on_reopened(void *ctx, const struct imap_reply *rep)
{
	struct imap_session *s = ctx;
	struct spool_select m;

	s->reopen = NULL;
	if (rep->r != 0) {
		reopen_failed(s, rep->r);
		return;
	}
	s->spool = (uint32_t)((const struct spool_ok *)rep->m)->value;
	s->env->ops->bind(s->env->be, s->spool, s->ctx);
	if (!view_is_open(&s->view)) {
		reopened(s);
		return;
	}
	m = (struct spool_select){ .session = s->spool, .name = s->view.name, .watch = 1, .counts = s->view.bare };
	s->reopen = s->env->ops->request(s->env->be, spool_select_MSG, &m, s->view.bare ? on_counts : on_reselected, s);
	if (s->reopen == NULL)
		reopen_failed(s, ERR_NOMEM);
}

void imap_session_back(struct imap_session *s)
{
	struct spool_open m = { .token = s->token };

	if (s->over || !s->lost || s->reopen != NULL)
		return;
	s->reopen = s->env->ops->request(s->env->be, spool_open_MSG, &m, on_reopened, s);
	if (s->reopen == NULL)
		reopen_failed(s, ERR_NOMEM);
}
