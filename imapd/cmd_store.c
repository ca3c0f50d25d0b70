/*
 * store           = "STORE" SP sequence-set SP store-att-flags      RFC 3501 6.4.6
 * store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
 *
 * spoold gets it in pieces of so many messages that nobody else waits long for it.
 *
 * Without .SILENT the flags of all messages of the set are told, also where
 * nothing changed, straight from the rows.
 */
#include "imapd/commands.h"

enum { STORE_A_TURN = 4096, STORE_PIECE = 2000 };

struct store_args {
	struct imap_set set;
	uint8_t op;
	bool silent;
	struct imap_flags flags;
	struct spool_range *ranges;
	uint32_t ranges_n, range, index;
	bool begun;
	uint32_t piece_range, piece_done;       /* what has been sent: whole ranges, and messages of the next one */
	struct spool_range *piece, *uids;       /* ranges_n of each */
	/* "FLAGS (...))" CRLF of the message told last, whose flags and keywords the next one often has too; 0: too long. */
	char flags_text[128];
	size_t flags_len;
	uint32_t last_flags;
	uint64_t last_keywords;
};

int imap_parse_store(struct imap_session *s, struct imap_parse *p)
{
	struct store_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_set(p, &a->set)) != 0 || (r = imap_take_sp(p)) != 0)
		return r;
	a->op = cur_take_byte(&p->cur, '+') ? STORE_ADD : cur_take_byte(&p->cur, '-') ? STORE_REMOVE : STORE_SET;
	if (!cur_take_icase(&p->cur, "FLAGS"))
		return imap_why(p, "FLAGS, +FLAGS or -FLAGS is missing");
	a->silent = cur_take_icase(&p->cur, ".SILENT");
	if ((r = imap_take_sp(p)) != 0 || (r = imap_take_flags(p, true, &a->flags)) != 0)
		return r;
	return imap_take_end(p);
}

static void print_flags(struct imap_session *s, struct store_args *a, uint32_t i)
{
	struct buf *b = s->out;
	uint32_t flags = view_flags(&s->view, i) & VIEW_TOLD;
	uint64_t keywords = view_keywords(&s->view, i);
	size_t at = buf_len(b), len;

	if (a->flags_len != 0 && flags == a->last_flags && keywords == a->last_keywords) {
		buf_add(b, a->flags_text, a->flags_len);
		return;
	}
	buf_add(b, "FLAGS ", 6);
	view_print_flags(&s->view, b, i);
	buf_add(b, ")\r\n", 3);
	len = buf_len(b) - at;
	a->flags_len = buf_err(b) == 0 && len <= sizeof(a->flags_text) ? len : 0;
	if (a->flags_len != 0)
		memcpy(a->flags_text, b->p + b->off + at, len);
	a->last_flags = flags;
	a->last_keywords = keywords;
}

static void print_row(struct imap_session *s, struct store_args *a, uint32_t i)
{
	struct buf *b = s->out;

	buf_add(b, "* ", 2);
	buf_add_u64(b, i + 1);
	buf_add(b, " FETCH (", 8);
	if ((s->cmd.def->flags & CMD_UID) != 0) {
		buf_add(b, "UID ", 4);
		buf_add_u64(b, view_uid(&s->view, i));
		buf_add_byte(b, ' ');
	}
	print_flags(s, a, i);
	view_flags_told(&s->view, i);
}

static enum imap_run store_tell(struct imap_session *s)
{
	struct store_args *a = s->cmd.args;

	for (unsigned n = 0; a->range < a->ranges_n; n++) {
		if (!a->begun)
			a->index = a->ranges[a->range].first;
		a->begun = true;
		if (n == STORE_A_TURN)
			return RUN_YIELD;
		if (!view_gone(&s->view, a->index))
			print_row(s, a, a->index);
		if (a->index++ == a->ranges[a->range].last) {
			a->range++;
			a->begun = false;
		}
	}
	return imap_ok(s, "Stored");
}

static enum imap_run on_stored(struct imap_session *s, const struct imap_reply *rep);

/* The messages of the next piece, as UIDs; 0: there are no more. */
static uint32_t next_piece(struct store_args *a, const struct view *v)
{
	uint32_t n = 0, left = STORE_PIECE;

	while (left != 0 && a->piece_range < a->ranges_n) {
		struct spool_range r = a->ranges[a->piece_range];
		uint32_t rest;

		r.first += a->piece_done;
		rest = r.last - r.first + 1;
		if (rest > left) {
			r.last = r.first + left - 1;
			a->piece_done += left;
			left = 0;
		} else {
			a->piece_range++;
			a->piece_done = 0;
			left -= rest;
		}
		a->piece[n++] = r;
	}
	return view_uid_ranges(v, a->piece, n, a->uids);
}

/* Asks for the next piece in which there is something. */
static bool send_piece(struct imap_session *s, enum imap_run *run_r)
{
	struct store_args *a = s->cmd.args;
	struct spool_store m = { .session = s->spool, .mailbox = s->view.mailbox, .op = a->op, .flags = a->flags.flags,
		.keywords = a->flags.keywords, .keywords_n = a->flags.keywords_n, .uids = a->uids };

	while (m.uids_n == 0 && a->piece_range < a->ranges_n)
		m.uids_n = next_piece(a, &s->view);
	if (m.uids_n != 0)
		*run_r = imap_ask(s, spool_store_MSG, &m, on_stored);
	return m.uids_n != 0;
}

static enum imap_run on_stored(struct imap_session *s, const struct imap_reply *rep)
{
	struct store_args *a = s->cmd.args;
	enum imap_run run;

	if (rep->r == 0 && send_piece(s, &run))
		return run;
	s->cmd.quiet = false;
	if (rep->r != 0)
		return imap_fail(s, rep->r);
	if (a->silent)
		return imap_ok(s, "Stored");
	if (s->view.keywords_new) {
		view_print_flag_list(&s->view, s->out);
		s->view.keywords_new = false;
	}
	s->cmd.step = store_tell;
	return RUN_AGAIN;
}

enum imap_run imap_run_store(struct imap_session *s)
{
	struct store_args *a = s->cmd.args;
	struct view *v = &s->view;
	enum imap_run run;
	int r = view_resolve(v, &a->set, (s->cmd.def->flags & CMD_UID) != 0, s->cmd.arena, &a->ranges, &a->ranges_n);

	if (r == ERR_SYNTAX)
		return imap_bad(s, "There is no message of that number");
	if (r != 0 || (a->piece = arena_calloc(s->cmd.arena, a->ranges_n, sizeof(*a->piece))) == NULL ||
	    (a->uids = arena_calloc(s->cmd.arena, a->ranges_n, sizeof(*a->uids))) == NULL)
		return imap_fail(s, ERR_NOMEM);
	s->cmd.quiet = true;
	if (send_piece(s, &run))
		return run;
	s->cmd.quiet = false;
	return a->ranges_n == 0 ? imap_ok(s, "Stored") : imap_no(s, "EXPUNGEISSUED", "These messages are gone");
}
