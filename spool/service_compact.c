/*
 * Compaction in the background (spool/compact.c tells what it does to a segment): when it is
 * worth it, in slices of a twentieth of a second, and by the administrator's COMPACT.
 *
 * A pass goes through the stages below. What it copies joins the batch of whoever writes in
 * that turn. What fails ends the pass; the next one plans from what is there.
 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/service_internal.h"

enum {
	PICKS_MAX = 256, BAD_MAX = 16, REMOVE_STEP = 2, REAP_STEP = 256, STEPS_PER_S = 20, STEP_MS = 1000 / STEPS_PER_S,
	CHECK_MS = 10000, CHECK_FULL_MS = 1000, AFTER_FAILURE_MS = 60000, IDLE_MS = 10, IDLE_CHECK_MS = 250,
	FULL_PERCENT = 10,      /* when space is short, that much is worth it */
};

struct compact_request {
	STAILQ_ENTRY(compact_request) link;
	struct peer *peer;              /* NULL: gone */
	uint32_t id;
	bool all;
};
STAILQ_HEAD(compact_request_list, compact_request);

enum stage { STAGE_REST, STAGE_REAP, STAGE_MOVE, STAGE_SNAPSHOT, STAGE_REMOVE };

struct compactor {
	struct service *svc;
	struct loop_timer timer, idle;
	enum stage stage;
	struct compact_request_list waiting, served;
	struct compact_pick picks[PICKS_MAX];
	size_t picks_n, next;
	struct compaction *cur;
	uint64_t bad[BAD_MAX];          /* damaged segments, left alone */
	size_t bad_n;
	bool snapshots;                 /* this pass may make them */
	uint64_t removed, copied;       /* bytes of this pass */
	uint64_t total_removed, total_copied;
};

static void step(void *ctx);

static size_t slice_bytes(const struct compactor *c)
{
	return (size_t)(c->svc->conf->compact_rate * 1048576 / STEPS_PER_S);
}

static void step_in(struct compactor *c, uint64_t ms)
{
	loop_timer_set(c->svc->loop, &c->timer, ms, step, c);
}

/* ---- beginning and end of a pass ---- */

static bool is_bad(const struct compactor *c, uint64_t first_lsn)
{
	for (size_t i = 0; i < c->bad_n; i++)
		if (c->bad[i] == first_lsn)
			return true;
	return false;
}

static int by_copy(const void *a, const void *b)
{
	const struct compact_pick *x = a, *y = b;

	return (x->copy > y->copy) - (x->copy < y->copy);
}

/* Deleted mail has to be gone within delete_within: what died before this is due. */
static uint64_t due_before(const struct service *svc)
{
	uint64_t now = clock_wall_us(), keep = svc->conf->delete_within * 1000000;

	/* Half the time is for waiting, the other half for the work. */
	return now > keep / 2 ? now - keep / 2 : 0;
}

/* Leaves of the picks what this pass shall do; true when there is something. */
static bool choose(struct compactor *c, bool full, bool asked, bool overdue)
{
	struct spool *s = c->svc->spool;
	uint64_t old = spool_snapshot_lsn(s), room = spool_free_bytes(s) / 2, want = c->svc->conf->segment_size;
	uint64_t snap_bytes, gain = 0, copy = 0;
	size_t n = 0;

	(void)spool_snapshot_newest(s, &snap_bytes);
	if (want < 2 * snap_bytes)
		want = 2 * snap_bytes;
	for (size_t i = 0; i < c->picks_n; i++)
		gain += c->picks[i].last_lsn > old ? c->picks[i].gain : 0;
	/* Two snapshots are what it costs to remove a segment that is newer than those there are. */
	c->snapshots = asked || full || overdue || gain >= want;
	qsort(c->picks, c->picks_n, sizeof(c->picks[0]), by_copy);
	for (size_t i = 0; i < c->picks_n; i++) {
		const struct compact_pick p = c->picks[i];

		if (is_bad(c, p.first_lsn) || (p.last_lsn > old && !c->snapshots))
			continue;
		copy += p.copy;
		if (n == 0 || copy <= room)
			c->picks[n++] = p;
	}
	c->picks_n = n;
	return n != 0;
}

