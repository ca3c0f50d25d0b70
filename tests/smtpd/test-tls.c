/* The real smtpd process, with TLS: a client, and spoold, accountd and keyd that this test plays. */
#include "tests/lib/unit.h"

#include "common/base/clock.h"
#include "tests/lib/edge_keyd.h"
#include "tests/smtpd/fixture.h"

#define GOOD "AHVAaGVyZS50ZXN0AHNlY3JldA=="
#define WRONG "AHVAaGVyZS50ZXN0AHdyb25n"

/* The certificate comes when it comes: asks until STARTTLS is offered. */
static void wait_for_certificate(struct fixture *f)
{
	struct edge_client c;
	bool offered = false;

	for (unsigned i = 0; !offered && i < 1000; i++) {
		edge_connect(&f->e, &c);
		edge_hear(&c, "220 ");
		edge_say(&c, "STARTTLS\r\n");
		while (slice_chr(buf_slice(conn_in(c.c)), '\n') < 0)
			assert_int_equal(loop_turn(f->e.loop, 1000), 0);
		offered = slice_istarts(buf_slice(conn_in(c.c)), "220 ");
		edge_hang_up(&c);
	}
	assert_true(offered);
}

static void start(struct fixture *f, struct edge_keyd *t, enum conf_listen_service svc, const char *conf)
{
	fixture_start_service(f, svc == LISTEN_SUBMISSIONS ? LISTEN_SMTP : svc, conf);
	edge_keyd_start(t, &f->e);
	wait_for_certificate(f);
	if (svc == LISTEN_SUBMISSIONS)
		edge_listen(&f->e, svc);
}

static void end(struct fixture *f, struct edge_keyd *t)
{
	edge_keyd_end(t);
	fixture_end(f);
}

static void ehlo(struct edge_client *c, const char *extension)
{
	edge_say(c, "EHLO client.test\r\n");
	edge_hear(c, "250-mx.here.test");
	edge_hear(c, "250-PIPELINING");
	edge_hear(c, "250-SIZE ");
	edge_hear(c, "250-8BITMIME");
	edge_hear(c, "250-ENHANCEDSTATUSCODES");
	if (extension != NULL)
		edge_hear(c, extension);
	edge_hear(c, "250 HELP");
}

static void starttls(struct fixture *f, struct edge_keyd *t, struct edge_client *c)
{
	edge_connect(&f->e, c);
	edge_hear(c, "220 mx.here.test ESMTP");
	ehlo(c, "250-STARTTLS");
	edge_say(c, "STARTTLS\r\n");
	edge_hear(c, "220 2.0.0");
	edge_keyd_handshake(t, c);
}

static void implicit(struct fixture *f, struct edge_keyd *t, struct edge_client *c)
{
	edge_connect(&f->e, c);
	edge_keyd_handshake(t, c);
	edge_hear(c, "220 mx.here.test ESMTP");
}

#define AUTH_LINE "250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"

static bool body_has(const struct fixture *f, const char *text)
{
	return memmem(buf_slice(&f->body).p, buf_len(&f->body), text, strlen(text)) != NULL;
}

/* Port 25: a letter under TLS, a large one too. */
static void relay(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c;

	(void)state;
	start(&f, &t, LISTEN_SMTP, "body_inline_limit = 10k\n");
	starttls(&f, &t, &c);
	edge_say(&c, "MAIL FROM:<a@b.test>\r\n");
	edge_hear(&c, "503 5.5.1");
	ehlo(&c, NULL);
	fixture_to_data(&c);
	edge_say(&c, "Subject: x\r\n\r\nhello\r\n.\r\n");
	edge_hear(&c, "250 2.0.0 Ok: queued as");
	assert_true(body_has(&f, " with ESMTPS id ") && body_has(&f, "(using TLSv1.3 with cipher TLS_"));
	fixture_to_data(&c);
	fixture_say_lines(&c, 3000);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "250 2.0.0");
	assert_int_equal(f.files, 1);
	edge_say(&c, "AUTH PLAIN " GOOD "\r\n");
	edge_hear(&c, "503 5.5.1");
	edge_say(&c, "STARTTLS\r\n");
	edge_hear(&c, "503 5.5.1");
	edge_say(&c, "QUIT\r\n");
	edge_hear(&c, "221 ");
	edge_hear_close(&c);
	end(&f, &t);
}

