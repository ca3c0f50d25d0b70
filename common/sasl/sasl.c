/*
 * The frame around the mechanisms: the table, the order of lines and answers, base64, limits, cancel, and the wiping of
 * what the client sent. Nothing here logs, and no text of a client leaves but as sasl_user() and sasl_question().
 */
#include "common/sasl/sasl.h"

#include <stdlib.h>

#include "common/mail/base64.h"
#include "common/sasl/sasl_internal.h"

static const struct sasl_row *const rows[SASL_COUNT] = {
	[SASL_PLAIN] = &sasl_plain,
	[SASL_LOGIN] = &sasl_login,
	[SASL_SCRAM_SHA_256] = &sasl_scram,
	[SASL_SCRAM_SHA_256_PLUS] = &sasl_scram_plus,
	[SASL_EXTERNAL] = &sasl_external,
	[SASL_OAUTHBEARER] = &sasl_oauthbearer,
	[SASL_XOAUTH2] = &sasl_xoauth2,
};

static const enum sasl_mechanism by_strength[SASL_COUNT] = { SASL_EXTERNAL, SASL_SCRAM_SHA_256_PLUS, SASL_SCRAM_SHA_256,
	SASL_OAUTHBEARER, SASL_XOAUTH2, SASL_PLAIN, SASL_LOGIN };

const char *sasl_name(enum sasl_mechanism m)
{
	return rows[m]->name;
}

bool sasl_offered(const struct sasl_conf *conf, enum sasl_mechanism m)
{
	switch (m) {
	case SASL_SCRAM_SHA_256:
		return true;
	case SASL_SCRAM_SHA_256_PLUS:
		return conf->tls && (conf->exporter.len != 0 || conf->end_point.len != 0);
	case SASL_EXTERNAL:
		return conf->tls && conf->external.len != 0;
	case SASL_OAUTHBEARER:
	case SASL_XOAUTH2:
		return conf->plaintext && conf->oauth;
	case SASL_PLAIN:
	case SASL_LOGIN:
		return conf->plaintext;
	case SASL_COUNT:
		break;
	}
	return false;
}

void sasl_list(const struct sasl_conf *conf, const char *prefix, struct buf *b)
{
	for (size_t i = 0; i < SASL_COUNT; i++)
		if (sasl_offered(conf, by_strength[i])) {
			buf_add_cstr(b, prefix);
			buf_add_cstr(b, sasl_name(by_strength[i]));
		}
}

/* The answer has come, or never will: the client's message has done its work. */
static void wipe_message(struct sasl *s)
{
	buf_reset(&s->in);
	explicit_bzero(s->proof, sizeof(s->proof));
	s->question.secret = SLICE_LIT("");
}

enum sasl_step sasl_step_fail(struct sasl *s, enum sasl_failure why)
{
	s->failure = why;
	s->state = SASL_ST_DONE;
	wipe_message(s);
	return SASL_FAILED;
}

enum sasl_step sasl_step_fail_err(struct sasl *s, int r)
{
	return sasl_step_fail(s, r == ERR_SYNTAX ? SASL_BAD_SYNTAX : r == ERR_LIMIT ? SASL_TOO_LONG :
	    r == ERR_DENIED ? SASL_DENIED : SASL_FAULT);
}

enum sasl_step sasl_step_ok(struct sasl *s)
{
	s->state = SASL_ST_DONE;
	wipe_message(s);
	return SASL_OK;
}

enum sasl_step sasl_step_send(struct sasl *s, struct slice plain)
{
	buf_reset(&s->challenge);
	base64_encode(&s->challenge, plain);
	if (buf_err(&s->challenge) != 0)
		return sasl_step_fail(s, SASL_FAULT);
	s->state = SASL_ST_CHALLENGED;
	wipe_message(s);
	return SASL_CHALLENGE;
}

enum sasl_step sasl_step_ask(struct sasl *s, uint8_t how, struct slice secret, struct slice text)
{
	s->question = (struct account_login){ .how = how, .user = buf_slice(&s->user), .secret = secret, .text = text,
		.addr = slice_cstr(s->conf.addr), .service = slice_cstr(s->conf.service), .tls = s->conf.tls };
	s->state = SASL_ST_ASKED;
	return SASL_ASK;
}

int sasl_set_user(struct sasl *s, struct slice user)
{
	int r = sasl_name_check(user);

	if (r != 0)
		return r;
	buf_reset(&s->user);
	buf_add_slice(&s->user, user);
	return buf_err(&s->user);
}

int sasl_keep_result(struct sasl *s, uint16_t type, const void *m)
{
	const struct account_logged_in *in = m;
	struct slice all;

	if (type != account_logged_in_MSG || in->account == 0)
		return ERR_STATE;
	buf_add_slice(&s->result_text, in->user);
	buf_add_slice(&s->result_text, in->token);
	buf_add_slice(&s->result_text, in->signature);
	if (buf_err(&s->result_text) != 0)
		return buf_err(&s->result_text);
	all = buf_slice(&s->result_text);
	s->result = (struct account_logged_in){ .account = in->account,
		.user = slice_sub(all, 0, in->user.len),
		.token = slice_sub(all, in->user.len, in->token.len),
		.signature = slice_sub(all, in->user.len + in->token.len, in->signature.len) };
	return 0;
}

