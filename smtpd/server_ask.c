/* What sessions want of accountd and spoold, and the body file. */
#include "smtpd/server_internal.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "common/sasl/edge.h"

enum {
	LOOKUP_TIMEOUT_MS = 30 * 1000,
	LOGIN_TIMEOUT_MS = 60 * 1000,
	ACCEPT_TIMEOUT_MS = 5 * 60 * 1000,       /* RFC 5321 4.5.3.2.6: the client waits 10 minutes */
	ACCEPT_BACKLOG = 8 * 1024 * 1024,        /* bytes on their way to spoold before further messages wait */
};

/* ---- the body file ---------------------------------------------------------------- */

void client_file_forget(struct client *c)
{
	if (c->file != 0)
		(void)close(c->fd);
	c->file = 0;
	c->fd = -1;
}

void client_file_drop(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_SPOOLD);
	struct spool_body_drop m = { .file = c->file };

	if (c->file == 0)
		return;
	if (ch != NULL)
		IPC_SEND(ch, spool_body_drop, 0, &m);
	client_file_forget(c);
}

static int file_write(int fd, struct slice s)
{
	while (s.len != 0) {
		ssize_t n = write(fd, s.p, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_FULL : ERR_IO;
		s = slice_sub(s, (size_t)n, SIZE_MAX);
	}
	return 0;
}

/* ---- answers ------------------------------------------------------------------------- */

/* What a reply that is not the one hoped for says. */
static int spool_reply_err(const struct ipc_msg *m)
{
	struct spool_fail f;

	if (IPC_DECODE(m, spool_fail, NULL, &f) != 0 || (int32_t)f.code >= 0)
		return ERR_IO;
	return (int32_t)f.code;
}

static void lookup_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct account_lookup_reply reply;
	enum smtp_lookup result = SMTP_LOOKUP_TEMPFAIL;

	c->asked = false;
	if (r == 0 && IPC_DECODE(m, account_lookup_reply, NULL, &reply) == 0) {
		if (reply.kind == ADDRESS_LOCAL)
			result = SMTP_LOOKUP_LOCAL;
		else if (reply.kind == ADDRESS_UNKNOWN)
			result = SMTP_LOOKUP_UNKNOWN;
		else if (reply.kind == ADDRESS_REMOTE)
			result = SMTP_LOOKUP_REMOTE;
	}
	smtp_session_lookup_done(c->s, result);
	client_run(c);
}

static void login_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	union sasl_reply u;
	uint16_t type;

	c->asked = false;
	r = sasl_reply_decode(r, m, &u, &type);
	smtp_session_login_done(c->s, r, type, &u);
	client_run(c);
}

static void sender_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct account_ok ok;
	enum smtp_sender result = SMTP_SENDER_TEMPFAIL;

	c->asked = false;
	if (r == 0 && IPC_DECODE(m, account_ok, NULL, &ok) == 0)
		result = ok.value != 0 ? SMTP_SENDER_OWN : SMTP_SENDER_FOREIGN;
	smtp_session_sender_done(c->s, result);
	client_run(c);
}

static void file_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct spool_body_file_reply reply;

	c->asked = false;
	memset(&reply, 0, sizeof(reply));
	if (r == 0 && IPC_DECODE(m, spool_body_file_reply, NULL, &reply) != 0)
		r = spool_reply_err(m);
	else if (r == 0 && (m->fd < 0 || reply.file == 0))
		r = ERR_IO;
	if (r == 0) {
		c->file = reply.file;
		c->fd = m->fd;
		m->fd = -1;
	}
	smtp_session_file_done(c->s, r, reply.file);
	client_run(c);
}

