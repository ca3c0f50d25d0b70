/* The answers of accountd and spoold that a session waits for, and the questions. */
#include "common/base/clock.h"
#include "smtpd/internal.h"

void smtp_session_taken(struct smtp_session *s, enum smtp_want want)
{
	if (s->want != want)
		panic("smtp session: answer %d, wanted %d", (int)want, (int)s->want);
	s->want = SMTP_WANT_INPUT;
	s->since_ms = clock_mono_ms();
}

/* What was waited for makes the reply of the command. */
static void answer(struct smtp_session *s, enum smtp_verdict v, struct smtp_reply *reply)
{
	smtp_session_apply(s, v, NULL, reply);
	smtp_session_check_limits(s);
}

struct slice smtp_session_lookup_addr(const struct smtp_session *s)
{
	return s->tx->asked->addr;
}

void smtp_session_lookup_done(struct smtp_session *s, enum smtp_lookup result)
{
	struct smtp_reply reply;

	smtp_session_taken(s, SMTP_WANT_LOOKUP);
	answer(s, smtp_rcpt_looked_up(s, result, &reply), &reply);
}

void smtp_session_login_done(struct smtp_session *s, int r, uint16_t type, const void *m)
{
	struct smtp_reply reply;

	smtp_session_taken(s, SMTP_WANT_LOGIN);
	answer(s, smtp_auth_answered(s, r, type, m, &reply), &reply);
}

struct account_sender smtp_session_sender(const struct smtp_session *s)
{
	return (struct account_sender){ .account = s->account,
		.address = s->candidate != NULL ? s->candidate->sender : s->tx->submit->asked };
}

void smtp_session_sender_done(struct smtp_session *s, enum smtp_sender result)
{
	struct smtp_reply reply;

	smtp_session_taken(s, SMTP_WANT_SENDER);
	answer(s, s->candidate != NULL ? smtp_mail_checked(s, result, &reply) : smtp_submit_checked(s, result, &reply), &reply);
}

void smtp_session_file_done(struct smtp_session *s, int r, uint64_t file)
{
	smtp_session_taken(s, SMTP_WANT_FILE);
	smtp_content_file(s->tx->content, r, file);
}

struct slice smtp_session_unwritten(const struct smtp_session *s)
{
	return buf_slice(&s->tx->content->bytes);
}

void smtp_session_write_done(struct smtp_session *s, int r)
{
	smtp_session_taken(s, SMTP_WANT_WRITE);
	smtp_content_written(s->tx->content, r);
}

uint64_t smtp_session_file(const struct smtp_session *s)
{
	return s->tx != NULL && s->tx->content != NULL ? s->tx->content->file : 0;
}

void smtp_session_file_lost(struct smtp_session *s)
{
	if (smtp_session_file(s) != 0)
		smtp_content_fail(s->tx->content, ERR_IO);
}

void smtp_session_accept_done(struct smtp_session *s, int r, uint64_t msgid)
{
	struct smtp_reply reply;

	smtp_session_taken(s, SMTP_WANT_ACCEPT);
	answer(s, smtp_data_accepted(s, r, msgid, &reply), &reply);
}
