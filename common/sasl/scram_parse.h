#ifndef PABAL_SASL_SCRAM_PARSE_H
#define PABAL_SASL_SCRAM_PARSE_H

#include "common/base/buf.h"

/* The client's messages of SCRAM, RFC 5802 7. Pure; slices point into the input. Errors: ERR_SYNTAX; ERR_LIMIT for a
 * part that is too long. */

/* gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","           RFC 5801 4 */
struct gs2_header {
	uint8_t flag;                   /* 'n', 'y' or 'p' */
	struct slice binding;           /* cb-name of 'p' */
	struct slice authzid;           /* still encoded; empty: none */
	struct slice text;              /* the whole header */
};
int gs2_header_take(struct cursor *c, struct gs2_header *h_r) MUST_CHECK;

/* client-first-message = gs2-header client-first-message-bare */
struct scram_first {
	struct gs2_header gs2;
	struct slice bare;
	struct slice user;              /* still encoded */
	struct slice nonce;
};
int scram_first_parse(struct slice in, size_t nonce_max, struct scram_first *f_r) MUST_CHECK;

/* client-final-message */
struct scram_final {
	struct slice binding;           /* base64 */
	struct slice nonce;
	struct slice without_proof;     /* what the AuthMessage ends with */
	struct slice proof;             /* base64 */
};
int scram_final_parse(struct slice in, struct scram_final *f_r) MUST_CHECK;

/* Appends the text that a saslname stands for: "=2C" is ",", "=3D" is "=", no other "=". ERR_SYNTAX, or the buffer's. */
int saslname_decode(struct slice in, struct buf *out) MUST_CHECK;

#endif
