/*
 * list = "LIST" SP mailbox SP list-mailbox, LSUB the same      RFC 3501 6.3.8, 6.3.9; RFC 3348, RFC 6154
 *
 * The whole list of the account is asked for and matched here: \HasChildren
 * needs the neighbours, and a level that is no mailbox itself (its parent was
 * deleted, or never was) still has to be shown, as \Noselect.
 */
#include "imapd/commands.h"
#include "imapd/names.h"

#include <stdlib.h>

struct list_entry {
	struct slice name, special_use;
	bool exists, subscribed;
	bool children;          /* something that counts is below it */
	bool counts;            /* LIST: exists; LSUB: is subscribed */
};

struct list_args {
	struct slice reference, pattern;
	struct slice match;     /* UTF-8; .p NULL: matches nothing */
	bool lsub;
	struct list_entry *v;
	uint32_t n, at;
};

int imap_parse_list(struct imap_session *s, struct imap_parse *p)
{
	struct list_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_astring(p, &a->reference)) != 0 ||
	    (r = imap_take_sp(p)) != 0 || (r = imap_take_list_mailbox(p, &a->pattern)) != 0)
		return r;
	return imap_take_end(p);
}

static void list_cleanup(struct imap_session *s)
{
	free(IMAP_ARGS(s, struct list_args)->v);
}

static int entry_cmp(const void *a, const void *b)
{
	return imap_name_cmp(((const struct list_entry *)a)->name, ((const struct list_entry *)b)->name);
}

static bool below_or_same(struct slice name, struct slice parent)
{
	return slice_eq(name, parent) || imap_name_below(name, parent);
}

/* Adds the levels between prev and name that are missing; room for all of them is there. */
static uint32_t add_levels(struct list_entry *out, uint32_t n, struct slice prev, const struct list_entry *e)
{
	for (size_t i = 1; i < e->name.len; i++) {
		struct slice level = slice_sub(e->name, 0, i);

		if (e->name.p[i] == '/' && !below_or_same(prev, level))
			out[n++] = (struct list_entry){ .name = level };
	}
	out[n++] = *e;
	return n;
}

static uint32_t levels_of(struct slice name)
{
	uint32_t n = 1;

	for (size_t i = 0; i < name.len; i++)
		n += name.p[i] == '/';
	return n;
}

static int entries_make(struct imap_session *s, const struct spool_mailboxes *m)
{
	struct list_args *a = s->cmd.args;
	struct list_entry *in = calloc(m->mailboxes_n + 1u, sizeof(*in));
	struct slice prev = slice_of(NULL, 0);
	uint64_t room = 1;
	uint32_t n = 0;

	if (in == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->mailboxes_n; i++) {
		const struct spool_mailbox *b = &m->mailboxes[i];
		struct list_entry *e = &in[n];

		e->exists = (b->flags & MBOX_EXISTS) != 0;
		e->subscribed = (b->flags & MBOX_SUBSCRIBED) != 0;
		e->counts = a->lsub ? e->subscribed : e->exists;
		if (!e->counts)
			continue;
		e->name = arena_dup(s->cmd.arena, b->name);
		e->special_use = arena_dup(s->cmd.arena, b->special_use);
		if (e->name.p == NULL || e->special_use.p == NULL) {
			free(in);
			return ERR_NOMEM;
		}
		room += levels_of(e->name);
		n++;
	}
	qsort(in, n, sizeof(*in), entry_cmp);
	a->v = room <= 2000000 ? calloc(room, sizeof(*a->v)) : NULL;
	for (uint32_t i = 0; a->v != NULL && i < n; i++) {
		a->n = add_levels(a->v, a->n, prev, &in[i]);
		prev = in[i].name;
	}
	free(in);
	for (uint32_t i = 0; i + 1 < a->n; i++)
		a->v[i].children = imap_name_below(a->v[i + 1].name, a->v[i].name);
	return a->v != NULL ? 0 : ERR_NOMEM;
}

