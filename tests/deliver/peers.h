#ifndef PABAL_TESTS_DELIVER_PEERS_H
#define PABAL_TESTS_DELIVER_PEERS_H

/* What the tests of both agents share: played peers on real channels in one loop. */
#include "common/ipc/channel.h"
#include "common/ipc/proto_job.h"
#include "common/ipc/roles.h"

/* A pair of channels: ours is the agent's side (its handlers and callbacks get ctx), the far one is returned.
 * far_close gets ctx too. */
struct channel *peer_pair(struct loop *l, const char *proto, enum role agent, enum role peer, struct channel_conf ours,
    const struct ipc_handler *far, void (*far_close)(struct channel *, int, void *), void *ctx);

/* The outcomes of a job, as the played qmgr got them: "reachable index:kind[r] status relay text[ tls=...]|..."; tls is left
 * out when it is none */
void result_print(struct buf *b, const struct job_result *res);

/* Turns the loop until cond(ctx), at most 30 seconds. */
void turn_until(struct loop *l, bool (*cond)(void *ctx), void *ctx, const char *what);
/* Turns it while something is to be done at once. */
void turn_settle(struct loop *l);

#endif
