/* Dialogues of the SMTP client in memory: what the server says, what the client must have said, the outcomes. */
#include "tests/lib/unit.h"

#include "deliver/client.h"

#define HELLO_PLAIN "220 mx.test ESMTP\r\n250 mx.test\r\n"
#define HELLO_PIPE "220 mx.test ESMTP\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
#define HELLO_DSN "220 mx.test ESMTP\r\n250-mx.test\r\n250 DSN\r\n"
#define HELLO_TLS "220 mx.test ESMTP\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 5\r\n250 STARTTLS\r\n"
#define HELLO_AGAIN "250-mx.test\r\n250 STARTTLS\r\n"
#define HELLO_PIPE_AGAIN "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
#define HS "\001"
#define NO_HS "\002"
#define EHLO "EHLO us.test\r\n"
#define STARTTLS "STARTTLS\r\n"
#define M "MAIL FROM:<s@a.test>\r\n"
#define MS "MAIL FROM:<s@a.test> SIZE=11\r\n"
#define R1 "RCPT TO:<r1@b.test>\r\n"
#define R2 "RCPT TO:<r2@b.test>\r\n"
#define BODY "hi\r\n..dot\r\n.\r\n"

struct row {
	const char *name;
	unsigned rcpts;         /* 1, 2 */
	uint32_t flags;         /* of the body */
	uint64_t size;          /* 0: the true one */
	const char *server;     /* HS in between: the handshake, NO_HS: it fails */
	const char *client;     /* all it sends */
	const char *want;       /* outcomes "k status text" joined by "; ", then "!fail status text" */
};
struct tls_row { enum client_tls tls; struct row row; };

