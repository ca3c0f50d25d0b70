/* TLS of the connections of deliver-remote: the handshake, what it gave, and what to do when it failed. */
#include "deliver/remote_private.h"

#include <stdio.h>

#include "common/base/log.h"
#include "common/daemon/tls.h"
#include "common/mail/queueid.h"

void rconn_tls_text(const struct rconn *rc, struct buf *b)
{
	const struct tls_info *info = rc->tls.secure ? conn_tls_info(rc->conn) : NULL;

	if (info == NULL)
		buf_add_cstr(b, "none");
	else
		buf_addf(b, "%s/%s (%s)", info->version, info->cipher, rc->tls.verified ? "verified" : "unverified");
}

static void rconn_tls_failed(struct rconn *rc, const char *why)
{
	client_tls_failed(&rc->client, log_esc(slice_cstr(why)));
	rconn_failed(rc);
}

void rconn_tls_start(struct rconn *rc)
{
	struct tls_target target = { .verify = rc->tls.want.level == CONF_TLS_VERIFY, .names = buf_slice(&rc->tls.want.names) };
	char host[sizeof(rc->addr.host)];
	int r = slice_to_cstr(tls_host_name(rc->addr.host), host, sizeof(host));

	target.host = host;
	if (r == 0)
		r = rc->remote->tls != NULL ? conn_start_tls_client(rc->conn, rc->remote->tls, &target) : ERR_NOMEM;
	if (r == 0) {
		rconn_set_timer(rc);
	} else if (r == ERR_NOMEM) {
		/* Ours, not the host's: nothing is remembered of it, and nothing sent without. */
		client_lost(&rc->client, "4.3.0", "out of memory");
		rc->client.fail = CLIENT_FAIL_LOST;
		rconn_failed(rc);
	} else {
		rconn_tls_failed(rc, "the host's name is none that a certificate could have");
	}
}

void rconn_tls_done(struct rconn *rc)
{
	const struct tls_info *info = conn_tls_info(rc->conn);

	if (info == NULL) {
		rconn_tls_failed(rc, "no TLS");
		return;
	}
	if (rc->tls.want.level == CONF_TLS_VERIFY && !info->verified) {
		rconn_tls_failed(rc, info->verify_error);
		return;
	}
	rc->tls.secure = true;
	rc->tls.verified = info->verified;
	client_tls_started(&rc->client, conn_out(rc->conn));
	conn_kick(rc->conn);
	rconn_set_timer(rc);
}

void rconn_tls_broken(struct rconn *rc)
{
	const char *why = conn_tls_error(rc->conn);

	if (why != NULL)
		rconn_tls_failed(rc, why);
	else
		rconn_lost(rc, "4.4.2", "lost connection");
}

bool rconn_tls_fall_back(struct rconn *rc)
{
	struct remote *r = rc->remote;
	struct rjob *job = rc->job;
	struct buf b = BUF_INIT(1024);
	bool again = false;

	if (job == NULL || (rc->client.fail != CLIENT_FAIL_TLS && rc->client.fail != CLIENT_FAIL_INJECTION))
		return false;
	rconn_relay(rc, &b);
	if (rc->client.fail == CLIENT_FAIL_INJECTION) {
		log_warn("%s: %.*s: %s; nothing is sent to it", queue_id(job->h.job.msgid).s, SLICE_ARG(buf_slice(&b)),
		    rc->client.fail_text);
	} else if (rc->tls.want.level == CONF_TLS_MAY) {
		tls_broken_add(&r->broken, &rc->addr, loop_now(r->a.loop));
		log_warn("%s: %.*s: %s; it is tried without TLS now and for the next hour", queue_id(job->h.job.msgid).s,
		    SLICE_ARG(buf_slice(&b)), rc->client.fail_text);
		again = job->without_tls = true;
	}
	buf_free(&b);
	return again;
}
