#ifndef PABAL_IMAPD_WINDOW_H
#define PABAL_IMAPD_WINDOW_H

#include "imapd/core.h"

/*
 * The cached summaries of a run of messages, asked from spoold a window at a
 * time: FETCH and SEARCH walk a set of messages and never hold more of it.
 */
enum { IMAP_WINDOW = 200 };

struct imap_window_item { uint32_t uid; struct slice bytes, body; };

struct imap_window {
	struct imap_window_item *v;
	uint32_t n, at, first, last;    /* first and last: the UIDs that were asked for */
	uint32_t bodies, front;         /* set by the owner: bodies up to this size come along, of others so many bytes */
	uint8_t *bytes;
};

static inline bool imap_window_covers(const struct imap_window *w, uint32_t uid)
{
	return uid >= w->first && uid <= w->last;
}
/* Asks for the window that begins at `index` of ranges[range] (sorted ranges of indexes); the
 * handler calls imap_window_fill(). */
enum imap_run imap_window_ask(struct imap_session *s, struct imap_window *w, const struct spool_range *ranges,
    uint32_t n, uint32_t range, uint32_t index, imap_handler_fn *handler);
int imap_window_fill(struct imap_window *w, const struct imap_reply *rep) MUST_CHECK;
/* The summary of uid, which only rises from call to call; .p NULL: the spool has none. */
struct slice imap_window_find(struct imap_window *w, uint32_t uid);
/* The body of the message that was found last, or its front; empty when it did not come along. */
struct slice imap_window_body(const struct imap_window *w, uint32_t uid);
void imap_window_free(struct imap_window *w);

#endif
