#ifndef PABAL_QMGR_MESSAGE_H
#define PABAL_QMGR_MESSAGE_H

#include "common/ipc/proto_job.h"
#include "qmgr/dest.h"

/*
 * A message in the window: one that spoold gave us and that we have not given
 * back. Everything of it lives in its own arena and goes with it.
 */
enum {
	MESSAGE_ARENA_MAX = 64 * 1024 * 1024,
	MESSAGE_TEXT_MAX = 400,         /* of an outcome's text; longer ones are cut */
	MESSAGE_RELAY_MAX = 300,
};

enum qrcpt_state {
	QR_ROUTING,     /* whose domain is it: on its destination's routing list */
	QR_WAITING,     /* in an entry of its destination */
	QR_ACTIVE,      /* in a job */
	QR_DONE,        /* has its outcome */
	QR_IDLE,        /* not due yet: none of our business this time */
};

struct qmsg;
struct qjob;

/* What is to be known about one try at one recipient. */
struct qoutcome {
	uint8_t kind;                   /* OUTCOME_; 0: none yet */
	bool recorded;                  /* spoold knows, or a record on its way tells it */
	bool settled;                   /* outcome.c decided what it means: */
	uint8_t state;                  /* RCPT_DONE, RCPT_FAILED, or RCPT_PENDING until */
	uint64_t due_s;
	uint64_t started_ms;            /* when its job was given out; 0: it had none */
	uint32_t connect_ms, send_ms;
	char status[16];
	struct slice text, relay, tls;  /* in the message's arena */
	uint64_t not_before_ms;         /* monotonic: no try before this; 0: as the schedule says */
};

struct qrcpt {
	uint32_t index;
	struct slice addr, orcpt, domain;       /* domain: lower case, empty for "postmaster" */
	uint8_t notify;
	uint32_t attempts;              /* before this one */
	enum qrcpt_state state;
	struct qmsg *msg;
	struct qdest *dest;             /* QR_ROUTING */
	struct qentry *entry;           /* QR_WAITING */
	struct qjob *job;               /* QR_ACTIVE */
	TAILQ_ENTRY(qrcpt) link;        /* routing list or entry */
	struct qoutcome out;
};

/* The waiting recipients of one message at one destination. */
struct qentry {
	TAILQ_ENTRY(qentry) link;       /* of the destination */
	struct qmsg *msg;
	struct qdest *dest;
	struct qrcpt_list rcpts;
	uint32_t n;
};

struct qmsg {
	RB_ENTRY(qmsg) node;
	struct arena *arena;
	uint64_t msgid;
	struct slice sender, envid, origin, message_id, token;
	uint64_t created, size;
	uint32_t relay_off, body_flags, flags;
	uint8_t ret;
	struct qrcpt *rcpts;
	uint32_t rcpts_n;
	uint32_t open;                  /* recipients without an outcome, QR_IDLE not counted */
	uint32_t idle;
	uint32_t lost;                  /* agents that died over it */
	bool forwarded;                 /* an alias led elsewhere: the message lives on */
	uint64_t taken_ms;
};

/* A copy of what spoold sent, recipients that are not due by now_s as QR_IDLE, all others QR_ROUTING (on no
 * list yet). NULL without memory. */
struct qmsg *message_new(const struct spool_msg *m, uint64_t now_s, uint64_t now_ms);
void message_free(struct qmsg **m);
/* Sets the outcome; texts are copied and cut. The state and the count are the caller's. */
void message_set_outcome(struct qrcpt *r, uint8_t kind, struct slice status, struct slice text, struct slice relay);

#endif
