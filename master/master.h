#ifndef PABAL_MASTER_MASTER_H
#define PABAL_MASTER_MASTER_H

#include "common/base/loop.h"
#include "common/daemon/conn.h"
#include "common/ipc/channel.h"
#include "common/ipc/proto_master.h"
#include "master/backoff.h"
#include "master/kinds.h"
#include "master/listen.h"

/* Shared by master's own files. */

enum child_state {
	CHILD_NONE,             /* not started yet */
	CHILD_STARTING,         /* runs, has not said READY */
	CHILD_READY,
	CHILD_WAITING,          /* died; will be started again */
	CHILD_STOPPING,         /* was told to stop */
	CHILD_GONE,             /* ended because it should */
};

struct child {
	TAILQ_ENTRY(child) entry;
	struct master *m;
	const struct kind *kind;
	unsigned instance;
	char name[40];          /* "smtpd[0]" */
	enum child_state state;
	pid_t pid;              /* 0: none */
	struct channel *ch;     /* NULL: none */
	bool linked;            /* its CONFIG was sent: others may be linked with it */
	bool unwanted;          /* a reload took it out */
	bool reloading;         /* RELOADED has not come yet */
	uint64_t started_ms, started_us;
	unsigned restarts;
	struct backoff backoff;
	struct loop_timer start_timer, kill_timer;
};
TAILQ_HEAD(child_list, child);

/* A pair of sockets that two processes have. */
struct link {
	TAILQ_ENTRY(link) entry;
	uint32_t id;
	struct child *client, *server;
	const char *proto;
	struct loop_timer timer;        /* runs while it is lost */
};
TAILQ_HEAD(link_list, link);

enum master_state { MASTER_STARTING, MASTER_RUNNING, MASTER_STOPPING };

/* A request of the pabal command that is answered when the thing is done. */
struct waiting {
	STAILQ_ENTRY(waiting) entry;
	struct channel *ch;
	uint32_t id;
	bool reload;            /* else stop */
	bool later;             /* came while another reload ran: the next one is its own */
};
STAILQ_HEAD(waiting_list, waiting);

/* A connection of the pabal command. */
struct visitor {
	TAILQ_ENTRY(visitor) entry;
	struct channel *ch;
};
TAILQ_HEAD(visitor_list, visitor);

struct master {
	struct loop *loop;
	struct conf *conf;
	const char *conf_file;  /* absolute */
	struct idents ids;
	uint8_t secret[32];     /* accountd's and spoold's */
	struct child_list children;
	struct link_list links;
	uint32_t last_link;
	struct listen_set listening;
	bool listeners_given;   /* the cores have been ready: edges get theirs at once */
	bool all_ready;         /* has been told */
	enum master_state state;
	enum kind_stage stop_stage;
	unsigned killed;        /* of the stop under way */
	uint64_t started_us;
	struct listener *control;
	int control_fds[ROLE_COUNT];    /* spoold's, accountd's, keyd's, qmgr's; -1: none */
	struct visitor_list visitors;
	unsigned visitors_n;
	struct waiting_list waiting;
	bool reload_running, reload_again;
	struct loop_timer reload_timer, ready_timer;
	int lock_fd, ready_fd;  /* ready_fd: a byte for who waits in the foreground, -1: nobody */
};

/* ---- child.c: one process ---- */
struct child *child_find(const struct master *m, enum role role, unsigned instance);
/* Makes the struct (state NONE) at its place in the list; NULL: no memory. */
struct child *child_new(struct master *m, const struct kind *k, unsigned instance);
/* Starts the program, sends CONFIG, links, listeners and control socket. A failure counts as a death. */
void child_start(struct child *c);
/* Sends GO. */
void child_go(struct child *c);
/* STOP; kills it after stop_timeout. */
void child_stop(struct child *c);
/* Its process ended with the status of waitpid(). */
void child_died(struct child *c, int status);
void child_give_listener(struct child *c, const struct listen_sock *s);
const char *child_state_name(enum child_state s);

/* ---- links.c: the channels between them ---- */
/* New socket pairs with all peers that run now; those that start later make theirs. */
int links_make(struct child *c) MUST_CHECK;
/* The process is gone, and its channels with it. */
void links_drop(struct child *c);
/* One end says that it closed: a new one follows if neither of them is dead a second later. */
void link_lost(struct child *c, uint32_t id);

/* ---- supervise.c: all of them ---- */
/* Makes and starts all processes. */
int master_start(struct master *m) MUST_CHECK;
/* Something changed: are the cores ready, is everybody, is a stage of the stop over, the reload? */
void master_advance(struct master *m);
void master_stop(struct master *m);
void master_signal(void *ctx, int sig);
/* The number of processes of each role that are wanted now. */
void master_counts(const struct master *m, unsigned counts[ROLE_COUNT]);

/* ---- control.c: the pabal command ---- */
int control_start(struct master *m, int fd) MUST_CHECK;
/* Closes the socket and all connections, once what was said is sent. */
void control_end(struct master *m);
/* Answers all that wait for the reload (true) or the stop. */
void control_answer(struct master *m, bool reload, bool ok, const char *text);

/* ---- reload.c ---- */
/* Reads the configuration and swaps if it is good; the answer comes by control_answer(). */
void reload_start(struct master *m);
/* Ends the reload once everybody took the new configuration. */
void reload_advance(struct master *m);

#endif
