/*
 * A history with every kind of op, and a snapshot of it, as version 1 of the formats wrote them: every later version of
 * the code has to make the same spool of it. TEST_WRITE_FIXTURE=DIRECTORY writes what this version makes of it.
 */
#include "tests/spool/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/index.h"
#include "tests/spool/fixture.h"

enum { ACCOUNT = 7, OTHER = 8, IMAGE = 1 << 20 };
static uint8_t image[IMAGE];

/* ---- the history ---- */

static int body_fn(void *ctx, const struct row *r)
{
	*(uint64_t *)ctx = r->bodyid;
	return 0;
}

static uint64_t body_of_row(uint64_t mailbox, uint32_t uid)
{
	struct op_range r = { uid, uid };
	uint64_t id = 0;

	assert_int_equal(spool_rows(sp, mailbox, &r, 1, body_fn, &id), 0);
	assert_true(id != 0);
	return id;
}

static void queue_part(void)
{
	struct op_result res[] = { { .index = 1, .state = RCPT_PENDING, .due = 1000000600, .status = SLICE_LIT("4.4.1"),
		.text = SLICE_LIT("no answer"), .relay = SLICE_LIT("mx.daum.test[192.0.2.1]:25") } };
	struct op_rcpt to = { .addr = SLICE_LIT("abc@naver.test"), .notify = NOTIFY_NEVER };
	struct op_accept notice = { .rcpts = &to, .rcpts_n = 1, .origin = SLICE_LIT("bounce"),
		.body = { .size = 9, .lines = 1, .bytes = SLICE_LIT("a notice\n") } };
	struct spool_op op = { .kind = OP_OUTCOME };
	struct op_id held;
	uint64_t first = do_accept("abc@naver.test", "def@daum.test ghi@elsewhere.test", "Subject: one\r\n\r\nfirst\r\n"), second;

	assert_int_equal(do_deliver(first, 0, ACCOUNT, "INBOX"), 0);
	op.outcome = (struct op_outcome){ .msgid = first, .results = res, .results_n = 1 };
	assert_int_equal(do_op(&op, NULL), 0);
	res[0].state = RCPT_FAILED;
	op.outcome = (struct op_outcome){ .msgid = first, .results = res, .results_n = 1, .notices = &notice, .notices_n = 1 };
	assert_int_equal(do_op(&op, NULL), 0);
	second = do_accept("", "def@daum.test", "Subject: two\r\n\r\nsecond\r\n");
	held.id = second;
	op = (struct spool_op){ .kind = OP_QUEUE_DO, .queue = { .verb = QUEUE_HOLD, .msgs = &held, .msgs_n = 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
}

static void mailbox_part(void)
{
	struct op_keyword word = { SLICE_LIT("$Junk") };
	struct op_range one = { 1, 1 }, two = { 2, 2 };
	struct spool_op op;
	uint64_t inbox = mailbox_id(ACCOUNT, "INBOX"), box;
	struct spool_done done;

	assert_int_equal(do_create(ACCOUNT, "box"), 0);
	assert_int_equal(do_create(ACCOUNT, "gone"), 0);
	assert_int_equal(do_create(OTHER, "INBOX"), 0);
	op = (struct spool_op){ .kind = OP_MAILBOX_DELETE, .delete_ = { .account = ACCOUNT, .name = SLICE_LIT("gone") } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_MAILBOX_RENAME, .rename = { ACCOUNT, SLICE_LIT("box"), SLICE_LIT("archive") } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_SUBSCRIBE, .subscribe = { ACCOUNT, SLICE_LIT("archive"), 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
	box = mailbox_id(ACCOUNT, "archive");
	op = (struct spool_op){ .kind = OP_APPEND, .append = { .account = ACCOUNT, .mailbox = inbox, .flags = 1, .date = 999999999,
		.keywords = &word, .keywords_n = 1, .body = { .size = 9, .lines = 1, .bytes = SLICE_LIT("appended\n") }, .cached = SLICE_LIT("cached") } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_STORE, .store = { .mailbox = inbox, .modseq = UINT64_MAX, .how = STORE_ADD, .flags = 2, .uids = &one, .uids_n = 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_COPY, .copy = { .from = inbox, .to = box, .uids = &one, .uids_n = 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_COPY, .copy = { .from = inbox, .to = box, .move = 1, .uids = &two, .uids_n = 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_EXPUNGE, .expunge = { .mailbox = box, .uids = &one, .uids_n = 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_RECENT, .recent = { inbox, 2 } };
	assert_int_equal(do_op(&op, &done), 0);
	op = (struct spool_op){ .kind = OP_ACCOUNT_DELETE, .account = { OTHER } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_BODY_MOVED, .moved = { body_of_row(inbox, 1), SLICE_LIT("Subject: one\r\n\r\nfirst\r\n") } };
	assert_int_equal(do_op(&op, NULL), 0);
}

static void piece(uint64_t from, uint64_t to, uint32_t uid, bool end, uint32_t *name)
{
	struct op_range r = { uid, uid };
	struct spool_op op = { .kind = OP_COPY_PART, .part = { .first = *name, .end = end, .copy = { .from = from, .to = to, .uids = &r, .uids_n = 1 } } };

	assert_int_equal(do_op(&op, NULL), 0);
	*name = op.part.first;
}

/* A COPY of two pieces, one that got no end and is undone, and one that is not undone yet. */
static void copies_part(void)
{
	struct op_range third = { 3, 3 };
	struct spool_op op = { .kind = OP_APPEND, .append = { .account = ACCOUNT, .body = { .size = 4, .lines = 1, .bytes = SLICE_LIT("two\n") } } };
	uint64_t from, to;
	uint32_t name[3] = { 0 };

	assert_int_equal(do_create(ACCOUNT, "from"), 0);
	assert_int_equal(do_create(ACCOUNT, "to"), 0);
	from = mailbox_id(ACCOUNT, "from");
	to = mailbox_id(ACCOUNT, "to");
	for (int i = 0; i < 2; i++) {
		op.append.mailbox = from;
		assert_int_equal(do_op(&op, NULL), 0);
	}
	piece(from, to, 1, false, &name[0]);
	piece(from, to, 2, true, &name[0]);
	piece(from, to, 1, false, &name[1]);
	op = (struct spool_op){ .kind = OP_EXPUNGE, .expunge = { .mailbox = to, .uids = &third, .uids_n = 1 } };
	assert_int_equal(do_op(&op, NULL), 0);
	op = (struct spool_op){ .kind = OP_COPY_END, .copy_end = { to, name[1] } };
	assert_int_equal(do_op(&op, NULL), 0);
	piece(from, to, 2, false, &name[2]);
}

/* ---- what it has to be ---- */

/* Those there were when the fixture was made: up to OP_BODY_MOVED. */
enum { KINDS_V1 = (1u << 16) - 2 };

static int names_seen(void *ctx, uint64_t lsn, uint8_t type, struct slice payload, const struct log_pos *pos)
{
	unsigned *kinds = ctx;

	(void)lsn;
	(void)pos;
	assert_int_equal(type, LOG_TYPE_OP);
	*kinds |= 1u << payload.p[1];
	return 0;
}

static int pending_seen(void *ctx, uint64_t to, uint32_t first)
{
	assert_int_equal(to, mailbox_id(ACCOUNT, "to"));
	*(uint32_t *)ctx = first;
	return 0;
}

static void expect_copies(void)
{
	enum { KINDS = 1u << OP_MAILBOX_CREATE | 1u << OP_APPEND | 1u << OP_COPY_PART | 1u << OP_EXPUNGE | 1u << OP_COPY_END };
	uint32_t pending = 0;
	unsigned kinds = 0;

	assert_int_equal(log_replay(spool_log_of(sp), 1, names_seen, &kinds), 0);
	assert_int_equal(kinds, KINDS);
	assert_string_equal(rows_text(mailbox_id(ACCOUNT, "to")), "1 2 4");
	assert_int_equal(mailbox_of(mailbox_id(ACCOUNT, "to")).uidnext, 5);
	assert_int_equal(spool_copying(sp, pending_seen, &pending), 0);
	assert_int_equal(pending, 4);
}

/* kinds: of the ops that its log has; 0: it has none. */
static void expect(unsigned want_kinds)
{
	uint64_t inbox = mailbox_id(ACCOUNT, "INBOX"), archive = mailbox_id(ACCOUNT, "archive");
	struct ix_mailbox m;
	unsigned kinds = 0;
	struct ix_body b;

	if (want_kinds != 0) {
		assert_int_equal(log_replay(spool_log_of(sp), 1, names_seen, &kinds), 0);
		assert_int_equal(kinds, want_kinds);
	}
	assert_string_equal(rows_text(inbox), "1A");
	assert_string_equal(rows_text(archive), "2Sk1");
	m = mailbox_of(inbox);
	assert_int_equal(m.uidnext, 3);
	assert_int_equal(m.first_recent, 2);
	assert_int_equal(m.messages, 1);
	assert_int_equal(m.account, ACCOUNT);
	m = mailbox_of(archive);
	assert_int_equal(m.uidnext, 3);
	assert_int_equal(m.keywords_n, 1);
	assert_slice(0, m.keywords[0].name, "$Junk");
	assert_int_equal(mailbox_id(ACCOUNT, "gone") | mailbox_id(ACCOUNT, "box") | mailbox_id(OTHER, "INBOX"), 0);
	assert_string_equal(body_text(body_of_row(inbox, 1)), "Subject: one\r\n\r\nfirst\r\n");
	assert_string_equal(body_text(body_of_row(archive, 2)), "appended\n");
	assert_int_equal(spool_body_get(sp, body_of_row(inbox, 1), &b), 0);
	assert_int_equal(b.refs, 1);
	assert_int_equal(spool_counters(sp)->queued, 2);
	assert_int_equal(spool_counters(sp)->rows, 2);
	assert_int_equal(spool_counters(sp)->mailboxes, 2);
}

/* ---- files ---- */

static void path_of(char path[4200], const char *where, const char *name)
{
	(void)snprintf(path, 4200, "%s/%s/%s", testdir_path(), where, name);
}

static size_t read_image(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	memset(image, 0, sizeof(image));
	n = read(fd, image, sizeof(image));
	assert_true(n > 0);
	(void)close(fd);
	return (size_t)n;
}

static void write_image(const char *path, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image, size), size);
	(void)close(fd);
}

/* An empty spool whose log, and whose snapshot, are the fixture. */
static void install(const char *ops, const char *snapshot, size_t snapshot_size)
{
	char path[4200];

	engine_crash();
	engine_lose("index");
	path_of(path, "log", "0000000000000001");
	fixture_load(ops, image, sizeof(image));
	write_image(path, 1 << 16);
	if (snapshot == NULL)
		return;
	path_of(path, "snapshot", snapshot);
	fixture_load("snapshot-v1.hex", image, sizeof(image));
	write_image(path, snapshot_size);
}

/* The index that this version makes is the one it expects; and, asked to, the fixture is written. */
static void this_version(void **state)
{
	const char *dir = getenv("TEST_WRITE_FIXTURE");
	char path[4200], out[4200], name[32], comment[400];
	uint64_t bytes, lsn;
	size_t size;

	(void)state;
	queue_part();
	mailbox_part();
	expect(KINDS_V1);
	assert_int_equal(spool_snapshot(sp), 0);
	lsn = spool_snapshot_newest(sp, &bytes);
	if (dir == NULL)
		return;
	path_of(path, "log", "0000000000000001");
	size = read_image(path);
	(void)snprintf(out, sizeof(out), "%s/ops-v1.hex", dir);
	fixture_write(out, "# A log with every kind of op, version 1 (pabal-spool(5)): the segment 0000000000000001, 65536 bytes long.\n"
	    "# Kept for ever: tests/spool/test-fixture.c has the history and what has to come of it.\n", image, size);
	(void)snprintf(name, sizeof(name), "%016llx", (unsigned long long)lsn);
	path_of(path, "snapshot", name);
	size = read_image(path);
	(void)snprintf(out, sizeof(out), "%s/snapshot-v1.hex", dir);
	(void)snprintf(comment, sizeof(comment), "# A snapshot, version 1, of that log: the file %s, %zu bytes long. Kept for ever.\n", name, size);
	fixture_write(out, comment, image, size);
}

static void ops_v1(void **state)
{
	(void)state;
	install("ops-v1.hex", NULL, 0);
	engine_open();
	expect(KINDS_V1);
	/* It goes on from there. */
	assert_true(do_accept("a@b", "c@d", "new") != 0);
}

/* The ops that came later. */
static void copies_this_version(void **state)
{
	const char *dir = getenv("TEST_WRITE_FIXTURE");
	char path[4200], out[4200];
	size_t size;

	(void)state;
	copies_part();
	expect_copies();
	if (dir == NULL)
		return;
	path_of(path, "log", "0000000000000001");
	size = read_image(path);
	(void)snprintf(out, sizeof(out), "%s/copies-v1.hex", dir);
	fixture_write(out, "# A log with a COPY in pieces (ops 16 and 17), version 1: the segment 0000000000000001, 65536 bytes long.\n"
	    "# Kept for ever: tests/spool/test-fixture.c has the history and what has to come of it.\n", image, size);
}

static void copies_v1(void **state)
{
	(void)state;
	install("copies-v1.hex", NULL, 0);
	engine_open();
	expect_copies();
}

static bool from_snapshot;

static void look_for_snapshot(enum log_level level, const char *text)
{
	(void)level;
	from_snapshot = from_snapshot || strstr(text, "anew from snapshot 21") != NULL;
}

static void snapshot_v1(void **state)
{
	static const char name[] = "0000000000000015";

	(void)state;
	install("ops-v1.hex", name, 2135);
	log_capture(look_for_snapshot);
	engine_open();
	assert_true(from_snapshot);
	expect(0);
	assert_true(do_accept("a@b", "c@d", "new") != 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, engine_setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(this_version), T(ops_v1), T(snapshot_v1), T(copies_this_version), T(copies_v1) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
