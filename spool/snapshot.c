/*
 * Snapshots: the whole index as a stream in a file "snapshot/LSN", from which it can be
 * made anew when the segments before that LSN are gone.
 *
 *	header  "PABALSNP", u32 version, u32 index format, u64 LSN, u32 CRC-32C of the 24 bytes before
 *	block   u32 length of what follows the CRC, u32 CRC-32C of it; entries: u8 table, u32 key length,
 *	        u32 value length, key, value; an entry never crosses a block
 *	end     a block of length 8: u64 number of entries, with length field 0xffffffff
 *
 * Written to "snapshot/new", flushed, renamed, the directory flushed: a file with an LSN
 * for a name is whole, or the disk lies, which the CRCs tell.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/crc32c.h"
#include "common/base/log.h"
#include "spool/spool_internal.h"

enum {
	SNAPSHOT_VERSION = 1, HEADER_SIZE = 28, BLOCK_SIZE = 1024 * 1024, BLOCK_MAX = 64 * 1024 * 1024,
	ENTRY_HEADER = 9, LOAD_BATCH = 16, NAME_LEN = 17,
};
#define END_LENGTH 0xffffffffu
static const char magic[] = "PABALSNP";

/* ---- writing ---- */

struct writer {
	struct spool *s;
	int fd;
	off_t off;
	enum index_table table;
	uint64_t entries;
	struct buf block;
};

static int write_all(struct writer *w, const void *p, size_t n)
{
	int r = sysops_pwrite_all(w->s->sys, w->fd, p, n, w->off);

	w->off += (off_t)n;
	return r;
}

static int write_block(struct writer *w, uint32_t length)
{
	uint8_t head[8];
	int r = buf_err(&w->block);

	put_le32(head, length);
	put_le32(head + 4, crc32c(0, w->block.p, buf_len(&w->block)));
	if (r == 0 && (r = write_all(w, head, sizeof(head))) == 0)
		r = write_all(w, w->block.p, buf_len(&w->block));
	buf_reset(&w->block);
	return r;
}

static int write_entry(void *ctx, struct slice key, struct slice val)
{
	struct writer *w = ctx;

	buf_add_byte(&w->block, (uint8_t)w->table);
	buf_add_le32(&w->block, (uint32_t)key.len);
	buf_add_le32(&w->block, (uint32_t)val.len);
	buf_add_slice(&w->block, key);
	buf_add_slice(&w->block, val);
	w->entries++;
	return buf_len(&w->block) >= BLOCK_SIZE ? write_block(w, (uint32_t)buf_len(&w->block)) : buf_err(&w->block);
}

static int write_stream(struct writer *w)
{
	struct buf head = BUF_INIT(64);
	int r;

	buf_add(&head, magic, 8);
	buf_add_le32(&head, SNAPSHOT_VERSION);
	buf_add_le32(&head, INDEX_FORMAT);
	buf_add_le64(&head, w->s->n.applied);
	buf_add_le32(&head, crc32c(0, head.p, buf_len(&head)));
	r = write_all(w, head.p, buf_len(&head));
	buf_free(&head);
	for (unsigned t = 0; r == 0 && t < IX_COUNT; t++) {
		w->table = (enum index_table)t;
		r = index_scan(w->s->ix, w->table, slice_of(NULL, 0), slice_of(NULL, 0), t == IX_ROW, write_entry, w);
	}
	if (r == 0 && buf_len(&w->block) != 0)
		r = write_block(w, (uint32_t)buf_len(&w->block));
	buf_add_le64(&w->block, w->entries);
	return r != 0 ? r : write_block(w, END_LENGTH);
}

static int open_dir(struct spool *s, int *dir_r)
{
	return sysops_open_dir(s->sys, s->conf.dirfd, "snapshot", dir_r);
}

