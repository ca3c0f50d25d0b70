#ifndef PABAL_BASE_LOOP_H
#define PABAL_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * The event loop of every process: descriptors, timers, signals, and work that
 * is done once at the end of a turn. One thread; callbacks may add and remove
 * anything, themselves included. Time is clock_mono_ms(), read once a turn.
 */
struct loop;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HUP = 4 };    /* LOOP_HUP is only ever reported */

/* Embedded by its owner, which keeps it where it is until loop_fd_del(). */
struct loop_fd {
	int fd;
	unsigned events;
	void (*fn)(void *ctx, unsigned events);
	void *ctx;
	unsigned slot;          /* the loop's */
	unsigned armed;         /* what the system waits for: what is wanted, or more */
};

/* Embedded by its owner; zeroed before first use. */
struct loop_timer {
	uint64_t due_ms;
	void (*fn)(void *ctx);
	void *ctx;
	unsigned heap_pos;      /* the loop's: place + 1, 0 when not set */
};

/* Embedded by its owner; fn runs once after the callbacks of this turn, before the loop waits. */
struct loop_task {
	void (*fn)(void *ctx);
	void *ctx;
	struct loop_task *next;
	bool queued;
};

struct loop *loop_new(void);
void loop_free(struct loop **l);
/* Runs until loop_stop(). 0, or ERR_IO. */
int loop_run(struct loop *l) MUST_CHECK;
/* One turn: waits at most max_wait_ms (-1: until something happens) and runs what is due. */
int loop_turn(struct loop *l, int max_wait_ms) MUST_CHECK;
void loop_stop(struct loop *l);
/* The monotonic time of this turn in milliseconds. */
uint64_t loop_now(const struct loop *l);

int loop_fd_add(struct loop *l, struct loop_fd *f, int fd, unsigned events,
    void (*fn)(void *, unsigned), void *ctx) MUST_CHECK;
/* Changes the events waited for; 0 only reports errors and hang-ups. */
void loop_fd_set(struct loop *l, struct loop_fd *f, unsigned events);
/* No callback for it after this, not even for events of this turn. Does not close. */
void loop_fd_del(struct loop *l, struct loop_fd *f);

/* (Re)sets the timer to run fn in ms milliseconds. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ms, void (*fn)(void *), void *ctx);
void loop_timer_del(struct loop *l, struct loop_timer *t);
static inline bool loop_timer_active(const struct loop_timer *t) { return t->heap_pos != 0; }

void loop_task_add(struct loop *l, struct loop_task *t, void (*fn)(void *), void *ctx);
void loop_task_del(struct loop *l, struct loop_task *t);

/* Signals arrive as callbacks of the loop (signalfd); fn is told the number. */
int loop_signals(struct loop *l, const int *signals, unsigned n, void (*fn)(void *ctx, int sig), void *ctx) MUST_CHECK;

#endif
