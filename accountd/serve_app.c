#include "accountd/accountd.h"

#include <stdlib.h>

#include "accountd/apppass.h"
#include "common/base/clock.h"
#include "common/base/log.h"

/* pabal app-password, user show and login-failures, on the control socket. */

static int find(struct accountd *ac, struct channel *ch, uint32_t id, struct slice user, struct name *n_r, struct store_user *u_r)
{
	int r = name_parse(user, n_r);

	if (r == 0 && name_domain(n_r).len != 0)
		r = store_user_get(ac->store, n_r, u_r);
	else
		r = ERR_SYNTAX;
	if (r == ERR_NOTFOUND)
		accountd_fail(ch, id, r, "There is no user %s; \"pabal user list\" shows all.", log_esc(user));
	else if (r == ERR_SYNTAX)
		accountd_fail(ch, id, r, "%s is not an address of the form NAME@DOMAIN.", log_esc(user));
	else if (r != 0)
		accountd_fail(ch, id, r, "The account store failed (%s); accountd's log tells more.", err_str(r));
	return r;
}

/* ---- app passwords ------------------------------------------------------------------- */

static void log_app(const char *verb, const struct name *n, uint32_t app, uid_t by, int r)
{
	log_info("admin verb=%s name=%s app-password=%u by-uid=%lu result=%s", verb, log_esc(name_text(n)), app,
	    (unsigned long)by, err_str(r));
}

static void app_made(struct authpool_job *job, void *ctx)
{
	struct task *t = ctx;
	struct accountd *ac = t->ac;
	struct admin_work *w = t->admin;
	struct account_app_added added = { .password = slice_cstr(w->password) };
	int r = job->result;

	if (r == 0) {
		w->app.keys = job->keys;
		w->app.created = clock_wall_s();
		r = store_app_add(ac->store, &t->name, &w->app, job->iterations, &added.app);
	}
	log_app("app-password-add", &t->name, added.app, w->by, r);
	if (t->ch != NULL && r == 0)
		IPC_REPLY(t->ch, account_app_added, t->id, &added);
	else if (t->ch != NULL && r == ERR_FULL)
		accountd_fail(t->ch, t->id, r, "%s has %d app passwords already; delete one that is not used any more.",
		    log_esc(name_text(&t->name)), STORE_APPS_MAX);
	else if (t->ch != NULL)
		accountd_fail(t->ch, t->id, r, "The app password could not be made (%s); look and try again.", err_str(r));
	explicit_bzero(&job->keys, sizeof(job->keys));
	task_free(t);
	accountd_check_store(ac);
}

static int begin_app(struct task *t, const struct account_app_add *req, const struct store_user *u)
{
	struct accountd *ac = t->ac;
	struct admin_work *w = t->admin = calloc(1, sizeof(*w));
	struct authpool_job *job;
	uint8_t salt[SCRAM_SALT_SIZE];
	int r;

	if (w == NULL)
		return ERR_NOMEM;
	job = &w->job;
	w->by = channel_peer_uid(t->ch);
	w->app.services = req->services;
	apppass_make(w->password);
	if ((r = slice_to_cstr(req->label, w->app.label, sizeof(w->app.label))) != 0 ||
	    (r = slice_to_cstr(slice_cstr(w->password), job->password, sizeof(job->password))) != 0 ||
	    (r = store_salt(ac->store, name_text(&t->name), salt)) != 0 ||
	    (r = apppass_hash(salt, slice_cstr(w->password), w->app.hash)) != 0)
		return r;
	job->kind = AUTHPOOL_MAKE;
	job->iterations = accountd_app_iterations(ac, u);
	memcpy(job->salt, u->iterations != 0 ? u->salt : salt, sizeof(job->salt));
	job->done = app_made;
	job->ctx = t;
	return authpool_submit(ac->pool, job, 0, true);
}

int accountd_on_app_add(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_app_add req;
	struct store_user u;
	struct task *t;
	struct name n;
	int r = IPC_DECODE(m, account_app_add, ac->arena, &req);

	if (r != 0)
		return r;
	if (req.services == 0 || (req.services & ~SERVICE_ALL) != 0)
		return ERR_SYNTAX;
	if (find(ac, ch, m->id, req.user, &n, &u) != 0)
		return 0;
	for (size_t i = 0; i < req.label.len && r == 0; i++)
		if (is_class(req.label.p[i], CC_CTL))
			r = ERR_SYNTAX;
	t = r == 0 ? task_new(ac, ch, m->id) : NULL;
	if (r != 0) {
		accountd_fail(ch, m->id, r, "The label contains a control character; choose another.");
	} else if (t == NULL) {
		accountd_fail(ch, m->id, ERR_AGAIN, "accountd is too busy now; try again.");
	} else {
		t->name = n;
		if ((r = begin_app(t, &req, &u)) != 0) {
			accountd_fail(ch, m->id, r, "accountd is too busy now (%s); try again.", err_str(r));
			task_free(t);
		}
	}
	explicit_bzero(&u, sizeof(u));
	return 0;
}

