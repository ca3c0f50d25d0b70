#ifndef PABAL_BASE_CLOCK_H
#define PABAL_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Time and randomness come through here, so that a test can turn the clock and
 * fix the dice. Intervals and timeouts use the monotonic clock, dates and
 * lifetimes the wall clock.
 */
#define MS_PER_S 1000u

/* Milliseconds of a clock that never goes back. */
uint64_t clock_mono_ms(void);
/* Microseconds since 1970 UTC. */
uint64_t clock_wall_us(void);
/* Seconds since 1970 UTC. */
static inline uint64_t clock_wall_s(void) { return clock_wall_us() / 1000000u; }
/* Fills p with unpredictable bytes. Never fails. */
void random_fill(void *p, size_t n);
/* An even number below bound (bound > 0). */
uint32_t random_below(uint32_t bound);

/* For tests: NULL goes back to the system's. */
struct clock_ops {
	uint64_t (*mono_ms)(void);
	uint64_t (*wall_us)(void);
	void (*random)(void *p, size_t n);
};
void clock_set(const struct clock_ops *ops);

#endif
