#ifndef PABAL_DNSD_PLAN_H
#define PABAL_DNSD_PLAN_H

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/ipc/proto_dns.h"
#include "common/mail/address.h"

/*
 * From DNS answers to the plan of an SMTP client (RFC 5321 5.1, RFC 7505). Pure: answers in,
 * plan out; no resolver, no clock. Chance comes from random_below().
 */
enum { PLAN_NAME_MAX = 255, PLAN_HOSTS_MAX = 20, PLAN_ADDRS_MAX = 16 };

/* What became of one question. */
enum answer { ANSWER_DATA, ANSWER_NODATA, ANSWER_NXDOMAIN, ANSWER_FAILED, ANSWER_BOGUS };

struct plan_addr {
	uint8_t family;                 /* 4 or 6 */
	uint8_t addr[16];
};

struct plan_host {
	char name[PLAN_NAME_MAX + 1];   /* lower case, without the dot at the end */
	uint16_t preference;
	enum answer a, aaaa;
	bool secure_a, secure_aaaa;
	struct plan_addr addrs[2 * PLAN_ADDRS_MAX];
	unsigned v4_n, v6_n;            /* addrs[0..v4_n), addrs[PLAN_ADDRS_MAX..+v6_n) */
};

struct plan {
	char domain[PLAN_NAME_MAX + 1];
	enum answer mx;
	bool secure;                    /* the answer for MX was validated */
	bool null_mx;                   /* RFC 7505 */
	bool implicit;                  /* no MX: the domain itself */
	bool dropped;                   /* there were exchangers that cannot be used: not a host name, or "." among others */
	bool self;                      /* we are an exchanger: those from our preference on were left out */
	bool cut;                       /* PLAN_HOSTS_MAX */
	uint32_t ttl;
	struct plan_host hosts[PLAN_HOSTS_MAX];
	unsigned hosts_n;
};

/* One record's data as it comes in an answer. */
struct plan_rdata { const uint8_t *p; size_t len; };

/* A name in wire format, uncompressed, at the end of rdata, as text in lower case without the last dot ("" is
 * the root). ERR_SYNTAX if it is broken or no host name (letters, digits, '-', '_'). */
int plan_name(const uint8_t *p, size_t len, char out_r[PLAN_NAME_MAX + 1]) MUST_CHECK;

/* Takes the answer for MX: the hosts to ask addresses of, in the order to try them. self: our own name. */
void plan_take_mx(struct plan *p, enum answer kind, const struct plan_rdata *rdata, unsigned n, const char *self);
/* Takes the answer for A (family 4) or AAAA (6) of a host. allow_local: loopback and unspecified ones too. */
void plan_take_addrs(struct plan *p, struct plan_host *h, uint8_t family, enum answer kind, const struct plan_rdata *rdata,
    unsigned n, bool allow_local);
/* When all answers are there. Lives in a. ERR_NOMEM. */
int plan_finish(const struct plan *p, struct arena *a, struct dns_mx_reply *reply_r) MUST_CHECK;

/* True if domain is an address literal and was answered: "[192.0.2.1]", "[IPv6:...]", good or bad. */
bool plan_literal(struct slice domain, bool allow_local, struct arena *a, struct dns_mx_reply *reply_r);

#endif
