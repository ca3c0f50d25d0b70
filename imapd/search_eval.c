#include "imapd/search.h"

#include "common/mail/date.h"

int search_bind(struct imap_session *s, struct search_key *k)
{
	int r;

	for (; k != NULL; k = k->next) {
		if (k->kind == KEY_KEYWORD)
			k->size = view_keyword_bit(&s->view, k->name);
		if (k->kind == KEY_SET) {
			/* In an empty mailbox a set of numbers just matches nothing. */
			if (s->view.exists == 0)
				continue;
			r = view_resolve(&s->view, &k->set, k->uid, s->cmd.arena, &k->ranges, &k->ranges_n);
			if (r != 0)
				return r;
		}
		if (k->child != NULL && (r = search_bind(s, k->child)) != 0)
			return r;
	}
	return 0;
}

static bool in_ranges(const struct search_key *k, uint32_t i)
{
	uint32_t lo = 0, hi = k->ranges_n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (k->ranges[mid].last < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < k->ranges_n && k->ranges[lo].first <= i;
}

static enum search_result yes(bool b)
{
	return b ? SEARCH_YES : SEARCH_NO;
}

static enum search_result date_fits(const struct search_key *k, int64_t day)
{
	switch (k->date) {
	case DATE_BEFORE:
		return yes(day < k->day);
	case DATE_ON:
		return yes(day == k->day);
	case DATE_SINCE:
		break;
	}
	return yes(day >= k->day);
}

/* AND: one NO decides; OR: one YES. */
static enum search_result eval_list(const struct search_key *k, struct imap_session *s, const struct search_args *a,
    enum search_level level, enum search_result decides, enum search_result otherwise)
{
	enum search_result r = otherwise;

	for (const struct search_key *c = k->child; c != NULL; c = c->next) {
		enum search_result one = search_eval(c, s, a, level);

		if (one == decides)
			return decides;
		if (one == SEARCH_MAYBE)
			r = SEARCH_MAYBE;
	}
	return r;
}

static enum search_result eval_envelope(const struct search_key *k, const struct search_args *a, enum search_level level)
{
	enum search_result r = SEARCH_MAYBE;

	if (level >= LEVEL_SUMMARY && a->have_summary)
		r = search_in_envelope(a->summary.envelope, k->name, k->text);
	if (r == SEARCH_MAYBE && level >= LEVEL_HEADER)
		r = yes(search_in_header(a->head, k->name, k->text));
	return r;
}

static enum search_result eval_sent(const struct search_key *k, const struct search_args *a, enum search_level level)
{
	if (level < LEVEL_SUMMARY || !a->have_summary)
		return level >= LEVEL_BODY ? SEARCH_NO : SEARCH_MAYBE;
	if (a->summary.sent_date == 0)
		return SEARCH_NO;
	return date_fits(k, (int64_t)a->summary.sent_day);
}

enum search_result search_eval(const struct search_key *k, struct imap_session *s, const struct search_args *a,
    enum search_level level)
{
	const struct view *v = &s->view;
	enum search_result r;

	switch (k->kind) {
	case KEY_ALL:
		return SEARCH_YES;
	case KEY_FLAGS:
		return yes((view_flags(v, a->index) & k->mask) == k->want);
	case KEY_KEYWORD:
		return yes(((view_keywords(v, a->index) & k->size) != 0) != k->negated);
	case KEY_LARGER:
		return yes(view_size(v, a->index) > k->size);
	case KEY_SMALLER:
		return yes(view_size(v, a->index) < k->size);
	case KEY_DATE:
		return date_fits(k, mail_date_days((int64_t)view_date(v, a->index), 0));
	case KEY_SET:
		return yes(in_ranges(k, a->index));
	case KEY_SENT:
		return eval_sent(k, a, level);
	case KEY_ENVELOPE:
		return eval_envelope(k, a, level);
	case KEY_HEADER:
		if (level >= LEVEL_HEADER)
			return yes(search_in_header(a->head, k->name, k->text));
		return level == LEVEL_SUMMARY && a->have_summary ? search_in_summary(&a->summary, k->name, k->text, a->arena) :
		    SEARCH_MAYBE;
	case KEY_TEXT:
	case KEY_BODY:
		return k->hit || k->text.len == 0 ? SEARCH_YES : level < LEVEL_BODY ? SEARCH_MAYBE : SEARCH_NO;
	case KEY_NOT:
		r = search_eval(k->child, s, a, level);
		return r == SEARCH_MAYBE ? r : yes(r == SEARCH_NO);
	case KEY_OR:
		return eval_list(k, s, a, level, SEARCH_YES, SEARCH_NO);
	case KEY_AND:
		break;
	}
	return eval_list(k, s, a, level, SEARCH_NO, SEARCH_YES);
}

void search_reset(struct search_key *k)
{
	for (; k != NULL; k = k->next) {
		k->hit = false;
		search_reset(k->child);
	}
}

void search_mark(struct search_key *k, struct slice folded, bool header)
{
	for (; k != NULL; k = k->next) {
		if (!k->hit && (k->kind == KEY_TEXT || (k->kind == KEY_BODY && !header)))
			k->hit = search_contains(folded, k->text);
		search_mark(k->child, folded, header);
	}
}
