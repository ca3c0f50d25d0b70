#ifndef PABAL_IMAPD_CORE_H
#define PABAL_IMAPD_CORE_H

#include "common/sasl/sasl.h"
#include "imapd/parse.h"
#include "imapd/print.h"
#include "imapd/reader.h"
#include "imapd/session.h"
#include "imapd/view.h"

/*
 * For imapd's own files: the session and the command that is being run.
 *
 * A command is one row of the table: its parser fills s->cmd.args, its run
 * function acts. run and every step return what is to happen next; none of
 * them writes a tagged answer: they leave a verdict (imap_ok, imap_no,
 * imap_bad) and the loop tells news, answers, and frees the command's arena.
 */
enum imap_state {               /* RFC 3501 3; bits, for the table */
	IMAP_NOAUTH = 1, IMAP_AUTH = 2, IMAP_SELECTED = 4, IMAP_LOGOUT = 8,
	IMAP_ANY = IMAP_NOAUTH | IMAP_AUTH | IMAP_SELECTED,
	IMAP_LOGGED_IN = IMAP_AUTH | IMAP_SELECTED,
};

enum imap_run {
	RUN_DONE,       /* there is a verdict */
	RUN_WAIT,       /* imap_ask() was called; its handler goes on */
	RUN_AGAIN,      /* call step again (when there is room in the output) */
	RUN_YIELD,      /* the same, after the other sessions had their turn */
	RUN_INPUT,      /* call step again with more input or news */
	RUN_ABORT,      /* the answer cannot be finished: disconnect (a literal was cut short) */
};

enum {
	CMD_EXPUNGE = 1,        /* EXPUNGE may be told at its end */
	CMD_WRITE = 2,          /* not in a mailbox that is open read-only */
	CMD_UID = 4,            /* UID form: sets are UIDs, UIDs are told */
	CMD_NO_SYNC = 8,        /* tells no news */
	CMD_ROWS = 16,          /* wants the rows of the selected mailbox */
};

enum imap_verdict { IMAP_OK, IMAP_NO, IMAP_BAD };

struct imap_command {
	const char *name;
	/* 0, or an error with p->why; the argument's struct goes into s->cmd.args. Stands at the space after the name. */
	int (*parse)(struct imap_session *s, struct imap_parse *p);
	enum imap_run (*run)(struct imap_session *s);
	unsigned states, flags;
};

typedef enum imap_run imap_step_fn(struct imap_session *s);
typedef enum imap_run imap_handler_fn(struct imap_session *s, const struct imap_reply *rep);

struct imap_cmd {
	const struct imap_command *def; /* NULL: none is running */
	struct arena *arena;
	struct slice tag;
	void *args;
	imap_step_fn *step;
	imap_handler_fn *handler;
	struct imap_request *request;   /* what is waited for */
	void (*cleanup)(struct imap_session *s);        /* what is not in the arena */
	bool input;                     /* it waits for the client */
	bool no_rows;                   /* they could not be brought */
	bool quiet;                     /* own changes of flags are told by the command itself */
	enum imap_verdict verdict;
	struct slice code;              /* in the brackets, may be empty */
	const char *text;
};

struct imap_session {
	const struct imap_env *env;
	const struct imap_host_ops *host;
	void *ctx;                      /* the host's */
	const char *peer;
	struct buf *in, *out;
	enum imap_state state;
	struct imap_reader reader;
	struct imap_cmd cmd;
	struct view view;
	/* the account */
	struct slice user, token;       /* owned */
	uint32_t spool;                 /* number of the spool's session; 0: none now */
	struct imap_request *reopen;    /* while it is made again */
	bool lost;                      /* the spool is away */
	unsigned epoch;                 /* how often it went */
	/* the rest */
	const struct edge_tls *tls;     /* NULL: none; after the login it says nothing but that there is TLS */
	enum { TLS_NOT_ASKED, TLS_ASKED, TLS_HANDSHAKE } tls_state;    /* asked: by the command that is being run */
	unsigned errors, refused_logins;
	bool running, over, eof, stop, loopback;
	uint64_t started_ms, lost_ms, idle_ms;  /* idle_ms: last sign of life in IDLE, 0 outside */
};

