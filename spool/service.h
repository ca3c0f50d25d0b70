#ifndef PABAL_SPOOL_SERVICE_H
#define PABAL_SPOOL_SERVICE_H

#include "common/base/loop.h"
#include "common/daemon/conf.h"
#include "common/ipc/channel.h"
#include "spool/spool.h"

/*
 * The spool protocol (common/ipc/proto_spool.h), served. Ops that come in during one
 * turn of the loop are one batch: one flush at its end, then the changes are told and the
 * requests answered. What only reads while a batch is open waits for that flush, and
 * so does what came after it on the same channel.
 */
struct service;

struct service_conf {
	struct loop *loop;
	int dirfd;                      /* the spool directory; not owned */
	const char *index_home;
	const struct conf *conf;        /* kept; service_reload() gives another */
	struct slice secret;            /* the key of all tokens, shared with accountd; kept */
	const struct sysops *sys;
	void (*dead)(void *ctx);        /* the spool cannot go on: end the process */
	void *ctx;
};

int service_new(struct service **svc_r, const struct service_conf *conf) MUST_CHECK;
/* Commits what is open, and forgets its peers; their channels stay the caller's. */
void service_free(struct service **svc);
void service_reload(struct service *svc, const struct conf *conf);
/* A channel has opened and closed; control channels need no open. */
void service_opened(struct service *svc, struct channel *ch);
void service_closed(struct service *svc, struct channel *ch);
/* Commits now what is open (for the end of the process). */
void service_settle(struct service *svc);
struct spool *service_spool(struct service *svc);

/* What a peer of each role may send. The handlers' context is a struct daemon whose state is the service. */
extern const struct ipc_handler service_smtpd[], service_qmgr[], service_deliver_local[], service_deliver_remote[],
	service_reader[], service_control[];

#endif
