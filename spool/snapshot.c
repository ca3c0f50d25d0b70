/* Writing snapshots in steps (spool/snapshot.h has the format), and forgetting old ones. */
#include "spool/snapshot.h"

#include <bsd/sys/tree.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/base/crc32c.h"

enum { SYNC_BYTES = 8 * 1024 * 1024, SEEN_MAX = 128 * 1024 * 1024 };

/* A key that was written, or had no value, before it changed. */
struct seen {
	RB_ENTRY(seen) entry;
	enum index_table table;
	size_t len;
	uint8_t key[];
};
RB_HEAD(seen_tree, seen);

struct snapshot {
	struct spool *s;
	int dir, fd;
	uint64_t lsn, entries;
	off_t off, synced;
	enum index_table table;
	struct buf pos;                 /* the last key of it that was looked at */
	struct buf block;
	struct seen_tree seen;
	size_t seen_bytes;
	size_t left;                    /* of this step */
	int err;                        /* why it cannot become whole any more */
	struct arena *arena;
};

static int key_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n != 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int seen_cmp(const struct seen *a, const struct seen *b)
{
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	return key_cmp(slice_of(a->key, a->len), slice_of(b->key, b->len));
}

RB_GENERATE_INTERNAL(seen_tree, seen, entry, seen_cmp, static UNUSED)

static struct seen *seen_new(enum index_table t, struct slice key)
{
	struct seen *e = malloc(sizeof(*e) + key.len);

	if (e == NULL)
		return NULL;
	e->table = t;
	e->len = key.len;
	if (key.len != 0)
		memcpy(e->key, key.p, key.len);
	return e;
}

/* ---- the file ---- */

static int write_all(struct snapshot *sn, const void *p, size_t n)
{
	int r = sysops_pwrite_all(sn->s->sys, sn->fd, p, n, sn->off);

	sn->off += (off_t)n;
	sn->left = sn->left > n ? sn->left - n : 0;
	/* Now and then, so that the last flush is short. */
	if (r == 0 && sn->off - sn->synced >= SYNC_BYTES) {
		sn->synced = sn->off;
		if (sn->s->sys->fdatasync(sn->fd) != 0)
			r = sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	}
	return r;
}

static int write_block(struct snapshot *sn, uint32_t length)
{
	uint8_t head[8];
	int r = buf_err(&sn->block);

	put_le32(head, length);
	put_le32(head + 4, crc32c(0, sn->block.p, buf_len(&sn->block)));
	if (r == 0 && (r = write_all(sn, head, sizeof(head))) == 0)
		r = write_all(sn, sn->block.p, buf_len(&sn->block));
	buf_reset(&sn->block);
	return r;
}

static int write_entry(struct snapshot *sn, enum index_table t, struct slice key, struct slice val)
{
	buf_add_byte(&sn->block, (uint8_t)t);
	buf_add_le32(&sn->block, (uint32_t)key.len);
	buf_add_le32(&sn->block, (uint32_t)val.len);
	buf_add_slice(&sn->block, key);
	buf_add_slice(&sn->block, val);
	sn->entries++;
	return buf_len(&sn->block) >= SNAPSHOT_BLOCK ? write_block(sn, (uint32_t)buf_len(&sn->block)) : buf_err(&sn->block);
}

static int write_header(struct snapshot *sn)
{
	struct buf head = BUF_INIT(64);
	int r;

	buf_add(&head, SNAPSHOT_MAGIC, 8);
	buf_add_le32(&head, SNAPSHOT_VERSION);
	buf_add_le32(&head, INDEX_FORMAT);
	buf_add_le64(&head, sn->lsn);
	buf_add_le32(&head, crc32c(0, head.p, buf_len(&head)));
	r = write_all(sn, head.p, buf_len(&head));
	buf_free(&head);
	return r;
}

/* ---- the steps ---- */

/* Called by the index before a key changes. */
static void before_change(void *ctx, enum index_table t, struct slice key)
{
	struct snapshot *sn = ctx;
	struct slice val;
	struct seen *e;
	int r;

	if (sn->err != 0 || t < sn->table || (t == sn->table && buf_len(&sn->pos) != 0 && key_cmp(key, buf_slice(&sn->pos)) <= 0))
		return;
	if ((e = seen_new(t, key)) == NULL) {
		sn->err = ERR_NOMEM;
		return;
	}
	if (RB_INSERT(seen_tree, &sn->seen, e) != NULL) {
		free(e);
		return;
	}
	sn->seen_bytes += sizeof(*e) + key.len;
	arena_reset(sn->arena);
	r = index_get(sn->s->ix, t, key, sn->arena, &val);
	if (r == 0)
		r = write_entry(sn, t, key, val);
	sn->err = r == ERR_NOTFOUND ? 0 : r;
}

static int scanned(void *ctx, struct slice key, struct slice val)
{
	struct snapshot *sn = ctx;
	size_t size = SNAPSHOT_ENTRY + key.len + val.len;
	bool have = false;
	int r;

	if (buf_len(&sn->pos) != 0 && slice_eq(key, buf_slice(&sn->pos)))
		return 0;
	if (!RB_EMPTY(&sn->seen)) {
		struct seen *e = seen_new(sn->table, key);

		if (e == NULL)
			return ERR_NOMEM;
		have = RB_FIND(seen_tree, &sn->seen, e) != NULL;
		free(e);
	}
	buf_reset(&sn->pos);
	buf_add_slice(&sn->pos, key);
	if ((r = buf_err(&sn->pos)) != 0 || have)
		return r;
	if ((r = write_entry(sn, sn->table, key, val)) != 0)
		return r;
	sn->left = sn->left > size ? sn->left - size : 0;
	return sn->left == 0 ? 1 : 0;
}

