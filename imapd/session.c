/*
 * The session's loop: reads a command, finds its row, checks what the row
 * demands, runs it step by step, tells news, answers. It alone decides when a
 * command is over and when the client is sent away.
 */
#include "imapd/core.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

bool imap_out_full(const struct imap_session *s)
{
	return buf_len(s->out) > IMAP_OUT_HIGH;
}

void imap_session_set_state(struct imap_session *s, enum imap_state state)
{
	bool ok = state == IMAP_LOGOUT || (s->state == IMAP_NOAUTH && state == IMAP_AUTH) ||
	    ((s->state & IMAP_LOGGED_IN) != 0 && (state & IMAP_LOGGED_IN) != 0);

	if (!ok)
		panic("imap session: from state %d to %d", s->state, state);
	s->state = state;
	if (state == IMAP_AUTH) {
		static const struct edge_tls some = { .version = "", .cipher = "", .sni = "", .external = "" };

		s->tls = s->tls != NULL ? &some : NULL;
		s->in->secret = s->reader.text.secret = false;
		s->reader.line.max = IMAP_LINE_MAX;
		s->reader.text_max = IMAP_TEXT_MAX;
		s->reader.literals_max = IMAP_LITERALS_MAX;
	}
}

static void session_over(struct imap_session *s, bool abort)
{
	if (s->over)
		return;
	s->over = true;
	s->state = IMAP_LOGOUT;
	s->host->over(s->ctx, abort);
}

void imap_session_bye(struct imap_session *s, const char *text)
{
	if (s->over)
		return;
	log_info("client=%s, user=%s, bye: %s", log_esc(slice_cstr(s->peer)), log_esc(s->user), text);
	if (s->tls_state == TLS_HANDSHAKE) {    /* nothing can be said now */
		session_over(s, true);
		return;
	}
	buf_addf(s->out, "* BYE %s\r\n", text);
	s->host->ran(s->ctx);
	session_over(s, false);
}

static const char stop_text[] = "The server is being stopped, connect again";

/* ---- commands ------------------------------------------------------------------- */

void imap_cmd_clear(struct imap_session *s)
{
	if (s->cmd.request != NULL)
		s->env->ops->cancel(s->env->be, s->cmd.request);
	if (s->cmd.cleanup != NULL)
		s->cmd.cleanup(s);
	arena_free(&s->cmd.arena);
	memset(&s->cmd, 0, sizeof(s->cmd));
}

bool imap_cmd_new(struct imap_session *s, struct slice text, struct imap_parse *p)
{
	memset(&s->cmd, 0, sizeof(s->cmd));
	memset(p, 0, sizeof(*p));
	if ((s->cmd.arena = arena_new(IMAP_ARENA_MAX)) == NULL)
		return false;
	if (s->state == IMAP_NOAUTH)
		arena_set_secret(s->cmd.arena);
	text = arena_dup(s->cmd.arena, text);
	if (text.p == NULL) {
		arena_free(&s->cmd.arena);
		return false;
	}
	p->arena = s->cmd.arena;
	p->cur = cursor_of(text);
	s->cmd.tag = SLICE_LIT("*");
	return true;
}

static enum imap_run finish_step(struct imap_session *s);

/* What stands behind STARTTLS was not said under TLS: whoever put it there is not heard (RFC 9051 6.2.1). */
static void start_tls(struct imap_session *s)
{
	buf_consume(s->in, buf_len(s->in));
	s->tls_state = TLS_HANDSHAKE;
	s->host->start_tls(s->ctx);
}

void imap_session_tls_started(struct imap_session *s, const struct edge_tls *tls)
{
	s->tls = tls;
	s->tls_state = TLS_NOT_ASKED;
	imap_session_run(s);
}

/* The verb behind the tag: its row, or a verdict. */
static const struct imap_command *find_command(struct imap_session *s, struct imap_parse *p)
{
	const struct imap_command *def;
	struct slice name;
	bool uid = false;

	if (imap_take_sp(p) != 0 || imap_take_atom(p, &name) != 0) {
		imap_bad(s, "A command is missing");
		return NULL;
	}
	if (slice_ieq_cstr(name, "UID")) {
		uid = true;
		if (imap_take_sp(p) != 0 || imap_take_atom(p, &name) != 0) {
			imap_bad(s, "UID stands before a command");
			return NULL;
		}
	}
	if ((def = imap_command_find(name, uid)) == NULL) {
		imap_bad(s, "There is no such command");
		return NULL;
	}
	if ((def->states & (unsigned)s->state) == 0) {
		imap_bad(s, s->state == IMAP_NOAUTH ? "Log in first" :
		    s->state == IMAP_SELECTED ? "Not after a login" : (def->states & IMAP_NOAUTH) != 0 ?
		    "There was a login already" : "Select a mailbox first");
		return NULL;
	}
	return def;
}

