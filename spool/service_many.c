/*
 * EXPUNGE, COPY, MOVE: a piece of the messages is one op, one piece a turn.
 *
 * EXPUNGE and MOVE are done message by message (RFC 9051 6.4.3, 6.4.8): what fails or is killed in between has
 * done a part. COPY is all or nothing (6.4.7): the index knows what it has made until its last piece, and what got no
 * end is undone, here when a piece fails, at the next start when the process was killed.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "spool/service_jobs.h"

enum { RANGES_A_STEP = 500, UNDO_AGAIN_MS = 1000 };
/* Ranges that all jobs together may hold: 32 MiB. */
enum { RANGES_MAX = 4 * 1024 * 1024 };
/* Jobs of an account. A session has one at a time, but a COPY outlives its session. */
enum { ACCOUNT_MAX = 32 };
/* Bytes of ranges after which no other piece fits into the answer. */
enum { ANSWER_MAX = REPLY_MAX - (SPOOL_PIECE + 1) * (int)sizeof(struct spool_range) };

/* UIDs for COPYUID; the last one as it was at the last flush. */
struct uid_list {
	struct buf b;           /* struct spool_range */
	size_t sure;            /* bytes */
	struct spool_range last;
};

struct many {
	struct row_job j;
	enum many_kind { MANY_EXPUNGE, MANY_COPY, MANY_MOVE, MANY_UNDO } kind;
	uint64_t account;       /* of the request */
	uint64_t mailbox, to;
	uint64_t renamed;       /* RENAME of INBOX: what it is answered with; 0: a MOVE */
	struct op_range *ranges;
	uint32_t n, i;          /* from i on is left */
	uint32_t first;         /* the COPY's name in to; 0: it has none (yet) */
	uint32_t uidvalidity;
	bool only_deleted;
	bool loaded;            /* UNDO: ranges are those of the COPY */
	bool again;             /* there was a step before */
	bool ended;             /* all is done and waits for the flush */
	bool kept;              /* a piece of it was flushed: the COPY's name is its own */
	int lost;               /* why the last step did not happen */
	int r;                  /* UNDO: what to answer */
	struct uid_list from, made;
};

static void many_destroy(struct row_job *j)
{
	struct many *m = (struct many *)j;

	j->svc->ranges_held -= m->n;
	free(m->ranges);
	buf_free(&m->from.b);
	buf_free(&m->made.b);
	free(m);
}

/* ---- lists of UIDs ---- */

static struct spool_range *list_last(struct uid_list *l)
{
	return buf_len(&l->b) != 0 ? (struct spool_range *)(void *)(l->b.p + l->b.len) - 1 : NULL;
}

static void list_add(struct uid_list *l, uint32_t first, uint32_t last)
{
	struct spool_range *tail = list_last(l), v = { first, last };

	if (tail != NULL && tail->last + 1 == first)
		tail->last = last;
	else
		buf_add(&l->b, &v, sizeof(v));
}

static void list_flushed(struct uid_list *l, int r)
{
	if (r == 0) {
		l->sure = buf_len(&l->b);
		if (l->sure != 0)
			l->last = *list_last(l);
		return;
	}
	l->b.len = l->b.off + l->sure;
	if (l->sure != 0)
		*list_last(l) = l->last;
}

static void many_flushed(struct row_job *j, int r)
{
	struct many *m = (struct many *)j;

	list_flushed(&m->from, r);
	list_flushed(&m->made, r);
	if (r == 0) {
		m->kept = true;
		return;
	}
	m->lost = r;
	/* Its UIDs, and with them its name, are given anew: there is nothing to be undone. */
	if (!m->kept)
		m->first = 0;
}

/* ---- answers ---- */

/* at_once: what it tells of is flushed, whatever batch is open now. */
static struct answer *tell_copied(struct many *m, int code, bool at_once)
{
	struct spool_copied out = { .uidvalidity = m->uidvalidity, .code = (uint32_t)code,
		.uids = (struct spool_range *)(void *)(m->from.b.p + m->from.b.off), .uids_n = (uint32_t)(buf_len(&m->from.b) / sizeof(*out.uids)),
		.to = (struct spool_range *)(void *)(m->made.b.p + m->made.b.off), .to_n = (uint32_t)(buf_len(&m->made.b) / sizeof(*out.to)) };

