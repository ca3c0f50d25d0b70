/* The real smtpd process in its cell, between a client and a spoold and accountd that this test plays. */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "tests/lib/edge.h"
#include "tests/smtpd/dialogue.h"

struct fixture {
	struct edge e;
	unsigned accepted, files, dropped;
	bool closed_once;
	int accept_fail;         /* code, 0: accepts */
	bool die_at_accept;      /* closes the channel instead of an answer */
	bool read_only_file;
	int file_fd;
	struct buf body;
	uint64_t size;
	bool did_accept, did_drop, did_file, did_lookup;
};

static int on_accept(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_accepted ok = { .msgid = 0x1234567890u };
	struct spool_fail fail = { .code = (uint32_t)f->accept_fail };
	struct arena *a = arena_new(1 << 20);
	struct spool_accept acc;

	assert_int_equal(IPC_DECODE(m, spool_accept, a, &acc), 0);
	f->did_accept = true;
	buf_reset(&f->body);
	if (acc.body.file != 0) {
		static uint8_t big[1 << 20];
		ssize_t n = pread(f->file_fd, big, sizeof(big), 0);

		assert_true(n > 0);
		buf_add(&f->body, big, (size_t)n);
	} else {
		buf_add_slice(&f->body, acc.body.bytes);
	}
	f->size = acc.body.size;
	if (f->die_at_accept) {
		channel_close(ch);
	} else if (f->accept_fail != 0) {
		IPC_REPLY(ch, spool_fail, m->id, &fail);
	} else {
		f->accepted++;
		IPC_REPLY(ch, spool_accepted, m->id, &ok);
	}
	arena_free(&a);
	return 0;
}

