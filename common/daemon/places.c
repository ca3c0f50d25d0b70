#include "common/daemon/places.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>

#include "common/base/slice.h"

struct place {
	RB_ENTRY(place) entry;
	char addr[64];
	uint64_t n;
};

RB_HEAD(place_tree, place);

struct places {
	struct place_tree tree;
	uint64_t n;
};

static int place_cmp(const struct place *a, const struct place *b)
{
	return strcmp(a->addr, b->addr);
}
RB_GENERATE_INTERNAL(place_tree, place, entry, place_cmp, static UNUSED)

struct places *places_new(void)
{
	struct places *p = calloc(1, sizeof(*p));

	if (p != NULL)
		RB_INIT(&p->tree);
	return p;
}

void places_free(struct places **p)
{
	free(*p);
	*p = NULL;
}

int place_take(struct places *p, const char *addr, uint64_t max, uint64_t max_addr, struct place **place_r,
    const char **why_r)
{
	struct place key, *a;

	*place_r = NULL;
	*why_r = "too many connections";
	memset(&key, 0, sizeof(key));
	if (p->n >= max || slice_to_cstr(slice_cstr(addr), key.addr, sizeof(key.addr)) != 0)
		return ERR_LIMIT;
	a = RB_FIND(place_tree, &p->tree, &key);
	if (a != NULL && a->n >= max_addr) {
		*why_r = "too many connections from your address";
		return ERR_LIMIT;
	}
	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL) {
			*why_r = "out of memory";
			return ERR_NOMEM;
		}
		memcpy(a->addr, key.addr, sizeof(a->addr));
		(void)RB_INSERT(place_tree, &p->tree, a);
	}
	a->n++;
	p->n++;
	*place_r = a;
	return 0;
}

void place_give(struct places *p, struct place **place)
{
	struct place *a = *place;

	*place = NULL;
	if (a == NULL)
		return;
	p->n--;
	if (--a->n != 0)
		return;
	(void)RB_REMOVE(place_tree, &p->tree, a);
	free(a);
}
