/*
 * Ops of arbitrary bytes: decoded, printed, encoded again, offered to the engine as a request
 * and applied to it as a record. Byte 0 of the input chooses one of the ops below, of
 * which the following groups of 3 bytes (u16 offset, u8 bits to turn) change some; or else
 * the rest is the record itself.
 *
 * What is decoded encodes to the same bytes. What the checks before recording let through can be
 * applied. What is applied as a record gives 0 or an error, never a crash; nothing is kept.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/spool_internal.h"

static struct spool *sp;
static struct arena *arena;
static struct buf rec = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
static char dir[] = "/tmp/fuzz-op-XXXXXX", home[64];
static uint64_t msgid, inbox, other;

/* Berkeley DB keeps memory by offsets, which the leak check does not follow. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb";
}

static void swallow(enum log_level level, const char *text)
{
	(void)level, (void)text;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fuzz-op: %s\n", what);
	abort();
}

static int no_fsync(int fd)
{
	(void)fd;
	return 0;
}

static void remove_below(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char name[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) != 0)
			remove_below(name);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(path);
}

static void finish(void)
{
	spool_close(&sp, false);
	arena_free(&arena);
	buf_free(&rec);
	buf_free(&again);
	remove_below(dir);
}

static uint64_t do_op(struct spool_op op)
{
	struct spool_done done;

	check(spool_do(sp, &op, &done, NULL) == 0 && spool_commit(sp) == 0, "setup");
	return done.id;
}

/* A message in the queue, and two mailboxes with three rows. */
static void start(void)
{
	static struct op_rcpt rc[] = { { .addr = SLICE_LIT("a@x") }, { .addr = SLICE_LIT("b@x") } };
	static struct op_new_mailbox box = { .name = SLICE_LIT("other") };
	struct spool_conf conf = { .index_home = home, .segment_size = 1 << 20, .cache_bytes = 1 << 20 };
	struct op_keyword k = { SLICE_LIT("$k") };
	struct op_body body = { .size = 1, .bytes = SLICE_LIT("x") };

	log_capture(swallow);
	index_set_fsync(no_fsync);
	check(mkdtemp(dir) != NULL, "mkdtemp");
	(void)snprintf(home, sizeof(home), "%s/index", dir);
	conf.dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	check(spool_open(&sp, &conf) == 0, "spool_open");
	arena = arena_new(1 << 24);
	check(arena != NULL, "memory");
	(void)atexit(finish);
	msgid = do_op((struct spool_op){ .kind = OP_ACCEPT, .accept = { .rcpts = rc, .rcpts_n = 2, .body = body } });
	check(spool_account_init(sp, 7) == 0 && spool_commit(sp) == 0, "account");
	(void)do_op((struct spool_op){ .kind = OP_MAILBOX_CREATE, .create = { 7, &box, 1 } });
	check(spool_mailbox_find(sp, 7, SLICE_LIT("INBOX"), &inbox) == 0 &&
	    spool_mailbox_find(sp, 7, SLICE_LIT("other"), &other) == 0, "mailboxes");
	for (int i = 0; i < 3; i++)
		(void)do_op((struct spool_op){ .kind = OP_APPEND, .append = { .account = 7, .mailbox = inbox, .keywords = &k, .keywords_n = 1, .body = body } });
}

/* Ops that fit what is there. */
static struct spool_op seed(unsigned n)
{
	static struct op_rcpt rc[] = { { .addr = SLICE_LIT("n@x") } };
	static struct op_accept notice[] = { { .rcpts = rc, .rcpts_n = 1, .body = { .size = 1, .bytes = SLICE_LIT("n") } } };
	static struct op_result res[] = { { .index = 1, .state = RCPT_FAILED } };
	static struct op_add add[1];
	static struct op_deliver_rcpt d[] = { { .index = 0, .adds = add, .adds_n = 1, .forwards = rc, .forwards_n = 1 } };
	static struct op_id id[1];
	static struct op_new_mailbox box[] = { { .name = SLICE_LIT("x/y") } };
	static struct op_keyword k[] = { { SLICE_LIT("$k") } };
	static struct op_range all[] = { { 1, 3 } };
	static const struct op_body body = { .size = 1, .bytes = SLICE_LIT("x") };

