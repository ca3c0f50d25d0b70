#include "accountd/accountd.h"

#include <stdlib.h>

#include "accountd/apppass.h"
#include "common/base/clock.h"
#include "common/base/log.h"

/*
 * LOGIN_PASSWORD. In this order: may it be tried at all; was it proven lately (logincache.h); is a thread looking at the
 * same user and password for the same service now (then all who ask wait for one answer); an app password, one fast hash; else the
 * slow hash on a thread. What a wrong login costs, and that is one of each, does not depend on whether the user exists.
 */
struct login_check {
	LIST_ENTRY(login_check) chain;
	struct accountd *ac;
	uint8_t key[DIGEST_SIZE];       /* of user and password */
	uint8_t service;                /* whose app passwords did not fit */
	uint64_t epoch;
	struct name name;
	uint64_t account;               /* 0: whatever the thread says, it does not fit */
	struct task_list waiters;
	struct authpool_job job;
};

static struct login_check *find_check(struct accountd *ac, const uint8_t key[DIGEST_SIZE], uint8_t service)
{
	struct login_check *c;

	LIST_FOREACH(c, &ac->checks[get_le32(key) % CHECK_CHAINS], chain)
		if (c->epoch == ac->epoch && c->service == service && digest_equal(c->key, key, DIGEST_SIZE))
			return c;
	return NULL;
}

