#ifndef PABAL_CONTROL_SPOOL_CLIENT_H
#define PABAL_CONTROL_SPOOL_CLIENT_H

#include "common/ipc/proto_spool.h"
#include "control/client.h"

/* spoold's answer was not the one wished for: says "WHAT OBJECT:" and the sentence of its spool_fail, or that it is strange. Negative. */
int spool_client_failed(struct client *c, struct ipc_msg *m, const char *what, const char *object) MUST_CHECK;
/* The id that an operand is; complains when it is none (negative). */
int spool_client_id(const char *word, uint64_t *msgid_r) MUST_CHECK;
/* The numbers of spoold; ERR_CLOSED without a word when it is not there and quiet. */
int spool_client_stats(struct client *c, struct spool_stats_reply *s_r) MUST_CHECK;

#endif
