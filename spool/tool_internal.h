#ifndef PABAL_SPOOL_TOOL_INTERNAL_H
#define PABAL_SPOOL_TOOL_INTERNAL_H

#include "spool/snapshot.h"
#include "spool/tool.h"

/* Shared by the files of the check. */

/* The segments that there are, for places of bodies. */
struct tool_segment {
	uint64_t first, last;   /* last is first - 1 without records, 0 when it is not known */
	uint64_t used;
	bool broken;            /* what is in it was not all read */
};
struct tool_segments {
	struct tool_segment *v;
	size_t n;
};
const struct tool_segment *tool_segment_find(const struct tool_segments *segs, uint64_t first);
int tool_walk_segments(int dirfd, uint64_t from, tool_record_fn *fn, tool_say_fn *say, void *ctx, struct tool_totals *t,
    struct tool_segments *segs_r) MUST_CHECK;

/* say() with a format, counting faults. */
struct tool_voice {
	tool_say_fn *say;
	void *ctx;
	struct tool_totals *t;
};
void tool_fault(const struct tool_voice *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void tool_note(const struct tool_voice *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Tells where the tables of live are not those of fresh. */
int tool_compare(struct spool *fresh, struct spool *live, const struct tool_segments *segs, const struct tool_voice *v) MUST_CHECK;

#endif
