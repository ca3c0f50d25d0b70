/* Body files that no record refers to yet: who may write them, their flush, and the orphans. */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "spool/service_internal.h"

static int live_cmp(const struct live_file *a, const struct live_file *b)
{
	return (a->file > b->file) - (a->file < b->file);
}

RB_GENERATE_INTERNAL(live_tree, live_file, entry, live_cmp, static UNUSED)

static struct live_file *live_find(struct service *svc, uint64_t file)
{
	struct live_file key = { .file = file };

	return RB_FIND(live_tree, &svc->files, &key);
}

int files_create(struct service *svc, struct peer *p, uint64_t *file_r, int *fd_r)
{
	struct live_file *f;
	int r;

	if (p->files >= FILES_PER_PEER)
		return ERR_LIMIT;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return ERR_NOMEM;
	if ((r = bodyfile_create(spool_bodyfiles(svc->spool), &f->file, fd_r)) != 0) {
		free(f);
		return r;
	}
	f->peer = p;
	p->files++;
	RB_INSERT(live_tree, &svc->files, f);
	*file_r = f->file;
	return 0;
}

struct live_file *files_find(struct service *svc, const struct peer *p, uint64_t file)
{
	struct live_file *f = live_find(svc, file);

	return f != NULL && f->peer == p ? f : NULL;
}

void files_drop(struct service *svc, struct live_file *f, bool unlink)
{
	int r;

	if (unlink && (r = bodyfile_unlink(spool_bodyfiles(svc->spool), f->file)) != 0 && r != ERR_NOTFOUND)
		log_warn("spool: body file %016llx stays: %s", (unsigned long long)f->file, err_str(r));
	if (f->peer != NULL)
		f->peer->files--;
	RB_REMOVE(live_tree, &svc->files, f);
	free(f);
}

void files_forget(struct service *svc, uint64_t file)
{
	struct live_file *f = live_find(svc, file);

	if (f != NULL)
		files_drop(svc, f, false);
}

void files_peer_gone(struct service *svc, struct peer *p)
{
	struct live_file *f, *next;

	if (p->files == 0)
		return;
	RB_FOREACH_SAFE(f, live_tree, &svc->files, next)
		if (f->peer == p)
			files_drop(svc, f, true);
}

/* ---- flushing, outside the loop ---- */

static void wait_free(struct file_wait *w)
{
	LIST_REMOVE(w, link);
	free((void *)(uintptr_t)w->m.payload.p);
	free(w);
}

static void synced(struct sync_job *job)
{
	struct file_wait *w = job->ctx;
	struct service *svc = w->svc;
	int r = 0;

	if (w->peer != NULL && job->r != ERR_CLOSED && channel_is_open(w->peer->ch)) {
		svc->synced = w;
		arena_reset(svc->arena);
		r = w->m.type == spool_append_MSG ? request_append(svc, w->peer, &w->m) : request_accept(svc, w->peer, &w->m);
		svc->synced = NULL;
		if (r != 0)
			channel_close(w->peer->ch);
	} else {
		r = ERR_CLOSED;
	}
	if (r != 0 && job->r != ERR_CLOSED) {
		struct live_file *f = live_find(svc, job->file);

		if (f != NULL)
			files_drop(svc, f, true);
	}
	wait_free(w);
}

