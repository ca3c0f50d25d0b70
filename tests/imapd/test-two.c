#include "tests/lib/unit.h"

#include "tests/imapd/fake.h"

/*
 * Two sessions on one mailbox: what one does, when the other hears of it
 * (RFC 3501 5.5, 7.4.1; RFC 2180), and that numbers never move in between.
 */
static struct fake f;
static struct player p[2];
static bool all_rows;           /* SELECT brings the rows; else they are asked for when they are wanted */

static void begin(unsigned n)
{
	play_begin(&f, p, 2, n);
	f.all_rows = all_rows;
	play(p, 2, "1> s SELECT INBOX\n2> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	buf_consume(&p[1].out, buf_len(&p[1].out));
}

/* The second session has its rows from now on. */
static void want_rows(void)
{
	if (!all_rows)
		play(p, 2, "2> z FETCH 1 UID\n2< * 1 FETCH (UID 1)\n2< z OK Fetched\n");
}

static void test_expunge_is_withheld(void **state)
{
	(void)state;
	begin(4);
	want_rows();
	play(p, 2,
	    "1> a STORE 2 +FLAGS.SILENT \\Deleted\n1< a OK Stored\n1> b EXPUNGE\n1< * 2 EXPUNGE\n1< b OK Expunged\n"
	    /* nothing is said while no command runs, nor by FETCH, STORE and SEARCH: all numbers mean what they meant */
	    "2.\n"
	    "2> a FETCH 3 UID\n2< * 3 FETCH (UID 3)\n2< a OK Fetched\n"
	    "2> b SEARCH ALL\n2< * SEARCH 1 3 4\n2< b OK Searched\n"
	    "2> c STORE 3 +FLAGS (\\Flagged)\n2< * 3 FETCH (FLAGS (\\Flagged))\n2< c OK Stored\n"
	    /* a message that is gone: flags as last known, the body still there, STORE hits nobody else */
	    "2> d FETCH 2 (UID FLAGS)\n2< * 2 FETCH (UID 2 FLAGS (\\Deleted))\n2< d OK Fetched\n"
	    "2> e FETCH 2 BODY[TEXT]\n2< * 2 FETCH (BODY[TEXT] {8}\n2< body 2\n2< )\n2< e OK Fetched\n"
	    "2> f STORE 2 +FLAGS (\\Seen)\n2< f NO [EXPUNGEISSUED]...\n"
	    "2> g COPY 2 INBOX\n2< * 2 EXPUNGE\n2< g NO [EXPUNGEISSUED]...\n"
	    "2> h FETCH 1:* (UID FLAGS)\n2< * 1 FETCH (UID 1 FLAGS ())\n2< * 2 FETCH (UID 3 FLAGS (\\Flagged))\n2< * 3 FETCH (UID 4 FLAGS ())\n2< h OK Fetched\n"
	    "1> c NOOP\n1< * 2 FETCH (FLAGS (\\Flagged \\Recent))\n1< c OK Done\n");
	assert_int_equal(f.boxes[0].v[1].flags & FLAG_SEEN, 0);
	play_end(&f, p, 2);
}

/* What went before the rows came is in its place, though nothing is known of it but the UID. */
static void test_bare(void **state)
{
	(void)state;
	begin(6);
	play(p, 2,
	    "1> a STORE 2,4:5 +FLAGS.SILENT \\Deleted\n1< a OK Stored\n1> b EXPUNGE\n1< * 2 EXPUNGE\n1< * 3 EXPUNGE\n1< * 3 EXPUNGE\n1< b OK Expunged\n"
	    "1> c STORE 3 +FLAGS.SILENT (\\Flagged new)\n1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new)\n"
	    "1< * OK [PERMANENTFLAGS...\n1< c OK Stored\n2.\n");
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2,
	    "2> a FETCH 2:3 UID\n2< * FLAGS (\\Answered...\n2< * OK [PERMANENTFLAGS...\n2< * 3 FETCH (UID 3)\n2< * 7 EXISTS\n2< * 1 RECENT\n"
	    "2< * 6 FETCH (FLAGS (\\Flagged new))\n2< a NO [EXPUNGEISSUED]...\n"
	    "2> b SEARCH ALL\n2< * SEARCH 1 3 6 7\n2< b OK Searched\n"
	    "2> c STORE 2 +FLAGS (\\Seen)\n2< c NO [EXPUNGEISSUED]...\n"
	    "2> d NOOP\n2< * 2 EXPUNGE\n2< * 3 EXPUNGE\n2< * 3 EXPUNGE\n2< d OK Done\n"
	    "2> e FETCH 1:* UID\n2< * 1 FETCH (UID 1)\n2< * 2 FETCH (UID 3)\n2< * 3 FETCH (UID 6)\n2< * 4 FETCH (UID 7)\n2< e OK Fetched\n");
	play_end(&f, p, 2);
	/* UID FETCH passes over what is gone, as over UIDs that never were */
	begin(3);
	play(p, 2,
	    "1> a STORE 2 +FLAGS.SILENT \\Deleted\n1< a OK Stored\n1> b EXPUNGE\n1< * 2 EXPUNGE\n1< b OK Expunged\n"
	    "2> a UID FETCH 1:* UID\n2< * 1 FETCH (UID 1)\n2< * 3 FETCH (UID 3)\n2< * 2 EXPUNGE\n2< a OK Fetched\n");
	play_end(&f, p, 2);
}

