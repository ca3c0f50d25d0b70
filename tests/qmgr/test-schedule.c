#include "tests/lib/unit.h"

#include "qmgr/dest.h"
#include "qmgr/schedule.h"

enum { MIN = 60, HOUR = 3600, DAY = 86400 };

static struct conf conf(uint64_t min, uint64_t max, uint64_t life)
{
	return (struct conf){ .queue_backoff_min = min, .queue_backoff_max = max, .queue_lifetime = life,
	    .queue_delay_notice = 4 * HOUR };
}

struct due {
	uint32_t attempts;
	uint64_t age;
	uint64_t min, max, life;        /* of the configuration */
	uint64_t lo, hi;                /* the wait is in here, ends included */
};

static const struct due dues[] = {
	{ 1, 0, 5 * MIN, HOUR, 5 * DAY, 300, 375 },
	{ 0, 0, 5 * MIN, HOUR, 5 * DAY, 300, 375 },
	{ 2, 0, 5 * MIN, HOUR, 5 * DAY, 600, 750 },
	{ 3, 0, 5 * MIN, HOUR, 5 * DAY, 1200, 1500 },
	{ 4, 0, 5 * MIN, HOUR, 5 * DAY, 2400, 3000 },
	{ 5, 0, 5 * MIN, HOUR, 5 * DAY, 2700, 3600 },
	{ 1000000, 0, 5 * MIN, HOUR, 5 * DAY, 2700, 3600 },
	{ UINT32_MAX, 0, 5 * MIN, HOUR, 5 * DAY, 2700, 3600 },
	/* the last try is at the end of the lifetime, but never sooner than the shortest backoff */
	{ 10, 5 * DAY - 1800, 5 * MIN, HOUR, 5 * DAY, 1801, 1801 },
	{ 10, 5 * DAY - 10, 5 * MIN, HOUR, 5 * DAY, 300, 300 },
	{ 10, 5 * DAY + 10, 5 * MIN, HOUR, 5 * DAY, 2700, 3600 },
	/* odd configurations */
	{ 7, 0, HOUR, 5 * MIN, 5 * DAY, 3600, 3600 },
	{ 7, 0, 100, 100, 5 * DAY, 100, 100 },
	{ 1, 0, 1, 2, 5 * DAY, 1, 1 },
	{ 9, 0, 1, 2, 5 * DAY, 2, 2 },
	{ 9, 0, 100, 110, 5 * DAY, 100, 110 },
};

static void test_due(void **state)
{
	static const uint32_t dice[] = { 0, 1, 12345, UINT32_MAX / 2, UINT32_MAX - 1, UINT32_MAX };
	const uint64_t now = 1800000000;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dues); i++) {
		const struct due *d = &dues[i];
		struct conf c = conf(d->min, d->max, d->life);

		for (size_t k = 0; k < ARRAY_LEN(dice); k++) {
			uint64_t wait = retry_due(d->attempts, now - d->age, now, &c, dice[k]) - now;

			assert_row(i, wait >= d->lo && wait <= d->hi);
			assert_row(i, wait >= d->min && wait <= (d->max > d->min ? d->max : d->min));
		}
	}
}

struct expiry {
	uint32_t attempts;
	int64_t age;            /* negative: created in the future */
	uint64_t max, life;
	bool want;
};

static const struct expiry expiries[] = {
	{ 1, 0, HOUR, 5 * DAY, false },
	{ 100, 5 * DAY, HOUR, 5 * DAY, false },
	{ 100, 5 * DAY + 1, HOUR, 5 * DAY, true },
	/* older than it may be, but hardly tried: the clock, or a host that was off for a week */
	{ 1, 30 * DAY, HOUR, 5 * DAY, false },
	{ 4, 30 * DAY, HOUR, 5 * DAY, false },
	{ 5, 30 * DAY, HOUR, 5 * DAY, true },
	{ 100, -DAY, HOUR, 5 * DAY, false },
	/* a short lifetime has no room for five tries */
	{ 1, 120, HOUR, 60, true },
	{ 1, 3 * HOUR, HOUR, 2 * HOUR, false },
	{ 2, 3 * HOUR, HOUR, 2 * HOUR, true },
	{ 0, 3 * HOUR, HOUR, 60, false },
};

static void test_expired(void **state)
{
	const uint64_t now = 1800000000;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expiries); i++) {
		struct conf c = conf(MIN, expiries[i].max, expiries[i].life);

		assert_row(i, retry_expired(expiries[i].attempts, (uint64_t)((int64_t)now - expiries[i].age), now, &c) == expiries[i].want);
	}
}

