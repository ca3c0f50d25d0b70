/* Mailboxes and rows in the engine. */
#include "tests/spool/engine.h"

#include "common/base/clock.h"
#include "spool/mboxname.h"

static struct arena *a;

static int setup(void **state)
{
	a = arena_new(16 << 20);
	return engine_setup(state);
}

static int teardown(void **state)
{
	arena_free(&a);
	return engine_teardown(state);
}

static void names(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "", "INBOX" }, { "inbox", "INBOX" }, { "InBox/a", "INBOX/a" }, { "inboxes", "inboxes" }, { "a/inbox", "a/inbox" },
		{ "\xed\x95\x9c\xea\xb8\x80", "\xed\x95\x9c\xea\xb8\x80" },
		{ "/a", NULL }, { "a/", NULL }, { "a//b", NULL }, { "a*b", NULL }, { "a%b", NULL }, { "a\x01" "b", NULL }, { "a\x7f", NULL },
		{ "\xff", NULL }, { "\xc0\xaf", NULL }, { "\xed\xa0\x80", NULL }, { "\xf4\x90\x80\x80", NULL }, { "\xe1\x80", NULL },
		{ "\xc2\x85", NULL }, { "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3", NULL },
	};
	char longest[SPOOL_NAME_MAX + 2];
	struct mbox_name n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = mbox_name_make(slice_cstr(t[i].in), &n);

		assert_row(i, r == (t[i].want != NULL ? 0 : ERR_SYNTAX));
		if (r == 0)
			assert_slice(i, mbox_name_slice(&n), t[i].want);
	}
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(mbox_name_make(slice_of(longest, SPOOL_NAME_MAX), &n), 0);
	assert_int_equal(mbox_name_make(slice_of(longest, SPOOL_NAME_MAX + 1), &n), ERR_SYNTAX);
}

static void patterns(void **state)
{
	static const struct { const char *pattern, *name; bool want; } t[] = {
		{ "*", "a/b/c", true }, { "%", "a", true }, { "%", "a/b", false }, { "a/%", "a/b", true }, { "a/%", "a/b/c", false },
		{ "a*c", "a/b/c", true }, { "inbox", "INBOX", true }, { "Inb*", "INBOX/x", true }, { "inbox/X", "INBOX/x", false },
		{ "A", "a", false }, { "", "a", false }, { "%a%b", "xaybzb", true }, { "*/%x", "a/b/cx", true }, { "%/%", "a/b/c", false },
		{ "a", "ab", false }, { "ab", "a", false }, { "**", "", true }, { "%%", "", true }, { "*%*", "a/b", true },
		{ "a%*b", "a/x/b", true }, { "%b*", "a/b", false },
	};
	char many[200];
	struct slice name;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_row(i, mbox_name_match(slice_cstr(t[i].pattern), slice_cstr(t[i].name)) == t[i].want);
	/* No exponential time. */
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = i % 2 == 0 ? '*' : 'a';
	name = SLICE_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
	assert_false(mbox_name_match(slice_of(many, sizeof(many)), name));
}

static int name_text(void *ctx, struct slice name, const struct ix_name *n)
{
	buf_addf(ctx, "%.*s%s%s ", SLICE_ARG(name), n->mailbox != 0 ? "" : "-", n->subscribed ? "+" : "");
	return 0;
}

static const char *list(uint64_t account)
{
	static char text[4096];
	struct buf b = BUF_INIT(4095);

	assert_int_equal(spool_names(sp, account, name_text, &b), 0);
	memcpy(text, b.p != NULL ? (char *)b.p : "", buf_len(&b));
	text[buf_len(&b)] = '\0';
	buf_free(&b);
	return text;
}

static int rename_it(uint64_t account, const char *from, const char *to)
{
	struct spool_op op = { .kind = OP_MAILBOX_RENAME, .rename = { account, slice_cstr(from), slice_cstr(to) } };

	return do_op(&op, NULL);
}

static int delete_it(uint64_t account, const char *name)
{
	struct spool_op op = { .kind = OP_MAILBOX_DELETE, .delete_ = { .account = account, .name = slice_cstr(name) } };

	return do_op(&op, NULL);
}

