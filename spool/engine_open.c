/* Opening the spool: recover the index, replay the log, or make the index anew. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/snapshot.h"

enum { REPLAY_BATCH_RECORDS = 2000, REPLAY_BATCH_BYTES = 32 * 1024 * 1024 };

int engine_replay_commit(struct replay *rp)
{
	int r;

	if (!rp->s->in_batch)
		return 0;
	r = engine_commit_derived(rp->s, 0);
	rp->bytes = 0;
	return r;
}

int engine_replay_record(void *ctx, uint64_t lsn, uint8_t type, struct slice payload, const struct log_pos *pos)
{
	struct replay *rp = ctx;
	struct spool *s = rp->s;
	struct apply ap = { .s = s, .lsn = lsn, .pos = *pos, .payload = payload };
	struct spool_op op;
	int r;

	if (type != LOG_TYPE_OP)
		return ERR_VERSION;
	if (lsn <= s->n.applied)
		return 0;
	if (lsn != s->n.applied + 1) {
		log_warn("spool: the log goes on at %llu, the index ends at %llu",
		    (unsigned long long)lsn, (unsigned long long)s->n.applied);
		return ERR_CORRUPT;
	}
	if (!s->in_batch && (r = engine_begin_derived(s)) != 0)
		return r;
	arena_reset(s->arena);
	if ((r = spool_op_decode(payload, s->arena, &op)) == 0) {
		ap.time_us = op.time_us;
		r = apply_op(&ap, &op);
	}
	if (r != 0) {
		log_warn("spool: record %llu (%s) does not fit the index: %s", (unsigned long long)lsn,
		    payload.len > 1 ? spool_op_name(payload.p[1]) : "empty", err_str(r));
		return r == ERR_NOMEM || r == ERR_IO || r == ERR_FULL || r == ERR_VERSION ? r : ERR_CORRUPT;
	}
	s->n.applied = lsn;
	rp->bytes += payload.len;
	if (++rp->records % REPLAY_BATCH_RECORDS == 0 || rp->bytes > REPLAY_BATCH_BYTES)
		return engine_replay_commit(rp);
	return 0;
}

static int replay(struct spool *s)
{
	struct replay rp = { .s = s };
	uint64_t last = log_last_lsn(s->log), from = s->n.applied + 1;
	int r;

	if (s->n.applied > last) {
		log_warn("spool: the index is ahead of the log (%llu, %llu)", (unsigned long long)s->n.applied, (unsigned long long)last);
		return ERR_CORRUPT;
	}
	r = log_replay(s->log, from, engine_replay_record, &rp);
	if (r == 0)
		r = engine_replay_commit(&rp);
	else if (s->in_batch)
		(void)engine_commit_derived(s, r);
	if (r == 0 && s->n.applied != last)
		r = ERR_CORRUPT;
	if (r == 0 && rp.records != 0)
		log_info("spool: replayed records=%llu last=%llu", (unsigned long long)rp.records, (unsigned long long)last);
	return r;
}

int engine_load_counters(struct spool *s)
{
	struct slice val;
	int r;

	arena_reset(s->arena);
	memset(&s->n, 0, sizeof(s->n));
	s->n.format = INDEX_FORMAT;
	r = index_get(s->ix, IX_META, SLICE_LIT("counters"), s->arena, &val);
	if (r == ERR_NOTFOUND)
		return segs_load(s);            /* new */
	if (r == 0)
		r = IX_DECODE(val, ix_counters, s->arena, &s->n);
	if (r == 0 && s->n.format != INDEX_FORMAT) {
		log_warn("spool: the index has format %u, this program has %d", s->n.format, INDEX_FORMAT);
		r = ERR_CORRUPT;
	}
	s->saved = s->n;
	return r == 0 ? segs_load(s) : r;
}

static int open_index(struct spool *s)
{
	struct index_conf ic = { .home = s->home, .cache_bytes = s->conf.cache_bytes, .threads = s->conf.threads };
	char path[PATH_MAX];
	int fd, r = engine_damaged_path(s, path);

	if (r != 0)
		return r;
	fd = s->sys->openat(s->conf.dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd >= 0) {
		(void)s->sys->close(fd);
		return ERR_CORRUPT;
	}
	r = index_open(&s->ix, &ic);
	if (r == 0 && (r = engine_load_counters(s)) != 0)
		index_close(&s->ix, false);
	return r;
}

/* Unlinks the files of a directory of no depth, and it. */
void engine_remove_index(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(fd, e->d_name, 0);
	(void)closedir(d);
	(void)unlinkat(dirfd, name, AT_REMOVEDIR);
}

static int index_anew(struct spool *s, bool keep_old)
{
	index_close(&s->ix, false);
	if (keep_old) {
		engine_remove_index(s->conf.dirfd, "index.old");
		if (s->sys->renameat(s->conf.dirfd, "index", s->conf.dirfd, "index.old") != 0 && errno != ENOENT)
			return sysops_err();
		if (s->sys->fsync(s->conf.dirfd) != 0)
			return sysops_err();
	} else {
		engine_remove_index(s->conf.dirfd, "index");
	}
	return open_index(s);
}