	if (buf_err(&m->from.b) != 0 || buf_err(&m->made.b) != 0)
		out.uids_n = out.to_n = 0;
	if (out.uids_n == 0)
		out.uids = out.to = NULL;
	if (!at_once)
		return ANSWER(m->j.svc, m->j.peer, m->j.id, spool_copied, &out);
	if (m->j.peer != NULL && channel_is_open(m->j.peer->ch))
		IPC_REPLY_FD(m->j.peer->ch, spool_copied, m->j.id, &out, -1);
	return NULL;
}

static struct answer *tell_done(struct many *m, uint64_t modseq, bool at_once)
{
	struct spool_ok ok = { .value = m->renamed != 0 ? m->renamed : modseq };

	if (m->kind != MANY_EXPUNGE && m->renamed == 0)
		return tell_copied(m, 0, at_once);
	if (!at_once)
		return ANSWER(m->j.svc, m->j.peer, m->j.id, spool_ok, &ok);
	if (m->j.peer != NULL && channel_is_open(m->j.peer->ch))
		IPC_REPLY_FD(m->j.peer->ch, spool_ok, m->j.id, &ok, -1);
	return NULL;
}

/* Who asked is told; nobody waits any more. */
static void tell_failed(struct many *m, int r)
{
	if (m->kind == MANY_MOVE && m->renamed == 0 && buf_len(&m->from.b) != 0)
		(void)tell_copied(m, r, !m->j.in_batch);
	else
		(void)service_fail(m->j.svc, m->j.peer, m->j.id, r, NULL);
	m->j.peer = NULL;
}

/* ---- steps ---- */

static void advance(struct many *m, uint32_t n, uint32_t next)
{
	if (next == 0) {
		m->i += n;
		return;
	}
	while (m->ranges[m->i].last < next)
		m->i++;
	if (m->ranges[m->i].first < next)
		m->ranges[m->i].first = next;
}

/* One op for the next messages. op's kind and mailboxes are the caller's. */
static int piece(struct many *m, struct spool_op *op, struct spool_done *done_r, struct change_list *changes)
{
	uint32_t n = m->n - m->i < RANGES_A_STEP ? m->n - m->i : RANGES_A_STEP;
	struct op_range *uids = m->ranges + m->i;
	int r;

	switch (op->kind) {
	case OP_EXPUNGE:
		op->expunge.uids = uids;
		op->expunge.uids_n = n;
		break;
	case OP_COPY:
		op->copy.uids = uids;
		op->copy.uids_n = n;
		break;
	default:
		op->part.copy.uids = uids;
		op->part.copy.uids_n = n;
		op->part.end = m->i + n == m->n;
	}
	if ((r = service_do(m->j.svc, op, done_r, changes)) != 0)
		return r;
	m->j.in_batch = spool_in_batch(m->j.svc->spool);
	advance(m, n, done_r->next);
	return 0;
}

static int copy_piece(struct many *m, struct spool_done *done_r, struct change_list *changes)
{
	struct op_copy copy = { .from = m->mailbox, .to = m->to, .move = m->kind == MANY_MOVE };
	struct spool_op op = { .kind = OP_COPY };
	uint32_t count = 0;
	int r;

	/* The answer tells of all of them. */
	if (m->renamed == 0 && buf_len(&m->from.b) + buf_len(&m->made.b) > ANSWER_MAX)
		return ERR_LIMIT;
	if (m->kind == MANY_MOVE) {
		op.copy = copy;
	} else {
		op.kind = OP_COPY_PART;
		op.part = (struct op_copy_part){ .first = m->first, .copy = copy };
	}
	if ((r = piece(m, &op, done_r, changes)) != 0)
		return r;
	if (op.kind == OP_COPY_PART)
		m->first = op.part.first;
	m->uidvalidity = done_r->uidvalidity;
	for (uint32_t i = 0; i < done_r->ranges_n; i++) {
		list_add(&m->from, done_r->ranges[i].first, done_r->ranges[i].last);
		count += done_r->ranges[i].last - done_r->ranges[i].first + 1;
	}
	if (count != 0)
		list_add(&m->made, done_r->uid, done_r->uid + count - 1);
	return 0;
}

static int expunge_piece(struct many *m, uint64_t mailbox, struct spool_done *done_r, struct change_list *changes)
{
	struct spool_op op = { .kind = OP_EXPUNGE, .expunge = { .mailbox = mailbox, .modseq = m->only_deleted } };

	return piece(m, &op, done_r, changes);
}

