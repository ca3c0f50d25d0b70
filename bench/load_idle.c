/*
 * Sessions in IDLE. When all are there "READY" is printed; then each line "wake N" on standard input has N messages
 * given in, one after the other, each to the next user, and the time from its last byte to the EXISTS in each of the
 * user's sessions is taken. "WOKEN" is printed. The end of standard input ends all.
 */
#include <stdio.h>
#include <string.h>

#include "bench/load.h"

enum { PATIENCE_MS = 10000 };

unsigned idle_ready, idle_failed;
static unsigned to_wake, woken, round_user, round_no;
static bool ended;

void idle_command(const char *line)
{
	if (line == NULL)
		ended = true;
	else if (strncmp(line, "wake ", 5) == 0)
		to_wake = number_prefix(line + 5);
	tasks_wake_all();
}

bool idle_session(unsigned id)
{
	struct conn *c = imap_open(opt.host, id);
	struct imap_result r;
	unsigned tag = imap_next_tag(), seen = 0;
	char *line;

	conn_printf(c, "t%u SELECT INBOX\r\n", tag);
	imap_reply(c, tag, &r);
	if (!r.ok)
		task_fail("SELECT: %s", r.text);
	conn_printf(c, "t%u IDLE\r\n", imap_next_tag());
	do
		line = conn_line(c);
	while (line[0] != '+');
	idle_ready++;
	task_ready();
	while (!ended) {
		task_wait();
		while ((line = conn_line_now(c)) != NULL) {
			r.exists = 0;
			imap_untagged(line, &r);
			if (r.exists > 0 && seen != round_no && id % opt.users == round_user) {
				seen = round_no;
				woken++;
				sample("wakeup", last_sent_ns, conn_event_ns(c));
			}
		}
	}
	return false;
}

static void round_play(struct conn *c, bool pipelining)
{
	unsigned want = opt.conns / opt.users + (round_user < opt.conns % opt.users);
	uint64_t end = now_ns() + (uint64_t)PATIENCE_MS * 1000000;

	woken = 0;
	round_no++;
	smtp_send(c, pipelining, round_no, round_user, 1);
	while (woken < want && now_ns() < end)
		task_sleep_until(now_ns() + 2000000);
	if (woken < want) {
		(void)fprintf(stderr, "load: %u of %u sessions woke up\n", woken, want);
		idle_failed += want - woken;
	}
	round_user = (round_user + 1) % opt.users;
	task_sleep_until(now_ns() + 20000000);
}

bool idle_master(unsigned id)
{
	(void)id;
	task_ready();
	while (idle_ready + errors_total < opt.conns && !ended)
		task_sleep_until(now_ns() + 10000000);
	(void)printf("READY %u\n", idle_ready);
	(void)fflush(stdout);
	while (!ended) {
		task_sleep_until(now_ns() + 50000000);
		if (to_wake > 0) {
			bool pipelining;
			struct conn *c = smtp_open(opt.smtp, false, 0, &pipelining);

			for (; to_wake > 0; to_wake--)
				round_play(c, pipelining);
			smtp_quit(c);
			(void)printf("WOKEN\n");
			(void)fflush(stdout);
		}
	}
	loop_stop();
	return false;
}
