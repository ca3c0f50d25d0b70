/* Sessions over the protocol: names, selection, changes told to others and to oneself, expunged mail. */
#include "tests/spool/peers.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ipc/roles.h"

static struct client a, b, pop;
static uint32_t sa, sb, sp_;

static int setup(void **state)
{
	int r = service_setup(state);

	client_open(&a, ROLE_IMAPD);
	client_open(&b, ROLE_IMAPD);
	client_open(&pop, ROLE_POP3D);
	sa = ask_open(&a, 5);
	sb = ask_open(&b, 5);
	sp_ = ask_open(&pop, 5);
	return r;
}

static int teardown(void **state)
{
	client_close(&a);
	client_close(&b);
	client_close(&pop);
	return service_teardown(state);
}

static int mailbox_do(struct client *c, uint32_t session, uint8_t verb, const char *name, const char *to)
{
	struct spool_mailbox_do in = { .session = session, .verb = verb, .name = slice_cstr(name), .to = slice_cstr(to) };

	assert_true(ASK(c, spool_mailbox_do, &in));
	return client_failed(c);
}

static const char *list(const char *pattern, bool counts)
{
	static char text[4096];
	struct spool_mailbox_list in = { .session = sa, .pattern = slice_cstr(pattern), .counts = counts };
	struct spool_mailboxes out;
	size_t n = 0;

	assert_true(ASK(&a, spool_mailbox_list, &in));
	GOT(&a, spool_mailboxes, &out);
	text[0] = '\0';
	for (uint32_t i = 0; i < out.mailboxes_n; i++) {
		const struct spool_mailbox *m = &out.mailboxes[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s%s%s", SLICE_ARG(m->name), (m->flags & MBOX_EXISTS) != 0 ? "" : "-",
		    (m->flags & MBOX_SUBSCRIBED) != 0 ? "+" : "");
		if (counts)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "=%u,%u,%u", m->messages, m->unseen, m->recent);
		n += (size_t)snprintf(text + n, sizeof(text) - n, " ");
	}
	return text;
}

static uint64_t select_box(struct client *c, uint32_t session, const char *name, struct spool_snapshot *out)
{
	struct spool_select in = { .session = session, .name = slice_cstr(name), .watch = 1 };
	struct spool_snapshot mine;

	assert_true(ASK(c, spool_select, &in));
	if (client_failed(c) != 0)
		return 0;
	GOT(c, spool_snapshot, &mine);
	if (out != NULL)
		*out = mine;
	return mine.mailbox;
}

static uint32_t append(struct client *c, uint32_t session, const char *box, const char *body)
{
	struct spool_append in = { .session = session, .name = slice_cstr(box), .internaldate = 77,
		.body = { .size = strlen(body), .bytes = slice_cstr(body) }, .cached = SLICE_LIT("sum") };
	struct spool_appended out;

	assert_true(ASK(c, spool_append, &in));
	if (client_failed(c) != 0)
		return 0;
	GOT(c, spool_appended, &out);
	return out.uid;
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(list("", false), "Archive+ Drafts+ INBOX+ Junk+ Sent+ Trash+ ");
	assert_string_equal(list("inb*", false), "INBOX+ ");
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_CREATE, "p/q/r", ""), 0);
	assert_int_equal(mailbox_do(&b, sb, MAILBOX_CREATE, "p/q/r", ""), ERR_EXISTS);
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_DELETE, "p", ""), 0);
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_DELETE, "p/q", ""), 0);
	assert_string_equal(list("p%", false), "p- ");
	assert_string_equal(list("p*", false), "p- p/q- p/q/r ");
	assert_string_equal(list("p/%/r", false), "p/q/r ");
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_CREATE, "p/z", ""), 0);
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_DELETE, "p", ""), 0);
	assert_string_equal(list("p*", false), "p- p/q- p/q/r p/z ");
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_DELETE, "p/z", ""), 0);
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_SUBSCRIBE, "p/q", ""), 0);
	assert_string_equal(list("p*", false), "p- p/q-+ p/q/r ");
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_RENAME, "p/q/r", "t"), 0);
	assert_string_equal(list("t", false), "t ");
	assert_string_equal(list("p*", false), "p/q-+ ");
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_CREATE, "", ""), ERR_SYNTAX);
	assert_int_equal(mailbox_do(&a, sa, 77, "x", ""), ERR_SYNTAX);
	assert_int_equal(mailbox_do(&a, sa + 100, MAILBOX_CREATE, "x", ""), ERR_STATE);
	assert_int_equal(mailbox_do(&a, sb, MAILBOX_CREATE, "x", ""), ERR_STATE);       /* of another channel */
	assert_int_equal(append(&a, sa, "Inbox", "m"), 1);
	assert_string_equal(list("INBOX", true), "INBOX+=1,1,1 ");
	assert_int_equal(append(&a, sa, "none", "m"), 0);
	assert_int_equal(client_failed(&a), ERR_NOTFOUND);
}

