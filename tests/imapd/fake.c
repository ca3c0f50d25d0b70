#include "tests/imapd/fake.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/mail/summary.h"

#define MUST(e) do { if (!(e)) abort(); } while (0)

/* What an answer is made of; freed after the callback. */
struct answer {
	int r;
	int fd;
	uint16_t type;          /* of a login's answer */
	struct arena *a;
	union {
		struct spool_ok ok;
		struct spool_mailboxes mailboxes;
		struct spool_snapshot snapshot;
		struct spool_stored stored;
		struct spool_copied copied;
		struct spool_appended appended;
		struct spool_cached_reply cached;
		struct spool_body_got body;
		struct spool_body_file_reply file;
		struct account_logged_in login;
		struct account_scram scram;
	} u;
};

static struct fake_session *session_find(struct fake *f, uint32_t number)
{
	for (unsigned i = 0; i < FAKE_SESSIONS; i++)
		if (f->sessions[i].number == number && number != 0)
			return &f->sessions[i];
	return NULL;
}

static bool in_ranges(const struct spool_range *v, uint32_t n, uint32_t uid)
{
	for (uint32_t i = 0; i < n; i++)
		if (uid >= v[i].first && uid <= v[i].last)
			return true;
	return false;
}

/* ---- one function per request ---------------------------------------------------- */

static void do_login(struct fake *f, struct cursor *c, struct answer *an)
{
	struct account_login m;

	static const char proof[] = "pppppppppppppppppppppppppppppppp";
	bool good;

	MUST(account_login_decode(c, an->a, &m) == 0 && slice_eq_cstr(m.service, "imap"));
	MUST(m.tls == f->tls);
	f->logins++;
	good = m.how == LOGIN_PASSWORD || m.how == LOGIN_BEARER ? slice_eq_cstr(m.secret, "secret") :
	    m.how == LOGIN_SCRAM_PROOF ? slice_eq_cstr(m.secret, proof) : true;
	if (slice_eq_cstr(m.user, "slow"))
		an->r = ERR_AGAIN;
	else if (slice_eq_cstr(m.user, "fault"))
		an->r = ERR_IO;
	else if (!good)
		an->r = ERR_DENIED;
	if (an->r != 0)
		return;
	if (m.how == LOGIN_SCRAM_FIRST) {
		an->type = account_scram_MSG;
		an->u.scram = (struct account_scram){ .salt = SLICE_LIT("ssssssssssssssss"), .iterations = 4096,
			.nonce = SLICE_LIT("server") };
		return;
	}
	an->type = account_logged_in_MSG;
	an->u.login = (struct account_logged_in){ .account = 1, .user = arena_dup(an->a, m.user), .token = SLICE_LIT("token"),
		.signature = SLICE_LIT("SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS") };
}

static void do_open(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_open m;

	MUST(spool_open_decode(c, an->a, &m) == 0 && slice_eq_cstr(m.token, "token"));
	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		if (f->sessions[i].number == 0) {
			f->sessions[i] = (struct fake_session){ .number = ++f->next_session };
			an->u.ok.value = f->next_session;
			return;
		}
	}
	abort();
}

static bool like(const char *name, struct slice pattern)
{
	return pattern.len == 0 || slice_eq_cstr(pattern, name);
}

static void do_list(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_mailbox_list m;
	struct spool_mailbox *v = arena_calloc(an->a, FAKE_BOXES, sizeof(*v));

	MUST(spool_mailbox_list_decode(c, an->a, &m) == 0 && session_find(f, m.session) != NULL);
	an->u.mailboxes.mailboxes = v;
	for (unsigned i = 0; i < f->boxes_n; i++) {
		struct fake_box *b = &f->boxes[i];
		struct spool_mailbox *e = &v[an->u.mailboxes.mailboxes_n];

		if (!like(b->name, m.pattern) || (!b->exists && !b->subscribed))
			continue;
		*e = (struct spool_mailbox){ .id = b->id, .name = slice_cstr(b->name),
			.special_use = slice_cstr(b->special_use), .uidvalidity = b->uidvalidity, .uidnext = b->uidnext };
		e->flags = (b->exists ? MBOX_EXISTS : 0u) | (b->subscribed ? MBOX_SUBSCRIBED : 0u);
		e->messages = m.counts ? b->n : 0;
		for (uint32_t k = 0; m.counts && k < b->n; k++) {
			e->unseen += (b->v[k].flags & FLAG_SEEN) == 0;
			e->recent += (b->v[k].flags & FLAG_RECENT) != 0;
		}
		an->u.mailboxes.mailboxes_n++;
	}
}