static int write_file(struct spool *s, int dir, const char *name)
{
	struct writer w = { .s = s, .block = BUF_INIT(BLOCK_MAX) };
	int r;

	w.fd = s->sys->openat(dir, "new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w.fd < 0)
		return sysops_err();
	r = write_stream(&w);
	buf_free(&w.block);
	if (r == 0 && s->sys->fsync(w.fd) != 0)
		r = sysops_err();
	(void)s->sys->close(w.fd);
	if (r == 0 && (s->sys->renameat(dir, "new", dir, name) != 0 || s->sys->fsync(dir) != 0))
		r = ERR_IO;
	if (r != 0)
		(void)s->sys->unlinkat(dir, "new", 0);
	return r;
}

static void name_of(uint64_t lsn, char dst[NAME_LEN])
{
	(void)snprintf(dst, NAME_LEN, "%016llx", (unsigned long long)lsn);
}

static void prune(struct spool *s, int dir)
{
	uint64_t lsns[16];
	size_t n = 0;

	if (snapshot_find(s, lsns, ARRAY_LEN(lsns), &n) != 0)
		return;
	for (size_t i = 2; i < n; i++) {
		char name[NAME_LEN];

		name_of(lsns[i], name);
		(void)s->sys->unlinkat(dir, name, 0);
	}
}

int spool_snapshot(struct spool *s)
{
	char name[NAME_LEN];
	int dir, r;

	if (s->in_batch)
		return ERR_STATE;
	if (s->snapshots[0] == s->n.applied && s->n.applied != 0)
		return 0;
	if ((r = open_dir(s, &dir)) != 0)
		return r;
	name_of(s->n.applied, name);
	if ((r = write_file(s, dir, name)) == 0) {
		s->snapshots[1] = s->snapshots[0];
		s->snapshots[0] = s->n.applied;
		prune(s, dir);
	}
	(void)s->sys->close(dir);
	return r;
}

uint64_t spool_snapshot_lsn(const struct spool *s)
{
	return s->snapshots[1];
}

/* ---- finding ---- */

static bool parse_name(const char *name, uint64_t *lsn_r)
{
	uint64_t v = 0;

	if (strlen(name) != NAME_LEN - 1)
		return false;
	for (const char *p = name; *p != '\0'; p++) {
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')))
			return false;
		v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	}
	*lsn_r = v;
	return true;
}

int snapshot_find(struct spool *s, uint64_t *lsns, size_t max, size_t *n_r)
{
	struct dirent *e;
	uint64_t lsn;
	DIR *d;
	int fd, r;

	*n_r = 0;
	if ((r = open_dir(s, &fd)) != 0)
		return r;
	if ((d = fdopendir(fd)) == NULL) {
		(void)s->sys->close(fd);
		return ERR_IO;
	}
	while ((e = readdir(d)) != NULL) {
		size_t i = *n_r;

		if (!parse_name(e->d_name, &lsn))
			continue;
		while (i > 0 && lsns[i - 1] < lsn)
			i--;
		if (i >= max)
			continue;
		if (*n_r < max)
			++*n_r;
		memmove(&lsns[i + 1], &lsns[i], (*n_r - 1 - i) * sizeof(*lsns));
		lsns[i] = lsn;
	}
	(void)closedir(d);
	return 0;
}

/* ---- loading ---- */

struct reader {
	struct spool *s;
	int fd;
	off_t off;
	uint64_t entries;
	struct buf block;
};

static int read_all(struct reader *rd, uint8_t *p, size_t n)
{
	size_t got;
	int r = sysops_pread_all(rd->s->sys, rd->fd, p, n, rd->off, &got);

	rd->off += (off_t)got;
	return r == 0 && got != n ? ERR_CORRUPT : r;
}

/* The next block's payload; *end_r: it is the last one. */
static int read_block(struct reader *rd, bool *end_r)
{
	uint8_t head[8], *p;
	uint32_t len;
	int r;

	buf_reset(&rd->block);
	if ((r = read_all(rd, head, sizeof(head))) != 0)
		return r;
	len = get_le32(head);
	*end_r = len == END_LENGTH;
	if (*end_r)
		len = 8;
	if (len > BLOCK_MAX)
		return ERR_CORRUPT;
	if ((p = buf_reserve(&rd->block, len)) == NULL)
		return ERR_NOMEM;
	if ((r = read_all(rd, p, len)) != 0)
		return r;
	buf_commit(&rd->block, len);
	return crc32c(0, p, len) == get_le32(head + 4) ? 0 : ERR_CORRUPT;
}

static int load_block(struct reader *rd)
{
	struct cursor c = cursor_of(buf_slice(&rd->block));
	struct slice key, val;
	uint8_t table;
	uint32_t kn, vn;
	int r;

	while (cur_left(&c) != 0) {
		if (wire_get_u8(&c, &table) != 0 || wire_get_u32(&c, &kn) != 0 || wire_get_u32(&c, &vn) != 0 ||
		    cur_take_n(&c, kn, &key) != 0 || cur_take_n(&c, vn, &val) != 0 || table >= IX_COUNT)
			return ERR_CORRUPT;
		if ((r = index_put(rd->s->ix, (enum index_table)table, key, val)) != 0)
			return r;
		rd->entries++;
	}
	return 0;
}

static int load_stream(struct reader *rd, uint64_t lsn)
{
	uint8_t head[HEADER_SIZE];
	bool end = false;
	unsigned blocks = 0;
	int r;

	if ((r = read_all(rd, head, sizeof(head))) != 0)
		return r;
	if (memcmp(head, magic, 8) != 0 || crc32c(0, head, HEADER_SIZE - 4) != get_le32(head + 24) || get_le64(head + 16) != lsn)
		return ERR_CORRUPT;
	if (get_le32(head + 8) != SNAPSHOT_VERSION || get_le32(head + 12) != INDEX_FORMAT)
		return ERR_VERSION;
	if ((r = index_begin(rd->s->ix)) != 0)
		return r;
	while ((r = read_block(rd, &end)) == 0 && !end && (r = load_block(rd)) == 0)
		if (++blocks % LOAD_BATCH == 0 && ((r = index_commit(rd->s->ix)) != 0 || (r = index_begin(rd->s->ix)) != 0))
			return r;
	if (r == 0 && get_le64(rd->block.p) != rd->entries)
		r = ERR_CORRUPT;
	if (r == 0)
		return index_commit(rd->s->ix);
	index_abort(rd->s->ix);
	return r;
}

int snapshot_load(struct spool *s, uint64_t lsn)
{
	struct reader rd = { .s = s, .block = BUF_INIT(BLOCK_MAX) };
	char name[NAME_LEN];
	int dir, r;

	if ((r = open_dir(s, &dir)) != 0)
		return r;
	name_of(lsn, name);
	rd.fd = s->sys->openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	(void)s->sys->close(dir);
	if (rd.fd < 0)
		return ERR_CORRUPT;
	r = load_stream(&rd, lsn);
	buf_free(&rd.block);
	(void)s->sys->close(rd.fd);
	return r == ERR_VERSION ? ERR_CORRUPT : r;
}
