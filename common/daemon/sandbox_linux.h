#ifndef PABAL_DAEMON_SANDBOX_LINUX_H
#define PABAL_DAEMON_SANDBOX_LINUX_H

#include "common/daemon/sandbox.h"

/* The parts of sandbox_enter() that the kernel's own means do; called in this order by sandbox.c. */

/* PR_SET_DUMPABLE 0 (nobody of our uid traces us or reads our /proc files) and no_new_privs. */
int sandbox_privs_lock(void) MUST_CHECK;
/* Landlock: the file system below root (CELL_FILES) or nothing of it, TCP as CELL_NET_OUT says, no
 * signals and no abstract sockets out of the cell. root is the path as seen now. 0 also on a kernel
 * without Landlock, with one log line. */
int sandbox_landlock(const struct sandbox_conf *conf, const char *root) MUST_CHECK;
/* The allow-list of system calls. */
int sandbox_seccomp(const struct sandbox_conf *conf) MUST_CHECK;

#endif
