#ifndef PABAL_DAEMON_CONTROL_PATH_H
#define PABAL_DAEMON_CONTROL_PATH_H

#include <stdio.h>

#include "common/daemon/conf.h"
#include "common/ipc/roles.h"

enum { CONTROL_CONNECTIONS_MAX = 100 };         /* at a time, of one process; further ones are closed at once */

/*
 * Where the pabal command finds a process that it may ask things: the Unix socket
 * RUN_DIR/NAME.sock, NAME being "master", "spoold", "accountd", "keyd" or "qmgr". master makes
 * the sockets (root and admin_group only) and hands them to their processes.
 *
 * A path of more than some hundred bytes does not fit a Unix address: whoever binds or
 * connects goes through /proc/self/fd/N/NAME.sock with N the opened directory.
 */
static inline int control_socket_name(enum role role, char name_r[32])
{
	int n = snprintf(name_r, 32, "%s.sock", role_name(role));

	return n > 0 && n < 32 ? 0 : ERR_LIMIT;
}

#endif
