#ifndef PABAL_SPOOL_SERVICE_INTERNAL_H
#define PABAL_SPOOL_SERVICE_INTERNAL_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "common/daemon/token.h"
#include "spool/mboxname.h"
#include "spool/service.h"
#include "spool/syncer.h"
#include "spool/watch.h"

enum {
	REQUEST_ARENA = 256 * 1024 * 1024, BATCH_BYTES = 8 * 1024 * 1024, REPLY_MAX = IPC_MAX_FRAME - 4096,
	JOB_TOKEN_LIFE = 86400, FILES_PER_PEER = 4096,
};

/* A channel's other end. */
struct peer {
	TAILQ_ENTRY(peer) link;
	struct channel *ch;
	unsigned stashed;               /* its messages that wait for the flush */
	unsigned files;                 /* body files it may write */
	struct session_list *sessions;
};
TAILQ_HEAD(peer_list, peer);

/* A body file that no record refers to yet. */
struct live_file {
	RB_ENTRY(live_file) entry;
	uint64_t file;
	struct peer *peer;              /* NULL: being flushed, or its peer is gone */
};
RB_HEAD(live_tree, live_file);

/* A login's session on a channel. */
struct session {
	RB_ENTRY(session) entry;
	LIST_ENTRY(session) link;       /* of its peer */
	uint32_t number;
	uint64_t account;
	struct peer *peer;
	struct selection sel;
};
LIST_HEAD(session_list, session);
RB_HEAD(session_tree, session);

/* An answer that waits for the flush. */
struct answer {
	STAILQ_ENTRY(answer) link;
	struct peer *peer;              /* NULL: gone */
	uint32_t id;
	uint16_t type;
	struct buf payload;
	struct change_list changes;     /* told before it */
	uint32_t session;               /* that caused them; 0: none */
	uint64_t file;                  /* unlinked when the batch fails */
	char *log;                      /* line when it succeeds */
};
STAILQ_HEAD(answer_list, answer);

/* A message that waits for the flush. */
struct stashed {
	STAILQ_ENTRY(stashed) link;
	struct peer *peer;
	struct ipc_msg m;               /* payload: owned */
};
STAILQ_HEAD(stash_list, stashed);

/* A message that waits for its body file to be flushed. */
struct file_wait {
	struct sync_job job;
	LIST_ENTRY(file_wait) link;
	struct service *svc;
	struct peer *peer;              /* NULL: gone */
	struct ipc_msg m;               /* payload: owned */
};
LIST_HEAD(wait_list, file_wait);

struct taken {
	RB_ENTRY(taken) entry;
	uint64_t msgid;
	struct peer *peer;
	uint8_t token[TOKEN_SIZE];      /* its job token, good until expiry */
	uint64_t expiry;
};
RB_HEAD(taken_tree, taken);

/* A queue command over many messages, done in pieces. */
struct queue_job;
/* A request on many rows (service_jobs.h). */
struct row_job;
TAILQ_HEAD(row_job_list, row_job);
struct compactor;
LIST_HEAD(queue_job_list, queue_job);

struct service {
	struct service_conf sc;
	const struct conf *conf;
	struct loop *loop;
	struct spool *spool;
	struct syncer *syncer;
	struct arena *arena;            /* of the request being handled */
	struct watches *watches;
	struct peer_list peers;
	struct session_tree sessions;
	uint32_t last_session;
	struct live_tree files;
	struct answer_list answers;
	struct stash_list stash;
	struct wait_list waits;
	struct taken_tree taken;
	struct queue_job_list queue_jobs;
	struct row_job_list row_jobs;   /* whose turn it is first */
	struct loop_task job_task;
	struct loop_timer job_timer;    /* when none of them is due */
	uint32_t ranges_held;           /* by the row jobs */
	struct file_wait *synced;       /* the message being handled comes back from the flush of its file */
	struct loop_task turn_end;
	struct loop_timer tick;
	uint64_t hint_due;              /* to tell qmgr after the flush; 0: nothing */
	uint64_t flushes;       /* of the log, at the last look */
	uint64_t next_clean, next_checkpoint, next_settle, next_look;       /* monotonic, milliseconds */
	struct compactor *compactor;
	uint64_t *orphans, orphans_n;   /* body files of the start's list, still to be looked at */
	struct sync_job sweep;
	bool sweeping, accepting, dead;
};