void imap_cmd_begin(struct imap_session *s, struct slice text)
{
	const struct imap_command *def;
	struct imap_parse p;
	int r;

	if (!imap_cmd_new(s, text, &p)) {
		imap_session_bye(s, "[UNAVAILABLE] The server is out of memory");
		return;
	}
	s->cmd.step = finish_step;
	if (imap_take_tag(&p, &s->cmd.tag) != 0) {
		s->cmd.tag = SLICE_LIT("*");
		imap_bad(s, "A tag is missing");
		return;
	}
	if ((def = find_command(s, &p)) == NULL)
		return;
	if ((r = def->parse(s, &p)) == ERR_NOMEM || r == ERR_LIMIT)
		imap_no(s, "LIMIT", "The command is too large");
	else if (r != 0)
		imap_bad(s, p.why != NULL ? p.why : "The arguments are wrong");
	else if ((def->flags & CMD_WRITE) != 0 && s->view.read_only)
		imap_no(s, NULL, "The mailbox is open read-only");
	else
		s->cmd.step = def->run;
	s->cmd.def = def;
}

static void count_errors(struct imap_session *s)
{
	if (s->cmd.verdict != IMAP_BAD) {
		s->errors = 0;
		return;
	}
	s->errors++;
	if (s->errors >= (s->state == IMAP_NOAUTH ? IMAP_ERRORS_MAX_PREAUTH : IMAP_ERRORS_MAX))
		imap_session_bye(s, "Too many bad commands");
}

/* News, then the tagged answer. */
static enum imap_run finish_step(struct imap_session *s)
{
	static const char *const words[] = { "OK", "NO", "BAD" };
	const struct imap_command *def = s->cmd.def;
	struct imap_cmd *c = &s->cmd;
	bool out = s->state == IMAP_LOGOUT;

	if (view_is_open(&s->view) && def != NULL && c->verdict != IMAP_BAD && (def->flags & CMD_NO_SYNC) == 0 &&
	    view_sync(&s->view, s->out, (def->flags & CMD_EXPUNGE) != 0, (def->flags & CMD_UID) != 0))
		return RUN_AGAIN;
	buf_add_slice(s->out, c->tag);
	buf_addf(s->out, " %s ", words[c->verdict]);
	if (c->code.len != 0) {
		buf_add_byte(s->out, '[');
		buf_add_slice(s->out, c->code);
		buf_add_cstr(s->out, "] ");
	}
	buf_addf(s->out, "%s\r\n", c->text != NULL ? c->text : "Done");
	count_errors(s);
	imap_cmd_clear(s);
	if (s->tls_state == TLS_ASKED)
		start_tls(s);
	else if (out)
		session_over(s, false);
	else if (view_is_open(&s->view) && s->view.mailbox_gone)
		imap_session_bye(s, "The selected mailbox was deleted");
	return RUN_DONE;
}

/* True: go on at once. */
static bool cmd_result(struct imap_session *s, enum imap_run r)
{
	s->cmd.input = r == RUN_INPUT;
	switch (r) {
	case RUN_DONE:
		if (s->cmd.arena != NULL)
			s->cmd.step = finish_step;
		return true;
	case RUN_AGAIN:
		return true;
	case RUN_YIELD:
		s->host->again(s->ctx);
		return false;
	case RUN_INPUT:
		if (s->eof)
			session_over(s, false);
		else if (s->stop)
			imap_session_bye(s, stop_text);
		return false;
	case RUN_WAIT:
		return false;
	case RUN_ABORT:
		log_info("client=%s, user=%s, disconnected: an answer could not be finished",
		    log_esc(slice_cstr(s->peer)), log_esc(s->user));
		session_over(s, true);
		return false;
	}
	return false;
}

void imap_cmd_answered(struct imap_session *s, const struct imap_reply *rep)
{
	enum imap_run r;

	s->cmd.request = NULL;
	r = s->cmd.handler(s, rep);
	if (s->over)
		return;
	if (cmd_result(s, r) || r == RUN_INPUT)
		imap_session_run(s);
	else
		s->host->ran(s->ctx);
}

static void on_reply(void *ctx, const struct imap_reply *rep)
{
	imap_cmd_answered(ctx, rep);
}

enum imap_run imap_ask(struct imap_session *s, uint16_t type, const void *m, imap_handler_fn *handler)
{
	if (s->lost)    /* a number of a session that is no more is never sent to the new spoold */
		return handler(s, &(struct imap_reply){ .r = ERR_CLOSED, .fd = &(int){ -1 } });
	s->cmd.handler = handler;
	s->cmd.request = s->env->ops->request(s->env->be, type, m, on_reply, s);
	return s->cmd.request != NULL ? RUN_WAIT : imap_fail(s, ERR_NOMEM);
}

enum imap_run imap_ask_login(struct imap_session *s, const struct account_login *m, imap_handler_fn *handler)
{
	s->cmd.handler = handler;
	s->cmd.request = s->env->ops->login(s->env->be, m, on_reply, s);
	return s->cmd.request != NULL ? RUN_WAIT : imap_fail(s, ERR_NOMEM);
}

/* ---- rows of a bare view ---------------------------------------------------------- */

