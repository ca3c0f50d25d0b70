#include "accountd/throttle.h"

#include <arpa/inet.h>
#include <bsd/sys/queue.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

enum { SEEN_MAX = 8 };
#define PAIR_KEEP_MS ((uint64_t)7 * 24 * 3600 * MS_PER_S)

struct entry {
	TAILQ_ENTRY(entry) lru;
	LIST_ENTRY(entry) chain;
	uint64_t key;
	uint64_t last_ms;               /* of the last failure, or of the last login of a pair */
	uint64_t seen[SEEN_MAX];        /* wrong passwords that are counted already */
	uint32_t failures, pending, seen_at;
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(entry_chain, entry);

struct table {
	struct entry *entries;
	struct entry_chain *chains;
	struct entry_list lru;          /* the quietest first; unused entries have key 0 */
	unsigned n;
};

enum { BY_ADDR, BY_USER, BY_PAIR, TABLES };

struct throttle {
	struct table tables[TABLES];
	unsigned limit;
	uint64_t key[2];
};

/* ---- SipHash-2-4 of a few words: keys that a client cannot make collide ------- */

static uint64_t rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0], v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1], v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2], v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

/* Of the bytes (letters in lower case when fold) and a word before them; never 0. */
static uint64_t sip(const uint64_t key[2], uint64_t first, struct slice s, bool fold)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
		key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
	uint64_t word = 0, h;

	sip_word(v, first);
	for (size_t i = 0; i < s.len; i++) {
		word |= (uint64_t)(fold ? ascii_lower(s.p[i]) : s.p[i]) << 8 * (i % 8);
		if (i % 8 == 7) {
			sip_word(v, word);
			word = 0;
		}
	}
	sip_word(v, word | (uint64_t)s.len << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	h = v[0] ^ v[1] ^ v[2] ^ v[3];
	return h != 0 ? h : 1;
}

/* ---- tables --------------------------------------------------------------------- */

static int table_init(struct table *tb, unsigned n)
{
	TAILQ_INIT(&tb->lru);
	tb->n = n;
	tb->entries = calloc(n, sizeof(*tb->entries));
	tb->chains = calloc(n, sizeof(*tb->chains));
	if (tb->entries == NULL || tb->chains == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < n; i++)
		TAILQ_INSERT_TAIL(&tb->lru, &tb->entries[i], lru);
	return 0;
}

static struct entry *table_find(struct table *tb, uint64_t key)
{
	struct entry *e;

	LIST_FOREACH(e, &tb->chains[key % tb->n], chain)
		if (e->key == key)
			return e;
	return NULL;
}

static void table_touch(struct table *tb, struct entry *e)
{
	TAILQ_REMOVE(&tb->lru, e, lru);
	TAILQ_INSERT_TAIL(&tb->lru, e, lru);
}

/* Finds it or takes the quietest one's place. */
static struct entry *table_get(struct table *tb, uint64_t key)
{
	struct entry *e = table_find(tb, key);

	if (e == NULL) {
		e = TAILQ_FIRST(&tb->lru);
		if (e->key != 0)
			LIST_REMOVE(e, chain);
		TAILQ_REMOVE(&tb->lru, e, lru);
		memset(e, 0, sizeof(*e));
		e->key = key;
		LIST_INSERT_HEAD(&tb->chains[key % tb->n], e, chain);
		TAILQ_INSERT_TAIL(&tb->lru, e, lru);
	}
	return e;
}

struct throttle *throttle_new(unsigned limit, unsigned entries)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->limit = limit;
	random_fill(t->key, sizeof(t->key));
	for (int i = 0; i < TABLES; i++)
		if (table_init(&t->tables[i], entries) != 0) {
			throttle_free(&t);
			return NULL;
		}
	return t;
}

void throttle_free(struct throttle **t)
{
	if (*t == NULL)
		return;
	for (int i = 0; i < TABLES; i++) {
		free((*t)->tables[i].entries);
		free((*t)->tables[i].chains);
	}
	free(*t);
	*t = NULL;
}

void throttle_set_limit(struct throttle *t, unsigned limit)
{
	t->limit = limit;
}

/* ---- the rule -------------------------------------------------------------------- */

static void forgive(struct entry *e, uint64_t now)
{
	uint64_t n = (now - e->last_ms) / THROTTLE_FORGIVE;

	if (n == 0 || e->failures == 0)
		return;
	e->failures = n >= e->failures ? 0 : e->failures - (uint32_t)n;
	e->last_ms += n * THROTTLE_FORGIVE;
	if (e->failures == 0)
		memset(e->seen, 0, sizeof(e->seen));
}

