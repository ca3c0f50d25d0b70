/*
 * FETCH, UID FETCH      RFC 3501 6.4.5
 *
 * One message after the other: what the row alone can tell is written straight
 * from it; summaries are asked for a window of messages at a time; sections are
 * streamed. Nothing is produced while the client has not taken what was.
 *
 * A message that somebody expunged meanwhile keeps its number and its row, and
 * its body is read by the row's body id as long as the spool still has it.
 */
#include "imapd/commands.h"
#include "imapd/fetch.h"

enum { STEP_MESSAGES = 8192, STEP_COST_SUMMARY = 16, MESSAGE_ARENA = 4 * 1024 * 1024 };

int imap_parse_fetch(struct imap_session *s, struct imap_parse *p)
{
	struct fetch_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_set(p, &a->set)) != 0 ||
	    (r = imap_take_sp(p)) != 0 || (r = fetch_items_parse(s, p, a)) != 0)
		return r;
	return imap_take_end(p);
}

static void fetch_cleanup(struct imap_session *s)
{
	struct fetch_args *a = s->cmd.args;

	imap_window_free(&a->window);
	arena_free(&a->arena);
	buf_free(&a->load);
}

/* The next message: false after the last. */
static bool next_message(struct fetch_args *a)
{
	if (!a->begun) {
		a->begun = true;
		if (a->ranges_n == 0)
			return false;
		a->index = a->ranges[0].first;
		return true;
	}
	if (a->index < a->ranges[a->range].last) {
		a->index++;
		return true;
	}
	if (++a->range >= a->ranges_n)
		return false;
	a->index = a->ranges[a->range].first;
	return true;
}

/* ---- \Seen ------------------------------------------------------------------------ */

static enum imap_run on_seen(struct imap_session *s, const struct imap_reply *rep)
{
	struct fetch_args *a = s->cmd.args;

	if (rep->r != 0)
		a->failed = true;       /* it is fetched all the same */
	a->phase = FETCH_SUMMARY;
	return RUN_AGAIN;
}

/* BODY[] sets \Seen, before the content is sent, so that FLAGS can go with it (RFC 3501 6.4.5). */
static enum imap_run seen_step(struct imap_session *s, struct fetch_args *a)
{
	struct view *v = &s->view;
	uint32_t uid = view_uid(v, a->index);
	struct spool_range one = { uid, uid };
	struct spool_store m = { .session = s->spool, .mailbox = v->mailbox, .op = STORE_ADD, .flags = FLAG_SEEN,
		.uids = &one, .uids_n = 1 };

	a->phase = FETCH_SUMMARY;
	if (!a->want_seen || v->read_only || (view_flags(v, a->index) & (FLAG_SEEN | VIEW_GONE)) != 0)
		return RUN_AGAIN;
	return imap_ask(s, spool_store_MSG, &m, on_seen);
}

/* ---- summaries ---------------------------------------------------------------------- */

static enum imap_run on_window(struct imap_session *s, const struct imap_reply *rep)
{
	struct fetch_args *a = s->cmd.args;
	int r = imap_window_fill(&a->window, rep);

	return r != 0 ? imap_fail(s, r) : RUN_YIELD;
}

static enum imap_run summary_step(struct imap_session *s, struct fetch_args *a)
{
	uint32_t uid = view_uid(&s->view, a->index);
	struct slice bytes;

	if (!a->want_summary) {
		a->phase = FETCH_ITEMS;
		return RUN_AGAIN;
	}
	if (!imap_window_covers(&a->window, uid))
		return imap_window_ask(s, &a->window, a->ranges, a->ranges_n, a->range, a->index, on_window);
	bytes = imap_window_find(&a->window, uid);
	if (a->arena == NULL && (a->arena = arena_new(MESSAGE_ARENA)) == NULL)
		return imap_fail(s, ERR_NOMEM);
	arena_reset(a->arena);
	a->have_summary = bytes.p != NULL && mail_summary_load(bytes, a->arena, &a->summary) == 0;
	a->phase = a->have_summary ? FETCH_ITEMS : FETCH_LOAD;
	return RUN_AGAIN;
}

/* ---- items ---------------------------------------------------------------------------- */