/* The wall clock jumps by 10 days while we run: nobody grows older by it, and nothing stands still when it goes back. */
static void test_clock(void **state)
{
	struct conf c = conf(5 * MIN, HOUR, 5 * DAY);
	const uint64_t wall = 1800000000;
	struct queue_clock q;

	(void)state;
	queue_clock_init(&q, wall, 1000);
	assert_int_equal(queue_steady(&q, 1000), wall);
	assert_int_equal(queue_steady(&q, 61000), wall + 60);
	assert_int_equal(queue_steady(&q, 0), wall);
	assert_int_equal(queue_now(&q, wall + 60, 61000), wall + 60);
	assert_int_equal(queue_now(&q, wall + 10 * DAY, 61000), wall + 10 * DAY);
	assert_int_equal(queue_now(&q, wall - 10 * DAY, 61000), wall + 60);
	assert_false(retry_expired(100, wall - DAY, queue_steady(&q, 61000), &c));
	assert_false(delay_notice_due(wall - HOUR, queue_steady(&q, 61000), &c));
	assert_true(delay_notice_due(wall - 4 * HOUR, queue_steady(&q, 61000), &c));
	c.queue_delay_notice = 0;
	assert_false(delay_notice_due(wall - 4 * DAY, queue_steady(&q, 61000), &c));
}

static void test_take(void **state)
{
	struct conf c = conf(5 * MIN, HOUR, 5 * DAY);
	static const struct { uint64_t now, next, want_now, want_ms; } rows[] = {
		{ 1000, 0, 1000, UINT64_MAX },
		{ 1000, 500, 1000, 0 },
		{ 1000, 1000, 1000, 0 },
		{ 1000, 1001, 1000, 1000 },
		{ 1000, 1000 + 2 * HOUR, 1000, 3600 * 1000 },
		/* further off than any backoff: the clock was set back */
		{ 1000, 1001 + 2 * HOUR, 1001 + 2 * HOUR, 0 },
		{ 1000, 1000 + 365 * DAY, 1000 + 365 * DAY, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_row(i, take_now(rows[i].now, rows[i].next, &c) == rows[i].want_now);
		assert_row(i, take_wait_ms(rows[i].now, rows[i].next, &c) == rows[i].want_ms);
	}
}

/* ---- the window of a destination ------------------------------------------------- */

static void test_window(void **state)
{
	struct qdest d = { .window = 0 };
	struct slice why = SLICE_LIT("connect: refused");

	(void)state;
	dest_init(&d, 0);
	assert_int_equal(dest_window(&d), 5);
	/* it grows only while it is in use */
	for (int i = 0; i < 1000; i++)
		dest_reached(&d, 20);
	assert_int_equal(dest_window(&d), 5);
	d.active = 5;
	for (int i = 0; i < 5; i++)
		dest_reached(&d, 20);
	assert_in_range(d.window, 5900, 6000);
	for (int i = 0; i < 1000; i++)
		dest_reached(&d, 20);
	assert_in_range(dest_window(&d), 9, 10);
	d.active = 20;
	for (int i = 0; i < 1000; i++)
		dest_reached(&d, 20);
	assert_int_equal(dest_window(&d), 20);
	assert_false(dest_has_room(&d, 0));
	d.active = 19;
	assert_true(dest_has_room(&d, 0));
	/* a lower cap holds at once */
	dest_reached(&d, 3);
	assert_int_equal(dest_window(&d), 3);
	/* one failure halves, and is not death */
	d.window = 20000;
	assert_false(dest_unreached(&d, 100, 1000, why));
	assert_int_equal(dest_window(&d), 10);
	assert_false(dest_is_dead(&d, 100));
	/* a success in between forgets it */
	dest_reached(&d, 20);
	assert_int_equal(d.fails, 0);
	d.window = 20000;
	int n = 0;
	while (!dest_unreached(&d, 100, 1000, why))
		n++;
	assert_in_range(n, 3, 6);
	assert_true(dest_is_dead(&d, 100));
	assert_false(dest_has_room(&d, 100));
	assert_string_equal(d.reason, "connect: refused");
	/* stragglers of the same incident do not count again */
	assert_false(dest_unreached(&d, 500, 1000, why));
	assert_true(dest_is_dead(&d, 1099));
	assert_false(dest_is_dead(&d, 1100));
	assert_int_equal(dest_window(&d), 1);
	/* a window of one: the first failure is not repeated unreachability yet */
	assert_false(dest_unreached(&d, 1100, 1000, why));
	assert_true(dest_unreached(&d, 1101, 1000, why));
	dest_revive(&d);
	assert_false(dest_is_dead(&d, 1101));
	/* local delivery knows no window */
	d.window = 0;
	d.active = 100000;
	assert_true(dest_has_room(&d, 0));
	dest_reached(&d, 20);
	assert_false(dest_unreached(&d, 0, 1000, why));
	assert_int_equal(d.window, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests_name("qmgr/schedule", tests, NULL, NULL);
}