static const struct row rows[] = {
	{ "one recipient, nothing offered", 1, 0, 0,
	  HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: queued as X\r\n",
	  EHLO M R1 "DATA\r\n" BODY, "1 2.0.0 250 2.0.0 Ok: queued as X" },
	{ "pipelined", 2, 0, 0,
	  HELLO_PIPE "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO MS R1 R2 "DATA\r\n" BODY, "1 2.0.0 250 ok; 1 2.0.0 250 ok" },
	{ "8-bit content", 1, BODY_8BIT, 0,
	  HELLO_PIPE "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO "MAIL FROM:<s@a.test> SIZE=11 BODY=8BITMIME\r\n" R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" },
	{ "8-bit content and no 8BITMIME", 1, BODY_8BIT, 0, HELLO_PLAIN, EHLO,
	  "3 5.6.3 message has 8-bit content, server does not offer 8BITMIME" },
	{ "too big by SIZE", 2, 0, 2000000, HELLO_PIPE, EHLO,
	  "3 5.3.4 message size 2000000 exceeds size limit 1000000 of server; 3 5.3.4 message size 2000000 exceeds size limit 1000000 of server" },
	{ "SIZE without a number", 1, 0, 2000000,
	  "220 mx\r\n250-mx\r\n250 SIZE\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO "MAIL FROM:<s@a.test> SIZE=2000000\r\n" R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" },
	{ "HELO for an old server", 1, 0, 0,
	  "220 mx\r\n502 what\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO "HELO us.test\r\n" M R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" },
	{ "EHLO refused for now", 1, 0, 0, "220 mx\r\n451 4.7.1 later\r\n", EHLO, "0; !1 4.7.1 451 4.7.1 later" },
	{ "HELO refused", 1, 0, 0, "220 mx\r\n500 x\r\n550 5.7.1 go away\r\n", EHLO "HELO us.test\r\n",
	  "0; !1 4.7.1 550 5.7.1 go away" },
	{ "greeting 554", 1, 0, 0, "554 5.3.2 no mail here\r\n", "", "0; !1 4.3.2 554 5.3.2 no mail here" },
	{ "greeting 421", 1, 0, 0, "421 busy\r\n", "", "0; !2 4.0.0 421 busy" },
	{ "greeting that is none", 1, 0, 0, "250 hi\r\n", "",
	  "0; !3 4.5.0 bad reply while receiving the initial server greeting: unexpected code" },
	{ "not SMTP", 1, 0, 0, "SSH-2.0-OpenSSH_9.2\r\n", "",
	  "0; !3 4.5.0 bad reply while receiving the initial server greeting: not a reply code" },
	{ "our own greeting", 1, 0, 0, "220 US.test ESMTP\r\n", "",
	  "0; !5 5.4.6 mail loops back to myself: the host greets as us.test" },
	{ "our own EHLO", 1, 0, 0, "220 mx\r\n250-us.test hello\r\n250 SIZE\r\n", EHLO,
	  "0; !5 5.4.6 mail loops back to myself: the host greets as us.test" },
	{ "MAIL refused for good", 2, 0, 0, HELLO_PLAIN "550 5.7.1 not you\r\n", EHLO M,
	  "3 5.7.1 550 5.7.1 not you; 3 5.7.1 550 5.7.1 not you" },
	{ "MAIL refused, pipelined", 1, 0, 0,
	  HELLO_PIPE "451 4.3.0 later\r\n503 no mail\r\n503 no rcpt\r\n", EHLO MS R1 "DATA\r\n", "2 4.3.0 451 4.3.0 later" },
	{ "one refused, one taken", 2, 0, 0,
	  HELLO_PLAIN "250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO M R1 R2 "DATA\r\n" BODY, "3 5.1.1 550 5.1.1 no such user; 1 2.0.0 250 ok" },
	{ "none taken", 2, 0, 0, HELLO_PLAIN "250 ok\r\n450 4.2.1 busy\r\n551 no\r\n", EHLO M R1 R2,
	  "2 4.2.1 450 4.2.1 busy; 3 5.0.0 551 no" },
	{ "none taken, pipelined, and yet it wants content", 1, 0, 0,
	  HELLO_PIPE "250 ok\r\n550 no\r\n354 go\r\n554 no recipients\r\n", EHLO MS R1 "DATA\r\n.\r\n", "3 5.0.0 550 no" },
	{ "none taken, pipelined, and the empty content is taken", 1, 0, 0,
	  HELLO_PIPE "250 ok\r\n450 no\r\n354 go\r\n250 thanks\r\n", EHLO MS R1 "DATA\r\n.\r\n", "2 4.0.0 450 no" },
	{ "552 means too many", 2, 0, 0,
	  HELLO_PLAIN "250 ok\r\n250 ok\r\n552 too many\r\n354 go\r\n250 ok\r\n",
	  EHLO M R1 R2 "DATA\r\n" BODY, "1 2.0.0 250 ok; 2+ 4.0.0 552 too many" },
	{ "552 of a full mailbox", 1, 0, 0, HELLO_PLAIN "250 ok\r\n552 5.2.2 full\r\n", EHLO M R1, "3 5.2.2 552 5.2.2 full" },
	{ "452 too many", 2, 0, 0,
	  HELLO_PLAIN "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n250 ok\r\n",
	  EHLO M R1 R2 "DATA\r\n" BODY, "1 2.0.0 250 ok; 2+ 4.5.3 452 4.5.3 too many" },
	{ "452 of a full disk", 1, 0, 0, HELLO_PLAIN "250 ok\r\n452 4.3.1 disk\r\n", EHLO M R1, "2 4.3.1 452 4.3.1 disk" },
	{ "DATA refused", 2, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n550 no\r\n451 not now\r\n",
	  EHLO M R1 R2 "DATA\r\n", "2 4.0.0 451 not now; 3 5.0.0 550 no" },
	{ "content refused", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n554 5.6.0 spam\r\n",
	  EHLO M R1 "DATA\r\n" BODY, "3 5.6.0 554 5.6.0 spam" },
	{ "content too big", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n552 5.3.4 too big\r\n",
	  EHLO M R1 "DATA\r\n" BODY, "3 5.3.4 552 5.3.4 too big" },
	{ "421 in the middle", 2, 0, 0, HELLO_PLAIN "250 ok\r\n550 no\r\n421 4.3.2 shutting down\r\n", EHLO M R1 R2,
	  "3 5.0.0 550 no; 0; !2 4.3.2 421 4.3.2 shutting down" },
	{ "421 to the content is an answer", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n421 4.3.2 bye\r\n",
	  EHLO M R1 "DATA\r\n" BODY, "2 4.3.2 421 4.3.2 bye" },
	{ "lost in the middle", 2, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n", EHLO M R1 R2,
	  "0; 0; !4 4.4.2 lost connection while sending RCPT TO" },
	{ "lost after the dot", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n", EHLO M R1 "DATA\r\n" BODY,
	  "0; !4. 4.4.2 lost connection while sending end of data -- message may be sent more than once" },
	{ "354 to RCPT", 1, 0, 0, HELLO_PLAIN "250 ok\r\n354 go\r\n", EHLO M R1,
	  "0; !3 4.5.0 bad reply while sending RCPT TO: unexpected code" },
	{ "250 to DATA", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n250 ok\r\n", EHLO M R1 "DATA\r\n",
	  "0; !3 4.5.0 bad reply while sending DATA: unexpected code" },
	{ "354 to the content", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n354 go\r\n", EHLO M R1 "DATA\r\n" BODY,
	  "0; !3. 4.5.0 bad reply while sending end of data -- message may be sent more than once: unexpected code" },
	{ "DSN is passed on", 1, 0, 0, HELLO_DSN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO "MAIL FROM:<s@a.test> RET=HDRS ENVID=E1\r\n"
	  "RCPT TO:<r1@b.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@c.test\r\nDATA\r\n" BODY, "1 2.0.0 250 ok" },
	{ "bad reply line", 1, 0, 0, HELLO_PLAIN "250 ok\n", EHLO M,
	  "0; !3 4.5.0 bad reply while sending MAIL FROM: bare LF in a reply" },
};

/* RFC 3207 */
static const struct tls_row tls_rows[] = {
	{ CLIENT_TLS_MAY, { "TLS: all that was said before is forgotten", 1, 0, 0,
	  HELLO_TLS "220 go\r\n" HS HELLO_AGAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO STARTTLS EHLO M R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" } },
	{ CLIENT_TLS_MUST, { "TLS required, and there", 1, 0, 0,
	  HELLO_TLS "220 go\r\n" HS HELLO_PIPE_AGAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO STARTTLS EHLO MS R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" } },
	{ CLIENT_TLS_NEVER, { "TLS offered, not wanted", 1, 0, 1, HELLO_TLS "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO "MAIL FROM:<s@a.test> SIZE=1\r\n" R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" } },
	{ CLIENT_TLS_MAY, { "TLS wanted, not offered", 1, 0, 0, HELLO_PLAIN "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO M R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" } },
	{ CLIENT_TLS_MUST, { "TLS required, stripped", 1, 0, 0, HELLO_PIPE, EHLO, "0; !6 4.7.4 TLS is required, but was not offered by host" } },
	{ CLIENT_TLS_MUST, { "TLS required of an old server", 1, 0, 0, "220 mx\r\n502 what\r\n250 mx\r\n", EHLO "HELO us.test\r\n",
	  "0; !6 4.7.4 TLS is required, but was not offered by host" } },
	{ CLIENT_TLS_MUST, { "STARTTLS in the greeting is none", 1, 0, 0, "220 STARTTLS\r\n250 STARTTLS\r\n", EHLO,
	  "0; !6 4.7.4 TLS is required, but was not offered by host" } },
	{ CLIENT_TLS_MAY, { "STARTTLS refused for now", 1, 0, 1,
	  HELLO_TLS "454 4.7.0 not now\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO STARTTLS "MAIL FROM:<s@a.test> SIZE=1\r\n" R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" } },
	{ CLIENT_TLS_MUST, { "STARTTLS refused, required", 1, 0, 0, HELLO_TLS "501 5.5.4 no\r\n", EHLO STARTTLS,
	  "0; !6 4.7.4 TLS is required, but the host refused it: 501 5.5.4 no" } },
	{ CLIENT_TLS_MAY, { "STARTTLS answered 421", 1, 0, 0, HELLO_TLS "421 4.3.2 bye\r\n", EHLO STARTTLS, "0; !6 4.3.2 421 4.3.2 bye" } },
	{ CLIENT_TLS_MAY, { "STARTTLS answered 250", 1, 0, 0, HELLO_TLS "250 ok\r\n", EHLO STARTTLS,
	  "0; !3 4.5.0 bad reply while sending STARTTLS: unexpected code" } },
	{ CLIENT_TLS_MAY, { "STARTTLS answered with garbage", 1, 0, 0, HELLO_TLS "\026\003\003\r\n", EHLO STARTTLS,
	  "0; !3 4.5.0 bad reply while sending STARTTLS: not a reply code" } },
	{ CLIENT_TLS_MAY, { "lost at STARTTLS", 1, 0, 0, HELLO_TLS, EHLO STARTTLS, "0; !6 4.4.2 lost connection while sending STARTTLS" } },
	{ CLIENT_TLS_MAY, { "lost in the handshake", 1, 0, 0, HELLO_TLS "220 go\r\n", EHLO STARTTLS,
	  "0; !6 4.4.2 lost connection while performing the TLS handshake" } },
	{ CLIENT_TLS_MUST, { "the handshake fails", 1, 0, 0, HELLO_TLS "220 go\r\n" NO_HS, EHLO STARTTLS,
	  "0; !6 4.7.5 TLS handshake failed: certificate has expired" } },
	{ CLIENT_TLS_MUST, { "EHLO refused under TLS", 1, 0, 0,
	  HELLO_TLS "220 go\r\n" HS "500 what\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
	  EHLO STARTTLS EHLO "HELO us.test\r\n" M R1 "DATA\r\n" BODY, "1 2.0.0 250 ok" } },
	{ CLIENT_TLS_MAY, { "our own name under TLS", 1, 0, 0, HELLO_TLS "220 go\r\n" HS "250 us.test\r\n", EHLO STARTTLS EHLO,
	  "0; !5 5.4.6 mail loops back to myself: the host greets as us.test" } },
};

static const struct slice body = { (const uint8_t *)"hi\r\n.dot\r\n", 10 };

static void outcome(struct buf *got, const struct client_tx *tx, const struct client *c)
{
	for (uint32_t i = 0; i < tx->rcpts_n; i++) {
		const struct client_rcpt *r = &tx->rcpts[i];

		buf_addf(got, "%s%u%s", i != 0 ? "; " : "", r->kind, r->too_many ? "+" : "");
		if (r->kind != 0)
			buf_addf(got, " %s %.*s", r->status, SLICE_ARG(r->text));
	}
	if (c->fail != CLIENT_FAIL_NONE)
		buf_addf(got, "; !%d%s %s %s", (int)c->fail, c->after_dot ? "." : "", c->fail_status, c->fail_text);
}

/* The server's text comes in pieces of step bytes; sent gets what the client says. */
static void play(const struct row *row, enum client_tls tls, size_t step, struct buf *sent, struct buf *got)
{
	struct arena *a = arena_new(65536);
	struct client_rcpt rcpts[2] = {
		{ .addr = SLICE_LIT("r1@b.test"), .orcpt = SLICE_LIT("rfc822;o@c.test"), .notify = NOTIFY_FAILURE | NOTIFY_DELAY },
		{ .addr = SLICE_LIT("r2@b.test") } };
	struct client_tx tx = { .sender = SLICE_LIT("s@a.test"), .envid = SLICE_LIT("E1"), .ret = 2,
	    .size = row->size != 0 ? row->size : 11, .body_flags = row->flags, .rcpts = rcpts, .rcpts_n = row->rcpts, .arena = a };
	struct buf in = BUF_INIT(65536);
	size_t len = strlen(row->server), off = 0, n;
	enum client_event ev = CLIENT_MORE;
	bool end = false;
	struct client c;

	client_start(&c, SLICE_LIT("us.test"), tls);
	while (!end) {
		ev = ev == CLIENT_MORE ? client_step(&c, &in, sent) : ev;
		switch (ev) {
		case CLIENT_MORE:
			if (off == len) {
				client_lost(&c, "4.4.2", "lost connection");
				end = true;
				break;
			}
			n = strcspn(row->server + off, HS NO_HS);
			n = n < step ? n : step;
			buf_add(&in, row->server + off, n);
			off += n;
			assert_true(n != 0);
			break;
		case CLIENT_TLS:
			ev = CLIENT_MORE;
			assert_int_equal(client_step(&c, &in, sent), CLIENT_MORE);
			if (row->server[off] == HS[0])
				client_tls_started(&c, sent);
			else if (row->server[off] == NO_HS[0])
				client_tls_failed(&c, "certificate has expired");
			else
				client_lost(&c, "4.4.2", "lost connection");
			off += off != len;
			break;
		case CLIENT_READY:
			ev = client_begin(&c, &tx, sent);
			break;
		case CLIENT_BODY:
			for (size_t i = 0; i < body.len; i += step)
				client_body(&c, slice_sub(body, i, step), sent);
			client_body_end(&c, sent);
			ev = CLIENT_MORE;
			break;
		case CLIENT_TX_DONE:
		case CLIENT_FAILED:
		case CLIENT_CLOSED:
			end = true;
		}
	}
	outcome(got, &tx, &c);
	client_free(&c);
	buf_free(&in);
	arena_free(&a);
}

static void play_whole(size_t i, const struct row *row, enum client_tls tls)
{
	static const size_t steps[] = { 65536, 1 };

	for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
		struct buf sent = BUF_INIT(65536), got = BUF_INIT(65536);

		play(row, tls, steps[s], &sent, &got);
		assert_slice(i, buf_slice(&sent), row->client);
		assert_slice(i, buf_slice(&got), row->want);
		buf_free(&sent);
		buf_free(&got);
	}
}

/* Where TLS is not offered, it makes no difference that it would be taken. */
static void test_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		play_whole(i, &rows[i], CLIENT_TLS_NEVER);
		play_whole(i, &rows[i], CLIENT_TLS_MAY);
	}
}

static void test_tls_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tls_rows); i++)
		play_whole(i, &tls_rows[i].row, tls_rows[i].tls);
}

