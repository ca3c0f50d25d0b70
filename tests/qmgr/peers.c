#include "tests/lib/unit.h"

#include "tests/qmgr/peers.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ipc/roles.h"

/* ---- the turned clock ------------------------------------------------------------------ */

static uint64_t mono_ms, wall_us;

static uint64_t turned_mono(void) { return mono_ms; }
static uint64_t turned_wall(void) { return wall_us; }
static void turned_random(void *p, size_t n)
{
	static uint32_t x = 1;
	uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		b[i] = (uint8_t)(x >> 24);
	}
}

uint64_t world_now(void)
{
	return wall_us / 1000000;
}

void world_set_wall(uint64_t seconds)
{
	wall_us = seconds * 1000000;
}

/* ---- qmgr's side of the channels ----------------------------------------------------------- */

static void q_spoold_open(struct channel *ch, void *ctx) { qmgr_spoold_open(((struct world *)ctx)->q, ch); }
static void q_spoold_close(struct channel *ch, int why, void *ctx) { (void)why; qmgr_spoold_close(((struct world *)ctx)->q, ch); }
static void q_accountd_open(struct channel *ch, void *ctx) { qmgr_accountd_open(((struct world *)ctx)->q, ch); }
static void q_accountd_close(struct channel *ch, int why, void *ctx) { (void)why; qmgr_accountd_close(((struct world *)ctx)->q, ch); }
static void q_local_open(struct channel *ch, void *ctx) { qmgr_agent_open(((struct world *)ctx)->q, ch, true); }
static void q_remote_open(struct channel *ch, void *ctx) { qmgr_agent_open(((struct world *)ctx)->q, ch, false); }
static void q_agent_close(struct channel *ch, int why, void *ctx) { (void)why; qmgr_agent_close(((struct world *)ctx)->q, ch); }
static int q_work(struct channel *ch, struct ipc_msg *m, void *ctx) { (void)ch; return qmgr_on_work(((struct world *)ctx)->q, m); }
static int q_capacity(struct channel *ch, struct ipc_msg *m, void *ctx) { return qmgr_on_capacity(((struct world *)ctx)->q, ch, m); }

static const struct ipc_handler q_spool_handlers[] = { { spool_work_MSG, q_work }, { 0, NULL } };
static const struct ipc_handler q_agent_handlers[] = { { job_capacity_MSG, q_capacity }, { 0, NULL } };

static void far_close(struct channel *ch, int why, void *ctx)
{
	struct world *w = ctx;
	uint32_t n = 0;

	(void)why;
	for (size_t i = 0; i < ARRAY_LEN(w->far); i++)
		if (w->far[i] == ch)
			w->far[i] = NULL;
	if (w->spoold == ch)
		w->spoold = NULL;
	for (uint32_t i = 0; i < w->jobs_n; i++)
		if (w->jobs[i].ch != ch)
			w->jobs[n++] = w->jobs[i];
	w->jobs_n = n;
}

static struct channel *connect_pair(struct world *w, const char *proto, enum role peer, struct channel_conf ours,
    const struct ipc_handler *theirs)
{
	struct channel_conf far = { .proto = proto, .major = 1, .role = (uint8_t)peer, .peer_role = ROLE_QMGR, .peer_uid = (uid_t)-1,
	    .handlers = theirs, .on_close = far_close, .ctx = w };
	struct channel *ch;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ours.proto = proto;
	ours.major = 1;
	ours.role = ROLE_QMGR;
	ours.peer_role = (uint8_t)peer;
	ours.peer_uid = (uid_t)-1;
	ours.ctx = w;
	ch = channel_new(w->loop, fds[1], &far);
	assert_non_null(ch);
	assert_non_null(channel_new(w->loop, fds[0], &ours));
	for (size_t i = 0; i < ARRAY_LEN(w->far); i++)
		if (w->far[i] == NULL) {
			w->far[i] = ch;
			return ch;
		}
	fail_msg("too many peers");
	return NULL;
}

