#ifndef PABAL_KEYD_SIGN_H
#define PABAL_KEYD_SIGN_H

#include "keyd/cert.h"

/*
 * What keyd signs, and nothing else: the proof of a TLS server in a handshake. A text that is not such a proof would
 * let an edge that was taken over use the key for other things (another protocol, a client's proof, a document).
 *
 *	TLS 1.3 (RFC 8446 4.4.3)   64 spaces, "TLS 1.3, server CertificateVerify", NUL, the hash of the transcript
 *	TLS 1.2 (RFC 8422 5.4)     client random, server random, 3 (named_curve), the curve, length, the public point
 *
 * No text is both: the byte behind the two randoms is 3 in one and 'T' in the other.
 */
enum sign_kind { SIGN_TLS13, SIGN_TLS12 };

enum { SIGNATURE_MAX = 1024 };

/* Which of the two it is, or ERR_DENIED. */
int sign_text_kind(struct slice text, enum sign_kind *kind_r) MUST_CHECK;
/* ERR_DENIED: the text is no such proof, or the scheme does not fit the key or the version of TLS; *why_r says which.
 * ERR_IO: OpenSSL failed. */
int sign_text(const struct cert *c, uint16_t scheme, struct slice text, uint8_t sig_r[SIGNATURE_MAX], size_t *n_r,
    const char **why_r) MUST_CHECK;

#endif
