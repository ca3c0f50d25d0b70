#ifndef PABAL_MAIL_RECEIVED_H
#define PABAL_MAIL_RECEIVED_H

#include "common/base/buf.h"

/*
 * The trace fields that a server adds, RFC 5321 4.4:
 *	Received: from HELO (NAME [ADDRESS])
 *		by HOST with PROTOCOL id ID
 *		for <RECIPIENT>; DATE
 * Lines end with CRLF and are folded as above. What came from the peer is made
 * harmless: bytes that cannot stand where they are put become '?', long texts
 * are cut, so that nothing a client says can add a field or close a comment.
 */
struct received {
	struct slice helo;         /* as the client said it; empty: none */
	struct slice client_name;  /* verified name of the client; empty: "unknown" */
	struct slice client_addr;  /* "192.0.2.1" or "2001:db8::1"; empty: a local submission, no address is named */
	struct slice user;         /* login name; shown as a comment "(Authenticated sender: user)" when not empty */
	struct slice host;         /* our own name */
	const char *protocol;      /* "SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" (RFC 3848), "LMTP" */
	const char *tls;           /* NULL, or a comment like "using TLSv1.3 with cipher X"; ours, not escaped */
	const char *id;            /* queue id; NULL: none */
	struct slice recipient;    /* canonical text; only when there is exactly one (RFC 5321 7.6), else empty */
	int64_t time;              /* seconds */
	int zone;                  /* minutes east */
};

void received_format(struct buf *b, const struct received *r);
/* "Return-Path: <sender>" CRLF; the canonical text of the sender, empty for the null path. */
void return_path_format(struct buf *b, struct slice sender);

#endif
