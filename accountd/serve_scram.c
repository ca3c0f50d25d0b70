#include "accountd/accountd.h"

/*
 * SCRAM-SHA-256. The first question is answered for users that do not exist as well: the salt is derived from the
 * name in the same way for everybody (store_salt), so it tells nothing. A proof is compared with as many keys
 * as a user can have, whoever it is for.
 */
enum { CANDIDATES = 1 + STORE_APPS_MAX };

void login_scram_first(struct task *t, const struct account_login *req)
{
	struct accountd *ac = t->ac;
	uint64_t wait_ms, now = loop_now(ac->d->loop);
	char nonce[SCRAM_NONCE_LEN + 1];
	uint8_t salt[SCRAM_SALT_SIZE];
	struct account_scram reply = { 0 };
	struct store_user u;
	struct slice key;
	int r = login_find_user(t, req->user, &u);

	key = login_key(t, req->user);
	if (r == ERR_NOTFOUND)
		r = 0;
	if (r == 0 && (r = throttle_check(ac->throttle, req->addr, key, slice_of(NULL, 0), now, &t->try, &wait_ms)) != 0) {
		login_slowed(t, wait_ms);
	} else if (r != 0 || (r = store_salt(ac->store, key, salt)) != 0 || (r = nonces_make(ac->nonces, key, now, nonce)) != 0) {
		login_fault(t, r);
	} else {
		/* The same bytes as in the record, but for records that were imported with a salt of their own. */
		reply.salt = u.iterations != 0 ? slice_of(u.salt, sizeof(u.salt)) : slice_of(salt, sizeof(salt));
		reply.iterations = accountd_app_iterations(ac, &u);
		reply.nonce = slice_cstr(nonce);
		if (t->ch != NULL)
			IPC_REPLY(t->ch, account_scram, t->id, &reply);
		task_free(t);
	}
	explicit_bzero(&u, sizeof(u));
}

/* The keys that a proof of this service may fit, filled up to CANDIDATES with those of nobody. */
static int gather(struct task *t, const struct store_user *u, struct scram_keys k_r[CANDIDATES], uint32_t ids_r[CANDIDATES])
{
	struct store_app apps[STORE_APPS_MAX];
	unsigned n = 0;
	int r = t->account != 0 ? store_app_list(t->ac->store, &t->name, apps, &n) : 0;

	for (unsigned i = 0; i < CANDIDATES; i++)
		k_r[i] = t->ac->dummy_keys;
	memset(ids_r, 0, CANDIDATES * sizeof(*ids_r));
	if (t->account != 0 && u->scram)
		k_r[0] = u->keys;
	for (unsigned i = 0; r == 0 && i < n; i++)
		if (apps[i].scram && (apps[i].services & t->service) != 0) {
			k_r[i + 1] = apps[i].keys;
			ids_r[i + 1] = apps[i].id;
		}
	if (n != 0)
		explicit_bzero(apps, sizeof(apps));
	return r;
}

/* 0 and the signature; ERR_DENIED; or an error. */
static int judge(struct task *t, const struct account_login *req, const struct store_user *u, uint8_t signature_r[DIGEST_SIZE])
{
	struct scram_keys keys[CANDIDATES], fitting = t->ac->dummy_keys;
	uint32_t ids[CANDIDATES];
	bool fits = false;
	int r = gather(t, u, keys, ids);

	for (unsigned i = 0; r == 0 && i < CANDIDATES; i++)
		if (scram_proof_fits(&keys[i], req->text, req->secret)) {
			fits = true;
			fitting = keys[i];
			t->app = ids[i];
		}
	if (r == 0)
		r = scram_signature(&fitting, req->text, signature_r);
	if (r == 0 && (!fits || t->account == 0))
		r = ERR_DENIED;
	explicit_bzero(keys, sizeof(keys));
	explicit_bzero(&fitting, sizeof(fitting));
	return r;
}

void login_scram_proof(struct task *t, const struct account_login *req)
{
	struct accountd *ac = t->ac;
	uint64_t wait_ms, now = loop_now(ac->d->loop);
	uint8_t signature[DIGEST_SIZE];
	struct slice key, nonce = slice_of(NULL, 0);
	enum throttle_result result = THROTTLE_UNKNOWN;
	struct store_user u;
	bool ours;
	int r = login_find_user(t, req->user, &u);

	key = login_key(t, req->user);
	/* The same wrong password makes another proof each time: each counts. */
	if ((r == 0 || r == ERR_NOTFOUND) &&
	    throttle_check(ac->throttle, req->addr, key, req->secret, now, &t->try, &wait_ms) != 0) {
		explicit_bzero(&u, sizeof(u));
		login_slowed(t, wait_ms);
		return;
	}
	if (r == 0 || r == ERR_NOTFOUND) {
		ours = scram_server_nonce(req->text, &nonce) == 0 && nonces_check(ac->nonces, key, nonce, now) == 0;
		r = judge(t, req, &u, signature);
		result = r == 0 && ours ? THROTTLE_GOOD : r == ERR_DENIED ? THROTTLE_WRONG : THROTTLE_UNKNOWN;
		if (r == 0 && !ours)
			r = ERR_DENIED;
	}
	explicit_bzero(&u, sizeof(u));
	throttle_end(ac->throttle, &t->try, result, now);
	if (r == 0) {
		nonces_use(ac->nonces, nonce);
		login_granted(t, slice_of(signature, sizeof(signature)));
	} else if (r == ERR_DENIED) {
		t->app = 0;
		login_denied(t);
	} else {
		login_fault(t, r);
	}
}
