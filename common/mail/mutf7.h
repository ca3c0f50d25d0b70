#ifndef PABAL_MAIL_MUTF7_H
#define PABAL_MAIL_MUTF7_H

#include "common/base/buf.h"

/*
 * Mailbox names of IMAP4rev1: modified UTF-7, RFC 3501 5.1.3. Each name has
 * exactly one form, and only that is accepted: no raw 8-bit or control bytes,
 * "&" only as "&-", nothing in base64 that can stand for itself, no empty or
 * needless shift, no bits left over, surrogates in pairs. Both functions
 * append to out and return ERR_SYNTAX for what is not valid (out then holds a
 * part), or buf_err(out). NUL is never valid.
 */
int mutf7_to_utf8(struct slice in, struct buf *out) MUST_CHECK;
int mutf7_from_utf8(struct slice in, struct buf *out) MUST_CHECK;

#endif
