/*
 * What a session wants from accountd and spoold. Login: accountd judges what the
 * client showed and gives a token, spoold turns the token into a session and the
 * INBOX into a snapshot. A request to spoold has no timeout: it answers, or its channel closes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "common/sasl/edge.h"
#include "pop3d/client.h"

enum {
	LOGIN_TIMEOUT_MS = 60 * 1000,
	REPLY_ARENA = 1024 * 1024,
	RANGES_MAX = 10000,              /* of one EXPUNGE */
	PART_MAX = 256 * 1024,
	PARTS_OPEN_MAX = 64,             /* of all sessions: what is under way from spoold stays small */
};

static struct channel *spool_of(struct client *c)
{
	return c->opened ? daemon_peer(c->srv->d, ROLE_SPOOLD) : NULL;
}

/* What a reply that is not the one hoped for says. */
static int spool_reply_err(const struct ipc_msg *m)
{
	struct spool_fail f;

	if (IPC_DECODE(m, spool_fail, NULL, &f) != 0 || (int32_t)f.code >= 0)
		return ERR_IO;
	return (int32_t)f.code;
}

/* ---- login ------------------------------------------------------------------ */

/* All of a sealed memfd; ERR_LIMIT when it is larger than any snapshot. */
static int rows_read(int fd, struct buf *b)
{
	struct stat st;
	size_t size, off = 0;
	uint8_t *p;

	if (fstat(fd, &st) != 0 || st.st_size < 0)
		return ERR_IO;
	if ((uint64_t)st.st_size > b->max)
		return ERR_LIMIT;
	size = (size_t)st.st_size;
	p = buf_reserve(b, size);
	if (p == NULL)
		return ERR_NOMEM;
	while (off < size) {
		ssize_t n = pread(fd, p + off, size - off, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		off += (size_t)n;
	}
	buf_commit(b, size);
	return 0;
}

static void snapshot_take(struct client *c, const struct ipc_msg *m, const struct spool_snapshot *snap)
{
	struct buf rows = BUF_INIT((size_t)SPOOL_ROWS_MAX * SPOOL_ROW_SIZE);
	struct slice s = snap->rows;
	int r = 0;

	if (m->fd >= 0) {
		r = rows_read(m->fd, &rows);
		s = buf_slice(&rows);
	}
	if (r == 0 && s.len != (size_t)snap->count * SPOOL_ROW_SIZE)
		r = ERR_CORRUPT;
	if (r != 0)
		log_warn("snapshot: %s", err_str(r));
	c->mailbox = snap->mailbox;
	pop3_session_open_done(c->s, r, snap->uidvalidity, s);
	buf_free(&rows);
}

static void select_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct arena *a = arena_new(REPLY_ARENA);
	struct spool_snapshot snap;

	c->asked = false;
	memset(&snap, 0, sizeof(snap));
	if (a == NULL)
		r = ERR_NOMEM;
	if (r == 0 && m->type == spool_snapshot_MSG)
		r = IPC_DECODE(m, spool_snapshot, a, &snap);
	else if (r == 0)
		r = spool_reply_err(m);
	if (r == 0) {
		snapshot_take(c, m, &snap);
	} else {
		/* no INBOX yet is an empty one */
		pop3_session_open_done(c->s, r == ERR_NOTFOUND ? 0 : r, 0, slice_of(NULL, 0));
	}
	arena_free(&a);
	client_run(c);
}

static void open_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct channel *ch;
	struct spool_ok ok;
	struct spool_select q = { .name = SLICE_LIT("INBOX") };

	c->asked = false;
	if (r == 0 && IPC_DECODE(m, spool_ok, NULL, &ok) == 0) {
		c->spool_session = (uint32_t)ok.value;
		c->opened = true;
	}
	ch = spool_of(c);
	if (ch == NULL || c->conn == NULL) {
		pop3_session_open_done(c->s, ERR_CLOSED, 0, slice_of(NULL, 0));
		client_run(c);
		return;
	}
	q.session = c->spool_session;
	c->asked = true;
	(void)IPC_REQUEST(ch, spool_select, &q, 0, select_reply, c);
}

