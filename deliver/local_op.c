/* What spoold is asked and told for a job of deliver-local: content, then the deliveries. */
#include "deliver/local_private.h"

#include <stdio.h>

#include "common/base/log.h"
#include "common/mail/queueid.h"
#include "common/mail/summary.h"

/* A content larger than this is delivered without a summary: the readers make their own. */
enum { SUMMARY_CONTENT_MAX = 256 * 1024 * 1024, SUMMARY_PART = 1024 * 1024 };

void lrcpt_settle(struct lrcpt *r, uint8_t kind, const char *status, struct slice text)
{
	if (r->kind != 0)
		return;
	r->kind = kind;
	r->status = status;
	r->text = arena_dup(r->job->h.arena, text);
	r->resolved = true;
}

static void settle_all(struct ljob *job, const char *status, const char *text)
{
	for (uint32_t i = 0; i < job->rcpts_n; i++)
		lrcpt_settle(&job->rcpts[i], OUTCOME_DEFERRED, status, slice_cstr(text));
}

/* ---- where a recipient leads -------------------------------------------------------- */

static bool take_target(struct lrcpt *r, const struct account_target *t)
{
	struct arena *a = r->job->h.arena;
	const struct job_rcpt *from = &r->job->h.job.rcpts[r->pos];

	if (t->account != 0) {
		struct spool_add *add = &r->op.adds[r->op.adds_n++];

		*add = (struct spool_add){ .account = t->account, .mailbox = SLICE_LIT("INBOX"), .grant = arena_dup(a, t->grant) };
		r->bytes += (uint32_t)t->grant.len + 40;
		return add->grant.p != NULL;
	}
	struct spool_rcpt_in *fw = &r->op.forwards[r->op.forwards_n++];

	*fw = (struct spool_rcpt_in){ .addr = arena_dup(a, t->address), .orcpt = from->orcpt, .notify = from->notify };
	r->bytes += (uint32_t)(t->address.len + fw->orcpt.len) + 16;
	return fw->addr.p != NULL;
}

void lrcpt_take_targets(struct lrcpt *r, const struct account_resolved *res)
{
	struct arena *a = r->job->h.arena;
	bool ok;

	switch (res->kind) {
	case ADDRESS_UNKNOWN:
		lrcpt_settle(r, OUTCOME_BOUNCED, "5.1.1", SLICE_LIT("no such user here"));
		return;
	case ADDRESS_REMOTE:
		lrcpt_settle(r, OUTCOME_DEFERRED, "4.3.5", SLICE_LIT("the domain is not served here any more"));
		return;
	default:
		break;
	}
	if (res->targets_n == 0) {
		lrcpt_settle(r, OUTCOME_BOUNCED, "5.4.6", SLICE_LIT("an alias leads to nobody"));
		return;
	}
	r->op.index = r->job->h.job.rcpts[r->pos].index;
	r->op.adds = arena_calloc(a, res->targets_n, sizeof(*r->op.adds));
	r->op.forwards = arena_calloc(a, res->targets_n, sizeof(*r->op.forwards));
	r->bytes = 32;
	ok = r->op.adds != NULL && r->op.forwards != NULL;
	for (uint32_t i = 0; ok && i < res->targets_n; i++)
		ok = take_target(r, &res->targets[i]);
	if (!ok)
		lrcpt_settle(r, OUTCOME_DEFERRED, "4.3.0", SLICE_LIT("local fault: out of memory"));
	r->resolved = true;
}

/* ---- the summary ------------------------------------------------------------------------ */

/* The whole content in memory; p_r is NULL when it need not be freed. */
static int content_whole(const struct content *c, struct buf *b, struct slice *whole_r)
{
	uint64_t off = 0;
	struct slice part;
	uint8_t *p;
	int r;

	if (c->bytes != NULL) {
		*whole_r = slice_of(c->bytes, (size_t)c->size);
		return 0;
	}
	while (off < c->size) {
		if ((p = buf_reserve(b, SUMMARY_PART)) == NULL)
			return ERR_NOMEM;
		if ((r = content_part(c, off, SUMMARY_PART, p, &part)) != 0)
			return r;
		buf_commit(b, part.len);
		off += part.len;
	}
	*whole_r = buf_slice(b);
	return 0;
}

/* False: the content cannot be read, so it cannot be delivered now. Without memory for a summary it goes without. */
static bool make_summary(struct ljob *job)
{
	struct buf whole = BUF_INIT(SUMMARY_CONTENT_MAX + SUMMARY_PART);
	struct slice text;
	int r = ERR_LIMIT;

	job->cached = BUF_INIT(SPOOL_CACHED_MAX);
	if (job->h.content.size <= SUMMARY_CONTENT_MAX && (r = content_whole(&job->h.content, &whole, &text)) == 0)
		r = mail_summary_build(text, &job->cached);
	buf_free(&whole);
	content_free(&job->h.content);
	if (r == ERR_IO)
		return false;
	if (r != 0 || buf_err(&job->cached) != 0) {
		log_warn("%s: no summary: %s", queue_id(job->h.job.msgid).s, err_str(r));
		buf_free(&job->cached);
		job->cached = BUF_INIT(SPOOL_CACHED_MAX);
	}
	job->have_summary = true;
	return true;
}

