#ifndef PABAL_SPOOL_OP_H
#define PABAL_SPOOL_OP_H

#include "common/ipc/proto_spool.h"
#include "common/ipc/wire.h"

/*
 * Every change in the spool is one value of one type. It is what a log record
 * holds, what is applied to the index, what a crash replays. All that was decided
 * when it was made (numbers, UIDs, modseqs, which messages a pattern meant) is in it,
 * so that applying it again gives the same result, and a result that differs is seen.
 *
 *	record payload:  u8 version, u8 kind, u64 time_us, the fields of the kind
 *
 * These tables are a format on disk: a field is never changed. A new format gets a
 * new version and keeps the decoder of the old one.
 */
enum { OP_VERSION = 1, OP_HEADER_SIZE = 10 };
/* The type byte of the log's record. */
enum { LOG_TYPE_OP = 1 };

enum {
	OP_RCPTS_MAX = SPOOL_RCPTS_MAX, OP_LIST_MAX = 1000000, OP_ORIGIN_MAX = 1024,
	OP_KEYWORD_MAX = 255, OP_SPECIAL_MAX = 32,
};

/* A body: in the record itself (file 0), or in a file of its own, flushed before. crc: CRC-32C of a file's content. */
#define OP_BODY_FIELDS(X) X##_U64(bodyid) X##_U64(size) X##_U32(relay_off) X##_U32(flags) X##_U32(lines) \
	X##_U64(file) X##_U32(crc) X##_BYTES(bytes, SPOOL_BODY_MAX)
WIRE_DECLARE(op_body, OP_BODY_FIELDS)
#define OP_RCPT_FIELDS(X) X##_STR(addr, SPOOL_ADDR_MAX) X##_STR(orcpt, SPOOL_ADDR_MAX) X##_U8(notify)
WIRE_DECLARE(op_rcpt, OP_RCPT_FIELDS)
/* A new message in the queue. */
#define OP_ACCEPT_FIELDS(X) X##_U64(msgid) X##_STR(sender, SPOOL_ADDR_MAX) X##_STR(origin, OP_ORIGIN_MAX) X##_STR(envid, 128) \
	X##_U8(ret) X##_STR(message_id, 1024) X##_LIST(op_rcpt, rcpts, OP_RCPTS_MAX) X##_STRUCT(op_body, body)
WIRE_DECLARE(op_accept, OP_ACCEPT_FIELDS)

#define OP_RESULT_FIELDS(X) X##_U32(index) X##_U8(state) X##_U64(due) X##_STR(status, 16) X##_STR(text, SPOOL_TEXT_MAX) \
	X##_STR(relay, 512)
WIRE_DECLARE(op_result, OP_RESULT_FIELDS)
/* What became of recipients, and the new messages that tell of it. */
#define OP_OUTCOME_FIELDS(X) X##_U64(msgid) X##_U32(set_flags) X##_LIST(op_result, results, OP_RCPTS_MAX) \
	X##_LIST(op_accept, notices, 4)
WIRE_DECLARE(op_outcome, OP_OUTCOME_FIELDS)

/* One row in one mailbox. */
#define OP_ADD_FIELDS(X) X##_U64(account) X##_U64(mailbox) X##_U32(flags) X##_U32(uid) X##_U64(modseq)
WIRE_DECLARE(op_add, OP_ADD_FIELDS)
#define OP_DELIVER_RCPT_FIELDS(X) X##_U32(index) X##_LIST(op_add, adds, 1000) X##_LIST(op_rcpt, forwards, 1000)
WIRE_DECLARE(op_deliver_rcpt, OP_DELIVER_RCPT_FIELDS)
/* Recipients done here, rows added there. */
#define OP_DELIVER_FIELDS(X) X##_U64(msgid) X##_LIST(op_deliver_rcpt, rcpts, OP_RCPTS_MAX) X##_BYTES(cached, SPOOL_CACHED_MAX)
WIRE_DECLARE(op_deliver, OP_DELIVER_FIELDS)

#define OP_ID_FIELDS(X) X##_U64(id)
WIRE_DECLARE(op_id, OP_ID_FIELDS)
#define OP_QUEUE_FIELDS(X) X##_U8(verb) X##_LIST(op_id, msgs, OP_LIST_MAX)
WIRE_DECLARE(op_queue, OP_QUEUE_FIELDS)

#define OP_NEW_MAILBOX_FIELDS(X) X##_U64(id) X##_STR(name, SPOOL_NAME_MAX) X##_STR(special_use, OP_SPECIAL_MAX) \
	X##_U32(uidvalidity) X##_U8(subscribed)
WIRE_DECLARE(op_new_mailbox, OP_NEW_MAILBOX_FIELDS)
#define OP_CREATE_FIELDS(X) X##_U64(account) X##_LIST(op_new_mailbox, mailboxes, 1000)
WIRE_DECLARE(op_create, OP_CREATE_FIELDS)
#define OP_DELETE_FIELDS(X) X##_U64(account) X##_U64(mailbox) X##_STR(name, SPOOL_NAME_MAX)
WIRE_DECLARE(op_delete, OP_DELETE_FIELDS)
/* With the mailboxes below it. */
#define OP_RENAME_FIELDS(X) X##_U64(account) X##_STR(from, SPOOL_NAME_MAX) X##_STR(to, SPOOL_NAME_MAX)
WIRE_DECLARE(op_rename, OP_RENAME_FIELDS)
#define OP_SUBSCRIBE_FIELDS(X) X##_U64(account) X##_STR(name, SPOOL_NAME_MAX) X##_U8(on)
WIRE_DECLARE(op_subscribe, OP_SUBSCRIBE_FIELDS)

