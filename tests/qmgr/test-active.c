/* The scheduler alone: fairness, limits, and a random history against what must always hold. */
#include "tests/lib/unit.h"

#include "qmgr/active.h"

enum { MSGS = 300, RCPTS = 40, DOMAINS = 12, JOBS = 64 };

/* What the test knows of each recipient. */
struct seen {
	bool exists, done, in_job, elsewhere;   /* elsewhere: spoold had it from deliver-local before it died */
	uint32_t outcomes;
};

struct sim {
	struct active *a;
	struct conf conf;
	uint64_t now, rng;
	struct seen rcpts[MSGS + 1][RCPTS];
	uint32_t rcpts_n[MSGS + 1];
	uint32_t msgs, finished, outcomes, ready;
	struct slice ask[DOMAINS * 4];
	uint32_t asks;
	struct qjob *jobs[JOBS];
	uint32_t jobs_n;
};

static char domain_names[DOMAINS][16];

static uint32_t dice(struct sim *s, uint32_t below)
{
	s->rng ^= s->rng >> 12;
	s->rng ^= s->rng << 25;
	s->rng ^= s->rng >> 27;
	return (uint32_t)((s->rng * 0x2545f4914f6cdd1du) >> 33) % below;
}

static void on_route(void *ctx, struct slice domain, struct slice addr)
{
	struct sim *s = ctx;

	(void)addr;
	assert_true(s->asks < ARRAY_LEN(s->ask));
	s->ask[s->asks++] = domain;
}

static void on_progress(void *ctx, struct qmsg *m)
{
	struct sim *s = ctx;
	uint32_t open = 0;

	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		struct qrcpt *r = &m->rcpts[i];

		open += r->state == QR_ROUTING || r->state == QR_WAITING || r->state == QR_ACTIVE;
		assert_int_equal(r->state == QR_DONE, r->out.kind != 0);
		if (r->out.kind == 0 || r->out.recorded)
			continue;
		r->out.recorded = true;
		s->rcpts[m->msgid][r->index].outcomes++;
		s->rcpts[m->msgid][r->index].done = true;
		s->outcomes++;
	}
	assert_int_equal(open, m->open);
	if (m->open == 0) {
		s->finished++;
		active_remove(s->a, &m);
	}
}

static void on_ready(void *ctx)
{
	((struct sim *)ctx)->ready++;
}

static void sim_init(struct sim *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->rng = seed;
	s->now = 1000;
	s->conf = (struct conf){ .destination_concurrency = 8, .destination_recipients = 7, .queue_backoff_min = 10,
	    .queue_backoff_max = 100, .queue_lifetime = 1000 };
	s->a = active_new(&s->conf, &(struct active_ops){ .route = on_route, .progress = on_progress, .ready = on_ready, .ctx = s });
	for (unsigned i = 0; i < DOMAINS; i++)
		(void)snprintf(domain_names[i], sizeof(domain_names[i]), "d%u.test", i);
}

/* Domains below 3 are ours. */
static enum dest_kind kind_of(struct slice domain)
{
	return domain.len != 0 && domain.p[1] < '3' && domain.p[2] == '.' ? DEST_LOCAL : DEST_REMOTE;
}

/* The message with its recipients that are not done: as spoold would give it. */
static void sim_give(struct sim *s, uint64_t msgid)
{
	struct spool_rcpt rcpts[RCPTS];
	char addrs[RCPTS][64];
	struct spool_msg m = { .msgid = msgid, .sender = SLICE_LIT("s@x.test"), .rcpts = rcpts };
	struct qmsg *q;

	for (uint32_t i = 0; i < s->rcpts_n[msgid]; i++) {
		if (s->rcpts[msgid][i].done)
			continue;
		(void)snprintf(addrs[i], sizeof(addrs[i]), "u%u@%s", i, domain_names[(msgid * 7 + i * (msgid % 3)) % DOMAINS]);
		rcpts[m.rcpts_n++] = (struct spool_rcpt){ .index = i, .addr = slice_cstr(addrs[i]) };
	}
	if (m.rcpts_n == 0)
		return;
	q = message_new(&m, 0, s->now);
	assert_non_null(q);
	active_add(s->a, q, s->now);
}

