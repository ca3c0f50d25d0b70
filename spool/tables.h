#ifndef PABAL_SPOOL_TABLES_H
#define PABAL_SPOOL_TABLES_H

#include "common/ipc/proto_spool.h"
#include "common/ipc/wire.h"
#include "spool/op.h"

/*
 * What lies in the tables of the index: values, and the keys to them. The index is
 * made anew from the log (or from a snapshot, which holds these very bytes) when
 * INDEX_FORMAT in it is another; a snapshot's loader takes older formats too.
 */
enum { INDEX_FORMAT = 1 };

/* Where a body is: in the log at off of segment (file 0), or in a file. refs: queue entry and rows. */
#define IX_BODY_FIELDS(X) X##_U64(size) X##_U32(relay_off) X##_U32(flags) X##_U32(lines) X##_U64(file) X##_U32(crc) \
	X##_U64(segment) X##_U32(off) X##_U32(refs)
WIRE_DECLARE(ix_body, IX_BODY_FIELDS)
/* A message in the queue. nrcpts: all it ever had; pending: of them not done; due: its place in the
 * schedule (seconds), 0 when it has none; added: IX_ADDED has rows of it. */
#define IX_MSG_FIELDS(X) X##_U64(bodyid) X##_U64(created_us) X##_U32(flags) X##_U32(nrcpts) X##_U32(pending) X##_U64(due) \
	X##_U8(added) X##_U8(ret) X##_STR(sender, SPOOL_ADDR_MAX) X##_STR(origin, OP_ORIGIN_MAX) X##_STR(envid, 128) \
	X##_STR(message_id, 1024)
WIRE_DECLARE(ix_msg, IX_MSG_FIELDS)
#define IX_RCPT_FIELDS(X) X##_STR(addr, SPOOL_ADDR_MAX) X##_STR(orcpt, SPOOL_ADDR_MAX) X##_U8(notify) X##_U8(state) \
	X##_U32(attempts) X##_U64(due) X##_STR(status, 16) X##_STR(text, SPOOL_TEXT_MAX) X##_STR(relay, 512)
WIRE_DECLARE(ix_rcpt, IX_RCPT_FIELDS)
#define TRACE_ACCEPTED "accepted"       /* the first event of each message */
#define IX_TRACE_FIELDS(X) X##_U64(time_us) X##_STR(event, 32) X##_STR(text, 4096)
WIRE_DECLARE(ix_trace, IX_TRACE_FIELDS)
/* uidvalidity: the last one given; mailboxes: how many there are. */
#define IX_ACCOUNT_FIELDS(X) X##_U32(uidvalidity) X##_U32(mailboxes) X##_U64(created_us)
WIRE_DECLARE(ix_account, IX_ACCOUNT_FIELDS)
/* mailbox 0: only subscribed. */
#define IX_NAME_FIELDS(X) X##_U64(mailbox) X##_U8(subscribed)
WIRE_DECLARE(ix_name, IX_NAME_FIELDS)
/* history_from: changes after this modseq are all still known. */
#define IX_MAILBOX_FIELDS(X) X##_U64(account) X##_U64(created_us) X##_U32(uidvalidity) X##_U32(uidnext) X##_U64(modseq) \
	X##_U32(messages) X##_U32(unseen) X##_U32(deleted) X##_U64(size) X##_U32(first_recent) X##_U64(history_from) \
	X##_STR(special_use, OP_SPECIAL_MAX) X##_LIST(op_keyword, keywords, 64)
WIRE_DECLARE(ix_mailbox, IX_MAILBOX_FIELDS)
#define IX_VANISHED_FIELDS(X) X##_U64(time_us) X##_LIST(op_range, uids, OP_LIST_MAX)
WIRE_DECLARE(ix_vanished, IX_VANISHED_FIELDS)
/* In IX_META. "copying", to, first: what a COPY in pieces has made so far. "doomed", mailbox: it was deleted then and has
 * something left. */
#define IX_COPYING_FIELDS(X) X##_LIST(op_range, uids, OP_LIST_MAX)
WIRE_DECLARE(ix_copying, IX_COPYING_FIELDS)
#define IX_DOOMED_FIELDS(X) X##_U64(time_us)
WIRE_DECLARE(ix_doomed, IX_DOOMED_FIELDS)
/* dead_since: when the first body in it died, microseconds; 0: none has. */
#define IX_SEGMENT_FIELDS(X) X##_U64(live_bytes) X##_U64(live_bodies) X##_U64(dead_since)
WIRE_DECLARE(ix_segment, IX_SEGMENT_FIELDS)
/* last_id: the last number given to a message or body; bytes: of all bodies; rows: in all mailboxes. */
#define IX_COUNTERS_FIELDS(X) X##_U32(format) X##_U64(applied) X##_U64(last_id) X##_U64(last_mailbox) X##_U64(queued) \
	X##_U64(bodies) X##_U64(body_bytes) X##_U64(dead) X##_U64(mailboxes) X##_U64(rows)
WIRE_DECLARE(ix_counters, IX_COUNTERS_FIELDS)

/* A key of up to two numbers and a tail, big-endian. */
struct ix_key {
	uint8_t b[24];
	size_t len;
};
static inline struct slice key_slice(const struct ix_key *k) { return slice_of(k->b, k->len); }
static inline struct ix_key key_u64(uint64_t a)
{
	struct ix_key k = { .len = 8 };

	put_be64(k.b, a);
	return k;
}
static inline struct ix_key key_u64_u32(uint64_t a, uint32_t b)
{
	struct ix_key k = { .len = 12 };

	put_be64(k.b, a);
	put_be32(k.b + 8, b);
	return k;
}
static inline struct ix_key key_u64_u64(uint64_t a, uint64_t b)
{
	struct ix_key k = { .len = 16 };

	put_be64(k.b, a);
	put_be64(k.b + 8, b);
	return k;
}
static inline struct ix_key key_u64_u64_u32(uint64_t a, uint64_t b, uint32_t c)
{
	struct ix_key k = key_u64_u64(a, b);

	put_be32(k.b + 16, c);
	k.len = 20;
	return k;
}

/* IX_ROW's value: SPOOL_ROW_SIZE without the uid, which is in the key. */
enum { ROW_VALUE_SIZE = SPOOL_ROW_SIZE - 4, KEYWORDS_MAX = 64 };
struct row {
	uint32_t uid, flags;
	uint64_t keywords, modseq, size, date, bodyid;
};
void row_encode(uint8_t dst[ROW_VALUE_SIZE], const struct row *r);
/* As sent to sessions: with the uid. */
void row_pack(struct buf *b, const struct row *r);
/* ERR_CORRUPT when key or value have another size. */
int row_decode(struct slice key, struct slice val, struct row *r_r) MUST_CHECK;

#endif
