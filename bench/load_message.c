/* Messages, and folders full of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/load.h"

enum { LINE = 76, POOL_LINES = 16384 };

/* Random lines, made once; a body begins at any of them. Nothing in it can be compressed or deduplicated to speak of. */
static const char *pool(void)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char *text;
	char *p;

	if (text != NULL)
		return text;
	p = text = xrealloc(NULL, POOL_LINES * (LINE + 2));
	for (unsigned l = 0; l < POOL_LINES; l++) {
		uint64_t r = 0;

		for (unsigned i = 0; i < LINE; i++, r >>= 6) {
			if (i % 10 == 0)
				r = random_next();
			*p++ = alphabet[r & 63];
		}
		*p++ = '\r';
		*p++ = '\n';
	}
	return text;
}

void message_make(struct message *m, unsigned serial, const char *to)
{
	char date[64];
	time_t t = time(NULL);
	struct tm tm;
	int n;

	if (m->cap < opt.size + 2048u) {
		m->cap = opt.size + 2048u;
		m->text = xrealloc(m->text, m->cap);
	}
	(void)gmtime_r(&t, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	n = snprintf(m->text, m->cap, "Date: %s\r\nFrom: The Bench <%s>\r\nTo: <%s>\r\nSubject: message %u of the bench\r\n"
	    "Message-ID: <%016llx.%u@bench.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
	    "In this body lies needle-%08u.\r\n", date, opt.from, to, serial, (unsigned long long)random_next(), serial, serial);
	m->len = (size_t)n;
	while (m->len + LINE + 2 <= opt.size) {
		size_t line = random_next() % POOL_LINES, lines = (opt.size - m->len) / (LINE + 2);

		lines = lines > POOL_LINES - line ? POOL_LINES - line : lines;
		memcpy(m->text + m->len, pool() + line * (LINE + 2), lines * (LINE + 2));
		m->len += lines * (LINE + 2);
	}
	if (m->len + 3 <= opt.size) {
		memset(m->text + m->len, 'x', opt.size - m->len - 2);
		memcpy(m->text + opt.size - 2, "\r\n", 2);
		m->len = opt.size;
	}
}

/* Files as a delivery agent leaves them in a Maildir, but not flushed: the caller syncs once. */
void maildir_fill(void)
{
	struct message m = { NULL, 0, 0 };
	char path[512], to[128];

	for (unsigned i = 0; i < opt.messages; i++) {
		size_t len = 0;
		int fd;

		pattern_fill(to, sizeof(to), opt.rcpt, opt.first_user);
		message_make(&m, i, to);
		for (size_t k = 0; k < m.len; k++)	/* Maildir keeps bare LF */
			if (m.text[k] != '\r')
				m.text[len++] = m.text[k];
		(void)snprintf(path, sizeof(path), "%s/%lld.M%uP%d.bench", opt.dir, (long long)time(NULL), i, (int)getpid());
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, m.text, len) != (ssize_t)len || close(fd) != 0)
			die("%s: %s", path, strerror(errno));
	}
	free(m.text);
}
