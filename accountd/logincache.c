#include "accountd/logincache.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>

#include "common/base/buf.h"

struct entry {
	TAILQ_ENTRY(entry) lru;
	LIST_ENTRY(entry) chain;
	uint8_t key[DIGEST_SIZE];
	uint64_t until_ms;
	struct logincache_value value;          /* account 0: unused */
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(entry_chain, entry);

struct logincache {
	struct entry *entries;
	struct entry_chain *chains;
	struct entry_list lru;                  /* who makes room is first */
	unsigned n;
};

struct logincache *logincache_new(unsigned entries)
{
	struct logincache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->n = entries;
	c->entries = calloc(entries, sizeof(*c->entries));
	c->chains = calloc(entries, sizeof(*c->chains));
	if (c->entries == NULL || c->chains == NULL) {
		logincache_free(&c);
		return NULL;
	}
	TAILQ_INIT(&c->lru);
	for (unsigned i = 0; i < entries; i++)
		TAILQ_INSERT_TAIL(&c->lru, &c->entries[i], lru);
	return c;
}

void logincache_free(struct logincache **c)
{
	if (*c == NULL)
		return;
	if ((*c)->entries != NULL)
		explicit_bzero((*c)->entries, (*c)->n * sizeof(*(*c)->entries));
	free((*c)->entries);
	free((*c)->chains);
	free(*c);
	*c = NULL;
}

/* The keys are HMACs: any of their bytes will do. */
static struct entry_chain *chain_of(struct logincache *c, const uint8_t *key)
{
	return &c->chains[get_le32(key) % c->n];
}

static struct entry *find(struct logincache *c, const uint8_t *key)
{
	struct entry *e;

	LIST_FOREACH(e, chain_of(c, key), chain)
		if (digest_equal(e->key, key, sizeof(e->key)))
			return e;
	return NULL;
}

static void drop(struct logincache *c, struct entry *e)
{
	LIST_REMOVE(e, chain);
	TAILQ_REMOVE(&c->lru, e, lru);
	explicit_bzero(e, sizeof(*e));
	TAILQ_INSERT_HEAD(&c->lru, e, lru);
}

bool logincache_get(struct logincache *c, const uint8_t key[DIGEST_SIZE], uint64_t now_ms, struct logincache_value *v_r)
{
	struct entry *e = find(c, key);

	if (e == NULL)
		return false;
	if (now_ms >= e->until_ms) {
		drop(c, e);
		return false;
	}
	TAILQ_REMOVE(&c->lru, e, lru);
	TAILQ_INSERT_TAIL(&c->lru, e, lru);
	*v_r = e->value;
	return true;
}

void logincache_put(struct logincache *c, const uint8_t key[DIGEST_SIZE], const struct logincache_value *v,
    uint64_t until_ms)
{
	struct entry *e = find(c, key);

	if (e == NULL) {
		e = TAILQ_FIRST(&c->lru);
		if (e->value.account != 0)
			drop(c, e);
		memcpy(e->key, key, sizeof(e->key));
		LIST_INSERT_HEAD(chain_of(c, key), e, chain);
	}
	e->value = *v;
	e->until_ms = until_ms;
	TAILQ_REMOVE(&c->lru, e, lru);
	TAILQ_INSERT_TAIL(&c->lru, e, lru);
}

void logincache_drop(struct logincache *c, uint64_t account)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->entries[i].value.account == account && account != 0)
			drop(c, &c->entries[i]);
}
