#include "imapd/link.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"

enum {
	TIMEOUT_MS = 120 * 1000,
	LOGIN_TIMEOUT_MS = 60 * 1000,
	REPLY_ARENA = 64 * 1024 * 1024,
	/* Of all sessions together: what is under way, in both directions, stays below what a channel holds. */
	HEAVY_OPEN_MAX = 32,                    /* requests whose answer may be a megabyte */
	BACKLOG_MAX = 8 * 1024 * 1024,
};

struct imap_request {
	TAILQ_ENTRY(imap_request) link;
	struct request_list *list;      /* where it is */
	struct imap_link *owner;
	struct channel *ch;
	uint32_t id;            /* 0: not sent */
	uint16_t type;          /* 0: a login */
	bool heavy;             /* it counts in heavy_open */
	struct buf msg;         /* of one that waits for its turn */
	bool orphan;
	uint64_t off;           /* of a body */
	uint32_t len;
	imap_reply_fn *fn;
	void *ctx;
};

struct binding {
	RB_ENTRY(binding) entry;
	uint32_t number;
	void *host;
};
RB_HEAD(binding_tree, binding);
TAILQ_HEAD(request_list, imap_request);

struct imap_link {
	struct daemon *d;
	const struct imap_link_host *host;
	void *ctx;
	bool up;
	struct request_list sent, queued, failing;
	unsigned heavy_open;
	struct loop_task fail_task;
	struct binding_tree bindings;
};

static int binding_cmp(const struct binding *a, const struct binding *b)
{
	return (a->number > b->number) - (a->number < b->number);
}
RB_GENERATE_INTERNAL(binding_tree, binding, entry, binding_cmp, UNUSED static)

struct imap_link *imap_link_new(struct daemon *d, const struct imap_link_host *host, void *ctx)
{
	struct imap_link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->d = d;
	l->host = host;
	l->ctx = ctx;
	TAILQ_INIT(&l->sent);
	TAILQ_INIT(&l->queued);
	TAILQ_INIT(&l->failing);
	RB_INIT(&l->bindings);
	return l;
}

static void request_move(struct imap_request *rq, struct request_list *to)
{
	if (rq->list != NULL)
		TAILQ_REMOVE(rq->list, rq, link);
	rq->list = to;
	if (to != NULL)
		TAILQ_INSERT_TAIL(to, rq, link);
}

static void request_free(struct imap_request *rq)
{
	if (rq->heavy)
		rq->owner->heavy_open--;
	request_move(rq, NULL);
	buf_free(&rq->msg);
	free(rq);
}

void imap_link_free(struct imap_link **lp)
{
	struct imap_link *l = *lp;
	struct imap_request *rq;

	*lp = NULL;
	if (l == NULL)
		return;
	loop_task_del(l->d->loop, &l->fail_task);
	while ((rq = TAILQ_FIRST(&l->failing)) != NULL || (rq = TAILQ_FIRST(&l->queued)) != NULL)
		request_free(rq);
	while ((rq = TAILQ_FIRST(&l->sent)) != NULL) {
		channel_cancel(rq->ch, rq->id);
		request_free(rq);
	}
	free(l);
}

static void fail_now(void *ctx);

/* It will be answered with ERR_CLOSED at the end of the turn. */
static void request_fail(struct imap_request *rq)
{
	struct imap_link *l = rq->owner;

	request_move(rq, &l->failing);
	loop_task_add(l->d->loop, &l->fail_task, fail_now, l);
}

void imap_link_up(struct imap_link *l)
{
	l->up = true;
}

bool imap_link_is_up(const struct imap_link *l)
{
	return l->up;
}

void imap_link_down(struct imap_link *l)
{
	struct imap_request *rq, *next;

	TAILQ_FOREACH_SAFE(rq, &l->queued, link, next)
		request_fail(rq);
	if (!l->up)
		return;
	l->up = false;
	l->host->lost(l->ctx);
}

/* ---- answers -------------------------------------------------------------------- */