static int subscribe_it(uint64_t account, const char *name, uint8_t on)
{
	struct spool_op op = { .kind = OP_SUBSCRIBE, .subscribe = { account, slice_cstr(name), on } };

	return do_op(&op, NULL);
}

static uint32_t append_to(uint64_t account, uint64_t box, const char *keyword, uint32_t flags)
{
	struct op_keyword k = { slice_cstr(keyword) };
	struct spool_op op = { .kind = OP_APPEND, .append = { .account = account, .mailbox = box, .flags = flags, .keywords = &k,
		.keywords_n = keyword[0] != '\0', .body = { .size = 5, .bytes = SLICE_LIT("body\n") }, .cached = SLICE_LIT("c") } };
	struct spool_done done;

	return do_op(&op, &done) == 0 ? done.uid : 0;
}

static int store_it(uint64_t box, uint8_t how, uint32_t flags, const char *keyword, uint32_t first, uint32_t last, uint64_t since, struct spool_done *done)
{
	struct op_keyword k = { slice_cstr(keyword) };
	struct op_range r = { first, last };
	struct spool_op op = { .kind = OP_STORE, .store = { .mailbox = box, .modseq = since, .how = how, .flags = flags, .keywords = &k,
		.keywords_n = keyword[0] != '\0', .uids = &r, .uids_n = 1 } };

	return do_op(&op, done);
}

static int expunge_it(uint64_t box, bool only_deleted, uint32_t first, uint32_t last)
{
	struct op_range r = { first, last };
	struct spool_op op = { .kind = OP_EXPUNGE, .expunge = { .mailbox = box, .modseq = only_deleted, .uids = &r, .uids_n = 1 } };

	return do_op(&op, NULL);
}

static int copy_it(uint64_t from, uint64_t to, bool move, uint32_t first, uint32_t last, struct spool_done *done)
{
	struct op_range r = { first, last };
	struct spool_op op = { .kind = OP_COPY, .copy = { .from = from, .to = to, .move = move, .uids = &r, .uids_n = 1 } };

	return do_op(&op, done);
}

static void lifecycle(void **state)
{
	struct ix_mailbox m;
	uint32_t validity;
	uint64_t id;

	(void)state;
	assert_int_equal(spool_account_init(sp, 5), 0);
	assert_int_equal(spool_commit(sp), 0);
	assert_string_equal(list(5), "Archive+ Drafts+ INBOX+ Junk+ Sent+ Trash+ ");
	m = mailbox_of(mailbox_id(5, "Sent"));
	assert_slice(0, m.special_use, "\\Sent");
	assert_int_equal(delete_it(5, "Sent"), 0);
	assert_int_equal(spool_account_init(sp, 5), 0);         /* once made, what is deleted stays deleted */
	assert_int_equal(spool_commit(sp), 0);
	assert_string_equal(list(5), "Archive+ Drafts+ INBOX+ Junk+ Sent-+ Trash+ ");
	assert_int_equal(do_create(5, "Inbox"), ERR_EXISTS);
	assert_int_equal(do_create(5, "a//b"), ERR_SYNTAX);
	assert_int_equal(delete_it(5, "inbox"), ERR_DENIED);
	assert_int_equal(delete_it(5, "none"), ERR_NOTFOUND);
	assert_int_equal(do_create(7, "a/b/c"), 0);
	assert_string_equal(list(7), "a a/b a/b/c ");
	id = mailbox_id(7, "a/b");
	validity = mailbox_of(id).uidvalidity;
	assert_int_equal(delete_it(7, "a/b"), 0);
	assert_string_equal(list(7), "a a/b/c ");
	assert_int_equal(do_create(7, "a/b"), 0);
	assert_true(mailbox_id(7, "a/b") != id);
	assert_true(mailbox_of(mailbox_id(7, "a/b")).uidvalidity > validity);
	assert_int_equal(subscribe_it(7, "gone", 1), 0);
	assert_int_equal(subscribe_it(7, "a", 1), 0);
	assert_string_equal(list(7), "a+ a/b a/b/c gone-+ ");
	assert_int_equal(subscribe_it(7, "gone", 0), 0);
	assert_int_equal(subscribe_it(7, "gone", 0), 0);
	engine_crash();
	engine_open();
	assert_string_equal(list(7), "a+ a/b a/b/c ");
}

