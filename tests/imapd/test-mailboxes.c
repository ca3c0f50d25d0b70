#include "tests/lib/unit.h"

#include "tests/imapd/fake.h"

/* Mailboxes: SELECT and its relatives, CREATE to LSUB, STATUS, APPEND. */
static struct fake f;
static struct player p[2];

static void test_select(void **state)
{
	(void)state;
	play_begin(&f, p, 2, 2);
	play(p, 2,
	    "1> a SELECT inbox\n"
	    "1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n"
	    "1< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags that are kept\n"
	    "1< * 2 EXISTS\n1< * 2 RECENT\n1< * OK [UNSEEN 1] The first unseen message\n"
	    "1< * OK [UIDVALIDITY 101] UIDs are good\n1< * OK [UIDNEXT 3] The next UID\n1< a OK [READ-WRITE] Selected\n1.\n"
	    /* \Recent was the first session's */
	    "2> a EXAMINE \"InBox\"\n2< * FLAGS...\n2< * OK [PERMANENTFLAGS ()]...\n2< * 2 EXISTS\n2< * 0 RECENT\n"
	    "2< * OK [UNSEEN 1]...\n2< * OK [UIDVALIDITY 101]...\n2< * OK [UIDNEXT 3]...\n2< a OK [READ-ONLY] Selected\n"
	    "2> b STORE 1 +FLAGS (\\Seen)\n2< b NO The mailbox is open read-only\n"
	    "2> c EXPUNGE\n2< c NO The mailbox is open read-only\n"
	    "2> d CLOSE\n2< d OK Done\n2> e FETCH 1 UID\n2< e BAD Select a mailbox first\n"
	    /* a failed SELECT leaves nothing selected */
	    "1> b SELECT nowhere\n1< b NO [NONEXISTENT]...\n1> c FETCH 1 UID\n1< c BAD Select a mailbox first\n"
	    "1> d SELECT &AOQ\n1< d NO [NONEXISTENT]...\n1> e SELECT\n1< e BAD...\n1> f SELECT INBOX x\n1< f BAD...\n");
	play_end(&f, p, 2);
}

static void test_memfd(void **state)
{
	(void)state;
	play_begin(&f, p, 1, 2);
	f.memfd = true;
	play(p, 1,
	    "1> a SELECT INBOX\n1< * FLAGS...\n1< * OK...\n1< * 2 EXISTS\n1< * 2 RECENT\n1< * OK...\n1< * OK...\n1< * OK...\n1< a OK...\n"
	    "1> b STORE 2 +FLAGS.SILENT \\Seen\n1< b OK Stored\n"
	    "1> c FETCH 1:2 (UID FLAGS)\n1< * 1 FETCH (UID 1 FLAGS (\\Recent))\n1< * 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))\n1< c OK Fetched\n");
	play_end(&f, p, 1);
}

static void test_manage(void **state)
{
	(void)state;
	play_begin(&f, p, 1, 0);
	play(p, 1,
	    "1> a CREATE Work/2026\n1< a OK Done\n1> b CREATE Work/\n1< b OK Done\n1> c CREATE Work\n1< c NO [ALREADYEXISTS]...\n"
	    "1> d CREATE a//b\n1< d NO [CANNOT]...\n1> e CREATE \"a*\"\n1< e NO [CANNOT]...\n1> f CREATE &AGE-\n1< f NO [CANNOT]...\n"
	    "1> g CREATE &xfjY3A-\n1< g NO [CANNOT]...\n1> h CREATE &MLo-\n1< h OK Done\n"
	    "1> i CREATE Gone (USE (\\Sent))\n1< i OK Done\n1> j CREATE X (USE (\\All))\n1< j NO [USEATTR]...\n"
	    "1> k DELETE inbox\n1< k NO [CANNOT]...\n1> l DELETE nowhere\n1< l NO [NONEXISTENT]...\n"
	    "1> m RENAME Gone Sent\n1< m OK Done\n1> n RENAME Sent INBOX\n1< n NO [ALREADYEXISTS]...\n1> o RENAME Work Work/x\n1< o NO [CANNOT]...\n"
	    "1> p SUBSCRIBE Work/2026\n1< p OK Done\n1> q SUBSCRIBE other/deep\n1< q OK Done\n"
	    "1> r LIST \"\" \"\"\n1< * LIST (\\Noselect) \"/\" \"\"\n1< r OK Listed\n"
	    "1> s LIST \"\" *\n"
	    "1< * LIST (\\HasNoChildren) \"/\" INBOX\n1< * LIST (\\HasNoChildren \\Sent) \"/\" Sent\n"
	    "1< * LIST (\\HasChildren) \"/\" Work\n1< * LIST (\\HasNoChildren) \"/\" Work/2026\n"
	    "1< * LIST (\\HasNoChildren) \"/\" &MLo-\n1< s OK Listed\n"
	    "1> t LIST Wo \"%\"\n1< * LIST (\\HasChildren) \"/\" Work\n1< t OK Listed\n"
	    "1> u LIST \"Work/\" %\n1< * LIST (\\HasNoChildren) \"/\" Work/2026\n1< u OK Listed\n"
	    "1> v LIST \"\" inbox\n1< * LIST (\\HasNoChildren) \"/\" INBOX\n1< v OK Listed\n"
	    "1> w LSUB \"\" *\n1< * LSUB () \"/\" INBOX\n1< * LSUB () \"/\" Work/2026\n1< * LSUB () \"/\" other/deep\n1< w OK Listed\n"
	    "1> x LSUB \"\" %\n1< * LSUB () \"/\" INBOX\n1< * LSUB (\\Noselect) \"/\" Work\n1< * LSUB (\\Noselect) \"/\" other\n1< x OK Listed\n"
	    "1> y DELETE Work\n1< y OK Done\n"
	    "1> z LIST \"\" W*\n1< * LIST (\\Noselect \\HasChildren) \"/\" Work\n1< * LIST (\\HasNoChildren) \"/\" Work/2026\n1< z OK Listed\n"
	    "1> A STATUS Sent (UIDNEXT MESSAGES UNSEEN RECENT UIDVALIDITY)\n"
	    "1< * STATUS Sent (UIDNEXT 1 MESSAGES 0 UNSEEN 0 RECENT 0 UIDVALIDITY 105)\n1< A OK Done\n"
	    "1> B STATUS nowhere (MESSAGES)\n1< B NO [NONEXISTENT]...\n1> C STATUS INBOX ()\n1< C BAD...\n1> D STATUS INBOX (SIZE)\n1< D BAD...\n"
	    "1> E UNSUBSCRIBE INBOX\n1< E OK Done\n1> F LIST \"\" \"&AGE-*\"\n1< F OK Listed\n");
	play_end(&f, p, 1);
}

