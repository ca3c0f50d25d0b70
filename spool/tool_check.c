/*
 * pabal spool check: the log and the snapshots are read through, the index is made once
 * more beside the one there is, and the two are compared; the bodies are looked for.
 */
#include "spool/tool_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/crc32c.h"

#define FRESH_HOME "index.check"
enum { READ_SIZE = 256 * 1024, SNAPSHOTS_MAX = 8 };

struct check {
	struct tool_voice v;
	const struct spool_conf *conf;
	struct spool *fresh, *live;     /* live NULL: there is none that could be used */
	struct replay fresh_replay, live_replay;
	bool fresh_lost, live_lost;     /* a record did not fit: nothing more is applied */
	struct tool_segments segs;
	struct arena *arena;
};

/* ---- the two indexes ---- */

static int open_live(struct check *c)
{
	int r;

	if (faccessat(c->conf->dirfd, "index", F_OK, 0) != 0) {
		tool_note(&c->v, "there is no index: the next start makes it");
		return 0;
	}
	r = engine_open_index(&c->live, c->conf);
	if (r == ERR_CORRUPT) {
		tool_fault(&c->v, "the index cannot be opened: \"pabal spool rebuild\" makes it anew");
		return 0;
	}
	return r;
}

static int open_fresh(struct check *c)
{
	struct spool_conf conf = *c->conf;

	engine_remove_index(conf.dirfd, FRESH_HOME);
	conf.index_home = FRESH_HOME;
	return engine_open_index(&c->fresh, &conf);
}

/* Verifies all snapshots and loads the newest that is whole. */
static int load_snapshot(struct check *c)
{
	uint64_t lsns[SNAPSHOTS_MAX], entries, newest = 0;
	size_t n;
	int r = snapshot_find(c->fresh, lsns, ARRAY_LEN(lsns), &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		c->v.t->snapshots++;
		r = snapshot_verify(c->fresh, lsns[i], &entries);
		if (r == 0 && newest == 0)
			newest = lsns[i];
		if (r != ERR_CORRUPT && r != ERR_VERSION)
			continue;
		tool_fault(&c->v, r == ERR_CORRUPT ? "snapshot %016llx is damaged" : "snapshot %016llx has a format that is not known to this program",
		    (unsigned long long)lsns[i]);
		r = 0;
	}
	if (r != 0 || newest == 0)
		return r;
	if ((r = snapshot_load(c->fresh, newest)) == 0)
		r = engine_load_counters(c->fresh);
	if (r == ERR_CORRUPT) {
		tool_fault(&c->v, "snapshot %016llx cannot be loaded", (unsigned long long)newest);
		c->fresh_lost = true;
		r = 0;
	}
	return r;
}

/* ---- the log ---- */

static int apply_to(struct check *c, struct replay *rp, bool *lost, const char *what, uint64_t lsn, uint8_t type,
    struct slice payload, const struct log_pos *pos)
{
	int r;

	if (*lost || lsn <= rp->s->n.applied)
		return 0;
	r = engine_replay_record(rp, lsn, type, payload, pos);
	if (r != ERR_CORRUPT && r != ERR_VERSION)
		return r;
	*lost = true;
	if (rp->s->in_batch)
		(void)engine_commit_derived(rp->s, r);
	if (r == ERR_VERSION)
		tool_fault(&c->v, "segment %016llx, LSN %llu: a change of a kind that is not known to this program",
		    (unsigned long long)pos->segment, (unsigned long long)lsn);
	else if (lsn != rp->s->n.applied + 1)
		tool_fault(&c->v, "the records from LSN %llu to %llu are missing, and no snapshot holds them", (unsigned long long)rp->s->n.applied + 1,
		    (unsigned long long)lsn - 1);
	else
		tool_fault(&c->v, "segment %016llx, LSN %llu (%s) does not fit %s", (unsigned long long)pos->segment, (unsigned long long)lsn,
		    payload.len > 1 ? spool_op_name(payload.p[1]) : "empty", what);
	return 0;
}

static int record(void *ctx, uint64_t lsn, uint8_t type, struct slice payload, const struct log_pos *pos)
{
	struct check *c = ctx;
	int r = apply_to(c, &c->fresh_replay, &c->fresh_lost, "what came before it", lsn, type, payload, pos);

	if (r == 0 && c->live != NULL)
		r = apply_to(c, &c->live_replay, &c->live_lost, "the index", lsn, type, payload, pos);
	return r;
}

static void say_through(void *ctx, bool note, const char *text)
{
	struct check *c = ctx;

	c->v.say(c->v.ctx, note, text);
}

static int read_log(struct check *c)
{
	int r;

	c->fresh_replay = (struct replay){ .s = c->fresh };
	c->live_replay = (struct replay){ .s = c->live };
	r = tool_walk_segments(c->conf->dirfd, 1, record, say_through, c, c->v.t, &c->segs);
	if (r == 0)
		r = engine_replay_commit(&c->fresh_replay);
	if (r == 0 && c->live != NULL)
		r = engine_replay_commit(&c->live_replay);
	return r;
}

