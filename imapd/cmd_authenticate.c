/*
 * starttls = "STARTTLS"                                                     RFC 9051 6.2.1
 * authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] *(CRLF base64)   RFC 9051 6.2.2, 9; RFC 4959
 *	initial-resp = base64 / "="
 *
 * The exchange is common/sasl's. Its lines are read by the ordinary reader, as those of IDLE: they may be cut in pieces
 * or share a packet. "*" cancels.
 */
#include "common/sasl/edge.h"
#include "imapd/commands.h"

struct auth_args {
	struct slice mechanism, initial;
	struct sasl *sasl;
};

/* The OK goes out as it is; then the loop drops what stands behind the command and begins the handshake. */
enum imap_run imap_run_starttls(struct imap_session *s)
{
	if (s->tls != NULL)
		return imap_bad(s, "TLS is on already");
	if (!s->env->starttls)
		return imap_no(s, "UNAVAILABLE", "TLS is not available now");
	s->tls_state = TLS_ASKED;
	return imap_ok(s, "Begin TLS now");
}

struct sasl_conf imap_sasl_conf(const struct imap_session *s)
{
	return sasl_edge_conf("imap", s->peer, s->tls, imap_may_log_in(s), s->env->oauth);
}

int imap_parse_authenticate(struct imap_session *s, struct imap_parse *p)
{
	struct auth_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	a->initial = SLICE_LIT("");
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_atom(p, &a->mechanism)) != 0)
		return r;
	if (cur_left(&p->cur) == 0)
		return 0;
	if ((r = imap_take_sp(p)) != 0)
		return r;
	a->initial = cur_rest(&p->cur);
	return a->initial.len != 0 ? 0 : imap_why(p, "the initial response is missing");
}

static void auth_cleanup(struct imap_session *s)
{
	struct auth_args *a = s->cmd.args;

	sasl_free(&a->sasl);
}

/* It has failed: which of a malformed message's parts is wrong helps nobody but who writes a client. */
static enum imap_run auth_failed(struct imap_session *s)
{
	struct auth_args *a = s->cmd.args;
	const char *method = sasl_mechanism_name(a->sasl);

	switch (sasl_failure(a->sasl)) {
	case SASL_DENIED:
		return imap_refused(s, method, sasl_user(a->sasl), ERR_DENIED);
	case SASL_SLOWED:
		return imap_refused(s, method, sasl_user(a->sasl), ERR_AGAIN);
	case SASL_FAULT:
		return imap_refused(s, method, sasl_user(a->sasl), ERR_IO);
	case SASL_CANCELLED:
		return imap_bad(s, "The login was cancelled");
	case SASL_BAD_BASE64:
		return imap_bad(s, "That is no base64");
	case SASL_TOO_LONG:
		return imap_bad(s, "A part of the message is too long");
	case SASL_TOO_MANY:
		return imap_bad(s, "There are too many lines");
	case SASL_BAD_SYNTAX:
		break;
	}
	return imap_bad(s, "That is no message of this mechanism");
}

static enum imap_run auth_next(struct imap_session *s, enum sasl_step step);

static enum imap_run on_answer(struct imap_session *s, const struct imap_reply *rep)
{
	struct auth_args *a = s->cmd.args;

	return auth_next(s, sasl_answer(a->sasl, rep->r, rep->type, rep->m));
}

static enum imap_run auth_line(struct imap_session *s)
{
	struct auth_args *a = s->cmd.args;
	enum sasl_step step;

	switch (imap_reader_next(&s->reader, s->in)) {
	case IMAP_READ_MORE:
		return RUN_INPUT;
	case IMAP_READ_COMMAND:
		step = sasl_input(a->sasl, s->reader.cmd);
		imap_reader_done(&s->reader, s->in);
		return auth_next(s, step);
	case IMAP_READ_LITERAL:
		imap_reader_refuse(&s->reader);
		return imap_bad(s, "That is no base64");
	case IMAP_READ_BAD:
		imap_reader_done(&s->reader, s->in);
		return imap_bad(s, "That is no base64");
	default:
		imap_session_bye(s, "A line is too long");
		return RUN_INPUT;
	}
}

static enum imap_run auth_next(struct imap_session *s, enum sasl_step step)
{
	struct auth_args *a = s->cmd.args;

	switch (step) {
	case SASL_CHALLENGE:
		buf_add_cstr(s->out, "+ ");
		buf_add_slice(s->out, sasl_challenge(a->sasl));
		buf_add_cstr(s->out, "\r\n");
		s->cmd.step = auth_line;
		return RUN_AGAIN;
	case SASL_ASK:
		return imap_ask_login(s, sasl_question(a->sasl), on_answer);
	case SASL_OK:
		return imap_let_in(s, sasl_mechanism_name(a->sasl), sasl_result(a->sasl));
	case SASL_FAILED:
		break;
	}
	return auth_failed(s);
}

enum imap_run imap_run_authenticate(struct imap_session *s)
{
	struct auth_args *a = s->cmd.args;
	struct sasl_conf conf;
	enum sasl_step step;
	int r;

	if (!imap_may_log_in(s))
		return imap_no(s, "PRIVACYREQUIRED", "Logins without TLS are not taken here");
	conf = imap_sasl_conf(s);
	r = sasl_start(&a->sasl, &conf, a->mechanism, a->initial, &step);
	if (r == ERR_NOMEM)
		return imap_fail(s, r);
	if (r != 0)
		return imap_no(s, "CANNOT", "This mechanism is not offered");
	s->cmd.cleanup = auth_cleanup;
	return auth_next(s, step);
}
