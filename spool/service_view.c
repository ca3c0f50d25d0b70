/*
 * SELECT, VIEW, UNSELECT. The rows of a large mailbox are read in windows, one a turn, into a memfd; what
 * changes meanwhile is mended in it when it is told, so that the answer is as of when it is sent.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/service_jobs.h"

enum { WINDOW_ROWS = 4000 };

/* ---- rows, a window at a time ---- */

struct window {
	struct buf rows;        /* packed */
	uint32_t n, next;       /* next: not read any more; 0: there are no more */
};

static int window_row(void *ctx, const struct row *row)
{
	struct window *w = ctx;

	if (w->n == WINDOW_ROWS) {
		w->next = row->uid;
		return 1;
	}
	w->n++;
	row_pack(&w->rows, row);
	return buf_err(&w->rows);
}

static int window_read(struct service *svc, uint64_t mailbox, uint32_t from, struct window *w)
{
	struct op_range range = { from, UINT32_MAX };
	int r;

	*w = (struct window){ .rows = BUF_INIT((size_t)WINDOW_ROWS * SPOOL_ROW_SIZE) };
	r = spool_rows(svc->spool, mailbox, &range, 1, window_row, w);
	return r < 0 ? r : 0;
}

int keywords_out(struct service *svc, const struct ix_mailbox *mb, struct spool_keyword **k_r, uint32_t *n_r)
{
	if ((*k_r = arena_calloc(svc->arena, mb->keywords_n, sizeof(**k_r))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < mb->keywords_n; i++)
		(*k_r)[i].name = mb->keywords[i].name;
	*n_r = mb->keywords_n;
	return 0;
}

/* Looks for the first message without \Seen in the first and the last LOOK messages. */
enum { LOOK = 1000 };

struct look {
	uint32_t n, unseen, first, max;         /* looked at; of them without \Seen; the first of these, from 1 */
};

static int look_at(void *ctx, const struct row *row)
{
	struct look *l = ctx;

	l->n++;
	if ((row->flags & FLAG_SEEN) == 0 && l->unseen++ == 0)
		l->first = l->n;
	return l->n == l->max ? 1 : 0;
}

static int first_unseen(struct service *svc, uint64_t id, const struct ix_mailbox *mb, uint32_t *number_r)
{
	struct op_range front = { 1, UINT32_MAX }, back = { mb->uidnext > LOOK ? mb->uidnext - LOOK : 1, UINT32_MAX };
	struct look l = { .max = 32 };
	int r = 0;

	*number_r = 0;
	if (mb->unseen == 0)
		return 0;
	if ((r = spool_rows(svc->spool, id, &front, 1, look_at, &l)) >= 0 && l.unseen == 0) {
		l = (struct look){ .max = UINT32_MAX };
		if ((r = spool_rows(svc->spool, id, &back, 1, look_at, &l)) >= 0 && l.unseen == mb->unseen) {
			*number_r = mb->messages - l.n + l.first;
			return 0;
		}
		l = (struct look){ .max = LOOK };
		if (r >= 0)
			r = spool_rows(svc->spool, id, &front, 1, look_at, &l);
	}
	*number_r = l.first;
	return r < 0 ? r : 0;
}

static int counts_answer(struct service *svc, struct peer *p, struct ipc_msg *m, uint64_t id, const struct ix_mailbox *mb)
{
	struct spool_snapshot out = { .mailbox = id, .uidvalidity = mb->uidvalidity, .uidnext = mb->uidnext, .modseq = mb->modseq,
		.first_recent = mb->first_recent, .count = mb->messages };
	int r = keywords_out(svc, mb, &out.keywords, &out.keywords_n);

	if (r == 0 && (r = recent_count(svc, id, mb, &out.recent)) == 0)
		r = first_unseen(svc, id, mb, &out.first_unseen);
	if (!service_refused(svc, p, m->id, r))
		IPC_REPLY_FD(p->ch, spool_snapshot, m->id, &out, -1);
	return r;
}

/* The end of a request for rows; w: they are all in it; else the memfd fd has count of them, and is let go of. */
static int rows_reply(struct service *svc, struct peer *p, uint32_t id, uint64_t mailbox, const struct window *w, int fd, uint32_t count)
{
	struct spool_snapshot out = { .mailbox = mailbox, .count = count };
	struct ix_mailbox mb;
	int r = spool_mailbox_get(svc->spool, mailbox, svc->arena, &mb);

	if (r == 0)
		r = keywords_out(svc, &mb, &out.keywords, &out.keywords_n);
	if (r == 0 && fd >= 0 && (ftruncate(fd, (off_t)count * SPOOL_ROW_SIZE) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0))
		r = ERR_NOMEM;
	if (service_refused(svc, p, id, r)) {
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	out.uidvalidity = mb.uidvalidity;
	out.uidnext = mb.uidnext;
	out.modseq = mb.modseq;
	out.first_recent = mb.first_recent;
	if (w != NULL)
		out.rows = buf_slice(&w->rows);
	IPC_REPLY_FD(p->ch, spool_snapshot, id, &out, fd);
	return 0;
}

static void claim_recent(struct service *svc, uint64_t mailbox)
{
	struct spool_op op = { .kind = OP_RECENT, .recent = { mailbox, UINT32_MAX } };
	struct spool_done done;
	int r = service_do(svc, &op, &done, NULL);

	if (r != 0)
		log_warn("spool: messages stay recent: %s", err_str(r));
}

/* ---- over several turns ---- */

struct view_job {
	struct row_job j;
	struct session *s;
	uint64_t mailbox;
	uint32_t next, count;   /* where to go on; rows in fd */
	bool select, claim;
	int fd;                 /* -1: given away */
};

static void view_destroy(struct row_job *j)
{
	struct view_job *v = (struct view_job *)j;

	if (v->fd >= 0)
		(void)close(v->fd);
	free(v);
}

static int view_write(struct view_job *v, const struct window *w)
{
	size_t done = 0, len = buf_len(&w->rows);
	off_t at = (off_t)v->count * SPOOL_ROW_SIZE;

	if (v->count > SPOOL_ROWS_MAX - w->n)
		return ERR_LIMIT;
	while (done < len) {
		ssize_t n = pwrite(v->fd, w->rows.p + w->rows.off + done, len - done, at + (off_t)done);

		if (n <= 0)
			return ERR_NOMEM;
		done += (size_t)n;
	}
	v->count += w->n;
	v->next = w->next;
	return 0;
}

static bool view_failed(struct view_job *v, int r)
{
	if (v->j.peer != NULL)
		(void)service_fail(v->j.svc, v->j.peer, v->j.id, r, NULL);
	if (v->select)
		watch_unselect(v->j.svc->watches, &v->s->sel);
	return true;
}

static bool view_step(struct row_job *j)
{
	struct view_job *v = (struct view_job *)j;
	struct service *svc = j->svc;
	struct window w;
	int fd, r;

	if (j->peer == NULL || !channel_is_open(j->peer->ch))
		return true;
	if ((r = window_read(svc, v->mailbox, v->next, &w)) == 0)
		r = view_write(v, &w);
	buf_free(&w.rows);
	if (r != 0)
		return view_failed(v, r);
	if (v->next != 0)
		return false;
	fd = v->fd;
	v->fd = -1;
	if (rows_reply(svc, j->peer, j->id, v->mailbox, NULL, fd, v->count) != 0) {
		if (v->select)
			watch_unselect(svc->watches, &v->s->sel);
	} else if (v->claim) {
		claim_recent(svc, v->mailbox);
	}
	return true;
}

static bool is_view(const struct row_job *j)
{
	return j->step == view_step;
}

void view_jobs_unselect(struct service *svc, const struct session *s)
{
	struct row_job *j, *next;

	TAILQ_FOREACH_SAFE(j, &svc->row_jobs, link, next) {
		if (!is_view(j) || ((struct view_job *)j)->s != s)
			continue;
		if (j->peer != NULL)
			(void)service_fail(svc, j->peer, j->id, ERR_STATE, NULL);
		row_job_drop(j);
	}
}

/* The place of uid among count rows, or of the next one. */
static uint32_t row_at(const uint8_t *rows, uint32_t count, uint32_t uid)
{
	uint32_t lo = 0, hi = count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (get_le32(rows + (size_t)mid * SPOOL_ROW_SIZE) < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Tells how many rows are left. */
static uint32_t mend(uint8_t *rows, uint32_t count, const struct change *c)
{
	size_t gone_n = buf_len(&c->gone) / sizeof(struct gone), g = 0;
	uint32_t to;
	struct gone gone;

	for (size_t off = 0; off < buf_len(&c->rows); off += SPOOL_ROW_SIZE) {
		const uint8_t *row = c->rows.p + c->rows.off + off;
		uint32_t i = row_at(rows, count, get_le32(row));

		if (i < count && get_le32(rows + (size_t)i * SPOOL_ROW_SIZE) == get_le32(row))
			memcpy(rows + (size_t)i * SPOOL_ROW_SIZE, row, SPOOL_ROW_SIZE);
	}
	if (gone_n == 0)
		return count;
	memcpy(&gone, c->gone.p + c->gone.off, sizeof(gone));
	to = row_at(rows, count, gone.uid);
	for (uint32_t i = to; i < count; i++) {
		uint32_t uid = get_le32(rows + (size_t)i * SPOOL_ROW_SIZE);

		while (g < gone_n && gone.uid < uid)
			if (++g < gone_n)
				memcpy(&gone, c->gone.p + c->gone.off + g * sizeof(gone), sizeof(gone));
		if (g < gone_n && gone.uid == uid)
			continue;
		if (to != i)
			memcpy(rows + (size_t)to * SPOOL_ROW_SIZE, rows + (size_t)i * SPOOL_ROW_SIZE, SPOOL_ROW_SIZE);
		to++;
	}
	return to;
}

void view_jobs_change(struct service *svc, const struct change *c)
{
	struct row_job *j;

	TAILQ_FOREACH(j, &svc->row_jobs, link) {
		struct view_job *v = (struct view_job *)j;
		size_t len;
		void *p;

		if (!is_view(j) || v->mailbox != c->mailbox || v->count == 0)
			continue;
		len = (size_t)v->count * SPOOL_ROW_SIZE;
		if ((p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0)) == MAP_FAILED) {
			v->count = 0;           /* anew */
			v->next = 1;
			continue;
		}
		v->count = mend(p, v->count, c);
		(void)munmap(p, len);
	}
}

/* All rows, at once if they are few. */
static int rows_answer(struct service *svc, struct peer *p, uint32_t id, struct session *s, uint64_t mailbox, bool select, bool claim)
{
	struct view_job *v = NULL;
	struct window w;
	int r = window_read(svc, mailbox, 1, &w);

	if (r == 0 && w.next == 0) {
		r = rows_reply(svc, p, id, mailbox, &w, -1, w.n);
		buf_free(&w.rows);
		if (r == 0 && claim)
			claim_recent(svc, mailbox);
		return r;
	}
	if (r == 0 && (v = calloc(1, sizeof(*v))) == NULL)
		r = ERR_NOMEM;
	if (r == 0 && (v->fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0)
		r = ERR_NOMEM;
	if (r == 0)
		r = view_write(v, &w);
	buf_free(&w.rows);
	if (service_refused(svc, p, id, r)) {
		if (v != NULL)
			view_destroy(&v->j);
		return r;
	}
	v->j = (struct row_job){ .peer = p, .id = id, .session = s->number, .reads = true, .step = view_step, .destroy = view_destroy };
	v->s = s;
	v->mailbox = mailbox;
	v->select = select;
	v->claim = claim;
	row_job_start(svc, &v->j);
	return 0;
}

int request_select(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_select in;
	struct ix_mailbox mb;
	struct mbox_name name;
	struct session *s;
	uint64_t id = 0;
	int r;

	REQUEST_DECODE(svc, p, m, spool_select, &in);
	s = session_find(svc, p, in.session);
	/* A SELECT that fails leaves nothing selected (RFC 9051 6.3.2). */
	if (s != NULL) {
		view_jobs_unselect(svc, s);
		watch_unselect(svc->watches, &s->sel);
	}
	r = s == NULL ? ERR_STATE : mbox_name_make(in.name, &name);
	if (r == 0 && (r = spool_mailbox_find(svc->spool, s->account, mbox_name_slice(&name), &id)) == 0 &&
	    (r = spool_mailbox_get(svc->spool, id, svc->arena, &mb)) == 0)
		r = watch_select(svc->watches, &s->sel, id, in.watch != 0);
	if (service_refused(svc, p, m->id, r))
		return 0;
	r = in.counts != 0 ? counts_answer(svc, p, m, id, &mb) : rows_answer(svc, p, m->id, s, id, true, in.claim_recent != 0);
	if (r != 0)
		watch_unselect(svc->watches, &s->sel);
	else if (in.counts != 0 && in.claim_recent != 0 && mb.first_recent != mb.uidnext)
		claim_recent(svc, id);
	return 0;
}

static bool view_busy(const struct service *svc, const struct session *s)
{
	const struct row_job *j;

	TAILQ_FOREACH(j, &svc->row_jobs, link)
		if (is_view(j) && ((const struct view_job *)j)->s == s)
			return true;
	return false;
}

int request_view(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_view in;
	struct session *s;
	int r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_view, &in);
	s = session_find(svc, p, in.session);
	if (s != NULL && in.mailbox != 0 && watch_mailbox(&s->sel) == in.mailbox && !view_busy(svc, s))
		r = 0;
	if (!service_refused(svc, p, m->id, r))
		(void)rows_answer(svc, p, m->id, s, in.mailbox, false, false);
	return 0;
}

int request_unselect(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_unselect in;
	struct session *s;

	REQUEST_DECODE(svc, p, m, spool_unselect, &in);
	if ((s = session_find(svc, p, in.session)) != NULL) {
		view_jobs_unselect(svc, s);
		watch_unselect(svc->watches, &s->sel);
	}
	return 0;
}