	add[0] = (struct op_add){ .account = 7, .mailbox = inbox };
	id[0].id = msgid;
	notice[0].body = body;
	all[0] = (struct op_range){ 1, 3 };
	switch (n % 17) {
	case 0: return (struct spool_op){ .kind = OP_ACCEPT, .accept = { .rcpts = rc, .rcpts_n = 1, .body = body } };
	case 1: return (struct spool_op){ .kind = OP_OUTCOME, .outcome = { msgid, 0, res, 1, notice, 1 } };
	case 2: return (struct spool_op){ .kind = OP_DELIVER, .deliver = { msgid, d, 1, SLICE_LIT("s") } };
	case 3: return (struct spool_op){ .kind = OP_QUEUE_DO, .queue = { QUEUE_FLUSH, id, 1 } };
	case 4: return (struct spool_op){ .kind = OP_MAILBOX_CREATE, .create = { 7, box, 1 } };
	case 5: return (struct spool_op){ .kind = OP_MAILBOX_DELETE, .delete_ = { 7, other, SLICE_LIT("other") } };
	case 6: return (struct spool_op){ .kind = OP_MAILBOX_RENAME, .rename = { 7, SLICE_LIT("other"), SLICE_LIT("z/q") } };
	case 7: return (struct spool_op){ .kind = OP_SUBSCRIBE, .subscribe = { 7, SLICE_LIT("other"), 1 } };
	case 8: return (struct spool_op){ .kind = OP_APPEND, .append = { .account = 7, .mailbox = inbox, .keywords = k, .keywords_n = 1, .body = body } };
	case 9: return (struct spool_op){ .kind = OP_STORE, .store = { inbox, 0, STORE_ADD, 1, k, 1, all, 1 } };
	case 10: return (struct spool_op){ .kind = OP_EXPUNGE, .expunge = { inbox, 0, all, 1 } };
	case 11: return (struct spool_op){ .kind = OP_COPY, .copy = { .from = inbox, .to = other, .move = 1, .uids = all, .uids_n = 1 } };
	case 12: return (struct spool_op){ .kind = OP_RECENT, .recent = { inbox, 3 } };
	case 13: return (struct spool_op){ .kind = OP_ACCOUNT_DELETE, .account = { 7 } };
	case 14: return (struct spool_op){ .kind = OP_COPY_PART, .part = { .copy = { .from = inbox, .to = other, .uids = all, .uids_n = 1 } } };
	case 15: return (struct spool_op){ .kind = OP_COPY_END, .copy_end = { other, 1 } };
	default: return (struct spool_op){ .kind = OP_BODY_MOVED, .moved = { msgid, SLICE_LIT("x") } };
	}
}

static void make_record(const uint8_t *data, size_t size)
{
	buf_reset(&rec);
	if (data[0] >= 0xf0) {
		buf_add(&rec, data + 1, size - 1);
		return;
	}
	struct spool_op op = seed(data[0]);

	check(spool_op_encode(&rec, &op) == 0, "encode a seed");
	for (size_t i = 1; i + 3 <= size; i += 3)
		rec.p[get_le16(data + i) % buf_len(&rec)] ^= (uint8_t)(data[i + 2] - '0');
}

/* As a request: what is taken must be applicable. */
static void as_request(void)
{
	struct spool_op op;
	struct spool_done done;

	arena_reset(arena);
	if (spool_op_decode(buf_slice(&rec), arena, &op) != 0 || op.kind == OP_BODY_MOVED)
		return;
	check(spool_do(sp, &op, &done, NULL) != ERR_CORRUPT, "what was let through cannot be applied");
	spool_abort(sp);
}

/* As a record of a log that somebody wrote. */
static void as_record(void)
{
	struct apply ap = { .s = sp, .lsn = 1000, .pos = { 1, 4096, (uint32_t)buf_len(&rec) }, .payload = buf_slice(&rec) };
	struct spool_op op;

	arena_reset(arena);
	if (spool_op_decode(buf_slice(&rec), arena, &op) != 0)
		return;
	buf_reset(&again);
	check(spool_op_encode(&again, &op) == 0 && slice_eq(buf_slice(&again), buf_slice(&rec)), "encodes to other bytes");
	buf_reset(&again);
	spool_op_print(&again, &op);
	check(engine_begin_derived(sp) == 0, "begin");
	arena_reset(sp->arena);
	(void)apply_op(&ap, &op);
	spool_abort(sp);
	check(!spool_is_dead(sp), "the engine died");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sp == NULL)
		start();
	if (size == 0)
		return 0;
	make_record(data, size);
	as_request();
	as_record();
	return 0;
}
