/* Batches, answers and the order of things. What the requests do is in service_*.c. */
#include "spool/service_jobs.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/daemon.h"

struct request_desc {
	uint16_t type;
	bool reads;             /* tells of the state: waits for an open batch */
	request_fn *fn;
};

static const struct request_desc requests[] = {
	{ spool_body_file_MSG, false, request_body_file },
	{ spool_body_drop_MSG, false, request_body_drop },
	{ spool_accept_MSG, false, request_accept },
	{ spool_take_MSG, true, request_take },
	{ spool_outcome_MSG, false, request_outcome },
	{ spool_release_MSG, false, request_release },
	{ spool_queue_list_MSG, true, request_queue_list },
	{ spool_queue_show_MSG, true, request_queue_show },
	{ spool_queue_do_MSG, true, request_queue_do },
	{ spool_trace_MSG, true, request_trace },
	{ spool_stats_MSG, true, request_stats },
	{ spool_content_MSG, true, request_content },
	{ spool_deliver_MSG, false, request_deliver },
	{ spool_open_MSG, false, request_open },
	{ spool_close_MSG, false, request_close },
	{ spool_mailbox_list_MSG, true, request_mailbox_list },
	{ spool_mailbox_do_MSG, false, request_mailbox_do },
	{ spool_select_MSG, true, request_select },
	{ spool_view_MSG, true, request_view },
	{ spool_unselect_MSG, false, request_unselect },
	{ spool_store_MSG, false, request_store },
	{ spool_expunge_MSG, false, request_expunge },
	{ spool_copy_MSG, false, request_copy },
	{ spool_append_MSG, false, request_append },
	{ spool_cached_MSG, true, request_cached },
	{ spool_body_get_MSG, true, request_body_get },
	{ spool_account_delete_MSG, false, request_account_delete },
	{ spool_compact_MSG, false, request_compact },
};

static int service_message(struct channel *ch, struct ipc_msg *m, void *ctx);

#define MAY(T) { T##_MSG, service_message }
#define MAY_END { 0, NULL }
const struct ipc_handler service_smtpd[] = { MAY(spool_accept), MAY(spool_body_file), MAY(spool_body_drop), MAY_END };
const struct ipc_handler service_qmgr[] = {
	MAY(spool_take), MAY(spool_outcome), MAY(spool_release), MAY(spool_queue_list), MAY(spool_queue_show), MAY(spool_content),
	MAY(spool_queue_do), MAY_END
};
const struct ipc_handler service_deliver_local[] = { MAY(spool_content), MAY(spool_deliver), MAY_END };
const struct ipc_handler service_deliver_remote[] = { MAY(spool_content), MAY_END };
const struct ipc_handler service_reader[] = {
	MAY(spool_open), MAY(spool_close), MAY(spool_mailbox_list), MAY(spool_mailbox_do), MAY(spool_select), MAY(spool_unselect), MAY(spool_view),
	MAY(spool_store), MAY(spool_expunge), MAY(spool_copy), MAY(spool_append), MAY(spool_cached), MAY(spool_body_get),
	MAY(spool_body_file), MAY(spool_body_drop), MAY_END
};
const struct ipc_handler service_control[] = {
	MAY(spool_queue_list), MAY(spool_queue_show), MAY(spool_queue_do), MAY(spool_trace), MAY(spool_stats),
	MAY(spool_account_delete), MAY(spool_compact), MAY_END
};

static const struct request_desc *desc_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		if (requests[i].type == type)
			return &requests[i];
	return NULL;
}

/* ---- peers ---- */

static struct peer *peer_new(struct service *svc, struct channel *ch)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->sessions = calloc(1, sizeof(*p->sessions))) == NULL) {
		free(p);
		return NULL;
	}
	LIST_INIT(p->sessions);
	p->ch = ch;
	channel_set_data(ch, p);
	TAILQ_INSERT_TAIL(&svc->peers, p, link);
	return p;
}

