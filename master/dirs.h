#ifndef PABAL_MASTER_DIRS_H
#define PABAL_MASTER_DIRS_H

#include "master/kinds.h"

/* What has to be in the file system before anything starts. Each failure is one sentence in why
 * that says what is wrong with what, and what to do. */

/* Makes run_dir, run_dir/empty, spool_dir, state_dir and key_dir where they are missing (and what is above
 * them), and checks owner, mode and that they can be written. */
int dirs_prepare(const struct conf *c, const struct idents *ids, struct buf *why) MUST_CHECK;
/* One master per run_dir: the descriptor of run_dir/master.pid, locked, or ERR_EXISTS. */
int dirs_lock(const struct conf *c, int *fd_r, struct buf *why) MUST_CHECK;
/* Writes our process id into it; 0: empties it. */
void dirs_lock_pid(int fd, long pid);
/* No other Pabal has the spool, the accounts or the keys open (its processes lock them); waits a little for
 * those of a master that was killed. */
int dirs_unused(const struct conf *c, struct buf *why) MUST_CHECK;
/* Opens the log file for appending: its descriptor in *fd_r. An empty name: a copy of standard error. */
int dirs_log_open(const char *path, int *fd_r, struct buf *why) MUST_CHECK;

#endif
