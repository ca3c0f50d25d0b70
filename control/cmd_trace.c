/* pabal trace, and what qmgr is busy with. */
#include "common/base/clock.h"
#include "control/command.h"
#include "control/show.h"
#include "control/spool_client.h"

enum { TIMEOUT_MS = 60000 };

int cmd_trace(struct control *ct)
{
	struct spool_trace req = { 0 };
	struct buf out = BUF_INIT(512 * 1024 * 1024);
	struct spool_trace_reply t;
	struct client *c;
	struct ipc_msg m;
	int r;

	if (spool_client_id(ct->words[0], &req.msgid) != 0 || (c = client_open(ct->conf, ROLE_SPOOLD, false)) == NULL)
		return EXIT_FAILED;
	r = CLIENT_CALL(c, spool_trace, &req, TIMEOUT_MS, &m);
	if (r == 0 && (m.type != spool_trace_reply_MSG || IPC_DECODE(&m, spool_trace_reply, client_arena(c), &t) != 0))
		r = spool_client_failed(c, &m, "spoold does not trace", ct->words[0]);
	else if (r == 0 && t.items_n == 0)
		r = complain("Nothing is known of %s: there was no such message, or it is longer ago than trace_keep.", ct->words[0]);
	if (r == 0 && ct->json)
		format_json(&out, show_trace_json(&t));
	else if (r == 0)
		show_trace(&out, &t);
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}

int cmd_queue_destinations(struct control *ct)
{
	struct job_status req = { 0 };
	struct buf out = BUF_INIT(64 * 1024 * 1024);
	struct client *c = client_open(ct->conf, ROLE_QMGR, false);
	struct job_status_reply s;
	struct ipc_msg m;
	int r = c != NULL ? CLIENT_CALL(c, job_status, &req, TIMEOUT_MS, &m) : ERR_CLOSED;

	if (r == 0 && (m.type != job_status_reply_MSG || IPC_DECODE(&m, job_status_reply, client_arena(c), &s) != 0))
		r = client_strange(c);
	if (r == 0 && ct->json)
		format_json(&out, show_destinations_json(&s));
	else if (r == 0)
		show_destinations(&out, &s, clock_wall_s());
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}
