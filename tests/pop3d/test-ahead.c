/* Bodies read ahead: what is found, and that no more is held than may be. */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "pop3d/ahead.h"

static struct loop *loop;
static struct ahead_set set;

static void begin(void)
{
	loop = loop_new();
	assert_non_null(loop);
	ahead_init(&set, loop);
}

static void end(void)
{
	assert_int_equal(set.held, 0);
	loop_timer_del(loop, &set.timer);
	loop_free(&loop);
}

static void fill(struct ahead *a, uint32_t first, uint32_t n, size_t each)
{
	static uint8_t bytes[AHEAD_MAX + 1];
	struct spool_cached_item *items = calloc(n + 1, sizeof(*items));
	struct spool_cached_reply m = { .items = items, .items_n = n };

	assert_non_null(items);
	for (uint32_t i = 0; i < n; i++)
		items[i] = (struct spool_cached_item){ .uid = first + 2 * i, .body = slice_of(bytes + i, each) };
	bytes[0] = 1;
	ahead_fill(&set, a, &m);
	free(items);
}

static void found(void **state)
{
	static const struct { uint32_t uid; bool want; } t[] = {
		{ 10, true }, { 10, true }, { 12, true }, { 11, false }, { 10, true }, { 28, true }, { 30, false }, { 9, false },
		{ 0, false }, { 16, true }, { UINT32_MAX, false }, { 12, true },
	};
	struct ahead a = { 0 };
	struct slice body;

	(void)state;
	begin();
	assert_false(ahead_find(&set, &a, 10, &body));
	assert_int_equal(ahead_begin(&set, &a), AHEAD_MAX);
	assert_false(ahead_find(&set, &a, 10, &body));
	fill(&a, 10, 10, 5);
	assert_int_equal(set.held, 50);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, ahead_find(&set, &a, t[i].uid, &body) == t[i].want);
		assert_row(i, !t[i].want || (body.len == 5 && body.p[0] == (t[i].uid == 10)));
	}
	/* the next request forgets it; an answer of nothing, or of too much, is nothing */
	assert_int_equal(ahead_begin(&set, &a), AHEAD_MAX);
	fill(&a, 10, 0, 0);
	assert_int_equal(set.held, 0);
	assert_int_equal(ahead_begin(&set, &a), AHEAD_MAX);
	fill(&a, 10, 1, AHEAD_MAX + 1);
	assert_false(ahead_find(&set, &a, 10, &body));
	assert_int_equal(set.held, 0);
	assert_int_equal(ahead_begin(&set, &a), AHEAD_MAX);
	fill(&a, 10, 3, 0);
	assert_true(ahead_find(&set, &a, 14, &body) && body.len == 0);
	/* dropped twice, and while it is asked for */
	ahead_drop(&set, &a);
	ahead_drop(&set, &a);
	assert_int_equal(ahead_begin(&set, &a), AHEAD_MAX);
	ahead_drop(&set, &a);
	end();
}

/* Many sessions share what there is. */
static void bounded(void **state)
{
	enum { N = 2000 };
	static struct ahead a[N];
	size_t last = AHEAD_MAX;

	(void)state;
	begin();
	for (unsigned i = 0; i < N; i++) {
		size_t n = ahead_begin(&set, &a[i]);

		assert_true(n <= last && set.held <= AHEAD_ALL_MAX);
		last = n;
		if (i % 2 == 0 && n >= 2)
			fill(&a[i], 1, 2, n / 2);
	}
	assert_true(last < 100);
	for (unsigned i = 0; i < N; i++)
		ahead_drop(&set, &a[i]);
	end();
}

/* Those that nobody reads from go, the others stay. */
static void idle(void **state)
{
	struct ahead a = { 0 }, b = { 0 };
	struct slice body;

	(void)state;
	begin();
	(void)ahead_begin(&set, &a);
	fill(&a, 1, 2, 10);
	(void)ahead_begin(&set, &b);
	fill(&b, 1, 2, 10);
	a.used_ms -= AHEAD_IDLE_MS;
	assert_true(ahead_find(&set, &b, 1, &body));
	loop_timer_set(loop, &set.timer, 0, set.timer.fn, &set);
	assert_int_equal(loop_turn(loop, 1000), 0);
	assert_false(ahead_find(&set, &a, 1, &body));
	assert_true(ahead_find(&set, &b, 1, &body));
	assert_true(loop_timer_active(&set.timer));
	assert_int_equal(set.held, 20);
	ahead_drop(&set, &b);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(found), cmocka_unit_test(bounded), cmocka_unit_test(idle) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