static void test_deleted_under_session(void **state)
{
	(void)state;
	play_begin(&f, p, 2, 1);
	fake_box_add(&f, "Old");
	play(p, 2, "1> a SELECT Old\n2> a SELECT Old\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	buf_consume(&p[1].out, buf_len(&p[1].out));
	play(p, 2,
	    /* its own mailbox: no longer selected */
	    "1> b DELETE Old\n1< b OK Done\n1> c FETCH 1 UID\n1< c BAD...\n"
	    "2> b NOOP\n2< b OK Done\n2< * BYE The selected mailbox was deleted\n2!\n");
	play_end(&f, p, 2);
}

static void test_append(void **state)
{
	(void)state;
	play_begin(&f, p, 1, 0);
	play(p, 1,
	    "1> a APPEND INBOX (\\Seen foo) \"24-Nov-2026 03:04:05 +0900\" {12}\n1< + Ready for the message\n"
	    "1>| Subject: x\\n\n1.\n1>| \\n\n1.\n1>\n1< a OK [APPENDUID 101 1] Appended\n"
	    "1> b SELECT INBOX\n1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft foo)\n1< * OK [PERM...\n1< * 1 EXISTS\n1< * 1 RECENT\n"
	    "1< * OK...\n1< * OK...\n1< b OK...\n"
	    /* bare LF became CRLF: sizes agree */
	    "1> c FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])\n"
	    "1< * 1 FETCH (FLAGS (\\Seen \\Recent foo) INTERNALDATE \"23-Nov-2026 18:04:05 +0000\" RFC822.SIZE 14 BODY[] {14}\n"
	    "1< Subject: x\n1<\n1< )\n1< c OK Fetched\n"
	    /* LITERAL+, the mailbox as a literal, into the selected mailbox */
	    "1> d APPEND {5}\n1< + Ready for literal\n1> INBOX {4+}\\r\\nabcd\n1< * 2 EXISTS\n1< * 2 RECENT\n1< d OK [APPENDUID 101 2] Appended\n"
	    "1> e APPEND nowhere {4+}\\r\\nabcd\n1< e NO [TRYCREATE]...\n"
	    "1> f APPEND INBOX {5000000}\n1< f NO [TOOBIG]...\n1> g NOOP\n1< g OK Done\n"
	    "1> h APPEND INBOX {0}\n1< + Ready for the message\n1>\n1< h NO The message is empty: nothing is appended\n"
	    "1> i APPEND INBOX {4+}\\r\\nabcd {4+}\\r\\nabcd\n1< i BAD One message at a time\n"
	    "1> j APPEND INBOX \"not a literal\"\n1< j BAD...\n"
	    "1> k APPEND INBOX {4+}\\r\\nabcdefgh\n1< k BAD There is something after the message\n"
	    "1> l APPEND INBOX (\\Recent) {4+}\\r\\nabcd\n1< l BAD...\n1> m NOOP\n1< m OK Done\n");
	player_send(&p[0], slice_of("n APPEND INBOX {4+}\r\na\0cd\r\n", 27));
	play(p, 1, "1< n NO [CANNOT] The message holds a NUL byte\n1> o NOOP\n1< o OK Done\n");
	play_end(&f, p, 1);
}

static void test_append_large(void **state)
{
	enum { N = 300000 };
	struct buf b = BUF_INIT(SIZE_MAX / 2);
	struct fake_box *box;

	(void)state;
	play_begin(&f, p, 1, 0);
	play(p, 1, "1> a APPEND INBOX {300000}\n1< + Ready for the message\n");
	buf_add_cstr(&b, "Subject: large\n\n");
	while (buf_len(&b) < N - 2)
		buf_add_cstr(&b, buf_len(&b) % 76 == 0 ? "\n" : "x");
	while (buf_len(&b) < N)
		buf_add_cstr(&b, ".");
	player_send(&p[0], buf_slice(&b));
	player_send(&p[0], SLICE_LIT("\r\n"));
	play(p, 1, "1< a OK [APPENDUID 101 1] Appended\n");
	assert_int_equal(f.files, 1);
	box = &f.boxes[0];
	assert_int_equal(box->n, 1);
	assert_true(box->v[0].size > N);
	/* a client that goes away in the middle leaves nothing */
	play(p, 1, "1> b APPEND INBOX {300000}\n1< + Ready for the message\n");
	player_send(&p[0], slice_sub(buf_slice(&b), 0, 200000));
	assert_int_equal(f.files_open, 1);
	imap_session_eof(p[0].s);
	play(p, 1, "1!\n");
	assert_int_equal(box->n, 1);
	buf_free(&b);
	play_end(&f, p, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_manage),
		cmocka_unit_test(test_deleted_under_session),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
