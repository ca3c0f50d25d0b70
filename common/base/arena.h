#ifndef PABAL_BASE_ARENA_H
#define PABAL_BASE_ARENA_H

#include "common/base/slice.h"

/*
 * Allocate-only memory with a byte cap: one arena per connection, one per
 * transaction or command, freed or reset as a whole. Over the cap an
 * allocation returns NULL, which the caller answers as 452 or NO [LIMIT].
 * Nothing in an arena may be pointed to from something that lives longer.
 */
struct arena;

/* A new arena that hands out at most cap bytes; NULL when there is no memory. */
struct arena *arena_new(size_t cap);
/* From now on what is freed or reset is overwritten first. */
void arena_set_secret(struct arena *a);
/* Zeroed memory, aligned for any type; NULL over the cap or without memory. n may be 0. */
void *arena_alloc(struct arena *a, size_t n);
/* The same, not zeroed: for bytes that are written at once. */
void *arena_bytes(struct arena *a, size_t n);
/* count * size with the product checked. */
void *arena_calloc(struct arena *a, size_t count, size_t size);
/* A copy; .p is NULL (and .len 0) over the cap. An empty slice gives a non-NULL p. */
struct slice arena_dup(struct arena *a, struct slice s);
/* A NUL-terminated copy, or NULL over the cap. s must hold no NUL. */
char *arena_cstr(struct arena *a, struct slice s);
/* Bytes handed out since the start or the last reset. */
size_t arena_used(const struct arena *a);
/* Frees all that was allocated; keeps the first block. */
void arena_reset(struct arena *a);
/* Frees the arena and sets *a to NULL; *a may be NULL. */
void arena_free(struct arena **a);

#endif