/* ---- answers. While a batch is open they wait for it; else they go out at once ---- */
typedef void wire_encode_fn(struct buf *b, const void *m);
/* The waiting answer, to which changes, file and log can be added; NULL when it went out (or there is no memory). */
struct answer *service_answer(struct service *svc, struct peer *p, uint32_t id, uint16_t type, wire_encode_fn *fn, const void *m);
#define ANSWER(svc, p, mid, T, m) \
	service_answer((svc), (p), (mid), T##_MSG, (wire_encode_fn *)(void (*)(void))T##_encode, (m))
struct answer *service_fail(struct service *svc, struct peer *p, uint32_t id, int r, const char *text);
struct answer *service_ok(struct service *svc, struct peer *p, uint32_t id, uint64_t value);
/* r: what spool_do() said. When it is not 0 the request is answered with it and true returned. */
bool service_refused(struct service *svc, struct peer *p, uint32_t id, int r);
/* Runs an op; its changes end up in the answer that has to be made right after (change_take). */
int service_do(struct service *svc, struct spool_op *op, struct spool_done *done_r, struct change_list *changes);
void answer_take_changes(struct answer *a, struct change_list *changes, uint32_t session);
void service_hint(struct service *svc, uint64_t due);
/* The batch that is open, and all that waits for it. */
void service_commit(struct service *svc);
void service_batch_opened(struct service *svc);

/* ---- files ---- */
int files_create(struct service *svc, struct peer *p, uint64_t *file_r, int *fd_r);
/* The peer's own file, or NULL. */
struct live_file *files_find(struct service *svc, const struct peer *p, uint64_t file);
void files_drop(struct service *svc, struct live_file *f, bool unlink);
void files_peer_gone(struct service *svc, struct peer *p);
void files_forget(struct service *svc, uint64_t file);
/* A message whose body is in a file: 0 the file is flushed and b complete; 1 it waits, the handler
 * returns; negative: why it is refused. */
int files_body(struct service *svc, struct peer *p, struct ipc_msg *m, const struct spool_body_in *in, struct op_body *b_r);
void files_waits_end(struct service *svc);
void files_sweep_start(struct service *svc);
/* A bounded step; false when there is nothing left. */
bool files_sweep_step(struct service *svc);

/* ---- queue ---- */
void taken_peer_gone(struct service *svc, struct peer *p);
void taken_drop(struct service *svc, uint64_t msgid);
bool taken_has(struct service *svc, uint64_t msgid);
int msg_load(struct service *svc, uint64_t msgid, bool pending_only, bool token, size_t *size, struct spool_msg *m_r);
void queue_jobs_peer_gone(struct service *svc, struct peer *p);
void queue_jobs_end(struct service *svc);
int job_token_check(struct service *svc, struct slice token, uint64_t msgid);

/* ---- compaction ---- */
int compact_start(struct service *svc) MUST_CHECK;
void compact_stop(struct service *svc);
void compact_peer_gone(struct service *svc, const struct peer *p);
/* Bytes removed and copied since the start. */
void compact_stats(const struct service *svc, uint64_t *removed_r, uint64_t *copied_r);

/* ---- sessions ---- */
void sessions_peer_gone(struct service *svc, struct peer *p);
struct session *session_find(struct service *svc, const struct peer *p, uint32_t number);
/* Tells the watchers of what a batch changed. */
void session_events(struct service *svc, struct change_list *changes, uint32_t by);
void session_ghosts(struct service *svc, struct change_list *changes);

/* ---- handlers: 0, or a negative error that closes the channel ---- */
typedef int request_fn(struct service *svc, struct peer *p, struct ipc_msg *m);
request_fn request_accept, request_body_file, request_body_drop, request_take, request_outcome, request_release,
	request_content, request_deliver, request_open, request_close, request_mailbox_list, request_mailbox_do,
	request_select, request_view, request_unselect, request_store, request_expunge, request_copy, request_append, request_cached,
	request_body_get, request_queue_list, request_queue_show, request_queue_do, request_trace, request_stats,
	request_account_delete, request_compact;

/* After IPC_DECODE: a malformed message closes the channel, one over the arena is refused. */
#define REQUEST_DECODE(svc, p, m, T, out) \
	do { \
		int dr_ = IPC_DECODE((m), T, (svc)->arena, (out)); \
		if (dr_ == ERR_NOMEM) { \
			(void)service_fail((svc), (p), (m)->id, ERR_NOMEM, "out of memory"); \
			return 0; \
		} \
		if (dr_ != 0) \
			return dr_; \
	} while (0)

#endif
