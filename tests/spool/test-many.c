/* Requests on many messages at the service: others are answered between their pieces; what is cut short, fails, or meets changes. */
#include "tests/spool/peers.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ipc/roles.h"

enum { ROWS = 24 * SPOOL_PIECE };
static struct client a, b;
static uint32_t sa, sb;
static uint64_t inbox;

static uint64_t select_box(struct client *c, uint32_t session, const char *name)
{
	struct spool_select in = { .session = session, .name = slice_cstr(name), .watch = 1, .counts = 1 };
	struct spool_snapshot out;

	assert_true(ASK(c, spool_select, &in));
	GOT(c, spool_snapshot, &out);
	return out.mailbox;
}

static uint32_t append(struct client *c, uint32_t session, const char *box)
{
	struct spool_append in = { .session = session, .name = slice_cstr(box), .internaldate = 77,
		.body = { .size = 3, .bytes = SLICE_LIT("x\r\n") } };
	struct spool_appended out;

	assert_true(ASK(c, spool_append, &in));
	GOT(c, spool_appended, &out);
	return out.uid;
}

static void clients_open(void)
{
	client_open(&a, ROLE_IMAPD);
	client_open(&b, ROLE_IMAPD);
	sa = ask_open(&a, 5);
	sb = ask_open(&b, 5);
	inbox = select_box(&a, sa, "INBOX");
}

static struct spool_range all = { 1, UINT32_MAX };

static struct spool_copy copy_to(const char *name, bool move)
{
	return (struct spool_copy){ .session = sa, .mailbox = inbox, .to = slice_cstr(name), .move = move, .uids = &all, .uids_n = 1 };
}

/* ROWS messages in INBOX, which a has selected. */
static int setup(void **state)
{
	int r = service_setup(state);
	struct spool_copy copy;
	uint32_t n = 1;

	clients_open();
	assert_int_equal(append(&a, sa, "INBOX"), 1);
	copy = copy_to("INBOX", false);
	for (; n < ROWS; n += all.last) {
		all.last = n < ROWS - n ? n : ROWS - n;
		assert_true(ASK(&a, spool_copy, &copy));
		assert_int_equal(client_failed(&a), 0);
		(void)client_events(&a);
	}
	all.last = UINT32_MAX;
	return r;
}

static void clients_close(void)
{
	client_close(&a);
	client_close(&b);
}

static int teardown(void **state)
{
	clients_close();
	return service_teardown(state);
}

static uint32_t messages(const char *name)
{
	struct arena *arena = arena_new(1 << 20);
	struct ix_mailbox m;
	uint64_t id;
	uint32_t n;

	assert_int_equal(spool_mailbox_find(service_spool(svc), 5, slice_cstr(name), &id), 0);
	assert_int_equal(spool_mailbox_get(service_spool(svc), id, arena, &m), 0);
	n = m.messages;
	arena_free(&arena);
	return n;
}

/* The loop turns until the first piece is there. */
static void until_begun(const char *name, uint32_t before)
{
	while (messages(name) == before)
		assert_int_equal(loop_turn(loop, 10), 0);
	assert_false(a.answered);
}

static uint64_t sum(const struct spool_range *v, uint32_t n)
{
	uint64_t s = 0;

	for (uint32_t i = 0; i < n; i++)
		s += v[i].last - v[i].first + 1;
	return s;
}

/* Another session's request is answered, and its answer is there before that of the large one. */
static void others_first(void)
{
	struct spool_mailbox_list in = { .session = sb };

	assert_true(ASK(&b, spool_mailbox_list, &in));
	assert_int_equal(client_failed(&b), 0);
	assert_false(a.answered);
}

static void copied(void **state)
{
	struct spool_copy copy = copy_to("Trash", false);
	struct spool_copied out;

	(void)state;
	SEND(&a, spool_copy, &copy);
	others_first();
	until_begun("Trash", 0);
	(void)append(&b, sb, "Trash");
	assert_false(a.answered);
	assert_true(client_wait(&a));
	GOT(&a, spool_copied, &out);
	assert_int_equal(out.code, 0);
	assert_int_equal(out.uids_n, 1);
	assert_int_equal(out.uids[0].last, ROWS);
	assert_int_equal(out.to_n, 2);          /* around the one that came in */
	assert_int_equal(sum(out.to, out.to_n), ROWS);
	assert_int_equal(out.to[1].last, ROWS + 1);
	assert_int_equal(messages("Trash"), ROWS + 1);
}

static void moved(void **state)
{
	struct spool_copy copy = copy_to("Trash", true);
	struct spool_copied out;

	(void)state;
	SEND(&a, spool_copy, &copy);
	others_first();
	assert_true(client_wait(&a));
	GOT(&a, spool_copied, &out);
	assert_true(out.code == 0 && out.uids_n == 1 && out.to_n == 1 && out.to[0].first == 1 && out.to[0].last == ROWS);
	assert_int_equal(messages("INBOX"), 0);
	assert_int_equal(messages("Trash"), ROWS);
}