static int store(struct client *c, uint32_t session, uint64_t box, uint32_t flags, const char *keyword, uint32_t first, uint32_t last)
{
	struct spool_range r = { first, last };
	struct spool_keyword k = { slice_cstr(keyword) };
	struct spool_store in = { .session = session, .mailbox = box, .op = STORE_ADD, .flags = flags, .uids = &r, .uids_n = 1,
		.keywords = &k, .keywords_n = keyword[0] != '\0' };

	assert_true(ASK(c, spool_store, &in));
	return client_failed(c);
}

static void told(void **state)
{
	uint64_t box;

	(void)state;
	assert_int_equal(append(&a, sa, "INBOX", "one"), 1);
	box = select_box(&a, sa, "INBOX", NULL);
	assert_true(select_box(&b, sb, "inbox", NULL) == box);
	assert_int_equal(append(&a, sa, "INBOX", "two"), 2);
	assert_string_equal(client_events(&a), "change self rows=2/0, vanished=;");
	assert_string_equal(client_events(&b), "change rows=2/0, vanished=;");
	assert_int_equal(store(&b, sb, box, FLAG_SEEN, "$Junk", 1, 2), 0);
	assert_string_equal(client_events(&b), "change self rows=1/1,2/1, vanished= $Junk;");
	assert_string_equal(client_events(&a), "change rows=1/1,2/1, vanished= $Junk;");
	assert_int_equal(store(&b, sb, box, FLAG_SEEN, "$Junk", 1, 2), 0);      /* nothing new: nothing told */
	assert_string_equal(client_events(&a), "");
	assert_int_equal(store(&pop, sp_, box, FLAG_SEEN, "", 1, 2), ERR_STATE);        /* has not selected it */
	assert_int_equal(store(&b, sb, box + 1, FLAG_SEEN, "", 1, 2), ERR_STATE);
	/* The mailbox goes away under them. */
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_CREATE, "x", ""), 0);
	box = select_box(&b, sb, "x", NULL);
	assert_int_equal(append(&a, sa, "x", "three"), 1);
	(void)client_events(&b);
	assert_int_equal(mailbox_do(&a, sa, MAILBOX_DELETE, "x", ""), 0);
	assert_string_equal(client_events(&b), "change gone rows= vanished=;");
	assert_int_equal(store(&b, sb, box, FLAG_SEEN, "", 1, 1), ERR_NOTFOUND);
	/* Who has let go hears nothing. */
	TELL(&b, spool_unselect, &(struct spool_unselect){ sb });
	TELL(&a, spool_close, &(struct spool_close){ sa });
	settle();
	sa = ask_open(&a, 5);
	assert_int_equal(append(&a, sa, "INBOX", "four"), 3);
	assert_string_equal(client_events(&b), "");
	assert_string_equal(client_events(&a), "");
}

static int body_get(struct client *c, uint32_t session, uint64_t box, uint32_t uid, uint64_t bodyid, uint64_t off, uint32_t len, const char *want)
{
	struct spool_body_get in = { session, box, uid, bodyid, off, len };
	struct spool_body_got out;
	int r;

	assert_true(ASK(c, spool_body_get, &in));
	if ((r = client_failed(c)) != 0)
		return r;
	GOT(c, spool_body_got, &out);
	assert_slice(uid, out.bytes, want);
	return 0;
}

static uint64_t bodyid_of(const struct spool_snapshot *s, uint32_t i)
{
	return get_le64(s->rows.p + i * SPOOL_ROW_SIZE + 40);
}

