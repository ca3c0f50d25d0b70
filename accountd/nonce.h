#ifndef PABAL_ACCOUNTD_NONCE_H
#define PABAL_ACCOUNTD_NONCE_H

#include "accountd/scram.h"

/*
 * The server's nonces of SCRAM, without a word of state for each: base64 of
 *	16 random bytes, u64 time, 24 bytes of HMAC-SHA-256(key of this process, the random bytes, the time, the user)
 * so that one is known as ours, of this user, and not older than NONCE_LIFETIME. Those that a login succeeded
 * with are remembered as long, in a table of fixed size: none works twice. When more logins succeed at a time
 * than it holds, a few nonces that were not used yet are refused as well; never is a used one taken.
 */
struct nonces;

enum { NONCE_LIFETIME = 2 * 60 * 1000 /* ms */ };

struct nonces *nonces_new(void);
void nonces_free(struct nonces **n);
/* NUL-terminated. ERR_NOMEM. */
int nonces_make(const struct nonces *n, struct slice user, uint64_t now_ms, char out_r[SCRAM_NONCE_LEN + 1]) MUST_CHECK;
/* ERR_DENIED: not ours, of another user, too old, or used. */
int nonces_check(const struct nonces *n, struct slice user, struct slice nonce, uint64_t now_ms) MUST_CHECK;
/* One that nonces_check() has found good is used up. */
void nonces_use(struct nonces *n, struct slice nonce);

#endif
