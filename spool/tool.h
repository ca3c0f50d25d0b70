#ifndef PABAL_SPOOL_TOOL_H
#define PABAL_SPOOL_TOOL_H

#include "spool/spool.h"

/*
 * What the administrator does with a spool that no spoold has open: look at every byte
 * of it, print it, make the index anew. Nothing here changes the log, a body or a snapshot.
 */

/* A sentence about something that is wrong, or (note) worth knowing. */
typedef void tool_say_fn(void *ctx, bool note, const char *text);

struct tool_totals {
	uint64_t segments, records, bytes;      /* that were read and are right */
	uint64_t last_lsn;
	uint64_t snapshots, bodies, body_files, entries;        /* that were looked at; entries: of the index */
	uint64_t faults;
};

/* Takes the lock of the log and keeps it as *fd_r. ERR_STATE: a process has the spool open;
 * ERR_NOTFOUND: there is no log; ERR_IO. */
int tool_lock(int dirfd, int *fd_r) MUST_CHECK;

/* Calls fn for every record with LSN >= from that can be read, in order, until it returns non-zero, which is
 * returned. What cannot is told, and reading goes on with the next segment. */
typedef int tool_record_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice payload, const struct log_pos *pos);
int tool_walk(int dirfd, uint64_t from, tool_record_fn *fn, tool_say_fn *say, void *ctx, struct tool_totals *t) MUST_CHECK;

/* Checks everything: each record and snapshot, that a replay gives the tables of the index, that each
 * body is where the index says and as long as it says (and body files by their checksum). The
 * index is brought up to the log's end, as a start would. The process's directory is the
 * spool's. 0: it was looked at (faults in *t_r); ERR_IO, ERR_NOMEM, ERR_FULL: it could not be. */
int tool_check(const struct spool_conf *conf, tool_say_fn *say, void *ctx, struct tool_totals *t_r) MUST_CHECK;

#endif
