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
 * THROTTLE_WAIT_MAX, and one at a time. A failure is forgiven every
 * THROTTLE_FORGIVE without another one. The same wrong password for the same
 * name again (a mail program with an old password) counts once. An address
 * that logged in to an account within a week is not held up by what others do to that
 * account. A good login clears the account's count, not the address's.
 *
 * Memory is bounded: the entry that was quiet longest makes room. Nothing of a
 * password is kept but 64 bits of a keyed hash.
 */
struct throttle;

enum {
	THROTTLE_WAIT_MIN = 1000,               /* ms after the first failure over the limit */
	THROTTLE_WAIT_MAX = 5 * 60 * 1000,      /* ms */
	THROTTLE_FORGIVE = 10 * 60 * 1000,      /* ms */
	THROTTLE_ENTRIES = 65536,               /* of each kind */
	THROTTLE_PENDING_MAX = 128,             /* tries of one address or name at a time */
};

/* One try; a value that the caller keeps between begin and end. */
struct throttle_try {
	uint64_t addr, user, pair, password;    /* keyed hashes */
};

struct throttle *throttle_new(unsigned limit, unsigned entries);
void throttle_free(struct throttle **t);
void throttle_set_limit(struct throttle *t, unsigned limit);
/* May this login be tried at now_ms? 0, then throttle_end() must follow; or ERR_AGAIN and
 * how long to wait. addr: text of an IP address; user: the name as logged in with. */
int throttle_begin(struct throttle *t, struct slice addr, struct slice user, struct slice password,
    uint64_t now_ms, struct throttle_try *try_r, uint64_t *wait_ms_r) MUST_CHECK;
enum throttle_result { THROTTLE_GOOD, THROTTLE_WRONG, THROTTLE_UNKNOWN /* not found out: counts nothing */ };
void throttle_end(struct throttle *t, const struct throttle_try *try, enum throttle_result result, uint64_t now_ms);

#endif
