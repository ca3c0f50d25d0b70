#include "imapd/window.h"

#include <stdlib.h>

static void part_free(struct imap_window_part *p)
{
	free(p->v);
	free(p->bytes);
	*p = (struct imap_window_part){ 0 };
}

static void next_drop(struct imap_window *w)
{
	if (w->sent != NULL)
		w->s->env->ops->cancel(w->s->env->be, w->sent);
	w->sent = NULL;
	w->err = 0;
	part_free(&w->next);
}

void imap_window_free(struct imap_window *w)
{
	next_drop(w);
	part_free(&w->now);
}

static struct slice keep(uint8_t *bytes, size_t *off, struct slice s)
{
	uint8_t *p = bytes + *off;

	if (s.len != 0)
		memcpy(p, s.p, s.len);
	*off += s.len;
	return slice_of(p, s.len);
}

static int part_fill(struct imap_window_part *p, const struct imap_reply *rep)
{
	const struct spool_cached_reply *m = rep->m;
	size_t bytes = 1, off = 0;

	if (rep->r != 0)        /* NOTFOUND: all of them are gone */
		return rep->r == ERR_NOTFOUND ? 0 : rep->r;
	for (uint32_t i = 0; i < m->items_n; i++)
		bytes += m->items[i].cached.len + m->items[i].body.len;
	p->v = calloc(m->items_n + 1u, sizeof(*p->v));
	p->bytes = malloc(bytes);
	if (p->v == NULL || p->bytes == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->items_n; i++) {
		p->v[i].uid = m->items[i].uid;
		p->v[i].bytes = keep(p->bytes, &off, m->items[i].cached);
		p->v[i].body = keep(p->bytes, &off, m->items[i].body);
	}
	p->n = m->items_n;
	if (m->more && p->n != 0)
		p->last = p->v[p->n - 1].uid;
	return 0;
}

/* What is to be asked from that place on. */
static struct spool_cached next_of(struct imap_window *w, uint32_t range, uint32_t index, struct spool_range uids[IMAP_WINDOW])
{
	const struct view *v = &w->s->view;
	struct spool_cached m = { .session = w->s->spool, .mailbox = v->mailbox, .bodies = w->bodies, .front = w->front, .uids = uids };
	uint32_t left = IMAP_WINDOW;

	for (uint32_t k = range; k < w->ranges_n && left != 0; k++) {
		uint32_t last = w->ranges[k].last;

		if (k != range)
			index = w->ranges[k].first;
		if (last - index >= left)
			last = index + left - 1;
		left -= last - index + 1;
		uids[m.uids_n++] = (struct spool_range){ view_uid(v, index), view_uid(v, last) };
	}
	w->next.first = uids[0].first;
	w->next.last = uids[m.uids_n - 1].last;
	return m;
}

/* It came before it was needed. */
static void on_ahead(void *ctx, const struct imap_reply *rep)
{
	struct imap_window *w = ctx;

	if (w->sent == NULL) {
		imap_cmd_answered(w->s, rep);
		return;
	}
	w->sent = NULL;
	w->err = part_fill(&w->next, rep);
}

/* Asks for what follows this window. */
static void ask_ahead(struct imap_window *w)
{
	const struct view *v = &w->s->view;
	struct spool_range uids[IMAP_WINDOW];
	uint32_t range = 0, hi = w->ranges_n, index;
	struct spool_cached m;

	if (w->now.last == UINT32_MAX || w->s->lost)
		return;
	index = view_lower_bound(v, w->now.last + 1);
	while (range < hi) {
		uint32_t mid = range + (hi - range) / 2;

		if (w->ranges[mid].last < index)
			range = mid + 1;
		else
			hi = mid;
	}
	if (range == w->ranges_n)
		return;
	m = next_of(w, range, index > w->ranges[range].first ? index : w->ranges[range].first, uids);
	w->sent = w->s->env->ops->request(w->s->env->be, spool_cached_MSG, &m, on_ahead, w);
	if (w->sent == NULL)
		part_free(&w->next);
}

static void step(struct imap_window *w)
{
	part_free(&w->now);
	w->now = w->next;
	w->next = (struct imap_window_part){ 0 };
	ask_ahead(w);
}

enum imap_run imap_window_ask(struct imap_session *s, struct imap_window *w, const struct spool_range *ranges,
    uint32_t n, uint32_t range, uint32_t index, imap_handler_fn *handler)
{
	struct spool_range uids[IMAP_WINDOW];
	uint32_t uid = view_uid(&s->view, index);
	struct spool_cached m;

	w->s = s;
	w->ranges = ranges;
	w->ranges_n = n;
	if (uid >= w->next.first && uid <= w->next.last && w->err == 0) {
		if (w->sent == NULL) {
			step(w);
			return RUN_YIELD;
		}
		s->cmd.handler = handler;
		s->cmd.request = w->sent;
		w->sent = NULL;
		return RUN_WAIT;
	}
	imap_window_free(w);
	m = next_of(w, range, index, uids);
	return imap_ask(s, spool_cached_MSG, &m, handler);
}

int imap_window_fill(struct imap_window *w, const struct imap_reply *rep)
{
	int r = part_fill(&w->next, rep);

	if (r == 0)
		step(w);
	return r;
}

struct slice imap_window_find(struct imap_window *w, uint32_t uid)
{
	struct imap_window_part *p = &w->now;

	while (p->at < p->n && p->v[p->at].uid < uid)
		p->at++;
	return p->at < p->n && p->v[p->at].uid == uid ? p->v[p->at].bytes : slice_of(NULL, 0);
}

struct slice imap_window_body(const struct imap_window *w, uint32_t uid)
{
	const struct imap_window_part *p = &w->now;

	return p->at < p->n && p->v[p->at].uid == uid ? p->v[p->at].body : slice_of(NULL, 0);
}
