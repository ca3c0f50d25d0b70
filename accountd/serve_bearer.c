#include "accountd/accountd.h"

#include "common/base/log.h"

/*
 * LOGIN_BEARER: OAuth tokens. accountd has no network and runs no program, so it asks the validator: the pabal
 * command, connected to the control socket, that runs the administrator's program for each token
 * (pabal oauth-validator). Without one, or when it does not answer in time, the client should come back.
 */
enum { VALIDATE_TIMEOUT_MS = 10000, VALIDATIONS_MAX = 64 };

int accountd_on_validator(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct accountd *ac = ((struct daemon *)ctx)->state;
	struct account_validator req;
	struct account_ok ok = { 0 };
	int r = IPC_DECODE(m, account_validator, ac->arena, &req);

	if (r != 0)
		return r;
	if (ac->validator != NULL && ac->validator != ch) {
		accountd_fail(ch, m->id, ERR_EXISTS, "Another validator is connected already (process %ld); end that one first.",
		    (long)channel_peer_pid(ac->validator));
		return 0;
	}
	ac->validator = ch;
	log_info("the validator of OAuth tokens is connected: by-uid=%lu", (unsigned long)channel_peer_uid(ch));
	IPC_REPLY(ch, account_ok, m->id, &ok);
	return 0;
}

void accountd_validator_gone(struct accountd *ac, const struct channel *ch)
{
	if (ac->validator != ch)
		return;
	ac->validator = NULL;
	log_warn("the validator of OAuth tokens is gone: logins by token wait for the next");
}

/* The user that the validator named, who has to exist and to be the one that the client named, if it did. */
static void validated(struct task *t, const struct account_validated *v)
{
	struct accountd *ac = t->ac;
	struct name wanted = t->name;
	struct store_user u;
	int r = v->verdict == VALIDATED_GOOD ? login_find_user(t, v->user, &u) : ERR_NOTFOUND;
	bool good = r == 0 && (wanted.len == 0 || name_eq(&wanted, &t->name));

	if (r == 0)
		explicit_bzero(&u, sizeof(u));
	if (r != 0 && r != ERR_NOTFOUND) {
		throttle_end(ac->throttle, &t->try, THROTTLE_UNKNOWN, loop_now(ac->d->loop));
		login_fault(t, r);
		return;
	}
	if (r == 0 && !good)
		log_warn("the validator named another user than the client: %s instead of %s", log_esc(v->user),
		    log_esc(name_text(&wanted)));
	throttle_end(ac->throttle, &t->try, good ? THROTTLE_GOOD : THROTTLE_WRONG, loop_now(ac->d->loop));
	if (good)
		login_granted(t, slice_of(NULL, 0));
	else
		login_denied(t);
}

static void on_validated(void *ctx, int r, struct ipc_msg *m)
{
	struct task *t = ctx;
	struct account_validated v;

	t->ac->validations--;
	if (r == 0 && (r = IPC_DECODE(m, account_validated, NULL, &v)) != 0)
		log_warn("the validator gave an answer that is not understood: %s", err_str(r));
	if (r == 0 && v.verdict != VALIDATED_AGAIN) {
		validated(t, &v);
		return;
	}
	throttle_end(t->ac->throttle, &t->try, THROTTLE_UNKNOWN, loop_now(t->ac->d->loop));
	login_again(t, r == ERR_TIMEOUT ? "validator-timeout" : "validator-failed", "the token cannot be judged now: try again");
}

void login_bearer(struct task *t, const struct account_login *req)
{
	struct accountd *ac = t->ac;
	const char *service = t->service == SERVICE_SMTP ? "smtp" : t->service == SERVICE_POP3 ? "pop3" : "imap";
	struct account_validate ask = { .user = req->user, .service = slice_cstr(service), .addr = req->addr, .token = req->secret };
	uint64_t wait_ms, now = loop_now(ac->d->loop);
	struct slice key = slice_of(NULL, 0);

	if (req->user.len != 0) {
		int r = directory_login_name(&ac->dir, req->user, &t->name);

		if (r != 0 && r != ERR_NOTFOUND) {
			login_fault(t, r);
			return;
		}
		key = login_key(t, req->user);
	}
	if (!ac->d->conf->oauth_login) {
		login_denied(t);
	} else if (throttle_check(ac->throttle, req->addr, key, req->secret, now, &t->try, &wait_ms) != 0) {
		login_slowed(t, wait_ms);
	} else if (ac->validator == NULL || !channel_is_open(ac->validator)) {
		login_again(t, "no-validator", "tokens cannot be judged now: try again later");
	} else if (ac->validations >= VALIDATIONS_MAX || throttle_enter(ac->throttle, &t->try) != 0) {
		login_again(t, "overloaded", "too many logins at a time: try again");
	} else {
		ac->validations++;
		(void)IPC_REQUEST(ac->validator, account_validate, &ask, VALIDATE_TIMEOUT_MS, on_validated, t);
	}
}
