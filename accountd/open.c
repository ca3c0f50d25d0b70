#include "accountd/accountd.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* The parts of accountd, made at the start and ended in order; and what it writes now and then. */
enum {
	ARENA_MAX = 4 * 1024 * 1024, CHECKPOINT_MS = 60 * 1000,
	APP_ITERATIONS = 32768,         /* with scram_iterations = 0 */
	SAVE_MS = 5 * 1000, SAVE_MORE_MS = 500, SAVE_ROWS = 512,        /* counts of failed logins */
};

uint32_t accountd_iterations(const struct accountd *ac)
{
	uint64_t n = ac->d->conf->scram_iterations;

	return n == 0 ? 0 : n < SCRAM_ITERATIONS_MIN ? SCRAM_ITERATIONS_MIN : (uint32_t)n;
}

uint32_t accountd_app_iterations(const struct accountd *ac, const struct store_user *u)
{
	uint32_t n = u->iterations != 0 ? u->iterations : accountd_iterations(ac);

	return n != 0 ? n : APP_ITERATIONS;
}

void accountd_forget(struct accountd *ac, uint64_t account)
{
	ac->epoch++;
	logincache_drop(ac->cache, account);
}

static void on_checkpoint(void *ctx)
{
	struct accountd *ac = ctx;

	store_checkpoint(ac->store);
	accountd_check_store(ac);
	loop_timer_set(ac->d->loop, &ac->checkpoint, CHECKPOINT_MS, on_checkpoint, ac);
}

/* ---- counts of failed logins: in the store with the wall clock's time ------------------------- */

/* At most SAVE_ROWS, so that nobody waits for it long; true: there may be more. */
static bool save_counts(struct accountd *ac)
{
	static struct throttle_row rows[SAVE_ROWS];
	static struct store_count counts[SAVE_ROWS];
	unsigned n = throttle_changed(ac->throttle, loop_now(ac->d->loop), rows, SAVE_ROWS);
	uint64_t now = clock_wall_s();
	int r;

	for (unsigned i = 0; i < n; i++) {
		uint64_t age = rows[i].age_ms / MS_PER_S;

		counts[i] = (struct store_count){ .table = (uint8_t)rows[i].kind, .slot = rows[i].slot,
			.failures = rows[i].failures, .key = rows[i].key, .last = age < now ? now - age : 0 };
		memcpy(counts[i].text, rows[i].text, sizeof(counts[i].text));
	}
	if (n != 0 && (r = store_count_put(ac->store, counts, n)) != 0)
		log_warn("counts of failed logins could not be written: %s", err_str(r));
	return n == SAVE_ROWS;
}

static void on_save(void *ctx)
{
	struct accountd *ac = ctx;
	bool more = save_counts(ac);

	accountd_check_store(ac);
	loop_timer_set(ac->d->loop, &ac->save, more ? SAVE_MORE_MS : SAVE_MS, on_save, ac);
}

struct loading {
	struct throttle_row *rows;
	unsigned n;
	uint64_t now;
};

static int load_count(void *ctx, const struct store_count *c)
{
	struct loading *l = ctx;
	struct throttle_row *row = &l->rows[l->n];

	if (l->n == 3 * THROTTLE_ENTRIES)
		return 1;
	*row = (struct throttle_row){ .kind = (enum throttle_kind)c->table, .slot = c->slot, .failures = c->failures,
		.key = c->key, .age_ms = c->last < l->now ? (l->now - c->last) * MS_PER_S : 0 };
	memcpy(row->text, c->text, sizeof(row->text));
	l->n++;
	return 0;
}

static int load_counts(struct accountd *ac)
{
	struct loading l = { .rows = calloc(3 * THROTTLE_ENTRIES, sizeof(*l.rows)), .now = clock_wall_s() };
	int r;

	if (l.rows == NULL)
		return ERR_NOMEM;
	r = store_count_each(ac->store, load_count, &l);
	if (r >= 0)
		throttle_restore(ac->throttle, loop_now(ac->d->loop), l.rows, l.n);
	else
		log_warn("counts of failed logins could not be read, they begin anew: %s", err_str(r));
	free(l.rows);
	return 0;
}

/* ---- the start -------------------------------------------------------------------------------- */

/* A hash and keys that cost what real ones cost, of a password that nobody knows. */
static int make_dummy(struct accountd *ac)
{
	static const char hex[] = "0123456789abcdef";
	struct crypt_data *work = malloc(sizeof(*work));
	uint8_t random[16];
	char password[2 * sizeof(random) + 1] = { 0 };
	int r;

	if (work == NULL)
		return ERR_NOMEM;
	random_fill(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++) {
		password[2 * i] = hex[random[i] >> 4];
		password[2 * i + 1] = hex[random[i] & 15];
	}
	r = password_hash(password, work, ac->dummy_hash);
	random_fill(&ac->dummy_keys, sizeof(ac->dummy_keys));
	explicit_bzero(password, sizeof(password));
	free(work);
	return r;
}

int accountd_open(struct accountd *ac, struct daemon *d, const char *home)
{
	int r;

	ac->d = d;
	d->state = ac;
	LIST_INIT(&ac->tasks);
	random_fill(ac->cache_key, sizeof(ac->cache_key));
	if ((r = store_open(&ac->store, home)) != 0) {
		log_error("cannot open the account store in %s: %s; look at the owner and mode of the directory",
		    log_esc(slice_cstr(d->conf->state_dir)), r == ERR_IO ? strerror(errno) : err_str(r));
		return r;
	}
	ac->dir = (struct directory){ .store = ac->store, .delimiters = d->conf->recipient_delimiter };
	ac->arena = arena_new(ARENA_MAX);
	ac->throttle = throttle_new((unsigned)d->conf->login_failures, THROTTLE_ENTRIES, store_count_key(ac->store));
	ac->cache = logincache_new(LOGINCACHE_ENTRIES);
	ac->nonces = nonces_new();
	ac->pool = authpool_new(d->loop, (unsigned)d->conf->auth_threads);
	if (ac->arena == NULL || ac->throttle == NULL || ac->cache == NULL || ac->nonces == NULL || ac->pool == NULL)
		return ERR_NOMEM;
	if ((r = load_counts(ac)) != 0 || (r = make_dummy(ac)) != 0)
		return r;
	loop_timer_set(d->loop, &ac->checkpoint, CHECKPOINT_MS, on_checkpoint, ac);
	loop_timer_set(d->loop, &ac->save, SAVE_MS, on_save, ac);
	return 0;
}

void accountd_close(struct accountd *ac)
{
	authpool_free(&ac->pool);
	if (ac->throttle != NULL && ac->store != NULL && ac->d->loop != NULL)
		while (!store_broken(ac->store) && save_counts(ac))
			continue;
	store_close(&ac->store);
	throttle_free(&ac->throttle);
	logincache_free(&ac->cache);
	nonces_free(&ac->nonces);
	arena_free(&ac->arena);
	explicit_bzero(ac, sizeof(*ac));
}
