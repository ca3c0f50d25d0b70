#ifndef PABAL_ACCOUNTD_PASSWORD_H
#define PABAL_ACCOUNTD_PASSWORD_H

#include <crypt.h>
#include <stdbool.h>

#include "common/base/slice.h"

/* Passwords and their hashes: yescrypt through crypt(5). Slow by intent (some 25 ms), so threads do it. */
enum { PASSWORD_MAX = CRYPT_MAX_PASSPHRASE_SIZE - 1, PASSWORD_HASH_SIZE = CRYPT_OUTPUT_SIZE };

/* May it be a password? why_r gets a sentence's end for the administrator when not. */
bool password_valid(struct slice password, const char **why_r);
/* A new hash with a random salt. ERR_NOMEM, ERR_IO. */
int password_hash(const char *password, struct crypt_data *work, char hash_r[PASSWORD_HASH_SIZE]) MUST_CHECK;
/* Is it a hash that a password may have: not of a kind that is easily guessed (DES, MD5, ...), and known to this
 * crypt(3)? why_r gets a sentence's end when not. Quick. */
bool password_hash_valid(struct slice hash, const char **why_r);
/* Does crypt(3) make hashes of just this form, so that it is not only a setting, or cut? Slow. */
bool password_hash_whole(const char *hash, struct crypt_data *work);
/* Of the kind that password_hash() makes, or argon2id. */
bool password_hash_current(const char *hash);
/* The kind of a hash for people: "yescrypt", "sha512crypt", ... */
const char *password_hash_kind(const char *hash);
/* Takes the same time for every password of a length; a hash that crypt() does not know never fits. */
bool password_fits(const char *password, const char *hash, struct crypt_data *work);

#endif
