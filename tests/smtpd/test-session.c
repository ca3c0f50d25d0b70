#include "tests/lib/unit.h"

#include "common/base/log.h"
#include "tests/lib/play.h"
#include "tests/smtpd/dialogue.h"
#include "tests/smtpd/rows.h"

/* The next line of the server's against want. */
static void expect(struct fake *f, const char *name, struct slice want)
{
	play_expect(&f->out, name, want);
}

#define BANNER "S: 220 mx.here.test ESMTP\n"
#define EHLO BANNER "C: EHLO client.test\nS: 250-mx.here.test\nS: 250-PIPELINING\nS: 250-SIZE 10000\nS: 250-8BITMIME\n" \
	"S: 250-ENHANCEDSTATUSCODES\nS: 250 HELP\n"
#define MAIL EHLO "C: MAIL FROM:<a@b.test>\nS: 250 2.1.0 Sender ok\n"
#define RCPT MAIL "C: RCPT TO:<u@here.test>\nS: 250 2.1.5 Recipient ok\n"
#define DATA RCPT "C: DATA\nS: 354 End data with <CR><LF>.<CR><LF>\n"
#define QUIT "C: QUIT\nS: 221 2.0.0 mx.here.test closing connection\nX\n"
#define QUEUED "S: 250 2.0.0 Ok: queued as ABC000000*\n"

/* ---- plain dialogues -------------------------------------------------------- */

static void check_simple(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 1);
	assert_string_equal(f->envelope, "a@b.test > u@here.test");
	assert_string_equal(f->message_id, "<1@b.test>");
	assert_string_equal(f->origin, "client=unknown[192.0.2.9] helo=client.test proto=ESMTP");
	assert_slice(row, buf_slice(&f->body),
	    "Return-Path: <a@b.test>\r\n"
	    "Received: from client.test (unknown [192.0.2.9])\r\n"
	    "\tby mx.here.test with ESMTP id 5a5a5a5a5a5a\r\n"
	    "\tfor <u@here.test>; Tue, 24 Nov 2026 18:40:01 +0000\r\n"
	    "Message-Id:\r\n <1@b.test>\r\n\r\n.dot\r\n");
	assert_row(row, f->facts.relay_off == 25 && f->facts.lines == 8 && f->facts.flags == BODY_DOT && f->facts.file == 0);
}

static void check_one(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 1);
}

static void check_none(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 0 && !smtp_session_in_transaction(f->s));
}

static void check_two_rcpts(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 1);
	assert_string_equal(f->envelope, " > x@here.test postmaster");
}

static void setup_relay(struct fake *f) { f->client.relay = true; }
static void relay_client(struct fake *f)
{
	setup_relay(f);
	smtp_session_free(&f->s);
	f->s = smtp_session_new(&f->env, &f->client, &f->out);
}
static void spool_down(struct fake *f) { f->env.spool = SMTP_SPOOL_DOWN; }
static void spool_full(struct fake *f) { f->env.spool = SMTP_SPOOL_FULL; }
static void accept_full(struct fake *f) { f->accept_r = ERR_FULL; }
static void accept_closed(struct fake *f) { f->accept_r = ERR_CLOSED; }
static void stopping(struct fake *f) { f->env.stopping = true; }

