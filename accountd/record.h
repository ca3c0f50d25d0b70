#ifndef PABAL_ACCOUNTD_RECORD_H
#define PABAL_ACCOUNTD_RECORD_H

#include "common/ipc/wire.h"

/*
 * What is on disk: one Berkeley DB btree, "accounts.db", of these keys and values.
 * A part of a key ends with a NUL, which no address can hold; all are in lower case.
 *
 *	'M'                              record_meta
 *	'D' domain NUL                   record_domain
 *	'U' domain NUL local NUL         record_user
 *	'A' domain NUL local NUL target  record_alias     one for each target
 *
 * Every value begins with its version. A reader refuses a version it does not know.
 */
enum { RECORD_VERSION = 1 };

/* next: the number that the next user or domain gets; it only grows, so no number is used twice. */
#define RECORD_META_FIELDS(X) X##_U8(version) X##_U64(next) X##_STR(first_domain, 255)
WIRE_DECLARE(record_meta, RECORD_META_FIELDS)
/* first_user: local part of the oldest user, who gets postmaster's mail when there is no such name; or empty. */
#define RECORD_DOMAIN_FIELDS(X) X##_U8(version) X##_U64(id) X##_U64(created) X##_STR(first_user, 128)
WIRE_DECLARE(record_domain, RECORD_DOMAIN_FIELDS)
/* hash: as crypt(5) writes it. */
#define RECORD_USER_FIELDS(X) X##_U8(version) X##_U64(account) X##_U64(created) X##_SECRET(hash, 384)
WIRE_DECLARE(record_user, RECORD_USER_FIELDS)
#define RECORD_ALIAS_FIELDS(X) X##_U8(version) X##_U64(created)
WIRE_DECLARE(record_alias, RECORD_ALIAS_FIELDS)

#endif
