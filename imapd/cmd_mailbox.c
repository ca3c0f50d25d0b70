/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE      RFC 3501 6.3.3 - 6.3.7, RFC 6154 3 */
#include "imapd/commands.h"
#include "imapd/names.h"

struct mailbox_args {
	struct slice name, to, special_use;
	bool bad_name, bad_to;
};

static int parse_name(struct imap_session *s, struct imap_parse *p)
{
	struct mailbox_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0)
		return r;
	return imap_take_mailbox(p, &a->name, &a->bad_name);
}

int imap_parse_name(struct imap_session *s, struct imap_parse *p)
{
	int r = parse_name(s, p);

	return r != 0 ? r : imap_take_end(p);
}

/* create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"] */
int imap_parse_create(struct imap_session *s, struct imap_parse *p)
{
	struct mailbox_args *a;
	struct slice use;
	int r = parse_name(s, p);

	if (r != 0)
		return r;
	a = s->cmd.args;
	if (!cur_take_byte(&p->cur, ' '))
		return imap_take_end(p);
	if (!cur_take_icase(&p->cur, "(USE ("))
		return imap_why(p, "(USE (...)) is all that can follow the name");
	if (cur_take_icase(&p->cur, "))"))
		return imap_take_end(p);
	do {
		size_t start = p->cur.off;

		if ((r = imap_take_byte(p, '\\', "an attribute is missing")) != 0 || (r = imap_take_atom(p, &use)) != 0)
			return r;
		if (a->special_use.len != 0)
			return imap_why(p, "a mailbox has one use");
		a->special_use = slice_sub(p->cur.in, start, p->cur.off - start);
	} while (cur_take_byte(&p->cur, ' '));
	if (!cur_take_icase(&p->cur, "))"))
		return imap_why(p, "(USE (...)) has no end");
	return imap_take_end(p);
}

int imap_parse_rename(struct imap_session *s, struct imap_parse *p)
{
	struct mailbox_args *a;
	int r = parse_name(s, p);

	if (r != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_mailbox(p, &a->to, &a->bad_to)) != 0)
		return r;
	return imap_take_end(p);
}

static enum imap_run on_done(struct imap_session *s, const struct imap_reply *rep)
{
	return rep->r != 0 ? imap_fail(s, rep->r) : imap_ok(s, "Done");
}

static enum imap_run mailbox_do(struct imap_session *s, uint8_t verb)
{
	const struct mailbox_args *a = s->cmd.args;
	struct spool_mailbox_do m = { .session = s->spool, .verb = verb, .name = a->name, .to = a->to,
		.special_use = a->special_use };

	return imap_ask(s, spool_mailbox_do_MSG, &m, on_done);
}

/* A name that may be made: without the '/' that some clients put at its end (RFC 3501 6.3.3). */
static bool new_name(struct slice *name, bool bad)
{
	if (!bad && name->len > 1 && name->p[name->len - 1] == '/')
		name->len--;
	return !bad && imap_name_can_create(*name);
}

/* RFC 6154 2; \All and \Flagged are views, which are not offered. */
static bool special_use_known(struct slice use)
{
	static const char *const known[] = { "\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_ieq_cstr(use, known[i]))
			return true;
	return use.len == 0;
}

enum imap_run imap_run_create(struct imap_session *s)
{
	struct mailbox_args *a = s->cmd.args;

	if (!new_name(&a->name, a->bad_name))
		return imap_no(s, "CANNOT", "A mailbox cannot have that name");
	if (!special_use_known(a->special_use))
		return imap_no(s, "USEATTR", "A mailbox cannot be used for that");
	return mailbox_do(s, MAILBOX_CREATE);
}

enum imap_run imap_run_delete(struct imap_session *s)
{
	struct mailbox_args *a = s->cmd.args;

	if (a->bad_name)
		return imap_fail(s, ERR_NOTFOUND);
	if (slice_eq_cstr(a->name, "INBOX"))
		return imap_no(s, "CANNOT", "INBOX cannot be deleted");
	if (view_is_open(&s->view) && slice_eq(s->view.name, a->name))
		imap_unselect(s);
	return mailbox_do(s, MAILBOX_DELETE);
}

enum imap_run imap_run_rename(struct imap_session *s)
{
	struct mailbox_args *a = s->cmd.args;

	if (a->bad_name)
		return imap_fail(s, ERR_NOTFOUND);
	if (!new_name(&a->to, a->bad_to) || imap_name_below(a->to, a->name))
		return imap_no(s, "CANNOT", "A mailbox cannot have that name");
	if (slice_eq_cstr(a->to, "INBOX") || slice_eq(a->to, a->name))
		return imap_fail(s, ERR_EXISTS);
	return mailbox_do(s, MAILBOX_RENAME);
}

enum imap_run imap_run_subscribe(struct imap_session *s)
{
	struct mailbox_args *a = s->cmd.args;

	if (!new_name(&a->name, a->bad_name))
		return imap_fail(s, ERR_NOTFOUND);
	return mailbox_do(s, MAILBOX_SUBSCRIBE);
}

enum imap_run imap_run_unsubscribe(struct imap_session *s)
{
	struct mailbox_args *a = s->cmd.args;

	return a->bad_name ? imap_fail(s, ERR_NOTFOUND) : mailbox_do(s, MAILBOX_UNSUBSCRIBE);
}
