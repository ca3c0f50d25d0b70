/* STARTTLS, AUTH and what a submission service lets nobody do before the login. */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "tests/lib/play.h"
#include "tests/smtpd/rows.h"

#define BANNER "S: 220 mx.here.test ESMTP\n"
#define EHLO_BEGIN "C: EHLO client.test\nS: 250-mx.here.test\nS: 250-PIPELINING\nS: 250-SIZE 10000\nS: 250-8BITMIME\n" \
	"S: 250-ENHANCEDSTATUSCODES\n"
#define EHLO_PLAIN EHLO_BEGIN "S: 250 HELP\n"
#define EHLO_STARTTLS EHLO_BEGIN "S: 250-STARTTLS\nS: 250 HELP\n"
#define MECHANISMS "SCRAM-SHA-256 PLAIN LOGIN"
#define EHLO_AUTH EHLO_BEGIN "S: 250-AUTH " MECHANISMS "\nS: 250 HELP\n"
#define STARTTLS "C: STARTTLS\nS: 220 2.0.0 Ready to start TLS\n"
#define UNDER_TLS BANNER EHLO_STARTTLS STARTTLS EHLO_AUTH

/* \0u@here.test\0secret and others */
#define GOOD "AHVAaGVyZS50ZXN0AHNlY3JldA=="
#define WRONG "AHVAaGVyZS50ZXN0AHdyb25n"
#define DOWN "AGRvd25AaGVyZS50ZXN0AHg="
#define SLOW "AHNsb3dAaGVyZS50ZXN0AHg="
#define NO_NUL "dUBoZXJlLnRlc3Q="
#define USER "dUBoZXJlLnRlc3Q="
#define SECRET "c2VjcmV0"
#define TOKEN "dXNlcj11QGhlcmUudGVzdAFhdXRoPUJlYXJlciB0b2tlbgEB"
#define SCRAM "biwsbj11QGhlcmUudGVzdCxyPWNsaWVudG5vbmNl"
#define DENIED "S: 535 5.7.8 Authentication credentials invalid\n"
#define LOGIN "C: AUTH PLAIN " GOOD "\nS: 235 2.7.0 Authentication successful\n"
#define QUIT "C: QUIT\nS: 221 2.0.0 mx.here.test closing connection\nX\n"

static void relay(struct fake *f)
{
	f->env.starttls = true;
	fake_client(f);
}

static void no_certificates(struct fake *f)
{
	fake_submission(f);
	f->env.starttls = false;
}

static void loopback(struct fake *f)
{
	f->env.plaintext_login = true;
	f->client.loopback = true;
	fake_submission(f);
}

static void not_loopback(struct fake *f)
{
	f->env.plaintext_login = true;
	fake_submission(f);
}

static void everything(struct fake *f)
{
	f->env.oauth = true;
	f->tls.exporter_len = 32;
	f->tls.external = "u@here.test";
	fake_submissions(f);
}

static void check_handshakes(struct fake *f, size_t row)
{
	assert_row(row, f->handshakes == 1);
}

static void check_no_handshake(struct fake *f, size_t row)
{
	assert_row(row, f->handshakes == 0);
}

static void check_no_login(struct fake *f, size_t row)
{
	assert_row(row, f->logins == 0);
}

static void check_nothing(struct fake *f, size_t row)
{
	assert_row(row, f->accepted == 0 && !smtp_session_in_transaction(f->s));
}

/* ---- STARTTLS ------------------------------------------------------------------- */

