#include "tests/lib/unit.h"

#include "accountd/authpool.h"
#include "accountd/throttle.h"
#include "common/base/clock.h"

/* Tries of one dialogue: at which second, from where, who, with what, and what comes of it.
 * 'g' good, 'w' wrong, '-' must be refused as too early. */
struct try { uint64_t at_s; const char *addr, *user, *password; char want; };

static void play(size_t row, struct throttle *t, const struct try *s)
{
	struct throttle_try try;
	uint64_t wait;
	int r = throttle_check(t, slice_cstr(s->addr), slice_cstr(s->user), slice_cstr(s->password),
	    s->at_s * MS_PER_S, &try, &wait);

	assert_row(row, (r == ERR_AGAIN) == (s->want == '-'));
	assert_row(row, (wait != 0) == (r != 0));
	if (r == 0)
		assert_row(row, throttle_enter(t, &try) == 0);
	if (r == 0)
		throttle_end(t, &try, s->want == 'g' ? THROTTLE_GOOD : THROTTLE_WRONG, s->at_s * MS_PER_S);
}

static void play_all(const struct try *s, size_t n)
{
	struct throttle *t = throttle_new(3, 64, slice_of(NULL, 0));

	assert_non_null(t);
	for (size_t i = 0; i < n; i++)
		play(i, t, &s[i]);
	throttle_free(&t);
}

static void by_account(void **state)
{
	static const struct try s[] = {
		{ 100, "192.0.2.1", "a@x", "1", 'w' }, { 100, "192.0.2.2", "a@x", "2", 'w' },
		{ 100, "192.0.2.3", "A@X", "3", 'w' },          /* the third: from now on slowly */
		{ 100, "192.0.2.4", "a@x", "4", '-' }, { 101, "192.0.2.4", "a@x", "4", 'w' },
		{ 102, "192.0.2.5", "a@x", "5", '-' }, { 103, "192.0.2.5", "a@x", "5", 'w' },
		{ 106, "192.0.2.5", "a@x", "6", '-' }, { 107, "192.0.2.6", "a@x", "6", 'g' },
		{ 107, "192.0.2.5", "a@x", "7", 'w' },          /* a good login cleared the count */
		{ 107, "192.0.2.7", "b@x", "1", 'w' },
	};

	(void)state;
	play_all(s, ARRAY_LEN(s));
}

static void by_address(void **state)
{
	static const struct try s[] = {
		{ 100, "192.0.2.1", "a", "1", 'w' }, { 100, "192.0.2.1", "b", "1", 'w' }, { 100, "192.0.2.1", "c", "1", 'w' },
		{ 100, "192.0.2.1", "d", "1", '-' }, { 100, "192.0.2.2", "d", "1", 'g' },
		{ 100, "::ffff:192.0.2.1", "d", "1", '-' },
		{ 100, "2001:db8::1", "a6", "1", 'w' }, { 100, "2001:db8::2", "b6", "1", 'w' },
		{ 100, "2001:db8:0:0:ffff::3", "c6", "1", 'w' },        /* one /64 */
		{ 100, "2001:db8::4", "d6", "1", '-' }, { 100, "2001:db8:0:1::4", "d6", "1", 'g' },
		{ 101, "192.0.2.1", "d", "1", 'g' },            /* does not clear the address */
		{ 101, "192.0.2.1", "e", "1", 'w' }, { 102, "192.0.2.1", "d", "1", '-' },
		{ 103, "192.0.2.1", "d", "1", 'g' },
		/* forgiven one each ten minutes */
		{ 103 + 600, "192.0.2.1", "f", "1", 'w' }, { 103 + 600, "192.0.2.1", "d", "1", '-' },
		{ 103 + 3600, "192.0.2.1", "g", "1", 'w' }, { 103 + 3600, "192.0.2.1", "h", "1", 'w' },
	};

	(void)state;
	play_all(s, ARRAY_LEN(s));
}

/* Tries that are refused make no entries: whoever is slowed cannot push out the counts of others. */
static void refused_flood(void **state)
{
	struct throttle *t = throttle_new(3, 64, slice_of(NULL, 0));
	struct throttle_try try;
	uint64_t wait;

	(void)state;
	assert_non_null(t);
	for (unsigned i = 0; i < 3; i++) {
		const struct try victim = { 100, i == 0 ? "192.0.2.1" : i == 1 ? "192.0.2.2" : "192.0.2.3", "a",
		    i == 0 ? "1" : i == 1 ? "2" : "3", 'w' };
		const struct try attacker = { 100, "192.0.2.9", i == 0 ? "b" : i == 1 ? "c" : "d", "1", 'w' };

		play(i, t, &victim);
		play(i, t, &attacker);
	}
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(throttle_check(t, slice_cstr("192.0.2.9"), slice_of(&i, sizeof(i)), slice_cstr("x"),
		    100 * MS_PER_S, &try, &wait), ERR_AGAIN);
	assert_int_equal(throttle_check(t, slice_cstr("192.0.2.4"), slice_cstr("a"), slice_cstr("4"), 100 * MS_PER_S, &try,
	    &wait), ERR_AGAIN);
	throttle_free(&t);
}

