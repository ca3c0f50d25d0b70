#include "tests/lib/unit.h"

#include "master/kinds.h"
#include "master/plumb.h"

static unsigned counts[ROLE_COUNT];

static unsigned links_of(enum role role, struct plumb_link *l)
{
	return plumb_links(role, counts, l, 1000);
}

static void set_counts(void)
{
	for (unsigned i = 0; i < kinds_n; i++)
		counts[kinds[i].role] = 1;
	counts[ROLE_SMTPD] = 3;
	counts[ROLE_DELIVER_LOCAL] = 2;
	counts[ROLE_IMAPD] = 0;
}

/* Each link is seen from both of its ends, once as server and once as client. */
static void symmetry(void **state)
{
	static struct plumb_link l[1000], back[1000];
	unsigned total = 0;

	(void)state;
	set_counts();
	for (unsigned r = 0; r < ROLE_COUNT; r++) {
		unsigned n = links_of((enum role)r, l);

		total += n * counts[r];
		for (unsigned i = 0; i < n; i++) {
			unsigned m = links_of(l[i].peer, back), found = 0;

			for (unsigned k = 0; k < m; k++)
				found += back[k].peer == (enum role)r && back[k].instance == 0 &&
				    back[k].serves != l[i].serves && strcmp(back[k].proto, l[i].proto) == 0;
			assert_row(i, found == (counts[r] != 0));
		}
	}
	/* smtpd 3*3, qmgr 2, deliver-local 2*3, deliver-remote 3, pop3d 3; each from two ends */
	assert_int_equal(total, 2 * (9 + 2 + 6 + 3 + 3));
}

static void rows(void **state)
{
	static const struct { enum role role; unsigned n; } t[] = {
		{ ROLE_SMTPD, 3 }, { ROLE_DELIVER_LOCAL, 3 }, { ROLE_DELIVER_REMOTE, 3 }, { ROLE_POP3D, 3 }, { ROLE_KEYD, 3 + 1 },
		{ ROLE_DNSD, 1 }, { ROLE_QMGR, 5 }, { ROLE_SPOOLD, 3 + 1 + 2 + 1 + 1 }, { ROLE_ACCOUNTD, 3 + 1 + 2 + 1 },
		{ ROLE_MASTER, 0 }, { ROLE_NONE, 0 }, { ROLE_CONTROL, 0 },
	};
	struct plumb_link l[1000];

	(void)state;
	set_counts();
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_row(i, links_of(t[i].role, l) == t[i].n);
	/* edges are never linked with each other, and never serve */
	for (unsigned i = 0; i < links_of(ROLE_SMTPD, l); i++)
		assert_row(i, !l[i].serves && (l[i].peer == ROLE_SPOOLD || l[i].peer == ROLE_ACCOUNTD || l[i].peer == ROLE_KEYD));
	/* no more than asked for is written */
	memset(l, 0, sizeof(l));
	assert_int_equal(plumb_links(ROLE_SPOOLD, counts, l, 2), 8);
	assert_null(l[2].proto);
}

/* Files belong to these numbers: they may never change. */
static void uids(void **state)
{
	static const struct { enum role role; unsigned n; } t[] = {
		{ ROLE_SPOOLD, 1 }, { ROLE_ACCOUNTD, 2 }, { ROLE_DNSD, 3 }, { ROLE_QMGR, 4 }, { ROLE_DELIVER_LOCAL, 5 },
		{ ROLE_DELIVER_REMOTE, 6 }, { ROLE_SMTPD, 7 }, { ROLE_POP3D, 8 }, { ROLE_IMAPD, 9 },
		{ ROLE_KEYD, 10 },
	};
	struct buf e = BUF_INIT(4096);
	struct idents ids = { .root = false };
	struct conf *c;

	(void)state;
	assert_int_equal(kinds_n, ARRAY_LEN(t));
	assert_int_equal(conf_parse(&c, "f", SLICE_LIT("uid_base = 61000\n"), &e), 0);
	assert_int_equal(idents_resolve(&ids, c, true, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, kind_of(t[i].role)->uid_n == t[i].n);
		assert_row(i, ids.uid[t[i].role] == 61000 + t[i].n && ids.gid[t[i].role] == 61000 + t[i].n);
	}
	conf_free(&c);
	assert_int_equal(conf_parse(&c, "f", SLICE_LIT("admin_group = no-such-group-here\n"), &e), 0);
	assert_int_equal(idents_resolve(&ids, c, false, &e), ERR_NOTFOUND);
	assert_slice(0, buf_slice(&e), "there is no group no-such-group-here, which admin_group names");
	conf_free(&c);
	buf_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(symmetry), cmocka_unit_test(rows), cmocka_unit_test(uids) };

	return cmocka_run_group_tests_name("plumb", tests, NULL, NULL);
}
