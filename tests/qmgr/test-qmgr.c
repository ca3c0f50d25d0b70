/* The queue manager whole, among played peers that die at bad moments. */
#include "tests/lib/unit.h"

#include "common/base/log.h"
#include "tests/qmgr/peers.h"

enum { HOUR = 3600, DAY = 86400 };

static char lines[200][512];
static unsigned lines_n;

static void capture(enum log_level level, const char *text)
{
	(void)level;
	(void)snprintf(lines[lines_n++ % 200], sizeof(lines[0]), "%s", text);
}

static unsigned logged(const char *what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < lines_n && i < 200; i++)
		n += strstr(lines[i], what) != NULL;
	return n;
}

static const char *const one_remote[] = { "r@b.test", NULL };
static const char *const one_local[] = { "u@us.test", NULL };
static const char *const mixed[] = { "u@us.test", "r@b.test", "v@us.test", "q@c.test", "s@B.test", NULL };

static struct world *world_new(bool agents)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	lines_n = 0;
	world_start(w);
	world_spoold_start(w);
	world_accountd_start(w);
	if (agents) {
		(void)world_agent_start(w, true, 10);
		(void)world_agent_start(w, false, 10);
	}
	world_settle(w);
	return w;
}

static void world_delete(struct world *w)
{
	world_end(w);
	free(w);
}

/* Each destination one job; recorded at once; gone at the end. */
static void test_way_of_a_message(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", mixed);
	bool local = false, b = false, c = false;

	(void)state;
	assert_int_equal(w->jobs_n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		local |= strcmp(w->jobs[i].destination, "local") == 0 && w->jobs[i].n == 2 && w->jobs[i].indexes[1] == 2;
		b |= strcmp(w->jobs[i].destination, "b.test") == 0 && w->jobs[i].n == 2 && w->jobs[i].indexes[1] == 4;
		c |= strcmp(w->jobs[i].destination, "c.test") == 0 && w->jobs[i].n == 1;
	}
	assert_true(local && b && c);
	assert_int_equal(w->lookups, 3);        /* a domain is asked for once */
	for (uint32_t i = 0; i < 3; i++) {
		if (strcmp(w->jobs[i].destination, "local") == 0) {
			world_answer_recorded(w, i, "local");
			break;
		}
	}
	assert_int_equal(w->outcomes, 0);       /* nothing to say about those */
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_int_equal(w->outcomes, 1);
	assert_true(m->taken);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_int_equal(w->outcomes, 2);
	assert_true(m->gone);
	assert_int_equal(logged("status=sent (250 ok)"), 3);
	assert_int_equal(logged("0000000001: removed"), 1);
	assert_null(world_notice(w, 0));
	/* what is learned of a domain holds for a while */
	(void)world_mail(w, "s@a.test", mixed);
	assert_int_equal(w->lookups, 3);
	world_delete(w);
}

/* All recorded by deliver-local: no record, a release. */
static void test_local_only(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	(void)world_mail(w, "s@a.test", one_local);
	world_answer_recorded(w, 0, "local");
	assert_int_equal(w->outcomes, 0);
	assert_int_equal(w->releases, 1);
	assert_int_equal(logged("removed"), 1);
	/* forwarded: the message lives on */
	(void)world_mail(w, "s@a.test", one_local);
	world_answer_recorded(w, 0, JOB_RELAY_FORWARD);
	assert_int_equal(w->releases, 2);
	assert_int_equal(logged("removed"), 1);
	world_delete(w);
}

/* A failure waits for the others, then one notice tells of all. */
static void test_bounce(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", (const char *const[]){ "r@b.test", "r@c.test", "r@d.test", NULL }), *n;

	(void)state;
	world_answer(w, 0, OUTCOME_BOUNCED, "5.1.1", "550 no such user", true);
	world_answer(w, 0, OUTCOME_BOUNCED, "5.7.1", "550 not you", true);
	assert_int_equal(w->outcomes, 0);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_int_equal(w->outcomes, 1);
	assert_true(m->gone);
	n = world_notice(w, 0);
	assert_non_null(n);
	assert_null(world_notice(w, 1));
	assert_string_equal(n->rcpts[0].addr, "s@a.test");
	assert_non_null(strstr(n->body, "MAILER-DAEMON@us.test"));
	assert_string_equal(m->rcpts[0].status, "5.1.1");
	/* the notice itself fails: nobody is told */
	world_hint(w, world_now());
	world_settle(w);
	assert_int_equal(w->jobs_n, 1);
	world_answer(w, 0, OUTCOME_BOUNCED, "5.1.1", "550 no", true);
	assert_true(n->gone);
	assert_null(world_notice(w, 1));
	world_delete(w);
}

