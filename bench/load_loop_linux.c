/* Tasks and the loop. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "bench/load_internal.h"

enum { STACK = 64 * 1024, RETRIES = 3, TOLD = 10, EVENTS = 256 };

static struct task **tasks;
static unsigned task_count, task_cap, first_unstarted, live, starting, sleepers;
static ucontext_t loop_ctx;
static int epfd = -1;
static bool stopped, wake_all;
static struct conn stdin_conn;
static void (*stdin_fn)(const char *);

struct task *current;
void (*task_failed)(unsigned);
uint64_t run_start_ns;
unsigned errors_total;
bool timed_out;

/* ---- tasks ---- */

void task_wait(void)
{
	struct task *t = current;

	(void)swapcontext(&t->ctx, &loop_ctx);
}

void task_sleep_until(uint64_t ns)
{
	struct task *t = current;

	t->wake_ns = ns;
	sleepers++;
	while (now_ns() < t->wake_ns && !stopped)
		task_wait();
	t->wake_ns = 0;
	sleepers--;
}

void task_ready(void)
{
	if (current->starting) {
		current->starting = false;
		starting--;
	}
}

void tasks_wake_all(void)
{
	wake_all = true;
}

unsigned tasks_live(void)
{
	return live + (task_count - first_unstarted);
}

void task_fail(const char *fmt, ...)
{
	static unsigned told;
	va_list ap;

	if (told++ < TOLD) {
		va_start(ap, fmt);
		(void)fprintf(stderr, "load: client %u: ", current->id);
		(void)vfprintf(stderr, fmt, ap);
		(void)fputc('\n', stderr);
		va_end(ap);
	}
	current->failed = true;
	for (;;)
		task_wait();
}

static void task_main(void)
{
	bool more = true;

	while (more) {
		if (current->serve != NULL) {
			current->serve(current->served);
			more = false;
		} else {
			more = current->session(current->id);
		}
		while (current->conns != NULL)
			conn_close(current->conns);
	}
	current->done = true;
	for (;;)
		task_wait();
}

static void task_rewind(struct task *t)
{
	if (getcontext(&t->ctx) != 0)
		die("getcontext: %s", strerror(errno));
	t->ctx.uc_stack.ss_sp = t->stack;
	t->ctx.uc_stack.ss_size = STACK;
	t->failed = false;
	makecontext(&t->ctx, task_main, 0);
}

static struct task *task_new(void)
{
	struct task *t = xrealloc(NULL, sizeof(*t));

	memset(t, 0, sizeof(*t));
	t->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->stack == MAP_FAILED)
		die("no memory for a task");
	if (task_count == task_cap) {
		task_cap = task_cap > 0 ? task_cap * 2 : 64;
		tasks = xrealloc(tasks, task_cap * sizeof(struct task *));
	}
	tasks[task_count++] = t;
	task_rewind(t);
	return t;
}

void tasks_add(unsigned n, session_fn *fn)
{
	for (unsigned i = 0; i < n; i++) {
		struct task *t = task_new();

		t->id = i;
		t->session = fn;
	}
}

static void task_resume(struct task *t)
{
	bool again;

	if (t->done)
		return;
	do {
		again = false;
		current = t;
		(void)swapcontext(&loop_ctx, &t->ctx);
		if (t->failed) {
			errors_total++;
			if (task_failed != NULL)
				task_failed(t->id);
			if (t->wake_ns != 0)
				sleepers--;
			t->wake_ns = 0;
			while (t->conns != NULL)
				conn_close(t->conns);
			if (++t->failures < RETRIES && t->serve == NULL) {
				task_rewind(t);
				again = true;
			} else {
				t->done = true;
			}
		}
	} while (again);
	if (t->done) {
		task_ready();
		live--;
		if (t->serve != NULL) {			/* not kept: a sink may see very many */
			(void)munmap(t->stack, STACK);
			t->stack = NULL;
		}
	}
	current = NULL;
}

static void tasks_start(void)
{
	while (first_unstarted < task_count && starting < opt.ramp && !stopped) {
		struct task *t = tasks[first_unstarted++];

		if (t->started)
			continue;
		t->started = t->starting = true;
		starting++;
		live++;
		task_resume(t);
	}
}

