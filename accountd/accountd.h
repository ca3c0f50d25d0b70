#ifndef PABAL_ACCOUNTD_ACCOUNTD_H
#define PABAL_ACCOUNTD_ACCOUNTD_H

#include <bsd/sys/queue.h>

#include "accountd/admin.h"
#include "accountd/authpool.h"
#include "accountd/directory.h"
#include "accountd/logincache.h"
#include "accountd/nonce.h"
#include "accountd/throttle.h"
#include "common/daemon/daemon.h"

/* The process's state, for its own files only. */

/* A request that waits: for a thread's hash, or for the validator's judgement. */
struct task {
	LIST_ENTRY(task) entry;
	struct accountd *ac;
	struct channel *ch;             /* NULL: whoever asked is gone */
	uint32_t id;
	struct admin_work *admin;       /* of a request of pabal; the task frees it */
	/* Of a login: */
	LIST_ENTRY(task) waiting;       /* for the same check */
	const char *how;                /* for the log */
	uint8_t service;                /* SERVICE_ bit */
	bool edge_smtp;                 /* smtpd asks: it gets no session token */
	struct name name;               /* len 0: the name means nobody */
	uint64_t account;
	uint32_t app;                   /* the app password that was used, 0: none */
	struct throttle_try try;
	char addr[64], user[256];       /* as given, for the log */
};
LIST_HEAD(task_list, task);

/* What a request of pabal is about while a thread works for it. */
struct admin_work {
	struct authpool_job job;
	struct admin_plan plan;
	uid_t by;
	struct store_app app;           /* of an app password */
	char password[64];              /* the same, to be shown once */
};

LIST_HEAD(check_chain, login_check);
enum { TASKS_MAX = 8192, CHECK_CHAINS = 1024 };

struct accountd {
	struct daemon *d;
	struct store *store;
	struct directory dir;
	struct throttle *throttle;
	struct authpool *pool;
	struct logincache *cache;
	struct nonces *nonces;
	struct arena *arena;            /* of the request that is being handled */
	struct loop_timer checkpoint, save;
	char dummy_hash[PASSWORD_HASH_SIZE];    /* of a password that nobody has */
	struct scram_keys dummy_keys;           /* the same */
	uint8_t cache_key[DIGEST_SIZE];
	uint64_t epoch;                 /* grows with each change of users and names: what was begun before proves nothing for later */
	struct check_chain checks[CHECK_CHAINS];        /* passwords that a thread is checking */
	struct task_list tasks;
	unsigned tasks_n;
	struct channel *validator;      /* who judges OAuth tokens, or NULL */
	unsigned validations;           /* that it was asked for and has not answered */
	bool stopping;
};

extern const struct ipc_handler accountd_lookup_handlers[];     /* qmgr */
extern const struct ipc_handler accountd_resolve_handlers[];    /* deliver-local */
extern const struct ipc_handler accountd_login_handlers[];      /* pop3d, imapd */
extern const struct ipc_handler accountd_smtpd_handlers[];      /* smtpd */
extern const struct ipc_handler accountd_control_handlers[];    /* pabal */
int accountd_on_login(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_admin(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_list(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_app_add(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_app_delete(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_user_show(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_failures(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_failures_clear(struct channel *ch, struct ipc_msg *m, void *ctx);
int accountd_on_validator(struct channel *ch, struct ipc_msg *m, void *ctx);
/* The channel is closing; it may have been the validator's. */
void accountd_validator_gone(struct accountd *ac, const struct channel *ch);

/* Makes ac ready for requests, with its store in the directory home; d->conf, d->loop and d->secret are set. The
 * daemon's start, and a test's. Logs what is wrong. */
int accountd_open(struct accountd *ac, struct daemon *d, const char *home) MUST_CHECK;
/* Ends the threads, saves and closes; ac may be half open. */
void accountd_close(struct accountd *ac);
/* Answers account_fail with code and text. */
void accountd_fail(struct channel *ch, uint32_t id, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Ends the process when its store wants recovery: master starts it anew. */
void accountd_check_store(struct accountd *ac);
/* A password of the account changed: nothing that was proven before counts. */
void accountd_forget(struct accountd *ac, uint64_t account);
/* Iterations of the SCRAM keys of new passwords; 0: none are made. */
uint32_t accountd_iterations(const struct accountd *ac);
/* Those of app passwords, which always have keys, and of users that do not exist. u: the user, or an empty one. */
uint32_t accountd_app_iterations(const struct accountd *ac, const struct store_user *u);

/* A new task of this channel; NULL without memory, or when there are TASKS_MAX. */
struct task *task_new(struct accountd *ac, struct channel *ch, uint32_t id);
/* Wipes and frees it; the last one ends the process when it is stopping. */
void task_free(struct task *t);
/* The channel is closing: its tasks run on and answer nobody. */
void tasks_orphan(struct accountd *ac, const struct channel *ch);

/* ---- logins: each mechanism's file ends a task with one of these, which log, answer and free it ---- */
/* signature: of SCRAM, or empty. The throttle is told before. */
void login_granted(struct task *t, struct slice signature);
void login_denied(struct task *t);
/* result: for the log. */
void login_again(struct task *t, const char *result, const char *text);
void login_slowed(struct task *t, uint64_t wait_ms);
void login_fault(struct task *t, int r);
/* Finds the user; ERR_NOTFOUND: *u_r is empty and t->account 0, but t->name may be set. */
int login_find_user(struct task *t, struct slice user, struct store_user *u_r) MUST_CHECK;
/* What the throttle and the nonces know the user by: the name in its one spelling, else the text as it came. */
struct slice login_key(const struct task *t, struct slice user);
/* t->app logged in: remembered now and then. */
void login_app_used(struct task *t);

void login_password(struct task *t, const struct account_login *req);   /* serve_password.c */
void login_scram_first(struct task *t, const struct account_login *req);        /* serve_scram.c */
void login_scram_proof(struct task *t, const struct account_login *req);
void login_external(struct task *t, const struct account_login *req);   /* serve_login.c */
void login_bearer(struct task *t, const struct account_login *req);     /* serve_bearer.c */

#endif
