/*
 * Stands in for every program of the suite: the frame with nothing in it. Its
 * role is its name. At its listening sockets it says who it is and how many
 * peers it has, and closes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/conn.h"
#include "common/daemon/daemon.h"
#include "common/daemon/sandbox.h"

static struct daemon_spec spec;
static struct daemon *self;

static void greet(void *ctx, int fd)
{
	char text[300];
	unsigned n = 0;
	int k;

	(void)ctx;
	for (unsigned r = 0; r < ROLE_COUNT; r++)
		for (unsigned i = 0; daemon_peer_nth(self, (enum role)r, i) != NULL; i++)
			n++;
	k = snprintf(text, sizeof(text), "%s[%u] pid=%ld uid=%ld peers=%u host=%s limit=%llu\r\n", self->log_name,
	    self->instance, (long)getpid(), (long)getuid(), n, self->conf->hostname,
	    (unsigned long long)self->conf->hop_limit);
	if (send(fd, text, (size_t)k, MSG_NOSIGNAL) < 0)
		log_warn("nobody hears");
	(void)close(fd);
}

static void on_listener(struct daemon *d, enum conf_listen_service svc, int fd)
{
	(void)svc;
	if (listener_new(d->loop, fd, greet, NULL) == NULL)
		log_error("no listener");
}

static void on_open(struct daemon *d, struct channel *ch)
{
	(void)d;
	log_info("fake: open peer=%s uid=%ld", role_name((enum role)channel_peer_role(ch)), (long)channel_peer_uid(ch));
}

static void on_close(struct daemon *d, struct channel *ch, int why)
{
	(void)d;
	log_info("fake: close peer=%s why=%s", role_name((enum role)channel_peer_role(ch)), err_str(why));
}

static int on_start(struct daemon *d)
{
	self = d;
	log_info("fake: start secret=%zu", d->secret.len);
	return 0;
}

static void on_reload(struct daemon *d, const struct conf *old)
{
	log_info("fake: reload limit=%llu was=%llu", (unsigned long long)d->conf->hop_limit,
	    (unsigned long long)old->hop_limit);
	/* hop_limit = 13: one channel breaks while both of its ends live. */
	if (d->conf->hop_limit == 13 && d->spec->role == ROLE_SMTPD && daemon_peer(d, ROLE_SPOOLD) != NULL)
		channel_close(daemon_peer(d, ROLE_SPOOLD));
}

static void on_stop(struct daemon *d)
{
	log_info("fake: stop");
	/* One that never ends by itself: hop_limit = 666. */
	if (d->conf->hop_limit != 666)
		daemon_done(d);
}

int main(int argc, char **argv)
{
	static struct daemon_peer_spec peers[ROLE_COUNT + 1];
	const char *name = strrchr(argv[0], '/');

	spec.role = role_by_name(name != NULL ? name + 1 : argv[0]);
	for (unsigned r = 0, n = 0; r < ROLE_COUNT; r++)
		if (r != ROLE_NONE)
			peers[n++] = (struct daemon_peer_spec){ (enum role)r, NULL, on_open, on_close };
	spec.peers = peers;
	spec.cell = spec.role == ROLE_SPOOLD || spec.role == ROLE_ACCOUNTD ? CELL_FILES | CELL_THREADS : spec.role == ROLE_KEYD ? CELL_FILES :
	    spec.role == ROLE_DNSD || spec.role == ROLE_DELIVER_REMOTE ? CELL_NET_OUT : 0;
	spec.start = on_start;
	spec.listener = on_listener;
	spec.reload = on_reload;
	spec.stop = on_stop;
	spec.control_proto = spec.role == ROLE_SPOOLD ? "spool" : spec.role == ROLE_ACCOUNTD ? "account" :
	    spec.role == ROLE_KEYD ? "key" : spec.role == ROLE_QMGR ? "job" : NULL;
	return daemon_run(argc, argv, &spec);
}
