/*
 * The loop of a session: lines from the framing layer, the table of commands,
 * the states of RFC 1939 3, and the answers from outside.
 */
#include "pop3d/session.h"

#include <string.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "pop3d/internal.h"

enum { LINE_FLOOD = 64 * 1024 };

static const struct { enum pop3_state from; unsigned to; } transitions[] = {
	{ POP3_ST_AUTH, POP3_ST_TRANSACTION | POP3_ST_CLOSED },
	{ POP3_ST_TRANSACTION, POP3_ST_UPDATE | POP3_ST_CLOSED },
	{ POP3_ST_UPDATE, POP3_ST_CLOSED },
};

static void session_set_state(struct pop3_session *s, enum pop3_state to)
{
	for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
		if (transitions[i].from == s->state && (transitions[i].to & to) != 0) {
			s->state = to;
			return;
		}
	}
	panic("pop3 session: state %d to %d", (int)s->state, (int)to);
}

static void session_close(struct pop3_session *s)
{
	session_set_state(s, POP3_ST_CLOSED);
	s->want = POP3_WANT_CLOSE;
	s->job = POP3_JOB_NONE;
}

struct pop3_session *pop3_session_new(const struct pop3_env *env, const struct pop3_client *client, struct buf *out)
{
	struct pop3_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (slice_to_cstr(slice_cstr(client->addr), s->addr, sizeof(s->addr)) != 0)
		s->addr[0] = '\0';
	s->env = env;
	s->out = out;
	s->plaintext = client->plaintext;
	s->state = POP3_ST_AUTH;
	s->want = client->implicit_tls ? POP3_WANT_TLS : POP3_WANT_INPUT;
	s->lines = LINE_READER_INIT(POP3_LINE_MAX);
	s->account = s->token = BUF_INIT_SECRET(1024);
	s->since_ms = s->start_ms = clock_mono_ms();
	return s;
}

void pop3_session_free(struct pop3_session **sp)
{
	struct pop3_session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	log_info("disconnect from [%s] user=%s quit=%s retr=%llu top=%llu bytes=%llu deleted=%llu commands=%llu", s->addr,
	    s->msgs != NULL ? log_esc(buf_slice(&s->account)) : "", s->quit_ok ? "yes" : "no", (unsigned long long)s->retrieved,
	    (unsigned long long)s->top, (unsigned long long)s->bytes, (unsigned long long)s->expunged,
	    (unsigned long long)s->commands);
	pop3_auth_end(s);
	pop3_login_forget(s);
	free(s->msgs);
	free(s);
}

/* ---- commands ------------------------------------------------------------------ */

static void bad(struct pop3_session *s)
{
	if (++s->bad < POP3_BAD_MAX)
		return;
	log_info("sent away [%s]: too many bad commands", s->addr);
	session_close(s);
}

static void update_begin(struct pop3_session *s)
{
	uint64_t n, size;

	session_set_state(s, POP3_ST_UPDATE);
	pop3_maildrop_total(s, &n, &size);
	if (n != s->msgs_n) {
		s->want = POP3_WANT_EXPUNGE;
		return;
	}
	pop3_ok(s, "goodbye");
	s->quit_ok = true;
	session_close(s);
}

static void session_verdict(struct pop3_session *s, enum pop3_verdict v)
{
	switch (v) {
	case POP3_STAY:
	case POP3_WAIT:
		break;
	case POP3_BAD:
		bad(s);
		break;
	case POP3_UPDATE:
		update_begin(s);
		break;
	case POP3_CLOSE:
		session_close(s);
		break;
	}
}

static enum pop3_verdict do_command(struct pop3_session *s, struct slice line)
{
	struct cursor c = cursor_of(line);
	const struct pop3_command *cmd = pop3_command_take(&c);
	enum pop3_verdict v = POP3_BAD;
	struct pop3_args args;
	int r;

	memset(&args, 0, sizeof(args));
	if (cmd == NULL) {
		pop3_err(s, "unknown command");
	} else if ((cmd->allowed & s->state) == 0) {
		pop3_err(s, s->state == POP3_ST_AUTH ? "log in first" : "you are logged in already");
	} else {
		r = cmd->parse(s, &c, &args);
		if (r == 0)
			v = cmd->act(s, &args);
		else if (r == ERR_NOTFOUND)
			v = POP3_STAY;
	}
	return v;
}

static void do_line(struct pop3_session *s, struct buf *in, struct slice line)
{
	session_verdict(s, s->sasl != NULL ? pop3_auth_line(s, line) : do_command(s, line));
	line_done(&s->lines, in);
	/* What stands behind STLS was not said under TLS: whoever put it there is not heard (RFC 2595 4). */
	if (s->want == POP3_WANT_TLS)
		buf_consume(in, buf_len(in));
}

static void bad_line(struct pop3_session *s, enum line_result res)
{
	pop3_err(s, "%s", res == LINE_TOO_LONG ? "line is too long" : res == LINE_NUL ? "NUL in a command" :
	    "lines must end with CR LF");
	pop3_auth_end(s);
	bad(s);
}