static bool plan(struct compactor *c)
{
	struct service *svc = c->svc;
	bool full = spool_full(svc->spool, false), asked = !STAILQ_EMPTY(&c->waiting), all = false, overdue;
	uint64_t percent = svc->conf->compact_percent, due = due_before(svc);
	struct compact_request *q;

	STAILQ_FOREACH(q, &c->waiting, link)
		all = all || q->all;
	if (full && percent > FULL_PERCENT)
		percent = FULL_PERCENT;
	if (all)
		due = UINT64_MAX;
	if (spool_compact_seal(svc->spool, due) != 0)
		log_warn("spool: the segment being written cannot be sealed for compaction");
	c->picks_n = spool_compact_plan(svc->spool, 101, due, c->picks, PICKS_MAX);
	overdue = c->picks_n != 0;
	c->picks_n = spool_compact_plan(svc->spool, (unsigned)percent, due, c->picks, PICKS_MAX);
	return choose(c, full, asked, overdue) || asked;
}

static void pass_begin(struct compactor *c)
{
	if (spool_is_dead(c->svc->spool) || !plan(c)) {
		step_in(c, spool_full(c->svc->spool, false) ? CHECK_FULL_MS : CHECK_MS);
		return;
	}
	STAILQ_CONCAT(&c->served, &c->waiting);
	c->next = 0;
	c->removed = c->copied = 0;
	c->stage = STAGE_REAP;
	step_in(c, 0);
}

static void pass_end(struct compactor *c, int r)
{
	uint64_t net = c->removed > c->copied ? c->removed - c->copied : 0;
	struct compact_request *q;

	spool_compact_end(&c->cur);
	spool_snapshot_cancel(c->svc->spool);
	c->total_removed += c->removed;
	c->total_copied += c->copied;
	c->stage = STAGE_REST;
	if (r != 0)
		log_warn("spool: compaction stopped: %s, removed=%llu copied=%llu", err_str(r), (unsigned long long)c->removed,
		    (unsigned long long)c->copied);
	else if (c->removed != 0)
		log_info("spool: compacted removed=%llu copied=%llu", (unsigned long long)c->removed, (unsigned long long)c->copied);
	while ((q = STAILQ_FIRST(&c->served)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->served, link);
		if (r != 0)
			(void)service_fail(c->svc, q->peer, q->id, r, r == ERR_FULL ? "there is no space left to do it in" : NULL);
		else
			(void)service_ok(c->svc, q->peer, q->id, net);
		free(q);
	}
	step_in(c, r != 0 ? AFTER_FAILURE_MS : !STAILQ_EMPTY(&c->waiting) ? 0 :
	    spool_full(c->svc->spool, false) ? CHECK_FULL_MS : CHECK_MS);
}

/* ---- the stages: 0 and the next stage, or why the pass ends ---- */

static int step_reap(struct compactor *c)
{
	bool more;
	int r = spool_reap(c->svc->spool, REAP_STEP, &more);

	if (r == 0 && !more)
		c->stage = STAGE_MOVE;
	return r;
}

/* The next segment, or the next stage. */
static int next_segment(struct compactor *c)
{
	int r;

	if (c->next == c->picks_n) {
		c->stage = STAGE_SNAPSHOT;
		return 0;
	}
	r = spool_compact_begin(c->svc->spool, c->picks[c->next++].first_lsn, &c->cur);
	return r == ERR_NOTFOUND ? 0 : r;
}

static int step_move(struct compactor *c)
{
	bool more = true;
	int r;

	if (c->cur == NULL) {
		r = next_segment(c);
		more = c->cur != NULL;
	} else {
		r = spool_compact_step(c->cur, slice_bytes(c), &c->copied, &more);
		service_batch_opened(c->svc);
	}
	if (r == ERR_CORRUPT && c->next != 0) {
		uint64_t first = c->picks[c->next - 1].first_lsn;

		log_error("spool: segment %016llx is damaged and cannot be compacted: run \"pabal spool check\"", (unsigned long long)first);
		if (c->bad_n < BAD_MAX)
			c->bad[c->bad_n++] = first;
		r = 0;
		more = false;
	}
	if (r == ERR_FULL) {
		/* What is empty by now still can go. */
		c->next = c->picks_n;
		r = 0;
		more = false;
	}
	if (!more)
		spool_compact_end(&c->cur);
	return r;
}

