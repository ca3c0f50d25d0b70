#include "spool/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/crc32c.h"

enum { HEAD_LEN = 64, HEAD_CRC_AT = 60 };
static const uint8_t magic[8] = { 'P', 'A', 'B', 'A', 'L', 'S', 'E', 'G' };
/* Never written to; not const, so that the program's file does not hold it. */
static uint8_t zeros[SEGMENT_CHUNK];

void segment_name(uint64_t first_lsn, char *name_r)
{
	for (int i = SEGMENT_NAME - 2; i >= 0; i--, first_lsn >>= 4)
		name_r[i] = "0123456789abcdef"[first_lsn & 15];
	name_r[SEGMENT_NAME - 1] = '\0';
}

int segment_name_parse(const char *name, uint64_t *first_r)
{
	uint64_t v = 0;

	for (int i = 0; i < SEGMENT_NAME - 1; i++) {
		uint8_t c = (uint8_t)name[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return ERR_SYNTAX;
	}
	if (name[SEGMENT_NAME - 1] != '\0' || v == 0)
		return ERR_SYNTAX;
	*first_r = v;
	return 0;
}

void segment_head_encode(uint8_t *dst, uint64_t size, uint64_t salt, struct segment_head *h_r)
{
	memset(dst, 0, HEAD_LEN);
	memcpy(dst, magic, sizeof(magic));
	put_le32(dst + 8, SEGMENT_VERSION);
	put_le32(dst + 12, SEGMENT_HEADER);
	put_le64(dst + 16, size);
	put_le64(dst + 24, salt);
	h_r->size = size;
	h_r->seed = crc32c(0, dst, HEAD_CRC_AT);
	put_le32(dst + HEAD_CRC_AT, h_r->seed);
}

int segment_head_decode(const uint8_t *p, struct segment_head *h_r)
{
	if (memcmp(p, magic, sizeof(magic)) != 0)
		return ERR_CORRUPT;
	h_r->seed = get_le32(p + HEAD_CRC_AT);
	if (h_r->seed != crc32c(0, p, HEAD_CRC_AT))
		return ERR_CORRUPT;
	if (get_le32(p + 8) != SEGMENT_VERSION)
		return ERR_VERSION;
	h_r->size = get_le64(p + 16);
	if (get_le32(p + 12) != SEGMENT_HEADER || h_r->size < SEGMENT_MIN || h_r->size > SEGMENT_MAX ||
	    h_r->size % RECORD_ALIGN != 0)
		return ERR_CORRUPT;
	return 0;
}

int segment_open(const struct sysops *sys, int dirfd, uint64_t first_lsn, int *fd_r,
    struct segment_head *h_r, uint64_t *file_size_r)
{
	uint8_t head[HEAD_LEN];
	char name[SEGMENT_NAME];
	struct stat st;
	size_t got;
	int fd, r;

	segment_name(first_lsn, name);
	fd = sys->openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	r = sysops_pread_all(sys, fd, head, sizeof(head), 0, &got);
	if (r == 0 && got != sizeof(head))
		r = ERR_CORRUPT;
	if (r == 0)
		r = segment_head_decode(head, h_r);
	if (r == 0 && sys->fstat(fd, &st) != 0)
		r = ERR_IO;
	if (r == 0 && (!S_ISREG(st.st_mode) || st.st_size < SEGMENT_HEADER))
		r = ERR_CORRUPT;
	if (r != 0) {
		(void)sys->close(fd);
		return r;
	}
	*fd_r = fd;
	*file_size_r = (uint64_t)st.st_size;
	return 0;
}

int segment_make_begin(const struct sysops *sys, int dirfd, uint64_t size, struct segment_make *m_r)
{
	int fd = sys->openat(dirfd, SEGMENT_NEXT, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	*m_r = (struct segment_make){ .fd = fd, .head.size = size };
	return 0;
}

int segment_make_step(const struct sysops *sys, struct segment_make *m, uint64_t max)
{
	uint64_t end = m->head.size - m->done < max ? m->head.size : m->done + max;
	int r;

	if (m->done == m->head.size)
		return 0;
	if ((r = segment_zero(sys, m->fd, m->done, end - m->done)) != 0)
		return r;
	if (m->done == 0) {
		uint8_t head[HEAD_LEN];
		uint64_t salt;

		random_fill(&salt, sizeof(salt));
		segment_head_encode(head, m->head.size, salt, &m->head);
		if ((r = sysops_pwrite_all(sys, m->fd, head, sizeof(head), 0)) != 0)
			return r;
	}
	/* One flush for the whole: others wait for their own at the same disk. */
	if ((end == m->head.size ? sys->fdatasync(m->fd) : sys->write_out(m->fd, (off_t)m->done, (off_t)(end - m->done))) != 0)
		return sysops_err() == ERR_FULL ? ERR_FULL : ERR_IO;
	m->done = end;
	return m->done == m->head.size ? 0 : ERR_AGAIN;
}

void segment_make_drop(const struct sysops *sys, int dirfd, struct segment_make *m)
{
	(void)sys->close(m->fd);
	(void)sys->unlinkat(dirfd, SEGMENT_NEXT, 0);
	m->fd = -1;
}

int segment_zero(const struct sysops *sys, int fd, uint64_t off, uint64_t len)
{
	while (len != 0) {
		size_t n = len < SEGMENT_CHUNK ? (size_t)len : SEGMENT_CHUNK;
		int r = sysops_pwrite_all(sys, fd, zeros, n, (off_t)off);

		if (r != 0)
			return r;
		off += n;
		len -= n;
	}
	return 0;
}

int segment_wipe(const struct sysops *sys, int fd, uint64_t off, uint64_t size)
{
	uint8_t *b = malloc(SEGMENT_READ);
	int r = b != NULL ? 0 : ERR_NOMEM;

	while (r == 0 && off < size) {
		size_t n = size - off < SEGMENT_READ ? (size_t)(size - off) : SEGMENT_READ, got;

		r = sysops_pread_all(sys, fd, b, n, (off_t)off, &got);
		if (r == 0 && (got != n || memcmp(b, zeros, n) != 0))
			r = segment_zero(sys, fd, off, n);
		off += n;
	}
	free(b);
	return r;
}

int segment_rewrite(const struct sysops *sys, int fd, uint64_t off, uint64_t end)
{
	uint8_t *b = malloc(SEGMENT_READ);
	int r = b != NULL ? 0 : ERR_NOMEM;

	while (r == 0 && off < end) {
		size_t n = end - off < SEGMENT_READ ? (size_t)(end - off) : SEGMENT_READ, got;

		r = sysops_pread_all(sys, fd, b, n, (off_t)off, &got);
		if (r == 0)
			r = got == n ? sysops_pwrite_all(sys, fd, b, n, (off_t)off) : ERR_CORRUPT;
		off += n;
	}
	free(b);
	return r;
}

int segment_find_seal(const struct sysops *sys, int fd, uint64_t first_lsn, uint64_t file_size,
    uint32_t seed, uint64_t *last_lsn_r)
{
	uint8_t p[RECORD_HEADER];
	struct record rec;
	size_t got;
	int r;

	if (file_size < SEGMENT_HEADER + RECORD_HEADER || file_size % RECORD_ALIGN != 0)
		return ERR_NOTFOUND;
	r = sysops_pread_all(sys, fd, p, sizeof(p), (off_t)(file_size - RECORD_HEADER), &got);
	if (r != 0)
		return r;
	if (got != sizeof(p) || record_decode(p, seed, &rec) != 0 || rec.type != RECORD_SEAL ||
	    rec.lsn <= first_lsn)
		return ERR_NOTFOUND;
	*last_lsn_r = rec.lsn - 1;
	return 0;
}

int segment_find_later(const struct sysops *sys, int fd, uint64_t off, uint64_t end, uint32_t seed,
    uint64_t lsn, bool *any_r)
{
	uint8_t *b = malloc(SEGMENT_READ);
	int r = b != NULL ? 0 : ERR_NOMEM;

	*any_r = false;
	/* The chunks overlap by a header less one step. */
	for (size_t got = SIZE_MAX; r == 0 && off < end && got >= RECORD_HEADER; off += SEGMENT_READ - RECORD_HEADER) {
		size_t n = end - off < SEGMENT_READ ? (size_t)(end - off) : SEGMENT_READ;

		r = sysops_pread_all(sys, fd, b, n, (off_t)off, &got);
		for (size_t i = 0; r == 0 && got >= RECORD_HEADER && i <= got - RECORD_HEADER; i += RECORD_ALIGN) {
			struct record rec;

			if (!record_has_magic(b + i) || record_decode(b + i, seed, &rec) != 0)
				continue;
			*any_r = true;
			if (record_batch(&rec) > lsn)
				r = ERR_CORRUPT;
		}
	}
	free(b);
	return r;
}

void segment_scan_begin(struct segment_scan *s, const struct sysops *sys, int fd, uint32_t seed,
    uint64_t first_lsn, uint64_t end)
{
	*s = (struct segment_scan){
		.sys = sys, .fd = fd, .seed = seed, .lsn = first_lsn, .end = end,
		.off = SEGMENT_HEADER, .batch_off = SEGMENT_HEADER,
	};
}

void segment_scan_end(struct segment_scan *s)
{
	free(s->win);
	s->win = NULL;
}

/* Has the n bytes at s->off in the window, as far as the file has them; *p_r points to
 * them and *got_r tells how many there are. */
static int scan_window(struct segment_scan *s, uint64_t n, const uint8_t **p_r, size_t *got_r)
{
	uint64_t left = s->end > s->off ? s->end - s->off : 0;
	size_t want;
	int r;

	if (n > left)
		n = left;
	if (s->win == NULL || s->off < s->win_off || s->off + n > s->win_off + s->win_len) {
		want = left < SEGMENT_READ ? (size_t)left : SEGMENT_READ;
		if (want < n)
			want = (size_t)n;
		if (s->win_cap < want || s->win == NULL) {
			uint8_t *p = realloc(s->win, want + (want == 0));

			if (p == NULL)
				return ERR_NOMEM;
			s->win = p;
			s->win_cap = want;
		}
		s->win_off = s->off;
		r = sysops_pread_all(s->sys, s->fd, s->win, want, (off_t)s->off, &s->win_len);
		if (r != 0)
			return r;
	}
	*p_r = s->win + (s->off - s->win_off);
	*got_r = (size_t)(s->win_off + s->win_len - s->off);
	if (*got_r > n)
		*got_r = (size_t)n;
	return 0;
}

int segment_scan_next(struct segment_scan *s, struct record *r_r, struct slice *payload_r)
{
	const uint8_t *p;
	struct record rec;
	uint64_t size;
	size_t got;
	int r;

	if (s->sealed)
		return ERR_NOTFOUND;
	if ((r = scan_window(s, RECORD_HEADER, &p, &got)) != 0)
		return r;
	if (got < RECORD_HEADER)
		return memcmp(p, zeros, got) == 0 ? ERR_NOTFOUND : ERR_CORRUPT;
	if ((r = record_decode(p, s->seed, &rec)) != 0)
		return r;
	size = record_size(rec.len);
	if (rec.lsn != s->lsn || rec.prev != s->prev ||
	    (s->started ? rec.index != 0 && rec.index != s->index + 1 : rec.type == RECORD_SEAL))
		return ERR_CORRUPT;
	if ((r = scan_window(s, size, &p, &got)) != 0)
		return r;
	if (got < size || !record_payload_ok(&rec, p + RECORD_HEADER))
		return ERR_CORRUPT;
	if (rec.index == 0)
		s->batch_off = s->off;
	s->off += size;
	s->prev = rec.crc;
	s->index = rec.index;
	s->started = true;
	if (rec.type == RECORD_SEAL) {
		s->sealed = true;
		return ERR_NOTFOUND;
	}
	s->lsn++;
	*r_r = rec;
	*payload_r = slice_of(p + RECORD_HEADER, rec.len);
	return 0;
}
