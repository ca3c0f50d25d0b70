#ifndef PABAL_POP3D_SERVER_H
#define PABAL_POP3D_SERVER_H

#include "common/daemon/daemon.h"

/* What is around the sessions of one pop3d: connections, accountd, spoold. */
extern const struct daemon_spec pop3_server_spec;

#endif
