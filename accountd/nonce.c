#include "accountd/nonce.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/mail/base64.h"

enum {
	RANDOM_SIZE = 16, TIME_SIZE = 8, MAC_SIZE = 24, NONCE_SIZE = RANDOM_SIZE + TIME_SIZE + MAC_SIZE,
	SETS = 4096, WAYS = 8,
};

/* What was used, by a part of the random bytes. Nonces of the set made at `floor` or before are not taken any more. */
struct used_set {
	uint64_t random[WAYS], time[WAYS];
	uint64_t floor;         /* time + 1 of the latest that made room; 0: none did */
};

struct nonces {
	uint8_t key[DIGEST_SIZE];
	struct used_set sets[SETS];
};

struct nonces *nonces_new(void)
{
	struct nonces *n = calloc(1, sizeof(*n));

	if (n != NULL)
		random_fill(n->key, sizeof(n->key));
	return n;
}

void nonces_free(struct nonces **n)
{
	if (*n == NULL)
		return;
	explicit_bzero((*n)->key, sizeof((*n)->key));
	free(*n);
	*n = NULL;
}

static int mac(const struct nonces *n, const uint8_t *p, struct slice user, uint8_t out_r[DIGEST_SIZE])
{
	const struct slice parts[] = { slice_of(p, RANDOM_SIZE + TIME_SIZE), user };

	return digest_hmac(slice_of(n->key, sizeof(n->key)), parts, ARRAY_LEN(parts), out_r);
}

int nonces_make(const struct nonces *n, struct slice user, uint64_t now_ms, char out_r[SCRAM_NONCE_LEN + 1])
{
	uint8_t p[RANDOM_SIZE + TIME_SIZE + DIGEST_SIZE];
	struct buf b = BUF_INIT(2 * SCRAM_NONCE_LEN);
	int r;

	random_fill(p, RANDOM_SIZE);
	put_le64(p + RANDOM_SIZE, now_ms);
	if ((r = mac(n, p, user, p + RANDOM_SIZE + TIME_SIZE)) != 0)
		return r;
	base64_encode(&b, slice_of(p, NONCE_SIZE));
	if ((r = buf_err(&b)) == 0)
		r = slice_to_cstr(buf_slice(&b), out_r, SCRAM_NONCE_LEN + 1);
	buf_free(&b);
	return r;
}

static int decode(struct slice nonce, uint8_t p_r[NONCE_SIZE])
{
	struct buf b = BUF_INIT(2 * SCRAM_NONCE_LEN);
	int r = nonce.len == SCRAM_NONCE_LEN ? base64_decode_strict(nonce, &b) : ERR_SYNTAX;

	if (r == 0 && buf_len(&b) == NONCE_SIZE)
		memcpy(p_r, buf_slice(&b).p, NONCE_SIZE);
	else
		r = ERR_SYNTAX;
	buf_free(&b);
	return r;
}

int nonces_check(const struct nonces *n, struct slice user, struct slice nonce, uint64_t now_ms)
{
	uint8_t p[NONCE_SIZE], want[DIGEST_SIZE];
	const struct used_set *set;
	uint64_t made, random;

	if (decode(nonce, p) != 0 || mac(n, p, user, want) != 0 ||
	    !digest_equal(want, p + RANDOM_SIZE + TIME_SIZE, MAC_SIZE))
		return ERR_DENIED;
	made = get_le64(p + RANDOM_SIZE);
	random = get_le64(p);
	if (now_ms - made > NONCE_LIFETIME)
		return ERR_DENIED;
	set = &n->sets[((unsigned)p[8] | (unsigned)p[9] << 8) % SETS];
	if (made < set->floor)
		return ERR_DENIED;
	for (unsigned i = 0; i < WAYS; i++)
		if (set->random[i] == random && set->time[i] == made)
			return ERR_DENIED;
	return 0;
}

void nonces_use(struct nonces *n, struct slice nonce)
{
	uint8_t p[NONCE_SIZE];
	struct used_set *set;
	unsigned oldest = 0;

	if (decode(nonce, p) != 0)
		return;
	set = &n->sets[((unsigned)p[8] | (unsigned)p[9] << 8) % SETS];
	for (unsigned i = 1; i < WAYS; i++)
		if (set->time[i] < set->time[oldest])
			oldest = i;
	if (set->random[oldest] != 0 && set->time[oldest] >= set->floor)
		set->floor = set->time[oldest] + 1;
	set->random[oldest] = get_le64(p);
	set->time[oldest] = get_le64(p + RANDOM_SIZE);
}
