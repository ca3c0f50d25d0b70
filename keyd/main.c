/*
 * keyd owns the private keys of TLS: a core, with files and without network. It signs the handshakes of the edges,
 * tells them certificates and ticket keys, and takes new certificates from the administrator.
 *
 * SECURITY: no other process ever has a private key. What an edge may have signed is the proof of a server in a
 * handshake and nothing else (sign.h). Certificates and keys are parsed here, but they come from the administrator, by
 * the control socket or as files of key_dir; nothing from the network is parsed. OpenSSL's memory is wiped when it is
 * given back, there are no core dumps, and nobody but root may read this process's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/sandbox.h"
#include "keyd/keyd.h"

enum { ARENA_MAX = 64 * 1024 * 1024, POLL_MS = 3000, DAY_MS = 24 * 3600 * 1000 };

static struct keyd keyd;

static void on_poll(void *ctx)
{
	struct keyd *k = ctx;

	keyd_update(k, false);
	loop_timer_set(k->d->loop, &k->poll, POLL_MS, on_poll, k);
}

static void on_rotate(void *ctx)
{
	struct keyd *k = ctx;

	keyd_rotate(k);
	loop_timer_set(k->d->loop, &k->rotate, TICKET_ROTATE_MS, on_rotate, k);
}

static void on_day(void *ctx)
{
	struct keyd *k = ctx;

	keyd_warn(k);
	loop_timer_set(k->d->loop, &k->day, DAY_MS, on_day, k);
}

/* The files are read in the cell, as the user that owns them: here we only go where they are. */
static int init(struct daemon *d, int dirfd)
{
	(void)d;
	if (dirfd < 0 || fchdir(dirfd) != 0) {
		log_error("cannot enter the directory of the keys (key_dir): %s", dirfd < 0 ? "none was passed" : strerror(errno));
		return ERR_IO;
	}
	/* Kept until the end by the frame's descriptor; two processes would overwrite each other's files. */
	if (flock(dirfd, LOCK_EX | LOCK_NB) != 0) {
		log_error("the directory of the keys (key_dir) is in use by another keyd: %s", strerror(errno));
		return ERR_IO;
	}
	return 0;
}

static int start(struct daemon *d)
{
	struct keyd *k = &keyd;

	k->d = d;
	d->state = k;
	(void)umask(077);
	TAILQ_INIT(&k->lines);
	k->certs = BUF_INIT(IPC_MAX_FRAME);
	k->dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->dirfd < 0) {
		log_error("cannot open the directory of the keys (key_dir): %s; look at its owner and mode", strerror(errno));
		return ERR_IO;
	}
	if ((k->arena = arena_new(ARENA_MAX)) == NULL || (k->store = store_new(k->dirfd)) == NULL)
		return ERR_NOMEM;
	keyd_update(k, true);
	on_rotate(k);
	on_day(k);
	loop_timer_set(d->loop, &k->poll, POLL_MS, on_poll, k);
	return 0;
}

static void edge_open(struct daemon *d, struct channel *ch)
{
	keyd_line_open(ch);
	keyd_greet(d->state, ch);
}

static void edge_close(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	keyd_line_close(d->state, ch);
}

static void reload(struct daemon *d, const struct conf *old)
{
	(void)old;
	keyd_update(d->state, true);
	keyd_warn(d->state);
}

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SMTPD, keyd_edge_handlers, edge_open, edge_close },
	{ ROLE_POP3D, keyd_edge_handlers, edge_open, edge_close },
	{ ROLE_IMAPD, keyd_edge_handlers, edge_open, edge_close },
	{ ROLE_NONE, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.role = ROLE_KEYD, .cell = CELL_FILES, .peers = peers, .init = init, .start = start,
		.control_proto = "key", .control_handlers = keyd_control_handlers, .reload = reload,
	};
	int code;

	crypto_init();
	code = daemon_run(argc, argv, &spec);
	choose_free(keyd.choices, keyd.choices_n);
	store_free(&keyd.store);
	buf_free(&keyd.certs);
	arena_free(&keyd.arena);
	explicit_bzero(&keyd, sizeof(keyd));
	return code;
}