/* MOVE tells how far it got. */
static void move_fails(void **state)
{
	struct spool_mailbox_do del = { .session = sb, .verb = MAILBOX_DELETE, .name = SLICE_LIT("Trash") };
	struct spool_copy copy = copy_to("Trash", true);
	struct spool_copied out;

	(void)state;
	SEND(&a, spool_copy, &copy);
	until_begun("Trash", 0);
	assert_true(ASK(&b, spool_mailbox_do, &del));
	assert_int_equal(client_failed(&b), 0);
	assert_true(client_wait(&a));
	GOT(&a, spool_copied, &out);
	assert_int_equal((int)out.code, ERR_NOTFOUND);
	assert_true(out.uids_n == 1 && out.to_n == 1);
	assert_int_equal(out.uids[0].last, ROWS - messages("INBOX"));
}

static void expunged(void **state)
{
	struct spool_expunge in = { .session = sa, .mailbox = inbox, .uids = &all, .uids_n = 1 };

	(void)state;
	SEND(&a, spool_expunge, &in);
	others_first();
	until_begun("INBOX", ROWS);
	(void)append(&b, sb, "INBOX");          /* comes later: not meant */
	assert_false(a.answered);
	assert_true(client_wait(&a));
	assert_int_equal(client_failed(&a), 0);
	assert_int_equal(messages("INBOX"), 1);
}

