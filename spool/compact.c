/*
 * Compaction: the space of what was deleted comes back.
 *
 * A sealed segment never changes; it goes as a whole when nothing needs it any more. That is
 * when no body has its place in it, and both snapshots hold all that its records say.
 * So the bodies that still live in it are appended anew (OP_BODY_MOVED), snapshots
 * are made if they are older than it, and it is unlinked. A crash at any point leaves the old
 * place or the new one good, and the work is taken up by whoever plans next: nothing of it
 * is remembered.
 *
 * Bodies that nobody refers to but that a session may still read keep their place too until
 * they are reaped; they are moved with the others.
 */
#include "spool/spool_internal.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "spool/segment.h"

/* A moved body: its bytes and about that much around them. */
enum { MOVED_OVERHEAD = RECORD_HEADER + OP_HEADER_SIZE + 8 + 4 + RECORD_ALIGN };
/* An id that no body has: a record that is there for its LSN alone. */
#define NO_BODY UINT64_MAX

/* ---- what is worth it ---- */

static struct compact_pick weigh(const struct spool *s, const struct log_segment *seg, uint64_t *since_r)
{
	struct ix_segment live = spool_segment_live(s, seg->first_lsn);
	struct compact_pick p = { .first_lsn = seg->first_lsn, .last_lsn = seg->last_lsn };

	p.copy = live.live_bytes + live.live_bodies * MOVED_OVERHEAD;
	p.gain = seg->size > p.copy ? seg->size - p.copy : 0;
	*since_r = live.dead_since;
	return p;
}

size_t spool_compact_plan(const struct spool *s, unsigned percent, uint64_t dead_before_us, struct compact_pick *picks, size_t max)
{
	const struct log_segment *segs;
	size_t n, k = 0;

	segs = log_segments(s->log, &n);
	for (size_t i = 0; i + 1 < n && k < max; i++) {
		uint64_t since;
		struct compact_pick p = weigh(s, &segs[i], &since);

		if (!segs[i].sealed || p.gain == 0)
			continue;
		if (p.gain >= segs[i].size / 100 * percent || (since != 0 && since < dead_before_us))
			picks[k++] = p;
	}
	return k;
}

int spool_append_nothing(struct spool *s)
{
	struct spool_op op = { .kind = OP_BODY_MOVED, .moved = { .bodyid = NO_BODY } };
	struct spool_done done;
	int r, r2;

	if (s->in_batch)
		return ERR_STATE;
	r = spool_do(s, &op, &done, NULL);
	r2 = spool_commit(s);
	return r != 0 ? r : r2;
}

int spool_compact_seal(struct spool *s, uint64_t dead_before_us)
{
	const struct log_segment *segs;
	uint64_t since;
	size_t n;
	int r;

	if (s->in_batch)
		return ERR_STATE;
	segs = log_segments(s->log, &n);
	if (n == 0 || segs[n - 1].last_lsn == 0)
		return 0;
	(void)weigh(s, &segs[n - 1], &since);
	if (since == 0 || since >= dead_before_us)
		return 0;
	if (!segs[n - 1].sealed && (r = log_seal(s->log)) != 0)
		return r;
	/* The newest segment is never removed: there has to be another one. */
	return spool_append_nothing(s);
}

/* ---- emptying a segment ---- */

struct compaction {
	struct spool *s;
	struct log_cursor *cur;
	struct arena *arena;
	uint64_t segment;
	bool held;                      /* the record at hand is not done yet */
	struct slice payload;
	struct log_pos pos;
	uint64_t *copied;
};

int spool_compact_begin(struct spool *s, uint64_t first_lsn, struct compaction **c_r)
{
	struct compaction *c = calloc(1, sizeof(*c));
	int r = ERR_NOMEM;

	if (c == NULL)
		return r;
	c->s = s;
	c->segment = first_lsn;
	if ((c->arena = arena_new(ARENA_MAX)) != NULL)
		r = log_cursor_open(s->log, first_lsn, &c->cur);
	if (r != 0) {
		spool_compact_end(&c);
		return r;
	}
	*c_r = c;
	return 0;
}

void spool_compact_end(struct compaction **cp)
{
	struct compaction *c = *cp;

	if (c == NULL)
		return;
	log_cursor_close(&c->cur);
	arena_free(&c->arena);
	free(c);
	*cp = NULL;
}

