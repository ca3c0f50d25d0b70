#ifndef PABAL_QMGR_QMGR_H
#define PABAL_QMGR_QMGR_H

#include "common/daemon/conf.h"
#include "common/ipc/channel.h"

/*
 * The queue manager: takes what is due from spoold, has accountd tell whose a
 * domain is, gives jobs to the agents, has spoold record what became of them. It
 * has no file and no network, and nothing that would be missed: whenever it
 * ends, spoold gives the messages to the next one.
 *
 * This is the program without its frame: main.c hands in the channels, the tests do
 * the same with channels of their own.
 *
 * spoold gone: what agents report is kept, waiting recipients are forgotten.
 * spoold back: first the reports are recorded, then messages are taken anew;
 * recipients that an agent is still busy with are not given out twice.
 * accountd gone: unrouted recipients wait. An agent gone: its jobs are given out again.
 */
enum {
	QMGR_TAKE_MESSAGES = 200, QMGR_TAKE_RCPTS = 2000,       /* at a time */
	QMGR_POLL_MS = 60 * 1000, QMGR_CLOCK_WARN_MS = 60 * 1000,       /* spoold is asked this often without a hint */
	QMGR_RETRY_MS = 5 * 1000,       /* after a fault of spoold or accountd */
	QMGR_LOCAL_JOB_MS = 3600 * 1000, QMGR_REMOTE_JOB_MS = 12 * 3600 * 1000, /* an agent that takes longer hangs */
};

struct qmgr;

/* conf stays the caller's, until qmgr_set_conf() brings another. */
struct qmgr *qmgr_new(struct loop *l, const struct conf *conf);
void qmgr_free(struct qmgr **q);
void qmgr_set_conf(struct qmgr *q, const struct conf *conf);

void qmgr_spoold_open(struct qmgr *q, struct channel *ch);
void qmgr_spoold_close(struct qmgr *q, struct channel *ch);
void qmgr_accountd_open(struct qmgr *q, struct channel *ch);
void qmgr_accountd_close(struct qmgr *q, struct channel *ch);
void qmgr_agent_open(struct qmgr *q, struct channel *ch, bool local);
void qmgr_agent_close(struct qmgr *q, struct channel *ch);

/* Messages of the peers. */
int qmgr_on_work(struct qmgr *q, struct ipc_msg *m) MUST_CHECK;
int qmgr_on_spool_state(struct qmgr *q, struct ipc_msg *m) MUST_CHECK;
int qmgr_on_capacity(struct qmgr *q, struct channel *ch, struct ipc_msg *m) MUST_CHECK;
int qmgr_on_status(struct qmgr *q, struct channel *ch, struct ipc_msg *m) MUST_CHECK;

/* Takes and gives out nothing new; done once the agents are through and all is recorded, or spoold is gone. */
void qmgr_stop(struct qmgr *q, void (*done)(void *ctx), void *ctx);

#endif
