#ifndef PABAL_DAEMON_PLACES_H
#define PABAL_DAEMON_PLACES_H

#include <stdint.h>

#include "common/base/err.h"

/*
 * How many connections an edge has, in total and from each address. Whoever
 * accepts a connection takes a place and gives it back at the end.
 */
struct places;
struct place;

/* NULL without memory. */
struct places *places_new(void);
/* All places have been given back. */
void places_free(struct places **p);
/* ERR_LIMIT or ERR_NOMEM, and *why_r then says it in words for the client; addr is text, under 64 bytes. */
int place_take(struct places *p, const char *addr, uint64_t max, uint64_t max_addr, struct place **place_r,
    const char **why_r) MUST_CHECK;
/* *place = NULL; it may be NULL. */
void place_give(struct places *p, struct place **place);

#endif
