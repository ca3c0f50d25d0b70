#ifndef PABAL_ACCOUNTD_ACCOUNTD_H
#define PABAL_ACCOUNTD_ACCOUNTD_H

#include <bsd/sys/queue.h>

#include "accountd/admin.h"
#include "accountd/authpool.h"
#include "accountd/directory.h"
#include "accountd/throttle.h"
#include "common/daemon/daemon.h"

/* The process's state, for its own files only. */

/* A request that waits for a hash. */
struct task {
	LIST_ENTRY(task) entry;
	struct accountd *ac;
	struct channel *ch;             /* NULL: whoever asked is gone */
	uint32_t id;
	struct authpool_job job;
	struct admin_plan plan;         /* of a request of pabal */
	uid_t by;
	struct name name;               /* of a login; len 0: there is no such user */
	uint64_t account;
	struct throttle_try try;
	char addr[64], service[17], user[256]; /* as given, for the log */
};

struct accountd {
	struct daemon *d;
	struct store *store;
	struct directory dir;
	struct throttle *throttle;
	struct authpool *pool;
	struct arena *arena;            /* of the request that is being handled */
	struct loop_timer checkpoint;
	char dummy_hash[PASSWORD_HASH_SIZE];    /* of a password that nobody has */
	LIST_HEAD(, task) tasks;
	bool stopping;
};

extern const struct ipc_handler accountd_lookup_handlers[];     /* smtpd, qmgr */
extern const struct ipc_handler accountd_resolve_handlers[];    /* deliver-local */
extern const struct ipc_handler accountd_login_handlers[];      /* pop3d, imapd */
extern const struct ipc_handler accountd_control_handlers[];    /* pabal */
int accountd_on_login(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_admin(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_list(struct channel *ch, struct ipc_msg *m, void *ctx);

/* Answers account_fail with code and text. */
void accountd_fail(struct channel *ch, uint32_t id, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Ends the process when its store wants recovery: master starts it anew. */
void accountd_check_store(struct accountd *ac);

/* A new task of this channel; NULL without memory. */
struct task *task_new(struct accountd *ac, struct channel *ch, uint32_t id);
/* Wipes and frees it; the last one ends the process when it is stopping. */
void task_free(struct task *t);
/* The channel is closing: its tasks run on and answer nobody. */
void tasks_orphan(struct accountd *ac, const struct channel *ch);

#endif