/* Tried again when due, told of once after four hours, returned after five days. */
static void test_deferred_to_the_end(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", one_remote), *n;
	unsigned tries = 0;

	(void)state;
	world_answer(w, 0, OUTCOME_DEFERRED, "4.2.1", "450 busy", true);
	assert_int_equal(m->rcpts[0].state, RCPT_PENDING);
	assert_in_range(m->rcpts[0].due, world_now() + 300, world_now() + 375);
	assert_false(m->taken);
	world_pass(w, 240);
	assert_int_equal(w->jobs_n, 0);
	world_pass(w, 240);
	assert_int_equal(w->jobs_n, 1);
	while (!m->gone && tries++ < 2000) {
		if (w->jobs_n != 0)
			world_answer(w, 0, OUTCOME_DEFERRED, "4.2.1", "450 busy", true);
		world_pass(w, 300);
		if (world_now() - m->created < 4 * HOUR)
			assert_null(world_notice(w, 0));
		for (uint32_t i = 0; i < w->jobs_n; i++)        /* notices are delivered */
			if (w->jobs[i].msgid > 1000)
				world_answer(w, i--, OUTCOME_DONE, "2.0.0", "250 ok", true);
	}
	assert_true(m->gone);
	assert_in_range(world_now() - m->created, 5 * DAY, 5 * DAY + 2 * HOUR);
	n = world_notice(w, 0);
	assert_non_null(strstr(n->body, "Subject:"));
	assert_in_range(n->created - m->created, 4 * HOUR, 5 * HOUR + 600);
	assert_non_null(world_notice(w, 1));
	assert_null(world_notice(w, 2));
	assert_string_equal(m->rcpts[0].status, "5.4.7");
	assert_true(m->rcpts[0].attempts > 100);
	world_delete(w);
}

/* The wall clock jumps by a month, forward and back: nobody is given up, nobody waits for a month. */
static void test_clock_jumps(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", one_remote);

	(void)state;
	w->conf.queue_delay_notice = 0;
	for (int i = 0; i < 7; i++) {
		world_answer(w, 0, OUTCOME_DEFERRED, "4.2.1", "450 busy", true);
		world_pass(w, 3700);
	}
	world_set_wall(world_now() + 30 * DAY);
	world_hint(w, world_now());
	world_settle(w);
	assert_int_equal(w->jobs_n, 1);
	world_answer(w, 0, OUTCOME_DEFERRED, "4.2.1", "450 busy", true);
	assert_int_equal(m->rcpts[0].state, RCPT_PENDING);
	world_set_wall(world_now() - 30 * DAY);
	world_pass(w, 2 * HOUR + 60);
	assert_int_equal(w->jobs_n, 1);
	world_delete(w);
}

static void test_agent_dies(void **state)
{
	struct world *w = world_new(false);
	struct channel *a = world_agent_start(w, false, 5), *b;
	struct w_msg *m = world_mail(w, "s@a.test", one_remote);

	(void)state;
	assert_int_equal(w->jobs_n, 1);
	world_agent_kill(w, a);
	world_settle(w);
	assert_int_equal(w->jobs_n, 0);
	assert_int_equal(m->rcpts[0].attempts, 0);
	b = world_agent_start(w, false, 5);
	world_settle(w);
	assert_int_equal(w->jobs_n, 1);
	assert_ptr_equal(w->jobs[0].ch, b);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_true(m->gone);
	/* nonsense: the agent goes, the job stays */
	m = world_mail(w, "s@a.test", one_remote);
	w->jobs[0].indexes[0] = 7;
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_false(m->gone);
	(void)world_agent_start(w, false, 5);
	world_settle(w);
	assert_int_equal(w->jobs_n, 1);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_true(m->gone);
	world_delete(w);
}

/* No agent gets more than it said, and the least busy one gets the next. */
static void test_capacity(void **state)
{
	struct world *w = world_new(false);
	struct channel *a = world_agent_start(w, true, 2), *b = world_agent_start(w, true, 3);
	uint32_t na = 0, nb = 0;

	(void)state;
	world_settle(w);
	for (int i = 0; i < 8; i++)
		(void)world_mail(w, "s@a.test", one_local);
	assert_int_equal(w->jobs_n, 5);
	for (uint32_t i = 0; i < 5; i++) {
		na += w->jobs[i].ch == a;
		nb += w->jobs[i].ch == b;
	}
	assert_int_equal(na, 2);
	assert_int_equal(nb, 3);
	world_answer_recorded(w, 0, "local");
	assert_int_equal(w->jobs_n, 5);
	while (w->jobs_n != 0)
		world_answer_recorded(w, 0, "local");
	assert_int_equal(logged("removed"), 8);
	world_delete(w);
}

