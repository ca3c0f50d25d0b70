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
	TAILQ_ENTRY(entry) dirty;       /* when is_dirty */
	LIST_ENTRY(entry) chain;
	uint64_t key;
	uint64_t last_ms;               /* of the last failure, or of the last login of a pair */
	uint64_t seen[SEEN_MAX];        /* wrong passwords that are counted already */
	uint32_t failures, pending, seen_at;
	bool is_dirty;                  /* differs from what the store was told */
	char text[THROTTLE_TEXT_MAX + 1];
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(entry_chain, entry);

struct table {
	struct entry *entries;
	struct entry_chain *chains;
	struct entry_list lru;          /* those in use, the quietest first; key 0: emptied */
	struct entry_list dirty;
	unsigned n, used;               /* entries from used on were never touched */
};

enum { BY_ADDR = THROTTLE_BY_ADDR, BY_USER = THROTTLE_BY_USER, BY_PAIR = THROTTLE_PAIRS, TABLES };

struct throttle {
	struct table tables[TABLES];
	unsigned limit;
	uint64_t key[2];                /* of addresses and names: the store's */
	uint64_t password_key[2];       /* of this process: nothing on disk can be tried with it */
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
	TAILQ_INIT(&tb->dirty);
	tb->n = n;
	tb->entries = calloc(n, sizeof(*tb->entries));
	tb->chains = calloc(n, sizeof(*tb->chains));
	return tb->entries != NULL && tb->chains != NULL ? 0 : ERR_NOMEM;
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

static void mark_dirty(struct table *tb, struct entry *e)
{
	if (!e->is_dirty)
		TAILQ_INSERT_TAIL(&tb->dirty, e, dirty);
	e->is_dirty = true;
}

/* Finds it or takes an unused entry, or the quietest one's place. */
static struct entry *table_get(struct table *tb, uint64_t key)
{
	struct entry *e = table_find(tb, key);

	if (e != NULL)
		return e;
	if (tb->used < tb->n) {
		e = &tb->entries[tb->used++];
	} else {
		e = TAILQ_FIRST(&tb->lru);
		if (e->key != 0)
			LIST_REMOVE(e, chain);
		TAILQ_REMOVE(&tb->lru, e, lru);
		if (e->is_dirty)
			TAILQ_REMOVE(&tb->dirty, e, dirty);
		memset(e, 0, sizeof(*e));
		mark_dirty(tb, e);
	}
	e->key = key;
	LIST_INSERT_HEAD(&tb->chains[key % tb->n], e, chain);
	TAILQ_INSERT_TAIL(&tb->lru, e, lru);
	return e;
}

struct throttle *throttle_new(unsigned limit, unsigned entries, struct slice key)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->limit = limit;
	random_fill(t->password_key, sizeof(t->password_key));
	random_fill(t->key, sizeof(t->key));
	if (key.len == sizeof(t->key))
		memcpy(t->key, key.p, key.len);
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
	explicit_bzero(*t, sizeof(**t));
	free(*t);
	*t = NULL;
}

void throttle_set_limit(struct throttle *t, unsigned limit)
{
	t->limit = limit;
}

/* ---- the rule -------------------------------------------------------------------- */

static void forgive(struct table *tb, struct entry *e, uint64_t now)
{
	uint64_t n = (now - e->last_ms) / THROTTLE_FORGIVE;

	if (n == 0 || e->failures == 0)
		return;
	e->failures = n >= e->failures ? 0 : e->failures - (uint32_t)n;
	e->last_ms += n * THROTTLE_FORGIVE;
	mark_dirty(tb, e);
	if (e->failures == 0)
		memset(e->seen, 0, sizeof(e->seen));
}

static uint64_t wait_of(uint32_t failures, unsigned limit)
{
	uint64_t wait = THROTTLE_WAIT_MIN;

	if (failures < limit)
		return 0;
	for (uint32_t i = limit; i < failures && wait < THROTTLE_WAIT_MAX; i++)
		wait *= 2;
	return wait < THROTTLE_WAIT_MAX ? wait : THROTTLE_WAIT_MAX;
}

/* How long this one has to wait still. Times may be from before the clock's zero: only differences are used. */
static uint64_t wait_for(struct table *tb, struct entry *e, unsigned limit, uint64_t now)
{
	uint64_t wait;

	forgive(tb, e, now);
	if (e->failures < limit)
		return 0;
	if (e->pending != 0)
		return THROTTLE_WAIT_MIN;
	wait = wait_of(e->failures, limit);
	return now - e->last_ms >= wait ? 0 : wait - (now - e->last_ms);
}

