#ifndef PABAL_ACCOUNTD_STORE_H
#define PABAL_ACCOUNTD_STORE_H

#include "accountd/name.h"
#include "accountd/scram.h"

/*
 * Domains, users and aliases on disk: the only code that knows Berkeley DB here.
 * One process, one thread, a private environment: a start always runs recovery.
 * Every change is one transaction, on disk when the function returns.
 *
 * Errors of all: ERR_IO and ERR_FULL (a fault, logged; see store_broken()),
 * ERR_CORRUPT and ERR_VERSION (a record that is not understood, logged).
 */
struct store;

enum { STORE_HASH_MAX = 384, STORE_APPS_MAX = 20 /* app passwords of a user */, STORE_LABEL_MAX = 64 };

/* Bits of the protocols that an app password is for. */
enum { SERVICE_SMTP = 1, SERVICE_POP3 = 2, SERVICE_IMAP = 4, SERVICE_ALL = 7 };

/* Wipe it after use. */
struct store_user {
	uint64_t account, created;
	char hash[STORE_HASH_MAX];      /* NUL-terminated */
	uint8_t salt[SCRAM_SALT_SIZE];
	uint32_t iterations;            /* of the salt; 0: the user has no SCRAM keys at all */
	bool scram;                     /* keys are those of the password in hash */
	struct scram_keys keys;
};

/* A password as it is kept. */
struct store_password {
	const char *hash;
	uint32_t iterations;            /* of keys; 0: no keys */
	struct scram_keys keys;         /* made with store_salt() */
};

/* An app password; wipe it after use. */
struct store_app {
	uint32_t id;
	uint8_t services;
	uint64_t created, used;         /* used 0: never */
	char label[STORE_LABEL_MAX + 1], used_from[65];
	uint8_t hash[DIGEST_SIZE];      /* SHA-256(store_salt(), password) */
	bool scram;
	struct scram_keys keys;         /* with the user's iterations */
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

/* The salt that a user of this name has or would have: always the same for a name, not to be guessed, and made in
 * the same way for names that nobody has. ERR_NOMEM. */
int store_salt(const struct store *st, struct slice name, uint8_t salt_r[SCRAM_SALT_SIZE]) MUST_CHECK;

/* ERR_NOTFOUND: no such domain; ERR_EXISTS. The number is never used again. */
int store_user_add(struct store *st, const struct name *n, const struct store_password *p, uint64_t now,
    uint64_t *account_r) MUST_CHECK;
/* ERR_NOTFOUND. App passwords go with the user, aliases that lead to the user stay. */
int store_user_delete(struct store *st, const struct name *n, uint64_t *account_r) MUST_CHECK;
/* App passwords stay. Keys of other iterations than these have are left out: they come with the next store_user_upgrade(). */
int store_user_password(struct store *st, const struct name *n, const struct store_password *p, uint64_t *account_r) MUST_CHECK;
/* The same password kept in a better way; ERR_STATE when its hash is not old_hash any more. */
int store_user_upgrade(struct store *st, const struct name *n, const char *old_hash, const struct store_password *p) MUST_CHECK;
int store_user_get(struct store *st, const struct name *n, struct store_user *u_r) MUST_CHECK;

/* Gives it the next id (*id_r). iterations: of its keys, 0 without keys. ERR_NOTFOUND: no such user; ERR_FULL: STORE_APPS_MAX;
 * ERR_STATE: the user's keys have other iterations. */
int store_app_add(struct store *st, const struct name *n, const struct store_app *a, uint32_t iterations, uint32_t *id_r) MUST_CHECK;
/* ERR_NOTFOUND. */
int store_app_delete(struct store *st, const struct name *n, uint32_t id) MUST_CHECK;
/* All of a user, in order; a user without any, or nobody, has 0. */
int store_app_list(struct store *st, const struct name *n, struct store_app a_r[STORE_APPS_MAX], unsigned *n_r) MUST_CHECK;
/* When and from where it was used last; not flushed. ERR_NOTFOUND. */
int store_app_used(struct store *st, const struct name *n, uint32_t id, uint64_t when, const char *from) MUST_CHECK;

/* A count of failed logins; table and slot say where it is kept, so that there are never more than slots. */
struct store_count {
	uint8_t table;
	uint32_t slot, failures;        /* failures 0: none, it is deleted */
	uint64_t key, last;
	char text[65];
};
/* 16 bytes that the keys of counts are made with. */
struct slice store_count_key(const struct store *st);
/* Together, not flushed: a crash may lose them. */
int store_count_put(struct store *st, const struct store_count *c, unsigned n) MUST_CHECK;
/* A result other than 0 of fn ends it and becomes its result. */
typedef int store_count_fn(void *ctx, const struct store_count *c);
int store_count_each(struct store *st, store_count_fn *fn, void *ctx) MUST_CHECK;

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
