#ifndef PABAL_QMGR_OUTCOME_H
#define PABAL_QMGR_OUTCOME_H

#include "common/daemon/conf.h"
#include "qmgr/message.h"

/*
 * What an agent's answer means for a recipient, and the record of it for spoold.
 *
 *	done       RCPT_DONE
 *	bounced    RCPT_FAILED
 *	deferred   RCPT_PENDING until the time that schedule.h gives; RCPT_FAILED
 *	           (5.4.7) when the message's time is over
 *
 * One log line a recipient, in the shape that Postfix's readers know.
 *
 * Successes and deferrals are recorded as soon as they are known; failures wait
 * for the message's last outcome, so that one notice tells of all of them (if we
 * die before, they are tried again). Nobody is told when the sender is null, or
 * of a recipient with NOTIFY=NEVER.
 */
struct outcome_clock {
	uint64_t now_s, steady_s;       /* queue_now(), queue_steady() */
	uint64_t mono_ms;
};

/* A recipient in a notice. */
struct notice_rcpt {
	struct slice addr, orcpt, status, text, relay;
	uint64_t until_s;               /* of a delay notice: when we give up */
};

/* A change for spoold on its way there, with what its notices are made from. Owns its arena, in which it is. */
struct record {
	TAILQ_ENTRY(record) link;
	struct arena *arena;
	struct spool_outcome op;        /* op.notices is filled by notice_make() */
	/* the message, for the notices and for reading its content */
	struct slice sender, envid, token, message_id;
	uint64_t created, size;
	uint32_t relay_off;
	uint8_t ret;
	struct notice_rcpt *failed, *delayed;
	uint32_t failed_n, delayed_n;
	bool many;                      /* recipients: texts are short */
	bool gone;                      /* nothing of the message is left after this: log "removed" */
	/* outbox.c's */
	bool composed, uncertain, answered;
	bool released;                  /* what was sent last said so */
	uint32_t request;
	struct channel *ch;
	struct outbox *box;
};
TAILQ_HEAD(record_list, record);

/* Decides and logs the outcomes of m that have not been settled yet. */
void outcome_settle(struct qmsg *m, const struct conf *conf, const struct outcome_clock *t);
/*
 * The record of what is settled and not recorded, which counts as recorded from then on. all: failures too, with
 * their notices; else they are left for later. release: qmgr is through with the message.
 * NULL and 0: there is nothing to record (a release needs no record then: spool_release). NULL and ERR_NOMEM: try
 * again later, nothing was marked.
 */
int outcome_collect(struct qmsg *m, bool all, bool release, const struct conf *conf, const struct outcome_clock *t,
    struct record **rec_r) MUST_CHECK;
void record_free(struct record **rec);
/* Are all recipients that were taken done or failed, and none led elsewhere? */
bool outcome_is_gone(const struct qmsg *m);

/* "ID: to=<a@b>, relay=..., tls=..., delay=1.2, delays=a/b/c/d, dsn=2.0.0, status=sent (text)" */
void outcome_log_line(struct buf *b, const struct qrcpt *r, const struct outcome_clock *t);

#endif