static void test_accountd_down(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m;

	(void)state;
	world_accountd_kill(w);
	m = world_mail(w, "s@a.test", one_remote);
	assert_int_equal(w->jobs_n, 0);
	assert_true(m->taken);
	world_accountd_start(w);
	world_settle(w);
	assert_int_equal(w->jobs_n, 1);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_true(m->gone);
	world_delete(w);
}

/* spoold dies while a delivery is under way: the report is kept, recorded first, and nothing is sent twice. */
static void test_spoold_dies_meanwhile(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", (const char *const[]){ "r@b.test", "r@c.test", NULL });

	(void)state;
	assert_int_equal(w->jobs_n, 2);
	world_spoold_kill(w);
	world_settle(w);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);     /* nobody to tell */
	assert_int_equal(w->outcomes, 0);
	w->owed = 1;                            /* this has to be recorded before anything is taken */
	world_spoold_start(w);
	world_settle(w);
	assert_false(w->take_before_outcome);
	assert_int_equal(w->outcomes, 1);
	assert_true(m->taken);
	assert_int_equal(w->jobs_n, 1);         /* the other one is still out, and was not given again */
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	assert_true(m->gone);
	assert_int_equal(w->outcomes, 2);
	world_delete(w);
}

/* It dies with the record: written or not, it is recorded once, and there is one notice. */
static void test_spoold_dies_with_record(void **state)
{
	(void)state;
	for (int written = 0; written < 2; written++)
		for (int fails = 0; fails < 2; fails++) {
			struct world *w = world_new(true);
			struct w_msg *m = world_mail(w, "s@a.test", one_remote);

			w->swallow_outcomes = written != 0;
			w->drop_outcomes = written == 0;
			world_answer(w, 0, fails ? OUTCOME_BOUNCED : OUTCOME_DONE, fails ? "5.1.1" : "2.0.0", "x", true);
			assert_int_equal(m->gone, written);
			world_spoold_kill(w);
			world_settle(w);
			w->swallow_outcomes = w->drop_outcomes = false;
			world_spoold_start(w);
			world_settle(w);
			assert_true(m->gone);
			assert_false(w->take_before_outcome);
			assert_int_equal(world_notice(w, 0) != NULL, fails);
			assert_null(world_notice(w, 1));
			assert_int_equal(m->rcpts[0].attempts, 1);
			assert_int_equal(w->jobs_n, fails);     /* the notice's way */
			world_delete(w);
		}
}

/* The same with a part of a message: what was written is not asked for again, the rest goes on. */
static void test_spoold_dies_with_part(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", (const char *const[]){ "r@b.test", "r@c.test", NULL });

	(void)state;
	w->swallow_outcomes = true;
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "ok", true);
	assert_int_equal(m->rcpts[0].state, RCPT_DONE);
	world_spoold_kill(w);
	world_settle(w);
	w->swallow_outcomes = false;
	world_spoold_start(w);
	world_settle(w);
	assert_int_equal(w->jobs_n, 1);
	assert_true(m->taken);
	world_pass(w, 60);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "ok", true);
	assert_true(m->gone);
	assert_int_equal(m->rcpts[0].attempts, 1);
	assert_int_equal(logged("not recorded"), 0);
	world_delete(w);
}

/* A message is given while a record of it, sent without a release, is on its way: it does not stay taken. */
static void test_given_while_recorded(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", (const char *const[]){ "r@b.test", "r@c.test", NULL });

	(void)state;
	w->late_outcomes = true;
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "ok", true);
	assert_int_equal(w->late_n, 1);
	m->taken = false;
	world_hint(w, world_now());
	world_settle(w);
	assert_true(m->taken);
	w->late_outcomes = false;
	world_late_answers(w);
	assert_int_equal(w->releases, 1);
	assert_true(m->taken);                  /* again */
	assert_int_equal(w->jobs_n, 1);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "ok", true);
	assert_true(m->gone);
	assert_int_equal(m->rcpts[1].attempts, 1);
	world_delete(w);
}

/* What waits without a job is forgotten and comes again. */
static void test_spoold_dies_idle(void **state)
{
	struct world *w = world_new(false);

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)world_mail(w, "s@a.test", mixed);
	world_spoold_kill(w);
	world_settle(w);
	(void)world_agent_start(w, true, 100);
	(void)world_agent_start(w, false, 100);
	world_settle(w);
	assert_int_equal(w->jobs_n, 0);
	world_spoold_start(w);
	world_settle(w);
	/* 10 local jobs; two destinations with a window of five */
	assert_int_equal(w->jobs_n, 20);
	while (w->jobs_n != 0) {
		if (strcmp(w->jobs[0].destination, "local") == 0)
			world_answer_recorded(w, 0, "local");
		else
			world_answer(w, 0, OUTCOME_DONE, "2.0.0", "ok", true);
	}
	assert_int_equal(logged("removed"), 10);
	world_delete(w);
}