static void free_check(struct login_check *c)
{
	LIST_REMOVE(c, chain);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static void remember(struct accountd *ac, const uint8_t key[DIGEST_SIZE], uint64_t account, uint32_t app, uint8_t services)
{
	const struct logincache_value v = { .account = account, .app = app, .services = services };

	if (ac->d->conf->login_cache != 0)
		logincache_put(ac->cache, key, &v, loop_now(ac->d->loop) + ac->d->conf->login_cache * MS_PER_S);
}

/* The thread made a hash of today's kind, or SCRAM keys that were missing. */
static void upgrade(struct login_check *c)
{
	struct store_password p = { .hash = c->job.new_hash[0] != '\0' ? c->job.new_hash : c->job.hash,
		.iterations = c->job.iterations, .keys = c->job.keys };
	int r;

	if (c->job.new_hash[0] == '\0' && c->job.iterations == 0)
		return;
	r = store_user_upgrade(c->ac->store, &c->name, c->job.hash, &p);
	if (r != 0 && r != ERR_STATE && r != ERR_NOTFOUND)
		log_warn("a user's record could not be written anew: user=%s: %s", log_esc(name_text(&c->name)), err_str(r));
	explicit_bzero(&p, sizeof(p));
}

static void check_done(struct authpool_job *job, void *ctx)
{
	struct login_check *c = ctx;
	struct accountd *ac = c->ac;
	bool good = job->result == 0 && c->account != 0, unknown = job->result != 0 && job->result != ERR_DENIED;
	struct task *t;

	if (good && c->epoch == ac->epoch) {
		upgrade(c);
		remember(ac, c->key, c->account, 0, SERVICE_ALL);
	}
	while ((t = LIST_FIRST(&c->waiters)) != NULL) {
		LIST_REMOVE(t, waiting);
		t->account = c->account;
		throttle_end(ac->throttle, &t->try, good ? THROTTLE_GOOD : unknown ? THROTTLE_UNKNOWN : THROTTLE_WRONG,
		    loop_now(ac->d->loop));
		if (good)
			login_granted(t, slice_of(NULL, 0));
		else if (unknown)
			login_fault(t, job->result);
		else
			login_denied(t);
	}
	free_check(c);
	accountd_check_store(ac);
}

static int make_key(const struct accountd *ac, struct slice user, struct slice password, uint8_t key_r[DIGEST_SIZE])
{
	const struct slice parts[] = { user, slice_of("", 1), password };

	return digest_hmac(slice_of(ac->cache_key, sizeof(ac->cache_key)), parts, ARRAY_LEN(parts), key_r);
}

/* Does an app password fit that is for this service? 0 and t->app, ERR_DENIED, or an error of the store. */
static int try_apps(struct task *t, const uint8_t salt[SCRAM_SALT_SIZE], struct slice password, uint8_t *services_r)
{
	struct store_app apps[STORE_APPS_MAX];
	uint8_t hash[DIGEST_SIZE];
	unsigned n = 0;
	int r;

	if ((r = apppass_hash(salt, password, hash)) != 0 ||
	    (t->name.len != 0 && (r = store_app_list(t->ac->store, &t->name, apps, &n)) != 0))
		return r == ERR_LIMIT ? ERR_DENIED : r;
	for (unsigned i = 0; i < n; i++)
		if (digest_equal(apps[i].hash, hash, sizeof(hash)) && (apps[i].services & t->service) != 0) {
			t->app = apps[i].id;
			*services_r = apps[i].services;
		}
	explicit_bzero(apps, sizeof(apps));
	explicit_bzero(hash, sizeof(hash));
	return t->app != 0 && t->account != 0 ? 0 : ERR_DENIED;
}

/* Has a thread look at it; the task waits. */
static int begin_check(struct task *t, const struct store_user *u, const uint8_t salt[SCRAM_SALT_SIZE],
    struct slice password, const uint8_t key[DIGEST_SIZE])
{
	struct accountd *ac = t->ac;
	struct login_check *c = calloc(1, sizeof(*c));
	struct authpool_job *job;
	int r;

	if (c == NULL)
		return ERR_NOMEM;
	c->ac = ac;
	memcpy(c->key, key, DIGEST_SIZE);
	c->service = t->service;
	c->epoch = ac->epoch;
	c->name = t->name;
	c->account = t->account;
	LIST_INSERT_HEAD(&ac->checks[get_le32(key) % CHECK_CHAINS], c, chain);
	job = &c->job;
	job->kind = AUTHPOOL_CHECK;
	job->done = check_done;
	job->ctx = c;
	job->hash_wanted = true;
	if (t->account != 0 && !u->scram && accountd_iterations(ac) != 0)
		job->iterations = u->iterations != 0 ? u->iterations : accountd_iterations(ac);
	memcpy(job->salt, salt, sizeof(job->salt));
	r = slice_to_cstr(slice_cstr(t->account != 0 ? u->hash : ac->dummy_hash), job->hash, sizeof(job->hash));
	/* A password that crypt(3) cannot take never fits, but is not told apart. */
	if (slice_to_cstr(password, job->password, sizeof(job->password)) != 0)
		c->account = 0;
	if (r == 0 && (r = authpool_submit(ac->pool, job, t->try.addr, t->try.known)) == 0)
		LIST_INSERT_HEAD(&c->waiters, t, waiting);
	else
		free_check(c);
	return r;
}

/* An app password, or else the thread. */
static void prove(struct task *t, const struct account_login *req, struct slice user, const uint8_t key[DIGEST_SIZE])
{
	struct accountd *ac = t->ac;
	struct store_user u;
	uint8_t services = 0, salt[SCRAM_SALT_SIZE];
	int r = login_find_user(t, req->user, &u);

	if ((r == 0 || r == ERR_NOTFOUND) && (r = store_salt(ac->store, user, salt)) == 0)
		r = try_apps(t, salt, req->secret, &services);
	if (r == 0) {
		throttle_end(ac->throttle, &t->try, THROTTLE_GOOD, loop_now(ac->d->loop));
		remember(ac, key, t->account, t->app, services);
		login_granted(t, slice_of(NULL, 0));
	} else {
		if (r == ERR_DENIED)
			r = begin_check(t, &u, salt, req->secret, key);
		if (r != 0) {
			throttle_end(ac->throttle, &t->try, THROTTLE_UNKNOWN, loop_now(ac->d->loop));
			login_fault(t, r);
		}
	}
	explicit_bzero(&u, sizeof(u));
}

void login_password(struct task *t, const struct account_login *req)
{
	struct accountd *ac = t->ac;
	uint64_t wait_ms, now = loop_now(ac->d->loop);
	struct logincache_value v;
	struct login_check *c;
	uint8_t key[DIGEST_SIZE];
	struct slice user;
	int r = directory_login_name(&ac->dir, req->user, &t->name);

	/* A user has one count, in however many ways its name can be written. */
	user = login_key(t, req->user);
	if (r != 0 && r != ERR_NOTFOUND) {
		login_fault(t, r);
	} else if (throttle_check(ac->throttle, req->addr, user, req->secret, now, &t->try, &wait_ms) != 0) {
		login_slowed(t, wait_ms);
	} else if ((r = make_key(ac, user, req->secret, key)) != 0) {
		login_fault(t, r);
	} else if (ac->d->conf->login_cache != 0 && logincache_get(ac->cache, key, now, &v) &&
	    (v.services & t->service) != 0) {
		t->account = v.account;
		t->app = v.app;
		throttle_end(ac->throttle, &t->try, THROTTLE_GOOD, now);
		login_granted(t, slice_of(NULL, 0));
	} else if ((c = find_check(ac, key, t->service)) != NULL) {
		LIST_INSERT_HEAD(&c->waiters, t, waiting);
	} else if ((r = throttle_enter(ac->throttle, &t->try)) != 0) {
		login_fault(t, r);
	} else {
		prove(t, req, user, key);
	}
	explicit_bzero(key, sizeof(key));
}
