#ifndef PABAL_TESTS_KEYD_PKI_H
#define PABAL_TESTS_KEYD_PKI_H

/* Keys and certificates of all kinds, good and bad, made by OpenSSL while the test runs. */
#include "common/base/clock.h"
#include "keyd/cert.h"

enum pki_type { PKI_EC256, PKI_EC384, PKI_EC521, PKI_RSA2048, PKI_ED25519, PKI_RSA1024, PKI_SECP256K1, PKI_ED448, PKI_RSAPSS };
enum pki_key_form { PKI_PKCS8, PKI_TRADITIONAL, PKI_ENCRYPTED, PKI_ENCRYPTED_TRADITIONAL };

struct pki {
	EVP_PKEY *key;
	X509 *x;
};

struct pki_spec {
	enum pki_type type;
	const char *cn;                 /* NULL: none */
	const char *alt;                /* "DNS:a,DNS:b", as in openssl.cnf; NULL: none */
	int days_from, days_to;         /* from now; both 0: -1 to 90 */
	bool ca;
	const char *ku, *eku;           /* NULL: none */
};

/* issuer NULL: self-signed. Everything fails the test. */
void pki_make(struct pki *p, const struct pki_spec *spec, const struct pki *issuer);
void pki_free(struct pki *p);
void pki_add_cert(struct buf *b, const struct pki *p);
void pki_add_key(struct buf *b, const struct pki *p, enum pki_key_form form);

#endif