union reply {
	struct spool_ok ok;
	struct spool_mailboxes mailboxes;
	struct spool_snapshot snapshot;
	struct spool_stored stored;
	struct spool_copied copied;
	struct spool_appended appended;
	struct spool_cached_reply cached;
	struct spool_body_got body;
	struct spool_body_file_reply file;
	struct account_logged_in login;
	struct account_scram scram;
};

static int reply_decode(const struct imap_request *rq, const struct ipc_msg *m, struct arena *a, union reply *u)
{
	switch (rq->type) {
	case 0:
		if (m->type == account_scram_MSG)
			return IPC_DECODE(m, account_scram, a, &u->scram);
		return IPC_DECODE(m, account_logged_in, a, &u->login);
	case spool_mailbox_list_MSG:
		return IPC_DECODE(m, spool_mailboxes, a, &u->mailboxes);
	case spool_select_MSG:
	case spool_view_MSG:
		return IPC_DECODE(m, spool_snapshot, a, &u->snapshot);
	case spool_store_MSG:
		return IPC_DECODE(m, spool_stored, a, &u->stored);
	case spool_copy_MSG:
		return IPC_DECODE(m, spool_copied, a, &u->copied);
	case spool_append_MSG:
		return IPC_DECODE(m, spool_appended, a, &u->appended);
	case spool_cached_MSG:
		return IPC_DECODE(m, spool_cached_reply, a, &u->cached);
	case spool_body_get_MSG:
		return IPC_DECODE(m, spool_body_got, a, &u->body);
	case spool_body_file_MSG:
		return IPC_DECODE(m, spool_body_file_reply, a, &u->file);
	default:
		return IPC_DECODE(m, spool_ok, a, &u->ok);
	}
}

/* A body that came as a descriptor: the part that was asked for is read out of it. */
static int body_from_file(const struct imap_request *rq, const struct ipc_msg *m, struct arena *a, struct spool_body_got *got)
{
	uint8_t *p;
	ssize_t n;

	if (rq->type != spool_body_get_MSG || m->fd < 0 || got->bytes.len != 0)
		return 0;
	if ((p = arena_bytes(a, rq->len)) == NULL)
		return ERR_NOMEM;
	if ((n = pread(m->fd, p, rq->len, (off_t)rq->off)) < 0)
		return ERR_IO;
	got->bytes = slice_of(p, (size_t)n);
	return 0;
}

/* The error and the text of a fail message of either protocol. */
static int fail_decode(const struct imap_request *rq, const struct ipc_msg *m, struct slice *text_r)
{
	struct spool_fail sf;
	struct account_fail af;
	int32_t code = ERR_IO;

	if (rq->type != 0 && IPC_DECODE(m, spool_fail, NULL, &sf) == 0) {
		code = (int32_t)sf.code;
		*text_r = sf.text;
	} else if (rq->type == 0 && IPC_DECODE(m, account_fail, NULL, &af) == 0) {
		code = (int32_t)af.code;
		*text_r = af.text;
	}
	return code < 0 ? code : ERR_IO;
}

/* Nobody waits for it any more: what it made is undone. */
static void orphan_give_back(struct imap_request *rq, const union reply *u)
{
	if (rq->type == spool_open_MSG) {
		struct spool_close m = { .session = (uint32_t)u->ok.value };

		IPC_SEND(rq->ch, spool_close, 0, &m);
	} else if (rq->type == spool_body_file_MSG) {
		struct spool_body_drop m = { .file = u->file.file };

		IPC_SEND(rq->ch, spool_body_drop, 0, &m);
	}
}

