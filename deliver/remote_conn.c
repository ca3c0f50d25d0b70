/* Connections of deliver-remote: sockets and timers around the client core. */
#include "deliver/remote_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"

static void rconn_step(struct rconn *rc);

void rconn_relay(const struct rconn *rc, struct buf *b)
{
	char ip[64];

	route_addr_text(rc->addr.family, rc->addr.addr, ip);
	buf_addf(b, "%s[%s]:%u", rc->addr.host, ip, (unsigned)rc->remote->a.conf->smtp_port);
}

void rconn_kill(struct rconn **rcp)
{
	struct rconn *rc = *rcp;

	if (rc == NULL)
		return;
	TAILQ_REMOVE(&rc->remote->conns, rc, link);
	loop_timer_del(rc->remote->a.loop, &rc->timer);
	if (rc->conn != NULL)
		conn_close(&rc->conn);
	client_free(&rc->client);
	buf_free(&rc->tls.want.names);
	free(rc);
	*rcp = NULL;
}

void rconn_kill_idle(struct remote *r)
{
	struct rconn *rc, *next;

	TAILQ_FOREACH_SAFE(rc, &r->conns, link, next)
		if (rc->job == NULL)
			rconn_kill(&rc);
}

/* ---- time ---------------------------------------------------------------------------- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long the next step may take, RFC 5321 4.5.3.2. */
static uint64_t rconn_patience(const struct rconn *rc)
{
	const struct conf *cf = rc->remote->a.conf;
	const struct client *c = &rc->client;
	uint64_t reply = cf->smtp_reply_timeout * 1000;

	switch (c->state) {
	case CS_READY: return REMOTE_REUSE_MS;
	case CS_RSET: return min_u64(reply, REMOTE_RSET_MS);
	case CS_TX: return c->pos > c->order_n ? min_u64(reply, REMOTE_DATA_MS) : reply;
	/* What is buffered has to leave within this; 256 bytes a second are the least. */
	case CS_BODY: return REMOTE_BLOCK_MS + (uint64_t)conn_out_len(rc->conn) * 1000 / 256;
	case CS_FINAL: return cf->smtp_final_timeout * 1000 + (uint64_t)conn_out_len(rc->conn) * 1000 / 256;
	case CS_QUIT: return REMOTE_QUIT_MS;
	case CS_TLS: return cf->tls_handshake_timeout * 1000;
	case CS_GREETING:
	case CS_STARTTLS:
	case CS_EHLO:
	case CS_HELO:
	case CS_DEAD: break;
	}
	return reply;
}

static void rconn_goodbye(struct rconn *rc)
{
	client_quit(&rc->client, conn_out(rc->conn));
	conn_kick(rc->conn);
}

static void on_patience(void *ctx)
{
	struct rconn *rc = ctx;

	if (rc->client.state == CS_READY && rc->job == NULL) {
		rconn_goodbye(rc);
		rconn_step(rc);
	} else {
		rconn_lost(rc, "4.4.2", "conversation timed out");
	}
}

void rconn_set_timer(struct rconn *rc)
{
	loop_timer_set(rc->remote->a.loop, &rc->timer, rconn_patience(rc), on_patience, rc);
}

/* ---- the end of a connection ------------------------------------------------------------ */

void rconn_failed(struct rconn *rc)
{
	struct rjob *job = rc->job;
	/* An idle connection that the server gave up meanwhile says nothing about the server. */
	uint64_t replies = rc->client.progress - rc->progress;
	bool again = rc->reused && !rc->client.after_dot &&
	    (replies == 0 || (replies == 1 && rc->client.fail == CLIENT_FAIL_CLOSING));
	struct client c;

	if (job != NULL)
		rjob_note_relay(job, rc);
	if (job != NULL && rc->connected)
		rjob_note_fail_relay(job, rc);
	if (again)
		job->sessions--;        /* it does not count */
	again |= rconn_tls_fall_back(rc);
	c = rc->client;
	rc->client.replies.text = BUF_INIT(0);  /* c has it now */
	rconn_kill(&rc);
	if (job != NULL) {
		job->conn = NULL;
		rjob_conn_failed(job, &c, again);
	}
	client_free(&c);
}

void rconn_lost(struct rconn *rc, const char *status, const char *what)
{
	char text[512], ip[64];

	if (rc->job == NULL) {
		rconn_kill(&rc);
		return;
	}
	route_addr_text(rc->addr.family, rc->addr.addr, ip);
	(void)snprintf(text, sizeof(text), "%s with %s[%s]", what, rc->addr.host, ip);
	client_lost(&rc->client, status, text);
	rconn_failed(rc);
}

/* ---- content -------------------------------------------------------------------------------- */

