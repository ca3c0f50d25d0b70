/*
 * pabal-master: opens the ports, starts the other processes, restarts them,
 * stops them in order. It is root where they are not, and so it parses nothing
 * that comes from the network: only the configuration, its children's few
 * messages, and those of the pabal command at a socket of mode 0660.
 */
#include "config.h"

#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "master/dirs.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/usr/local/etc"
#endif

struct options {
	const char *file;
	bool foreground, test;
};

static const char usage[] = "usage: pabal-master [-FtV] [-c file]\n";

static int options_parse(int argc, char **argv, struct options *o)
{
	int ch;

	while ((ch = getopt(argc, argv, "c:FtV")) != -1) {
		switch (ch) {
		case 'c':
			o->file = optarg;
			break;
		case 'F':
			o->foreground = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'V':
			(void)printf("pabal-master %s\n", PACKAGE_VERSION);
			exit(0);
		default:
			(void)fputs(usage, stderr);
			return ERR_SYNTAX;
		}
	}
	if (optind != argc) {
		(void)fputs(usage, stderr);
		return ERR_SYNTAX;
	}
	return 0;
}

static int complain(struct buf *why, int r)
{
	if (buf_len(why) != 0)
		(void)fprintf(stderr, "pabal-master: %.*s\n", SLICE_ARG(buf_slice(why)));
	else
		(void)fprintf(stderr, "pabal-master: cannot start: %s\n", err_str(r));
	buf_free(why);
	return 1;
}

static int conf_read(struct master *m, const char *file)
{
	struct buf errors = BUF_INIT(1024 * 1024);
	int r = conf_load(&m->conf, file, &errors);

	if (r != 0 && buf_len(&errors) != 0)
		(void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&errors)));
	else if (r != 0)
		(void)fprintf(stderr, "pabal-master: %s: %s\n", file, err_str(r));
	buf_free(&errors);
	return r;
}

static int programs_check(struct buf *why)
{
	char path[4096];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < kinds_n; i++)
		r = kind_program(&kinds[i], path, sizeof(path), why);
	return r;
}

/* Everything that can be wrong with this host, before anything runs. *control_r: master's own socket. */
static int prepare(struct master *m, int *control_r, int *log_r, struct buf *why)
{
	int r;

	if ((r = programs_check(why)) != 0 || (r = dirs_prepare(m->conf, &m->ids, why)) != 0 ||
	    (r = dirs_lock(m->conf, &m->lock_fd, why)) != 0 || (r = dirs_unused(m->conf, why)) != 0 ||
	    (r = dirs_log_open(m->conf->log_file, log_r, why)) != 0 ||
	    (r = listen_open(&m->listening, m->conf, why)) != 0)
		return r;
	for (unsigned i = 0; r == 0 && i < kinds_n; i++)
		if (kinds[i].control)
			r = listen_control(m->conf->run_dir, kinds[i].role, m->ids.admin,
			    &m->control_fds[kinds[i].role], why);
	return r == 0 ? listen_control(m->conf->run_dir, ROLE_MASTER, m->ids.admin, control_r, why) : r;
}

/* Goes into the background; the foreground waits until all is ready. Returns in the background only. */
static void background(struct master *m)
{
	char byte = 0;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		(void)fprintf(stderr, "pabal-master: cannot go into the background: %s\n", strerror(errno));
		_exit(1);
	}
	if (pid == 0) {
		(void)close(fds[0]);
		m->ready_fd = fds[1];
		(void)setsid();
		return;
	}
	(void)close(fds[1]);
	while (read(fds[0], &byte, 1) < 0 && errno == EINTR)
		;
	if (byte == 2)
		(void)fprintf(stderr, "pabal-master: it runs as process %ld, but not all of its processes could be started; "
		    "the log says why\n", (long)pid);
	else if (byte == 0)
		(void)fprintf(stderr, "pabal-master: it ended while it started; the log says why\n");
	_exit(byte == 1 ? 0 : 1);
}

static void descriptors_raise(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

static int run(struct master *m, int control_fd)
{
	static const int signals[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT };
	int r;

	m->started_us = clock_wall_us();
	random_fill(m->secret, sizeof(m->secret));
	dirs_lock_pid(m->lock_fd, (long)getpid());
	log_info("starting version=%s file=%s hostname=%s", PACKAGE_VERSION, m->conf_file, m->conf->hostname);
	if (!m->ids.root)
		log_warn("not started as root: all processes run as uid %ld, without identities and root directories "
		    "of their own", (long)geteuid());
	m->loop = loop_new();
	if (m->loop == NULL)
		return ERR_NOMEM;
	if ((r = loop_signals(m->loop, signals, ARRAY_LEN(signals), master_signal, m)) != 0 ||
	    (r = control_start(m, control_fd)) != 0 || (r = master_start(m)) != 0 || (r = loop_run(m->loop)) != 0)
		return r;
	control_end(m);
	/* What was said last is still sent. */
	return loop_turn(m->loop, 0);
}

static void clean_up(struct master *m)
{
	for (unsigned i = 0; i < kinds_n; i++)
		if (kinds[i].control)
			listen_control_remove(m->conf->run_dir, kinds[i].role);
	listen_control_remove(m->conf->run_dir, ROLE_MASTER);
	dirs_lock_pid(m->lock_fd, 0);
}

static void streams_set(const struct master *m, int log_fd)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	if (m->conf->log_file[0] != '\0')
		(void)dup2(log_fd, STDERR_FILENO);
	(void)close(log_fd);
	for (unsigned i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i], m->conf->log_level) == 0)
			log_set_level((enum log_level)i);
}

int main(int argc, char **argv)
{
	static struct master m = { .lock_fd = -1, .ready_fd = -1 };
	struct options o = { .file = SYSCONFDIR "/pabal/pabal.conf" };
	struct buf why = BUF_INIT(65536);
	int control_fd = -1, log_fd = -1, r;

	log_init("master", 2);
	TAILQ_INIT(&m.children);
	TAILQ_INIT(&m.links);
	STAILQ_INIT(&m.listening);
	STAILQ_INIT(&m.waiting);
	TAILQ_INIT(&m.visitors);
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		m.control_fds[i] = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(022);
	if (options_parse(argc, argv, &o) != 0)
		return 2;
	/* The working directory is left. */
	m.conf_file = realpath(o.file, NULL);
	if (m.conf_file == NULL) {
		(void)fprintf(stderr, "pabal-master: the configuration %s cannot be read: %s\n", o.file, strerror(errno));
		return 1;
	}
	if (conf_read(&m, m.conf_file) != 0)
		return 1;
	if ((r = idents_resolve(&m.ids, m.conf, geteuid() == 0, &why)) != 0)
		return complain(&why, r);
	if (o.test) {
		(void)printf("%s is good\n", m.conf_file);
		return 0;
	}
	/* 0, 1 and 2 are to be something, or the first sockets would take their place. */
	while ((r = open("/dev/null", O_RDWR)) >= 0 && r <= STDERR_FILENO)
		;
	(void)close(r);
	descriptors_raise();
	if ((r = prepare(&m, &control_fd, &log_fd, &why)) != 0)
		return complain(&why, r);
	if (chdir("/") != 0)
		return complain(&why, ERR_IO);
	if (!o.foreground)
		background(&m);
	streams_set(&m, log_fd);
	r = run(&m, control_fd);
	clean_up(&m);
	if (r != 0)
		log_error("ending: %s", err_str(r));
	return r != 0;
}
