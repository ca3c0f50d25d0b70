/* POP3: everything in the mailbox is read. */
#include <string.h>

#include "bench/load.h"

unsigned retrieved;
uint64_t retrieved_bytes;

static void ok(struct conn *c, const char *what)
{
	char *line = conn_line(c);

	if (strncmp(line, "+OK", 3) != 0)
		task_fail("%s: %.80s", what, line);
}

static unsigned lines_until_dot(struct conn *c)
{
	unsigned n = 0;

	while (strcmp(conn_line(c), ".") != 0)
		n++;
	return n;
}

bool pop3_session(unsigned id)
{
	uint64_t t = now_ns();
	struct conn *c = conn_open(opt.host);
	unsigned messages, asked = 0;
	char name[100];

	ok(c, "greeting");
	if (opt.tls == TLS_STARTTLS) {
		conn_printf(c, "STLS\r\n");
		ok(c, "STLS");
		conn_start_tls(c);
	}
	pattern_fill(name, sizeof(name), opt.user, opt.first_user + id % opt.users);
	conn_printf(c, "USER %s\r\n", name);
	ok(c, "USER");
	conn_printf(c, "PASS %s\r\n", opt.pass);
	ok(c, "PASS");
	sample("login", t, now_ns());
	task_ready();
	conn_printf(c, "UIDL\r\n");
	ok(c, "UIDL");
	messages = lines_until_dot(c);
	if (messages > opt.messages)
		messages = opt.messages;
	for (unsigned got = 0; got < messages; got++) {
		size_t before = conn_taken(c);

		for (; asked < messages && asked - got < opt.window; asked++)
			conn_printf(c, "RETR %u\r\n", asked + 1);
		t = now_ns();
		ok(c, "RETR");
		(void)lines_until_dot(c);
		sample("retr", t, now_ns());
		retrieved++;
		retrieved_bytes += conn_taken(c) - before;
	}
	last_done_ns = now_ns();
	conn_printf(c, "QUIT\r\n");
	ok(c, "QUIT");
	return false;
}
