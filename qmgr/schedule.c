#include "qmgr/schedule.h"

enum { MIN_TRIES = 5, TAKE_WAIT_MAX_S = 3600 };

void queue_clock_init(struct queue_clock *q, uint64_t wall_s, uint64_t mono_ms)
{
	q->wall0_s = wall_s;
	q->mono0_ms = mono_ms;
}

uint64_t queue_steady(const struct queue_clock *q, uint64_t mono_ms)
{
	return q->wall0_s + (mono_ms > q->mono0_ms ? (mono_ms - q->mono0_ms) / 1000 : 0);
}

uint64_t queue_now(const struct queue_clock *q, uint64_t wall_s, uint64_t mono_ms)
{
	uint64_t steady = queue_steady(q, mono_ms);

	return wall_s > steady ? wall_s : steady;
}

static uint64_t backoff_max(const struct conf *conf)
{
	return conf->queue_backoff_max > conf->queue_backoff_min ? conf->queue_backoff_max : conf->queue_backoff_min;
}

static uint64_t age_of(uint64_t created, uint64_t now)
{
	return now > created ? now - created : 0;
}

uint64_t retry_due(uint32_t attempts, uint64_t created, uint64_t now, const struct conf *conf, uint32_t random)
{
	uint64_t min = conf->queue_backoff_min, max = backoff_max(conf), wait = min, spread, left, age;

	for (uint32_t i = 1; i < attempts && wait < max; i++)
		wait *= 2;
	if (wait > max)
		wait = max;
	spread = wait / 4;
	if (wait > max - spread) {
		wait = max - spread;
		if (wait < min)
			wait = min, spread = max - min;
	}
	wait += random % (spread + 1);
	age = age_of(created, now);
	if (age < conf->queue_lifetime) {
		left = conf->queue_lifetime - age + 1;
		if (wait > left)
			wait = left > min ? left : min;
	}
	return now + wait;
}

uint32_t retry_min_tries(const struct conf *conf)
{
	uint64_t room = conf->queue_lifetime / backoff_max(conf);

	return room < 1 ? 1 : room < MIN_TRIES ? (uint32_t)room : MIN_TRIES;
}

bool retry_expired(uint32_t attempts, uint64_t created, uint64_t steady, const struct conf *conf)
{
	return age_of(created, steady) > conf->queue_lifetime && attempts >= retry_min_tries(conf);
}

bool delay_notice_due(uint64_t created, uint64_t steady, const struct conf *conf)
{
	return conf->queue_delay_notice != 0 && age_of(created, steady) >= conf->queue_delay_notice;
}

uint64_t take_now(uint64_t now, uint64_t next_due, const struct conf *conf)
{
	return next_due > now && next_due - now > 2 * backoff_max(conf) ? next_due : now;
}

uint64_t take_wait_ms(uint64_t now, uint64_t next_due, const struct conf *conf)
{
	uint64_t wait;

	if (next_due == 0)
		return UINT64_MAX;
	if (next_due <= take_now(now, next_due, conf))
		return 0;
	wait = next_due - now;
	return (wait < TAKE_WAIT_MAX_S ? wait : TAKE_WAIT_MAX_S) * 1000;
}
