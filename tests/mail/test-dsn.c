#include "config.h"

#include "tests/lib/unit.h"

#include "common/mail/dsn.h"
#include "common/mail/header.h"
#include "common/mail/summary.h"

static const char original[] = "From: abc@naver.test\r\nSubject: hello\r\n\r\nbody of it\r\n";

static struct dsn base(const struct dsn_recipient *rcpts, size_t n)
{
	return (struct dsn){
		.reporting_mta = SLICE_LIT("mx.naver.test"), .sender = SLICE_LIT("abc@naver.test"), .message_id = SLICE_LIT("1.2@mx.naver.test"),
		.boundary = SLICE_LIT("BOUND1"), .queue_id = SLICE_LIT("00000000FF"), .arrival = 1795544800, .now = 1795544900,
		.rcpts = rcpts, .rcpts_n = n, .original = slice_cstr(original), .original_max = 1000,
	};
}

static void failed(void **state)
{
	static const struct dsn_recipient rcpts[] = {
		{ .final = SLICE_LIT("def@daum.test"), .original = SLICE_LIT("rfc822;Def@daum.test"), .action = DSN_FAILED, .status = SLICE_LIT("5.1.1"),
		  .remote_mta = SLICE_LIT("mx.daum.test"), .diagnostic = SLICE_LIT("550 5.1.1 <def@daum.test>: no such user"), .last_attempt = 1795544850 },
		{ .final = SLICE_LIT("x@y.test"), .action = DSN_DELAYED, .status = SLICE_LIT("4.4.1"), .diagnostic = SLICE_LIT("connection refused"),
		  .will_retry_until = 1795976800 },
	};
	struct dsn d = base(rcpts, 2);
	struct buf b = BUF_INIT(100000);

	(void)state;
	d.envid = SLICE_LIT("env 1");
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_slice(0, buf_slice(&b),
	    "From: Mail Delivery System <MAILER-DAEMON@mx.naver.test>\r\nTo: <abc@naver.test>\r\n"
	    "Subject: Undelivered Mail Returned to Sender\r\nDate: Tue, 24 Nov 2026 18:28:20 +0000\r\n"
	    "Message-ID: <1.2@mx.naver.test>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"BOUND1\"\r\n\r\n"
	    "This is a report in MIME format about a message that you sent.\r\n\r\n"
	    "--BOUND1\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Description: Notification\r\n\r\n"
	    "This is the mail system at mx.naver.test.\r\n\r\n"
	    "Your message could not be delivered to these recipients:\r\n\r\n"
	    "  <def@daum.test>\r\n    host mx.daum.test said:\r\n    550 5.1.1 <def@daum.test>: no such user\r\n\r\n"
	    "Your message has not been delivered to these recipients yet. You need\r\nnot send it again: it stays here and is tried again.\r\n\r\n"
	    "  <x@y.test>\r\n    connection refused\r\n    It is tried again until Sun, 29 Nov 2026 18:26:40 +0000.\r\n\r\n"
	    "Its name in our logs is 00000000FF.\r\n"
	    "\r\n--BOUND1\r\nContent-Type: message/delivery-status\r\nContent-Description: Delivery report\r\n\r\n"
	    "Reporting-MTA: dns; mx.naver.test\r\nOriginal-Envelope-Id: env 1\r\nX-Pabal-Queue-ID: 00000000FF\r\n"
	    "Arrival-Date: Tue, 24 Nov 2026 18:26:40 +0000\r\n\r\n"
	    "Original-Recipient: rfc822;Def@daum.test\r\nFinal-Recipient: rfc822; def@daum.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
	    "Remote-MTA: dns; mx.daum.test\r\nDiagnostic-Code: smtp; 550 5.1.1 <def@daum.test>: no such user\r\n"
	    "Last-Attempt-Date: Tue, 24 Nov 2026 18:27:30 +0000\r\n\r\n"
	    "Final-Recipient: rfc822; x@y.test\r\nAction: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: X-Pabal; connection refused\r\n"
	    "Will-Retry-Until: Sun, 29 Nov 2026 18:26:40 +0000\r\n"
	    "\r\n--BOUND1\r\nContent-Type: text/rfc822-headers\r\nContent-Description: Headers of the message\r\n\r\n"
	    "From: abc@naver.test\r\nSubject: hello\r\n\r\n"
	    "\r\n--BOUND1--\r\n");
	buf_free(&b);
}