static bool ask_open(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_SPOOLD);
	struct spool_open q = { .token = pop3_session_token(c->s) };

	backend_close(c, false);    /* of a login that got half way */
	if (ch == NULL || c->conn == NULL) {
		pop3_session_open_done(c->s, ERR_CLOSED, 0, slice_of(NULL, 0));
		return false;
	}
	c->asked = true;
	(void)IPC_REQUEST(ch, spool_open, &q, 0, open_reply, c);
	return true;
}

static void login_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	union sasl_reply u;
	uint16_t type;

	c->asked = false;
	r = sasl_reply_decode(r, m, &u, &type);
	pop3_session_login_done(c->s, r, type, &u);
	client_run(c);
}

static bool ask_login(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_ACCOUNTD);

	if (ch == NULL || c->conn == NULL) {
		pop3_session_login_done(c->s, ERR_CLOSED, 0, NULL);
		return false;
	}
	c->asked = true;
	(void)IPC_REQUEST(ch, account_login, pop3_session_question(c->s), LOGIN_TIMEOUT_MS, login_reply, c);
	return true;
}

/* ---- bodies -------------------------------------------------------------------- */

static void body_from_file(struct client *c)
{
	static uint8_t bytes[PART_MAX];
	struct pop3_part part = pop3_session_part(c->s);
	size_t len = part.len < sizeof(bytes) ? part.len : sizeof(bytes);
	ssize_t n;

	do
		n = pread(c->body_fd, bytes, len, (off_t)part.off);
	while (n < 0 && errno == EINTR);
	pop3_session_body_done(c->s, n < 0 ? ERR_IO : 0, c->body_size, slice_of(bytes, n > 0 ? (size_t)n : 0));
}

/* A part has come: those that waited longest have their turn. */
static void parts_pump(struct server *srv)
{
	struct client *c;

	while (srv->parts_open < PARTS_OPEN_MAX && (c = STAILQ_FIRST(&srv->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&srv->waiting, waiting);
		c->asked = false;
		if (!backend_ask(c, POP3_WANT_BODY))
			client_run(c);
	}
}

static void body_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct spool_body_got got;

	c->asked = false;
	c->srv->parts_open--;
	memset(&got, 0, sizeof(got));
	if (r == 0 && m->type == spool_body_got_MSG)
		r = IPC_DECODE(m, spool_body_got, NULL, &got);
	else if (r == 0)
		r = spool_reply_err(m);
	if (r == 0 && m->fd >= 0) {
		c->body_fd = m->fd;
		m->fd = -1;
		c->body_id = pop3_session_part(c->s).bodyid;
		c->body_size = got.size;
		body_from_file(c);
	} else {
		pop3_session_body_done(c->s, r, got.size, got.bytes);
	}
	parts_pump(c->srv);     /* before this one asks for its next part */
	client_run(c);
}

static bool ask_part(struct client *c)
{
	struct pop3_part part = pop3_session_part(c->s);
	struct channel *ch = spool_of(c);
	struct spool_body_get q = { .session = c->spool_session, .mailbox = c->mailbox, .uid = part.uid,
	    .bodyid = part.bodyid, .off = part.off, .len = part.len };

	if (ch == NULL) {
		pop3_session_body_done(c->s, ERR_CLOSED, 0, slice_of(NULL, 0));
		return false;
	}
	c->asked = true;
	c->srv->parts_open++;
	(void)IPC_REQUEST(ch, spool_body_get, &q, 0, body_reply, c);
	return true;
}

static bool part_from_ahead(struct client *c)
{
	struct pop3_part part = pop3_session_part(c->s);
	struct slice body;

	if (!ahead_find(&c->srv->ahead, &c->ahead, part.uid, &body) || body.len != part.size)
		return false;
	pop3_session_body_done(c->s, 0, part.size, slice_sub(body, (size_t)part.off, part.len));
	return true;
}

