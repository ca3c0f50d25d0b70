/* Reading the log of a spool that nobody has open, without changing it. */
#include "spool/tool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "spool/segment.h"

static void speak(const struct tool_voice *v, bool note, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
static void speak(const struct tool_voice *v, bool note, const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT(65536);

	buf_addv(&b, fmt, ap);
	buf_add_byte(&b, 0);
	if (!note)
		v->t->faults++;
	v->say(v->ctx, note, buf_err(&b) == 0 ? (const char *)b.p : "(no memory to tell)");
	buf_free(&b);
}

void tool_fault(const struct tool_voice *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	speak(v, false, fmt, ap);
	va_end(ap);
}

void tool_note(const struct tool_voice *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	speak(v, true, fmt, ap);
	va_end(ap);
}

int tool_lock(int dirfd, int *fd_r)
{
	int r = 0;

	if ((*fd_r = openat(dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	if (flock(*fd_r, LOCK_EX | LOCK_NB) != 0)
		r = errno == EWOULDBLOCK ? ERR_STATE : ERR_IO;
	if (r != 0)
		(void)close(*fd_r);
	return r;
}

static int segment_cmp(const void *a, const void *b)
{
	const struct tool_segment *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static int list_segments(int logfd, struct tool_segments *segs)
{
	int fd = openat(logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	size_t cap = 0;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return ERR_IO;
	}
	while (r == 0 && (e = readdir(d)) != NULL) {
		uint64_t first;

		if (segment_name_parse(e->d_name, &first) != 0)
			continue;
		if (segs->n == cap) {
			struct tool_segment *p = reallocarray(segs->v, cap = cap * 2 + 16, sizeof(*p));

			if (p == NULL) {
				r = ERR_NOMEM;
				break;
			}
			segs->v = p;
		}
		segs->v[segs->n++] = (struct tool_segment){ .first = first };
	}
	(void)closedir(d);
	if (segs->n != 0)
		qsort(segs->v, segs->n, sizeof(*segs->v), segment_cmp);
	return r;
}

const struct tool_segment *tool_segment_find(const struct tool_segments *segs, uint64_t first)
{
	const struct tool_segment key = { .first = first };

	return segs->n != 0 ? bsearch(&key, segs->v, segs->n, sizeof(*segs->v), segment_cmp) : NULL;
}

struct walk {
	int logfd;
	uint64_t from;
	tool_record_fn *fn;
	void *ctx;
	const struct tool_voice *v;
	bool open_end;          /* the last segment with records has no seal: nothing may follow it */
};

/* Where reading ended without a seal: damage, or the end of the log? */
static int judge_end(struct walk *w, struct tool_segment *seg, int fd, const struct segment_head *head, uint64_t file_size,
    const struct segment_scan *scan, int why)
{
	uint64_t end = file_size < head->size ? file_size : head->size, last = 0;
	bool any, cut = file_size < head->size && segment_find_seal(&sysops_real, fd, seg->first, file_size, head->seed, &last) == 0;
	int r = segment_find_later(&sysops_real, fd, scan->off, end, head->seed, scan->lsn, &any);

	if (r != 0 && r != ERR_CORRUPT)
		return r;
	if (r == ERR_CORRUPT || cut) {
		seg->broken = true;
		seg->last = last;
		tool_fault(w->v, "segment %016llx, offset %llu: record LSN %llu is damaged; what follows it in this segment was not read",
		    (unsigned long long)seg->first, (unsigned long long)scan->off, (unsigned long long)scan->lsn);
		return 0;
	}
	if (why == ERR_CORRUPT || any)
		tool_note(w->v, "segment %016llx, offset %llu: after LSN %llu lies a write that was not finished; the next start drops it",
		    (unsigned long long)seg->first, (unsigned long long)scan->off, (unsigned long long)scan->lsn - 1);
	if (seg->last >= seg->first)
		w->open_end = true;
	return 0;
}

static int walk_records(struct walk *w, struct tool_segment *seg, int fd, const struct segment_head *head, uint64_t file_size)
{
	struct segment_scan scan;
	struct slice payload;
	struct record rec;
	int r;

	segment_scan_begin(&scan, &sysops_real, fd, head->seed, seg->first, file_size < head->size ? file_size : head->size);
	for (;;) {
		struct log_pos pos = { .segment = seg->first, .off = (uint32_t)scan.off + RECORD_HEADER };

		if ((r = segment_scan_next(&scan, &rec, &payload)) != 0)
			break;
		pos.len = rec.len;
		w->v->t->records++;
		w->v->t->bytes += record_size(rec.len);
		w->v->t->last_lsn = rec.lsn;
		if (rec.lsn >= w->from && (r = w->fn(w->ctx, rec.lsn, rec.type, payload, &pos)) != 0)
			break;
	}
	seg->last = scan.lsn - 1;
	seg->used = scan.off;
	if (r == ERR_NOTFOUND && scan.sealed)
		r = 0;
	else if (r == ERR_NOTFOUND || r == ERR_CORRUPT)
		r = judge_end(w, seg, fd, head, file_size, &scan, r);
	segment_scan_end(&scan);
	return r;
}

static int walk_segment(struct walk *w, struct tool_segment *seg)
{
	struct segment_head head;
	uint64_t size;
	int fd, r = segment_open(&sysops_real, w->logfd, seg->first, &fd, &head, &size);

	if (r == ERR_CORRUPT || r == ERR_VERSION) {
		seg->broken = true;
		tool_fault(w->v, r == ERR_CORRUPT ? "segment %016llx: its header is damaged; nothing of it was read" :
		    "segment %016llx: its format is not known to this program", (unsigned long long)seg->first);
		return 0;
	}
	if (r != 0)
		return r;
	w->v->t->segments++;
	r = walk_records(w, seg, fd, &head, size);
	(void)close(fd);
	return r;
}

int tool_walk_segments(int dirfd, uint64_t from, tool_record_fn *fn, tool_say_fn *say, void *ctx, struct tool_totals *t,
    struct tool_segments *segs_r)
{
	struct tool_voice v = { say, ctx, t };
	struct walk w = { .from = from, .fn = fn, .ctx = ctx, .v = &v };
	int r;

	*segs_r = (struct tool_segments){ 0 };
	if ((w.logfd = openat(dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return ERR_IO;
	r = list_segments(w.logfd, segs_r);
	for (size_t i = 0; r == 0 && i < segs_r->n; i++) {
		struct tool_segment *seg = &segs_r->v[i];
		bool open_end = w.open_end;

		r = walk_segment(&w, seg);
		if (r == 0 && open_end && (seg->broken || seg->last >= seg->first))
			tool_fault(&v, "segment %016llx: its end is missing, since segment %016llx follows it",
			    (unsigned long long)segs_r->v[i - 1].first, (unsigned long long)seg->first);
		if (i != 0 && seg->first <= segs_r->v[i - 1].last)
			tool_fault(&v, "segment %016llx overlaps the one before it", (unsigned long long)seg->first);
	}
	(void)close(w.logfd);
	return r;
}

int tool_walk(int dirfd, uint64_t from, tool_record_fn *fn, tool_say_fn *say, void *ctx, struct tool_totals *t)
{
	struct tool_segments segs;
	int r;

	memset(t, 0, sizeof(*t));
	r = tool_walk_segments(dirfd, from, fn, say, ctx, t, &segs);
	free(segs.v);
	return r;
}
