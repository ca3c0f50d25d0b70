#include "qmgr/dest.h"

void dest_init(struct qdest *d, uint64_t now_ms)
{
	TAILQ_INIT(&d->routing);
	TAILQ_INIT(&d->entries);
	d->window = DEST_WINDOW_START * DEST_WINDOW_UNIT;
	d->used_ms = now_ms;
}

bool dest_is_dead(const struct qdest *d, uint64_t now_ms)
{
	return now_ms < d->dead_until_ms;
}

uint32_t dest_window(const struct qdest *d)
{
	return d->window / DEST_WINDOW_UNIT;
}

bool dest_has_room(const struct qdest *d, uint64_t now_ms)
{
	return !dest_is_dead(d, now_ms) && (d->window == 0 || d->active < dest_window(d));
}

void dest_reached(struct qdest *d, uint32_t cap)
{
	uint32_t max = cap * DEST_WINDOW_UNIT;

	d->fails = d->fail_share = 0;
	d->dead_until_ms = 0;
	if (d->window == 0)
		return;
	if (d->active + DEST_WINDOW_START > dest_window(d))
		d->window += DEST_WINDOW_UNIT * DEST_WINDOW_UNIT / d->window;
	if (d->window > max)
		d->window = max;
}

bool dest_unreached(struct qdest *d, uint64_t now_ms, uint64_t dead_ms, struct slice reason)
{
	struct slice s = slice_sub(reason, 0, sizeof(d->reason) - 1);

	if (d->window == 0)
		return false;
	if (s.len != 0)
		memcpy(d->reason, s.p, s.len);
	d->reason[s.len] = '\0';
	if (dest_is_dead(d, now_ms))
		return false;           /* the rest of what was under way when it died */
	d->fails++;
	d->fail_share += DEST_WINDOW_UNIT * DEST_WINDOW_UNIT / d->window;
	d->window = d->window / 2 > DEST_WINDOW_UNIT ? d->window / 2 : DEST_WINDOW_UNIT;
	if (d->fails < 2 || d->fail_share < DEST_WINDOW_UNIT)
		return false;
	d->window = DEST_WINDOW_UNIT;
	d->fails = d->fail_share = 0;
	d->dead_until_ms = now_ms + dead_ms;
	return true;
}

void dest_revive(struct qdest *d)
{
	d->dead_until_ms = 0;
	d->fails = d->fail_share = 0;
}
