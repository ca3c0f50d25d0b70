/* Ops as records: what is encoded comes back, and nothing that is cut, longer or changed does. */
#include "tests/lib/unit.h"

#include "spool/op.h"

static struct op_rcpt rcpts[] = {
	{ .addr = { (const uint8_t *)"a@naver.test", 12 }, .notify = NOTIFY_FAILURE },
	{ .addr = { (const uint8_t *)"b@daum.test", 11 }, .orcpt = { (const uint8_t *)"rfc822;b", 8 } },
};
static struct op_range ranges[] = { { 1, 5 }, { 9, 9 } };
static struct op_keyword keywords[] = { { { (const uint8_t *)"$Junk", 5 } } };
static struct op_add adds[] = { { .account = 7, .mailbox = 1, .uid = 3, .modseq = 9 } };
static struct op_deliver_rcpt done[] = { { .index = 1, .adds = adds, .adds_n = 1, .forwards = rcpts, .forwards_n = 2 } };
static struct op_result results[] = { { .index = 0, .state = RCPT_PENDING, .due = 77, .status = { (const uint8_t *)"4.4.1", 5 } } };
static struct op_new_mailbox boxes[] = { { .id = 4, .name = { (const uint8_t *)"a/b", 3 }, .uidvalidity = 5, .subscribed = 1 } };
static struct op_id ids[] = { { 1 }, { 2 } };
#define ACCEPT { .msgid = 1, .sender = SLICE_LIT("s@x"), .rcpts = rcpts, .rcpts_n = 2, \
	.body = { .bodyid = 1, .size = 3, .bytes = SLICE_LIT("x\r\n") } }

static size_t make_ops(struct spool_op *o)
{
	static struct op_accept notices[] = { ACCEPT };
	size_t n = 0;

	o[n++] = (struct spool_op){ .kind = OP_ACCEPT, .accept = ACCEPT };
	o[n++] = (struct spool_op){ .kind = OP_OUTCOME, .outcome = { .msgid = 1, .set_flags = 2, .results = results,
		.results_n = 1, .notices = notices, .notices_n = 1 } };
	o[n++] = (struct spool_op){ .kind = OP_DELIVER, .deliver = { .msgid = 1, .rcpts = done, .rcpts_n = 1, .cached = SLICE_LIT("sum") } };
	o[n++] = (struct spool_op){ .kind = OP_QUEUE_DO, .queue = { .verb = QUEUE_HOLD, .msgs = ids, .msgs_n = 2 } };
	o[n++] = (struct spool_op){ .kind = OP_MAILBOX_CREATE, .create = { .account = 7, .mailboxes = boxes, .mailboxes_n = 1 } };
	o[n++] = (struct spool_op){ .kind = OP_MAILBOX_DELETE, .delete_ = { 7, 4, SLICE_LIT("a/b") } };
	o[n++] = (struct spool_op){ .kind = OP_MAILBOX_RENAME, .rename = { 7, SLICE_LIT("a"), SLICE_LIT("c") } };
	o[n++] = (struct spool_op){ .kind = OP_SUBSCRIBE, .subscribe = { 7, SLICE_LIT("a"), 1 } };
	o[n++] = (struct spool_op){ .kind = OP_APPEND, .append = { .account = 7, .mailbox = 4, .uid = 1, .modseq = 2, .flags = 1, .date = 9,
		.keywords = keywords, .keywords_n = 1, .body = { .bodyid = 2, .size = 1, .file = 77, .crc = 5 } } };
	o[n++] = (struct spool_op){ .kind = OP_STORE, .store = { .mailbox = 4, .modseq = 3, .how = STORE_ADD, .flags = 2,
		.keywords = keywords, .keywords_n = 1, .uids = ranges, .uids_n = 2 } };
	o[n++] = (struct spool_op){ .kind = OP_EXPUNGE, .expunge = { 4, 4, ranges, 2 } };
	o[n++] = (struct spool_op){ .kind = OP_COPY, .copy = { .from = 4, .to = 5, .move = 1, .first_uid = 1, .count = 6, .uids = ranges, .uids_n = 2 } };
	o[n++] = (struct spool_op){ .kind = OP_RECENT, .recent = { 4, 9 } };
	o[n++] = (struct spool_op){ .kind = OP_ACCOUNT_DELETE, .account = { 7 } };
	o[n++] = (struct spool_op){ .kind = OP_BODY_MOVED, .moved = { 1, SLICE_LIT("x\r\n") } };
	o[n++] = (struct spool_op){ .kind = OP_COPY_PART, .part = { .first = 9, .end = 1, .copy = { .from = 4, .to = 5, .first_uid = 12, .count = 6,
		.uids = ranges, .uids_n = 2 } } };
	o[n++] = (struct spool_op){ .kind = OP_COPY_END, .copy_end = { 5, 9 } };
	for (size_t i = 0; i < n; i++)
		o[i].time_us = 1000 + i;
	return n;
}

static void round_trip(void **state)
{
	struct spool_op ops[OP_KIND_END], got;
	size_t n = make_ops(ops);
	struct arena *a = arena_new(1 << 20);
	struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

	(void)state;
	assert_int_equal(n, OP_KIND_END - 1);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&one), buf_reset(&two), buf_reset(&text), arena_reset(a);
		assert_int_equal(spool_op_encode(&one, &ops[i]), 0);
		assert_int_equal(spool_op_decode(buf_slice(&one), a, &got), 0);
		assert_row(i, got.kind == ops[i].kind && got.time_us == ops[i].time_us);
		assert_int_equal(spool_op_encode(&two, &got), 0);
		assert_row(i, slice_eq(buf_slice(&one), buf_slice(&two)));
		spool_op_print(&text, &got);
		assert_row(i, slice_istarts(buf_slice(&text), spool_op_name(got.kind)));
		/* Cut anywhere, and one byte longer. */
		for (size_t k = 0; k < buf_len(&one); k++)
			assert_row(i, spool_op_decode(slice_sub(buf_slice(&one), 0, k), a, &got) == ERR_SYNTAX);
		buf_add_byte(&one, 0);
		assert_row(i, spool_op_decode(buf_slice(&one), a, &got) == ERR_SYNTAX);
	}
	buf_free(&one), buf_free(&two), buf_free(&text);
	arena_free(&a);
}

static void refused(void **state)
{
	static const struct { const char *in; size_t len; int r; } t[] = {
		{ "", 0, ERR_SYNTAX },
		{ "\x02\x01", 2, ERR_VERSION },
		{ "\x00\x01", 2, ERR_VERSION },
		{ "\x01\x00\0\0\0\0\0\0\0\0", 10, ERR_SYNTAX },
		{ "\x01\xff\0\0\0\0\0\0\0\0", 10, ERR_SYNTAX },
		/* EXPUNGE with a list of 2^32-1, and of a million without its bytes */
		{ "\x01\x0b\0\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0" "\xff\xff\xff\xff", 30, ERR_LIMIT },
		{ "\x01\x0b\0\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0" "\x40\x42\x0f\x00", 30, ERR_SYNTAX },
	};
	struct arena *a = arena_new(1 << 20);
	struct spool_op op;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_row(i, spool_op_decode(slice_of(t[i].in, t[i].len), a, &op) == t[i].r);
	assert_string_equal(spool_op_name(0), "unknown");
	assert_string_equal(spool_op_name(4000), "unknown");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
