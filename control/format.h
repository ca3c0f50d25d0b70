#ifndef PABAL_CONTROL_FORMAT_H
#define PABAL_CONTROL_FORMAT_H

#include <jansson.h>

#include "common/base/buf.h"

/* How pabal shows things. Pure functions. */

/* Text from others, safe for a terminal: printable UTF-8 stays, all else becomes \xNN. */
void format_text(struct buf *b, struct slice s);
/* "2026-11-24 19:00:05" UTC; 0 seconds: "-". */
void format_time(struct buf *b, uint64_t seconds);
/* "1s", "5m", "2h 10m", "3d 4h". */
void format_duration(struct buf *b, uint64_t seconds);
/* "512", "1.2k", "15m", "3.4g". */
void format_size(struct buf *b, uint64_t bytes);

/* A table: each cell ends with TAB or LF in `cells`; columns are made as wide as their widest
 * cell (counted in code points), the last is left as it is. right: bits of columns to flush right. */
void format_table(struct buf *b, struct slice cells, unsigned right);

/* A JSON string of any bytes: what is not UTF-8 becomes \xNN in the text. Never NULL but without memory. */
json_t *json_text(struct slice s);
/* The value and a line end; takes it over. */
void format_json(struct buf *b, json_t *v);

#endif