/* How long this one has to wait still. */
static uint64_t wait_for(struct entry *e, unsigned limit, uint64_t now)
{
	uint64_t wait = THROTTLE_WAIT_MIN;

	forgive(e, now);
	if (e->failures < limit)
		return e->pending < THROTTLE_PENDING_MAX ? 0 : THROTTLE_WAIT_MIN;
	if (e->pending != 0)
		return THROTTLE_WAIT_MIN;
	for (uint32_t i = limit; i < e->failures && wait < THROTTLE_WAIT_MAX; i++)
		wait *= 2;
	if (wait > THROTTLE_WAIT_MAX)
		wait = THROTTLE_WAIT_MAX;
	return now >= e->last_ms + wait ? 0 : e->last_ms + wait - now;
}

static uint64_t addr_key(const struct throttle *t, struct slice addr)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (slice_to_cstr(addr, text, sizeof(text)) == 0 && inet_pton(AF_INET6, text, &in6) == 1 &&
	    !IN6_IS_ADDR_V4MAPPED(&in6))
		return sip(t->key, BY_ADDR, slice_of(&in6, 8), false);
	if (slice_istarts(addr, "::ffff:"))
		addr = slice_sub(addr, 7, SIZE_MAX);
	return sip(t->key, BY_ADDR, addr, false);
}

int throttle_begin(struct throttle *t, struct slice addr, struct slice user, struct slice password,
    uint64_t now_ms, struct throttle_try *try_r, uint64_t *wait_ms_r)
{
	struct table *by_addr = &t->tables[BY_ADDR], *by_user = &t->tables[BY_USER];
	struct entry *a, *u, *pair;
	uint64_t wait_addr, wait_user;

	try_r->addr = addr_key(t, addr);
	try_r->user = sip(t->key, BY_USER, user, true);
	try_r->pair = sip(t->key, try_r->addr, user, true);
	try_r->password = sip(t->key, try_r->user, password, false);
	/* One that is refused makes no entry: it would push out the counts of others. */
	a = table_find(by_addr, try_r->addr);
	u = table_find(by_user, try_r->user);
	wait_addr = a != NULL ? wait_for(a, t->limit, now_ms) : 0;
	wait_user = u != NULL ? wait_for(u, t->limit, now_ms) : 0;
	pair = table_find(&t->tables[BY_PAIR], try_r->pair);
	if (pair != NULL && now_ms - pair->last_ms < PAIR_KEEP_MS)
		wait_user = 0;
	*wait_ms_r = wait_addr > wait_user ? wait_addr : wait_user;
	if (*wait_ms_r != 0)
		return ERR_AGAIN;
	table_get(by_addr, try_r->addr)->pending++;
	table_get(by_user, try_r->user)->pending++;
	return 0;
}

static bool seen(const struct entry *e, uint64_t password)
{
	for (unsigned i = 0; i < SEEN_MAX; i++)
		if (e->seen[i] == password)
			return true;
	return false;
}

static void count(struct table *tb, uint64_t key, uint64_t password, enum throttle_result result, uint64_t now)
{
	struct entry *e = table_find(tb, key);

	/* It may have made room for another meanwhile: then it is counted anew. */
	if (e == NULL && result == THROTTLE_WRONG)
		e = table_get(tb, key);
	if (e == NULL)
		return;
	if (e->pending != 0)
		e->pending--;
	if (result != THROTTLE_WRONG || seen(e, password))
		return;
	table_touch(tb, e);
	e->seen[e->seen_at++ % SEEN_MAX] = password;
	e->failures++;
	e->last_ms = now;
}

void throttle_end(struct throttle *t, const struct throttle_try *try, enum throttle_result result, uint64_t now_ms)
{
	struct entry *e;

	count(&t->tables[BY_ADDR], try->addr, try->password, result, now_ms);
	count(&t->tables[BY_USER], try->user, try->password, result, now_ms);
	if (result != THROTTLE_GOOD)
		return;
	if ((e = table_find(&t->tables[BY_USER], try->user)) != NULL) {
		e->failures = 0;
		memset(e->seen, 0, sizeof(e->seen));
	}
	e = table_get(&t->tables[BY_PAIR], try->pair);
	e->last_ms = now_ms;
	table_touch(&t->tables[BY_PAIR], e);
}
