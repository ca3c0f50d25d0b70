/*
 * A view without rows: SELECT, IDLE and new mail need none. Counts go on by themselves; changes of flags and messages
 * that went are noted by uid, and become marks of the rows when these are brought.
 */
#include "imapd/view_private.h"

#include <stdlib.h>

void view_news_free(struct view *v)
{
	if (v->news == NULL)
		return;
	free(v->news->went);
	free(v->news->touched);
	free(v->news);
	v->news = NULL;
}

static struct view_news *news_of(struct view *v)
{
	if (v->news == NULL)
		v->news = calloc(1, sizeof(*v->news));
	return v->news;
}

/* Room for one more of size bytes. */
static bool grow(void *list, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = n < 8 ? 8 : n * 2;
	void *p;

	if (n < *cap)
		return true;
	memcpy(&p, list, sizeof(p));
	if ((p = realloc(p, want * size)) == NULL)
		return false;
	memcpy(list, &p, sizeof(p));
	*cap = want;
	return true;
}

static int touch(struct view *v, uint32_t uid)
{
	struct view_news *n = news_of(v);

	if (n == NULL || !grow(&n->touched, n->touched_n, &n->touched_cap, sizeof(*n->touched)))
		return ERR_NOMEM;
	n->touched[n->touched_n++] = uid;
	return n->touched_n < SPOOL_ROWS_MAX ? 0 : ERR_LIMIT;
}

static int went(struct view *v, struct spool_range g)
{
	struct view_news *n = news_of(v);

	if (g.first == 0 || g.last < g.first)
		return ERR_SYNTAX;
	if (n == NULL || !grow(&n->went, n->went_n, &n->went_cap, sizeof(*n->went)))
		return ERR_NOMEM;
	n->went[n->went_n++] = g;
	return n->went_n < SPOOL_ROWS_MAX ? 0 : ERR_LIMIT;
}

int view_bare_apply(struct view *v, const struct spool_change *ch, bool quiet)
{
	int r = 0;

	for (size_t off = 0; r == 0 && off < ch->rows.len; off += SPOOL_ROW_SIZE) {
		uint32_t uid = get_le32(ch->rows.p + off);

		if (uid == 0 || view_total(v) >= SPOOL_ROWS_MAX)
			return uid == 0 ? ERR_SYNTAX : ERR_LIMIT;
		if (uid < v->uidnext) {
			r = quiet ? 0 : touch(v, uid);
			continue;
		}
		v->uidnext = uid + 1;
		v->fresh++;
		if ((get_le32(ch->rows.p + off + 4) & FLAG_RECENT) != 0)
			v->fresh_recent++;
	}
	for (uint32_t k = 0; r == 0 && k < ch->vanished_n; k++)
		r = went(v, ch->vanished[k]);
	return r;
}

/* ---- the rows come ------------------------------------------------------------------- */

