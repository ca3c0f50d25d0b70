/*
 * STAT, LIST, UIDL, DELE, RSET: RFC 1939 5 and 7. Messages marked as deleted are
 * in no list and no total; all totals are 64 bits wide.
 *	LIST [msg]    UIDL [msg]    DELE msg
 * The unique id is UIDVALIDITY "." UID: it names one message for ever, and is
 * what an IMAP session of the same mailbox knows it by.
 */
#include "pop3d/internal.h"

void pop3_maildrop_total(const struct pop3_session *s, uint64_t *n_r, uint64_t *size_r)
{
	*n_r = *size_r = 0;
	for (uint32_t i = 0; i < s->msgs_n; i++) {
		if (s->msgs[i].deleted)
			continue;
		(*n_r)++;
		*size_r += s->msgs[i].size;
	}
}

POP3_HANDLER(pop3_act_stat)
{
	uint64_t n, size;

	(void)args;
	pop3_maildrop_total(s, &n, &size);
	pop3_ok(s, "%llu %llu", (unsigned long long)n, (unsigned long long)size);
	return POP3_STAY;
}

static void list_begin(struct pop3_session *s, enum pop3_job job)
{
	uint64_t n, size;

	pop3_maildrop_total(s, &n, &size);
	pop3_ok(s, "%llu messages (%llu octets)", (unsigned long long)n, (unsigned long long)size);
	s->job = job;
	s->job_msg = 1;
}

POP3_HANDLER(pop3_act_list)
{
	if (args->msg != 0)
		pop3_ok(s, "%u %llu", args->msg, (unsigned long long)s->msgs[args->msg - 1].size);
	else
		list_begin(s, POP3_JOB_LIST);
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_uidl)
{
	if (args->msg != 0)
		pop3_ok(s, "%u %u.%u", args->msg, s->uidvalidity, s->msgs[args->msg - 1].uid);
	else
		list_begin(s, POP3_JOB_UIDL);
	return POP3_STAY;
}

void pop3_list_step(struct pop3_session *s)
{
	for (; s->job_msg <= s->msgs_n; s->job_msg++) {
		const struct pop3_msg *m = &s->msgs[s->job_msg - 1];

		if (buf_len(s->out) >= POP3_OUT_HIGH)
			return;
		if (m->deleted)
			continue;
		buf_add_u64(s->out, s->job_msg);
		buf_add_byte(s->out, ' ');
		if (s->job == POP3_JOB_LIST) {
			buf_add_u64(s->out, m->size);
		} else {
			buf_add_u64(s->out, s->uidvalidity);
			buf_add_byte(s->out, '.');
			buf_add_u64(s->out, m->uid);
		}
		buf_add_cstr(s->out, "\r\n");
	}
	buf_add_cstr(s->out, ".\r\n");
	s->job = POP3_JOB_NONE;
}

POP3_HANDLER(pop3_act_dele)
{
	s->msgs[args->msg - 1].deleted = true;
	pop3_ok(s, "message %u is deleted at QUIT", args->msg);
	return POP3_STAY;
}

POP3_HANDLER(pop3_act_rset)
{
	uint64_t n, size;

	(void)args;
	for (uint32_t i = 0; i < s->msgs_n; i++)
		s->msgs[i].deleted = false;
	pop3_maildrop_total(s, &n, &size);
	pop3_ok(s, "%llu messages (%llu octets)", (unsigned long long)n, (unsigned long long)size);
	return POP3_STAY;
}