static void submit(struct fixture *f, struct edge_client *c)
{
	edge_say(c, "MAIL FROM:<u@here.test>\r\n");
	edge_hear(c, "530 5.7.0");
	edge_say(c, "AUTH PLAIN " WRONG "\r\n");
	edge_hear(c, "535 5.7.8");
	edge_say(c, "AUTH PLAIN\r\n");
	edge_hear(c, "334 ");
	edge_say(c, GOOD "\r\n");
	edge_hear(c, "235 2.7.0");
	edge_say(c, "MAIL FROM:<x@here.test>\r\n");
	edge_hear(c, "553 5.7.1");
	edge_say(c, "MAIL FROM:<down@here.test>\r\n");
	edge_hear(c, "451 4.3.0");
	edge_say(c, "MAIL FROM:<u@here.test>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n");
	edge_hear(c, "250 2.1.0");
	edge_hear(c, "250 2.1.5");
	edge_hear(c, "354 ");
	edge_say(c, "From: alias@here.test\r\n\r\nhello\r\n.\r\n");
	edge_hear(c, "250 2.0.0 Ok: queued as");
	assert_true(body_has(f, " with ESMTPSA id ") && body_has(f, "\r\nDate: ") && body_has(f, "\r\nMessage-ID: <"));
	assert_int_equal(f->size, buf_len(&f->body));
	edge_say(c, "MAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n");
	edge_hear(c, "250 2.1.0");
	edge_hear(c, "250 2.1.5");
	edge_hear(c, "354 ");
	edge_say(c, "From: x@here.test\r\n\r\nhello\r\n.\r\n");
	edge_hear(c, "550 5.7.1");
	assert_int_equal(f->accepted, 1);
}

static void submission(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c;

	(void)state;
	start(&f, &t, LISTEN_SUBMISSION, "");
	starttls(&f, &t, &c);
	ehlo(&c, AUTH_LINE);
	submit(&f, &c);
	edge_hang_up(&c);
	end(&f, &t);
}

static void submissions(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c, talker;

	(void)state;
	start(&f, &t, LISTEN_SUBMISSIONS, "");
	implicit(&f, &t, &c);
	ehlo(&c, AUTH_LINE);
	submit(&f, &c);
	/* who does not speak TLS is told nothing that he could take for SMTP */
	edge_connect(&f.e, &talker);
	edge_say(&talker, "EHLO x\r\n");
	edge_wait(&f.e, &talker.closed, "the end");
	assert_true(!slice_istarts(buf_slice(conn_in(talker.c)), "220") && !slice_istarts(buf_slice(conn_in(talker.c)), "250"));
	edge_hang_up(&talker);
	edge_say(&c, "NOOP\r\n");
	edge_hear(&c, "250 ");
	edge_hang_up(&c);
	end(&f, &t);
}

/* Port 587 in the clear. */
static void in_the_clear(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c;

	(void)state;
	start(&f, &t, LISTEN_SUBMISSION, "");
	edge_connect(&f.e, &c);
	edge_hear(&c, "220 ");
	ehlo(&c, "250-STARTTLS");
	edge_say(&c, "AUTH PLAIN " GOOD "\r\n");
	edge_hear(&c, "538 5.7.11");
	edge_say(&c, "MAIL FROM:<u@here.test>\r\n");
	edge_hear(&c, "530 5.7.0");
	assert_false(f.did_login);
	edge_hang_up(&c);
	end(&f, &t);
	/* loopback, where that is allowed; there need not be any certificate */
	fixture_start_service(&f, LISTEN_SUBMISSION, "allow_plaintext_login = yes\nsubmission_hide_client = yes\n");
	edge_connect(&f.e, &c);
	edge_hear(&c, "220 ");
	ehlo(&c, "250-AUTH SCRAM-SHA-256 PLAIN LOGIN");
	edge_say(&c, "AUTH PLAIN " GOOD "\r\n");
	edge_hear(&c, "235 ");
	edge_say(&c, "MAIL FROM:<u@here.test>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n");
	edge_hear(&c, "250 2.1.0");
	edge_hear(&c, "250 2.1.5");
	edge_hear(&c, "354 ");
	edge_say(&c, ".\r\n");
	edge_hear(&c, "250 2.0.0");
	assert_true(body_has(&f, "Received: from unknown\r\n\tby mx.here.test with ESMTPA id ") && !body_has(&f, "127.0.0.1"));
	edge_hang_up(&c);
	fixture_end(&f);
}

