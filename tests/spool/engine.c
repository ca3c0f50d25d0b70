#include "tests/spool/engine.h"

#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/index.h"

struct spool *sp;
uint64_t test_now_us;
bool (*test_pinned)(void *ctx, uint64_t bodyid);
bool test_watch;
static int dirfd_ = -1;
static struct arena *arena;

static uint64_t fake_mono(void)
{
	return test_now_us / 1000;
}

static uint64_t fake_wall(void)
{
	return ++test_now_us;
}

static void fake_random(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)disk_random(256);
}

static void swallow(enum log_level level, const char *text)
{
	(void)level;
	if (getenv("TEST_LOG") != NULL)
		(void)fprintf(stderr, "# %s\n", text);
}

/* Berkeley DB's own flushes are not what is tested, and slow. */
static int no_fsync(int fd)
{
	(void)fd;
	return 0;
}

int engine_setup(void **state)
{
	static const struct clock_ops ops = { fake_mono, fake_wall, fake_random };

	(void)state;
	clock_set(&ops);
	test_now_us = 1000000 * UINT64_C(1000000);
	test_watch = false;
	dirfd_ = testdir_open();
	disk_reset();
	index_set_fsync(no_fsync);
	log_capture(swallow);
	arena = arena_new(64 << 20);
	engine_open();
	return 0;
}

int engine_teardown(void **state)
{
	(void)state;
	engine_close();
	disk_reset();
	testdir_remove();
	(void)close(dirfd_);
	arena_free(&arena);
	clock_set(NULL);
	log_capture(NULL);
	return 0;
}

static bool watched(void *ctx, uint64_t mailbox)
{
	(void)ctx;
	(void)mailbox;
	return test_watch;
}

int engine_try_open(void)
{
	static const size_t layers[] = { 1, 20000, 2000, 0 };
	static unsigned opened;
	static char home[4096];
	struct spool_conf conf = { .dirfd = dirfd_, .index_home = home, .segment_size = 1 << 16, .reserve = 0,
		.cache_bytes = 4 << 20, .sys = &disk_ops, .watched = watched, .pinned = test_pinned };

	(void)snprintf(home, sizeof(home), "%s/index", testdir_path());
	/* At each opening another: that every change is written at once, a few together, or none before the end; by us or by a
	 * thread. */
	index_set_threads(opened / ARRAY_LEN(layers) % 2 == 1);
	index_set_layer(layers[opened++ % ARRAY_LEN(layers)]);
	return spool_open(&sp, &conf);
}

void engine_open(void)
{
	assert_int_equal(engine_try_open(), 0);
}

void engine_close(void)
{
	spool_close(&sp, true);
}

void engine_crash(void)
{
	spool_close(&sp, false);
}

void engine_lose(const char *name)
{
	static unsigned lost;
	char from[4200], to[4200];

	(void)snprintf(from, sizeof(from), "%s/%s", testdir_path(), name);
	(void)snprintf(to, sizeof(to), "%s/lost-%u", testdir_path(), lost++);
	assert_int_equal(rename(from, to), 0);
}

int do_op(struct spool_op *op, struct spool_done *done_r)
{
	struct spool_done done;
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	int r = spool_do(sp, op, done_r != NULL ? done_r : &done, &changes), r2;

	change_list_free(&changes);
	r2 = spool_commit(sp);
	return r != 0 ? r : r2;
}

uint64_t do_accept(const char *sender, const char *rcpts, const char *body)
{
	struct op_rcpt rc[16];
	struct spool_op op = { .kind = OP_ACCEPT, .accept = { .sender = slice_cstr(sender), .rcpts = rc } };
	struct spool_done done;
	struct slice rest = slice_cstr(rcpts);

	while (rest.len != 0) {
		ptrdiff_t i = slice_chr(rest, ' ');
		size_t n = i < 0 ? rest.len : (size_t)i;

		rc[op.accept.rcpts_n++] = (struct op_rcpt){ .addr = slice_sub(rest, 0, n) };
		rest = slice_sub(rest, n + 1, SIZE_MAX);
	}
	op.accept.body = (struct op_body){ .size = strlen(body), .bytes = slice_cstr(body) };
	return do_op(&op, &done) == 0 ? done.id : 0;
}

