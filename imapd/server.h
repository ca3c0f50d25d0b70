#ifndef PABAL_IMAPD_SERVER_H
#define PABAL_IMAPD_SERVER_H

#include "common/daemon/daemon.h"

/* What is around the sessions of one imapd: connections, timers, and the way to spoold and accountd. */
extern const struct daemon_spec imap_server_spec;

#endif