/* ---- the played spoold ------------------------------------------------------------------------ */

static struct w_msg *msg_by_id(struct world *w, uint64_t id)
{
	for (uint32_t i = 0; i < w->msgs_n; i++)
		if (w->msgs[i].id == id)
			return &w->msgs[i];
	return NULL;
}

static void reply_fail(struct channel *ch, uint32_t id, int code)
{
	struct spool_fail f = { .code = (uint32_t)code, .text = SLICE_LIT("played") };

	IPC_REPLY(ch, spool_fail, id, &f);
}

static void fill_msg(const struct w_msg *m, struct spool_msg *to, struct spool_rcpt *rcpts, bool all)
{
	*to = (struct spool_msg){ .msgid = m->id, .sender = slice_cstr(m->sender), .created = m->created, .size = 30,
	    .flags = m->flags, .token = SLICE_LIT("token"), .rcpts = rcpts };
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (all || m->rcpts[i].state == RCPT_PENDING)
			rcpts[to->rcpts_n++] = (struct spool_rcpt){ .index = i, .addr = slice_cstr(m->rcpts[i].addr),
			    .state = m->rcpts[i].state, .attempts = m->rcpts[i].attempts, .due = m->rcpts[i].due };
}

static uint64_t due_of(const struct w_msg *m)
{
	uint64_t due = 0;

	for (uint32_t i = 0; i < m->rcpts_n; i++)
		if (m->rcpts[i].state == RCPT_PENDING && (due == 0 || m->rcpts[i].due < due))
			due = m->rcpts[i].due;
	return due;
}

static int s_take(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	static struct spool_rcpt rcpts[W_MSGS][W_RCPTS];
	static struct spool_msg msgs[W_MSGS];
	struct world *w = ctx;
	struct spool_taken t = { .msgs = msgs };
	struct spool_take req;

	if (IPC_DECODE(m, spool_take, NULL, &req) != 0)
		return ERR_SYNTAX;
	w->takes++;
	w->take_before_outcome |= w->owed != 0;
	for (uint32_t i = 0; i < w->msgs_n; i++) {
		struct w_msg *x = &w->msgs[i];
		uint64_t due = due_of(x);

		if (x->gone || x->taken || due == 0)
			continue;
		if (due <= req.now && t.msgs_n < req.n) {
			x->taken = true;
			fill_msg(x, &msgs[t.msgs_n], rcpts[t.msgs_n], false);
			t.msgs_n++;
		} else if (t.next_due == 0 || due < t.next_due) {
			t.next_due = due;
		}
	}
	IPC_REPLY(ch, spool_taken, m->id, &t);
	return 0;
}

static void make_notice(struct world *w, const struct spool_accept *a)
{
	struct w_msg *m = &w->msgs[w->msgs_n++];
	struct slice body = slice_sub(a->body.bytes, 0, W_TEXT - 1);

	assert_true(w->msgs_n < W_MSGS);
	assert_int_equal(a->sender.len, 0);
	*m = (struct w_msg){ .id = 1000 + w->msgs_n, .created = world_now(), .rcpts_n = 1, .is_notice = true };
	memcpy(m->rcpts[0].addr, a->rcpts[0].addr.p, a->rcpts[0].addr.len);
	m->rcpts[0].due = world_now();
	memcpy(m->body, body.p, body.len);
}

