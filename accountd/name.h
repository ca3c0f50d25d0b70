#ifndef PABAL_ACCOUNTD_NAME_H
#define PABAL_ACCOUNTD_NAME_H

#include <stdbool.h>

#include "common/mail/address.h"

/*
 * An address as accountd compares it: canonical spelling (common/mail/address.h), and
 * the local part in lower case as well, because here "Abc" and "abc" are one user
 * (RFC 5321 2.4 leaves that to the host that owns the mailbox). A value, no pointers.
 */
struct name {
	char text[MAIL_ADDR_MAX + 2];   /* local@domain; "postmaster" without a domain */
	uint16_t len, at;               /* at: length of the local part */
};

static inline struct slice name_text(const struct name *n) { return slice_of(n->text, n->len); }
static inline struct slice name_local(const struct name *n) { return slice_of(n->text, n->at); }
static inline struct slice name_domain(const struct name *n)
{
	return n->len > n->at ? slice_of(n->text + n->at + 1, (size_t)n->len - n->at - 1u) : slice_of(n->text, 0);
}

/* The canonical spelling alone: the case of the local part stays. ERR_SYNTAX, ERR_LIMIT. */
int name_canonical(struct slice address, char out_r[MAIL_ADDR_MAX + 1], struct slice *text_r) MUST_CHECK;
/* Reads "local@domain"; without a domain only "postmaster". ERR_SYNTAX, ERR_LIMIT. */
int name_parse(struct slice address, struct name *n_r) MUST_CHECK;
/* The same name with another local part of the same or a smaller length. */
void name_with_local(const struct name *n, struct slice local, struct name *n_r);
/* Joins; the parts are in canonical form and together not longer than MAIL_ADDR_MAX, else ERR_LIMIT. */
int name_join(struct slice local, struct slice domain, struct name *n_r) MUST_CHECK;
bool name_eq(const struct name *a, const struct name *b);
/* Reads a domain name (no address literal) that leaves room for a local part, into lower case; ERR_SYNTAX. */
int name_domain_parse(struct slice text, char out_r[MAIL_DOMAIN_MAX + 1], struct slice *domain_r) MUST_CHECK;

/*
 * "user+detail" at the first byte of delimiters (a set, NULL or empty: never) that is neither
 * the first byte nor inside a quoted local part. False: no detail.
 */
bool name_split_detail(struct slice local, const char *delimiters, struct slice *user_r, struct slice *detail_r);

#endif
