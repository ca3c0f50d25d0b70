#include "tests/lib/unit.h"

#include "accountd/fairqueue.h"

static struct fairqueue_item items[64];

/* A dialogue: letters put an item of that source (capitals: favoured), '.' takes one. */
static void orders(void **state)
{
	static const struct { const char *in, *out; } t[] = {
		{ "aaab....", "abaa" }, { "abab....", "abab" }, { "aabbcc......", "abcabc" }, { "aa.b..", "aab" }, { ".a..", "-a-" },
		{ "aaaaB.....", "Baaaa" }, { "aaAAAAA.......", "AAAaAAa" }, { "aAaA....", "AAaa" }, { "AAb...", "AAb" }, { "aA..aA..", "AaAa" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct fairqueue *q = fairqueue_new(64);
		struct fairqueue_item *evicted;
		char out[32];
		size_t n = 0, used = 0;

		for (const char *c = t[i].in; *c != '\0'; c++) {
			if (*c == '.') {
				struct fairqueue_item *item = fairqueue_take(q);

				out[n++] = item != NULL ? *(const char *)item->owner : '-';
				continue;
			}
			items[used].owner = (void *)(uintptr_t)c;
			assert_row(i, fairqueue_put(q, &items[used++], ascii_lower((uint8_t)*c), *c < 'a', &evicted) == 0);
			assert_row(i, evicted == NULL);
		}
		out[n] = '\0';
		assert_slice(i, slice_cstr(out), t[i].out);
		fairqueue_free(&q);
	}
}

/* Full: who has most gives way, and nobody takes the place of one who has no more. */
static void full(void **state)
{
	struct fairqueue *q = fairqueue_new(8);
	struct fairqueue_item *evicted;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(fairqueue_put(q, &items[i], 1, false, &evicted), 0);
	assert_int_equal(fairqueue_put(q, &items[8], 1, false, &evicted), ERR_AGAIN);
	assert_null(evicted);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(fairqueue_put(q, &items[10 + i], 2, false, &evicted), 0);
		assert_ptr_equal(evicted, &items[7 - i]);       /* the last one that came */
	}
	assert_int_equal(fairqueue_put(q, &items[20], 2, false, &evicted), ERR_AGAIN);
	assert_int_equal(fairqueue_put(q, &items[20], 3, false, &evicted), 0);
	assert_non_null(evicted);
	/* The favoured push out the others, not the reverse. */
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(fairqueue_put(q, &items[30 + i], 4, true, &evicted), 0);
		assert_non_null(evicted);
	}
	assert_int_equal(fairqueue_put(q, &items[40], 4, true, &evicted), ERR_AGAIN);
	assert_int_equal(fairqueue_put(q, &items[40], 5, false, &evicted), ERR_AGAIN);
	assert_int_equal(fairqueue_put(q, &items[40], 5, true, &evicted), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_non_null(fairqueue_take(q));
	assert_null(fairqueue_take(q));
	fairqueue_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(orders), cmocka_unit_test(full) };

	return cmocka_run_group_tests_name("fairqueue", tests, NULL, NULL);
}