/* ---- requests to spoold --------------------------------------------------------------------- */

static const char *fail_text(struct ipc_msg *m, int *code_r, char text[256])
{
	struct spool_fail f = { 0 };

	*code_r = m->type == spool_fail_MSG && IPC_DECODE(m, spool_fail, NULL, &f) == 0 ? (int)f.code : ERR_SYNTAX;
	(void)snprintf(text, 256, "local fault: the spool says: %s", f.text.len != 0 ? log_esc(f.text) : err_str(*code_r));
	return text;
}

static void on_content(void *ctx, int r, struct ipc_msg *m)
{
	struct ljob *job = ctx;
	char text[256];
	int code;

	job->spool_id = 0;
	if (r == ERR_CLOSED)
		return;         /* asked again when the next one opens, or parked out */
	if (r == 0 && content_take(&job->h.content, m) == 0) {
		job->have_content = true;
		if (!make_summary(job))
			settle_all(job, "4.3.0", "local fault: the content could not be read");
	} else if (m != NULL) {
		settle_all(job, "4.3.0", fail_text(m, &code, text));
	} else {
		settle_all(job, "4.3.0", "local fault: the spool does not answer");
	}
	ljob_step(job);
}

static void on_delivered(void *ctx, int r, struct ipc_msg *m)
{
	struct ljob *job = ctx;
	struct spool_ok ok;
	char text[256];
	int code;

	job->spool_id = 0;
	if (r == ERR_CLOSED)
		return;         /* told again: what was recorded is not delivered twice */
	if (r == 0 && IPC_DECODE(m, spool_ok, NULL, &ok) == 0) {
		for (uint32_t i = job->op_from; i < job->op_to; i++) {
			struct lrcpt *rc = &job->rcpts[i];
			bool here = rc->op.adds_n != 0;

			if (rc->kind != 0)
				continue;
			rc->recorded = true;
			rc->relay = here && rc->op.forwards_n == 0 ? SLICE_LIT("local") : SLICE_LIT(JOB_RELAY_FORWARD);
			lrcpt_settle(rc, OUTCOME_DONE, "2.0.0", here ? SLICE_LIT("delivered to mailbox") : SLICE_LIT("forwarded"));
		}
	} else {
		const char *why = m != NULL ? fail_text(m, &code, text) : "local fault: the spool does not answer";

		for (uint32_t i = job->op_from; i < job->op_to; i++)
			lrcpt_settle(&job->rcpts[i], OUTCOME_DEFERRED, m != NULL && code == ERR_FULL ? "4.3.1" : "4.3.0",
			    slice_cstr(why));
	}
	ljob_step(job);
}

/* The recipients from the first one without an outcome on, as many as fit an op. */
static bool next_op(struct ljob *job, struct spool_deliver *op)
{
	uint32_t i, bytes = 0;

	op->rcpts = arena_calloc(job->h.arena, job->rcpts_n, sizeof(*op->rcpts));
	if (op->rcpts == NULL) {
		settle_all(job, "4.3.0", "local fault: out of memory");
		return false;
	}
	for (i = 0; i < job->rcpts_n && job->rcpts[i].kind != 0; i++)
		;
	job->op_from = i;
	for (; i < job->rcpts_n && (op->rcpts_n == 0 || bytes + job->rcpts[i].bytes <= LOCAL_OP_BYTES); i++) {
		if (job->rcpts[i].kind != 0)
			continue;
		op->rcpts[op->rcpts_n++] = job->rcpts[i].op;
		bytes += job->rcpts[i].bytes;
	}
	job->op_to = i;
	return op->rcpts_n != 0;
}

void ljob_step(struct ljob *job)
{
	struct channel *ch = job->local->spoold;
	struct spool_content get = { .msgid = job->h.job.msgid, .token = job->h.job.token };
	struct spool_deliver op = { .msgid = job->h.job.msgid, .token = job->h.job.token };
	bool open = false;

	for (uint32_t i = 0; i < job->rcpts_n; i++)
		open |= job->rcpts[i].kind == 0;
	if (!open) {
		ljob_report(job);
		return;
	}
	if (job->spool_id != 0 || ch == NULL || !channel_is_open(ch))
		return;
	job->spool_ch = ch;
	if (!job->have_summary) {
		job->spool_id = IPC_REQUEST(ch, spool_content, &get, 0, on_content, job);
		return;
	}
	if (job->unresolved != 0)
		return;
	if (job->h.ready_ms == 0)
		job->h.ready_ms = loop_now(job->local->a.loop);
	op.cached = buf_slice(&job->cached);
	if (next_op(job, &op))
		job->spool_id = IPC_REQUEST(ch, spool_deliver, &op, 0, on_delivered, job);
	else
		ljob_report(job);
}
