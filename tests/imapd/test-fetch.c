#include "tests/lib/unit.h"

#include "tests/imapd/fake.h"

/* FETCH, STORE, COPY, MOVE, EXPUNGE and SEARCH in one session. */
static struct fake f;
static struct player p[1];

static const char letter[] =
    "From: Ann <ann@naver.test>\r\nTo: Bob <bob@daum.test>, c@d.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Date: Mon, 23 Nov 2026 23:30:00 -0500\r\nMessage-ID: <m1@naver.test>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\nprologue\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "The sea=\r\n shore at \xc3\x89vora\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: x@y.test\r\n\r\nnested text\r\n"
    "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0\r\n--b--\r\n";

static void begin(unsigned n)
{
	play_begin(&f, p, 1, n);
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
}

static void begin_letter(void)
{
	play_begin(&f, p, 1, 0);
	(void)fake_deliver(&f, "INBOX", letter);
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
}

static const char section_script[] =
    "1> a FETCH 1 BODY.PEEK[1]\n1< * 1 FETCH (BODY[1] {26}\n1< The sea=\n1<  shore at \xc3\x89vora)\n1< a OK Fetched\n"
    "1> b FETCH 1 BODY.PEEK[1.MIME]\n1< * 1 FETCH (BODY[1.MIME] {88}\n1< Content-Type: text/plain; charset=utf-8\n"
    "1< Content-Transfer-Encoding: quoted-printable\n1<\n1< )\n1< b OK Fetched\n"
    "1> c FETCH 1 (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.1])\n"
    "1< * 1 FETCH (BODY[2.HEADER] {34}\n1< Subject: inner\n1< From: x@y.test\n1<\n"
    "1<  BODY[2.TEXT] {11}\n1< nested text BODY[2.1] {11}\n1< nested text)\n1< c OK Fetched\n"
    "1> d FETCH 1 BODY.PEEK[HEADER.FIELDS (to SUBJECT x-none)]\n"
    "1< * 1 FETCH (BODY[HEADER.FIELDS (to SUBJECT x-none)] {75}\n"
    "1< To: Bob <bob@daum.test>, c@d.test\n1< Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n1<\n1< )\n1< d OK Fetched\n"
    "1> e FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (from to subject date message-id mime-version)]<0.12>\n"
    "1< * 1 FETCH (BODY[HEADER.FIELDS.NOT (from to subject date message-id mime-version)]<0> {12}\n1< Content-Type)\n1< e OK Fetched\n"
    "1> f FETCH 1 BODY.PEEK[]<6.3>\n1< * 1 FETCH (BODY[]<6> {3}\n1< Ann)\n1< f OK Fetched\n"
    "1> g FETCH 1 BODY.PEEK[]<99999.3>\n1< * 1 FETCH (BODY[]<99999> \"\")\n1< g OK Fetched\n"
    "1> h FETCH 1 BODY.PEEK[9]\n1< * 1 FETCH (BODY[9] NIL)\n1< h OK Fetched\n"
    "1> i FETCH 1 ENVELOPE\n1< * 1 FETCH (ENVELOPE (\"Mon, 23 Nov 2026 23:30:00 -0500\" \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" "
    "((\"Ann\" NIL \"ann\" \"naver.test\")) ((\"Ann\" NIL \"ann\" \"naver.test\")) ((\"Ann\" NIL \"ann\" \"naver.test\")) "
    "((\"Bob\" NIL \"bob\" \"daum.test\")(NIL NIL \"c\" \"d.test\")) NIL NIL NIL \"<m1@naver.test>\"))\n1< i OK Fetched\n"
    "1> j FETCH 1 (BODY)\n1< * 1 FETCH (BODY ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 26 2)...\n1< j OK Fetched\n"
    "1> k FETCH 1 BODYSTRUCTURE\n1< * 1 FETCH (BODYSTRUCTURE ((\"text\"...\n1< k OK Fetched\n"
    "1> l FETCH 1 RFC822.HEADER\n1< * 1 FETCH (RFC822.HEADER {233}\n1< From: Ann <ann@naver.test>\n"
    "1< To: Bob...\n1< Subject:...\n1< Date:...\n1< Message-ID:...\n1< MIME-Version:...\n1< Content-Type:...\n1<\n1< )\n1< l OK Fetched\n"
    "1> m FETCH 1 FULL\n1< * 1 FETCH (FLAGS () INTERNALDATE \"24-Nov-2025 16:00:00 +0000\" RFC822.SIZE 547 ENVELOPE (...\n1< m OK Fetched\n1.\n";