/* As spoold does it: only what is pending changes, all or nothing. */
static int apply_outcome(struct world *w, const struct spool_outcome *o)
{
	struct w_msg *m = msg_by_id(w, o->msgid);
	uint32_t n = 0, pending = 0;

	if (m == NULL || m->gone)
		return ERR_NOTFOUND;
	for (uint32_t i = 0; i < o->results_n; i++) {
		assert_true(i == 0 || o->results[i].index > o->results[i - 1].index);
		n += m->rcpts[o->results[i].index].state == RCPT_PENDING;
	}
	if (o->release)
		m->taken = false;
	if (o->results_n != 0 && n == 0)
		return ERR_STATE;
	for (uint32_t i = 0; i < o->results_n; i++) {
		struct w_rcpt *r = &m->rcpts[o->results[i].index];

		if (r->state != RCPT_PENDING)
			continue;
		r->state = o->results[i].state;
		r->due = o->results[i].due;
		r->attempts++;
		assert_int_equal(slice_to_cstr(o->results[i].status, r->status, sizeof(r->status)), 0);
		assert_int_equal(slice_to_cstr(o->results[i].text, r->text, sizeof(r->text)), 0);
	}
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		pending += m->rcpts[i].state == RCPT_PENDING;
	m->flags |= o->set_flags;
	m->gone = pending == 0;
	for (uint32_t i = 0; i < o->notices_n; i++)
		make_notice(w, &o->notices[i]);
	return 0;
}

static int s_outcome(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct arena *a = arena_new(16 * 1024 * 1024);
	struct spool_outcome o;
	struct spool_ok ok = { 0 };
	int r = IPC_DECODE(m, spool_outcome, a, &o);

	assert_int_equal(r, 0);
	if (w->owed != 0)
		w->owed--;
	if (w->fail_outcomes) {
		reply_fail(ch, m->id, ERR_FULL);
	} else if (w->drop_outcomes) {
		w->owed++;
	} else {
		w->outcomes++;
		r = apply_outcome(w, &o);
		if (w->swallow_outcomes)
			w->owed++;
		else if (w->late_outcomes && w->late_n < ARRAY_LEN(w->late))
			w->late[w->late_n++] = m->id;
		else if (r == 0)
			IPC_REPLY(ch, spool_ok, m->id, &ok);
		else
			reply_fail(ch, m->id, r);
	}
	arena_free(&a);
	return 0;
}

void world_late_answers(struct world *w)
{
	struct spool_ok ok = { 0 };

	while (w->late_n != 0)
		IPC_REPLY(w->spoold, spool_ok, w->late[--w->late_n], &ok);
	world_settle(w);
}

static int s_release(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct spool_release rel;
	struct w_msg *x;

	(void)ch;
	if (IPC_DECODE(m, spool_release, NULL, &rel) != 0)
		return ERR_SYNTAX;
	w->releases++;
	x = msg_by_id(w, rel.msgid);
	if (x != NULL)
		x->taken = false;
	return 0;
}

static int s_content(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct spool_content_reply rep = { .bytes = SLICE_LIT("Subject: original\r\n\r\nbody\r\n") };

	w->contents++;
	rep.size = rep.bytes.len;
	IPC_REPLY(ch, spool_content_reply, m->id, &rep);
	return 0;
}

static int s_show(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct spool_rcpt rcpts[W_RCPTS];
	struct spool_msg sm;
	struct spool_taken t = { .msgs = &sm, .msgs_n = 1 };
	struct spool_queue_show req;
	struct w_msg *x;

	if (IPC_DECODE(m, spool_queue_show, NULL, &req) != 0)
		return ERR_SYNTAX;
	w->shows++;
	if (w->owed != 0)
		w->owed--;
	x = msg_by_id(w, req.msgid);
	if (x == NULL || x->gone) {
		reply_fail(ch, m->id, ERR_NOTFOUND);
		return 0;
	}
	fill_msg(x, &sm, rcpts, true);
	IPC_REPLY(ch, spool_taken, m->id, &t);
	return 0;
}

static const struct ipc_handler s_handlers[] = {
	{ spool_take_MSG, s_take }, { spool_outcome_MSG, s_outcome }, { spool_release_MSG, s_release },
	{ spool_content_MSG, s_content }, { spool_queue_show_MSG, s_show }, { 0, NULL },
};

void world_spoold_start(struct world *w)
{
	/* Marks of what was taken are the channel's. */
	for (uint32_t i = 0; i < w->msgs_n; i++)
		w->msgs[i].taken = false;
	w->spoold = connect_pair(w, "spool", ROLE_SPOOLD, (struct channel_conf){ .handlers = q_spool_handlers,
	    .on_open = q_spoold_open, .on_close = q_spoold_close }, s_handlers);
}

