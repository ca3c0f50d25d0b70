/* SMTP: sessions that give in mail, a sink that takes it, and TLS handshakes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/load.h"

unsigned next_message, accepted, rejected, handshakes;
uint64_t last_done_ns, last_sent_ns;

/* ---- the client ---- */

/* One reply; its last line to text. *pipelining, if any: whether a line of it offers that. */
static unsigned reply_look(struct conn *c, char text[160], bool *pipelining)
{
	for (;;) {
		char *line = conn_line(c);
		unsigned code = number_prefix(line);

		if (code < 200 || code > 599)
			task_fail("not a reply: %.80s", line);
		if (pipelining != NULL && strncasecmp(line + 4, "PIPELINING", 10) == 0)
			*pipelining = true;
		if (line[3] != '-') {
			(void)snprintf(text, 160, "%s", line);
			return code;
		}
	}
}

static unsigned reply(struct conn *c, char text[160])
{
	return reply_look(c, text, NULL);
}

static void expect(struct conn *c, unsigned class, const char *what)
{
	char text[160];

	if (reply(c, text) / 100 != class)
		task_fail("%s: %s", what, text);
}

static void base64(char *out, const unsigned char *in, size_t n)
{
	static const char a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)in[i] << 16 | (i + 1 < n ? (unsigned)in[i + 1] : 0) << 8 | (i + 2 < n ? in[i + 2] : 0);

		*out++ = a[v >> 18];
		*out++ = a[v >> 12 & 63];
		*out++ = i + 1 < n ? a[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? a[v & 63] : '=';
	}
	*out = '\0';
}

static void authenticate(struct conn *c, unsigned user)
{
	char name[100], plain[256], text[400];
	int n;

	pattern_fill(name, sizeof(name), opt.user, opt.first_user + user % opt.users);
	n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, name, 0, opt.pass);
	base64(text, (const unsigned char *)plain, (size_t)n);
	conn_printf(c, "AUTH PLAIN %s\r\n", text);
	expect(c, 2, "AUTH");
}

static void hello(struct conn *c, bool *pipelining)
{
	char text[160];

	*pipelining = false;
	conn_printf(c, "EHLO client.bench.test\r\n");
	if (reply_look(c, text, pipelining) != 250)
		task_fail("EHLO: %s", text);
}

struct conn *smtp_open(const char *address, bool tls, unsigned user, bool *pipelining)
{
	uint64_t t = now_ns();
	struct conn *c = tls ? conn_open(address) : conn_open_plain(address);

	expect(c, 2, "greeting");
	hello(c, pipelining);
	if (tls && opt.tls == TLS_STARTTLS) {
		conn_printf(c, "STARTTLS\r\n");
		expect(c, 2, "STARTTLS");
		conn_start_tls(c);
		hello(c, pipelining);
	}
	if (tls && opt.auth)
		authenticate(c, user);
	sample("connect", t, now_ns());
	return c;
}

/* The commands of a message, in a buffer of the caller's. */
static size_t envelope_make(char *out, size_t cap, unsigned first_rcpt, unsigned rcpts)
{
	size_t len = (size_t)snprintf(out, cap, "MAIL FROM:<%s>\r\n", opt.from);
	char to[200];

	for (unsigned i = 0; i < rcpts && len < cap; i++) {
		pattern_fill(to, sizeof(to), opt.rcpt, opt.first_user + (first_rcpt + i) % opt.users);
		len += (size_t)snprintf(out + len, cap - len, "RCPT TO:<%s>\r\n", to);
	}
	if (len < cap)
		len += (size_t)snprintf(out + len, cap - len, "DATA\r\n");
	if (len >= cap)
		die("too many recipients");
	return len;
}

/* Sends all commands at once, or each after the answer to the one before. Until 354. */
static void envelope_send(struct conn *c, bool pipelining, unsigned first_rcpt, unsigned rcpts)
{
	char commands[8192], text[160] = "", *p = commands;
	size_t len = envelope_make(commands, sizeof(commands), first_rcpt, rcpts);

	if (pipelining)
		conn_write(c, commands, len);
	for (unsigned i = 0; i < rcpts + 2; i++) {
		char *end = (char *)memchr(p, '\n', (size_t)(commands + len - p)) + 1;

		if (!pipelining)
			conn_write(c, p, (size_t)(end - p));
		if (reply(c, text) / 100 != (i == rcpts + 1 ? 3u : 2u))
			task_fail("%.*s: %s", (int)(end - p - 2), p, text);
		p = end;
	}
}