enum { PART = 64 * 1024 };

/* Fills the output; true when the whole content is in it. */
static bool rconn_send_body(struct rconn *rc)
{
	static uint8_t scratch[PART];
	const struct content *ct = &rc->job->h.content;
	struct slice part;

	while (conn_out_len(rc->conn) <= CONN_OUT_HIGH && rc->off < ct->size) {
		if (content_part(ct, rc->off, sizeof(scratch), scratch, &part) != 0) {
			struct rjob *job = rc->job;

			/* Without its final dot the content does not count. */
			rconn_kill(&rc);
			job->conn = NULL;
			rjob_content_failed(job);
			return false;
		}
		client_body(&rc->client, part, conn_out(rc->conn));
		rc->off += part.len;
		conn_kick(rc->conn);
	}
	if (rc->off < ct->size) {
		rconn_set_timer(rc);
		return false;
	}
	client_body_end(&rc->client, conn_out(rc->conn));
	conn_kick(rc->conn);
	rconn_set_timer(rc);
	return true;
}

/* ---- the dialogue ------------------------------------------------------------------------------ */

static enum client_event rconn_begin(struct rconn *rc)
{
	enum client_event ev;

	rc->off = rc->job->h.job.relay_off;
	rc->progress = rc->client.progress;
	ev = client_begin(&rc->client, &rc->job->tx, conn_out(rc->conn));
	conn_kick(rc->conn);
	rconn_set_timer(rc);
	return ev;
}

/* Recipients that were too many for this transaction, if any was taken, go into a further one. */
static bool take_rest(struct rjob *job)
{
	struct client_tx *tx = &job->tx;
	bool rest = false, accepted = false;

	for (uint32_t i = 0; i < tx->rcpts_n; i++)
		accepted |= tx->rcpts[i].accepted && tx->rcpts[i].kind == OUTCOME_DONE;
	for (uint32_t i = 0; i < tx->rcpts_n && accepted; i++)
		if (tx->rcpts[i].too_many) {
			tx->rcpts[i].too_many = false;
			tx->rcpts[i].kind = 0;
			job->places[i] = (struct rplace){ 0 };
			rest = true;
		}
	for (uint32_t i = 0; i < tx->rcpts_n; i++)
		tx->rcpts[i].accepted = false;
	return rest;
}

/* The job has all it wants; the connection waits for another one, or says goodbye. */
static void rconn_idle(struct rconn *rc)
{
	struct rjob *job = rc->job;

	rc->job = NULL;
	rc->reused = false;
	if (rc->client.txs >= REMOTE_REUSE_TXS || rc->remote->a.stopping)
		rconn_goodbye(rc);
	rconn_set_timer(rc);
	job->conn = NULL;
	rjob_done(job);
}

static enum client_event on_ready(struct rconn *rc)
{
	rc->ready = true;
	rc->job->reached = true;
	rc->job->sessions++;
	rc->job->h.ready_ms = loop_now(rc->remote->a.loop);
	return rconn_begin(rc);
}

static void rconn_step(struct rconn *rc)
{
	uint64_t before = rc->client.progress;
	enum client_event ev = client_step(&rc->client, conn_in(rc->conn), conn_out(rc->conn));

	if (rc->client.progress != before && ev == CLIENT_MORE)
		rconn_set_timer(rc);
	for (;;) {
		conn_kick(rc->conn);
		switch (ev) {
		case CLIENT_MORE:
			return;
		case CLIENT_READY:
			ev = on_ready(rc);
			break;
		case CLIENT_BODY:
			if (!rconn_send_body(rc))
				return;
			ev = CLIENT_MORE;
			break;
		case CLIENT_TX_DONE:
			rjob_note_relay(rc->job, rc);
			rc->reused = false;
			if (!take_rest(rc->job)) {
				rconn_idle(rc);
				return;
			}
			ev = rconn_begin(rc);
			break;
		case CLIENT_FAILED:
			rconn_failed(rc);
			return;
		case CLIENT_TLS:
			rconn_tls_start(rc);
			return;
		case CLIENT_CLOSED:
			rconn_kill(&rc);
			return;
		}
	}
}

static void rconn_connect_failed(struct rconn *rc, const char *why)
{
	char text[CLIENT_TEXT_MAX], ip[64];

	route_addr_text(rc->addr.family, rc->addr.addr, ip);
	(void)snprintf(text, sizeof(text), "connect to %s[%s]:%u: %s", rc->addr.host, ip,
	    (unsigned)rc->remote->a.conf->smtp_port, why);
	rc->client.fail = CLIENT_FAIL_LOST;
	(void)snprintf(rc->client.fail_status, sizeof(rc->client.fail_status), "4.4.1");
	(void)snprintf(rc->client.fail_text, sizeof(rc->client.fail_text), "%s", text);
	rconn_failed(rc);
}

