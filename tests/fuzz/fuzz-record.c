/*
 * The segment reader over arbitrary bytes. The first 8 bytes of the input say what is
 * made of the rest:
 *
 *	byte 0 & 1   the file's header is made right (else it is the input's)
 *	byte 0 & 2   the rest is a script: right records with the input's numbers and payloads,
 *	             some of them damaged, so that the deep paths are reached
 *	byte 1       how many bytes a read gives at most (0: all)
 *
 * It must neither crash nor read outside, take nothing for a record that is not right,
 * and always end.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/crc32c.h"
#include "spool/segment.h"

enum { FILE_MAX = 256 << 10 };

static uint8_t file[FILE_MAX];
static size_t file_len;
static uint8_t read_most;

static ssize_t mem_pread(int fd, void *buf, size_t n, off_t off)
{
	(void)fd;
	if ((size_t)off >= file_len)
		return 0;
	if (n > file_len - (size_t)off)
		n = file_len - (size_t)off;
	/* Only for small reads, or a large file takes for ever. */
	if (read_most != 0 && n > read_most && n < 8192)
		n = read_most;
	memcpy(buf, file + off, n);
	return (ssize_t)n;
}

static const struct sysops mem_ops = { .pread = mem_pread };

static void file_add(const void *p, size_t n)
{
	if (n > FILE_MAX - file_len)
		n = FILE_MAX - file_len;
	if (n != 0)
		memcpy(file + file_len, p, n);
	file_len += n;
}

/* Records by script: op, type, length, index step; op & 7: 0-3 right, 4 skips an LSN, 5 another
 * prev, 6 a damaged byte, 7 a version of its own; then the payload's bytes. */
static void file_script(struct cursor *c, uint32_t seed)
{
	static uint8_t rec[RECORD_HEADER + 256 + 8];
	uint64_t lsn = 1;
	uint32_t prev = 0, index = 0;
	struct slice h, p;

	while (cur_take_n(c, 4, &h) == 0) {
		struct record r;

		p = slice_sub(cur_rest(c), 0, h.p[2]);
		c->off += p.len;
		index = (h.p[3] & 1) != 0 ? 0 : index + (h.p[3] >> 1 & 1);
		lsn += (h.p[0] & 7) == 4;
		r = (struct record){ .type = h.p[1], .index = index, .lsn = lsn, .prev = prev ^ ((h.p[0] & 7) == 5) };
		if (r.type == RECORD_SEAL)
			p.len = 0;
		record_encode(rec, seed, &r, p);
		if ((h.p[0] & 7) == 6)
			rec[h.p[3] % record_size(p.len)] ^= h.p[0];
		if ((h.p[0] & 7) == 7) {
			rec[4] = h.p[3];
			put_le32(rec + 36, crc32c(seed, rec, 36));
		}
		prev = r.crc;
		lsn++;
		file_add(rec, (size_t)record_size(p.len));
	}
}

static void file_make(struct cursor *c, uint8_t how, struct segment_head *h)
{
	uint8_t head[64];

	file_len = 0;
	if ((how & 1) == 0) {
		file_add(cur_rest(c).p, cur_left(c));
		return;
	}
	segment_head_encode(head, 1 << 20, 5, h);
	memset(file, 0, SEGMENT_HEADER);
	file_add(head, sizeof(head));
	file_len = SEGMENT_HEADER;
	if ((how & 2) != 0)
		file_script(c, h->seed);
	else
		file_add(cur_rest(c).p, cur_left(c));
}

static void scan(const struct segment_head *h)
{
	uint64_t end = file_len < h->size ? file_len : h->size, last = 0, off = SEGMENT_HEADER, n = 0, seal_last;
	struct segment_scan s;
	struct slice p;
	struct record r;
	bool any;
	int e;

	segment_scan_begin(&s, &mem_ops, 0, h->seed, 1, end);
	while ((e = segment_scan_next(&s, &r, &p)) == 0) {
		if (r.lsn != ++last || s.off != off + record_size(p.len) || s.off > end || r.type == RECORD_SEAL)
			abort();
		if (p.len != 0 && memcmp(p.p, file + off + RECORD_HEADER, p.len) != 0)
			abort();
		off = s.off;
		n++;
	}
	if ((e != ERR_NOTFOUND && e != ERR_CORRUPT && e != ERR_VERSION) || s.lsn != n + 1 || s.batch_off > s.off ||
	    n > file_len / RECORD_HEADER)
		abort();
	if (!s.sealed && segment_find_later(&mem_ops, 0, s.off, end, h->seed, s.lsn, &any) == ERR_CORRUPT && !any)
		abort();
	if (segment_find_seal(&mem_ops, 0, 1, file_len, h->seed, &seal_last) == 0 && seal_last == 0)
		abort();
	segment_scan_end(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(slice_of(data, size));
	struct segment_head h = { .size = 0 };
	struct slice how;

	if (cur_take_n(&c, 8, &how) != 0)
		return 0;
	read_most = how.p[1];
	file_make(&c, how.p[0], &h);
	if (file_len >= 64 && segment_head_decode(file, &h) == 0)
		scan(&h);
	return 0;
}
