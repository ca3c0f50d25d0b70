#ifndef PABAL_ACCOUNTD_SCRAM_H
#define PABAL_ACCOUNTD_SCRAM_H

#include "accountd/digest.h"

/*
 * What SCRAM-SHA-256 (RFC 5802 3, RFC 7677) asks of the side that knows the secrets. The texts of the exchange are
 * common/sasl's business; accountd sees the AuthMessage as a whole and looks for its own nonce in it.
 *
 *	SaltedPassword = PBKDF2(password, salt, iterations)
 *	StoredKey      = SHA-256(HMAC(SaltedPassword, "Client Key"))
 *	ServerKey      = HMAC(SaltedPassword, "Server Key")
 *
 * Neither key is good for a login: a proof needs what StoredKey is the hash of. Who has both may pose as
 * the server, and may try passwords at the price of PBKDF2 each.
 */
enum { SCRAM_SALT_SIZE = 16, SCRAM_ITERATIONS_MIN = 4096, SCRAM_NONCE_LEN = 64 };

struct scram_keys {
	uint8_t stored[DIGEST_SIZE], server[DIGEST_SIZE];
};

/* The password's bytes are taken as they are: SASLprep (RFC 4013) leaves ASCII alone, and other text as
 * long as it is composed (NFC), as keyboards send it. Slow. ERR_LIMIT, ERR_NOMEM. */
int scram_keys_make(struct slice password, struct slice salt, uint32_t iterations, struct scram_keys *k_r) MUST_CHECK;
/* Is proof the ClientProof of who knows the password? Two digests, whatever the answer. */
bool scram_proof_fits(const struct scram_keys *k, struct slice auth_message, struct slice proof);
/* ServerSignature. ERR_NOMEM. */
int scram_signature(const struct scram_keys *k, struct slice auth_message, uint8_t out_r[DIGEST_SIZE]) MUST_CHECK;
/* Finds the server's part of the nonce, which has to come both in the server's message and, the same, in the
 * client's last: the last SCRAM_NONCE_LEN bytes of both. ERR_SYNTAX. */
int scram_server_nonce(struct slice auth_message, struct slice *nonce_r) MUST_CHECK;

#endif
