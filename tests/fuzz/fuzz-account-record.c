/*
 * What accountd reads from its store, and the texts of a login that it looks into. The first byte says what the
 * rest is; for records ('A' to 'G') the rest is the record's own bytes, for 'a' to 'g' a right record is made from it, of which
 * the second byte then damages one.
 */
#include <stdlib.h>

#include "accountd/apppass.h"
#include "accountd/nonce.h"
#include "accountd/store_internal.h"
#include "common/base/log.h"

#define KINDS(K) K(meta) K(domain) K(user1) K(user) K(alias) K(app) K(secrets) K(count)

/* What is decoded encodes to the same bytes. */
#define TRY(T) \
	static void try_##T(struct slice in) \
	{ \
		struct cursor c = cursor_of(in); \
		struct buf b = BUF_INIT(1 << 20); \
		struct record_##T v; \
		if (record_##T##_decode(&c, NULL, &v) == 0 && cur_end(&c) == 0) { \
			record_##T##_encode(&b, &v); \
			if (buf_err(&b) != 0 || !slice_eq(buf_slice(&b), in)) \
				abort(); \
			buf_reset(&b); \
			record_##T##_print(&b, &v); \
		} \
		buf_free(&b); \
	}
KINDS(TRY)
#define ROW(T) try_##T,
static void (*const tries[])(struct slice) = { KINDS(ROW) };

/* The lengths of a user's fields are what the store copies: they have to be right when it says so. */
static void try_user_of_any_version(struct slice in)
{
	struct record_user u;

	if (store_decode_user(in, &u) != 0)
		return;
	if (u.hash.len > STORE_HASH_MAX || (u.iterations != 0 && u.salt.len != SCRAM_SALT_SIZE) || u.stored.len != u.server.len ||
	    (u.stored.len != 0 && u.stored.len != DIGEST_SIZE))
		abort();
}

static void made(uint8_t damage, struct slice in)
{
	struct record_user u = { .version = RECORD_USER_VERSION, .account = in.len, .hash = slice_sub(in, 0, 60), .salt = slice_sub(in, 0, 16),
		.iterations = 4096, .stored = slice_sub(in, 0, 32), .server = slice_sub(in, 1, 32) };
	struct buf b = BUF_INIT(1 << 20);

	record_user_encode(&b, &u);
	if (buf_err(&b) == 0) {
		b.p[damage % b.len] ^= (uint8_t)(damage >> 1);
		try_user_of_any_version(buf_slice(&b));
		try_user(buf_slice(&b));
	}
	buf_free(&b);
}

static void texts(struct slice in)
{
	static struct nonces *n;
	char password[APPPASS_LEN + 1], again[APPPASS_LEN + 1];
	struct slice nonce;
	uint8_t bits;

	if (n == NULL && (n = nonces_new()) == NULL)
		return;
	if (scram_server_nonce(in, &nonce) == 0) {
		if (nonce.len != SCRAM_NONCE_LEN || slice_chr(nonce, ',') >= 0)
			abort();
		if (nonces_check(n, slice_of(NULL, 0), nonce, 1000) == 0)
			abort();
		nonces_use(n, nonce);
	}
	if (apppass_canonical(in, password) && (!apppass_canonical(slice_cstr(password), again) || strcmp(password, again) != 0))
		abort();
	if (apppass_services(in, &bits) == 0 && (bits == 0 || bits > SERVICE_ALL))
		abort();
}

/* Each bad record is an error in the log. */
static void quiet(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in;

	if (size < 2)
		return 0;
	log_capture(quiet);
	in = slice_of(data + 1, size - 1);
	if (data[0] >= 'a' && data[0] <= 'z')
		made(data[1], in);
	else if (data[0] >= 'A' && data[0] <= 'Z')
		tries[(size_t)(data[0] - 'A') % ARRAY_LEN(tries)](in);
	try_user_of_any_version(in);
	texts(in);
	return 0;
}