static void kill_channel(struct world *w, struct channel *ch)
{
	channel_close(ch);
	assert_int_equal(loop_turn(w->loop, 0), 0);
}

void world_spoold_kill(struct world *w)
{
	kill_channel(w, w->spoold);
}

/* ---- the played accountd --------------------------------------------------------------------------- */

static int a_lookup(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct account_lookup_reply rep = { .kind = ADDRESS_REMOTE };
	struct account_lookup req;

	if (IPC_DECODE(m, account_lookup, NULL, &req) != 0)
		return ERR_SYNTAX;
	w->lookups++;
	if (req.address.len > 8 && memcmp(req.address.p + req.address.len - 8, "@us.test", 8) == 0)
		rep.kind = req.address.p[0] == 'x' ? ADDRESS_UNKNOWN : ADDRESS_LOCAL;
	IPC_REPLY(ch, account_lookup_reply, m->id, &rep);
	return 0;
}

static const struct ipc_handler a_handlers[] = { { account_lookup_MSG, a_lookup }, { 0, NULL } };

void world_accountd_start(struct world *w)
{
	w->accountd = connect_pair(w, "account", ROLE_ACCOUNTD, (struct channel_conf){ .on_open = q_accountd_open,
	    .on_close = q_accountd_close }, a_handlers);
}

void world_accountd_kill(struct world *w)
{
	kill_channel(w, w->accountd);
}

/* ---- played agents -------------------------------------------------------------------------------------- */

static int g_job(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct arena *a = arena_new(1024 * 1024);
	struct w_job *j = &w->jobs[w->jobs_n++];
	struct job job;

	assert_true(w->jobs_n <= W_JOBS);
	assert_int_equal(IPC_DECODE(m, job, a, &job), 0);
	*j = (struct w_job){ .ch = ch, .id = m->id, .msgid = job.msgid, .n = job.rcpts_n };
	assert_int_equal(slice_to_cstr(job.destination, j->destination, sizeof(j->destination)), 0);
	assert_true(slice_eq_cstr(job.token, "token"));
	for (uint32_t i = 0; i < job.rcpts_n; i++)
		j->indexes[i] = job.rcpts[i].index;
	arena_free(&a);
	return 0;
}

static const struct ipc_handler g_handlers[] = { { job_MSG, g_job }, { 0, NULL } };

struct channel *world_agent_start(struct world *w, bool local, uint32_t capacity)
{
	struct job_capacity cap = { .jobs = capacity };
	struct channel *ch = connect_pair(w, "job", local ? ROLE_DELIVER_LOCAL : ROLE_DELIVER_REMOTE,
	    (struct channel_conf){ .handlers = q_agent_handlers, .on_open = local ? q_local_open : q_remote_open,
	    .on_close = q_agent_close }, g_handlers);

	IPC_SEND(ch, job_capacity, 0, &cap);
	return ch;
}

void world_agent_kill(struct world *w, struct channel *ch)
{
	kill_channel(w, ch);
}

static struct w_job job_remove(struct world *w, uint32_t i)
{
	struct w_job j;

	assert_true(i < w->jobs_n);
	j = w->jobs[i];
	w->jobs_n--;
	memmove(&w->jobs[i], &w->jobs[i + 1], (w->jobs_n - i) * sizeof(j));
	return j;
}

static void answer(const struct w_job *j, struct job_outcome model, bool reachable)
{
	struct job_outcome out[W_RCPTS];
	struct job_result res = { .reachable = reachable, .outcomes = out, .outcomes_n = j->n };

	for (uint32_t i = 0; i < j->n; i++) {
		out[i] = model;
		out[i].index = j->indexes[i];
	}
	IPC_REPLY(j->ch, job_result, j->id, &res);
}

