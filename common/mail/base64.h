#ifndef PABAL_MAIL_BASE64_H
#define PABAL_MAIL_BASE64_H

#include "common/base/buf.h"

/* Base64, RFC 4648 section 4 and RFC 2045 6.8. */

/* A streaming decoder for MIME bodies: bytes outside the alphabet are passed over, a "=" ends a
 * quantum (more may follow: some mail is glued together), bits left at the end are dropped. */
struct base64_decoder {
	uint32_t bits;    /* zero to begin */
	unsigned n;
};

void base64_decode(struct base64_decoder *d, struct slice in, struct buf *out);

/* For protocols (SASL): the whole of in, with its padding and nothing else; ERR_SYNTAX otherwise. */
int base64_decode_strict(struct slice in, struct buf *out) MUST_CHECK;

/* In one line, padded. */
void base64_encode(struct buf *out, struct slice in);
/* In lines of 76 with CRLF after each, for a MIME body. */
void base64_encode_lines(struct buf *out, struct slice in);

/* The value of a digit, or -1. */
int base64_value(uint8_t c);

#endif
