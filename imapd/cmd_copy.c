/*
 * copy = "COPY" SP sequence-set SP mailbox      RFC 3501 6.4.7
 * move = "MOVE" SP sequence-set SP mailbox      RFC 6851
 * COPY is all or nothing; a MOVE that fails may have moved a part, which is told. COPYUID (RFC 4315 3) goes before
 * MOVE's EXPUNGEs.
 */
#include "imapd/commands.h"

struct copy_args {
	struct imap_set set;
	struct slice name;
	bool bad_name, move;
};

int imap_parse_copy(struct imap_session *s, struct imap_parse *p)
{
	struct copy_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_set(p, &a->set)) != 0 ||
	    (r = imap_take_sp(p)) != 0 || (r = imap_take_mailbox(p, &a->name, &a->bad_name)) != 0)
		return r;
	return imap_take_end(p);
}

static enum imap_run copied(struct imap_session *s, const struct spool_copied *m)
{
	const struct copy_args *a = s->cmd.args;
	struct buf code = BUF_INIT(2 * 1024 * 1024);
	enum imap_run r;

	if (m->uids_n == 0)
		return imap_no(s, "EXPUNGEISSUED", "These messages are gone");
	buf_addf(&code, "COPYUID %u ", m->uidvalidity);
	imap_ranges_print(&code, m->uids, m->uids_n);
	buf_add_byte(&code, ' ');
	imap_ranges_print(&code, m->to, m->to_n);
	if (buf_err(&code) != 0)
		buf_reset(&code);
	if (!a->move) {
		r = imap_ok_code(s, buf_slice(&code), "Copied");
	} else {
		if (buf_len(&code) != 0) {
			buf_add_cstr(s->out, "* OK [");
			buf_add_slice(s->out, buf_slice(&code));
			buf_add_cstr(s->out, "] Moved\r\n");
		}
		r = m->code == 0 ? imap_ok(s, "Moved") : imap_fail(s, (int)m->code);
	}
	buf_free(&code);
	return r;
}

static enum imap_run on_copied(struct imap_session *s, const struct imap_reply *rep)
{
	if (rep->r == ERR_NOTFOUND)
		return imap_no(s, "TRYCREATE", "There is no such mailbox");
	return rep->r != 0 ? imap_fail(s, rep->r) : copied(s, rep->m);
}

static enum imap_run copy_run(struct imap_session *s, bool move)
{
	struct copy_args *a = s->cmd.args;
	struct view *v = &s->view;
	struct spool_copy m = { .session = s->spool, .mailbox = v->mailbox, .to = a->name, .move = move };
	struct spool_range *ranges;
	uint32_t n;
	int r = view_resolve(v, &a->set, (s->cmd.def->flags & CMD_UID) != 0, s->cmd.arena, &ranges, &n);

	a->move = move;
	if (r == ERR_SYNTAX)
		return imap_bad(s, "There is no message of that number");
	if (r != 0)
		return imap_fail(s, r);
	if (a->bad_name)
		return imap_no(s, "TRYCREATE", "There is no such mailbox");
	if (n == 0)
		return imap_ok(s, "There is nothing to be copied");
	if ((n = view_uid_ranges(v, ranges, n, ranges)) == 0)
		return imap_no(s, "EXPUNGEISSUED", "These messages are gone");
	m.uids = ranges;
	m.uids_n = n;
	return imap_ask(s, spool_copy_MSG, &m, on_copied);
}

enum imap_run imap_run_copy(struct imap_session *s)
{
	return copy_run(s, false);
}

enum imap_run imap_run_move(struct imap_session *s)
{
	return copy_run(s, true);
}
