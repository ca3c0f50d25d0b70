/* EXPUNGE (RFC 3501 6.4.3), UID EXPUNGE (RFC 4315 2.1). The messages that went are told as news. */
#include "imapd/commands.h"

struct expunge_args {
	struct imap_set set;
};

int imap_parse_uid_expunge(struct imap_session *s, struct imap_parse *p)
{
	struct expunge_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_set(p, &a->set)) != 0)
		return r;
	return imap_take_end(p);
}

static enum imap_run on_expunged(struct imap_session *s, const struct imap_reply *rep)
{
	return rep->r != 0 ? imap_fail(s, rep->r) : imap_ok(s, "Expunged");
}

enum imap_run imap_run_expunge(struct imap_session *s)
{
	const struct expunge_args *a = s->cmd.args;
	struct view *v = &s->view;
	struct spool_range all = { 1, 0 }, *ranges = &all;
	struct spool_expunge m = { .session = s->spool, .mailbox = v->mailbox, .only_deleted = 1 };
	uint32_t n = 1;

	if (v->exists == 0)
		return imap_ok(s, "Expunged");
	all.last = view_uid(v, v->exists - 1);
	if (a != NULL) {
		if (view_resolve(v, &a->set, true, s->cmd.arena, &ranges, &n) != 0)
			return imap_fail(s, ERR_NOMEM);
		n = view_uid_ranges(v, ranges, n, ranges);
	}
	if (n == 0)
		return imap_ok(s, "Expunged");
	m.uids = ranges;
	m.uids_n = n;
	return imap_ask(s, spool_expunge_MSG, &m, on_expunged);
}
