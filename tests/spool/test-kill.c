/*
 * The engine killed at any instant: a child takes in and delivers numbered messages and tells
 * of each after its flush; it is killed again and again, sometimes with its index taken away. What it
 * told of is there, once.
 */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/spool.h"
#include "tests/spool/disk.h"

enum { ROUNDS = 15, TOLD_MAX = 200000, ACCOUNT = 7 };

struct told {
	uint64_t msgid;
	bool delivered;
};
static struct told *told;
static size_t told_n;
static int dirfd_;
static char home[4096];

static struct spool *open_spool(void)
{
	struct spool_conf conf = { .dirfd = dirfd_, .index_home = home, .segment_size = 1 << 20, .cache_bytes = 4 << 20 };
	struct spool *s = NULL;
	int r = spool_open(&s, &conf);

	if (r != 0)
		fail_msg("spool_open: %s", err_str(r));
	return s;
}

static void tell(int fd, char what, uint64_t msgid)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%c%llu\n", what, (unsigned long long)msgid);

	if (write(fd, line, (size_t)n) != n)
		_exit(0);
}

/* ---- the child ---- */

static int accept_one(struct spool *s, uint64_t *id_r)
{
	static char body[6000];
	struct op_rcpt rc = { .addr = SLICE_LIT("a@x") };
	struct spool_op op = { .kind = OP_ACCEPT, .accept = { .rcpts = &rc, .rcpts_n = 1 } };
	struct spool_done done;
	int r;

	memset(body, 'b', sizeof(body));
	op.accept.body.size = 100 + random_below(5000);
	op.accept.body.bytes = slice_of(body, (size_t)op.accept.body.size);
	r = spool_do(s, &op, &done, NULL);
	*id_r = done.id;
	return r;
}

static int deliver_one(struct spool *s, uint64_t id, uint64_t inbox)
{
	struct op_add add = { .account = ACCOUNT, .mailbox = inbox };
	struct op_deliver_rcpt rc = { .adds = &add, .adds_n = 1 };
	struct spool_op op = { .kind = OP_DELIVER, .deliver = { .msgid = id, .rcpts = &rc, .rcpts_n = 1, .cached = SLICE_LIT("s") } };
	struct spool_done done;

	return spool_do(s, &op, &done, NULL);
}

static void child(int fd)
{
	struct spool *s = open_spool();
	uint64_t inbox, ids[10];
	uint32_t queued;
	bool more;

	if (spool_account_init(s, ACCOUNT) != 0 || spool_commit(s) != 0 || spool_mailbox_find(s, ACCOUNT, SLICE_LIT("INBOX"), &inbox) != 0)
		_exit(3);
	for (;;) {
		uint32_t n = 1 + random_below(8);
		int r = 0;

		for (uint32_t i = 0; r == 0 && i < n; i++)
			r = accept_one(s, &ids[i]);
		if (r != 0 || spool_commit(s) != 0)
			_exit(4);
		for (uint32_t i = 0; i < n; i++)
			tell(fd, 'A', ids[i]);
		if (spool_queue_ids(s, 0, 10, ids, &queued) != 0)
			_exit(5);
		for (uint32_t i = 0; r == 0 && i < queued; i++)
			r = deliver_one(s, ids[i], inbox);
		if (r != 0 || spool_commit(s) != 0)
			_exit(6);
		for (uint32_t i = 0; i < queued; i++)
			tell(fd, 'D', ids[i]);
		if (random_below(40) == 0 && (spool_checkpoint(s, 0) != 0 || spool_reap(s, 100, &more) != 0))
			_exit(7);
		if (random_below(60) == 0 && spool_snapshot(s) != 0)
			_exit(8);
	}
}

/* ---- the parent ---- */

static void note(char what, uint64_t msgid)
{
	if (what == 'A') {
		assert_true(told_n < TOLD_MAX);
		told[told_n++] = (struct told){ .msgid = msgid };
		return;
	}
	for (size_t i = told_n; i-- > 0;)
		if (told[i].msgid == msgid)
			told[i].delivered = true;
}

static void listen_to(int fd, pid_t pid, unsigned lines)
{
	FILE *f = fdopen(fd, "r");
	char line[64];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f) != NULL) {
		if (strchr(line, '\n') == NULL)
			break;
		note(line[0], strtoull(line + 1, NULL, 10));
		if (++n == lines)
			assert_int_equal(kill(pid, SIGKILL), 0);
	}
	(void)fclose(f);
	assert_true(n >= lines);
}

struct rows {
	uint64_t *ids;
	size_t n;
};

static int row_id(void *ctx, const struct row *r)
{
	struct rows *rs = ctx;

	/* By body, which has the message's number; each row is newer than the one before. */
	for (size_t i = rs->n; i-- > 0 && rs->ids[i] >= r->bodyid;)
		if (rs->ids[i] == r->bodyid)
			fail_msg("message %llu is there twice", (unsigned long long)r->bodyid);
	assert_true(rs->n < TOLD_MAX);
	rs->ids[rs->n++] = r->bodyid;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check(struct spool *s)
{
	struct op_range all = { 1, UINT32_MAX };
	struct rows rs = { calloc(TOLD_MAX, sizeof(uint64_t)), 0 };
	struct arena *a = arena_new(1 << 20);
	struct ix_msg m;
	uint64_t inbox;
	unsigned lost = 0;

	assert_int_equal(spool_mailbox_find(s, ACCOUNT, SLICE_LIT("INBOX"), &inbox), 0);
	assert_int_equal(spool_rows(s, inbox, &all, 1, row_id, &rs), 0);
	qsort(rs.ids, rs.n, sizeof(*rs.ids), by_id);
	for (size_t i = 1; i < rs.n; i++)
		assert_true(rs.ids[i] != rs.ids[i - 1]);
	for (size_t i = 0; i < told_n; i++) {
		bool row = bsearch(&told[i].msgid, rs.ids, rs.n, sizeof(*rs.ids), by_id) != NULL;
		bool queued = spool_msg_get(s, told[i].msgid, a, &m) == 0;

		arena_reset(a);
		if (row && queued)
			fail_msg("message %llu is delivered and queued", (unsigned long long)told[i].msgid);
		lost += !row && (told[i].delivered || !queued);
	}
	assert_int_equal(lost, 0);
	arena_free(&a);
	free(rs.ids);
}

static void killed(void **state)
{
	(void)state;
	told = calloc(TOLD_MAX, sizeof(*told));
	dirfd_ = testdir_open();
	(void)snprintf(home, sizeof(home), "%s/index", testdir_path());
	for (int i = 0; i < ROUNDS; i++) {
		struct spool *s;
		int p[2], status;
		pid_t pid;

		assert_int_equal(pipe(p), 0);
		if ((pid = fork()) == 0) {
			(void)close(p[0]);
			child(p[1]);
		}
		(void)close(p[1]);
		listen_to(p[0], pid, 1 + random_below(200));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		if (i % 4 == 3) {
			char away[4200];

			(void)snprintf(away, sizeof(away), "%s/away-%d", testdir_path(), i);
			assert_int_equal(rename(home, away), 0);
		}
		s = open_spool();
		check(s);
		spool_close(&s, i % 2 == 0);
	}
	print_message("# messages told of: %zu\n", told_n);
	testdir_remove();
	(void)close(dirfd_);
	free(told);
}

static void swallow(enum log_level level, const char *text)
{
	(void)level, (void)text;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed) };

	log_capture(swallow);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