static void sim_new_message(struct sim *s, uint32_t n)
{
	uint64_t id = ++s->msgs;

	s->rcpts_n[id] = n;
	for (uint32_t i = 0; i < n; i++)
		s->rcpts[id][i].exists = true;
	sim_give(s, id);
}

static void sim_answer_route(struct sim *s)
{
	uint32_t i = dice(s, s->asks);
	struct slice d = s->ask[i];

	s->ask[i] = s->ask[--s->asks];
	active_routed(s->a, d, kind_of(d), s->now);
}

static bool sim_start_job(struct sim *s, bool local)
{
	struct qjob *j;

	if (s->jobs_n == JOBS || (j = active_next(s->a, local, s->now)) == NULL)
		return false;
	assert_in_range(j->n, 1, local ? ACTIVE_LOCAL_RCPTS : s->conf.destination_recipients);
	if (!local) {
		assert_true(j->dest->active <= dest_window(j->dest));
		assert_true(j->dest->active <= s->conf.destination_concurrency);
		assert_false(dest_is_dead(j->dest, s->now));
	}
	for (uint32_t i = 0; i < j->n; i++) {
		struct seen *x = &s->rcpts[j->msgid][j->indexes[i]];

		assert_false(x->in_job && !x->elsewhere);       /* nobody is given out twice */
		assert_false(x->done && !x->elsewhere);        /* those spoold passes over */
		x->in_job = true;
		assert_int_equal(kind_of(j->rcpts[i]->domain), local ? DEST_LOCAL : DEST_REMOTE);
		if (!local)
			assert_true(slice_eq(j->rcpts[i]->domain, j->dest->domain));
	}
	s->jobs[s->jobs_n++] = j;
	return true;
}

static void sim_end_job(struct sim *s, bool lost, unsigned unreachable_percent)
{
	uint32_t k = dice(s, s->jobs_n);
	struct qjob *j = s->jobs[k];
	struct job_outcome out[ACTIVE_LOCAL_RCPTS];
	struct job_result res = { .reachable = dice(s, 100) >= unreachable_percent, .outcomes = out, .outcomes_n = j->n };

	s->jobs[k] = s->jobs[--s->jobs_n];
	for (uint32_t i = 0; i < j->n; i++) {
		s->rcpts[j->msgid][j->indexes[i]].in_job = false;
		out[i] = (struct job_outcome){ .index = j->indexes[j->n - 1 - i], .kind = (uint8_t)(1 + dice(s, 3)),
		    .status = SLICE_LIT("2.0.0"), .text = SLICE_LIT("ok"), .relay = SLICE_LIT("mx") };
	}
	if (lost) {
		active_job_lost(s->a, &j, s->now);
		assert_null(j);
		return;
	}
	assert_int_equal(active_job_done(s->a, &j, &res, s->now), 0);
	assert_null(j);
}

/* spoold was restarted: all that is not done comes again, also what is in jobs. */
static void sim_restart_spoold(struct sim *s)
{
	/* What some local job had recorded already does not come again, though the job is still out. */
	for (uint32_t k = 0; k < s->jobs_n; k++)
		for (uint32_t i = 0; s->jobs[k]->local && k % 2 == 0 && i < s->jobs[k]->n; i += 1 + k % 3) {
			struct seen *x = &s->rcpts[s->jobs[k]->msgid][s->jobs[k]->indexes[i]];

			x->done = x->elsewhere = true;
		}
	active_drop_idle(s->a);
	for (uint64_t id = 1; id <= s->msgs; id++)
		sim_give(s, id);
}

