#ifndef PABAL_ACCOUNTD_STORE_H
#define PABAL_ACCOUNTD_STORE_H

#include "accountd/name.h"

/*
 * Domains, users and aliases on disk: the only code that knows Berkeley DB here.
 * One process, one thread, a private environment: a start always runs recovery.
 * Every change is one transaction, on disk when the function returns.
 *
 * Errors of all: ERR_IO and ERR_FULL (a fault, logged; see store_broken()),
 * ERR_CORRUPT and ERR_VERSION (a record that is not understood, logged).
 */
struct store;

enum { STORE_HASH_MAX = 384 };

struct store_user {
	uint64_t account, created;
	char hash[STORE_HASH_MAX];      /* NUL-terminated; wipe it after use */
};

struct store_domain {
	uint64_t id, created;
	struct name first_user;         /* len 0: the domain has no user */
};

/* Opens or makes the store in the directory home, which exists. */
int store_open(struct store **st_r, const char *home) MUST_CHECK;
/* Checkpoints and closes; *st may be NULL. */
void store_close(struct store **st);
/* The environment wants recovery: the process has to end and start again. */
bool store_broken(const struct store *st);
/* Now and then, so that a start is quick and old logs go away. */
void store_checkpoint(struct store *st);

/* Domain names and the parts of a struct name are in lower case already (name.h). */

/* ERR_EXISTS. */
int store_domain_add(struct store *st, struct slice domain, uint64_t now, uint64_t *id_r) MUST_CHECK;
/* ERR_NOTFOUND; ERR_STATE: it still has users or aliases. */
int store_domain_delete(struct store *st, struct slice domain) MUST_CHECK;
/* ERR_NOTFOUND. */
int store_domain_get(struct store *st, struct slice domain, struct store_domain *d_r) MUST_CHECK;
/* The oldest domain; ERR_NOTFOUND if there is none. */
int store_domain_first(struct store *st, char out_r[MAIL_DOMAIN_MAX + 1]) MUST_CHECK;

/* ERR_NOTFOUND: no such domain; ERR_EXISTS. The number is never used again. */
int store_user_add(struct store *st, const struct name *n, const char *hash, uint64_t now, uint64_t *account_r) MUST_CHECK;
/* ERR_NOTFOUND. Aliases that lead to the user stay. */
int store_user_delete(struct store *st, const struct name *n, uint64_t *account_r) MUST_CHECK;
int store_user_password(struct store *st, const struct name *n, const char *hash, uint64_t *account_r) MUST_CHECK;
int store_user_get(struct store *st, const struct name *n, struct store_user *u_r) MUST_CHECK;

/* One more target of an alias. ERR_NOTFOUND: no such domain; ERR_EXISTS: it has this target. */
int store_alias_add(struct store *st, const struct name *n, struct slice target, uint64_t now) MUST_CHECK;
/* That target, or all when it is empty; ERR_NOTFOUND. *count_r: how many were deleted. */
int store_alias_delete(struct store *st, const struct name *n, struct slice target, uint64_t *count_r) MUST_CHECK;

/* What an iteration tells; slices are good during the call. */
struct store_item {
	struct slice name;      /* domain, or local@domain */
	struct slice target;    /* of an alias, else empty */
	uint64_t account;       /* a user's number, a domain's id, else 0 */
	uint64_t created;       /* seconds since 1970 */
};
/* A result other than 0 ends the iteration and becomes its result. */
typedef int store_item_fn(void *ctx, const struct store_item *item);

/* The targets of an alias, in order; ERR_NOTFOUND if it has none. */
int store_alias_each(struct store *st, const struct name *n, store_item_fn *fn, void *ctx) MUST_CHECK;

enum store_kind { STORE_DOMAINS, STORE_USERS, STORE_ALIASES };
/* All of a kind in order, of one domain or (empty) of all, beginning after the item `after`
 * (its name; of an alias name, LF, target; empty: from the start). */
int store_each(struct store *st, enum store_kind kind, struct slice domain, struct slice after,
    store_item_fn *fn, void *ctx) MUST_CHECK;

#endif
