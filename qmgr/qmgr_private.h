#ifndef PABAL_QMGR_QMGR_PRIVATE_H
#define PABAL_QMGR_QMGR_PRIVATE_H

/* What qmgr.c, window.c and agents.c share; nobody else includes it. */
#include "qmgr/active.h"
#include "qmgr/outbox.h"
#include "qmgr/qmgr.h"
#include "qmgr/schedule.h"

TAILQ_HEAD(qjob_list, qjob);

struct agent {
	TAILQ_ENTRY(agent) link;
	struct qmgr *q;
	struct channel *ch;
	bool local;
	uint32_t capacity, active;
};
TAILQ_HEAD(agent_list, agent);

struct qmgr {
	struct loop *loop;
	const struct conf *conf;
	struct queue_clock clock;
	struct active *active;
	struct outbox *outbox;
	struct channel *spoold, *accountd;
	/* window.c */
	uint32_t take_request;
	struct channel *take_ch;
	bool hint;                      /* there may be something due */
	uint64_t taken_now_s;           /* what TAKE was asked with */
	uint64_t next_due;              /* as spoold said last; 0: nothing */
	uint64_t pause_until_ms;        /* after a fault */
	uint64_t clock_warned_ms;       /* said until then: the clock was set back */
	struct loop_timer take_timer;
	/* agents.c */
	struct agent_list agents;
	uint32_t jobs;                  /* given out */
	struct loop_task pump;
	/* qmgr.c */
	struct loop_timer tick, ask_timer;
	bool stopping;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

uint64_t qmgr_now_s(const struct qmgr *q);
/* Takes more if there is room and reason. */
void window_check(struct qmgr *q);
void window_set_spoold(struct qmgr *q);
/* Gives out what can be given out, at the end of this turn of the loop. */
void agents_kick(struct qmgr *q);
/* Ends a stop when nothing is left to wait for. */
void qmgr_check_stopped(struct qmgr *q);

#endif
