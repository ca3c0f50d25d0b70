#include "accountd/apppass.h"

#include "common/base/clock.h"

/* Without l, o, 0 and 1. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

void apppass_make(char out_r[APPPASS_LEN + 1])
{
	uint8_t random[APPPASS_GROUPS * APPPASS_GROUP];
	size_t at = 0;

	random_fill(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i != 0 && i % APPPASS_GROUP == 0)
			out_r[at++] = '-';
		out_r[at++] = alphabet[random[i] & 31];
	}
	out_r[at] = '\0';
	explicit_bzero(random, sizeof(random));
}

static bool in_alphabet(uint8_t c)
{
	for (size_t i = 0; i < sizeof(alphabet) - 1; i++)
		if ((uint8_t)alphabet[i] == c)
			return true;
	return false;
}

bool apppass_canonical(struct slice typed, char out_r[APPPASS_LEN + 1])
{
	size_t letters = 0, at = 0;

	for (size_t i = 0; i < typed.len; i++) {
		uint8_t c = ascii_lower(typed.p[i]);

		if (c == '-' || c == ' ')
			continue;
		if (!in_alphabet(c) || letters == APPPASS_GROUPS * APPPASS_GROUP)
			return false;
		if (letters != 0 && letters % APPPASS_GROUP == 0)
			out_r[at++] = '-';
		out_r[at++] = (char)c;
		letters++;
	}
	out_r[at] = '\0';
	return letters == APPPASS_GROUPS * APPPASS_GROUP;
}

int apppass_hash(const uint8_t salt[SCRAM_SALT_SIZE], struct slice typed, uint8_t out_r[DIGEST_SIZE])
{
	char text[APPPASS_LEN + 1] = "";
	const struct slice parts[] = { slice_of(salt, SCRAM_SALT_SIZE),
		apppass_canonical(typed, text) ? slice_of(text, APPPASS_LEN) : typed };
	int r = digest_sha256(parts, ARRAY_LEN(parts), out_r);

	explicit_bzero(text, sizeof(text));
	return r;
}

int apppass_services(struct slice text, uint8_t *services_r)
{
	uint8_t bits = 0;

	*services_r = SERVICE_ALL;
	if (text.len == 0)
		return 0;
	while (text.len != 0) {
		ptrdiff_t comma = slice_chr(text, ',');
		struct slice word = slice_sub(text, 0, comma < 0 ? text.len : (size_t)comma);

		if (slice_ieq_cstr(word, "smtp"))
			bits |= SERVICE_SMTP;
		else if (slice_ieq_cstr(word, "pop3"))
			bits |= SERVICE_POP3;
		else if (slice_ieq_cstr(word, "imap"))
			bits |= SERVICE_IMAP;
		else
			return ERR_SYNTAX;
		text = slice_sub(text, word.len + (comma < 0 ? 0 : 1), SIZE_MAX);
		if (comma >= 0 && text.len == 0)
			return ERR_SYNTAX;
	}
	*services_r = bits;
	return 0;
}
