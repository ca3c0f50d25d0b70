#include "accountd/accountd.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/token.h"

/*
 * LOGIN: what the mechanisms have in common. A wrong name and a wrong password cost the same and get the same
 * answer. Which service a login is for is known by the process that asks, not by what it says.
 */
enum { SESSION_LIFETIME_S = 24 * 3600, APP_USED_EVERY_S = 60 };

static void cut_cstr(struct slice s, char *dst, size_t size)
{
	if (slice_to_cstr(slice_sub(s, 0, size - 1), dst, size) != 0)
		dst[0] = '\0';
}

static const char *service_name(uint8_t service)
{
	return service == SERVICE_SMTP ? "smtp" : service == SERVICE_POP3 ? "pop3" : service == SERVICE_IMAP ? "imap" : "none";
}

static void log_login(const struct task *t, const char *result)
{
	log_info("login user=%s addr=%s service=%s how=%s%s result=%s", log_esc(slice_cstr(t->user)),
	    log_esc(slice_cstr(t->addr)), service_name(t->service), t->how, t->app != 0 ? " app-password" : "", result);
}

void login_granted(struct task *t, struct slice signature)
{
	struct token token = { .kind = TOKEN_SESSION, .account = t->account, .expiry = clock_wall_s() + SESSION_LIFETIME_S };
	struct account_logged_in in = { .account = t->account, .user = name_text(&t->name), .signature = signature };
	uint8_t text[TOKEN_SIZE];
	int r = t->edge_smtp ? 0 : token_mint(t->ac->d->secret, &token, text);

	if (r != 0) {
		log_error("no session token could be made: %s", err_str(r));
		login_fault(t, ERR_IO);
		return;
	}
	if (!t->edge_smtp)
		in.token = slice_of(text, sizeof(text));
	log_login(t, "ok");
	login_app_used(t);
	if (t->ch != NULL)
		IPC_REPLY(t->ch, account_logged_in, t->id, &in);
	explicit_bzero(text, sizeof(text));
	task_free(t);
}

void login_denied(struct task *t)
{
	log_login(t, "denied");
	if (t->ch != NULL)
		accountd_fail(t->ch, t->id, ERR_DENIED, "wrong name or password");
	task_free(t);
}

void login_again(struct task *t, const char *result, const char *text)
{
	log_login(t, result);
	if (t->ch != NULL)
		accountd_fail(t->ch, t->id, ERR_AGAIN, "%s", text);
	task_free(t);
}

void login_slowed(struct task *t, uint64_t wait_ms)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "too many failed logins: try again in %llu seconds",
	    (unsigned long long)(wait_ms / MS_PER_S + 1));
	login_again(t, "slowed", text);
}

void login_fault(struct task *t, int r)
{
	struct accountd *ac = t->ac;

	if (r == ERR_AGAIN || r == ERR_NOMEM) {
		login_again(t, "overloaded", "too many logins at a time: try again");
		return;
	}
	log_login(t, "fault");
	if (t->ch != NULL)
		accountd_fail(t->ch, t->id, ERR_IO, "a fault of the server: try again later");
	task_free(t);
	accountd_check_store(ac);
}

int login_find_user(struct task *t, struct slice user, struct store_user *u_r)
{
	int r = directory_login_name(&t->ac->dir, user, &t->name);

	memset(u_r, 0, sizeof(*u_r));
	if (r == 0)
		r = store_user_get(t->ac->store, &t->name, u_r);
	if (r == 0)
		t->account = u_r->account;
	return r;
}

struct slice login_key(const struct task *t, struct slice user)
{
	return t->name.len != 0 ? name_text(&t->name) : user;
}

void login_app_used(struct task *t)
{
	struct store_app apps[STORE_APPS_MAX];
	uint64_t now = clock_wall_s();
	unsigned n;

	if (t->app == 0 || store_app_list(t->ac->store, &t->name, apps, &n) != 0)
		return;
	for (unsigned i = 0; i < n; i++)
		if (apps[i].id == t->app && (now - apps[i].used >= APP_USED_EVERY_S || strcmp(apps[i].used_from, t->addr) != 0) &&
		    store_app_used(t->ac->store, &t->name, t->app, now, t->addr) != 0)
			log_warn("the last use of an app password could not be written: user=%s", log_esc(name_text(&t->name)));
	explicit_bzero(apps, sizeof(apps));
}

/* The edge has verified a certificate that names the user. Nothing can be guessed here, so nothing is counted. */
void login_external(struct task *t, const struct account_login *req)
{
	struct store_user u;
	int r = login_find_user(t, req->user, &u);

	explicit_bzero(&u, sizeof(u));
	if (r == 0 && t->ac->d->conf->tls_client_ca[0] != '\0' && req->tls != 0)
		login_granted(t, slice_of(NULL, 0));
	else if (r == 0 || r == ERR_NOTFOUND)
		login_denied(t);
	else
		login_fault(t, r);
}

static uint8_t service_of(const struct channel *ch)
{
	switch (channel_peer_role(ch)) {
	case ROLE_SMTPD:
		return SERVICE_SMTP;
	case ROLE_POP3D:
		return SERVICE_POP3;
	case ROLE_IMAPD:
		return SERVICE_IMAP;
	default:
		return 0;
	}
}

static const struct {
	const char *name;
	void (*fn)(struct task *t, const struct account_login *req);
} hows[] = {
	[LOGIN_PASSWORD] = { "password", login_password },
	[LOGIN_SCRAM_FIRST] = { "scram-first", login_scram_first },
	[LOGIN_SCRAM_PROOF] = { "scram", login_scram_proof },
	[LOGIN_EXTERNAL] = { "external", login_external },
	[LOGIN_BEARER] = { "bearer", login_bearer },
};

int accountd_on_login(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_login req;
	struct task *t;
	int r = IPC_DECODE(m, account_login, ac->arena, &req);

	if (r != 0)
		return r;
	if (req.how >= ARRAY_LEN(hows) || hows[req.how].fn == NULL)
		return ERR_STATE;
	if ((t = task_new(ac, ch, m->id)) == NULL) {
		accountd_fail(ch, m->id, ERR_AGAIN, "too many logins at a time: try again later");
	} else {
		cut_cstr(req.addr, t->addr, sizeof(t->addr));
		cut_cstr(req.user, t->user, sizeof(t->user));
		t->how = hows[req.how].name;
		t->service = service_of(ch);
		t->edge_smtp = t->service == SERVICE_SMTP;
		hows[req.how].fn(t, &req);
	}
	/* The secret is wiped where it came in, too. */
	if (req.secret.len != 0)
		explicit_bzero((void *)(uintptr_t)req.secret.p, req.secret.len);
	arena_reset(ac->arena);
	return 0;
}
