/*
 * The log on a disk that fails. A model keeps what the log has confirmed; after
 * every restart the log must hold exactly that, followed by at most the first records of the one
 * batch whose flush was cut off by the crash or left the log broken (spool/log.h).
 *
 * 1. A fixed workload with every system call failing in turn, at each call number.
 * 2. Random histories: batches, discards, seals, removals, failing calls, power cuts.
 *    LOG_HISTORIES sets how many (default 200), LOG_SEED where they begin.
 */
#include "tests/lib/unit.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/log.h"
#include "spool/segment.h"
#include "tests/spool/disk.h"

enum { SEGMENT = 64 << 10, LSN_MAX = 4000 };

enum fate { UNKNOWN, DURABLE, MAYBE, REMOVED, MAYBE_REMOVED };
struct known {
	enum fate fate;
	uint32_t id, len;       /* of the payload */
	struct log_pos pos;
};

static struct model {
	struct known rec[LSN_MAX];
	uint64_t last;          /* last confirmed LSN */
	uint64_t batch_last;    /* last LSN in the batch, or last */
	uint64_t maybe_last;    /* last LSN that may have got through a failed flush, or last */
	uint32_t next_id;
} m;

static struct spool_log *l;
static int dirfd_;
static char where[200];         /* for messages: which fault, which history */

static void swallow(enum log_level level, const char *text)
{
	(void)level, (void)text;
}

static struct slice payload(uint32_t id, size_t len)
{
	static uint8_t b[SEGMENT];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(id * 131 + i * 7 + (i >> 8));
	if (len >= 4)
		memcpy(b, &id, 4);
	return slice_of(b, len);
}

static int try_open(void)
{
	struct log_conf conf = { .dirfd = dirfd_, .segment_size = SEGMENT, .sys = &disk_ops };

	return log_open(&l, &conf);
}

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			fail_msg("%s: %s", where, #cond); \
	} while (0)

/* ---- what the log must hold after a restart ----------------------------- */

static int verify_fn(void *ctx, uint64_t lsn, uint8_t type, struct slice p, const struct log_pos *pos)
{
	uint64_t *next = ctx;
	const struct known *k = &m.rec[lsn];

	CHECK(lsn < LSN_MAX && lsn >= *next);
	/* What is passed over must be gone by removal. */
	for (; *next < lsn; ++*next)
		CHECK(m.rec[*next].fate == REMOVED || m.rec[*next].fate == MAYBE_REMOVED);
	if (!(k->fate == DURABLE || k->fate == MAYBE || k->fate == MAYBE_REMOVED))
		fail_msg("%s: lsn %llu is there, fate %d", where, (unsigned long long)lsn, (int)k->fate);
	CHECK(type == 1 + k->id % 200);
	CHECK(slice_eq(p, payload(k->id, k->len)));
	CHECK(pos->segment == k->pos.segment && pos->off == k->pos.off && pos->len == k->pos.len);
	++*next;
	return 0;
}

static void verify(void)
{
	uint64_t next = 1, last = log_last_lsn(l);

	CHECK(log_replay(l, 1, verify_fn, &next) == 0);
	for (; next <= last; next++)
		CHECK(m.rec[next].fate == REMOVED || m.rec[next].fate == MAYBE_REMOVED);
	CHECK(last >= m.last && last <= m.maybe_last);
	/* What was seen once stays. */
	for (uint64_t i = m.last + 1; i <= last; i++)
		m.rec[i].fate = DURABLE;
	m.last = m.batch_last = m.maybe_last = last;
}

/* ---- steps, kept in step with the model ---------------------------------- */

static void do_append(uint32_t len)
{
	struct known k = { .fate = UNKNOWN, .id = m.next_id++, .len = len };
	uint64_t lsn;
	size_t before = log_pending(l);
	int r;

	if (m.batch_last + 1 >= LSN_MAX)
		return;
	r = log_append(l, (uint8_t)(1 + k.id % 200), payload(k.id, len), &lsn, &k.pos);
	if (r != 0) {
		CHECK(r == ERR_IO || r == ERR_FULL);
		CHECK(log_pending(l) == before);
		return;
	}
	CHECK(lsn == m.batch_last + 1);
	m.rec[lsn] = k;
	m.batch_last = lsn;
}