static void run_history(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));
	uint32_t total = 0, steps = 0;

	assert_non_null(s);
	sim_init(s, seed);
	while (s->msgs < MSGS || active_count(s->a) != 0 || s->jobs_n != 0) {
		uint32_t what = dice(s, 100);

		assert_true(++steps < 400000);
		s->now += dice(s, 50);
		if (what < 10 && s->msgs < MSGS)
			sim_new_message(s, 1 + dice(s, dice(s, 4) == 0 ? RCPTS : 2));
		else if (what < 25 && s->asks != 0)
			sim_answer_route(s);
		else if (what < 60)
			(void)sim_start_job(s, what % 2 == 0);
		else if (what < 90 && s->jobs_n != 0)
			sim_end_job(s, false, seed % 3 == 0 ? 40 : 5);
		else if (what < 93 && s->jobs_n != 0)
			sim_end_job(s, true, 0);
		else if (what == 93)
			(void)active_tick(s->a, s->now);
		else if (what == 94 && dice(s, 20) == 0)
			sim_restart_spoold(s);
		else if (what == 95)
			active_revive(s->a);
		else if (what == 96 && s->asks != 0 && dice(s, 10) == 0) {
			s->asks = 0;    /* accountd was restarted */
			active_ask_again(s->a);
		}
	}
	for (uint64_t id = 1; id <= s->msgs; id++)
		for (uint32_t i = 0; i < s->rcpts_n[id]; i++, total++) {
			assert_true(s->rcpts[id][i].done);
			if (s->rcpts[id][i].elsewhere)
				assert_true(s->rcpts[id][i].outcomes <= 1);
			else
				assert_int_equal(s->rcpts[id][i].outcomes, 1);
		}
	assert_true(s->outcomes <= total);
	active_free(&s->a);
	free(s);
}

static void test_history(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		run_history(seed * 0x9e3779b97f4a7c15u);
}

/* One destination: a message to very many comes first, a small one right after. */
static void test_small_behind_big(void **state)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct spool_rcpt rcpts[500];
	struct spool_msg big = { .msgid = 1, .rcpts = rcpts, .rcpts_n = 500 };
	struct spool_msg small = { .msgid = 2, .rcpts = rcpts, .rcpts_n = 1 };
	struct qjob *j;

	(void)state;
	sim_init(s, 1);
	s->conf.destination_concurrency = 100;
	for (uint32_t i = 0; i < 500; i++)
		rcpts[i] = (struct spool_rcpt){ .index = i, .addr = SLICE_LIT("x@d9.test") };
	active_add(s->a, message_new(&big, 0, 0), 0);
	active_add(s->a, message_new(&small, 0, 0), 0);
	assert_null(active_next(s->a, false, 0));       /* nobody knows the way yet */
	assert_int_equal(s->asks, 1);
	active_routed(s->a, SLICE_LIT("d9.test"), DEST_REMOTE, 0);
	j = active_next(s->a, false, 0);
	assert_int_equal(j->msgid, 1);
	assert_int_equal(j->n, 7);
	active_job_lost(s->a, &j, 0);
	j = active_next(s->a, false, 0);                /* a lost job comes first again, with all that waited with it */
	assert_int_equal(j->msgid, 1);
	assert_int_equal(j->indexes[0], 0);
	s->jobs[0] = j;
	j = active_next(s->a, false, 0);
	assert_int_equal(j->msgid, 2);                  /* and then it is the small one's turn */
	s->jobs[1] = j;
	j = active_next(s->a, false, 0);
	assert_int_equal(j->msgid, 1);
	assert_int_equal(j->indexes[0], 7);
	s->jobs[2] = j;
	for (int i = 0; i < 3; i++)
		active_job_lost(s->a, &s->jobs[i], 0);
	active_free(&s->a);
	free(s);
}

