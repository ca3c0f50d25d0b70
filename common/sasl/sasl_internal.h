#ifndef PABAL_SASL_SASL_INTERNAL_H
#define PABAL_SASL_SASL_INTERNAL_H

#include "common/sasl/sasl.h"

/*
 * What the mechanisms share. Each is a row of one table (sasl.c); it sees whole decoded messages and accountd's good
 * answers, and says the next step by one of the functions below. Everything else (order, base64, limits, cancel,
 * accountd's refusals, wiping) is done once, in sasl.c.
 */
enum {
	SASL_USER_MAX = 1024,           /* bytes; account_login's limit */
	SASL_PASSWORD_MAX = 1024,
	SASL_TOKEN_MAX = 8192,          /* account_login's limit of a secret */
	SASL_FIRST_MAX = 1500,          /* SCRAM's client-first-message */
	SASL_NONCE_MAX = 256,           /* of the client */
	SASL_AUTH_MAX = 4096,           /* AuthMessage; account_login's limit of text */
	SASL_PROOF_LEN = 32,
};

enum sasl_state { SASL_ST_CHALLENGED, SASL_ST_ASKED, SASL_ST_DONE };

struct sasl {
	struct sasl_conf conf;
	enum sasl_mechanism mechanism;
	enum sasl_state state;
	enum sasl_failure failure;
	unsigned rounds;
	unsigned stage;                 /* the mechanism's own, 0 to begin */
	struct buf in;                  /* the client's message, decoded: may hold a secret */
	struct buf challenge;           /* base64 */
	struct buf user;
	struct account_login question;
	struct account_logged_in result;
	struct buf result_text;         /* what result's slices point into */
	/* SCRAM */
	struct buf bare;                /* client-first-message-bare */
	struct buf binding;             /* what "c=" has to be: base64 of the gs2 header and the binding */
	struct buf nonce;               /* the client's, then the server's behind it */
	struct buf server_first;
	struct buf auth;                /* AuthMessage */
	uint8_t proof[SASL_PROOF_LEN];
};

struct sasl_row {
	const char *name;
	/* Sends the first challenge if the client sent no initial response; NULL: an empty one. */
	enum sasl_step (*begin)(struct sasl *s);
	enum sasl_step (*input)(struct sasl *s, struct slice message);
	/* accountd's good answer; NULL: an account_logged_in, and that is all. */
	enum sasl_step (*answer)(struct sasl *s, uint16_t type, const void *m);
	/* accountd said DENIED; NULL: that is all. */
	enum sasl_step (*denied)(struct sasl *s);
};
extern const struct sasl_row sasl_plain, sasl_login, sasl_scram, sasl_scram_plus, sasl_external, sasl_oauthbearer,
    sasl_xoauth2;

/* The steps. */
enum sasl_step sasl_step_send(struct sasl *s, struct slice plain);
/* secret lies in s->in or s->proof, text in s->auth; the user is s->user. */
enum sasl_step sasl_step_ask(struct sasl *s, uint8_t how, struct slice secret, struct slice text);
enum sasl_step sasl_step_fail(struct sasl *s, enum sasl_failure why);
/* ERR_SYNTAX, ERR_LIMIT, ERR_DENIED; all else is a fault of ours. */
enum sasl_step sasl_step_fail_err(struct sasl *s, int r);
enum sasl_step sasl_step_ok(struct sasl *s);
/* Copies accountd's answer into s->result. ERR_SYNTAX, ERR_NOMEM. */
int sasl_keep_result(struct sasl *s, uint16_t type, const void *m) MUST_CHECK;
/* Sets the user; as sasl_name_check() says, or ERR_NOMEM. */
int sasl_set_user(struct sasl *s, struct slice user) MUST_CHECK;

/* text.c: names and texts of clients. A name is valid UTF-8 without control characters (the part of SASLprep, RFC
 * 4013, that says what is prohibited and can be typed by mistake or malice), not empty: ERR_SYNTAX, ERR_LIMIT. */
int sasl_name_check(struct slice name) MUST_CHECK;
/* Valid UTF-8 without NUL, not empty, at most max bytes: ERR_SYNTAX, ERR_LIMIT. */
int sasl_text_check(struct slice text, size_t max) MUST_CHECK;
/* Do both name the same user? The rule of accountd: the canonical spelling of the address, no matter the case. */
bool sasl_name_same(struct slice a, struct slice b);

#endif
