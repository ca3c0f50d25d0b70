#include "accountd/accountd.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* The requests of the pabal command, on the control socket. */

static void admin_finish(struct accountd *ac, struct channel *ch, uint32_t id, const struct admin_plan *p,
    const struct store_password *pw, uid_t by)
{
	struct buf why = BUF_INIT(1024);
	struct account_ok ok = { 0 };
	int r = admin_apply(ac->store, p, pw, clock_wall_s(), &ok.value, &why);
	const char *name = p->domain[0] != '\0' ? p->domain : p->name.text;

	if (r == 0 && (p->verb == ADMIN_USER_DELETE || p->verb == ADMIN_USER_PASSWORD || p->verb == ADMIN_USER_PASSWORD_HASH))
		accountd_forget(ac, ok.value);
	else if (r == 0)
		ac->epoch++;    /* a name may mean somebody now whom it did not when a check of it began */
	log_info("admin verb=%s name=%s%s%s by-uid=%lu result=%s", admin_verb_name(p->verb), log_esc(slice_cstr(name)),
	    p->target[0] != '\0' ? " target=" : "", p->target[0] != '\0' ? log_esc(slice_cstr(p->target)) : "",
	    (unsigned long)by, err_str(r));
	if (ch != NULL && r == 0)
		IPC_REPLY(ch, account_ok, id, &ok);
	else if (ch != NULL)
		accountd_fail(ch, id, r, "%.*s", SLICE_ARG(buf_slice(&why)));
	buf_free(&why);
	accountd_check_store(ac);
}

static void admin_hashed(struct authpool_job *job, void *ctx)
{
	struct task *t = ctx;
	struct admin_work *w = t->admin;
	struct store_password pw = { .hash = w->plan.needs_probe ? job->hash : job->new_hash, .iterations = job->iterations,
		.keys = job->keys };

	if (job->result == 0)
		admin_finish(t->ac, t->ch, t->id, &w->plan, &pw, w->by);
	else if (t->ch != NULL && w->plan.needs_probe && job->result == ERR_DENIED)
		accountd_fail(t->ch, t->id, ERR_SYNTAX, "What was given is not a whole hash of crypt(5): it is cut, or it has more behind it.");
	else if (t->ch != NULL)
		accountd_fail(t->ch, t->id, job->result, "The password could not be hashed: %s.", err_str(job->result));
	explicit_bzero(&pw, sizeof(pw));
	task_free(t);
}

/* What keys the password gets: with the iterations of the user's app passwords, which cannot be made anew. */
static int choose_keys(struct accountd *ac, const struct admin_plan *p, struct authpool_job *job)
{
	struct store_app apps[STORE_APPS_MAX];
	struct store_user u;
	unsigned n = 0;
	int r = store_user_get(ac->store, &p->name, &u);

	job->iterations = accountd_iterations(ac);
	if (r == 0 && (r = store_app_list(ac->store, &p->name, apps, &n)) == 0 && n != 0 && u.iterations != 0)
		job->iterations = u.iterations;
	explicit_bzero(&u, sizeof(u));
	if (n != 0)
		explicit_bzero(apps, sizeof(apps));
	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	return store_salt(ac->store, name_text(&p->name), job->salt);
}

static void admin_hash(struct accountd *ac, struct channel *ch, uint32_t id, const struct admin_plan *p,
    struct slice password)
{
	struct task *t = task_new(ac, ch, id);
	struct admin_work *w = t != NULL ? calloc(1, sizeof(*w)) : NULL;
	int r = ERR_NOMEM;

	if (w != NULL) {
		t->admin = w;
		w->plan = *p;
		w->by = channel_peer_uid(ch);
		w->job.kind = p->needs_probe ? AUTHPOOL_PROBE : AUTHPOOL_MAKE;
		w->job.hash_wanted = p->needs_hash;
		w->job.done = admin_hashed;
		w->job.ctx = t;
		if (p->needs_probe)
			r = slice_to_cstr(password, w->job.hash, sizeof(w->job.hash));
		else if ((r = choose_keys(ac, p, &w->job)) == 0)
			r = slice_to_cstr(password, w->job.password, sizeof(w->job.password));
		if (r == 0)
			r = authpool_submit(ac->pool, &w->job, 0, true);
	}
	if (r == 0)
		return;
	accountd_fail(ch, id, r, "accountd is too busy now (%s); try again.", err_str(r));
	if (t != NULL)
		task_free(t);
}

