/* The real smtpd process in its cell, between a client and a spoold and accountd that this test plays. */
#include "tests/lib/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/smtpd/fixture.h"

static void letters(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	fixture_start(&f, "body_inline_limit = 10k\nmessage_size_limit = 200k\n");
	fixture_hello(&f, &c);
	fixture_to_data(&c);
	edge_say(&c, "Subject: x\r\n\r\nhello\r\n.\r\n");
	edge_hear(&c, "250 2.0.0 Ok: queued as 1234567890");
	assert_int_equal(f.size, buf_len(&f.body));
	assert_int_equal(f.files, 0);
	/* one that needs a file */
	fixture_to_data(&c);
	fixture_say_lines(&c, 1500);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "250 2.0.0 Ok: queued as 1234567890");
	assert_int_equal(f.files, 1);
	assert_int_equal(f.size, buf_len(&f.body));
	assert_true(buf_len(&f.body) > 1500 * 99);
	assert_int_equal(f.dropped, 0);
	/* too large: the file is given back */
	fixture_to_data(&c);
	fixture_say_lines(&c, 3000);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "552 5.3.4");
	edge_wait(&f.e, &f.did_drop, "the file to be dropped");
	assert_int_equal(f.accepted, 2);
	edge_say(&c, "QUIT\r\n");
	edge_hear(&c, "221 2.0.0");
	edge_hear_close(&c);
	fixture_end(&f);
}

static void faults(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	fixture_start(&f, "body_inline_limit = 10k\n");
	fixture_hello(&f, &c);
	fixture_to_data(&c);
	f.accept_fail = ERR_FULL;
	edge_say(&c, "x\r\n.\r\n");
	edge_hear(&c, "452 4.3.1");
	f.accept_fail = ERR_IO;
	fixture_to_data(&c);
	edge_say(&c, "x\r\n.\r\n");
	edge_hear(&c, "451 4.3.0");
	/* a file that cannot be written */
	f.accept_fail = 0;
	f.read_only_file = true;
	fixture_to_data(&c);
	fixture_say_lines(&c, 400);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "451 4.3.0");
	edge_wait(&f.e, &f.did_drop, "the file to be dropped");
	f.read_only_file = false;
	/* spoold dies when it has the message, and comes back */
	f.die_at_accept = true;
	fixture_to_data(&c);
	edge_say(&c, "x\r\n.\r\n");
	edge_hear(&c, "451 4.3.0");
	edge_say(&c, "MAIL FROM:<a@b.test>\r\n");
	edge_hear(&c, "451 4.3.0");
	f.die_at_accept = false;
	edge_peer_new(&f.e, ROLE_SPOOLD);
	/* the new channel is taken up while the session goes on */
	for (;;) {
		edge_say(&c, "NOOP\r\nMAIL FROM:<a@b.test>\r\n");
		edge_hear(&c, "250 2.0.0");
		if (f.e.spool != NULL && channel_is_open(f.e.spool))
			break;
		edge_hear(&c, "451 4.3.0");
	}
	edge_hang_up(&c);
	fixture_end(&f);
}

static void spool_dies_with_file(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	fixture_start(&f, "body_inline_limit = 10k\n");
	fixture_hello(&f, &c);
	fixture_to_data(&c);
	fixture_say_lines(&c, 1500);
	edge_wait(&f.e, &f.did_file, "the wish for a file");
	channel_close(f.e.spool);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "451 4.3.0");
	assert_int_equal(f.accepted, 0);
	edge_hang_up(&c);
	fixture_end(&f);
}

static void recipients(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	fixture_start(&f, "relay_from = 127.0.0.0/8\n");
	fixture_hello(&f, &c);
	edge_say(&c, "MAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\n");
	edge_hear(&c, "250 2.1.0");
	edge_hear(&c, "250 2.1.5");
	edge_hang_up(&c);
	fixture_end(&f);
	fixture_start(&f, "");
	fixture_hello(&f, &c);
	edge_say(&c, "MAIL FROM:<>\r\nRCPT TO:<down@here.test>\r\nRCPT TO:<x@far.test>\r\nRCPT TO:<postmaster>\r\n");
	edge_hear(&c, "250 2.1.0");
	edge_hear(&c, "451 4.3.0");
	edge_hear(&c, "550 5.7.1");
	edge_hear(&c, "250 2.1.5");
	channel_close(f.e.account);
	edge_say(&c, "RCPT TO:<u@here.test>\r\n");
	edge_hear(&c, "451 4.3.0");
	edge_hang_up(&c);
	fixture_end(&f);
}

