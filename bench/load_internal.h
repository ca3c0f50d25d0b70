#ifndef PABAL_BENCH_LOAD_INTERNAL_H
#define PABAL_BENCH_LOAD_INTERNAL_H
/* What the loop and the connections know of each other. */
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <ucontext.h>

#include "bench/load.h"

struct task {
	ucontext_t ctx;
	session_fn *session;
	void (*serve)(struct conn *);		/* instead, for a connection that came in */
	struct conn *served, *conns;
	void *stack;
	uint64_t wake_ns;			/* 0: not asleep */
	unsigned id, failures;
	bool started, starting, failed, done;
};

struct conn {
	int fd;
	struct task *owner;
	struct conn *next;
	SSL *ssl;
	bool drained;				/* the last read got all there was */
	uint64_t event_ns;
	char *in;
	size_t start, end, cap, scanned, taken;
	void (*accept)(struct conn *);		/* a listening socket */
};

extern struct task *current;			/* the one that runs */

struct sockaddr_storage address_parse(const char *spec, socklen_t *len_r);
struct conn *conn_new(struct task *owner, int fd);
/* Edge-triggered, both ways. */
void loop_watch(struct conn *c);
#endif
