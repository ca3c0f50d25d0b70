/* IMAP: a script of steps, and APPEND. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

unsigned imap_next_tag(void)
{
	static unsigned tag;

	return ++tag;
}

/* Whether the line ends with the announcement of a literal. */
static bool literal_announced(const char *line, size_t *n_r)
{
	const char *open = strrchr(line, '{');
	size_t len = strlen(line);

	if (open == NULL || len < 3 || line[len - 1] != '}')
		return false;
	*n_r = number_prefix(open + 1);
	return true;
}

void imap_untagged(const char *line, struct imap_result *r)
{
	const char *p, *word;
	unsigned n;

	if (strncmp(line, "* ", 2) != 0)
		return;
	p = line + 2;
	n = number_prefix(p);
	if (*p >= '0' && *p <= '9' && (word = strchr(p, ' ')) != NULL) {
		r->fetches += strncmp(word, " FETCH", 6) == 0;
		if (strcmp(word, " EXISTS") == 0)
			r->exists = n;
	} else if (strncmp(p, "SEARCH", 6) == 0) {
		for (p += 6; *p != '\0'; p++)
			r->hits += p[0] == ' ' && p[1] >= '0' && p[1] <= '9';
	} else if (strncmp(p, "STATUS", 6) == 0 && (p = strstr(p, "MESSAGES ")) != NULL) {
		r->messages = number_prefix(p + 9);
	}
}

/* Up to the tagged response; literals are passed over. */
void imap_reply(struct conn *c, unsigned tag, struct imap_result *r)
{
	char want[16];
	size_t n = (size_t)snprintf(want, sizeof(want), "t%u ", tag), literal;
	bool continued = false;

	memset(r, 0, sizeof(*r));
	for (;;) {
		char *line = conn_line(c);

		if (!continued && strncmp(line, want, n) == 0) {
			r->ok = strncmp(line + n, "OK", 2) == 0;
			(void)snprintf(r->text, sizeof(r->text), "%s", line);
			return;
		}
		if (!continued)
			imap_untagged(line, r);
		if ((continued = literal_announced(line, &literal)))
			conn_skip(c, literal);
	}
}

/* A command and its answer, sampled under name. */
static void __attribute__((format(printf, 4, 5))) command(struct conn *c, const char *name, struct imap_result *r, const char *fmt, ...)
{
	unsigned tag = imap_next_tag();
	uint64_t t = now_ns();
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_printf(c, "t%u %s\r\n", tag, text);
	imap_reply(c, tag, r);
	if (!r->ok)
		task_fail("%s: %s", name, r->text);
	sample(name, t, now_ns());
}

struct conn *imap_open(const char *address, unsigned user)
{
	struct imap_result r;
	char name[100], *line;
	uint64_t t = now_ns();
	struct conn *c = conn_open(address);

	line = conn_line(c);
	if (strncmp(line, "* OK", 4) != 0)
		task_fail("greeting: %.80s", line);
	if (opt.tls == TLS_STARTTLS) {
		command(c, "-starttls", &r, "STARTTLS");
		conn_start_tls(c);
	}
	sample("connect", t, now_ns());
	pattern_fill(name, sizeof(name), opt.user, opt.first_user + user % opt.users);
	command(c, "login", &r, "LOGIN %s %s", name, opt.pass);
	return c;
}

/* ---- the script ---- */

struct player { struct conn *c; unsigned exists, loop, stores; };

static void fetch_all(struct player *p, const char *name, const char *items)
{
	struct imap_result r;

	command(p->c, name, &r, "FETCH 1:* %s", items);
	if (r.fetches < p->exists)
		task_fail("%s: %u of %u came", name, r.fetches, p->exists);
}

static void select_step(struct player *p)
{
	struct imap_result r;

	command(p->c, "select", &r, "SELECT INBOX");
	p->exists = r.exists;
}

static void bodies_step(struct player *p)
{
	struct imap_result r;

	for (unsigned i = 0; i < opt.max_body && p->exists > 0; i++)
		command(p->c, "body", &r, "FETCH %u BODY.PEEK[]", 1 + (unsigned)(random_next() % p->exists));
}

static void search_step(struct player *p, const char *name, const char *criteria)
{
	struct imap_result r;

	command(p->c, name, &r, "SEARCH %s", criteria);
}