static void renames(void **state)
{
	uint64_t id;

	(void)state;
	assert_int_equal(do_create(7, "a/b/c"), 0);
	assert_int_equal(do_create(7, "ab"), 0);
	id = mailbox_id(7, "a/b");
	assert_int_equal(rename_it(7, "a", "x/y"), 0);
	assert_string_equal(list(7), "ab x x/y x/y/b x/y/b/c ");
	assert_true(mailbox_id(7, "x/y/b") == id);
	assert_int_equal(rename_it(7, "x", "x/y/z"), ERR_STATE);
	assert_int_equal(rename_it(7, "none", "z"), ERR_NOTFOUND);
	assert_int_equal(rename_it(7, "x/y", "ab"), ERR_EXISTS);
	assert_int_equal(rename_it(7, "ab", "ab"), ERR_EXISTS);
	assert_int_equal(do_create(7, "q/b"), 0);
	assert_int_equal(delete_it(7, "q"), 0);
	assert_int_equal(rename_it(7, "x/y", "q"), ERR_EXISTS);                 /* q/b is there */
	/* INBOX: its messages move, it stays, and so does what is below it. */
	assert_int_equal(do_create(7, "INBOX/sub"), 0);
	assert_int_equal(append_to(7, mailbox_id(7, "INBOX"), "", 0), 1);
	assert_int_equal(append_to(7, mailbox_id(7, "INBOX"), "$k", FLAG_SEEN), 2);
	assert_int_equal(rename_it(7, "INBOX", "old"), 0);
	assert_string_equal(rows_text(mailbox_id(7, "INBOX")), "");
	assert_string_equal(rows_text(mailbox_id(7, "old")), "1 2Sk1");
	assert_int_equal(mailbox_of(mailbox_id(7, "INBOX")).uidnext, 3);
	assert_true(mailbox_id(7, "INBOX/sub") != 0);
	assert_int_equal(rename_it(7, "INBOX", "older"), 0);                    /* empty: made all the same */
	assert_true(mailbox_id(7, "older") != 0);
	engine_crash();
	engine_open();
	assert_string_equal(rows_text(mailbox_id(7, "old")), "1 2Sk1");
}

static void stores(void **state)
{
	struct spool_done done;
	struct ix_mailbox m;
	uint64_t box, modseq;

	(void)state;
	assert_int_equal(do_create(7, "INBOX"), 0);
	box = mailbox_id(7, "INBOX");
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(append_to(7, box, "", 0), i);
	assert_int_equal(mailbox_of(box).unseen, 5);
	assert_int_equal(store_it(box, STORE_ADD, FLAG_SEEN, "", 2, 4, 0, &done), 0);
	assert_string_equal(rows_text(box), "1 2S 3S 4S 5");
	modseq = done.modseq;
	/* The same again changes nothing, and the modseq stays. */
	assert_int_equal(store_it(box, STORE_ADD, FLAG_SEEN, "", 2, 4, 0, &done), 0);
	assert_int_equal(done.modseq, modseq);
	assert_int_equal(store_it(box, STORE_REMOVE, FLAG_SEEN, "", 3, 3, 0, &done), 0);
	assert_int_equal(store_it(box, STORE_SET, FLAG_FLAGGED | FLAG_RECENT, "$Junk", 5, 1, modseq, &done), 0);
	assert_string_equal(rows_text(box), "1Fk1 2Fk1 3 4Fk1 5Fk1");           /* 3 had changed since */
	assert_int_equal(done.ranges_n, 1);
	assert_int_equal(done.ranges[0].first, 3);
	assert_int_equal(store_it(box, STORE_REMOVE, 0, "$junk", 1, 1, 0, &done), 0);
	assert_int_equal(store_it(box, STORE_REMOVE, 0, "$never", 1, 5, 0, &done), 0);
	assert_string_equal(rows_text(box), "1F 2Fk1 3 4Fk1 5Fk1");
	assert_int_equal(store_it(box, STORE_ADD, 0, "with space", 1, 1, 0, &done), ERR_SYNTAX);
	assert_int_equal(store_it(box, 9, 0, "", 1, 1, 0, &done), ERR_SYNTAX);
	assert_int_equal(store_it(999, STORE_ADD, 0, "", 1, 1, 0, &done), ERR_NOTFOUND);
	m = mailbox_of(box);
	assert_int_equal(m.keywords_n, 1);
	assert_int_equal(m.messages, 5);
	assert_int_equal(m.unseen, 5);
	assert_int_equal(m.size, 25);
	for (int i = 1; i < KEYWORDS_MAX; i++) {
		char k[16];

		(void)snprintf(k, sizeof(k), "k%d", i);
		assert_int_equal(store_it(box, STORE_ADD, 0, k, 1, 1, 0, &done), 0);
	}
	assert_int_equal(store_it(box, STORE_ADD, 0, "one-too-many", 1, 1, 0, &done), ERR_LIMIT);
	assert_int_equal(append_to(7, box, "one-too-many", 0), 0);
}