static void send_state(struct service *svc, struct peer *p)
{
	struct spool_state st = { .accepting = svc->accepting, .free_bytes = spool_free_bytes(svc->spool) };
	uint8_t role = channel_peer_role(p->ch);

	if (role == ROLE_SMTPD || role == ROLE_QMGR)
		IPC_SEND(p->ch, spool_state, 0, &st);
}

void service_opened(struct service *svc, struct channel *ch)
{
	struct peer *p = peer_new(svc, ch);

	if (p == NULL) {
		channel_close(ch);
		return;
	}
	send_state(svc, p);
	if (channel_peer_role(ch) == ROLE_QMGR && spool_counters(svc->spool)->queued != 0) {
		struct spool_work w = { .due = clock_wall_s() };

		IPC_SEND(ch, spool_work, 0, &w);
	}
}

static void stash_free(struct stashed *st)
{
	if (st->m.fd >= 0)
		(void)close(st->m.fd);
	free((void *)(uintptr_t)st->m.payload.p);
	free(st);
}

void service_closed(struct service *svc, struct channel *ch)
{
	struct peer *p = channel_data(ch);
	struct file_wait *w;
	struct stashed *st, *next;
	struct answer *a;

	if (p == NULL)
		return;
	TAILQ_REMOVE(&svc->peers, p, link);
	row_jobs_peer_gone(svc, p);
	sessions_peer_gone(svc, p);
	taken_peer_gone(svc, p);
	queue_jobs_peer_gone(svc, p);
	compact_peer_gone(svc, p);
	files_peer_gone(svc, p);
	STAILQ_FOREACH(a, &svc->answers, link)
		if (a->peer == p)
			a->peer = NULL;
	LIST_FOREACH(w, &svc->waits, link)
		if (w->peer == p)
			w->peer = NULL;
	STAILQ_FOREACH_SAFE(st, &svc->stash, link, next)
		if (st->peer == p) {
			STAILQ_REMOVE(&svc->stash, st, stashed, link);
			stash_free(st);
		}
	free(p->sessions);
	free(p);
	channel_set_data(ch, NULL);
}

/* ---- answers ---- */

struct answer *service_answer(struct service *svc, struct peer *p, uint32_t id, uint16_t type, wire_encode_fn *fn, const void *m)
{
	struct answer *a;

	if (!spool_in_batch(svc->spool)) {
		if (p != NULL && channel_is_open(p->ch)) {
			fn(channel_begin(p->ch), m);
			channel_end(p->ch, type, id, true, -1);
		}
		return NULL;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL)
		panic("spoold: no memory for an answer");
	a->payload = BUF_INIT(IPC_MAX_FRAME);
	TAILQ_INIT(&a->changes);
	a->peer = p;
	a->id = id;
	a->type = type;
	fn(&a->payload, m);
	STAILQ_INSERT_TAIL(&svc->answers, a, link);
	return a;
}

struct answer *service_fail(struct service *svc, struct peer *p, uint32_t id, int r, const char *text)
{
	struct spool_fail f = { .code = (uint32_t)r, .text = slice_cstr(text != NULL ? text : err_str(r)) };

	return ANSWER(svc, p, id, spool_fail, &f);
}

struct answer *service_ok(struct service *svc, struct peer *p, uint32_t id, uint64_t value)
{
	struct spool_ok ok = { .value = value };

	return ANSWER(svc, p, id, spool_ok, &ok);
}

bool service_refused(struct service *svc, struct peer *p, uint32_t id, int r)
{
	if (r == 0)
		return false;
	(void)service_fail(svc, p, id, r, NULL);
	return true;
}

static void turn_end(void *ctx)
{
	service_commit(ctx);
}

void service_batch_opened(struct service *svc)
{
	if (spool_in_batch(svc->spool))
		loop_task_add(svc->loop, &svc->turn_end, turn_end, svc);
}

