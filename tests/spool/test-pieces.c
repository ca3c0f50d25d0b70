/* EXPUNGE, COPY and the deletion of a mailbox in pieces: what a kill between two of them leaves, and what undoes or ends it. */
#include "tests/spool/engine.h"

#include <stdio.h>
#include <unistd.h>

enum { ROWS = 2 * SPOOL_PIECE + 300 };
static uint64_t inbox, other;

static void copy_all(uint64_t from, uint64_t to)
{
	struct op_range r;
	struct spool_op op;
	struct spool_done done = { .next = 1 };

	while (done.next != 0) {
		r = (struct op_range){ done.next, UINT32_MAX };
		op = (struct spool_op){ .kind = OP_COPY, .copy = { .from = from, .to = to, .uids = &r, .uids_n = 1 } };
		assert_int_equal(do_op(&op, &done), 0);
	}
}

/* ROWS messages in INBOX of account 7. */
static int setup(void **state)
{
	struct spool_op op;
	int r = engine_setup(state);

	assert_int_equal(spool_account_init(sp, 7), 0);
	assert_int_equal(spool_commit(sp), 0);
	assert_int_equal(do_create(7, "seed"), 0);
	assert_int_equal(do_create(7, "other"), 0);
	inbox = mailbox_id(7, "INBOX");
	other = mailbox_id(7, "other");
	for (int i = 0; i < 100; i++) {
		op = (struct spool_op){ .kind = OP_APPEND, .append = { .account = 7, .mailbox = mailbox_id(7, "seed"),
			.body = { .size = 2, .bytes = SLICE_LIT("x\n") } } };
		assert_int_equal(do_op(&op, NULL), 0);
	}
	for (int i = 0; i < ROWS / 100; i++)
		copy_all(mailbox_id(7, "seed"), inbox);
	assert_int_equal(mailbox_of(inbox).messages, ROWS);
	return r;
}

/* Killed; the index as it was, or made anew from the log alone: it is the same. */
static void kill_it(void)
{
	uint64_t hash;

	for (bool more = true; more;)
		assert_int_equal(spool_reap(sp, 1000, &more), 0);
	hash = index_hash();
	engine_crash();
	engine_open();
	for (bool more = true; more;)
		assert_int_equal(spool_reap(sp, 1000, &more), 0);
	assert_true(index_hash() == hash);
	engine_crash();
	engine_lose("index");
	engine_open();
	for (bool more = true; more;)
		assert_int_equal(spool_reap(sp, 1000, &more), 0);
	assert_true(index_hash() == hash);
}

static int expunge(uint64_t box, bool only_deleted, uint32_t first, struct spool_done *done)
{
	struct op_range r = { first, UINT32_MAX };
	struct spool_op op = { .kind = OP_EXPUNGE, .expunge = { .mailbox = box, .modseq = only_deleted, .uids = &r, .uids_n = 1 } };

	return do_op(&op, done);
}

static void expunged(void **state)
{
	struct op_range r = { ROWS - 1, ROWS - 1 };
	struct spool_op op = { .kind = OP_STORE, .store = { .mailbox = inbox, .how = STORE_ADD, .flags = FLAG_DELETED, .uids = &r, .uids_n = 1 } };
	struct spool_done done;

	(void)state;
	/* Nothing to be expunged is found without a look. */
	assert_int_equal(expunge(inbox, true, 1, &done), 0);
	assert_true(done.id == 0 && done.next == 0);
	assert_int_equal(do_op(&op, NULL), 0);
	assert_int_equal(expunge(inbox, true, 1, &done), 0);
	assert_true(done.id == 1 && done.next == 0);
	assert_int_equal(expunge(inbox, false, 1, &done), 0);
	assert_int_equal(done.id, SPOOL_PIECE);
	assert_int_equal(done.next, SPOOL_PIECE + 1);
	assert_int_equal(mailbox_of(inbox).messages, ROWS - 1 - SPOOL_PIECE);
	kill_it();
	assert_int_equal(mailbox_of(inbox).messages, ROWS - 1 - SPOOL_PIECE);
	assert_int_equal(expunge(inbox, false, done.next, &done), 0);
	assert_int_equal(done.next, 2 * SPOOL_PIECE + 1);
	assert_int_equal(expunge(inbox, false, done.next, &done), 0);
	assert_int_equal(done.next, 0);
	assert_int_equal(mailbox_of(inbox).messages, 0);
	kill_it();
}

