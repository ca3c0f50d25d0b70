/* What becomes of a submitted message: whose name it is in, what is added to its header, where it may go. */
#include "tests/lib/unit.h"

#include "tests/lib/play.h"
#include "tests/smtpd/rows.h"

#define GOOD "AHVAaGVyZS50ZXN0AHNlY3JldA=="
#define LOGIN "S: 220*\nC: EHLO client.test\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-AUTH*\nS: 250 HELP\n" \
	"C: AUTH PLAIN " GOOD "\nS: 235*\n"
#define QUEUED "S: 250 2.0.0 Ok: queued as ABC000000*\n"
#define DATA "C: MAIL FROM:<u@here.test>\nS: 250*\nC: RCPT TO:<x@far.test>\nS: 250*\nC: DATA\nS: 354*\n"

static void check_nothing(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 0 && !smtp_session_in_transaction(f->s));
}

static void check_far(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 1);
	assert_string_equal(f->envelope, "u@here.test > x@far.test");
	assert_string_equal(f->origin, "client=unknown[192.0.2.9] helo=client.test proto=ESMTPSA user=u@here.test");
}

static void spool_down(struct fake *f)
{
	fake_submissions(f);
	f->env.spool = SMTP_SPOOL_DOWN;
}

/* ---- the envelope --------------------------------------------------------------- */

static void envelope(void **state)
{
	static const struct smtp_row t[] = {
		ROW("anywhere", LOGIN DATA "C: From: u@here.test\nC: \nC: .\n" QUEUED, .setup = fake_submissions, .check = check_far),
		ROW("own addresses", LOGIN "C: MAIL FROM:<alias@here.test>\nS: 250*\nC: RSET\nS: 250*\nC: MAIL FROM:<u+x@here.test>\nS: 250*\nC: RSET\nS: 250*\n"
		    "C: MAIL FROM:<u@HERE.test>\nS: 250*\nC: RSET\nS: 250*\nC: MAIL FROM:<\"u\"@here.test>\nS: 250*\n", .setup = fake_submissions),
		ROW("the null sender is everybody's", LOGIN "C: MAIL FROM:<>\nS: 250*\nC: RCPT TO:<x@far.test>\nS: 250*\n", .setup = fake_submissions),
		ROW("not another's", LOGIN "C: MAIL FROM:<x@here.test>\n"
		    "S: 553 5.7.1 <x@here.test>: Sender address rejected: not owned by user u@here.test\nC: RCPT TO:<x@far.test>\nS: 503*\n"
		    "C: MAIL FROM:<u@far.test>\nS: 553*\nC: MAIL FROM:<u@here.test>\nS: 250*\n", .setup = fake_submissions),
		ROW("accountd is gone", LOGIN "C: MAIL FROM:<down@here.test>\nS: 451 4.3.0 <down@here.test>: senders*\nC: MAIL FROM:<u@here.test>\nS: 250*\n",
		    .setup = fake_submissions),
		ROW("one at a time", LOGIN "C: MAIL FROM:<u@here.test>\nS: 250*\nC: MAIL FROM:<u@here.test>\nS: 503*\n", .setup = fake_submissions),
		ROW("nobody of ours", LOGIN "C: MAIL FROM:<u@here.test>\nS: 250*\nC: RCPT TO:<nobody@here.test>\nS: 550 5.1.1*\nC: DATA\nS: 554*\n",
		    .setup = fake_submissions),
		ROW("spool down", LOGIN "C: MAIL FROM:<u@here.test>\nS: 451 4.3.0*\n", .setup = spool_down),
		ROW("pipelined", LOGIN "R: MAIL FROM:<u@here.test>\\r\\nRCPT TO:<x@far.test>\\r\\nDATA\\r\\n\nS: 250 2.1.0*\nS: 250 2.1.5*\nS: 354*\n"
		    "R: From: u@here.test\\r\\n\\r\\n.\\r\\nMAIL FROM:<x@here.test>\\r\\nQUIT\\r\\n\n" QUEUED "S: 553*\nS: 221*\nX\n", .setup = fake_submissions,
		    .check = check_far),
		ROW("two letters", LOGIN DATA "C: From: u@here.test\nC: \nC: .\n" QUEUED DATA "C: From: x@here.test\nC: \nC: .\nS: 550*\n" DATA "C: x\nC: .\n" QUEUED,
		    .setup = fake_submissions),
		ROW("the end, refused", LOGIN DATA "C: From: x@here.test\nC: \nC: .\nS: 550 5.7.1*\nC: RCPT TO:<u@here.test>\nS: 503*\n",
		    .setup = fake_submissions, .check = check_nothing),
	};

	(void)state;
	rows_play(t, ARRAY_LEN(t));
}