/* Destinations take turns, however much one of them has. */
static void test_turns(void **state)
{
	struct sim *s = calloc(1, sizeof(*s));
	uint32_t got[DOMAINS] = { 0 };

	(void)state;
	sim_init(s, 1);
	s->conf.destination_concurrency = 100;
	for (uint32_t n = 0; n < 40; n++) {
		/* thirty for the first, then one for each of ten others */
		char addr[32];
		struct spool_rcpt r = { .addr = slice_of(addr, (size_t)snprintf(addr, sizeof(addr), "x@t%u.test", n < 30 ? 0 : n - 29)) };
		struct spool_msg m = { .msgid = n + 1, .rcpts = &r, .rcpts_n = 1 };

		active_add(s->a, message_new(&m, 0, 0), 0);
	}
	while (s->asks != 0)
		active_routed(s->a, s->ask[--s->asks], DEST_REMOTE, 0);
	for (uint32_t n = 0; n < 11; n++) {
		struct qjob *j = active_next(s->a, false, 0);

		assert_non_null(j);
		got[(size_t)strtoul((const char *)j->dest->domain.p + 1, NULL, 10) % DOMAINS]++;
		s->jobs[s->jobs_n++] = j;
	}
	for (uint32_t i = 0; i < 11; i++)
		assert_int_equal(got[i], 1);    /* each once before anyone twice */
	/* the first has a window of five */
	for (uint32_t n = 0; n < 4; n++)
		assert_non_null(s->jobs[s->jobs_n++] = active_next(s->a, false, 0));
	assert_null(active_next(s->a, false, 0));
	while (s->jobs_n != 0)
		active_job_lost(s->a, &s->jobs[--s->jobs_n], 0);
	active_free(&s->a);
	free(s);
}

/* Nonsense of an agent changes nothing. */
static void test_bad_result(void **state)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct spool_rcpt r[2] = { { .index = 3, .addr = SLICE_LIT("a@d9.test") }, { .index = 5, .addr = SLICE_LIT("b@d9.test") } };
	struct spool_msg m = { .msgid = 1, .rcpts = r, .rcpts_n = 2 };
	static const struct { uint32_t n; uint32_t index[3]; uint8_t kind[3]; } bad[] = {
		{ 0, { 0 }, { 0 } },
		{ 1, { 3 }, { 1 } },
		{ 2, { 3, 3 }, { 1, 1 } },
		{ 2, { 3, 4 }, { 1, 1 } },
		{ 2, { 3, 5 }, { 1, 0 } },
		{ 2, { 3, 5 }, { 4, 1 } },
		{ 3, { 3, 5, 3 }, { 1, 1, 1 } },
	};
	struct job_outcome out[3];
	struct job_result res = { .outcomes = out };
	struct qjob *j;

	(void)state;
	sim_init(s, 1);
	s->rcpts[1][3].exists = s->rcpts[1][5].exists = true;
	active_add(s->a, message_new(&m, 0, 0), 0);
	active_routed(s->a, SLICE_LIT("d9.test"), DEST_REMOTE, 0);
	j = active_next(s->a, false, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		res.outcomes_n = bad[i].n;
		for (uint32_t k = 0; k < bad[i].n; k++)
			out[k] = (struct job_outcome){ .index = bad[i].index[k], .kind = bad[i].kind[k] };
		assert_row(i, active_job_done(s->a, &j, &res, 0) == ERR_SYNTAX);
		assert_non_null(j);
	}
	assert_int_equal(s->outcomes, 0);
	active_job_lost(s->a, &j, 0);
	j = active_next(s->a, false, 0);
	assert_int_equal(j->n, 2);
	res.outcomes_n = 2;
	out[0] = (struct job_outcome){ .index = 5, .kind = 1 };
	out[1] = (struct job_outcome){ .index = 3, .kind = 1 };
	assert_int_equal(active_job_done(s->a, &j, &res, 0), 0);
	assert_int_equal(s->outcomes, 2);
	assert_int_equal(s->finished, 1);
	active_free(&s->a);
	free(s);
}