static void starttls(void **state)
{
	static const struct smtp_row t[] = {
		ROW("offered, done, and offered no more", BANNER EHLO_STARTTLS STARTTLS EHLO_PLAIN "C: STARTTLS\nS: 503 5.5.1 TLS is active already\n"
		    QUIT, .setup = relay, .check = check_handshakes),
		ROW("not without certificates", BANNER EHLO_PLAIN "C: STARTTLS\nS: 454 4.7.0 TLS is not available\n" QUIT,
		    .check = check_no_handshake),
		ROW("before EHLO", BANNER STARTTLS EHLO_PLAIN, .setup = relay, .check = check_handshakes),
		ROW("takes nothing", BANNER EHLO_STARTTLS "C: STARTTLS now\nS: 501 5.5.4*\n", .setup = relay, .check = check_no_handshake),
		ROW("EHLO is forgotten", BANNER EHLO_STARTTLS STARTTLS "C: MAIL FROM:<a@b.test>\nS: 503 5.5.1*\n" EHLO_PLAIN
		    "C: MAIL FROM:<a@b.test>\nS: 250*\n", .setup = relay),
		ROW("the transaction is forgotten", BANNER EHLO_STARTTLS "C: MAIL FROM:<a@b.test>\nS: 250*\nC: RCPT TO:<u@here.test>\nS: 250*\n"
		    STARTTLS "C: DATA\nS: 503*\n" EHLO_PLAIN "C: DATA\nS: 503*\n", .setup = relay, .check = check_nothing),
		ROW("no logins on port 25", BANNER EHLO_STARTTLS "C: AUTH PLAIN " GOOD "\nS: 503 5.5.1 Authentication is not offered here\n"
		    STARTTLS EHLO_PLAIN "C: AUTH PLAIN " GOOD "\nS: 503 5.5.1*\nC: MAIL FROM:<a@b.test> AUTH=<>\nS: 555 5.5.4*\n",
		    .setup = relay, .check = check_no_login),
		ROW("HELP", BANNER "C: HELP\nS: 214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP QUIT STARTTLS VRFY HELP\n", .setup = relay),
		ROW("implicit", BANNER EHLO_AUTH "C: STARTTLS\nS: 503*\n" LOGIN, .setup = fake_submissions, .check = check_handshakes),
	};

	(void)state;
	rows_play(t, ARRAY_LEN(t));
}

/* What a man in the middle puts behind STARTTLS in the same packet is never a command (CVE-2011-0411). */
static void injection(void **state)
{
	static const char *const behind[] = { "MAIL FROM:<evil@b.test>\r\n", "EHLO evil\r\nMAIL FROM:<evil@b.test>\r\n", "R", "\r\n", "\x16\x03\x01" };

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		struct buf b = BUF_INIT(256);
		struct fake f;

		/* in one packet: away */
		fake_init(&f);
		relay(&f);
		fake_start(&f, false);
		fake_send(&f, SLICE_LIT("EHLO x\r\n"));
		buf_reset(&f.out);
		buf_add_cstr(&b, "STARTTLS\r\n");
		buf_add_cstr(&b, behind[i]);
		fake_send(&f, buf_slice(&b));
		play_expect(&f.out, "injection", SLICE_LIT("554 5.5.0*"));
		assert_row(i, f.want == SMTP_WANT_CLOSE && f.handshakes == 0 && buf_len(&f.out) == 0);
		fake_free(&f);
		/* before the handshake: dropped, and half a line of it is not the beginning of the next */
		fake_init(&f);
		relay(&f);
		f.hold_tls = true;
		fake_start(&f, false);
		fake_send(&f, SLICE_LIT("EHLO x\r\n"));
		buf_reset(&f.out);
		fake_send(&f, SLICE_LIT("STARTTLS\r\n"));
		play_expect(&f.out, "injection", SLICE_LIT("220 2.0.0*"));
		assert_row(i, f.want == SMTP_WANT_TLS && smtp_session_deadline(f.s) == 0);
		fake_send(&f, slice_cstr(behind[i]));
		assert_row(i, f.want == SMTP_WANT_TLS && buf_len(&f.out) == 0);
		f.hold_tls = false;
		fake_pump(&f);
		fake_send(&f, SLICE_LIT("RCPT TO:<u@here.test>\r\n"));
		play_expect(&f.out, "injection", SLICE_LIT("503 5.5.1*"));
		fake_send(&f, SLICE_LIT("NOOP\r\n"));
		play_expect(&f.out, "injection", SLICE_LIT("250 2.0.0*"));
		assert_row(i, buf_len(&f.out) == 0 && f.handshakes == 1 && !smtp_session_in_transaction(f.s));
		fake_free(&f);
		buf_free(&b);
	}
	log_capture(NULL);
}

