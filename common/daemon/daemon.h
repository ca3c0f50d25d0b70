#ifndef PABAL_DAEMON_DAEMON_H
#define PABAL_DAEMON_DAEMON_H

#include "common/daemon/conf.h"
#include "common/base/loop.h"
#include "common/ipc/roles.h"
#include "common/ipc/channel.h"

/*
 * The frame of every process but master. master starts the program with its end
 * of a control channel as descriptor 3 and sends it, in this order: the
 * configuration (text), its directory, its channels and listening sockets, GO.
 * daemon_run() parses the configuration, calls init (which may open files below
 * the directory), enters the sandbox, calls start, says READY, and runs the loop.
 * A peer that died and was started anew is handed in as a new channel: on_open
 * of its struct daemon_peer_spec runs again.
 */
struct daemon;
struct tls_server;

struct daemon_peer_spec {
	enum role role;
	const struct ipc_handler *handlers;     /* what this peer may send, called with the struct daemon
	                                         * as ctx; NULL: only replies */
	void (*on_open)(struct daemon *d, struct channel *ch);              /* may be NULL */
	void (*on_close)(struct daemon *d, struct channel *ch, int why);    /* may be NULL */
};

struct daemon_spec {
	enum role role;
	unsigned cell;                  /* CELL_ bits of sandbox.h */
	unsigned nofile;                /* descriptors; 0: 1024 */
	const struct daemon_peer_spec *peers;   /* ends with role ROLE_NONE */
	/* Before the sandbox; dirfd is the process's own directory (spoold: spool_dir, accountd:
	 * state_dir, keyd: key_dir) or -1. 0 or an error that ends the process. May be NULL. */
	int (*init)(struct daemon *d, int dirfd);
	int (*start)(struct daemon *d);         /* in the sandbox; may be NULL */
	/* A listening socket (non-blocking). The process keeps it. May be NULL. */
	void (*listener)(struct daemon *d, enum conf_listen_service svc, int fd);
	/* What the pabal command may ask on this process's control socket; ctx is the struct daemon.
	 * The socket's mode decides who may connect (root, the admin group). NULL: there is no socket. */
	const char *control_proto;
	const struct ipc_handler *control_handlers;
	void (*control_closed)(struct daemon *d, struct channel *ch);   /* may be NULL */
	void (*reload)(struct daemon *d, const struct conf *old);   /* d->conf is the new one already */
	/* Take nothing new, finish what is in flight, then call daemon_done(). NULL: at once.
	 * After conf->stop_timeout master kills. */
	void (*stop)(struct daemon *d);
};

struct daemon {
	const struct daemon_spec *spec;
	struct loop *loop;
	const struct conf *conf;
	unsigned instance;              /* 0.. among the workers of this role */
	void *state;                    /* the program's own */
	const char *log_name;
	struct tls_server *tls;         /* of an edge, which makes it in init; else NULL */
	struct slice secret;            /* 32 bytes shared by accountd and spoold only, else empty */
};

/* main() of a daemon is "return daemon_run(argc, argv, &spec);". */
int daemon_run(int argc, char **argv, const struct daemon_spec *spec);
/* The open channel to the (only) instance of a server role, or NULL while it is down. */
struct channel *daemon_peer(const struct daemon *d, enum role role);
/* The same for the nth connected channel of a role, for fanning out; NULL past the last. */
struct channel *daemon_peer_nth(const struct daemon *d, enum role role, unsigned n);
/* Ends the loop after a stop. */
void daemon_done(struct daemon *d);

#endif