static void same_password(void **state)
{
	static const struct try s[] = {
		{ 100, "192.0.2.1", "a", "old", 'w' }, { 100, "192.0.2.1", "a", "old", 'w' }, { 100, "192.0.2.1", "a", "old", 'w' },
		{ 100, "192.0.2.1", "a", "old", 'w' }, { 100, "192.0.2.1", "a", "old", 'w' }, { 100, "192.0.2.1", "a", "x", 'w' },
		{ 100, "192.0.2.1", "a", "old", 'w' },
		{ 100, "192.0.2.1", "a", "y", 'w' }, { 100, "192.0.2.1", "a", "old", '-' },
		/* another user's same password is another guess */
		{ 200, "192.0.2.9", "a1", "p", 'w' }, { 200, "192.0.2.9", "a2", "p", 'w' }, { 200, "192.0.2.9", "a3", "p", 'w' },
		{ 200, "192.0.2.9", "a4", "p", '-' },
	};

	(void)state;
	play_all(s, ARRAY_LEN(s));
}

/* Others' guesses at an account do not lock out where its owner logs in from. */
static void known_pair(void **state)
{
	static const struct try s[] = {
		{ 100, "192.0.2.1", "a", "right", 'g' },
		{ 100, "198.51.100.1", "a", "1", 'w' }, { 100, "198.51.100.2", "a", "2", 'w' }, { 100, "198.51.100.3", "a", "3", 'w' },
		{ 100, "198.51.100.4", "a", "4", '-' }, { 100, "192.0.2.2", "a", "right", '-' },
		{ 100, "192.0.2.1", "a", "right", 'g' },
	};

	(void)state;
	play_all(s, ARRAY_LEN(s));
}

/* Many guesses at the same time are no more than the limit, wherever they come from; who is known is not held up. */
static void at_once(void **state)
{
	enum { LIMIT = 3 };
	struct throttle *t = throttle_new(LIMIT, 64, slice_of(NULL, 0));
	struct throttle_try try[LIMIT + 2];
	uint64_t wait;
	char addr[32];

	(void)state;
	assert_non_null(t);
	play(0, t, &(struct try){ 100, "192.0.2.1", "a", "right", 'g' });
	for (unsigned i = 0; i <= LIMIT; i++) {
		(void)snprintf(addr, sizeof(addr), "198.51.100.%u", i);
		assert_int_equal(throttle_check(t, slice_cstr(addr), slice_cstr("A"), slice_of(&i, sizeof(i)), 100000, &try[i], &wait), 0);
		assert_row(i, throttle_enter(t, &try[i]) == (i == LIMIT ? ERR_AGAIN : 0));
	}
	assert_int_equal(throttle_check(t, slice_cstr("192.0.2.1"), slice_cstr("a"), slice_cstr("new"), 100000, &try[LIMIT + 1], &wait), 0);
	assert_int_equal(throttle_enter(t, &try[LIMIT + 1]), 0);
	throttle_end(t, &try[LIMIT + 1], THROTTLE_UNKNOWN, 100000);
	/* One fails: it has its place still, and the rest have theirs. */
	throttle_end(t, &try[0], THROTTLE_WRONG, 100000);
	assert_int_equal(throttle_enter(t, &try[LIMIT]), ERR_AGAIN);
	throttle_end(t, &try[1], THROTTLE_UNKNOWN, 100000);
	assert_int_equal(throttle_enter(t, &try[LIMIT]), 0);
	throttle_free(&t);
}

static void bounded(void **state)
{
	struct throttle *t = throttle_new(3, 64, slice_of(NULL, 0));
	static struct throttle_try try[THROTTLE_PENDING_ADDR + 1];
	uint64_t wait;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		char addr[32], user[32];

		(void)snprintf(addr, sizeof(addr), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		(void)snprintf(user, sizeof(user), "u%u", i);
		play(i, t, &(struct try){ 100, addr, user, "x", i % 3 == 0 ? 'g' : 'w' });
	}
	assert_in_range(throttle_entries(t), 64, 3 * 64);
	/* Tries at a time of one address, and of one name. */
	throttle_free(&t);
	t = throttle_new(3, 4096, slice_of(NULL, 0));
	for (unsigned i = 0; i <= THROTTLE_PENDING_ADDR; i++) {
		assert_int_equal(throttle_check(t, slice_cstr("192.0.2.1"), slice_of(&i, sizeof(i)), slice_cstr("x"), 200000, &try[i],
		    &wait), 0);
		assert_row(i, throttle_enter(t, &try[i]) == (i == THROTTLE_PENDING_ADDR ? ERR_AGAIN : 0));
	}
	throttle_end(t, &try[0], THROTTLE_UNKNOWN, 200000);
	assert_int_equal(throttle_enter(t, &try[THROTTLE_PENDING_ADDR]), 0);
	throttle_set_limit(t, 10000);
	for (unsigned i = 0; i <= THROTTLE_PENDING_USER; i++) {
		char addr[32];

		(void)snprintf(addr, sizeof(addr), "10.0.1.%u", i);
		assert_int_equal(throttle_check(t, slice_cstr(addr), slice_cstr("one"), slice_cstr("x"), 200000, &try[0], &wait), 0);
		assert_row(i, throttle_enter(t, &try[0]) == (i == THROTTLE_PENDING_USER ? ERR_AGAIN : 0));
	}
	/* Hostile text is a key like another. */
	play(1, t, &(struct try){ 300, "", "", "", 'w' });
	play(2, t, &(struct try){ 300, "not an address, and much longer than any address is allowed to be....", "", "", 'g' });
	throttle_free(&t);
}

