#ifndef PABAL_QMGR_ACTIVE_H
#define PABAL_QMGR_ACTIVE_H

#include "common/daemon/conf.h"
#include "qmgr/message.h"

/*
 * The window of messages in work and the choice of what is delivered next. No
 * I/O: it asks whose a domain is, is asked for the next job, and is told what
 * became of it.
 *
 * Fairness. Destinations with something to do and room in their window take
 * turns. Within a destination messages take turns too: one gives at most
 * destination_recipients (ACTIVE_LOCAL_RCPTS for local delivery, where a job is
 * one flush) and goes to the end of the line with the rest, so that a message
 * to thousands delays the small ones by one job each.
 *
 * Each recipient that was added gets exactly one outcome, or is given up with
 * its message by active_drop().
 */
enum {
	ACTIVE_LOCAL_RCPTS = 1000,
	ACTIVE_ROUTE_MS = 30 * 1000,            /* how long accountd's answer is remembered */
	ACTIVE_DEST_IDLE_MS = 10 * 60 * 1000,   /* what was learned of a destination is forgotten after this */
	ACTIVE_LOST_MAX = 10,                   /* agents that die over a message before it is deferred */
};

struct active_ops {
	/* Ask accountd about addr; active_routed() answers with the domain, later: never within this call. */
	void (*route)(void *ctx, struct slice domain, struct slice addr);
	/* Recipients of m got outcomes (out.kind != 0, out.recorded not set); m->open == 0: that was the last.
	 * active_remove() is allowed. */
	void (*progress)(void *ctx, struct qmsg *m);
	/* There may be something for active_next(). */
	void (*ready)(void *ctx);
	void *ctx;
};

/* One message to one destination with some of its recipients, for an agent. */
struct qjob {
	TAILQ_ENTRY(qjob) link;         /* of the agent */
	uint64_t msgid;
	struct qmsg *msg;               /* only while one of its recipients is wanted */
	struct qdest *dest;
	bool local;
	uint64_t started_ms;
	uint32_t n;
	struct qrcpt **rcpts;           /* NULL: not wanted any more (see active_add) */
	uint32_t *indexes;
	void *owner;                    /* the agent's */
};

struct active;

struct active *active_new(const struct conf *conf, const struct active_ops *ops);
void active_free(struct active **a);
void active_set_conf(struct active *a, const struct conf *conf);

/*
 * Takes over m. When its msgid is here already (spoold was restarted and gave it again while jobs of the
 * old one run) the recipients that are in a job stay in it and the rest of the old one is forgotten.
 */
void active_add(struct active *a, struct qmsg *m, uint64_t now_ms);
/* Forgets and frees m; nothing of it may be in a job. */
void active_remove(struct active *a, struct qmsg **m);
/* spoold was restarted: recipients that are not in a job are forgotten, messages without any in one go. */
void active_drop_idle(struct active *a);
uint32_t active_count(const struct active *a);
/* The messages, ascending by id; NULL starts. Removing the one returned last is allowed. */
struct qmsg *active_each(struct active *a, uint64_t after);

/* kind is DEST_LOCAL or DEST_REMOTE. Unknown domains are ignored. */
void active_routed(struct active *a, struct slice domain, enum dest_kind kind, uint64_t now_ms);
/* accountd is back: asks again for what is open. */
void active_ask_again(struct active *a);

/* The next job for a local or a remote agent, or NULL. */
struct qjob *active_next(struct active *a, bool local, uint64_t now_ms) MUST_CHECK;
/* The agent's answer. ERR_SYNTAX: it does not answer each recipient once; nothing was changed, the job is still
 * out. 0: the job is freed. */
int active_job_done(struct active *a, struct qjob **job, const struct job_result *res, uint64_t now_ms) MUST_CHECK;
/* The agent is gone: its recipients wait again, at the front. Frees the job. */
void active_job_lost(struct active *a, struct qjob **job, uint64_t now_ms);

/* pabal queue flush: dead destinations are tried again. */
void active_revive(struct active *a);
/* Now and then: frees what has been idle, wakes what was dead. Milliseconds to the next call. */
uint64_t active_tick(struct active *a, uint64_t now_ms);
/* Destinations with something in them or dead, into d (at most max); returns how many. For the status. */
uint32_t active_status(const struct active *a, struct job_dest *d, uint32_t max, uint64_t now_ms, uint64_t now_s);

#endif
