#ifndef PABAL_SPOOL_SNAPSHOT_H
#define PABAL_SPOOL_SNAPSHOT_H

#include "spool/spool_internal.h"

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
 *
 * Entries come in no particular order: a snapshot is written in steps between which the
 * index changes. What changes behind the place where writing is has been written already;
 * what changes before it is written first, as it was, and not again.
 */
enum {
	SNAPSHOT_VERSION = 1, SNAPSHOT_HEADER = 28, SNAPSHOT_BLOCK = 1024 * 1024, SNAPSHOT_BLOCK_MAX = 64 * 1024 * 1024,
	SNAPSHOT_ENTRY = 9, SNAPSHOT_NAME = 17,
};
#define SNAPSHOT_END 0xffffffffu
#define SNAPSHOT_MAGIC "PABALSNP"

void snapshot_name(uint64_t lsn, char dst[SNAPSHOT_NAME]);
int snapshot_dir(struct spool *s, int *dir_r);
/* LSNs of the files there are, newest first, max at most. */
int snapshot_find(struct spool *s, uint64_t *lsns, size_t max, size_t *n_r);
/* Its length in bytes; 0 when that cannot be told. */
uint64_t snapshot_size(struct spool *s, uint64_t lsn);
/* Loads the file of this LSN into an empty index. ERR_CORRUPT: it cannot be used. */
int snapshot_load(struct spool *s, uint64_t lsn);
/* Reads it through: ERR_CORRUPT, ERR_VERSION (a format this program does not know), ERR_IO. */
int snapshot_verify(struct spool *s, uint64_t lsn, uint64_t *entries_r);

#endif