/* A full disk: what was done stays known and is recorded when there is room. */
static void test_disk_full(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", one_remote);

	(void)state;
	w->fail_outcomes = true;
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "250 ok", true);
	world_pass(w, 20);
	assert_false(m->gone);
	assert_int_equal(w->jobs_n, 0);
	/* even over spoold's death */
	world_spoold_kill(w);
	world_settle(w);
	world_spoold_start(w);
	world_settle(w);
	assert_int_equal(w->jobs_n, 0);
	w->fail_outcomes = false;
	world_pass(w, 20);
	assert_true(m->gone);
	assert_int_equal(m->rcpts[0].attempts, 1);
	world_delete(w);
}

/* The window is a bound on what is held, and refills. */
static void test_window(void **state)
{
	struct world *w = world_new(false);
	uint32_t taken = 0;

	(void)state;
	for (int i = 0; i < 120; i++)
		(void)world_mail(w, "s@a.test", one_local);
	for (uint32_t i = 0; i < w->msgs_n; i++)
		taken += w->msgs[i].taken;
	assert_in_range(taken, 1, 50);
	(void)world_agent_start(w, true, 1);
	world_settle(w);
	for (int i = 0; i < 120; i++) {
		assert_int_equal(w->jobs_n, 1);
		world_answer_recorded(w, 0, "local");
	}
	assert_int_equal(w->jobs_n, 0);
	assert_int_equal(logged("removed") >= 90, 1);
	world_delete(w);
}

/* Unreachable again and again: the rest is put off untried; a flush by hand tries again. */
static void test_dead_and_flush(void **state)
{
	struct world *w = world_new(true);
	unsigned tried = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)world_mail(w, "s@a.test", one_remote);
	while (w->jobs_n != 0) {
		world_answer(w, 0, OUTCOME_DEFERRED, "4.4.1", "connect to mx: refused", false);
		tried++;
	}
	assert_in_range(tried, 3, 8);
	assert_int_equal(logged("status=deferred"), 20);
	assert_int_equal(logged("delivery temporarily suspended: connect to mx: refused"), 20 - tried);
	/* new mail for it is not tried either */
	(void)world_mail(w, "s@a.test", one_remote);
	assert_int_equal(w->jobs_n, 0);
	for (uint32_t i = 0; i < w->msgs_n; i++)
		w->msgs[i].rcpts[0].due = world_now();
	world_hint(w, 0);
	world_settle(w);
	assert_true(w->jobs_n >= 1);
	world_delete(w);
}

static void on_stopped(void *ctx)
{
	((struct world *)ctx)->stopped = true;
}

/* A stop gives nothing out any more, and waits for what is out. */
static void test_stop(void **state)
{
	struct world *w = world_new(true);
	struct w_msg *m = world_mail(w, "s@a.test", one_remote);

	(void)state;
	qmgr_stop(w->q, on_stopped, w);
	world_settle(w);
	assert_false(w->stopped);
	(void)world_mail(w, "s@a.test", one_local);
	assert_int_equal(w->jobs_n, 1);
	world_answer(w, 0, OUTCOME_DONE, "2.0.0", "ok", true);
	assert_true(m->gone);
	assert_true(w->stopped);
	world_delete(w);
	w = world_new(true);
	qmgr_stop(w->q, on_stopped, w);
	world_settle(w);
	assert_true(w->stopped);
	world_delete(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_way_of_a_message),
		cmocka_unit_test(test_local_only),
		cmocka_unit_test(test_bounce),
		cmocka_unit_test(test_deferred_to_the_end),
		cmocka_unit_test(test_clock_jumps),
		cmocka_unit_test(test_agent_dies),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_accountd_down),
		cmocka_unit_test(test_spoold_dies_meanwhile),
		cmocka_unit_test(test_spoold_dies_with_record),
		cmocka_unit_test(test_spoold_dies_with_part),
		cmocka_unit_test(test_given_while_recorded),
		cmocka_unit_test(test_spoold_dies_idle),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_dead_and_flush),
		cmocka_unit_test(test_stop),
	};

	log_capture(capture);
	return cmocka_run_group_tests_name("qmgr/qmgr", tests, NULL, NULL);
}
