#include "tests/lib/unit.h"

#include "tests/imapd/fake.h"

/*
 * Sessions that are put away in IDLE: when that is so, and that they come back as they were. The scripts of test-two and
 * test-session are played with and without it, too.
 */
static struct fake f;
static struct player p[2];

static bool asleep(unsigned i)
{
	assert_true((p[i].asleep != NULL) != (p[i].s != NULL));
	return p[i].asleep != NULL;
}

static void forget(unsigned i)
{
	buf_consume(&p[i].out, buf_len(&p[i].out));
}

static int setup(void **state)
{
	(void)state;
	players_sleep = true;
	return 0;
}

/* What comes in may come in any pieces; only between them the session sleeps. */
static void test_input(void **state)
{
	static const char *const pieces[][8] = {
		{ "DONE\r\n" },
		{ "D", "ONE\r\n" },
		{ "do", "n", "e", "\r", "\n" },
		{ "\r\n", "DONE\r\n" },
	};

	(void)state;
	play_begin(&f, p, 1, 3);
	play(p, 1, "1> s SELECT INBOX\n");
	forget(0);
	for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
		play(p, 1, "1> a IDLE\n1< + idling\n1.\n");
		assert_true(asleep(0));
		for (unsigned k = 0; k < ARRAY_LEN(pieces[i]) && pieces[i][k] != NULL; k++) {
			struct slice s = slice_cstr(pieces[i][k]);
			bool last = k + 1 == ARRAY_LEN(pieces[i]) || pieces[i][k + 1] == NULL;

			assert_int_equal(buf_len(&p[0].out), 0);
			player_send(&p[0], s);
			/* a line that has only begun is part of what it is */
			assert_true(asleep(0) == (!last && s.p[s.len - 1] == '\n'));
		}
		play(p, 1, "1< a OK Idle ended\n1.\n");
	}
	/* more commands behind it, in one piece and in many */
	play(p, 1, "1> b IDLE\n1< + idling\n1> DONE\\r\\nc NOOP\\r\\nd FETCH 2 UID\n"
	    "1< b OK Idle ended\n1< c OK Done\n1< * 2 FETCH (UID 2)\n1< d OK Fetched\n");
	play(p, 1, "1> e IDLE\\r\\nDONE\\r\\nf IDLE\n1< + idling\n1< e OK Idle ended\n1< + idling\n");
	assert_true(asleep(0));
	play(p, 1, "1>| DONE\\r\\ng NO\n1< f OK Idle ended\n1.\n1> OP\n1< g OK Done\n");
	play(p, 1, "1> h IDLE\n1< + idling\n1> i NOOP\n1< h BAD DONE was expected\n1> j NOOP\n1< j OK Done\n");
	play_end(&f, p, 1);
}

/* All that a session knows is there again: name, keywords, rights, numbers, \Recent. */
static void test_state(void **state)
{
	(void)state;
	play_begin(&f, p, 2, 3);
	play(p, 2, "1> s SELECT INBOX\n1> t STORE 2 +FLAGS.SILENT (Early Work)\n2> s EXAMINE INBOX\n");
	forget(0);
	forget(1);
	play(p, 2, "2> tag-of-some-length IDLE\n2< + idling\n2.\n");
	assert_true(asleep(1));
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2, "2< * 4 EXISTS\n2< * 1 RECENT\n2.\n"
	    "2> DONE\n2< tag-of-some-length OK Idle ended\n"
	    "2> a SEARCH KEYWORD early\n2< * SEARCH 2\n2< a OK Searched\n"
	    "2> b SEARCH RECENT\n2< * SEARCH 4\n2< b OK Searched\n"
	    "2> c STORE 1 +FLAGS \\Seen\n2< c NO The mailbox is open read-only\n"
	    "2> d IDLE\n2< + idling\n2.\n");
	/* with the rows that SEARCH brought */
	assert_true(asleep(1));
	play(p, 2, "1> u STORE 3 +FLAGS.SILENT Work\n1< * 4 EXISTS\n1< * 4 RECENT\n1< u OK Stored\n2< * 3 FETCH (FLAGS (Work))\n2.\n");
	play(p, 2, "1> v STORE 1 +FLAGS.SILENT \\Deleted\n1< v OK Stored\n2< * 1 FETCH (FLAGS (\\Deleted))\n1> w EXPUNGE\n"
	    "1< * 1 EXPUNGE\n1< w OK Expunged\n2< * 1 EXPUNGE\n2.\n2> DONE\n2< d OK Idle ended\n2> e FETCH 1:* UID\n"
	    "2< * 1 FETCH (UID 2)\n2< * 2 FETCH (UID 3)\n2< * 3 FETCH (UID 4)\n2< e OK Fetched\n");
	play_end(&f, p, 2);
}

