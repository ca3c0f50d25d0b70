#ifndef PABAL_MAIL_ADDRESS_H
#define PABAL_MAIL_ADDRESS_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * Paths and mailboxes of the SMTP envelope, RFC 5321 4.1.2 and 4.1.3. (The
 * addresses of header fields, RFC 5322, are another grammar: envelope.h.)
 *
 *	Path       = "<" [ A-d-l ":" ] Mailbox ">"
 *	A-d-l      = "@" Domain *( "," "@" Domain )      accepted and dropped
 *	Mailbox    = Local-part "@" ( Domain / address-literal )
 *	Local-part = Dot-string / Quoted-string
 *
 * Limits (RFC 5321 4.5.3.1): local part 64, domain 255, label 63, path 256
 * with its brackets; over one of them is ERR_LIMIT, all else wrong is
 * ERR_SYNTAX. 8-bit bytes are ERR_SYNTAX (no SMTPUTF8 yet). Beyond the RFC an
 * underscore is allowed in a label, because such names exist in the DNS.
 */
enum {
	MAIL_LOCAL_MAX = 64,
	MAIL_DOMAIN_MAX = 255,
	MAIL_PATH_MAX = 256,
	MAIL_ADDR_MAX = MAIL_PATH_MAX - 2,    /* local@domain without brackets */
};

/* Slices point into the input. */
struct mail_path {
	struct slice text;      /* the mailbox as written: no brackets, no source route */
	struct slice local;     /* as written, a quoted-string with its quotes */
	struct slice domain;    /* as written, a literal with its brackets; may be empty, see below */
	bool null;              /* <>: local and domain are empty */
	bool quoted;            /* local is a quoted-string */
	bool literal;           /* domain is an address literal */
};

enum {
	MAIL_PATH_NULL = 1u << 0,          /* <> is allowed (MAIL FROM) */
	MAIL_PATH_POSTMASTER = 1u << 1,    /* <Postmaster> without a domain is allowed (RCPT TO) */
};

/* Takes a path with its brackets from the cursor; on error the cursor's place is undefined. */
int mail_path_take(struct cursor *c, unsigned flags, struct mail_path *p_r) MUST_CHECK;
/* Takes a mailbox without brackets. */
int mail_mailbox_take(struct cursor *c, struct mail_path *p_r) MUST_CHECK;
/* The whole slice is one mailbox without brackets, or is empty: the null path if flags allow it. */
int mail_mailbox_parse(struct slice s, unsigned flags, struct mail_path *p_r) MUST_CHECK;
/* Takes a domain name, or an address literal with its brackets; also good for the HELO argument. */
int mail_domain_take(struct cursor *c, struct slice *domain_r, bool *literal_r) MUST_CHECK;
/* True if all of s is a domain name (no literal). */
bool mail_domain_valid(struct slice s);
/* The address in a literal like "[192.0.2.1]" or "[IPv6:2001:db8::1]": family_r is AF_INET with 4 or
 * AF_INET6 with 16 bytes of addr_r. */
int mail_literal_addr(struct slice domain, int *family_r, uint8_t addr_r[16]) MUST_CHECK;

/* Prints "<local@domain>", in the canonical form below. */
void mail_path_print(struct buf *b, const struct mail_path *p);
/*
 * One text for all spellings: quotes and backslashes that are not needed are
 * gone, the domain is in lower case, the local part keeps its case. The null
 * path gives an empty text, a domainless postmaster "postmaster".
 */
int mail_path_canonical(const struct mail_path *p, struct arena *a, struct slice *text_r) MUST_CHECK;
/* The local part's value: without quotes and backslashes. */
int mail_local_value(const struct mail_path *p, struct arena *a, struct slice *value_r) MUST_CHECK;
/* A lower-case copy. */
int mail_domain_lower(struct slice domain, struct arena *a, struct slice *lower_r) MUST_CHECK;

/* Splits canonical text at its last '@'; domain_r is empty without one. Never fails. */
void mail_addr_split(struct slice text, struct slice *local_r, struct slice *domain_r);
/* "user+detail" at the first delimiter that is not the first byte; detail_r is empty and the result
 * false without one. delimiter 0 never splits. */
bool mail_local_split(struct slice local, uint8_t delimiter, struct slice *user_r, struct slice *detail_r);

#endif