static int mailbox_do(struct fake *f, const struct spool_mailbox_do *m)
{
	struct fake_box *b = fake_box_find(f, m->name);
	char name[1024];

	MUST(slice_to_cstr(m->verb == MAILBOX_RENAME ? m->to : m->name, name, sizeof(name)) == 0);
	switch (m->verb) {
	case MAILBOX_CREATE:
		if (b != NULL && b->exists)
			return ERR_EXISTS;
		b = fake_box_add(f, name);
		return slice_to_cstr(m->special_use, b->special_use, sizeof(b->special_use));
	case MAILBOX_DELETE:
		if (b == NULL || !b->exists)
			return ERR_NOTFOUND;
		b->exists = false;
		b->n = 0;
		fake_tell(f, b, &(struct fake_told){ .self = m->session });
		return 0;
	case MAILBOX_RENAME:
		if (b == NULL || !b->exists)
			return ERR_NOTFOUND;
		if (fake_box_find(f, m->to) != NULL)
			return ERR_EXISTS;
		memcpy(b->name, name, sizeof(name));
		return 0;
	case MAILBOX_SUBSCRIBE:
		if (b == NULL) {
			b = fake_box_add(f, name);
			b->exists = false;
		}
		b->subscribed = true;
		return 0;
	default:
		if (b != NULL)
			b->subscribed = false;
		return 0;
	}
}

static void do_mailbox(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_mailbox_do m;

	MUST(spool_mailbox_do_decode(c, an->a, &m) == 0);
	an->r = mailbox_do(f, &m);
}

/* The rows as they are; with the claim the next who asks sees no \Recent. */
static void put_rows(struct fake *f, struct fake_box *b, bool claim, struct answer *an)
{
	struct spool_snapshot *s = &an->u.snapshot;
	uint8_t *rows = arena_alloc(an->a, (size_t)b->n * SPOOL_ROW_SIZE);

	for (uint32_t i = 0; i < b->n; i++) {
		fake_row(&b->v[i], rows + (size_t)i * SPOOL_ROW_SIZE);
		if (claim)
			b->v[i].flags &= ~(uint32_t)FLAG_RECENT;
	}
	s->rows = slice_of(rows, (size_t)b->n * SPOOL_ROW_SIZE);
	if (f->memfd && b->n != 0) {
		an->fd = memfd_create("rows", MFD_CLOEXEC);
		MUST(an->fd >= 0 && write(an->fd, rows, s->rows.len) == (ssize_t)s->rows.len);
		s->rows = slice_of(NULL, 0);
	}
}

static void put_counts(struct fake_box *b, bool claim, struct answer *an)
{
	struct spool_snapshot *s = &an->u.snapshot;

	s->first_recent = b->uidnext;
	for (uint32_t i = b->n; i-- > 0;) {
		if ((b->v[i].flags & FLAG_RECENT) != 0) {
			s->recent++;
			s->first_recent = b->v[i].uid;
		}
		if ((b->v[i].flags & FLAG_SEEN) == 0)
			s->first_unseen = i + 1;
		if (claim)
			b->v[i].flags &= ~(uint32_t)FLAG_RECENT;
	}
}

/* All but rows and counts of them. */
static void put_box(struct fake_box *b, struct answer *an)
{
	struct spool_snapshot *s = &an->u.snapshot;

	*s = (struct spool_snapshot){ .mailbox = b->id, .uidvalidity = b->uidvalidity, .uidnext = b->uidnext,
		.modseq = b->modseq, .count = b->n, .keywords_n = b->keywords_n };
	s->keywords = arena_calloc(an->a, 64, sizeof(*s->keywords));
	for (uint32_t i = 0; i < b->keywords_n; i++)
		s->keywords[i].name = slice_cstr(b->keywords[i]);
}

