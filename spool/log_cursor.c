/* The records of one sealed segment, read a few at a time (compaction). */
#include "spool/log_internal.h"

#include <stdlib.h>

#include "common/base/log.h"

struct log_cursor {
	const struct sysops *sys;
	struct log_segment seg;
	struct segment_scan scan;
	int fd;
};

int log_cursor_open(struct spool_log *l, uint64_t first_lsn, struct log_cursor **c_r)
{
	const struct log_segment *seg = log_seg_find(l, first_lsn);
	struct segment_head head;
	struct log_cursor *c;
	uint64_t size;
	int r;

	if (seg == NULL)
		return ERR_NOTFOUND;
	if (!seg->sealed)
		return ERR_STATE;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return ERR_NOMEM;
	c->sys = l->sys;
	c->seg = *seg;
	if ((r = segment_open(l->sys, l->dirfd, first_lsn, &c->fd, &head, &size)) != 0) {
		free(c);
		return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
	}
	segment_scan_begin(&c->scan, c->sys, c->fd, head.seed, first_lsn, seg->used);
	*c_r = c;
	return 0;
}

int log_cursor_next(struct log_cursor *c, uint64_t *lsn_r, uint8_t *type_r, struct slice *payload_r, struct log_pos *pos_r)
{
	struct record rec;
	uint32_t off = (uint32_t)c->scan.off + RECORD_HEADER;
	int r = segment_scan_next(&c->scan, &rec, payload_r);

	if (r == ERR_NOTFOUND && (c->scan.lsn != c->seg.last_lsn + 1 || !c->scan.sealed))
		r = ERR_CORRUPT;
	if (r != 0) {
		if (r != ERR_NOTFOUND)
			log_error("spool log: segment %016llx, offset %llu, lsn %llu: %s", (unsigned long long)c->seg.first_lsn,
			    (unsigned long long)c->scan.off, (unsigned long long)c->scan.lsn, err_str(r));
		return r;
	}
	*lsn_r = rec.lsn;
	*type_r = rec.type;
	*pos_r = (struct log_pos){ .segment = c->seg.first_lsn, .off = off, .len = rec.len };
	return 0;
}

void log_cursor_close(struct log_cursor **cp)
{
	struct log_cursor *c = *cp;

	if (c == NULL)
		return;
	segment_scan_end(&c->scan);
	(void)c->sys->close(c->fd);
	free(c);
	*cp = NULL;
}