/* A destination that dies: what waits there is deferred without a try, what comes then too, until it is tried again. */
static void test_dead(void **state)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct job_dest st[8];

	(void)state;
	sim_init(s, 1);
	for (uint64_t n = 1; n <= 20; n++) {
		struct spool_rcpt r = { .addr = SLICE_LIT("x@d9.test") };
		struct spool_msg m = { .msgid = n, .rcpts = &r, .rcpts_n = 1 };

		s->msgs++;
		active_add(s->a, message_new(&m, 0, s->now), s->now);
	}
	active_routed(s->a, SLICE_LIT("d9.test"), DEST_REMOTE, s->now);
	while (s->finished < 20) {
		struct job_outcome o = { .kind = OUTCOME_DEFERRED, .text = SLICE_LIT("connect to mx: refused") };
		struct job_result res = { .reachable = 0, .outcomes = &o, .outcomes_n = 1 };
		struct qjob *j = active_next(s->a, false, s->now);

		assert_non_null(j);
		assert_true(s->finished < 3);
		assert_int_equal(active_job_done(s->a, &j, &res, s->now), 0);
	}
	assert_int_equal(active_status(s->a, st, 8, s->now, 5000), 1);
	assert_int_equal(st[0].dead_until, 5010);
	assert_slice(0, st[0].destination, "d9.test");
	/* one more while it is dead */
	struct spool_rcpt r = { .addr = SLICE_LIT("x@D9.test") };
	struct spool_msg m = { .msgid = 21, .rcpts = &r, .rcpts_n = 1 };
	struct qjob *j;

	active_add(s->a, message_new(&m, 0, s->now), s->now);
	assert_int_equal(s->finished, 21);
	/* flushed by hand */
	active_revive(s->a);
	m.msgid = 22;
	active_add(s->a, message_new(&m, 0, s->now), s->now);
	j = active_next(s->a, false, s->now);
	assert_non_null(j);
	active_job_lost(s->a, &j, s->now);
	active_free(&s->a);
	free(s);
}

/* A message over which agents die again and again is put off, not given out for ever. */
static void test_poison(void **state)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct spool_rcpt r = { .addr = SLICE_LIT("x@d1.test") };
	struct spool_msg m = { .msgid = 1, .rcpts = &r, .rcpts_n = 1 };
	struct qjob *j;
	int n = 0;

	(void)state;
	sim_init(s, 1);
	active_add(s->a, message_new(&m, 0, s->now), s->now);
	active_routed(s->a, SLICE_LIT("d1.test"), DEST_LOCAL, s->now);
	while ((j = active_next(s->a, true, s->now)) != NULL) {
		active_job_lost(s->a, &j, s->now);
		assert_true(++n <= ACTIVE_LOST_MAX);
	}
	assert_int_equal(n, ACTIVE_LOST_MAX);
	assert_int_equal(s->finished, 1);
	active_free(&s->a);
	free(s);
}

/* Not due yet: none of our business, and the message goes back when the others are through. */
static void test_not_due(void **state)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct spool_rcpt r[2] = { { .index = 0, .addr = SLICE_LIT("a@d9.test"), .due = 100 },
	    { .index = 1, .addr = SLICE_LIT("b@d9.test"), .due = 101 } };
	struct spool_msg m = { .msgid = 1, .rcpts = r, .rcpts_n = 2 };
	struct job_outcome o = { .index = 0, .kind = OUTCOME_DONE };
	struct job_result res = { .reachable = 1, .outcomes = &o, .outcomes_n = 1 };
	struct qjob *j;

	(void)state;
	sim_init(s, 1);
	active_add(s->a, message_new(&m, 100, s->now), s->now);
	active_routed(s->a, SLICE_LIT("d9.test"), DEST_REMOTE, s->now);
	j = active_next(s->a, false, s->now);
	assert_int_equal(j->n, 1);
	assert_int_equal(active_job_done(s->a, &j, &res, s->now), 0);
	assert_int_equal(s->finished, 1);
	r[0].due = 101;
	active_add(s->a, message_new(&m, 100, s->now), s->now);
	assert_int_equal(s->finished, 2);
	assert_int_equal(active_count(s->a), 0);
	active_free(&s->a);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_behind_big),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_bad_result),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_not_due),
		cmocka_unit_test(test_history),
	};

	return cmocka_run_group_tests_name("qmgr/active", tests, NULL, NULL);
}