static void dialogues(void **state)
{
	static const struct smtp_row t[] = {
		ROW("a letter", DATA "C: Message-Id:\nC:  <1@b.test>\nC: \nC: ..dot\nC: .\n" QUEUED QUIT, .check = check_simple),
		ROW("helo", BANNER "C: HELO [192.0.2.9]\nS: 250 mx.here.test\nC: mail from: <>\nS: 250 2.1.0 Sender ok\n"
		    "C: rcpt to: <X@HERE.test>\nS: 250 2.1.5 Recipient ok\nC: rset\nS: 250 2.0.0 Ok\n" QUIT, .check = check_none),
		ROW("parameters need EHLO", BANNER "C: HELO x\nS: 250 mx.here.test\nC: MAIL FROM:<> SIZE=1\n"
		    "S: 555 5.5.4 Parameter SIZE is not supported after HELO\n"),
		ROW("null sender, two recipients, one refused", EHLO "C: MAIL FROM:<>\nS: 250 2.1.0 Sender ok\n"
		    "C: RCPT TO:<x@here.test>\nS: 250 2.1.5 Recipient ok\nC: RCPT TO:<nobody@here.test>\n"
		    "S: 550 5.1.1 <nobody@here.test>: no such user here\nC: RCPT TO:<Postmaster>\nS: 250 2.1.5 Recipient ok\n"
		    "C: DATA\nS: 354*\nC: .\n" QUEUED, .check = check_two_rcpts),
		ROW("no relay", MAIL "C: RCPT TO:<x@far.test>\nS: 550 5.7.1 <x@far.test>: relay access denied\n"
		    "C: DATA\nS: 554 5.5.1 No valid recipients\nC: RSET\nS: 250 2.0.0 Ok\n" QUIT, .check = check_none),
		ROW("relay for our own networks", MAIL "C: RCPT TO:<x@far.test>\nS: 250 2.1.5 Recipient ok\n", .setup = relay_client),
		ROW("accountd is down", MAIL "C: RCPT TO:<down@here.test>\nS: 451 4.3.0 <down@here.test>: *\n"
		    "C: RCPT TO:<u@here.test>\nS: 250 2.1.5 Recipient ok\n"),
		ROW("recipient limit", MAIL "C: RCPT TO:<a@here.test>\nS: 250*\nC: RCPT TO:<b@here.test>\nS: 250*\n"
		    "C: RCPT TO:<c@here.test>\nS: 250*\nC: RCPT TO:<d@here.test>\nS: 452 4.5.3 Too many recipients\n"
		    "C: DATA\nS: 354*\nC: x\nC: .\n" QUEUED, .check = check_one),
		ROW("order", BANNER "C: MAIL FROM:<a@b.test>\nS: 503 5.5.1 EHLO or HELO first, one MAIL at a time\n"
		    "C: RCPT TO:<u@here.test>\nS: 503 5.5.1 MAIL first\nC: DATA\nS: 503 5.5.1 MAIL and RCPT first\n"),
		ROW("order later", MAIL "C: MAIL FROM:<a@b.test>\nS: 503 5.5.1*\nC: DATA\nS: 503 5.5.1 RCPT first\n"
		    "C: RCPT TO:<u@here.test>\nS: 250*\nC: DATA\nS: 354*\nC: .\n" QUEUED "C: RCPT TO:<u@here.test>\nS: 503 5.5.1 MAIL first\n",
		    .check = check_one),
		ROW("EHLO ends the transaction", RCPT "C: EHLO again.test\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 HELP\n"
		    "C: DATA\nS: 503*\n", .check = check_none),
		ROW("RSET ends the transaction", RCPT "C: RSET\nS: 250 2.0.0 Ok\nC: DATA\nS: 503*\n", .check = check_none),
		ROW("a 503 does not", RCPT "C: MAIL FROM:<x@y>\nS: 503*\nC: DATA\nS: 354*\nC: .\n" QUEUED, .check = check_one),
		ROW("syntax", EHLO "C: MAIL\nS: 501 5.5.4*\nC: MAIL FROM:a@b.test\nS: 501 5.1.7*\nC: MAIL FROM:<a@b.test>x\nS: 501 5.1.7*\n"
		    "C: MAIL FROM:<a@b.test> FOO=1\nS: 555 5.5.4 Parameter FOO is not supported\nC: EHLO\nS: 501 5.5.4*\n"),
		ROW("syntax of RCPT", MAIL "C: RCPT TO:<>\nS: 501 5.1.3*\nC: RCPT TO:<u>\nS: 501 5.1.3*\nC: RCPT TO:<u@here.test> NOTIFY=NEVER\n"
		    "S: 555 5.5.4*\nC: RCPT TO:<\"u\"@here.test>\nS: 250*\n"),
		ROW("size", EHLO "C: MAIL FROM:<a@b.test> SIZE=10001\nS: 552 5.3.4*\nC: MAIL FROM:<a@b.test> SIZE=10000 BODY=8BITMIME\nS: 250*\n"),
		ROW("the rest", EHLO "C: VRFY u\nS: 252 2.0.0*\nC: VRFY\nS: 501 5.5.4*\nC: EXPN list\nS: 502 5.5.1 EXPN is not implemented\n"
		    "C: HELP\nS: 214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP\nC: noop x y\nS: 250 2.0.0 Ok\n"
		    "C: FOO\nS: 500 5.5.1 Command not recognized\nC: \nS: 500 5.5.2 Empty command\nC: QUIT now\nS: 501 5.5.4*\n" QUIT),
		ROW("spool down", EHLO "C: MAIL FROM:<a@b.test>\nS: 451 4.3.0*\n", .setup = spool_down, .check = check_none),
		ROW("spool full", EHLO "C: MAIL FROM:<a@b.test>\nS: 452 4.3.1*\n", .setup = spool_full, .check = check_none),
		ROW("full at the end", DATA "C: x\nC: .\nS: 452 4.3.1*\nC: MAIL FROM:<a@b.test>\nS: 250*\n", .setup = accept_full),
		ROW("spoold dies at the end", DATA "C: x\nC: .\nS: 451 4.3.0*\n", .setup = accept_closed, .check = check_none),
		ROW("stop", BANNER "C: EHLO x\nS: 421 4.3.2 mx.here.test is going down, try again later\nX\n", .setup = stopping,
		    .whole_only = true),
		ROW("two letters", DATA "C: x\nC: .\n" QUEUED "C: MAIL FROM:<a@b.test>\nS: 250*\nC: RCPT TO:<v@here.test>\nS: 250*\n"
		    "C: DATA\nS: 354*\nC: .\n" QUEUED QUIT),
	};

	(void)state;
	rows_play(t, ARRAY_LEN(t));
}

