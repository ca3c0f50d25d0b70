#ifndef PABAL_ACCOUNTD_APPPASS_H
#define PABAL_ACCOUNTD_APPPASS_H

#include "accountd/store.h"

/*
 * App passwords: made here, never chosen. "abcd-efgh-jkmn-pqrs-tuvw-xyz2": 24 letters and digits out of
 * 32 that are not taken for each other, 120 bits at random.
 */
enum { APPPASS_GROUPS = 6, APPPASS_GROUP = 4, APPPASS_LEN = APPPASS_GROUPS * (APPPASS_GROUP + 1) - 1 };

void apppass_make(char out_r[APPPASS_LEN + 1]);
/* As it was shown, when it was typed without the dashes, with spaces or in upper case; false: it is none. */
bool apppass_canonical(struct slice typed, char out_r[APPPASS_LEN + 1]);
/* The hash that is kept: SHA-256(salt, canonical form; or what was typed, so that it costs the same). ERR_NOMEM, ERR_LIMIT. */
int apppass_hash(const uint8_t salt[SCRAM_SALT_SIZE], struct slice typed, uint8_t out_r[DIGEST_SIZE]) MUST_CHECK;

/* "smtp", "pop3,imap" (any order) to SERVICE_ bits; empty: all. ERR_SYNTAX. */
int apppass_services(struct slice text, uint8_t *services_r) MUST_CHECK;

#endif