/* What of an address counts, as text: an IPv4 address, or an IPv6 /64; anything else as it is. */
static void addr_text(struct slice addr, char out_r[THROTTLE_TEXT_MAX + 1])
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (slice_to_cstr(addr, text, sizeof(text)) == 0 && inet_pton(AF_INET6, text, &in6) == 1 &&
	    !IN6_IS_ADDR_V4MAPPED(&in6)) {
		memset(in6.s6_addr + 8, 0, 8);
		if (inet_ntop(AF_INET6, &in6, text, sizeof(text)) != NULL)
			addr = slice_cstr(text);
	} else if (slice_istarts(addr, "::ffff:")) {
		addr = slice_sub(addr, 7, SIZE_MAX);
	}
	addr = slice_sub(addr, 0, THROTTLE_TEXT_MAX);
	memset(out_r, 0, THROTTLE_TEXT_MAX + 1);
	if (addr.len != 0)
		memcpy(out_r, addr.p, addr.len);
}

int throttle_check(struct throttle *t, struct slice addr, struct slice user, struct slice password,
    uint64_t now_ms, struct throttle_try *try_r, uint64_t *wait_ms_r)
{
	struct table *by_addr = &t->tables[BY_ADDR], *by_user = &t->tables[BY_USER];
	struct slice shown = slice_sub(user, 0, THROTTLE_TEXT_MAX);
	struct entry *a, *u = NULL, *pair = NULL;
	uint64_t wait_addr, wait_user;

	memset(try_r, 0, sizeof(*try_r));
	addr_text(addr, try_r->addr_text);
	if (shown.len != 0)
		memcpy(try_r->user_text, shown.p, shown.len);
	try_r->addr = sip(t->key, BY_ADDR, slice_of(try_r->addr_text, THROTTLE_TEXT_MAX), false);
	if (user.len != 0) {
		try_r->user = sip(t->key, BY_USER, user, true);
		try_r->pair = sip(t->key, try_r->addr, user, true);
		u = table_find(by_user, try_r->user);
		pair = table_find(&t->tables[BY_PAIR], try_r->pair);
	}
	try_r->password = sip(t->password_key, try_r->user, password, false);
	/* One that is refused makes no entry: it would push out the counts of others. */
	a = table_find(by_addr, try_r->addr);
	wait_addr = a != NULL ? wait_for(by_addr, a, t->limit, now_ms) : 0;
	wait_user = u != NULL ? wait_for(by_user, u, t->limit, now_ms) : 0;
	try_r->known = pair != NULL && now_ms - pair->last_ms < PAIR_KEEP_MS;
	if (try_r->known)
		wait_user = 0;
	*wait_ms_r = wait_addr > wait_user ? wait_addr : wait_user;
	return *wait_ms_r != 0 ? ERR_AGAIN : 0;
}

/* How many tries of a name may be pending: what is pending may fail, and nobody gets more guesses by making them all at
 * once. Those who are known are not held up by what others have pending. */
static uint32_t pending_max(const struct throttle *t, const struct throttle_try *try, const struct entry *u)
{
	uint32_t most = u->failures < t->limit ? t->limit - u->failures : 1;

	return try->known || most > THROTTLE_PENDING_USER ? THROTTLE_PENDING_USER : most;
}

int throttle_enter(struct throttle *t, struct throttle_try *try)
{
	struct table *by_addr = &t->tables[BY_ADDR], *by_user = &t->tables[BY_USER];
	struct entry *a = table_find(by_addr, try->addr), *u = table_find(by_user, try->user);

	if ((a != NULL && a->pending >= THROTTLE_PENDING_ADDR) || (u != NULL && u->pending >= pending_max(t, try, u)))
		return ERR_AGAIN;
	table_get(by_addr, try->addr)->pending++;
	if (try->user != 0)
		table_get(by_user, try->user)->pending++;
	try->entered = true;
	return 0;
}

static bool seen(const struct entry *e, uint64_t password)
{
	for (unsigned i = 0; i < SEEN_MAX; i++)
		if (e->seen[i] == password)
			return true;
	return false;
}

static void count(struct table *tb, uint64_t key, const char *text, const struct throttle_try *try,
    enum throttle_result result, uint64_t now)
{
	struct entry *e = table_find(tb, key);

	/* It may have made room for another meanwhile: then it is counted anew. */
	if (e == NULL && result == THROTTLE_WRONG)
		e = table_get(tb, key);
	if (e == NULL)
		return;
	if (try->entered && e->pending != 0)
		e->pending--;
	if (result != THROTTLE_WRONG || seen(e, try->password))
		return;
	table_touch(tb, e);
	e->seen[e->seen_at++ % SEEN_MAX] = try->password;
	e->failures++;
	e->last_ms = now;
	memcpy(e->text, text, sizeof(e->text));
	mark_dirty(tb, e);
}

static void clear(struct table *tb, struct entry *e)
{
	if (e->failures != 0)
		mark_dirty(tb, e);
	e->failures = 0;
	memset(e->seen, 0, sizeof(e->seen));
}

