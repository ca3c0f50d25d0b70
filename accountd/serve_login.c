#include "accountd/accountd.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/token.h"

/*
 * LOGIN: (name, password, address) -> session token. A wrong name and a wrong password
 * cost the same time and get the same answer; the password is copied once, into the job
 * of the thread that checks it, and wiped there.
 */
enum { SESSION_LIFETIME_S = 24 * 3600 };

static void cut_cstr(struct slice s, char *dst, size_t size)
{
	if (slice_to_cstr(slice_sub(s, 0, size - 1), dst, size) != 0)
		dst[0] = '\0';
}

static void log_login(const struct task *t, const char *result)
{
	log_info("login user=%s addr=%s service=%s result=%s", log_esc(slice_cstr(t->user)),
	    log_esc(slice_cstr(t->addr)), log_esc(slice_cstr(t->service)), result);
}

static void reply_logged_in(const struct task *t)
{
	struct token token = { .kind = TOKEN_SESSION, .account = t->account,
		.expiry = clock_wall_s() + SESSION_LIFETIME_S };
	struct account_logged_in in = { .account = t->account, .user = name_text(&t->name) };
	uint8_t text[TOKEN_SIZE];
	int r = token_mint(t->ac->d->secret, &token, text);

	if (r != 0) {
		log_error("no session token could be made: %s", err_str(r));
		accountd_fail(t->ch, t->id, ERR_IO, "a fault of the server");
		return;
	}
	in.token = slice_of(text, sizeof(text));
	IPC_REPLY(t->ch, account_logged_in, t->id, &in);
}

static void login_done(struct authpool_job *job, void *ctx)
{
	struct task *t = ctx;
	bool good = job->result == 0 && t->account != 0;

	throttle_end(t->ac->throttle, &t->try, good ? THROTTLE_GOOD : THROTTLE_WRONG, loop_now(t->ac->d->loop));
	log_login(t, good ? "ok" : "denied");
	if (t->ch != NULL && good)
		reply_logged_in(t);
	else if (t->ch != NULL)
		accountd_fail(t->ch, t->id, ERR_DENIED, "wrong name or password");
	task_free(t);
}

/* Finds the user and its hash; without one, the hash of nobody. */
static int find_user(struct accountd *ac, struct slice user, struct task *t)
{
	struct store_user u;
	int r = directory_login_name(&ac->dir, user, &t->name);

	if (r == 0)
		r = store_user_get(ac->store, &t->name, &u);
	if (r == 0) {
		t->account = u.account;
		r = slice_to_cstr(slice_cstr(u.hash), t->job.hash, sizeof(t->job.hash));
		explicit_bzero(&u, sizeof(u));
	} else if (r == ERR_NOTFOUND) {
		r = slice_to_cstr(slice_cstr(ac->dummy_hash), t->job.hash, sizeof(t->job.hash));
	}
	return r;
}

static void start_login(struct accountd *ac, struct task *t, const struct account_login *req)
{
	uint64_t wait_ms, now = loop_now(ac->d->loop);
	struct slice user = req->user;
	int r;

	/* A user has one count, in however many ways its name can be written. */
	if (directory_login_name(&ac->dir, req->user, &t->name) == 0)
		user = name_text(&t->name);
	if ((r = throttle_begin(ac->throttle, req->addr, user, req->secret, now, &t->try, &wait_ms)) != 0) {
		log_login(t, "slowed");
		accountd_fail(t->ch, t->id, ERR_AGAIN, "too many failed logins: try again in %llu seconds",
		    (unsigned long long)(wait_ms / MS_PER_S + 1));
		task_free(t);
		return;
	}
	t->job.done = login_done;
	if ((r = find_user(ac, req->user, t)) == 0) {
		/* A password that crypt(3) cannot take never fits, but is not told apart. */
		if (slice_to_cstr(req->secret, t->job.password, sizeof(t->job.password)) != 0)
			t->account = 0;
		r = authpool_submit(ac->pool, &t->job);
	}
	if (r == 0)
		return;
	throttle_end(ac->throttle, &t->try, THROTTLE_UNKNOWN, now);
	log_login(t, r == ERR_AGAIN ? "overloaded" : "fault");
	accountd_fail(t->ch, t->id, r == ERR_AGAIN ? ERR_AGAIN : ERR_IO,
	    r == ERR_AGAIN ? "too many logins at a time: try again" : "a fault of the server: try again later");
	task_free(t);
	accountd_check_store(ac);
}

int accountd_on_login(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_login req;
	struct task *t;
	int r = IPC_DECODE(m, account_login, ac->arena, &req);

	if (r != 0)
		return r;
	if (req.how != LOGIN_PASSWORD)
		return ERR_STATE;
	if ((t = task_new(ac, ch, m->id)) == NULL) {
		accountd_fail(ch, m->id, ERR_AGAIN, "out of memory: try again later");
	} else {
		cut_cstr(req.addr, t->addr, sizeof(t->addr));
		cut_cstr(req.service, t->service, sizeof(t->service));
		cut_cstr(req.user, t->user, sizeof(t->user));
		start_login(ac, t, &req);
	}
	/* The password is wiped where it came in, too. */
	if (req.secret.len != 0)
		explicit_bzero((void *)(uintptr_t)req.secret.p, req.secret.len);
	return 0;
}