/* RFC 3207 4.2 and CVE-2011-0411: what comes in the clear is no command under TLS. */
static void injection(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c;

	(void)state;
	start(&f, &t, LISTEN_SMTP, "");
	edge_connect(&f.e, &c);
	edge_hear(&c, "220 ");
	ehlo(&c, "250-STARTTLS");
	edge_say(&c, "STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b.test>\r\n");
	edge_hear(&c, "554 5.5.0");
	edge_hear_close(&c);
	/* what is there before the handshake breaks it, or is dropped: it is never answered */
	edge_connect(&f.e, &c);
	edge_hear(&c, "220 ");
	edge_say(&c, "STARTTLS\r\n");
	edge_hear(&c, "220 2.0.0");
	edge_say(&c, "EHLO evil\r\nMAIL FROM:<evil@b.test>\r\n");
	if (edge_keyd_try(&t, &c)) {
		edge_say(&c, "RCPT TO:<u@here.test>\r\n");
		edge_hear(&c, "503 5.5.1");
	}
	assert_int_equal(f.accepted, 0);
	assert_false(f.did_lookup);
	edge_hang_up(&c);
	end(&f, &t);
}

/* The client or accountd goes while a login is judged. */
static void broken_off(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c, d;

	(void)state;
	start(&f, &t, LISTEN_SUBMISSIONS, "");
	f.hold_login = true;
	implicit(&f, &t, &c);
	ehlo(&c, AUTH_LINE);
	edge_say(&c, "AUTH PLAIN " GOOD "\r\n");
	edge_wait(&f.e, &f.did_login, "the login");
	edge_hang_up(&c);
	f.did_login = false;
	implicit(&f, &t, &d);
	ehlo(&d, AUTH_LINE);
	edge_say(&d, "AUTH PLAIN " GOOD "\r\n");
	edge_wait(&f.e, &f.did_login, "the login");
	channel_close(f.e.account);
	edge_hear(&d, "454 4.7.0");
	edge_say(&d, "AUTH PLAIN " GOOD "\r\n");
	edge_hear(&d, "454 4.7.0");
	edge_hang_up(&d);
	end(&f, &t);
}

/* A handshake that never comes. */
static void no_handshake(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client idle;

	(void)state;
	start(&f, &t, LISTEN_SUBMISSIONS, "tls_handshake_timeout = 1s\n");
	edge_connect(&f.e, &idle);
	edge_wait(&f.e, &idle.closed, "the end of who says nothing");
	edge_hang_up(&idle);
	end(&f, &t);
}

/* Stop: 421 under TLS, and no wait for a handshake that does not come. */
static void stop(void **state)
{
	struct fixture f;
	struct edge_keyd t;
	struct edge_client c, half, idle;

	(void)state;
	start(&f, &t, LISTEN_SUBMISSION, "");
	starttls(&f, &t, &c);
	edge_connect(&f.e, &half);
	edge_hear(&half, "220 ");
	edge_say(&half, "STARTTLS\r\n");
	edge_hear(&half, "220 2.0.0");
	edge_listen(&f.e, LISTEN_SUBMISSIONS);
	edge_connect(&f.e, &idle);
	edge_say(&c, "NOOP\r\n");
	edge_hear(&c, "250 ");
	edge_stop_begin(&f.e);
	edge_hear(&c, "421 4.3.2");
	edge_hear_close(&c);
	edge_hear_close(&half);
	edge_wait(&f.e, &idle.closed, "the end");
	edge_hang_up(&idle);
	end(&f, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay),
		cmocka_unit_test(submission),
		cmocka_unit_test(submissions),
		cmocka_unit_test(in_the_clear),
		cmocka_unit_test(injection),
		cmocka_unit_test(broken_off), cmocka_unit_test(no_handshake),
		cmocka_unit_test(stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
