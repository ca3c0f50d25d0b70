/*
 * pabal oauth-validator: accountd has no network and runs no program, so this does it for accountd. It is a client
 * of the control socket that is asked questions there: whose token is this? The administrator's program tells.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <bsd/sys/queue.h>

#include "control/account_client.h"
#include "control/command.h"
#include "control/program.h"

enum { RUNNING_MAX = 8, WAITING_MAX = 64, TIME_MS = 8000, TIMEOUT_MS = 60000, AGAIN_S = 1, ENV_MAX = 1100 };

/* A question. Wiped when it is answered. */
struct question {
	TAILQ_ENTRY(question) entry;
	struct validator *v;
	uint32_t id;
	struct program *program;        /* NULL: it waits for its turn */
	char user[ENV_MAX], service[32], addr[80], path[4096];
	size_t token_len;
	uint8_t token[8192];
};
TAILQ_HEAD(question_list, question);

struct validator {
	struct control *ct;
	struct client *c;
	struct question_list running, waiting;
	unsigned running_n, waiting_n;
	bool stop;
	bool served;            /* accountd has taken us once */
};

static void answer(struct validator *v, uint32_t id, uint8_t verdict, struct slice user)
{
	struct account_validated reply = { .verdict = verdict, .user = user };
	struct channel *ch = client_channel(v->c);

	if (ch != NULL)
		IPC_REPLY(ch, account_validated, id, &reply);
}

static void drop(struct question *q)
{
	explicit_bzero(q, sizeof(*q));
	free(q);
}

static void run_next(struct validator *v);

static void on_done(void *ctx, int r, struct slice line)
{
	struct question *q = ctx;
	struct validator *v = q->v;

	if (r == ERR_TIMEOUT)
		(void)complain("The validator %s did not end within %d seconds; it was killed.", v->ct->words[0], TIME_MS / 1000);
	else if (r == ERR_AGAIN)
		(void)complain("The validator %s failed for now (a signal, or status 75).", v->ct->words[0]);
	answer(v, q->id, r == 0 ? VALIDATED_GOOD : r == ERR_DENIED ? VALIDATED_REFUSED : VALIDATED_AGAIN, line);
	TAILQ_REMOVE(&v->running, q, entry);
	v->running_n--;
	drop(q);
	run_next(v);
}

static int start(struct question *q)
{
	const char *const env[] = { q->path, q->user, q->service, q->addr, NULL };

	return program_run(&q->program, client_loop(q->v->c), (const char *const *)q->v->ct->words, env,
	    slice_of(q->token, q->token_len), TIME_MS, on_done, q);
}

static void run_next(struct validator *v)
{
	struct question *q;

	while (v->running_n < RUNNING_MAX && (q = TAILQ_FIRST(&v->waiting)) != NULL) {
		TAILQ_REMOVE(&v->waiting, q, entry);
		v->waiting_n--;
		if (start(q) == 0) {
			TAILQ_INSERT_TAIL(&v->running, q, entry);
			v->running_n++;
		} else {
			(void)complain("The validator %s cannot be run: %s.", v->ct->words[0], strerror(errno));
			answer(v, q->id, VALIDATED_AGAIN, slice_of(NULL, 0));
			drop(q);
		}
	}
}

/* "NAME=value"; ERR_SYNTAX for a NUL in it. */
static int set_env(char *dst, size_t size, const char *name, struct slice value)
{
	size_t n = strlen(name);

	if (n + 1 >= size)
		return ERR_LIMIT;
	memcpy(dst, name, n);
	dst[n] = '=';
	return slice_to_cstr(value, dst + n + 1, size - n - 1);
}

static int on_validate(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct validator *v = ctx;
	struct account_validate req;
	struct question *q;
	const char *path = getenv("PATH");
	int r = IPC_DECODE(m, account_validate, NULL, &req);

	(void)ch;
	if (r != 0)
		return r;
	q = v->waiting_n < WAITING_MAX ? calloc(1, sizeof(*q)) : NULL;
	if (q == NULL) {
		answer(v, m->id, VALIDATED_AGAIN, slice_of(NULL, 0));
		return 0;
	}
	q->v = v;
	q->id = m->id;
	q->token_len = req.token.len;
	memcpy(q->token, req.token.p, req.token.len);
	if (set_env(q->path, sizeof(q->path), "PATH", slice_cstr(path != NULL ? path : "/usr/bin:/bin")) != 0 ||
	    set_env(q->user, sizeof(q->user), "USER", req.user) != 0 ||
	    set_env(q->service, sizeof(q->service), "SERVICE", req.service) != 0 ||
	    set_env(q->addr, sizeof(q->addr), "ADDR", req.addr) != 0) {
		answer(v, q->id, VALIDATED_REFUSED, slice_of(NULL, 0));
		drop(q);
		return 0;
	}
	TAILQ_INSERT_TAIL(&v->waiting, q, entry);
	v->waiting_n++;
	run_next(v);
	return 0;
}

static void on_signal(void *ctx, int sig)
{
	struct validator *v = ctx;
	struct question *q, *next;

	if (sig != SIGCHLD) {
		v->stop = true;
		return;
	}
	TAILQ_FOREACH_SAFE(q, &v->running, entry, next)
		(void)program_reap(q->program);
}

/* Whoever asked is gone: nobody wants the answers. */
static void abandon(struct validator *v)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&v->running)) != NULL) {
		TAILQ_REMOVE(&v->running, q, entry);
		program_kill(&q->program);
		drop(q);
	}
	while ((q = TAILQ_FIRST(&v->waiting)) != NULL) {
		TAILQ_REMOVE(&v->waiting, q, entry);
		drop(q);
	}
	v->running_n = v->waiting_n = 0;
}

/* One connection, until it ends: 0, or a failure that was told. */
static int serve(struct validator *v, bool quiet)
{
	static const struct ipc_handler handlers[] = { { account_validate_MSG, on_validate }, { 0, NULL } };
	static const int signals[] = { SIGCHLD, SIGTERM, SIGINT };
	struct account_validator req = { 0 };
	struct ipc_msg m;
	int r = ERR_CLOSED;

	v->c = client_open_serving(v->ct->conf, ROLE_ACCOUNTD, quiet, handlers, v);
	if (v->c != NULL)
		r = loop_signals(client_loop(v->c), signals, ARRAY_LEN(signals), on_signal, v);
	if (r == 0 && (r = CLIENT_CALL(v->c, account_validator, &req, TIMEOUT_MS, &m)) == 0 && m.type != account_ok_MSG)
		r = account_failure(v->c, &m);
	v->served |= r == 0;
	while (r == 0 && !v->stop && client_channel(v->c) != NULL)
		r = loop_turn(client_loop(v->c), -1);
	abandon(v);
	client_close(&v->c);
	return r;
}

int cmd_validator(struct control *ct)
{
	const struct timespec again = { .tv_sec = AGAIN_S };
	struct validator v = { .ct = ct };
	sigset_t ends;
	int r;

	TAILQ_INIT(&v.running);
	TAILQ_INIT(&v.waiting);
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	r = serve(&v, false);
	/* accountd ended and will be started anew: it is looked for. */
	while (!v.stop && (r == 0 || r == ERR_CLOSED) && v.served && sigtimedwait(&ends, NULL, &again) < 0)
		r = serve(&v, true);
	return v.served && (r == 0 || r == ERR_CLOSED) ? EXIT_DONE : EXIT_FAILED;
}