void world_answer(struct world *w, uint32_t job, uint8_t kind, const char *status, const char *text, bool reachable)
{
	struct w_job j = job_remove(w, job);

	answer(&j, (struct job_outcome){ .kind = kind, .status = slice_cstr(status), .text = slice_cstr(text),
	    .relay = SLICE_LIT("mx[192.0.2.1]:25") }, reachable);
	world_settle(w);
}

void world_answer_recorded(struct world *w, uint32_t job, const char *relay)
{
	struct w_job j = job_remove(w, job);
	struct w_msg *m = msg_by_id(w, j.msgid);
	uint32_t pending = 0;

	for (uint32_t i = 0; i < j.n; i++)
		m->rcpts[j.indexes[i]].state = RCPT_DONE;
	for (uint32_t i = 0; i < m->rcpts_n; i++)
		pending += m->rcpts[i].state == RCPT_PENDING;
	m->gone = pending == 0;
	answer(&j, (struct job_outcome){ .kind = OUTCOME_DONE, .recorded = 1, .status = SLICE_LIT("2.0.0"),
	    .text = SLICE_LIT("delivered to mailbox"), .relay = slice_cstr(relay) }, true);
	world_settle(w);
}

/* ---- the world ------------------------------------------------------------------------------------------------ */

struct w_msg *world_mail(struct world *w, const char *sender, const char *const *rcpts)
{
	struct w_msg *m = &w->msgs[w->msgs_n++];

	assert_true(w->msgs_n < W_MSGS);
	*m = (struct w_msg){ .id = w->msgs_n, .created = world_now() };
	memcpy(m->sender, sender, strlen(sender));
	for (; rcpts[m->rcpts_n] != NULL; m->rcpts_n++) {
		memcpy(m->rcpts[m->rcpts_n].addr, rcpts[m->rcpts_n], strlen(rcpts[m->rcpts_n]));
		m->rcpts[m->rcpts_n].due = m->created;
	}
	if (w->spoold != NULL)
		world_hint(w, world_now());
	world_settle(w);
	return m;
}

void world_hint(struct world *w, uint64_t due)
{
	struct spool_work work = { .due = due };

	IPC_SEND(w->spoold, spool_work, 0, &work);
}

struct w_msg *world_notice(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < w->msgs_n; i++)
		if (w->msgs[i].is_notice && n-- == 0)
			return &w->msgs[i];
	return NULL;
}

void world_settle(struct world *w)
{
	for (int i = 0; i < 30; i++)
		assert_int_equal(loop_turn(w->loop, 0), 0);
}

void world_pass(struct world *w, uint64_t seconds)
{
	for (uint64_t left = seconds; left != 0; ) {
		uint64_t step = left < 60 ? left : 60;

		mono_ms += step * 1000;
		wall_us += step * 1000000;
		left -= step;
		for (int i = 0; i < 6; i++)
			assert_int_equal(loop_turn(w->loop, 0), 0);
	}
	world_settle(w);
}

void world_start(struct world *w)
{
	static const struct clock_ops ops = { turned_mono, turned_wall, turned_random };

	memset(w, 0, sizeof(*w));
	mono_ms = 100000;
	wall_us = 1800000000ull * 1000000;
	clock_set(&ops);
	w->conf = (struct conf){ .hostname = "us.test", .queue_backoff_min = 300, .queue_backoff_max = 3600,
	    .queue_lifetime = 5 * 86400, .queue_delay_notice = 4 * 3600, .queue_window = 50,
	    .destination_concurrency = 20, .destination_recipients = 100 };
	w->loop = loop_new();
	assert_non_null(w->loop);
	w->q = qmgr_new(w->loop, &w->conf);
	assert_non_null(w->q);
}

void world_end(struct world *w)
{
	for (size_t i = 0; i < ARRAY_LEN(w->far); i++)
		if (w->far[i] != NULL)
			channel_close(w->far[i]);
	world_settle(w);
	qmgr_free(&w->q);
	loop_free(&w->loop);
	clock_set(NULL);
}
