#ifndef PABAL_SPOOL_RECORD_H
#define PABAL_SPOOL_RECORD_H

#include "common/base/slice.h"

/*
 * A record of the log, format version 1. All numbers are little-endian; a record
 * begins at a multiple of 8 bytes.
 *
 *	 0  4  magic "PBLR"
 *	 4  1  version, 1
 *	 5  1  type; 0 is the seal that ends a segment, the others are the caller's
 *	 6  2  zero
 *	 8  4  length of the payload
 *	12  4  index: records of the same batch before this one
 *	16  8  LSN; of a seal: the LSN that follows the segment
 *	24  4  prev: header checksum of the record before, 0 for a segment's first
 *	28  4  sum: CRC32C of the payload and its padding
 *	32  4  zero
 *	36  4  header checksum: CRC32C of bytes 0-35, begun with the segment's seed
 *	40     payload, then zeros up to a multiple of 8
 *
 * The seed comes from a random number in the segment's header, so that nothing
 * that a peer puts into a payload, and no block of an older file, passes for a
 * header. prev ties each record to the one before: what a failed flush left on
 * the disk cannot follow a batch that took its place. index tells what was
 * durable when a record was written: everything before its batch.
 *
 * Magic, version, length and both checksums keep their place in every version.
 */
enum {
	RECORD_HEADER = 40,
	RECORD_ALIGN = 8,
	RECORD_VERSION = 1,
	RECORD_SEAL = 0,
};

struct record {
	uint8_t type;
	uint32_t len, index;
	uint64_t lsn;
	uint32_t prev, sum;
	uint32_t crc;           /* the header checksum */
};

/* Bytes on disk of a record with a payload of len bytes. */
static inline uint64_t record_size(uint64_t len)
{
	return RECORD_HEADER + (len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}
/* The LSN of the first record of its batch. */
static inline uint64_t record_batch(const struct record *r)
{
	return r->lsn - r->index;
}

/* Writes header, payload and padding to dst (record_size() bytes), filling in len, sum and crc of r.
 * The payload is shorter than 4 GiB. */
void record_encode(uint8_t *dst, uint32_t seed, struct record *r, struct slice payload);
/* Reads the RECORD_HEADER bytes at p. ERR_NOTFOUND: all are zero; ERR_CORRUPT: not a right
 * header; ERR_VERSION: a right header of another version. The length is not yet held
 * against the file. */
int record_decode(const uint8_t *p, uint32_t seed, struct record *r_r) MUST_CHECK;
/* Whether the RECORD_HEADER bytes at p may be a header at all: quick, for looking at many places. */
bool record_has_magic(const uint8_t *p);
/* Whether the record_size() - RECORD_HEADER bytes at p are the payload that r tells of. */
bool record_payload_ok(const struct record *r, const uint8_t *p);

#endif