static int move_body(struct compaction *c, uint64_t bodyid, struct slice bytes)
{
	struct spool_op op = { .kind = OP_BODY_MOVED, .moved = { .bodyid = bodyid, .bytes = bytes } };
	struct spool_done done;
	struct ix_body b;
	uint32_t off = c->pos.off + (bytes.len != 0 ? (uint32_t)(bytes.p - c->payload.p) : 0);
	int r = spool_body_get(c->s, bodyid, &b);

	if (r != 0)
		return r == ERR_NOTFOUND ? 0 : r;
	if (b.file != 0 || b.segment != c->segment || b.off != off || b.size != bytes.len)
		return 0;
	if (b.refs == 0 && (c->s->conf.pinned == NULL || !c->s->conf.pinned(c->s->conf.ctx, bodyid)))
		return 0;               /* will be reaped */
	if ((r = spool_do(c->s, &op, &done, NULL)) == 0)
		*c->copied += bytes.len + MOVED_OVERHEAD;
	return r;
}

static int move_accepted(struct compaction *c, const struct op_accept *a)
{
	return a->body.file == 0 ? move_body(c, a->body.bodyid, a->body.bytes) : 0;
}

/* The bodies that lie in a record. */
static int move_record(struct compaction *c)
{
	struct spool_op op;
	int r;

	arena_reset(c->arena);
	if ((r = spool_op_decode(c->payload, c->arena, &op)) != 0)
		return r == ERR_NOMEM || r == ERR_VERSION ? r : ERR_CORRUPT;
	switch (op.kind) {
	case OP_ACCEPT:
		return move_accepted(c, &op.accept);
	case OP_OUTCOME:
		for (uint32_t i = 0; r == 0 && i < op.outcome.notices_n; i++)
			r = move_accepted(c, &op.outcome.notices[i]);
		return r;
	case OP_APPEND:
		return op.append.body.file == 0 ? move_body(c, op.append.body.bodyid, op.append.body.bytes) : 0;
	case OP_BODY_MOVED:
		return move_body(c, op.moved.bodyid, op.moved.bytes);
	default:
		return 0;
	}
}

int spool_compact_step(struct compaction *c, size_t bytes, uint64_t *copied_r, bool *more_r)
{
	size_t seen = 0;
	int r;

	c->copied = copied_r;
	*more_r = true;
	while (seen < bytes) {
		uint64_t lsn;
		uint8_t type;

		if (!c->held) {
			r = log_cursor_next(c->cur, &lsn, &type, &c->payload, &c->pos);
			if (r == ERR_NOTFOUND) {
				*more_r = false;
				return 0;
			}
			if (r != 0)
				return r;
			seen += (size_t)record_size(c->payload.len);
			if (type != LOG_TYPE_OP)
				continue;
			c->held = true;
		}
		if ((r = move_record(c)) != 0)
			return r;
		c->held = false;
	}
	return 0;
}

/* ---- removing ---- */

static bool is_empty(const struct spool *s, const struct log_segment *seg)
{
	return seg->sealed && spool_segment_live(s, seg->first_lsn).live_bodies == 0;
}

uint64_t spool_compact_wants(const struct spool *s)
{
	const struct log_segment *segs;
	uint64_t lsn = 0;
	size_t n;

	segs = log_segments(s->log, &n);
	for (size_t i = 0; i + 1 < n; i++)
		if (is_empty(s, &segs[i]))
			lsn = segs[i].last_lsn;
	return lsn;
}

/* The oldest segment that can go, or 0. */
static uint64_t removable(const struct spool *s, uint64_t *size_r)
{
	const struct log_segment *segs;
	size_t n;

	segs = log_segments(s->log, &n);
	for (size_t i = 0; i + 1 < n && segs[i].last_lsn <= spool_snapshot_lsn(s); i++)
		if (is_empty(s, &segs[i])) {
			*size_r = segs[i].size;
			return segs[i].first_lsn;
		}
	return 0;
}

int spool_compact_remove(struct spool *s, unsigned n, uint64_t *bytes_r, bool *more_r)
{
	uint64_t first, size;
	bool any;
	int r;

	*more_r = false;
	if (s->in_batch || s->dead)
		return ERR_STATE;
	if (removable(s, &size) == 0)
		return 0;
	/* An index that went back behind the segment could only be made anew from a snapshot. */
	if ((r = spool_checkpoint(s, 0)) != 0)
		return r;
	for (unsigned i = 0; r == 0 && i < n && (first = removable(s, &size)) != 0; i++) {
		if ((r = log_remove(s->log, first)) != 0)
			break;
		*bytes_r += size;
		log_info("spool: segment %016llx removed, bytes=%llu", (unsigned long long)first, (unsigned long long)size);
	}
	*more_r = r == 0 && removable(s, &size) != 0;
	if (r == 0 && (r = engine_begin_derived(s)) == 0)
		r = engine_commit_derived(s, segs_prune(s, &any));
	return r;
}
