#ifndef PABAL_BASE_POLLER_H
#define PABAL_BASE_POLLER_H

#include <signal.h>
#include <stdbool.h>

/* What the system offers to wait with; used by loop.c alone. poller_linux.c: epoll and signalfd. */
struct poller;
struct poller_event { void *tag; unsigned events; };     /* LOOP_ bits */

struct poller *poller_new(void);
void poller_free(struct poller *p);
/* 0 or -1 and errno. */
int poller_set(struct poller *p, void *tag, int fd, unsigned events, bool is_new);
void poller_del(struct poller *p, int fd);
/* The number of events, 0 after wait_ms (-1: no limit) or a signal, -1 and errno. */
int poller_wait(struct poller *p, struct poller_event *ev, unsigned max, int wait_ms);
/* Blocks the signals and gives a descriptor that is readable when one came. */
int poller_signal_open(const sigset_t *set);
/* The next signal, or 0. */
int poller_signal_read(int fd);

#endif
