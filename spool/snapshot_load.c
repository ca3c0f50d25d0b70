/* Finding, reading and loading snapshots (spool/snapshot.h). Nothing here trusts a byte of the file. */
#include "spool/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/base/crc32c.h"

enum { LOAD_BATCH = 16 };

void snapshot_name(uint64_t lsn, char dst[SNAPSHOT_NAME])
{
	(void)snprintf(dst, SNAPSHOT_NAME, "%016llx", (unsigned long long)lsn);
}

int snapshot_dir(struct spool *s, int *dir_r)
{
	return sysops_open_dir(s->sys, s->conf.dirfd, "snapshot", dir_r);
}

/* ---- finding ---- */

static bool parse_name(const char *name, uint64_t *lsn_r)
{
	uint64_t v = 0;

	if (strlen(name) != SNAPSHOT_NAME - 1)
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
	if ((r = snapshot_dir(s, &fd)) != 0)
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

static int open_file(struct spool *s, uint64_t lsn, int *fd_r)
{
	char name[SNAPSHOT_NAME];
	int dir, r;

	if ((r = snapshot_dir(s, &dir)) != 0)
		return r;
	snapshot_name(lsn, name);
	*fd_r = s->sys->openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	(void)s->sys->close(dir);
	return *fd_r >= 0 ? 0 : ERR_CORRUPT;
}

uint64_t snapshot_size(struct spool *s, uint64_t lsn)
{
	struct stat st;
	int fd, r = open_file(s, lsn, &fd);

	if (r != 0)
		return 0;
	r = s->sys->fstat(fd, &st);
	(void)s->sys->close(fd);
	return r == 0 ? (uint64_t)st.st_size : 0;
}

/* ---- loading ---- */

struct reader {
	struct spool *s;
	bool verify;
	int fd;
	off_t off;
	uint64_t entries;
	struct buf block;
	struct buf meta;                /* entries of IX_META, as in a block: they are put last */
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
	*end_r = len == SNAPSHOT_END;
	if (*end_r)
		len = 8;
	if (len > SNAPSHOT_BLOCK_MAX)
		return ERR_CORRUPT;
	if ((p = buf_reserve(&rd->block, len)) == NULL)
		return ERR_NOMEM;
	if ((r = read_all(rd, p, len)) != 0)
		return r;
	buf_commit(&rd->block, len);
	return crc32c(0, p, len) == get_le32(head + 4) ? 0 : ERR_CORRUPT;
}

/* The LSN applied is among the counters: a load that is cut short leaves an index that knows of nothing. */
static int keep_meta(struct reader *rd, struct slice key, struct slice val)
{
	buf_add_byte(&rd->meta, IX_META);
	buf_add_le32(&rd->meta, (uint32_t)key.len);
	buf_add_le32(&rd->meta, (uint32_t)val.len);
	buf_add_slice(&rd->meta, key);
	buf_add_slice(&rd->meta, val);
	return buf_err(&rd->meta);
}

/* One block's entries, into the index or, when it is only to be verified, nowhere. meta: those that were kept. */
static int load_block(struct reader *rd, const struct buf *block, bool meta)
{
	struct cursor c = cursor_of(buf_slice(block));
	struct slice key, val;
	uint8_t table;
	uint32_t kn, vn;
	int r;

	while (cur_left(&c) != 0) {
		if (wire_get_u8(&c, &table) != 0 || wire_get_u32(&c, &kn) != 0 || wire_get_u32(&c, &vn) != 0 ||
		    cur_take_n(&c, kn, &key) != 0 || cur_take_n(&c, vn, &val) != 0 || table >= IX_COUNT)
			return ERR_CORRUPT;
		r = 0;
		if (!rd->verify)
			r = table == IX_META && !meta ? keep_meta(rd, key, val) : index_put(rd->s->ix, (enum index_table)table, key, val);
		if (r != 0)
			return r;
		rd->entries += !meta;
	}
	return 0;
}

static int read_header(struct reader *rd, uint64_t lsn)
{
	uint8_t head[SNAPSHOT_HEADER];
	int r;

	if ((r = read_all(rd, head, sizeof(head))) != 0)
		return r;
	if (memcmp(head, SNAPSHOT_MAGIC, 8) != 0 || crc32c(0, head, SNAPSHOT_HEADER - 4) != get_le32(head + 24) ||
	    get_le64(head + 16) != lsn)
		return ERR_CORRUPT;
	return get_le32(head + 8) == SNAPSHOT_VERSION && get_le32(head + 12) == INDEX_FORMAT ? 0 : ERR_VERSION;
}

static int read_blocks(struct reader *rd)
{
	bool end = false;
	unsigned blocks = 0;
	int r;

	while ((r = read_block(rd, &end)) == 0 && !end && (r = load_block(rd, &rd->block, false)) == 0)
		if (!rd->verify && ++blocks % LOAD_BATCH == 0 &&
		    ((r = index_commit(rd->s->ix)) != 0 || (r = index_begin(rd->s->ix)) != 0))
			return r;
	return r == 0 && get_le64(rd->block.p) != rd->entries ? ERR_CORRUPT : r;
}

static int read_stream(struct reader *rd, uint64_t lsn)
{
	int r = read_header(rd, lsn);

	if (r != 0 || rd->verify)
		return r != 0 ? r : read_blocks(rd);
	if ((r = index_begin(rd->s->ix)) != 0)
		return r;
	if ((r = read_blocks(rd)) == 0 && (r = load_block(rd, &rd->meta, true)) == 0)
		return index_commit(rd->s->ix);
	index_abort(rd->s->ix);
	return r;
}

static int read_file(struct spool *s, uint64_t lsn, bool verify, uint64_t *entries_r)
{
	struct reader rd = { .s = s, .verify = verify, .block = BUF_INIT(SNAPSHOT_BLOCK_MAX), .meta = BUF_INIT(SNAPSHOT_BLOCK_MAX) };
	int r;

	if ((r = open_file(s, lsn, &rd.fd)) != 0)
		return r;
	r = read_stream(&rd, lsn);
	*entries_r = rd.entries;
	buf_free(&rd.block);
	buf_free(&rd.meta);
	(void)s->sys->close(rd.fd);
	return r;
}

int snapshot_load(struct spool *s, uint64_t lsn)
{
	uint64_t entries;
	int r = read_file(s, lsn, false, &entries);

	return r == ERR_VERSION ? ERR_CORRUPT : r;
}

int snapshot_verify(struct spool *s, uint64_t lsn, uint64_t *entries_r)
{
	return read_file(s, lsn, true, entries_r);
}