static void expunges(void **state)
{
	uint64_t box;
	bool more;

	(void)state;
	assert_int_equal(do_create(7, "INBOX"), 0);
	box = mailbox_id(7, "INBOX");
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(append_to(7, box, "", i % 2 == 0 ? FLAG_DELETED : 0), i);
	assert_int_equal(mailbox_of(box).deleted, 2);
	assert_int_equal(expunge_it(box, true, 1, UINT32_MAX), 0);
	assert_string_equal(rows_text(box), "1 3 5");
	assert_int_equal(expunge_it(box, true, 1, UINT32_MAX), 0);
	assert_int_equal(expunge_it(box, false, 5, 5), 0);
	assert_string_equal(rows_text(box), "1 3");
	assert_int_equal(append_to(7, box, "", 0), 6);          /* a uid is never used again */
	assert_int_equal(spool_counters(sp)->dead, 3);
	assert_int_equal(spool_counters(sp)->bodies, 6);
	engine_crash();
	engine_open();
	assert_int_equal(spool_reap(sp, 2, &more), 0);
	assert_true(more);
	assert_int_equal(spool_reap(sp, 2, &more), 0);
	assert_int_equal(spool_counters(sp)->bodies, 3);
	assert_int_equal(spool_clean(sp, 0, test_now_us + 1000, 100, &more), 0);
	assert_true(mailbox_of(box).history_from > 0);
}

static void copies(void **state)
{
	struct spool_done done;
	uint64_t box, to;

	(void)state;
	assert_int_equal(do_create(7, "INBOX"), 0);
	assert_int_equal(do_create(7, "to"), 0);
	assert_int_equal(do_create(8, "foreign"), 0);
	box = mailbox_id(7, "INBOX");
	to = mailbox_id(7, "to");
	assert_int_equal(append_to(7, to, "$first", 0), 1);
	for (uint32_t i = 1; i <= 4; i++)
		assert_int_equal(append_to(7, box, i == 2 ? "$Junk" : "", i == 3 ? FLAG_SEEN : 0), i);
	assert_int_equal(copy_it(box, to, false, 2, 3, &done), 0);
	assert_int_equal(done.uid, 2);
	assert_int_equal(done.ranges_n, 1);
	assert_string_equal(rows_text(to), "1k1 2k2 3S");       /* the keyword has another bit there */
	assert_string_equal(rows_text(box), "1 2k1 3S 4");
	assert_int_equal(spool_counters(sp)->bodies, 5);        /* no body was copied */
	assert_int_equal(copy_it(box, to, true, 1, 2, &done), 0);
	assert_string_equal(rows_text(to), "1k1 2k2 3S 4 5k2");
	assert_string_equal(rows_text(box), "3S 4");
	assert_int_equal(copy_it(box, box, true, 3, 3, &done), 0);              /* into itself */
	assert_string_equal(rows_text(box), "4 5S");
	assert_int_equal(copy_it(box, box, false, 4, 4, &done), 0);
	assert_string_equal(rows_text(box), "4 5S 6");
	assert_int_equal(copy_it(box, to, false, 100, 200, &done), 0);
	assert_int_equal(done.ranges_n, 0);
	assert_int_equal(copy_it(box, mailbox_id(8, "foreign"), false, 4, 4, &done), ERR_DENIED);
	engine_crash();
	engine_open();
	assert_string_equal(rows_text(to), "1k1 2k2 3S 4 5k2");
	assert_int_equal(delete_it(7, "to"), 0);
	assert_int_equal(delete_it(8, "foreign"), 0);
	assert_int_equal(expunge_it(box, false, 1, UINT32_MAX), 0);
	assert_int_equal(spool_counters(sp)->rows, 5);          /* of the deleted mailbox */
	for (bool more = true; more;)
		assert_int_equal(spool_reap(sp, 2, &more), 0);
	assert_int_equal(spool_counters(sp)->bodies, 0);
	assert_int_equal(spool_counters(sp)->rows, 0);
}

