#ifndef PABAL_IPC_PROTO_ACCOUNT_H
#define PABAL_IPC_PROTO_ACCOUNT_H

#include "common/ipc/channel.h"
#include "common/ipc/wire.h"

/* "account": domains, users, aliases and logins. Only accountd knows a password's
 * hash; only smtpd, pop3d and imapd may ask LOGIN, only smtpd SENDER, only deliver-local RESOLVE. */
enum { PROTO_ACCOUNT_MAJOR = 1, PROTO_ACCOUNT_MINOR = 1 };

#define ACCOUNT_FAIL_FIELDS(X) X##_U32(code) X##_STR(text, 1024)
IPC_MESSAGE(account_fail, 1, ACCOUNT_FAIL_FIELDS)
#define ACCOUNT_OK_FIELDS(X) X##_U64(value)
IPC_MESSAGE(account_ok, 2, ACCOUNT_OK_FIELDS)

enum { ADDRESS_LOCAL = 1 /* user or alias exists */, ADDRESS_UNKNOWN = 2 /* our domain, nobody there */, ADDRESS_REMOTE = 3 };
/* smtpd at RCPT, qmgr for routing. address "local@domain"; "postmaster" alone is the first domain's. */
#define ACCOUNT_LOOKUP_FIELDS(X) X##_STR(address, 1024)
IPC_MESSAGE(account_lookup, 10, ACCOUNT_LOOKUP_FIELDS)
#define ACCOUNT_LOOKUP_REPLY_FIELDS(X) X##_U8(kind)
IPC_MESSAGE(account_lookup_reply, 11, ACCOUNT_LOOKUP_REPLY_FIELDS)

/* deliver-local: what a recipient means, aliases expanded (at most 1000 targets, depth 20,
 * loops cut). A target is an account here, with the grant that spoold asks for, or an address elsewhere. */
#define ACCOUNT_RESOLVE_FIELDS(X) X##_U64(msgid) X##_STR(address, 1024)
IPC_MESSAGE(account_resolve, 12, ACCOUNT_RESOLVE_FIELDS)
#define ACCOUNT_TARGET_FIELDS(X) X##_U64(account) X##_STR(address, 1024) X##_STR(detail, 256) X##_BYTES(grant, 256)
WIRE_DECLARE(account_target, ACCOUNT_TARGET_FIELDS)     /* account 0: forward to address */
#define ACCOUNT_RESOLVED_FIELDS(X) X##_U8(kind) X##_LIST(account_target, targets, 1000)
IPC_MESSAGE(account_resolved, 13, ACCOUNT_RESOLVED_FIELDS)

/*
 * A login of a client at addr, as SASL (common/sasl/sasl.h) or a protocol's own command gathered it:
 *	LOGIN_PASSWORD      user, secret the password
 *	LOGIN_SCRAM_FIRST   user: -> account_scram, also for users that do not exist
 *	LOGIN_SCRAM_PROOF   user, secret the ClientProof, text the AuthMessage (RFC 5802 3), whose server nonce must be one of
 *	                    ours, of this user and not older than two minutes
 *	LOGIN_EXTERNAL      user: what a verified client certificate says (only with tls_client_ca)
 *	LOGIN_BEARER        user (may be empty), secret the OAuth token: judged by the validator that is connected
 * service: "smtp", "pop3", "imap"; tls: it came over TLS. -> account_logged_in, or account_fail: DENIED (whatever is
 * wrong), AGAIN (slowed or overloaded: the client should come back), IO.
 */
enum { LOGIN_PASSWORD = 1, LOGIN_SCRAM_FIRST, LOGIN_SCRAM_PROOF, LOGIN_EXTERNAL, LOGIN_BEARER };
#define ACCOUNT_LOGIN_FIELDS(X) X##_U8(how) X##_STR(user, 1024) X##_SECRET(secret, 8192) X##_BYTES(text, 4096) \
	X##_STR(addr, 64) X##_STR(service, 16) X##_U8(tls)
IPC_MESSAGE(account_login, 14, ACCOUNT_LOGIN_FIELDS)
/* token: for spool_open; empty for smtpd, which has no business in mailboxes. signature: ServerSignature of SCRAM. */
#define ACCOUNT_LOGGED_IN_FIELDS(X) X##_U64(account) X##_STR(user, 1024) X##_BYTES(token, 256) X##_BYTES(signature, 32)
IPC_MESSAGE(account_logged_in, 15, ACCOUNT_LOGGED_IN_FIELDS)
/* nonce: the server's part of the nonce, printable, without comma. */
#define ACCOUNT_SCRAM_FIELDS(X) X##_BYTES(salt, 64) X##_U32(iterations) X##_STR(nonce, 128)
IPC_MESSAGE(account_scram, 16, ACCOUNT_SCRAM_FIELDS)
/* May the user `account` send mail as address? One that reaches the account, by its name, an alias, or with a
 * detail. -> account_ok with 1 or 0 */
#define ACCOUNT_SENDER_FIELDS(X) X##_U64(account) X##_STR(address, 1024)
IPC_MESSAGE(account_sender, 17, ACCOUNT_SENDER_FIELDS)

/* ---- pabal, on the control socket ---- */
enum { ADMIN_DOMAIN_ADD = 1, ADMIN_DOMAIN_DELETE, ADMIN_USER_ADD, ADMIN_USER_DELETE, ADMIN_USER_PASSWORD,
	ADMIN_ALIAS_ADD, ADMIN_ALIAS_DELETE, ADMIN_USER_ADD_HASH, ADMIN_USER_PASSWORD_HASH };
