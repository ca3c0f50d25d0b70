/*
 * The loop of a session: takes lines and content from the framing layer, checks
 * states and flags against the table of verbs, runs the handler, and alone
 * begins and ends the transaction, from the handler's verdict.
 */
#include "smtpd/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "smtpd/internal.h"

enum {
	SESSION_ARENA_MAX = 8192,
	TX_ARENA_BASE = 16 * 1024,
	TX_ARENA_RCPT = sizeof(struct smtp_rcpt) + sizeof(struct spool_rcpt_in) + MAIL_PATH_MAX + 64,
	LINE_FLOOD = 64 * 1024,          /* of a line that never ends */
	CONTENT_RATE = 500,              /* bytes a second, conf.h: smtp_data_timeout */
};

/* ---- the state --------------------------------------------------------------- */

static const struct { enum smtp_state from; unsigned to; } transitions[] = {
	{ SMTP_ST_NEW, SMTP_ST_GREETED | SMTP_ST_CLOSED },
	{ SMTP_ST_GREETED, SMTP_ST_GREETED | SMTP_ST_READY | SMTP_ST_CLOSED },
	{ SMTP_ST_READY, SMTP_ST_GREETED | SMTP_ST_READY | SMTP_ST_AUTH | SMTP_ST_TX | SMTP_ST_CLOSED },
	{ SMTP_ST_AUTH, SMTP_ST_AUTH | SMTP_ST_READY | SMTP_ST_CLOSED },
	{ SMTP_ST_TX, SMTP_ST_GREETED | SMTP_ST_READY | SMTP_ST_CONTENT | SMTP_ST_CLOSED },
	{ SMTP_ST_CONTENT, SMTP_ST_READY | SMTP_ST_CLOSED },
};

static void session_set_state(struct smtp_session *s, enum smtp_state to)
{
	for (size_t i = 0; i < ARRAY_LEN(transitions); i++) {
		if (transitions[i].from == s->state && (transitions[i].to & to) != 0) {
			s->state = to;
			return;
		}
	}
	panic("smtp session: state %d to %d", (int)s->state, (int)to);
}