/* False: nothing more to do with what is in in. */
static bool command_step(struct pop3_session *s, struct buf *in)
{
	struct slice line, bytes = buf_slice(in);
	enum line_result res;

	if (!s->line_begun && bytes.len != 0 && s->sasl == NULL) {
		s->line_begun = true;
		if (!is_class(bytes.p[0], CC_ALPHA) && bytes.p[0] != '\r' && bytes.p[0] != '\n') {
			pop3_err(s, "this is a POP3 server");
			session_close(s);
			return true;
		}
	}
	res = line_next(&s->lines, in, &line);
	if (res == LINE_MORE) {
		if (s->lines.skipped > LINE_FLOOD) {
			pop3_err(s, "line is too long");
			session_close(s);
		}
		return s->state == POP3_ST_CLOSED;
	}
	s->line_begun = false;
	if (res == LINE_OK)
		do_line(s, in, line);
	else
		bad_line(s, res);
	s->since_ms = clock_mono_ms();
	return true;
}

/* ---- what the owner calls --------------------------------------------------------- */

enum pop3_want pop3_session_greet(struct pop3_session *s)
{
	if (s->want == POP3_WANT_TLS)
		return s->want;
	log_info("connect from [%s]", s->addr);
	pop3_ok(s, "%s POP3", s->env->hostname);
	s->greeted = true;
	s->commands = 0;
	return s->want;
}

static bool session_step(struct pop3_session *s, struct buf *in)
{
	if (buf_len(s->out) >= POP3_OUT_HIGH) {
		s->want = POP3_WANT_DRAIN;
		return true;
	}
	if (s->job == POP3_JOB_LIST || s->job == POP3_JOB_UIDL) {
		pop3_list_step(s);
		return true;
	}
	if (s->job != POP3_JOB_NONE) {
		s->want = POP3_WANT_BODY;
		return true;
	}
	if (s->env->stopping) {
		pop3_err(s, "[SYS/TEMP] the server is going down, try again later");
		session_close(s);
		return true;
	}
	return command_step(s, in);
}

enum pop3_want pop3_session_run(struct pop3_session *s, struct buf *in)
{
	bool more = true;

	in->secret = s->state == POP3_ST_AUTH;    /* until there is a login a secret may be in any line */
	if (s->want == POP3_WANT_TLS && s->env->stopping)
		session_close(s);
	if (s->want == POP3_WANT_DRAIN && buf_len(s->out) < POP3_OUT_HIGH) {
		s->want = POP3_WANT_INPUT;
		s->since_ms = clock_mono_ms();
	}
	while (more && s->want == POP3_WANT_INPUT)
		more = session_step(s, in);
	return s->want;
}

void pop3_session_lost(struct pop3_session *s)
{
	if (s->state != POP3_ST_CLOSED)
		log_info("lost connection from [%s]", s->addr);
}

uint64_t pop3_session_deadline(const struct pop3_session *s)
{
	if (s->want != POP3_WANT_INPUT && s->want != POP3_WANT_DRAIN && s->want != POP3_WANT_TLS)
		return 0;
	return s->state == POP3_ST_AUTH ? s->start_ms + s->env->login_ms : s->since_ms + s->env->idle_ms;
}

enum pop3_want pop3_session_timeout(struct pop3_session *s)
{
	if (s->want == POP3_WANT_INPUT || s->want == POP3_WANT_DRAIN || s->want == POP3_WANT_TLS) {
		log_info("timeout from [%s]", s->addr);
		session_close(s);
	}
	return s->want;
}

/* The answer that is due has come. */
static void want_taken(struct pop3_session *s, enum pop3_want want)
{
	if (s->want != want)
		panic("pop3 session: answer %d, wanted %d", (int)want, (int)s->want);
	s->want = POP3_WANT_INPUT;
	s->since_ms = clock_mono_ms();
}

/* ---- TLS and login ---------------------------------------------------------------------- */

enum pop3_want pop3_session_tls_started(struct pop3_session *s, const struct edge_tls *tls)
{
	want_taken(s, POP3_WANT_TLS);
	s->tls = tls;
	s->lines = LINE_READER_INIT(POP3_LINE_MAX);
	s->line_begun = false;
	pop3_login_forget(s);
	return s->greeted ? s->want : pop3_session_greet(s);
}

const struct account_login *pop3_session_question(const struct pop3_session *s)
{
	return s->sasl != NULL ? sasl_question(s->sasl) : &s->question;
}

void pop3_session_login_done(struct pop3_session *s, int r, uint16_t type, const void *m)
{
	want_taken(s, POP3_WANT_LOGIN);
	session_verdict(s, pop3_login_answer(s, r, type, m));
}

struct slice pop3_session_token(const struct pop3_session *s)
{
	return buf_slice(&s->token);
}

