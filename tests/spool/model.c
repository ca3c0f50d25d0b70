#include "tests/spool/model.h"

const char *const model_names[M_NAMES] = { "INBOX", "a", "a/b", "c", "d", "d/b" };
static const int parent_of[M_NAMES] = { -1, -1, 1, -1, -1, 4 };
const char *const model_keywords[M_KEYWORDS] = { "$one", "$two", "three" };
struct model model;
static uint64_t dice;

void roll_seed(uint64_t seed)
{
	dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint32_t roll(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)((dice >> 16) % below);
}

const char *model_body(uint32_t n)
{
	static char text[8192];
	size_t len = 1 + n * 37 % 5000;

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (n + i * (i % 7)) % 26);
	(void)snprintf(text + len, 16, " %u", n);
	return text;
}

static bool spoiled(int r)
{
	return r == ERR_IO || r == ERR_FULL || r == ERR_NOMEM || r == ERR_CORRUPT;
}

/* want: what the model says; returns the fault if there was one. */
static int expect(const char *what, int r, int want)
{
	if (!spoiled(r) && r != want)
		fail_msg("%s: the engine says %s, the model %s", what, r == 0 ? "ok" : err_str(r), want == 0 ? "ok" : err_str(want));
	return r;
}

static struct op_body body_next(void)
{
	const char *text = model_body(model.bodies);

	return (struct op_body){ .size = strlen(text), .bytes = slice_cstr(text) };
}

static uint64_t now_s(void)
{
	return test_now_us / 1000000;
}

/* ---- queue ---- */

static struct m_msg *msg_free(void)
{
	for (int i = 0; i < M_MSGS; i++)
		if (model.msg[i].id == 0)
			return &model.msg[i];
	return NULL;
}

static struct m_msg *msg_any(void)
{
	struct m_msg *m = &model.msg[roll(M_MSGS)];

	for (int i = 0; i < M_MSGS && m->id == 0; i++)
		m = &model.msg[(m - model.msg + 1) % M_MSGS];
	return m->id != 0 ? m : NULL;
}