static int part(uint32_t *first, uint32_t from, uint32_t to, bool end, struct spool_done *done)
{
	struct op_range r = { from, to };
	struct spool_op op = { .kind = OP_COPY_PART, .part = { .first = *first, .end = end,
		.copy = { .from = inbox, .to = other, .uids = &r, .uids_n = 1 } } };
	int k = do_op(&op, done);

	if (op.kind == OP_COPY_PART)
		*first = op.part.first;
	return k;
}

struct pending {
	uint64_t to;
	uint32_t first;
	unsigned n;
};

static int note(void *ctx, uint64_t to, uint32_t first)
{
	struct pending *p = ctx;

	*p = (struct pending){ to, first, p->n + 1 };
	return 0;
}

static struct pending pending(void)
{
	struct pending p = { 0 };

	assert_int_equal(spool_copying(sp, note, &p), 0);
	return p;
}

static void append_other(void)
{
	struct spool_op op = { .kind = OP_APPEND, .append = { .account = 7, .mailbox = other, .body = { .size = 2, .bytes = SLICE_LIT("y\n") } } };

	assert_int_equal(do_op(&op, NULL), 0);
}

/* A COPY in three pieces, with mail that comes in between. */
static void copied(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct op_range *made;
	struct spool_done done;
	struct spool_op op;
	uint32_t first = 0, n;

	(void)state;
	/* What fits into one piece leaves nothing behind. */
	assert_int_equal(part(&first, 1, 10, true, &done), 0);
	assert_true(first == 0 && done.uid == 1 && pending().n == 0);
	assert_int_equal(part(&first, ROWS + 1, UINT32_MAX, true, &done), 0);
	assert_true(first == 0 && done.ranges_n == 0);
	assert_int_equal(part(&first, 1, UINT32_MAX, true, &done), 0);
	assert_int_equal(first, 11);
	assert_int_equal(done.next, SPOOL_PIECE + 1);
	kill_it();
	assert_true(pending().n == 1 && pending().to == other && pending().first == 11);
	append_other();
	assert_int_equal(part(&first, done.next, UINT32_MAX, true, &done), 0);
	assert_int_equal(done.uid, 11 + SPOOL_PIECE + 1);
	kill_it();
	assert_int_equal(spool_copying_get(sp, other, 11, a, &made, &n), 0);
	assert_int_equal(n, 2);
	assert_true(made[0].first == 11 && made[0].last == 10 + SPOOL_PIECE && made[1].first == 12 + SPOOL_PIECE);
	assert_int_equal(part(&first, done.next, UINT32_MAX, true, &done), 0);
	assert_true(done.next == 0 && pending().n == 0);
	assert_int_equal(mailbox_of(other).messages, 10 + ROWS + 1);
	assert_int_equal(part(&first, 1, 1, true, &done), ERR_STATE);   /* it has ended */
	kill_it();
	/* The next one is cut short, and undone. */
	first = 0;
	n = mailbox_of(other).uidnext;
	assert_int_equal(part(&first, 1, UINT32_MAX, true, &done), 0);
	assert_int_equal(part(&first, done.next, 2 * SPOOL_PIECE, false, &done), 0);
	kill_it();
	assert_int_equal(pending().first, n);
	assert_int_equal(spool_copying_get(sp, other, n, a, &made, &n), 0);
	op = (struct spool_op){ .kind = OP_EXPUNGE, .expunge = { .mailbox = other, .uids = made, .uids_n = n } };
	assert_int_equal(do_op(&op, &done), 0);
	kill_it();
	assert_int_equal(expunge(other, false, done.next, &done), 0);
	op = (struct spool_op){ .kind = OP_COPY_END, .copy_end = { other, pending().first } };
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(do_op(&op, &done), 0);         /* nothing is left to be ended */
	assert_int_equal(pending().n, 0);
	assert_int_equal(mailbox_of(other).messages, 10 + ROWS + 1);
	kill_it();
	/* A COPY whose last piece finds nothing ends with its end alone. */
	first = 0;
	assert_int_equal(part(&first, 1, 5, false, &done), 0);
	assert_int_equal(pending().n, 1);
	assert_int_equal(part(&first, ROWS + 1, ROWS + 5, true, &done), 0);
	assert_int_equal(pending().n, 0);
	kill_it();
	arena_free(&a);
}

