/*
 * idle = "IDLE" CRLF "DONE"      RFC 2177
 * Its input goes through the ordinary reader: DONE may be in any case, cut in
 * pieces, or share a packet with the next command.
 */
#include "imapd/commands.h"

#include "common/base/clock.h"

static void idle_end(struct imap_session *s)
{
	s->idle_ms = 0;
	imap_timer_set(s);
}

static enum imap_run idle_step(struct imap_session *s)
{
	bool done;

	if (view_is_open(&s->view)) {
		if (view_sync(&s->view, s->out, true, false))
			return RUN_AGAIN;
		if (s->view.mailbox_gone)
			return imap_ok(s, "The mailbox is gone");
	}
	switch (imap_reader_next(&s->reader, s->in)) {
	case IMAP_READ_MORE:
		return RUN_INPUT;
	case IMAP_READ_COMMAND:
		if (s->reader.cmd.len == 0) {   /* a stray CRLF */
			imap_reader_done(&s->reader, s->in);
			return RUN_AGAIN;
		}
		done = slice_ieq_cstr(s->reader.cmd, "DONE");
		imap_reader_done(&s->reader, s->in);
		return done ? imap_ok(s, "Idle ended") : imap_bad(s, "DONE was expected");
	case IMAP_READ_LITERAL:
		imap_reader_refuse(&s->reader);
		return imap_bad(s, "DONE was expected");
	case IMAP_READ_BAD:
		imap_reader_done(&s->reader, s->in);
		return imap_bad(s, "DONE was expected");
	default:
		return RUN_ABORT;
	}
}

/* Who waits for hours keeps the tag of the command and nothing else of it. False: no memory, all is as it was. */
static bool keep_tag(struct imap_session *s, struct slice tag)
{
	struct arena *a = arena_new((tag.len + 15) / 16 * 16);

	tag = a != NULL ? arena_dup(a, tag) : slice_of(NULL, 0);
	if (tag.p == NULL) {
		arena_free(&a);
		return false;
	}
	arena_free(&s->cmd.arena);
	s->cmd.arena = a;
	s->cmd.tag = tag;
	s->cmd.args = NULL;
	return true;
}

static void wait_here(struct imap_session *s)
{
	s->cmd.cleanup = idle_end;
	s->cmd.step = idle_step;
}

enum imap_run imap_run_idle(struct imap_session *s)
{
	(void)keep_tag(s, s->cmd.tag);
	buf_add_cstr(s->out, "+ idling\r\n");
	s->idle_ms = clock_mono_ms();
	wait_here(s);
	imap_timer_set(s);
	return RUN_AGAIN;
}

bool imap_idle_waits(const struct imap_session *s)
{
	return s->cmd.step == idle_step && s->cmd.input;
}

bool imap_idle_resume(struct imap_session *s, struct slice tag)
{
	if (!keep_tag(s, tag))
		return false;
	s->cmd.def = imap_command_find(SLICE_LIT("IDLE"), false);
	s->cmd.input = true;
	wait_here(s);
	return true;
}