static void queue_pump(struct imap_link *l);

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct imap_request *rq = ctx;
	struct imap_link *l = rq->owner;
	struct arena *a = r == 0 ? arena_new(REPLY_ARENA) : NULL;
	struct imap_reply rep = { .r = r, .fd = &(int){ -1 } };
	union reply u;

	if (r == ERR_CLOSED && rq->type != 0)
		imap_link_down(l);
	if (r == 0) {
		rep.fd = &m->fd;
		rep.type = m->type;
		rep.r = a == NULL ? ERR_NOMEM : reply_decode(rq, m, a, &u);
		rep.m = &u;
		if (rep.r == 0)
			rep.r = body_from_file(rq, m, a, &u.body);
	}
	if (r == 0 && rep.r == ERR_STATE)
		rep.r = fail_decode(rq, m, &rep.text);
	else if (r == 0 && rep.r != 0)
		log_error("an answer cannot be read: type=%u, %s", m->type, err_str(rep.r));
	if (rq->orphan) {
		if (rep.r == 0)
			orphan_give_back(rq, &u);
		request_free(rq);
	} else {
		imap_reply_fn *fn = rq->fn;
		void *fn_ctx = rq->ctx;

		request_free(rq);
		queue_pump(l);          /* before this session asks again */
		fn(fn_ctx, &rep);
	}
	arena_free(&a);
}

/* ---- questions -------------------------------------------------------------------- */

static void fail_now(void *ctx)
{
	struct imap_link *l = ctx;
	struct imap_request *rq;

	while ((rq = TAILQ_FIRST(&l->failing)) != NULL)
		on_reply(rq, ERR_CLOSED, NULL);
}

static struct imap_request *request_new(struct imap_link *l, uint16_t type, struct channel *ch, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = calloc(1, sizeof(*rq));

	if (rq == NULL)
		return NULL;
	*rq = (struct imap_request){ .owner = l, .ch = ch, .type = type, .fn = fn, .ctx = ctx, .msg = BUF_INIT(IPC_MAX_FRAME) };
	if (ch == NULL)
		request_fail(rq);
	return rq;
}

static void request_encode(struct buf *b, uint16_t type, const void *m)
{
	switch (type) {
	case spool_open_MSG:
		spool_open_encode(b, m);
		break;
	case spool_body_file_MSG:
		spool_body_file_encode(b, m);
		break;
	case spool_mailbox_list_MSG:
		spool_mailbox_list_encode(b, m);
		break;
	case spool_mailbox_do_MSG:
		spool_mailbox_do_encode(b, m);
		break;
	case spool_select_MSG:
		spool_select_encode(b, m);
		break;
	case spool_view_MSG:
		spool_view_encode(b, m);
		break;
	case spool_store_MSG:
		spool_store_encode(b, m);
		break;
	case spool_expunge_MSG:
		spool_expunge_encode(b, m);
		break;
	case spool_copy_MSG:
		spool_copy_encode(b, m);
		break;
	case spool_append_MSG:
		spool_append_encode(b, m);
		break;
	case spool_cached_MSG:
		spool_cached_encode(b, m);
		break;
	case spool_body_get_MSG:
		spool_body_get_encode(b, m);
		break;
	default:
		panic("imapd: request of type %u", type);
	}
}

static bool is_heavy(uint16_t type)
{
	return type == spool_body_get_MSG || type == spool_cached_MSG || type == spool_select_MSG || type == spool_view_MSG ||
	    type == spool_append_MSG || type == spool_mailbox_list_MSG;
}

static bool has_room(const struct imap_link *l, const struct channel *ch)
{
	return l->heavy_open < HEAVY_OPEN_MAX && channel_backlog(ch) <= BACKLOG_MAX;
}

/* After channel_begin() and the message. */
static void request_sent(struct imap_request *rq)
{
	/* OPEN and BODY_FILE without a timeout: what their answer brings must not be missed. What goes in pieces takes its time. */
	bool patient = rq->type == spool_open_MSG || rq->type == spool_body_file_MSG || rq->type == spool_expunge_MSG ||
	    rq->type == spool_copy_MSG || rq->type == spool_mailbox_do_MSG;

	if (is_heavy(rq->type)) {
		rq->heavy = true;
		rq->owner->heavy_open++;
	}
	request_move(rq, &rq->owner->sent);
	rq->id = channel_end_request(rq->ch, rq->type, -1, patient ? 0 : TIMEOUT_MS, on_reply, rq);
}

static void queue_pump(struct imap_link *l)
{
	struct imap_request *rq;

	while ((rq = TAILQ_FIRST(&l->queued)) != NULL && has_room(l, rq->ch)) {
		buf_add_slice(channel_begin(rq->ch), buf_slice(&rq->msg));
		buf_free(&rq->msg);
		request_sent(rq);
	}
}