/* The command needs them, or there is news that only they can tell. */
static bool wants_rows(const struct imap_session *s)
{
	const struct imap_command *def = s->cmd.def;

	if (!view_is_open(&s->view) || !s->view.bare || s->cmd.no_rows || def == NULL || s->cmd.verdict != IMAP_OK)
		return false;
	return (def->flags & CMD_ROWS) != 0 || (view_wants_rows(&s->view) && (def->flags & CMD_NO_SYNC) == 0);
}

static enum imap_run on_rows(struct imap_session *s, const struct imap_reply *rep)
{
	int r = rep->r;

	if (r == 0 && view_load(&s->view, rep->m, *rep->fd) != 0) {
		imap_session_bye(s, "[UNAVAILABLE] The state of the mailbox was lost, connect again");
		return RUN_DONE;
	}
	if (r == 0)
		return RUN_AGAIN;
	s->cmd.no_rows = true;
	return (s->cmd.def->flags & CMD_ROWS) != 0 ? imap_fail(s, r) : RUN_AGAIN;
}

static enum imap_run rows_ask(struct imap_session *s)
{
	struct spool_view m = { .session = s->spool, .mailbox = s->view.mailbox };

	return imap_ask(s, spool_view_MSG, &m, on_rows);
}

/* ---- input ---------------------------------------------------------------------- */

static void put_tag_of(struct imap_session *s, struct slice text)
{
	struct imap_parse p = { .cur = cursor_of(text) };
	struct slice tag;

	if (imap_take_tag(&p, &tag) == 0)
		buf_add_slice(s->out, tag);
	else
		buf_add_byte(s->out, '*');
}

void imap_refuse_literal(struct imap_session *s, const char *answer)
{
	bool hopeless = !s->reader.lit_sync && s->reader.lit_size > s->env->literal_max;

	put_tag_of(s, s->reader.cmd);
	buf_addf(s->out, " %s\r\n", answer);
	imap_reader_refuse(&s->reader);
	s->errors++;
	if (hopeless)
		imap_session_bye(s, "[TOOBIG] A literal is larger than what is taken");
	else if (s->errors >= IMAP_ERRORS_MAX || (s->state == IMAP_NOAUTH && s->errors >= IMAP_ERRORS_MAX_PREAUTH))
		imap_session_bye(s, "Too many bad commands");
}

static bool on_literal(struct imap_session *s)
{
	if (imap_append_begin(s, s->reader.cmd))
		return true;
	if (!imap_reader_fits(&s->reader)) {
		imap_refuse_literal(s, "BAD [TOOBIG] The literals of a command are limited");
		return true;
	}
	imap_reader_accept(&s->reader);
	if (s->reader.lit_sync)
		buf_add_cstr(s->out, "+ Ready for literal\r\n");
	return true;
}

static bool on_bad_line(struct imap_session *s)
{
	put_tag_of(s, s->reader.cmd);
	buf_addf(s->out, " BAD %s\r\n", s->reader.why);
	imap_reader_done(&s->reader, s->in);
	if (++s->errors >= (s->state == IMAP_NOAUTH ? IMAP_ERRORS_MAX_PREAUTH : IMAP_ERRORS_MAX))
		imap_session_bye(s, "Too many bad commands");
	return true;
}

static bool read_next(struct imap_session *s)
{
	switch (imap_reader_next(&s->reader, s->in)) {
	case IMAP_READ_MORE:
		if (s->eof)
			session_over(s, false);
		return false;
	case IMAP_READ_COMMAND:
		imap_cmd_begin(s, s->reader.cmd);
		imap_reader_done(&s->reader, s->in);
		return true;
	case IMAP_READ_LITERAL:
		return on_literal(s);
	case IMAP_READ_BAD:
		return on_bad_line(s);
	case IMAP_READ_DATA:
	case IMAP_READ_TOO_LONG:
		break;
	}
	imap_session_bye(s, "A command is too long");
	return false;
}

void imap_session_stop(struct imap_session *s)
{
	s->stop = true;
	if (s->cmd.arena == NULL || s->cmd.input)
		imap_session_bye(s, stop_text);
}

static bool session_step(struct imap_session *s)
{
	if (buf_err(s->out) != 0) {
		session_over(s, true);
		return false;
	}
	if (imap_out_full(s) || s->tls_state == TLS_HANDSHAKE)
		return false;
	if (s->cmd.arena != NULL)
		return s->cmd.request == NULL && cmd_result(s, wants_rows(s) ? rows_ask(s) : s->cmd.step(s));
	if (s->stop) {
		imap_session_bye(s, stop_text);
		return false;
	}
	return !s->lost && read_next(s);
}

void imap_session_run(struct imap_session *s)
{
	if (s->running || s->over)
		return;
	s->running = true;
	while (!s->over && session_step(s))
		;
	s->running = false;
	s->host->ran(s->ctx);
}

bool imap_session_logged_in(const struct imap_session *s)
{
	return (s->state & IMAP_LOGGED_IN) != 0;
}

bool imap_session_reading(const struct imap_session *s)
{
	return !s->over && !s->lost && s->cmd.request == NULL && !imap_out_full(s) && s->tls_state != TLS_HANDSHAKE;
}