static void tasks_forget(void)
{
	for (unsigned i = 0; i < task_count; i++) {
		current = tasks[i];
		while (tasks[i]->conns != NULL)
			conn_close(tasks[i]->conns);
		if (tasks[i]->stack != NULL)
			(void)munmap(tasks[i]->stack, STACK);
		free(tasks[i]);
	}
	current = NULL;
	task_count = first_unstarted = live = starting = sleepers = 0;
}

/* ---- the loop ---- */

void loop_init(void)
{
	if (epfd < 0 && (epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll_create1: %s", strerror(errno));
}

void loop_watch(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

void loop_stop(void)
{
	stopped = true;
}

void listen_on(const char *address, void (*serve)(struct conn *))
{
	socklen_t len;
	struct sockaddr_storage ss = address_parse(address, &len);
	struct conn *c = xrealloc(NULL, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	memset(c, 0, sizeof(*c));
	c->accept = serve;
	c->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(c->fd, (struct sockaddr *)&ss, len) != 0 || listen(c->fd, 1024) != 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("%s: %s", address, strerror(errno));
	live++;						/* the loop goes on without a client */
}

void stdin_watch(void (*fn)(const char *))
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &stdin_conn };

	stdin_fn = fn;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0)
		die("standard input: %s", strerror(errno));
}

static void stdin_read(void)
{
	char text[256], *p = text, *nl;
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n <= 0) {
		(void)epoll_ctl(epfd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		stdin_fn(NULL);
		return;
	}
	text[n] = '\0';
	for (; (nl = memchr(p, '\n', (size_t)(text + n - p))) != NULL; p = nl + 1) {
		*nl = '\0';
		stdin_fn(p);
	}
}

static void accept_one(struct conn *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct task *t;

	if (fd < 0)
		return;
	t = task_new();
	t->started = true;
	t->serve = listener->accept;
	t->served = conn_new(t, fd);
	live++;
	task_resume(t);
}

static void dispatch(const struct epoll_event *ev, int n)
{
	uint64_t now = now_ns();

	for (int i = 0; i < n; i++) {			/* the times first: what follows takes a while */
		struct conn *c = ev[i].data.ptr;

		if ((ev[i].events & ~(uint32_t)EPOLLOUT) != 0) {
			c->event_ns = now;
			c->drained = false;
		}
	}
	for (int i = 0; i < n && !stopped; i++) {
		struct conn *c = ev[i].data.ptr;

		if (c == &stdin_conn)
			stdin_read();
		else if (c->accept != NULL)
			accept_one(c);
		else if (c->fd >= 0)
			task_resume(c->owner);
	}
}

static void wake_sleepers(void)
{
	uint64_t now = now_ns();
	bool all = wake_all;

	wake_all = false;
	for (unsigned i = 0; (sleepers > 0 || all) && i < task_count && !stopped; i++)
		if (tasks[i]->started && (all || (tasks[i]->wake_ns != 0 && tasks[i]->wake_ns <= now)))
			task_resume(tasks[i]);
}

static int wait_ms(uint64_t deadline)
{
	uint64_t now = now_ns(), next = deadline;

	if (wake_all)
		return 0;
	for (unsigned i = 0; sleepers > 0 && i < task_count; i++)
		if (tasks[i]->wake_ns != 0 && tasks[i]->wake_ns < next)
			next = tasks[i]->wake_ns;
	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

void loop_run(void)
{
	struct epoll_event ev[EVENTS];
	uint64_t deadline;

	run_start_ns = now_ns();
	deadline = run_start_ns + (uint64_t)opt.timeout * 1000000000;
	stopped = false;
	tasks_start();
	while (live > 0 && !stopped) {
		int n = epoll_wait(epfd, ev, EVENTS, wait_ms(deadline));

		if (n > 0)
			dispatch(ev, n);
		if (now_ns() >= deadline) {
			timed_out = true;
			break;
		}
		wake_sleepers();
		tasks_start();
	}
	tasks_forget();
}
