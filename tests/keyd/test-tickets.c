/* Ticket keys: how many there are, and that what is told is what is kept. */
#include "tests/lib/unit.h"

#include "keyd/tickets.h"

static void rotation(void **state)
{
	struct tickets t = { .n = 0 };
	struct ticket_key before[TICKET_KEYS];
	struct key_ticket list[TICKET_KEYS];
	struct key_tickets m;

	(void)state;
	for (unsigned i = 1; i < 10; i++) {
		unsigned want = i < TICKET_KEYS ? i : TICKET_KEYS;

		memcpy(before, t.keys, sizeof(before));
		tickets_rotate(&t);
		assert_row(i, t.n == want);
		assert_row(i, memcmp(&t.keys[1], &before[0], sizeof(before[0]) * (TICKET_KEYS - 1)) == 0);
		for (unsigned k = 1; k < t.n; k++)
			assert_memory_not_equal(t.keys[0].aes, t.keys[k].aes, 32);
		tickets_message(&t, list, &m);
		assert_row(i, m.keys_n == want && m.keys[0].name.len == 16 && m.keys[0].aes.len == 32 && m.keys[0].mac.len == 32);
		assert_memory_equal(m.keys[want - 1].mac.p, t.keys[want - 1].mac, 32);
	}
}

/* The secrets of the message are secrets to whoever prints it. */
static void printed(void **state)
{
	struct tickets t = { .n = 0 };
	struct key_ticket list[TICKET_KEYS];
	struct buf b = BUF_INIT(10000);
	struct key_tickets m;

	(void)state;
	tickets_rotate(&t);
	tickets_message(&t, list, &m);
	key_tickets_print(&b, &m);
	assert_slice(0, buf_slice(&b), " keys=[{ name=[16 bytes] aes=[secret] mac=[secret] }]");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rotation), cmocka_unit_test(printed) };

	return cmocka_run_group_tests_name("tickets", tests, NULL, NULL);
}
