/* Bodies: where they are, who refers to them, what of a segment is still alive. */
#include <bsd/stdlib.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "spool/spool_internal.h"

/* ---- segments' accounts, in memory, written with each commit ---- */

static struct seg_live *seg_find(struct spool *s, uint64_t first_lsn, bool add)
{
	size_t lo = 0, hi = s->segs_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->segs[mid].first_lsn < first_lsn)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < s->segs_n && s->segs[lo].first_lsn == first_lsn)
		return &s->segs[lo];
	if (!add)
		return NULL;
	if (s->segs_n == s->segs_cap) {
		size_t cap = s->segs_cap != 0 ? s->segs_cap * 2 : 64;
		struct seg_live *p = reallocarray(s->segs, cap, sizeof(*p));

		if (p == NULL)
			return NULL;
		s->segs = p;
		s->segs_cap = cap;
	}
	memmove(&s->segs[lo + 1], &s->segs[lo], (s->segs_n - lo) * sizeof(*s->segs));
	s->segs_n++;
	s->segs[lo] = (struct seg_live){ .first_lsn = first_lsn };
	return &s->segs[lo];
}

static int seg_account(struct spool *s, uint64_t first_lsn, int64_t bytes, int64_t bodies)
{
	struct seg_live *g = seg_find(s, first_lsn, bodies > 0);

	if (g == NULL)
		return bodies < 0 ? 0 : ERR_NOMEM;
	/* What leaves a segment that is gone (the index is anew from before that) is not counted. */
	if (bodies < 0 && (g->live.live_bodies == 0 || g->live.live_bytes < (uint64_t)-bytes))
		return 0;
	g->live.live_bytes += (uint64_t)bytes;
	g->live.live_bodies += (uint64_t)bodies;
	g->dirty = true;
	return 0;
}

static int seg_loaded(void *ctx, struct slice key, struct slice val)
{
	struct spool *s = ctx;
	struct seg_live *g;

	if (key.len != 8)
		return ERR_CORRUPT;
	if ((g = seg_find(s, get_be64(key.p), true)) == NULL)
		return ERR_NOMEM;
	return IX_DECODE(val, ix_segment, NULL, &g->live);
}

int segs_load(struct spool *s)
{
	s->segs_n = 0;
	return index_scan(s->ix, IX_SEGMENT, slice_of(NULL, 0), slice_of(NULL, 0), 0, seg_loaded, s);
}

int segs_store(struct spool *s)
{
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < s->segs_n; i++) {
		struct seg_live *g = &s->segs[i];
		struct ix_key k = key_u64(g->first_lsn);

		if (g->dirty && g->live.live_bodies == 0 && g->live.dead_since == 0) {
			r = index_del(s->ix, IX_SEGMENT, key_slice(&k));
			if (r != 0 && r != ERR_NOTFOUND)
				return r;
			continue;
		}
		if (g->dirty && (r = IX_PUT(s, IX_SEGMENT, &k, ix_segment, &g->live)) != 0)
			return r;
		g->dirty = false;
		s->segs[kept++] = *g;
	}
	s->segs_n = kept;
	return 0;
}

int segs_prune(struct spool *s, bool *any_r)
{
	const struct log_segment *seg;
	size_t n, k = 0;

	*any_r = false;
	seg = log_segments(s->log, &n);
	for (size_t i = 0; i < s->segs_n; i++) {
		struct seg_live *g = &s->segs[i];

		while (k < n && seg[k].first_lsn < g->first_lsn)
			k++;
		if (k < n && seg[k].first_lsn == g->first_lsn)
			continue;
		g->live = (struct ix_segment){ 0 };
		g->dirty = *any_r = true;
	}
	return 0;
}

struct ix_segment spool_segment_live(const struct spool *s, uint64_t first_lsn)
{
	struct seg_live *g = seg_find((struct spool *)(uintptr_t)s, first_lsn, false);

	return g != NULL ? g->live : (struct ix_segment){ 0 };
}

/* ---- bodies ---- */

int body_add(struct apply *ap, const struct op_body *b, uint32_t refs)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(b->bodyid);
	struct ix_body ib = { .size = b->size, .relay_off = b->relay_off, .flags = b->flags, .lines = b->lines,
		.file = b->file, .crc = b->crc, .refs = refs };
	int r;

	if (b->bodyid <= s->n.last_id)
		return ERR_CORRUPT;
	s->n.last_id = b->bodyid;
	if (b->file != 0) {
		struct ix_key fk = key_u64(b->file);

		if ((r = index_put(s->ix, IX_FILE, key_slice(&fk), key_slice(&k))) != 0)
			return r;
	} else {
		if (b->bytes.len != b->size)
			return ERR_CORRUPT;
		ib.segment = ap->pos.segment;
		ib.off = ap->pos.off + (b->size != 0 ? (uint32_t)(b->bytes.p - ap->payload.p) : 0);
		if ((r = seg_account(s, ib.segment, (int64_t)b->size, 1)) != 0)
			return r;
	}
	s->n.bodies++;
	s->n.body_bytes += b->size;
	return IX_PUT_NEW(s, IX_BODY, &k, ix_body, &ib);
}

