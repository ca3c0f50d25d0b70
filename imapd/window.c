#include "imapd/window.h"

#include <stdlib.h>

void imap_window_free(struct imap_window *w)
{
	uint32_t bodies = w->bodies, front = w->front;

	free(w->v);
	free(w->bytes);
	*w = (struct imap_window){ .bodies = bodies, .front = front };
}

enum imap_run imap_window_ask(struct imap_session *s, struct imap_window *w, const struct spool_range *ranges,
    uint32_t n, uint32_t range, uint32_t index, imap_handler_fn *handler)
{
	const struct view *v = &s->view;
	struct spool_range uids[IMAP_WINDOW];
	struct spool_cached m = { .session = s->spool, .mailbox = v->mailbox, .bodies = w->bodies, .front = w->front, .uids = uids };
	uint32_t left = IMAP_WINDOW;

	imap_window_free(w);
	for (uint32_t k = range; k < n && left != 0; k++) {
		uint32_t last = ranges[k].last;

		if (k != range)
			index = ranges[k].first;
		if (last - index >= left)
			last = index + left - 1;
		left -= last - index + 1;
		uids[m.uids_n++] = (struct spool_range){ view_uid(v, index), view_uid(v, last) };
	}
	w->first = uids[0].first;
	w->last = uids[m.uids_n - 1].last;
	return imap_ask(s, spool_cached_MSG, &m, handler);
}

static struct slice keep(uint8_t *bytes, size_t *off, struct slice s)
{
	uint8_t *p = bytes + *off;

	if (s.len != 0)
		memcpy(p, s.p, s.len);
	*off += s.len;
	return slice_of(p, s.len);
}

int imap_window_fill(struct imap_window *w, const struct imap_reply *rep)
{
	const struct spool_cached_reply *m = rep->m;
	size_t bytes = 1, off = 0;

	if (rep->r != 0)        /* NOTFOUND: all of them are gone */
		return rep->r == ERR_NOTFOUND ? 0 : rep->r;
	for (uint32_t i = 0; i < m->items_n; i++)
		bytes += m->items[i].cached.len + m->items[i].body.len;
	w->v = calloc(m->items_n + 1u, sizeof(*w->v));
	w->bytes = malloc(bytes);
	if (w->v == NULL || w->bytes == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->items_n; i++) {
		w->v[i].uid = m->items[i].uid;
		w->v[i].bytes = keep(w->bytes, &off, m->items[i].cached);
		w->v[i].body = keep(w->bytes, &off, m->items[i].body);
	}
	w->n = m->items_n;
	if (m->more && w->n != 0)
		w->last = w->v[w->n - 1].uid;
	return 0;
}

struct slice imap_window_find(struct imap_window *w, uint32_t uid)
{
	while (w->at < w->n && w->v[w->at].uid < uid)
		w->at++;
	if (w->at < w->n && w->v[w->at].uid == uid)
		return w->v[w->at].bytes;
	return slice_of(NULL, 0);
}

struct slice imap_window_body(const struct imap_window *w, uint32_t uid)
{
	return w->at < w->n && w->v[w->at].uid == uid ? w->v[w->at].body : slice_of(NULL, 0);
}
