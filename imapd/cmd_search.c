/*
 * SEARCH, UID SEARCH      RFC 3501 6.4.4
 *
 * Rows first, all of them; then, in turns with the other sessions, what rows
 * could not decide. The answer is one line, written in pieces as the client
 * takes it. Messages that are gone do not match.
 */
#include "imapd/commands.h"
#include "imapd/search.h"

#include <stdlib.h>

enum { ROWS_A_TURN = 20000, BYTES_A_TURN = 1024 * 1024, NUMBERS_A_TURN = 4096, MESSAGE_ARENA = 4 * 1024 * 1024 };

int imap_parse_search(struct imap_session *s, struct imap_parse *p)
{
	struct search_args *a;
	int r;

	if ((r = imap_args_new(s, p, sizeof(*a))) != 0)
		return r;
	a = s->cmd.args;
	return search_parse(s, p, a);
}

static void search_cleanup(struct imap_session *s)
{
	struct search_args *a = s->cmd.args;

	free(a->hits.v);
	free(a->maybe.v);
	imap_window_free(&a->window);
	arena_free(&a->arena);
	buf_free(&a->header);
	buf_free(&a->part);
}

/* Adds an index; joined with the last range when it follows it and join is set. */
static bool ranges_add(struct search_ranges *g, uint32_t index, bool join)
{
	if (join && g->n != 0 && g->v[g->n - 1].last + 1 == index) {
		g->v[g->n - 1].last = index;
		return true;
	}
	if (g->n == g->cap) {
		uint32_t cap = g->cap != 0 ? g->cap * 2 : 64;
		struct spool_range *v = realloc(g->v, (size_t)cap * sizeof(*v));

		if (v == NULL)
			return false;
		g->v = v;
		g->cap = cap;
	}
	g->v[g->n++] = (struct spool_range){ index, index };
	return true;
}

static enum imap_run rows_step(struct imap_session *s, struct search_args *a)
{
	for (unsigned n = 0; n < ROWS_A_TURN && a->at < s->view.exists; n += 1 + a->keys / 8, a->at++) {
		enum search_result r;
		bool ok = true;

		a->index = a->at;
		if (view_gone(&s->view, a->index))
			continue;
		r = search_eval(a->root, s, a, LEVEL_ROW);
		if (r == SEARCH_YES)
			ok = ranges_add(&a->hits, a->index, true);
		else if (r == SEARCH_MAYBE)
			ok = ranges_add(&a->maybe, a->index, false);
		if (!ok)
			return imap_fail(s, ERR_NOMEM);
	}
	if (a->at < s->view.exists)
		return RUN_YIELD;
	a->at = 0;
	a->phase = SEARCH_BEGIN;
	return RUN_AGAIN;
}

/* To the next message that is to be looked into. */
static enum imap_run begin_step(struct imap_session *s, struct search_args *a)
{
	if (a->arena == NULL && (a->arena = arena_new(MESSAGE_ARENA)) == NULL)
		return imap_fail(s, ERR_NOMEM);
	if (a->at == a->maybe.n) {
		a->hits.n = imap_ranges_normalise(a->hits.v, a->hits.n);
		a->at = 0;
		a->phase = SEARCH_PRINT;
		return RUN_AGAIN;
	}
	a->index = a->maybe.v[a->at].first;
	search_reset(a->root);
	a->phase = SEARCH_SUMMARY;
	if (a->loaded < BYTES_A_TURN)
		return RUN_AGAIN;
	a->loaded = 0;
	return RUN_YIELD;
}

static enum imap_run load_step(struct imap_session *s, struct search_args *a)
{
	bool hit = false;
	enum imap_run r = search_load_step(s, &hit);

	if (r != RUN_DONE || s->cmd.verdict != IMAP_OK)
		return r;
	if (hit && !ranges_add(&a->hits, a->index, true))
		return imap_fail(s, ERR_NOMEM);
	a->at++;
	a->phase = SEARCH_BEGIN;
	return RUN_AGAIN;
}

static enum imap_run print_step(struct imap_session *s, struct search_args *a)
{
	bool uid = (s->cmd.def->flags & CMD_UID) != 0;

	if (!a->line)
		buf_add_cstr(s->out, "* SEARCH");
	a->line = true;
	for (unsigned n = 0; a->at < a->hits.n; n++) {
		struct spool_range *g = &a->hits.v[a->at];

		if (n == NUMBERS_A_TURN)
			return RUN_AGAIN;
		buf_add_byte(s->out, ' ');
		buf_add_u64(s->out, uid ? view_uid(&s->view, g->first) : g->first + 1);
		if (g->first++ == g->last)
			a->at++;
	}
	buf_add_cstr(s->out, "\r\n");
	return a->failed ? imap_ok(s, "Searched, but some messages could not be read") : imap_ok(s, "Searched");
}

static enum imap_run search_step(struct imap_session *s)
{
	struct search_args *a = s->cmd.args;

	switch (a->phase) {
	case SEARCH_ROWS:
		return rows_step(s, a);
	case SEARCH_BEGIN:
		return begin_step(s, a);
	case SEARCH_PRINT:
		return print_step(s, a);
	default:
		return load_step(s, a);
	}
}

enum imap_run imap_run_search(struct imap_session *s)
{
	struct search_args *a = s->cmd.args;
	int r;

	if (a->bad_charset)
		return imap_no(s, "BADCHARSET (US-ASCII UTF-8)", "Only these charsets are known");
	if ((r = search_bind(s, a->root)) != 0)
		return r == ERR_SYNTAX ? imap_bad(s, "There is no message of that number") : imap_fail(s, r);
	a->window.bodies = a->want_body ? SEARCH_BODY_WINDOW : 0;
	a->window.front = a->want_body || a->want_header ? SEARCH_HEADER_WINDOW : 0;
	s->cmd.cleanup = search_cleanup;
	s->cmd.step = search_step;
	return RUN_AGAIN;
}