/* New mail alone is told without the rows; in IDLE they are brought when flags change or messages go. */
static void test_bare_idle(void **state)
{
	(void)state;
	begin(3);
	play(p, 2, "2> a IDLE\n2< + idling\n2.\n");
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2,
	    "2< * 4 EXISTS\n2< * 1 RECENT\n2.\n"
	    "1> a STORE 2 +FLAGS.SILENT \\Deleted\n1< * 4 EXISTS\n1< * 4 RECENT\n1< a OK Stored\n2< * 2 FETCH (FLAGS (\\Deleted))\n2.\n"
	    "1> b EXPUNGE\n1< * 2 EXPUNGE\n1< b OK Expunged\n2< * 2 EXPUNGE\n2.\n"
	    "2> DONE\n2< a OK Idle ended\n2> b FETCH 1:* UID\n2< * 1 FETCH (UID 1)\n2< * 2 FETCH (UID 3)\n2< * 3 FETCH (UID 4)\n2< b OK Fetched\n");
	play_end(&f, p, 2);
}

static void test_uid_commands_tell(void **state)
{
	(void)state;
	begin(4);
	want_rows();
	play(p, 2,
	    "1> a STORE 1,3 +FLAGS.SILENT \\Deleted\n1< a OK Stored\n1> b EXPUNGE\n1< * 1 EXPUNGE\n1< * 2 EXPUNGE\n1< b OK Expunged\n"
	    "2> a UID FETCH 1:* UID\n2< * 1 FETCH (UID 1)\n2< * 2 FETCH (UID 2)\n2< * 3 FETCH (UID 3)\n2< * 4 FETCH (UID 4)\n"
	    "2< * 1 EXPUNGE\n2< * 2 EXPUNGE\n2< a OK Fetched\n"
	    "2> b FETCH 1:2 UID\n2< * 1 FETCH (UID 2)\n2< * 2 FETCH (UID 4)\n2< b OK Fetched\n");
	play_end(&f, p, 2);
}

static void test_idle(void **state)
{
	(void)state;
	begin(2);
	play(p, 2, "2> a IDLE\n2< + idling\n2.\n");
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2,
	    "2< * 3 EXISTS\n2< * 1 RECENT\n2.\n"
	    "1> a STORE 1 +FLAGS \\Deleted\n1< * 1 FETCH (FLAGS (\\Deleted \\Recent))\n1< * 3 EXISTS\n1< * 3 RECENT\n1< a OK Stored\n"
	    "2< * 1 FETCH (FLAGS (\\Deleted))\n2.\n"
	    "1> b EXPUNGE\n1< * 1 EXPUNGE\n1< b OK Expunged\n2< * 1 EXPUNGE\n2.\n"
	    "1> c STORE 1 +FLAGS.SILENT Work\n1< * FLAGS (...\n1< * OK [PERM...\n1< c OK Stored\n"
	    "2< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft Work)\n2< * OK [PERMANENTFLAGS (...\n2< * 1 FETCH (FLAGS (Work))\n2.\n"
	    "2> done\n2< a OK Idle ended\n");
	play_end(&f, p, 2);
}