static int do_flush(void)
{
	int r = log_flush(l);

	if (r == 0) {
		for (uint64_t i = m.last + 1; i <= m.batch_last; i++)
			m.rec[i].fate = DURABLE;
		m.last = m.maybe_last = m.batch_last;
		CHECK(log_last_lsn(l) == m.last);
		return 0;
	}
	CHECK(r == ERR_IO || r == ERR_FULL);
	CHECK(log_pending(l) == 0);
	/* Only a log that is broken may show any of it again. */
	if (log_broken(l) && m.batch_last != m.last) {
		for (uint64_t i = m.last + 1; i <= m.batch_last; i++)
			m.rec[i].fate = MAYBE;
		m.maybe_last = m.batch_last;
	}
	m.batch_last = m.last;
	return r;
}

static void do_discard(void)
{
	log_discard(l);
	m.batch_last = m.last;
}

static void do_remove(uint32_t nth)
{
	const struct log_segment *s;
	struct log_segment seg;
	size_t n;
	int r;

	s = log_segments(l, &n);
	if (n == 0)
		return;
	seg = s[nth % n];
	r = log_remove(l, seg.first_lsn);
	if (nth % n == n - 1 || !seg.sealed) {
		CHECK(r == ERR_STATE);
		return;
	}
	CHECK(r == 0 || r == ERR_IO);
	for (uint64_t i = seg.first_lsn; i <= seg.last_lsn; i++)
		m.rec[i].fate = r == 0 ? REMOVED : MAYBE_REMOVED;
}

static void do_read(void)
{
	static uint8_t b[SEGMENT];
	uint64_t lsn = m.last != 0 ? 1 + disk_random((uint32_t)m.last) : 0;
	const struct known *k = &m.rec[lsn];
	int r;

	if (lsn == 0)
		return;
	r = log_read(l, &k->pos, 0, k->len, b);
	CHECK(r == 0 || r == ERR_IO || (r == ERR_NOTFOUND && (k->fate == REMOVED || k->fate == MAYBE_REMOVED)));
	if (r == 0)
		CHECK(slice_eq(slice_of(b, k->len), payload(k->id, k->len)));
}

/* The process ends (and the machine, if power); what is unflushed is gone; it starts anew. */
static void restart(bool power)
{
	log_close(&l);
	m.batch_last = m.last;
	if (power)
		disk_power_cut();
	disk_heal();
	CHECK(try_open() == 0);
	verify();
}

static void begin(uint64_t seed)
{
	memset(&m, 0, sizeof(m));
	disk_reset();
	disk_seed(seed);
	dirfd_ = testdir_open();
	l = NULL;
}

static void end(void)
{
	log_close(&l);
	disk_reset();
	(void)close(dirfd_);
	testdir_remove();
}

/* ---- 1: every call, at every number -------------------------------------- */

/* Batches in one segment, one over three, a seal, a removal, an idle time. */
static void workload(void)
{
	if (try_open() != 0)
		return;
	verify();
	for (uint32_t batch = 0; batch < 8; batch++) {
		for (uint32_t i = 0; i < 3; i++)
			do_append(batch == 4 ? 40000 : 100 + batch * 10 + i);
		(void)do_flush();
		do_read();
		if (batch == 2) {
			int r = log_seal(l);

			CHECK(r == 0 || r == ERR_IO || r == ERR_FULL);
		}
		if (batch == 5)
			do_remove(0);
		if (batch == 4 || batch == 6)
			while (log_idle(l) == ERR_AGAIN)
				;
		if (batch == 6) {
			do_append(50);
			do_discard();
		}
		if (log_broken(l)) {
			uint64_t lsn;
			struct log_pos pos;

			CHECK(log_append(l, 1, payload(0, 1), &lsn, &pos) == ERR_IO);
			CHECK(log_flush(l) == ERR_IO);
			log_close(&l);
			m.batch_last = m.last;
			if (try_open() != 0)
				return;
			verify();
		}
	}
}

static void sweep(enum disk_op op, int err, bool forever)
{
	bool struck = true;

	for (unsigned at = 1; struck; at++) {
		(void)snprintf(where, sizeof(where), "call %u of %s fails with %d%s", at, disk_op_name[op], err,
		    forever ? " and so on" : "");
		begin(at);
		disk_fail(op, at, err, forever);
		workload();
		struck = disk_struck();
		restart(at % 2 == 0);
		do_append(77);
		CHECK(do_flush() == 0);
		restart(true);
		end();
	}
}

