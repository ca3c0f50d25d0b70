#ifndef PABAL_IMAPD_WINDOW_H
#define PABAL_IMAPD_WINDOW_H

#include "imapd/core.h"

/*
 * The cached summaries of a run of messages, asked from spoold a window at a
 * time: FETCH and SEARCH walk a set of messages and never hold more of it than the window they are in and
 * the next one, which spoold is asked for as soon as this one has come: it works on that while this one is used.
 */
enum { IMAP_WINDOW = 200 };

struct imap_window_item { uint32_t uid; struct slice bytes, body; };

struct imap_window_part {
	struct imap_window_item *v;
	uint32_t n, at, first, last;    /* first and last: the UIDs that were asked for; 0: nothing was */
	uint8_t *bytes;
};

struct imap_window {
	struct imap_window_part now, next;
	uint32_t bodies, front;         /* set by the owner: bodies up to this size come along, of others so many bytes */
	/* of next */
	struct imap_request *sent;      /* on its way, and nobody waits for it yet */
	int err;                        /* why it did not come */
	/* what is walked */
	struct imap_session *s;
	const struct spool_range *ranges;
	uint32_t ranges_n;
};

static inline bool imap_window_covers(const struct imap_window *w, uint32_t uid)
{
	return uid >= w->now.first && uid <= w->now.last;
}
/* Goes to the window that begins at `index` of ranges[range] (sorted ranges of indexes, which have to stay): step again,
 * or wait for the handler, which calls imap_window_fill() and, if that is 0, yields, so that what is asked ahead goes. */
enum imap_run imap_window_ask(struct imap_session *s, struct imap_window *w, const struct spool_range *ranges,
    uint32_t n, uint32_t range, uint32_t index, imap_handler_fn *handler);
int imap_window_fill(struct imap_window *w, const struct imap_reply *rep) MUST_CHECK;
/* The summary of uid, which only rises from call to call; .p NULL: the spool has none. */
struct slice imap_window_find(struct imap_window *w, uint32_t uid);
/* The body of the message that was found last, or its front; empty when it did not come along. */
struct slice imap_window_body(const struct imap_window *w, uint32_t uid);
/* After what waits for it was cancelled (imap_cmd_clear()). */
void imap_window_free(struct imap_window *w);

#endif