int service_do(struct service *svc, struct spool_op *op, struct spool_done *done_r, struct change_list *changes)
{
	int r = spool_do(svc->spool, op, done_r, changes);

	service_batch_opened(svc);
	return r;
}

void answer_take_changes(struct answer *a, struct change_list *changes, uint32_t session)
{
	if (a != NULL) {
		TAILQ_CONCAT(&a->changes, changes, link);
		a->session = session;
	}
	change_list_free(changes);
}

void service_hint(struct service *svc, uint64_t due)
{
	if (due == 0)
		due = 1;
	if (svc->hint_due == 0 || due < svc->hint_due)
		svc->hint_due = due;
}

static void send_hint(struct service *svc)
{
	bool flushed = svc->hint_due == 1;      /* by hand: service_hint(svc, 0) */
	struct spool_work w = { .due = svc->hint_due };
	struct peer *p;

	svc->hint_due = 0;
	if (w.due == 0)
		return;
	if (flushed)
		w.due = 0;
	TAILQ_FOREACH(p, &svc->peers, link)
		if (channel_is_open(p->ch) && channel_peer_role(p->ch) == ROLE_QMGR)
			IPC_SEND(p->ch, spool_work, 0, &w);
}

/* ---- the end of a batch ---- */

static void answer_send(struct service *svc, struct answer *a, int r)
{
	if (r == 0) {
		session_ghosts(svc, &a->changes);
		session_events(svc, &a->changes, a->session);
		if (a->log != NULL)
			log_info("%s", a->log);
		if (a->peer != NULL && channel_is_open(a->peer->ch)) {
			buf_add_slice(channel_begin(a->peer->ch), buf_slice(&a->payload));
			channel_end(a->peer->ch, a->type, a->id, true, -1);
		}
		if (a->file != 0)
			files_forget(svc, a->file);
	} else {
		(void)service_fail(svc, a->peer, a->id, r, r == ERR_FULL ? "no space left" : "the change could not be made durable");
		if (a->file != 0 && !spool_is_dead(svc->spool)) {
			files_forget(svc, a->file);
			if (bodyfile_unlink(spool_bodyfiles(svc->spool), a->file) != 0)
				log_warn("spool: body file %016llx stays", (unsigned long long)a->file);
		}
	}
	change_list_free(&a->changes);
	buf_free(&a->payload);
	free(a->log);
	free(a);
}

static void service_dead(struct service *svc)
{
	if (svc->dead)
		return;
	svc->dead = true;
	log_error("spool: cannot go on; starting anew recovers what was accepted");
	svc->sc.dead(svc->sc.ctx);
}

static void commit_once(struct service *svc)
{
	struct answer_list list = STAILQ_HEAD_INITIALIZER(list);
	struct answer *a;
	int r = spool_commit(svc->spool);

	if (r != 0) {
		log_error("spool: a batch failed: %s", err_str(r));
		svc->hint_due = 0;
	}
	/* What became of the batch is known only after the next start: better no answer than a wrong one. */
	if (spool_is_dead(svc->spool))
		service_dead(svc);
	row_jobs_flushed(svc, r);
	STAILQ_CONCAT(&list, &svc->answers);
	while ((a = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, link);
		answer_send(svc, a, r);
	}
	send_hint(svc);
}

static int dispatch(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	const struct request_desc *d = desc_of(m->type);
	struct stashed *st;
	uint8_t *copy;

	if (d == NULL)
		return ERR_STATE;
	if (p->stashed == 0 && !(d->reads && spool_in_batch(svc->spool))) {
		arena_reset(svc->arena);
		return d->fn(svc, p, m);
	}
	st = calloc(1, sizeof(*st));
	copy = malloc(m->payload.len + 1);
	if (st == NULL || copy == NULL) {
		free(st);
		free(copy);
		return ERR_NOMEM;
	}
	if (m->payload.len != 0)
		memcpy(copy, m->payload.p, m->payload.len);
	st->peer = p;
	st->m = *m;
	st->m.payload = slice_of(copy, m->payload.len);
	m->fd = -1;
	p->stashed++;
	STAILQ_INSERT_TAIL(&svc->stash, st, link);
	return 0;
}