/* A stop in the middle of a handshake: nothing can be said. */
static void stop_in_handshake(void **state)
{
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	fake_init(&f);
	relay(&f);
	f.hold_tls = true;
	fake_start(&f, false);
	fake_send(&f, SLICE_LIT("STARTTLS\r\n"));
	buf_reset(&f.out);
	f.env.stopping = true;
	fake_pump(&f);
	assert_int_equal(f.want, SMTP_WANT_CLOSE);
	assert_int_equal(buf_len(&f.out), 0);
	fake_free(&f);
	log_capture(NULL);
}

/* ---- before the login -------------------------------------------------------------- */

static void before_login(void **state)
{
	static const struct smtp_row t[] = {
		ROW("nothing without TLS", BANNER EHLO_STARTTLS "C: MAIL FROM:<u@here.test>\nS: 530 5.7.0 Must issue a STARTTLS command first\n"
		    "C: RCPT TO:<u@here.test>\nS: 530 5.7.0*\nC: DATA\nS: 530 5.7.0*\nC: VRFY u\nS: 530 5.7.0*\nC: NOOP\nS: 250*\n"
		    "C: RSET\nS: 250*\nC: HELP\nS: 214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP QUIT STARTTLS VRFY HELP\n"
		    QUIT, .setup = fake_submission, .check = check_nothing),
		ROW("no login without TLS", BANNER EHLO_STARTTLS "C: AUTH PLAIN " GOOD "\nS: 538 5.7.11*\nC: AUTH SCRAM-SHA-256\nS: 538 5.7.11*\n",
		    .setup = fake_submission, .check = check_no_login),
		ROW("no certificates", BANNER EHLO_PLAIN "C: AUTH PLAIN\nS: 538*\nC: STARTTLS\nS: 454*\nC: MAIL FROM:<>\nS: 530*\n",
		    .setup = no_certificates, .check = check_no_login),
		ROW("nothing under TLS either", UNDER_TLS "C: MAIL FROM:<u@here.test>\nS: 530 5.7.0 Authentication required\nC: DATA\nS: 530*\n"
		    "C: EXPN x\nS: 530*\n", .setup = fake_submission, .check = check_nothing),
		ROW("not even in the wrong order", BANNER "C: MAIL FROM:<u@here.test>\nS: 530 5.7.0*\n", .setup = fake_submission),
		ROW("not by relay_from", UNDER_TLS "C: MAIL FROM:<u@here.test>\nS: 530*\n", .setup = fake_submission),
		ROW("loopback", BANNER EHLO_BEGIN "S: 250-STARTTLS\nS: 250-AUTH " MECHANISMS "\nS: 250 HELP\n"
		    "C: MAIL FROM:<u@here.test>\nS: 530 5.7.0 Authentication required\n" LOGIN "C: MAIL FROM:<u@here.test>\nS: 250*\n",
		    .setup = loopback),
		ROW("others in the clear", BANNER EHLO_STARTTLS "C: AUTH PLAIN " GOOD "\nS: 538*\n", .setup = not_loopback, .check = check_no_login),
		ROW("after a login TLS forgets it", BANNER EHLO_BEGIN "S: 250-STARTTLS\nS: 250-AUTH " MECHANISMS "\nS: 250 HELP\n" LOGIN STARTTLS
		    EHLO_AUTH "C: MAIL FROM:<u@here.test>\nS: 530*\n" LOGIN, .setup = loopback),
		ROW("who has logged in sees no AUTH", UNDER_TLS LOGIN EHLO_PLAIN "C: MAIL FROM:<u@here.test>\nS: 250*\n", .setup = fake_submission),
	};

	(void)state;
	rows_play(t, ARRAY_LEN(t));
}

/* ---- AUTH ------------------------------------------------------------------------------ */