/* The segment holds something deleted, from now on. */
static void seg_died(struct apply *ap, uint64_t first_lsn)
{
	struct seg_live *g = seg_find(ap->s, first_lsn, false);

	/* Deleted mailboxes are reaped later than they were deleted: the order must not matter. */
	if (g == NULL || (g->live.dead_since != 0 && g->live.dead_since <= ap->time_us))
		return;
	g->live.dead_since = ap->time_us;
	g->dirty = true;
}

int body_ref(struct apply *ap, uint64_t bodyid, int delta)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(bodyid);
	struct ix_body ib;
	int r;

	if (delta == 0)
		return 0;
	if ((r = spool_body_get(s, bodyid, &ib)) != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	if (ib.refs == 0 || (delta < 0 && ib.refs < (uint32_t)-delta))
		return ERR_CORRUPT;
	ib.refs += (uint32_t)delta;
	if (ib.refs == 0) {
		s->n.dead++;
		if (ib.file == 0)
			seg_died(ap, ib.segment);
		if ((r = index_put(s->ix, IX_DEAD, key_slice(&k), slice_of(NULL, 0))) != 0)
			return r;
	}
	return IX_PUT(s, IX_BODY, &k, ix_body, &ib);
}

int body_put_summary(struct apply *ap, uint64_t bodyid, struct slice cached)
{
	struct ix_key k = key_u64(bodyid);

	return cached.len != 0 ? index_put(ap->s->ix, IX_SUMMARY, key_slice(&k), cached) : 0;
}

int apply_moved(struct apply *ap, const struct op_moved *op)
{
	struct spool *s = ap->s;
	struct ix_key k = key_u64(op->bodyid);
	struct ix_body ib;
	int r = spool_body_get(s, op->bodyid, &ib);

	if (r == ERR_NOTFOUND)
		return 0;               /* reaped since */
	if (r != 0)
		return r;
	if (ib.file != 0 || ib.size != op->bytes.len)
		return ERR_CORRUPT;
	if ((r = seg_account(s, ib.segment, -(int64_t)ib.size, -1)) != 0)
		return r;
	ib.segment = ap->pos.segment;
	ib.off = ap->pos.off + (ib.size != 0 ? (uint32_t)(op->bytes.p - ap->payload.p) : 0);
	if ((r = seg_account(s, ib.segment, (int64_t)ib.size, 1)) != 0)
		return r;
	if (ib.refs == 0)
		seg_died(ap, ib.segment);
	return IX_PUT(s, IX_BODY, &k, ix_body, &ib);
}

int spool_body_get(struct spool *s, uint64_t bodyid, struct ix_body *b_r)
{
	struct ix_key k = key_u64(bodyid);
	struct slice val;
	int r = index_peek(s->ix, IX_BODY, key_slice(&k), &val);

	return r != 0 ? r : IX_DECODE(val, ix_body, NULL, b_r);
}

int spool_body_read(struct spool *s, const struct ix_body *b, uint64_t off, uint32_t len, uint8_t *dst)
{
	struct log_pos pos = { .segment = b->segment, .off = b->off, .len = (uint32_t)b->size };

	if (off > b->size || len > b->size - off)
		return ERR_LIMIT;
	if (len == 0)
		return 0;
	if (b->file != 0)
		return bodyfile_read(&s->files, b->file, off, len, dst);
	return log_read(s->log, &pos, (uint32_t)off, len, dst);
}

bool spool_file_used(struct spool *s, uint64_t file)
{
	struct ix_key k = key_u64(file);

	return index_find(s->ix, IX_FILE, key_slice(&k)) != ERR_NOTFOUND;
}

int spool_summary(struct spool *s, uint64_t bodyid, struct arena *a, struct slice *sum_r)
{
	struct ix_key k = key_u64(bodyid);

	return index_get(s->ix, IX_SUMMARY, key_slice(&k), a, sum_r);
}

/* Neighbours are read together as long as not too many of others lie between them. */
enum { SUMMARIES_READ = 32 * 1024, SUMMARIES_FEW = 4, SKIP_FREE = 32, SKIP_PER_HIT = 8 };

struct summaries {
	const uint64_t *ids;
	uint32_t n, i;
	uint32_t hits, skipped;
	spool_summary_fn *fn;
	void *ctx;
	int r;                  /* what fn returned */
};

static bool summaries_tell(struct summaries *q, struct slice sum)
{
	q->r = q->fn(q->ctx, q->i, sum);
	q->i++;
	return q->r == 0;
}

