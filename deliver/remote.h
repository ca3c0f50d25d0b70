#ifndef PABAL_DELIVER_REMOTE_H
#define PABAL_DELIVER_REMOTE_H

#include "deliver/agent.h"

/*
 * deliver-remote without its frame: jobs of qmgr in, SMTP out. Per job it has
 * dnsd name the exchangers and spoold give the content, then tries addresses in
 * their order, at most ROUTE_ADDRS_MAX and ROUTE_SESSIONS_MAX that greet, and
 * reports one outcome for each recipient.
 *
 * TLS is as the policy of the destination says (tlspolicy.h). Where that is may and STARTTLS or the handshake fails,
 * the same address is tried once more without, at once, and for TLS_BROKEN_MS all mail goes to it without; a change of
 * the configuration forgets that. Where TLS is required a failure is one of the host: the next address is tried.
 *
 * dnsd or spoold gone: the job waits up to REMOTE_PARK_MS for the next one, then
 * is deferred. qmgr gone: jobs end where they are, for the next qmgr gives them
 * again; only those that wait for the answer to a whole content finish.
 */
enum {
	REMOTE_JOBS = 100,              /* at a time */
	REMOTE_PARK_MS = 60 * 1000,
	REMOTE_JOB_MS = 6 * 3600 * 1000,/* one job at all, however a server draws it out: well within qmgr's patience */
	REMOTE_REUSE_MS = 2000,         /* an idle connection is kept for this long */
	REMOTE_REUSE_TXS = 100,         /* transactions of one connection */
	REMOTE_DATA_MS = 120 * 1000,    /* RFC 5321 4.5.3.2.4: the answer to DATA */
	REMOTE_BLOCK_MS = 180 * 1000,   /* 4.5.3.2.5: while content is sent */
	REMOTE_RSET_MS = 20 * 1000,
	REMOTE_QUIT_MS = 5 * 1000,
};

/* NULL without memory. tls outlives the agent. */
struct tls_client;
struct agent *remote_new(struct loop *l, const struct conf *conf, struct tls_client *tls);

#endif
