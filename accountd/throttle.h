#ifndef PABAL_ACCOUNTD_THROTTLE_H
#define PABAL_ACCOUNTD_THROTTLE_H

#include <stdbool.h>

#include "common/base/slice.h"

/*
 * Slows the guessing of passwords, without locking people out.
 *
 * Failed logins are counted for each address (IPv4 whole, IPv6 its /64) and for
 * each name, whether such a user exists or not. From `limit` failures on, the
 * next try is taken only after a wait that doubles with each failure up to
 * THROTTLE_WAIT_MAX, and one at a time; before, no more at a time than may fail until then. A failure is forgiven every
 * THROTTLE_FORGIVE without another one. The same wrong password for the same
 * name again (a mail program with an old password) counts once. An address
 * that logged in to an account within a week is not held up by what others do to that
 * account. A good login clears the account's count, not the address's.
 *
 * Memory is bounded: the entry that was quiet longest makes room. Nothing of a
 * password is kept but 64 bits of a keyed hash, and that only in memory: what
 * throttle_changed() gives to be stored are counts, so after a restart the same wrong
 * password counts once more.
 */
struct throttle;

enum {
	THROTTLE_WAIT_MIN = 1000,               /* ms after the first failure over the limit */
	THROTTLE_WAIT_MAX = 5 * 60 * 1000,      /* ms */
	THROTTLE_FORGIVE = 10 * 60 * 1000,      /* ms */
	THROTTLE_ENTRIES = 65536,               /* of each kind */
	THROTTLE_PENDING_USER = 128,            /* tries of one name at a time, whatever the limit */
	THROTTLE_PENDING_ADDR = 1024,           /* tries of one address at a time: a webmail's are many */
	THROTTLE_TEXT_MAX = 64,
};

/* One try; a value that the caller keeps between begin and end. */
struct throttle_try {
	uint64_t addr, user, pair, password;    /* keyed hashes */
	bool entered;
	bool known;                             /* this address logged in to this account within a week */
	char addr_text[THROTTLE_TEXT_MAX + 1], user_text[THROTTLE_TEXT_MAX + 1];
};

/* key: 16 bytes that the stored keys were made with. */
struct throttle *throttle_new(unsigned limit, unsigned entries, struct slice key);
void throttle_free(struct throttle **t);
void throttle_set_limit(struct throttle *t, unsigned limit);
/* May this login be tried at now_ms? 0, or ERR_AGAIN and how long to wait. addr: text of an IP address; user: the
 * name as logged in with, empty when it is not known: then only the address counts; password: or what stands for it. */
int throttle_check(struct throttle *t, struct slice addr, struct slice user, struct slice password,
    uint64_t now_ms, struct throttle_try *try_r, uint64_t *wait_ms_r) MUST_CHECK;
/* Behind it, when finding out takes a while: the try counts as pending. ERR_AGAIN: too many are. */
int throttle_enter(struct throttle *t, struct throttle_try *try) MUST_CHECK;
enum throttle_result { THROTTLE_GOOD, THROTTLE_WRONG, THROTTLE_UNKNOWN /* not found out: counts nothing */ };
/* Of a try that throttle_check() let pass, entered or not. */
void throttle_end(struct throttle *t, const struct throttle_try *try, enum throttle_result result, uint64_t now_ms);

/* ---- for the administrator ---- */
enum throttle_kind { THROTTLE_BY_ADDR, THROTTLE_BY_USER, THROTTLE_PAIRS };
struct throttle_item {
	enum throttle_kind kind;
	const char *text;       /* an address (IPv6: of its /64), or the beginning of a name */
	uint32_t failures;
	uint64_t age_ms, wait_ms;
};
/* Those with failures, the latest first, addresses before names. A result of fn other than 0 ends it and becomes its result. */
typedef int throttle_item_fn(void *ctx, const struct throttle_item *item);
int throttle_each(struct throttle *t, uint64_t now_ms, throttle_item_fn *fn, void *ctx) MUST_CHECK;
/* Forgives an address or a name; how many entries that were. */
unsigned throttle_clear(struct throttle *t, struct slice text);

/* ---- for the store ---- */
/* An entry in its slot below `entries`; age_ms since the last failure, or login of a pair. failures 0: the slot is empty. */
struct throttle_row {
	enum throttle_kind kind;
	uint32_t slot, failures;
	uint64_t key, age_ms;
	char text[THROTTLE_TEXT_MAX + 1];
};
/* At most max of those that changed since they were given last. */
unsigned throttle_changed(struct throttle *t, uint64_t now_ms, struct throttle_row *rows, unsigned max);
/* Into a new throttle; sorts the rows. What does not fit into it is ignored. */
void throttle_restore(struct throttle *t, uint64_t now_ms, struct throttle_row *rows, unsigned n);
/* How many entries are in use. */
unsigned throttle_entries(const struct throttle *t);

#endif
