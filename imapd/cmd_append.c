/*
 * append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal      RFC 3501 6.3.11
 *
 * The message is no part of the command's text: as soon as the line that
 * announces it is there, the command begins, and its steps take the literal
 * piece by piece. Its size is judged before the "+". MULTIAPPEND is not offered.
 */
#include "imapd/commands.h"

#include "common/base/clock.h"
#include "common/mail/summary.h"
#include "imapd/appendbody.h"

struct append_args {
	struct slice name;
	bool bad_name;
	struct imap_flags flags;
	uint64_t date;
	bool has_date;
	/* while it comes */
	size_t text_len;                /* of the command up to and with "{n}" CRLF */
	struct append_body body;
	uint64_t file;                  /* number of the body file, 0: none */
	unsigned epoch;                 /* of the spool that gave it */
};

/* Up to the literal's brace. */
static int parse_prefix(struct imap_parse *p, struct append_args *a)
{
	int r;

	a->body.fd = -1;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_mailbox(p, &a->name, &a->bad_name)) != 0 ||
	    (r = imap_take_sp(p)) != 0)
		return r;
	if (imap_peek(p) == '(' &&
	    ((r = imap_take_flags(p, false, &a->flags)) != 0 || (r = imap_take_sp(p)) != 0))
		return r;
	if (imap_peek(p) == '"') {
		if ((r = imap_take_datetime(p, &a->date)) != 0 || (r = imap_take_sp(p)) != 0)
			return r;
		a->has_date = true;
	}
	return imap_peek(p) == '{' ? 0 : imap_why(p, "the message has to be a literal");
}

/* Only for what is no APPEND that begins as one: tells what is wrong. */
int imap_parse_append(struct imap_session *s, struct imap_parse *p)
{
	int r;

	if ((r = imap_args_new(s, p, sizeof(struct append_args))) != 0 || (r = parse_prefix(p, s->cmd.args)) != 0)
		return r;
	return imap_why(p, "the message's literal has to end the command");
}

enum imap_run imap_run_append(struct imap_session *s)
{
	return imap_bad(s, "The message has to be a literal");
}

static void append_cleanup(struct imap_session *s)
{
	struct append_args *a = s->cmd.args;

	append_body_free(&a->body);
	if (a->file != 0 && a->epoch == s->epoch)
		s->env->ops->event(s->env->be, spool_body_drop_MSG, &(struct spool_body_drop){ .file = a->file });
}

/* ---- the answer --------------------------------------------------------------------- */

static enum imap_run on_appended(struct imap_session *s, const struct imap_reply *rep)
{
	struct append_args *a = s->cmd.args;
	const struct spool_appended *m = rep->m;
	struct buf code = BUF_INIT(128);
	enum imap_run r;

	if (rep->r == 0 || rep->r == ERR_CLOSED)
		a->file = 0;            /* it is used, or gone with the channel */
	if (rep->r == ERR_NOTFOUND)
		return imap_no(s, "TRYCREATE", "There is no such mailbox");
	if (rep->r != 0)
		return imap_fail(s, rep->r);
	buf_addf(&code, "APPENDUID %u %u", m->uidvalidity, m->uid);
	r = imap_ok_code(s, buf_slice(&code), "Appended");
	buf_free(&code);
	return r;
}

static enum imap_run commit(struct imap_session *s);

static void take_file(struct imap_session *s, const struct imap_reply *rep)
{
	struct append_args *a = s->cmd.args;

	if (rep->r == 0 && *rep->fd >= 0) {
		a->file = ((const struct spool_body_file_reply *)rep->m)->file;
		a->epoch = s->epoch;
		append_body_file(&a->body, *rep->fd);
		*rep->fd = -1;
	} else {        /* what is left is read and dropped, then it is told */
		a->body.err = rep->r != 0 ? rep->r : ERR_IO;
	}
}

static enum imap_run on_last_file(struct imap_session *s, const struct imap_reply *rep)
{
	take_file(s, rep);
	return commit(s);
}

static enum imap_run commit(struct imap_session *s)
{
	struct append_args *a = s->cmd.args;
	struct spool_body_file file = { .reserved = 0 };
	struct buf cached = BUF_INIT(MAIL_SUMMARY_MAX);
	struct spool_append m;
	enum imap_run r;

