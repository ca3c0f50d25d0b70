#include "spool/index_layer.h"

#include <stdlib.h>

/* An entry takes more than its arena knows: the bytes of a tree's disorder. */
enum { ENTRY_COST = 32 };
#define LAYER_ARENA_MAX ((size_t)SIZE_MAX / 2)

static uint64_t key_head(struct slice key)
{
	uint64_t h = 0;

	if (key.len >= 8)
		return get_be64(key.p);
	for (size_t i = 0; i < key.len; i++)
		h |= (uint64_t)key.p[i] << (56 - 8 * i);
	return h;
}

static int compare(uint64_t ha, const uint8_t *a, size_t an, uint64_t hb, const uint8_t *b, size_t bn)
{
	size_t n = an < bn ? an : bn;
	int c;

	if (ha != hb)
		return ha < hb ? -1 : 1;
	c = n > 8 ? memcmp(a + 8, b + 8, n - 8) : 0;
	return c != 0 ? c : (an > bn) - (an < bn);
}

int entry_cmp(const struct entry *a, const struct entry *b)
{
	return compare(a->head, a->key, a->klen, b->head, b->key, b->klen);
}

int entry_cmp_key(const struct entry *e, struct slice key)
{
	return compare(e->head, e->key, e->klen, key_head(key), key.p, key.len);
}

RB_GENERATE_INTERNAL(entry_tree, entry, link, entry_cmp, static UNUSED)

/* Written out: a key is no entry. */
struct entry *layer_find(const struct layer *l, enum index_table t, struct slice key, bool at_least)
{
	struct entry *e = RB_ROOT(&l->t[t]), *next = NULL;
	uint64_t head = key_head(key);

	while (e != NULL) {
		int c = compare(head, key.p, key.len, e->head, e->key, e->klen);

		if (c == 0)
			return e;
		if (c < 0)
			next = e;
		e = c < 0 ? RB_LEFT(e, link) : RB_RIGHT(e, link);
	}
	return at_least ? next : NULL;
}

struct entry *layer_find_next(struct layer *l, enum index_table t, struct slice key)
{
	struct entry *e = l->last[t] != NULL ? layer_next(l, t, l->last[t]) : NULL;

	if (e == NULL || entry_cmp_key(e, key) != 0)
		e = layer_find(l, t, key, false);
	if (e != NULL)
		l->last[t] = e;
	return e;
}

struct entry *layer_first(struct layer *l, enum index_table t)
{
	return RB_MIN(entry_tree, &l->t[t]);
}

struct entry *layer_next(struct layer *l, enum index_table t, struct entry *e)
{
	(void)l;
	(void)t;
	return RB_NEXT(entry_tree, &l->t[t], e);
}

struct entry *layer_add(struct layer *l, enum index_table t, struct slice key)
{
	struct entry *e = arena_alloc(l->arena, sizeof(*e) + key.len);

	if (e == NULL)
		return NULL;
	e->head = key_head(key);
	e->klen = (uint32_t)key.len;
	if (key.len != 0)
		memcpy(e->key, key.p, key.len);
	RB_INSERT(entry_tree, &l->t[t], e);
	l->entries++;
	return e;
}

void layer_remove(struct layer *l, enum index_table t, struct entry *e)
{
	if (l->last[t] == e)
		l->last[t] = NULL;
	RB_REMOVE(entry_tree, &l->t[t], e);
	l->entries--;
}

struct layer *layer_new(void)
{
	struct layer *l = calloc(1, sizeof(*l));

	if (l != NULL && (l->arena = arena_new(LAYER_ARENA_MAX)) == NULL) {
		free(l);
		l = NULL;
	}
	return l;
}

void layer_free(struct layer **l)
{
	if (*l == NULL)
		return;
	arena_free(&(*l)->arena);
	free(*l);
	*l = NULL;
}

size_t layer_bytes(const struct layer *l)
{
	return arena_used(l->arena) + l->entries * ENTRY_COST;
}
