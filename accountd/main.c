/*
 * accountd owns the domains, users, aliases and password hashes: a core, with files
 * and without network. It parses addresses and the tables of its protocol, nothing else.
 *
 * SECURITY: it can read and write its own directory and nothing beside it; passwords in
 * the clear pass through it and are kept nowhere; hashes never leave it. What a peer may
 * ask is decided by which process it is: a smtpd cannot log in, an imapd cannot resolve.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accountd/accountd.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/sandbox.h"
#include "common/daemon/token.h"

enum { ARENA_MAX = 4 * 1024 * 1024, CHECKPOINT_MS = 60 * 1000 };

static struct accountd accountd;

static void on_checkpoint(void *ctx)
{
	struct accountd *ac = ctx;

	store_checkpoint(ac->store);
	accountd_check_store(ac);
	loop_timer_set(ac->d->loop, &ac->checkpoint, CHECKPOINT_MS, on_checkpoint, ac);
}

/* The store is opened in the cell, as the user that owns it: here we only go where it is. */
static int init(struct daemon *d, int dirfd)
{
	(void)d;
	token_init();
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

/* A hash that costs what a real one costs, of a password that nobody knows. */
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
	free(work);
	return r;
}

static int start(struct daemon *d)
{
	struct accountd *ac = &accountd;
	int r;

	ac->d = d;
	d->state = ac;
	LIST_INIT(&ac->tasks);
	(void)umask(077);
	if ((r = store_open(&ac->store, ".")) != 0) {
		log_error("cannot open the account store in %s: %s; look at the owner and mode of the directory",
		    log_esc(slice_cstr(d->conf->state_dir)), r == ERR_IO ? strerror(errno) : err_str(r));
		return r;
	}
	ac->dir = (struct directory){ .store = ac->store, .delimiters = d->conf->recipient_delimiter };
	ac->arena = arena_new(ARENA_MAX);
	ac->throttle = throttle_new((unsigned)d->conf->login_failures, THROTTLE_ENTRIES);
	ac->pool = authpool_new(d->loop, (unsigned)d->conf->auth_threads);
	if (ac->arena == NULL || ac->throttle == NULL || ac->pool == NULL)
		return ERR_NOMEM;
	if ((r = make_dummy(ac)) != 0)
		return r;
	loop_timer_set(d->loop, &ac->checkpoint, CHECKPOINT_MS, on_checkpoint, ac);
	return 0;
}

static void peer_gone(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	tasks_orphan(d->state, ch);
}

static void control_gone(struct daemon *d, struct channel *ch)
{
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
	if (LIST_EMPTY(&ac->tasks))
		daemon_done(d);
}

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SMTPD, accountd_lookup_handlers, NULL, peer_gone },
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

	authpool_free(&accountd.pool);
	store_close(&accountd.store);
	throttle_free(&accountd.throttle);
	arena_free(&accountd.arena);
	explicit_bzero(&accountd, sizeof(accountd));
	return code;
}
