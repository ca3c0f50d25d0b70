#ifndef PABAL_IPC_PROTO_SPOOL_H
#define PABAL_IPC_PROTO_SPOOL_H

#include "common/ipc/channel.h"
#include "common/ipc/wire.h"

/*
 * "spool": everybody's protocol to spoold. spoold answers nothing, and tells
 * nobody of a change, before the flush that carries it. What a peer may ask is
 * decided by its role and by tokens, never by what it says about itself:
 *
 *	smtpd           ACCEPT, BODY_FILE
 *	qmgr            TAKE, OUTCOME, QUEUE_*, and CONTENT with the job token, for the
 *	                header that a notice returns
 *	deliver-local   CONTENT, DELIVER           with the job token of the message,
 *	                                           and accountd's grant for each account
 *	deliver-remote  CONTENT                    with the job token
 *	pop3d, imapd    OPEN with accountd's session token; then MAILBOX_*, SNAPSHOT,
 *	                STORE, EXPUNGE, COPY, APPEND, CACHED, BODY in that session
 *	pabal           QUEUE_*, TRACE, SPOOL_*
 *
 * Every request is answered: by its own reply or by spool_fail.
 */
enum { PROTO_SPOOL_MAJOR = 1, PROTO_SPOOL_MINOR = 0 };

enum {
	SPOOL_ADDR_MAX = 1024, SPOOL_RCPTS_MAX = 10000, SPOOL_BODY_MAX = 1048576,
	SPOOL_NAME_MAX = 1024, SPOOL_TOKEN_MAX = 256, SPOOL_CACHED_MAX = 1048576,
	SPOOL_TEXT_MAX = 2048, SPOOL_ROWS_MAX = 4000000, SPOOL_KEYWORDS_MAX = 1000,
};

/* code: a negative enum err. ERR_FULL: space; ERR_IO: a fault, try later; ERR_DENIED: token. */
#define SPOOL_FAIL_FIELDS(X) X##_U32(code) X##_STR(text, SPOOL_TEXT_MAX)
IPC_MESSAGE(spool_fail, 1, SPOOL_FAIL_FIELDS)
#define SPOOL_OK_FIELDS(X) X##_U64(value)
IPC_MESSAGE(spool_ok, 2, SPOOL_OK_FIELDS)

/* To smtpd and qmgr after HELLO and at each change. */
#define SPOOL_STATE_FIELDS(X) X##_U8(accepting) X##_U64(free_bytes)
IPC_MESSAGE(spool_state, 3, SPOOL_STATE_FIELDS)

/* ---- smtpd: taking in ---------------------------------------------------- */
/* A body over the inline limit: the reply carries a descriptor to write it into.
 * The file lives until ACCEPT or APPEND uses it, DROP, or the channel closes. */
#define SPOOL_BODY_FILE_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(spool_body_file, 10, SPOOL_BODY_FILE_FIELDS)
#define SPOOL_BODY_FILE_REPLY_FIELDS(X) X##_U64(file)
IPC_MESSAGE(spool_body_file_reply, 11, SPOOL_BODY_FILE_REPLY_FIELDS)
#define SPOOL_BODY_DROP_FIELDS(X) X##_U64(file)
IPC_MESSAGE(spool_body_drop, 12, SPOOL_BODY_DROP_FIELDS)  /* event */

enum { BODY_8BIT = 1, BODY_NUL = 2, BODY_DOT = 4 /* a line starts with '.' */, BODY_LONG_LINE = 8 /* over 998 */ };
/* A body: canonical CRLF. relay_off: bytes at its front that are ours alone (Return-Path) and do not leave by SMTP. */
#define SPOOL_BODY_FIELDS(X) X##_U64(size) X##_U32(relay_off) X##_U32(flags) X##_U32(lines) X##_U64(file) \
	X##_BYTES(bytes, SPOOL_BODY_MAX)        /* bytes when file is 0 */
WIRE_DECLARE(spool_body_in, SPOOL_BODY_FIELDS)

