#include "common/ipc/channel.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/roles.h"
#include "common/ipc/peercred.h"
#include "common/ipc/wire.h"

enum {
	HEADER = 12,                    /* length, type, flags, id */
	FRAME_REPLY = 1, FRAME_FD = 2, FRAME_KNOWN = FRAME_REPLY | FRAME_FD,
	HELLO_MSG = 0xffff,
	FDS_WAITING_MAX = 64,           /* descriptors received and not yet claimed by their frame */
	READ_CHUNK = 64 * 1024,
	READ_TURN = 2 * 1024 * 1024,    /* bytes taken from one peer in one turn */
	MAX_OUT_DEFAULT = 64 * 1024 * 1024,
};

#define HELLO_FIELDS(X) X##_STR(proto, 32) X##_U16(major) X##_U16(minor) X##_U8(role)
WIRE_DECLARE(ipc_hello, HELLO_FIELDS)
WIRE_IMPLEMENT(ipc_hello, HELLO_FIELDS)

struct request {
	RB_ENTRY(request) entry;
	uint32_t id;
	ipc_reply_fn *fn;
	void *ctx;
	struct channel *ch;
	struct loop_timer timer;
};

struct out_fd {
	STAILQ_ENTRY(out_fd) entry;
	uint64_t at;                    /* the stream offset of its frame */
	int fd;
};

RB_HEAD(request_tree, request);

struct channel {
	struct loop *loop;
	struct channel_conf conf;
	int fd;
	struct loop_fd lfd;
	struct loop_task flush_task, close_task, read_task;
	bool hello_seen, closed;
	bool held;                      /* nothing is read until the peer has taken what waits for it */
	int why;
	uint32_t next_id;
	size_t frame_start;             /* of the frame that is being encoded, in out */
	struct buf in, out;
	uint64_t out_sent;              /* stream offset of out's first byte */
	STAILQ_HEAD(, out_fd) out_fds;
	int in_fds[FDS_WAITING_MAX];
	unsigned in_fds_n;
	struct request_tree requests;
	struct peercred cred;
	bool have_cred;
	uint8_t peer_role;
	void *data;
};

static int request_cmp(const struct request *a, const struct request *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

RB_GENERATE_INTERNAL(request_tree, request, entry, request_cmp, static UNUSED)

static void channel_flush(void *ctx);
static bool hold_wanted(const struct channel *ch, size_t at);
static void read_again(void *ctx);
static void channel_finish(void *ctx);
static void channel_ready(void *ctx, unsigned events);

static void channel_fail(struct channel *ch, int why)
{
	if (ch->closed)
		return;
	ch->closed = true;
	ch->why = why;
	loop_task_add(ch->loop, &ch->close_task, channel_finish, ch);
}

struct channel *channel_new(struct loop *l, int fd, const struct channel_conf *conf)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	struct ipc_hello hello = { .proto = slice_cstr(conf->proto), .major = conf->major,
	    .minor = conf->minor, .role = conf->role };

	if (ch == NULL) {
		(void)close(fd);
		return NULL;
	}
	ch->loop = l;
	ch->conf = *conf;
	if (ch->conf.max_frame == 0)
		ch->conf.max_frame = IPC_MAX_FRAME;
	if (ch->conf.max_out == 0)
		ch->conf.max_out = MAX_OUT_DEFAULT;
	ch->fd = fd;
	ch->in = BUF_INIT((size_t)ch->conf.max_frame + HEADER + READ_CHUNK);
	ch->out = BUF_INIT(ch->conf.max_out);
	ch->in.secret = ch->out.secret = conf->secret;
	STAILQ_INIT(&ch->out_fds);
	RB_INIT(&ch->requests);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (peercred_enable(fd) != 0 || loop_fd_add(l, &ch->lfd, fd, LOOP_READ, channel_ready, ch) != 0) {
		(void)close(fd);
		free(ch);
		return NULL;
	}
	ipc_hello_encode(channel_begin(ch), &hello);
	channel_end(ch, HELLO_MSG, 0, false, -1);
	return ch;
}

/* ---- sending ------------------------------------------------------------ */

struct buf *channel_begin(struct channel *ch)
{
	static const uint8_t header[HEADER];

	ch->frame_start = ch->out.len - ch->out.off;
	buf_add(&ch->out, header, sizeof(header));
	return &ch->out;
}