/* The client is gone while its message is being accepted: it is accepted, and nothing leaks. */
static void client_leaves(void **state)
{
	struct fixture f;
	struct edge_client c, d;

	(void)state;
	fixture_start(&f, "");
	fixture_hello(&f, &c);
	fixture_to_data(&c);
	edge_say(&c, "x\r\n.\r\nQUIT\r\n");
	edge_wait(&f.e, &f.did_accept, "ACCEPT");
	edge_hang_up(&c);
	fixture_hello(&f, &d);
	edge_say(&d, "QUIT\r\n");
	edge_hear(&d, "221 ");
	edge_hear_close(&d);
	assert_int_equal(f.accepted, 1);
	fixture_end(&f);
}

static void limits(void **state)
{
	struct fixture f;
	struct edge_client a, b, c;

	(void)state;
	fixture_start(&f, "connection_limit = 3\nconnection_limit_address = 2\n");
	edge_connect(&f.e, &a);
	edge_hear(&a, "220 ");
	edge_connect(&f.e, &b);
	edge_hear(&b, "220 ");
	edge_connect(&f.e, &c);
	edge_hear(&c, "421 4.7.0 mx.here.test too many connections from your address");
	edge_hear_close(&c);
	edge_hang_up(&a);
	edge_hang_up(&b);
	fixture_end(&f);
	/* Whose time is over makes room for others. */
	fixture_start(&f, "connection_limit = 1\nsmtp_timeout = 1s\n");
	edge_connect(&f.e, &a);
	edge_hear(&a, "220 ");
	edge_hear(&a, "421 4.4.2 mx.here.test timeout exceeded");
	edge_hear_close(&a);
	edge_connect(&f.e, &c);
	edge_hear(&c, "220 ");
	edge_hang_up(&c);
	fixture_end(&f);
}

/* A client that sends much and reads only then hears why it was sent away: no reset takes the reply from it. */
static void reason_arrives(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static uint8_t junk[256 * 1024];
	struct fixture f;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	memcpy(junk, "GET / HTTP/1.1\r\n", 16);    /* in one piece with what follows */
	fixture_start(&f, "");
	sin.sin_port = htons(f.e.port);
	for (unsigned i = 0; i < 5; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char text[512] = "";
		size_t n = 0;
		ssize_t k;

		assert_true(fd >= 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
		assert_true(recv(fd, text, 4, 0) > 0);    /* the banner: it is no early talker */
		for (unsigned part = 0; part < 64; part++)
			assert_int_equal(send(fd, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		while (n < sizeof(text) - 1 && (k = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0)
			n += (size_t)k;
		text[n] = '\0';
		assert_non_null(strstr(text, "521 5.7.0"));
		(void)close(fd);
	}
	fixture_end(&f);
}

/* Stop: 421 to who is idle, the end of the content for who is in it. */
static void stop(void **state)
{
	struct fixture f;
	struct edge_client idle, busy;

	(void)state;
	fixture_start(&f, "");
	fixture_hello(&f, &idle);
	fixture_hello(&f, &busy);
	fixture_to_data(&busy);
	edge_say(&busy, "x\r\n");
	edge_say(&idle, "NOOP\r\n");
	edge_hear(&idle, "250 ");
	edge_stop_begin(&f.e);
	edge_hear(&idle, "421 4.3.2");
	edge_hear_close(&idle);
	edge_say(&busy, ".\r\n");
	edge_hear(&busy, "250 2.0.0");
	edge_hear(&busy, "421 4.3.2");
	edge_hear_close(&busy);
	assert_int_equal(f.accepted, 1);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters),
		cmocka_unit_test(faults),
		cmocka_unit_test(spool_dies_with_file),
		cmocka_unit_test(recipients),
		cmocka_unit_test(client_leaves),
		cmocka_unit_test(limits),
		cmocka_unit_test(reason_arrives),
		cmocka_unit_test(stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
