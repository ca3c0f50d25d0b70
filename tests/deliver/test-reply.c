#include "tests/lib/unit.h"

#include "deliver/reply.h"

struct row {
	const char *in;
	size_t len;             /* 0: strlen */
	const char *want;       /* "CODE STATUS text|", one for each reply; "bad: why" */
};

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define THOUSAND HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED

static const struct row rows[] = {
	{ "220 mx.example ESMTP\r\n", 0, "220  mx.example ESMTP|" },
	{ "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n", 0, "250 2.1.0 2.1.0 Ok|250 2.1.5 2.1.5 Ok|" },
	{ "250\r\n", 0, "250  |" },
	{ "250 \r\n", 0, "250  |" },
	{ "250-a\r\n250-b\r\n250 c\r\n", 0, "250  a\nb\nc|" },
	{ "250-\r\n250\r\n", 0, "250  \n|" },
	{ "550-5.1.1 no\r\n550 5.1.1 such user\r\n", 0, "550 5.1.1 5.1.1 no\n5.1.1 such user|" },
	/* an enhanced code of another class, or no code at all, counts for nothing */
	{ "550 4.1.1 odd\r\n", 0, "550  4.1.1 odd|" },
	{ "550 5.1 odd\r\n", 0, "550  5.1 odd|" },
	{ "550 5.1.1x odd\r\n", 0, "550  5.1.1x odd|" },
	{ "550 5.1234.1 odd\r\n", 0, "550  5.1234.1 odd|" },
	{ "550 5.1.10\r\n", 0, "550 5.1.10 5.1.10|" },
	{ "250 half", 0, "" },
	{ "250-one\r\n", 0, "" },
	/* hostile */
	{ "250-a\r\n251 b\r\n", 0, "bad: the lines of a reply have different codes" },
	{ "hello\r\n", 0, "bad: not a reply code" },
	{ "\r\n", 0, "bad: not a reply code" },
	{ "25\r\n", 0, "bad: not a reply code" },
	{ "150 x\r\n", 0, "bad: not a reply code" },
	{ "650 x\r\n", 0, "bad: not a reply code" },
	{ "290 x\r\n", 0, "bad: not a reply code" },
	{ "250x\r\n", 0, "bad: not a reply code" },
	{ "2500 x\r\n", 0, "bad: not a reply code" },
	{ "250 x\n", 0, "bad: bare LF in a reply" },
	{ "250 x\ry\r\n", 0, "bad: bare CR in a reply" },
	{ "250 x\0y\r\n", 10, "bad: NUL in a reply" },
	{ "250 " THOUSAND "\r\n", 0, "250  " THOUSAND "|" },
	{ "250 " THOUSAND THOUSAND HUNDRED "\r\n", 0, "bad: reply line too long" },
	{ "250 " THOUSAND THOUSAND THOUSAND, 0, "bad: reply line too long" },
};

static void play(const struct row *row, size_t step, struct buf *got)
{
	size_t len = row->len != 0 ? row->len : strlen(row->in), off = 0;
	struct reply_reader r;
	struct buf in = BUF_INIT(65536);
	enum reply_result res = REPLY_MORE;
	struct smtp_reply reply;

	reply_reader_init(&r);
	while (off < len && res != REPLY_BAD) {
		size_t n = len - off < step ? len - off : step;

		buf_add(&in, row->in + off, n);
		off += n;
		while ((res = reply_next(&r, &in, &reply)) == REPLY_DONE)
			buf_addf(got, "%u %s %.*s|", reply.code, reply.status, SLICE_ARG(reply.text));
	}
	if (res == REPLY_BAD)
		buf_addf(got, "bad: %s", r.why);
	reply_reader_free(&r);
	buf_free(&in);
}

static void test_table(void **state)
{
	static const size_t steps[] = { 65536, 1, 7 };

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(steps); s++)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct buf got = BUF_INIT(65536);

			play(&rows[i], steps[s], &got);
			assert_slice(i, buf_slice(&got), rows[i].want);
			buf_free(&got);
		}
}

/* A reply that never ends has an end here. */
static void test_endless(void **state)
{
	struct reply_reader r;
	struct buf in = BUF_INIT(65536);
	struct smtp_reply reply;
	enum reply_result res = REPLY_MORE;
	unsigned lines = 0;

	(void)state;
	reply_reader_init(&r);
	while (res == REPLY_MORE && lines < 1000) {
		buf_add_cstr(&in, "250-x\r\n");
		lines++;
		res = reply_next(&r, &in, &reply);
	}
	assert_int_equal(res, REPLY_BAD);
	assert_int_equal(lines, REPLY_LINES_MAX + 1);
	reply_reader_free(&r);
	reply_reader_init(&r);
	buf_reset(&in);
	res = REPLY_MORE;
	for (lines = 0; res == REPLY_MORE && lines < 100; lines++) {
		buf_add_cstr(&in, "250-" THOUSAND "\r\n");
		res = reply_next(&r, &in, &reply);
	}
	assert_int_equal(res, REPLY_BAD);
	assert_string_equal(r.why, "reply too long");
	reply_reader_free(&r);
	buf_free(&in);
}

static void test_print(void **state)
{
	struct smtp_reply reply = { .code = 550, .text = SLICE_LIT("5.1.1 no\nsuch\tus\xc3\xa9r") };
	struct buf b = BUF_INIT(1024);

	(void)state;
	reply_print(&b, &reply, 400);
	assert_slice(0, buf_slice(&b), "550 5.1.1 no such?us??r");
	buf_reset(&b);
	reply_print(&b, &reply, 9);
	assert_slice(1, buf_slice(&b), "550 5.1.1");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("deliver/reply", tests, NULL, NULL);
}
