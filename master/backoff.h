#ifndef PABAL_MASTER_BACKOFF_H
#define PABAL_MASTER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a process that died is started again: at once the first time, then after
 * 0.1 s, doubling to 30 s, while it dies within 10 s of its start. Once it lived
 * for a minute all is forgotten.
 */
enum {
	BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 30000,
	BACKOFF_SHORT_MS = 10000, BACKOFF_LONG_MS = 60000,
	BACKOFF_LOOP = 5,       /* short lives in a row that make a crash loop */
};

struct backoff { unsigned deaths; };    /* short lives in a row */

/* Takes a death after lived_ms into account; the wait before the next start in milliseconds. */
uint64_t backoff_next(struct backoff *b, uint64_t lived_ms);
static inline bool backoff_is_loop(const struct backoff *b) { return b->deaths >= BACKOFF_LOOP; }

#endif