#define OP_KEYWORD_FIELDS(X) X##_STR(name, OP_KEYWORD_MAX)
WIRE_DECLARE(op_keyword, OP_KEYWORD_FIELDS)
#define OP_RANGE_FIELDS(X) X##_U32(first) X##_U32(last)
WIRE_DECLARE(op_range, OP_RANGE_FIELDS)
#define OP_APPEND_FIELDS(X) X##_U64(account) X##_U64(mailbox) X##_U32(uid) X##_U64(modseq) X##_U32(flags) X##_U64(date) \
	X##_LIST(op_keyword, keywords, 100) X##_STRUCT(op_body, body) X##_BYTES(cached, SPOOL_CACHED_MAX)
WIRE_DECLARE(op_append, OP_APPEND_FIELDS)
/* uids: just those whose row changes. */
#define OP_STORE_FIELDS(X) X##_U64(mailbox) X##_U64(modseq) X##_U8(how) X##_U32(flags) X##_LIST(op_keyword, keywords, 100) \
	X##_LIST(op_range, uids, OP_LIST_MAX)
WIRE_DECLARE(op_store, OP_STORE_FIELDS)
#define OP_EXPUNGE_FIELDS(X) X##_U64(mailbox) X##_U64(modseq) X##_LIST(op_range, uids, OP_LIST_MAX)
WIRE_DECLARE(op_expunge, OP_EXPUNGE_FIELDS)
/* uids of "from" become first_uid, first_uid + 1, ... in "to"; move also removes them. */
#define OP_COPY_FIELDS(X) X##_U64(from) X##_U64(to) X##_U8(move) X##_U32(first_uid) X##_U32(count) X##_U64(to_modseq) \
	X##_U64(from_modseq) X##_LIST(op_range, uids, OP_LIST_MAX)
WIRE_DECLARE(op_copy, OP_COPY_FIELDS)
/*
 * One piece of a COPY that goes in several: its messages as in op_copy (move is 0). "first", the first UID that the COPY
 * gave, is its name within "to": until the piece with "end" the index keeps what was made, and a COPY that got no
 * end is undone: its messages are expunged, then op_copy_end forgets it.
 */
#define OP_COPY_PART_FIELDS(X) X##_U32(first) X##_U8(end) X##_STRUCT(op_copy, copy)
WIRE_DECLARE(op_copy_part, OP_COPY_PART_FIELDS)
#define OP_COPY_END_FIELDS(X) X##_U64(to) X##_U32(first)
WIRE_DECLARE(op_copy_end, OP_COPY_END_FIELDS)
/* A session took the \Recent of all uids below. */
#define OP_RECENT_FIELDS(X) X##_U64(mailbox) X##_U32(first_recent)
WIRE_DECLARE(op_recent, OP_RECENT_FIELDS)
#define OP_ACCOUNT_FIELDS(X) X##_U64(account)
WIRE_DECLARE(op_account, OP_ACCOUNT_FIELDS)
/* Compaction: the body's bytes are here now. */
#define OP_MOVED_FIELDS(X) X##_U64(bodyid) X##_BYTES(bytes, SPOOL_BODY_MAX)
WIRE_DECLARE(op_moved, OP_MOVED_FIELDS)

/* number, constant, table, member */
#define SPOOL_OPS(X) \
	X(1, OP_ACCEPT, op_accept, accept) \
	X(2, OP_OUTCOME, op_outcome, outcome) \
	X(3, OP_DELIVER, op_deliver, deliver) \
	X(4, OP_QUEUE_DO, op_queue, queue) \
	X(5, OP_MAILBOX_CREATE, op_create, create) \
	X(6, OP_MAILBOX_DELETE, op_delete, delete_) \
	X(7, OP_MAILBOX_RENAME, op_rename, rename) \
	X(8, OP_SUBSCRIBE, op_subscribe, subscribe) \
	X(9, OP_APPEND, op_append, append) \
	X(10, OP_STORE, op_store, store) \
	X(11, OP_EXPUNGE, op_expunge, expunge) \
	X(12, OP_COPY, op_copy, copy) \
	X(13, OP_RECENT, op_recent, recent) \
	X(14, OP_ACCOUNT_DELETE, op_account, account) \
	X(15, OP_BODY_MOVED, op_moved, moved) \
	X(16, OP_COPY_PART, op_copy_part, part) \
	X(17, OP_COPY_END, op_copy_end, copy_end)

#define OP_ENUM(n, K, T, m) K = (n),
#define OP_MEMBER(n, K, T, m) struct T m;
enum spool_op_kind { SPOOL_OPS(OP_ENUM) OP_KIND_END };

struct spool_op {
	enum spool_op_kind kind;
	uint64_t time_us;       /* wall clock, when it was made */
	union { SPOOL_OPS(OP_MEMBER) };
};

/* "op_accept", ...; "unknown". */
const char *spool_op_name(unsigned kind);
/* Appends the record's payload to b. ERR_LIMIT, ERR_NOMEM of the buffer. */
int spool_op_encode(struct buf *b, const struct spool_op *op) MUST_CHECK;
/* The reverse, down to the last byte; slices point into payload, lists live in a.
 * ERR_SYNTAX, ERR_LIMIT, ERR_VERSION, ERR_NOMEM. */
int spool_op_decode(struct slice payload, struct arena *a, struct spool_op *op_r) MUST_CHECK;
/* "op_accept time=... field=..." */
void spool_op_print(struct buf *b, const struct spool_op *op);

#endif
