#ifndef PABAL_KEYD_KEYD_H
#define PABAL_KEYD_KEYD_H

#include "common/daemon/daemon.h"
#include "keyd/choose.h"
#include "keyd/sign.h"
#include "keyd/store.h"
#include "keyd/tickets.h"

/* The process's state, for its own files only. */
enum { EDGE_ROLES = 3 };        /* smtpd, pop3d, imapd */

struct edge_line;

struct keyd {
	struct daemon *d;
	int dirfd;                      /* of key_dir */
	struct store *store;
	struct arena *arena;            /* of the request or message that is being made */
	struct tickets tickets[EDGE_ROLES];
	struct choice *choices;         /* one for each file of the store, in its order */
	unsigned choices_n;
	struct buf certs;               /* key_certs as it was told last, encoded */
	uint64_t next_change;           /* when a certificate begins or ends to be valid; seconds since 1970 */
	struct loop_timer poll, rotate, day;
	TAILQ_HEAD(, edge_line) lines;  /* edges that wait for signatures */
	struct loop_task serve;
	uint64_t denied_ms;             /* when the present second of denials began, */
	unsigned denied;                /* and how many it had */
};

/* certs.c: reads key_dir, makes what is missing, tells all edges if anything changed or tell is true. */
void keyd_update(struct keyd *k, bool tell);
/* Logs every certificate in use that ends soon or has ended. */
void keyd_warn(const struct keyd *k);
/* A channel to an edge has opened: it is told everything. */
void keyd_greet(struct keyd *k, struct channel *ch);
/* New ticket keys for everybody. */
void keyd_rotate(struct keyd *k);
/* Row of the store's file f, or NULL. */
const struct choice *keyd_choice(const struct keyd *k, const struct key_file *f);

/* serve.c: what edges and pabal may ask; ctx is the struct daemon. */
extern const struct ipc_handler keyd_edge_handlers[];
extern const struct ipc_handler keyd_control_handlers[];
/* An edge has come, and gone: its line of waiting signatures, which is the channel's data. */
void keyd_line_open(struct channel *ch);
void keyd_line_close(struct keyd *k, struct channel *ch);
/* serve_control.c */
int keyd_on_list(struct channel *ch, struct ipc_msg *m, void *ctx);
int keyd_on_install(struct channel *ch, struct ipc_msg *m, void *ctx);
int keyd_on_self_sign(struct channel *ch, struct ipc_msg *m, void *ctx);
int keyd_on_delete(struct channel *ch, struct ipc_msg *m, void *ctx);
int keyd_on_export(struct channel *ch, struct ipc_msg *m, void *ctx);
/* Answers key_fail with code and text. */
void keyd_fail(struct channel *ch, uint32_t id, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
