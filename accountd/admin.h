#ifndef PABAL_ACCOUNTD_ADMIN_H
#define PABAL_ACCOUNTD_ADMIN_H

#include "accountd/store.h"
#include "common/base/buf.h"
#include "common/ipc/proto_account.h"

/*
 * What `pabal domain|user|alias` asks for, in two steps with the hashing of a password
 * between them. Each failure appends one sentence to why: what is wrong and what to do.
 */
struct admin_plan {
	uint8_t verb;                           /* ADMIN_ */
	bool needs_hash;                        /* of the password, made by a thread */
	bool needs_probe;                       /* the hash that came is tried by a thread */
	char domain[MAIL_DOMAIN_MAX + 1];       /* DOMAIN_ verbs */
	struct name name;                       /* the others */
	char target[MAIL_ADDR_MAX + 1];         /* of an alias, canonical; empty: all of them */
};

/* Reads and checks the request. ERR_SYNTAX, ERR_LIMIT, ERR_EXISTS, ERR_NOTFOUND, ERR_STATE, store errors. */
int admin_check(struct store *st, const struct account_admin *req, struct admin_plan *p_r, struct buf *why) MUST_CHECK;
/* Does it. pw: only for plans that need a hash or a probe. value_r: the account's number, or how many were deleted. */
int admin_apply(struct store *st, const struct admin_plan *p, const struct store_password *pw, uint64_t now, uint64_t *value_r,
    struct buf *why) MUST_CHECK;
/* "user-add", ... for the log. */
const char *admin_verb_name(uint8_t verb);

#endif
