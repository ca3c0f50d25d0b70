#ifndef PABAL_CONTROL_COMMAND_H
#define PABAL_CONTROL_COMMAND_H

#include "common/base/buf.h"
#include "common/daemon/conf.h"
#include "control/args.h"

/*
 * The table of pabal's commands (commands.c). A family of commands is one file, cmd_NAME.c.
 * To add a command: a function here, a row there, a paragraph in man/pabal.1.
 */

/* Exit statuses. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 /* the command line or the configuration is wrong */ };

struct control {
	const struct args *args;
	const char **words;             /* behind the command's own words */
	unsigned words_n;
	bool json;
	const char *conf_file;
	struct conf *conf;              /* NULL for commands that do without (COMMAND_NO_CONF) */
};

struct command {
	const char *name, *verb;        /* verb NULL: a command of one word */
	const char *operands;           /* for the help: "USER@DOMAIN [DETAIL]" */
	unsigned min, max;              /* number of operands */
	unsigned opts;                  /* OPT_ bits it takes besides those that all take */
	unsigned flags;                 /* COMMAND_ */
	int (*run)(struct control *ct); /* EXIT_ */
	const char *help;
};
enum { COMMAND_NO_CONF = 1 };

extern const struct command commands[];
extern const unsigned commands_n;

/* The row for these words, how many of them name it, or NULL with a sentence in why. */
const struct command *command_find(const char *const *words, unsigned n, unsigned *used_r, struct buf *why);
/* Do the operands and options fit? ERR_SYNTAX with a sentence in why. */
int command_check(const struct command *c, const struct args *a, unsigned operands, struct buf *why) MUST_CHECK;
/* The help of all commands. */
void command_usage(struct buf *b);

/* "pabal: " and the sentence on standard error; EXIT_FAILED, so that a command can return it. */
int complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Writes b to standard output: EXIT_DONE, or EXIT_FAILED with a complaint. Frees b. */
int finish_output(struct buf *b);

/* cmd_start.c, cmd_system.c, cmd_check.c */
int cmd_start(struct control *ct);
int cmd_stop(struct control *ct);
int cmd_reload(struct control *ct);
int cmd_status(struct control *ct);
int cmd_check(struct control *ct);
/* cmd_account.c */
int cmd_domain_add(struct control *ct);
int cmd_domain_delete(struct control *ct);
int cmd_domain_list(struct control *ct);
int cmd_user_add(struct control *ct);
int cmd_user_delete(struct control *ct);
int cmd_user_password(struct control *ct);
int cmd_user_list(struct control *ct);
int cmd_alias_add(struct control *ct);
int cmd_alias_delete(struct control *ct);
int cmd_alias_list(struct control *ct);
/* cmd_login.c */
int cmd_user_show(struct control *ct);
int cmd_app_add(struct control *ct);
int cmd_app_list(struct control *ct);
int cmd_app_delete(struct control *ct);
int cmd_failures_list(struct control *ct);
int cmd_failures_clear(struct control *ct);
/* cmd_validator.c */
int cmd_validator(struct control *ct);
/* cmd_autoconfig.c */
int cmd_autoconfig(struct control *ct);
/* cmd_cert.c */
int cmd_cert_list(struct control *ct);
int cmd_cert_check(struct control *ct);
int cmd_cert_install(struct control *ct);
int cmd_cert_self_sign(struct control *ct);
int cmd_cert_export(struct control *ct);
int cmd_cert_delete(struct control *ct);
/* cmd_queue.c */
int cmd_queue_list(struct control *ct);
int cmd_queue_show(struct control *ct);
int cmd_queue_flush(struct control *ct);
int cmd_queue_hold(struct control *ct);
int cmd_queue_release(struct control *ct);
int cmd_queue_delete(struct control *ct);
/* cmd_trace.c */
int cmd_queue_destinations(struct control *ct);
int cmd_trace(struct control *ct);
/* cmd_spool.c */
int cmd_spool_check(struct control *ct);
int cmd_spool_dump(struct control *ct);
int cmd_spool_rebuild(struct control *ct);
/* cmd_compact.c */
int cmd_spool_compact(struct control *ct);
int cmd_spool_stats(struct control *ct);
int cmd_spool_purge(struct control *ct);

#endif
