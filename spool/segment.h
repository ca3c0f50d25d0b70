#ifndef PABAL_SPOOL_SEGMENT_H
#define PABAL_SPOOL_SEGMENT_H

#include "spool/record.h"
#include "spool/sysops.h"

/*
 * A segment of the log: one file, format version 1. Its name is the LSN of its
 * first record, 16 hex digits. The first block belongs to its header, so that no
 * append ever writes over it:
 *
 *	 0  8  magic "PABALSEG"
 *	 8  4  version, 1
 *	12  4  length of the header, 4096
 *	16  8  length of the segment in bytes, header included
 *	24  8  a random number
 *	32 28  zero
 *	60  4  CRC32C of bytes 0-59; also the seed of its records' checksums
 *	64     zeros up to 4096, then the records, then zeros
 *
 * A segment is made under the name "next": header and zeros, flushed, and then
 * renamed, so that a segment with a number always has its header. It is sealed
 * by a record of type RECORD_SEAL, after which the file is cut to its records:
 * a sealed segment ends with its seal.
 *
 * Nothing here trusts a byte of the file.
 */
enum {
	SEGMENT_HEADER = 4096,
	SEGMENT_VERSION = 1,
	SEGMENT_NAME = 17,              /* with its NUL */
	SEGMENT_CHUNK = 1 << 20,        /* bytes of zeros written at once */
	SEGMENT_READ = 128 << 10,       /* bytes read at once, unless a record is larger */
};
#define SEGMENT_MIN ((uint64_t)64 << 10)        /* that small only for tests */
#define SEGMENT_MAX ((uint64_t)1 << 30)
#define SEGMENT_NEXT "next"

struct segment_head {
	uint64_t size;
	uint32_t seed;
};

void segment_name(uint64_t first_lsn, char *name_r);
/* ERR_SYNTAX unless it is a name as segment_name() makes them. */
int segment_name_parse(const char *name, uint64_t *first_r) MUST_CHECK;

/* The first 64 bytes of a segment. */
void segment_head_encode(uint8_t *dst, uint64_t size, uint64_t salt, struct segment_head *h_r);
/* ERR_CORRUPT, or ERR_VERSION when it is right but of another version. */
int segment_head_decode(const uint8_t *p, struct segment_head *h_r) MUST_CHECK;

/* Opens the segment for reading and writing and reads its header and the length of
 * its file: ERR_NOTFOUND, ERR_CORRUPT, ERR_VERSION, ERR_IO. The caller closes *fd_r. */
int segment_open(const struct sysops *sys, int dirfd, uint64_t first_lsn, int *fd_r,
    struct segment_head *h_r, uint64_t *file_size_r) MUST_CHECK;

/* A segment in the making. */
struct segment_make {
	int fd;
	uint64_t done;          /* bytes written; flushed when it is all of them */
	struct segment_head head;
};

/* Begins a segment of size bytes under the name SEGMENT_NEXT. ERR_FULL, ERR_IO. */
int segment_make_begin(const struct sysops *sys, int dirfd, uint64_t size, struct segment_make *m_r) MUST_CHECK;
/* Writes up to max bytes more: 0 when it is complete and flushed, ERR_AGAIN when not
 * yet, ERR_FULL or ERR_IO, after which it can only be dropped. */
int segment_make_step(const struct sysops *sys, struct segment_make *m, uint64_t max) MUST_CHECK;
/* Closes and unlinks it. */
void segment_make_drop(const struct sysops *sys, int dirfd, struct segment_make *m);

/* Writes zeros. ERR_FULL, ERR_IO. */
int segment_zero(const struct sysops *sys, int fd, uint64_t off, uint64_t len) MUST_CHECK;
/* Makes [off, size) zero, writing only where it is not yet, and the file size bytes long. */
int segment_wipe(const struct sysops *sys, int fd, uint64_t off, uint64_t size) MUST_CHECK;
/* Writes the bytes of [off, end) anew as they are. */
int segment_rewrite(const struct sysops *sys, int fd, uint64_t off, uint64_t end) MUST_CHECK;

/* Looks for the seal at the very end of a file of file_size bytes: the last LSN of the
 * segment, or ERR_NOTFOUND, ERR_IO. */
int segment_find_seal(const struct sysops *sys, int fd, uint64_t first_lsn, uint64_t file_size,
    uint32_t seed, uint64_t *last_lsn_r) MUST_CHECK;
/* Looks in [off, end) for a record that was written when lsn was already durable:
 * ERR_CORRUPT if there is one (the record lsn, missing at off, was lost and not torn), 0 if
 * not. *any_r tells whether any record header is there. */
int segment_find_later(const struct sysops *sys, int fd, uint64_t off, uint64_t end, uint32_t seed,
    uint64_t lsn, bool *any_r) MUST_CHECK;

/* Reads the records of a segment one after the other, each checked in full. */
struct segment_scan {
	const struct sysops *sys;
	int fd;                 /* not owned */
	uint64_t off, end;      /* the next record; where to stop */
	uint64_t lsn;           /* that the next record must have */
	uint32_t seed, prev, index;
	bool started, sealed;   /* a record was seen; the seal was seen */
	uint64_t batch_off;     /* where the last batch begins */
	uint8_t *win;           /* the file's bytes [win_off, win_off + win_len) */
	size_t win_cap, win_len;
	uint64_t win_off;
};

void segment_scan_begin(struct segment_scan *s, const struct sysops *sys, int fd, uint32_t seed,
    uint64_t first_lsn, uint64_t end);
/* 0 and the next record; the payload is good until the next call. ERR_NOTFOUND: the end
 * (s->sealed tells whether by a seal); ERR_CORRUPT: what is at s->off is no whole record
 * that could follow; ERR_VERSION, ERR_IO, ERR_NOMEM. */
int segment_scan_next(struct segment_scan *s, struct record *r_r, struct slice *payload_r) MUST_CHECK;
void segment_scan_end(struct segment_scan *s);

#endif
