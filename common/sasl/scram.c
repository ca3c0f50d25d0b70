/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, RFC 5802 and 7677. The edge reads the client's messages, gives accountd the
 * user's name, and the AuthMessage with the proof; salt, iterations and both keys of a user stay there, and so does the
 * check of the proof and of the age of the server's nonce. What the edge does check is what only the edge knows: that the
 * client speaks of the TLS connection that it is on (channel binding), and that nobody talked it out of -PLUS.
 *
 *	C: client-first     S: server-first     C: client-final     S: server-final     C: (empty)
 */
#include "common/mail/base64.h"
#include "common/sasl/sasl_internal.h"
#include "common/sasl/scram_parse.h"

enum { STAGE_FIRST, STAGE_FINAL, STAGE_END };

/* What the client binds itself to must be what this connection has. ERR_DENIED: it is not, or somebody between us and
 * the client has taken -PLUS out of the list ("y": I could, but you do not offer it; RFC 5802 6). */
static int find_binding(const struct sasl *s, const struct gs2_header *gs2, struct slice *binding_r)
{
	bool plus = s->mechanism == SASL_SCRAM_SHA_256_PLUS;

	*binding_r = SLICE_LIT("");
	if (plus != (gs2->flag == 'p'))
		return ERR_DENIED;
	if (gs2->flag == 'y' && sasl_offered(&s->conf, SASL_SCRAM_SHA_256_PLUS))
		return ERR_DENIED;
	if (!plus)
		return 0;
	if (slice_eq_cstr(gs2->binding, "tls-exporter"))
		*binding_r = s->conf.exporter;
	else if (slice_eq_cstr(gs2->binding, "tls-server-end-point"))
		*binding_r = s->conf.end_point;
	return binding_r->len != 0 ? 0 : ERR_DENIED;
}

/* base64 of the gs2 header and the binding's data: what the client has to repeat in c= */
static int keep_binding(struct sasl *s, struct slice gs2, struct slice data)
{
	struct buf b = BUF_INIT(SASL_AUTH_MAX);

	buf_add_slice(&b, gs2);
	buf_add_slice(&b, data);
	if (buf_err(&b) == 0)
		base64_encode(&s->binding, buf_slice(&b));
	else
		s->binding.err = buf_err(&b);
	buf_free(&b);
	return buf_err(&s->binding);
}

static int keep_user(struct sasl *s, const struct scram_first *f)
{
	struct buf name = BUF_INIT(SASL_FIRST_MAX), authzid = BUF_INIT(SASL_FIRST_MAX);
	int r = saslname_decode(f->user, &name);

	if (r == 0)
		r = sasl_set_user(s, buf_slice(&name));
	if (r == 0 && f->gs2.authzid.len != 0) {
		if ((r = saslname_decode(f->gs2.authzid, &authzid)) == 0 &&
		    (r = sasl_name_check(buf_slice(&authzid))) == 0 &&
		    !sasl_name_same(buf_slice(&authzid), buf_slice(&name)))
			r = ERR_DENIED;
	}
	buf_free(&name);
	buf_free(&authzid);
	return r;
}

static enum sasl_step take_first(struct sasl *s, struct slice in)
{
	struct scram_first f;
	struct slice binding;
	int r = in.len > SASL_FIRST_MAX ? ERR_LIMIT : scram_first_parse(in, SASL_NONCE_MAX, &f);

	if (r == 0)
		r = keep_user(s, &f);
	if (r == 0)
		r = find_binding(s, &f.gs2, &binding);
	if (r == 0)
		r = keep_binding(s, f.gs2.text, binding);
	if (r != 0)
		return sasl_step_fail_err(s, r);
	buf_add_slice(&s->bare, f.bare);
	buf_add_slice(&s->nonce, f.nonce);
	if (buf_err(&s->bare) != 0 || buf_err(&s->nonce) != 0)
		return sasl_step_fail(s, SASL_FAULT);
	return sasl_step_ask(s, LOGIN_SCRAM_FIRST, SLICE_LIT(""), SLICE_LIT(""));
}

/* server-first-message = nonce "," salt "," iteration-count */
static enum sasl_step send_first(struct sasl *s, const struct account_scram *m)
{
	for (size_t i = 0; i < m->nonce.len; i++)
		if (m->nonce.p[i] <= ' ' || m->nonce.p[i] > '~' || m->nonce.p[i] == ',')
			return sasl_step_fail(s, SASL_FAULT);
	if (m->nonce.len == 0 || m->salt.len == 0 || m->iterations == 0)
		return sasl_step_fail(s, SASL_FAULT);
	buf_add_slice(&s->nonce, m->nonce);
	buf_add_cstr(&s->server_first, "r=");
	buf_add_slice(&s->server_first, buf_slice(&s->nonce));
	buf_add_cstr(&s->server_first, ",s=");
	base64_encode(&s->server_first, m->salt);
	buf_addf(&s->server_first, ",i=%u", m->iterations);
	if (buf_err(&s->nonce) != 0 || buf_err(&s->server_first) != 0)
		return sasl_step_fail(s, SASL_FAULT);
	s->stage = STAGE_FINAL;
	return sasl_step_send(s, buf_slice(&s->server_first));
}