int accountd_on_admin(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct buf why = BUF_INIT(1024);
	struct account_admin req;
	struct admin_plan plan;
	int r = IPC_DECODE(m, account_admin, ac->arena, &req);

	if (r != 0)
		return r;
	r = admin_check(ac->store, &req, &plan, &why);
	if (r != 0)
		accountd_fail(ch, m->id, r, "%.*s", SLICE_ARG(buf_slice(&why)));
	else if (plan.needs_hash || plan.needs_probe)
		admin_hash(ac, ch, m->id, &plan, req.password);
	else
		admin_finish(ac, ch, m->id, &plan, NULL, channel_peer_uid(ch));
	if (req.password.len != 0)
		explicit_bzero((void *)(uintptr_t)req.password.p, req.password.len);
	buf_free(&why);
	accountd_check_store(ac);
	return 0;
}

/* ---- lists ------------------------------------------------------------------- */

enum { LIST_MAX = 1000 };

struct lister {
	struct arena *a;
	struct account_list_reply *reply;
	uint32_t max;
};

static int list_item(void *ctx, const struct store_item *item)
{
	struct lister *l = ctx;
	struct account_item *i;

	if (l->reply->items_n == l->max) {
		l->reply->more = 1;
		return 1;
	}
	i = &l->reply->items[l->reply->items_n++];
	i->name = arena_dup(l->a, item->name);
	i->target = arena_dup(l->a, item->target);
	i->account = item->account;
	i->created = item->created;
	return i->name.p != NULL && i->target.p != NULL ? 0 : ERR_NOMEM;
}

static int list(struct accountd *ac, const struct account_list *req, struct account_list_reply *reply)
{
	static const enum store_kind kinds[] = { [ADMIN_LIST_DOMAINS] = STORE_DOMAINS,
		[ADMIN_LIST_USERS] = STORE_USERS, [ADMIN_LIST_ALIASES] = STORE_ALIASES };
	char text[MAIL_DOMAIN_MAX + 1];
	struct slice domain = slice_of(NULL, 0);
	struct lister l = { .a = ac->arena, .reply = reply, .max = req->n < LIST_MAX ? req->n : LIST_MAX };
	struct store_domain d;
	int r;

	if (req->domain.len != 0 && name_domain_parse(req->domain, text, &domain) != 0)
		return ERR_SYNTAX;
	if (domain.len != 0 && (r = store_domain_get(ac->store, domain, &d)) != 0)
		return r;
	if ((reply->items = arena_calloc(ac->arena, l.max, sizeof(*reply->items))) == NULL)
		return ERR_NOMEM;
	r = store_each(ac->store, kinds[req->what], domain, req->after, list_item, &l);
	return r == 1 ? 0 : r;
}

int accountd_on_list(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_list_reply reply = { 0 };
	struct account_list req;
	int r = IPC_DECODE(m, account_list, ac->arena, &req);

	if (r != 0)
		return r;
	if (req.what < ADMIN_LIST_DOMAINS || req.what > ADMIN_LIST_ALIASES)
		return ERR_SYNTAX;
	r = list(ac, &req, &reply);
	if (r == 0)
		IPC_REPLY(ch, account_list_reply, m->id, &reply);
	else if (r == ERR_NOTFOUND || r == ERR_SYNTAX)
		accountd_fail(ch, m->id, r, "There is no domain %s here; \"pabal domain list\" shows all.", log_esc(req.domain));
	else
		accountd_fail(ch, m->id, r, "The account store failed (%s); accountd's log tells more.", err_str(r));
	arena_reset(ac->arena);
	accountd_check_store(ac);
	return 0;
}