static void account_gone(void **state)
{
	struct spool_op op = { .kind = OP_ACCOUNT_DELETE, .account = { 7 } };

	(void)state;
	assert_int_equal(spool_account_init(sp, 7), 0);
	assert_int_equal(spool_commit(sp), 0);
	assert_int_equal(do_create(8, "INBOX"), 0);
	assert_int_equal(append_to(7, mailbox_id(7, "INBOX"), "", 0), 1);
	assert_int_equal(append_to(8, mailbox_id(8, "INBOX"), "", 0), 1);
	assert_int_equal(do_op(&op, NULL), 0);
	assert_string_equal(list(7), "");
	assert_string_equal(list(8), "INBOX ");
	assert_int_equal(spool_counters(sp)->mailboxes, 1);
	assert_int_equal(do_op(&op, NULL), 0);
}

static void ranges(void **state)
{
	struct op_range r[] = { { 9, 7 }, { 1, 3 }, { 4, 4 }, { 2, 5 }, { 0, 0 }, { 20, UINT32_MAX }, { 30, 40 }, { 0, 1 } };

	(void)state;
	assert_int_equal(ranges_normalize(r, ARRAY_LEN(r)), 3);
	assert_true(r[0].first == 1 && r[0].last == 5 && r[1].first == 7 && r[1].last == 9 && r[2].first == 20 && r[2].last == UINT32_MAX);
	assert_int_equal(ranges_normalize(r, 0), 0);
}

/* What watchers are told. */
static void changes(void **state)
{
	struct change_list l = TAILQ_HEAD_INITIALIZER(l);
	struct op_range r = { 1, 2 };
	struct op_keyword k = { SLICE_LIT("$New") };
	struct spool_op op = { .kind = OP_STORE };
	struct spool_done done;
	uint64_t box;

	(void)state;
	assert_int_equal(do_create(7, "INBOX"), 0);
	box = mailbox_id(7, "INBOX");
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(append_to(7, box, "", 0), i);
	test_watch = true;
	op.store = (struct op_store){ .mailbox = box, .how = STORE_ADD, .keywords = &k, .keywords_n = 1, .uids = &r, .uids_n = 1 };
	assert_int_equal(spool_do(sp, &op, &done, &l), 0);
	assert_int_equal(spool_commit(sp), 0);
	assert_int_equal(buf_len(&TAILQ_FIRST(&l)->rows), 2 * SPOOL_ROW_SIZE);
	assert_true(TAILQ_FIRST(&l)->keywords);
	assert_int_equal(TAILQ_FIRST(&l)->modseq, done.modseq);
	change_list_free(&l);
	op = (struct spool_op){ .kind = OP_EXPUNGE, .expunge = { .mailbox = box, .uids = &r, .uids_n = 1 } };
	assert_int_equal(spool_do(sp, &op, &done, &l), 0);
	assert_int_equal(spool_commit(sp), 0);
	assert_int_equal(buf_len(&TAILQ_FIRST(&l)->gone), 2 * sizeof(struct gone));
	change_list_free(&l);
}