/* ---- bodies ---- */

static int check_file(struct check *c, const struct bodyfiles *files, uint64_t id, const struct ix_body *b)
{
	uint8_t *p = malloc(READ_SIZE);
	uint64_t size, off = 0;
	uint32_t crc = 0;
	int r = p != NULL ? bodyfile_size(files, b->file, &size) : ERR_NOMEM;

	c->v.t->body_files++;
	if (r == ERR_NOTFOUND)
		tool_fault(&c->v, "body %llu: its file %016llx is missing", (unsigned long long)id, (unsigned long long)b->file);
	else if (r == 0 && size != b->size)
		tool_fault(&c->v, "body %llu: its file %016llx has %llu bytes instead of %llu", (unsigned long long)id,
		    (unsigned long long)b->file, (unsigned long long)size, (unsigned long long)b->size);
	else {
		while (r == 0 && off < b->size) {
			size_t n = b->size - off < READ_SIZE ? (size_t)(b->size - off) : READ_SIZE;

			if ((r = bodyfile_read(files, b->file, off, n, p)) == 0)
				crc = crc32c(crc, p, n);
			off += n;
		}
		if (r == 0 && crc != b->crc)
			tool_fault(&c->v, "body %llu: the content of its file %016llx is damaged", (unsigned long long)id, (unsigned long long)b->file);
	}
	free(p);
	return r == ERR_NOTFOUND || r == ERR_CORRUPT ? 0 : r;
}

struct body_scan {
	struct check *c;
	struct bodyfiles files;
};

static int body(void *ctx, struct slice key, struct slice val)
{
	struct body_scan *bs = ctx;
	struct check *c = bs->c;
	const struct tool_segment *seg;
	struct ix_body b;
	uint64_t id;
	int r;

	arena_reset(c->arena);
	if (key.len != 8)
		return ERR_CORRUPT;
	id = get_be64(key.p);
	if ((r = IX_DECODE(val, ix_body, c->arena, &b)) != 0 || b.refs == 0)
		return r;
	c->v.t->bodies++;
	if (b.file != 0)
		return check_file(c, &bs->files, id, &b);
	seg = tool_segment_find(&c->segs, b.segment);
	if (seg == NULL)
		tool_fault(&c->v, "body %llu: its segment %016llx is missing", (unsigned long long)id, (unsigned long long)b.segment);
	else if (b.off + b.size > seg->used)
		tool_fault(&c->v, "body %llu: it lies behind what could be read of segment %016llx", (unsigned long long)id,
		    (unsigned long long)b.segment);
	return 0;
}

static int check_bodies(struct check *c)
{
	struct body_scan bs = { .c = c };
	int r;

	if ((r = bodyfiles_open(&bs.files, NULL, c->conf->dirfd)) != 0)
		return r;
	r = index_scan(c->fresh->ix, IX_BODY, slice_of(NULL, 0), slice_of(NULL, 0), 0, body, &bs);
	bodyfiles_close(&bs.files);
	return r;
}

/* ---- the whole ---- */

/* When bodies without a reference are reaped is nowhere recorded: in both, now. */
static int reap_all(struct spool *s)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more)
		r = spool_reap(s, UINT32_MAX, &more);
	return r;
}

static int compare(struct check *c)
{
	int r;

	if (c->fresh_lost)
		return 0;
	/* What was deleted may have lost its bodies, also where there is nothing to compare with. */
	if ((r = reap_all(c->fresh)) != 0)
		return r;
	if (c->live == NULL || c->live_lost)
		return 0;
	if (c->live->n.applied != c->fresh->n.applied) {
		tool_fault(&c->v, "the index knows the log up to LSN %llu, but what could be read of it ends with %llu",
		    (unsigned long long)c->live->n.applied, (unsigned long long)c->fresh->n.applied);
		return 0;
	}
	if ((r = reap_all(c->live)) == 0)
		r = tool_compare(c->fresh, c->live, &c->segs, &c->v);
	return r;
}

int tool_check(const struct spool_conf *conf, tool_say_fn *say, void *ctx, struct tool_totals *t_r)
{
	struct check c = { .v = { say, ctx, t_r }, .conf = conf };
	int r;

	memset(t_r, 0, sizeof(*t_r));
	r = (c.arena = arena_new(ARENA_MAX)) != NULL ? open_fresh(&c) : ERR_NOMEM;
	if (r == 0)
		r = open_live(&c);
	if (r == 0)
		r = load_snapshot(&c);
	if (r == 0)
		r = read_log(&c);
	if (r == 0)
		r = compare(&c);
	if (r == 0 && !c.fresh_lost)
		r = check_bodies(&c);
	spool_close(&c.live, r == 0);
	spool_close(&c.fresh, false);
	engine_remove_index(conf->dirfd, FRESH_HOME);
	free(c.segs.v);
	arena_free(&c.arena);
	return r;
}
