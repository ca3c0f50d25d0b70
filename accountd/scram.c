#include "accountd/scram.h"

int scram_keys_make(struct slice password, struct slice salt, uint32_t iterations, struct scram_keys *k_r)
{
	static const struct slice client_text = SLICE_LIT("Client Key"), server_text = SLICE_LIT("Server Key");
	uint8_t salted[DIGEST_SIZE], client[DIGEST_SIZE];
	struct slice client_key = slice_of(client, sizeof(client));
	int r = digest_pbkdf2(password, salt, iterations, salted);

	if (r == 0 && (r = digest_hmac(slice_of(salted, sizeof(salted)), &client_text, 1, client)) == 0 &&
	    (r = digest_sha256(&client_key, 1, k_r->stored)) == 0)
		r = digest_hmac(slice_of(salted, sizeof(salted)), &server_text, 1, k_r->server);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return r;
}

bool scram_proof_fits(const struct scram_keys *k, struct slice auth_message, struct slice proof)
{
	uint8_t client[DIGEST_SIZE], stored[DIGEST_SIZE];
	struct slice client_key = slice_of(client, sizeof(client));
	bool fits;

	if (proof.len != sizeof(client) ||
	    digest_hmac(slice_of(k->stored, sizeof(k->stored)), &auth_message, 1, client) != 0)
		return false;
	for (size_t i = 0; i < sizeof(client); i++)
		client[i] ^= proof.p[i];
	fits = digest_sha256(&client_key, 1, stored) == 0 && digest_equal(stored, k->stored, sizeof(stored));
	explicit_bzero(client, sizeof(client));
	return fits;
}

int scram_signature(const struct scram_keys *k, struct slice auth_message, uint8_t out_r[DIGEST_SIZE])
{
	return digest_hmac(slice_of(k->server, sizeof(k->server)), &auth_message, 1, out_r);
}

/* The next part up to a comma; false at the end. No value of an attribute holds a comma (RFC 5802 7). */
static bool next_field(struct slice *rest, struct slice *field_r)
{
	ptrdiff_t comma = slice_chr(*rest, ',');

	if (rest->len == 0)
		return false;
	*field_r = slice_sub(*rest, 0, comma < 0 ? rest->len : (size_t)comma);
	*rest = comma < 0 ? slice_sub(*rest, rest->len, 0) : slice_sub(*rest, (size_t)comma + 1, SIZE_MAX);
	return true;
}

static bool take(struct slice *rest, char name, struct slice *value_r)
{
	struct slice field;

	if (!next_field(rest, &field) || field.len < 2 || field.p[0] != (uint8_t)name || field.p[1] != '=')
		return false;
	*value_r = slice_sub(field, 2, SIZE_MAX);
	return true;
}

/*
 * AuthMessage = client-first-message-bare "," server-first-message "," client-final-message-without-proof
 *	n=user,r=CLIENT[,extensions] , r=CLIENTSERVER,s=salt,i=count[,extensions] , c=binding,r=CLIENTSERVER[,extensions]
 */
int scram_server_nonce(struct slice auth_message, struct slice *nonce_r)
{
	struct slice rest = auth_message, user, client, both = slice_of(NULL, 0), again, value, field;
	bool found = false;

	if (!take(&rest, 'n', &user) || !take(&rest, 'r', &client) || client.len == 0)
		return ERR_SYNTAX;
	while (!found && next_field(&rest, &field))
		if ((found = field.len > 2 && field.p[0] == 'r' && field.p[1] == '='))
			both = slice_sub(field, 2, SIZE_MAX);
	if (!found || !take(&rest, 's', &value) || !take(&rest, 'i', &value))
		return ERR_SYNTAX;
	for (found = false; !found && next_field(&rest, &field);)
		found = field.len >= 2 && field.p[0] == 'c' && field.p[1] == '=';
	if (!found || !take(&rest, 'r', &again) || !slice_eq(both, again) || both.len != client.len + SCRAM_NONCE_LEN ||
	    !slice_eq(slice_sub(both, 0, client.len), client))
		return ERR_SYNTAX;
	*nonce_r = slice_sub(both, client.len, SIZE_MAX);
	return 0;
}
