#ifndef PABAL_CONTROL_ACCOUNT_CLIENT_H
#define PABAL_CONTROL_ACCOUNT_CLIENT_H

#include "common/ipc/proto_account.h"
#include "control/client.h"

/* cmd_account.c: m is not the answer that was wanted. Says the sentence that came with an account_fail, or that it is
 * not understood. A negative enum err. */
int account_failure(struct client *c, struct ipc_msg *m);

#endif
