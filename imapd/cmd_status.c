/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"      RFC 3501 6.3.10 */
#include "imapd/commands.h"
#include "imapd/names.h"

enum { ST_MESSAGES, ST_RECENT, ST_UIDNEXT, ST_UIDVALIDITY, ST_UNSEEN, ST_COUNT };
static const char *const item_names[ST_COUNT] = { "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN" };

struct status_args {
	struct slice name;
	bool bad_name;
	uint8_t items[ST_COUNT * 2];
	unsigned n;
};

static int take_item(struct imap_parse *p, struct status_args *a)
{
	struct slice s;
	int r = imap_take_atom(p, &s);

	if (r != 0)
		return r;
	if (a->n == sizeof(a->items))
		return imap_why(p, "there are too many items");
	for (unsigned i = 0; i < ST_COUNT; i++) {
		if (slice_ieq_cstr(s, item_names[i])) {
			a->items[a->n++] = (uint8_t)i;
			return 0;
		}
	}
	return imap_why(p, "there is no such item");
}

int imap_parse_status(struct imap_session *s, struct imap_parse *p)
{
	struct status_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_mailbox(p, &a->name, &a->bad_name)) != 0 ||
	    (r = imap_take_sp(p)) != 0 || (r = imap_take_byte(p, '(', "a list of items is missing")) != 0)
		return r;
	do {
		if ((r = take_item(p, a)) != 0)
			return r;
	} while (cur_take_byte(&p->cur, ' '));
	if ((r = imap_take_byte(p, ')', "a list has no end")) != 0)
		return r;
	return imap_take_end(p);
}

static void status_print(struct imap_session *s, const struct spool_mailbox *m)
{
	const struct status_args *a = s->cmd.args;
	const uint32_t values[ST_COUNT] = { m->messages, m->recent, m->uidnext, m->uidvalidity, m->unseen };

	buf_add_cstr(s->out, "* STATUS ");
	imap_name_print(s->out, a->name);
	for (unsigned i = 0; i < a->n; i++)
		buf_addf(s->out, "%s%s %u", i == 0 ? " (" : " ", item_names[a->items[i]], values[a->items[i]]);
	buf_add_cstr(s->out, ")\r\n");
}

static enum imap_run on_counts(struct imap_session *s, const struct imap_reply *rep)
{
	const struct status_args *a = s->cmd.args;
	const struct spool_mailboxes *m = rep->m;

	if (rep->r != 0)
		return imap_fail(s, rep->r);
	for (uint32_t i = 0; i < m->mailboxes_n; i++) {
		if ((m->mailboxes[i].flags & MBOX_EXISTS) != 0 && slice_eq(m->mailboxes[i].name, a->name)) {
			status_print(s, &m->mailboxes[i]);
			return imap_ok(s, "Done");
		}
	}
	return imap_fail(s, ERR_NOTFOUND);
}

enum imap_run imap_run_status(struct imap_session *s)
{
	const struct status_args *a = s->cmd.args;
	struct spool_mailbox_list m = { .session = s->spool, .pattern = a->name, .counts = 1 };

	if (a->bad_name || !imap_name_can_create(a->name))
		return imap_fail(s, ERR_NOTFOUND);
	return imap_ask(s, spool_mailbox_list_MSG, &m, on_counts);
}
