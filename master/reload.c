/*
 * Reload: the new configuration is read and checked, what it needs (ports) is
 * got, and only then it takes the place of the old one. Whatever fails before
 * that changes nothing.
 */
#include "config.h"

#include "master/master.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "master/dirs.h"

/* Each line of text as an error of its own. */
static void log_lines(struct slice text)
{
	while (text.len != 0) {
		ptrdiff_t nl = slice_chr(text, '\n');
		struct slice line = nl >= 0 ? slice_sub(text, 0, (size_t)nl) : text;

		log_error("reload refused: %s", log_esc(line));
		text = nl >= 0 ? slice_sub(text, (size_t)nl + 1, SIZE_MAX) : slice_of(NULL, 0);
	}
}

/* What cannot change while the processes live. */
static void check_fixed(const struct conf *old, const struct conf *c, struct buf *why)
{
	const struct { const char *name, *a, *b; } t[] = {
		{ "spool_dir", old->spool_dir, c->spool_dir }, { "state_dir", old->state_dir, c->state_dir },
		{ "key_dir", old->key_dir, c->key_dir }, { "run_dir", old->run_dir, c->run_dir },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (strcmp(t[i].a, t[i].b) != 0)
			buf_addf(why, "%s changes only by a stop and a start\n", t[i].name);
	if (old->uid_base != c->uid_base)
		buf_addf(why, "uid_base changes only by a stop and a start\n");
}

static int prepare(struct master *m, struct conf **c_r, struct idents *ids, int *log_r, struct buf *why)
{
	int r = conf_load(c_r, m->conf_file, why);

	*log_r = -1;
	if (r != 0)
		return r;
	check_fixed(m->conf, *c_r, why);
	if (buf_len(why) != 0)
		return ERR_STATE;
	if ((r = idents_resolve(ids, *c_r, m->ids.root, why)) != 0)
		return r;
	if ((*c_r)->log_file[0] != '\0' && (r = dirs_log_open((*c_r)->log_file, log_r, why)) != 0)
		return r;
	return listen_open(&m->listening, *c_r, why);
}

/* Processes that are wanted no more end, new ones start. */
static void change_workers(struct master *m)
{
	unsigned counts[ROLE_COUNT];
	struct child *c;

	master_counts(m, counts);
	TAILQ_FOREACH(c, &m->children, entry) {
		if (c->unwanted || c->instance < counts[c->kind->role])
			continue;
		c->unwanted = true;
		child_stop(c);
	}
	for (unsigned i = 0; i < kinds_n; i++)
		for (unsigned k = 0; k < counts[kinds[i].role]; k++) {
			c = child_find(m, kinds[i].role, k);
			if (c != NULL && !c->unwanted)
				continue;
			if (c != NULL && c->pid != 0) {
				/* It is still ending from the last reload; its death will start it anew. */
				c->unwanted = false;
				continue;
			}
			if (c == NULL)
				c = child_new(m, &kinds[i], k);
			if (c == NULL)
				continue;
			c->unwanted = false;
			c->backoff.deaths = 0;
			child_start(c);
			child_go(c);
		}
}

static void send_reload(struct child *c, int log_fd)
{
	const struct master *m = c->m;
	struct master_reload msg = { .file = slice_cstr(m->conf_file), .text = m->conf->text,
	    .hostname = slice_cstr(m->conf->hostname) };
	int fd = log_fd >= 0 ? fcntl(log_fd, F_DUPFD_CLOEXEC, 3) : -1;

	master_reload_encode(channel_begin(c->ch), &msg);
	channel_end(c->ch, master_reload_MSG, 0, false, fd);
	c->reloading = true;
}

static void reload_late(void *ctx)
{
	struct master *m = ctx;
	struct child *c;

	TAILQ_FOREACH(c, &m->children, entry) {
		if (c->reloading)
			log_warn("process=%s has not taken the new configuration yet", c->name);
		c->reloading = false;
	}
	reload_advance(m);
}

static void swap(struct master *m, struct conf *c, const struct idents *ids, int log_fd)
{
	static const enum role with_socket[] = { ROLE_MASTER, ROLE_SPOOLD, ROLE_ACCOUNTD, ROLE_KEYD, ROLE_QMGR };
	struct conf *old = m->conf;
	const struct listen_sock *s;
	struct child *ch;

	if (log_fd >= 0 && dup2(log_fd, STDERR_FILENO) < 0)
		log_warn("cannot change to the new log file");
	m->conf = c;
	m->ids = *ids;
	for (size_t i = 0; i < ARRAY_LEN(with_socket); i++)
		if (listen_control_group(c->run_dir, with_socket[i], ids->admin) != 0)
			log_warn("the group of %s/%s.sock cannot be changed", c->run_dir, role_name(with_socket[i]));
	/* Who runs gets the new configuration; who starts from here on starts with it. */
	TAILQ_FOREACH(ch, &m->children, entry)
		if (ch->ch != NULL && ch->linked && (ch->state == CHILD_READY || ch->state == CHILD_STARTING))
			send_reload(ch, log_fd);
	listen_prune(&m->listening, c);
	STAILQ_FOREACH(s, &m->listening, entry) {
		if (!s->fresh)
			continue;
		log_info("listening service=%s address=%s", listen_service_name(s->service), s->address);
		if (m->listeners_given)
			TAILQ_FOREACH(ch, &m->children, entry)
				if (ch->state == CHILD_READY || ch->state == CHILD_STARTING)
					child_give_listener(ch, s);
	}
	change_workers(m);
	conf_free(&old);
	if (log_fd >= 0)
		(void)close(log_fd);
}

void reload_start(struct master *m)
{
	struct buf why = BUF_INIT(1024 * 1024);
	struct conf *c = NULL;
	struct idents ids = m->ids;
	struct waiting *w;
	int log_fd = -1, r;

	if (m->state == MASTER_STOPPING || m->reload_running) {
		/* One at a time; the one that was asked for meanwhile follows. */
		m->reload_again = m->reload_running;
		if (m->state == MASTER_STOPPING)
			control_answer(m, true, false, "stopping");
		return;
	}
	STAILQ_FOREACH(w, &m->waiting, entry)
		w->later = false;
	if ((r = prepare(m, &c, &ids, &log_fd, &why)) != 0) {
		if (buf_len(&why) == 0)
			buf_add_cstr(&why, err_str(r));
		log_lines(buf_slice(&why));
		buf_add_byte(&why, '\0');
		control_answer(m, true, false, (const char *)buf_slice(&why).p);
		conf_free(&c);
		if (log_fd >= 0)
			(void)close(log_fd);
		buf_free(&why);
		return;
	}
	buf_free(&why);
	log_info("reloading file=%s", log_esc(slice_cstr(m->conf_file)));
	m->reload_running = true;
	swap(m, c, &ids, log_fd);
	loop_timer_set(m->loop, &m->reload_timer, m->conf->stop_timeout * MS_PER_S, reload_late, m);
	reload_advance(m);
}

void reload_advance(struct master *m)
{
	struct child *c;

	if (!m->reload_running)
		return;
	TAILQ_FOREACH(c, &m->children, entry)
		if (c->reloading)
			return;
	m->reload_running = false;
	loop_timer_del(m->loop, &m->reload_timer);
	log_info("reloaded");
	control_answer(m, true, true, "reloaded");
	if (m->reload_again) {
		m->reload_again = false;
		reload_start(m);
	}
}