/* 1: it is over here; on from q->i, if that is not the end. */
static int summaries_scanned(void *ctx, struct slice key, struct slice val)
{
	struct summaries *q = ctx;
	uint64_t id;

	if (key.len != 8)
		return ERR_CORRUPT;
	id = get_be64(key.p);
	while (q->ids[q->i] < id) {
		if (!summaries_tell(q, slice_of(NULL, 0)) || q->i == q->n || q->ids[q->i] <= q->ids[q->i - 1])
			return 1;
	}
	if (q->ids[q->i] > id)
		return ++q->skipped > SKIP_FREE + SKIP_PER_HIT * q->hits ? 1 : 0;
	q->hits++;
	return !summaries_tell(q, val) || q->i == q->n || q->ids[q->i] <= id ? 1 : 0;
}

static int summaries_one(struct spool *s, struct summaries *q)
{
	struct ix_key k = key_u64(q->ids[q->i]);
	struct slice val;
	int r = index_peek(s->ix, IX_SUMMARY, key_slice(&k), &val);

	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	(void)summaries_tell(q, r == 0 ? val : slice_of(NULL, 0));
	return 0;
}

int spool_summaries(struct spool *s, const uint64_t *bodyids, uint32_t n, spool_summary_fn *fn, void *ctx)
{
	struct summaries q = { .ids = bodyids, .n = n, .fn = fn, .ctx = ctx };
	bool near = n >= SUMMARIES_FEW;
	int r = 0;

	while (r >= 0 && q.r == 0 && q.i < n) {
		struct ix_key from = key_u64(bodyids[q.i]);
		uint32_t before = q.i;

		if (!near) {
			r = summaries_one(s, &q);
			continue;
		}
		r = index_scan(s->ix, IX_SUMMARY, slice_of(NULL, 0), key_slice(&from), SUMMARIES_READ, summaries_scanned, &q);
		near = r == 1 && q.i - before >= SUMMARIES_FEW && q.skipped <= SKIP_FREE + SKIP_PER_HIT * q.hits;
	}
	return r < 0 ? r : q.r;
}

/* ---- reaping: bodies nobody refers to. No record: it follows from the records there are ---- */

enum { REAP_MAX = 256 };
struct reap {
	struct spool *s;
	uint64_t ids[REAP_MAX];
	unsigned n, max, seen;
};

static int reap_collect(void *ctx, struct slice key, struct slice val)
{
	struct reap *rp = ctx;
	uint64_t id;

	(void)val;
	if (key.len != 8)
		return ERR_CORRUPT;
	id = get_be64(key.p);
	if (rp->s->conf.pinned == NULL || !rp->s->conf.pinned(rp->s->conf.ctx, id))
		rp->ids[rp->n++] = id;
	return rp->n == rp->max || ++rp->seen > 16 * REAP_MAX ? 1 : 0;
}

static int reap_one(struct spool *s, uint64_t id, uint64_t *file_r)
{
	struct ix_key k = key_u64(id), fk;
	struct ix_body b;
	int r;

	if ((r = index_del(s->ix, IX_DEAD, key_slice(&k))) != 0 || (r = spool_body_get(s, id, &b)) != 0 ||
	    (r = index_del(s->ix, IX_BODY, key_slice(&k))) != 0)
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	r = index_del(s->ix, IX_SUMMARY, key_slice(&k));
	if (r != 0 && r != ERR_NOTFOUND)
		return r;
	s->n.bodies--;
	s->n.body_bytes -= b.size;
	s->n.dead--;
	*file_r = b.file;
	if (b.file == 0)
		return seg_account(s, b.segment, -(int64_t)b.size, -1);
	fk = key_u64(b.file);
	r = index_del(s->ix, IX_FILE, key_slice(&fk));
	return r == ERR_NOTFOUND ? 0 : r;
}

static int reap_bodies(struct spool *s, unsigned n, bool *more_r)
{
	struct reap rp = { .s = s, .max = n < REAP_MAX ? n : REAP_MAX };
	uint64_t files[REAP_MAX];
	int r;

	if (s->n.dead == 0)
		return 0;
	r = index_scan(s->ix, IX_DEAD, slice_of(NULL, 0), slice_of(NULL, 0), 0, reap_collect, &rp);
	if (r < 0 || rp.n == 0)
		return r < 0 ? r : 0;
	if ((r = engine_begin_derived(s)) != 0)
		return r;
	for (unsigned i = 0; r == 0 && i < rp.n; i++)
		r = reap_one(s, rp.ids[i], &files[i]);
	if ((r = engine_commit_derived(s, r)) != 0)
		return r;
	/* After the log is durable that let go of them; a crash in between leaves orphans for the sweep. */
	for (unsigned i = 0; i < rp.n; i++)
		if (files[i] != 0 && s->files.fd >= 0 && (r = bodyfile_unlink(&s->files, files[i])) != 0 && r != ERR_NOTFOUND)
			log_warn("spool: body file %016llx stays: %s", (unsigned long long)files[i], err_str(r));
	*more_r |= rp.n == rp.max;
	return 0;
}

int spool_reap(struct spool *s, unsigned n, bool *more_r)
{
	int r;

	*more_r = false;
	if (s->in_batch)
		return ERR_STATE;
	r = doomed_reap(s, n < REAP_MAX ? n : REAP_MAX, more_r);
	return r != 0 ? r : reap_bodies(s, n, more_r);
}
