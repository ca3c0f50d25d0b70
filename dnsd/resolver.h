#ifndef PABAL_DNSD_RESOLVER_H
#define PABAL_DNSD_RESOLVER_H

#include <unbound.h>

#include "common/base/loop.h"
#include "common/daemon/conf.h"
#include "dnsd/plan.h"

/*
 * libunbound, asynchronous: it resolves, validates and caches in a thread of its own, and its
 * answers come as callbacks of the loop. What it is told (forwarders, stubs, static records,
 * trust anchors) is fixed when it is made; a new configuration makes a new one.
 */
struct resolver;

enum { QTYPE_A = 1, QTYPE_MX = 15, QTYPE_AAAA = 28 };

/* Wrong options are logged with their text; NULL then. The thread starts with the first question. */
struct resolver *resolver_new(struct loop *l, const struct conf *conf);
/* Open questions are dropped without a callback. Not from inside a callback. */
void resolver_free(struct resolver **r);

/* data is only good during the call. */
typedef void resolver_fn(void *ctx, enum answer kind, bool secure, uint32_t ttl, const struct plan_rdata *rdata, unsigned n);
struct question {                       /* embedded by its owner, who keeps it until fn or resolver_cancel() */
	resolver_fn *fn;
	void *ctx;
	int id;                         /* the library's; 0: not open */
};
/* Asks; fn is called once, later. ERR_NOMEM, ERR_IO: it will not be called. */
int resolver_ask(struct resolver *r, struct question *q, const char *name, int type) MUST_CHECK;
void resolver_cancel(struct resolver *r, struct question *q);

/* Do the options that a resolver is made of differ? */
bool resolver_options_differ(const struct conf *a, const struct conf *b);

#endif
