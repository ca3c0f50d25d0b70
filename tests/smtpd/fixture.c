#include "tests/lib/unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "tests/smtpd/dialogue.h"
#include "tests/smtpd/fixture.h"

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

static int on_login(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct fixture *f = ctx;
	struct account_login q;
	struct account_logged_in in;
	struct account_fail fail;
	int r;

	assert_int_equal(IPC_DECODE(m, account_login, NULL, &q), 0);
	f->did_login = true;
	if (f->hold_login)
		return 0;
	assert_true(slice_eq_cstr(q.addr, "127.0.0.1"));
	r = fake_login(&q, &in);
	if (r == 0) {
		IPC_REPLY(ch, account_logged_in, m->id, &in);
	} else {
		fail = (struct account_fail){ .code = (uint32_t)r, .text = SLICE_LIT("no") };
		IPC_REPLY(ch, account_fail, m->id, &fail);
	}
	return 0;
}

static int on_sender(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct account_sender q;
	struct account_ok ok;
	struct account_fail fail = { .code = (uint32_t)ERR_IO };

	(void)ctx;
	assert_int_equal(IPC_DECODE(m, account_sender, NULL, &q), 0);
	if (fake_sender(&q) == SMTP_SENDER_TEMPFAIL) {
		IPC_REPLY(ch, account_fail, m->id, &fail);
		return 0;
	}
	ok.value = fake_sender(&q) == SMTP_SENDER_OWN;
	IPC_REPLY(ch, account_ok, m->id, &ok);
	return 0;
}

static const struct ipc_handler account_handlers[] = {
	{ account_lookup_MSG, on_lookup },
	{ account_login_MSG, on_login },
	{ account_sender_MSG, on_sender },
	{ 0, NULL },
};

static void spool_open(struct channel *ch, void *ctx)
{
	struct spool_state st = { .accepting = 1, .free_bytes = 1 << 30 };

	(void)ctx;
	IPC_SEND(ch, spool_state, 0, &st);
}

void fixture_start_service(struct fixture *f, enum conf_listen_service svc, const char *conf)
{
	memset(f, 0, sizeof(*f));
	f->file_fd = -1;
	f->body = BUF_INIT(1 << 21);
	f->e.spool_handlers = spool_handlers;
	f->e.account_handlers = account_handlers;
	f->e.spool_open = spool_open;
	f->e.ctx = f;
	edge_start(&f->e, "smtpd/smtpd", ROLE_SMTPD, svc, conf);
}

void fixture_start(struct fixture *f, const char *conf)
{
	fixture_start_service(f, LISTEN_SMTP, conf);
}

void fixture_end(struct fixture *f)
{
	assert_int_equal(edge_stop(&f->e), 0);
	if (f->file_fd >= 0)
		(void)close(f->file_fd);
	buf_free(&f->body);
}

void fixture_hello(struct fixture *f, struct edge_client *c)
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
void fixture_to_data(struct edge_client *c)
{
	edge_say(c, "MAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\nRCPT TO:<nobody@here.test>\r\nDATA\r\n");
	edge_hear(c, "250 2.1.0");
	edge_hear(c, "250 2.1.5");
	edge_hear(c, "550 5.1.1");
	edge_hear(c, "354 ");
}

void fixture_say_lines(struct edge_client *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		edge_say(c, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456\r\n");
}
