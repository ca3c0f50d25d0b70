#include "common/daemon/token.h"

/* OpenSSL has a type of the name of one of our errors. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#undef ERR_STATE

#include "common/base/buf.h"
#include "common/base/clock.h"

enum {
	TOKEN_VERSION = 1,
	OFF_KIND = 1, OFF_ACCOUNT = 2, OFF_MSGID = 10, OFF_EXPIRY = 18, OFF_NONCE = 26, OFF_MAC = 34,
	NONCE_SIZE = OFF_MAC - OFF_NONCE, MAC_SIZE = TOKEN_SIZE - OFF_MAC,
};

/* Keyed once: to look up the algorithm and to key it costs more than the rest. */
static EVP_MAC_CTX *mac_ctx;
static uint8_t mac_key[TOKEN_SECRET_SIZE];
static bool mac_keyed;

void token_init(void)
{
	EVP_MAC *mac;

	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (mac_ctx != NULL || (mac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL)
		return;
	mac_ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
}

/* 0, and mac_ctx is at the begin of a text. */
static int mac_begin(struct slice secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };

	if (mac_ctx == NULL)
		token_init();
	if (mac_ctx == NULL)
		return ERR_NOMEM;
	if (mac_keyed && memcmp(mac_key, secret.p, sizeof(mac_key)) == 0)
		return EVP_MAC_init(mac_ctx, NULL, 0, NULL) == 1 ? 0 : ERR_NOMEM;
	mac_keyed = false;
	if (EVP_MAC_init(mac_ctx, secret.p, secret.len, params) != 1)
		return ERR_NOMEM;
	memcpy(mac_key, secret.p, sizeof(mac_key));
	mac_keyed = true;
	return 0;
}

static int token_mac(struct slice secret, const uint8_t *text, uint8_t mac_r[MAC_SIZE])
{
	size_t n = 0;
	int r;

	if (secret.len != TOKEN_SECRET_SIZE)
		return ERR_STATE;
	if ((r = mac_begin(secret)) != 0)
		return r;
	if (EVP_MAC_update(mac_ctx, text, OFF_MAC) != 1 || EVP_MAC_final(mac_ctx, mac_r, &n, MAC_SIZE) != 1 || n != MAC_SIZE) {
		mac_keyed = false;
		return ERR_NOMEM;
	}
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