static void fd_queue(struct channel *ch, int fd)
{
	struct out_fd *o = malloc(sizeof(*o));

	if (o == NULL) {
		(void)close(fd);
		channel_fail(ch, ERR_NOMEM);
		return;
	}
	o->fd = fd;
	o->at = ch->out_sent + ch->frame_start;
	STAILQ_INSERT_TAIL(&ch->out_fds, o, entry);
}

void channel_end(struct channel *ch, uint16_t type, uint32_t id, bool reply, int fd)
{
	size_t len = buf_len(&ch->out) - ch->frame_start;
	uint8_t *h;

	if (buf_err(&ch->out) != 0 || ch->closed) {
		/* What is sent at the close ends with the last whole frame. */
		ch->out.len = ch->out.off + ch->frame_start;
		if (buf_err(&ch->out) != 0)
			channel_fail(ch, buf_err(&ch->out));
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	h = ch->out.p + ch->out.off + ch->frame_start;
	put_le32(h, (uint32_t)(len - 4));
	h[4] = (uint8_t)type;
	h[5] = (uint8_t)(type >> 8);
	h[6] = (uint8_t)((reply ? FRAME_REPLY : 0) | (fd >= 0 ? FRAME_FD : 0));
	h[7] = 0;
	put_le32(h + 8, id);
	if (fd >= 0)
		fd_queue(ch, fd);
	loop_task_add(ch->loop, &ch->flush_task, channel_flush, ch);
}

static void request_drop(struct request *rq)
{
	RB_REMOVE(request_tree, &rq->ch->requests, rq);
	loop_timer_del(rq->ch->loop, &rq->timer);
	free(rq);
}

static void request_answer(struct request *rq, int r, struct ipc_msg *m)
{
	ipc_reply_fn *fn = rq->fn;
	void *ctx = rq->ctx;

	request_drop(rq);
	fn(ctx, r, m);
}

static void request_timeout(void *ctx)
{
	request_answer(ctx, ERR_TIMEOUT, NULL);
}

static struct request *request_find(struct channel *ch, uint32_t id)
{
	struct request key = { .id = id };

	return RB_FIND(request_tree, &ch->requests, &key);
}

uint32_t channel_end_request(struct channel *ch, uint16_t type, int fd, uint64_t timeout_ms,
    ipc_reply_fn *fn, void *ctx)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (rq == NULL)
		panic("ipc: no memory for a request");
	do
		ch->next_id++;
	while (ch->next_id == 0 || request_find(ch, ch->next_id) != NULL);
	rq->id = ch->next_id;
	rq->fn = fn;
	rq->ctx = ctx;
	rq->ch = ch;
	RB_INSERT(request_tree, &ch->requests, rq);
	if (timeout_ms != 0)
		loop_timer_set(ch->loop, &rq->timer, timeout_ms, request_timeout, rq);
	channel_end(ch, type, rq->id, false, fd);
	return rq->id;
}

void channel_cancel(struct channel *ch, uint32_t id)
{
	struct request *rq = id != 0 ? request_find(ch, id) : NULL;

	if (rq != NULL)
		request_drop(rq);
}

/* Sends what is there; the bytes from a frame with a descriptor on go in a send of
 * their own, so that the descriptor arrives with its frame's first byte. */
static int send_some(struct channel *ch)
{
	while (buf_len(&ch->out) != 0) {
		struct out_fd *o = STAILQ_FIRST(&ch->out_fds), *next;
		struct slice s = buf_slice(&ch->out);
		int fd = -1;
		ssize_t n;

		if (o != NULL && o->at == ch->out_sent) {
			fd = o->fd;
			next = STAILQ_NEXT(o, entry);
			if (next != NULL && next->at - ch->out_sent < s.len)
				s.len = (size_t)(next->at - ch->out_sent);
		} else if (o != NULL && o->at - ch->out_sent < s.len) {
			s.len = (size_t)(o->at - ch->out_sent);
		}
		n = peercred_send(ch->fd, s.p, s.len, fd);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
		}
		if (fd >= 0) {
			STAILQ_REMOVE_HEAD(&ch->out_fds, entry);
			(void)close(o->fd);
			free(o);
		}
		ch->out_sent += (uint64_t)n;
		buf_consume(&ch->out, (size_t)n);
	}
	return 0;
}

static void channel_flush(void *ctx)
{
	struct channel *ch = ctx;
	int r;

	if (ch->closed)
		return;
	r = send_some(ch);
	if (r == ERR_CLOSED) {
		channel_fail(ch, r);
		return;
	}
	if (ch->held && !hold_wanted(ch, ch->conf.hold_out / 2)) {
		ch->held = false;
		loop_task_add(ch->loop, &ch->read_task, read_again, ch);
	}
	loop_fd_set(ch->loop, &ch->lfd, (ch->held ? 0u : LOOP_READ) | (r == ERR_AGAIN ? LOOP_WRITE : 0u));
}