/* base64 of a message -> the mechanism. */
static enum sasl_step take_line(struct sasl *s, struct slice line)
{
	int r;

	if (line.len > SASL_LINE_MAX)
		return sasl_step_fail(s, SASL_TOO_LONG);
	if ((r = base64_decode_strict(line, &s->in)) != 0)
		return sasl_step_fail(s, r == ERR_SYNTAX ? SASL_BAD_BASE64 : SASL_FAULT);
	return rows[s->mechanism]->input(s, buf_slice(&s->in));
}

static int find(struct slice name, enum sasl_mechanism *m_r)
{
	for (size_t i = 0; i < SASL_COUNT; i++)
		if (slice_ieq_cstr(name, rows[i]->name)) {
			*m_r = (enum sasl_mechanism)i;
			return 0;
		}
	return ERR_NOTFOUND;
}

int sasl_start(struct sasl **s_r, const struct sasl_conf *conf, struct slice mechanism, struct slice initial,
    enum sasl_step *step_r)
{
	enum sasl_mechanism m;
	struct sasl *s;

	*s_r = NULL;
	*step_r = SASL_FAILED;
	if (find(mechanism, &m) != 0)
		return ERR_NOTFOUND;
	if (!sasl_offered(conf, m))
		return ERR_DENIED;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return ERR_NOMEM;
	s->conf = *conf;
	s->mechanism = m;
	s->in = s->challenge = BUF_INIT_SECRET(SASL_LINE_MAX);
	s->user = BUF_INIT_SECRET(SASL_USER_MAX);
	s->result_text = BUF_INIT_SECRET(2048);
	s->bare = s->binding = s->nonce = s->server_first = s->auth = BUF_INIT_SECRET(SASL_AUTH_MAX);
	*s_r = s;
	if (slice_eq_cstr(initial, "="))
		*step_r = rows[m]->input(s, SLICE_LIT(""));
	else if (initial.len != 0)
		*step_r = take_line(s, initial);
	else if (rows[m]->begin != NULL)
		*step_r = rows[m]->begin(s);
	else
		*step_r = sasl_step_send(s, SLICE_LIT(""));
	return 0;
}

static void wipe_all(struct sasl *s)
{
	struct buf *bufs[] = { &s->in, &s->challenge, &s->user, &s->result_text, &s->bare, &s->binding, &s->nonce,
		&s->server_first, &s->auth };

	for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
		buf_free(bufs[i]);
	explicit_bzero(s, sizeof(*s));
}

void sasl_free(struct sasl **s)
{
	if (*s == NULL)
		return;
	wipe_all(*s);
	free(*s);
	*s = NULL;
}

/* After the failure that a mechanism reports in a last challenge (e= of SCRAM, the JSON of OAUTHBEARER) any line, "*"
 * and garbage as well, ends the exchange as what it was: a login that was denied. */
static bool refused(const struct sasl *s)
{
	return s->failure == SASL_DENIED;
}

enum sasl_step sasl_input(struct sasl *s, struct slice line)
{
	if (s->state != SASL_ST_CHALLENGED)
		return sasl_step_fail(s, SASL_FAULT);
	if (refused(s))
		return sasl_step_fail(s, SASL_DENIED);
	if (slice_eq_cstr(line, "*"))
		return sasl_step_fail(s, SASL_CANCELLED);
	if (++s->rounds > SASL_ROUNDS_MAX)
		return sasl_step_fail(s, SASL_TOO_MANY);
	return take_line(s, line);
}

struct slice sasl_challenge(const struct sasl *s)
{
	return buf_slice(&s->challenge);
}

const struct account_login *sasl_question(const struct sasl *s)
{
	return &s->question;
}

enum sasl_step sasl_answer(struct sasl *s, int r, uint16_t type, const void *m)
{
	const struct sasl_row *row = rows[s->mechanism];

	if (s->state != SASL_ST_ASKED)
		return sasl_step_fail(s, SASL_FAULT);
	wipe_message(s);
	if (r == ERR_AGAIN)
		return sasl_step_fail(s, SASL_SLOWED);
	if (r == ERR_DENIED)
		return row->denied != NULL ? row->denied(s) : sasl_step_fail(s, SASL_DENIED);
	if (r != 0)
		return sasl_step_fail(s, SASL_FAULT);
	if (row->answer != NULL)
		return row->answer(s, type, m);
	return sasl_keep_result(s, type, m) == 0 ? sasl_step_ok(s) : sasl_step_fail(s, SASL_FAULT);
}

const struct account_logged_in *sasl_result(const struct sasl *s)
{
	return &s->result;
}

enum sasl_failure sasl_failure(const struct sasl *s)
{
	return s->failure;
}

const char *sasl_mechanism_name(const struct sasl *s)
{
	return sasl_name(s->mechanism);
}

struct slice sasl_user(const struct sasl *s)
{
	return buf_slice(&s->user);
}