static void do_view(struct fake *f, struct cursor *c, struct answer *an)
{
	struct fake_session *fs;
	struct spool_view m;

	MUST(spool_view_decode(c, an->a, &m) == 0 && (fs = session_find(f, m.session)) != NULL);
	if (fs->box == NULL || fs->box->id != m.mailbox || !fs->box->exists) {
		an->r = ERR_NOTFOUND;
		return;
	}
	put_box(fs->box, an);
	put_rows(f, fs->box, false, an);
}

static void do_select(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_select m;
	struct fake_session *fs;
	struct fake_box *b;

	MUST(spool_select_decode(c, an->a, &m) == 0 && (fs = session_find(f, m.session)) != NULL);
	b = fake_box_find(f, m.name);
	if (b == NULL || !b->exists) {
		an->r = ERR_NOTFOUND;
		return;
	}
	fs->box = b;
	put_box(b, an);
	if (m.counts && !f->all_rows)
		put_counts(b, m.claim_recent, an);
	else
		put_rows(f, b, m.claim_recent, an);
}

static void do_store(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_store m;
	struct fake_session *fs;
	struct fake_box *b;
	uint64_t bits = 0, since;
	uint32_t had;

	MUST(spool_store_decode(c, an->a, &m) == 0 && (fs = session_find(f, m.session)) != NULL);
	b = fs->box;
	MUST(b != NULL && b->id == m.mailbox);
	had = b->keywords_n;
	for (uint32_t i = 0; i < m.keywords_n; i++)
		bits |= fake_keyword_bit(b, m.keywords[i].name);
	since = ++b->modseq;
	for (uint32_t i = 0; i < b->n; i++) {
		struct fake_msg *g = &b->v[i], old = *g;

		if (!in_ranges(m.uids, m.uids_n, g->uid))
			continue;
		g->flags = m.op == STORE_SET ? m.flags | (old.flags & FLAG_RECENT) :
		    m.op == STORE_ADD ? old.flags | m.flags : old.flags & ~m.flags;
		g->keywords = m.op == STORE_SET ? bits : m.op == STORE_ADD ? old.keywords | bits : old.keywords & ~bits;
		if (g->flags != old.flags || g->keywords != old.keywords)
			g->modseq = since;
	}
	an->u.stored.modseq = since;
	fake_tell(f, b, &(struct fake_told){ .since = since, .keywords = b->keywords_n != had, .self = m.session });
}

/* Takes rows out of b and tells. */
static void remove_rows(struct fake *f, struct fake_box *b, const struct spool_range *uids, uint32_t n, bool deleted,
    uint32_t self)
{
	struct spool_range *gone = calloc(b->n + 1, sizeof(*gone));
	uint32_t k = 0, gone_n = 0;

	MUST(gone != NULL);
	for (uint32_t i = 0; i < b->n; i++) {
		if (in_ranges(uids, n, b->v[i].uid) && (!deleted || (b->v[i].flags & FLAG_DELETED) != 0))
			gone[gone_n++] = (struct spool_range){ b->v[i].uid, b->v[i].uid };
		else
			b->v[k++] = b->v[i];
	}
	b->n = k;
	b->modseq++;
	fake_tell(f, b, &(struct fake_told){ .vanished = gone, .vanished_n = gone_n, .self = self });
	free(gone);
}

static void do_expunge(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_expunge m;
	struct fake_session *fs;

	MUST(spool_expunge_decode(c, an->a, &m) == 0 && (fs = session_find(f, m.session)) != NULL);
	MUST(fs->box != NULL && fs->box->id == m.mailbox);
	remove_rows(f, fs->box, m.uids, m.uids_n, m.only_deleted != 0, m.session);
}