static void snapshot_free(struct spool *s)
{
	struct snapshot *sn = s->snap;
	struct seen *e;

	index_watch(s->ix, NULL, NULL);
	s->snap = NULL;
	while ((e = RB_MIN(seen_tree, &sn->seen)) != NULL) {
		RB_REMOVE(seen_tree, &sn->seen, e);
		free(e);
	}
	if (sn->fd >= 0)
		(void)s->sys->close(sn->fd);
	if (sn->dir >= 0)
		(void)s->sys->close(sn->dir);
	buf_free(&sn->pos);
	buf_free(&sn->block);
	arena_free(&sn->arena);
	free(sn);
}

void spool_snapshot_cancel(struct spool *s)
{
	if (s->snap == NULL)
		return;
	if (s->snap->dir >= 0)
		(void)s->sys->unlinkat(s->snap->dir, "new", 0);
	snapshot_free(s);
}

int spool_snapshot_begin(struct spool *s)
{
	struct snapshot *sn;
	int r;

	if (s->in_batch || s->snap != NULL || s->dead)
		return ERR_STATE;
	if ((sn = calloc(1, sizeof(*sn))) == NULL)
		return ERR_NOMEM;
	*sn = (struct snapshot){ .s = s, .dir = -1, .fd = -1, .lsn = s->n.applied, .pos = BUF_INIT(ENC_MAX),
		.block = BUF_INIT(SNAPSHOT_BLOCK_MAX), .arena = arena_new(SNAPSHOT_BLOCK_MAX) };
	RB_INIT(&sn->seen);
	s->snap = sn;
	r = sn->arena != NULL ? snapshot_dir(s, &sn->dir) : ERR_NOMEM;
	if (r == 0) {
		sn->fd = s->sys->openat(sn->dir, "new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = sn->fd >= 0 ? write_header(sn) : sysops_err();
	}
	if (r != 0)
		spool_snapshot_cancel(s);
	else
		index_watch(s->ix, before_change, sn);
	return r;
}

static void prune(struct spool *s, int dir)
{
	uint64_t lsns[16];
	size_t n = 0;

	if (snapshot_find(s, lsns, ARRAY_LEN(lsns), &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		char name[SNAPSHOT_NAME];

		if (lsns[i] == s->snapshots[0] || lsns[i] == s->snapshots[1])
			continue;
		snapshot_name(lsns[i], name);
		(void)s->sys->unlinkat(dir, name, 0);
	}
}

static int finish(struct snapshot *sn)
{
	struct spool *s = sn->s;
	char name[SNAPSHOT_NAME];
	int r = 0;

	if (buf_len(&sn->block) != 0)
		r = write_block(sn, (uint32_t)buf_len(&sn->block));
	buf_add_le64(&sn->block, sn->entries);
	if (r == 0)
		r = write_block(sn, SNAPSHOT_END);
	if (r == 0 && s->sys->fsync(sn->fd) != 0)
		r = sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	snapshot_name(sn->lsn, name);
	if (r == 0 && (s->sys->renameat(sn->dir, "new", sn->dir, name) != 0 || s->sys->fsync(sn->dir) != 0))
		r = ERR_IO;
	if (r != 0)
		return r;
	if (s->snapshots[0] != sn->lsn)
		s->snapshots[1] = s->snapshots[0];
	s->snapshots[0] = sn->lsn;
	s->snapshot_bytes = (uint64_t)sn->off;
	prune(s, sn->dir);
	return 0;
}

int spool_snapshot_step(struct spool *s, size_t bytes, bool *more_r)
{
	struct snapshot *sn = s->snap;
	int r = 0;

	*more_r = false;
	if (sn == NULL || s->in_batch)
		return ERR_STATE;
	/* When it cannot keep up with the changes it is finished at once. */
	sn->left = sn->seen_bytes > SEEN_MAX ? SIZE_MAX : bytes;
	while (r == 0 && sn->err == 0 && sn->table < IX_COUNT) {
		r = index_scan(s->ix, sn->table, slice_of(NULL, 0), buf_slice(&sn->pos), sn->table == IX_ROW ? INDEX_BULK_MAX : 0, scanned, sn);
		if (r == 0) {
			sn->table++;
			buf_reset(&sn->pos);
		}
	}
	if (r == 1 && sn->err == 0) {
		*more_r = true;
		return 0;
	}
	if (sn->err != 0)
		r = sn->err;
	if (r == 0)
		r = finish(sn);
	if (r != 0)
		spool_snapshot_cancel(s);
	else
		snapshot_free(s);
	return r;
}

int spool_snapshot(struct spool *s)
{
	bool more = true;
	int r;

	if (s->in_batch)
		return ERR_STATE;
	if (s->snapshots[0] == s->n.applied && s->n.applied != 0)
		return 0;
	if ((r = spool_snapshot_begin(s)) != 0)
		return r;
	while (r == 0 && more)
		r = spool_snapshot_step(s, SIZE_MAX, &more);
	return r;
}

bool spool_snapshot_running(const struct spool *s)
{
	return s->snap != NULL;
}

uint64_t spool_snapshot_newest(const struct spool *s, uint64_t *bytes_r)
{
	*bytes_r = s->snapshot_bytes;
	return s->snapshots[0];
}

uint64_t spool_snapshot_lsn(const struct spool *s)
{
	return s->snapshots[1];
}
