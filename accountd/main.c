/*
 * accountd owns the domains, users, aliases and password hashes: a core, with files
 * and without network. It parses addresses and the tables of its protocol, nothing else.
 *
 * SECURITY: it can read and write its own directory and nothing beside it; passwords in
 * the clear pass through it and are kept nowhere; hashes never leave it. What a peer may
 * ask is decided by which process it is: a smtpd cannot log in, an imapd cannot resolve.
 */
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accountd/accountd.h"
#include "common/base/log.h"
#include "common/daemon/sandbox.h"
#include "common/daemon/token.h"

static struct accountd accountd;

/* The store is opened in the cell, as the user that owns it: here we only go where it is. */
static int init(struct daemon *d, int dirfd)
{
	(void)d;
	token_init();
	digest_init();
	if (dirfd < 0 || fchdir(dirfd) != 0) {
		log_error("cannot enter the directory of the accounts (state_dir): %s", dirfd < 0 ? "none was passed" : strerror(errno));
		return ERR_IO;
	}
	/* Kept until the end by the frame's descriptor; two processes would destroy the store. */
	if (flock(dirfd, LOCK_EX | LOCK_NB) != 0) {
		log_error("the directory of the accounts (state_dir) is in use by another accountd: %s", strerror(errno));
		return ERR_IO;
	}
	return 0;
}

static int start(struct daemon *d)
{
	(void)umask(077);
	return accountd_open(&accountd, d, ".");
}

static void peer_gone(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	tasks_orphan(d->state, ch);
}

static void control_gone(struct daemon *d, struct channel *ch)
{
	accountd_validator_gone(d->state, ch);
	tasks_orphan(d->state, ch);
}

static void reload(struct daemon *d, const struct conf *old)
{
	struct accountd *ac = d->state;

	(void)old;
	ac->dir.delimiters = d->conf->recipient_delimiter;
	throttle_set_limit(ac->throttle, (unsigned)d->conf->login_failures);
	if (authpool_resize(ac->pool, (unsigned)d->conf->auth_threads) != 0)
		log_warn("not all auth_threads could be started");
}

/* Logins that are being checked are answered; then the end. */
static void stop(struct daemon *d)
{
	struct accountd *ac = d->state;

	ac->stopping = true;
	/* Its requests end with it. */
	if (ac->validator != NULL)
		channel_close(ac->validator);
	if (LIST_EMPTY(&ac->tasks))
		daemon_done(d);
}

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SMTPD, accountd_smtpd_handlers, NULL, peer_gone },
	{ ROLE_QMGR, accountd_lookup_handlers, NULL, peer_gone },
	{ ROLE_DELIVER_LOCAL, accountd_resolve_handlers, NULL, peer_gone },
	{ ROLE_POP3D, accountd_login_handlers, NULL, peer_gone },
	{ ROLE_IMAPD, accountd_login_handlers, NULL, peer_gone },
	{ ROLE_NONE, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.role = ROLE_ACCOUNTD, .cell = CELL_FILES | CELL_THREADS, .peers = peers, .init = init, .start = start,
		.control_proto = "account", .control_handlers = accountd_control_handlers, .control_closed = control_gone,
		.reload = reload, .stop = stop,
	};
	int code = daemon_run(argc, argv, &spec);

	accountd_close(&accountd);
	return code;
}