static bool contains(const struct buf *b, const char *text)
{
	return memmem(b->p, buf_len(b), text, strlen(text)) != NULL;
}

static void returns(void **state)
{
	static const struct dsn_recipient rcpt = { .final = SLICE_LIT("a@b"), .action = DSN_DELIVERED, .status = SLICE_LIT("2.0.0") };
	struct dsn d = base(&rcpt, 1);
	struct buf b = BUF_INIT(100000);

	(void)state;
	d.full = true;
	d.original_id = SLICE_LIT("orig@x");
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_true(contains(&b, "message/rfc822\r\n") && contains(&b, "body of it\r\n\r\n--BOUND1--"));
	assert_true(contains(&b, "Subject: Successful") && contains(&b, "In-Reply-To: <orig@x>\r\nReferences: <orig@x>\r\n"));
	assert_false(contains(&b, "8bit"));
	buf_reset(&b);
	d.original_max = 10;
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_true(contains(&b, "text/rfc822-headers\r\n") && !contains(&b, "body of it"));
	buf_reset(&b);
	d.original = SLICE_LIT("Subject: \xc3\xa4\r\n\r\n");
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_true(contains(&b, "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa4"));
	buf_reset(&b);
	d.original = SLICE_LIT("Subject: BOUND1\r\n\r\n");
	assert_int_equal(dsn_format(&b, &d), ERR_EXISTS);
	d.original = slice_of(NULL, 0);
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_false(contains(&b, "rfc822-headers"));
	buf_reset(&b);
	d.sender = SLICE_LIT("");
	assert_int_equal(dsn_format(&b, &d), ERR_STATE);
	assert_int_equal(buf_len(&b), 0);
	buf_free(&b);
}

/* A long header is cut at a line. */
static void long_header(void **state)
{
	static const struct dsn_recipient rcpt = { .final = SLICE_LIT("a@b"), .action = DSN_FAILED, .status = SLICE_LIT("5.0.0") };
	struct dsn d = base(&rcpt, 1);
	struct buf b = BUF_INIT(200000), o = BUF_INIT(200000);

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		buf_add_cstr(&o, "X-Field: text\r\n");
	d.original = buf_slice(&o);
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_true(buf_len(&b) < DSN_HEADER_MAX + 4000);
	assert_true(contains(&b, "X-Field: text\r\n\r\n--BOUND1--\r\n"));
	buf_free(&b);
	buf_free(&o);
}

/* What peers say adds no line, field or part, and no line is too long. */
static void hostile(void **state)
{
	static const char evil[] = "550 x\r\n\r\n--BOUND1\r\nEvil: y\r\n \x01\xff end";
	char longword[3000];
	struct dsn_recipient rcpts[2] = {
		{ .final = slice_cstr(evil), .original = slice_cstr(evil), .action = DSN_FAILED, .status = slice_cstr(evil),
		  .remote_mta = slice_cstr(evil), .diagnostic = slice_cstr(evil) },
		{ .final = SLICE_LIT("a@b"), .action = DSN_FAILED, .status = SLICE_LIT("5.0.0"), .diagnostic = slice_of(longword, sizeof(longword)) },
	};
	struct dsn d = base(rcpts, 2);
	struct arena *a = arena_new(1 << 20);
	struct buf b = BUF_INIT(100000);
	struct mail_summary s;
	size_t col = 0;

	(void)state;
	memset(longword, 'w', sizeof(longword));
	d.sender = d.envid = d.queue_id = d.reporting_mta = slice_cstr(evil);
	assert_int_equal(dsn_format(&b, &d), 0);
	assert_false(contains(&b, "\nEvil") || contains(&b, "\xff") || contains(&b, "\x01"));
	for (size_t i = 0; i < buf_len(&b); i++) {
		col = b.p[i] == '\n' ? 0 : col + 1;
		assert_true(col <= 999);
	}
	assert_int_equal(mail_summary_make(buf_slice(&b), a, &s), 0);
	assert_non_null(mail_summary_find(&s, SLICE_LIT("3")));
	assert_null(mail_summary_find(&s, SLICE_LIT("4")));
	buf_free(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failed),
		cmocka_unit_test(returns),
		cmocka_unit_test(long_header),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