/* ---- receiving ------------------------------------------------------------ */

static int hello_take(struct channel *ch, const struct ipc_msg *m)
{
	struct cursor c = cursor_of(m->payload);
	struct ipc_hello h;
	int r;

	if (m->type != HELLO_MSG)
		return ERR_STATE;
	if ((r = ipc_hello_decode(&c, NULL, &h)) != 0 || (r = cur_end(&c)) != 0)
		return r;
	if (!slice_eq_cstr(h.proto, ch->conf.proto) || h.major != ch->conf.major)
		return ERR_VERSION;
	if (ch->conf.peer_role != ROLE_NONE && h.role != ch->conf.peer_role)
		return ERR_DENIED;
	if (ch->conf.peer_uid != (uid_t)-1 && (!ch->have_cred || ch->cred.uid != ch->conf.peer_uid))
		return ERR_DENIED;
	ch->peer_role = h.role;
	ch->hello_seen = true;
	if (ch->conf.on_open != NULL)
		ch->conf.on_open(ch, ch->conf.ctx);
	return 0;
}

/* fd_lost: the descriptor that belongs to it found no room in this process. */
static int message_take(struct channel *ch, struct ipc_msg *m, bool fd_lost)
{
	struct request *rq;

	if (!ch->hello_seen)
		return hello_take(ch, m);
	if (m->reply) {
		/* A reply nobody waits for any more (cancelled, timed out) is dropped. */
		rq = request_find(ch, m->id);
		if (rq != NULL)
			request_answer(rq, fd_lost ? ERR_NOMEM : 0, fd_lost ? NULL : m);
		return 0;
	}
	if (fd_lost)
		return ERR_NOMEM;
	for (const struct ipc_handler *h = ch->conf.handlers; h != NULL && h->fn != NULL; h++)
		if (h->type == m->type)
			return h->fn(ch, m, ch->conf.handler_ctx != NULL ? ch->conf.handler_ctx : ch->conf.ctx);
	return ERR_STATE;
}

static int fd_claim(struct channel *ch, int *fd_r)
{
	if (ch->in_fds_n == 0)
		return ERR_SYNTAX;
	*fd_r = ch->in_fds[0];
	ch->in_fds_n--;
	memmove(ch->in_fds, ch->in_fds + 1, ch->in_fds_n * sizeof(int));
	return 0;
}

/* One whole frame from the input, if there is one: 0, ERR_AGAIN, or why to close. */
static int frame_take(struct channel *ch)
{
	struct slice s = buf_slice(&ch->in);
	struct ipc_msg m = { .fd = -1 };
	unsigned flags;
	uint32_t len;
	int r = 0;

	if (s.len < HEADER)
		return ERR_AGAIN;
	len = get_le32(s.p);
	if (len < HEADER - 4)
		return ERR_SYNTAX;
	if (len > ch->conf.max_frame)
		return ERR_LIMIT;
	if (s.len - 4 < len)
		return ERR_AGAIN;
	m.type = get_le16(s.p + 4);
	flags = get_le16(s.p + 6);
	m.id = get_le32(s.p + 8);
	m.reply = (flags & FRAME_REPLY) != 0;
	m.payload = slice_sub(s, HEADER, len + 4 - HEADER);
	if ((flags & ~(unsigned)FRAME_KNOWN) != 0)
		return ERR_SYNTAX;
	if ((flags & FRAME_FD) != 0)
		r = fd_claim(ch, &m.fd);
	if (r == 0)
		r = message_take(ch, &m, (flags & FRAME_FD) != 0 && m.fd < 0);
	if (r != 0)
		log_warn("ipc: %s from %s[%ld] refused: %s, type=%u", ch->conf.proto,
		    role_name((enum role)(ch->hello_seen ? ch->peer_role : ch->conf.peer_role)),
		    (long)ch->cred.pid, err_str(r), m.type);
	if (m.fd >= 0)
		(void)close(m.fd);
	buf_consume(&ch->in, (size_t)len + 4);
	return r;
}