static void entry_print(struct imap_session *s, const struct list_entry *e)
{
	const struct list_args *a = s->cmd.args;
	struct buf *b = s->out;
	const char *sep = "";

	buf_addf(b, "* %s (", a->lsub ? "LSUB" : "LIST");
	if (!e->counts || (!a->lsub && !e->exists)) {
		buf_add_cstr(b, "\\Noselect");
		sep = " ";
	}
	if (!a->lsub) {
		buf_addf(b, "%s%s", sep, e->children ? "\\HasChildren" : "\\HasNoChildren");
		if (e->special_use.len != 0) {
			buf_add_byte(b, ' ');
			buf_add_slice(b, e->special_use);
		}
	}
	buf_add_cstr(b, ") \"/\" ");
	imap_name_print(b, e->name);
	buf_add_cstr(b, "\r\n");
}

/* INBOX matches a pattern in any case. */
static bool entry_matches(const struct list_args *a, const struct list_entry *e)
{
	uint8_t low[IMAP_NAME_MAX + 1];

	if (imap_name_match(e->name, a->match))
		return true;
	if (!slice_istarts(e->name, "INBOX") || (e->name.len > 5 && e->name.p[5] != '/') || a->match.len > IMAP_NAME_MAX)
		return false;
	for (size_t i = 0; i < a->match.len; i++)
		low[i] = i < 5 ? ascii_upper(a->match.p[i]) : a->match.p[i];
	return imap_name_match(e->name, slice_of(low, a->match.len));
}

/* LSUB with '%' shows a level above subscribed ones as \Noselect (RFC 3501 6.3.9); for LIST every level counts. */
static bool entry_shown(const struct list_args *a, const struct list_entry *e)
{
	if (!entry_matches(a, e))
		return false;
	return e->counts || !a->lsub || (a->match.len != 0 && a->match.p[a->match.len - 1] == '%');
}

static enum imap_run list_step(struct imap_session *s)
{
	struct list_args *a = s->cmd.args;

	for (unsigned i = 0; i < 1000 && a->at < a->n; i++, a->at++)
		if (entry_shown(a, &a->v[a->at]))
			entry_print(s, &a->v[a->at]);
	return a->at < a->n ? RUN_AGAIN : imap_ok(s, "Listed");
}

static enum imap_run on_list(struct imap_session *s, const struct imap_reply *rep)
{
	if (rep->r != 0)
		return imap_fail(s, rep->r);
	s->cmd.cleanup = list_cleanup;
	if (entries_make(s, rep->m) != 0)
		return imap_fail(s, ERR_NOMEM);
	s->cmd.step = list_step;
	return RUN_AGAIN;
}

static enum imap_run list_run(struct imap_session *s, bool lsub)
{
	struct list_args *a = s->cmd.args;
	struct spool_mailbox_list m = { .session = s->spool };
	struct buf joined = BUF_INIT(4 * IMAP_NAME_MAX);
	struct slice wire, name;
	int r;

	a->lsub = lsub;
	if (a->pattern.len == 0 && !lsub) {     /* what is the separator? */
		buf_add_cstr(s->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		return imap_ok(s, "Listed");
	}
	buf_add_slice(&joined, a->reference);
	buf_add_slice(&joined, a->pattern);
	wire = arena_dup(s->cmd.arena, buf_slice(&joined));
	r = buf_err(&joined) != 0 ? ERR_LIMIT : wire.p == NULL ? ERR_NOMEM :
	    imap_name_decode(wire, s->cmd.arena, &name);
	buf_free(&joined);
	if (r == ERR_NOMEM)
		return imap_fail(s, r);
	if (r != 0)             /* an invalid name matches nothing */
		return imap_ok(s, "Listed");
	a->match = name;
	return imap_ask(s, spool_mailbox_list_MSG, &m, on_list);
}

enum imap_run imap_run_list(struct imap_session *s)
{
	return list_run(s, false);
}

enum imap_run imap_run_lsub(struct imap_session *s)
{
	return list_run(s, true);
}