static bool undo_later(struct many *m)
{
	tell_failed(m, m->r);
	m->loaded = m->ended = false;
	m->j.due = loop_now(m->j.svc->loop) + UNDO_AGAIN_MS;
	return false;
}

/* What the COPY has made, as the index knows it: a piece that was not flushed is not in it. */
static int undo_load(struct many *m)
{
	struct op_range *made, *copy;
	uint32_t n;
	int r = spool_copying_get(m->j.svc->spool, m->to, m->first, m->j.svc->arena, &made, &n);

	if (r != 0)
		return r;
	if ((copy = calloc(n + 1u, sizeof(*copy))) == NULL)
		return ERR_NOMEM;
	if (n != 0)
		memcpy(copy, made, n * sizeof(*copy));
	m->j.svc->ranges_held += n - m->n;
	free(m->ranges);
	m->ranges = copy;
	m->n = n;
	m->i = 0;
	m->loaded = true;
	return 0;
}

static bool undo_step(struct many *m)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct spool_op end = { .kind = OP_COPY_END, .copy_end = { m->to, m->first } };
	struct service *svc = m->j.svc;
	struct spool_done done;
	int r;

	if (!m->loaded && (r = undo_load(m)) != 0) {
		if (r != ERR_NOTFOUND)
			return undo_later(m);
		tell_failed(m, m->r);
		return true;
	}
	r = m->i < m->n ? expunge_piece(m, m->to, &done, &changes) : ERR_NOTFOUND;
	if (r == ERR_NOTFOUND) {        /* nothing is left, or the mailbox was deleted */
		r = service_do(svc, &end, &done, NULL);
		m->j.in_batch = m->ended = r == 0;
	}
	answer_take_changes(service_ok(svc, NULL, 0, 0), &changes, m->j.session);
	return r != 0 ? undo_later(m) : false;
}

static bool many_failed(struct many *m, int r)
{
	if (m->kind == MANY_UNDO)
		return undo_later(m);
	if (m->kind == MANY_COPY && m->first != 0) {
		m->kind = MANY_UNDO;
		m->only_deleted = m->loaded = m->ended = false;
		m->r = r;
		return false;
	}
	tell_failed(m, r);
	return true;
}

static bool many_step(struct row_job *j)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct many *m = (struct many *)j;
	struct spool_done done;
	bool first = !m->again, over;
	int r = m->lost;

	m->again = true;
	m->lost = 0;
	if (r != 0)
		return many_failed(m, r);
	if (m->ended && j->in_batch)
		return false;           /* not flushed yet */
	if (m->ended && m->kind == MANY_UNDO) {
		tell_failed(m, m->r);
		return true;
	}
	if (m->ended) {
		(void)tell_done(m, 0, true);
		return true;
	}
	if (m->kind == MANY_UNDO)
		return undo_step(m);
	r = m->kind == MANY_EXPUNGE ? expunge_piece(m, m->mailbox, &done, &changes) : copy_piece(m, &done, &changes);
	if (r != 0) {
		change_list_free(&changes);
		return many_failed(m, r);
	}
	over = m->i == m->n;
	/* The answer goes with the flush where that is all it depends on; that of a COPY or MOVE in pieces comes after it. */
	if (over && (first || m->kind == MANY_EXPUNGE) && m->first == 0) {
		answer_take_changes(tell_done(m, done.modseq, false), &changes, j->session);
		return true;
	}
	m->ended = over;
	answer_take_changes(service_ok(j->svc, NULL, 0, 0), &changes, j->session);
	return false;
}

/* ---- requests ---- */

static struct many *many_new(struct service *svc, enum many_kind kind, struct peer *p, uint32_t id, uint32_t session, uint32_t n)
{
	struct many *m;

