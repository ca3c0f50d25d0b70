/* Verdicts: what a command leaves for the tagged answer. */
#include "imapd/core.h"

static enum imap_run verdict(struct imap_session *s, enum imap_verdict v, struct slice code, const char *text)
{
	s->cmd.verdict = v;
	s->cmd.code = code;
	s->cmd.text = text;
	return RUN_DONE;
}

enum imap_run imap_ok(struct imap_session *s, const char *text)
{
	return verdict(s, IMAP_OK, slice_of(NULL, 0), text);
}

enum imap_run imap_ok_code(struct imap_session *s, struct slice code, const char *text)
{
	return verdict(s, IMAP_OK, arena_dup(s->cmd.arena, code), text);
}

enum imap_run imap_no(struct imap_session *s, const char *code, const char *text)
{
	return verdict(s, IMAP_NO, slice_cstr(code), text);
}

enum imap_run imap_bad(struct imap_session *s, const char *text)
{
	return verdict(s, IMAP_BAD, slice_of(NULL, 0), text);
}

enum imap_run imap_fail(struct imap_session *s, int r)
{
	static const struct { int r; const char *code, *text; } fails[] = {
		{ ERR_NOTFOUND, "NONEXISTENT", "There is no such mailbox" },
		{ ERR_EXISTS, "ALREADYEXISTS", "There is a mailbox of that name already" },
		{ ERR_DENIED, "NOPERM", "That is not allowed" },
		{ ERR_FULL, "UNAVAILABLE", "The server has no space left, try later" },
		{ ERR_LIMIT, "LIMIT", "That is over a limit" },
		{ ERR_NOMEM, "LIMIT", "That takes too much memory" },
		{ ERR_SYNTAX, "CANNOT", "That name or value cannot be used" },
		{ ERR_STATE, "INUSE", "That is not possible now" },
		{ ERR_CORRUPT, "CORRUPTION", "The message or mailbox is damaged" },
		{ ERR_CLOSED, "UNAVAILABLE", "The mail store is being restarted, try again" },
		{ ERR_TIMEOUT, "UNAVAILABLE", "The mail store did not answer in time" },
	};

	for (size_t i = 0; i < ARRAY_LEN(fails); i++)
		if (fails[i].r == r)
			return imap_no(s, fails[i].code, fails[i].text);
	return imap_no(s, "UNAVAILABLE", "A fault of the server, try later");
}

int imap_args_new(struct imap_session *s, struct imap_parse *p, size_t size)
{
	if ((s->cmd.args = arena_alloc(p->arena, size)) != NULL)
		return 0;
	p->why = "the command is too large";
	return ERR_NOMEM;
}

int imap_parse_none(struct imap_session *s, struct imap_parse *p)
{
	(void)s;
	return imap_take_end(p);
}