/* Expunged mail can be read by those who had the mailbox selected, and by nobody else. */
static void expunged(void **state)
{
	struct spool_range r = { 1, 1 };
	struct spool_expunge in = { .session = sb, .uids = &r, .uids_n = 1 };
	struct spool_snapshot s;
	uint64_t box, id;

	(void)state;
	assert_int_equal(append(&a, sa, "INBOX", "precious"), 1);
	box = select_box(&a, sa, "INBOX", NULL);
	in.mailbox = select_box(&b, sb, "INBOX", &s);
	id = bodyid_of(&s, 0);
	assert_int_equal(body_get(&a, sa, box, 1, 0, 0, 0, "precious"), 0);
	assert_int_equal(body_get(&a, sa, box, 1, id, 3, 2, "ci"), 0);
	assert_int_equal(body_get(&a, sa, box, 1, id, 8, 2, ""), 0);
	assert_int_equal(body_get(&a, sa, box, 1, id, 9, 2, ""), ERR_LIMIT);
	assert_int_equal(body_get(&a, sa, box, 1, id + 1, 0, 0, ""), ERR_NOTFOUND);
	assert_true(ASK(&b, spool_expunge, &in));
	assert_int_equal(client_failed(&b), 0);
	assert_string_equal(client_events(&a), "change rows= vanished=1:1,;");
	for (int i = 0; i < 300; i++)
		settle();               /* the reaper had its chances */
	assert_int_equal(body_get(&a, sa, box, 1, id, 0, 0, "precious"), 0);
	assert_int_equal(body_get(&a, sa, box, 2, id, 0, 0, ""), ERR_NOTFOUND);
	(void)select_box(&pop, sp_, "INBOX", NULL);
	assert_int_equal(body_get(&pop, sp_, box, 1, id, 0, 0, ""), ERR_NOTFOUND);      /* came later */
	TELL(&a, spool_unselect, &(struct spool_unselect){ sa });
	assert_int_equal(body_get(&b, sb, box, 1, id, 0, 0, "precious"), 0);
	assert_int_equal(body_get(&a, sa, box, 1, id, 0, 0, ""), ERR_STATE);
	TELL(&b, spool_unselect, &(struct spool_unselect){ sb });
	for (int i = 0; i < 1000 && spool_counters(service_spool(svc))->bodies != 0; i++)
		settle();
	assert_int_equal(spool_counters(service_spool(svc))->bodies, 0);
}

static void copies(void **state)
{
	struct spool_range r = { 1, 5 };
	struct spool_copy in = { .session = sa, .to = SLICE_LIT("Trash"), .move = 1, .uids = &r, .uids_n = 1 };
	struct spool_copied out;

	(void)state;
	assert_int_equal(append(&a, sa, "INBOX", "one"), 1);
	assert_int_equal(append(&a, sa, "INBOX", "two"), 2);
	in.mailbox = select_box(&a, sa, "INBOX", NULL);
	(void)select_box(&b, sb, "Trash", NULL);
	assert_true(ASK(&a, spool_copy, &in));
	GOT(&a, spool_copied, &out);
	assert_int_equal(out.code, 0);
	assert_int_equal(out.uids_n, 1);
	assert_int_equal(out.uids[0].last, 2);
	assert_int_equal(out.to_n, 1);
	assert_int_equal(out.to[0].first, 1);
	assert_int_equal(out.to[0].last, 2);
	assert_string_equal(client_events(&a), "change self rows= vanished=1:2,;");
	assert_string_equal(client_events(&b), "change rows=1/0,2/0, vanished=;");
	in.to = SLICE_LIT("nowhere");
	assert_true(ASK(&a, spool_copy, &in));
	assert_int_equal(client_failed(&a), ERR_NOTFOUND);
}

static struct spool_snapshot counts(struct client *c, uint32_t session, const char *name)
{
	struct spool_select in = { .session = session, .name = slice_cstr(name), .watch = 1, .claim_recent = 1, .counts = 1 };
	struct spool_snapshot out;

	assert_true(ASK(c, spool_select, &in));
	GOT(c, spool_snapshot, &out);
	assert_true(out.rows.len == 0 && c->fd < 0);
	return out;
}

static int unseen(struct client *c, uint32_t session, uint64_t mailbox, uint32_t uid)
{
	struct spool_range r = { uid, uid };
	struct spool_store in = { .session = session, .mailbox = mailbox, .op = STORE_REMOVE, .flags = FLAG_SEEN, .uids = &r, .uids_n = 1 };

	assert_true(ASK(c, spool_store, &in));
	return client_failed(c);
}