/* ---- From and Sender ---------------------------------------------------------------- */

static void send_letter(struct fake *f, const char *sender, struct slice content, size_t step)
{
	struct buf b = BUF_INIT(1024 * 1024);

	fake_start(f, false);
	fake_send(f, SLICE_LIT("EHLO client.test\r\n"));
	fake_send(f, SLICE_LIT("AUTH PLAIN " GOOD "\r\n"));
	buf_addf(&b, "MAIL FROM:<%s>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n", sender);
	fake_send(f, buf_slice(&b));
	buf_reset(&f->out);
	buf_reset(&b);
	buf_add_slice(&b, content);
	buf_add_cstr(&b, ".\r\n");
	for (size_t off = 0; off < buf_len(&b); off += step)
		fake_send(f, slice_sub(buf_slice(&b), off, step));
	buf_free(&b);
}

static void names(void **state)
{
	static const struct { const char *header, *want; } t[] = {
		{ "From: u@here.test", "250" },
		{ "From: A Name <u@here.test>", "250" },
		{ "From: \"u@far.test\" <u@here.test> (x@far.test)", "250" },
		{ "From: =?utf-8?q?x=40far=2Etest?= <u@here.test>", "250" },
		{ "from : u@here.test", "250" },
		{ "FROM:\r\n A\r\n\tName\r\n <u@\r\n here.test>", "250" },
		{ "From: u@here.test, alias@here.test", "250" },
		{ "From: us: u@here.test, u+x@here.test;", "250" },
		{ "From: \"u\"@HERE.test", "250" },
		{ "From: <@a.test,@b.test:u@here.test>", "250" },
		{ "Subject: x\r\nFrom: u@here.test\r\nSender: alias@here.test", "250" },
		/* not his */
		{ "From: x@here.test", "550 5.7.1 <x@here.test>: From field rejected: not owned by user u@here.test" },
		{ "From: u@far.test", "550 5.7.1" },
		{ "From: u@here.test, x@far.test", "550 5.7.1 <x@far.test>" },
		{ "From: u@here.test\r\n ,\r\n x@far.test", "550 5.7.1 <x@far.test>" },
		{ "From: us: u@here.test, x@far.test;", "550 5.7.1 <x@far.test>" },
		{ "From: u@here.test <x@far.test>", "550 5.7.1 <x@far.test>" },
		{ "From: u@here.test@far.test", "550 5.7.1" },
		{ "From: \"u@here.test\"@far.test", "550 5.7.1" },
		{ "From: u", "550 5.7.1 <>" },
		{ "From: \xc3\xbc@here.test", "550 5.7.1" },
		{ "From: =?utf-8?q?u=40here=2Etest?=", "550 5.7.1" },
		{ "From: down@here.test", "451 4.3.0" },
		/* his, as the Sender says */
		{ "From: x@here.test\r\nSender: u@here.test", "250" },
		{ "From: x@here.test, y@here.test\r\nSender: Me <alias@here.test>", "250" },
		{ "From: nobody in particular:;\r\nSender: u@here.test", "250" },
		{ "From:\r\nSender: u@here.test", "250" },
		{ "From: x@here.test\r\nSender: y@here.test", "550 5.7.1 <y@here.test>: Sender field rejected" },
		{ "From: x@here.test\r\nSender: down@here.test", "451 4.3.0" },
		{ "From: x@here.test\r\nSender: u@here.test, y@here.test", "550 5.6.0 Sender names more than one address" },
		{ "From: x@here.test\r\nSender:", "550 5.6.0 The Sender field names no address" },
		/* "x@far.test on behalf of u@here.test" */
		{ "From: u@here.test\r\nSender: x@far.test", "550 5.7.1 <x@far.test>: Sender field rejected: not owned by user u@here.test" },
		{ "Sender: x@far.test\r\nFrom: alias@here.test", "550 5.7.1 <x@far.test>: Sender field rejected" },
		{ "Sender: x@far.test", "550 5.7.1 <x@far.test>: Sender field rejected" },
		{ "Sender: u@here.test", "250" },
		{ "From: u@here.test\r\nSender: down@here.test", "451 4.3.0" },
		{ "From: u@here.test\r\nSender: (nobody)", "550 5.6.0 The Sender field names no address" },
		/* nobody's */
		{ "From:", "550 5.6.0 The From field names no address" },
		{ "From: a:;", "550 5.6.0 The From field names no address" },
		{ "From: u@here.test\r\nFrom: x@far.test", "550 5.6.0 The header has more than one From or Sender field" },
		{ "From: x@far.test\r\nSender: u@here.test\r\nsender: u@here.test", "550 5.6.0 The header has more" },
		{ "From: u@here.test\r\nfrom : x@far.test", "550 5.6.0 The header has more" },
		{ "From: a@here.test,b@here.test,c@here.test,d@here.test,e@here.test,f@here.test,g@here.test,h@here.test,i@here.test,"
		    "j@here.test,k@here.test,l@here.test,m@here.test,n@here.test,o@here.test,p@here.test,q@here.test",
		    "550 5.6.0 From names too many addresses" },
		/* what no header is, is body for every reader */
		{ "Subject: x\r\nno field\r\nFrom: x@far.test", "250" },
		{ " x\r\nFrom: x@far.test", "250" },
		{ "From x Mon\r\nFrom: x@far.test", "250" },
		{ ">From x\r\nFrom: x@far.test", "250" },
	};

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (size_t step = 1; step < 400; step += 57) {
			struct buf b = BUF_INIT(4096);
			struct fake f;
			char want[200];

			fake_init(&f);
			fake_submissions(&f);
			buf_addf(&b, "%s\r\n\r\nhello\r\n", t[i].header);
			send_letter(&f, "u@here.test", buf_slice(&b), step);
			(void)snprintf(want, sizeof(want), "%s*", t[i].want);
			play_expect(&f.out, t[i].header, slice_cstr(want));
			assert_row(i, f.accepted == (t[i].want[0] == '2') && !smtp_session_in_transaction(f.s));
			buf_free(&b);
			fake_free(&f);
		}
	}
	log_capture(NULL);
}

