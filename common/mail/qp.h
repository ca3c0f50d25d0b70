#ifndef PABAL_MAIL_QP_H
#define PABAL_MAIL_QP_H

#include "common/base/buf.h"

/*
 * Quoted-printable, RFC 2045 6.7. The decoder takes input in any pieces: spaces
 * at the end of a line go, "=" before a line end joins lines, a "=" that begins
 * nothing known stands for itself.
 */
struct qp_decoder {
	uint8_t held[64];    /* "=", "=X", "=\r", spaces: not decided yet */
	uint8_t n;           /* zero to begin */
};

void qp_decode(struct qp_decoder *d, struct slice in, struct buf *out);
/* What is held at the end of the input. */
void qp_decode_end(struct qp_decoder *d, struct buf *out);

/* Text with CRLF line ends to lines of at most 76. */
void qp_encode(struct buf *out, struct slice in);

/* 0 to 15, or -1. */
int hex_value(uint8_t c);

#endif
