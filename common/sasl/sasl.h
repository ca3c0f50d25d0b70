#ifndef PABAL_SASL_SASL_H
#define PABAL_SASL_SASL_H

#include "common/base/buf.h"
#include "common/ipc/proto_account.h"

/*
 * The server's side of SASL (RFC 4422), the one implementation for SMTP (RFC 4954), POP3 (RFC 5034) and IMAP: a pure
 * machine. Lines of base64 go in, lines of base64 come out, and one question at a time for accountd, which alone knows
 * the secrets and judges.
 *
 *	PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and -PLUS (RFC 5802, 7677; tls-exporter RFC 9266, tls-server-end-point
 *	RFC 5929), EXTERNAL, OAUTHBEARER (RFC 7628), XOAUTH2
 *
 * An authorization identity is taken only when it is the authentication identity. What the client sent is wiped when it
 * is used.
 */
struct sasl;

enum {
	SASL_LINE_MAX = 12288,          /* of base64, RFC 4954 4 */
	SASL_ROUNDS_MAX = 8,            /* lines of one exchange */
};

/* What the mechanisms depend on; slices and texts outlive the exchange. */
struct sasl_conf {
	const char *service;            /* "smtp", "pop3", "imap" */
	const char *addr;               /* of the client */
	const char *host;               /* this server's name, for OAUTHBEARER's check and nothing else */
	bool tls;
	bool plaintext;                 /* mechanisms that show the password are allowed: under TLS, or by configuration */
	bool oauth;                     /* OAUTHBEARER and XOAUTH2 are offered */
	struct slice exporter;          /* channel bindings, empty: none */
	struct slice end_point;
	struct slice external;          /* the identity that a verified client certificate names, empty: none */
};

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN, SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256_PLUS, SASL_EXTERNAL, SASL_OAUTHBEARER,
	SASL_XOAUTH2, SASL_COUNT };
/* "PLAIN", ... */
const char *sasl_name(enum sasl_mechanism m);
/* Is it offered? SCRAM always, -PLUS with a channel binding, EXTERNAL with an identity, the rest with plaintext. */
bool sasl_offered(const struct sasl_conf *conf, enum sasl_mechanism m);
/* prefix and name of each that is offered, the strongest first: " PLAIN LOGIN", " AUTH=PLAIN AUTH=LOGIN". */
void sasl_list(const struct sasl_conf *conf, const char *prefix, struct buf *b);

enum sasl_step {
	SASL_CHALLENGE,         /* send sasl_challenge() as this protocol's continuation, then sasl_input() of the answer */
	SASL_ASK,               /* send sasl_question() to accountd, then sasl_answer() */
	SASL_OK,                /* logged in: sasl_result() */
	SASL_FAILED,            /* sasl_failure() says why */
};
enum sasl_failure {
	SASL_CANCELLED,         /* "*" */
	SASL_BAD_BASE64, SASL_BAD_SYNTAX, SASL_TOO_LONG, SASL_TOO_MANY,
	SASL_DENIED,            /* wrong name, password, proof, channel binding, identity: which is not told */
	SASL_SLOWED,            /* accountd: come back later */
	SASL_FAULT,             /* something here does not work: temporary */
};

/* Begins. ERR_NOTFOUND: no such mechanism; ERR_DENIED: not offered now; ERR_NOMEM. initial: the initial response in
 * base64, "=" for an empty one, len 0 for none. *s_r is set and *step_r says what is next when 0 is returned. */
int sasl_start(struct sasl **s_r, const struct sasl_conf *conf, struct slice mechanism, struct slice initial,
    enum sasl_step *step_r) MUST_CHECK;
/* Wipes. *s may be NULL. */
void sasl_free(struct sasl **s);
/* A line of the client without its CRLF. */
enum sasl_step sasl_input(struct sasl *s, struct slice line) MUST_CHECK;
/* base64, may be empty; good until the next call. */
struct slice sasl_challenge(const struct sasl *s);
/* Good until sasl_answer(), which wipes its secret. */
const struct account_login *sasl_question(const struct sasl *s);
/* The answer: r 0 and m the account_logged_in or account_scram by type (T_MSG); or r negative as accountd said
 * (ERR_DENIED, ERR_AGAIN) or the channel (anything else). */
enum sasl_step sasl_answer(struct sasl *s, int r, uint16_t type, const void *m) MUST_CHECK;
/* After SASL_OK: account, user and token; good until sasl_free(). */
const struct account_logged_in *sasl_result(const struct sasl *s);
enum sasl_failure sasl_failure(const struct sasl *s);
/* For the log: the mechanism's name, and the user as given (not to be trusted), empty when not known. */
const char *sasl_mechanism_name(const struct sasl *s);
struct slice sasl_user(const struct sasl *s);

#endif
