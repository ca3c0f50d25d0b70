#include "imapd/view.h"

/*
 * Telling the client. RFC 3501 7.4.1: EXPUNGE is never sent while no command
 * is in progress, nor during FETCH, STORE or SEARCH; EXISTS and FETCH may come
 * with any answer. A count never shrinks but by EXPUNGE.
 */
enum { SYNC_LINES = 8000, SYNC_SCAN = 200000 };

size_t view_flags_text(uint32_t flags, char text[VIEW_FLAGS_TEXT])
{
	static const struct { const char *name; size_t len; } names[] = {        /* by bit */
		{ "\\Seen ", 6 }, { "\\Answered ", 10 }, { "\\Flagged ", 9 }, { "\\Deleted ", 9 }, { "\\Draft ", 7 }, { "\\Recent ", 8 },
	};
	size_t n = 1;

	text[0] = '(';
	flags &= FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT | FLAG_RECENT;
	for (; flags != 0; flags &= flags - 1) {
		unsigned k = (unsigned)__builtin_ctz(flags);

		memcpy(text + n, names[k].name, names[k].len);
		n += names[k].len;
	}
	return n > 1 ? n - 1 : n;
}

uint64_t view_known_keywords(const struct view *v, uint32_t i)
{
	return view_keywords(v, i) & (v->keywords_n < 64 ? ((uint64_t)1 << v->keywords_n) - 1 : UINT64_MAX);
}

void view_print_flags(const struct view *v, struct buf *b, uint32_t i)
{
	uint64_t kw = view_known_keywords(v, i);
	char text[VIEW_FLAGS_TEXT];
	size_t n = view_flags_text(view_flags(v, i), text);
	bool first = n == 1;

	buf_add(b, text, n);
	for (uint32_t k = 0; kw != 0; k++, kw >>= 1) {
		if ((kw & 1) == 0)
			continue;
		if (!first)
			buf_add_byte(b, ' ');
		buf_add_cstr(b, v->keywords[k]);
		first = false;
	}
	buf_add_byte(b, ')');
}

void view_print_flag_list(const struct view *v, struct buf *b)
{
	static const char system[] = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

	buf_addf(b, "* FLAGS (%s", system);
	for (uint32_t i = 0; i < v->keywords_n; i++)
		buf_addf(b, " %s", v->keywords[i]);
	buf_add_cstr(b, ")\r\n");
	if (v->read_only) {
		buf_add_cstr(b, "* OK [PERMANENTFLAGS ()] Nothing can be changed\r\n");
		return;
	}
	buf_addf(b, "* OK [PERMANENTFLAGS (%s", system);
	for (uint32_t i = 0; i < v->keywords_n; i++)
		buf_addf(b, " %s", v->keywords[i]);
	buf_addf(b, "%s)] Flags that are kept\r\n", v->keywords_n < 64 ? " \\*" : "");
}

static void rows_truncate(struct view *v, uint32_t total)
{
	if (total >= v->base_n) {
		v->tail_n = total - v->base_n;
	} else {
		v->base_n = total;
		v->tail_n = 0;
	}
}

/* Removes gone rows, telling those that the client knows. True: more are left. */
static bool sync_expunge(struct view *v, struct buf *out)
{
	uint32_t total = view_total(v), to = 0, removed = 0, lines = 0, exists = v->exists;

	for (uint32_t i = 0; i < total; i++) {
		uint32_t flags = view_flags(v, i);

		if ((flags & VIEW_GONE) != 0 && lines < SYNC_LINES) {
			if (i < v->exists) {
				buf_add_cstr(out, "* ");
				buf_add_u64(out, i + 1 - removed);
				buf_add_cstr(out, " EXPUNGE\r\n");
				lines++;
				exists--;
				if ((flags & FLAG_RECENT) != 0)
					v->recent--;
			}
			removed++;
			continue;
		}
		if (to != i)
			memcpy(view_row(v, to), view_row(v, i), SPOOL_ROW_SIZE);
		to++;
	}
	v->exists = exists;
	v->gone_n -= removed;
	v->dirty_at = 0;
	rows_truncate(v, to);
	return v->gone_n != 0;
}

static void sync_exists(struct view *v, struct buf *out)
{
	uint32_t total = view_total(v);

	if (total == v->exists)
		return;
	if (v->bare)
		v->recent += v->fresh_recent;
	for (uint32_t i = v->exists; !v->bare && i < total; i++)
		if ((view_flags(v, i) & FLAG_RECENT) != 0)
			v->recent++;
	v->exists = total;
	v->fresh = v->fresh_recent = 0;
	buf_addf(out, "* %u EXISTS\r\n* %u RECENT\r\n", total, v->recent);
}

static bool sync_flags(struct view *v, struct buf *out, bool uid)
{
	uint32_t lines = 0, i, end;

	if (v->dirty_n == 0)
		return false;
	end = v->exists - v->dirty_at > SYNC_SCAN ? v->dirty_at + SYNC_SCAN : v->exists;
	for (i = v->dirty_at; i < end && v->dirty_n != 0 && lines < SYNC_LINES; i++) {
		if (!view_is_dirty(v, i))
			continue;
		view_flags_told(v, i);
		buf_add_cstr(out, "* ");
		buf_add_u64(out, i + 1);
		buf_add_cstr(out, " FETCH (");
		if (uid) {
			buf_add_cstr(out, "UID ");
			buf_add_u64(out, view_uid(v, i));
			buf_add_byte(out, ' ');
		}
		buf_add_cstr(out, "FLAGS ");
		view_print_flags(v, out, i);
		buf_add_cstr(out, ")\r\n");
		lines++;
	}
	v->dirty_at = i;
	if (v->dirty_n == 0 || i >= v->exists) {
		v->dirty_at = UINT32_MAX;
		v->dirty_n = 0;
	}
	return v->dirty_n != 0;
}

bool view_sync(struct view *v, struct buf *out, bool expunge, bool uid)
{
	if (expunge && v->gone_n != 0 && sync_expunge(v, out))
		return true;
	sync_exists(v, out);
	if (v->keywords_new) {
		view_print_flag_list(v, out);
		v->keywords_new = false;
	}
	return sync_flags(v, out, uid);
}

bool view_has_news(const struct view *v, bool expunge)
{
	return (expunge && v->gone_n != 0) || v->exists != view_total(v) || v->keywords_new || v->dirty_n != 0;
}
