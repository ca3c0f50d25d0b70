#ifndef PABAL_DELIVER_AGENT_H
#define PABAL_DELIVER_AGENT_H

#include <bsd/sys/queue.h>

#include "common/base/arena.h"
#include "common/daemon/daemon.h"
#include "common/ipc/proto_job.h"
#include "deliver/content.h"

/*
 * What the delivery agents have in common: jobs of qmgr come in, are kept in a list
 * until their result is told, and the agent stops when it has none. What is done
 * for a job is in the agent_ops of each.
 *
 * An agent's own struct begins with a struct agent, a job's own with a struct agent_job.
 */
struct agent;

struct agent_job {
	TAILQ_ENTRY(agent_job) link;
	struct agent *agent;
	struct arena *arena;            /* owns all that the job points to but the content */
	struct channel *qmgr;           /* NULL: it is gone, nobody waits for the result */
	uint32_t id;                    /* qmgr's request */
	struct job job;
	struct content content;
	struct loop_timer park;         /* the agent's */
	uint64_t start_ms, ready_ms;    /* when it came, when it could go to its destination (0: not yet) */
};
TAILQ_HEAD(agent_jobs, agent_job);

struct agent_ops {
	uint32_t jobs;                  /* at a time */
	size_t job_size, arena_max;     /* of the job's own struct, zeroed; bytes of its arena */
	/* A new job, which may not end in here. An error is a bad message or no memory: it is freed, the channel closed. */
	int (*job_start)(struct agent_job *job);
	/* Gives back what is the agent's own; it may be half made. */
	void (*job_clear)(struct agent_job *job);
	/* qmgr is gone, and will give the job again: agent_job_end(), or qmgr = NULL. */
	void (*job_orphan)(struct agent_job *job);
	/* The agent is to stop: agent_job_end() if there is no need to finish. May be NULL. */
	void (*job_hurry)(struct agent_job *job);
	/* A peer other than qmgr. */
	void (*peer_open)(struct agent *a, enum role role, struct channel *ch);
	void (*peer_close)(struct agent *a, enum role role, struct channel *ch);
	/* The configuration changes, or no job is left at the end. May be NULL. */
	void (*quiet)(struct agent *a);
};

struct agent {
	const struct agent_ops *ops;
	struct loop *loop;
	const struct conf *conf;
	struct agent_jobs jobs;
	bool stopping;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
	struct loop_task check;
};

/* a begins the agent's own struct, which comes zeroed from calloc(); agent_free() frees it. */
void agent_init(struct agent *a, const struct agent_ops *ops, struct loop *l, const struct conf *conf);
/* Ends all jobs without a word. *a = NULL. */
void agent_free(struct agent **a);
void agent_set_conf(struct agent *a, const struct conf *conf);
/* Peers come and go; role is theirs. */
void agent_open(struct agent *a, enum role role, struct channel *ch);
void agent_close(struct agent *a, enum role role, struct channel *ch);
/* A job of qmgr. */
int agent_on_job(struct agent *a, struct channel *ch, struct ipc_msg *m) MUST_CHECK;
/* Takes no more, finishes the jobs it has to, then done. */
void agent_stop(struct agent *a, void (*done)(void *ctx), void *ctx);

/* For the ops. Frees the job, whose result qmgr has been told, or never will be. */
void agent_job_end(struct agent_job *job);
/* Tells qmgr the outcomes (of the job's arena) and ends the job. outcomes NULL: there was no memory, so qmgr's
 * channel is closed and it gives the job again. */
void agent_job_report(struct agent_job *job, bool reachable, struct job_outcome *outcomes, uint32_t n);

/* agent_main.c: calls of the frame, for the daemon_spec of each; d->state is the struct agent. */
int agent_main_start(struct daemon *d, struct agent *a) MUST_CHECK;     /* a NULL: ERR_NOMEM */
void agent_main_reload(struct daemon *d, const struct conf *old);
void agent_main_stop(struct daemon *d);
void agent_main_open(struct daemon *d, struct channel *ch);
void agent_main_close(struct daemon *d, struct channel *ch, int why);
extern const struct ipc_handler agent_main_handlers[];                  /* what qmgr sends */

#endif
