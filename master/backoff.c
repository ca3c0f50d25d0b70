#include "master/backoff.h"

uint64_t backoff_next(struct backoff *b, uint64_t lived_ms)
{
	uint64_t ms = BACKOFF_FIRST_MS;

	if (lived_ms >= BACKOFF_LONG_MS)
		b->deaths = 0;
	if (lived_ms >= BACKOFF_SHORT_MS)
		return 0;
	if (b->deaths++ == 0)
		return 0;
	for (unsigned i = 2; i < b->deaths && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}