static void ahead_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct arena *a = arena_new(REPLY_ARENA);
	struct spool_cached_reply got;

	c->asked = false;
	c->srv->parts_open--;
	if (r == 0 && a != NULL && IPC_DECODE(m, spool_cached_reply, a, &got) == 0)
		ahead_fill(&c->srv->ahead, &c->ahead, &got);
	else
		ahead_drop(&c->srv->ahead, &c->ahead);
	arena_free(&a);
	/* Whatever did not come is asked for by itself: that is answered, or says why not. */
	if (!part_from_ahead(c))
		(void)ask_part(c);
	parts_pump(c->srv);
	client_run(c);
}

/* False: there is nothing to ask for but the part. */
static bool ask_ahead(struct client *c, struct channel *ch)
{
	struct spool_range uids[AHEAD_RANGES];
	struct spool_cached q = { .session = c->spool_session, .mailbox = c->mailbox, .bodies = AHEAD_MAX, .bare = 1, .uids = uids };

	q.uids_n = pop3_session_ahead(c->s, ahead_begin(&c->srv->ahead, &c->ahead), uids, AHEAD_RANGES);
	if (q.uids_n == 0) {
		ahead_drop(&c->srv->ahead, &c->ahead);
		return false;
	}
	c->asked = true;
	c->srv->parts_open++;
	(void)IPC_REQUEST(ch, spool_cached, &q, 0, ahead_reply, c);
	return true;
}

static bool ask_body(struct client *c)
{
	struct pop3_part part = pop3_session_part(c->s);
	struct channel *ch = spool_of(c);

	if (c->body_fd >= 0 && c->body_id == part.bodyid) {
		body_from_file(c);
		return false;
	}
	if (part_from_ahead(c))
		return false;
	if (c->srv->parts_open >= PARTS_OPEN_MAX) {
		c->asked = true;
		STAILQ_INSERT_TAIL(&c->srv->waiting, c, waiting);
		return true;
	}
	return (ch != NULL && ask_ahead(c, ch)) || ask_part(c);
}

void backend_body_close(struct client *c)
{
	if (c->body_fd >= 0)
		(void)close(c->body_fd);
	c->body_fd = -1;
}

/* ---- QUIT and the end -------------------------------------------------------------- */

static void expunge_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct spool_ok ok;

	c->asked = false;
	if (r == 0 && IPC_DECODE(m, spool_ok, NULL, &ok) != 0)
		r = spool_reply_err(m);
	pop3_session_expunge_done(c->s, r);
	client_run(c);
}

static bool ask_expunge(struct client *c)
{
	struct channel *ch = spool_of(c);
	struct spool_range *ranges = ch != NULL ? calloc(RANGES_MAX, sizeof(*ranges)) : NULL;
	struct spool_expunge q = { .session = c->spool_session, .mailbox = c->mailbox, .uids = ranges };

	if (ranges == NULL) {
		pop3_session_expunge_done(c->s, ch == NULL ? ERR_CLOSED : ERR_NOMEM);
		return false;
	}
	q.uids_n = pop3_session_expunge(c->s, ranges, RANGES_MAX);
	c->asked = true;
	(void)IPC_REQUEST(ch, spool_expunge, &q, 0, expunge_reply, c);
	free(ranges);
	return true;
}

bool backend_ask(struct client *c, enum pop3_want want)
{
	switch (want) {
	case POP3_WANT_LOGIN:
		return ask_login(c);
	case POP3_WANT_OPEN:
		return ask_open(c);
	case POP3_WANT_BODY:
		if (c->conn == NULL) {
			pop3_session_body_done(c->s, ERR_CLOSED, 0, slice_of(NULL, 0));
			return false;
		}
		return ask_body(c);
	default:
		return ask_expunge(c);
	}
}

void backend_close(struct client *c, bool lost)
{
	struct channel *ch = spool_of(c);
	struct spool_close m = { .session = c->spool_session };

	backend_body_close(c);
	ahead_drop(&c->srv->ahead, &c->ahead);
	if (ch != NULL && !lost)
		IPC_SEND(ch, spool_close, 0, &m);
	c->opened = false;
}
