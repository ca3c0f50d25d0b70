#include "control/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEMPORARY = 75 /* EX_TEMPFAIL */ };

struct program {
	struct loop *loop;
	pid_t pid;
	int fd;                         /* its standard output */
	struct loop_fd out;
	bool out_watched;
	struct loop_timer timer;
	char line[PROGRAM_LINE_MAX];
	size_t n;
	bool line_over;                 /* its end came, or it is too long */
	bool too_long, timed_out;
	program_done_fn *fn;
	void *ctx;
};

/* Up to the end of the first line; what comes behind is read and dropped. */
static void take(struct program *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n && !p->line_over; i++) {
		if (s[i] == '\n') {
			p->line_over = true;
		} else if (p->n == sizeof(p->line)) {
			p->line_over = p->too_long = true;
		} else {
			p->line[p->n++] = s[i];
		}
	}
}

static void on_output(void *ctx, unsigned events)
{
	struct program *p = ctx;
	char s[4096];
	ssize_t n;

	(void)events;
	while ((n = read(p->fd, s, sizeof(s))) > 0)
		take(p, s, (size_t)n);
	if ((n == 0 || (errno != EAGAIN && errno != EINTR)) && p->out_watched) {
		loop_fd_del(p->loop, &p->out);
		p->out_watched = false;
	}
}

static void on_time_over(void *ctx)
{
	struct program *p = ctx;

	p->timed_out = true;
	(void)kill(-p->pid, SIGKILL);
}

static void release(struct program *p)
{
	loop_timer_del(p->loop, &p->timer);
	if (p->out_watched)
		loop_fd_del(p->loop, &p->out);
	(void)close(p->fd);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

bool program_reap(struct program *p)
{
	struct slice line;
	int status, r;

	if (waitpid(p->pid, &status, WNOHANG) != p->pid)
		return false;
	on_output(p, 0);
	line = slice_of(p->line, p->n);
	if (line.len != 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (p->timed_out)
		r = ERR_TIMEOUT;
	else if (!WIFEXITED(status) || WEXITSTATUS(status) == TEMPORARY)
		r = ERR_AGAIN;
	else
		r = WEXITSTATUS(status) == 0 && line.len != 0 && !p->too_long ? 0 : ERR_DENIED;
	p->fn(p->ctx, r, r == 0 ? line : slice_of(NULL, 0));
	release(p);
	return true;
}

void program_kill(struct program **p)
{
	if (*p == NULL)
		return;
	(void)kill(-(*p)->pid, SIGKILL);
	while (waitpid((*p)->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	release(*p);
	*p = NULL;
}

static int spawn(struct program *p, const char *const *argv, const char *const *env, int in, int out)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	int e;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawn_file_actions_init(&fa) != 0)
		return ERR_NOMEM;
	if (posix_spawnattr_init(&at) != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return ERR_NOMEM;
	}
	e = posix_spawn_file_actions_adddup2(&fa, in, 0);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(&fa, out, 1);
	if (e == 0)
		e = posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (e == 0 && (e = posix_spawnattr_setsigmask(&at, &none)) == 0 && (e = posix_spawnattr_setsigdefault(&at, &all)) == 0)
		e = posix_spawnp(&p->pid, argv[0], &fa, &at, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&at);
	errno = e;
	return e == 0 ? 0 : ERR_IO;
}

/* A pipe holds the whole input, so nobody waits while it is written. */
static int start(struct program *p, const char *const *argv, const char *const *env, struct slice input)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	int r = ERR_IO, e;

	if (pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && fcntl(in[1], F_SETFL, O_NONBLOCK) == 0 &&
	    fcntl(out[0], F_SETFL, O_NONBLOCK) == 0 &&
	    (input.len == 0 || write(in[1], input.p, input.len) == (ssize_t)input.len))
		r = spawn(p, argv, env, in[0], out[1]);
	e = errno;
	if (in[0] >= 0) {
		(void)close(in[0]);
		(void)close(in[1]);
	}
	if (out[1] >= 0)
		(void)close(out[1]);
	if (r == 0 && (r = loop_fd_add(p->loop, &p->out, out[0], LOOP_READ, on_output, p)) != 0) {
		(void)kill(-p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	p->fd = out[0];
	p->out_watched = r == 0;
	if (r != 0 && out[0] >= 0)
		(void)close(out[0]);
	errno = e;
	return r;
}

int program_run(struct program **p_r, struct loop *l, const char *const *argv, const char *const *env, struct slice input,
    uint64_t timeout_ms, program_done_fn *fn, void *ctx)
{
	struct program *p;
	int r;

	if (input.len > PROGRAM_INPUT_MAX)
		return ERR_LIMIT;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return ERR_NOMEM;
	p->loop = l;
	p->fn = fn;
	p->ctx = ctx;
	if ((r = start(p, argv, env, input)) != 0) {
		free(p);
		return r;
	}
	loop_timer_set(l, &p->timer, timeout_ms, on_time_over, p);
	*p_r = p;
	return 0;
}
