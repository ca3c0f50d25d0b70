#ifndef PABAL_IMAPD_BACKEND_H
#define PABAL_IMAPD_BACKEND_H

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"

/*
 * What a session needs of the rest of the suite: one request of the spool
 * protocol, answered once; a login; and the changes of its mailbox. In the
 * program these travel over channels (link.c), in tests a mailbox in memory
 * answers them, so the whole of IMAP is played without a socket.
 */
struct imap_request;

struct imap_reply {
	int r;                  /* 0, or a negative enum err: the request failed (ERR_CLOSED: the owner is gone) */
	uint16_t type;          /* r == 0: T_MSG of what accountd answered; else nothing is said */
	const void *m;          /* r == 0: the reply's struct, good during the callback */
	int *fd;                /* a descriptor that came along, -1 for none; set to -1 by who keeps it */
	struct slice text;      /* r != 0: what the owner says about it, may be empty */
};
typedef void imap_reply_fn(void *ctx, const struct imap_reply *rep);

struct imap_backend_ops {
	/* type is T_MSG of proto_spool.h, m the struct T. fn is called once, never from within this call,
	 * unless the request is cancelled before. NULL: no memory. */
	struct imap_request *(*request)(void *be, uint16_t type, const void *m, imap_reply_fn *fn, void *ctx);
	/* The reply's m is a struct account_logged_in or account_scram, by its type. */
	struct imap_request *(*login)(void *be, const struct account_login *m, imap_reply_fn *fn, void *ctx);
	/* fn will not be called; what the answer brings is given back. */
	void (*cancel)(void *be, struct imap_request *req);
	/* A message without an answer: spool_close, spool_unselect, spool_body_drop. */
	void (*event)(void *be, uint16_t type, const void *m);
	/* Changes of the spool's session `number` go to the session's host (struct imap_host's ctx), which hands them to
	 * imap_session_change(), from now on; NULL: to nobody. */
	void (*bind)(void *be, uint32_t number, void *host);
};

#endif