/* ---- summaries, many at once ---- */

enum { BODIES = 150, ASKED = 3 * BODIES };

struct asked {
	const uint64_t *ids;
	uint32_t n, stop;
	struct arena *mem;
};

static int asked_one(void *ctx, uint32_t i, struct slice sum)
{
	struct asked *q = ctx;
	struct slice want = { NULL, 0 };
	int r;

	assert_int_equal(i, q->n++);
	arena_reset(q->mem);
	r = spool_summary(sp, q->ids[i], q->mem, &want);
	assert_true(r == 0 || r == ERR_NOTFOUND);
	if (!slice_eq(sum, want))
		fail_msg("body %u: %zu bytes, want %zu", i, sum.len, want.len);
	return q->n == q->stop ? 7 : 0;
}

static void ask_all(const uint64_t *ids, uint32_t n, struct arena *mem)
{
	struct asked q = { .ids = ids, .mem = mem };

	assert_int_equal(spool_summaries(sp, ids, n, asked_one, &q), 0);
	assert_int_equal(q.n, n);
	q.n = 0;
	q.stop = n / 2 + 1;
	assert_int_equal(spool_summaries(sp, ids, n, asked_one, &q), 7);
	assert_int_equal(q.n, q.stop);
}

/* Near and far, missing, large, in any order, twice, in memory and on disk: each is what it is asked for alone. */
static void summaries(void **state)
{
	static const uint32_t sizes[] = { 900, 1, 2000, 0, 40000, 40, 50000 };
	static uint8_t text[50000];
	uint64_t ids[BODIES], ask[ASKED], box;
	struct arena *mem = arena_new(16 * 1024 * 1024);
	uint32_t seed = 1;

	(void)state;
	assert_non_null(mem);
	assert_int_equal(do_create(7, "INBOX"), 0);
	box = mailbox_id(7, "INBOX");
	for (uint32_t i = 0; i < BODIES; i++) {
		struct spool_op op = { .kind = OP_APPEND, .append = { .account = 7, .mailbox = box, .body = { .size = 1, .bytes = SLICE_LIT("x") },
			.cached = slice_of(text, sizes[i < 30 ? i % 7 : i % 4]) } };
		struct spool_done done;
		struct row row;

		text[0] = (uint8_t)i;
		assert_int_equal(do_op(&op, &done), 0);
		assert_int_equal(spool_row_get(sp, box, done.uid, &row), 0);
		ids[i] = row.bodyid;
	}
	for (unsigned round = 0; round < 2; round++) {
		ask_all(ids, BODIES, mem);
		ask_all(ids, 1, mem);
		ask_all(ids + BODIES - 3, 3, mem);
		for (uint32_t i = 0; i < BODIES; i++)
			ask[i] = ids[BODIES - 1 - i];
		ask_all(ask, BODIES, mem);
		for (uint32_t i = 0; i < BODIES / 70 + 4; i++)
			ask[i] = ids[i * 25];
		ask_all(ask, BODIES / 70 + 4, mem);
		for (uint32_t i = 0; i < ASKED; i++)
			ask[i] = i % 3 == 0 ? ids[i / 3] - 1 : i % 3 == 1 ? ids[i / 3] : ids[i / 3] + 1;
		ask_all(ask, ASKED, mem);
		for (uint32_t i = 0; i < ASKED; i++) {
			seed = seed * 1103515245 + 12345;
			ask[i] = ids[seed >> 16 & 127] + (seed >> 8 & 1);
		}
		ask_all(ask, ASKED, mem);
		engine_close();
		engine_open();
	}
	arena_free(&mem);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(patterns), cmocka_unit_test(ranges),
		T(lifecycle), T(renames), T(stores), T(expunges), T(copies), T(account_gone), T(changes), T(summaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
