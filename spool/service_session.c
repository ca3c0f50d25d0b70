/* Sessions: OPEN with accountd's token, names of mailboxes, and the events to who selected. */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "spool/service_jobs.h"

enum { SESSIONS_MAX = 1000000, EVENT_ROWS = SPOOL_BODY_MAX / SPOOL_ROW_SIZE, EVENT_RANGES = 100000 };

static int session_cmp(const struct session *a, const struct session *b)
{
	return (a->number > b->number) - (a->number < b->number);
}

RB_GENERATE_INTERNAL(session_tree, session, entry, session_cmp, static UNUSED)

static struct session *session_by_number(struct service *svc, uint32_t number)
{
	struct session key = { .number = number };

	return RB_FIND(session_tree, &svc->sessions, &key);
}

struct session *session_find(struct service *svc, const struct peer *p, uint32_t number)
{
	struct session *s = session_by_number(svc, number);

	return s != NULL && s->peer == p ? s : NULL;
}

static void session_free(struct service *svc, struct session *s)
{
	view_jobs_unselect(svc, s);
	watch_unselect(svc->watches, &s->sel);
	RB_REMOVE(session_tree, &svc->sessions, s);
	LIST_REMOVE(s, link);
	free(s);
}

void sessions_peer_gone(struct service *svc, struct peer *p)
{
	struct session *s;

	while ((s = LIST_FIRST(p->sessions)) != NULL)
		session_free(svc, s);
}

/* ---- OPEN, CLOSE ---- */

int request_open(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_open in;
	struct session *s = NULL;
	struct token t;
	int r;

	REQUEST_DECODE(svc, p, m, spool_open, &in);
	r = token_check(svc->sc.secret, in.token, TOKEN_SESSION, clock_wall_s(), &t);
	if (r == 0) {
		r = spool_account_init(svc->spool, t.account);
		service_batch_opened(svc);
	}
	if (r == 0 && (s = calloc(1, sizeof(*s))) == NULL)
		r = ERR_NOMEM;
	if (service_refused(svc, p, m->id, r))
		return 0;
	s->account = t.account;
	s->peer = p;
	s->sel.owner = s;
	do
		s->number = ++svc->last_session;
	while (s->number == 0 || RB_INSERT(session_tree, &svc->sessions, s) != NULL);
	LIST_INSERT_HEAD(p->sessions, s, link);
	(void)service_ok(svc, p, m->id, s->number);
	return 0;
}

int request_close(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_close in;
	struct session *s;

	REQUEST_DECODE(svc, p, m, spool_close, &in);
	if ((s = session_find(svc, p, in.session)) != NULL)
		session_free(svc, s);
	return 0;
}

/* ---- MAILBOX_LIST ---- */

struct list {
	struct service *svc;
	const struct session *s;
	const struct spool_mailbox_list *in;
	struct buf out;         /* struct spool_mailbox */
	size_t size;
	struct slice up[32];    /* the last parent looked at, by its depth */
};

static int count_one(void *ctx, const struct row *row)
{
	(void)row;
	++*(uint32_t *)ctx;
	return 0;
}

int recent_count(struct service *svc, uint64_t id, const struct ix_mailbox *mb, uint32_t *n_r)
{
	struct op_range recent = { mb->first_recent, UINT32_MAX };

	*n_r = mb->first_recent <= 1 ? mb->messages : 0;
	if (mb->first_recent <= 1 || mb->first_recent >= mb->uidnext)
		return 0;
	return spool_rows(svc->spool, id, &recent, 1, count_one, n_r);
}

static int list_put(struct list *l, struct slice name, const struct ix_name *n)
{
	struct spool_mailbox box = { .id = n->mailbox, .name = arena_dup(l->svc->arena, name) };
	struct ix_mailbox m;
	int r;

	if (box.name.p == NULL)
		return ERR_NOMEM;
	box.flags = (n->mailbox != 0 ? MBOX_EXISTS : 0) | (n->subscribed != 0 ? MBOX_SUBSCRIBED : 0);
	if (n->mailbox != 0) {
		if ((r = spool_mailbox_get(l->svc->spool, n->mailbox, l->svc->arena, &m)) != 0)
			return r == ERR_NOTFOUND ? ERR_CORRUPT : r;
		box.special_use = m.special_use;
		box.uidvalidity = m.uidvalidity;
		if (l->in->counts != 0) {
			box.uidnext = m.uidnext;
			box.modseq = m.modseq;
			box.messages = m.messages;
			box.unseen = m.unseen;
			box.deleted = m.deleted;
			box.size = m.size;
			if ((r = recent_count(l->svc, n->mailbox, &m, &box.recent)) != 0)
				return r;
		}
	}
	l->size += 80 + name.len + box.special_use.len;
	if (l->size > REPLY_MAX)
		return ERR_LIMIT;
	buf_add(&l->out, &box, sizeof(box));
	return buf_err(&l->out);
}