void throttle_end(struct throttle *t, const struct throttle_try *try, enum throttle_result result, uint64_t now_ms)
{
	struct entry *e;

	count(&t->tables[BY_ADDR], try->addr, try->addr_text, try, result, now_ms);
	if (try->user != 0)
		count(&t->tables[BY_USER], try->user, try->user_text, try, result, now_ms);
	if (result != THROTTLE_GOOD || try->user == 0)
		return;
	if ((e = table_find(&t->tables[BY_USER], try->user)) != NULL)
		clear(&t->tables[BY_USER], e);
	e = table_get(&t->tables[BY_PAIR], try->pair);
	/* To the minute is enough for a week. */
	if (e->failures == 0 || now_ms - e->last_ms > 60 * MS_PER_S)
		mark_dirty(&t->tables[BY_PAIR], e);
	e->last_ms = now_ms;
	e->failures = 1;
	table_touch(&t->tables[BY_PAIR], e);
}

/* ---- for the administrator ----------------------------------------------------------- */

int throttle_each(struct throttle *t, uint64_t now_ms, throttle_item_fn *fn, void *ctx)
{
	int r = 0;

	for (int i = BY_ADDR; i <= BY_USER && r == 0; i++) {
		struct table *tb = &t->tables[i];
		struct entry *e;

		TAILQ_FOREACH_REVERSE(e, &tb->lru, entry_list, lru) {
			uint64_t wait = wait_for(tb, e, t->limit, now_ms);
			const struct throttle_item item = { .kind = (enum throttle_kind)i, .text = e->text,
				.failures = e->failures, .age_ms = now_ms - e->last_ms, .wait_ms = wait };

			if (e->failures != 0 && (r = fn(ctx, &item)) != 0)
				break;
		}
	}
	return r;
}

unsigned throttle_clear(struct throttle *t, struct slice text)
{
	char addr[THROTTLE_TEXT_MAX + 1];
	unsigned n = 0;

	addr_text(text, addr);
	for (int i = BY_ADDR; i <= BY_USER; i++) {
		struct table *tb = &t->tables[i];
		struct entry *e = table_find(tb, i == BY_ADDR ? sip(t->key, BY_ADDR, slice_of(addr, THROTTLE_TEXT_MAX), false) :
		    sip(t->key, BY_USER, text, true));

		if (e != NULL && e->failures != 0) {
			clear(tb, e);
			n++;
		}
	}
	return n;
}

/* ---- for the store --------------------------------------------------------------------- */

unsigned throttle_changed(struct throttle *t, uint64_t now_ms, struct throttle_row *rows, unsigned max)
{
	unsigned n = 0;

	for (int i = 0; i < TABLES; i++) {
		struct table *tb = &t->tables[i];
		struct entry *e;

		while (n < max && (e = TAILQ_FIRST(&tb->dirty)) != NULL) {
			TAILQ_REMOVE(&tb->dirty, e, dirty);
			e->is_dirty = false;
			rows[n] = (struct throttle_row){ .kind = (enum throttle_kind)i, .slot = (uint32_t)(e - tb->entries),
				.failures = e->failures, .key = e->key, .age_ms = now_ms - e->last_ms };
			memcpy(rows[n].text, e->text, sizeof(rows[n].text));
			n++;
		}
	}
	return n;
}

static int older_first(const void *a, const void *b)
{
	const struct throttle_row *x = a, *y = b;

	return x->age_ms > y->age_ms ? -1 : x->age_ms < y->age_ms;
}

static void restore_row(struct throttle *t, uint64_t now_ms, const struct throttle_row *row)
{
	struct table *tb = &t->tables[row->kind];
	struct entry *e = &tb->entries[row->slot], *older = table_find(tb, row->key);

	if (e->key != 0)
		return;
	if (older != NULL) {
		LIST_REMOVE(older, chain);
		TAILQ_REMOVE(&tb->lru, older, lru);
		memset(older, 0, sizeof(*older));
		mark_dirty(tb, older);
	}
	e->key = row->key;
	e->failures = row->failures;
	e->last_ms = now_ms - row->age_ms;
	memcpy(e->text, row->text, sizeof(e->text));
	e->text[THROTTLE_TEXT_MAX] = '\0';
	LIST_INSERT_HEAD(&tb->chains[e->key % tb->n], e, chain);
	TAILQ_INSERT_TAIL(&tb->lru, e, lru);
	if (row->slot >= tb->used)
		tb->used = row->slot + 1;
}

void throttle_restore(struct throttle *t, uint64_t now_ms, struct throttle_row *rows, unsigned n)
{
	if (n != 0)
		qsort(rows, n, sizeof(*rows), older_first);
	for (unsigned i = 0; i < n; i++)
		if ((unsigned)rows[i].kind < TABLES && rows[i].slot < t->tables[rows[i].kind].n && rows[i].failures != 0 &&
		    rows[i].key != 0)
			restore_row(t, now_ms, &rows[i]);
	for (int i = 0; i < TABLES; i++)
		for (unsigned slot = 0; slot < t->tables[i].used; slot++)
			if (t->tables[i].entries[slot].key == 0)
				TAILQ_INSERT_HEAD(&t->tables[i].lru, &t->tables[i].entries[slot], lru);
}

unsigned throttle_entries(const struct throttle *t)
{
	return t->tables[BY_ADDR].used + t->tables[BY_USER].used + t->tables[BY_PAIR].used;
}