/* ---- for commands ------------------------------------------------------------ */
#define IMAP_ARGS(s, T) ((T *)(s)->cmd.args)
/* Zeroed arguments in the command's arena; ERR_NOMEM with p->why. */
int imap_args_new(struct imap_session *s, struct imap_parse *p, size_t size) MUST_CHECK;
int imap_parse_none(struct imap_session *s, struct imap_parse *p) MUST_CHECK;

/* Verdicts; each returns RUN_DONE. code may be NULL; texts are static. */
enum imap_run imap_ok(struct imap_session *s, const char *text);
enum imap_run imap_no(struct imap_session *s, const char *code, const char *text);
enum imap_run imap_bad(struct imap_session *s, const char *text);
/* NO for an error of the backend, with a fitting response code (RFC 5530). */
enum imap_run imap_fail(struct imap_session *s, int r);
/* OK with a code printed into the arena. */
enum imap_run imap_ok_code(struct imap_session *s, struct slice code, const char *text);

/* Asks the spool; handler is run with the answer, with the same powers as a step. */
enum imap_run imap_ask(struct imap_session *s, uint16_t type, const void *m, imap_handler_fn *handler);
/* The answer to what s->cmd.request stands for; imap_ask() sees to this itself. */
void imap_cmd_answered(struct imap_session *s, const struct imap_reply *rep);
enum imap_run imap_ask_login(struct imap_session *s, const struct account_login *m, imap_handler_fn *handler);
bool imap_out_full(const struct imap_session *s);
/* Leaves the selected mailbox without a word. */
void imap_unselect(struct imap_session *s);

/* Are logins taken on this connection: under TLS, or where the configuration says so? */
bool imap_may_log_in(const struct imap_session *s);
struct sasl_conf imap_sasl_conf(const struct imap_session *s);
/* accountd let the client in by method: the spool's session is opened, and the command ends. */
enum imap_run imap_let_in(struct imap_session *s, const char *method, const struct account_logged_in *in);
/* It did not (ERR_DENIED, ERR_AGAIN, else a fault): counted, logged; user as the client said. */
enum imap_run imap_refused(struct imap_session *s, const char *method, struct slice user, int r);

/* A session before its greeting, with nothing of its own yet. NULL: no memory. */
struct imap_session *imap_session_make(const struct imap_env *env, const struct imap_host *host);

/* cmd_idle.c, for sleep.c: does it wait in IDLE for its client? And as if it did, with that tag; false: no memory. */
bool imap_idle_waits(const struct imap_session *s);
bool imap_idle_resume(struct imap_session *s, struct slice tag);

/* session.c's parts */
void imap_capability_print(const struct imap_session *s, struct buf *b);
const struct imap_command *imap_command_find(struct slice name, bool uid);
/* Starts a command from its text (without the last CRLF), which is copied. */
void imap_cmd_begin(struct imap_session *s, struct slice text);
/* The APPEND whose text so far is this is started if it is one: true, and its step reads on. */
bool imap_append_begin(struct imap_session *s, struct slice text);
/* Prepares s->cmd with an arena and the tag: false without memory. */
bool imap_cmd_new(struct imap_session *s, struct slice text, struct imap_parse *p);
void imap_cmd_clear(struct imap_session *s);
/* lifetime.c: frees a session and what it holds, and says nothing to anybody. */
void imap_session_drop(struct imap_session *s);
/* Answers the announced literal's command, "NO ..." or "BAD ...", and takes no more of it. */
void imap_refuse_literal(struct imap_session *s, const char *answer);
/* The one timer: login, IDLE, spool away. */
void imap_timer_set(struct imap_session *s);
void imap_session_set_state(struct imap_session *s, enum imap_state state);

#endif
