#include "accountd/digest.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

struct digest_counts digest_counts;

void digest_init(void)
{
	uint8_t out[DIGEST_SIZE];
	struct slice part = SLICE_LIT("x");

	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (digest_sha256(&part, 1, out) != 0 || digest_hmac(part, &part, 1, out) != 0 ||
	    digest_pbkdf2(part, part, 1, out) != 0)
		return;         /* whoever needs them is told then */
}

/* The parts in one piece: what they are made of is short. */
static int gather(const struct slice *parts, unsigned n, uint8_t *p, size_t *len_r)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		if (parts[i].len > DIGEST_INPUT_MAX - len)
			return ERR_LIMIT;
		if (parts[i].len != 0)
			memcpy(p + len, parts[i].p, parts[i].len);
		len += parts[i].len;
	}
	*len_r = len;
	return 0;
}

int digest_sha256(const struct slice *parts, unsigned n, uint8_t out_r[DIGEST_SIZE])
{
	uint8_t p[DIGEST_INPUT_MAX];
	size_t len = 0;
	int r = gather(parts, n, p, &len);

	digest_counts.sha256++;
	if (r == 0 && EVP_Digest(p, len, out_r, NULL, EVP_sha256(), NULL) != 1)
		r = ERR_NOMEM;
	explicit_bzero(p, len);
	return r;
}

int digest_hmac(struct slice key, const struct slice *parts, unsigned n, uint8_t out_r[DIGEST_SIZE])
{
	uint8_t p[DIGEST_INPUT_MAX];
	size_t len = 0;
	unsigned out_n = 0;
	int r = gather(parts, n, p, &len);

	digest_counts.hmac++;
	if (r == 0 && (HMAC(EVP_sha256(), key.p, (int)key.len, p, len, out_r, &out_n) == NULL || out_n != DIGEST_SIZE))
		r = ERR_NOMEM;
	explicit_bzero(p, len);
	return r;
}

int digest_pbkdf2(struct slice password, struct slice salt, uint32_t iterations, uint8_t out_r[DIGEST_SIZE])
{
	digest_counts.pbkdf2++;
	if (password.len > DIGEST_INPUT_MAX || salt.len > DIGEST_INPUT_MAX || iterations > INT32_MAX)
		return ERR_LIMIT;
	return PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.len, salt.p, (int)salt.len, (int)iterations,
	    EVP_sha256(), DIGEST_SIZE, out_r) == 1 ? 0 : ERR_NOMEM;
}

bool digest_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
