/*
 * spoold owns the spool: every message, the queue, every mailbox. A core: files, no network.
 *
 * SECURITY: it can read and write the spool directory and nothing else. What it takes from
 * peers are envelopes, sizes, names and opaque bytes; messages are parsed elsewhere. A
 * mailbox is reachable only through a token of accountd's, a queued message's content only
 * through a token that spoold made for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "common/daemon/sandbox.h"
#include "common/daemon/token.h"
#include "spool/service.h"

static struct service *service;
static int spool_fd = -1;

/* The spool is opened in the cell, as the user that owns it: here we only go where it is. */
static int init(struct daemon *d, int dirfd)
{
	(void)d;
	token_init();
	if (dirfd < 0 || fchdir(dirfd) != 0) {
		log_error("cannot enter the spool directory (spool_dir): %s", dirfd < 0 ? "none was passed" : strerror(errno));
		return ERR_IO;
	}
	return 0;
}

static void dead(void *ctx)
{
	(void)ctx;
	exit(1);        /* master starts us anew, and the log says what was accepted */
}

static int start(struct daemon *d)
{
	struct service_conf sc = { .loop = d->loop, .index_home = "index", .conf = d->conf, .secret = d->secret, .dead = dead };
	int r = ERR_IO;

	(void)umask(077);
	errno = 0;
	sc.dirfd = spool_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sc.dirfd >= 0)
		r = service_new(&service, &sc);
	if (r != 0) {
		log_error("cannot open the spool in %s: %s; %s", log_esc(slice_cstr(d->conf->spool_dir)),
		    r == ERR_IO && errno != 0 ? strerror(errno) : err_str(r),
		    r == ERR_CORRUPT ? "run \"pabal spool check\"" : "look at the owner and mode of the directory, and at the free space");
		return r;
	}
	d->state = service;
	log_info("spool: open queued=%llu bodies=%llu lsn=%llu", (unsigned long long)spool_counters(service_spool(service))->queued,
	    (unsigned long long)spool_counters(service_spool(service))->bodies,
	    (unsigned long long)spool_counters(service_spool(service))->applied);
	return 0;
}

static void opened(struct daemon *d, struct channel *ch)
{
	service_opened(d->state, ch);
}

static void closed(struct daemon *d, struct channel *ch, int why)
{
	(void)why;
	service_closed(d->state, ch);
}

static void control_closed(struct daemon *d, struct channel *ch)
{
	service_closed(d->state, ch);
}

static void reload(struct daemon *d, const struct conf *old)
{
	(void)old;
	service_reload(d->state, d->conf);
}

/* What has come is made durable and answered; edges were stopped before us. */
static void stop(struct daemon *d)
{
	service_settle(d->state);
	daemon_done(d);
}

static const struct daemon_peer_spec peers[] = {
	{ ROLE_SMTPD, service_smtpd, opened, closed },
	{ ROLE_QMGR, service_qmgr, opened, closed },
	{ ROLE_DELIVER_LOCAL, service_deliver_local, opened, closed },
	{ ROLE_DELIVER_REMOTE, service_deliver_remote, opened, closed },
	{ ROLE_POP3D, service_reader, opened, closed },
	{ ROLE_IMAPD, service_reader, opened, closed },
	{ ROLE_NONE, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.role = ROLE_SPOOLD, .cell = CELL_FILES | CELL_THREADS, .nofile = 4096, .peers = peers, .init = init, .start = start,
		.control_proto = "spool", .control_handlers = service_control, .control_closed = control_closed,
		.reload = reload, .stop = stop,
	};
	int code = daemon_run(argc, argv, &spec);

	service_free(&service);
	if (spool_fd >= 0)
		(void)close(spool_fd);
	return code;
}
