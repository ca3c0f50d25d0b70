/*
 * Sessions that are put away. Most are in IDLE at any time, and for hours; of what a session has then, hardly anything
 * says more than that it has nothing to do. What does is kept here in one piece: the spool's session and the token for
 * it, the tag of IDLE, and what the client knows of its mailbox. The rest is made again when somebody has a word for it.
 */
#include "imapd/commands.h"

#include <stdlib.h>

struct imap_sleeper {
	struct view *view;              /* one with rows or news is kept whole; NULL: there is plain */
	struct view_plain plain;        /* mailbox 0: none is selected */
	uint64_t idle_ms;
	uint32_t spool;
	uint16_t token_n, user_n, tag_n, name_n, keywords_n;
	uint8_t errors;
	bool tls;
	uint8_t bytes[];                /* token, user, tag, name, each keyword with a NUL */
};

static bool is_asleep(const struct imap_session *s)
{
	const struct imap_reader *r = &s->reader;

	return imap_idle_waits(s) && !s->running && !s->over && !s->eof && !s->stop && !s->lost && s->reopen == NULL && s->spool != 0 &&
	    s->tls_state == TLS_NOT_ASKED && !s->view.mailbox_gone && buf_len(s->in) == 0 && !imap_out_full(s) &&
	    imap_reader_idle(r) && r->line.scanned == 0 && r->line.taken == 0 && !r->line.skipping;
}

static size_t keywords_size(const struct view *v)
{
	size_t n = 0;

	for (uint32_t i = 0; i < v->keywords_n; i++)
		n += strlen(v->keywords[i]) + 1;
	return n;
}

static uint8_t *put(uint8_t *to, const void *p, size_t n)
{
	if (n != 0)
		memcpy(to, p, n);
	return to + n;
}

static void bytes_put(struct imap_sleeper *z, const struct imap_session *s)
{
	uint8_t *to = z->bytes;

	to = put(to, s->token.p, z->token_n);
	to = put(to, s->user.p, z->user_n);
	to = put(to, s->cmd.tag.p, z->tag_n);
	to = put(to, s->view.name.p, z->name_n);
	for (uint32_t i = 0; i < z->keywords_n; i++)
		to = put(to, s->view.keywords[i], strlen(s->view.keywords[i]) + 1);
}

struct imap_sleeper *imap_session_sleep(struct imap_session **sp)
{
	struct imap_session *s = *sp;
	struct view_plain plain = { 0 };
	bool whole = view_is_open(&s->view) && !view_to_plain(&s->view, &plain);
	size_t name = whole ? 0 : s->view.name.len, keywords = whole ? 0 : keywords_size(&s->view);
	struct imap_sleeper *z;

	if (!is_asleep(s) || s->token.len > UINT16_MAX || s->user.len > UINT16_MAX || s->cmd.tag.len > UINT16_MAX ||
	    name > UINT16_MAX || s->view.keywords_n > UINT16_MAX || s->errors > UINT8_MAX)
		return NULL;
	z = calloc(1, sizeof(*z) + s->token.len + s->user.len + s->cmd.tag.len + name + keywords);
	if (z == NULL || (whole && (z->view = malloc(sizeof(*z->view))) == NULL)) {
		free(z);
		return NULL;
	}
	z->plain = plain;
	z->idle_ms = s->idle_ms;
	z->spool = s->spool;
	z->token_n = (uint16_t)s->token.len;
	z->user_n = (uint16_t)s->user.len;
	z->tag_n = (uint16_t)s->cmd.tag.len;
	z->name_n = (uint16_t)name;
	z->keywords_n = whole ? 0 : (uint16_t)s->view.keywords_n;
	z->errors = (uint8_t)s->errors;
	z->tls = s->tls != NULL;
	bytes_put(z, s);
	if (whole) {
		*z->view = s->view;
		memset(&s->view, 0, sizeof(s->view));
	}
	imap_session_drop(s);
	*sp = NULL;
	return z;
}

static bool take(const uint8_t **from, size_t n, struct slice *to)
{
	uint8_t *p = malloc(n + 1);

	if (p == NULL)
		return false;
	*to = slice_of(put(p, *from, n) - n, n);
	*from += n;
	return true;
}

/* Not with a view that is whole: that moves last. */
static bool bytes_take(const struct imap_sleeper *z, struct imap_session *s)
{
	const uint8_t *from = z->bytes;
	struct view *v = &s->view;

	if (!take(&from, z->token_n, &s->token) || !take(&from, z->user_n, &s->user) || !imap_idle_resume(s, slice_of(from, z->tag_n)))
		return false;
	from += z->tag_n;
	if (z->plain.mailbox == 0)
		return true;
	if (!take(&from, z->name_n, &v->name))
		return false;
	if (z->keywords_n != 0 && (v->keywords = calloc(z->keywords_n, sizeof(*v->keywords))) == NULL)
		return false;
	for (; v->keywords_n < z->keywords_n; v->keywords_n++) {
		if ((v->keywords[v->keywords_n] = strdup((const char *)from)) == NULL)
			return false;
		from += strlen((const char *)from) + 1;
	}
	view_from_plain(v, &z->plain);
	return true;
}

static void sleeper_drop(struct imap_sleeper *z)
{
	explicit_bzero(z->bytes, z->token_n);
	free(z->view);
	free(z);
}

struct imap_session *imap_session_wake(struct imap_sleeper **zp, const struct imap_env *env, const struct imap_host *host)
{
	static const struct edge_tls some = { .version = "", .cipher = "", .sni = "", .external = "" };
	struct imap_sleeper *z = *zp;
	struct imap_host with = *host;
	struct imap_session *s;

	with.tls = z->tls ? &some : NULL;
	if ((s = imap_session_make(env, &with)) == NULL)
		return NULL;
	imap_reader_init(&s->reader, IMAP_LINE_MAX, IMAP_TEXT_MAX, IMAP_LITERALS_MAX);
	if (!bytes_take(z, s)) {
		imap_session_drop(s);
		return NULL;
	}
	if (z->view != NULL)
		s->view = *z->view;
	s->spool = z->spool;
	s->idle_ms = z->idle_ms;
	s->errors = z->errors;
	imap_session_set_state(s, IMAP_AUTH);
	if (view_is_open(&s->view))
		imap_session_set_state(s, IMAP_SELECTED);
	sleeper_drop(z);
	*zp = NULL;
	return s;
}

void imap_sleeper_free(struct imap_sleeper **zp, const struct imap_env *env)
{
	struct imap_sleeper *z = *zp;

	if (z == NULL)
		return;
	*zp = NULL;
	env->ops->event(env->be, spool_close_MSG, &(struct spool_close){ .session = z->spool });
	env->ops->bind(env->be, z->spool, NULL);
	if (z->view != NULL)
		view_close(z->view);
	sleeper_drop(z);
}