/* ---- framing and limits -------------------------------------------------------- */

static void framing(void **state)
{
	static const struct smtp_row t[] = {
		ROW("bare LF", BANNER "R: EHLO x\\n\nS: 500 5.5.2 Lines must end with CR LF\nC: NOOP\nS: 250*\n"),
		ROW("bare CR", BANNER "R: NOOP\\rNOOP\\r\\n\nS: 500 5.5.2 Lines must end with CR LF\n"),
		ROW("NUL", BANNER "R: NOOP \\0\\r\\n\nS: 500 5.5.2 NUL in a command\n"),
		ROW("TLS hello", BANNER "R: \x16\x03\x01\nS: 521 5.7.0 mx.here.test does not speak this protocol\nX\n"),
		ROW("space first", BANNER "R:  EHLO x\\r\\n\nS: 521*\nX\n"),
		ROW("HTTP", BANNER "C: GET / HTTP/1.1\nS: 521*\nX\n"),
		ROW("HTTP later", EHLO "C: post /x HTTP/1.1\nS: 521*\nX\n"),
		ROW("errors", BANNER "C: A\nS: 500*\nC: A\nS: 500*\nC: A\nS: 500*\nC: A\nS: 500*\nC: A\nS: 500*\nC: A\nS: 500*\n"
		    "S: 421 4.7.0 mx.here.test too many errors\nX\n"),
		ROW("unknown users", MAIL "C: RCPT TO:<nobody@here.test>\nS: 550*\nC: RCPT TO:<nobody@here.test>\nS: 550*\n"
		    "C: RCPT TO:<nobody@here.test>\nS: 550*\nC: RCPT TO:<nobody@here.test>\nS: 550*\nC: RCPT TO:<nobody@here.test>\n"
		    "S: 550*\nC: RCPT TO:<nobody@here.test>\nS: 550*\nS: 421 4.7.0*\nX\n", .check = check_none),
		ROW("temporary refusals are no errors", MAIL "C: RCPT TO:<down@x>\nS: 451*\nC: RCPT TO:<down@x>\nS: 451*\nC: RCPT TO:<down@x>\n"
		    "S: 451*\nC: RCPT TO:<down@x>\nS: 451*\nC: RCPT TO:<down@x>\nS: 451*\nC: RCPT TO:<down@x>\nS: 451*\nC: RCPT TO:<down@x>\n"
		    "S: 451*\n"),
		ROW("junk", BANNER "C: NOOP\nS: 250*\nC: NOOP\nS: 250*\nC: NOOP\nS: 250*\nC: NOOP\nS: 250*\nC: RSET\nS: 250*\nC: NOOP\nS: 250*\n"
		    "C: NOOP\nS: 250*\nC: NOOP\nS: 250*\nS: 421 4.7.0*\nX\n"),
		ROW("pipelined behind DATA", RCPT "R: DATA\\r\\nx\\r\\n.\\r\\n\nS: 554 5.5.0*\nX\n", .whole_only = true, .check = check_none),
		ROW("pipelined behind EHLO", BANNER "R: EHLO x\\r\\nMAIL FROM:<a@b>\\r\\n\nS: 554 5.5.0*\nX\n", .whole_only = true),
		ROW("pipelined well", EHLO "R: MAIL FROM:<a@b.test>\\r\\nRCPT TO:<u@here.test>\\r\\nRCPT TO:<nobody@here.test>\\r\\n"
		    "RCPT TO:<v@here.test>\\r\\nDATA\\r\\n\nS: 250 2.1.0*\nS: 250 2.1.5*\nS: 550 5.1.1*\nS: 250 2.1.5*\nS: 354*\n"
		    "R: x\\r\\n.\\r\\nMAIL FROM:<c@b.test>\\r\\nQUIT\\r\\n\n" QUEUED "S: 250 2.1.0*\nS: 221*\nX\n", .check = check_one),
		ROW("idle", BANNER "T: 299\nC: NOOP\nS: 250*\nT: 299\nT: 1\nS: 421 4.4.2 mx.here.test timeout exceeded\nX\n"),
		ROW("a byte now and then does not count", BANNER "T: 200\nR: NO\nT: 100\nS: 421 4.4.2*\nX\n"),
		ROW("idle in the content", DATA "C: x\nT: 299\nC: y\nT: 300\nS: 421 4.4.2*\nX\n", .check = check_none),
		ROW("slow content", DATA "C: x\nT: 299\nC: y\nT: 299\nC: z\nT: 3\nS: 421 4.4.2*\nX\n" , .check = check_none),
	};

	(void)state;
	rows_play(t, ARRAY_LEN(t));
}