/* server-final-message = "e=" server-error-value: the client may tell its user why; then the exchange has failed. No
 * difference is made between a user that does not exist and a wrong password. */
static enum sasl_step send_error(struct sasl *s, const char *text)
{
	s->failure = SASL_DENIED;
	return sasl_step_send(s, slice_cstr(text));
}

static int take_proof(struct sasl *s, struct slice base64)
{
	struct buf b = BUF_INIT_SECRET(SASL_LINE_MAX);
	int r = base64_decode_strict(base64, &b);

	if (r == 0 && buf_len(&b) != SASL_PROOF_LEN)
		r = ERR_SYNTAX;
	if (r == 0)
		memcpy(s->proof, buf_slice(&b).p, SASL_PROOF_LEN);
	buf_free(&b);
	return r;
}

/* AuthMessage = client-first-message-bare "," server-first-message "," client-final-message-without-proof */
static enum sasl_step take_final(struct sasl *s, struct slice in)
{
	struct scram_final f;
	int r = in.len > SASL_AUTH_MAX ? ERR_LIMIT : scram_final_parse(in, &f);

	if (r == 0)
		r = take_proof(s, f.proof);
	if (r != 0)
		return sasl_step_fail_err(s, r);
	if (!slice_eq(f.binding, buf_slice(&s->binding)))
		return send_error(s, "e=channel-bindings-dont-match");
	if (!slice_eq(f.nonce, buf_slice(&s->nonce)))
		return send_error(s, "e=other-error");
	buf_add_slice(&s->auth, buf_slice(&s->bare));
	buf_add_byte(&s->auth, ',');
	buf_add_slice(&s->auth, buf_slice(&s->server_first));
	buf_add_byte(&s->auth, ',');
	buf_add_slice(&s->auth, f.without_proof);
	if (buf_err(&s->auth) != 0)
		return sasl_step_fail_err(s, buf_err(&s->auth));
	return sasl_step_ask(s, LOGIN_SCRAM_PROOF, slice_of(s->proof, sizeof(s->proof)), buf_slice(&s->auth));
}

/* server-final-message = "v=" base64 of the ServerSignature. No protocol of ours has room for it beside the success, so
 * it is a challenge, which the client answers with nothing. */
static enum sasl_step send_signature(struct sasl *s)
{
	struct buf b = BUF_INIT(128);
	enum sasl_step step;

	buf_add_cstr(&b, "v=");
	base64_encode(&b, s->result.signature);
	s->stage = STAGE_END;
	step = buf_err(&b) == 0 ? sasl_step_send(s, buf_slice(&b)) : sasl_step_fail(s, SASL_FAULT);
	buf_free(&b);
	return step;
}

static enum sasl_step scram_input(struct sasl *s, struct slice in)
{
	switch (s->stage) {
	case STAGE_FIRST:
		return take_first(s, in);
	case STAGE_FINAL:
		return take_final(s, in);
	default:
		return in.len == 0 ? sasl_step_ok(s) : sasl_step_fail(s, SASL_BAD_SYNTAX);
	}
}

static enum sasl_step scram_answer(struct sasl *s, uint16_t type, const void *m)
{
	if (s->stage == STAGE_FIRST)
		return type == account_scram_MSG ? send_first(s, m) : sasl_step_fail(s, SASL_FAULT);
	if (sasl_keep_result(s, type, m) != 0 || s->result.signature.len != SASL_PROOF_LEN)
		return sasl_step_fail(s, SASL_FAULT);
	return send_signature(s);
}

static enum sasl_step scram_denied(struct sasl *s)
{
	return s->stage == STAGE_FIRST ? sasl_step_fail(s, SASL_DENIED) : send_error(s, "e=invalid-proof");
}

const struct sasl_row sasl_scram = { .name = "SCRAM-SHA-256", .input = scram_input, .answer = scram_answer,
	.denied = scram_denied };
const struct sasl_row sasl_scram_plus = { .name = "SCRAM-SHA-256-PLUS", .input = scram_input, .answer = scram_answer,
	.denied = scram_denied };
