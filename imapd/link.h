#ifndef PABAL_IMAPD_LINK_H
#define PABAL_IMAPD_LINK_H

#include "common/daemon/daemon.h"
#include "imapd/backend.h"

/*
 * The backend of the real program: requests travel to spoold and accountd, and
 * come back typed. A request without a channel fails at the end of the turn;
 * what a cancelled one brings all the same (a session, a body file) is given back.
 */
struct imap_link;

struct imap_link_host {
	/* spoold goes; before any of the open requests is answered. */
	void (*lost)(void *ctx);
	/* A change for the session of this host (struct imap_host's ctx). */
	void (*change)(void *host, const struct spool_change *ch);
};
struct imap_link *imap_link_new(struct daemon *d, const struct imap_link_host *host, void *ctx);
/* All sessions are gone, and with them their requests. */
void imap_link_free(struct imap_link **l);
/* A channel to spoold is open. */
void imap_link_up(struct imap_link *l);
/* It is closed: the host's lost is called, unless it was already. */
void imap_link_down(struct imap_link *l);
bool imap_link_is_up(const struct imap_link *l);
extern const struct imap_backend_ops imap_link_ops;     /* be is the struct imap_link */
/* spool_change, to the host that is bound. */
int imap_link_change(struct imap_link *l, const struct ipc_msg *m) MUST_CHECK;

#endif
