/*
 * Enters each kind of cell and tries to break out of it: each attempt in a
 * process of its own, with privileges (own uid, empty root) when started by
 * root, and without in any case. The cell must stop it by an error or kill the
 * process; what the kind is for must work.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/cellprobe.h"
#include "common/daemon/sandbox.h"

enum { CELL_UID = 64123, NOBODY = 65534, EXIT_NO_CELL = 9 };

static const struct { const char *name; unsigned allow; } kinds[] = {
	{ "thinker", 0 }, { "edge", CELL_NET_OUT }, { "owner", CELL_FILES }, { "owner-threads", CELL_FILES | CELL_THREADS },
};

static unsigned test_n, failed_n;
static char root[] = "/tmp/pabal-cell.XXXXXX";

static void report(bool good, const char *mode, const char *kind, const char *what, const char *got)
{
	failed_n += !good;
	(void)printf("%sok %u - %s %s: %s%s%s\n", good ? "" : "not ", ++test_n, mode, kind, what,
	    got != NULL ? " is " : "", got != NULL ? got : "");
}

/* A sibling of the same user that may be traced: only the cell is in the way. */
static pid_t victim_start(bool privileged)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (privileged && setuid(CELL_UID) != 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void cell_enter(unsigned allow, bool privileged)
{
	struct sandbox_conf c = { .name = "cell-probe", .allow = allow, .root = root,
	    .uid = privileged ? CELL_UID : (uid_t)-1, .gid = privileged ? CELL_UID : (gid_t)-1,
	    .nofile = 64, .privileged = privileged };

	if (chdir(root) != 0 || sandbox_enter(&c) != 0)
		_exit(EXIT_NO_CELL);
}

/* What everybody needs every day. */
static int everyday(void)
{
	char *p = malloc(1000), *q, r[16];
	struct timespec ts = { 0, 1000 };
	int fd = dup(1);

	if (p == NULL || fd < 0 || close(fd) != 0)
		return 1;
	memset(p, 1, 1000);
	if ((q = realloc(p, 8u << 20)) == NULL)
		return 2;
	memset(q, 2, 8u << 20);
	if ((p = realloc(q, 64u << 20)) == NULL || p[5] != 2)
		return 3;
	free(p);
	random_fill(r, sizeof(r));
	if (clock_mono_ms() == 0 || clock_wall_us() == 0 || nanosleep(&ts, NULL) != 0)
		return 4;
	if (kill(getpid(), 0) != 0 || raise(SIGCONT) != 0)
		return 5;
	return getuid() == 0 ? 6 : 0;
}

static int wait_for(pid_t pid)
{
	int st = 0;

	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	return st;
}

static void everyday_test(const char *mode, unsigned k, bool privileged)
{
	pid_t pid = fork();
	char got[64];
	int st;

	if (pid == 0) {
		cell_enter(kinds[k].allow, privileged);
		_exit(everyday());
	}
	st = wait_for(pid);
	(void)snprintf(got, sizeof(got), "exit %d signal %d", WIFEXITED(st) ? WEXITSTATUS(st) : -1,
	    WIFSIGNALED(st) ? WTERMSIG(st) : 0);
	report(WIFEXITED(st) && WEXITSTATUS(st) == 0, mode, kinds[k].name, "everyday work", got);
}

static void probe_test(const char *mode, unsigned k, const struct cell_probe *p, pid_t victim, bool privileged)
{
	bool want = (p->allow & kinds[k].allow) != 0;
	pid_t pid = fork();
	int st;

	if (pid == 0) {
		cell_enter(kinds[k].allow, privileged);
		_exit(p->fn(victim) == 0 ? CELL_ALLOWED : CELL_DENIED);
	}
	st = wait_for(pid);
	if (WIFSIGNALED(st) && WTERMSIG(st) == SIGSYS)
		report(!want, mode, kinds[k].name, p->name, "killed");
	else if (WIFEXITED(st) && WEXITSTATUS(st) <= CELL_DENIED)
		report(want == (WEXITSTATUS(st) == CELL_ALLOWED), mode, kinds[k].name, p->name,
		    cell_outcome_name((enum cell_outcome)WEXITSTATUS(st)));
	else
		report(false, mode, kinds[k].name, p->name, "not tried: no cell");
}

static void all_tests(const char *mode, bool privileged)
{
	pid_t victim = victim_start(privileged);

	for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
		everyday_test(mode, k, privileged);
		for (unsigned i = 0; i < cell_probes_n; i++) {
			/* An owner without privileges sees that a file exists, but cannot open it. */
			if (!privileged && (kinds[k].allow & CELL_FILES) != 0 && strcmp(cell_probes[i].name, "stat") == 0)
				continue;
			probe_test(mode, k, &cell_probes[i], victim, privileged);
		}
	}
	(void)kill(victim, SIGKILL);
	(void)wait_for(victim);
}

int main(void)
{
	bool is_root = getuid() == 0;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_ERROR);
	if (mkdtemp(root) == NULL || (is_root && chown(root, CELL_UID, CELL_UID) != 0)) {
		(void)printf("Bail out! no temporary directory\n");
		return 1;
	}
	if (is_root) {
		all_tests("privileged", true);
		if (chown(root, NOBODY, NOBODY) != 0 || setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
			(void)printf("Bail out! cannot become another user\n");
			return 1;
		}
	}
	all_tests("unprivileged", false);
	(void)rmdir(root);
	(void)printf("1..%u\n", test_n);
	return failed_n != 0;
}