int do_create(uint64_t account, const char *name)
{
	struct op_new_mailbox box = { .name = slice_cstr(name) };
	struct spool_op op = { .kind = OP_MAILBOX_CREATE, .create = { .account = account, .mailboxes = &box, .mailboxes_n = 1 } };

	return do_op(&op, NULL);
}

uint64_t mailbox_id(uint64_t account, const char *name)
{
	uint64_t id = 0;

	return spool_mailbox_find(sp, account, slice_cstr(name), &id) == 0 ? id : 0;
}

struct ix_mailbox mailbox_of(uint64_t id)
{
	struct ix_mailbox m;

	arena_reset(arena);
	assert_int_equal(spool_mailbox_get(sp, id, arena, &m), 0);
	return m;
}

int do_deliver(uint64_t msgid, uint32_t index, uint64_t account, const char *mailbox)
{
	struct op_add add = { .account = account };
	struct op_deliver_rcpt rc = { .index = index, .adds = &add, .adds_n = 1 };
	struct spool_op op = { .kind = OP_DELIVER, .deliver = { .msgid = msgid, .rcpts = &rc, .rcpts_n = 1 } };

	if (mailbox_id(account, mailbox) == 0)
		assert_int_equal(do_create(account, mailbox), 0);
	add.mailbox = mailbox_id(account, mailbox);
	return do_op(&op, NULL);
}

int do_result(uint64_t msgid, uint32_t index, uint8_t state, uint64_t due)
{
	struct op_result res = { .index = index, .state = state, .due = due, .status = SLICE_LIT("4.4.1") };
	struct spool_op op = { .kind = OP_OUTCOME, .outcome = { .msgid = msgid, .results = &res, .results_n = 1 } };

	return do_op(&op, NULL);
}

static int row_text(void *ctx, const struct row *r)
{
	static const char letters[] = "SAFDT";
	struct buf *b = ctx;

	buf_addf(b, "%s%u", buf_len(b) != 0 ? " " : "", r->uid);
	for (int i = 0; i < 5; i++)
		if ((r->flags >> i & 1) != 0)
			buf_add_byte(b, (uint8_t)letters[i]);
	if (r->keywords != 0)
		buf_addf(b, "k%llx", (unsigned long long)r->keywords);
	return 0;
}

const char *rows_text(uint64_t mailbox)
{
	static char text[4][4096];
	static unsigned turn;
	struct op_range all = { 1, UINT32_MAX };
	struct buf b = BUF_INIT(4095);
	char *out = text[turn++ % 4];

	assert_int_equal(spool_rows(sp, mailbox, &all, 1, row_text, &b), 0);
	memcpy(out, b.p != NULL ? (const char *)b.p : "", buf_len(&b));
	out[buf_len(&b)] = '\0';
	buf_free(&b);
	return out;
}

const char *body_text(uint64_t bodyid)
{
	static char text[65536];
	struct ix_body b;

	if (spool_body_get(sp, bodyid, &b) != 0)
		return NULL;
	assert_true(b.size < sizeof(text));
	assert_int_equal(spool_body_read(sp, &b, 0, (uint32_t)b.size, (uint8_t *)text), 0);
	text[b.size] = '\0';
	return text;
}

static uint64_t fnv(uint64_t h, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * UINT64_C(1099511628211);
	return (h ^ s.len) * UINT64_C(1099511628211);
}

static int hash_entry(void *ctx, struct slice key, struct slice val)
{
	uint64_t *h = ctx;

	*h = fnv(fnv(*h, key), val);
	return 0;
}

/* When the first body of a segment died is not exact where mailboxes were deleted (spool/doomed.c). */
static int hash_segment(void *ctx, struct slice key, struct slice val)
{
	return hash_entry(ctx, key, slice_sub(val, 0, 16));
}

uint64_t index_hash(void)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (unsigned t = 0; t < IX_COUNT; t++) {
		assert_int_equal(spool_dump(sp, t, t == IX_SEGMENT ? hash_segment : hash_entry, &h), 0);
		if (getenv("TEST_LOG") != NULL)
			(void)fprintf(stderr, "# %s %llx\n", index_table_name((enum index_table)t), (unsigned long long)h);
	}
	return h;
}
