#include "tests/lib/unit.h"

#include "common/daemon/token.h"

static const uint8_t key[TOKEN_SECRET_SIZE] = { 1, 2, 3 };
static const uint8_t other[TOKEN_SECRET_SIZE] = { 1, 2, 4 };

static void round_trip(void **state)
{
	static const struct token t[] = {
		{ TOKEN_SESSION, 7, 0, 1000 },
		{ TOKEN_JOB, 0, UINT64_MAX, UINT64_MAX },
		{ TOKEN_GRANT, 1, 2, 1000 },
	};
	struct slice secret = slice_of(key, sizeof(key));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t a[TOKEN_SIZE], b[TOKEN_SIZE];
		struct token got;

		assert_int_equal(token_mint(secret, &t[i], a), 0);
		assert_int_equal(token_mint(secret, &t[i], b), 0);
		assert_row(i, memcmp(a, b, TOKEN_SIZE) != 0);
		assert_int_equal(token_check(secret, slice_of(a, TOKEN_SIZE), t[i].kind, 999, &got), 0);
		assert_row(i, got.kind == t[i].kind && got.account == t[i].account && got.msgid == t[i].msgid);
		for (enum token_kind k = TOKEN_SESSION; k <= TOKEN_GRANT; k++)
			assert_row(i, (token_check(secret, slice_of(a, TOKEN_SIZE), k, 0, &got) == 0) == (k == t[i].kind));
		if (t[i].expiry == 1000)
			assert_int_equal(token_check(secret, slice_of(a, TOKEN_SIZE), t[i].kind, 1000, &got), ERR_DENIED);
	}
}

/* Not one bit, not one byte more or less, not another key. */
static void forgeries(void **state)
{
	struct slice secret = slice_of(key, sizeof(key));
	uint8_t a[TOKEN_SIZE + 1] = { 0 };
	struct token got;

	(void)state;
	assert_int_equal(token_mint(secret, &(struct token){ TOKEN_SESSION, 7, 0, 1000 }, a), 0);
	for (size_t bit = 0; bit < TOKEN_SIZE * 8u; bit++) {
		a[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_row(bit, token_check(secret, slice_of(a, TOKEN_SIZE), TOKEN_SESSION, 0, &got) == ERR_DENIED);
		a[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n <= sizeof(a); n++)
		assert_row(n, (token_check(secret, slice_of(a, n), TOKEN_SESSION, 0, &got) == 0) == (n == TOKEN_SIZE));
	assert_int_equal(token_check(slice_of(other, sizeof(other)), slice_of(a, TOKEN_SIZE), TOKEN_SESSION, 0, &got), ERR_DENIED);
	assert_int_equal(token_check(slice_of(NULL, 0), slice_of(a, TOKEN_SIZE), TOKEN_SESSION, 0, &got), ERR_DENIED);
	assert_int_equal(token_mint(slice_of(key, 31), &(struct token){ TOKEN_SESSION, 7, 0, 1000 }, a), ERR_STATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(forgeries),
	};

	token_init();
	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