static void test_sections(void **state)
{
	(void)state;
	begin_letter();
	f.boxes[0].v[0].flags = 0;
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	play(p, 1, section_script);
	/* the same when the spool has no summaries and they are made from the message */
	f.no_cached = true;
	play(p, 1, section_script);
	play_end(&f, p, 1);
}

static void test_seen(void **state)
{
	(void)state;
	begin(3);
	play(p, 1,
	    /* FLAGS come along, since they changed */
	    "1> a FETCH 2 BODY[TEXT]\n1< * 2 FETCH (BODY[TEXT] {8}\n1< body 2\n1<  FLAGS (\\Seen \\Recent))\n1< a OK Fetched\n"
	    "1> b FETCH 2 (RFC822.TEXT FLAGS)\n1< * 2 FETCH (RFC822.TEXT {8}\n1< body 2\n1<  FLAGS (\\Seen \\Recent))\n1< b OK Fetched\n"
	    "1> c FETCH 1:3 FLAGS\n1< * 1 FETCH (FLAGS (\\Recent))\n1< * 2 FETCH (FLAGS (\\Seen \\Recent))\n1< * 3 FETCH (FLAGS (\\Recent))\n"
	    "1< c OK Fetched\n"
	    "1> d EXAMINE INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	play(p, 1, "1> e FETCH 1 BODY[TEXT]\n1< * 1 FETCH (BODY[TEXT] {8}\n1< body 1\n1< )\n1< e OK Fetched\n");
	assert_int_equal(f.boxes[0].v[0].flags & FLAG_SEEN, 0);
	play_end(&f, p, 1);
}

static void test_sets(void **state)
{
	(void)state;
	begin(5);
	play(p, 1,
	    "1> a FETCH 4,2:3,2 UID\n1< * 2 FETCH (UID 2)\n1< * 3 FETCH (UID 3)\n1< * 4 FETCH (UID 4)\n1< a OK Fetched\n"
	    "1> b FETCH 6 UID\n1< b BAD There is no message of that number\n1> c FETCH 4:9 UID\n1< c BAD...\n"
	    "1> d UID FETCH 4:4294967295 UID\n1< * 4 FETCH (UID 4)\n1< * 5 FETCH (UID 5)\n1< d OK Fetched\n"
	    "1> e UID FETCH 900:* FLAGS\n1< * 5 FETCH (UID 5 FLAGS (\\Recent))\n1< e OK Fetched\n"
	    "1> f UID FETCH 900:901 FLAGS\n1< f OK Fetched\n"
	    "1> g FETCH *:4 UID\n1< * 4 FETCH (UID 4)\n1< * 5 FETCH (UID 5)\n1< g OK Fetched\n"
	    "1> h FETCH 0 UID\n1< h BAD...\n1> i FETCH 1\n1< i BAD...\n1> j FETCH 1 (UID\n1< j BAD...\n");
	play_end(&f, p, 1);
	begin(0);
	play(p, 1,
	    "1> a FETCH * UID\n1< a BAD...\n1> b UID FETCH 1:* UID\n1< b OK Fetched\n1> c SEARCH ALL\n1< * SEARCH\n1< c OK Searched\n"
	    "1> d SEARCH 1:*\n1< * SEARCH\n1< d OK Searched\n1> e EXPUNGE\n1< e OK Expunged\n1> f UID EXPUNGE 1:*\n1< f OK Expunged\n");
	play_end(&f, p, 1);
}

/* A window has room for three in the fake: many are asked for one after the other. */
static void test_windows(void **state)
{
	(void)state;
	begin(450);
	play(p, 1, "1> a FETCH 1:* ENVELOPE\n");
	for (unsigned i = 1; i <= 450; i++) {
		char want[64];

		snprintf(want, sizeof(want), "1< * %u FETCH (ENVELOPE (...", i);
		play(p, 1, want);
	}
	play(p, 1, "1< a OK Fetched\n1> b UID SEARCH SUBJECT \"letter 44\"\n1< * SEARCH 44 440 441 442 443 444 445 446 447 448 449\n1< b OK Searched\n");
	play_end(&f, p, 1);
}

/* What the client does not take is not produced; nothing is lost over it. */
static void test_back_pressure(void **state)
{
	struct buf big = BUF_INIT(SIZE_MAX / 2);
	uint64_t total = 0;
	unsigned turns = 0;

	(void)state;
	play_begin(&f, p, 1, 0);
	buf_add_cstr(&big, "Subject: big\r\n\r\n");
	for (unsigned i = 0; i < 40000; i++)
		buf_addf(&big, "line %u of a large message that comes in pieces\r\n", i);
	for (unsigned i = 0; i < 3; i++)
		fake_add(&f, &f.boxes[0], buf_slice(&big), FLAG_SEEN, 1);
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	buf_add_cstr(&p[0].in, "a FETCH 1:3 BODY[]\r\n");
	imap_session_run(p[0].s);
	for (;;) {
		size_t n;

		player_settle(p, 1);
		n = buf_len(&p[0].out);
		if (n == 0)
			break;
		/* at most one chunk over the mark */
		assert_true(n <= IMAP_OUT_HIGH + 160 * 1024);
		total += n;
		turns++;
		buf_consume(&p[0].out, n);
		imap_session_run(p[0].s);
	}
	assert_true(turns > 10);
	assert_true(total > 3 * buf_len(&big) && total < 3 * buf_len(&big) + 300);
	buf_free(&big);
	play_end(&f, p, 1);
}

/* A literal that was begun and cannot be finished: there is only one honest answer. */
static void test_cut_literal(void **state)
{
	struct buf big = BUF_INIT(SIZE_MAX / 2);

	(void)state;
	play_begin(&f, p, 1, 1);
	for (unsigned i = 0; i < 20000; i++)
		buf_addf(&big, "line %u of a large message\r\n", i);
	fake_add(&f, &f.boxes[0], buf_slice(&big), FLAG_SEEN, 1);
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	/* not begun: NIL, and it is told */
	f.fail_body_at = 1;
	f.boxes[0].v[0].body = 99;
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	play(p, 1, "1> a FETCH 1 (UID BODY.PEEK[] FLAGS)\n1< * 1 FETCH (UID 1 BODY[] NIL FLAGS ())\n1< a NO [UNAVAILABLE]...\n");
	assert_false(p[0].over);
	play(p, 1, "1> b FETCH 2 BODY[]\n1< * 2 FETCH (BODY[] {...\n");
	assert_true(p[0].over && p[0].abort);
	buf_free(&big);
	play_end(&f, p, 1);
}

static void test_store(void **state)
{
	(void)state;
	begin(3);
	play(p, 1,
	    "1> a STORE 1:2 +FLAGS (\\Flagged $Label1)\n"
	    "1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label1)\n1< * OK [PERMANENTFLAGS (...\n"
	    "1< * 1 FETCH (FLAGS (\\Flagged \\Recent $Label1))\n1< * 2 FETCH (FLAGS (\\Flagged \\Recent $Label1))\n1< a OK Stored\n"
	    "1> b UID STORE 2 -FLAGS $label1\n1< * 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))\n1< b OK Stored\n"
	    "1> c STORE 3 FLAGS.SILENT (\\Draft)\n1< c OK Stored\n"
	    "1> d FETCH 1:3 FLAGS\n1< * 1 FETCH (FLAGS (\\Flagged \\Recent $Label1))\n1< * 2 FETCH (FLAGS (\\Flagged \\Recent))\n"
	    "1< * 3 FETCH (FLAGS (\\Draft \\Recent))\n1< d OK Fetched\n"
	    "1> e STORE 3 FLAGS ()\n1< * 3 FETCH (FLAGS (\\Recent))\n1< e OK Stored\n"
	    "1> f STORE 9 FLAGS ()\n1< f BAD...\n1> g UID STORE 9 FLAGS ()\n1< g OK Stored\n1> h STORE 1 FLAGS (\\Recent)\n1< h BAD...\n"
	    "1> i STORE 1 XFLAGS ()\n1< i BAD...\n");
	play_end(&f, p, 1);
}

static void test_copy_move_expunge(void **state)
{
	(void)state;
	begin(6);
	fake_box_add(&f, "Old");
	play(p, 1,
	    "1> a COPY 1:2,4 Old\n1< a OK [COPYUID 102 1,2,4 1:3] Copied\n"
	    "1> b COPY 1 nowhere\n1< b NO [TRYCREATE]...\n1> c UID COPY 99 Old\n1< c OK There is nothing to be copied\n"
	    "1> d COPY 1 INBOX\n1< * 7 EXISTS\n1< * 7 RECENT\n1< d OK [COPYUID 101 1 7] Copied\n"
	    "1> e MOVE 2:3 Old\n1< * OK [COPYUID 102 2,3 4:5] Moved\n1< * 2 EXPUNGE\n1< * 2 EXPUNGE\n1< e OK Moved\n"
	    "1> f STORE 1,3,5 +FLAGS.SILENT (\\Deleted)\n1< f OK Stored\n"
	    "1> g UID EXPUNGE 5:6\n1< * 3 EXPUNGE\n1< g OK Expunged\n"
	    "1> h EXPUNGE\n1< * 1 EXPUNGE\n1< * 3 EXPUNGE\n1< h OK Expunged\n"
	    "1> i FETCH 1:* UID\n1< * 1 FETCH (UID 4)\n1< * 2 FETCH (UID 6)\n1< i OK Fetched\n"
	    /* CLOSE expunges without a word */
	    "1> j STORE 1 +FLAGS.SILENT \\Deleted\n1< j OK Stored\n1> k CLOSE\n1< k OK Closed\n");
	assert_int_equal(f.boxes[0].n, 1);
	play_end(&f, p, 1);
}

static void test_search(void **state)
{
	(void)state;
	begin_letter();
	for (unsigned i = 0; i < 3; i++)
		(void)fake_deliver(&f, "INBOX", "From: d@naver.test\r\nSubject: other\r\nDate: Wed, 25 Nov 2026 00:10:00 +0900\r\n\r\nplain\r\n");
	f.boxes[0].v[1].flags = FLAG_SEEN | FLAG_DELETED;
	f.boxes[0].v[2].date = 1764000000 + 86400;
	play(p, 1, "1> s SELECT INBOX\n");
	buf_consume(&p[0].out, buf_len(&p[0].out));
	for (unsigned round = 0; round < 4; round++) {
		f.no_cached = round % 2 == 1;
		f.no_bodies = round >= 2;
		play(p, 1,
		    "1> a SEARCH ALL\n1< * SEARCH 1 2 3 4\n1< a OK Searched\n1> a SEARCH SEEN\n1< * SEARCH 2\n1< a OK Searched\n"
		    "1> a SEARCH NOT SEEN NOT 4\n1< * SEARCH 1 3\n1< a OK Searched\n1> a SEARCH OR DELETED 4\n1< * SEARCH 2 4\n1< a OK Searched\n"
		    "1> a SEARCH SUBJECT \"gr\xc3\xbc\xc3\x9f" "e\"\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH CHARSET utf-8 SUBJECT {4+}\\r\\nGR\xc3\x9c\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH FROM ann@naver\n1< * SEARCH 1\n1< a OK Searched\n1> a SEARCH TO \"bob <bob@\"\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH NOT FROM ann\n1< * SEARCH 2 3 4\n1< a OK Searched\n1> a SEARCH CC bob\n1< * SEARCH\n1< a OK Searched\n"
		    "1> a SEARCH HEADER message-id \"\"\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH HEADER Message-ID m1@naver\n1< * SEARCH 1\n1< a OK Searched\n"
		    /* dates are those of the field, whatever the time and the zone */
		    "1> a SEARCH SENTON 23-Nov-2026\n1< * SEARCH 1\n1< a OK Searched\n1> a SEARCH SENTSINCE 24-Nov-2026\n1< * SEARCH 2 3 4\n1< a OK Searched\n"
		    "1> a SEARCH SENTBEFORE 25-Nov-2026\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH ON 24-Nov-2025\n1< * SEARCH 1 2 4\n1< a OK Searched\n1> a SEARCH SINCE 25-Nov-2025\n1< * SEARCH 3\n1< a OK Searched\n"
		    "1> a SEARCH LARGER 100\n1< * SEARCH 1\n1< a OK Searched\n1> a SEARCH SMALLER 100\n1< * SEARCH 2 3 4\n1< a OK Searched\n"
		    /* decoded: the soft line break is none, the case of the accent does not count */
		    "1> a SEARCH BODY \"sea shore at \xc3\xa9vora\"\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH BODY nested\n1< * SEARCH 1\n1< a OK Searched\n1> a SEARCH TEXT inner\n1< * SEARCH 1\n1< a OK Searched\n"
		    "1> a SEARCH TEXT secret\n1< * SEARCH\n1< a OK Searched\n1> a SEARCH BODY ann@naver\n1< * SEARCH\n1< a OK Searched\n"
		    "1> a SEARCH TEXT ann@naver\n1< * SEARCH 1\n1< a OK Searched\n1> a SEARCH BODY plain NOT 2\n1< * SEARCH 3 4\n1< a OK Searched\n"
		    "1> a SEARCH KEYWORD none\n1< * SEARCH\n1< a OK Searched\n1> a SEARCH UNKEYWORD none\n1< * SEARCH 1 2 3 4\n1< a OK Searched\n"
		    "1> a UID SEARCH UID 2:900 UNDELETED\n1< * SEARCH 3 4\n1< a OK Searched\n"
		    "1> a SEARCH CHARSET koi8-r SUBJECT x\n1< a NO [BADCHARSET (US-ASCII UTF-8)]...\n"
		    "1> a SEARCH 7\n1< a BAD...\n1> a SEARCH\n1< a BAD...\n1> a SEARCH NONSENSE\n1< a BAD...\n");
	}
	play_end(&f, p, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_cut_literal),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_copy_move_expunge),
		cmocka_unit_test(test_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
