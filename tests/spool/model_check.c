/* Comparing the engine with the model. */
#include "tests/spool/model.h"

static void check_body(const char *when, uint64_t bodyid, uint32_t n)
{
	const char *got = body_text(bodyid);

	if (got == NULL || strcmp(got, model_body(n)) != 0)
		fail_msg("%s: body %u is %s", when, n, got == NULL ? "gone" : "another");
}

struct rows_check {
	const char *when;
	const struct m_box *b;
	const struct ix_mailbox *m;
	uint32_t i;
};

static int check_row(void *ctx, const struct row *r)
{
	struct rows_check *c = ctx;
	const struct m_row *want = &c->b->rows[c->i];
	uint32_t keywords = 0;

	for (uint32_t k = 0; k < c->m->keywords_n; k++)
		for (uint32_t w = 0; w < M_KEYWORDS; w++)
			if ((r->keywords >> k & 1) != 0 && slice_eq_cstr(c->m->keywords[k].name, model_keywords[w]))
				keywords |= 1u << w;
	if (c->i >= c->b->rows_n || r->uid != want->uid || r->flags != want->flags || keywords != want->keywords || r->modseq != want->modseq)
		fail_msg("%s: mailbox %llu row %u: uid %u flags %x keywords %x modseq %llu, want %u %x %x %llu", c->when,
		    (unsigned long long)c->b->id, c->i, r->uid, r->flags, keywords, (unsigned long long)r->modseq,
		    want->uid, want->flags, want->keywords, (unsigned long long)want->modseq);
	check_body(c->when, r->bodyid, want->body);
	c->i++;
	return 0;
}

static void check_box(const char *when, uint32_t account, int name)
{
	const struct m_box *b = &model.box[account][name];
	uint64_t id = mailbox_id(account + 1, model_names[name]);
	struct op_range all = { 1, UINT32_MAX };
	struct rows_check c = { when, b, NULL, 0 };
	uint32_t unseen = 0, deleted = 0;
	struct ix_mailbox m;

	if (id != (b->exists ? b->id : 0))
		fail_msg("%s: account %u %s is mailbox %llu", when, account + 1, model_names[name], (unsigned long long)id);
	if (!b->exists)
		return;
	m = mailbox_of(id);
	c.m = &m;
	assert_int_equal(spool_rows(sp, id, &all, 1, check_row, &c), 0);
	for (uint32_t i = 0; i < b->rows_n; i++) {
		unseen += (b->rows[i].flags & FLAG_SEEN) == 0;
		deleted += (b->rows[i].flags & FLAG_DELETED) != 0;
	}
	if (c.i != b->rows_n || m.messages != b->rows_n || m.unseen != unseen || m.deleted != deleted || m.uidnext != b->uidnext ||
	    m.modseq != b->modseq || m.uidvalidity != b->uidvalidity || m.first_recent != b->first_recent)
		fail_msg("%s: account %u %s: counts differ", when, account + 1, model_names[name]);
}

static void check_msg(const char *when, const struct m_msg *want)
{
	struct arena *a = arena_new(1 << 20);
	struct ix_msg m;
	struct ix_rcpt rc;
	uint64_t due = 0;

	if (spool_msg_get(sp, want->id, a, &m) != 0)
		fail_msg("%s: message %llu is lost", when, (unsigned long long)want->id);
	for (uint32_t i = 0; i < m.nrcpts; i++) {
		assert_int_equal(spool_rcpt_get(sp, want->id, i, a, &rc), 0);
		if (rc.state != want->state[i] || (rc.state == RCPT_PENDING && rc.due != want->due[i]))
			fail_msg("%s: message %llu recipient %u differs", when, (unsigned long long)want->id, i);
		if (rc.state == RCPT_PENDING && (due == 0 || rc.due < due))
			due = rc.due;
	}
	if (m.pending != want->pending || (m.flags & MSG_HELD) != want->held || m.due != (want->held ? 0 : due))
		fail_msg("%s: message %llu differs", when, (unsigned long long)want->id);
	check_body(when, m.bodyid, want->body);
	arena_free(&a);
}

/* Bodies that somebody refers to. */
static uint64_t live_bodies(void)
{
	static bool live[M_BODIES];
	uint64_t n = 0;

	memset(live, 0, sizeof(live));
	for (int i = 0; i < M_MSGS; i++)
		if (model.msg[i].id != 0)
			live[model.msg[i].body] = true;
	for (int a = 0; a < M_ACCOUNTS; a++)
		for (int b = 0; b < M_NAMES; b++)
			for (uint32_t i = 0; model.box[a][b].exists && i < model.box[a][b].rows_n; i++)
				live[model.box[a][b].rows[i].body] = true;
	for (int i = 0; i < M_BODIES; i++)
		n += live[i];
	return n;
}

static uint64_t model_rows(void)
{
	uint64_t n = 0;

	for (int a = 0; a < M_ACCOUNTS; a++)
		for (int b = 0; b < M_NAMES; b++)
			n += model.box[a][b].exists ? model.box[a][b].rows_n : 0;
	return n;
}

static int count_due(void *ctx, uint64_t due, uint64_t msgid)
{
	(void)due;
	(void)msgid;
	++*(unsigned *)ctx;
	return 0;
}

void model_check(const char *when)
{
	const struct ix_counters *c = spool_counters(sp);
	unsigned queued = 0, scheduled = 0, due = 0;

	for (uint32_t a = 0; a < M_ACCOUNTS; a++)
		for (int b = 0; b < M_NAMES; b++)
			check_box(when, a, b);
	for (int i = 0; i < M_MSGS; i++)
		if (model.msg[i].id != 0) {
			check_msg(when, &model.msg[i]);
			queued++;
			scheduled += !model.msg[i].held;
		}
	assert_int_equal(spool_due(sp, count_due, &due), 0);
	/* What deleted mailboxes left lives until it is reaped. */
	if (c->queued != queued || due != scheduled || c->rows < model_rows() || c->bodies - c->dead < live_bodies() ||
	    (c->rows == model_rows() && c->bodies - c->dead != live_bodies()))
		fail_msg("%s: queued %llu due %u bodies %llu dead %llu, want %u %u live %llu", when, (unsigned long long)c->queued, due,
		    (unsigned long long)c->bodies, (unsigned long long)c->dead, queued, scheduled, (unsigned long long)live_bodies());
}