/* ---- hashes and threads --------------------------------------------------------- */

static void hashes(void **state)
{
	struct crypt_data *work = malloc(sizeof(*work));
	char a[PASSWORD_HASH_SIZE], b[PASSWORD_HASH_SIZE];
	const char *why;

	(void)state;
	assert_int_equal(password_hash("secret", work, a), 0);
	assert_int_equal(password_hash("secret", work, b), 0);
	assert_memory_equal(a, "$y$", 3);
	assert_string_not_equal(a, b);
	assert_true(password_fits("secret", a, work));
	assert_false(password_fits("Secret", a, work));
	assert_false(password_fits("", a, work));
	assert_false(password_fits("secret", "", work));
	assert_false(password_fits("secret", "*0", work));
	assert_false(password_fits("secret", "nonsense", work));
	/* An imported hash of another kind. */
	assert_true(password_fits("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", work));
	assert_true(password_valid(slice_cstr("a b \xec\x95\x94"), &why));
	assert_false(password_valid(slice_cstr(""), &why));
	assert_false(password_valid(slice_of("a\0b", 3), &why));
	free(work);
}

struct pool_test {
	struct loop *loop;
	unsigned done, good;
};

static void job_done(struct authpool_job *job, void *ctx)
{
	struct pool_test *p = ctx;

	assert_int_equal(job->password[0], 0);
	p->done++;
	p->good += job->result == 0;
}

static void pool(void **state)
{
	enum { JOBS = 8 };
	struct pool_test p = { .loop = loop_new() };
	struct authpool *pl = authpool_new(p.loop, 2);
	struct authpool_job *jobs = calloc(AUTHPOOL_QUEUE_MAX + 64, sizeof(*jobs));
	char hash[PASSWORD_HASH_SIZE];
	struct scram_keys keys;
	unsigned n = 0;

	(void)state;
	assert_non_null(pl);
	jobs[0] = (struct authpool_job){ .kind = AUTHPOOL_MAKE, .hash_wanted = true, .iterations = 4096, .password = "right",
	    .done = job_done, .ctx = &p };
	assert_int_equal(authpool_submit(pl, &jobs[0], 1, false), 0);
	while (p.done == 0)
		assert_int_equal(loop_turn(p.loop, 1000), 0);
	memcpy(hash, jobs[0].new_hash, sizeof(hash));
	keys = jobs[0].keys;
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i] = (struct authpool_job){ .iterations = 4096, .hash_wanted = true, .done = job_done, .ctx = &p };
		(void)strcpy(jobs[i].password, i % 2 != 0 ? "right" : "wrong");
		memcpy(jobs[i].hash, hash, sizeof(hash));
		assert_int_equal(authpool_submit(pl, &jobs[i], i % 3, false), 0);
	}
	assert_int_equal(authpool_resize(pl, 4), 0);
	assert_int_equal(authpool_resize(pl, 1), 0);
	while (p.done < JOBS + 1)
		assert_int_equal(loop_turn(p.loop, 1000), 0);
	assert_int_equal(p.good, JOBS / 2 + 1);
	/* A password that fits has the keys made with it, and keeps a hash that is of today's kind. */
	assert_memory_equal(&jobs[1].keys, &keys, sizeof(keys));
	assert_int_equal(jobs[1].new_hash[0], '\0');
	assert_memory_not_equal(&jobs[0].keys, &keys, sizeof(keys));
	/* More than the queue takes. */
	while (n < AUTHPOOL_QUEUE_MAX + 64) {
		jobs[n] = (struct authpool_job){ .kind = AUTHPOOL_MAKE, .hash_wanted = true, .password = "x", .done = job_done, .ctx = &p };
		if (authpool_submit(pl, &jobs[n], 7, false) != 0)
			break;
		n++;
	}
	assert_in_range(n, AUTHPOOL_QUEUE_MAX, AUTHPOOL_QUEUE_MAX + 8);
	authpool_free(&pl);
	loop_free(&p.loop);
	free(jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_account),
		cmocka_unit_test(by_address),
		cmocka_unit_test(refused_flood), cmocka_unit_test(same_password),
		cmocka_unit_test(known_pair), cmocka_unit_test(at_once),
		cmocka_unit_test(bounded),
		cmocka_unit_test(hashes),
		cmocka_unit_test(pool),
	};

	return cmocka_run_group_tests_name("login", tests, NULL, NULL);
}