static void long_lines(void **state)
{
	struct fake f;
	static uint8_t line[70000];

	(void)state;
	log_capture(rows_quiet);
	memset(line, 'a', sizeof(line));
	fake_init(&f);
	fake_start(&f, false);
	fake_send(&f, slice_of(line, 1023));
	fake_send(&f, SLICE_LIT("\r\nNOOP\r\n"));
	expect(&f, "long", SLICE_LIT("220*"));
	expect(&f, "long", SLICE_LIT("500 5.5.2 Line is too long"));
	expect(&f, "long", SLICE_LIT("250 2.0.0 Ok"));
	fake_send(&f, slice_of(line, sizeof(line)));
	expect(&f, "endless", SLICE_LIT("421 4.7.0*"));
	assert_int_equal(f.want, SMTP_WANT_CLOSE);
	fake_free(&f);
	log_capture(NULL);
}

/* ---- content ---------------------------------------------------------------------- */

/*
 * Every way of writing a line end around the dot: only CR LF . CR LF ends the
 * content. Whatever follows a false end stays content, and the message is refused
 * as soon as a bare CR or LF is in it.
 */
static void smuggling(void **state)
{
	static const char *const eol[] = { "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\r" };

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(eol); i++) {
		for (size_t k = 0; k < ARRAY_LEN(eol) - 1; k++) {
			for (size_t step = 1; step < 80; step += 6) {
				bool good = i == 0 && k == 0;
				bool ends = k == 0 && (i == 0 || i == 3);    /* CR CR LF: a bare CR, and a line end */
				struct buf b = BUF_INIT(4096);
				struct fake f;

				buf_addf(&b, "hello%s.%sMAIL FROM:<evil@b.test>\r\nRCPT TO:<u@here.test>\r\n", eol[i], eol[k]);
				if (!ends)
					buf_add_cstr(&b, "\r\n.\r\n");
				fake_init(&f);
				fake_start(&f, false);
				fake_send(&f, SLICE_LIT("EHLO x\r\n"));
				fake_send(&f, SLICE_LIT("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\nDATA\r\n"));
				buf_reset(&f.out);
				for (size_t off = 0; off < buf_len(&b); off += step)
					fake_send(&f, slice_sub(buf_slice(&b), off, step));
				if (f.accepted != good)
					fail_msg("row %zu %zu: accepted %u", i, k, f.accepted);
				expect(&f, "end", good ? SLICE_LIT("250 2.0.0 Ok: queued*") : SLICE_LIT("550 5.6.0*"));
				if (ends) {
					expect(&f, "end", SLICE_LIT("250 2.1.0*"));
					expect(&f, "end", SLICE_LIT("250 2.1.5*"));
				}
				assert_true(smtp_session_in_transaction(f.s) == ends);
				assert_int_equal(buf_len(&f.out), 0);
				buf_free(&b);
				fake_free(&f);
			}
		}
	}
	log_capture(NULL);
}