/* Without a mailbox, with an empty one, and with one that is deleted meanwhile. */
static void test_boxes(void **state)
{
	(void)state;
	play_begin(&f, p, 2, 0);
	play(p, 2, "1> a IDLE\n1< + idling\n1.\n");
	assert_true(asleep(0));
	play(p, 2, "1> DONE\n1< a OK Idle ended\n1> b FETCH 1 UID\n1< b BAD Select a mailbox first\n"
	    "1> c SELECT INBOX\n");
	forget(0);
	play(p, 2, "1> d IDLE\n1< + idling\n1.\n");
	assert_true(asleep(0));
	(void)fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	play(p, 2, "1< * 1 EXISTS\n1< * 1 RECENT\n1.\n1> DONE\n1< d OK Idle ended\n1> e FETCH 1 (UID FLAGS)\n"
	    "1< * 1 FETCH (UID 1 FLAGS (\\Recent))\n1< e OK Fetched\n"
	    "1> f CREATE x\n1< f OK...\n1> g SELECT x\n");
	forget(0);
	play(p, 2, "1> h IDLE\n1< + idling\n1.\n");
	assert_true(asleep(0));
	play(p, 2, "2> a DELETE x\n2< a OK...\n1< h OK...\n1< * BYE The selected mailbox was deleted\n1!\n");
	play_end(&f, p, 2);
}

/* Under TLS; what is counted against it; the end while it sleeps, which the spool hears of. */
static void test_ends(void **state)
{
	(void)state;
	play_begin(&f, p, 2, 1);
	player_end(&p[0]);
	player_start_tls(&p[0], &f);
	play(p, 1, "1> x LOGIN bob secret\n1> a SELECT INBOX\n");
	forget(0);
	for (unsigned i = 1; i < IMAP_ERRORS_MAX; i++)
		play(p, 1, "1> i IDLE\n1< + idling\n1> x\n1< i BAD DONE was expected\n1.\n");
	play(p, 1, "1> i IDLE\n1< + idling\n");
	assert_true(asleep(0));
	play(p, 1, "1> x\n1< i BAD DONE was expected\n1< * BYE Too many bad commands\n1!\n");
	play(p, 2, "2> s SELECT INBOX\n2> i IDLE\n");
	assert_true(asleep(1));
	assert_int_not_equal(f.sessions[1].number, 0);
	player_end(&p[1]);
	assert_int_equal(f.sessions[1].number, 0);
	play_end(&f, p, 1);
	play_begin(&f, p, 2, 1);
	play(p, 2, "1> i IDLE\n1< + idling\n2> i IDLE\n2< + idling\n");
	assert_true(asleep(0) && asleep(1));
	imap_session_eof(player_session(&p[0]));
	imap_session_stop(player_session(&p[1]));
	play(p, 2, "1!\n2< * BYE The server is being stopped, connect again\n2!\n");
	play_end(&f, p, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_input, setup),
		cmocka_unit_test_setup(test_state, setup),
		cmocka_unit_test_setup(test_boxes, setup),
		cmocka_unit_test_setup(test_ends, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