/* ---- what is added ------------------------------------------------------------------- */

#define RETURN_PATH "Return-Path: <u@here.test>\r\n"
#define RECEIVED "Received: from client.test (unknown [192.0.2.9])\r\n" \
	"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n" \
	"\tby mx.here.test with ESMTPSA id 5a5a5a5a5a5a\r\n\tfor <x@far.test>; Tue, 24 Nov 2026 18:40:01 +0000\r\n"
#define A_DATE "Date: Tue, 24 Nov 2026 18:40:01 +0000\r\n"
#define A_FROM "From: <u@here.test>\r\n"
#define AN_ID "Message-ID: <1795545601000000.5a5a5a5a5a5a@mx.here.test>\r\n"

static void added(void **state)
{
	static const struct { const char *sender, *in, *want; } t[] = {
		{ "u@here.test", "Date: x\r\nFrom: u@here.test\r\nMessage-ID: <1@x>\r\nBcc: x@far.test\r\n\r\nb\r\n",
		    RETURN_PATH RECEIVED "Date: x\r\nFrom: u@here.test\r\nMessage-ID: <1@x>\r\nBcc: x@far.test\r\n\r\nb\r\n" },
		{ "u@here.test", "Subject: x\r\n\r\nDate: y\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "Subject: x\r\n\r\nDate: y\r\n" },
		{ "u@here.test", "DATE : x\r\nfrom:u@here.test\r\n\r\n", RETURN_PATH RECEIVED AN_ID "DATE : x\r\nfrom:u@here.test\r\n\r\n" },
		{ "u@here.test", "Message-Id: <1@x>\r\nFrom: u@here.test\r\n", RETURN_PATH RECEIVED A_DATE "Message-Id: <1@x>\r\nFrom: u@here.test\r\n" },
		{ "u@here.test", "\r\nDate: x\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "\r\nDate: x\r\n" },
		{ "u@here.test", "", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID },
		{ "u@here.test", "hello\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "\r\nhello\r\n" },
		{ "u@here.test", " hello\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "\r\n hello\r\n" },
		{ "u@here.test", "Subject: x\r\nhello\r\nDate: x\r\n\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "Subject: x\r\n\r\nhello\r\nDate: x\r\n\r\n" },
		{ "u@here.test", "From x\r\nDate: x\r\n\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "\r\nFrom x\r\nDate: x\r\n\r\n" },
		{ "u@here.test", "..\r\nx\r\n", RETURN_PATH RECEIVED A_DATE A_FROM AN_ID "\r\n.\r\nx\r\n" },
		{ "alias@here.test", "Date: x\r\nMessage-ID: x\r\n\r\n", "Return-Path: <alias@here.test>\r\n" RECEIVED "From: <alias@here.test>\r\n"
		    "Date: x\r\nMessage-ID: x\r\n\r\n" },
		{ "", "Date: x\r\nMessage-ID: x\r\n\r\n", "Return-Path: <>\r\n" RECEIVED A_FROM "Date: x\r\nMessage-ID: x\r\n\r\n" },
	};

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (size_t step = 1; step < 100; step += 13) {
			struct fake f;
			size_t lines = 0;

			fake_init(&f);
			fake_submissions(&f);
			send_letter(&f, t[i].sender, slice_cstr(t[i].in), step);
			play_expect(&f.out, t[i].in, SLICE_LIT("250 2.0.0*"));
			assert_slice(i, buf_slice(&f.body), t[i].want);
			for (size_t k = 0; k < buf_len(&f.body); k++)
				lines += f.body.p[f.body.off + k] == '\n';
			assert_row(i, f.facts.lines == lines && f.facts.relay_off == (uint32_t)(strchr(t[i].want, '\n') - t[i].want + 1));
			assert_row(i, strstr(t[i].want, AN_ID) == NULL || strcmp(f.message_id, "<1795545601000000.5a5a5a5a5a5a@mx.here.test>") == 0);
			fake_free(&f);
		}
	}
	log_capture(NULL);
}

/* The same with a file, which is asked for only when the header has been seen. */
static void large(void **state)
{
	static const struct { unsigned fields, lines; const char *sep, *want; unsigned files; } t[] = {
		{ 1, 12, "\r\n", "250*", 1 },
		{ 40, 0, "\r\n", "250*", 1 },
		{ 1000, 10, "\r\n", "250*", 1 },
		{ 1000, 1000, "\r\n", "250*", 1 },
		{ 0, 3000, "", "250*", 1 },          /* no header at all, and no empty line in what is held */
		{ 3000, 0, "\r\n", "550 5.6.0 The header is too long*", 0 },
		{ 3000, 5000, "", "550 5.6.0 The header is too long*", 0 },
	};

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1024 * 1024);
		struct fake f;
		struct slice body;

		fake_init(&f);
		f.env.size_limit = 1024 * 1024;
		fake_submissions(&f);
		for (unsigned k = 0; k < t[i].fields; k++)
			buf_addf(&b, "X-%u: 01234567890123456789012345678901234567890123456789\r\n", k);
		buf_add_cstr(&b, t[i].sep);
		for (unsigned k = 0; k < t[i].lines; k++)
			buf_addf(&b, "%u 01234567890123456789012345678901234567890123456789\r\n", k);
		send_letter(&f, "u@here.test", buf_slice(&b), 1024);
		play_expect(&f.out, "large", slice_cstr(t[i].want));
		assert_row(i, f.file_no == t[i].files);
		assert_row(i, f.accepted == (t[i].want[0] == '2'));
		body = buf_slice(&f.body);
		if (f.accepted != 0) {
			size_t head = sizeof(RETURN_PATH RECEIVED A_DATE A_FROM AN_ID) - 1;

			assert_row(i, body.len == head + buf_len(&b) + (t[i].sep[0] == '\0' ? 2 : 0));
			assert_slice(i, slice_sub(body, 0, head), RETURN_PATH RECEIVED A_DATE A_FROM AN_ID);
			assert_row(i, slice_eq(slice_sub(body, body.len - 50, 50), slice_sub(buf_slice(&b), buf_len(&b) - 50, 50)));
		}
		buf_free(&b);
		fake_free(&f);
	}
	log_capture(NULL);
}

/* More fields than a reader of headers is shown: none of them may hide a From. */
static void many_fields(void **state)
{
	struct buf b = BUF_INIT(128 * 1024);
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	f.env.size_limit = 1024 * 1024;
	fake_submissions(&f);
	for (unsigned k = 0; k < 10001; k++)
		buf_add_cstr(&b, "x:\r\n");
	buf_add_cstr(&b, "From: x@far.test\r\n\r\n");
	send_letter(&f, "u@here.test", buf_slice(&b), SIZE_MAX / 2);
	play_expect(&f.out, "many", SLICE_LIT("550 5.6.0 The header is too long*"));
	fake_free(&f);
	buf_free(&b);
	log_capture(NULL);
}

static void hidden_client(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	fake_submissions(&f);
	f.env.hide_client = true;
	send_letter(&f, "u@here.test", SLICE_LIT("Date: x\r\nFrom: u@here.test\r\nMessage-ID: x\r\n\r\n"), 1000);
	play_expect(&f.out, "hidden", SLICE_LIT("250*"));
	assert_slice(0, buf_slice(&f.body), RETURN_PATH "Received: from unknown\r\n"
	    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
	    "\tby mx.here.test with ESMTPSA id 5a5a5a5a5a5a\r\n\tfor <x@far.test>; Tue, 24 Nov 2026 18:40:01 +0000\r\n"
	    "Date: x\r\nFrom: u@here.test\r\nMessage-ID: x\r\n\r\n");
	fake_free(&f);
	log_capture(NULL);
}

/* The same content on port 25 stays as it came, under TLS or not. */
static void not_submitted(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	for (unsigned tls = 0; tls < 2; tls++) {
		fake_init(&f);
		f.env.starttls = true;
		f.env.hide_client = true;
		fake_client(&f);
		fake_start(&f, false);
		if (tls != 0)
			fake_send(&f, SLICE_LIT("STARTTLS\r\n"));
		fake_send(&f, SLICE_LIT("EHLO client.test\r\n"));
		fake_send(&f, SLICE_LIT("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\nDATA\r\n"));
		buf_reset(&f.out);
		fake_send(&f, SLICE_LIT("hello\r\n.\r\n"));
		play_expect(&f.out, "port 25", SLICE_LIT("250*"));
		assert_slice(0, buf_slice(&f.body), tls != 0 ? "Return-Path: <a@b.test>\r\n"
		    "Received: from client.test (unknown [192.0.2.9])\r\n"
		    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
		    "\tby mx.here.test with ESMTPS id 5a5a5a5a5a5a\r\n"
		    "\tfor <u@here.test>; Tue, 24 Nov 2026 18:40:01 +0000\r\nhello\r\n" : "Return-Path: <a@b.test>\r\n"
		    "Received: from client.test (unknown [192.0.2.9])\r\n"
		    "\tby mx.here.test with ESMTP id 5a5a5a5a5a5a\r\n"
		    "\tfor <u@here.test>; Tue, 24 Nov 2026 18:40:01 +0000\r\nhello\r\n");
		assert_int_equal(f.senders, 0);
		fake_free(&f);
	}
	log_capture(NULL);
}

/* Faults at the end of the content, on our side. */
static void faults(void **state)
{
	static const struct { int file_r, write_r, accept_r; bool dies; const char *want; } t[] = {
		{ ERR_FULL, 0, 0, false, "452 4.3.1*" }, { ERR_CLOSED, 0, 0, false, "451 4.3.0*" }, { 0, ERR_IO, 0, false, "451 4.3.0*" },
		{ 0, 0, ERR_FULL, false, "452 4.3.1*" }, { 0, 0, 0, true, "451 4.3.0*" },
	};

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(64 * 1024);
		struct fake f;

		fake_init(&f);
		fake_submissions(&f);
		f.file_r = t[i].file_r, f.write_r = t[i].write_r, f.accept_r = t[i].accept_r, f.dies_at_end = t[i].dies;
		buf_add_cstr(&b, "From: alias@here.test\r\n\r\n");
		for (unsigned k = 0; k < 100; k++)
			buf_add_cstr(&b, "01234567890123456789012345678901234567890123456789\r\n");
		send_letter(&f, "u@here.test", buf_slice(&b), 500);
		play_expect(&f.out, "fault", slice_cstr(t[i].want));
		assert_row(i, f.accepted == 0 && !smtp_session_in_transaction(f.s));
		buf_free(&b);
		fake_free(&f);
	}
	log_capture(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope),
		cmocka_unit_test(names),
		cmocka_unit_test(added),
		cmocka_unit_test(large),
		cmocka_unit_test(many_fields),
		cmocka_unit_test(hidden_client),
		cmocka_unit_test(not_submitted),
		cmocka_unit_test(faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