/* Snapshots until both hold all that the empty segments say. */
static int step_snapshot(struct compactor *c)
{
	struct spool *s = c->svc->spool;
	uint64_t bytes;
	bool more;

	if (spool_snapshot_running(s))
		return spool_snapshot_step(s, slice_bytes(c), &more);
	if (!c->snapshots || spool_compact_wants(s) <= spool_snapshot_lsn(s)) {
		c->stage = STAGE_REMOVE;
		return 0;
	}
	if (spool_snapshot_newest(s, &bytes) == spool_counters(s)->applied) {
		int r = spool_append_nothing(s);

		if (r != 0)
			return r;
	}
	return spool_snapshot_begin(s);
}

static int step_remove(struct compactor *c)
{
	bool more;
	int r = spool_compact_remove(c->svc->spool, REMOVE_STEP, &c->removed, &more);

	if (r == 0 && !more)
		pass_end(c, 0);
	return r;
}

static void step(void *ctx)
{
	struct compactor *c = ctx;
	struct spool *s = c->svc->spool;
	bool more;
	int r = 0;

	/* All but moving is done between batches. */
	if (c->stage != STAGE_MOVE || c->cur == NULL)
		service_settle(c->svc);
	if (spool_is_dead(s))
		return;
	/* While a segment is emptied those before it can go: when space is short that counts. */
	if (c->stage == STAGE_MOVE && c->cur == NULL)
		r = spool_compact_remove(s, REMOVE_STEP, &c->removed, &more);
	if (c->stage == STAGE_REST) {
		pass_begin(c);
		return;
	}
	if (r == 0 && c->stage == STAGE_REAP)
		r = step_reap(c);
	else if (r == 0 && c->stage == STAGE_MOVE)
		r = step_move(c);
	else if (r == 0 && c->stage == STAGE_SNAPSHOT)
		r = step_snapshot(c);
	else if (r == 0)
		r = step_remove(c);
	if (r != 0)
		pass_end(c, r);
	else if (c->stage != STAGE_REST)
		step_in(c, c->cur != NULL || spool_snapshot_running(s) ? STEP_MS : 0);
}

/* ---- the next segment, made while there is time ---- */

static void idle(void *ctx)
{
	struct compactor *c = ctx;

	loop_timer_set(c->svc->loop, &c->idle, log_idle(spool_log_of(c->svc->spool)) == ERR_AGAIN ? IDLE_MS : IDLE_CHECK_MS, idle, c);
}

/* ---- for the service ---- */

int request_compact(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct compactor *c = svc->compactor;
	struct compact_request *q;
	struct spool_compact in;

	REQUEST_DECODE(svc, p, m, spool_compact, &in);
	if ((q = calloc(1, sizeof(*q))) == NULL) {
		(void)service_fail(svc, p, m->id, ERR_NOMEM, NULL);
		return 0;
	}
	*q = (struct compact_request){ .peer = p, .id = m->id, .all = in.all != 0 };
	STAILQ_INSERT_TAIL(&c->waiting, q, link);
	if (c->stage == STAGE_REST)
		step_in(c, 0);
	return 0;
}

static void forget_peer(struct compact_request_list *l, const struct peer *p)
{
	struct compact_request *q;

	STAILQ_FOREACH(q, l, link)
		if (q->peer == p)
			q->peer = NULL;
}

void compact_peer_gone(struct service *svc, const struct peer *p)
{
	if (svc->compactor == NULL)
		return;
	forget_peer(&svc->compactor->waiting, p);
	forget_peer(&svc->compactor->served, p);
}

void compact_stats(const struct service *svc, uint64_t *removed_r, uint64_t *copied_r)
{
	*removed_r = svc->compactor->total_removed;
	*copied_r = svc->compactor->total_copied;
}

int compact_start(struct service *svc)
{
	struct compactor *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ERR_NOMEM;
	c->svc = svc;
	STAILQ_INIT(&c->waiting);
	STAILQ_INIT(&c->served);
	svc->compactor = c;
	step_in(c, CHECK_MS);
	idle(c);
	return 0;
}

static void free_requests(struct compact_request_list *l)
{
	struct compact_request *q;

	while ((q = STAILQ_FIRST(l)) != NULL) {
		STAILQ_REMOVE_HEAD(l, link);
		free(q);
	}
}

void compact_stop(struct service *svc)
{
	struct compactor *c = svc->compactor;

	if (c == NULL)
		return;
	loop_timer_del(svc->loop, &c->timer);
	loop_timer_del(svc->loop, &c->idle);
	spool_compact_end(&c->cur);
	spool_snapshot_cancel(svc->spool);
	free_requests(&c->waiting);
	free_requests(&c->served);
	free(c);
	svc->compactor = NULL;
}
