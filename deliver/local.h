#ifndef PABAL_DELIVER_LOCAL_H
#define PABAL_DELIVER_LOCAL_H

#include "deliver/agent.h"

/*
 * deliver-local without its frame: jobs of qmgr in, one op of spoold out. Each
 * recipient is resolved by accountd (aliases, detail, forwards), the content is
 * read once and summed up for the readers, and spoold is told all of it in one
 * change: these recipients are done here, those messages are in those mailboxes.
 *
 * Outcomes:
 *	in a mailbox           done 2.0.0, recorded; relay "local"
 *	led to other addresses done 2.0.0, recorded; relay "forward"
 *	nobody there           bounced 5.1.1
 *	alias of nothing, loop bounced 5.4.6
 *	domain is not ours any more       deferred 4.3.5 (the next try is routed anew)
 *	accountd, spoold: fault, gone     deferred 4.3.0
 *
 * Mail for user+detail goes to the INBOX of user. accountd or spoold gone: the
 * job waits up to LOCAL_PARK_MS for the next one. qmgr gone: its jobs are dropped,
 * it gives them again, and what spoold recorded is not delivered twice.
 */
enum {
	LOCAL_JOBS = 50,                /* at a time */
	LOCAL_PARK_MS = 60 * 1000,
	LOCAL_RESOLVES = 100,           /* questions of one job to accountd at a time */
	LOCAL_OP_BYTES = 1024 * 1024,   /* recipients of more than this go in several ops */
};

/* NULL without memory. */
struct agent *local_new(struct loop *l, const struct conf *conf);

#endif
