#include "accountd/fairqueue.h"

#include <stdlib.h>

TAILQ_HEAD(item_list, fairqueue_item);

/* Used while it has items. There are as many as items, so one is always free. */
struct fairqueue_source {
	TAILQ_ENTRY(fairqueue_source) turn;     /* in the ring of its class, or among the free */
	LIST_ENTRY(fairqueue_source) chain;
	struct item_list items;
	uint64_t key;
	unsigned n;
	bool favoured;
};

TAILQ_HEAD(source_list, fairqueue_source);
LIST_HEAD(source_chain, fairqueue_source);

enum { CHAINS = 1024, FAVOURED_TURNS = 3 };

struct fairqueue {
	struct fairqueue_source *sources;
	struct source_list free, rings[2];      /* rings: the others, the favoured; who is next is first */
	struct source_chain chains[CHAINS];
	unsigned n, max;
	unsigned turns;                         /* of the favoured in a row */
};

struct fairqueue *fairqueue_new(unsigned max)
{
	struct fairqueue *q = calloc(1, sizeof(*q));

	if (q == NULL || (q->sources = calloc(max, sizeof(*q->sources))) == NULL) {
		free(q);
		return NULL;
	}
	q->max = max;
	TAILQ_INIT(&q->free);
	TAILQ_INIT(&q->rings[0]);
	TAILQ_INIT(&q->rings[1]);
	for (unsigned i = 0; i < max; i++)
		TAILQ_INSERT_TAIL(&q->free, &q->sources[i], turn);
	return q;
}

void fairqueue_free(struct fairqueue **q)
{
	if (*q == NULL)
		return;
	free((*q)->sources);
	free(*q);
	*q = NULL;
}

static struct fairqueue_source *find(struct fairqueue *q, uint64_t key, bool favoured)
{
	struct fairqueue_source *s;

	LIST_FOREACH(s, &q->chains[key % CHAINS], chain)
		if (s->key == key && s->favoured == favoured)
			return s;
	return NULL;
}

static struct fairqueue_source *begin_source(struct fairqueue *q, uint64_t key, bool favoured)
{
	struct fairqueue_source *s = TAILQ_FIRST(&q->free);

	TAILQ_REMOVE(&q->free, s, turn);
	TAILQ_INIT(&s->items);
	s->key = key;
	s->favoured = favoured;
	s->n = 0;
	LIST_INSERT_HEAD(&q->chains[key % CHAINS], s, chain);
	TAILQ_INSERT_TAIL(&q->rings[favoured], s, turn);
	return s;
}

static void remove_item(struct fairqueue *q, struct fairqueue_item *item)
{
	struct fairqueue_source *s = item->source;

	TAILQ_REMOVE(&s->items, item, entry);
	item->source = NULL;
	q->n--;
	if (--s->n != 0)
		return;
	LIST_REMOVE(s, chain);
	TAILQ_REMOVE(&q->rings[s->favoured], s, turn);
	TAILQ_INSERT_HEAD(&q->free, s, turn);
}

/* The longest of those that are not favoured, if there are any. */
static struct fairqueue_source *longest(struct fairqueue *q)
{
	struct fairqueue_source *s, *most = NULL;

	for (int ring = 0; ring < 2 && most == NULL; ring++)
		TAILQ_FOREACH(s, &q->rings[ring], turn)
			if (most == NULL || s->n > most->n)
				most = s;
	return most;
}

int fairqueue_put(struct fairqueue *q, struct fairqueue_item *item, uint64_t source, bool favoured,
    struct fairqueue_item **evicted_r)
{
	struct fairqueue_source *s = find(q, source, favoured), *most;

	*evicted_r = NULL;
	if (q->n == q->max) {
		most = longest(q);
		if (most == NULL || (most->favoured == favoured && most->n <= (s != NULL ? s->n : 0) + 1) ||
		    (most->favoured && !favoured))
			return ERR_AGAIN;
		*evicted_r = TAILQ_LAST(&most->items, item_list);
		remove_item(q, *evicted_r);
	}
	if (s == NULL || s->n == 0)
		s = begin_source(q, source, favoured);
	item->source = s;
	TAILQ_INSERT_TAIL(&s->items, item, entry);
	s->n++;
	q->n++;
	return 0;
}

struct fairqueue_item *fairqueue_take(struct fairqueue *q)
{
	bool others = !TAILQ_EMPTY(&q->rings[0]), favoured = !TAILQ_EMPTY(&q->rings[1]);
	struct fairqueue_source *s;
	struct fairqueue_item *item;

	if (!others && !favoured)
		return NULL;
	if (favoured && (!others || q->turns < FAVOURED_TURNS)) {
		q->turns++;
		s = TAILQ_FIRST(&q->rings[1]);
	} else {
		q->turns = 0;
		s = TAILQ_FIRST(&q->rings[0]);
	}
	item = TAILQ_FIRST(&s->items);
	TAILQ_REMOVE(&q->rings[s->favoured], s, turn);
	TAILQ_INSERT_TAIL(&q->rings[s->favoured], s, turn);
	remove_item(q, item);
	return item;
}