static int on_body_file(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_body_file_reply r = { .file = 7 };
	char path[64];
	int fd;

	f->did_file = true;
	f->files++;
	if (f->file_fd >= 0)
		(void)close(f->file_fd);
	f->file_fd = memfd_create("body", MFD_CLOEXEC);
	assert_true(f->file_fd >= 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->file_fd);
	fd = open(path, (f->read_only_file ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	assert_true(fd >= 0);
	IPC_REPLY_FD(ch, spool_body_file_reply, m->id, &r, fd);
	return 0;
}

static int on_body_drop(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct spool_body_drop d;

	(void)ch;
	assert_int_equal(IPC_DECODE(m, spool_body_drop, NULL, &d), 0);
	assert_int_equal(d.file, 7);
	f->dropped++;
	f->did_drop = true;
	return 0;
}

static const struct ipc_handler spool_handlers[] = {
	{ spool_accept_MSG, on_accept },
	{ spool_body_file_MSG, on_body_file },
	{ spool_body_drop_MSG, on_body_drop },
	{ 0, NULL },
};

static int on_lookup(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	static const uint8_t kinds[] = { ADDRESS_LOCAL, ADDRESS_UNKNOWN, ADDRESS_REMOTE };
	struct account_lookup q;
	struct account_lookup_reply r;
	struct account_fail fail = { .code = (uint32_t)ERR_IO };
	enum smtp_lookup result;

	((struct fixture *)ctx)->did_lookup = true;
	assert_int_equal(IPC_DECODE(m, account_lookup, NULL, &q), 0);
	result = fake_lookup(q.address);
	if (result == SMTP_LOOKUP_TEMPFAIL) {
		IPC_REPLY(ch, account_fail, m->id, &fail);
		return 0;
	}
	r.kind = kinds[result];
	IPC_REPLY(ch, account_lookup_reply, m->id, &r);
	return 0;
}

static const struct ipc_handler account_handlers[] = {
	{ account_lookup_MSG, on_lookup },
	{ 0, NULL },
};

static void spool_open(struct channel *ch, void *ctx)
{
	struct spool_state st = { .accepting = 1, .free_bytes = 1 << 30 };

	(void)ctx;
	IPC_SEND(ch, spool_state, 0, &st);
}

static void start(struct fixture *f, const char *conf)
{
	memset(f, 0, sizeof(*f));
	f->file_fd = -1;
	f->body = BUF_INIT(1 << 21);
	f->e.spool_handlers = spool_handlers;
	f->e.account_handlers = account_handlers;
	f->e.spool_open = spool_open;
	f->e.ctx = f;
	edge_start(&f->e, "smtpd/smtpd", ROLE_SMTPD, LISTEN_SMTP, conf);
}

static void end(struct fixture *f)
{
	assert_int_equal(edge_stop(&f->e), 0);
	if (f->file_fd >= 0)
		(void)close(f->file_fd);
	buf_free(&f->body);
}

static void hello(struct fixture *f, struct edge_client *c)
{
	edge_connect(&f->e, c);
	edge_hear(c, "220 mx.here.test ESMTP");
	edge_say(c, "EHLO client.test\r\n");
	edge_hear(c, "250-mx.here.test");
	edge_hear(c, "250-PIPELINING");
	edge_hear(c, "250-SIZE ");
	edge_hear(c, "250-8BITMIME");
	edge_hear(c, "250-ENHANCEDSTATUSCODES");
	edge_hear(c, "250 HELP");
}

/* To where the content is expected. */
static void to_data(struct edge_client *c)
{
	edge_say(c, "MAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\nRCPT TO:<nobody@here.test>\r\nDATA\r\n");
	edge_hear(c, "250 2.1.0");
	edge_hear(c, "250 2.1.5");
	edge_hear(c, "550 5.1.1");
	edge_hear(c, "354 ");
}

static void say_lines(struct edge_client *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		edge_say(c, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456\r\n");
}

static void letters(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "body_inline_limit = 10k\nmessage_size_limit = 200k\n");
	hello(&f, &c);
	to_data(&c);
	edge_say(&c, "Subject: x\r\n\r\nhello\r\n.\r\n");
	edge_hear(&c, "250 2.0.0 Ok: queued as 1234567890");
	assert_int_equal(f.size, buf_len(&f.body));
	assert_int_equal(f.files, 0);
	/* one that needs a file */
	to_data(&c);
	say_lines(&c, 1500);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "250 2.0.0 Ok: queued as 1234567890");
	assert_int_equal(f.files, 1);
	assert_int_equal(f.size, buf_len(&f.body));
	assert_true(buf_len(&f.body) > 1500 * 99);
	assert_int_equal(f.dropped, 0);
	/* too large: the file is given back */
	to_data(&c);
	say_lines(&c, 3000);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "552 5.3.4");
	edge_wait(&f.e, &f.did_drop, "the file to be dropped");
	assert_int_equal(f.accepted, 2);
	edge_say(&c, "QUIT\r\n");
	edge_hear(&c, "221 2.0.0");
	edge_hear_close(&c);
	end(&f);
}

static void faults(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "body_inline_limit = 10k\n");
	hello(&f, &c);
	to_data(&c);
	f.accept_fail = ERR_FULL;
	edge_say(&c, "x\r\n.\r\n");
	edge_hear(&c, "452 4.3.1");
	f.accept_fail = ERR_IO;
	to_data(&c);
	edge_say(&c, "x\r\n.\r\n");
	edge_hear(&c, "451 4.3.0");
	/* a file that cannot be written */
	f.accept_fail = 0;
	f.read_only_file = true;
	to_data(&c);
	say_lines(&c, 400);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "451 4.3.0");
	edge_wait(&f.e, &f.did_drop, "the file to be dropped");
	f.read_only_file = false;
	/* spoold dies when it has the message, and comes back */
	f.die_at_accept = true;
	to_data(&c);
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
	end(&f);
}

static void spool_dies_with_file(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "body_inline_limit = 10k\n");
	hello(&f, &c);
	to_data(&c);
	say_lines(&c, 1500);
	edge_wait(&f.e, &f.did_file, "the wish for a file");
	channel_close(f.e.spool);
	edge_say(&c, ".\r\n");
	edge_hear(&c, "451 4.3.0");
	assert_int_equal(f.accepted, 0);
	edge_hang_up(&c);
	end(&f);
}