/* From the newest snapshot that works, then from an older one, then from the log alone. */
static int rebuild(struct spool *s, bool keep_old)
{
	uint64_t lsns[8];
	size_t n = 0;
	bool moved = !keep_old;
	int r;

	log_warn("spool: making the index anew");
	if ((r = snapshot_find(s, lsns, ARRAY_LEN(lsns), &n)) != 0)
		return r;
	for (size_t i = 0; i <= n; i++) {
		if ((r = index_anew(s, !moved)) != 0)
			return r;
		moved = true;
		if (i < n && (r = snapshot_load(s, lsns[i])) == 0)
			r = engine_load_counters(s);
		if (r == 0)
			r = replay(s);
		if (r == 0) {
			if (i < n)
				log_info("spool: the index is anew from snapshot %llu", (unsigned long long)lsns[i]);
			else
				log_info("spool: the index is anew from the log");
			return 0;
		}
		if (r == ERR_NOMEM || r == ERR_IO || r == ERR_FULL || r == ERR_VERSION)
			return r;
		if (i < n)
			log_warn("spool: snapshot %llu cannot be used: %s", (unsigned long long)lsns[i], err_str(r));
	}
	log_error("spool: the index cannot be made from the log: run \"pabal spool check\"");
	return r;
}

/* The two newest snapshots; one that is ahead of the log is none of this log. */
static int snapshots_known(struct spool *s)
{
	uint64_t lsns[8];
	size_t n, k = 0;
	int r = snapshot_find(s, lsns, ARRAY_LEN(lsns), &n);

	for (size_t i = 0; r == 0 && i < n && k < 2; i++)
		if (lsns[i] <= log_last_lsn(s->log))
			s->snapshots[k++] = lsns[i];
	if (r == 0 && s->snapshots[0] != 0)
		s->snapshot_bytes = snapshot_size(s, s->snapshots[0]);
	return r;
}

/* Segments may have been removed after the index, or the snapshot it comes from, told of them. */
static int forget_segments(struct spool *s)
{
	bool any;
	int r = engine_begin_derived(s);

	return r != 0 ? r : engine_commit_derived(s, segs_prune(s, &any));
}

/* What was moved aside is better than nothing. */
static void put_back(struct spool *s)
{
	index_close(&s->ix, false);
	if (faccessat(s->conf.dirfd, "index.old", F_OK, 0) != 0)
		return;
	engine_remove_index(s->conf.dirfd, "index");
	if (s->sys->renameat(s->conf.dirfd, "index.old", s->conf.dirfd, "index") != 0)
		log_warn("spool: the index cannot be put back: it is in index.old");
}

static int open_all(struct spool *s)
{
	struct log_conf lc = { .dirfd = s->conf.dirfd, .segment_size = s->conf.segment_size,
		.reserve = s->conf.reserve, .sys = s->conf.sys, .threads = s->conf.threads };
	bool empty;
	int r;

	if ((r = log_open(&s->log, &lc)) != 0 || (r = bodyfiles_open(&s->files, s->conf.sys, s->conf.dirfd)) != 0)
		return r;
	r = open_index(s);
	/* An empty one begins with a snapshot. */
	empty = r == 0 && s->n.applied == 0;
	if (r == 0 && s->conf.anew)
		r = ERR_CORRUPT;
	else if (r == 0)
		r = empty && log_last_lsn(s->log) != 0 ? ERR_CORRUPT : replay(s);
	if (r == ERR_CORRUPT)
		r = rebuild(s, !empty);
	if (r != 0 && s->conf.anew)
		put_back(s);
	if (r == 0)
		r = snapshots_known(s);
	return r == 0 ? forget_segments(s) : r;
}

static int open_with(struct spool **s_r, const struct spool_conf *conf, int (*open_it)(struct spool *s))
{
	struct spool *s = calloc(1, sizeof(*s));
	int r = ERR_NOMEM;

	if (s == NULL)
		return r;
	s->conf = *conf;
	s->sys = conf->sys != NULL ? conf->sys : &sysops_real;
	s->files.fd = -1;
	s->enc = BUF_INIT(ENC_MAX);
	s->picked = BUF_INIT(ARENA_MAX);
	s->val = BUF_INIT(ENC_MAX);
	if ((s->home = strdup(conf->index_home)) != NULL && (s->arena = arena_new(ARENA_MAX)) != NULL)
		r = open_it(s);
	if (r != 0) {
		spool_close(&s, false);
		return r;
	}
	*s_r = s;
	return 0;
}

int spool_open(struct spool **s_r, const struct spool_conf *conf)
{
	return open_with(s_r, conf, open_all);
}

int engine_open_index(struct spool **s_r, const struct spool_conf *conf)
{
	return open_with(s_r, conf, open_index);
}

void spool_close(struct spool **sp, bool clean)
{
	struct spool *s = *sp;

	if (s == NULL)
		return;
	if (s->in_batch)
		spool_abort(s);
	spool_snapshot_cancel(s);
	index_close(&s->ix, clean && !s->dead);
	if (s->files.fd >= 0)
		bodyfiles_close(&s->files);
	if (s->log != NULL)
		log_close(&s->log);
	arena_free(&s->arena);
	buf_free(&s->enc);
	buf_free(&s->picked);
	buf_free(&s->val);
	free(s->segs);
	free(s->home);
	free(s);
	*sp = NULL;
}
