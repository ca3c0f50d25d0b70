#include "imapd/view_private.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- opening ------------------------------------------------------------------ */

static int keywords_set(struct view *v, const struct spool_keyword *kw, uint32_t n)
{
	char **list = n != 0 ? calloc(n, sizeof(*list)) : NULL;

	if (n != 0 && list == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if ((list[i] = malloc(kw[i].name.len + 1)) == NULL ||
		    slice_to_cstr(kw[i].name, list[i], kw[i].name.len + 1) != 0) {
			for (uint32_t k = 0; k <= i; k++)
				free(list[k]);
			free(list);
			return ERR_SYNTAX;
		}
	}
	for (uint32_t i = 0; i < v->keywords_n; i++)
		free(v->keywords[i]);
	free(v->keywords);
	v->keywords = list;
	v->keywords_n = n;
	return 0;
}

int view_rows_take(struct view *v, const struct spool_snapshot *snap, int fd)
{
	size_t len = (size_t)snap->count * SPOOL_ROW_SIZE;
	struct stat st;
	void *p;

	if (snap->count > SPOOL_ROWS_MAX)
		return ERR_LIMIT;
	if (len == 0)
		return 0;
	if (fd < 0) {
		if (snap->rows.len != len)
			return ERR_SYNTAX;
		if ((v->base = malloc(len)) == NULL)
			return ERR_NOMEM;
		memcpy(v->base, snap->rows.p, len);
		v->base_n = snap->count;
		return 0;
	}
	if (fstat(fd, &st) < 0 || st.st_size < 0 || (size_t)st.st_size < len)
		return ERR_SYNTAX;
	if ((p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
		return ERR_NOMEM;
	v->base = p;
	v->map_len = len;
	v->base_n = snap->count;
	return 0;
}

void view_rows_drop(struct view *v)
{
	if (v->map_len != 0)
		munmap(v->base, v->map_len);
	else
		free(v->base);
	v->base = NULL;
	v->base_n = 0;
	v->map_len = 0;
}

/* Ascending UIDs below uidnext, or the numbers mean nothing. first_recent: rows from there on are this session's. */
static int rows_check(struct view *v, uint32_t first_recent)
{
	uint32_t prev = 0;

	for (uint32_t i = 0; i < v->base_n; i++) {
		uint32_t uid = view_uid(v, i), flags = view_flags(v, i);

		if (uid <= prev)
			return ERR_SYNTAX;
		prev = uid;
		if (first_recent != 0 && uid >= first_recent && (flags & FLAG_RECENT) == 0)
			view_put_flags(v, i, flags |= FLAG_RECENT);
		if ((flags & ~VIEW_TOLD) != 0)
			return ERR_SYNTAX;
		if ((flags & FLAG_RECENT) != 0)
			v->recent++;
	}
	if (v->uidnext <= prev)
		v->uidnext = prev + 1;
	return 0;
}

int view_open(struct view *v, const struct spool_snapshot *snap, int fd, struct slice name, bool read_only)
{
	uint8_t *copy = malloc(name.len + 1);
	int r;

	memset(v, 0, sizeof(*v));
	if (copy == NULL)
		return ERR_NOMEM;
	memcpy(copy, name.p, name.len);
	v->name = slice_of(copy, name.len);
	v->uidvalidity = snap->uidvalidity;
	v->uidnext = snap->uidnext;
	v->modseq = snap->modseq;
	v->read_only = read_only;
	v->first_recent = snap->first_recent != 0 ? snap->first_recent : UINT32_MAX;
	v->recent_end = snap->uidnext;
	v->bare = snap->count != 0 && snap->rows.len == 0 && fd < 0;
	if (v->bare) {
		v->exists = snap->count;
		v->recent = snap->recent;
		r = snap->count <= SPOOL_ROWS_MAX ? 0 : ERR_LIMIT;
	} else if ((r = view_rows_take(v, snap, fd)) == 0 && (r = rows_check(v, snap->first_recent)) == 0) {
		v->exists = v->base_n;
	}
	if (r != 0 || (r = keywords_set(v, snap->keywords, snap->keywords_n)) != 0 || snap->mailbox == 0) {
		view_close(v);
		return r != 0 ? r : ERR_SYNTAX;
	}
	v->mailbox = snap->mailbox;
	return 0;
}

void view_close(struct view *v)
{
	view_rows_drop(v);
	view_news_free(v);
	free(v->tail);
	for (uint32_t i = 0; i < v->keywords_n; i++)
		free(v->keywords[i]);
	free(v->keywords);
	free((void *)(uintptr_t)v->name.p);
	memset(v, 0, sizeof(*v));
}

/* ---- finding ------------------------------------------------------------------ */

uint32_t view_lower_bound(const struct view *v, uint32_t uid)
{
	uint32_t lo = 0, hi = view_total(v);

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (view_uid(v, mid) < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t view_keyword_bit(const struct view *v, struct slice name)
{
	for (uint32_t i = 0; i < v->keywords_n && i < 64; i++)
		if (slice_ieq_cstr(name, v->keywords[i]))
			return (uint64_t)1 << i;
	return 0;
}

static int resolve_seq(const struct view *v, const struct imap_range *g, struct spool_range *out)
{
	uint32_t a = g->first_star ? v->exists : g->first, b = g->last_star ? v->exists : g->last;

	if (a == 0 || b == 0 || a > v->exists || b > v->exists)
		return ERR_SYNTAX;
	*out = a <= b ? (struct spool_range){ a - 1, b - 1 } : (struct spool_range){ b - 1, a - 1 };
	return 0;
}

/* False when there is no message in it. */
static bool resolve_uid(const struct view *v, const struct imap_range *g, struct spool_range *out)
{
	uint32_t top, a, b, end;

	if (v->exists == 0)
		return false;
	top = view_uid(v, v->exists - 1);
	a = g->first_star ? top : g->first;
	b = g->last_star ? top : g->last;
	if (a > b) {
		uint32_t t = a;

		a = b;
		b = t;
	}
	out->first = view_lower_bound(v, a);
	end = b == UINT32_MAX ? v->exists : view_lower_bound(v, b + 1);
	if (end > v->exists)
		end = v->exists;
	if (out->first >= end)
		return false;
	out->last = end - 1;
	return true;
}

int view_resolve(const struct view *v, const struct imap_set *set, bool uid, struct arena *a,
    struct spool_range **ranges_r, uint32_t *n_r)
{
	struct spool_range *out = arena_calloc(a, set->n, sizeof(*out));
	uint32_t n = 0;
	int r;

	if (out == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		if (uid) {
			if (resolve_uid(v, &set->v[i], &out[n]))
				n++;
		} else if ((r = resolve_seq(v, &set->v[i], &out[n++])) != 0) {
			return r;
		}
	}
	*ranges_r = out;
	*n_r = imap_ranges_normalise(out, n);
	return 0;
}

uint32_t view_uid_ranges(const struct view *v, const struct spool_range *in, uint32_t n, struct spool_range *out)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t a = in[i].first, b = in[i].last;

		while (a < b && view_gone(v, a))
			a++;
		while (b > a && view_gone(v, b))
			b--;
		if (!view_gone(v, a))
			out[k++] = (struct spool_range){ view_uid(v, a), view_uid(v, b) };
	}
	return k;
}

uint32_t view_recent(const struct view *v)
{
	return v->recent;
}

uint32_t view_first_unseen(const struct view *v)
{
	for (uint32_t i = 0; i < v->exists; i++)
		if ((view_flags(v, i) & FLAG_SEEN) == 0)
			return i + 1;
	return 0;
}

/* ---- changes ------------------------------------------------------------------ */

static int tail_add(struct view *v, const uint8_t *row)
{
	if (v->tail_n == v->tail_cap) {
		uint32_t cap = v->tail_cap != 0 ? v->tail_cap * 2 : 16;
		uint8_t *p;

		if (view_total(v) >= SPOOL_ROWS_MAX)
			return ERR_LIMIT;
		if ((p = realloc(v->tail, (size_t)cap * SPOOL_ROW_SIZE)) == NULL)
			return ERR_NOMEM;
		v->tail = p;
		v->tail_cap = cap;
	}
	memcpy(v->tail + (size_t)v->tail_n++ * SPOOL_ROW_SIZE, row, SPOOL_ROW_SIZE);
	return 0;
}

void view_mark_dirty(struct view *v, uint32_t i)
{
	uint32_t flags = view_flags(v, i);

	if ((flags & VIEW_DIRTY) != 0)
		return;
	view_put_flags(v, i, flags | VIEW_DIRTY);
	v->dirty_n++;
	if (i < v->dirty_at)
		v->dirty_at = i;
}

void view_flags_told(struct view *v, uint32_t i)
{
	uint32_t flags = view_flags(v, i);

	if ((flags & VIEW_DIRTY) == 0)
		return;
	view_put_flags(v, i, flags & ~VIEW_DIRTY);
	v->dirty_n--;
}

/* A row we have: its flags, keywords and modseq are news; \Recent is ours alone. */
static void row_update(struct view *v, uint32_t i, const uint8_t *row, bool quiet)
{
	uint32_t old = view_flags(v, i), now = get_le32(row + 4) & VIEW_TOLD;
	bool same;

	now = (now & ~(uint32_t)FLAG_RECENT) | (old & (FLAG_RECENT | VIEW_GONE | VIEW_DIRTY));
	same = now == old && view_keywords(v, i) == get_le64(row + 8);
	view_put_flags(v, i, now);
	memcpy(view_row(v, i) + 8, row + 8, 16);
	if (!same && !quiet && i < v->exists)
		view_mark_dirty(v, i);
}

/* *at: where the one before was: rows come in order, mostly without gaps. */
static int row_apply(struct view *v, const uint8_t *row, bool quiet, uint32_t *at)
{
	uint32_t uid = get_le32(row), total = view_total(v), i = *at + 1;
	int r;

	if (uid == 0)
		return ERR_SYNTAX;
	if (i >= total || view_uid(v, i) != uid)
		i = view_lower_bound(v, uid);
	*at = i;
	if (i < total && view_uid(v, i) == uid) {
		row_update(v, i, row, quiet);
		return 0;
	}
	if (i < total)
		return 0;       /* older than what we know and not known: it is gone already */
	if ((r = tail_add(v, row)) != 0)
		return r;
	view_put_flags(v, total, get_le32(row + 4) & VIEW_TOLD);
	if (uid >= v->uidnext)
		v->uidnext = uid + 1;
	return 0;
}

static void mark_gone(struct view *v, uint32_t i)
{
	uint32_t flags = view_flags(v, i);

	if ((flags & VIEW_GONE) != 0)
		return;
	view_flags_told(v, i);
	view_put_flags(v, i, view_flags(v, i) | VIEW_GONE);
	v->gone_n++;
}

int view_apply(struct view *v, const struct spool_change *ch, bool quiet)
{
	uint32_t at = UINT32_MAX;
	int r;

	if (ch->mailbox != v->mailbox)
		return 0;
	if (ch->rows.len % SPOOL_ROW_SIZE != 0)
		return ERR_SYNTAX;
	if (ch->keywords_n != 0) {
		if ((r = keywords_set(v, ch->keywords, ch->keywords_n)) != 0)
			return r;
		v->keywords_new = true;
	}
	if (v->bare && (r = view_bare_apply(v, ch, quiet)) != 0)
		return r;
	for (size_t off = 0; !v->bare && off < ch->rows.len; off += SPOOL_ROW_SIZE)
		if ((r = row_apply(v, ch->rows.p + off, quiet, &at)) != 0)
			return r;
	for (uint32_t k = 0; !v->bare && k < ch->vanished_n; k++) {
		uint32_t i = view_lower_bound(v, ch->vanished[k].first), total = view_total(v);

		for (; i < total && view_uid(v, i) <= ch->vanished[k].last; i++)
			mark_gone(v, i);
	}
	if (ch->uidnext > v->uidnext)
		v->uidnext = ch->uidnext;
	if (ch->modseq > v->modseq)
		v->modseq = ch->modseq;
	if (ch->gone_mailbox)
		v->mailbox_gone = true;
	return 0;
}

int view_resync(struct view *v, const struct spool_snapshot *snap, int fd)
{
	struct view now;
	uint32_t i = 0, total = view_total(v), at = UINT32_MAX;
	int r;

	if (snap->uidvalidity != v->uidvalidity || snap->mailbox != v->mailbox)
		return ERR_STATE;
	if (snap->keywords_n != v->keywords_n) {
		if ((r = keywords_set(v, snap->keywords, snap->keywords_n)) != 0)
			return r;
		v->keywords_new = true;
	}
	if (v->bare)
		return view_bare_resync(v, snap, fd);
	if ((r = view_open(&now, snap, fd, v->name, v->read_only)) != 0)
		return r;
	for (uint32_t k = 0; k < now.base_n; k++) {
		uint32_t uid = view_uid(&now, k);

		for (; i < total && view_uid(v, i) < uid; i++)
			mark_gone(v, i);
		if (i < total && view_uid(v, i) == uid)
			row_update(v, i++, view_row(&now, k), false);
		else if ((r = row_apply(v, view_row(&now, k), false, &at)) != 0)
			goto out;
	}
	for (; i < total; i++)
		mark_gone(v, i);
	v->uidnext = now.uidnext;
	v->modseq = now.modseq;
out:
	view_close(&now);
	return r;
}