void smtp_send(struct conn *c, bool pipelining, unsigned serial, unsigned first_rcpt, unsigned rcpts)
{
	struct message m = { NULL, 0, 0 };	/* lost if the session fails below */
	char to[200], text[160];
	uint64_t sent;

	envelope_send(c, pipelining, first_rcpt, rcpts);
	pattern_fill(to, sizeof(to), opt.rcpt, opt.first_user + first_rcpt % opt.users);
	message_make(&m, serial, to);
	memcpy(m.text + m.len, ".\r\n", 3);	/* message_make() leaves room */
	conn_write(c, m.text, m.len + 3);
	free(m.text);
	sent = last_sent_ns = now_ns();
	if (reply(c, text) / 100 == 2) {
		last_done_ns = now_ns();
		accepted++;
		sample("final_reply", sent, last_done_ns);
	} else if (rejected++ == 0) {
		(void)fprintf(stderr, "load: a message was refused: %s\n", text);
	}
}

void smtp_quit(struct conn *c)
{
	conn_printf(c, "QUIT\r\n");
	expect(c, 2, "QUIT");
	conn_close(c);
}

static bool *in_message;			/* by client: a message was taken that has no answer yet */
static unsigned lost;				/* messages whose session broke under them */

static void session_failed(unsigned id)
{
	lost += in_message[id];
	in_message[id] = false;
}

bool smtp_all_answered(void)
{
	return accepted + rejected + lost >= opt.messages;
}

bool smtp_session(unsigned id)
{
	struct conn *c;
	bool pipelining;

	if (in_message == NULL) {
		in_message = xrealloc(NULL, opt.conns * sizeof(bool));
		memset(in_message, 0, opt.conns * sizeof(bool));
		task_failed = session_failed;
	}
	if (next_message >= opt.messages)
		return false;
	c = smtp_open(opt.host, true, id, &pipelining);
	task_ready();
	for (unsigned n = 0; next_message < opt.messages && (opt.per_conn == 0 || n < opt.per_conn); n++) {
		unsigned serial = next_message++;

		in_message[id] = true;
		if (opt.rate > 0)
			task_sleep_until(run_start_ns + serial * (uint64_t)1000000000 / opt.rate);
		smtp_send(c, pipelining, serial, serial * opt.rcpts, opt.rcpts);
		in_message[id] = false;
	}
	smtp_quit(c);
	return next_message < opt.messages;
}

/* ---- the sink ---- */

static bool is(const char *line, const char *verb)
{
	return strncasecmp(line, verb, 4) == 0;
}

/* Until the dot; what is dot-stuffed stays so, nobody reads it. */
static void sink_content(struct conn *c)
{
	char *line;

	conn_printf(c, "354 go on\r\n");
	do
		line = conn_line(c);
	while (strcmp(line, ".") != 0);
	last_done_ns = now_ns();
	conn_printf(c, "250 2.0.0 taken\r\n");
	if (++accepted == opt.messages)
		loop_stop();
}

void smtp_sink(struct conn *c)
{
	char out[4096];
	size_t n = 0;

	conn_printf(c, "220 sink.bench.test ESMTP\r\n");
	for (;;) {
		char *line = conn_line_now(c);

		if (line == NULL || n > sizeof(out) - 200) {	/* answers to pipelined commands in one write */
			conn_write(c, out, n);
			n = 0;
		}
		if (line == NULL)
			line = conn_line(c);
		if (is(line, "DATA")) {
			conn_write(c, out, n);
			n = 0;
			sink_content(c);
		} else if (is(line, "QUIT")) {
			conn_write(c, out, n);
			conn_printf(c, "221 2.0.0 bye\r\n");
			return;
		} else if (is(line, "EHLO")) {
			n += (size_t)snprintf(out + n, sizeof(out) - n, "250-sink.bench.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
		} else {
			n += (size_t)snprintf(out + n, sizeof(out) - n, "250 2.0.0 fine\r\n");
		}
	}
}

/* ---- handshakes ---- */

/* Up to the first answer under TLS, then away. */
bool handshake_session(unsigned id)
{
	uint64_t t = now_ns();
	struct conn *c;

	(void)id;
	if (next_message >= opt.messages)
		return false;
	next_message++;
	c = conn_open_plain(opt.host);
	if (opt.tls == TLS_STARTTLS) {
		(void)conn_line(c);
		conn_printf(c, strcmp(opt.proto, "smtp") == 0 ? "EHLO c.bench.test\r\n" : strcmp(opt.proto, "imap") == 0 ? "a STARTTLS\r\n" : "STLS\r\n");
		if (strcmp(opt.proto, "smtp") == 0) {
			expect(c, 2, "EHLO");
			conn_printf(c, "STARTTLS\r\n");
		}
		(void)conn_line(c);
	}
	conn_start_tls(c);
	if (opt.tls == TLS_STARTTLS)
		conn_printf(c, strcmp(opt.proto, "imap") == 0 ? "b NOOP\r\n" : "NOOP\r\n");
	(void)conn_line(c);
	task_ready();
	last_done_ns = now_ns();
	sample("handshake", t, last_done_ns);
	handshakes++;
	return true;
}
