#ifndef PABAL_IMAPD_COMMANDS_H
#define PABAL_IMAPD_COMMANDS_H

#include "imapd/core.h"

/* The parse and run functions of the command table, by file. */
typedef int imap_parse_fn(struct imap_session *s, struct imap_parse *p);

/* cmd_basic.c */
imap_parse_fn imap_parse_id, imap_parse_enable;
imap_step_fn imap_run_capability, imap_run_noop, imap_run_logout, imap_run_id, imap_run_enable,
    imap_run_namespace;
/* cmd_authenticate.c */
imap_parse_fn imap_parse_authenticate;
imap_step_fn imap_run_starttls, imap_run_authenticate;
/* cmd_login.c */
imap_parse_fn imap_parse_login;
imap_step_fn imap_run_login;
/* cmd_select.c */
imap_parse_fn imap_parse_select;
imap_step_fn imap_run_select, imap_run_examine, imap_run_close, imap_run_unselect;
/* cmd_mailbox.c */
imap_parse_fn imap_parse_create, imap_parse_name, imap_parse_rename;
imap_step_fn imap_run_create, imap_run_delete, imap_run_rename, imap_run_subscribe, imap_run_unsubscribe;
/* cmd_list.c */
imap_parse_fn imap_parse_list;
imap_step_fn imap_run_list, imap_run_lsub;
/* cmd_status.c */
imap_parse_fn imap_parse_status;
imap_step_fn imap_run_status;
/* cmd_append.c */
imap_parse_fn imap_parse_append;
imap_step_fn imap_run_append;
/* cmd_expunge.c */
imap_parse_fn imap_parse_uid_expunge;
imap_step_fn imap_run_expunge;
/* cmd_search.c */
imap_parse_fn imap_parse_search;
imap_step_fn imap_run_search;
/* cmd_fetch.c */
imap_parse_fn imap_parse_fetch;
imap_step_fn imap_run_fetch;
/* cmd_store.c */
imap_parse_fn imap_parse_store;
imap_step_fn imap_run_store;
/* cmd_copy.c */
imap_parse_fn imap_parse_copy;
imap_step_fn imap_run_copy, imap_run_move;
/* cmd_idle.c */
imap_step_fn imap_run_idle;

#endif
