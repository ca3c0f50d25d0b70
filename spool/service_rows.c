/* Requests of a session on messages: STORE, APPEND, CACHED, BODY_GET. */
#include <unistd.h>

#include "common/base/log.h"
#include "spool/service_internal.h"

/* The session, when this is the mailbox it has selected. */
static struct session *selected(struct service *svc, const struct peer *p, uint32_t number, uint64_t mailbox)
{
	struct session *s = session_find(svc, p, number);

	return s != NULL && mailbox != 0 && watch_mailbox(&s->sel) == mailbox ? s : NULL;
}

/* spool_range and op_range have the same fields; one is the protocol's and one the disk's. */
static int ranges_in(struct service *svc, const struct spool_range *in, uint32_t n, struct op_range **out_r)
{
	if ((*out_r = arena_calloc(svc->arena, n, sizeof(**out_r))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		(*out_r)[i] = (struct op_range){ in[i].first, in[i].last };
	return 0;
}

static int ranges_out(struct service *svc, const struct op_range *in, uint32_t n, struct spool_range **out_r)
{
	if ((*out_r = arena_calloc(svc->arena, n, sizeof(**out_r))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		(*out_r)[i] = (struct spool_range){ in[i].first, in[i].last };
	return 0;
}

static int keywords_in(struct service *svc, const struct spool_keyword *in, uint32_t n, struct op_keyword **out_r)
{
	if ((*out_r = arena_calloc(svc->arena, n, sizeof(**out_r))) == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		(*out_r)[i].name = in[i].name;
	return 0;
}

/* ---- STORE ---- */

int request_store(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct spool_op op = { .kind = OP_STORE };
	struct spool_done done;
	struct spool_stored out;
	struct spool_store in;
	int r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_store, &in);
	op.store = (struct op_store){ .mailbox = in.mailbox, .modseq = in.unchanged_since, .how = in.op, .flags = in.flags,
		.keywords_n = in.keywords_n, .uids_n = in.uids_n };
	if (selected(svc, p, in.session, in.mailbox) != NULL &&
	    (r = ranges_in(svc, in.uids, in.uids_n, &op.store.uids)) == 0 &&
	    (r = keywords_in(svc, in.keywords, in.keywords_n, &op.store.keywords)) == 0 &&
	    (r = service_do(svc, &op, &done, &changes)) == 0)
		r = ranges_out(svc, done.ranges, done.ranges_n, &out.refused);
	if (service_refused(svc, p, m->id, r)) {
		change_list_free(&changes);
		return 0;
	}
	out.refused_n = done.ranges_n;
	out.modseq = done.modseq;
	answer_take_changes(ANSWER(svc, p, m->id, spool_stored, &out), &changes, in.session);
	return 0;
}

/* ---- APPEND ---- */

static int append_do(struct service *svc, struct peer *p, const struct spool_append *in, struct spool_op *op,
    struct spool_done *done_r, struct change_list *changes)
{
	struct session *s = session_find(svc, p, in->session);
	struct mbox_name name;
	int r;

	if (s == NULL)
		return ERR_STATE;
	op->append.account = s->account;
	op->append.flags = in->flags;
	op->append.date = in->internaldate;
	op->append.cached = in->cached;
	op->append.keywords_n = in->keywords_n;
	if ((r = mbox_name_make(in->name, &name)) != 0 ||
	    (r = spool_mailbox_find(svc->spool, s->account, mbox_name_slice(&name), &op->append.mailbox)) != 0 ||
	    (r = keywords_in(svc, in->keywords, in->keywords_n, &op->append.keywords)) != 0)
		return r;
	return service_do(svc, op, done_r, changes);
}

int request_append(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct spool_op op = { .kind = OP_APPEND };
	struct spool_appended out;
	struct spool_done done;
	struct spool_append in;
	struct answer *a;
	int r;

	REQUEST_DECODE(svc, p, m, spool_append, &in);
	if ((r = files_body(svc, p, m, &in.body, &op.append.body)) == 1)
		return 0;
	if (r == ERR_SYNTAX)
		return r;
	if (r == 0)
		r = append_do(svc, p, &in, &op, &done, &changes);
	if (r != 0) {
		struct live_file *f = svc->synced != NULL ? files_find(svc, NULL, in.body.file) : NULL;

		if (f != NULL)
			files_drop(svc, f, true);
		change_list_free(&changes);
		(void)service_fail(svc, p, m->id, r, NULL);
		return 0;
	}
	out.uidvalidity = done.uidvalidity;
	out.uid = done.uid;
	if ((a = ANSWER(svc, p, m->id, spool_appended, &out)) != NULL)
		a->file = in.body.file;
	answer_take_changes(a, &changes, in.session);
	return 0;
}

/* ---- CACHED ---- */

enum { CACHED_ROWS = 100000 };  /* in one answer */

struct cached {
	struct service *svc;
	uint32_t bodies, front; /* as asked for */
	bool bare;
	struct buf rows;        /* struct row */
	struct spool_cached_item *items;
	uint32_t items_n;
	size_t size;
};

/* An empty one when it is not wanted or cannot be read. */
static int cached_body(struct cached *c, const struct row *row, struct slice *body_r)
{
	struct spool *spool = c->svc->spool;
	struct ix_body b;
	uint64_t n = row->size <= c->bodies ? row->size : row->size < c->front ? row->size : c->front;
	uint8_t *bytes;

	if (n == 0 || n > SPOOL_BODY_MAX || spool_body_get(spool, row->bodyid, &b) != 0 || b.size != row->size)
		return 0;
	if ((bytes = arena_bytes(c->svc->arena, (size_t)n)) == NULL)
		return ERR_NOMEM;
	if (spool_body_read(spool, &b, 0, (uint32_t)n, bytes) == 0)
		*body_r = slice_of(bytes, (size_t)n);
	return 0;
}

static int cached_row(void *ctx, const struct row *row)
{
	struct cached *c = ctx;

	if (buf_len(&c->rows) == CACHED_ROWS * sizeof(*row))
		return 1;
	buf_add(&c->rows, row, sizeof(*row));
	return buf_err(&c->rows);
}

static int cached_summary(void *ctx, uint32_t i, struct slice sum)
{
	struct cached *c = ctx;
	const struct row *row = (const struct row *)(const void *)c->rows.p + i;
	struct spool_cached_item *it = &c->items[c->items_n];
	int r;

	*it = (struct spool_cached_item){ .uid = row->uid };
	if (sum.len != 0 && (it->cached = arena_dup(c->svc->arena, sum)).p == NULL)
		return ERR_NOMEM;
	if ((c->bodies | c->front) != 0 && c->size <= SPOOL_CACHED_MAX && (r = cached_body(c, row, &it->body)) != 0)
		return r;
	c->size += 16 + it->cached.len + it->body.len;
	if (c->size > SPOOL_CACHED_MAX && c->items_n != 0)
		return 1;
	c->items_n++;
	return 0;
}

/* 1: not all of them. */
static int cached_load(struct cached *c, uint64_t mailbox, struct op_range *uids, uint32_t uids_n)
{
	struct service *svc = c->svc;
	uint32_t n;
	uint64_t *ids;
	int r, more = spool_rows(svc->spool, mailbox, uids, ranges_normalize(uids, uids_n), cached_row, c);

	if (more < 0)
		return more;
	n = (uint32_t)(buf_len(&c->rows) / sizeof(struct row));
	ids = arena_calloc(svc->arena, n, sizeof(*ids));
	c->items = arena_calloc(svc->arena, n, sizeof(*c->items));
	if (ids == NULL || c->items == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		ids[i] = ((const struct row *)(const void *)c->rows.p)[i].bodyid;
	r = c->bare ? 0 : spool_summaries(svc->spool, ids, n, cached_summary, c);
	for (uint32_t i = 0; c->bare && r == 0 && i < n; i++)
		r = cached_summary(c, i, slice_of(NULL, 0));
	return r != 0 ? r : more;
}

int request_cached(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct cached c = { .svc = svc, .rows = BUF_INIT(CACHED_ROWS * sizeof(struct row)) };
	struct spool_cached_reply out = { 0 };
	struct op_range *uids = NULL;
	struct spool_cached in;
	int r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_cached, &in);
	c.bodies = in.bodies;
	c.front = in.front;
	c.bare = in.bare != 0;
	if (selected(svc, p, in.session, in.mailbox) != NULL && (r = ranges_in(svc, in.uids, in.uids_n, &uids)) == 0)
		r = cached_load(&c, in.mailbox, uids, in.uids_n);
	out.more = r == 1;
	out.items = c.items;
	out.items_n = c.items_n;
	if (!service_refused(svc, p, m->id, r < 0 ? r : 0))
		(void)ANSWER(svc, p, m->id, spool_cached_reply, &out);
	buf_free(&c.rows);
	return 0;
}

/* ---- BODY_GET ---- */

/* Whose body it is: the row's, or of a message that is gone while this session has seen it. */
static int body_of(struct service *svc, struct session *s, const struct spool_body_get *in, struct ix_body *b_r)
{
	struct row row;
	int r = spool_row_get(svc->spool, in->mailbox, in->uid, &row);

	if (r == ERR_NOTFOUND) {
		if (!watch_may_read(svc->watches, &s->sel, in->uid, in->bodyid))
			return ERR_NOTFOUND;
		row.bodyid = in->bodyid;
		r = 0;
	} else if (r == 0 && in->bodyid != 0 && row.bodyid != in->bodyid) {
		r = ERR_NOTFOUND;
	}
	return r != 0 ? r : spool_body_get(svc->spool, row.bodyid, b_r);
}

int request_body_get(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_body_get in;
	struct spool_body_got out = { 0 };
	struct ix_body b = { 0 };
	struct session *s;
	uint64_t len;
	uint8_t *bytes;
	int fd = -1, r = ERR_STATE;

	REQUEST_DECODE(svc, p, m, spool_body_get, &in);
	if ((s = selected(svc, p, in.session, in.mailbox)) != NULL && (r = body_of(svc, s, &in, &b)) == 0 && in.off > b.size)
		r = ERR_LIMIT;
	if (service_refused(svc, p, m->id, r))
		return 0;
	out.size = b.size;
	len = b.size - in.off;
	if (in.len == 0 && in.off == 0 && b.file != 0) {
		r = bodyfile_open(spool_bodyfiles(svc->spool), b.file, &fd);
		if (!service_refused(svc, p, m->id, r))
			IPC_REPLY_FD(p->ch, spool_body_got, m->id, &out, fd);
		return 0;
	}
	if (in.len != 0 && len > in.len)
		len = in.len;
	if (len > SPOOL_BODY_MAX)
		len = SPOOL_BODY_MAX;
	if ((bytes = arena_bytes(svc->arena, (size_t)len)) == NULL)
		r = ERR_NOMEM;
	else
		r = spool_body_read(svc->spool, &b, in.off, (uint32_t)len, bytes);
	out.bytes = slice_of(bytes, (size_t)len);
	if (!service_refused(svc, p, m->id, r))
		(void)ANSWER(svc, p, m->id, spool_body_got, &out);
	return 0;
}
