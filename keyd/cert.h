#ifndef PABAL_KEYD_CERT_H
#define PABAL_KEYD_CERT_H

#include "common/ipc/proto_key.h"
#include "keyd/crypto.h"

/*
 * A private key with its chain of certificates, read from PEM and checked: the key fits the first certificate and
 * works, each certificate is issued by the next, the key is strong, the certificate is for TLS servers and has names.
 * Dates are told and not judged here.
 */
enum key_type { KEY_RSA, KEY_ECDSA, KEY_ED25519, KEY_TYPES };

enum { CERT_PEM_MAX = 262144, CERT_KEY_PEM_MAX = 65536, CERT_CHAIN_MAX = 65536 /* DER */, CERT_CHAIN_N = 10, CERT_NAMES_MAX = 1000,
	CERT_ISSUER_MAX = 256, CERT_NAME_MAX = 253 };

struct cert {
	EVP_PKEY *pkey;
	enum key_type type;
	unsigned bits;
	uint8_t id[KEY_ID_SIZE];                /* SHA-256 of the SubjectPublicKeyInfo */
	uint8_t fingerprint[32];                /* SHA-256 of the first certificate */
	struct buf chain;                       /* DER, one behind the other */
	struct buf pem;                         /* the same as PEM */
	unsigned certificates;
	char **names;                           /* DNS names in lower case, in order, each once */
	unsigned names_n;
	char first[CERT_NAME_MAX + 1];          /* the one that stands first in the certificate */
	uint64_t not_before, not_after;         /* seconds since 1970; of the first certificate */
	char issuer[CERT_ISSUER_MAX + 1];       /* any bytes but NUL */
	bool self_signed;
};

/* key and chain may be the same text; what does not belong into either is passed over. ERR_SYNTAX, ERR_DENIED
 * (weak, for another purpose, encrypted), ERR_LIMIT or ERR_NOMEM: why says what is wrong, without a full stop. */
int cert_load(struct slice key, struct slice chain, struct cert **c_r, struct buf *why) MUST_CHECK;
void cert_free(struct cert **c);
/* The key as PKCS#8, then the chain, both PEM: what cert_load() takes. b is secret then. */
int cert_write(const struct cert *c, struct buf *b) MUST_CHECK;
/* Is host (lower case) one of its names, a wildcard counting for one label (RFC 6125 6.4.3)? */
bool cert_covers(const struct cert *c, const char *host);
/* "RSA 2048", "ECDSA P-256", "Ed25519" */
void cert_add_type(struct buf *b, const struct cert *c);

/* cert_names.c: what stands in the certificate. */
int cert_read_names(struct cert *c, X509 *x, struct buf *why) MUST_CHECK;
int cert_read_dates(struct cert *c, const X509 *x, struct buf *why) MUST_CHECK;
void cert_read_issuer(struct cert *c, X509 *x);
/* A host name in lower case, or one with "*." in front: letters, digits, '-', '_' and single dots. */
bool cert_name_ok(const char *name);

#endif
