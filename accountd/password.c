#include "accountd/password.h"

#include "accountd/digest.h"
#include "common/base/clock.h"

enum { SALT_BYTES = 16, COST_DEFAULT = 0 };

bool password_valid(struct slice password, const char **why_r)
{
	*why_r = password.len == 0 ? "is empty" : password.len > PASSWORD_MAX ? "is longer than 511 bytes" : NULL;
	for (size_t i = 0; i < password.len && *why_r == NULL; i++)
		if (is_class(password.p[i], CC_CTL))
			*why_r = "contains a control character";
	return *why_r == NULL;
}

int password_hash(const char *password, struct crypt_data *work, char hash_r[PASSWORD_HASH_SIZE])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], salt[SALT_BYTES];
	const char *out;
	int r = ERR_IO;

	random_fill(salt, sizeof(salt));
	if (crypt_gensalt_rn("$y$", COST_DEFAULT, salt, (int)sizeof(salt), setting, (int)sizeof(setting)) == NULL)
		return ERR_IO;
	memset(work, 0, sizeof(*work));
	digest_counts.crypt++;
	out = crypt_rn(password, setting, work, (int)sizeof(*work));
	if (out != NULL && out[0] != '*')
		r = slice_to_cstr(slice_cstr(out), hash_r, PASSWORD_HASH_SIZE);
	explicit_bzero(work, sizeof(*work));
	return r;
}

/* Same time wherever they differ. */
static bool equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned diff = 0;

	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)((uint8_t)a[i] ^ (uint8_t)b[i]);
	return diff == 0;
}

bool password_fits(const char *password, const char *hash, struct crypt_data *work)
{
	const char *out;
	bool fits;

	memset(work, 0, sizeof(*work));
	digest_counts.crypt++;
	out = crypt_rn(password, hash, work, (int)sizeof(*work));
	fits = out != NULL && out[0] != '*' && equal(out, hash);
	explicit_bzero(work, sizeof(*work));
	return fits;
}

/* What is taken: each is slow by intent. MD5, DES, SHA-1 and NT hashes are not here. */
static const struct { const char *prefix, *name; } kinds[] = {
	{ "$y$", "yescrypt" }, { "$argon2id$", "argon2id" }, { "$gy$", "gost-yescrypt" }, { "$7$", "scrypt" },
	{ "$2b$", "bcrypt" }, { "$2a$", "bcrypt" }, { "$2y$", "bcrypt" }, { "$6$", "sha512crypt" }, { "$5$", "sha256crypt" },
};

const char *password_hash_kind(const char *hash)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strncmp(hash, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].name;
	return "unknown";
}

bool password_hash_current(const char *hash)
{
	return strncmp(hash, "$y$", 3) == 0 || strncmp(hash, "$argon2id$", 10) == 0;
}

bool password_hash_valid(struct slice hash, const char **why_r)
{
	char text[PASSWORD_HASH_SIZE];

	*why_r = NULL;
	if (slice_to_cstr(hash, text, sizeof(text)) != 0)
		*why_r = "is no hash of crypt(5)";
	else if (text[0] != '$' || crypt_checksalt(text) == CRYPT_SALT_INVALID)
		*why_r = "is no hash that crypt(3) of this system knows";
	else if (strcmp(password_hash_kind(text), "unknown") == 0)
		*why_r = "is of a kind that is guessed too easily";
	explicit_bzero(text, sizeof(text));
	return *why_r == NULL;
}

bool password_hash_whole(const char *hash, struct crypt_data *work)
{
	const char *out, *last = strrchr(hash, '$');
	bool whole;

	memset(work, 0, sizeof(*work));
	digest_counts.crypt++;
	out = crypt_rn("", hash, work, (int)sizeof(*work));
	whole = out != NULL && last != NULL && out[0] != '*' && strlen(out) == strlen(hash) &&
	    strncmp(out, hash, (size_t)(last - hash)) == 0;
	explicit_bzero(work, sizeof(*work));
	return whole;
}
