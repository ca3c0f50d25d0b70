#ifndef PABAL_KEYD_CRYPTO_H
#define PABAL_KEYD_CRYPTO_H

/* OpenSSL, whose headers have a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "common/base/buf.h"

/* Before anything else of OpenSSL, once: no configuration file is read, and all memory of the library is wiped when it
 * is given back, so that no copy of a key stays behind where it was parsed. */
void crypto_init(void);
/* OpenSSL's last error in its words, appended to b; forgets all of them. */
void crypto_add_why(struct buf *b);

#endif
