/*
 * The table of commands, RFC 1939, and what their parsers share:
 *	command = keyword *( SP argument ) CRLF
 */
#include <stdio.h>

#include "common/base/strnum.h"
#include "pop3d/internal.h"

enum { A = POP3_ST_AUTH, T = POP3_ST_TRANSACTION };

const struct pop3_command pop3_commands[] = {
	{ "STLS", pop3_parse_none, pop3_act_stls, A },
	{ "AUTH", pop3_parse_text, pop3_act_auth, A },
	{ "USER", pop3_parse_text, pop3_act_user, A },
	{ "PASS", pop3_parse_text, pop3_act_pass, A },
	{ "CAPA", pop3_parse_none, pop3_act_capa, A | T },
	{ "QUIT", pop3_parse_none, pop3_act_quit, A | T },
	{ "NOOP", pop3_parse_none, pop3_act_noop, T },
	{ "STAT", pop3_parse_none, pop3_act_stat, T },
	{ "LIST", pop3_parse_msg_opt, pop3_act_list, T },
	{ "UIDL", pop3_parse_msg_opt, pop3_act_uidl, T },
	{ "RETR", pop3_parse_msg, pop3_act_retr, T },
	{ "TOP", pop3_parse_top, pop3_act_top, T },
	{ "DELE", pop3_parse_msg, pop3_act_dele, T },
	{ "RSET", pop3_parse_none, pop3_act_rset, T },
};
const unsigned pop3_commands_n = ARRAY_LEN(pop3_commands);

const struct pop3_command *pop3_command_take(struct cursor *c)
{
	struct slice rest = cur_rest(c);
	ptrdiff_t sp = slice_chr(rest, ' ');
	struct slice name = slice_sub(rest, 0, sp < 0 ? rest.len : (size_t)sp);

	c->off += name.len;
	(void)cur_take_byte(c, ' ');
	for (unsigned i = 0; i < pop3_commands_n; i++)
		if (slice_ieq_cstr(name, pop3_commands[i].name))
			return &pop3_commands[i];
	return NULL;
}

static void reply(struct pop3_session *s, const char *head, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
static void reply(struct pop3_session *s, const char *head, const char *fmt, va_list ap)
{
	char text[512 - 8];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	buf_add_cstr(s->out, head);
	if (n > 0)
		buf_add_cstr(s->out, text);
	buf_add_cstr(s->out, "\r\n");
	s->commands++;
}

void pop3_ok(struct pop3_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply(s, "+OK ", fmt, ap);
	va_end(ap);
}

void pop3_err(struct pop3_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply(s, "-ERR ", fmt, ap);
	va_end(ap);
}

POP3_PARSER(pop3_parse_none)
{
	(void)args_r;
	cur_skip_wsp(c);
	if (cur_end(c) == 0)
		return 0;
	pop3_err(s, "this command takes no argument");
	return ERR_SYNTAX;
}

POP3_PARSER(pop3_parse_text)
{
	(void)s;
	args_r->text = cur_rest(c);
	return 0;
}

/* A message number that is in the maildrop and not marked as deleted. */
static int take_msg(struct pop3_session *s, struct cursor *c, uint32_t *msg_r)
{
	uint64_t n;
	int r;

	cur_skip_wsp(c);
	r = cur_take_u64(c, UINT64_MAX, &n);
	if (r == ERR_SYNTAX || (cur_end(c) != 0 && cur_peek(c) != ' ')) {
		pop3_err(s, "a message number is wanted");
		return ERR_SYNTAX;
	}
	if (r != 0 || n == 0 || n > s->msgs_n) {
		pop3_err(s, "no such message, there are %u", s->msgs_n);
		return ERR_NOTFOUND;
	}
	if (s->msgs[n - 1].deleted) {
		pop3_err(s, "message %u is deleted", (unsigned)n);
		return ERR_NOTFOUND;
	}
	*msg_r = (uint32_t)n;
	return 0;
}

static int take_end(struct pop3_session *s, struct cursor *c)
{
	cur_skip_wsp(c);
	if (cur_end(c) == 0)
		return 0;
	pop3_err(s, "too many arguments");
	return ERR_SYNTAX;
}

POP3_PARSER(pop3_parse_msg)
{
	int r = take_msg(s, c, &args_r->msg);

	return r != 0 ? r : take_end(s, c);
}

POP3_PARSER(pop3_parse_msg_opt)
{
	cur_skip_wsp(c);
	if (cur_end(c) == 0)
		return 0;
	return pop3_parse_msg(s, c, args_r);
}

/* TOP SP msg SP n */
POP3_PARSER(pop3_parse_top)
{
	int r = take_msg(s, c, &args_r->msg);

	if (r != 0)
		return r;
	cur_skip_wsp(c);
	r = cur_take_u64(c, UINT64_MAX, &args_r->lines);
	if (r == ERR_LIMIT)
		args_r->lines = UINT64_MAX;
	else if (r != 0) {
		pop3_err(s, "a number of lines is wanted");
		return ERR_SYNTAX;
	}
	return take_end(s, c);
}
