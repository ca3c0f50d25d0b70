#include "common/base/clock.h"

#include <bsd/stdlib.h>
#include <time.h>

static uint64_t sys_mono_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * MS_PER_S + (uint64_t)ts.tv_nsec / 1000000u;
}

static uint64_t sys_wall_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static const struct clock_ops sys_ops = { sys_mono_ms, sys_wall_us, arc4random_buf };
static const struct clock_ops *cur_ops = &sys_ops;

uint64_t clock_mono_ms(void)
{
	return cur_ops->mono_ms();
}

uint64_t clock_wall_us(void)
{
	return cur_ops->wall_us();
}

void random_fill(void *p, size_t n)
{
	cur_ops->random(p, n);
}

uint32_t random_below(uint32_t bound)
{
	uint32_t v, limit = UINT32_MAX - UINT32_MAX % bound;

	do
		random_fill(&v, sizeof(v));
	while (v >= limit);
	return v % bound;
}

void clock_set(const struct clock_ops *ops)
{
	cur_ops = ops != NULL ? ops : &sys_ops;
}
