/*
 * select = "SELECT" SP mailbox, EXAMINE, CLOSE, UNSELECT      RFC 3501 6.3.1, 6.3.2, 6.4.2; RFC 3691
 * A failed SELECT leaves no mailbox selected.
 */
#include "imapd/commands.h"

struct select_args {
	struct slice name;
	bool bad_name, examine;
};

int imap_parse_select(struct imap_session *s, struct imap_parse *p)
{
	struct select_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_mailbox(p, &a->name, &a->bad_name)) != 0)
		return r;
	return imap_take_end(p);
}

static enum imap_run on_snapshot(struct imap_session *s, const struct imap_reply *rep)
{
	struct select_args *a = s->cmd.args;
	const struct spool_snapshot *m = rep->m;
	struct view *v = &s->view;
	uint32_t unseen;

	if (rep->r != 0)
		return imap_fail(s, rep->r);
	if (view_open(v, m, *rep->fd, a->name, a->examine) != 0)
		return imap_no(s, "UNAVAILABLE", "The mailbox could not be loaded");
	imap_session_set_state(s, IMAP_SELECTED);
	view_print_flag_list(v, s->out);
	buf_addf(s->out, "* %u EXISTS\r\n* %u RECENT\r\n", v->exists, view_recent(v));
	if ((unseen = v->bare ? m->first_unseen : view_first_unseen(v)) != 0)
		buf_addf(s->out, "* OK [UNSEEN %u] The first unseen message\r\n", unseen);
	buf_addf(s->out, "* OK [UIDVALIDITY %u] UIDs are good\r\n* OK [UIDNEXT %u] The next UID\r\n",
	    v->uidvalidity, v->uidnext);
	return imap_ok_code(s, a->examine ? SLICE_LIT("READ-ONLY") : SLICE_LIT("READ-WRITE"), "Selected");
}

static enum imap_run select_run(struct imap_session *s, bool examine)
{
	struct select_args *a = s->cmd.args;
	struct spool_select m;

	imap_unselect(s);
	a->examine = examine;
	if (a->bad_name)
		return imap_fail(s, ERR_NOTFOUND);
	m = (struct spool_select){ .session = s->spool, .name = a->name, .watch = 1, .claim_recent = !examine, .counts = 1 };
	return imap_ask(s, spool_select_MSG, &m, on_snapshot);
}

enum imap_run imap_run_select(struct imap_session *s)
{
	return select_run(s, false);
}

enum imap_run imap_run_examine(struct imap_session *s)
{
	return select_run(s, true);
}

enum imap_run imap_run_unselect(struct imap_session *s)
{
	imap_unselect(s);
	return imap_ok(s, "Done");
}

static enum imap_run on_closed(struct imap_session *s, const struct imap_reply *rep)
{
	imap_unselect(s);
	return rep->r != 0 ? imap_fail(s, rep->r) : imap_ok(s, "Closed");
}

/* CLOSE expunges silently, but not what a read-only mailbox holds. */
enum imap_run imap_run_close(struct imap_session *s)
{
	struct view *v = &s->view;
	struct spool_range all = { 1, v->uidnext };
	struct spool_expunge m = { .session = s->spool, .mailbox = v->mailbox, .only_deleted = 1, .uids = &all, .uids_n = 1 };
	bool any = false;

	for (uint32_t i = 0, n = view_total(v); i < n && !any; i++)
		any = (view_flags(v, i) & (FLAG_DELETED | VIEW_GONE)) == FLAG_DELETED;
	if (v->read_only || !any)
		return imap_run_unselect(s);
	return imap_ask(s, spool_expunge_MSG, &m, on_closed);
}
