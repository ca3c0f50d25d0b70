/* Waiting until mail has arrived, by looking at mailboxes again and again. */
#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "bench/load.h"

unsigned drain_seen;
uint64_t drain_done_ns;

static unsigned count_files(const char *pattern)
{
	unsigned n = 0;
	glob_t g;

	if (glob(pattern, GLOB_ONLYDIR, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		DIR *d = opendir(g.gl_pathv[i]);
		struct dirent *e;

		while (d != NULL && (e = readdir(d)) != NULL)
			n += e->d_name[0] != '.';
		if (d != NULL)
			(void)closedir(d);
	}
	globfree(&g);
	return n;
}

/* By one session per user that stays open for the task. */
static unsigned count_imap(struct conn **boxes)
{
	unsigned n = 0, first = 0;
	struct imap_result r;

	for (unsigned u = 0; u < opt.users; u++) {
		unsigned tag = imap_next_tag();

		if (u == 0)
			first = tag;
		conn_printf(boxes[u], "t%u STATUS INBOX (MESSAGES)\r\n", tag);
	}
	for (unsigned u = 0; u < opt.users; u++) {
		imap_reply(boxes[u], first + u, &r);
		n += r.messages;
	}
	return n;
}

static struct conn **boxes_open(void)
{
	static struct conn **boxes;
	enum tls_mode tls = opt.tls;

	boxes = xrealloc(boxes, opt.users * sizeof(struct conn *));
	opt.tls = TLS_OFF;
	for (unsigned u = 0; u < opt.users; u++)
		boxes[u] = imap_open(opt.drain_imap, u);
	opt.tls = tls;
	return boxes;
}

static unsigned count(struct conn **boxes)
{
	unsigned n = 0;

	if (opt.drain_imap != NULL)
		return count_imap(boxes);
	for (unsigned i = 0; i < opt.drain_dirs; i++)
		n += count_files(opt.drain_dir[i]);
	return n;
}

/*
 * What is there already is counted, then the clients start; when they have ended, mailboxes are looked at until all
 * that was taken is in them.
 */
bool drain_session(unsigned id)
{
	struct conn **boxes = opt.drain_imap != NULL ? boxes_open() : NULL;
	unsigned base = count(boxes);

	(void)id;
	task_ready();
	if (opt.gate) {
		(void)printf("READY\n");
		(void)fflush(stdout);
		while (getchar() > '\n')
			;
	}
	samples_pause(false);
	tasks_add(opt.conns, smtp_session);
	run_start_ns = now_ns();
	do
		task_sleep_until(now_ns() + 1000000);
	while (tasks_live() > 1 && !smtp_all_answered());
	samples_pause(true);
	for (;;) {
		uint64_t before = now_ns(), nap;

		drain_seen = count(boxes) - base;
		drain_done_ns = now_ns();
		if (drain_seen >= accepted * opt.rcpts) {
			loop_stop();
			return false;
		}
		nap = 15 * (drain_done_ns - before);	/* looking costs the server little */
		task_sleep_until(drain_done_ns + (nap < 3000000 ? 3000000 : nap));
	}
}
