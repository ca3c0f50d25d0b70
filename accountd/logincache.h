#ifndef PABAL_ACCOUNTD_LOGINCACHE_H
#define PABAL_ACCOUNTD_LOGINCACHE_H

#include "accountd/digest.h"

/*
 * Logins by password that were proven lately, so that a client that comes every minute costs no slow hash each
 * time. A key is an HMAC of user and password with a random key of this process (serve_login.c): from what is
 * here no password can be tried without that key. Bounded: the entry that was not asked for longest makes room.
 */
struct logincache;

enum { LOGINCACHE_ENTRIES = 8192 };

struct logincache_value {
	uint64_t account;
	uint32_t app;           /* the app password's id, 0: the user's own password */
	uint8_t services;       /* SERVICE_ bits it is good for */
};

struct logincache *logincache_new(unsigned entries);
void logincache_free(struct logincache **c);
/* False: it is not there, or older than its time. */
bool logincache_get(struct logincache *c, const uint8_t key[DIGEST_SIZE], uint64_t now_ms, struct logincache_value *v_r);
void logincache_put(struct logincache *c, const uint8_t key[DIGEST_SIZE], const struct logincache_value *v,
    uint64_t until_ms);
/* All of an account. */
void logincache_drop(struct logincache *c, uint64_t account);

#endif