int files_body(struct service *svc, struct peer *p, struct ipc_msg *m, const struct spool_body_in *in, struct op_body *b_r)
{
	struct file_wait *w;
	struct live_file *f;
	uint8_t *copy;

	*b_r = (struct op_body){ .size = in->size, .relay_off = in->relay_off, .flags = in->flags, .lines = in->lines,
		.file = in->file, .bytes = in->bytes };
	if (in->file == 0)
		return in->bytes.len == in->size && in->size <= SPOOL_BODY_MAX ? 0 : ERR_SYNTAX;
	if (in->bytes.len != 0)
		return ERR_SYNTAX;
	if (svc->synced != NULL) {
		if (svc->synced->job.r != 0)
			return svc->synced->job.r;
		b_r->crc = svc->synced->job.crc;
		return svc->synced->job.size == in->size ? 0 : ERR_STATE;
	}
	if ((f = files_find(svc, p, in->file)) == NULL)
		return ERR_NOTFOUND;
	w = calloc(1, sizeof(*w));
	copy = malloc(m->payload.len);
	if (w == NULL || copy == NULL) {
		free(w);
		free(copy);
		return ERR_NOMEM;
	}
	memcpy(copy, m->payload.p, m->payload.len);
	*w = (struct file_wait){ .svc = svc, .peer = p, .m = *m };
	w->m.payload = slice_of(copy, m->payload.len);
	w->m.fd = -1;
	w->job = (struct sync_job){ .kind = SYNC_FILE, .file = in->file, .done = synced, .ctx = w };
	LIST_INSERT_HEAD(&svc->waits, w, link);
	/* It is no longer the peer's: its end must not take away what is being accepted. */
	p->files--;
	f->peer = NULL;
	syncer_add(svc->syncer, &w->job);
	return 1;
}

void files_waits_end(struct service *svc)
{
	struct file_wait *w;
	struct live_file *f;

	while ((w = LIST_FIRST(&svc->waits)) != NULL)
		wait_free(w);
	while ((f = RB_MIN(live_tree, &svc->files)) != NULL)
		files_drop(svc, f, false);
	free(svc->orphans);
	svc->orphans = NULL;
}

/* ---- handlers ---- */

int request_body_file(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_body_file in;
	struct spool_body_file_reply out;
	int fd, r;

	REQUEST_DECODE(svc, p, m, spool_body_file, &in);
	r = spool_full(svc->spool, true) ? ERR_FULL : files_create(svc, p, &out.file, &fd);
	if (service_refused(svc, p, m->id, r))
		return 0;
	/* Nothing of it is durable or need be: it does not wait for the batch. */
	IPC_REPLY_FD(p->ch, spool_body_file_reply, m->id, &out, fd);
	return 0;
}

int request_body_drop(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_body_drop in;
	struct live_file *f;

	REQUEST_DECODE(svc, p, m, spool_body_drop, &in);
	if ((f = files_find(svc, p, in.file)) != NULL)
		files_drop(svc, f, true);
	return 0;
}

/* ---- orphans: files of an earlier run that no record refers to ---- */

enum { SWEEP_STEP = 1000 };

static void sweep_listed(struct sync_job *job)
{
	struct service *svc = job->ctx;

	svc->sweeping = false;
	if (job->r != 0) {
		if (job->r != ERR_CLOSED)
			log_warn("spool: body files cannot be listed: %s", err_str(job->r));
		free(job->ids);
		return;
	}
	svc->orphans = job->ids;
	svc->orphans_n = job->size;
}

void files_sweep_start(struct service *svc)
{
	svc->sweep = (struct sync_job){ .kind = SYNC_LIST, .done = sweep_listed, .ctx = svc };
	svc->sweeping = true;
	syncer_add(svc->syncer, &svc->sweep);
}

bool files_sweep_step(struct service *svc)
{
	unsigned removed = 0;

	if (svc->orphans == NULL)
		return false;
	for (unsigned i = 0; i < SWEEP_STEP && svc->orphans_n != 0; i++) {
		uint64_t file = svc->orphans[--svc->orphans_n];

		if (spool_file_used(svc->spool, file) || live_find(svc, file) != NULL)
			continue;
		if (bodyfile_unlink(spool_bodyfiles(svc->spool), file) == 0)
			removed++;
	}
	if (removed != 0)
		log_info("spool: removed body files of unfinished messages: n=%u", removed);
	if (svc->orphans_n != 0)
		return true;
	free(svc->orphans);
	svc->orphans = NULL;
	return false;
}
