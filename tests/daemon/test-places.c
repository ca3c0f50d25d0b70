#include "tests/lib/unit.h"

#include "common/daemon/places.h"

static void places(void **state)
{
	struct places *p = places_new();
	struct place *a[3], *b, *c;
	const char *why;

	(void)state;
	assert_non_null(p);
	assert_int_equal(place_take(p, "192.0.2.1", 4, 2, &a[0], &why), 0);
	assert_int_equal(place_take(p, "192.0.2.1", 4, 2, &a[1], &why), 0);
	assert_int_equal(place_take(p, "192.0.2.1", 4, 2, &a[2], &why), ERR_LIMIT);
	assert_string_equal(why, "too many connections from your address");
	assert_null(a[2]);
	assert_int_equal(place_take(p, "2001:db8::1", 4, 2, &b, &why), 0);
	assert_int_equal(place_take(p, "192.0.2.3", 4, 2, &c, &why), 0);
	assert_int_equal(place_take(p, "192.0.2.4", 4, 2, &a[2], &why), ERR_LIMIT);
	assert_string_equal(why, "too many connections");
	place_give(p, &a[1]);
	assert_null(a[1]);
	place_give(p, &a[1]);
	assert_int_equal(place_take(p, "192.0.2.1", 4, 2, &a[1], &why), 0);
	place_give(p, &a[0]);
	place_give(p, &a[1]);
	place_give(p, &b);
	place_give(p, &c);
	/* all gone: an address counts from nothing again */
	assert_int_equal(place_take(p, "192.0.2.1", 4, 1, &a[0], &why), 0);
	place_give(p, &a[0]);
	places_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