static void every_call_fails(void **state)
{
	static const enum disk_op ops[] = { DISK_OPENAT, DISK_PREAD, DISK_PWRITE, DISK_FDATASYNC, DISK_FSYNC,
	    DISK_FTRUNCATE, DISK_RENAMEAT, DISK_UNLINKAT, DISK_MKDIRAT, DISK_FSTAT, DISK_CLOSE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		sweep(ops[i], EIO, false);
		sweep(ops[i], EIO, true);
	}
	sweep(DISK_OPENAT, ENOSPC, true);
	sweep(DISK_PWRITE, ENOSPC, false);
	sweep(DISK_PWRITE, ENOSPC, true);
	sweep(DISK_PWRITE, EINTR, false);
	sweep(DISK_PWRITE, 0, false);
	sweep(DISK_PREAD, EINTR, false);
	sweep(DISK_PREAD, 0, false);
	sweep(DISK_FDATASYNC, ENOSPC, false);
	sweep(DISK_RENAMEAT, ENOSPC, false);
}

static void machine_dies(void **state)
{
	bool struck = true;

	(void)state;
	for (unsigned at = 1; struck; at++) {
		(void)snprintf(where, sizeof(where), "the machine dies at call %u", at);
		begin(at);
		disk_die(at);
		workload();
		struck = disk_struck();
		restart(true);
		do_append(77);
		CHECK(do_flush() == 0);
		restart(true);
		end();
	}
}

/* ---- 2: random histories -------------------------------------------------- */

static void random_fault(void)
{
	static const enum disk_op ops[] = { DISK_PWRITE, DISK_PWRITE, DISK_FDATASYNC, DISK_FDATASYNC, DISK_FSYNC,
	    DISK_RENAMEAT, DISK_UNLINKAT, DISK_FTRUNCATE, DISK_PREAD, DISK_OPENAT };
	static const int errs[] = { EIO, EIO, ENOSPC, 0 };

	if (disk_random(3) == 0)
		disk_die(1 + disk_random(12));
	else
		disk_fail(ops[disk_random(ARRAY_LEN(ops))], 1 + disk_random(6), errs[disk_random(ARRAY_LEN(errs))],
		    disk_random(3) == 0);
}

static void random_restart(void)
{
	bool power = disk_random(3) != 0;

	/* Recovery itself fails now and then, and is cut off. */
	if (disk_random(4) == 0) {
		log_close(&l);
		m.batch_last = m.last;
		if (power)
			disk_power_cut();
		random_fault();
		if (try_open() == 0) {
			disk_heal();
			verify();
		}
		power = disk_random(2) == 0;
	}
	restart(power);
}

static void random_step(void)
{
	uint32_t n;
	int r;

	switch (disk_random(14)) {
	case 0: case 1: case 2: case 3: case 4:
		for (n = 1 + disk_random(5); n != 0; n--)
			do_append(disk_random(4) == 0 ? disk_random(60000) : disk_random(300));
		(void)do_flush();
		break;
	case 5:
		do_append(disk_random(40000));
		if (disk_random(2) == 0)
			do_discard();
		break;
	case 6:
		r = log_idle(l);
		CHECK(r == 0 || r == ERR_AGAIN || r == ERR_IO || r == ERR_FULL);
		break;
	case 7:
		if (log_pending(l) == 0) {
			r = log_seal(l);
			CHECK(r == 0 || r == ERR_IO || r == ERR_FULL);
		}
		break;
	case 8:
		do_remove(disk_random(10));
		break;
	case 9:
		do_read();
		break;
	case 10: case 11: case 12:
		random_fault();
		break;
	default:
		if (disk_random(3) == 0)
			random_restart();
		break;
	}
	if (log_broken(l))
		random_restart();
}

static unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *v = getenv(name);

	return v != NULL ? strtoul(v, NULL, 10) : otherwise;
}

static void random_histories(void **state)
{
	unsigned long n = env_number("LOG_HISTORIES", 200), seed = env_number("LOG_SEED", 1);

	(void)state;
	for (unsigned long i = 0; i < n; i++, seed++) {
		(void)snprintf(where, sizeof(where), "history LOG_SEED=%lu", seed);
		begin(seed);
		CHECK(try_open() == 0);
		for (int step = 0; step < 60; step++)
			random_step();
		restart(true);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_fails), cmocka_unit_test(machine_dies), cmocka_unit_test(random_histories),
	};

	if (getenv("TEST_LOG") == NULL)
		log_capture(swallow);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
