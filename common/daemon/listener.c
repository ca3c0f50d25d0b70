/* Accepting on a listening socket that master opened: the listener of conn.h. */
#include "common/daemon/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"

struct listener {
	struct loop *loop;
	struct loop_fd lfd;
	struct loop_timer timer;
	void (*fn)(void *, int);
	void *ctx;
	int fd;
	bool paused;
};

enum { ACCEPT_TURN = 64, ACCEPT_PAUSE_MS = 1000 };

static void accept_again(void *ctx)
{
	struct listener *ln = ctx;

	if (!ln->paused)
		loop_fd_set(ln->loop, &ln->lfd, LOOP_READ);
}

/* master ended it by shutdown(): a reload took this address away. */
static void listener_end(struct listener *ln)
{
	loop_timer_del(ln->loop, &ln->timer);
	loop_fd_del(ln->loop, &ln->lfd);
	(void)close(ln->fd);
	ln->fd = -1;
}

static void accept_ready(void *ctx, unsigned events)
{
	struct listener *ln = ctx;

	if ((events & LOOP_HUP) != 0) {
		listener_end(ln);
		return;
	}
	for (int i = 0; i < ACCEPT_TURN && !ln->paused; i++) {
		int fd = accept4(ln->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			ln->fn(ln->ctx, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (errno == EINVAL) {
			listener_end(ln);
			return;
		}
		log_warn("accept: errno=%d, pausing %d ms: more descriptors are needed", errno, ACCEPT_PAUSE_MS);
		loop_fd_set(ln->loop, &ln->lfd, 0);
		loop_timer_set(ln->loop, &ln->timer, ACCEPT_PAUSE_MS, accept_again, ln);
		return;
	}
}

struct listener *listener_new(struct loop *l, int fd, void (*fn)(void *, int), void *ctx)
{
	struct listener *ln = calloc(1, sizeof(*ln));

	if (ln == NULL)
		return NULL;
	ln->loop = l;
	ln->fd = fd;
	ln->fn = fn;
	ln->ctx = ctx;
	if (loop_fd_add(l, &ln->lfd, fd, LOOP_READ, accept_ready, ln) != 0) {
		free(ln);
		return NULL;
	}
	return ln;
}

void listener_pause(struct listener *ln)
{
	ln->paused = true;
	loop_fd_set(ln->loop, &ln->lfd, 0);
}

void listener_resume(struct listener *ln)
{
	ln->paused = false;
	loop_fd_set(ln->loop, &ln->lfd, LOOP_READ);
}

bool listener_ended(const struct listener *ln)
{
	return ln->fd < 0;
}

void listener_free(struct listener **ln)
{
	if (*ln == NULL)
		return;
	if ((*ln)->fd >= 0)
		listener_end(*ln);
	free(*ln);
	*ln = NULL;
}
