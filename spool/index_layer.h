#ifndef PABAL_SPOOL_INDEX_LAYER_H
#define PABAL_SPOOL_INDEX_LAYER_H

#include <bsd/sys/tree.h>

#include "spool/index.h"

/*
 * A layer of the index: changed keys of all tables, sorted, in memory. Nobody but index.c uses
 * it. Everything in it lives in its arena.
 */
struct entry {
	RB_ENTRY(entry) link;
	uint64_t head;          /* the key's first 8 bytes, to compare quickly */
	uint64_t txn;           /* the transaction that has saved it */
	const uint8_t *val;
	uint32_t klen, vlen;
	bool gone;              /* deleted here */
	bool fresh;             /* the key is not in what lies below */
	uint8_t key[];
};
RB_HEAD(entry_tree, entry);

struct layer {
	struct entry_tree t[IX_COUNT];
	struct entry *last[IX_COUNT];   /* found last by layer_find_next(), or NULL */
	struct arena *arena;
	size_t entries;
};

/* NULL: no memory. */
struct layer *layer_new(void) MUST_CHECK;
void layer_free(struct layer **l);
/* Memory it takes, about. */
size_t layer_bytes(const struct layer *l);

/* The entry with that key, or NULL; at_least: or the next one. */
struct entry *layer_find(const struct layer *l, enum index_table t, struct slice key, bool at_least);
/* The entry with that key, or NULL: quickly when it follows the one that was found before. */
struct entry *layer_find_next(struct layer *l, enum index_table t, struct slice key);
struct entry *layer_first(struct layer *l, enum index_table t);
struct entry *layer_next(struct layer *l, enum index_table t, struct entry *e);
/* An entry for a key that has none. NULL: no memory. */
struct entry *layer_add(struct layer *l, enum index_table t, struct slice key) MUST_CHECK;
void layer_remove(struct layer *l, enum index_table t, struct entry *e);

int entry_cmp(const struct entry *a, const struct entry *b);
int entry_cmp_key(const struct entry *e, struct slice key);
static inline struct slice entry_key(const struct entry *e) { return slice_of(e->key, e->klen); }
static inline struct slice entry_val(const struct entry *e) { return slice_of(e->val, e->vlen); }

#endif