static void begin_content(struct fake *f)
{
	fake_start(f, false);
	fake_send(f, SLICE_LIT("EHLO x\r\n"));
	fake_send(f, SLICE_LIT("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\nDATA\r\n"));
	buf_reset(&f->out);
}

static void content_size(void **state)
{
	static const struct {
		unsigned lines;    /* of 100 bytes with CRLF */
		int file_r, write_r, accept_r;
		const char *want;
		unsigned accepted, dropped, files;
	} t[] = {
		{ 1, 0, 0, 0, "250*", 1, 0, 0 },
		{ 7, 0, 0, 0, "250*", 1, 0, 0 },
		{ 12, 0, 0, 0, "250*", 1, 1, 1 },    /* the owner's file is used up by ACCEPT */
		{ 100, 0, 0, 0, "250*", 1, 1, 1 },
		{ 101, 0, 0, 0, "552 5.3.4*", 0, 1, 1 },
		{ 12, ERR_FULL, 0, 0, "452 4.3.1*", 0, 0, 0 },
		{ 12, ERR_CLOSED, 0, 0, "451 4.3.0*", 0, 0, 0 },
		{ 12, 0, ERR_FULL, 0, "452 4.3.1*", 0, 1, 1 },
		{ 12, 0, ERR_IO, 0, "451 4.3.0*", 0, 1, 1 },
		{ 12, 0, 0, ERR_FULL, "452 4.3.1*", 0, 1, 1 },
		{ 12, 0, 0, ERR_TIMEOUT, "451 4.3.0*", 0, 1, 1 },
	};

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct fake f;

		fake_init(&f);
		f.file_r = t[i].file_r, f.write_r = t[i].write_r, f.accept_r = t[i].accept_r;
		begin_content(&f);
		for (unsigned k = 0; k < t[i].lines; k++)
			fake_send(&f, SLICE_LIT("0123456789012345678901234567890123456789012345678901234567890123456789"
			    "0123456789012345678901234567\r\n"));
		fake_send(&f, SLICE_LIT(".\r\nNOOP\r\n"));
		expect(&f, "content", slice_cstr(t[i].want));
		expect(&f, "content", SLICE_LIT("250 2.0.0 Ok"));
		assert_row(i, buf_len(&f.out) == 0);
		assert_row(i, f.accepted == t[i].accepted && f.file_no == t[i].files);
		assert_row(i, f.dropped == t[i].dropped);
		assert_row(i, f.accepted == 0 || buf_len(&f.body) > t[i].lines * 100);
		assert_row(i, !smtp_session_in_transaction(f.s));
		fake_free(&f);
	}
	log_capture(NULL);
}

