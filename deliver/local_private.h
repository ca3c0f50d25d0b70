#ifndef PABAL_DELIVER_LOCAL_PRIVATE_H
#define PABAL_DELIVER_LOCAL_PRIVATE_H

/* What local.c (jobs) and local_op.c (what spoold is told) share; nobody else includes it. */
#include "common/ipc/proto_account.h"
#include "deliver/local.h"

struct ljob;

/* A recipient of a job. */
struct lrcpt {
	struct ljob *job;
	uint32_t pos;                   /* in job->job.rcpts */
	struct channel *ask_ch;
	uint32_t ask_id;                /* accountd is asked */
	bool resolved;                  /* where it leads is in the adds and forwards, or it has an outcome */
	struct spool_deliver_rcpt op;   /* in the job's arena */
	uint32_t bytes;                 /* about, of op */
	uint8_t kind;                   /* OUTCOME_; 0: not known yet */
	bool recorded;
	const char *status;
	struct slice text, relay;
};

struct ljob {
	struct agent_job h;
	struct local *local;
	struct lrcpt *rcpts;            /* ascending by their index */
	uint32_t rcpts_n;
	uint32_t next, asking, unresolved;
	/* content and op: one request to spoold at a time */
	struct channel *spool_ch;
	uint32_t spool_id;
	struct buf cached;              /* the summary */
	bool have_content, have_summary;
	uint32_t op_from, op_to;        /* the recipients of the op on its way */
};

struct local {
	struct agent a;
	struct channel *spoold, *accountd;
};

void lrcpt_settle(struct lrcpt *r, uint8_t kind, const char *status, struct slice text);
/* accountd's answer as adds and forwards. */
void lrcpt_take_targets(struct lrcpt *r, const struct account_resolved *res);
/* The next step with spoold; ends with ljob_report(). */
void ljob_step(struct ljob *job);
/* Every recipient has its outcome. */
void ljob_report(struct ljob *job);

#endif
