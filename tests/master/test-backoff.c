#include "tests/lib/unit.h"

#include "master/backoff.h"

static void waits(void **state)
{
	/* A series of deaths of one process: how long it lived, what is waited. */
	static const struct { uint64_t lived, want; bool loop; } t[] = {
		{ 5, 0, false }, { 5, 100, false }, { 9999, 200, false }, { 0, 400, false }, { 0, 800, true },
		{ 0, 1600, true }, { 0, 3200, true }, { 0, 6400, true }, { 0, 12800, true }, { 0, 25600, true },
		{ 0, 30000, true }, { 0, 30000, true },
		/* a longer life is started again at once, but not forgiven */
		{ 10000, 0, true }, { 59999, 0, true }, { 10, 30000, true },
		/* a minute is */
		{ 60000, 0, false }, { 10, 0, false }, { 10, 100, false },
	};
	struct backoff b = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, backoff_next(&b, t[i].lived) == t[i].want);
		assert_row(i, backoff_is_loop(&b) == t[i].loop);
	}
}

static void no_overflow(void **state)
{
	struct backoff b = { 4000000000u };

	(void)state;
	assert_int_equal(backoff_next(&b, 0), BACKOFF_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(waits), cmocka_unit_test(no_overflow) };

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