/* Bytes between the reply and the handshake: the session ends, whether TLS is wanted or required. */
static void test_starttls_injection(void **state)
{
	static const char *const behind[] = { "250 injected\r\n", "2", "\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(behind) * 2; i++) {
		struct buf in = BUF_INIT(65536), out = BUF_INIT(65536);
		struct client c;

		client_start(&c, SLICE_LIT("us.test"), i % 2 == 0 ? CLIENT_TLS_MAY : CLIENT_TLS_MUST);
		buf_add_cstr(&in, HELLO_TLS "220 go\r\n");
		buf_add_cstr(&in, behind[i / 2]);
		assert_row(i, client_step(&c, &in, &out) == CLIENT_FAILED);
		assert_slice(i, buf_slice(&out), EHLO STARTTLS);
		assert_row(i, c.fail == CLIENT_FAIL_INJECTION && c.fail_status[0] == '4');
		client_tls_started(&c, &out);
		assert_row(i, !c.secure && client_step(&c, &in, &out) == CLIENT_FAILED);
		client_free(&c);
		buf_free(&in);
		buf_free(&out);
	}
}

/* Several transactions on one connection: RSET only where the server may still have one open. */
static void test_reuse(void **state)
{
	struct arena *a = arena_new(65536);
	struct client_rcpt r = { .addr = SLICE_LIT("r1@b.test") };
	struct client_tx tx = { .sender = SLICE_LIT("s@a.test"), .rcpts = &r, .rcpts_n = 1, .arena = a };
	struct buf in = BUF_INIT(65536), out = BUF_INIT(65536);
	struct client c;

	(void)state;
	client_start(&c, SLICE_LIT("us.test"), CLIENT_TLS_MAY);
	buf_add_cstr(&in, HELLO_PLAIN);
	assert_int_equal(client_step(&c, &in, &out), CLIENT_READY);
	assert_int_equal(client_begin(&c, &tx, &out), CLIENT_MORE);
	buf_add_cstr(&in, "250 ok\r\n550 no\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_TX_DONE);
	assert_int_equal(r.kind, OUTCOME_BOUNCED);
	r = (struct client_rcpt){ .addr = SLICE_LIT("r1@b.test") };
	buf_reset(&out);
	assert_int_equal(client_begin(&c, &tx, &out), CLIENT_MORE);
	assert_slice(0, buf_slice(&out), "RSET\r\n");
	buf_add_cstr(&in, "250 ok\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_MORE);
	assert_slice(1, buf_slice(&out), "RSET\r\n" M);
	buf_add_cstr(&in, "250 ok\r\n250 ok\r\n354 go\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_BODY);
	client_body_end(&c, &out);
	buf_add_cstr(&in, "250 ok\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_TX_DONE);
	r = (struct client_rcpt){ .addr = SLICE_LIT("r1@b.test") };
	buf_reset(&out);
	assert_int_equal(client_begin(&c, &tx, &out), CLIENT_MORE);
	assert_slice(2, buf_slice(&out), M);
	buf_add_cstr(&in, "250 ok\r\n250 ok\r\n354 go\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_BODY);
	client_body_end(&c, &out);
	buf_add_cstr(&in, "250 ok\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_TX_DONE);
	buf_reset(&out);
	client_quit(&c, &out);
	assert_slice(3, buf_slice(&out), "QUIT\r\n");
	buf_add_cstr(&in, "221 bye\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_CLOSED);
	client_free(&c);
	/* A word that nobody asked for, while idle */
	client_start(&c, SLICE_LIT("us.test"), CLIENT_TLS_MAY);
	buf_add_cstr(&in, HELLO_PLAIN);
	assert_int_equal(client_step(&c, &in, &out), CLIENT_READY);
	buf_add_cstr(&in, "421 4.4.2 timeout\r\n");
	assert_int_equal(client_step(&c, &in, &out), CLIENT_FAILED);
	client_free(&c);
	buf_free(&in);
	buf_free(&out);
	arena_free(&a);
}

/* Whatever came through the envelope, no second command can come out of it. */
static void test_injection(void **state)
{
	static const struct { const char *sender, *rcpt, *want; } cases[] = {
		{ "s@a.test", "r\r\nRSET@b.test", "5.1.3" }, { "s@a.test", "r\xc3\xa9@b.test", "5.1.3" }, { "s@a.test", "", "5.1.3" },
		{ "s\nx@a.test", "r@b.test", "5.1.7" }, { "s@a.test", "r\x7f@b.test", "5.1.3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new(65536);
		struct client_rcpt r = { .addr = slice_cstr(cases[i].rcpt) };
		struct client_tx tx = { .sender = slice_cstr(cases[i].sender), .rcpts = &r, .rcpts_n = 1, .arena = a };
		struct buf in = BUF_INIT(65536), out = BUF_INIT(65536);
		struct client c;

		client_start(&c, SLICE_LIT("us.test"), CLIENT_TLS_MAY);
		buf_add_cstr(&in, HELLO_PIPE);
		assert_int_equal(client_step(&c, &in, &out), CLIENT_READY);
		assert_row(i, client_begin(&c, &tx, &out) == CLIENT_TX_DONE);
		assert_slice(i, buf_slice(&out), EHLO);
		assert_int_equal(r.kind, OUTCOME_BOUNCED);
		assert_string_equal(r.status, cases[i].want);
		client_free(&c);
		buf_free(&in);
		buf_free(&out);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_tls_dialogues),
		cmocka_unit_test(test_starttls_injection),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_injection),
	};

	return cmocka_run_group_tests_name("deliver/client", tests, NULL, NULL);
}
