#ifndef PABAL_ACCOUNTD_DIGEST_H
#define PABAL_ACCOUNTD_DIGEST_H

#include "common/base/slice.h"

/*
 * SHA-256, HMAC and PBKDF2 (RFC 2104, 8018): every call of OpenSSL in accountd is in digest.c. May be
 * called by several threads. Errors: ERR_NOMEM, ERR_LIMIT when the parts together are over DIGEST_INPUT_MAX.
 */
enum { DIGEST_SIZE = 32, DIGEST_INPUT_MAX = 16384 };

/* Makes OpenSSL ready; before the sandbox is entered. */
void digest_init(void);
/* Of the parts, one behind the other. */
int digest_sha256(const struct slice *parts, unsigned n, uint8_t out_r[DIGEST_SIZE]) MUST_CHECK;
int digest_hmac(struct slice key, const struct slice *parts, unsigned n, uint8_t out_r[DIGEST_SIZE]) MUST_CHECK;
/* PBKDF2 with HMAC-SHA-256. Slow: for threads. */
int digest_pbkdf2(struct slice password, struct slice salt, uint32_t iterations, uint8_t out_r[DIGEST_SIZE]) MUST_CHECK;
/* Takes the same time wherever they differ. */
bool digest_equal(const uint8_t *a, const uint8_t *b, size_t n);

/* How often each was computed in this process: what a login costs must not tell whether the user exists,
 * and a test counts. crypt is counted by password.c. */
struct digest_counts { _Atomic unsigned long sha256, hmac, pbkdf2, crypt; };
extern struct digest_counts digest_counts;

#endif
