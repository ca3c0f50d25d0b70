#include "tests/lib/unit.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "tests/imapd/fake.h"

/* Before a login, limits, errors, clocks, and the spool that goes and comes. */
static struct fake f;
static struct player p[2];

static void fresh(void)
{
	fake_init(&f);
	player_start(&p[0], &f);
}

static void test_greeting_and_login(void **state)
{
	(void)state;
	fresh();
	play(p, 1,
	    "1< * OK [CAPABILITY IMAP4rev1 LITERAL+ ID...\n"
	    "1> a CAPABILITY\n1< * CAPABILITY IMAP4rev1 LITERAL+...\n1< a OK...\n"
	    "1> b NOOP\n1< b OK Done\n"
	    "1> c SELECT INBOX\n1< c BAD Log in first\n"
	    "1> d LOGIN bob wrong\n1< d NO [AUTHENTICATIONFAILED]...\n"
	    "1> e LOGIN bob {6}\n1< + Ready for literal\n1> secret\n1< e OK [CAPABILITY IMAP4rev1...\n"
	    "1> f LOGIN bob secret\n1< f BAD There was a login already\n"
	    "1> g ID (\"name\" \"Thunderbird\" \"version\" NIL)\n1< * ID (\"name\" \"Pabal\")\n1< g OK...\n"
	    "1> h ID NIL\n1< * ID...\n1< h OK...\n"
	    "1> i ENABLE CONDSTORE X\n1< * ENABLED\n1< i OK...\n"
	    "1> j NAMESPACE\n1< * NAMESPACE ((\"\" \"/\")) NIL NIL\n1< j OK Done\n"
	    "1> k FETCH 1 FLAGS\n1< k BAD Select a mailbox first\n"
	    "1> l LOGOUT\n1< * BYE Until next time\n1< l OK Logged out\n1!\n");
	play_end(&f, p, 1);
}

static void test_no_plaintext(void **state)
{
	(void)state;
	player_env.allow_plaintext_login = false;
	fresh();
	play(p, 1,
	    "1< * OK...\n1> a CAPABILITY\n1< * CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT "
	    "CHILDREN SPECIAL-USE CREATE-SPECIAL-USE MOVE SASL-IR LOGINDISABLED\n1< a OK...\n"
	    "1> b LOGIN bob secret\n1< b NO [PRIVACYREQUIRED]...\n"
	    "1> c AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\n1< c NO [PRIVACYREQUIRED]...\n"
	    "1> d STARTTLS\n1< d NO [UNAVAILABLE]...\n");
	player_env.allow_plaintext_login = true;
	play_end(&f, p, 1);
}

static void test_errors(void **state)
{
	(void)state;
	fresh();
	play(p, 1,
	    "1< * OK...\n1> GET / HTTP/1.1\n1< GET BAD There is no such command\n"
	    "1> Host:\n1< Host: BAD A command is missing\n"
	    "1>\n1< * BAD A tag is missing\n1> a UID\n1< a BAD UID...\n1> a UID NOOP\n1< a BAD...\n1< * BYE Too many bad commands\n1!\n");
	play_end(&f, p, 1);
	fresh();
	play(p, 1,
	    "1< * OK...\n1>| a NOOP\\n\n1< * BAD a line ends in LF without CR\n"
	    "1> b LOGIN {20000}\n1< b BAD [TOOBIG]...\n1> c NOOP\n1< c OK Done\n"
	    "1> d LOGIN {9999999+}\n1< d BAD [TOOBIG]...\n1< * BYE [TOOBIG]...\n1!\n");
	play_end(&f, p, 1);
}

static void test_too_long(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);

	(void)state;
	fresh();
	buf_consume(&p[0].out, buf_len(&p[0].out));
	for (unsigned i = 0; i < 1500; i++)
		buf_add_cstr(&b, "0123456789");
	player_send(&p[0], buf_slice(&b));
	play(p, 1, "1< * BYE A command is too long\n1!\n");
	buf_free(&b);
	play_end(&f, p, 1);
}

/* ---- time -------------------------------------------------------------------- */

static uint64_t now_ms;
static uint64_t fake_mono(void) { return now_ms; }
static const struct clock_ops clock_ops = { .mono_ms = fake_mono };

static void later(struct player *pl, uint64_t ms)
{
	now_ms += ms;
	imap_session_timer(player_session(pl));
}