static void print_start(struct imap_session *s, struct fetch_args *a)
{
	if (s->view.keywords_new) {
		view_print_flag_list(&s->view, s->out);
		s->view.keywords_new = false;
	}
	buf_add_cstr(s->out, "* ");
	buf_add_u64(s->out, a->index + 1);
	buf_add_cstr(s->out, " FETCH (");
	if ((s->cmd.def->flags & CMD_UID) == 0 || a->want_uid)
		return;
	buf_add_cstr(s->out, "UID ");
	buf_add_u64(s->out, view_uid(&s->view, a->index));
	buf_add_byte(s->out, ' ');
}

static void print_end(struct imap_session *s, struct fetch_args *a)
{
	if (view_is_dirty(&s->view, a->index)) {
		if (!a->want_flags) {
			buf_add_cstr(s->out, " FLAGS ");
			view_print_flags(&s->view, s->out, a->index);
		}
		view_flags_told(&s->view, a->index);
	}
	buf_add_cstr(s->out, ")\r\n");
}

static enum imap_run items_step(struct imap_session *s, struct fetch_args *a)
{
	enum imap_run r;

	if (a->item == 0 && !a->cut)
		print_start(s, a);
	while (a->item < a->items_n) {
		if (a->item != 0 && !a->cut)
			buf_add_byte(s->out, ' ');
		if (a->items[a->item].kind == FETCH_SECTION) {
			if ((r = fetch_section_step(s)) != RUN_DONE)
				return r;
		} else {
			fetch_print_item(s, a, &a->items[a->item++]);
		}
		if (imap_out_full(s) && a->item < a->items_n)
			return RUN_AGAIN;
	}
	print_end(s, a);
	a->phase = FETCH_NEXT;
	return RUN_AGAIN;
}

static enum imap_run fetch_end(struct imap_session *s, struct fetch_args *a)
{
	if (!a->failed)
		return imap_ok(s, "Fetched");
	return s->view.gone_n != 0 ? imap_no(s, "EXPUNGEISSUED", "Some messages are gone") :
	    imap_no(s, "UNAVAILABLE", "Some messages could not be read");
}

static enum imap_run fetch_step(struct imap_session *s)
{
	struct fetch_args *a = s->cmd.args;
	enum imap_run r = RUN_AGAIN;
	unsigned budget = STEP_MESSAGES;

	while (r == RUN_AGAIN) {
		switch (a->phase) {
		case FETCH_NEXT:
			if (imap_out_full(s))
				return RUN_AGAIN;
			if (budget < STEP_COST_SUMMARY)
				return RUN_YIELD;
			budget -= a->want_summary ? STEP_COST_SUMMARY : 1;
			if (!next_message(a))
				return fetch_end(s, a);
			if (view_is_blank(&s->view, a->index)) {
				a->failed = a->failed || (s->cmd.def->flags & CMD_UID) == 0;
				break;
			}
			a->item = 0;
			a->phase = FETCH_SEEN;
			break;
		case FETCH_SEEN:
			r = seen_step(s, a);
			break;
		case FETCH_SUMMARY:
			r = summary_step(s, a);
			break;
		case FETCH_LOAD:
			if ((r = fetch_load_step(s)) == RUN_DONE) {
				a->phase = FETCH_ITEMS;
				r = RUN_AGAIN;
			}
			break;
		case FETCH_ITEMS:
			if (imap_out_full(s))
				return RUN_AGAIN;
			if (fetch_print_plain(s, a))
				a->phase = FETCH_NEXT;
			else
				r = items_step(s, a);
			break;
		}
	}
	return r;
}

enum imap_run imap_run_fetch(struct imap_session *s)
{
	struct fetch_args *a = s->cmd.args;
	int r = view_resolve(&s->view, &a->set, (s->cmd.def->flags & CMD_UID) != 0, s->cmd.arena, &a->ranges, &a->ranges_n);

	if (r == ERR_SYNTAX)
		return imap_bad(s, "There is no message of that number");
	if (r != 0)
		return imap_fail(s, r);
	a->plain = a->rows_n == a->items_n && a->items_n <= FETCH_PLAIN_MAX;
	s->cmd.cleanup = fetch_cleanup;
	s->cmd.step = fetch_step;
	return RUN_AGAIN;
}