static void make_id(char *dst, size_t size)
{
	uint8_t b[6];

	random_fill(b, sizeof(b));
	(void)snprintf(dst, size, "%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

/* The transaction, or what becomes it when the sender may send. */
static int tx_begin(struct smtp_session *s, const struct smtp_mail_args *args, struct smtp_tx **tx_r)
{
	struct arena *a = arena_new(TX_ARENA_BASE + (size_t)s->env->rcpt_limit * TX_ARENA_RCPT);
	struct smtp_tx *tx = a != NULL ? arena_alloc(a, sizeof(*tx)) : NULL;

	if (tx == NULL || mail_path_canonical(&args->path, a, &tx->sender) != 0) {
		arena_free(&a);
		return ERR_NOMEM;
	}
	tx->arena = a;
	tx->size = args->size;
	tx->body = args->body;
	STAILQ_INIT(&tx->rcpts);
	make_id(tx->id, sizeof(tx->id));
	*tx_r = tx;
	return 0;
}

static void tx_free(struct smtp_tx **tx)
{
	struct arena *a;

	if (*tx == NULL)
		return;
	if ((*tx)->content != NULL)
		smtp_content_free((*tx)->content);
	a = (*tx)->arena;
	*tx = NULL;
	arena_free(&a);
}

static void tx_end(struct smtp_session *s)
{
	tx_free(&s->tx);
	tx_free(&s->candidate);
}

struct smtp_session *smtp_session_new(const struct smtp_env *env, const struct smtp_client *client, struct buf *out)
{
	struct smtp_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->arena = arena_new(SESSION_ARENA_MAX);
	if (s->arena != NULL)
		s->client.addr = arena_cstr(s->arena, slice_cstr(client->addr));
	if (s->arena == NULL || s->client.addr == NULL) {
		arena_free(&s->arena);
		free(s);
		return NULL;
	}
	s->env = env;
	s->out = out;
	s->client.relay = client->relay;
	s->client.submission = client->submission;
	s->client.implicit_tls = client->implicit_tls;
	s->client.loopback = client->loopback;
	s->want = client->implicit_tls ? SMTP_WANT_TLS : SMTP_WANT_INPUT;
	(void)snprintf(s->client_text, sizeof(s->client_text), "unknown[%s]", client->addr);
	s->state = SMTP_ST_NEW;
	s->lines = LINE_READER_INIT(client->submission ? SMTP_LINE_LONG : SMTP_LINE_MAX);
	s->since_ms = s->start_ms = clock_mono_ms();
	log_info("connect from %s", s->client_text);
	return s;
}

static void log_counts(const struct smtp_session *s)
{
	struct buf b = BUF_INIT(2048);
	uint32_t ok = 0, total = 0;

	for (unsigned i = 0; i <= smtp_verbs_n; i++) {
		const struct smtp_count *n = &s->counts[i];

		if (n->total == 0)
			continue;
		buf_addf(&b, " %s=%u", i < smtp_verbs_n ? smtp_verbs[i].name : "unknown", n->ok);
		if (n->ok != n->total)
			buf_addf(&b, "/%u", n->total);
		ok += n->ok;
		total += n->total;
	}
	buf_addf(&b, " commands=%u", ok);
	if (ok != total)
		buf_addf(&b, "/%u", total);
	if (buf_err(&b) == 0) {
		for (size_t i = b.off; i < b.len; i++)
			b.p[i] = ascii_lower(b.p[i]);
		log_info("disconnect from %s messages=%llu%.*s", s->client_text,
		    (unsigned long long)s->accepted, SLICE_ARG(buf_slice(&b)));
	}
	buf_free(&b);
}

void smtp_session_free(struct smtp_session **sp)
{
	struct smtp_session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	log_counts(s);
	smtp_auth_end(s);
	tx_end(s);
	arena_free(&s->arena);
	free(s);
}

const char *smtp_session_proto(const struct smtp_session *s)
{
	static const char *const names[] = { "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" };

	return s->esmtp ? names[(s->tls.version != NULL ? 1 : 0) + (s->user != NULL ? 2 : 0)] : "SMTP";
}

void smtp_log_login(const struct smtp_session *s, struct buf *b)
{
	if (s->user != NULL)
		buf_addf(b, ", sasl_method=%s, sasl_username=%s", s->mechanism, log_esc(slice_cstr(s->user)));
}

void smtp_log_tls(const struct smtp_session *s, struct buf *b)
{
	if (s->tls.version != NULL)
		buf_addf(b, ", tls=%s/%s", s->tls.version, s->tls.cipher);
}

/* ---- replies -------------------------------------------------------------------- */

/* The text of a refusal is ours and holds of the peer's only what a parser let through: printable. */
static void log_reject(struct smtp_session *s, const struct smtp_reply *reply)
{
	struct buf b = BUF_INIT(2048);

	if (s->candidate != NULL)
		buf_addf(&b, " from=<%s>", smtp_log_text(s->candidate->sender));
	if (s->tx != NULL) {
		buf_addf(&b, " from=<%s>", smtp_log_text(s->tx->sender));
		if (s->tx->asked != NULL && s->tx->asked->addr.len != 0 && s->verb != NULL && s->verb->act == smtp_act_rcpt)
			buf_addf(&b, " to=<%s>", smtp_log_text(s->tx->asked->addr));
	}
	log_info("NOQUEUE: reject: %s from %s: %u %s %s;%.*s proto=%s helo=<%s>", s->verb != NULL ? s->verb->name : "UNKNOWN",
	    s->client_text, reply->code, reply->enh, reply->text,
	    SLICE_ARG(buf_slice(&b)), smtp_session_proto(s), s->helo);
	buf_free(&b);
}

static void send_reply(struct smtp_session *s, const struct smtp_reply *reply)
{
	struct smtp_count *n = &s->counts[s->verb != NULL ? (size_t)(s->verb - smtp_verbs) : smtp_verbs_n];

	smtp_reply_print(s->out, reply);
	s->since_ms = clock_mono_ms();
	if (reply->code == 354)
		return;    /* DATA is answered at the end of the content */
	s->commands++;
	n->total++;
	if (reply->code < 400) {
		n->ok++;
		return;
	}
	/* a refused login has its line already */
	if (reply->code != 535 && !(reply->code == 454 && s->verb != NULL && s->verb->act == smtp_act_auth))
		log_reject(s, reply);
	if (reply->code >= 500)
		s->errors++;
}

static void session_close(struct smtp_session *s)
{
	smtp_auth_end(s);
	tx_end(s);
	session_set_state(s, SMTP_ST_CLOSED);
	s->want = SMTP_WANT_CLOSE;
}

/* 421 or 5xx that is no answer to a command, and the end. */
static void send_away(struct smtp_session *s, unsigned code, const char *enh, const char *text)
{
	struct smtp_reply reply;

	smtp_reply_set(&reply, code, enh, "%s %s", s->env->hostname, text);
	smtp_reply_print(s->out, &reply);
	session_close(s);
	log_info("sent away %s: %u %s %s", s->client_text, code, enh, text);
}

/* ---- verdicts -------------------------------------------------------------------- */

void smtp_session_apply(struct smtp_session *s, enum smtp_verdict v, const union smtp_args *args,
    struct smtp_reply *reply)
{
	int r;

	switch (v) {
	case SMTP_STAY:
		break;
	case SMTP_WAIT:
		return;
	case SMTP_HELLO:
		tx_end(s);
		session_set_state(s, SMTP_ST_READY);
		break;
	case SMTP_TX_BEGIN:
	case SMTP_TX_ASK:
		r = tx_begin(s, &args->mail, v == SMTP_TX_ASK ? &s->candidate : &s->tx);
		if (r != 0) {
			smtp_reply_set(reply, 452, "4.3.1", "Not enough memory, try again later");
		} else if (v == SMTP_TX_ASK) {
			s->want = SMTP_WANT_SENDER;
			return;
		} else {
			session_set_state(s, SMTP_ST_TX);
		}
		break;
	case SMTP_CONTENT_BEGIN:
		r = smtp_data_begin(s);
		if (r == 0) {
			session_set_state(s, SMTP_ST_CONTENT);
			s->content_ms = clock_mono_ms();
			break;
		}
		smtp_reply_set(reply, 452, "4.3.1", "Not enough memory, try again later");
		v = SMTP_TX_END;
		break;
	case SMTP_TX_TAKE:
		s->tx = s->candidate;
		s->candidate = NULL;
		session_set_state(s, SMTP_ST_TX);
		break;
	case SMTP_CHALLENGE:
		session_set_state(s, SMTP_ST_AUTH);
		s->since_ms = clock_mono_ms();
		return;
	case SMTP_AUTH_END:
		session_set_state(s, SMTP_ST_READY);
		break;
	case SMTP_TX_END:
	case SMTP_TLS:
	case SMTP_CLOSE:
		break;
	}
	send_reply(s, reply);
	if (v == SMTP_TLS) {
		tx_end(s);
		session_set_state(s, SMTP_ST_GREETED);
		s->want = SMTP_WANT_TLS;
	}
	if (v == SMTP_TX_END && (s->tx != NULL || s->candidate != NULL)) {
		tx_end(s);
		session_set_state(s, SMTP_ST_READY);
	}
	if (v == SMTP_CLOSE)
		session_close(s);
	else if (v == SMTP_AUTH_END && smtp_auth_over_limit(s))
		send_away(s, 421, "4.7.0", "too many failed logins");
}

void smtp_session_check_limits(struct smtp_session *s)
{
	if (s->state == SMTP_ST_CLOSED || s->state == SMTP_ST_AUTH || s->want != SMTP_WANT_INPUT)
		return;    /* an answer is due first */
	if (s->errors >= s->env->error_limit)
		send_away(s, 421, "4.7.0", "too many errors");
	else if (s->junk >= s->env->junk_limit)
		send_away(s, 421, "4.7.0", "too many commands without mail");
}

/* ---- commands --------------------------------------------------------------------- */

static void do_verb(struct smtp_session *s, const struct smtp_verb *v, struct cursor *c)
{
	struct smtp_caps caps = { .esmtp = s->esmtp, .auth = s->client.submission, .size_limit = s->env->size_limit };
	union smtp_args args;
	struct smtp_reply reply = { .code = 0 };

	memset(&args, 0, sizeof(args));
	if (s->client.submission && s->user == NULL && (v->flags & SMTP_V_OPEN) == 0)
		smtp_reply_set(&reply, 530, "5.7.0", "%s", smtp_auth_allowed(s) ? "Authentication required" :
		    "Must issue a STARTTLS command first");
	else if ((v->allowed & s->state) == 0)
		smtp_reply_set(&reply, 503, "5.5.1", "%s", v->need != NULL ? v->need : "Bad sequence of commands");
	else if (v->parse(c, &caps, &args, &reply) == 0) {
		smtp_session_apply(s, v->act(s, &args, &reply), &args, &reply);
		return;
	}
	smtp_session_apply(s, SMTP_STAY, &args, &reply);
}

static void do_bad_line(struct smtp_session *s, enum line_result res)
{
	struct smtp_reply reply;
	const char *text = res == LINE_TOO_LONG ? "Line is too long" :
	    res == LINE_NUL ? "NUL in a command" : "Lines must end with CR LF";

	s->verb = NULL;
	smtp_reply_set(&reply, 500, "5.5.2", "%s", text);
	smtp_session_apply(s, SMTP_STAY, NULL, &reply);
}

static void do_line(struct smtp_session *s, struct slice line, bool more_behind)
{
	struct cursor c = cursor_of(line);
	struct smtp_reply reply;

	s->verb = smtp_verb_take(&c);
	if (s->verb == NULL) {
		smtp_reply_set(&reply, 500, line.len != 0 ? "5.5.1" : "5.5.2", "%s",
		    line.len != 0 ? "Command not recognized" : "Empty command");
		smtp_session_apply(s, SMTP_STAY, NULL, &reply);
	} else if (line.len + 2 > SMTP_LINE_MAX && (s->verb->flags & SMTP_V_LONG) == 0) {
		do_bad_line(s, LINE_TOO_LONG);
	} else if ((s->verb->flags & SMTP_V_DROP) != 0) {
		send_away(s, 521, "5.7.0", "does not speak this protocol");
	} else if ((s->verb->flags & SMTP_V_LAST) != 0 && more_behind) {
		/* RFC 2920 3.1; what comes behind may be content or commands, nobody can tell */
		send_away(s, 554, "5.5.0", "commands were pipelined without leave");
	} else {
		if ((s->verb->flags & SMTP_V_JUNK) != 0)
			s->junk++;
		do_verb(s, s->verb, &c);
	}
}

/* False: nothing more to do with what is in in. */
static bool command_step(struct smtp_session *s, struct buf *in)
{
	struct slice line, bytes = buf_slice(in);
	enum line_result res;

	if (!s->line_begun && bytes.len != 0) {
		s->line_begun = true;
		if (!is_class(bytes.p[0], CC_ALPHA) && bytes.p[0] != '\r' && bytes.p[0] != '\n') {
			send_away(s, 521, "5.7.0", "does not speak this protocol");
			return true;
		}
	}
	res = line_next(&s->lines, in, &line);
	if (res == LINE_MORE) {
		if (s->lines.skipped > LINE_FLOOD)
			send_away(s, 421, "4.7.0", "line is too long");
		return s->state == SMTP_ST_CLOSED;
	}
	s->line_begun = false;
	if (res == LINE_OK) {
		do_line(s, line, buf_len(in) > line.len + 2);
		line_done(&s->lines, in);
	} else {
		do_bad_line(s, res);
	}
	smtp_session_check_limits(s);
	return true;
}

/* The same within an exchange of AUTH: any byte may begin a line. */
static bool auth_step(struct smtp_session *s, struct buf *in)
{
	struct smtp_reply reply;
	struct slice line;
	enum line_result res = line_next(&s->lines, in, &line);
	enum smtp_verdict v;

	if (res == LINE_MORE) {
		if (s->lines.skipped > LINE_FLOOD)
			send_away(s, 421, "4.7.0", "line is too long");
		return s->state == SMTP_ST_CLOSED;
	}
	if (res == LINE_OK) {
		v = smtp_auth_line(s, line, &reply);
		line_done(&s->lines, in);
	} else {
		v = smtp_auth_bad_line(s, res == LINE_TOO_LONG, &reply);
	}
	smtp_session_apply(s, v, NULL, &reply);
	smtp_session_check_limits(s);
	return true;
}

/* ---- content ------------------------------------------------------------------------ */

static bool content_step(struct smtp_session *s, struct buf *in)
{
	struct smtp_reply reply;
	size_t before = buf_len(in);
	enum smtp_content_state state = smtp_content_step(s->tx->content, in);

	if (buf_len(in) != before)
		s->since_ms = clock_mono_ms();
	switch (state) {
	case SMTP_CONTENT_MORE:
		return false;
	case SMTP_CONTENT_FILE:
		s->want = SMTP_WANT_FILE;
		return true;
	case SMTP_CONTENT_WRITE:
		s->want = SMTP_WANT_WRITE;
		return true;
	case SMTP_CONTENT_END:
		smtp_session_apply(s, smtp_data_end(s, &reply), NULL, &reply);
		return true;
	default:
		send_away(s, 552, "5.3.4", "message is far over the size limit");
		return true;
	}
}

/* ---- what the owner calls ------------------------------------------------------------- */

enum smtp_want smtp_session_greet(struct smtp_session *s, bool early_talker)
{
	struct smtp_reply reply;

	if (early_talker) {
		send_away(s, 554, "5.5.0", "you spoke before the greeting");
		return s->want;
	}
	smtp_reply_set(&reply, 220, "", "%s ESMTP", s->env->hostname);
	smtp_reply_print(s->out, &reply);
	session_set_state(s, SMTP_ST_GREETED);
	s->since_ms = clock_mono_ms();
	return s->want;
}

enum smtp_want smtp_session_run(struct smtp_session *s, struct buf *in)
{
	bool more = true;

	in->secret = s->client.submission && s->user == NULL;    /* until there is a login one may be in any line */
	if (s->want == SMTP_WANT_TLS && s->env->stopping)
		session_close(s);    /* nothing can be said in the middle of a handshake */
	while (more && s->want == SMTP_WANT_INPUT) {
		if (s->state == SMTP_ST_NEW)
			break;
		if (s->env->stopping && s->state != SMTP_ST_CONTENT)
			send_away(s, 421, "4.3.2", "is going down, try again later");
		else
			more = s->state == SMTP_ST_CONTENT ? content_step(s, in) :
			    s->state == SMTP_ST_AUTH ? auth_step(s, in) : command_step(s, in);
	}
	return s->want;
}

void smtp_session_lost(struct smtp_session *s)
{
	if (s->state != SMTP_ST_CLOSED)
		log_info("lost connection after %s from %s", s->verb != NULL ? s->verb->name :
		    s->commands != 0 ? "UNKNOWN" : "CONNECT", s->client_text);
}

uint64_t smtp_session_deadline(const struct smtp_session *s)
{
	uint64_t due = s->since_ms + s->env->timeout_ms, all;

	if (s->want != SMTP_WANT_INPUT)
		return 0;
	if (s->client.submission && s->user == NULL) {
		all = s->start_ms + s->env->login_timeout_ms;
		return all < due ? all : due;
	}
	if (s->state != SMTP_ST_CONTENT)
		return due;
	all = s->content_ms + s->env->data_timeout_ms + s->tx->content->dots.size * MS_PER_S / CONTENT_RATE;
	return all < due ? all : due;
}

enum smtp_want smtp_session_timeout(struct smtp_session *s)
{
	if (s->want != SMTP_WANT_INPUT)
		return s->want;
	log_info("timeout after %s from %s", s->verb != NULL ? s->verb->name : "CONNECT", s->client_text);
	send_away(s, 421, "4.4.2", "timeout exceeded");
	return s->want;
}

size_t smtp_session_held(const struct smtp_session *s)
{
	return s->tx != NULL && s->tx->content != NULL ? buf_len(&s->tx->content->bytes) : 0;
}

bool smtp_session_in_transaction(const struct smtp_session *s)
{
	return s->tx != NULL;
}

uint64_t smtp_session_commands(const struct smtp_session *s)
{
	return s->commands;
}
