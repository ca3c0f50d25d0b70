#ifndef PABAL_KEYD_SELFSIGN_H
#define PABAL_KEYD_SELFSIGN_H

#include "keyd/cert.h"

enum { SELFSIGN_DAYS = 3650 };

/* A new key of the type (RSA of 2048 bits, ECDSA of P-256) and a certificate for names (cert_name_ok()) that it signs
 * itself, valid from an hour ago. ERR_IO: OpenSSL failed. */
int selfsign_make(enum key_type type, const char *const *names, unsigned n, uint32_t days, struct cert **c_r, struct buf *why) MUST_CHECK;

#endif
