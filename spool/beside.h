#ifndef PABAL_SPOOL_BESIDE_H
#define PABAL_SPOOL_BESIDE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/base/err.h"

/*
 * A function that a thread of its own runs beside the caller, while that one waits for the disk. Between
 * beside_begin() and beside_end() what the function works on is the thread's alone; else it is the caller's.
 */
struct beside;

/* Has to return soon after *stop has become true. */
typedef void beside_fn(void *ctx, const atomic_bool *stop);

/* NULL: no memory, or no thread. */
struct beside *beside_new(beside_fn *fn, void *ctx);
void beside_begin(struct beside *b);
/* The function has returned, or was not even called, when this does. */
void beside_end(struct beside *b);
void beside_free(struct beside **b);

#endif