static void test_times(void **state)
{
	(void)state;
	now_ms = 1000;
	clock_set(&clock_ops);
	fresh();
	assert_int_equal(p[0].timer_ms, 60000);
	later(&p[0], 60000);
	play(p, 1, "1< * OK...\n1< * BYE The time for the login is over\n1!\n");
	play_end(&f, p, 1);
	play_begin(&f, p, 1, 1);
	assert_int_equal(p[0].timer_ms, 0);
	play(p, 1, "1> a IDLE\n1< + idling\n1.\n");
	assert_int_equal(p[0].timer_ms, 120000);
	later(&p[0], 120000);
	play(p, 1, "1< * OK Still here\n1.\n1> done\n1< a OK Idle ended\n");
	assert_int_equal(p[0].timer_ms, 0);
	play_end(&f, p, 1);
	/* in IDLE while the store is away: until the time is over, or the client goes first */
	for (unsigned round = 0; round < 2; round++) {
		play_begin(&f, p, 1, 1);
		play(p, 1, "1> a IDLE\n1< + idling\n1.\n");
		imap_session_lost(player_session(&p[0]));
		fake_crash(&f);
		assert_int_equal(p[0].timer_ms, 30000);
		if (round == 0) {
			later(&p[0], 30000);
			play(p, 1, "1< * BYE [UNAVAILABLE]...\n1!\n");
		}
		play_end(&f, p, 1);
	}
	clock_set(NULL);
}

static void test_pipelining(void **state)
{
	(void)state;
	play_begin(&f, p, 1, 3);
	/* commands are done in order, one after the other, and SELECT counts for what follows it */
	play(p, 1,
	    "1> a SELECT INBOX\\r\\nb FETCH 1 UID\\r\\nc UNSELECT\\r\\nd FETCH 1 UID\\r\\ne NOOP\n"
	    "1< * FLAGS...\n1< * OK [PERMANENTFLAGS...\n1< * 3 EXISTS\n1< * 3 RECENT\n1< * OK [UNSEEN 1]...\n"
	    "1< * OK [UIDVALIDITY 101]...\n1< * OK [UIDNEXT 4]...\n1< a OK [READ-WRITE] Selected\n"
	    "1< * 1 FETCH (UID 1)\n1< b OK Fetched\n1< c OK Done\n1< d BAD Select a mailbox first\n1< e OK Done\n1.\n");
	/* DONE shares a packet with the next command, is cut in pieces, follows a stray line end */
	play(p, 1,
	    "1> a IDLE\\r\\nDONE\\r\\nb NOOP\n1< + idling\n1< a OK Idle ended\n1< b OK Done\n"
	    "1> a IDLE\n1< + idling\n1>| dO\n1.\n1>| Ne\\r\n1.\n1>| \\n\n1< a OK Idle ended\n"
	    "1> a IDLE\n1< + idling\n1>\n1.\n1> DONE\n1< a OK Idle ended\n"
	    "1> a IDLE\n1< + idling\n1> b NOOP\n1< a BAD DONE was expected\n1> c NOOP\n1< c OK Done\n");
	imap_session_eof(player_session(&p[0]));
	play(p, 1, "1!\n");
	play_end(&f, p, 1);
}

/* ---- spoold is started anew -------------------------------------------------------- */

