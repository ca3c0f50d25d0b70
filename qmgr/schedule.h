#ifndef PABAL_QMGR_SCHEDULE_H
#define PABAL_QMGR_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/daemon/conf.h"

/*
 * When to try again, when to give up: pure functions. All times are seconds.
 *
 * Two clocks are used. "now" of the queue is queue_now(): the wall clock, but
 * never behind the one this process keeps, so that a wall clock that is set
 * back does not stop the queue. "steady" is the wall clock at the process's
 * start plus what the monotonic clock ran since: a wall clock that jumps
 * forward while we run ages no mail.
 */
struct queue_clock {
	uint64_t wall0_s, mono0_ms;
};

/* Starts the steady clock with these readings. */
void queue_clock_init(struct queue_clock *q, uint64_t wall_s, uint64_t mono_ms);
uint64_t queue_steady(const struct queue_clock *q, uint64_t mono_ms);
uint64_t queue_now(const struct queue_clock *q, uint64_t wall_s, uint64_t mono_ms);

/*
 * The time of the next try after `attempts` tries (at least 1) of a message of
 * that age. The wait starts at queue_backoff_min and doubles up to
 * queue_backoff_max, spread by up to a quarter with `random` (any 32 bits) so
 * that what failed together does not come back together; it always lies between
 * the two. A wait that would pass the end of the lifetime is cut to end there,
 * but not below queue_backoff_min.
 */
uint64_t retry_due(uint32_t attempts, uint64_t created, uint64_t now, const struct conf *conf, uint32_t random);

/*
 * Is a recipient that has just failed for the attempts-th time to be given up?
 * steady is queue_steady(). It must be older than queue_lifetime and have been
 * tried at least retry_min_tries() times: a clock that was wrong when this
 * process started, or a host that was switched off for a week, costs no mail
 * its fair number of tries.
 */
bool retry_expired(uint32_t attempts, uint64_t created, uint64_t steady, const struct conf *conf);
/* 5, or fewer when the lifetime has no room for them at the longest backoff. At least 1. */
uint32_t retry_min_tries(const struct conf *conf);

/* Is the sender to be told of the delay now (once a message)? */
bool delay_notice_due(uint64_t created, uint64_t steady, const struct conf *conf);

/*
 * The "now" to ask spoold with. next_due is what it said last (0: nothing waits).
 * Nothing can be due later than the longest backoff from now; if it is, the clock
 * was set back while no qmgr ran, and what is waiting is taken as due.
 */
uint64_t take_now(uint64_t now, uint64_t next_due, const struct conf *conf);
/* Milliseconds to wait before asking again, at most an hour; 0: now. next_due 0: UINT64_MAX. */
uint64_t take_wait_ms(uint64_t now, uint64_t next_due, const struct conf *conf);

#endif