	append_body_end(&a->body);
	if (append_body_wants_file(&a->body))
		return imap_ask(s, spool_body_file_MSG, &file, on_last_file);
	if (a->file != 0 && a->epoch != s->epoch)
		return imap_fail(s, ERR_CLOSED);
	if (a->body.err == ERR_SYNTAX)
		return imap_no(s, "CANNOT", "The message holds a NUL byte");
	if (a->body.err != 0)
		return imap_fail(s, a->body.err);
	if (a->body.size == 0)
		return imap_no(s, NULL, "The message is empty: nothing is appended");
	append_body_summary(&a->body, &cached);
	m = (struct spool_append){ .session = s->spool, .name = a->name, .flags = a->flags.flags,
		.internaldate = a->has_date ? a->date : clock_wall_s(),
		.keywords = a->flags.keywords, .keywords_n = a->flags.keywords_n,
		.body = { .size = a->body.size, .flags = a->body.flags, .lines = a->body.lines, .file = a->file,
			.bytes = a->file == 0 ? buf_slice(&a->body.mem) : slice_of(NULL, 0) },
		.cached = buf_slice(&cached) };
	r = imap_ask(s, spool_append_MSG, &m, on_appended);
	buf_free(&cached);
	return r;
}

/* ---- taking it ------------------------------------------------------------------------ */

static enum imap_run on_file(struct imap_session *s, const struct imap_reply *rep)
{
	take_file(s, rep);
	return RUN_AGAIN;
}

static enum imap_run take_data(struct imap_session *s)
{
	struct append_args *a = s->cmd.args;
	struct spool_body_file m = { .reserved = 0 };

	if (append_body_wants_file(&a->body))
		return imap_ask(s, spool_body_file_MSG, &m, on_file);
	append_body_add(&a->body, s->reader.data);
	imap_reader_consume(&s->reader, s->in, s->reader.data.len);
	return RUN_AGAIN;
}

static enum imap_run append_step(struct imap_session *s)
{
	struct append_args *a = s->cmd.args;
	bool extra;

	switch (imap_reader_next(&s->reader, s->in)) {
	case IMAP_READ_MORE:
		return RUN_INPUT;
	case IMAP_READ_DATA:
		return take_data(s);
	case IMAP_READ_COMMAND:
		extra = s->reader.cmd.len != a->text_len;
		imap_reader_done(&s->reader, s->in);
		if (extra)
			return imap_bad(s, "There is something after the message");
		return commit(s);
	case IMAP_READ_LITERAL:
		imap_reader_refuse(&s->reader);
		return imap_bad(s, "One message at a time");
	case IMAP_READ_BAD:
		imap_reader_done(&s->reader, s->in);
		return imap_bad(s, "The line after the message is wrong");
	case IMAP_READ_TOO_LONG:
		break;
	}
	return RUN_ABORT;
}

/* "tag APPEND ...", and allowed here? Then its own row. */
static const struct imap_command *is_append(struct imap_session *s, struct imap_parse *p)
{
	struct slice name;

	if (imap_take_tag(p, &s->cmd.tag) != 0 || imap_take_sp(p) != 0 || imap_take_atom(p, &name) != 0 ||
	    !slice_ieq_cstr(name, "APPEND") || (s->state & IMAP_LOGGED_IN) == 0)
		return NULL;
	return imap_command_find(name, false);
}

bool imap_append_begin(struct imap_session *s, struct slice text)
{
	const struct imap_command *def;
	struct append_args *a;
	struct imap_parse p;

	if (!imap_cmd_new(s, text, &p))
		return false;
	def = is_append(s, &p);
	if (def == NULL || imap_args_new(s, &p, sizeof(*a)) != 0 || parse_prefix(&p, s->cmd.args) != 0 ||
	    slice_chr(cur_rest(&p.cur), '\n') != (ptrdiff_t)cur_left(&p.cur) - 1) {
		imap_cmd_clear(s);
		return false;
	}
	a = s->cmd.args;
	if (s->reader.lit_size > s->env->literal_max || a->bad_name) {
		imap_refuse_literal(s, a->bad_name ? "NO [CANNOT] There is no such mailbox" :
		    "NO [TOOBIG] The message is larger than what is taken");
		imap_cmd_clear(s);
		return true;
	}
	s->cmd.def = def;
	s->cmd.step = append_step;
	s->cmd.cleanup = append_cleanup;
	a->text_len = text.len;
	append_body_init(&a->body, (size_t)s->env->inline_max);
	if (s->reader.lit_sync)
		buf_add_cstr(s->out, "+ Ready for the message\r\n");
	imap_reader_stream(&s->reader);
	return true;
}