static void content_refused(void **state)
{
	static const struct { const char *in; size_t len; const char *want; } t[] = {
#define L(s) s, sizeof(s) - 1
		{ L("a: b\r\n\r\nx\0y\r\n.\r\n"), "550 5.6.0 The message has a NUL byte" },
		{ L("Received: 1\r\nReceived: 2\r\nreceived: 3\r\nReceived: 4\r\nRECEIVED: 5\r\nReceived: 6\r\n\r\n.\r\n"), "554 5.4.6*" },
		{ L("Received: 1\r\nReceived: 2\r\nreceived: 3\r\nReceived: 4\r\nRECEIVED: 5\r\n Received: 6\r\n\r\nReceived: 7\r\n.\r\n"), "250*" },
		{ L("Received : 1\r\nReceived: 2\r\nreceived: 3\r\nReceived: 4\r\nRECEIVED: 5\r\nX: 1\r\nReceived:\r\n\r\n.\r\n"), "554 5.4.6*" },
		{ L("\xff\xfe\r\n.\r\n"), "250*" },
#undef L
	};

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (size_t step = 1; step < 9; step++) {
			struct fake f;

			fake_init(&f);
			begin_content(&f);
			for (size_t off = 0; off < t[i].len; off += step)
				fake_send(&f, slice_sub(slice_of(t[i].in, t[i].len), off, step));
			expect(&f, t[i].in, slice_cstr(t[i].want));
			assert_row(i, !smtp_session_in_transaction(f.s));
			fake_free(&f);
		}
	}
	log_capture(NULL);
}

static void content_flood(void **state)
{
	static uint8_t junk[16384];
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	memset(junk, 'x', sizeof(junk));
	fake_init(&f);
	begin_content(&f);
	for (unsigned i = 0; i < 1000 && f.want != SMTP_WANT_CLOSE; i++)
		fake_send(&f, slice_of(junk, sizeof(junk)));
	assert_int_equal(f.want, SMTP_WANT_CLOSE);
	expect(&f, "flood", SLICE_LIT("552 5.3.4*"));
	fake_free(&f);
	log_capture(NULL);
}

/* spoold dies while a file is being filled: the file is gone, the client hears 451 at the true end. */
static void file_lost(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	begin_content(&f);
	for (unsigned i = 0; i < 40; i++)
		fake_send(&f, SLICE_LIT("01234567890123456789012345678901234567890123456789\r\n"));
	assert_int_equal(smtp_session_file(f.s), 1);
	smtp_session_file_lost(f.s);
	assert_int_equal(smtp_session_file(f.s), 0);
	fake_send(&f, SLICE_LIT("x\r\n.\r\n"));
	expect(&f, "lost", SLICE_LIT("451 4.3.0*"));
	assert_int_equal(f.accepted, 0);
	fake_free(&f);
	/* while the message waits for its turn to be sent */
	fake_init(&f);
	f.dies_at_end = true;
	begin_content(&f);
	for (unsigned i = 0; i < 40; i++)
		fake_send(&f, SLICE_LIT("01234567890123456789012345678901234567890123456789\r\n"));
	fake_send(&f, SLICE_LIT("x\r\n.\r\n"));
	expect(&f, "lost at the end", SLICE_LIT("451 4.3.0*"));
	assert_int_equal(f.accepted, 0);
	fake_free(&f);
	log_capture(NULL);
}

/* ---- answers that come late ---------------------------------------------------------- */