enum { NOTIFY_DEFAULT = 0, NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
#define SPOOL_RCPT_IN_FIELDS(X) X##_STR(addr, SPOOL_ADDR_MAX) X##_STR(orcpt, SPOOL_ADDR_MAX) X##_U8(notify)
WIRE_DECLARE(spool_rcpt_in, SPOOL_RCPT_IN_FIELDS)
/* sender is empty for the null path. origin: "client=host[ip] helo=x proto=ESMTP user=y" for the trace and log. */
#define SPOOL_ACCEPT_FIELDS(X) X##_STR(sender, SPOOL_ADDR_MAX) X##_STR(origin, 1024) X##_STR(envid, 128) X##_U8(ret) \
	X##_STR(message_id, 1024) X##_LIST(spool_rcpt_in, rcpts, SPOOL_RCPTS_MAX) X##_STRUCT(spool_body_in, body)
IPC_MESSAGE(spool_accept, 13, SPOOL_ACCEPT_FIELDS)
/* id: the message's number; queue_id() of common/mail makes the text. */
#define SPOOL_ACCEPTED_FIELDS(X) X##_U64(msgid)
IPC_MESSAGE(spool_accepted, 14, SPOOL_ACCEPTED_FIELDS)

/* ---- qmgr: the queue ------------------------------------------------------ */
/* Event to qmgr: something is due, or will be at due (seconds); a hint that may be lost or merged.
 * 0: the queue was flushed by hand: what qmgr knows of dead destinations is to be forgotten. */
#define SPOOL_WORK_FIELDS(X) X##_U64(due)
IPC_MESSAGE(spool_work, 20, SPOOL_WORK_FIELDS)
/* Up to n messages with recipients due by now (seconds), oldest due first, that are not taken yet.
 * A taken message comes not again until an OUTCOME leaves it due, RELEASE, or the channel closes. */
#define SPOOL_TAKE_FIELDS(X) X##_U64(now) X##_U32(n) X##_U32(rcpts)
IPC_MESSAGE(spool_take, 21, SPOOL_TAKE_FIELDS)

enum { RCPT_PENDING = 0, RCPT_DONE = 1, RCPT_FAILED = 2, RCPT_EXPANDED = 3 };
#define SPOOL_RCPT_FIELDS(X) X##_U32(index) X##_STR(addr, SPOOL_ADDR_MAX) X##_STR(orcpt, SPOOL_ADDR_MAX) X##_U8(notify) \
	X##_U8(state) X##_U32(attempts) X##_U64(due) X##_STR(status, 16) X##_STR(text, SPOOL_TEXT_MAX) X##_STR(relay, 512)
WIRE_DECLARE(spool_rcpt, SPOOL_RCPT_FIELDS)
enum { MSG_HELD = 1, MSG_DELAY_NOTICED = 2 };
/* token: what an agent shows to read this content. rcpts: the pending ones (TAKE), all of them (QUEUE_SHOW). */
#define SPOOL_MSG_FIELDS(X) X##_U64(msgid) X##_STR(sender, SPOOL_ADDR_MAX) X##_U64(created) X##_U64(size) X##_U32(relay_off) \
	X##_U32(body_flags) X##_U32(flags) X##_U8(ret) X##_STR(envid, 128) X##_STR(origin, 1024) X##_STR(message_id, 1024) \
	X##_BYTES(token, SPOOL_TOKEN_MAX) X##_LIST(spool_rcpt, rcpts, SPOOL_RCPTS_MAX)
WIRE_DECLARE(spool_msg, SPOOL_MSG_FIELDS)
/* next_due: when to ask again if fewer than n came; 0: nothing is waiting. */
#define SPOOL_TAKEN_FIELDS(X) X##_LIST(spool_msg, msgs, 100000) X##_U64(next_due)
IPC_MESSAGE(spool_taken, 22, SPOOL_TAKEN_FIELDS)

/* What became of recipients, as one change: states, the notice that tells of it (a new
 * message, at most one), and whether qmgr is through with the message for now.
 * status "4.4.1", text the reply or reason, relay "host[ip]:port". due counts for PENDING. */
#define SPOOL_RESULT_FIELDS(X) X##_U32(index) X##_U8(state) X##_U64(due) X##_STR(status, 16) X##_STR(text, SPOOL_TEXT_MAX) \
	X##_STR(relay, 512)
WIRE_DECLARE(spool_result, SPOOL_RESULT_FIELDS)
#define SPOOL_OUTCOME_FIELDS(X) X##_U64(msgid) X##_U8(release) X##_U32(set_flags) X##_LIST(spool_result, results, SPOOL_RCPTS_MAX) \
	X##_LIST(spool_accept, notices, 4)
IPC_MESSAGE(spool_outcome, 23, SPOOL_OUTCOME_FIELDS)      /* -> spool_ok */
/* qmgr is through with a message without a change (event). */
#define SPOOL_RELEASE_FIELDS(X) X##_U64(msgid)
IPC_MESSAGE(spool_release, 24, SPOOL_RELEASE_FIELDS)

/* For pabal and qmgr. */
#define SPOOL_QUEUE_LIST_FIELDS(X) X##_U64(after) X##_U32(n) X##_STR(match, SPOOL_ADDR_MAX)
/* Of the next n messages (1,000 at most) after that msgid those that have match in an address -> spool_taken, which may
 * be empty; next_due is where to go on, 0: there are no more. */
IPC_MESSAGE(spool_queue_list, 30, SPOOL_QUEUE_LIST_FIELDS)
#define SPOOL_QUEUE_SHOW_FIELDS(X) X##_U64(msgid)
IPC_MESSAGE(spool_queue_show, 31, SPOOL_QUEUE_SHOW_FIELDS)/* -> spool_taken with one or fail NOTFOUND */
enum { QUEUE_HOLD = 1, QUEUE_UNHOLD = 2, QUEUE_DELETE = 3, QUEUE_FLUSH = 4 /* all pending due now */ };
#define SPOOL_QUEUE_DO_FIELDS(X) X##_U8(verb) X##_U64(msgid) X##_STR(match, SPOOL_ADDR_MAX) /* msgid 0: all that match */
IPC_MESSAGE(spool_queue_do, 32, SPOOL_QUEUE_DO_FIELDS)    /* -> spool_ok with the count */
#define SPOOL_TRACE_FIELDS(X) X##_U64(msgid)
IPC_MESSAGE(spool_trace, 33, SPOOL_TRACE_FIELDS)
#define SPOOL_TRACE_ITEM_FIELDS(X) X##_U64(time_us) X##_U64(lsn) X##_STR(event, 32) X##_STR(text, 4096)
WIRE_DECLARE(spool_trace_item, SPOOL_TRACE_ITEM_FIELDS)
#define SPOOL_TRACE_REPLY_FIELDS(X) X##_LIST(spool_trace_item, items, 100000)
IPC_MESSAGE(spool_trace_reply, 34, SPOOL_TRACE_REPLY_FIELDS)
#define SPOOL_STATS_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(spool_stats, 35, SPOOL_STATS_FIELDS)
#define SPOOL_STAT_FIELDS(X) X##_STR(name, 64) X##_U64(value)
WIRE_DECLARE(spool_stat, SPOOL_STAT_FIELDS)
#define SPOOL_STATS_REPLY_FIELDS(X) X##_LIST(spool_stat, stats, 1000)
IPC_MESSAGE(spool_stats_reply, 36, SPOOL_STATS_REPLY_FIELDS) /* queued, bodies, flushes, records, segments, ... */
#define SPOOL_COMPACT_FIELDS(X) X##_U8(all)
IPC_MESSAGE(spool_compact, 37, SPOOL_COMPACT_FIELDS)      /* -> spool_ok with bytes freed, when done */

/* ---- agents: content and delivery ----------------------------------------- */
/* len bytes from off of a queued message's body; a body in a file of its own comes as a
 * read-only descriptor instead (fd set, bytes empty). */
#define SPOOL_CONTENT_FIELDS(X) X##_U64(msgid) X##_BYTES(token, SPOOL_TOKEN_MAX)
IPC_MESSAGE(spool_content, 40, SPOOL_CONTENT_FIELDS)
#define SPOOL_CONTENT_REPLY_FIELDS(X) X##_U64(size) X##_BYTES(bytes, SPOOL_BODY_MAX)
IPC_MESSAGE(spool_content_reply, 41, SPOOL_CONTENT_REPLY_FIELDS)

/* mailbox: UTF-8, '/' between levels; created when missing; "INBOX" if empty.
 * grant: accountd's token for this message and account. */
#define SPOOL_ADD_FIELDS(X) X##_U64(account) X##_STR(mailbox, SPOOL_NAME_MAX) X##_U32(flags) X##_BYTES(grant, SPOOL_TOKEN_MAX)
WIRE_DECLARE(spool_add, SPOOL_ADD_FIELDS)
/* One recipient: done when its adds are; forwards are new recipients of the same message. */
#define SPOOL_DELIVER_RCPT_FIELDS(X) X##_U32(index) X##_LIST(spool_add, adds, 1000) X##_LIST(spool_rcpt_in, forwards, 1000)
WIRE_DECLARE(spool_deliver_rcpt, SPOOL_DELIVER_RCPT_FIELDS)
/* All of it is one op. The same account and mailbox twice in a message gives one row. */
#define SPOOL_DELIVER_FIELDS(X) X##_U64(msgid) X##_BYTES(token, SPOOL_TOKEN_MAX) X##_LIST(spool_deliver_rcpt, rcpts, SPOOL_RCPTS_MAX) \
	X##_BYTES(cached, SPOOL_CACHED_MAX)
IPC_MESSAGE(spool_deliver, 42, SPOOL_DELIVER_FIELDS)      /* -> spool_ok */

/* ---- pop3d, imapd: sessions ------------------------------------------------ */
#define SPOOL_OPEN_FIELDS(X) X##_BYTES(token, SPOOL_TOKEN_MAX)
IPC_MESSAGE(spool_open, 50, SPOOL_OPEN_FIELDS)            /* -> spool_ok with the session's number, good on this channel */
#define SPOOL_CLOSE_FIELDS(X) X##_U32(session)
IPC_MESSAGE(spool_close, 51, SPOOL_CLOSE_FIELDS)          /* event */

#define SPOOL_MAILBOX_LIST_FIELDS(X) X##_U32(session) X##_STR(pattern, SPOOL_NAME_MAX) X##_U8(counts)
IPC_MESSAGE(spool_mailbox_list, 52, SPOOL_MAILBOX_LIST_FIELDS) /* pattern with '*' and '%', empty: all */
enum { MBOX_SUBSCRIBED = 1, MBOX_EXISTS = 2 /* 0: only subscribed, or a parent that is gone */ };
/* Counts are filled when asked for. */
#define SPOOL_MAILBOX_FIELDS(X) X##_U64(id) X##_STR(name, SPOOL_NAME_MAX) X##_U32(flags) X##_STR(special_use, 32) \
	X##_U32(uidvalidity) X##_U32(uidnext) X##_U64(modseq) X##_U32(messages) X##_U32(unseen) X##_U32(deleted) X##_U32(recent) X##_U64(size)
WIRE_DECLARE(spool_mailbox, SPOOL_MAILBOX_FIELDS)
#define SPOOL_MAILBOXES_FIELDS(X) X##_LIST(spool_mailbox, mailboxes, 100000)
IPC_MESSAGE(spool_mailboxes, 53, SPOOL_MAILBOXES_FIELDS)
enum { MAILBOX_CREATE = 1, MAILBOX_DELETE = 2, MAILBOX_RENAME = 3, MAILBOX_SUBSCRIBE = 4, MAILBOX_UNSUBSCRIBE = 5 };
/* CREATE makes missing parents; RENAME takes children along, of INBOX moves the messages
 * (RFC 9051 6.3.6); DELETE of INBOX is DENIED. */
#define SPOOL_MAILBOX_DO_FIELDS(X) X##_U32(session) X##_U8(verb) X##_STR(name, SPOOL_NAME_MAX) X##_STR(to, SPOOL_NAME_MAX) \
	X##_STR(special_use, 32)
IPC_MESSAGE(spool_mailbox_do, 54, SPOOL_MAILBOX_DO_FIELDS)/* -> spool_ok with the mailbox id */

/* SELECT: the mailbox as of its last flush, packed rows of SPOOL_ROW_SIZE bytes (little-endian):
 * u32 uid, u32 flags, u64 keywords (bits of the mailbox's list; more than 64: see kwext), u64 modseq,
 * u64 size, u64 internaldate (seconds), u64 bodyid. Inline when they are few, else in a sealed memfd.
 * From then on until UNSELECT, changes of this mailbox come as spool_change events of this session.
 * claim_recent: the session gets the \Recent messages and they stop to be recent (SELECT, not EXAMINE).
 * counts: without the rows, which VIEW brings when they are wanted; first_unseen is then the number of the first
 * message without \Seen, 0: there is none, or it is far from both ends of the mailbox. */
enum { SPOOL_ROW_SIZE = 48 };
enum { FLAG_SEEN = 1, FLAG_ANSWERED = 2, FLAG_FLAGGED = 4, FLAG_DELETED = 8, FLAG_DRAFT = 16, FLAG_RECENT = 32 };
#define SPOOL_SELECT_FIELDS(X) X##_U32(session) X##_STR(name, SPOOL_NAME_MAX) X##_U8(watch) X##_U8(claim_recent) X##_U8(counts)
IPC_MESSAGE(spool_select, 60, SPOOL_SELECT_FIELDS)
#define SPOOL_KEYWORD_FIELDS(X) X##_STR(name, 255)
WIRE_DECLARE(spool_keyword, SPOOL_KEYWORD_FIELDS)
#define SPOOL_SNAPSHOT_FIELDS(X) X##_U64(mailbox) X##_U32(uidvalidity) X##_U32(uidnext) X##_U64(modseq) X##_U32(count) \
	X##_U32(first_recent) X##_U32(recent) X##_U32(first_unseen) X##_LIST(spool_keyword, keywords, SPOOL_KEYWORDS_MAX) \
	X##_BYTES(rows, SPOOL_BODY_MAX)
IPC_MESSAGE(spool_snapshot, 61, SPOOL_SNAPSHOT_FIELDS)
#define SPOOL_UNSELECT_FIELDS(X) X##_U32(session)
IPC_MESSAGE(spool_unselect, 62, SPOOL_UNSELECT_FIELDS)    /* event */
/* The selected mailbox again, with its rows as of now. */
#define SPOOL_VIEW_FIELDS(X) X##_U32(session) X##_U64(mailbox)
IPC_MESSAGE(spool_view, 75, SPOOL_VIEW_FIELDS)            /* -> spool_snapshot */
/* Event: rows that are new or changed (packed as above; a uid >= the uidnext known before is new),
 * uids that are gone, keywords if the list grew (whole list). gone_mailbox: it was deleted.
 * by_self: caused by this session's own request (its reply follows after). */
#define SPOOL_UID_FIELDS(X) X##_U32(first) X##_U32(last)
WIRE_DECLARE(spool_range, SPOOL_UID_FIELDS)
#define SPOOL_CHANGE_FIELDS(X) X##_U32(session) X##_U64(mailbox) X##_U64(modseq) X##_U32(uidnext) X##_U8(gone_mailbox) X##_U8(by_self) \
	X##_BYTES(rows, SPOOL_BODY_MAX) X##_LIST(spool_range, vanished, 1000000) X##_LIST(spool_keyword, keywords, SPOOL_KEYWORDS_MAX)
IPC_MESSAGE(spool_change, 63, SPOOL_CHANGE_FIELDS)

enum { STORE_SET = 0, STORE_ADD = 1, STORE_REMOVE = 2 };
/* Of the selected mailbox. flags: FLAG_ bits; keywords by name (made when missing).
 * unchanged_since 0: no check. The changes come as events before the reply, which names the uids refused by it. */
#define SPOOL_STORE_FIELDS(X) X##_U32(session) X##_U64(mailbox) X##_U8(op) X##_U32(flags) X##_U64(unchanged_since) \
	X##_LIST(spool_range, uids, 1000000) X##_LIST(spool_keyword, keywords, 100)
IPC_MESSAGE(spool_store, 64, SPOOL_STORE_FIELDS)
#define SPOOL_STORED_FIELDS(X) X##_U64(modseq) X##_LIST(spool_range, refused, 1000000)
IPC_MESSAGE(spool_stored, 65, SPOOL_STORED_FIELDS)
/* only_deleted: only those with \Deleted (IMAP); else just those uids (POP3 QUIT). */
#define SPOOL_EXPUNGE_FIELDS(X) X##_U32(session) X##_U64(mailbox) X##_U8(only_deleted) X##_LIST(spool_range, uids, 1000000)
IPC_MESSAGE(spool_expunge, 66, SPOOL_EXPUNGE_FIELDS)      /* -> spool_ok with the modseq; changes come before */
#define SPOOL_COPY_FIELDS(X) X##_U32(session) X##_U64(mailbox) X##_STR(to, SPOOL_NAME_MAX) X##_U8(move) X##_LIST(spool_range, uids, 1000000)
IPC_MESSAGE(spool_copy, 67, SPOOL_COPY_FIELDS)            /* fail NOTFOUND: [TRYCREATE] */
/* Source uids and those given, both ascending, as many: the first to the first and so on. COPY is all or nothing. code: why
 * MOVE did not go on after these; 0: it is complete. */
#define SPOOL_COPIED_FIELDS(X) X##_U32(uidvalidity) X##_U32(code) X##_LIST(spool_range, uids, 1000000) X##_LIST(spool_range, to, 1000000)
IPC_MESSAGE(spool_copied, 68, SPOOL_COPIED_FIELDS)
#define SPOOL_APPEND_FIELDS(X) X##_U32(session) X##_STR(name, SPOOL_NAME_MAX) X##_U32(flags) X##_U64(internaldate) \
	X##_LIST(spool_keyword, keywords, 100) X##_STRUCT(spool_body_in, body) X##_BYTES(cached, SPOOL_CACHED_MAX)
IPC_MESSAGE(spool_append, 69, SPOOL_APPEND_FIELDS)        /* fail NOTFOUND: [TRYCREATE] */
#define SPOOL_APPENDED_FIELDS(X) X##_U32(uidvalidity) X##_U32(uid)
IPC_MESSAGE(spool_appended, 70, SPOOL_APPENDED_FIELDS)

/* The mail_summary values of these messages (those that still are), in any mailbox of the session's account;
 * with them bodies: whole ones of at most `bodies` bytes each, of others the first `front` bytes; what cannot be
 * read is left out. bare: the bodies alone. */
#define SPOOL_CACHED_FIELDS(X) X##_U32(session) X##_U64(mailbox) X##_U32(bodies) X##_U32(front) X##_U8(bare) X##_LIST(spool_range, uids, 1000000)
IPC_MESSAGE(spool_cached, 71, SPOOL_CACHED_FIELDS)        /* up to 1 MiB; ask again after the last uid */
#define SPOOL_CACHED_ITEM_FIELDS(X) X##_U32(uid) X##_BYTES(cached, SPOOL_CACHED_MAX) X##_BYTES(body, SPOOL_BODY_MAX)
WIRE_DECLARE(spool_cached_item, SPOOL_CACHED_ITEM_FIELDS)
#define SPOOL_CACHED_REPLY_FIELDS(X) X##_U8(more) X##_LIST(spool_cached_item, items, 100000)
IPC_MESSAGE(spool_cached_reply, 72, SPOOL_CACHED_REPLY_FIELDS)
/* Part of a body; a body in a file of its own comes as a descriptor when whole is set.
 * An expunged message can be read while a session that saw it keeps the mailbox selected:
 * name it by bodyid from the row as well. */
#define SPOOL_BODY_GET_FIELDS(X) X##_U32(session) X##_U64(mailbox) X##_U32(uid) X##_U64(bodyid) X##_U64(off) X##_U32(len)
IPC_MESSAGE(spool_body_get, 73, SPOOL_BODY_GET_FIELDS)
#define SPOOL_BODY_GOT_FIELDS(X) X##_U64(size) X##_BYTES(bytes, SPOOL_BODY_MAX)
IPC_MESSAGE(spool_body_got, 74, SPOOL_BODY_GOT_FIELDS)
/* accountd's account is gone: pabal user delete (control socket). */
#define SPOOL_ACCOUNT_DELETE_FIELDS(X) X##_U64(account)
IPC_MESSAGE(spool_account_delete, 80, SPOOL_ACCOUNT_DELETE_FIELDS) /* -> spool_ok */

#endif
