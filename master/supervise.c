/* All processes together: start, readiness, the stop in its order. */
#include "config.h"

#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "master/notify.h"

enum { READY_WAIT_MS = 60000 };

void master_counts(const struct master *m, unsigned counts[ROLE_COUNT])
{
	memset(counts, 0, ROLE_COUNT * sizeof(counts[0]));
	for (unsigned i = 0; i < kinds_n; i++)
		counts[kinds[i].role] = kind_workers(m->conf, kinds[i].role);
}

/* Tells the process that waits in the foreground (1: good) and lets it go. */
static void foreground_tell(struct master *m, char byte)
{
	if (m->ready_fd < 0)
		return;
	if (write(m->ready_fd, &byte, 1) != 1)
		log_warn("nobody waits for the start");
	(void)close(m->ready_fd);
	m->ready_fd = -1;
}

static void ready_late(void *ctx)
{
	struct master *m = ctx;

	log_warn("not all processes are ready after %u s", READY_WAIT_MS / 1000);
	foreground_tell(m, 2);
}

int master_start(struct master *m)
{
	struct child *c;

	for (unsigned i = 0; i < kinds_n; i++)
		for (unsigned k = 0; k < kind_workers(m->conf, kinds[i].role); k++)
			if (child_new(m, &kinds[i], k) == NULL)
				return ERR_NOMEM;
	/* Everybody is linked with everybody before the first of them goes. */
	TAILQ_FOREACH(c, &m->children, entry)
		child_start(c);
	TAILQ_FOREACH(c, &m->children, entry)
		child_go(c);
	loop_timer_set(m->loop, &m->ready_timer, READY_WAIT_MS, ready_late, m);
	return 0;
}

static void starting_advance(struct master *m)
{
	bool cores = true, all = true, loop = false;
	const struct listen_sock *s;
	struct child *c;

	TAILQ_FOREACH(c, &m->children, entry) {
		bool ready = c->state == CHILD_READY || c->state == CHILD_GONE;

		all = all && ready;
		cores = cores && (ready || !c->kind->core);
		loop = loop || (!ready && backoff_is_loop(&c->backoff));
	}
	if (cores && !m->listeners_given) {
		m->listeners_given = true;
		TAILQ_FOREACH(c, &m->children, entry)
			STAILQ_FOREACH(s, &m->listening, entry)
				child_give_listener(c, s);
		STAILQ_FOREACH(s, &m->listening, entry)
			log_info("listening service=%s address=%s", listen_service_name(s->service), s->address);
	}
	if (all && !m->all_ready) {
		m->all_ready = true;
		m->state = MASTER_RUNNING;
		loop_timer_del(m->loop, &m->ready_timer);
		log_info("running: all processes are ready");
		notify_send("READY=1\nSTATUS=running\n");
		foreground_tell(m, 1);
	} else if (loop) {
		foreground_tell(m, 2);
	}
}

static void stop_done(struct master *m)
{
	log_info("stopped: %u of the processes had to be killed", m->killed);
	control_answer(m, false, true, m->killed != 0 ? "stopped; some processes did not end in time and were killed" : "stopped");
	loop_stop(m->loop);
}

static void stopping_advance(struct master *m)
{
	struct child *c;

	for (;;) {
		TAILQ_FOREACH(c, &m->children, entry)
			if (c->kind->stage <= m->stop_stage && c->state != CHILD_GONE)
				return;
		if (++m->stop_stage == STAGE_END)
			break;
		TAILQ_FOREACH(c, &m->children, entry)
			if (c->kind->stage == m->stop_stage && c->state != CHILD_STOPPING)
				child_stop(c);
	}
	stop_done(m);
}

void master_advance(struct master *m)
{
	if (m->state == MASTER_STOPPING) {
		if (m->stop_stage != STAGE_END)
			stopping_advance(m);
		return;
	}
	if (!m->all_ready)
		starting_advance(m);
	reload_advance(m);
}

void master_stop(struct master *m)
{
	struct child *c;

	if (m->state == MASTER_STOPPING)
		return;
	log_info("stopping");
	notify_send("STOPPING=1\nSTATUS=stopping\n");
	m->state = MASTER_STOPPING;
	m->killed = 0;
	m->stop_stage = STAGE_EDGES;
	loop_timer_del(m->loop, &m->ready_timer);
	loop_timer_del(m->loop, &m->reload_timer);
	if (m->reload_running)
		control_answer(m, true, false, "stopped while reloading");
	m->reload_running = false;
	foreground_tell(m, 2);
	listen_close(&m->listening);
	TAILQ_FOREACH(c, &m->children, entry) {
		/* Nobody is started again from here on. */
		if (c->pid == 0)
			child_stop(c);
	}
	TAILQ_FOREACH(c, &m->children, entry)
		if (c->kind->stage == STAGE_EDGES && c->state != CHILD_GONE && c->state != CHILD_STOPPING)
			child_stop(c);
	stopping_advance(m);
}

static void reap(struct master *m)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
		TAILQ_FOREACH(c, &m->children, entry)
			if (pid > 0 && c->pid == pid) {
				child_died(c, status);
				break;
			}
	}
}

void master_signal(void *ctx, int sig)
{
	struct master *m = ctx;
	struct child *c;

	switch (sig) {
	case SIGCHLD:
		reap(m);
		break;
	case SIGHUP:
		reload_start(m);
		break;
	default:
		if (m->state != MASTER_STOPPING) {
			master_stop(m);
			break;
		}
		log_warn("told to stop again: killing all processes");
		TAILQ_FOREACH(c, &m->children, entry)
			if (c->pid != 0)
				(void)kill(c->pid, SIGKILL);
		break;
	}
}
