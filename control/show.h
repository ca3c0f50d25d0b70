#ifndef PABAL_CONTROL_SHOW_H
#define PABAL_CONTROL_SHOW_H

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_job.h"
#include "common/ipc/proto_key.h"
#include "common/ipc/proto_master.h"
#include "common/ipc/proto_spool.h"
#include "control/format.h"

/* What the answers of the processes look like, as text and as JSON. Pure; now is in seconds. */

/*
 * A queued message:
 *	0000000012 H  2h 10m  1.2k  <abc@naver.test>
 *	    def@daum.test  try 3 in 4m: 4.4.1 connection timed out
 * H: held. With detail, more of it, and recipients that are done too.
 */
void show_msg(struct buf *b, const struct spool_msg *m, uint64_t now, bool detail);
json_t *show_msg_json(const struct spool_msg *m);

/* "2026-11-24 19:00:05.123456  event  text", one line each. */
void show_trace(struct buf *b, const struct spool_trace_reply *t);
json_t *show_trace_json(const struct spool_trace_reply *t);

void show_destinations(struct buf *b, const struct job_status_reply *s, uint64_t now);
json_t *show_destinations_json(const struct job_status_reply *s);

/* spool may be NULL: spoold was not asked or did not answer. */
void show_status(struct buf *b, const struct master_status_reply *s, const struct spool_stats_reply *spool,
    uint64_t now, bool verbose);
json_t *show_status_json(const struct master_status_reply *s, const struct spool_stats_reply *spool);

/*
 * A table of certificates. What needs attention (show_cert_state(): the text, NULL for nothing) stands in its last
 * column: it ends within warning seconds, has ended, is not valid yet, or cannot be used.
 */
const char *show_cert_state(const struct key_item *i, uint64_t now, uint64_t warning, struct buf *room);
void show_certs(struct buf *b, const struct key_list_reply *l, uint64_t now, uint64_t warning);
json_t *show_certs_json(const struct key_list_reply *l, uint64_t now, uint64_t warning);

/* "name=value" lines. */
void show_stats(struct buf *b, const struct spool_stats_reply *s);
json_t *show_stats_json(const struct spool_stats_reply *s);

/* show_login.c: a user with the app passwords; these alone; counts of failed logins. */
void show_user(struct buf *b, const struct account_user_shown *u);
json_t *show_user_json(const struct account_user_shown *u);
void show_apps(struct buf *b, const struct account_user_shown *u);
json_t *show_apps_json(const struct account_user_shown *u);
/* Adds lines of cells for format_table(), or items to array. */
void show_failure(struct buf *cells, const struct account_failure *f);
json_t *show_failure_json(const struct account_failure *f);

#endif