static struct imap_request *link_request(void *be, uint16_t type, const void *m, imap_reply_fn *fn, void *ctx)
{
	struct imap_link *l = be;
	struct imap_request *rq = request_new(l, type, daemon_peer(l->d, ROLE_SPOOLD), fn, ctx);

	if (rq == NULL || rq->ch == NULL)
		return rq;
	if (type == spool_body_get_MSG) {
		rq->off = ((const struct spool_body_get *)m)->off;
		rq->len = ((const struct spool_body_get *)m)->len;
	}
	if (is_heavy(type) && (!has_room(l, rq->ch) || !TAILQ_EMPTY(&l->queued))) {
		request_encode(&rq->msg, type, m);
		if (buf_err(&rq->msg) != 0) {
			request_free(rq);
			return NULL;
		}
		request_move(rq, &l->queued);
	} else {
		request_encode(channel_begin(rq->ch), type, m);
		request_sent(rq);
	}
	return rq;
}

static struct imap_request *link_login(void *be, const struct account_login *m, imap_reply_fn *fn, void *ctx)
{
	struct imap_link *l = be;
	struct imap_request *rq = request_new(l, 0, daemon_peer(l->d, ROLE_ACCOUNTD), fn, ctx);

	if (rq == NULL || rq->ch == NULL)
		return rq;
	request_move(rq, &l->sent);
	rq->id = IPC_REQUEST(rq->ch, account_login, m, LOGIN_TIMEOUT_MS, on_reply, rq);
	return rq;
}

static void link_cancel(void *be, struct imap_request *rq)
{
	struct imap_link *l = be;

	if (rq->id != 0 && (rq->type == spool_open_MSG || rq->type == spool_body_file_MSG)) {
		rq->orphan = true;
		return;
	}
	if (rq->id != 0)
		channel_cancel(rq->ch, rq->id);
	request_free(rq);
	queue_pump(l);
}

static void link_event(void *be, uint16_t type, const void *m)
{
	struct imap_link *l = be;
	struct channel *ch = daemon_peer(l->d, ROLE_SPOOLD);

	if (ch == NULL || !l->up)
		return;
	if (type == spool_close_MSG)
		IPC_SEND(ch, spool_close, 0, m);
	else if (type == spool_unselect_MSG)
		IPC_SEND(ch, spool_unselect, 0, m);
	else if (type == spool_body_drop_MSG)
		IPC_SEND(ch, spool_body_drop, 0, m);
	else
		panic("imapd: event of type %u", type);
}

/* ---- changes ------------------------------------------------------------------------ */

static struct binding *binding_find(struct imap_link *l, uint32_t number)
{
	struct binding key = { .number = number };

	return RB_FIND(binding_tree, &l->bindings, &key);
}

static void link_bind(void *be, uint32_t number, void *host)
{
	struct imap_link *l = be;
	struct binding *b = binding_find(l, number);

	if (host == NULL) {
		if (b != NULL) {
			(void)RB_REMOVE(binding_tree, &l->bindings, b);
			free(b);
		}
		return;
	}
	if (b == NULL) {
		if ((b = calloc(1, sizeof(*b))) == NULL)
			panic("imapd: no memory for a session");
		b->number = number;
		(void)RB_INSERT(binding_tree, &l->bindings, b);
	}
	b->host = host;
}

int imap_link_change(struct imap_link *l, const struct ipc_msg *m)
{
	struct arena *a = arena_new(REPLY_ARENA);
	struct spool_change ch;
	struct binding *b;
	int r = a == NULL ? ERR_NOMEM : IPC_DECODE(m, spool_change, a, &ch);

	if (r == 0 && (b = binding_find(l, ch.session)) != NULL)
		l->host->change(b->host, &ch);
	arena_free(&a);
	return r;
}

const struct imap_backend_ops imap_link_ops = {
	.request = link_request,
	.login = link_login,
	.cancel = link_cancel,
	.event = link_event,
	.bind = link_bind,
};
