#ifndef PABAL_SPOOL_SERVICE_JOBS_H
#define PABAL_SPOOL_SERVICE_JOBS_H

#include "spool/service_internal.h"

/*
 * Requests on many rows, in steps: each is short, one step of one job is done in a turn of the loop, and
 * the jobs take turns. What comes in meanwhile is answered between the steps. The first step is done with
 * the request itself, so a small request is as it would be without any of this.
 */
struct row_job {
	TAILQ_ENTRY(row_job) link;
	struct service *svc;
	struct peer *peer;              /* NULL: nobody waits for the answer any more */
	uint32_t id, session;           /* of the request */
	uint64_t due;                   /* not before (loop_now) */
	bool reads;                     /* tells of the state: no step while a batch is open */
	bool in_batch;                  /* a step's change waits for the flush */
	/* True: there is nothing left to do; it is freed. */
	bool (*step)(struct row_job *j);
	/* Its changes are flushed (0), or did not happen. May be NULL. */
	void (*flushed)(struct row_job *j, int r);
	void (*destroy)(struct row_job *j);
};

/* Takes over j, of which the caller has filled in all but link and svc. */
void row_job_start(struct service *svc, struct row_job *j);
/* Frees a job before its end. */
void row_job_drop(struct row_job *j);
/* The batch was flushed, or failed with r. */
void row_jobs_flushed(struct service *svc, int r);
void row_jobs_peer_gone(struct service *svc, const struct peer *p);
void row_jobs_end(struct service *svc);

/* ---- EXPUNGE, COPY, MOVE (service_many.c) ---- */
/* RENAME of INBOX, whose first piece has been moved: the rest, from that UID on; answered with spool_ok, value to. */
int many_rename(struct service *svc, struct peer *p, uint32_t id, uint32_t session, const struct op_copy *op, uint32_t next);
/* Undoes the copies that a restart cut short. */
int many_recover(struct service *svc);

/* ---- SELECT and VIEW with rows (service_view.c) ---- */
/* A change that is told now: rows that were read before it are mended. */
void view_jobs_change(struct service *svc, const struct change *c);
/* The session lets go of its mailbox: it gets no rows any more. */
void view_jobs_unselect(struct service *svc, const struct session *s);
/* Sends the mailbox's keywords into m's arena. ERR_NOMEM. */
int keywords_out(struct service *svc, const struct ix_mailbox *mb, struct spool_keyword **k_r, uint32_t *n_r);
/* Messages that nobody has seen as \Recent yet. */
int recent_count(struct service *svc, uint64_t id, const struct ix_mailbox *mb, uint32_t *n_r);

#endif
