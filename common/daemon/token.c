#include "common/daemon/token.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#include "common/base/buf.h"
#include "common/base/clock.h"

enum {
	TOKEN_VERSION = 1,
	OFF_KIND = 1, OFF_ACCOUNT = 2, OFF_MSGID = 10, OFF_EXPIRY = 18, OFF_NONCE = 26, OFF_MAC = 34,
	NONCE_SIZE = OFF_MAC - OFF_NONCE, MAC_SIZE = TOKEN_SIZE - OFF_MAC,
};

void token_init(void)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	(void)HMAC(EVP_sha256(), "", 0, mac, 0, mac, &n);
}

static int token_mac(struct slice secret, const uint8_t *text, uint8_t mac_r[MAC_SIZE])
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (secret.len != TOKEN_SECRET_SIZE)
		return ERR_STATE;
	if (HMAC(EVP_sha256(), secret.p, (int)secret.len, text, OFF_MAC, mac, &n) == NULL || n != MAC_SIZE)
		return ERR_NOMEM;
	memcpy(mac_r, mac, MAC_SIZE);
	return 0;
}

int token_mint(struct slice secret, const struct token *t, uint8_t out_r[TOKEN_SIZE])
{
	out_r[0] = TOKEN_VERSION;
	out_r[OFF_KIND] = (uint8_t)t->kind;
	put_le64(out_r + OFF_ACCOUNT, t->account);
	put_le64(out_r + OFF_MSGID, t->msgid);
	put_le64(out_r + OFF_EXPIRY, t->expiry);
	random_fill(out_r + OFF_NONCE, NONCE_SIZE);
	return token_mac(secret, out_r, out_r + OFF_MAC);
}

int token_check(struct slice secret, struct slice text, enum token_kind kind, uint64_t now, struct token *t_r)
{
	uint8_t mac[MAC_SIZE];

	if (text.len != TOKEN_SIZE || token_mac(secret, text.p, mac) != 0 ||
	    CRYPTO_memcmp(mac, text.p + OFF_MAC, MAC_SIZE) != 0)
		return ERR_DENIED;
	if (text.p[0] != TOKEN_VERSION || text.p[OFF_KIND] != kind)
		return ERR_DENIED;
	t_r->kind = kind;
	t_r->account = get_le64(text.p + OFF_ACCOUNT);
	t_r->msgid = get_le64(text.p + OFF_MSGID);
	t_r->expiry = get_le64(text.p + OFF_EXPIRY);
	return t_r->expiry > now ? 0 : ERR_DENIED;
}
