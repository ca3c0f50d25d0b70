#ifndef PABAL_TESTS_SPOOL_FIXTURE_H
#define PABAL_TESTS_SPOOL_FIXTURE_H

#include "tests/lib/unit.h"

/* Files of former formats, kept as text in tests/spool/fixtures: lines "OFFSET: HEX..." (offset in hex), "#"
 * begins a comment, and the rest of the file is zeros. */
void fixture_load(const char *name, uint8_t *img, size_t size);
/* Writes one (to make it in the first place): the lines of path that are not all zero. */
void fixture_write(const char *path, const char *comment, const uint8_t *img, size_t size);

#endif