/* What waited for the flush. It may open the next batch, for which what only reads waits again. */
static void unstash(struct service *svc)
{
	struct stash_list list = STAILQ_HEAD_INITIALIZER(list);
	struct stashed *st;

	STAILQ_FOREACH(st, &svc->stash, link)
		st->peer->stashed--;
	STAILQ_CONCAT(&list, &svc->stash);
	while ((st = STAILQ_FIRST(&list)) != NULL) {
		int r;

		STAILQ_REMOVE_HEAD(&list, link);
		r = channel_is_open(st->peer->ch) ? dispatch(svc, st->peer, &st->m) : 0;
		if (r != 0) {
			log_warn("spool: a request is refused: %s, type=%u", err_str(r), st->m.type);
			channel_close(st->peer->ch);
		}
		stash_free(st);
	}
}

void service_commit(struct service *svc)
{
	do {
		commit_once(svc);
		unstash(svc);
	} while (spool_in_batch(svc->spool) || !STAILQ_EMPTY(&svc->stash));
}

static int service_message(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct service *svc = ((struct daemon *)ctx)->state;
	struct peer *p = channel_data(ch);
	int r;

	if (p == NULL && (p = peer_new(svc, ch)) == NULL)
		return ERR_NOMEM;
	r = dispatch(svc, p, m);
	if (spool_pending(svc->spool) > BATCH_BYTES)
		service_commit(svc);
	return r;
}

void service_settle(struct service *svc)
{
	if (spool_in_batch(svc->spool))
		service_commit(svc);
}

struct spool *service_spool(struct service *svc)
{
	return svc->spool;
}

/* ---- housekeeping ---- */

enum { TICK_MS = 1000, TICK_BUSY_MS = 20, REAP_STEP = 256, CLEAN_STEP = 512, CLEAN_MS = 600000, CHECKPOINT_MS = 30000,
	CHECKPOINT_KB = 16 * 1024, SETTLE_MS = 5000, SETTLE_STEP = 500, SETTLE_STEP_BUSY = 64 };

static void check_state(struct service *svc)
{
	bool accepting = !spool_full(svc->spool, false);
	struct peer *p;

	if (accepting == svc->accepting)
		return;
	svc->accepting = accepting;
	if (accepting)
		log_info("spool: space is back: new mail is taken");
	else
		log_error("spool: free space is below spool_reserve: new mail is refused until there is more");
	TAILQ_FOREACH(p, &svc->peers, link)
		if (channel_is_open(p->ch))
			send_state(svc, p);
}

static int housekeep(struct service *svc, bool *more_r)
{
	uint64_t now = clock_wall_us(), mono = loop_now(svc->loop);
	uint64_t trace = svc->conf->trace_keep * 1000000, history = svc->conf->history_keep * 1000000;
	struct log_stats st;
	bool more = false;
	int r = spool_reap(svc->spool, REAP_STEP, more_r);

	if (r == 0 && mono >= svc->next_clean) {
		r = spool_clean(svc->spool, now > trace ? now - trace : 0, now > history ? now - history : 0, CLEAN_STEP, &more);
		if (!more)
			svc->next_clean = mono + CLEAN_MS;
		*more_r |= more;
	}
	if (r == 0 && (mono >= svc->next_settle || spool_settling(svc->spool))) {
		/* While there is traffic the flushes are what is used for it. */
		log_stats(spool_log_of(svc->spool), &st);
		r = spool_settle(svc->spool, st.flushes == svc->flushes ? SETTLE_STEP : SETTLE_STEP_BUSY, &more);
		svc->flushes = st.flushes;
		if (!more)
			svc->next_settle = mono + SETTLE_MS;
		*more_r |= more;
	}
	if (r == 0 && mono >= svc->next_look) {
		bool long_ago = mono >= svc->next_checkpoint;

		svc->next_look = mono + TICK_MS;
		if (long_ago)
			svc->next_checkpoint = mono + CHECKPOINT_MS;
		r = spool_checkpoint(svc->spool, long_ago ? 1 : CHECKPOINT_KB);
	}
	*more_r |= files_sweep_step(svc);
	return r;
}