static int cmp_range(const void *a, const void *b)
{
	const struct spool_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Puts rows in the places of those that went, so that the numbers are what the client thinks. */
static int put_back(struct view *v)
{
	struct view_news *n = v->news;
	uint64_t more = 0;
	uint32_t total = v->base_n, at = 0, to = 0;
	uint8_t *p;

	qsort(n->went, n->went_n, sizeof(*n->went), cmp_range);
	for (uint32_t k = 0; k < n->went_n; k++) {
		if (k != 0 && n->went[k].first <= n->went[k - 1].last)
			return ERR_SYNTAX;
		more += (uint64_t)n->went[k].last - n->went[k].first + 1;
	}
	if (more > SPOOL_ROWS_MAX || more + total > SPOOL_ROWS_MAX)
		return ERR_SYNTAX;
	if ((p = calloc((size_t)more + total + 1, SPOOL_ROW_SIZE)) == NULL)
		return ERR_NOMEM;
	for (uint32_t k = 0; k < n->went_n; k++) {
		for (; at < total && view_uid(v, at) < n->went[k].first; at++, to++)
			memcpy(p + (size_t)to * SPOOL_ROW_SIZE, view_row(v, at), SPOOL_ROW_SIZE);
		for (uint32_t uid = n->went[k].first; uid <= n->went[k].last && uid != 0; uid++, to++) {
			put_le32(p + (size_t)to * SPOOL_ROW_SIZE, uid);
			put_le32(p + (size_t)to * SPOOL_ROW_SIZE + 4, VIEW_GONE);
		}
	}
	for (; at < total; at++, to++)
		memcpy(p + (size_t)to * SPOOL_ROW_SIZE, view_row(v, at), SPOOL_ROW_SIZE);
	view_rows_drop(v);
	v->base = p;
	v->base_n = to;
	v->gone_n = (uint32_t)more;
	return 0;
}

/* Ascending, as many as are known of those that are known, and with the marks that are ours. */
static int rows_mark(struct view *v, uint32_t known)
{
	uint32_t prev = 0, old = 0, recent = 0;

	for (uint32_t i = 0; i < v->base_n; i++) {
		uint32_t uid = view_uid(v, i), flags = view_flags(v, i);

		if (uid <= prev || (flags & VIEW_DIRTY) != 0)
			return ERR_SYNTAX;
		prev = uid;
		old += uid < v->uidnext;
		if (uid >= v->first_recent && uid < v->recent_end && (flags & FLAG_RECENT) == 0)
			view_put_flags(v, i, flags |= FLAG_RECENT);
		recent += i < v->exists && (flags & FLAG_RECENT) != 0;
	}
	if (old != known)
		return ERR_SYNTAX;
	v->recent = recent;
	return 0;
}

static int rows_come(struct view *v, const struct spool_snapshot *snap, int fd)
{
	uint32_t known = view_total(v);
	int r = view_rows_take(v, snap, fd);

	v->bare = false;
	for (uint32_t i = 0; r == 0 && i < v->base_n; i++)
		r = (view_flags(v, i) & ~VIEW_TOLD) != 0 ? ERR_SYNTAX : 0;
	if (r == 0 && v->news != NULL && v->news->went_n != 0)
		r = put_back(v);
	if (r == 0)
		r = rows_mark(v, known);
	if (r != 0) {
		view_rows_drop(v);
		v->bare = true;
		return r;
	}
	v->fresh = v->fresh_recent = 0;
	v->dirty_at = UINT32_MAX;
	for (uint32_t k = 0; v->news != NULL && k < v->news->touched_n; k++) {
		uint32_t i = view_lower_bound(v, v->news->touched[k]);

		if (i < v->exists && view_uid(v, i) == v->news->touched[k] && !view_gone(v, i))
			view_mark_dirty(v, i);
	}
	view_news_free(v);
	if (snap->uidnext > v->uidnext)
		v->uidnext = snap->uidnext;
	if (snap->modseq > v->modseq)
		v->modseq = snap->modseq;
	return 0;
}

int view_load(struct view *v, const struct spool_snapshot *snap, int fd)
{
	if (!v->bare)
		return 0;
	if (snap->uidvalidity != v->uidvalidity || snap->mailbox != v->mailbox)
		return ERR_STATE;
	return rows_come(v, snap, fd);
}

/* ---- at rest ----------------------------------------------------------------------------- */

/* An empty mailbox is plain without being bare: there is no row to be brought. */
bool view_to_plain(const struct view *v, struct view_plain *p_r)
{
	if (v->news != NULL || v->fresh != 0 || v->base != NULL || v->tail != NULL || view_total(v) != v->exists ||
	    v->gone_n != 0 || v->dirty_n != 0 || v->keywords_new || v->mailbox_gone)
		return false;
	*p_r = (struct view_plain){ .mailbox = v->mailbox, .modseq = v->modseq, .uidvalidity = v->uidvalidity,
	    .uidnext = v->uidnext, .exists = v->exists, .recent = v->recent, .first_recent = v->first_recent,
	    .recent_end = v->recent_end, .read_only = v->read_only, .bare = v->bare };
	return true;
}

void view_from_plain(struct view *v, const struct view_plain *p)
{
	v->mailbox = p->mailbox;
	v->modseq = p->modseq;
	v->uidvalidity = p->uidvalidity;
	v->uidnext = p->uidnext;
	v->exists = p->exists;
	v->recent = p->recent;
	v->first_recent = p->first_recent;
	v->recent_end = p->recent_end;
	v->read_only = p->read_only;
	v->bare = p->bare;
	v->dirty_at = UINT32_MAX;
}

/* ---- spoold came back ------------------------------------------------------------------ */

bool view_is_current(const struct view *v, const struct spool_snapshot *snap)
{
	return v->bare && snap->uidvalidity == v->uidvalidity && snap->mailbox == v->mailbox && snap->modseq == v->modseq &&
	    snap->uidnext == v->uidnext;
}

/* That nothing went while nobody told us is seen by the count; which flags are others by the modseq. */
int view_bare_resync(struct view *v, const struct spool_snapshot *snap, int fd)
{
	uint64_t before = v->modseq;
	int r = rows_come(v, snap, fd);

	if (r != 0)
		return r == ERR_SYNTAX ? ERR_STATE : r;
	for (uint32_t i = 0; i < v->exists; i++)
		if (get_le64(view_row(v, i) + 16) > before && !view_gone(v, i))
			view_mark_dirty(v, i);
	return 0;
}
