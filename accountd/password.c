#include "accountd/password.h"

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
	out = crypt_rn(password, hash, work, (int)sizeof(*work));
	fits = out != NULL && out[0] != '*' && equal(out, hash);
	explicit_bzero(work, sizeof(*work));
	return fits;
}
