#include "common/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) uint8_t data[];
};

struct arena {
	struct block *head;     /* the block that is being filled */
	size_t used, cap;
	bool secret;
};

enum { BLOCK_MIN = 1024, BLOCK_MAX = 64 * 1024 };

struct arena *arena_new(size_t cap)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a != NULL)
		a->cap = cap;
	return a;
}

void arena_set_secret(struct arena *a)
{
	a->secret = true;
}

static struct block *block_new(struct arena *a, size_t n)
{
	size_t size = a->head != NULL ? a->head->size * 2 : BLOCK_MIN;
	struct block *b;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size > a->cap)
		size = a->cap;
	if (size < n)
		size = n;
	b = malloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	b->size = size;
	b->used = 0;
	b->next = a->head;
	a->head = b;
	return b;
}

void *arena_bytes(struct arena *a, size_t n)
{
	const size_t al = alignof(max_align_t);
	struct block *b = a->head;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = n == 0 ? al : (n + al - 1) / al * al;
	if (n > a->cap || a->used > a->cap - n)
		return NULL;
	if (b == NULL || b->size - b->used < n)
		b = block_new(a, n);
	if (b == NULL)
		return NULL;
	p = b->data + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_bytes(a, n);

	return p != NULL ? memset(p, 0, n) : NULL;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / 2 / size)
		return NULL;
	return arena_alloc(a, count * size);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	uint8_t *p = arena_bytes(a, s.len);

	if (p == NULL)
		return slice_of(NULL, 0);
	if (s.len != 0)
		memcpy(p, s.p, s.len);
	return slice_of(p, s.len);
}

char *arena_cstr(struct arena *a, struct slice s)
{
	char *p = s.len < SIZE_MAX / 2 ? arena_bytes(a, s.len + 1) : NULL;

	if (p == NULL)
		return NULL;
	if (s.len != 0)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

static void block_wipe(const struct arena *a, struct block *b)
{
	if (a->secret)
		explicit_bzero(b->data, b->used);
}

static void block_drop(struct arena *a)
{
	struct block *b = a->head;

	block_wipe(a, b);
	a->head = b->next;
	free(b);
}

void arena_reset(struct arena *a)
{
	while (a->head != NULL && a->head->next != NULL)
		block_drop(a);
	if (a->head != NULL) {
		block_wipe(a, a->head);
		a->head->used = 0;
	}
	a->used = 0;
}

void arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	while ((*a)->head != NULL)
		block_drop(*a);
	free(*a);
	*a = NULL;
}
