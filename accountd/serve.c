#include "accountd/accountd.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/token.h"

enum { GRANT_LIFETIME_S = 3600 };

void accountd_fail(struct channel *ch, uint32_t id, int code, const char *fmt, ...)
{
	struct buf b = BUF_INIT(1024);
	struct account_fail f = { .code = (uint32_t)code };
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	f.text = buf_err(&b) == 0 ? buf_slice(&b) : slice_cstr(err_str(code));
	IPC_REPLY(ch, account_fail, id, &f);
	buf_free(&b);
}

void accountd_check_store(struct accountd *ac)
{
	if (!store_broken(ac->store))
		return;
	log_error("the account store wants recovery: ending, to be started anew");
	exit(1);
}

/* ---- tasks ---------------------------------------------------------------- */

struct task *task_new(struct accountd *ac, struct channel *ch, uint32_t id)
{
	struct task *t = ac->tasks_n < TASKS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (t == NULL)
		return NULL;
	t->ac = ac;
	t->ch = ch;
	t->id = id;
	LIST_INSERT_HEAD(&ac->tasks, t, entry);
	ac->tasks_n++;
	return t;
}

void task_free(struct task *t)
{
	struct accountd *ac = t->ac;

	LIST_REMOVE(t, entry);
	ac->tasks_n--;
	if (t->admin != NULL)
		explicit_bzero(t->admin, sizeof(*t->admin));
	free(t->admin);
	explicit_bzero(t, sizeof(*t));
	free(t);
	if (ac->stopping && LIST_EMPTY(&ac->tasks))
		daemon_done(ac->d);
}

void tasks_orphan(struct accountd *ac, const struct channel *ch)
{
	struct task *t;

	LIST_FOREACH(t, &ac->tasks, entry)
		if (t->ch == ch)
			t->ch = NULL;
}

/* ---- lookup, resolve --------------------------------------------------------- */

static void lookup_failed(struct accountd *ac, struct channel *ch, uint32_t id, int r, struct slice address)
{
	const char *why = r == ERR_STATE ? "an alias leads to nobody" :
	    r == ERR_LIMIT ? "an alias has too many targets or too many levels" : err_str(r);

	if (r == ERR_SYNTAX || (r == ERR_LIMIT && address.len > MAIL_ADDR_MAX)) {
		accountd_fail(ch, id, r, "%s is not an address", log_esc(address));
		return;
	}
	log_error("looking up %s failed: %s", log_esc(address), why);
	accountd_fail(ch, id, r, "%s", why);
	accountd_check_store(ac);
}

static int on_lookup(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_lookup_reply reply = { 0 };
	struct account_lookup req;
	int r = IPC_DECODE(m, account_lookup, ac->arena, &req);

	if (r != 0)
		return r;
	r = directory_lookup(&ac->dir, req.address, &reply.kind);
	if (r == 0)
		IPC_REPLY(ch, account_lookup_reply, m->id, &reply);
	else
		lookup_failed(ac, ch, m->id, r, req.address);
	return 0;
}

static int add_grants(const struct accountd *ac, uint64_t msgid, struct account_resolved *res)
{
	struct token t = { .kind = TOKEN_GRANT, .msgid = msgid, .expiry = clock_wall_s() + GRANT_LIFETIME_S };

	for (uint32_t i = 0; i < res->targets_n; i++) {
		uint8_t *text;
		int r;

		if (res->targets[i].account == 0)
			continue;
		if ((text = arena_alloc(ac->arena, TOKEN_SIZE)) == NULL)
			return ERR_NOMEM;
		t.account = res->targets[i].account;
		if ((r = token_mint(ac->d->secret, &t, text)) != 0)
			return r;
		res->targets[i].grant = slice_of(text, TOKEN_SIZE);
	}
	return 0;
}

static int on_resolve(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_resolve req;
	struct account_resolved res;
	int r = IPC_DECODE(m, account_resolve, ac->arena, &req);

	if (r != 0)
		return r;
	if ((r = directory_resolve(&ac->dir, req.address, ac->arena, &res)) == 0)
		r = add_grants(ac, req.msgid, &res);
	if (r == 0)
		IPC_REPLY(ch, account_resolved, m->id, &res);
	else
		lookup_failed(ac, ch, m->id, r, req.address);
	arena_reset(ac->arena);
	return 0;
}

static int on_sender(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_sender req;
	struct account_ok ok;
	bool may;
	int r = IPC_DECODE(m, account_sender, ac->arena, &req);

	if (r != 0)
		return r;
	r = directory_sender(&ac->dir, req.account, req.address, ac->arena, &may);
	ok.value = may;
	if (r == 0)
		IPC_REPLY(ch, account_ok, m->id, &ok);
	else
		lookup_failed(ac, ch, m->id, r, req.address);
	arena_reset(ac->arena);
	return 0;
}

const struct ipc_handler accountd_lookup_handlers[] = {
	{ account_lookup_MSG, on_lookup }, { 0, NULL },
};
const struct ipc_handler accountd_resolve_handlers[] = {
	{ account_resolve_MSG, on_resolve }, { 0, NULL },
};
const struct ipc_handler accountd_login_handlers[] = {
	{ account_login_MSG, accountd_on_login }, { 0, NULL },
};
const struct ipc_handler accountd_smtpd_handlers[] = {
	{ account_lookup_MSG, on_lookup }, { account_login_MSG, accountd_on_login }, { account_sender_MSG, on_sender },
	{ 0, NULL },
};
const struct ipc_handler accountd_control_handlers[] = {
	{ account_admin_MSG, accountd_on_admin }, { account_list_MSG, accountd_on_list }, { account_lookup_MSG, on_lookup },
	{ account_app_add_MSG, accountd_on_app_add }, { account_app_delete_MSG, accountd_on_app_delete },
	{ account_user_show_MSG, accountd_on_user_show }, { account_failures_MSG, accountd_on_failures },
	{ account_failures_clear_MSG, accountd_on_failures_clear }, { account_validator_MSG, accountd_on_validator },
	{ 0, NULL },
};
