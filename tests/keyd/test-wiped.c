/* No copy of a key stays behind in the memory of the process: it is searched for one that was there. */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include <openssl/core_names.h>

#include "keyd/selfsign.h"
#include "keyd/sign.h"
#include "keyd/store.h"
#include "tests/keyd/texts.h"

enum { MASK = 0x55, KEY_MAX = 256 };

/* The secret number, masked, so that the search does not find what it searches with. */
struct masked { uint8_t b[KEY_MAX]; size_t n; };

static void take(const struct cert *c, struct masked *m)
{
	if (c->type == KEY_ED25519) {
		m->n = KEY_MAX;
		assert_int_equal(EVP_PKEY_get_raw_private_key(c->pkey, m->b, &m->n), 1);
	} else {
		BIGNUM *bn = NULL;

		assert_int_equal(EVP_PKEY_get_bn_param(c->pkey, c->type == KEY_RSA ? OSSL_PKEY_PARAM_RSA_FACTOR1 : OSSL_PKEY_PARAM_PRIV_KEY, &bn), 1);
		m->n = (size_t)BN_num_bytes(bn);
		assert_int_equal(BN_bn2bin(bn, m->b), (int)m->n);
		BN_clear_free(bn);
	}
	for (size_t i = 0; i < m->n; i++)
		m->b[i] ^= MASK;
}

static unsigned count(const uint8_t *p, size_t n, const struct masked *m)
{
	unsigned hits = 0;

	for (size_t at = 0; at + m->n <= n; at++) {
		size_t i = 0, k = 0;

		if (p[at] != (m->b[0] ^ MASK) && p[at] != (m->b[m->n - 1] ^ MASK))
			continue;
		while (i < m->n && p[at + i] == (m->b[i] ^ MASK))
			i++;
		while (k < m->n && p[at + k] == (m->b[m->n - 1 - k] ^ MASK))
			k++;
		hits += i == m->n || k == m->n;
	}
	return hits;
}

/* How often it is in what this process can write to, in either order of bytes. */
static unsigned search(const struct masked *m)
{
	enum { CHUNK = 1 << 20, OVERLAP = 512 };
	static uint8_t piece[CHUNK + OVERLAP];
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	unsigned hits = 0;
	char line[512], perms[8];

	assert_true(maps != NULL && mem >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 || perms[0] != 'r' || perms[1] != 'w' || to - from > 1ul << 32)
			continue;
		for (unsigned long at = from; at < to; at += CHUNK) {
			size_t want = to - at < sizeof(piece) ? to - at : sizeof(piece);
			ssize_t n;

			/* not where the search itself looks */
			if (at < (uintptr_t)piece + sizeof(piece) && at + want > (uintptr_t)piece)
				continue;
			n = pread(mem, piece, want, (off_t)at);
			if (n > 0)
				hits += count(piece, (size_t)n, m);
		}
	}
	explicit_bzero(piece, sizeof(piece));
	(void)fclose(maps);
	(void)close(mem);
	return hits;
}

/* Deep enough for what the library left on the stack. */
static __attribute__((noinline)) void clear_stack(void)
{
	volatile uint8_t room[256 * 1024];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
}

static void gone(void **state)
{
	static const char *const hosts[] = { "a.test" };

	(void)state;
	for (int type = 0; type < KEY_TYPES; type++) {
		struct buf text = BUF_INIT(1 << 20), why = BUF_INIT(1000);
		uint8_t room[TEXT_ROOM], sig[SIGNATURE_MAX];
		const char *reason;
		struct masked m;
		struct cert *c, *d;
		size_t n;

		assert_int_equal(selfsign_make((enum key_type)type, hosts, 1, 10, &c, &why), 0);
		assert_int_equal(cert_write(c, &text), 0);
		assert_int_equal(cert_load(buf_slice(&text), buf_slice(&text), &d, &why), 0);
		assert_int_equal(sign_text(d, type == KEY_RSA ? 0x0804 : type == KEY_ECDSA ? 0x0403 : 0x0807, text_tls13(room, 32), sig, &n, &reason), 0);
		take(d, &m);
		assert_row(type, search(&m) > 0);
		cert_free(&c);
		cert_free(&d);
		store_wipe(&text);
		clear_stack();
		if (search(&m) != 0)
			fail_msg("type %d: still there %u times", type, search(&m));
		buf_free(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(gone) };

	crypto_init();
	return cmocka_run_group_tests_name("wiped", tests, NULL, NULL);
}