static void tick(void *ctx)
{
	struct service *svc = ctx;
	bool more = false;
	int r;

	check_state(svc);
	service_settle(svc);
	/* Nobody waits longer than this for a place in the schedule that was passed over. */
	spool_due_seen(svc->spool, 0, 0);
	r = housekeep(svc, &more);
	if (r != 0)
		log_warn("spool: housekeeping: %s", err_str(r));
	if (spool_is_dead(svc->spool))
		service_dead(svc);
	loop_timer_set(svc->loop, &svc->tick, more ? TICK_BUSY_MS : TICK_MS, tick, svc);
}

/* ---- begin and end ---- */

static bool watched(void *ctx, uint64_t mailbox)
{
	return watch_list(((struct service *)ctx)->watches, mailbox) != NULL;
}

static bool pinned(void *ctx, uint64_t bodyid)
{
	return watch_pinned(((struct service *)ctx)->watches, bodyid);
}

enum { SYNC_THREADS = 4 };

int service_new(struct service **svc_r, const struct service_conf *sc)
{
	struct service *svc = calloc(1, sizeof(*svc));
	struct spool_conf spc = { .dirfd = sc->dirfd, .index_home = sc->index_home, .segment_size = sc->conf->segment_size,
		.reserve = sc->conf->spool_reserve, .cache_bytes = sc->conf->spool_cache, .sys = sc->sys, .threads = sc->sys == NULL,
		.watched = watched, .pinned = pinned, .ctx = svc };
	int r = ERR_NOMEM;

	if (svc == NULL)
		return r;
	svc->sc = *sc;
	svc->conf = sc->conf;
	svc->loop = sc->loop;
	TAILQ_INIT(&svc->peers);
	STAILQ_INIT(&svc->answers);
	STAILQ_INIT(&svc->stash);
	TAILQ_INIT(&svc->row_jobs);
	if ((svc->arena = arena_new(REQUEST_ARENA)) != NULL && (svc->watches = watches_new()) != NULL)
		r = spool_open(&svc->spool, &spc);
	if (r == 0 && (svc->syncer = syncer_new(svc->loop, spool_bodyfiles(svc->spool), SYNC_THREADS)) == NULL)
		r = ERR_NOMEM;
	if (r == 0)
		r = compact_start(svc);
	if (r == 0)
		r = many_recover(svc);
	if (r != 0) {
		service_free(&svc);
		return r;
	}
	svc->accepting = !spool_full(svc->spool, false);
	files_sweep_start(svc);
	loop_timer_set(svc->loop, &svc->tick, TICK_MS, tick, svc);
	*svc_r = svc;
	return 0;
}

void service_reload(struct service *svc, const struct conf *conf)
{
	svc->conf = conf;
}

void service_free(struct service **svcp)
{
	struct service *svc = *svcp;

	if (svc == NULL)
		return;
	if (svc->spool != NULL && spool_in_batch(svc->spool) && !spool_is_dead(svc->spool))
		commit_once(svc);
	while (!TAILQ_EMPTY(&svc->peers))
		service_closed(svc, TAILQ_FIRST(&svc->peers)->ch);
	queue_jobs_end(svc);
	row_jobs_end(svc);
	compact_stop(svc);
	syncer_free(&svc->syncer);
	files_waits_end(svc);
	loop_task_del(svc->loop, &svc->turn_end);
	loop_timer_del(svc->loop, &svc->tick);
	spool_close(&svc->spool, true);
	watches_free(&svc->watches);
	arena_free(&svc->arena);
	free(svc);
	*svcp = NULL;
}