static void auth(void **state)
{
	static const struct smtp_row t[] = {
		ROW("PLAIN in two lines", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nC: " GOOD "\nS: 235 2.7.0 Authentication successful\n", .setup = fake_submission),
		ROW("lower case", UNDER_TLS "C: auth plain " GOOD "\nS: 235*\n", .setup = fake_submission),
		ROW("LOGIN", UNDER_TLS "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: " USER "\nS: 334 UGFzc3dvcmQ6\nC: " SECRET "\nS: 235*\n", .setup = fake_submission),
		ROW("LOGIN with the name at once", UNDER_TLS "C: AUTH LOGIN " USER "\nS: 334 UGFzc3dvcmQ6\nC: " SECRET "\nS: 235*\n", .setup = fake_submission),
		ROW("wrong", UNDER_TLS "C: AUTH PLAIN " WRONG "\n" DENIED "C: MAIL FROM:<u@here.test>\nS: 530*\n" LOGIN, .setup = fake_submission),
		ROW("accountd is gone", UNDER_TLS "C: AUTH PLAIN " DOWN "\nS: 454 4.7.0 Temporary authentication failure\n" LOGIN, .setup = fake_submission),
		ROW("slowed", UNDER_TLS "C: AUTH PLAIN " SLOW "\nS: 454 4.7.0 Too many failed logins*\n", .setup = fake_submission),
		ROW("everything is offered", BANNER EHLO_BEGIN "S: 250-AUTH EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN\n"
		    "S: 250 HELP\nC: AUTH XOAUTH2 " TOKEN "\nS: 235*\n", .setup = everything),
		ROW("EXTERNAL, empty", BANNER "C: EHLO x\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250-*\nS: 250 HELP\n"
		    "C: AUTH EXTERNAL =\nS: 235*\n", .setup = everything),
		ROW("SCRAM goes on", UNDER_TLS "C: AUTH SCRAM-SHA-256 " SCRAM "\nS: 334 *\nC: *\nS: 501 5.7.0 Authentication cancelled\n" LOGIN,
		    .setup = fake_submission),
		/* order */
		ROW("before EHLO", BANNER "C: AUTH PLAIN " GOOD "\nS: 503 5.5.1*\n", .setup = fake_submissions, .check = check_no_login),
		ROW("twice", UNDER_TLS LOGIN "C: AUTH PLAIN " GOOD "\nS: 503 5.5.1 Already authenticated\n", .setup = fake_submission),
		ROW("in a transaction", UNDER_TLS LOGIN "C: MAIL FROM:<>\nS: 250*\nC: AUTH PLAIN " GOOD "\nS: 503 5.5.1*\n", .setup = fake_submission),
		ROW("pipelined behind", UNDER_TLS "R: AUTH PLAIN " GOOD "\\r\\nMAIL FROM:<>\\r\\n\nS: 554 5.5.0*\nX\n", .whole_only = true,
		    .setup = fake_submission, .check = check_no_login),
		/* syntax */
		ROW("no mechanism", UNDER_TLS "C: AUTH\nS: 501 5.5.4*\nC: AUTH \nS: 501 5.5.4*\nC: AUTH PLAIN " GOOD " x\nS: 501 5.5.4*\n",
		    .setup = fake_submission, .check = check_no_login),
		ROW("unknown mechanism", UNDER_TLS "C: AUTH CRAM-MD5\nS: 504 5.5.4*\nC: AUTH ABCDEFGHIJKLMNOPQRSTU\nS: 501*\n", .setup = fake_submission,
		    .check = check_no_login),
		ROW("not offered", UNDER_TLS "C: AUTH XOAUTH2\nS: 504*\nC: AUTH EXTERNAL =\nS: 504*\nC: AUTH SCRAM-SHA-256-PLUS\nS: 504*\n",
		    .setup = fake_submission, .check = check_no_login),
		ROW("no base64", UNDER_TLS "C: AUTH PLAIN !!!\nS: 501 5.5.2*\nC: AUTH PLAIN\nS: 334 \nC: A\nS: 501 5.5.2*\nC: AUTH PLAIN\nS: 334 \n"
		    "C: AHVAaGVyZS50ZXN0AHNlY3JldA=\nS: 501 5.5.2*\nC: NOOP\nS: 250*\n", .setup = fake_submission, .check = check_no_login),
		ROW("no message", UNDER_TLS "C: AUTH PLAIN " NO_NUL "\nS: 501 5.5.2*\n", .setup = fake_submission, .check = check_no_login),
		ROW("empty", UNDER_TLS "C: AUTH PLAIN =\nS: 501 5.5.2*\nC: AUTH PLAIN\nS: 334 \nC: \nS: 501*\n", .setup = fake_submission,
		    .check = check_no_login),
		ROW("cancelled", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nC: *\nS: 501 5.7.0 Authentication cancelled\nC: AUTH LOGIN\nS: 334 *\nC: *\n"
		    "S: 501 5.7.0*\nC: NOOP\nS: 250*\n", .setup = fake_submission, .check = check_no_login),
		ROW("a command is no answer", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nC: MAIL FROM:<u@here.test>\nS: 501 5.5.2*\nC: MAIL FROM:<u@here.test>\n"
		    "S: 530*\n", .setup = fake_submission, .check = check_nothing),
		ROW("bare LF", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nR: " GOOD "\\n\nS: 501 5.5.2*\nC: NOOP\nS: 250*\n", .setup = fake_submission,
		    .check = check_no_login),
		ROW("NUL", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nR: \\0\\r\\n\nS: 501 5.5.2*\nC: NOOP\nS: 250*\n", .setup = fake_submission,
		    .check = check_no_login),
		/* limits */
		ROW("refused too often", UNDER_TLS "C: AUTH PLAIN " WRONG "\n" DENIED "C: AUTH PLAIN " WRONG "\n" DENIED "C: AUTH PLAIN " WRONG "\n" DENIED
		    "C: AUTH PLAIN " WRONG "\n" DENIED "C: AUTH PLAIN " WRONG "\n" DENIED "S: 421 4.7.0 mx.here.test too many failed logins\nX\n",
		    .setup = fake_submission),
		ROW("cancelled too often", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nC: *\nS: 501*\nC: AUTH PLAIN\nS: 334 \nC: *\nS: 501*\n"
		    "C: AUTH PLAIN\nS: 334 \nC: *\nS: 501*\nC: AUTH PLAIN\nS: 334 \nC: *\nS: 501*\nC: AUTH PLAIN\nS: 334 \nC: *\nS: 501*\n"
		    "S: 421 4.7.0 mx.here.test too many commands without mail\nX\n", .setup = fake_submission),
		ROW("never finished", UNDER_TLS "C: AUTH PLAIN\nS: 334 \nT: 59\nR: AHVA\nT: 1\nS: 421 4.4.2*\nX\n", .setup = fake_submission,
		    .check = check_nothing),
		ROW("busy without a login", UNDER_TLS "T: 30\nC: NOOP\nS: 250*\nT: 29\nC: AUTH PLAIN " WRONG "\n" DENIED "T: 1\nS: 421 4.4.2*\nX\n",
		    .setup = fake_submission),
		ROW("a login and then idle", UNDER_TLS LOGIN "T: 299\nC: NOOP\nS: 250*\n", .setup = fake_submission),
		ROW("several lines within the time", UNDER_TLS "C: AUTH LOGIN\nS: 334 *\nT: 40\nC: " USER "\nS: 334 *\nT: 20\nS: 421 4.4.2*\nX\n",
		    .setup = fake_submission),
		/* RFC 4954 5 */
		ROW("AUTH=", UNDER_TLS LOGIN "C: MAIL FROM:<u@here.test> AUTH=<>\nS: 250*\nC: RSET\nS: 250*\nC: MAIL FROM:<u@here.test> AUTH=e+3Dmc2@example.com\n"
		    "S: 250*\n", .setup = fake_submission),
		ROW("AUTH= wrong", UNDER_TLS LOGIN "C: MAIL FROM:<> AUTH=x\nS: 501 5.5.4*\nC: MAIL FROM:<> AUTH=a+3d@b.test\nS: 501 5.5.4*\nC: MAIL FROM:<> AUTH=a+\n"
		    "S: 501*\nC: MAIL FROM:<> AUTH\nS: 501*\nC: MAIL FROM:<> AUTH=<> AUTH=<>\nS: 501*\n", .setup = fake_submission, .check = check_nothing),
	};

	(void)state;
	rows_play(t, ARRAY_LEN(t));
}

static void begin(struct fake *f)
{
	fake_init(f);
	fake_submissions(f);
	f->env.error_limit = 100;
	fake_start(f, false);
	fake_send(f, SLICE_LIT("EHLO x\r\n"));
	buf_reset(&f->out);
}

static void long_lines(void **state)
{
	static uint8_t line[80000];
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	memset(line, 'A', sizeof(line));
	begin(&f);
	/* as long as RFC 4954 4 says, and not base64 of any sense */
	fake_send(&f, SLICE_LIT("AUTH PLAIN\r\n"));
	play_expect(&f.out, "long", SLICE_LIT("334 "));
	fake_send(&f, slice_of(line, 12288));
	fake_send(&f, SLICE_LIT("\r\n"));
	play_expect(&f.out, "long", SLICE_LIT("501 5.5.2*"));
	/* longer */
	fake_send(&f, SLICE_LIT("AUTH PLAIN\r\n"));
	play_expect(&f.out, "longer", SLICE_LIT("334 "));
	fake_send(&f, slice_of(line, 12289));
	fake_send(&f, SLICE_LIT("\r\n"));
	play_expect(&f.out, "longer", SLICE_LIT("500 5.5.6*"));
	fake_send(&f, SLICE_LIT("AUTH PLAIN\r\n"));
	play_expect(&f.out, "longest", SLICE_LIT("334 "));
	fake_send(&f, slice_of(line, 14000));
	fake_send(&f, SLICE_LIT("\r\n"));
	play_expect(&f.out, "longest", SLICE_LIT("500 5.5.6*"));
	/* as an initial response */
	fake_send(&f, SLICE_LIT("AUTH PLAIN "));
	fake_send(&f, slice_of(line, 12288));
	fake_send(&f, SLICE_LIT("\r\n"));
	play_expect(&f.out, "initial", SLICE_LIT("501 5.5.2*"));
	/* other commands are not longer for it */
	fake_send(&f, SLICE_LIT("NOOP "));
	fake_send(&f, slice_of(line, 1024));
	fake_send(&f, SLICE_LIT("\r\n"));
	play_expect(&f.out, "NOOP", SLICE_LIT("500 5.5.2 Line is too long"));
	/* without an end */
	fake_send(&f, SLICE_LIT("AUTH PLAIN\r\n"));
	play_expect(&f.out, "endless", SLICE_LIT("334 "));
	fake_send(&f, slice_of(line, sizeof(line)));
	play_expect(&f.out, "endless", SLICE_LIT("421 4.7.0*"));
	assert_int_equal(f.want, SMTP_WANT_CLOSE);
	assert_int_equal(f.logins, 0);
	fake_free(&f);
	log_capture(NULL);
}

/* What the client sent is not left in the owner's buffer. */
static void wiped(void **state)
{
	static const char *const lines[] = { "AUTH PLAIN " GOOD "\r\n", "AUTH PLAIN " WRONG "\r\n" };

	(void)state;
	log_capture(rows_quiet);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct fake f;
		size_t n = strlen(lines[i]);
		const uint8_t *where;

		begin(&f);
		buf_add_cstr(&f.in, lines[i]);
		where = f.in.p + f.in.off;
		fake_pump(&f);
		for (size_t k = 0; k < n - 2; k++)
			assert_row(i, where[k] == 0);
		fake_free(&f);
	}
	log_capture(NULL);
}