static void lookups_in_order(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	f.hold_lookup = true;
	fake_start(&f, false);
	fake_send(&f, SLICE_LIT("EHLO x\r\n"));
	fake_send(&f, SLICE_LIT("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@here.test>\r\nRCPT TO:<u@here.test>\r\nNOOP\r\n"));
	buf_reset(&f.out);
	assert_int_equal(f.want, SMTP_WANT_LOOKUP);
	assert_int_equal(smtp_session_deadline(f.s), 0);
	assert_int_equal(smtp_session_timeout(f.s), SMTP_WANT_LOOKUP);
	smtp_session_lookup_done(f.s, SMTP_LOOKUP_UNKNOWN);
	fake_pump(&f);
	expect(&f, "first", SLICE_LIT("550 5.1.1*"));
	assert_int_equal(buf_len(&f.out), 0);
	assert_int_equal(f.want, SMTP_WANT_LOOKUP);
	smtp_session_lookup_done(f.s, SMTP_LOOKUP_LOCAL);
	fake_pump(&f);
	expect(&f, "second", SLICE_LIT("250 2.1.5*"));
	expect(&f, "noop", SLICE_LIT("250 2.0.0*"));
	fake_free(&f);
	log_capture(NULL);
}

static void stop_waits_for_content(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	begin_content(&f);
	f.env.stopping = true;
	fake_send(&f, SLICE_LIT("x\r\n"));
	assert_int_equal(f.want, SMTP_WANT_INPUT);
	fake_send(&f, SLICE_LIT(".\r\n"));
	expect(&f, "stop", SLICE_LIT("250 2.0.0*"));
	expect(&f, "stop", SLICE_LIT("421 4.3.2*"));
	assert_int_equal(f.want, SMTP_WANT_CLOSE);
	assert_int_equal(f.accepted, 1);
	fake_free(&f);
	log_capture(NULL);
}

static void early_talker(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	fake_start(&f, true);
	expect(&f, "early", SLICE_LIT("554 5.5.0*"));
	assert_int_equal(f.want, SMTP_WANT_CLOSE);
	fake_free(&f);
	log_capture(NULL);
}

/* ---- the log ---------------------------------------------------------------------------- */

static char logged[8192];

static void keep(enum log_level level, const char *text)
{
	size_t n = strlen(logged);

	(void)level;
	(void)snprintf(logged + n, sizeof(logged) - n, "%s\n", text);
}

static void log_lines(void **state)
{
	struct fake f;

	(void)state;
	logged[0] = '\0';
	log_capture(keep);
	fake_init(&f);
	fake_start(&f, false);
	fake_send(&f, SLICE_LIT("EHLO x\r\n"));
	fake_send(&f, SLICE_LIT("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@here.test>\r\nRCPT TO:<u@here.test>\r\nDATA\r\n"));
	fake_send(&f, SLICE_LIT("Message-ID: <a\"b@c>\r\n\r\n.\r\nfoo\x01\r\n"));
	smtp_session_lost(f.s);
	fake_free(&f);
	log_capture(NULL);
	assert_string_equal(logged,
	    "connect from unknown[192.0.2.9]\n"
	    "NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.1.1 <nobody@here.test>: no such user here; from=<a@b.test> to=<nobody@here.test> proto=ESMTP helo=<x>\n"
	    "ABC0000001: client=unknown[192.0.2.9], from=<a@b.test>, size=186, nrcpt=1, message-id=<a\\x22b@c>, proto=ESMTP, helo=<x>, id=5a5a5a5a5a5a\n"
	    "NOQUEUE: reject: UNKNOWN from unknown[192.0.2.9]: 500 5.5.1 Command not recognized; proto=ESMTP helo=<x>\n"
	    "lost connection after UNKNOWN from unknown[192.0.2.9]\n"
	    "disconnect from unknown[192.0.2.9] messages=1 ehlo=1 mail=1 rcpt=1/2 data=1 unknown=0/1 commands=4/6\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues),
		cmocka_unit_test(framing),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(smuggling),
		cmocka_unit_test(content_size),
		cmocka_unit_test(content_refused),
		cmocka_unit_test(content_flood),
		cmocka_unit_test(file_lost),
		cmocka_unit_test(lookups_in_order),
		cmocka_unit_test(stop_waits_for_content),
		cmocka_unit_test(early_talker),
		cmocka_unit_test(log_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