/* SELECT without rows, the rows afterwards; summaries with bodies. */
static void counted(void **state)
{
	struct spool_range r = { 1, 5 };
	struct spool_view view = { .session = sa };
	struct spool_cached cached = { .session = sa, .uids = &r, .uids_n = 1, .bodies = 3, .front = 2 };
	struct spool_cached_reply cr;
	struct spool_snapshot s;

	(void)state;
	s = counts(&a, sa, "INBOX");
	assert_true(s.count == 0 && s.recent == 0 && s.first_unseen == 0);
	assert_int_equal(append(&b, sb, "INBOX", "one"), 1);
	assert_int_equal(append(&b, sb, "INBOX", "three"), 2);
	s = counts(&a, sa, "INBOX");
	assert_true(s.count == 2 && s.recent == 2 && s.first_unseen == 1 && s.first_recent == 1 && s.uidnext == 3);
	assert_int_equal(store(&a, sa, s.mailbox, FLAG_SEEN, "", 1, 1), 0);
	assert_int_equal(append(&b, sb, "INBOX", "x"), 3);
	s = counts(&a, sa, "INBOX");
	assert_true(s.count == 3 && s.recent == 1 && s.first_unseen == 2 && s.first_recent == 3);
	view.mailbox = cached.mailbox = s.mailbox;
	assert_true(ASK(&a, spool_view, &view));
	GOT(&a, spool_snapshot, &s);
	assert_true(s.count == 3 && s.rows.len == 3 * SPOOL_ROW_SIZE && get_le32(s.rows.p + 4) == FLAG_SEEN);
	assert_true(ASK(&a, spool_cached, &cached));
	GOT(&a, spool_cached_reply, &cr);
	assert_int_equal(cr.items_n, 3);
	assert_slice(0, cr.items[0].body, "one");
	assert_slice(1, cr.items[1].body, "th");
	assert_slice(2, cr.items[2].body, "x");
	assert_slice(2, cr.items[2].cached, "sum");
	cached.bare = 1;
	assert_true(ASK(&a, spool_cached, &cached));
	GOT(&a, spool_cached_reply, &cr);
	assert_int_equal(cr.items_n, 3);
	assert_slice(0, cr.items[0].body, "one");
	assert_slice(0, cr.items[0].cached, "");
	/* of the mailbox that is selected alone */
	view.mailbox++;
	assert_true(ASK(&a, spool_view, &view));
	assert_int_equal(client_failed(&a), ERR_STATE);
	view.session = sb;
	view.mailbox--;
	assert_true(ASK(&b, spool_view, &view));
	assert_int_equal(client_failed(&b), ERR_STATE);
}

/* A large mailbox: the rows come in a sealed memfd, changes in several events. */
static void large(void **state)
{
	enum { ROWS = 25000 };
	struct spool_range r = { 1, UINT32_MAX };
	struct spool_copy copy = { .session = sa, .to = SLICE_LIT("INBOX"), .uids = &r, .uids_n = 1 };
	struct spool_cached cached = { .session = sa, .uids = &r, .uids_n = 1 };
	struct spool_cached_reply cr;
	struct spool_snapshot s;
	struct spool_copied out;
	struct stat st;
	uint32_t n = 1;
	uint8_t *map;

	(void)state;
	assert_int_equal(append(&a, sa, "INBOX", "one"), 1);
	while (n < ROWS) {
		copy.mailbox = select_box(&a, sa, "INBOX", NULL);
		r.last = ROWS - n;
		assert_true(ASK(&a, spool_copy, &copy));
		GOT(&a, spool_copied, &out);
		n += n < ROWS - n ? n : ROWS - n;
		(void)client_events(&a);
	}
	assert_true(select_box(&a, sa, "INBOX", &s) != 0);
	assert_int_equal(s.count, ROWS);
	assert_int_equal(s.rows.len, 0);
	assert_true(a.fd >= 0);
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(st.st_size, ROWS * SPOOL_ROW_SIZE);
	assert_true(ftruncate(a.fd, 0) != 0);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, a.fd, 0);
	assert_true(map != MAP_FAILED);
	for (uint32_t i = 0; i < ROWS; i++)
		assert_int_equal(get_le32(map + i * SPOOL_ROW_SIZE), i + 1);
	(void)munmap(map, (size_t)st.st_size);
	a.event_rows = 0;
	r.last = UINT32_MAX;
	assert_int_equal(store(&a, sa, s.mailbox, FLAG_SEEN, "", 1, UINT32_MAX), 0);
	assert_int_equal(a.event_rows, ROWS);           /* all of them before the answer */
	cached.mailbox = s.mailbox;
	assert_true(ASK(&a, spool_cached, &cached));
	GOT(&a, spool_cached_reply, &cr);
	assert_true(cr.items_n == ROWS && cr.more == 0);
	/* the first without \Seen is told when it is near an end */
	assert_int_equal(counts(&a, sa, "INBOX").first_unseen, 0);
	assert_int_equal(append(&a, sa, "INBOX", "new"), ROWS + 1);
	assert_int_equal(counts(&a, sa, "INBOX").first_unseen, ROWS + 1);
	assert_int_equal(unseen(&a, sa, s.mailbox, ROWS / 2), 0);
	assert_int_equal(counts(&a, sa, "INBOX").first_unseen, 0);
	assert_int_equal(unseen(&a, sa, s.mailbox, 700), 0);
	assert_int_equal(counts(&a, sa, "INBOX").first_unseen, 700);
	assert_int_equal(unseen(&a, sa, s.mailbox, 7), 0);
	s = counts(&a, sa, "INBOX");
	assert_true(s.first_unseen == 7 && s.count == ROWS + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = { T(names), T(told), T(expunged), T(copies), T(counted), T(large) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
