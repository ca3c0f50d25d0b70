/* pabal stop, reload, status: requests to master. */
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "control/command.h"
#include "control/show.h"
#include "control/spool_client.h"

enum { TIMEOUT_MS = 10000, SLACK_MS = 20000 };

/* Asks master to do verb and waits for its word; the sentence of a failure is master's. */
static int master_ask(struct client *c, const char *verb, uint64_t timeout_ms)
{
	struct master_do req = { .verb = slice_cstr(verb) };
	struct master_done done;
	struct ipc_msg m;
	int r = CLIENT_CALL(c, master_do, &req, timeout_ms, &m);

	if (r != 0)
		return r;
	if (m.type != master_done_MSG || IPC_DECODE(&m, master_done, client_arena(c), &done) != 0)
		return client_strange(c);
	if (done.ok != 0)
		return 0;
	(void)complain("master refused to %s: %.*s", verb, SLICE_ARG(done.text));
	return ERR_STATE;
}

static int tell(struct control *ct, const char *done, const char *sentence)
{
	struct buf b = BUF_INIT(1000);

	if (ct->json)
		format_json(&b, json_pack("{s:s}", "done", done));
	else
		buf_addf(&b, "%s\n", sentence);
	return finish_output(&b);
}

/* Waits until the process is no more; a kernel without pidfd lets us go at once. */
static void wait_gone(int pidfd, uint64_t timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	(void)poll(&p, 1, (int)timeout_ms);
	(void)close(pidfd);
}

int cmd_stop(struct control *ct)
{
	uint64_t limit = ct->conf->stop_timeout * MS_PER_S + SLACK_MS;
	struct client *c = client_open(ct->conf, ROLE_MASTER, false);
	struct master_status req = { 0 };
	struct ipc_msg m;
	int r, pidfd = -1;

	if (c == NULL)
		return EXIT_FAILED;
	/* The status is asked first, since the greeting tells which process it is. */
	if ((r = CLIENT_CALL(c, master_status, &req, TIMEOUT_MS, &m)) == 0) {
#ifdef SYS_pidfd_open
		if (client_peer_pid(c) > 0)
			pidfd = (int)syscall(SYS_pidfd_open, client_peer_pid(c), 0);
#endif
		r = master_ask(c, "stop", limit);
	}
	if (r == 0 && client_wait_closed(c, limit) != 0)
		r = complain("master said it stops, but still runs; its log may tell why.");
	if (r == 0)
		wait_gone(pidfd, limit);
	client_close(&c);
	return r != 0 ? EXIT_FAILED : tell(ct, "stop", "Pabal has stopped.");
}

int cmd_reload(struct control *ct)
{
	struct client *c = client_open(ct->conf, ROLE_MASTER, false);
	int r = c != NULL ? master_ask(c, "reload", ct->conf->stop_timeout * MS_PER_S + SLACK_MS) : ERR_CLOSED;

	client_close(&c);
	return r != 0 ? EXIT_FAILED : tell(ct, "reload", "The new configuration holds.");
}

int cmd_status(struct control *ct)
{
	bool verbose = (ct->args->opts & OPT_VERBOSE) != 0, have_stats = false;
	struct buf out = BUF_INIT(4 * 1024 * 1024);
	struct client *c = client_open(ct->conf, ROLE_MASTER, false), *spool = NULL;
	struct master_status req = { 0 };
	struct master_status_reply s;
	struct spool_stats_reply stats;
	struct ipc_msg m;
	int r = c != NULL ? CLIENT_CALL(c, master_status, &req, TIMEOUT_MS, &m) : ERR_CLOSED;

	if (r == 0 && (m.type != master_status_reply_MSG || IPC_DECODE(&m, master_status_reply, client_arena(c), &s) != 0))
		r = client_strange(c);
	if (r == 0 && verbose && (spool = client_open(ct->conf, ROLE_SPOOLD, true)) != NULL)
		have_stats = spool_client_stats(spool, &stats) == 0;
	if (r == 0 && ct->json)
		format_json(&out, show_status_json(&s, have_stats ? &stats : NULL));
	else if (r == 0)
		show_status(&out, &s, have_stats ? &stats : NULL, clock_wall_s(), verbose);
	client_close(&spool);
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}
