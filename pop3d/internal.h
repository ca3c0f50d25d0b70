#ifndef PABAL_POP3D_INTERNAL_H
#define PABAL_POP3D_INTERNAL_H

/* What the files of the session share. */

#include "common/mail/framing.h"
#include "common/sasl/sasl.h"
#include "pop3d/session.h"

enum {
	POP3_LINE_MAX = 512,             /* RFC 2449 4: at least 255 */
	POP3_SASL_LINE_MAX = SASL_LINE_MAX + 2,
	POP3_OUT_HIGH = 128 * 1024,      /* of replies before the owner has to send them */
	POP3_PART = 128 * 1024,
	POP3_LOGINS_MAX = 3,             /* failed ones of a connection */
	POP3_SLOWED_MAX = 20,            /* logins of a connection that were not even tried */
	POP3_BAD_MAX = 10,               /* bad commands of a connection */
	POP3_IN_ORDER = 16,              /* a message that far behind the last one is read in order */
	POP3_AHEAD_EACH = 16 * 1024,     /* bytes to expect for each message that was read in order before */
	POP3_AHEAD_MSGS = 500,
};

/* RFC 1939 3; bits, so that a command names all it is allowed in. */
enum pop3_state { POP3_ST_AUTH = 1, POP3_ST_TRANSACTION = 2, POP3_ST_UPDATE = 4, POP3_ST_CLOSED = 8 };

enum pop3_verdict {
	POP3_STAY,
	POP3_WAIT,               /* the reply comes later */
	POP3_BAD,                /* replied, and it counts as a bad command */
	POP3_UPDATE,             /* QUIT of a session that is logged in */
	POP3_CLOSE,
};

struct pop3_args {
	struct slice text;       /* all behind the command */
	uint32_t msg;            /* message number, 0: not given */
	uint64_t lines;
};

struct pop3_msg {
	uint64_t size, bodyid;
	uint32_t uid;
	bool deleted;
};

/* What a multi-line reply is in the middle of. */
enum pop3_job { POP3_JOB_NONE, POP3_JOB_LIST, POP3_JOB_UIDL, POP3_JOB_RETR, POP3_JOB_TOP };

struct pop3_transfer {
	struct dot_writer dots;
	uint64_t off, size;
	bool answered;           /* +OK is out */
	bool in_header, line_empty;
	uint64_t lines_left;     /* of the body, TOP */
};

struct pop3_session {
	const struct pop3_env *env;
	struct buf *out;
	char addr[64];
	bool plaintext, greeted;
	const struct edge_tls *tls;      /* NULL: none */
	enum pop3_state state;
	enum pop3_want want;
	struct line_reader lines;
	bool line_begun;
	/* the login */
	struct slice user;               /* of USER */
	char user_buf[POP3_LINE_MAX], password_buf[POP3_LINE_MAX];
	struct account_login question;   /* of PASS */
	struct sasl *sasl;               /* of AUTH, or NULL */
	const char *method;              /* for the log: "USER" or the mechanism */
	struct buf account, token;       /* as accountd gave them */
	unsigned failed, slowed, bad;
	uint64_t since_ms, start_ms;
	/* the maildrop */
	struct pop3_msg *msgs;
	uint32_t msgs_n, uidvalidity;
	enum pop3_job job;
	uint32_t job_msg;        /* 1-based: the next one of a list, the one that is sent */
	uint32_t last_msg;       /* that was sent before it */
	uint32_t in_order;       /* so many were read one after the other */
	struct pop3_transfer transfer;
	uint32_t expunge_next;   /* index of the first message not yet given to expunge */
	bool quit_ok;            /* QUIT was answered +OK */
	/* for the log */
	uint64_t commands, retrieved, top, bytes, expunged;
};

struct pop3_command {
	const char *name;
	/* 0, or an error after replying */
	int (*parse)(struct pop3_session *s, struct cursor *c, struct pop3_args *args_r);
	enum pop3_verdict (*act)(struct pop3_session *s, const struct pop3_args *args);
	unsigned allowed;
};
extern const struct pop3_command pop3_commands[];
extern const unsigned pop3_commands_n;
/* Takes the name and one space. NULL: unknown. */
const struct pop3_command *pop3_command_take(struct cursor *c);

/* "+OK text" and "-ERR text", RFC 1939 3: at most 512 bytes with CRLF. */
void pop3_ok(struct pop3_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void pop3_err(struct pop3_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define POP3_PARSER(name) int name(struct pop3_session *s, struct cursor *c, struct pop3_args *args_r)
#define POP3_HANDLER(name) enum pop3_verdict name(struct pop3_session *s, const struct pop3_args *args)
POP3_PARSER(pop3_parse_none);
POP3_PARSER(pop3_parse_text);
POP3_PARSER(pop3_parse_msg);         /* one message number, not deleted */
POP3_PARSER(pop3_parse_msg_opt);
POP3_PARSER(pop3_parse_top);
POP3_HANDLER(pop3_act_auth);
POP3_HANDLER(pop3_act_stls);
POP3_HANDLER(pop3_act_user);
POP3_HANDLER(pop3_act_pass);
POP3_HANDLER(pop3_act_capa);
POP3_HANDLER(pop3_act_quit);
POP3_HANDLER(pop3_act_noop);
POP3_HANDLER(pop3_act_stat);
POP3_HANDLER(pop3_act_list);
POP3_HANDLER(pop3_act_uidl);
POP3_HANDLER(pop3_act_retr);
POP3_HANDLER(pop3_act_top);
POP3_HANDLER(pop3_act_dele);
POP3_HANDLER(pop3_act_rset);

/* Are logins taken on this connection: under TLS, or where the configuration says so? */
static inline bool pop3_may_log_in(const struct pop3_session *s) { return s->tls != NULL || s->plaintext; }
/* What SASL depends on, now. */
struct sasl_conf pop3_sasl_conf(const struct pop3_session *s);
/* A line of the exchange that AUTH began. */
enum pop3_verdict pop3_auth_line(struct pop3_session *s, struct slice line);
/* The exchange is over, whatever came of it. */
void pop3_auth_end(struct pop3_session *s);
/* accountd's answer. */
enum pop3_verdict pop3_login_answer(struct pop3_session *s, int r, uint16_t type, const void *m);
/* Wipes what a login left, and what of it has failed is told, counted and logged: ERR_DENIED, ERR_AGAIN, else a fault.
 * The verdict may be to close. */
enum pop3_verdict pop3_login_failed(struct pop3_session *s, struct slice user, int r);
void pop3_login_forget(struct pop3_session *s);

/* Messages that are not deleted, and their bytes. */
void pop3_maildrop_total(const struct pop3_session *s, uint64_t *n_r, uint64_t *size_r);
/* Goes on with the listing until it ends or out is full. */
void pop3_list_step(struct pop3_session *s);
/* Takes the next part; false: the connection cannot go on (it broke inside a message). */
bool pop3_transfer_part(struct pop3_session *s, int r, uint64_t size, struct slice bytes);

#endif