static void accept_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;
	struct server *srv = c->srv;
	struct spool_accepted reply;

	c->asked = false;
	memset(&reply, 0, sizeof(reply));
	if (r == 0 && IPC_DECODE(m, spool_accepted, NULL, &reply) != 0)
		r = spool_reply_err(m);
	if (r == 0)
		client_file_forget(c);
	else if (r == ERR_TIMEOUT)
		log_warn("spoold has not answered for %d s: a message may come twice", ACCEPT_TIMEOUT_MS / 1000);
	smtp_session_accept_done(c->s, r, reply.msgid);
	client_run(c);
	accept_pump(srv);
}

/* ---- questions -------------------------------------------------------------------------- */

/* Each returns false when it has fed an answer already. */
static bool ask_lookup(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_ACCOUNTD);
	struct account_lookup m = { .address = smtp_session_lookup_addr(c->s) };

	if (ch == NULL) {
		smtp_session_lookup_done(c->s, SMTP_LOOKUP_TEMPFAIL);
		return false;
	}
	c->asked = true;
	(void)IPC_REQUEST(ch, account_lookup, &m, LOOKUP_TIMEOUT_MS, lookup_reply, c);
	return true;
}

static bool ask_login(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_ACCOUNTD);

	if (ch == NULL) {
		smtp_session_login_done(c->s, ERR_CLOSED, 0, NULL);
		return false;
	}
	c->asked = true;
	(void)IPC_REQUEST(ch, account_login, smtp_session_login(c->s), LOGIN_TIMEOUT_MS, login_reply, c);
	return true;
}

static bool ask_sender(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_ACCOUNTD);
	struct account_sender m = smtp_session_sender(c->s);

	if (ch == NULL) {
		smtp_session_sender_done(c->s, SMTP_SENDER_TEMPFAIL);
		return false;
	}
	c->asked = true;
	(void)IPC_REQUEST(ch, account_sender, &m, LOOKUP_TIMEOUT_MS, sender_reply, c);
	return true;
}

static bool ask_file(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_SPOOLD);
	struct spool_body_file m = { 0 };

	if (ch == NULL) {
		smtp_session_file_done(c->s, ERR_CLOSED, 0);
		return false;
	}
	c->asked = true;
	/* without a timeout: a file whose number comes too late would stay in spoold */
	(void)IPC_REQUEST(ch, spool_body_file, &m, 0, file_reply, c);
	return true;
}

static bool ask_accept(struct client *c)
{
	struct channel *ch = daemon_peer(c->srv->d, ROLE_SPOOLD);
	struct spool_accept m;
	int r = ch != NULL ? smtp_session_submission(c->s, &m) : ERR_CLOSED;

	if (r != 0) {
		smtp_session_accept_done(c->s, r == ERR_NOMEM ? ERR_FULL : r, 0);
		return false;
	}
	c->asked = true;
	if (channel_backlog(ch) > ACCEPT_BACKLOG)
		STAILQ_INSERT_TAIL(&c->srv->waiting, c, waiting);
	else
		(void)IPC_REQUEST(ch, spool_accept, &m, ACCEPT_TIMEOUT_MS, accept_reply, c);
	return true;
}

void accept_pump(struct server *srv)
{
	struct channel *ch = daemon_peer(srv->d, ROLE_SPOOLD);
	struct client *c;

	while ((c = STAILQ_FIRST(&srv->waiting)) != NULL && (ch == NULL || channel_backlog(ch) <= ACCEPT_BACKLOG)) {
		STAILQ_REMOVE_HEAD(&srv->waiting, waiting);
		c->asked = false;
		if (!ask_accept(c))
			client_run(c);
	}
}

bool client_ask(struct client *c, enum smtp_want want)
{
	switch (want) {
	case SMTP_WANT_LOGIN:
		return ask_login(c);
	case SMTP_WANT_SENDER:
		return ask_sender(c);
	case SMTP_WANT_LOOKUP:
		return ask_lookup(c);
	case SMTP_WANT_FILE:
		return ask_file(c);
	case SMTP_WANT_ACCEPT:
		return ask_accept(c);
	default:
		smtp_session_write_done(c->s, file_write(c->fd, smtp_session_unwritten(c->s)));
		return false;
	}
}
