#ifndef PABAL_QMGR_NOTICE_H
#define PABAL_QMGR_NOTICE_H

#include "qmgr/outcome.h"

/*
 * The messages that tell a sender what became of his mail, RFC 3464: one for all
 * that failed, one for all that is late. They go from the null sender, so that
 * nothing is ever told about them, and are from MAILER-DAEMON at our name. The
 * original comes back whole up to NOTICE_RETURN_MAX bytes, else (or if the
 * sender said RET=HDRS) its header alone; of a delay always the header alone. A notice names as many recipients as
 * fit into 1 MiB, at most 1000.
 */
enum { NOTICE_RETURN_MAX = 64 * 1024 };

/*
 * Fills rec->op.notices from rec->failed and rec->delayed. The original is in content, or in the file fd
 * when fd is not -1 (read by position, never mapped: it cannot hurt us when it is shorter than it should be). What
 * cannot be read is left out. ERR_NOMEM.
 */
int notice_make(struct record *rec, struct slice hostname, struct slice content, int fd, uint64_t now_s) MUST_CHECK;

#endif
