/*
 * Opening the log and recovering its tail.
 *
 * The order in which log.c writes gives these invariants, whatever the instant of a
 * crash: a segment with a number has its header; a segment that holds a record follows
 * only sealed segments; every record before a batch was durable when the batch
 * was written. So the newest segment with records is the only one that can be torn,
 * and only in its last batch. Segments after it are empty: the batch that
 * made them never got there. The first of them goes on being the current one when the
 * segment before it is sealed; the others are unlinked.
 */
#include "spool/log_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

struct found {
	uint64_t first;
	int fd;
	struct segment_head head;
	uint64_t file_size;
	uint64_t last, used;    /* last is first - 1 while it has no records */
	bool sealed;
	uint32_t prev;
	uint64_t batch_off;
};

static int complain(const struct found *f, uint64_t off, int r, const char *what)
{
	log_error("spool log: segment %016llx, offset %llu: %s: %s", (unsigned long long)f->first,
	    (unsigned long long)off, what, err_str(r));
	return r;
}

static int found_cmp(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The segments in the directory, by name, not opened yet. */
static int list_segments(struct spool_log *l, struct found **list_r, size_t *n_r)
{
	int fd = openat(l->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct found *list = NULL, *p;
	size_t n = 0, cap = 0;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return ERR_IO;
	}
	while (r == 0 && (errno = 0, e = readdir(d)) != NULL) {
		uint64_t first;

		if (e->d_name[0] == '.')
			continue;
		if (segment_name_parse(e->d_name, &first) != 0) {
			/* A segment that was being made ahead; anything else is not ours. */
			if (strcmp(e->d_name, SEGMENT_NEXT) != 0)
				log_warn("spool log: foreign file in log/: %s", log_esc(slice_cstr(e->d_name)));
			else if (l->sys->unlinkat(l->dirfd, SEGMENT_NEXT, 0) != 0)
				r = ERR_IO;
			continue;
		}
		if (n == cap) {
			cap = cap * 2 + 16;
			if ((p = reallocarray(list, cap, sizeof(*p))) == NULL) {
				r = ERR_NOMEM;
				break;
			}
			list = p;
		}
		list[n++] = (struct found){ .first = first, .fd = -1 };
	}
	if (r == 0 && errno != 0)
		r = ERR_IO;
	(void)closedir(d);
	if (r == 0 && n != 0)
		qsort(list, n, sizeof(*list), found_cmp);
	*list_r = list;
	*n_r = n;
	return r;
}

static int open_segment(struct spool_log *l, struct found *f)
{
	int r = segment_open(l->sys, l->dirfd, f->first, &f->fd, &f->head, &f->file_size);

	return r == 0 ? 0 : complain(f, 0, r, "cannot be opened");
}

static void close_segment(struct spool_log *l, struct found *f)
{
	if (f->fd >= 0)
		(void)l->sys->close(f->fd);
	f->fd = -1;
}

/* Reads the segment through. Where the records end without a seal, or too early for the
 * file, what follows tells whether a batch was torn there or durable records are damaged. */
static int scan_segment(struct spool_log *l, struct found *f)
{
	uint64_t end = f->file_size < f->head.size ? f->file_size : f->head.size, last;
	struct segment_scan scan;
	struct slice payload;
	struct record rec;
	bool any;
	int r, why;

	segment_scan_begin(&scan, l->sys, f->fd, f->head.seed, f->first, end);
	while ((r = segment_scan_next(&scan, &rec, &payload)) == 0)
		;
	segment_scan_end(&scan);
	f->last = scan.lsn - 1;
	f->used = scan.off;
	f->sealed = scan.sealed;
	f->prev = scan.prev;
	f->batch_off = scan.batch_off;
	if (r != ERR_NOTFOUND && r != ERR_CORRUPT)
		return complain(f, scan.off, r, "cannot be read");
	if (f->sealed)
		return 0;
	why = r;
	r = segment_find_later(l->sys, f->fd, f->used, end, f->head.seed, scan.lsn, &any);
	/* A file that was cut to its seal was durable to its end. */
	if (r == 0 && f->file_size < f->head.size)
		r = segment_find_seal(l->sys, f->fd, f->first, f->file_size, f->head.seed, &last) == 0 ?
		    ERR_CORRUPT : 0;
	if (r != 0)
		return complain(f, f->used, r, "a record that was durable is damaged");
	if (why == ERR_CORRUPT || any)
		log_warn("spool log: segment %016llx, offset %llu: torn batch after lsn %llu dropped",
		    (unsigned long long)f->first, (unsigned long long)f->used, (unsigned long long)f->last);
	return 0;
}

/* A segment older than the newest one with records: must be sealed. */
static int check_sealed(struct spool_log *l, struct found *f)
{
	int r = segment_find_seal(l->sys, f->fd, f->first, f->file_size, f->head.seed, &f->last);

	if (r == 0) {
		f->sealed = true;
		f->used = f->file_size;
		return 0;
	}
	if (r != ERR_NOTFOUND)
		return complain(f, 0, r, "cannot be read");
	/* The cut after the seal did not happen, or not durably. */
	if ((r = scan_segment(l, f)) != 0)
		return r;
	if (!f->sealed)
		return complain(f, f->used, ERR_CORRUPT, "the end of a sealed segment is missing");
	if (l->sys->ftruncate(f->fd, (off_t)f->used) == 0)
		f->file_size = f->used;
	return 0;
}

/* Makes the last batch durable (once more), and everything after it zero. */
static int settle_tail(struct spool_log *l, struct found *f)
{
	int r = segment_rewrite(l->sys, f->fd, f->batch_off, f->used);

	if (r == 0 && !f->sealed)
		r = segment_wipe(l->sys, f->fd, f->used, f->head.size);
	if (r == 0 && l->sys->fdatasync(f->fd) != 0)
		r = sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	if (r != 0)
		return complain(f, f->batch_off, r, "the tail cannot be written");
	if (f->sealed && f->file_size > f->used && l->sys->ftruncate(f->fd, (off_t)f->used) != 0)
		log_warn("spool log: segment %016llx cannot be cut to its records", (unsigned long long)f->first);
	f->file_size = f->sealed ? f->used : f->head.size;
	return 0;
}

static int drop_empty(struct spool_log *l, const struct found *f)
{
	char name[SEGMENT_NAME];

	segment_name(f->first, name);
	return l->sys->unlinkat(l->dirfd, name, 0) == 0 ? 0 : ERR_IO;
}

/* An empty current segment of another size than is wanted now is made anew. */
static int replace_empty(struct spool_log *l, struct found *f)
{
	char name[SEGMENT_NAME];
	int r = log_next_complete(l);

	if (r != 0)
		return r;
	segment_name(f->first, name);
	if (l->sys->renameat(l->dirfd, SEGMENT_NEXT, l->dirfd, name) != 0 || l->sys->fsync(l->dirfd) != 0)
		return ERR_IO;
	close_segment(l, f);
	f->fd = l->next.fd;
	f->head = l->next.head;
	l->have_next = false;
	return 0;
}

/* Takes the segments over into the log. The last is the current one if it is not sealed. */
static int adopt(struct spool_log *l, struct found *list, size_t n)
{
	int r = log_segs_reserve(l, n);

	if (r != 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		const struct found *f = &list[i];

		l->segs[l->segs_n++] = (struct log_segment){
			.first_lsn = f->first, .last_lsn = f->last >= f->first ? f->last : 0,
			.size = f->sealed ? f->file_size : f->head.size, .used = f->used, .sealed = f->sealed,
		};
		l->durable = f->last;
		if (f->sealed)
			continue;
		l->cur = (struct log_part){
			.first = f->first, .fd = f->fd, .head = f->head, .prev = f->prev,
			.off = f->used, .used = f->used,
		};
		l->have_cur = true;
		list[i].fd = -1;
	}
	l->next_lsn = l->durable + 1;
	return 0;
}

static int recover(struct spool_log *l, struct found *list, size_t *n)
{
	size_t newest = *n, keep;
	int r = 0;

	while (newest != 0) {
		struct found *f = &list[newest - 1];

		if ((r = open_segment(l, f)) != 0 || (r = scan_segment(l, f)) != 0)
			return r;
		if (f->last >= f->first)
			break;
		newest--;
	}
	/* newest is now how many segments there are up to the newest with records. */
	for (size_t i = 0; i + 1 < newest; i++) {
		if ((r = open_segment(l, &list[i])) != 0 || (r = check_sealed(l, &list[i])) != 0)
			return r;
		close_segment(l, &list[i]);
		if (list[i].last >= list[i + 1].first)
			return complain(&list[i + 1], 0, ERR_CORRUPT, "overlaps the segment before");
	}
	if (newest != 0 && (r = settle_tail(l, &list[newest - 1])) != 0)
		return r;
	keep = newest;
	if (newest < *n && (newest == 0 || (list[newest - 1].sealed &&
	    list[newest].first > list[newest - 1].last))) {
		keep++;
		if ((r = settle_tail(l, &list[newest])) != 0)
			return r;
	}
	/* From the last to the first, so that no crash leaves a later one alone. */
	for (size_t i = *n; i-- > keep;) {
		if ((r = drop_empty(l, &list[i])) != 0)
			return r;
		close_segment(l, &list[i]);
		*n = i;
	}
	if (l->sys->fsync(l->dirfd) != 0)
		return ERR_IO;
	if (keep > newest && list[newest].head.size != l->segment_size)
		r = replace_empty(l, &list[newest]);
	return r;
}

int log_open(struct spool_log **l_r, const struct log_conf *conf)
{
	struct spool_log *l;
	struct found *list = NULL;
	size_t n = 0;
	int r;

	*l_r = NULL;
	if (conf->segment_size < SEGMENT_MIN || conf->segment_size > SEGMENT_MAX)
		return ERR_LIMIT;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return ERR_NOMEM;
	l->sys = conf->sys != NULL ? conf->sys : &sysops_real;
	l->segment_size = conf->segment_size / SEGMENT_HEADER * SEGMENT_HEADER;
	l->reserve = conf->reserve;
	l->threads = conf->threads;
	l->opened_ms = clock_mono_ms();
	l->batch = BUF_INIT((size_t)SEGMENT_MAX);
	l->dirfd = -1;
	l->next_lsn = 1;
	r = sysops_open_dir(l->sys, conf->dirfd, "log", &l->dirfd);
	if (r == 0 && flock(l->dirfd, LOCK_EX | LOCK_NB) != 0)
		r = errno == EWOULDBLOCK ? ERR_STATE : ERR_IO;
	if (r == 0)
		r = list_segments(l, &list, &n);
	if (r == 0)
		r = recover(l, list, &n);
	if (r == 0)
		r = adopt(l, list, n);
	for (size_t i = 0; i < n; i++)
		close_segment(l, &list[i]);
	free(list);
	if (r != 0)
		log_close(&l);
	*l_r = l;
	return r;
}

void log_close(struct spool_log **lp)
{
	struct spool_log *l = *lp;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->parts_n; i++)
		if (l->parts[i].fresh)
			(void)l->sys->close(l->parts[i].fd);
	if (l->have_cur)
		(void)l->sys->close(l->cur.fd);
	log_make_stop(l);
	log_fd_drop(l, 0);
	if (l->dirfd >= 0)
		(void)l->sys->close(l->dirfd);
	buf_free(&l->batch);
	free(l->parts);
	free(l->segs);
	free(l);
	*lp = NULL;
}