static int pending(void *ctx, uint64_t to, uint32_t first)
{
	(void)to;
	(void)first;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned copies_pending(void)
{
	unsigned n = 0;

	assert_int_equal(spool_copying(service_spool(svc), pending, &n), 0);
	return n;
}

/* A COPY that a restart cuts short is undone; so is one whose target is deleted, or whose piece finds the disk full. */
static void undone(void **state)
{
	struct spool_mailbox_do del = { .session = sb, .verb = MAILBOX_DELETE, .name = SLICE_LIT("Trash") };
	struct spool_copy copy = copy_to("Trash", false);

	(void)state;
	SEND(&a, spool_copy, &copy);
	until_begun("Trash", 0);
	assert_int_equal(copies_pending(), 1);
	service_restart(true);
	assert_int_equal(copies_pending(), 1);
	clients_close();
	while (copies_pending() != 0)
		assert_int_equal(loop_turn(loop, 10), 0);
	assert_int_equal(messages("Trash"), 0);
	assert_int_equal(messages("INBOX"), ROWS);
	clients_open();
	SEND(&a, spool_copy, &copy);
	until_begun("Trash", 0);
	disk_fail(DISK_PWRITE, 1, ENOSPC, false);
	assert_true(client_wait(&a));
	assert_true(client_failed(&a) != 0);
	disk_heal();
	while (copies_pending() != 0)
		assert_int_equal(loop_turn(loop, 10), 0);
	assert_int_equal(messages("Trash"), 0);
	copy = copy_to("Trash", false);
	SEND(&a, spool_copy, &copy);
	until_begun("Trash", 0);
	assert_true(ASK(&b, spool_mailbox_do, &del));
	assert_int_equal(client_failed(&b), 0);
	assert_true(client_wait(&a));
	assert_int_equal(client_failed(&a), ERR_NOTFOUND);
	assert_int_equal(copies_pending(), 0);
}

/* What is lost with its first piece undoes nothing: the UIDs are another's now. */
static void first_piece_lost(void **state)
{
	struct spool_copy mine = copy_to("Trash", false), other = copy_to("Trash", false);
	uint32_t done = 0;

	(void)state;
	all.last = 2 * SPOOL_PIECE;
	other.session = sb;
	assert_true(select_box(&b, sb, "INBOX") == inbox);
	for (int apart = 0; apart < 6; apart++) {
		disk_fail(DISK_PWRITE, 1, ENOSPC, false);
		SEND(&a, spool_copy, &mine);
		for (int i = 0; i < apart; i++)
			assert_int_equal(loop_turn(loop, 0), 0);
		SEND(&b, spool_copy, &other);
		assert_true(client_wait(&a));
		assert_true(client_wait(&b));
		assert_true(disk_struck());
		disk_heal();
		done += (client_failed(&a) == 0 ? 1u : 0u) + (client_failed(&b) == 0 ? 1u : 0u);
		while (copies_pending() != 0)
			assert_int_equal(loop_turn(loop, 10), 0);
		assert_int_equal(messages("Trash"), done * all.last);
	}
	assert_true(done != 0);
	all.last = UINT32_MAX;
}

/* Two pieces in one batch, of which the second is refused: what became of the first one is told after the flush. */
static void refused_in_batch(void **state)
{
	uint32_t s2 = ask_open(&a, 5);
	struct spool_view view = { .session = s2, .mailbox = select_box(&a, s2, "INBOX") };
	struct spool_mailbox_do del = { .session = s2, .verb = MAILBOX_DELETE, .name = SLICE_LIT("Trash") };
	struct spool_copy copy = copy_to("Trash", true);

	(void)state;
	TELL(&a, spool_view, &view);
	for (int i = 0; i < 2; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
	disk_fail(DISK_PWRITE, 1, ENOSPC, false);
	TELL(&a, spool_unselect, &(struct spool_unselect){ s2 });
	SEND(&a, spool_copy, &copy);
	TELL(&a, spool_mailbox_do, &del);
	assert_true(client_wait(&a));
	assert_true(client_failed(&a) != 0);
	settle();
	assert_true(disk_struck());
	disk_heal();
	assert_int_equal(messages("Trash"), 0);
	assert_int_equal(messages("INBOX"), ROWS);
}

static void renamed(void **state)
{
	struct spool_mailbox_do in = { .session = sa, .verb = MAILBOX_RENAME, .name = SLICE_LIT("INBOX"), .to = SLICE_LIT("old") };
	uint64_t id;

	(void)state;
	SEND(&a, spool_mailbox_do, &in);
	others_first();
	assert_true(client_wait(&a));
	assert_int_equal(spool_mailbox_find(service_spool(svc), 5, SLICE_LIT("old"), &id), 0);
	assert_true(client_value(&a) == id);
	assert_int_equal(messages("INBOX"), 0);
	assert_int_equal(messages("old"), ROWS);
}

/* Rows of a mailbox that are read over several turns are those of the turn of the answer. */
static void viewed(void **state)
{
	struct spool_view view = { .session = sa, .mailbox = inbox };
	struct spool_range r = { 2, 4 };
	struct spool_store store = { .session = sb, .op = STORE_ADD, .flags = FLAG_FLAGGED, .uids = &r, .uids_n = 1 };
	struct spool_expunge expunge = { .session = sb, .uids = &r, .uids_n = 1 };
	struct spool_snapshot s;
	const uint8_t *map;

	(void)state;
	store.mailbox = expunge.mailbox = select_box(&b, sb, "INBOX");
	SEND(&a, spool_view, &view);
	assert_true(ASK(&b, spool_store, &store));
	assert_int_equal(client_failed(&b), 0);
	r = (struct spool_range){ 5, 7 };
	SEND(&b, spool_expunge, &expunge);
	assert_true(client_wait(&a));
	assert_true(client_wait(&b));
	GOT(&a, spool_snapshot, &s);
	assert_true(s.rows.len == 0 && a.fd >= 0);
	assert_true(s.count == ROWS || s.count == ROWS - 3);    /* as of the expunge or before it */
	map = mmap(NULL, s.count * SPOOL_ROW_SIZE, PROT_READ, MAP_SHARED, a.fd, 0);
	assert_true(map != MAP_FAILED);
	for (uint32_t i = 0; i < s.count; i++) {
		uint32_t uid = i < 4 || s.count == ROWS ? i + 1 : i + 4;

		assert_int_equal(get_le32(map + i * SPOOL_ROW_SIZE), uid);
		assert_int_equal(get_le32(map + i * SPOOL_ROW_SIZE + 4), uid >= 2 && uid <= 4 ? FLAG_FLAGGED : 0);
	}
	(void)munmap((void *)(uintptr_t)map, s.count * SPOOL_ROW_SIZE);
	assert_true(ftruncate(a.fd, 0) != 0);
	/* Who lets go of the mailbox gets none. */
	SEND(&a, spool_view, &view);
	TELL(&a, spool_unselect, &(struct spool_unselect){ sa });
	assert_true(client_wait(&a));
	assert_int_equal(client_failed(&a), ERR_STATE);
}

/* Who asked is gone: a COPY goes on, rows are not read for nobody. */
static void peer_gone(void **state)
{
	struct spool_view view = { .session = sa, .mailbox = inbox };
	struct spool_copy copy = copy_to("Trash", false);

	(void)state;
	SEND(&a, spool_copy, &copy);
	SEND(&a, spool_view, &view);
	until_begun("Trash", 0);
	client_close(&a);
	while (copies_pending() != 0)
		assert_int_equal(loop_turn(loop, 10), 0);
	assert_int_equal(messages("Trash"), ROWS);
	client_open(&a, ROLE_IMAPD);
}

/* Sessions that ask and go leave no more behind than that. */
static void left_behind(void **state)
{
	enum { MAX = 32 };
	struct spool_copy copy = copy_to("Trash", false);
	uint32_t sessions[MAX + 1];

	(void)state;
	for (unsigned i = 0; i <= MAX; i++) {
		sessions[i] = ask_open(&b, 5);
		(void)select_box(&b, sessions[i], "INBOX");
	}
	for (unsigned i = 0; i <= MAX; i++) {
		copy.session = sessions[i];
		SEND(&b, spool_copy, &copy);
		TELL(&b, spool_close, &(struct spool_close){ sessions[i] });
		while (i == MAX - 1 && messages("Trash") == 0)
			assert_int_equal(loop_turn(loop, 10), 0);
		assert_false(b.answered);
	}
	assert_true(client_wait(&b));
	assert_int_equal(client_failed(&b), ERR_LIMIT);
	/* Others are not touched by it. */
	assert_true(append(&a, sa, "INBOX") > ROWS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(copied), T(moved), T(move_fails), T(expunged), T(undone), T(first_piece_lost), T(refused_in_batch),
		T(renamed), T(viewed), T(peer_gone), T(left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
