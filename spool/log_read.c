/* Reading: replay of the records in order, and pieces of a payload by position. */
#include "spool/log_internal.h"

#include "common/base/log.h"

void log_fd_put(struct spool_log *l, uint64_t first_lsn, int fd)
{
	struct log_fd *old = &l->fds[0];

	for (size_t i = 1; i < LOG_FDS; i++)
		if (l->fds[i].used_at < old->used_at)
			old = &l->fds[i];
	if (old->used_at != 0)
		(void)l->sys->close(old->fd);
	*old = (struct log_fd){ .first = first_lsn, .fd = fd, .used_at = ++l->fds_clock };
}

void log_fd_drop(struct spool_log *l, uint64_t first_lsn)
{
	for (size_t i = 0; i < LOG_FDS; i++) {
		struct log_fd *f = &l->fds[i];

		if (f->used_at == 0 || (first_lsn != 0 && f->first != first_lsn))
			continue;
		(void)l->sys->close(f->fd);
		f->used_at = 0;
	}
}

/* A descriptor of a durable segment, which stays the log's. */
static int fd_get(struct spool_log *l, uint64_t first_lsn, int *fd_r)
{
	struct segment_head head;
	uint64_t size;
	int r;

	if (l->have_cur && l->cur.first == first_lsn) {
		*fd_r = l->cur.fd;
		return 0;
	}
	for (size_t i = 0; i < LOG_FDS; i++) {
		if (l->fds[i].used_at == 0 || l->fds[i].first != first_lsn)
			continue;
		l->fds[i].used_at = ++l->fds_clock;
		*fd_r = l->fds[i].fd;
		return 0;
	}
	if ((r = segment_open(l->sys, l->dirfd, first_lsn, fd_r, &head, &size)) == 0)
		log_fd_put(l, first_lsn, *fd_r);
	return r;
}

int log_read(struct spool_log *l, const struct log_pos *pos, uint32_t off, uint32_t len, uint8_t *dst)
{
	const struct log_segment *s = log_seg_find(l, pos->segment);
	size_t got;
	int fd, r;

	if (off > pos->len || len > pos->len - off)
		return ERR_LIMIT;
	if (s == NULL || pos->off < SEGMENT_HEADER + RECORD_HEADER || (uint64_t)pos->off + pos->len > s->used)
		return ERR_NOTFOUND;
	if ((r = fd_get(l, pos->segment, &fd)) != 0)
		return r;
	r = sysops_pread_all(l->sys, fd, dst, len, (off_t)pos->off + off, &got);
	return r == 0 && got != len ? ERR_CORRUPT : r;
}

/* The records from..last of one segment. */
static int replay_segment(struct spool_log *l, const struct log_segment *seg, uint64_t from,
    uint64_t last, log_replay_fn *fn, void *ctx)
{
	struct segment_scan scan;
	struct segment_head head;
	struct slice payload;
	struct record rec;
	uint64_t size;
	int fd, r;

	/* A descriptor of its own: fn may read and so turn the cache over. */
	if ((r = segment_open(l->sys, l->dirfd, seg->first_lsn, &fd, &head, &size)) != 0) {
		log_error("spool log: segment %016llx: %s", (unsigned long long)seg->first_lsn, err_str(r));
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	}
	segment_scan_begin(&scan, l->sys, fd, head.seed, seg->first_lsn, seg->used);
	for (;;) {
		struct log_pos pos = { .segment = seg->first_lsn, .off = (uint32_t)scan.off + RECORD_HEADER };

		r = segment_scan_next(&scan, &rec, &payload);
		if (r == ERR_NOTFOUND)
			r = scan.lsn == seg->last_lsn + 1 && scan.sealed == seg->sealed ? 0 : ERR_CORRUPT;
		else if (r == 0 && rec.lsn <= last) {
			pos.len = rec.len;
			if (rec.lsn < from || (r = fn(ctx, rec.lsn, rec.type, payload, &pos)) == 0)
				continue;
			break;
		}
		if (r != 0)
			log_error("spool log: segment %016llx, offset %llu, lsn %llu: %s",
			    (unsigned long long)seg->first_lsn, (unsigned long long)scan.off,
			    (unsigned long long)scan.lsn, err_str(r));
		break;
	}
	segment_scan_end(&scan);
	(void)l->sys->close(fd);
	return r;
}

int log_replay(struct spool_log *l, uint64_t from, log_replay_fn *fn, void *ctx)
{
	uint64_t last = l->durable;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->segs_n; i++) {
		struct log_segment seg = l->segs[i];

		if (seg.first_lsn > last)
			break;
		if (seg.last_lsn != 0 && seg.last_lsn >= from)
			r = replay_segment(l, &seg, from, last, fn, ctx);
	}
	return r;
}