static void search_needle(struct player *p, const char *name, const char *key)
{
	char criteria[200];
	struct imap_result r;

	(void)snprintf(criteria, sizeof(criteria), "%s \"%s\"", key, opt.needle);
	command(p->c, name, &r, "SEARCH %s", criteria);
	if (r.hits == 0)
		task_fail("%s finds nothing", name);
}

static void step(struct player *p, unsigned id, const char *s)
{
	struct imap_result r;
	char sign = p->loop % 2 == 0 ? '+' : '-';

	if (strcmp(s, "login") == 0) {
		if (p->c == NULL)
			p->c = imap_open(opt.host, id);
		task_ready();
	} else if (p->c == NULL) {
		die("a script begins with login");
	} else if (strcmp(s, "select") == 0) {
		select_step(p);
	} else if (strcmp(s, "close") == 0) {
		command(p->c, "close", &r, "UNSELECT");
	} else if (strcmp(s, "noop") == 0) {
		command(p->c, "noop", &r, "NOOP");
	} else if (strcmp(s, "status") == 0) {
		command(p->c, "status", &r, "STATUS INBOX (MESSAGES UNSEEN)");
	} else if (strcmp(s, "flags") == 0) {
		fetch_all(p, "flags", "(UID FLAGS)");
	} else if (strcmp(s, "envelope") == 0) {
		fetch_all(p, "envelope", "ENVELOPE");
	} else if (strcmp(s, "body") == 0) {
		bodies_step(p);
	} else if (strcmp(s, "store") == 0) {
		/* each changes all: what changes nothing is cheap */
		command(p->c, "store", &r, "STORE 1:* %cFLAGS.SILENT (\\Flagged)", p->stores++ % 2 == 0 ? '+' : '-');
	} else if (strcmp(s, "storeone") == 0) {
		command(p->c, "storeone", &r, "STORE %u %cFLAGS (\\Seen)", 1 + (unsigned)(random_next() % (p->exists + !p->exists)), sign);
	} else if (strcmp(s, "searchheader") == 0) {
		search_step(p, "searchheader", "HEADER Subject \"message 17\"");
	} else if (strcmp(s, "searchunseen") == 0) {
		search_step(p, "searchunseen", "UNSEEN");
	} else if (strcmp(s, "searchtext") == 0) {
		search_needle(p, "searchtext", "TEXT");
	} else if (strcmp(s, "searchbody") == 0) {
		search_needle(p, "searchbody", "BODY");
	} else if (strcmp(s, "logout") == 0) {
		command(p->c, "-logout", &r, "LOGOUT");
		conn_close(p->c);
		p->c = NULL;
	} else {
		die("unknown step '%s'", s);
	}
}

bool imap_session(unsigned id)
{
	struct player p = { 0 };

	for (; p.loop < opt.loops; p.loop++) {
		for (const char *s = opt.script; *s != '\0';) {
			size_t n = strcspn(s, ",");
			char word[32];

			(void)snprintf(word, sizeof(word), "%.*s", (int)n, s);
			step(&p, id, word);
			s += n + (s[n] == ',');
		}
	}
	last_done_ns = now_ns();
	return false;
}

/* ---- APPEND ---- */

static void append(struct conn *c, unsigned id, unsigned serial)
{
	struct message m = { NULL, 0, 0 };
	struct imap_result r;
	char to[200], *line;
	unsigned tag = imap_next_tag();
	uint64_t t = now_ns();

	pattern_fill(to, sizeof(to), opt.rcpt, opt.first_user + id % opt.users);
	message_make(&m, serial, to);
	memcpy(m.text + m.len, "\r\n", 2);		/* message_make() leaves room */
	conn_printf(c, "t%u APPEND INBOX {%zu}\r\n", tag, m.len);
	do
		line = conn_line(c);
	while (line[0] == '*');
	if (line[0] != '+')
		task_fail("APPEND: %.80s", line);
	conn_write(c, m.text, m.len + 2);
	free(m.text);
	imap_reply(c, tag, &r);
	if (!r.ok)
		task_fail("APPEND: %s", r.text);
	last_done_ns = now_ns();
	sample("append", t, last_done_ns);
	accepted++;
}

bool append_session(unsigned id)
{
	struct conn *c;

	if (next_message >= opt.messages)
		return false;
	c = imap_open(opt.host, id);
	task_ready();
	while (next_message < opt.messages)
		append(c, id, next_message++);
	return false;
}
