#include "qmgr/message.h"

#include <stdlib.h>

#include "common/mail/address.h"

static bool rcpt_copy(struct qmsg *m, struct qrcpt *r, const struct spool_rcpt *from, uint64_t now_s)
{
	struct slice local, domain;

	r->msg = m;
	r->index = from->index;
	r->addr = arena_dup(m->arena, from->addr);
	r->orcpt = arena_dup(m->arena, from->orcpt);
	r->notify = from->notify;
	r->attempts = from->attempts;
	r->state = from->state != RCPT_PENDING || from->due > now_s ? QR_IDLE : QR_ROUTING;
	if (r->state == QR_IDLE)
		m->idle++;
	else
		m->open++;
	mail_addr_split(r->addr, &local, &domain);
	return r->addr.p != NULL && r->orcpt.p != NULL && mail_domain_lower(domain, m->arena, &r->domain) == 0;
}

struct qmsg *message_new(const struct spool_msg *from, uint64_t now_s, uint64_t now_ms)
{
	struct arena *a = arena_new(MESSAGE_ARENA_MAX);
	struct qmsg *m = a != NULL ? arena_alloc(a, sizeof(*m)) : NULL;
	bool ok;

	if (m == NULL) {
		arena_free(&a);
		return NULL;
	}
	m->arena = a;
	m->msgid = from->msgid;
	m->sender = arena_dup(a, from->sender);
	m->envid = arena_dup(a, from->envid);
	m->origin = arena_dup(a, from->origin);
	m->message_id = arena_dup(a, from->message_id);
	m->token = arena_dup(a, from->token);
	m->created = from->created;
	m->size = from->size;
	m->relay_off = from->relay_off;
	m->body_flags = from->body_flags;
	m->flags = from->flags;
	m->ret = from->ret;
	m->taken_ms = now_ms;
	m->rcpts = arena_calloc(a, from->rcpts_n, sizeof(*m->rcpts));
	ok = m->rcpts != NULL && m->sender.p != NULL && m->envid.p != NULL && m->origin.p != NULL &&
	    m->message_id.p != NULL && m->token.p != NULL;
	for (uint32_t i = 0; ok && i < from->rcpts_n; i++, m->rcpts_n++)
		ok = rcpt_copy(m, &m->rcpts[i], &from->rcpts[i], now_s);
	if (!ok)
		message_free(&m);
	return m;
}

void message_free(struct qmsg **m)
{
	struct arena *a;

	if (*m == NULL)
		return;
	a = (*m)->arena;        /* the message is in it */
	arena_free(&a);
	*m = NULL;
}

void message_set_outcome(struct qrcpt *r, uint8_t kind, struct slice status, struct slice text, struct slice relay)
{
	struct slice s = slice_sub(status, 0, sizeof(r->out.status) - 1);

	r->out.kind = kind;
	if (s.len != 0)
		memcpy(r->out.status, s.p, s.len);
	r->out.status[s.len] = '\0';
	r->out.text = arena_dup(r->msg->arena, slice_sub(text, 0, MESSAGE_TEXT_MAX));
	r->out.relay = arena_dup(r->msg->arena, slice_sub(relay, 0, MESSAGE_RELAY_MAX));
	r->out.tls = slice_of(NULL, 0);
}
