#ifndef PABAL_IMAPD_VIEW_PRIVATE_H
#define PABAL_IMAPD_VIEW_PRIVATE_H

#include "imapd/view.h"

/* Between view.c and view_bare.c. */
struct view_news {
	struct spool_range *went;       /* uids that are gone, as they were told */
	uint32_t went_n, went_cap;
	uint32_t *touched;              /* uids with other flags, perhaps more than once */
	uint32_t touched_n, touched_cap;
};

int view_rows_take(struct view *v, const struct spool_snapshot *snap, int fd) MUST_CHECK;
void view_rows_drop(struct view *v);
void view_mark_dirty(struct view *v, uint32_t i);
static inline void view_put_flags(struct view *v, uint32_t i, uint32_t flags) { put_le32(view_row(v, i) + 4, flags); }

/* view_bare.c: a change of which no row is here. */
int view_bare_apply(struct view *v, const struct spool_change *ch, bool quiet) MUST_CHECK;
int view_bare_resync(struct view *v, const struct spool_snapshot *snap, int fd) MUST_CHECK;
void view_news_free(struct view *v);

#endif
