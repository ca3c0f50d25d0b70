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
 *	'P' domain NUL local NUL id      record_app       an app password; id: u32, big-endian
 *	'A' domain NUL local NUL target  record_alias     one for each target
 *
 *	'S'                              record_secrets
 *	'T' table slot                   record_count     of failed logins; table: u8, slot: u32, big-endian
 *
 * Every value begins with its version. A reader refuses a version it does not know. A user's record of
 * version 1 (record_user1) is read, and written anew as version 2 at the first change.
 */
enum { RECORD_VERSION = 1, RECORD_USER_VERSION = 2 };

/* next: the number that the next user or domain gets; it only grows, so no number is used twice. */
#define RECORD_META_FIELDS(X) X##_U8(version) X##_U64(next) X##_STR(first_domain, 255)
WIRE_DECLARE(record_meta, RECORD_META_FIELDS)
/* first_user: local part of the oldest user, who gets postmaster's mail when there is no such name; or empty. */
#define RECORD_DOMAIN_FIELDS(X) X##_U8(version) X##_U64(id) X##_U64(created) X##_STR(first_user, 128)
WIRE_DECLARE(record_domain, RECORD_DOMAIN_FIELDS)
/* hash: as crypt(5) writes it. */
#define RECORD_USER1_FIELDS(X) X##_U8(version) X##_U64(account) X##_U64(created) X##_SECRET(hash, 384)
WIRE_DECLARE(record_user1, RECORD_USER1_FIELDS)
/* salt, iterations: of all SCRAM keys of the user, the app passwords' too; iterations 0: there are none and salt is
 * empty. stored, server: StoredKey and ServerKey (scram.h) of the password in hash, or empty. */
#define RECORD_USER_FIELDS(X) X##_U8(version) X##_U64(account) X##_U64(created) X##_SECRET(hash, 384) X##_BYTES(salt, 64) \
	X##_U32(iterations) X##_SECRET(stored, 32) X##_SECRET(server, 32)
WIRE_DECLARE(record_user, RECORD_USER_FIELDS)
/* services: SERVICE_ bits of store.h. used: seconds since 1970, 0 never. hash: SHA-256 of the user's salt and the
 * password, which has 120 random bits: no slow hash makes it safer. stored, server: as in record_user, or empty. */
#define RECORD_APP_FIELDS(X) X##_U8(version) X##_U64(created) X##_STR(label, 64) X##_U8(services) X##_U64(used) \
	X##_STR(used_from, 64) X##_SECRET(hash, 32) X##_SECRET(stored, 32) X##_SECRET(server, 32)
WIRE_DECLARE(record_app, RECORD_APP_FIELDS)
/* Made once, at random. salt_key: what salts are derived from (store_salt); count_key: of the keys of record_count. */
#define RECORD_SECRETS_FIELDS(X) X##_U8(version) X##_SECRET(salt_key, 32) X##_SECRET(count_key, 16)
WIRE_DECLARE(record_secrets, RECORD_SECRETS_FIELDS)
/* key: hash of an address or name (throttle.c); last: seconds since 1970; text: for people, cut. */
#define RECORD_COUNT_FIELDS(X) X##_U8(version) X##_U64(key) X##_U32(failures) X##_U64(last) X##_STR(text, 64)
WIRE_DECLARE(record_count, RECORD_COUNT_FIELDS)
#define RECORD_ALIAS_FIELDS(X) X##_U8(version) X##_U64(created)
WIRE_DECLARE(record_alias, RECORD_ALIAS_FIELDS)

#endif