/* accountd answers late: nothing is taken meanwhile, no time runs, and the session may end. */
static void late(void **state)
{
	struct account_logged_in in = { .account = 7, .user = SLICE_LIT("u@here.test") }, nobody = { .account = 0 };
	struct fake f;

	(void)state;
	log_capture(rows_quiet);
	begin(&f);
	f.hold_login = true;
	fake_send(&f, SLICE_LIT("AUTH PLAIN " GOOD "\r\n"));
	assert_int_equal(f.want, SMTP_WANT_LOGIN);
	assert_int_equal(smtp_session_deadline(f.s), 0);
	assert_true(slice_eq_cstr(smtp_session_login(f.s)->secret, "secret"));
	assert_true(slice_eq_cstr(smtp_session_login(f.s)->addr, "192.0.2.9"));
	fake_send(&f, SLICE_LIT("NOOP\r\n"));
	assert_int_equal(buf_len(&f.out), 0);
	smtp_session_login_done(f.s, 0, account_logged_in_MSG, &in);
	fake_pump(&f);
	play_expect(&f.out, "late", SLICE_LIT("235*"));
	play_expect(&f.out, "late", SLICE_LIT("250*"));
	fake_free(&f);
	/* an answer that is none */
	begin(&f);
	f.hold_login = true;
	fake_send(&f, SLICE_LIT("AUTH PLAIN " GOOD "\r\n"));
	smtp_session_login_done(f.s, 0, account_logged_in_MSG, &nobody);
	play_expect(&f.out, "nobody", SLICE_LIT("454 4.7.0*"));
	fake_send(&f, SLICE_LIT("AUTH PLAIN " GOOD "\r\n"));
	smtp_session_login_done(f.s, ERR_CLOSED, 0, NULL);
	play_expect(&f.out, "closed", SLICE_LIT("454 4.7.0*"));
	/* freed in the middle, in both kinds of waiting */
	fake_send(&f, SLICE_LIT("AUTH PLAIN " GOOD "\r\n"));
	fake_free(&f);
	begin(&f);
	fake_send(&f, SLICE_LIT("AUTH PLAIN\r\n"));
	f.env.stopping = true;
	fake_pump(&f);
	play_expect(&f.out, "stop", SLICE_LIT("334 "));
	play_expect(&f.out, "stop", SLICE_LIT("421 4.3.2*"));
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
	log_capture(rows_quiet);
	fake_init(&f);
	logged[0] = '\0';
	smtp_session_free(&f.s);
	log_capture(keep);
	f.client.submission = true;
	f.env.starttls = true;
	f.s = smtp_session_new(&f.env, &f.client, &f.out);
	fake_start(&f, false);
	fake_send(&f, SLICE_LIT("STARTTLS\r\n"));
	fake_send(&f, SLICE_LIT("EHLO x\r\n"));
	fake_send(&f, SLICE_LIT("AUTH PLAIN " WRONG "\r\n"));
	fake_send(&f, SLICE_LIT("AUTH PLAIN " DOWN "\r\n"));
	fake_send(&f, SLICE_LIT("AUTH PLAIN !\r\n"));
	fake_send(&f, SLICE_LIT("AUTH PLAIN " GOOD "\r\n"));
	fake_send(&f, SLICE_LIT("MAIL FROM:<x@here.test>\r\n"));
	fake_send(&f, SLICE_LIT("MAIL FROM:<u@here.test>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n"));
	fake_send(&f, SLICE_LIT("From: u@here.test\r\nDate: x\r\nMessage-ID: <a@c>\r\n\r\n.\r\nQUIT\r\n"));
	smtp_session_lost(f.s);
	fake_free(&f);
	log_capture(NULL);
	assert_string_equal(logged,
	    "connect from unknown[192.0.2.9]\n"
	    "Anonymous TLS connection established from unknown[192.0.2.9]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
	    "warning: unknown[192.0.2.9]: SASL PLAIN authentication failed: authentication failure, sasl_username=u@here.test\n"
	    "warning: unknown[192.0.2.9]: SASL PLAIN authentication failed: Connection lost to authentication server, sasl_username=down@here.test\n"
	    "NOQUEUE: reject: AUTH from unknown[192.0.2.9]: 501 5.5.2 That is not base64; proto=ESMTPS helo=<x>\n"
	    "NOQUEUE: client=unknown[192.0.2.9], sasl_method=PLAIN, sasl_username=u@here.test, tls=TLSv1.3/TLS_AES_256_GCM_SHA384\n"
	    "NOQUEUE: reject: MAIL from unknown[192.0.2.9]: 553 5.7.1 <x@here.test>: Sender address rejected: not owned by user u@here.test; "
	    "from=<x@here.test> proto=ESMTPSA helo=<x>\n"
	    "ABC0000001: client=unknown[192.0.2.9], sasl_method=PLAIN, sasl_username=u@here.test, from=<u@here.test>, size=284, nrcpt=1, "
	    "message-id=<a@c>, proto=ESMTPSA, helo=<x>, id=5a5a5a5a5a5a, tls=TLSv1.3/TLS_AES_256_GCM_SHA384\n"
	    "disconnect from unknown[192.0.2.9] messages=1 ehlo=1 mail=1/2 rcpt=1 data=1 quit=1 starttls=1 auth=1/4 commands=7/11\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starttls),
		cmocka_unit_test(injection),
		cmocka_unit_test(stop_in_handshake),
		cmocka_unit_test(before_login),
		cmocka_unit_test(auth),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(wiped),
		cmocka_unit_test(late),
		cmocka_unit_test(log_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
