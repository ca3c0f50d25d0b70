#ifndef PABAL_DAEMON_SANDBOX_H
#define PABAL_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"

/*
 * The cell of a process. What each kind may do, and nothing else:
 *	everyone   memory, time, its open descriptors, sockets it was handed, signals to itself
 *	NET_OUT    make TCP and UDP sockets and connect them (deliver-remote, dnsd)
 *	FILES      open, write, rename and unlink below the directories it opened before (spoold, accountd, keyd)
 *	THREADS    threads (accountd, spoold)
 * Nobody may execute, trace, mount, change identity, or send a signal to another.
 */
enum { CELL_NET_OUT = 1, CELL_FILES = 2, CELL_THREADS = 4 };

struct sandbox_conf {
	const char *name;       /* for messages */
	unsigned allow;         /* CELL_ bits */
	const char *root;       /* empty directory to chroot into (edges and thinkers) or the one
	                         * directory whose files it owns (CELL_FILES: chroot there) */
	uid_t uid;              /* dropped to when we are root; (uid_t)-1: stay who we are */
	gid_t gid;
	unsigned nofile;        /* RLIMIT_NOFILE */
	bool privileged;        /* we are root: chroot and drop. Otherwise only no_new_privs,
	                         * rlimits, Landlock and seccomp, which need no right */
};

/* Enters the cell; there is no way back. ERR_IO or ERR_DENIED: the caller must not go on.
 * What the kernel does not have (an old kernel without Landlock) is skipped with one log line;
 * a failing chroot, setresuid or seccomp is an error. */
int sandbox_enter(const struct sandbox_conf *conf) MUST_CHECK;

#endif
