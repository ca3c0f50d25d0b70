#ifndef PABAL_ACCOUNTD_DIRECTORY_H
#define PABAL_ACCOUNTD_DIRECTORY_H

#include "accountd/store.h"
#include "common/ipc/proto_account.h"

/*
 * What an address means here. In this order:
 *	the domain is not ours                               ADDRESS_REMOTE
 *	an alias of that name; a user of that name
 *	the same without "+detail"
 *	postmaster of a domain of ours (RFC 5321 4.5.1): the domain's oldest user
 *	nobody                                               ADDRESS_UNKNOWN
 * "postmaster" without a domain is that of the oldest domain.
 */
struct directory {
	struct store *store;
	const char *delimiters; /* between user and detail, may be NULL or empty */
};

enum { RESOLVE_TARGETS_MAX = 1000, RESOLVE_DEPTH_MAX = 20 };

/* One of ADDRESS_. ERR_SYNTAX, ERR_LIMIT: no address; else the store's errors. */
int directory_lookup(const struct directory *d, struct slice address, uint8_t *kind_r) MUST_CHECK;

/*
 * Expands aliases down to users (account set) and addresses elsewhere (account 0); each
 * comes once; details are in lower case. An alias that lists itself means the user of that name. A target here that
 * does not exist stays an address: mail to it comes back to the sender, instead of vanishing.
 * Everything lives in a; grants are left empty. ERR_LIMIT: over RESOLVE_, ERR_STATE: the
 * aliases lead only to each other; both are faults of the configuration, the mail has to wait.
 */
int directory_resolve(const struct directory *d, struct slice address, struct arena *a,
    struct account_resolved *res_r) MUST_CHECK;

/* May the user `account` send mail as address? When mail to it reaches the user: by name, alias or with a detail.
 * False for what is no address. ERR_LIMIT, ERR_STATE as above. */
int directory_sender(const struct directory *d, uint64_t account, struct slice address, struct arena *a, bool *may_r) MUST_CHECK;

/* The user who logs in as text: "user@domain", or "user" in the oldest domain. ERR_NOTFOUND. */
int directory_login_name(const struct directory *d, struct slice text, struct name *n_r) MUST_CHECK;

#endif