static int maildrop_fill(struct pop3_session *s, uint32_t uidvalidity, struct slice rows)
{
	size_t n = rows.len / SPOOL_ROW_SIZE;

	if (rows.len % SPOOL_ROW_SIZE != 0 || n > SPOOL_ROWS_MAX)
		return ERR_CORRUPT;
	s->msgs = calloc(n + 1, sizeof(*s->msgs));
	if (s->msgs == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = rows.p + i * SPOOL_ROW_SIZE;

		s->msgs[i].uid = get_le32(p);
		s->msgs[i].size = get_le64(p + 24);
		s->msgs[i].bodyid = get_le64(p + 40);
	}
	s->msgs_n = (uint32_t)n;
	s->uidvalidity = uidvalidity;
	return 0;
}

void pop3_session_open_done(struct pop3_session *s, int r, uint32_t uidvalidity, struct slice rows)
{
	struct slice user = buf_slice(&s->account);
	uint64_t n, size;

	want_taken(s, POP3_WANT_OPEN);
	buf_free(&s->token);
	if (r == 0 && (r = maildrop_fill(s, uidvalidity, rows)) != 0)
		log_warn("maildrop of %s: %s", log_esc(user), err_str(r));
	if (r != 0) {
		session_verdict(s, pop3_login_failed(s, user, ERR_IO));
		return;
	}
	session_set_state(s, POP3_ST_TRANSACTION);
	pop3_maildrop_total(s, &n, &size);
	log_info("login: user=%s from=[%s] method=%s tls=%s messages=%llu bytes=%llu", log_esc(user), s->addr, s->method,
	    s->tls != NULL ? s->tls->version : "no", (unsigned long long)n, (unsigned long long)size);
	pop3_ok(s, "%llu messages (%llu octets)", (unsigned long long)n, (unsigned long long)size);
}

/* ---- bodies ----------------------------------------------------------------------------- */

struct pop3_part pop3_session_part(const struct pop3_session *s)
{
	const struct pop3_msg *m = &s->msgs[s->job_msg - 1];

	return (struct pop3_part){ .uid = m->uid, .bodyid = m->bodyid, .off = s->transfer.off, .len = POP3_PART,
	    .size = m->size };
}

uint32_t pop3_session_ahead(const struct pop3_session *s, uint64_t bytes, struct spool_range *ranges, uint32_t max)
{
	uint64_t may = (uint64_t)s->in_order * POP3_AHEAD_EACH, left = bytes < may ? bytes : may;
	uint32_t n = 0, msgs = 0;
	bool joins = false;

	for (uint32_t i = s->job_msg - 1; s->transfer.off == 0 && i < s->msgs_n && msgs < POP3_AHEAD_MSGS; i++) {
		const struct pop3_msg *m = &s->msgs[i];

		if (m->deleted) {
			joins = false;
			continue;
		}
		if (m->size > left || (!joins && n == max))
			break;
		left -= m->size;
		if (!joins)
			ranges[n++].first = m->uid;
		ranges[n - 1].last = m->uid;
		joins = true;
		msgs++;
	}
	return msgs > 1 ? n : 0;
}

void pop3_session_body_done(struct pop3_session *s, int r, uint64_t size, struct slice bytes)
{
	want_taken(s, POP3_WANT_BODY);
	if (!pop3_transfer_part(s, r, size, bytes))
		session_close(s);
}

/* ---- QUIT ---------------------------------------------------------------------------------- */

uint32_t pop3_session_expunge(struct pop3_session *s, struct spool_range *ranges, uint32_t max)
{
	uint32_t n = 0, i = s->expunge_next;

	while (i < s->msgs_n) {
		if (!s->msgs[i].deleted) {
			i++;
			continue;
		}
		if (n == max)
			break;
		/* numbers that follow each other: the uids between them are those of nobody, now and for ever */
		ranges[n].first = s->msgs[i].uid;
		for (; i < s->msgs_n && s->msgs[i].deleted; i++) {
			ranges[n].last = s->msgs[i].uid;
			s->expunged++;
		}
		n++;
	}
	s->expunge_next = i;
	return n;
}

void pop3_session_expunge_done(struct pop3_session *s, int r)
{
	uint32_t i = s->expunge_next;

	want_taken(s, POP3_WANT_EXPUNGE);
	while (i < s->msgs_n && !s->msgs[i].deleted)
		i++;
	if (r == 0 && i < s->msgs_n) {
		s->want = POP3_WANT_EXPUNGE;
		return;
	}
	if (r == 0) {
		pop3_ok(s, "goodbye, %llu messages deleted", (unsigned long long)s->expunged);
		s->quit_ok = true;
	} else {
		/* RFC 1939 6: said, and the rest stays */
		pop3_err(s, "[SYS/TEMP] some deleted messages are not removed");
		s->expunged = 0;
	}
	session_close(s);
}

uint64_t pop3_session_commands(const struct pop3_session *s)
{
	return s->commands;
}
