/* Clock, randomness, latencies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/load.h"

enum { SERIES_MAX = 32 };

struct series {
	const char *name;
	uint32_t *us;
	size_t n, cap;
};

static struct series series[SERIES_MAX];
static unsigned series_count;
static bool paused;

uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
uint64_t random_next(void)
{
	static uint64_t state;
	uint64_t z;

	if (state == 0)
		state = now_ns();
	z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void samples_pause(bool off)
{
	paused = off;
}

void sample(const char *name, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
	struct series *s = series;

	if (paused || name[0] == '-')
		return;
	while (s < series + series_count && strcmp(s->name, name) != 0)
		s++;
	if (s == series + series_count) {
		if (series_count++ == SERIES_MAX)
			die("too many kinds of sample");
		s->name = name;
	}
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? s->cap * 2 : 256;
		s->us = xrealloc(s->us, s->cap * sizeof(*s->us));
	}
	s->us[s->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t quantile(const struct series *s, unsigned percent)
{
	size_t i = s->n * percent / 100;

	return s->us[i < s->n ? i : s->n - 1];
}

void samples_print(void)
{
	(void)printf("\"ops\":{");
	for (unsigned i = 0; i < series_count; i++) {
		struct series *s = &series[i];

		qsort(s->us, s->n, sizeof(*s->us), compare);
		(void)printf("%s\"%s\":{\"n\":%zu,\"min\":%u,\"p50\":%u,\"p99\":%u,\"max\":%u}", i > 0 ? "," : "", s->name, s->n,
		    s->us[0], quantile(s, 50), quantile(s, 99), s->us[s->n - 1]);
	}
	(void)printf("}");
}