static void test_new_and_gone_before_told(void **state)
{
	(void)state;
	begin(1);
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2,
	    /* numbers beyond what was announced do not exist, nor does the UID */
	    "2> a FETCH 2 UID\n2< a BAD There is no message of that number\n"
	    "1> a NOOP\n1< * 2 EXISTS\n1< * 2 RECENT\n1< a OK Done\n"
	    "1> b STORE 2 +FLAGS.SILENT \\Deleted\n1< b OK Stored\n1> c EXPUNGE\n1< * 2 EXPUNGE\n1< c OK Expunged\n"
	    /* the second session never saw it: nothing is to be told */
	    "2> b NOOP\n2< b OK Done\n2> c FETCH 1:* UID\n2< * 1 FETCH (UID 1)\n2< c OK Fetched\n");
	/* ... unless EXPUNGE may not be told yet: a count never shrinks by itself */
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2,
	    "1> d MOVE 2 INBOX\n1< d BAD...\n1> d NOOP\n1< * 2 EXISTS\n1< * 2 RECENT\n1< d OK Done\n"
	    "1> e STORE 2 +FLAGS.SILENT \\Deleted\n1< e OK Stored\n1> f CLOSE\n1< f OK Closed\n"
	    "2> d FETCH 1 UID\n2< * 1 FETCH (UID 1)\n2< * 2 EXISTS\n2< * 1 RECENT\n2< d OK Fetched\n"
	    "2> e NOOP\n2< * 2 EXPUNGE\n2< e OK Done\n");
	play_end(&f, p, 2);
}

static void test_pending_flags_and_expunge(void **state)
{
	(void)state;
	begin(3);
	play(p, 2,
	    /* flags of a message behind one that goes: the number told is the one after EXPUNGE */
	    "1> a STORE 3 +FLAGS.SILENT \\Seen\n1< a OK Stored\n"
	    "1> b STORE 1 +FLAGS.SILENT \\Deleted\n1< b OK Stored\n1> c EXPUNGE\n1< * 1 EXPUNGE\n1< c OK Expunged\n"
	    "2> a NOOP\n2< * 1 EXPUNGE\n2< * 2 FETCH (FLAGS (\\Seen))\n2< a OK Done\n"
	    /* .SILENT keeps back what this session did itself, not what another did */
	    "1> d STORE 1 +FLAGS.SILENT \\Flagged\n1< d OK Stored\n"
	    "2> b STORE 2 +FLAGS.SILENT \\Flagged\n2< * 1 FETCH (FLAGS (\\Flagged))\n2< b OK Stored\n"
	    "1> e NOOP\n1< * 2 FETCH (FLAGS (\\Seen \\Flagged...\n");
	play_end(&f, p, 2);
}

static void test_many_expunged(void **state)
{
	struct slice left;
	unsigned n = 0;

	(void)state;
	begin(20001);
	play(p, 2, "1> a STORE 2:* +FLAGS.SILENT \\Deleted\n1< a OK Stored\n1> b EXPUNGE\n");
	for (left = buf_slice(&p[0].out); slice_istarts(left, "* 2 EXPUNGE\r\n"); left = slice_sub(left, 13, left.len))
		n++;
	assert_int_equal(n, 20000);
	buf_consume(&p[0].out, 13 * (size_t)n);
	play(p, 2, "1< b OK Expunged\n1> c FETCH 1:* UID\n1< * 1 FETCH (UID 1)\n1< c OK Fetched\n1.\n");
	play_end(&f, p, 2);
}

static int rows_at_once(void **state)
{
	(void)state;
	all_rows = true;
	return 0;
}

/* Nobody can see whether a session was put away meanwhile. */
static int sleepers(void **state)
{
	(void)state;
	all_rows = false;
	players_sleep = true;
	players_slept = 0;
	return 0;
}

static int sleepers_slept(void **state)
{
	(void)state;
	players_sleep = false;
	return players_slept != 0 ? 0 : -1;
}

static int rows_when_wanted(void **state)
{
	(void)state;
	all_rows = false;
	return 0;
}

#define BOTH(test) cmocka_unit_test_setup(test, rows_when_wanted), cmocka_unit_test_setup(test, rows_at_once)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bare, rows_when_wanted),
		cmocka_unit_test_setup(test_bare_idle, rows_when_wanted),
		BOTH(test_expunge_is_withheld),
		BOTH(test_uid_commands_tell),
		BOTH(test_idle),
		cmocka_unit_test_setup_teardown(test_bare_idle, sleepers, sleepers_slept),
		cmocka_unit_test_setup_teardown(test_idle, sleepers, sleepers_slept),
		BOTH(test_new_and_gone_before_told),
		BOTH(test_pending_flags_and_expunge),
		BOTH(test_many_expunged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
