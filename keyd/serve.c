/*
 * Signatures for the edges. What is asked for waits in a line for each edge, and the lines are served in turn, one
 * signature at a time: an edge that asks for thousands delays the others by one each, and never by its thousands.
 */
#include "keyd/keyd.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/base/log.h"

enum { DENIALS_A_SECOND = 5, WAITING_MAX = 20000, ROUNDS_A_TURN = 4 };

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	uint32_t id;
	uint16_t scheme;
	uint8_t key[KEY_ID_SIZE], key_len;
	size_t len;
	uint8_t text[];
};

/* An edge; in the list of the process while somebody waits in its line. */
struct edge_line {
	TAILQ_ENTRY(edge_line) entry;
	struct channel *ch;
	STAILQ_HEAD(, waiting) line;
	unsigned n;
};

void keyd_fail(struct channel *ch, uint32_t id, int code, const char *fmt, ...)
{
	struct buf b = BUF_INIT(1024);
	struct key_fail f = { .code = (uint32_t)code };
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	f.text = buf_err(&b) == 0 ? buf_slice(&b) : slice_cstr(err_str(code));
	IPC_REPLY(ch, key_fail, id, &f);
	buf_free(&b);
}

/* An edge that asks for such a thing is broken or taken over; it shall not fill the log as well. */
static void log_denial(struct keyd *k, const struct channel *ch, const struct waiting *w, const char *why)
{
	uint64_t now = loop_now(k->d->loop);

	if (now - k->denied_ms >= 1000 || k->denied_ms == 0) {
		k->denied_ms = now;
		k->denied = 0;
	}
	if (k->denied++ < DENIALS_A_SECOND)
		log_warn("sign denied peer=%s pid=%ld scheme=%04x size=%zu: %s", role_name((enum role)channel_peer_role(ch)),
		    (long)channel_peer_pid(ch), (unsigned)w->scheme, w->len, why);
}

static void answer(struct keyd *k, struct channel *ch, const struct waiting *w)
{
	struct key_signature reply;
	uint8_t sig[SIGNATURE_MAX];
	const struct cert *c = store_key(k->store, slice_of(w->key, w->key_len));
	const char *why;
	size_t n;
	int r;

	if (c == NULL) {
		keyd_fail(ch, w->id, ERR_NOTFOUND, "There is no such key any more.");
	} else if ((r = sign_text(c, w->scheme, slice_of(w->text, w->len), sig, &n, &why)) != 0) {
		log_denial(k, ch, w, why);
		keyd_fail(ch, w->id, r, "%s.", why);
	} else {
		reply.signature = slice_of(sig, n);
		IPC_REPLY(ch, key_signature, w->id, &reply);
	}
}

static void serve_lines(void *ctx)
{
	struct keyd *k = ctx;

	for (unsigned round = 0; round < ROUNDS_A_TURN; round++) {
		struct edge_line *e, *next;

		TAILQ_FOREACH_SAFE(e, &k->lines, entry, next) {
			struct waiting *w = STAILQ_FIRST(&e->line);

			STAILQ_REMOVE_HEAD(&e->line, entry);
			if (--e->n == 0)
				TAILQ_REMOVE(&k->lines, e, entry);
			answer(k, e->ch, w);
			free(w);
		}
	}
	if (!TAILQ_EMPTY(&k->lines))
		loop_task_add(k->d->loop, &k->serve, serve_lines, k);
}

void keyd_line_open(struct channel *ch)
{
	struct edge_line *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		channel_close(ch);
		return;
	}
	e->ch = ch;
	STAILQ_INIT(&e->line);
	channel_set_data(ch, e);
}

void keyd_line_close(struct keyd *k, struct channel *ch)
{
	struct edge_line *e = channel_data(ch);
	struct waiting *w;

	if (e == NULL)
		return;
	if (e->n != 0)
		TAILQ_REMOVE(&k->lines, e, entry);
	while ((w = STAILQ_FIRST(&e->line)) != NULL) {
		STAILQ_REMOVE_HEAD(&e->line, entry);
		free(w);
	}
	channel_set_data(ch, NULL);
	free(e);
}

static int on_sign(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = ((struct daemon *)ctx)->state;
	struct edge_line *e = channel_data(ch);
	struct key_sign req;
	struct waiting *w;
	int r = IPC_DECODE(m, key_sign, NULL, &req);

	if (r != 0)
		return r;
	w = e != NULL && e->n < WAITING_MAX ? malloc(sizeof(*w) + req.text.len) : NULL;
	if (w == NULL) {
		keyd_fail(ch, m->id, ERR_LIMIT, "Too many signatures are asked for at a time.");
		return 0;
	}
	w->id = m->id;
	w->scheme = req.scheme;
	w->key_len = (uint8_t)req.key.len;
	w->len = req.text.len;
	if (req.key.len != 0)
		memcpy(w->key, req.key.p, req.key.len);
	if (req.text.len != 0)
		memcpy(w->text, req.text.p, req.text.len);
	STAILQ_INSERT_TAIL(&e->line, w, entry);
	if (e->n++ == 0)
		TAILQ_INSERT_TAIL(&k->lines, e, entry);
	loop_task_add(k->d->loop, &k->serve, serve_lines, k);
	return 0;
}

const struct ipc_handler keyd_edge_handlers[] = { { key_sign_MSG, on_sign }, { 0, NULL } };
const struct ipc_handler keyd_control_handlers[] = {
	{ key_list_MSG, keyd_on_list }, { key_install_MSG, keyd_on_install }, { key_self_sign_MSG, keyd_on_self_sign },
	{ key_delete_MSG, keyd_on_delete }, { key_export_MSG, keyd_on_export }, { 0, NULL },
};
