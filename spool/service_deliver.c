/* The agents' requests: CONTENT with the job token, DELIVER with a grant for each account. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/queueid.h"
#include "spool/service_internal.h"

int request_content(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct spool_content in;
	struct spool_content_reply out = { 0 };
	struct ix_msg msg;
	struct ix_body b;
	uint8_t *bytes;
	int fd, r;

	REQUEST_DECODE(svc, p, m, spool_content, &in);
	if ((r = job_token_check(svc, in.token, in.msgid)) == 0 &&
	    (r = spool_msg_get(svc->spool, in.msgid, svc->arena, &msg)) == 0)
		r = spool_body_get(svc->spool, msg.bodyid, &b);
	if (service_refused(svc, p, m->id, r))
		return 0;
	out.size = b.size;
	if (b.file != 0) {
		r = bodyfile_open(spool_bodyfiles(svc->spool), b.file, &fd);
		if (!service_refused(svc, p, m->id, r))
			IPC_REPLY_FD(p->ch, spool_content_reply, m->id, &out, fd);
		return 0;
	}
	if ((bytes = arena_alloc(svc->arena, (size_t)b.size)) == NULL)
		r = ERR_NOMEM;
	else
		r = spool_body_read(svc->spool, &b, 0, (uint32_t)b.size, bytes);
	out.bytes = slice_of(bytes, (size_t)b.size);
	if (!service_refused(svc, p, m->id, r))
		(void)ANSWER(svc, p, m->id, spool_content_reply, &out);
	return 0;
}

/* ---- DELIVER ---- */

/* The mailbox, made when it is missing. A name that cannot be is INBOX: mail is not lost over a name. */
static int mailbox_for(struct service *svc, uint64_t account, struct slice text, uint64_t *id_r)
{
	struct op_new_mailbox box = { .subscribed = 1 };
	struct spool_op op = { .kind = OP_MAILBOX_CREATE, .create = { .account = account, .mailboxes = &box, .mailboxes_n = 1 } };
	struct spool_done done;
	struct mbox_name name;
	int r;

	if (mbox_name_make(text, &name) != 0 && mbox_name_make(slice_of(NULL, 0), &name) != 0)
		return ERR_SYNTAX;
	r = spool_mailbox_find(svc->spool, account, mbox_name_slice(&name), id_r);
	if (r != ERR_NOTFOUND)
		return r;
	if ((r = spool_account_init(svc->spool, account)) != 0)
		return r;
	service_batch_opened(svc);
	r = spool_mailbox_find(svc->spool, account, mbox_name_slice(&name), id_r);
	if (r != ERR_NOTFOUND)
		return r;
	box.name = mbox_name_slice(&name);
	r = service_do(svc, &op, &done, NULL);
	if (r == ERR_LIMIT)
		return spool_mailbox_find(svc->spool, account, SLICE_LIT("INBOX"), id_r);
	*id_r = done.id;
	return r;
}

static int deliver_add(struct service *svc, uint64_t msgid, const struct spool_add *in, struct op_add *out)
{
	struct token t;
	int r = token_check(svc->sc.secret, in->grant, TOKEN_GRANT, clock_wall_s(), &t);

	if (r != 0 || t.msgid != msgid || t.account != in->account)
		return ERR_DENIED;
	out->account = in->account;
	out->flags = in->flags;
	return 0;
}

static int deliver_rcpt(struct service *svc, uint64_t msgid, const struct spool_deliver_rcpt *in, struct op_deliver_rcpt *out)
{
	int r;

	*out = (struct op_deliver_rcpt){ .index = in->index, .adds_n = in->adds_n, .forwards_n = in->forwards_n };
	out->adds = arena_calloc(svc->arena, in->adds_n, sizeof(*out->adds));
	out->forwards = arena_calloc(svc->arena, in->forwards_n, sizeof(*out->forwards));
	if (out->adds == NULL || out->forwards == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < in->adds_n; i++)
		if ((r = deliver_add(svc, msgid, &in->adds[i], &out->adds[i])) != 0)
			return r;
	for (uint32_t i = 0; i < in->forwards_n; i++)
		out->forwards[i] = (struct op_rcpt){ in->forwards[i].addr, in->forwards[i].orcpt, in->forwards[i].notify };
	return 0;
}

/* After every token is found right: makes mailboxes. */
static int deliver_mailboxes(struct service *svc, const struct spool_deliver *in, struct op_deliver *op)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < in->rcpts_n; i++)
		for (uint32_t k = 0; r == 0 && k < in->rcpts[i].adds_n; k++)
			r = mailbox_for(svc, in->rcpts[i].adds[k].account, in->rcpts[i].adds[k].mailbox, &op->rcpts[i].adds[k].mailbox);
	return r;
}

int request_deliver(struct service *svc, struct peer *p, struct ipc_msg *m)
{
	struct change_list changes = TAILQ_HEAD_INITIALIZER(changes);
	struct spool_deliver in;
	struct spool_op op = { .kind = OP_DELIVER };
	struct spool_done done;
	bool forwards = false;
	int r;

	REQUEST_DECODE(svc, p, m, spool_deliver, &in);
	op.deliver = (struct op_deliver){ .msgid = in.msgid, .rcpts_n = in.rcpts_n, .cached = in.cached };
	op.deliver.rcpts = arena_calloc(svc->arena, in.rcpts_n, sizeof(*op.deliver.rcpts));
	r = op.deliver.rcpts == NULL ? ERR_NOMEM : job_token_check(svc, in.token, in.msgid);
	for (uint32_t i = 0; r == 0 && i < in.rcpts_n; i++) {
		r = deliver_rcpt(svc, in.msgid, &in.rcpts[i], &op.deliver.rcpts[i]);
		forwards |= in.rcpts[i].forwards_n != 0;
	}
	if (r == 0)
		r = deliver_mailboxes(svc, &in, &op.deliver);
	if (r == 0)
		r = service_do(svc, &op, &done, &changes);
	if (service_refused(svc, p, m->id, r)) {
		change_list_free(&changes);
		return 0;
	}
	if (forwards)
		service_hint(svc, clock_wall_s());
	answer_take_changes(service_ok(svc, p, m->id, done.id), &changes, 0);
	return 0;
}