static void test_spool_restart(void **state)
{
	struct fake_box *b;

	(void)state;
	play_begin(&f, p, 1, 3);
	play(p, 1, "1> a EXAMINE INBOX\n1> z SEARCH ALL\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	/* a request that is open fails, and no command is begun until the store is back */
	buf_add_cstr(&p[0].in, "b STATUS INBOX (MESSAGES)\r\nc NOOP\r\n");
	imap_session_run(player_session(&p[0]));
	imap_session_lost(player_session(&p[0]));
	fake_crash(&f);
	play(p, 1, "1< b NO [UNAVAILABLE]...\n1.\n");
	assert_true(p[0].timer_ms != 0);
	/* meanwhile: one is gone, one is new, one changed */
	b = &f.boxes[0];
	b->v[0] = b->v[1];
	b->v[1] = b->v[2];
	b->n = 2;
	b->v[0].flags |= FLAG_FLAGGED;
	f.down = false;
	fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
	imap_session_back(player_session(&p[0]));
	player_settle(p, 1);
	play(p, 1,
	    "1< * 1 EXPUNGE\n1< * 3 EXISTS\n1< * 3 RECENT\n1< * 1 FETCH (FLAGS (\\Flagged \\Recent))\n1< c OK Done\n1.\n"
	    "1> d UID FETCH 1:* UID\n1< * 1 FETCH (UID 2)\n1< * 2 FETCH (UID 3)\n1< * 3 FETCH (UID 4)\n1< d OK Fetched\n");
	/* another life of the mailbox: nothing of what the client knows is true any more */
	imap_session_lost(player_session(&p[0]));
	fake_crash(&f);
	f.down = false;
	b->uidvalidity++;
	imap_session_back(player_session(&p[0]));
	player_settle(p, 1);
	play(p, 1, "1< * BYE [UNAVAILABLE]...\n1!\n");
	play_end(&f, p, 1);
}

/* Of a mailbox whose rows were never asked for: nothing has changed, something has, something went. */
static void test_spool_restart_bare(void **state)
{
	struct fake_box *b;

	(void)state;
	play_begin(&f, p, 1, 3);
	b = &f.boxes[0];
	play(p, 1, "1> a EXAMINE INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	for (unsigned round = 0; round < 3; round++) {
		imap_session_lost(player_session(&p[0]));
		fake_crash(&f);
		f.down = false;
		if (round == 1) {
			b->v[1].flags |= FLAG_FLAGGED;
			b->v[1].keywords = fake_keyword_bit(b, SLICE_LIT("work"));
			b->v[1].modseq = ++b->modseq;
			fake_deliver(&f, "INBOX", "Subject: new\r\n\r\nx\r\n");
		}
		imap_session_back(player_session(&p[0]));
		player_settle(p, 1);
		play(p, 1, round != 1 ? "1> b NOOP\n1< b OK Done\n" :
		    "1> b NOOP\n1< * 4 EXISTS\n1< * 4 RECENT\n1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\n"
		    "1< * OK [PERMANENTFLAGS...\n1< * 2 FETCH (FLAGS (\\Flagged \\Recent work))\n1< b OK Done\n");
	}
	play(p, 1, "1> c EXAMINE INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	imap_session_lost(player_session(&p[0]));
	fake_crash(&f);
	f.down = false;
	b->n--;
	b->modseq++;
	imap_session_back(player_session(&p[0]));
	player_settle(p, 1);
	play(p, 1, "1< * BYE [UNAVAILABLE]...\n1!\n");
	play_end(&f, p, 1);
}

static void test_stop(void **state)
{
	(void)state;
	play_begin(&f, p, 2, 1);
	play(p, 2, "1> s SELECT INBOX\n2> i IDLE\n2< + idling\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	/* what is being done is finished and answered, nothing more is begun */
	buf_add_cstr(&p[0].in, "a STORE 1 +FLAGS.SILENT \\Seen\r\nb NOOP\r\n");
	imap_session_run(player_session(&p[0]));
	imap_session_stop(player_session(&p[0]));
	imap_session_stop(player_session(&p[1]));
	play(p, 2, "1.\n2< * BYE The server is being stopped, connect again\n2!\n");
	player_settle(p, 2);
	play(p, 2, "1< a OK Stored\n1< * BYE The server is being stopped, connect again\n1.\n1!\n");
	play_end(&f, p, 2);
}

static void no_log(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

static int quiet(void **state)
{
	(void)state;
	log_capture(no_log);
	return 0;
}

/* Nobody can see whether a session was put away meanwhile. */
static int sleepers(void **state)
{
	players_sleep = true;
	players_slept = 0;
	return quiet(state);
}

static int sleepers_slept(void **state)
{
	(void)state;
	players_sleep = false;
	return players_slept != 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_greeting_and_login, quiet),
		cmocka_unit_test_setup(test_no_plaintext, quiet),
		cmocka_unit_test_setup(test_errors, quiet),
		cmocka_unit_test_setup(test_too_long, quiet),
		cmocka_unit_test_setup(test_times, quiet),
		cmocka_unit_test_setup(test_pipelining, quiet),
		cmocka_unit_test_setup(test_spool_restart, quiet),
		cmocka_unit_test_setup(test_spool_restart_bare, quiet),
		cmocka_unit_test_setup(test_stop, quiet),
		cmocka_unit_test_setup_teardown(test_times, sleepers, sleepers_slept),
		cmocka_unit_test_setup_teardown(test_pipelining, sleepers, sleepers_slept),
		cmocka_unit_test_setup_teardown(test_stop, sleepers, sleepers_slept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
