#ifndef PABAL_DNSD_MX_H
#define PABAL_DNSD_MX_H

#include "dnsd/plan.h"
#include "dnsd/resolver.h"

/*
 * The questions behind plans: MX first, then A and AAAA of every exchanger at once.
 * Who asks for a domain that is being asked for waits with the others. Bounds: so many
 * domains at a time, so many seconds each; over them the answer is a temporary failure.
 */
struct mx;

enum { MX_OPEN_MAX = 1000, MX_TIMEOUT_MS = 60000 };

/* hostname: ours, which plans leave out. Copied by neither: conf lives as long. NULL: wrong options or no memory. */
struct mx *mx_new(struct loop *l, const struct conf *conf);
void mx_free(struct mx **m);
/* After a reload: a resolver of the new options, if they changed; open questions end at the old one.
 * ERR_STATE: they are wrong, the old resolver stays. */
int mx_reload(struct mx *m, const struct conf *conf, const struct conf *old) MUST_CHECK;
bool mx_idle(const struct mx *m);

typedef void mx_fn(void *ctx, const struct dns_mx_reply *reply);        /* reply is good during the call */
struct mx_wait;
/* Asks for a domain name or literal. fn is called once, perhaps before this returns; then NULL comes back. */
struct mx_wait *mx_ask(struct mx *m, struct slice domain, mx_fn *fn, void *ctx);
/* fn will not be called any more; the question goes on for the cache. */
void mx_cancel(struct mx_wait *w);

#endif