int accountd_on_app_delete(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_app_delete req;
	struct account_ok ok = { 0 };
	struct store_user u;
	struct name n;
	int r = IPC_DECODE(m, account_app_delete, ac->arena, &req);

	if (r != 0)
		return r;
	if (find(ac, ch, m->id, req.user, &n, &u) != 0)
		return 0;
	r = store_app_delete(ac->store, &n, req.app);
	if (r == 0)
		accountd_forget(ac, u.account);
	log_app("app-password-delete", &n, req.app, channel_peer_uid(ch), r);
	if (r == 0)
		IPC_REPLY(ch, account_ok, m->id, &ok);
	else if (r == ERR_NOTFOUND)
		accountd_fail(ch, m->id, r, "%s has no app password %u; \"pabal app-password list %s\" shows all.", n.text, req.app, n.text);
	else
		accountd_fail(ch, m->id, r, "The account store failed (%s); accountd's log tells more.", err_str(r));
	explicit_bzero(&u, sizeof(u));
	accountd_check_store(ac);
	return 0;
}

static void add_app(struct account_user_shown *shown, const struct store_app *a)
{
	shown->apps[shown->apps_n++] = (struct account_app){ .app = a->id, .label = slice_cstr(a->label),
		.services = a->services, .created = a->created, .used = a->used, .used_from = slice_cstr(a->used_from) };
}

int accountd_on_user_show(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct store_app apps[STORE_APPS_MAX];
	struct account_app shown_apps[STORE_APPS_MAX];
	struct account_user_shown shown = { .apps = shown_apps };
	struct account_user_show req;
	struct store_user u;
	struct name n;
	unsigned apps_n = 0;
	int r = IPC_DECODE(m, account_user_show, ac->arena, &req);

	if (r != 0)
		return r;
	if (find(ac, ch, m->id, req.user, &n, &u) != 0)
		return 0;
	if ((r = store_app_list(ac->store, &n, apps, &apps_n)) != 0) {
		accountd_fail(ch, m->id, r, "The account store failed (%s); accountd's log tells more.", err_str(r));
	} else {
		shown.user = name_text(&n);
		shown.account = u.account;
		shown.created = u.created;
		shown.kind = slice_cstr(password_hash_kind(u.hash));
		shown.scram = u.scram;
		shown.iterations = u.iterations;
		for (unsigned i = 0; i < apps_n; i++)
			add_app(&shown, &apps[i]);
		IPC_REPLY(ch, account_user_shown, m->id, &shown);
	}
	explicit_bzero(&u, sizeof(u));
	if (apps_n != 0)
		explicit_bzero(apps, sizeof(apps));
	accountd_check_store(ac);
	return 0;
}

/* ---- failed logins ---------------------------------------------------------------------- */

enum { FAILURES_MAX = 1000 };

struct failures {
	struct arena *a;
	struct account_failures_reply *reply;
	uint32_t skip, max;
};

static int add_failure(void *ctx, const struct throttle_item *item)
{
	struct failures *f = ctx;
	struct account_failure *x;

	if (f->skip != 0) {
		f->skip--;
		return 0;
	}
	if (f->reply->items_n == f->max) {
		f->reply->more = 1;
		return 1;
	}
	x = &f->reply->items[f->reply->items_n++];
	x->kind = item->kind == THROTTLE_BY_USER;
	x->text = slice_cstr(item->text);
	x->failures = item->failures;
	x->age = item->age_ms / MS_PER_S;
	x->wait = (item->wait_ms + MS_PER_S - 1) / MS_PER_S;
	return 0;
}

int accountd_on_failures(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_failures_reply reply = { 0 };
	struct account_failures req;
	struct failures f = { .a = ac->arena, .reply = &reply };
	int r = IPC_DECODE(m, account_failures, ac->arena, &req);

	if (r != 0)
		return r;
	f.skip = req.skip;
	f.max = req.n < FAILURES_MAX ? req.n : FAILURES_MAX;
	if ((reply.items = arena_calloc(ac->arena, f.max, sizeof(*reply.items))) == NULL)
		accountd_fail(ch, m->id, ERR_NOMEM, "There is no memory; try again.");
	else if ((r = throttle_each(ac->throttle, loop_now(ac->d->loop), add_failure, &f)) >= 0)
		IPC_REPLY(ch, account_failures_reply, m->id, &reply);
	arena_reset(ac->arena);
	return r < 0 ? r : 0;
}

int accountd_on_failures_clear(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_failures_clear req;
	struct account_ok ok;
	struct name n;
	int r = IPC_DECODE(m, account_failures_clear, ac->arena, &req);

	if (r != 0)
		return r;
	ok.value = throttle_clear(ac->throttle, req.text);
	if (ok.value == 0 && directory_login_name(&ac->dir, req.text, &n) == 0)
		ok.value = throttle_clear(ac->throttle, name_text(&n));
	log_info("admin verb=login-failures-clear name=%s by-uid=%lu count=%llu", log_esc(req.text),
	    (unsigned long)channel_peer_uid(ch), (unsigned long long)ok.value);
	if (ok.value != 0)
		IPC_REPLY(ch, account_ok, m->id, &ok);
	else
		accountd_fail(ch, m->id, ERR_NOTFOUND, "No failed logins of %s are counted; \"pabal login-failures\" shows all.",
		    log_esc(req.text));
	return 0;
}
