#include "tests/lib/unit.h"

#include "common/mail/mutf7.h"

static void valid(void **state)
{
	static const struct { const char *name, *utf8; } t[] = {
		{ "", "" }, { "INBOX", "INBOX" }, { "a b~/x", "a b~/x" }, { "&-", "&" }, { "a&-b", "a&b" }, { "&-&-", "&&" },
		{ "&AOQ-", "\xc3\xa4" }, { "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "&vBvHQNO4ycDVaA-", "\xeb\xb0\x9b\xec\x9d\x80\xed\x8e\xb8\xec\xa7\x80\xed\x95\xa8" },
		{ "&2D3eAA-", "\xf0\x9f\x98\x80" }, { "x&2D3eAA-y", "x\xf0\x9f\x98\x80y" },
		{ "&AAE-", "\x01" }, { "&AH8-", "\x7f" }, { "&AOQ-&-", "\xc3\xa4&" }, { "&-&AOQ-", "&\xc3\xa4" }, { "&,,8-", "\xef\xbf\xbf" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);

		assert_row(i, mutf7_to_utf8(slice_cstr(t[i].name), &b) == 0);
		assert_slice(i, buf_slice(&b), t[i].utf8);
		buf_reset(&b);
		assert_row(i, mutf7_from_utf8(slice_cstr(t[i].utf8), &b) == 0);
		assert_slice(i, buf_slice(&b), t[i].name);
		buf_free(&b);
	}
}

static void invalid(void **state)
{
	static const char *const names[] = {
		"&", "a&", "&A", "&AO", "&AOQ", "&A-", "&AO-", "&AOQA-", "&AOR-",    /* cut, bits left over */
		"&AGE-", "&ACY-", "&ACA-", "&AOQAYQ-",                               /* printable ASCII in base64 */
		"&AOQ-&AOQ-",                                                        /* a needless shift */
		"&2D0-", "&3gA-", "&2D0AOQ-", "&3gDYPQ-",                            /* lone surrogates */
		"&AOQ=-", "&AO/-", "&A Q-", "&A\xc3\xa4-", "&AAA-",
		"\xc3\xa4", "a\x01", "a\x7f", "\xff", "a\r\n",
	};
	static const char *const utf8[] = { "\xff", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf b = BUF_INIT(1000);

		assert_row(i, mutf7_to_utf8(slice_cstr(names[i]), &b) == ERR_SYNTAX);
		buf_free(&b);
	}
	for (size_t i = 0; i < ARRAY_LEN(utf8); i++) {
		struct buf b = BUF_INIT(1000);

		assert_row(i, mutf7_from_utf8(slice_cstr(utf8[i]), &b) == ERR_SYNTAX);
		buf_free(&b);
	}
}

static void too_long(void **state)
{
	struct buf b = BUF_INIT(3);

	(void)state;
	assert_int_equal(mutf7_to_utf8(slice_cstr("abcd"), &b), ERR_LIMIT);
	buf_free(&b);
	b = BUF_INIT(3);
	assert_int_equal(mutf7_from_utf8(slice_cstr("\xc3\xa4"), &b), ERR_LIMIT);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid),
		cmocka_unit_test(invalid),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