static void recipients(void **state)
{
	struct fixture f;
	struct edge_client c;

	(void)state;
	start(&f, "relay_from = 127.0.0.0/8\n");
	hello(&f, &c);
	edge_say(&c, "MAIL FROM:<>\r\nRCPT TO:<x@far.test>\r\n");
	edge_hear(&c, "250 2.1.0");
	edge_hear(&c, "250 2.1.5");
	edge_hang_up(&c);
	end(&f);
	start(&f, "");
	hello(&f, &c);
	edge_say(&c, "MAIL FROM:<>\r\nRCPT TO:<down@here.test>\r\nRCPT TO:<x@far.test>\r\nRCPT TO:<postmaster>\r\n");
	edge_hear(&c, "250 2.1.0");
	edge_hear(&c, "451 4.3.0");
	edge_hear(&c, "550 5.7.1");
	edge_hear(&c, "250 2.1.5");
	channel_close(f.e.account);
	edge_say(&c, "RCPT TO:<u@here.test>\r\n");
	edge_hear(&c, "451 4.3.0");
	edge_hang_up(&c);
	end(&f);
}

/* The client is gone while its message is being accepted: it is accepted, and nothing leaks. */
static void client_leaves(void **state)
{
	struct fixture f;
	struct edge_client c, d;

	(void)state;
	start(&f, "");
	hello(&f, &c);
	to_data(&c);
	edge_say(&c, "x\r\n.\r\nQUIT\r\n");
	edge_wait(&f.e, &f.did_accept, "ACCEPT");
	edge_hang_up(&c);
	hello(&f, &d);
	edge_say(&d, "QUIT\r\n");
	edge_hear(&d, "221 ");
	edge_hear_close(&d);
	assert_int_equal(f.accepted, 1);
	end(&f);
}

static void limits(void **state)
{
	struct fixture f;
	struct edge_client a, b, c;

	(void)state;
	start(&f, "connection_limit = 3\nconnection_limit_address = 2\nsmtp_timeout = 1s\n");
	edge_connect(&f.e, &a);
	edge_hear(&a, "220 ");
	edge_connect(&f.e, &b);
	edge_hear(&b, "220 ");
	edge_connect(&f.e, &c);
	edge_hear(&c, "421 4.7.0 mx.here.test too many connections from your address");
	edge_hear_close(&c);
	edge_hear(&a, "421 4.4.2 mx.here.test timeout exceeded");
	edge_hear_close(&a);
	edge_hear(&b, "421 4.4.2");
	edge_hear_close(&b);
	edge_connect(&f.e, &c);
	edge_hear(&c, "220 ");
	edge_hang_up(&c);
	end(&f);
}

/* A client that sends much and reads only then hears why it was sent away: no reset takes the reply from it. */
static void reason_arrives(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static uint8_t junk[256 * 1024];
	struct fixture f;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	start(&f, "");
	sin.sin_port = htons(f.e.port);
	for (unsigned i = 0; i < 5; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char text[512] = "";
		size_t n = 0;
		ssize_t k;

		assert_true(fd >= 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
		assert_true(recv(fd, text, 4, 0) > 0);    /* the banner: it is no early talker */
		assert_true(send(fd, "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL) == 16);
		for (unsigned part = 0; part < 64; part++)
			assert_int_equal(send(fd, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		while (n < sizeof(text) - 1 && (k = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0)
			n += (size_t)k;
		text[n] = '\0';
		assert_non_null(strstr(text, "521 5.7.0"));
		(void)close(fd);
	}
	end(&f);
}

/* Stop: 421 to who is idle, the end of the content for who is in it. */
static void stop(void **state)
{
	struct fixture f;
	struct edge_client idle, busy;

	(void)state;
	start(&f, "");
	hello(&f, &idle);
	hello(&f, &busy);
	to_data(&busy);
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
	end(&f);
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