	if (n > RANGES_MAX || svc->ranges_held > RANGES_MAX - n || (m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	if ((m->ranges = calloc(n + 1u, sizeof(*m->ranges))) == NULL) {
		free(m);
		return NULL;
	}
	svc->ranges_held += n;
	m->j = (struct row_job){ .svc = svc, .peer = p, .id = id, .session = session, .step = many_step, .flushed = many_flushed, .destroy = many_destroy };
	m->kind = kind;
	m->n = n;
	m->kept = kind == MANY_UNDO;
	m->from.b = m->made.b = BUF_INIT(REQUEST_ARENA);
	return m;
}

/* The first step at once; it need not become a job. */
static void many_start(struct service *svc, struct many *m)
{
	if (m->j.step(&m->j))
		many_destroy(&m->j);
	else
		row_job_start(svc, &m->j);
}

/* A session has one such request at a time. */
/* ERR_STATE: the session has one. ERR_LIMIT: its account has too many. */
static int many_may(const struct service *svc, const struct session *s, const struct peer *p, uint32_t session)
{
	const struct row_job *j;
	unsigned n = 0;

	TAILQ_FOREACH(j, &svc->row_jobs, link) {
		if (j->step != many_step)
			continue;
		if (j->peer == p && j->session == session)
			return ERR_STATE;
		n += ((const struct many *)j)->account == s->account;
	}
	return n < ACCOUNT_MAX ? 0 : ERR_LIMIT;
}

/* Its own ranges, none of them of messages that come later. */
static int many_request(struct service *svc, struct many **m_r, enum many_kind kind, struct peer *p, uint32_t id, uint32_t session,
    uint64_t mailbox, const struct spool_range *in, uint32_t n)
{
	struct session *s = session_find(svc, p, session);
	struct ix_mailbox mb;
	struct many *m;
	uint32_t k;
	int r;

	if (s == NULL || mailbox == 0 || watch_mailbox(&s->sel) != mailbox)
		return ERR_STATE;
	if ((r = many_may(svc, s, p, session)) != 0 || (r = spool_mailbox_get(svc->spool, mailbox, svc->arena, &mb)) != 0)
		return r;
	if ((m = many_new(svc, kind, p, id, session, n)) == NULL)
		return ERR_NOMEM;
	m->account = s->account;
	m->mailbox = mailbox;
	for (uint32_t i = 0; i < n; i++)
		m->ranges[i] = (struct op_range){ in[i].first, in[i].last };
	k = ranges_normalize(m->ranges, n);
	while (k != 0 && m->ranges[k - 1].first >= mb.uidnext)
		k--;
	if (k != 0 && m->ranges[k - 1].last >= mb.uidnext)
		m->ranges[k - 1].last = mb.uidnext - 1;
	svc->ranges_held -= n - k;
	m->n = k;
	*m_r = m;
	return 0;
}

int request_expunge(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_expunge in;
	struct many *job;
	int r;

	REQUEST_DECODE(svc, p, m, spool_expunge, &in);
	r = many_request(svc, &job, MANY_EXPUNGE, p, m->id, in.session, in.mailbox, in.uids, in.uids_n);
	if (service_refused(svc, p, m->id, r))
		return 0;
	job->only_deleted = in.only_deleted != 0;
	many_start(svc, job);
	return 0;
}

int request_copy(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_copy in;
	struct mbox_name name;
	struct session *s;
	struct many *job;
	uint64_t to = 0;
	int r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_copy, &in);
	if ((s = session_find(svc, p, in.session)) != NULL && (r = mbox_name_make(in.to, &name)) == 0 &&
	    (r = spool_mailbox_find(svc->spool, s->account, mbox_name_slice(&name), &to)) == 0)
		r = many_request(svc, &job, in.move != 0 ? MANY_MOVE : MANY_COPY, p, m->id, in.session, in.mailbox, in.uids, in.uids_n);
	if (service_refused(svc, p, m->id, r))
		return 0;
	job->to = to;
	many_start(svc, job);
	return 0;
}

int many_rename(struct service *svc, struct peer *p, uint32_t id, uint32_t session, const struct op_copy *op, uint32_t next)
{
	struct ix_mailbox mb;
	struct many *m;
	int r = spool_mailbox_get(svc->spool, op->from, svc->arena, &mb);

	if (r != 0)
		return r;
	if ((m = many_new(svc, MANY_MOVE, p, id, session, 1)) == NULL)
		return ERR_NOMEM;
	m->mailbox = op->from;
	m->renamed = m->to = op->to;
	m->ranges[0] = (struct op_range){ next, mb.uidnext - 1 };
	m->again = true;
	/* The first piece is in this batch. */
	m->j.in_batch = true;
	row_job_start(svc, &m->j);
	return 0;
}

static int recover_one(void *ctx, uint64_t to, uint32_t first)
{
	struct many *m = many_new(ctx, MANY_UNDO, NULL, 0, 0, 0);

	if (m == NULL)
		return ERR_NOMEM;
	log_info("spool: a COPY that was cut short is undone");
	m->to = to;
	m->first = first;
	m->r = ERR_IO;
	row_job_start(ctx, &m->j);
	return 0;
}

int many_recover(struct service *svc)
{
	return spool_copying(svc->spool, recover_one, svc);
}