static void do_copy(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_copy m;
	struct fake_session *fs;
	struct fake_box *from, *to;
	struct spool_range *uids, *made;
	uint32_t n = 0, count;
	uint64_t since;

	MUST(spool_copy_decode(c, an->a, &m) == 0 && (fs = session_find(f, m.session)) != NULL);
	from = fs->box;
	to = fake_box_find(f, m.to);
	if (to == NULL || !to->exists) {
		an->r = ERR_NOTFOUND;
		return;
	}
	uids = arena_calloc(an->a, from->n + 1, sizeof(*uids));
	made = arena_calloc(an->a, 1, sizeof(*made));
	count = from->n;
	since = to->modseq + 1;
	an->u.copied = (struct spool_copied){ .uidvalidity = to->uidvalidity, .uids = uids, .to = made };
	for (uint32_t i = 0; i < count; i++) {
		struct fake_msg g = from->v[i];

		if (!in_ranges(m.uids, m.uids_n, g.uid))
			continue;
		uids[n] = (struct spool_range){ g.uid, g.uid };
		made[0] = (struct spool_range){ n == 0 ? to->uidnext : made[0].first, to->uidnext };
		n++;
		to->v = fake_room(to->v, to->n, sizeof(*to->v));
		g.uid = to->uidnext++;
		g.modseq = ++to->modseq;
		g.flags |= FLAG_RECENT;
		to->v[to->n++] = g;
	}
	an->u.copied.uids_n = n;
	an->u.copied.to_n = n != 0;
	fake_tell(f, to, &(struct fake_told){ .since = since, .self = m.session });
	if (m.move)
		remove_rows(f, from, m.uids, m.uids_n, false, m.session);
}

static void do_append(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_append m;
	struct fake_box *b;
	struct slice bytes;
	void *map = NULL;

	MUST(spool_append_decode(c, an->a, &m) == 0 && session_find(f, m.session) != NULL);
	b = fake_box_find(f, m.name);
	if (b == NULL || !b->exists) {
		an->r = ERR_NOTFOUND;
		return;
	}
	bytes = m.body.bytes;
	if (m.body.file != 0) {
		map = mmap(NULL, (size_t)m.body.size, PROT_READ, MAP_SHARED, (int)m.body.file, 0);
		MUST(map != MAP_FAILED);
		bytes = slice_of(map, (size_t)m.body.size);
		close((int)m.body.file);
		f->files_open--;
	}
	MUST(bytes.len == m.body.size && m.cached.len != 0);
	an->u.appended = (struct spool_appended){ b->uidvalidity, fake_add(f, b, bytes, m.flags, m.internaldate) };
	for (uint32_t i = 0; i < m.keywords_n; i++)
		b->v[b->n - 1].keywords |= fake_keyword_bit(b, m.keywords[i].name);
	if (map != NULL)
		munmap(map, bytes.len);
	fake_tell(f, b, &(struct fake_told){ .since = b->modseq, .keywords = m.keywords_n != 0, .self = m.session });
}

static void do_cached(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_cached m;
	struct fake_session *fs;
	struct spool_cached_item *v;
	uint32_t n = 0;

	MUST(spool_cached_decode(c, an->a, &m) == 0 && (fs = session_find(f, m.session)) != NULL);
	v = arena_calloc(an->a, fs->box->n + 1, sizeof(*v));
	an->u.cached.items = v;
	for (uint32_t i = 0; i < fs->box->n; i++) {
		struct fake_msg *g = &fs->box->v[i];

		if (!in_ranges(m.uids, m.uids_n, g->uid))
			continue;
		if (n == 3) {
			an->u.cached.more = 1;
			break;
		}
		v[n].uid = g->uid;
		if (!f->no_cached)
			v[n].cached = buf_slice(&f->bodies[g->body - 1].cached);
		if (!f->no_bodies)
			v[n].body = slice_sub(buf_slice(&f->bodies[g->body - 1].bytes), 0, g->size <= m.bodies ? SIZE_MAX : m.front);
		n++;
	}
	an->u.cached.items_n = n;
}

static void do_body_get(struct fake *f, struct cursor *c, struct answer *an)
{
	struct spool_body_get m;

	MUST(spool_body_get_decode(c, an->a, &m) == 0 && session_find(f, m.session) != NULL);
	if (m.bodyid == 0 || m.bodyid > f->bodies_n || (f->fail_body_at != 0 && m.off >= f->fail_body_at)) {
		an->r = ERR_NOTFOUND;
		return;
	}
	an->u.body.size = buf_len(&f->bodies[m.bodyid - 1].bytes);
	an->u.body.bytes = slice_sub(buf_slice(&f->bodies[m.bodyid - 1].bytes), (size_t)m.off, m.len);
}

static void do_body_file(struct fake *f, struct cursor *c, struct answer *an)
{
	(void)c;
	an->fd = memfd_create("body", MFD_CLOEXEC);
	MUST(an->fd >= 0);
	an->u.file.file = (uint64_t)dup(an->fd);        /* our own end is its number */
	f->files++;
	f->files_open++;
}

/* ---- the queue ------------------------------------------------------------------------ */

