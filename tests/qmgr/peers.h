#ifndef PABAL_TESTS_QMGR_PEERS_H
#define PABAL_TESTS_QMGR_PEERS_H

/*
 * A qmgr with real channels in one loop with a turned clock: spoold, accountd and agents are
 * played. The played spoold keeps what qmgr believes to be on disk: it survives its own death.
 */
#include "common/ipc/channel.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_job.h"
#include "qmgr/qmgr.h"

enum { W_MSGS = 300, W_RCPTS = 8, W_JOBS = 512, W_TEXT = 2048 };

struct w_rcpt {
	char addr[64], status[16], text[512];
	uint8_t state;
	uint64_t due;
	uint32_t attempts;
};

struct w_msg {
	uint64_t id;
	char sender[64];
	uint64_t created;
	uint32_t flags, rcpts_n;
	struct w_rcpt rcpts[W_RCPTS];
	bool taken, gone, is_notice;
	char body[W_TEXT];      /* of a notice: its beginning */
};

/* A job that an agent has and has not answered. */
struct w_job {
	struct channel *ch;
	uint32_t id;
	uint64_t msgid;
	char destination[64];
	uint32_t n, indexes[W_RCPTS];
};

struct world {
	struct loop *loop;
	struct conf conf;
	struct qmgr *q;
	struct channel *spoold, *accountd;      /* the played ends */
	struct channel *far[32];                /* all of them */
	struct w_msg msgs[W_MSGS];
	uint32_t msgs_n;
	uint32_t takes, outcomes, releases, lookups, shows, contents;
	bool fail_outcomes;             /* the disk is full */
	bool swallow_outcomes;          /* written, but the answer is lost */
	bool drop_outcomes;             /* neither */
	bool late_outcomes;             /* written, and answered by world_late_answers() */
	uint32_t late[16], late_n;
	bool take_before_outcome;       /* a TAKE came while an outcome of an earlier life was owed */
	uint32_t owed;
	struct w_job jobs[W_JOBS];
	uint32_t jobs_n;
	bool stopped;
};

void world_start(struct world *w);
void world_end(struct world *w);
/* Turns the loop until nothing moves any more. */
void world_settle(struct world *w);
/* The clock goes on by that many seconds, in steps. */
void world_pass(struct world *w, uint64_t seconds);
uint64_t world_now(void);
/* Sets the wall clock alone. */
void world_set_wall(uint64_t seconds);

void world_spoold_start(struct world *w);
void world_spoold_kill(struct world *w);
void world_accountd_start(struct world *w);
void world_accountd_kill(struct world *w);
struct channel *world_agent_start(struct world *w, bool local, uint32_t capacity);
void world_agent_kill(struct world *w, struct channel *ch);
/* A message, with a hint if spoold is there. rcpts ends with NULL. */
struct w_msg *world_mail(struct world *w, const char *sender, const char *const *rcpts);
void world_hint(struct world *w, uint64_t due);
/* Answers the job at that place, which is removed from the list; all recipients alike. */
void world_answer(struct world *w, uint32_t job, uint8_t kind, const char *status, const char *text, bool reachable);
/* As deliver-local: the played spoold has it recorded before. */
void world_answer_recorded(struct world *w, uint32_t job, const char *relay);
void world_late_answers(struct world *w);
/* The notice at that place among those made, or NULL. */
struct w_msg *world_notice(struct world *w, uint32_t n);

#endif