/*
 * Parents that are gone, or never were, while what is below them is there (RFC 9051 6.3.5). Names
 * come in byte order, in which those with one prefix are together: the last parent of each
 * level is enough to know what was looked at.
 */
static int list_parents(struct list *l, struct slice name)
{
	static const struct ix_name none;
	struct slice up = mbox_name_parent(name);
	size_t depth = 0;
	int r;

	for (size_t i = 0; i < up.len; i++)
		depth += up.p[i] == '/';
	if (up.len == 0 || depth >= ARRAY_LEN(l->up) || slice_eq(l->up[depth], up))
		return 0;
	if ((r = list_parents(l, up)) != 0)
		return r;
	l->up[depth] = up;
	if ((l->in->pattern.len != 0 && !mbox_name_match(l->in->pattern, up)) || spool_name_known(l->svc->spool, l->s->account, up))
		return 0;
	return list_put(l, up, &none);
}

static int list_name(void *ctx, struct slice name, const struct ix_name *n)
{
	struct list *l = ctx;
	struct slice copy = arena_dup(l->svc->arena, name);
	int r;

	if (copy.p == NULL)
		return ERR_NOMEM;
	if (n->mailbox != 0 && (r = list_parents(l, copy)) != 0)
		return r;
	return l->in->pattern.len != 0 && !mbox_name_match(l->in->pattern, copy) ? 0 : list_put(l, copy, n);
}

static int by_name(const void *a, const void *b)
{
	return slice_cmp(((const struct spool_mailbox *)a)->name, ((const struct spool_mailbox *)b)->name);
}

int request_mailbox_list(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_mailbox_list in;
	struct list l = { .svc = svc, .in = &in, .out = BUF_INIT(REQUEST_ARENA) };
	struct spool_mailboxes out;
	int r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_mailbox_list, &in);
	if ((l.s = session_find(svc, p, in.session)) != NULL)
		r = spool_names(svc->spool, l.s->account, list_name, &l);
	out.mailboxes = (struct spool_mailbox *)(void *)l.out.p;
	out.mailboxes_n = (uint32_t)(buf_len(&l.out) / sizeof(*out.mailboxes));
	if (out.mailboxes_n != 0)
		qsort(out.mailboxes, out.mailboxes_n, sizeof(*out.mailboxes), by_name);
	if (!service_refused(svc, p, m->id, r))
		(void)ANSWER(svc, p, m->id, spool_mailboxes, &out);
	buf_free(&l.out);
	return 0;
}

/* ---- MAILBOX_DO ---- */

static int mailbox_op(const struct spool_mailbox_do *in, uint64_t account, struct op_new_mailbox *box, struct spool_op *op)
{
	switch (in->verb) {
	case MAILBOX_CREATE:
		*box = (struct op_new_mailbox){ .name = in->name, .special_use = in->special_use };
		*op = (struct spool_op){ .kind = OP_MAILBOX_CREATE, .create = { account, box, 1 } };
		break;
	case MAILBOX_DELETE:
		*op = (struct spool_op){ .kind = OP_MAILBOX_DELETE, .delete_ = { .account = account, .name = in->name } };
		break;
	case MAILBOX_RENAME:
		*op = (struct spool_op){ .kind = OP_MAILBOX_RENAME, .rename = { account, in->name, in->to } };
		break;
	case MAILBOX_SUBSCRIBE:
	case MAILBOX_UNSUBSCRIBE:
		*op = (struct spool_op){ .kind = OP_SUBSCRIBE, .subscribe = { account, in->name, in->verb == MAILBOX_SUBSCRIBE } };
		break;
	default:
		return ERR_SYNTAX;
	}
	return in->name.len != 0 ? 0 : ERR_SYNTAX;
}