static const struct {
	uint16_t type;
	void (*fn)(struct fake *f, struct cursor *c, struct answer *an);
} handlers[] = {
	{ 0, do_login }, { spool_open_MSG, do_open }, { spool_mailbox_list_MSG, do_list },
	{ spool_mailbox_do_MSG, do_mailbox }, { spool_select_MSG, do_select }, { spool_view_MSG, do_view }, { spool_store_MSG, do_store },
	{ spool_expunge_MSG, do_expunge }, { spool_copy_MSG, do_copy }, { spool_append_MSG, do_append },
	{ spool_cached_MSG, do_cached }, { spool_body_get_MSG, do_body_get }, { spool_body_file_MSG, do_body_file },
};

static void request_done(struct imap_request *rq)
{
	buf_free(&rq->msg);
	free(rq);
}

bool fake_answer(struct fake *f)
{
	struct imap_request *rq = f->first;
	struct answer an;
	struct imap_reply rep;

	if (rq == NULL)
		return false;
	if ((f->first = rq->next) == NULL)
		f->last = &f->first;
	if (rq->cancelled) {
		request_done(rq);
		return true;
	}
	memset(&an, 0, sizeof(an));
	an.fd = -1;
	an.a = arena_new(SIZE_MAX / 2);
	if (f->down)
		an.r = ERR_CLOSED;
	for (size_t i = 0; i < ARRAY_LEN(handlers) && an.r == 0; i++)
		if (handlers[i].type == rq->type)
			handlers[i].fn(f, &(struct cursor){ buf_slice(&rq->msg), 0 }, &an);
	rep = (struct imap_reply){ .r = an.r, .type = an.type, .m = &an.u, .fd = &an.fd };
	rq->fn(rq->ctx, &rep);
	if (an.fd >= 0)
		close(an.fd);
	arena_free(&an.a);
	request_done(rq);
	return true;
}

static struct imap_request *request_add(struct fake *f, uint16_t type, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = calloc(1, sizeof(*rq));

	MUST(rq != NULL);
	*rq = (struct imap_request){ .f = f, .type = type, .msg = BUF_INIT(SIZE_MAX / 2), .fn = fn, .ctx = ctx };
	*f->last = rq;
	f->last = &rq->next;
	f->requests++;
	return rq;
}

static struct imap_request *op_request(void *be, uint16_t type, const void *m, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = request_add(be, type, fn, ctx);

#define ENCODE(T) case T##_MSG: T##_encode(&rq->msg, m); break
	switch (type) {
	ENCODE(spool_open);
	ENCODE(spool_mailbox_list);
	ENCODE(spool_mailbox_do);
	ENCODE(spool_select);
	ENCODE(spool_store);
	ENCODE(spool_expunge);
	ENCODE(spool_copy);
	ENCODE(spool_append);
	ENCODE(spool_view);
	ENCODE(spool_cached);
	ENCODE(spool_body_get);
	ENCODE(spool_body_file);
	default:
		abort();
	}
	return rq;
}

static struct imap_request *op_login(void *be, const struct account_login *m, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = request_add(be, 0, fn, ctx);

	account_login_encode(&rq->msg, m);
	return rq;
}

static void op_cancel(void *be, struct imap_request *rq)
{
	(void)be;
	rq->cancelled = true;
}

static void op_event(void *be, uint16_t type, const void *m)
{
	struct fake *f = be;

	if (type == spool_close_MSG) {
		struct fake_session *fs = session_find(f, ((const struct spool_close *)m)->session);

		MUST(fs != NULL);
		memset(fs, 0, sizeof(*fs));
	} else if (type == spool_unselect_MSG) {
		session_find(f, ((const struct spool_unselect *)m)->session)->box = NULL;
	} else {
		close((int)((const struct spool_body_drop *)m)->file);
		f->files_open--;
	}
}

static void op_bind(void *be, uint32_t number, void *host)
{
	struct fake_session *fs = session_find(be, number);

	if (fs != NULL)
		fs->who = host;
}

void fake_crash(struct fake *f)
{
	memset(f->sessions, 0, sizeof(f->sessions));
	f->down = true;
	while (fake_answer(f))
		;
}

const struct imap_backend_ops fake_ops = { op_request, op_login, op_cancel, op_event, op_bind };
