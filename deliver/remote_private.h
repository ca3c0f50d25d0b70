#ifndef PABAL_DELIVER_REMOTE_PRIVATE_H
#define PABAL_DELIVER_REMOTE_PRIVATE_H

/* What remote.c (jobs) and remote_conn.c (connections) share; nobody else includes it. */
#include "common/daemon/conn.h"
#include "deliver/client.h"
#include "deliver/remote.h"
#include "deliver/route.h"
#include "deliver/tlspolicy.h"

struct rconn;

/* A host, "mx.b.test[192.0.2.1]:25", and the TLS with it, "none"; empty: not known. In the job's arena. */
struct rplace { struct slice relay, tls; };

struct rjob {
	struct agent_job h;
	struct remote *remote;
	struct client_tx tx;
	struct rplace *places;          /* of each recipient: where it got its outcome */
	/* what is asked of others */
	struct channel *ask_ch[2];
	uint32_t ask_id[2];             /* enum ask */
	bool have[2];
	struct route route;
	/* where it is tried */
	unsigned next_addr, sessions;
	struct rconn *conn;
	bool reached, local_fault;
	bool without_tls;               /* TLS failed at the address that is next: without, as the policy allows */
	/* why the last address did not do */
	char fail_status[REPLY_STATUS_MAX], fail_text[CLIENT_TEXT_MAX + 1];
	struct rplace fail_place;       /* the host, if it was connected */
};
enum ask { ASK_ROUTE, ASK_CONTENT };

/* A connection to a host, with a job or idle. */
struct rconn {
	TAILQ_ENTRY(rconn) link;
	struct remote *remote;
	struct rjob *job;               /* NULL: idle or saying goodbye */
	struct conn *conn;
	struct client client;
	char name[256];                 /* ours, as the client says it */
	struct route_addr addr;
	struct loop_timer timer;        /* for the next whole reply, or the idle time */
	struct tls_made tls;
	bool connected, ready, reused;  /* reused: begun anew for this job, nothing answered yet */
	uint64_t off;                   /* of the content, while it is sent */
	uint64_t progress;              /* the client's, when this transaction began */
};
TAILQ_HEAD(rconn_list, rconn);

struct remote {
	struct agent a;
	struct channel *peers[2];       /* dnsd, spoold: by enum ask */
	struct rconn_list conns;
	struct tls_client *tls;         /* NULL: where TLS is required nothing is sent */
	struct tls_broken broken;
};

/* Takes the job to its next address: an idle connection, a new one. ERR_IO: it could not even begin; the job's
 * fail text says why. */
int rconn_use(struct rjob *job, const struct route_addr *addr) MUST_CHECK;
/* Closes without a word; its job, if any, is not told. */
void rconn_kill(struct rconn **rc);
void rconn_kill_idle(struct remote *r);
/* "host[192.0.2.1]:25" */
void rconn_relay(const struct rconn *rc, struct buf *b);
void rconn_set_timer(struct rconn *rc);
/* client.fail is set: the job goes on elsewhere. rc is gone. */
void rconn_failed(struct rconn *rc);
void rconn_lost(struct rconn *rc, const char *status, const char *what);

/* remote_tls.c. The server agreed to STARTTLS; the handshake is done; it broke (CONN_ERROR). rc may be gone. */
void rconn_tls_start(struct rconn *rc);
void rconn_tls_done(struct rconn *rc);
void rconn_tls_broken(struct rconn *rc);
/* The client has failed: is the same address to be tried once more without TLS? Then that is remembered. */
bool rconn_tls_fall_back(struct rconn *rc);
/* "none", "TLSv1.3/TLS_AES_256_GCM_SHA384 (unverified)" */
void rconn_tls_text(const struct rconn *rc, struct buf *b);

/* remote_conn.c tells: the transaction ended, every recipient has an outcome. */
void rjob_done(struct rjob *job);
/* ... the connection is of no use. Recipients with an outcome keep it. again: the same address once more, anew. */
void rjob_conn_failed(struct rjob *job, const struct client *c, bool again);
/* ... the content could not be read. */
void rjob_content_failed(struct rjob *job);
/* Recipients that have an outcome and no relay yet got it at rc. */
void rjob_note_relay(struct rjob *job, const struct rconn *rc);
/* The place of a failure that is no recipient's. */
void rjob_note_fail_relay(struct rjob *job, const struct rconn *rc);
void rjob_set_fail(struct rjob *job, const char *status, const char *text);

#endif