int request_mailbox_do(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct spool_mailbox_do in;
	struct op_new_mailbox box;
	struct spool_op op;
	struct spool_done done;
	struct session *s;
	int r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_mailbox_do, &in);
	if ((s = session_find(svc, p, in.session)) != NULL && (r = mailbox_op(&in, s->account, &box, &op)) == 0)
		r = service_do(svc, &op, &done, &changes);
	/* INBOX: its messages are moved, of which this was the first piece. */
	if (r == 0 && op.kind == OP_COPY && done.next != 0) {
		r = many_rename(svc, p, m->id, in.session, &op.copy, done.next);
		answer_take_changes(r == 0 ? service_ok(svc, NULL, 0, 0) : service_fail(svc, p, m->id, r, NULL), &changes, in.session);
		return 0;
	}
	if (service_refused(svc, p, m->id, r))
		change_list_free(&changes);
	else
		answer_take_changes(service_ok(svc, p, m->id, done.id), &changes, in.session);
	return 0;
}

/* ---- events ---- */

void session_ghosts(struct service *svc, struct change_list *changes)
{
	struct change *c;
	struct gone g;

	TAILQ_FOREACH(c, changes, link)
		for (size_t i = 0; i < buf_len(&c->gone) / sizeof(g); i++) {
			memcpy(&g, c->gone.p + i * sizeof(g), sizeof(g));
			watch_expunged(svc->watches, c->mailbox, g.uid, g.bodyid);
		}
}

/* The gone uids as ranges (heap). */
static struct buf gone_ranges(const struct change *c)
{
	struct buf out = BUF_INIT(REQUEST_ARENA);
	struct spool_range v = { 0, 0 };
	struct gone g;

	for (size_t i = 0; i < buf_len(&c->gone) / sizeof(g); i++) {
		memcpy(&g, c->gone.p + i * sizeof(g), sizeof(g));
		if (v.last != 0 && g.uid == v.last + 1) {
			v.last = g.uid;
			continue;
		}
		if (v.last != 0)
			buf_add(&out, &v, sizeof(v));
		v = (struct spool_range){ g.uid, g.uid };
	}
	if (v.last != 0)
		buf_add(&out, &v, sizeof(v));
	return out;
}

static void send_change(struct session *s, const struct spool_change *ev)
{
	if (channel_is_open(s->peer->ch))
		IPC_SEND(s->peer->ch, spool_change, 0, ev);
}

/* In as many events as it takes; the keywords go with the first, before the rows that use them. */
static void tell(struct session *s, const struct change *c, const struct spool_change *base, const struct buf *gone)
{
	size_t rows = buf_len(&c->rows) / SPOOL_ROW_SIZE, ranges = buf_len(gone) / sizeof(struct spool_range), r = 0, g = 0;
	struct spool_change ev = *base;

	ev.session = s->number;
	do {
		size_t nr = rows - r < EVENT_ROWS ? rows - r : EVENT_ROWS;
		size_t ng = ranges - g < EVENT_RANGES ? ranges - g : EVENT_RANGES;

		ev.rows = slice_sub(buf_slice(&c->rows), r * SPOOL_ROW_SIZE, nr * SPOOL_ROW_SIZE);
		ev.vanished = (struct spool_range *)(void *)(gone->p) + g;
		ev.vanished_n = (uint32_t)ng;
		if (ng == 0)
			ev.vanished = NULL;
		send_change(s, &ev);
		ev.keywords_n = 0;
		r += nr;
		g += ng;
	} while (r < rows || g < ranges);
}

static void tell_all(struct service *svc, struct change *c, uint32_t by)
{
	struct selection_list *list = watch_list(svc->watches, c->mailbox);
	struct spool_change ev = { .mailbox = c->mailbox, .modseq = c->modseq, .uidnext = c->uidnext, .gone_mailbox = c->deleted };
	struct ix_mailbox mb;
	struct selection *sel;
	struct buf gone;

	if (list == NULL)
		return;
	view_jobs_change(svc, c);
	arena_reset(svc->arena);
	if (c->keywords && spool_mailbox_get(svc->spool, c->mailbox, svc->arena, &mb) == 0 &&
	    keywords_out(svc, &mb, &ev.keywords, &ev.keywords_n) != 0)
		ev.keywords_n = 0;
	gone = gone_ranges(c);
	TAILQ_FOREACH(sel, list, link) {
		struct session *s = sel->owner;

		if (!sel->events)
			continue;
		ev.by_self = s->number == by;
		tell(s, c, &ev, &gone);
	}
	buf_free(&gone);
}

void session_events(struct service *svc, struct change_list *changes, uint32_t by)
{
	struct change *c;

	TAILQ_FOREACH(c, changes, link)
		tell_all(svc, c, by);
}
