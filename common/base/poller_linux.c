#include "common/base/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/loop.h"

struct poller {
	int fd;
};

struct poller *poller_new(void)
{
	struct poller *p = malloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0) {
		free(p);
		return NULL;
	}
	return p;
}

void poller_free(struct poller *p)
{
	(void)close(p->fd);
	free(p);
}

int poller_set(struct poller *p, void *tag, int fd, unsigned events, bool is_new)
{
	struct epoll_event e = { 0 };

	e.events = ((events & LOOP_READ) != 0 ? (unsigned)EPOLLIN : 0) |
	    ((events & LOOP_WRITE) != 0 ? (unsigned)EPOLLOUT : 0);
	e.data.ptr = tag;
	return epoll_ctl(p->fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e);
}

void poller_del(struct poller *p, int fd)
{
	struct epoll_event e = { 0 };

	(void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, &e);
}

int poller_wait(struct poller *p, struct poller_event *ev, unsigned max, int wait_ms)
{
	struct epoll_event e[64];
	int n = epoll_wait(p->fd, e, max < 64 ? (int)max : 64, wait_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		unsigned got = e[i].events;

		ev[i].tag = e[i].data.ptr;
		ev[i].events = ((got & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 ? LOOP_READ : 0u) |
		    ((got & (EPOLLOUT | EPOLLERR)) != 0 ? LOOP_WRITE : 0u) |
		    ((got & (EPOLLHUP | EPOLLERR)) != 0 ? LOOP_HUP : 0u);
	}
	return n;
}

int poller_signal_open(const sigset_t *set)
{
	if (sigprocmask(SIG_BLOCK, set, NULL) != 0)
		return -1;
	return signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int poller_signal_read(int fd)
{
	struct signalfd_siginfo si;

	return read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si) ? (int)si.ssi_signo : 0;
}
