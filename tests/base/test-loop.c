#include "tests/lib/unit.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/loop.h"

static uint64_t fake_now;
static uint64_t fake_ms(void) { return fake_now; }
static uint64_t fake_us(void) { return fake_now * 1000; }
static void fake_random(void *p, size_t n) { memset(p, 0, n); }
static const struct clock_ops fake = { fake_ms, fake_us, fake_random };

static char trace[256];
static void note(void *ctx) { (void)strncat(trace, ctx, sizeof(trace) - strlen(trace) - 1); }

static void timers(void **state)
{
	struct loop *l = loop_new();
	struct loop_timer t[6] = { { 0 } };
	static char names[6][2] = { "a", "b", "c", "d", "e", "f" };
	static const uint64_t ms[] = { 50, 10, 30, 10, 70, 20 };

	(void)state;
	trace[0] = '\0';
	clock_set(&fake);
	for (size_t i = 0; i < 6; i++)
		loop_timer_set(l, &t[i], ms[i], note, names[i]);
	loop_timer_del(l, &t[2]);
	loop_timer_set(l, &t[4], 5, note, names[4]);
	for (; fake_now <= 60; fake_now += 5)
		assert_int_equal(loop_turn(l, 0), 0);
	assert_int_equal(strlen(trace), 5);
	assert_int_equal(trace[0], 'e');
	assert_true((trace[1] == 'b' && trace[2] == 'd') || (trace[1] == 'd' && trace[2] == 'b'));
	assert_string_equal(trace + 3, "fa");
	clock_set(NULL);
	loop_free(&l);
}

struct again { struct loop *l; struct loop_timer t; unsigned n; };
static void again(void *ctx)
{
	struct again *a = ctx;

	a->n++;
	loop_timer_set(a->l, &a->t, 0, again, a);
}

/* A timer that is due at once again and again runs once a turn. */
static void no_starving(void **state)
{
	struct again a = { .l = loop_new() };

	(void)state;
	loop_timer_set(a.l, &a.t, 0, again, &a);
	for (int i = 0; i < 10; i++)
		assert_int_equal(loop_turn(a.l, 0), 0);
	assert_in_range(a.n, 9, 10);
	loop_timer_del(a.l, &a.t);
	loop_free(&a.l);
}

struct pair { struct loop *l; struct loop_fd a, b; unsigned calls; };
static void kill_other(void *ctx, unsigned events)
{
	struct pair *p = ctx;

	(void)events;
	p->calls++;
	loop_fd_del(p->l, &p->a);
	loop_fd_del(p->l, &p->b);
}

/* Two descriptors ready in one turn; the first callback deletes both: the second never runs. */
static void delete_in_turn(void **state)
{
	struct pair p = { .l = loop_new() };
	int x[2], y[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, x), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, y), 0);
	assert_int_equal(write(x[1], "1", 1), 1);
	assert_int_equal(write(y[1], "1", 1), 1);
	assert_int_equal(loop_fd_add(p.l, &p.a, x[0], LOOP_READ, kill_other, &p), 0);
	assert_int_equal(loop_fd_add(p.l, &p.b, y[0], LOOP_READ, kill_other, &p), 0);
	assert_int_equal(loop_turn(p.l, 1000), 0);
	assert_int_equal(p.calls, 1);
	for (int i = 0; i < 2; i++)
		(void)close(x[i]), (void)close(y[i]);
	loop_free(&p.l);
}

struct chain { struct loop *l; struct loop_task t; unsigned n; };
static void chain(void *ctx)
{
	struct chain *c = ctx;

	c->n++;
	loop_task_add(c->l, &c->t, chain, c);
}

static void tasks(void **state)
{
	struct chain c = { .l = loop_new() };
	struct loop_task a = { 0 }, b = { 0 };
	char low[] = "a", up[] = "A", be[] = "b";

	(void)state;
	trace[0] = '\0';
	loop_task_add(c.l, &a, note, low);
	loop_task_add(c.l, &b, note, be);
	loop_task_add(c.l, &a, note, low);
	loop_task_del(c.l, &a);
	loop_task_add(c.l, &a, note, up);
	assert_int_equal(loop_turn(c.l, -1), 0);
	assert_string_equal(trace, "bA");
	loop_task_add(c.l, &c.t, chain, &c);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(c.l, -1), 0);
	assert_int_equal(c.n, 3);
	loop_task_del(c.l, &c.t);
	loop_free(&c.l);
}

static int got_sig;
static void on_sig(void *ctx, int sig) { got_sig = sig; loop_stop(ctx); }

static void signals(void **state)
{
	static const int sigs[] = { SIGUSR1 };
	struct loop *l = loop_new();

	(void)state;
	assert_int_equal(loop_signals(l, sigs, 1, on_sig, l), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(got_sig, SIGUSR1);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers), cmocka_unit_test(no_starving), cmocka_unit_test(delete_in_turn),
		cmocka_unit_test(tasks), cmocka_unit_test(signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