/* name: domain, user@domain or alias@domain; target of an alias; password of a user, for _HASH its hash as crypt(5)
 * writes it. -> account_ok with the account's number */
#define ACCOUNT_ADMIN_FIELDS(X) X##_U8(verb) X##_STR(name, 1024) X##_STR(target, 1024) X##_SECRET(password, 1024)
IPC_MESSAGE(account_admin, 20, ACCOUNT_ADMIN_FIELDS)
/* In order, of one domain or (empty) all, at most n (and 1000) behind the item `after`: its name; of an
 * alias its name, LF, its target. */
enum { ADMIN_LIST_DOMAINS = 1, ADMIN_LIST_USERS, ADMIN_LIST_ALIASES };
#define ACCOUNT_LIST_FIELDS(X) X##_U8(what) X##_STR(domain, 255) X##_STR(after, 2200) X##_U32(n)
IPC_MESSAGE(account_list, 21, ACCOUNT_LIST_FIELDS)
#define ACCOUNT_ITEM_FIELDS(X) X##_STR(name, 1024) X##_STR(target, 1024) X##_U64(account) X##_U64(created)
WIRE_DECLARE(account_item, ACCOUNT_ITEM_FIELDS)
#define ACCOUNT_LIST_REPLY_FIELDS(X) X##_LIST(account_item, items, 10000) X##_U8(more)
IPC_MESSAGE(account_list_reply, 22, ACCOUNT_LIST_REPLY_FIELDS)

/* App passwords of a user. services: bits 1 smtp, 2 pop3, 4 imap. The password is told here and never again. */
#define ACCOUNT_APP_ADD_FIELDS(X) X##_STR(user, 1024) X##_STR(label, 64) X##_U8(services)
IPC_MESSAGE(account_app_add, 23, ACCOUNT_APP_ADD_FIELDS)
#define ACCOUNT_APP_ADDED_FIELDS(X) X##_U32(app) X##_SECRET(password, 64)
IPC_MESSAGE(account_app_added, 24, ACCOUNT_APP_ADDED_FIELDS)
/* -> account_ok */
#define ACCOUNT_APP_DELETE_FIELDS(X) X##_STR(user, 1024) X##_U32(app)
IPC_MESSAGE(account_app_delete, 25, ACCOUNT_APP_DELETE_FIELDS)
/* What is known of a user; never a hash. kind: of the password's hash; iterations: of the SCRAM keys, 0 none; scram: the
 * password itself has keys. used: seconds since 1970, 0 never. */
#define ACCOUNT_USER_SHOW_FIELDS(X) X##_STR(user, 1024)
IPC_MESSAGE(account_user_show, 26, ACCOUNT_USER_SHOW_FIELDS)
#define ACCOUNT_APP_FIELDS(X) X##_U32(app) X##_STR(label, 64) X##_U8(services) X##_U64(created) X##_U64(used) X##_STR(used_from, 64)
WIRE_DECLARE(account_app, ACCOUNT_APP_FIELDS)
#define ACCOUNT_USER_SHOWN_FIELDS(X) X##_STR(user, 1024) X##_U64(account) X##_U64(created) X##_STR(kind, 32) X##_U8(scram) \
	X##_U32(iterations) X##_LIST(account_app, apps, 100)
IPC_MESSAGE(account_user_shown, 27, ACCOUNT_USER_SHOWN_FIELDS)

/* Addresses and names with failed logins, the latest first; at most n (and 1000) behind the first skip. kind: 0 an
 * address, 1 a name (its beginning); ages and waits in seconds. */
#define ACCOUNT_FAILURES_FIELDS(X) X##_U32(skip) X##_U32(n)
IPC_MESSAGE(account_failures, 30, ACCOUNT_FAILURES_FIELDS)
#define ACCOUNT_FAILURE_FIELDS(X) X##_U8(kind) X##_STR(text, 64) X##_U32(failures) X##_U64(age) X##_U64(wait)
WIRE_DECLARE(account_failure, ACCOUNT_FAILURE_FIELDS)
#define ACCOUNT_FAILURES_REPLY_FIELDS(X) X##_LIST(account_failure, items, 1000) X##_U8(more)
IPC_MESSAGE(account_failures_reply, 31, ACCOUNT_FAILURES_REPLY_FIELDS)
/* An address or a name. -> account_ok with how many were forgiven */
#define ACCOUNT_FAILURES_CLEAR_FIELDS(X) X##_STR(text, 1024)
IPC_MESSAGE(account_failures_clear, 32, ACCOUNT_FAILURES_CLEAR_FIELDS)

/*
 * The validator of OAuth tokens: a client of the control socket that says so (-> account_ok, or EXISTS when there
 * is one already) and is then asked by accountd, on the same channel.
 */
#define ACCOUNT_VALIDATOR_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(account_validator, 33, ACCOUNT_VALIDATOR_FIELDS)
/* user: as the client gave it, may be empty. -> account_validated within 10 seconds */
#define ACCOUNT_VALIDATE_FIELDS(X) X##_STR(user, 1024) X##_STR(service, 16) X##_STR(addr, 64) X##_SECRET(token, 8192)
IPC_MESSAGE(account_validate, 34, ACCOUNT_VALIDATE_FIELDS)
enum { VALIDATED_REFUSED = 0, VALIDATED_GOOD = 1 /* the token is of user */, VALIDATED_AGAIN = 2 /* not found out */ };
#define ACCOUNT_VALIDATED_FIELDS(X) X##_U8(verdict) X##_STR(user, 1024)
IPC_MESSAGE(account_validated, 35, ACCOUNT_VALIDATED_FIELDS)

#endif
