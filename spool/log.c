/* Appending: the batch, its flush and its undoing, sealing, removal of segments. */
#include "spool/log_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

enum {
	INODE_RESERVE = 1024,
	FULL_MS = 1000,
};

int log_segs_reserve(struct spool_log *l, size_t n)
{
	size_t cap = l->segs_cap;
	struct log_segment *p;

	if (l->segs_n + n <= cap)
		return 0;
	cap = cap * 2 + n + 16;
	p = reallocarray(l->segs, cap, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	l->segs = p;
	l->segs_cap = cap;
	return 0;
}

struct log_segment *log_seg_find(const struct spool_log *l, uint64_t first_lsn)
{
	size_t lo = 0, hi = l->segs_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->segs[mid].first_lsn < first_lsn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->segs_n && l->segs[lo].first_lsn == first_lsn ? &l->segs[lo] : NULL;
}

/* Space has just run out: no need to ask. */
static void mark_full(struct spool_log *l)
{
	l->full = true;
	l->full_at = clock_mono_ms();
}

static int parts_reserve(struct spool_log *l, size_t n)
{
	size_t cap = l->parts_cap;
	struct log_part *p;

	if (l->parts_n + n <= cap)
		return 0;
	cap = cap * 2 + n + 4;
	p = reallocarray(l->parts, cap, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	l->parts = p;
	l->parts_cap = cap;
	return 0;
}

/* Encodes a record at the end of part p; the caller has made sure of the room. */
static void part_add(struct spool_log *l, struct log_part *p, uint8_t type, struct slice payload)
{
	struct record rec = {
		.type = type,
		.lsn = l->next_lsn,
		.index = (uint32_t)(l->next_lsn - l->durable - 1),
		.prev = p->prev,
	};
	size_t size = (size_t)record_size(payload.len);

	record_encode(l->batch.p + l->batch.len, p->head.seed, &rec, payload);
	buf_commit(&l->batch, size);
	p->prev = rec.crc;
	p->used += size;
}

/* Gives the completed next segment its name and begins a part in it. */
static int part_fresh(struct spool_log *l)
{
	char name[SEGMENT_NAME];

	segment_name(l->next_lsn, name);
	if (l->sys->renameat(l->dirfd, SEGMENT_NEXT, l->dirfd, name) != 0)
		return sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	if (l->parts_n != 0) {
		part_add(l, &l->parts[l->parts_n - 1], RECORD_SEAL, slice_of(NULL, 0));
		l->parts[l->parts_n - 1].seal = true;
	}
	l->parts[l->parts_n++] = (struct log_part){
		.first = l->next_lsn, .fd = l->next.fd, .head = l->next.head,
		.off = SEGMENT_HEADER, .used = SEGMENT_HEADER, .start = l->batch.len, .fresh = true,
	};
	l->have_next = false;
	return 0;
}

static bool part_has_room(const struct log_part *p, uint64_t size)
{
	return p->used + size + RECORD_HEADER <= p->head.size;
}

int log_append(struct spool_log *l, uint8_t type, struct slice payload, uint64_t *lsn_r,
    struct log_pos *pos_r)
{
	uint64_t size = record_size(payload.len);
	bool begun = false;
	struct log_part *p;
	int r = 0;

	if (l->broken)
		return ERR_IO;
	if (type == RECORD_SEAL)
		return ERR_SYNTAX;
	if (payload.len > SEGMENT_MAX || size > l->segment_size - SEGMENT_HEADER - RECORD_HEADER)
		return ERR_LIMIT;
	if (buf_reserve(&l->batch, (size_t)size + RECORD_HEADER) == NULL) {
		r = buf_err(&l->batch);
		l->batch.err = 0;
		return r;
	}
	if (parts_reserve(l, 2) != 0 || log_segs_reserve(l, l->parts_n + 2) != 0)
		return ERR_NOMEM;
	if (l->parts_n == 0 && l->have_cur) {
		l->parts[l->parts_n++] = l->cur;
		begun = true;
	}
	if (l->parts_n == 0 || !part_has_room(&l->parts[l->parts_n - 1], size)) {
		if ((r = log_next_complete(l)) != 0 || (r = part_fresh(l)) != 0) {
			if (begun)
				l->parts_n = 0;
			if (r == ERR_FULL)
				mark_full(l);
			return r;
		}
	}
	p = &l->parts[l->parts_n - 1];
	*pos_r = (struct log_pos){
		.segment = p->first,
		.off = (uint32_t)(p->used + RECORD_HEADER),
		.len = (uint32_t)payload.len,
	};
	part_add(l, p, type, payload);
	*lsn_r = l->next_lsn++;
	return 0;
}

size_t log_pending(const struct spool_log *l)
{
	return buf_len(&l->batch);
}

/* Takes the batch back. The first `written` parts may have reached the disk. A later segment
 * goes before an earlier one is unsealed: recovery trusts that a segment with records
 * follows only a sealed one. */
static int batch_undo(struct spool_log *l, size_t written)
{
	struct log_part *p = l->parts;
	bool fresh = false;
	int r = 0;

	for (size_t i = l->parts_n; i-- != 0;) {
		char name[SEGMENT_NAME];

		if (!p[i].fresh)
			continue;
		fresh = true;
		(void)l->sys->close(p[i].fd);
		segment_name(p[i].first, name);
		if (r == 0 && l->sys->unlinkat(l->dirfd, name, 0) != 0)
			r = ERR_IO;
	}
	if (r == 0 && fresh && l->sys->fsync(l->dirfd) != 0)
		r = ERR_IO;
	if (r == 0 && written != 0 && !p[0].fresh) {
		r = segment_zero(l->sys, p[0].fd, p[0].off, p[0].used - p[0].off);
		if (r == 0 && l->sys->fdatasync(p[0].fd) != 0)
			r = ERR_IO;
	}
	l->parts_n = 0;
	l->next_lsn = l->durable + 1;
	buf_reset(&l->batch);
	if (r != 0) {
		log_error("spool log: a failed flush could not be undone, lsn=%llu: %s; restart needed",
		    (unsigned long long)l->next_lsn, err_str(r));
		l->broken = true;
	}
	return r;
}

/* Everything is on disk: makes the batch part of the log. */
static void batch_done(struct spool_log *l)
{
	for (size_t i = 0; i < l->parts_n; i++) {
		struct log_part *p = &l->parts[i];
		struct log_segment *s = p->fresh ? NULL : &l->segs[l->segs_n - 1];

		if (s == NULL) {
			s = &l->segs[l->segs_n++];
			l->stats.segments_made++;
		}
		*s = (struct log_segment){
			.first_lsn = p->first,
			.last_lsn = i + 1 < l->parts_n ? l->parts[i + 1].first - 1 : l->next_lsn - 1,
			.size = p->head.size, .used = p->used, .sealed = p->seal,
		};
		if (!p->seal)
			continue;
		/* Only space is lost when this fails; the next open cuts it. */
		if (l->sys->ftruncate(p->fd, (off_t)p->used) == 0)
			s->size = p->used;
		log_fd_put(l, p->first, p->fd);
	}
	l->cur = l->parts[l->parts_n - 1];
	l->have_cur = !l->cur.seal;
	l->cur.off = l->cur.used;
	l->cur.start = 0;
	l->cur.fresh = false;
	l->stats.flushes++;
	l->stats.records += l->next_lsn - 1 - l->durable;
	l->stats.bytes += buf_len(&l->batch);
	l->durable = l->next_lsn - 1;
	l->parts_n = 0;
	buf_consume(&l->batch, buf_len(&l->batch));
	log_make_ahead(l);
}

int log_flush(struct spool_log *l)
{
	size_t i = 0;
	bool fresh = false;
	int r = 0;

	if (l->broken)
		return ERR_IO;
	if (l->parts_n == 0)
		return 0;
	for (i = 0; i < l->parts_n; i++)
		fresh = fresh || l->parts[i].fresh;
	if (fresh && l->sys->fsync(l->dirfd) != 0)
		r = ERR_IO;
	/* In order, each durable before the next is begun. */
	for (i = 0; r == 0 && i < l->parts_n; i++) {
		const struct log_part *p = &l->parts[i];

		r = sysops_pwrite_all(l->sys, p->fd, l->batch.p + p->start, (size_t)(p->used - p->off),
		    (off_t)p->off);
		if (r == 0 && l->sys->fdatasync(p->fd) != 0)
			r = sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	}
	if (r != 0) {
		log_error("spool log: flush of %zu bytes failed: %s", buf_len(&l->batch), err_str(r));
		if (r == ERR_FULL)
			mark_full(l);
		(void)batch_undo(l, i);
		return r;
	}
	batch_done(l);
	return 0;
}

void log_discard(struct spool_log *l)
{
	if (l->parts_n != 0)
		(void)batch_undo(l, 0);
}

bool log_broken(const struct spool_log *l)
{
	return l->broken;
}

uint64_t log_last_lsn(const struct spool_log *l)
{
	return l->durable;
}

int log_seal(struct spool_log *l)
{
	int r;

	if (l->broken)
		return ERR_IO;
	if (l->parts_n != 0)
		return ERR_STATE;
	if (!l->have_cur || l->cur.used == SEGMENT_HEADER)
		return 0;
	if (buf_reserve(&l->batch, RECORD_HEADER) == NULL || (r = parts_reserve(l, 1)) != 0) {
		l->batch.err = 0;
		return ERR_NOMEM;
	}
	l->parts[l->parts_n++] = l->cur;
	part_add(l, &l->parts[0], RECORD_SEAL, slice_of(NULL, 0));
	l->parts[0].seal = true;
	return log_flush(l);
}

const struct log_segment *log_segments(const struct spool_log *l, size_t *n_r)
{
	*n_r = l->segs_n;
	return l->segs;
}

int log_remove(struct spool_log *l, uint64_t first_lsn)
{
	struct log_segment *s = log_seg_find(l, first_lsn);
	char name[SEGMENT_NAME];
	size_t i;

	if (s == NULL)
		return ERR_NOTFOUND;
	i = (size_t)(s - l->segs);
	if (!s->sealed || i + 1 == l->segs_n)
		return ERR_STATE;
	segment_name(first_lsn, name);
	log_fd_drop(l, first_lsn);
	if (l->sys->unlinkat(l->dirfd, name, 0) != 0 && errno != ENOENT)
		return ERR_IO;
	memmove(s, s + 1, (l->segs_n - i - 1) * sizeof(*s));
	l->segs_n--;
	return l->sys->fsync(l->dirfd) == 0 ? 0 : ERR_IO;
}

void log_space_changed(struct spool_log *l)
{
	l->full_at = 0;
}

bool log_full(struct spool_log *l)
{
	uint64_t now = clock_mono_ms();
	struct statvfs st;

	if (l->full_at != 0 && now - l->full_at < FULL_MS)
		return l->full;
	if (l->sys->fstatvfs(l->dirfd, &st) != 0)
		return l->full;
	l->full_at = now + (now == 0);
	l->full = (uint64_t)st.f_bavail * st.f_frsize < l->reserve ||
	    (st.f_files != 0 && st.f_favail < INODE_RESERVE);
	return l->full;
}

void log_stats(const struct spool_log *l, struct log_stats *st_r)
{
	*st_r = l->stats;
}