static int recv_some(struct channel *ch)
{
	uint8_t *p = buf_reserve(&ch->in, READ_CHUNK);
	struct peercred cred;
	unsigned fds_n;
	int have;
	ssize_t n;

	if (p == NULL)
		return buf_err(&ch->in);
	n = peercred_recv(ch->fd, p, READ_CHUNK, ch->in_fds + ch->in_fds_n,
	    FDS_WAITING_MAX - ch->in_fds_n, &fds_n, &cred, &have);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
	if (n == 0)
		return ERR_CLOSED;
	ch->in_fds_n += fds_n;
	if (ch->in_fds_n == FDS_WAITING_MAX)
		return ERR_LIMIT;
	if (have && !ch->have_cred) {
		ch->cred = cred;
		ch->have_cred = true;
	}
	buf_commit(&ch->in, (size_t)n);
	return n == READ_CHUNK ? 0 : ERR_AGAIN;
}

static bool hold_wanted(const struct channel *ch, size_t at)
{
	return ch->conf.hold_out != 0 && buf_len(&ch->out) >= at;
}

static void frames_take(struct channel *ch)
{
	int r = 0;

	while (r == 0 && !ch->closed && !hold_wanted(ch, ch->conf.hold_out))
		r = frame_take(ch);
	if (r != 0 && r != ERR_AGAIN)
		channel_fail(ch, r);
}

static void channel_read(struct channel *ch)
{
	size_t turn = 0;
	int r = 0;

	frames_take(ch);        /* those that a hold left */
	while (r == 0 && turn < READ_TURN && !ch->closed && !hold_wanted(ch, ch->conf.hold_out)) {
		size_t before = buf_len(&ch->in);

		r = recv_some(ch);
		turn += buf_len(&ch->in) - before;
		frames_take(ch);
	}
	if (r != 0 && r != ERR_AGAIN)
		channel_fail(ch, r);
	if (!ch->closed && hold_wanted(ch, ch->conf.hold_out)) {
		ch->held = true;
		loop_fd_set(ch->loop, &ch->lfd, LOOP_WRITE);
	}
}

static void read_again(void *ctx)
{
	struct channel *ch = ctx;

	if (!ch->closed && !ch->held)
		channel_read(ch);
}

static void channel_ready(void *ctx, unsigned events)
{
	struct channel *ch = ctx;

	if (ch->closed)
		return;
	if ((events & LOOP_WRITE) != 0)
		loop_task_add(ch->loop, &ch->flush_task, channel_flush, ch);
	if ((events & LOOP_READ) != 0 && !ch->held)
		channel_read(ch);
}

/* ---- closing --------------------------------------------------------------- */

static void requests_end(struct channel *ch)
{
	struct request *rq;

	while ((rq = RB_MIN(request_tree, &ch->requests)) != NULL)
		request_answer(rq, ERR_CLOSED, NULL);
}

static void channel_finish(void *ctx)
{
	struct channel *ch = ctx;
	struct out_fd *o;

	(void)send_some(ch);
	loop_fd_del(ch->loop, &ch->lfd);
	(void)close(ch->fd);
	requests_end(ch);
	if (ch->conf.on_close != NULL)
		ch->conf.on_close(ch, ch->why, ch->conf.ctx);
	requests_end(ch);       /* of those whom on_close made ask */
	while ((o = STAILQ_FIRST(&ch->out_fds)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->out_fds, entry);
		(void)close(o->fd);
		free(o);
	}
	for (unsigned i = 0; i < ch->in_fds_n; i++)
		if (ch->in_fds[i] >= 0)
			(void)close(ch->in_fds[i]);
	loop_task_del(ch->loop, &ch->flush_task);
	loop_task_del(ch->loop, &ch->read_task);
	loop_task_del(ch->loop, &ch->close_task);
	buf_free(&ch->in);
	buf_free(&ch->out);
	free(ch);
}

void channel_close(struct channel *ch)
{
	channel_fail(ch, 0);
}

bool channel_is_open(const struct channel *ch) { return ch->hello_seen && !ch->closed; }
uint8_t channel_peer_role(const struct channel *ch) { return ch->peer_role; }
uid_t channel_peer_uid(const struct channel *ch) { return ch->have_cred ? ch->cred.uid : (uid_t)-1; }
pid_t channel_peer_pid(const struct channel *ch) { return ch->have_cred ? ch->cred.pid : -1; }
void *channel_ctx(const struct channel *ch) { return ch->conf.ctx; }
void channel_set_data(struct channel *ch, void *data) { ch->data = data; }
void *channel_data(const struct channel *ch) { return ch->data; }
size_t channel_backlog(const struct channel *ch) { return buf_len(&ch->out); }