static void on_conn(void *ctx, struct conn *c, enum conn_event ev)
{
	struct rconn *rc = ctx;

	switch (ev) {
	case CONN_CONNECTED:
		rc->connected = true;
		conn_set_timeout(c, 0);
		rconn_set_timer(rc);
		break;
	case CONN_DATA:
		rconn_step(rc);
		break;
	case CONN_DRAIN:
		if (rc->client.state == CS_BODY && rc->job != NULL)
			(void)rconn_send_body(rc);
		break;
	case CONN_TLS:
		rconn_tls_done(rc);
		break;
	case CONN_EOF:
		rconn_lost(rc, "4.4.2", "lost connection");
		break;
	case CONN_TIMEOUT:
		if (!rc->connected)
			rconn_connect_failed(rc, "Connection timed out");
		break;
	case CONN_ERROR:
		if (!rc->connected)
			rconn_connect_failed(rc, strerror(conn_errno(c)));
		else if (rc->client.state == CS_TLS)
			rconn_tls_broken(rc);
		else
			rconn_lost(rc, "4.4.2", conn_tls_error(c) != NULL ? "TLS failed" : "lost connection");
		break;
	}
}

/* ---- for a job ------------------------------------------------------------------------------------ */

static struct rconn *rconn_find_idle(struct remote *r, const struct route_addr *addr, const struct tls_want *want)
{
	struct rconn *rc;
	size_t n = addr->family == 4 ? 4 : 16;

	TAILQ_FOREACH(rc, &r->conns, link)
		if (rc->job == NULL && rc->client.state == CS_READY && rc->addr.family == addr->family &&
		    memcmp(rc->addr.addr, addr->addr, n) == 0 && tls_made_serves(&rc->tls, want))
			return rc;
	return NULL;
}

/* want is the connection's now. plain: TLS is wanted but known to fail there. */
static struct rconn *rconn_new(struct remote *r, const struct route_addr *addr, struct tls_want *want, bool plain)
{
	const struct conf *cf = r->a.conf;
	struct rconn *rc = calloc(1, sizeof(*rc));

	if (rc == NULL) {
		buf_free(&want->names);
		return NULL;
	}
	rc->tls.want = *want;
	rc->remote = r;
	rc->addr = *addr;
	(void)snprintf(rc->name, sizeof(rc->name), "%s", cf->hostname);
	client_start(&rc->client, slice_cstr(rc->name), plain ? CLIENT_TLS_NEVER : tls_want_client(want->level));
	TAILQ_INSERT_TAIL(&r->conns, rc, link);
	rc->conn = conn_connect(r->a.loop, addr->family, addr->addr, (uint16_t)cf->smtp_port, cf->smtp_bind_address,
	    cf->smtp_connect_timeout * 1000, &(struct conn_ops){ .event = on_conn, .ctx = rc });
	if (rc->conn == NULL)
		rconn_kill(&rc);
	return rc;
}

/* An idle connection takes the job as if it had just greeted. */
static void rconn_reuse(struct rconn *rc, struct rjob *job)
{
	enum client_event ev;

	rc->job = job;
	rc->reused = true;
	job->conn = rc;
	ev = on_ready(rc);
	if (ev == CLIENT_TX_DONE) {
		rjob_note_relay(job, rc);
		rconn_idle(rc);
	} else if (ev == CLIENT_FAILED) {
		rconn_failed(rc);
	}
}

int rconn_use(struct rjob *job, const struct route_addr *addr)
{
	struct remote *r = job->remote;
	struct tls_want want;
	struct rconn *rc;
	char text[CLIENT_TEXT_MAX];
	bool plain;

	if (tls_want_make(&want, r->a.conf, job->h.job.destination, addr->host) != 0) {
		buf_free(&want.names);
		rjob_set_fail(job, "4.3.0", "local fault: out of memory");
		return ERR_IO;
	}
	plain = want.level == CONF_TLS_MAY && (job->without_tls || tls_broken_has(&r->broken, addr, loop_now(r->a.loop)));
	job->without_tls = false;
	rc = rconn_find_idle(r, addr, &want);
	if (rc != NULL) {
		buf_free(&want.names);
		rconn_reuse(rc, job);
		return 0;
	}
	rc = rconn_new(r, addr, &want, plain);
	if (rc == NULL) {
		(void)snprintf(text, sizeof(text), "connect to %s: %s", addr->host, strerror(errno));
		rjob_set_fail(job, "4.4.1", text);
		return ERR_IO;
	}
	rc->job = job;
	job->conn = rc;
	return 0;
}