static int accept_step(void)
{
	static struct op_rcpt rc[M_RCPTS] = { { .addr = SLICE_LIT("a@x") }, { .addr = SLICE_LIT("b@x") }, { .addr = SLICE_LIT("c@x") } };
	struct m_msg *m = msg_free();
	struct spool_op op = { .kind = OP_ACCEPT, .accept = { .sender = SLICE_LIT("s@y"), .rcpts = rc, .rcpts_n = 1 + roll(M_RCPTS) } };
	struct spool_done done;
	int r;

	if (m == NULL)
		return 0;
	op.accept.body = body_next();
	if ((r = expect("accept", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	memset(m, 0, sizeof(*m));
	m->id = done.id;
	m->body = model.bodies++;
	m->pending = op.accept.rcpts_n;
	for (uint32_t i = 0; i < M_RCPTS; i++) {
		m->state[i] = i < m->pending ? RCPT_PENDING : RCPT_DONE;
		m->due[i] = now_s();
	}
	return 0;
}

static void settle_msg(struct m_msg *m)
{
	if (m->pending == 0)
		m->id = 0;
}

static int outcome_step(void)
{
	static const uint8_t states[] = { RCPT_PENDING, RCPT_DONE, RCPT_FAILED };
	struct m_msg *m = msg_any(), *n = NULL;
	struct op_rcpt to = { .addr = SLICE_LIT("s@y") };
	struct op_accept notice = { .rcpts = &to, .rcpts_n = 1 };
	struct op_result res = { .index = roll(M_RCPTS), .state = states[roll(3)], .due = now_s() + roll(1000), .status = SLICE_LIT("4.0.0") };
	struct spool_op op = { .kind = OP_OUTCOME };
	struct spool_done done;
	int want, r;

	if (m == NULL)
		return 0;
	op.outcome = (struct op_outcome){ .msgid = m->id, .results = &res, .results_n = 1, .notices = &notice };
	if (res.state == RCPT_FAILED && (n = msg_free()) != NULL) {
		notice.body = body_next();
		op.outcome.notices_n = 1;
	}
	want = m->state[res.index] == RCPT_PENDING ? 0 : ERR_STATE;
	r = spool_do(sp, &op, &done, NULL);
	if (r == ERR_NOTFOUND && want == ERR_STATE)
		r = ERR_STATE;          /* never had so many recipients */
	if ((r = expect("outcome", r, want)) != 0)
		return r;
	m->state[res.index] = res.state;
	if (res.state == RCPT_PENDING)
		m->due[res.index] = res.due;
	else
		m->pending--;
	if (op.outcome.notices_n != 0) {
		memset(n, 0, sizeof(*n));
		n->id = notice.msgid;
		n->body = model.bodies++;
		n->pending = 1;
		for (int i = 0; i < M_RCPTS; i++)
			n->state[i] = i == 0 ? RCPT_PENDING : RCPT_DONE;
		n->due[0] = now_s();
	}
	settle_msg(m);
	return 0;
}

static int hold_step(void)
{
	struct m_msg *m = msg_any();
	struct op_id id;
	struct spool_op op = { .kind = OP_QUEUE_DO, .queue = { .verb = (uint8_t)(1 + roll(4)), .msgs = &id, .msgs_n = 1 } };
	struct spool_done done;
	int r;

	if (m == NULL)
		return 0;
	id.id = m->id;
	if (op.queue.verb == QUEUE_DELETE && roll(4) != 0)
		return 0;
	if ((r = expect("queue", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	if (op.queue.verb == QUEUE_HOLD)
		m->held = 1;
	else if (op.queue.verb == QUEUE_UNHOLD)
		m->held = 0;
	else if (op.queue.verb == QUEUE_DELETE)
		m->id = 0;
	else
		for (int i = 0; i < M_RCPTS; i++)
			if (m->state[i] == RCPT_PENDING && m->due[i] > now_s())
				m->due[i] = now_s();
	return 0;
}

/* ---- mailboxes ---- */

static struct m_box *box_any(uint32_t *account_r)
{
	for (int i = 0; i < 10; i++) {
		struct m_box *b;

		*account_r = roll(M_ACCOUNTS);
		b = &model.box[*account_r][roll(M_NAMES)];
		if (b->exists)
			return b;
	}
	return NULL;
}

static void box_made(uint32_t account, int name)
{
	struct m_box *b = &model.box[account][name];
	uint64_t id = mailbox_id(account + 1, model_names[name]);
	struct ix_mailbox m = mailbox_of(id);

	assert_true(id != 0);
	for (int i = 0; i < M_NAMES; i++)
		assert_true(!model.box[account][i].exists || model.box[account][i].uidvalidity != m.uidvalidity);
	*b = (struct m_box){ .exists = true, .id = id, .modseq = 1, .uidvalidity = m.uidvalidity, .uidnext = 1, .first_recent = 1 };
}

static int create_step(void)
{
	uint32_t account = roll(M_ACCOUNTS);
	int name = (int)roll(M_NAMES), up = parent_of[name];
	struct op_new_mailbox box = { .name = slice_cstr(model_names[name]) };
	struct spool_op op = { .kind = OP_MAILBOX_CREATE, .create = { account + 1, &box, 1 } };
	struct spool_done done;
	int r = spool_do(sp, &op, &done, NULL);

	if ((r = expect("create", r, model.box[account][name].exists ? ERR_EXISTS : 0)) != 0)
		return r;
	if (up >= 0 && !model.box[account][up].exists)
		box_made(account, up);
	box_made(account, name);
	return 0;
}

static int delete_step(void)
{
	uint32_t account = roll(M_ACCOUNTS);
	int name = (int)roll(M_NAMES);
	struct m_box *b = &model.box[account][name];
	struct spool_op op = { .kind = OP_MAILBOX_DELETE, .delete_ = { .account = account + 1, .name = slice_cstr(model_names[name]) } };
	struct spool_done done;
	int r = spool_do(sp, &op, &done, NULL);

	if ((r = expect("delete", r, name == 0 ? ERR_DENIED : b->exists ? 0 : ERR_NOTFOUND)) == 0)
		b->exists = false;
	return r;
}

static void move_name(uint32_t account, int from, int to)
{
	model.box[account][to] = model.box[account][from];
	model.box[account][from].exists = false;
	model.subscribed[account][to] |= model.subscribed[account][from];
	model.subscribed[account][from] = false;
}

/* "a" and "d" change places, with "a/b" and "d/b". */
static int rename_step(void)
{
	uint32_t account = roll(M_ACCOUNTS);
	int from = roll(2) == 0 ? 1 : 4, to = from == 1 ? 4 : 1, want = 0, r;
	struct m_box *b = model.box[account];
	struct spool_op op = { .kind = OP_MAILBOX_RENAME,
		.rename = { account + 1, slice_cstr(model_names[from]), slice_cstr(model_names[to]) } };
	struct spool_done done;

	if (!b[from].exists)
		want = ERR_NOTFOUND;
	else if (b[to].exists || ((b[from + 1].exists || model.subscribed[account][from + 1]) && b[to + 1].exists))
		want = ERR_EXISTS;
	if ((r = expect("rename", spool_do(sp, &op, &done, NULL), want)) != 0)
		return r;
	move_name(account, from, to);
	if (b[from + 1].exists || model.subscribed[account][from + 1]) {
		bool had = b[to + 1].exists;

		assert_false(had);
		move_name(account, from + 1, to + 1);
	}
	return 0;
}

static int subscribe_step(void)
{
	uint32_t account = roll(M_ACCOUNTS);
	int name = (int)roll(M_NAMES);
	bool on = roll(2) == 0;
	struct spool_op op = { .kind = OP_SUBSCRIBE, .subscribe = { account + 1, slice_cstr(model_names[name]), on } };
	struct spool_done done;
	int r = expect("subscribe", spool_do(sp, &op, &done, NULL), 0);

	if (r == 0)
		model.subscribed[account][name] = on;
	return r;
}

/* ---- rows ---- */

static void add_row(struct m_box *b, uint32_t body, uint32_t flags, uint32_t keywords)
{
	assert_true(b->rows_n < M_ROWS);
	b->rows[b->rows_n++] = (struct m_row){ b->uidnext++, flags, keywords, body, b->modseq };
}

static int deliver_step(void)
{
	struct m_msg *m = msg_any();
	uint32_t account, index = roll(M_RCPTS);
	struct m_box *b = box_any(&account);
	struct op_add add = { 0 };
	struct op_deliver_rcpt rc = { .index = index, .adds = &add, .adds_n = 1 };
	struct spool_op op = { .kind = OP_DELIVER };
	struct spool_done done;
	struct ix_rcpt known;
	bool dup = false;
	struct arena *a;
	int r;

	if (m == NULL || b == NULL || b->rows_n == M_ROWS)
		return 0;
	a = arena_new(65536);
	r = spool_rcpt_get(sp, m->id, index, a, &known);
	arena_free(&a);
	if (r != 0)
		return 0;               /* has not so many */
	add = (struct op_add){ .account = account + 1, .mailbox = b->id, .flags = roll(2) * FLAG_SEEN };
	op.deliver = (struct op_deliver){ .msgid = m->id, .rcpts = &rc, .rcpts_n = 1, .cached = SLICE_LIT("summary") };
	if ((r = expect("deliver", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	assert_int_equal(done.id, m->state[index] == RCPT_PENDING);
	if (m->state[index] != RCPT_PENDING)
		return 0;
	/* Once in a mailbox, even if it was expunged or moved since: told by the engine's own record of it. */
	dup = rc.adds_n == 0 || add.uid == 0;
	if (!dup) {
		b->modseq++;
		add_row(b, m->body, add.flags, 0);
		assert_int_equal(b->rows[b->rows_n - 1].uid, add.uid);
	} else {
		bool there = false;

		for (uint32_t i = 0; i < b->rows_n; i++)
			there |= b->rows[i].body == m->body;
		(void)there;
	}
	m->state[index] = RCPT_DONE;
	m->pending--;
	settle_msg(m);
	return 0;
}

static int append_step(void)
{
	uint32_t account, k = roll(M_KEYWORDS);
	struct m_box *b = box_any(&account);
	struct op_keyword kw = { slice_cstr(model_keywords[k]) };
	struct spool_op op = { .kind = OP_APPEND };
	struct spool_done done;
	int r;

	if (b == NULL || b->rows_n == M_ROWS)
		return 0;
	op.append = (struct op_append){ .account = account + 1, .mailbox = b->id, .flags = roll(32), .keywords = &kw, .keywords_n = 1,
		.body = body_next() };
	if ((r = expect("append", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	b->modseq++;
	add_row(b, model.bodies++, op.append.flags, 1u << k);
	return 0;
}

static struct op_range range_any(const struct m_box *b)
{
	uint32_t first = 1 + roll(b->uidnext), last = first + roll(4);

	return (struct op_range){ first, last };
}

static int store_step(void)
{
	uint32_t account, k = roll(M_KEYWORDS), flags = roll(32);
	struct m_box *b = box_any(&account);
	struct op_keyword kw = { slice_cstr(model_keywords[k]) };
	struct spool_op op = { .kind = OP_STORE };
	struct op_range range;
	struct spool_done done;
	uint8_t how = (uint8_t)roll(3);
	uint64_t since;
	bool changed = false;
	int r;

	if (b == NULL)
		return 0;
	range = range_any(b);
	since = roll(3) == 0 ? 1 + roll((uint32_t)b->modseq) : 0;
	op.store = (struct op_store){ .mailbox = b->id, .modseq = since, .how = how, .flags = flags, .keywords = &kw, .keywords_n = 1,
		.uids = &range, .uids_n = 1 };
	struct op_range asked = range;
	if ((r = expect("store", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	for (uint32_t i = 0; i < b->rows_n; i++) {
		struct m_row *row = &b->rows[i], before = *row;

		if (row->uid < asked.first || row->uid > asked.last || (since != 0 && row->modseq > since))
			continue;
		row->flags = how == STORE_SET ? flags : how == STORE_ADD ? row->flags | flags : row->flags & ~flags;
		row->keywords = how == STORE_SET ? 1u << k : how == STORE_ADD ? row->keywords | 1u << k : row->keywords & ~(1u << k);
		if (row->flags == before.flags && row->keywords == before.keywords)
			continue;
		row->modseq = b->modseq + 1;
		changed = true;
	}
	b->modseq += changed;
	return 0;
}

static uint32_t remove_rows(struct m_box *b, struct op_range range, bool only_deleted, struct m_row *out)
{
	uint32_t kept = 0, gone = 0;

	for (uint32_t i = 0; i < b->rows_n; i++) {
		struct m_row row = b->rows[i];
		bool in = row.uid >= range.first && row.uid <= range.last && (!only_deleted || (row.flags & FLAG_DELETED) != 0);

		if (!in)
			b->rows[kept++] = row;
		else if (out != NULL)
			out[gone++] = row;
		else
			gone++;
	}
	b->rows_n = kept;
	return gone;
}

static int expunge_step(void)
{
	uint32_t account;
	struct m_box *b = box_any(&account);
	bool only_deleted = roll(2) == 0;
	struct spool_op op = { .kind = OP_EXPUNGE };
	struct op_range range, asked;
	struct spool_done done;
	int r;

	if (b == NULL)
		return 0;
	asked = range = range_any(b);
	op.expunge = (struct op_expunge){ b->id, only_deleted, &range, 1 };
	if ((r = expect("expunge", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	if (remove_rows(b, asked, only_deleted, NULL) != 0)
		b->modseq++;
	return 0;
}

static int copy_step(void)
{
	uint32_t account, n = 0;
	struct m_box *from = box_any(&account), *to, source;
	struct m_row rows[M_ROWS];
	struct spool_op op = { .kind = OP_COPY };
	struct op_range range, asked;
	struct spool_done done;
	bool move = roll(2) == 0;
	int r;

	if (from == NULL)
		return 0;
	to = &model.box[account][roll(M_NAMES)];
	if (!to->exists)
		return 0;
	asked = range = range_any(from);
	source = *from;
	n = remove_rows(&source, asked, false, rows);
	if (to->rows_n + n > M_ROWS)
		return 0;
	op.copy = (struct op_copy){ .from = from->id, .to = to->id, .move = move, .uids = &range, .uids_n = 1 };
	if ((r = expect("copy", spool_do(sp, &op, &done, NULL), 0)) != 0)
		return r;
	if (n == 0)
		return 0;
	to->modseq++;
	for (uint32_t i = 0; i < n; i++)
		add_row(to, rows[i].body, rows[i].flags, rows[i].keywords);
	if (move) {
		from->modseq++;
		(void)remove_rows(from, asked.last >= from->uidnext - n && from == to ?
		    (struct op_range){ asked.first, from->uidnext - n - 1 } : asked, false, NULL);
	}
	return 0;
}

static int recent_step(void)
{
	uint32_t account;
	struct m_box *b = box_any(&account);
	struct spool_op op = { .kind = OP_RECENT };
	struct spool_done done;
	int r;

	if (b == NULL)
		return 0;
	op.recent = (struct op_recent){ b->id, b->uidnext };
	if ((r = expect("recent", spool_do(sp, &op, &done, NULL), 0)) == 0)
		b->first_recent = b->uidnext;
	return r;
}

int model_step(void)
{
	static int (*const steps[])(void) = {
		accept_step, accept_step, accept_step, outcome_step, outcome_step, deliver_step, deliver_step, deliver_step,
		append_step, append_step, store_step, store_step, store_step, expunge_step, expunge_step, copy_step, copy_step,
		create_step, create_step, delete_step, rename_step, subscribe_step, hold_step, recent_step,
	};

	return steps[roll(ARRAY_LEN(steps))]();
}