static void moved(void **state)
{
	struct op_range r = { 1, UINT32_MAX };
	struct spool_op op = { .kind = OP_COPY, .copy = { .from = inbox, .to = other, .move = 1, .uids = &r, .uids_n = 1 } };
	struct spool_done done;

	(void)state;
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(done.next, SPOOL_PIECE + 1);
	kill_it();
	/* Each message is in one of them. */
	assert_int_equal(mailbox_of(other).messages, SPOOL_PIECE);
	assert_int_equal(mailbox_of(inbox).messages, ROWS - SPOOL_PIECE);
	/* So is RENAME of INBOX. */
	op = (struct spool_op){ .kind = OP_MAILBOX_RENAME, .rename = { 7, SLICE_LIT("INBOX"), SLICE_LIT("new") } };
	assert_int_equal(do_op(&op, &done), 0);
	assert_true(op.kind == OP_COPY && op.copy.from == inbox && op.copy.to == mailbox_id(7, "new"));
	assert_int_equal(done.next, 2 * SPOOL_PIECE + 1);
	assert_int_equal(mailbox_of(mailbox_id(7, "new")).messages, SPOOL_PIECE);
	kill_it();
}



/* A deleted mailbox goes at once; its rows go in steps, not while somebody looks at them. */
static void deleted(void **state)
{
	struct spool_op op = { .kind = OP_MAILBOX_DELETE, .delete_ = { .account = 7, .name = SLICE_LIT("other") } };
	struct spool_op gone = { .kind = OP_ACCOUNT_DELETE, .account = { 7 } };
	struct spool_done done;
	uint64_t rows;
	bool more;

	(void)state;
	copy_all(inbox, other);
	(void)expunge(other, false, ROWS, &done);       /* so that it has a history */
	rows = spool_counters(sp)->rows;
	test_watch = true;
	assert_int_equal(do_op(&op, &done), 0);
	assert_int_equal(mailbox_id(7, "other"), 0);
	assert_int_equal(spool_counters(sp)->rows, rows);
	assert_int_equal(spool_reap(sp, 100, &more), 0);
	assert_int_equal(spool_counters(sp)->rows, rows);
	test_watch = false;
	assert_int_equal(spool_reap(sp, 100, &more), 0);
	assert_true(more && spool_counters(sp)->rows == rows - 100);
	assert_int_equal(spool_reap(sp, 100, &more), 0);
	engine_crash();                 /* the index goes on from some commit; from the log alone it begins anew */
	engine_open();
	kill_it();
	assert_int_equal(spool_counters(sp)->rows, rows - (ROWS - 1));
	/* An account the same way. */
	assert_int_equal(do_op(&gone, &done), 0);
	assert_int_equal(spool_counters(sp)->mailboxes, 0);
	assert_int_equal(spool_counters(sp)->rows, rows - (ROWS - 1));
	kill_it();
	assert_int_equal(spool_counters(sp)->rows, 0);
	assert_int_equal(spool_counters(sp)->bodies, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, engine_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = { T(expunged), T(copied), T(moved), T(deleted) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
