/* Batches: spool_do(), spool_commit(), spool_abort(). Opening and replay are in engine_open.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/spool_internal.h"

int ix_decode_value(struct slice val, struct arena *a, void *m_r, int (*decode)(struct cursor *, struct arena *, void *))
{
	struct cursor c = cursor_of(val);
	int r = decode(&c, a, m_r);

	if (r == 0)
		r = cur_end(&c);
	return r == 0 || r == ERR_NOMEM ? r : ERR_CORRUPT;
}

int ix_get_value(struct spool *s, enum index_table t, struct slice key, struct arena *a, void *m_r,
    int (*decode)(struct cursor *, struct arena *, void *))
{
	struct slice val;
	int r = index_get(s->ix, t, key, a, &val);

	return r != 0 ? r : ix_decode_value(val, a, m_r, decode);
}

int engine_damaged_path(const struct spool *s, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/damaged", s->home);

	return n > 0 && n < PATH_MAX ? 0 : ERR_LIMIT;
}

/*
 * The environment is of no use any more. Mostly it is a damaged page, which recovery does not mend: then the next
 * start is told to make the index anew. A full disk can do it too, and a new index needs space: there recovery is tried.
 */
static void index_broken(struct spool *s)
{
	char path[PATH_MAX];
	int fd;

	s->dead = true;
	if (s->log == NULL || log_full(s->log) || engine_damaged_path(s, path) != 0)
		return;
	fd = s->sys->openat(s->conf.dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		(void)s->sys->close(fd);
	log_error("spool: the index is damaged; it is made anew from the log at the next start");
}

static int batch_open(struct spool *s)
{
	int r;

	if (s->dead)
		return ERR_IO;
	if (s->in_batch)
		return s->batch_err;
	if ((r = index_begin(s->ix)) == ERR_CORRUPT)
		index_broken(s);
	if (r != 0)
		return r;
	s->in_batch = true;
	s->batch_err = 0;
	s->saved = s->n;
	return 0;
}

/* From the record's own bytes, as a replay would, which alone reads the rows once more. */
static int apply_record(struct spool *s, uint64_t lsn, const struct log_pos *pos, struct change_list *changes)
{
	struct apply ap = { .s = s, .lsn = lsn, .pos = *pos, .payload = buf_slice(&s->enc), .changes = changes };
	struct spool_op op;
	int r;

	if ((r = spool_op_decode(ap.payload, s->arena, &op)) != 0)
		return r == ERR_NOMEM ? r : ERR_CORRUPT;
	ap.time_us = op.time_us;
	if ((r = apply_op(&ap, &op)) != 0)
		return r;
	s->n.applied = lsn;
	return 0;
}

int spool_do_inner(struct spool *s, struct spool_op *op, struct spool_done *res_r, struct change_list *changes)
{
	struct log_pos pos;
	uint64_t lsn;
	int r;

	memset(res_r, 0, sizeof(*res_r));
	op->time_us = clock_wall_us();
	buf_reset(&s->picked);
	if ((r = prepare_op(s, op, res_r)) != 0)
		return r == 1 ? 0 : r;          /* 1: there is nothing to change */
	if ((r = buf_err(&s->picked)) != 0)
		return r;
	buf_reset(&s->enc);
	if ((r = spool_op_encode(&s->enc, op)) != 0)
		return r;
	if ((r = log_append(s->log, LOG_TYPE_OP, buf_slice(&s->enc), &lsn, &pos)) != 0)
		return r;
	/* From here on there is no way back but that of the whole batch. */
	r = apply_record(s, lsn, &pos, changes);
	buf_reset(&s->picked);
	if (r != 0) {
		log_error("spool: %s cannot be applied: %s", spool_op_name(op->kind), err_str(r));
		s->batch_err = r;
	}
	if (s->enc.cap > 4 * SPOOL_BODY_MAX)
		buf_free(&s->enc);
	return r;
}

int spool_do(struct spool *s, struct spool_op *op, struct spool_done *res_r, struct change_list *changes)
{
	int r = batch_open(s);

	arena_reset(s->arena);
	return r != 0 ? r : spool_do_inner(s, op, res_r, changes);
}

bool spool_in_batch(const struct spool *s)
{
	return s->in_batch;
}

size_t spool_pending(const struct spool *s)
{
	return log_pending(s->log);
}

bool spool_is_dead(const struct spool *s)
{
	return s->dead || log_broken(s->log);
}

static void undo(struct spool *s)
{
	int r;

	index_abort(s->ix);
	spool_due_seen(s, 0, 0);
	s->in_batch = false;
	s->n = s->saved;
	/* A log that could not be mended may have kept a part of the batch: only recovery will tell. */
	if ((r = segs_load(s)) == ERR_CORRUPT)
		index_broken(s);
	if (r != 0 || (s->log != NULL && log_broken(s->log)))
		s->dead = true;
}

void spool_abort(struct spool *s)
{
	if (!s->in_batch)
		return;
	log_discard(s->log);
	undo(s);
}

/* What the index's transaction still lacks: the counters with the LSN applied, and the segments' accounts. */
static int store_state(struct spool *s)
{
	struct slice key = SLICE_LIT("counters");
	int r;

	if ((r = segs_store(s)) != 0)
		return r;
	buf_reset(&s->val);
	ix_counters_encode(&s->val, &s->n);
	return index_put(s->ix, IX_META, key, buf_slice(&s->val));
}

int spool_commit(struct spool *s)
{
	int r;

	if (!s->in_batch)
		return s->dead ? ERR_IO : 0;
	if ((r = s->batch_err) != 0 || (r = store_state(s)) != 0) {
		spool_abort(s);
		return r;
	}
	index_beside_begin(s->ix);
	r = log_flush(s->log);
	index_beside_end(s->ix);
	if (r != 0) {
		undo(s);
		return r;
	}
	s->in_batch = false;
	if ((r = index_commit(s->ix)) != 0) {
		/* It is in the log and not in the index: only a new start brings them together. */
		s->dead = true;
		log_error("spool: the index cannot be committed: %s", err_str(r));
		return ERR_CORRUPT;
	}
	return 0;
}

/* ---- what needs no record: derived from the log, or free of meaning ---- */

/* Commits a change of the index alone (reaping, cleaning). The LSN applied stays what it was. */
int engine_commit_derived(struct spool *s, int r)
{
	if (r != 0 || (r = store_state(s)) != 0) {
		undo(s);
		return r;
	}
	s->in_batch = false;
	if ((r = index_commit(s->ix)) != 0)
		s->dead = true;
	return r;
}

int engine_begin_derived(struct spool *s)
{
	if (s->in_batch)
		return ERR_STATE;
	return batch_open(s);
}

int spool_checkpoint(struct spool *s, unsigned kbytes)
{
	int r;

	if (s->in_batch)
		return ERR_STATE;
	r = kbytes == 0 ? index_checkpoint(s->ix) : index_checkpoint_start(s->ix, kbytes);
	if (r == ERR_CORRUPT)
		index_broken(s);
	return r;
}

int spool_settle(struct spool *s, size_t n, bool *more_r)
{
	int r;

	*more_r = false;
	if (s->in_batch || s->dead)
		return ERR_STATE;
	r = index_settle(s->ix, n, more_r);
	if (r == ERR_CORRUPT)
		index_broken(s);
	return r;
}

bool spool_settling(const struct spool *s)
{
	return index_settling(s->ix);
}

const struct ix_counters *spool_counters(const struct spool *s)
{
	return &s->n;
}

struct spool_log *spool_log_of(struct spool *s)
{
	return s->log;
}

const struct bodyfiles *spool_bodyfiles(const struct spool *s)
{
	return &s->files;
}

bool spool_full(struct spool *s, bool file)
{
	if (file)
		log_space_changed(s->log);
	return log_full(s->log);
}

uint64_t spool_free_bytes(struct spool *s)
{
	struct statvfs st;

	if (s->sys->fstatvfs(s->conf.dirfd, &st) != 0)
		return 0;
	return (uint64_t)st.f_bavail * st.f_frsize;
}
