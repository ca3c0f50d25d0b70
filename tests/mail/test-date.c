#include "tests/lib/unit.h"

#include "common/mail/date.h"

static void parse(void **state)
{
	static const struct { const char *in; int r; int64_t sec; int zone; } t[] = {
		{ "Tue, 24 Nov 2026 18:26:40 +0000", 0, 1795544800, 0 },
		{ "Tue, 24 Nov 2026 18:26:40 +0900", 0, 1795512400, 540 },
		{ "Tue, 24 Nov 2026 18:26:40 -0330", 0, 1795557400, -210 },
		{ "24 Nov 2026 18:26 +0000", 0, 1795544760, 0 },
		{ "  Tue ,\r\n\t24 Nov 2026 18:26:40 (a (b) \\) c) +0000 (KST)", 0, 1795544800, 0 },
		{ "Tue, 24 Nov 26 18:26:40 GMT", 0, 1795544800, 0 },
		{ "Tue, 24 Nov 126 18:26:40 GMT", 0, 1795544800, 0 },
		{ "Wed, 24 Nov 99 18:26:40 EST", 0, 943485995 + 5, -300 },
		{ "Tue, 24 November 2026 18:26:40 Z", 0, 1795544800, 0 },
		{ "Tue, 24-Nov-2026 18:26:40 UT", 0, 1795544800, 0 },
		{ "Tue Nov 24 18:26:40 2026", 0, 1795544800, 0 },
		{ "Tue Nov 24 18:26:40 PST 2026", 0, 1795573600, -480 },
		{ "24 Nov 2026 18:26:40", 0, 1795544800, 0 },
		{ "24 Nov 2026", 0, 1795478400, 0 },
		{ "24 Nov 2026 18:26:40 +09:00", 0, 1795512400, 540 },
		{ "24 Nov 2026 18:26:40 +9", 0, 1795512400, 540 },
		{ "24 Nov 2026 18:26:40.123 +0900", 0, 1795512400, 540 },
		{ "24 Nov 2026 18:26:40 +0900 \xff\xfe", 0, 1795512400, 540 },
		{ "1 Jan 1970 00:00:00 +0000", 0, 0, 0 },
		{ "31 Dec 1969 23:59:59 +0000", 0, -1, 0 },
		{ "1 Jan 1900 00:00:00 +0000", 0, -2208988800, 0 },
		{ "29 Feb 2000 00:00:00 +0000", 0, 951782400, 0 },
		{ "31 Dec 2016 23:59:60 +0000", 0, 1483228800, 0 },
		{ "29 Feb 2100 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "31 Apr 2026 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "0 Apr 2026 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 1899 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 24:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 23:60:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 23:00:00 +2400", 0, 1775084400, 0 },
		{ "1 Foo 2026 23:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 99999999999999999999 23:00:00", ERR_SYNTAX, 0, 0 },
		{ "2026-11-24T18:26:40Z", ERR_SYNTAX, 0, 0 },
		{ "", ERR_SYNTAX, 0, 0 },
		{ "((((", ERR_SYNTAX, 0, 0 },
		{ "today", ERR_SYNTAX, 0, 0 },
		{ "\\", ERR_SYNTAX, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t sec = 0;
		int zone = 0;

		if (mail_date_parse(slice_cstr(t[i].in), &sec, &zone) != t[i].r || sec != t[i].sec || zone != t[i].zone)
			fail_msg("row %zu: %s: %lld %d", i, t[i].in, (long long)sec, zone);
	}
}

static void format(void **state)
{
	static const struct { int64_t sec; int zone; const char *mail, *imap; } t[] = {
		{ 1795544800, 0, "Tue, 24 Nov 2026 18:26:40 +0000", "24-Nov-2026 18:26:40 +0000" },
		{ 1795544800, 540, "Wed, 25 Nov 2026 03:26:40 +0900", "25-Nov-2026 03:26:40 +0900" },
		{ 1795544800, -210, "Tue, 24 Nov 2026 14:56:40 -0330", "24-Nov-2026 14:56:40 -0330" },
		{ 0, 0, "Thu, 1 Jan 1970 00:00:00 +0000", " 1-Jan-1970 00:00:00 +0000" },
		{ -1, 0, "Wed, 31 Dec 1969 23:59:59 +0000", "31-Dec-1969 23:59:59 +0000" },
		{ 951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000", "29-Feb-2000 00:00:00 +0000" },
		{ INT64_MAX, 0, "Thu, 1 Jan 1970 00:00:00 +0000", " 1-Jan-1970 00:00:00 +0000" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(100);
		int64_t sec;
		int zone;

		mail_date_format(&b, t[i].sec, t[i].zone);
		assert_slice(i, buf_slice(&b), t[i].mail);
		buf_reset(&b);
		mail_imap_datetime_format(&b, t[i].sec, t[i].zone);
		assert_slice(i, buf_slice(&b), t[i].imap);
		assert_row(i, mail_imap_datetime_parse(buf_slice(&b), &sec, &zone) == 0);
		assert_row(i, (sec == t[i].sec || t[i].sec == INT64_MAX) && zone == t[i].zone);
		buf_free(&b);
	}
}

/* Every fifth day of 400 years and its print agree. */
static void round_trip(void **state)
{
	(void)state;
	for (int64_t day = -25567; day < 150000; day += 5) {
		struct buf b = BUF_INIT(100);
		int64_t sec;
		int zone;

		mail_date_format(&b, day * 86400 + 3661, 0);
		assert_row(day, mail_date_parse(buf_slice(&b), &sec, &zone) == 0 && sec == day * 86400 + 3661);
		buf_free(&b);
	}
}

static void imap(void **state)
{
	static const struct { const char *in; int r; int64_t days; } d[] = {
		{ "1-Jan-1970", 0, 0 }, { "01-jan-1970", 0, 0 }, { "24-Nov-2026", 0, 20781 }, { "1-Feb-2026", 0, 20485 },
		{ "31-Dec-1969", 0, -1 }, { "", ERR_SYNTAX, 0 }, { "1-Jan-70", ERR_SYNTAX, 0 }, { "001-Jan-1970", ERR_SYNTAX, 0 },
		{ "32-Jan-1970", ERR_SYNTAX, 0 }, { "30-Feb-1970", ERR_SYNTAX, 0 }, { "1-Janu-1970", ERR_SYNTAX, 0 },
		{ "1-Jan-1970 ", ERR_SYNTAX, 0 }, { "1 Jan 1970", ERR_SYNTAX, 0 }, { "-Jan-1970", ERR_SYNTAX, 0 },
	};
	static const char *const bad[] = {
		"", "1-Jan-1970 00:00:00 +0000", "01-Jan-1970 00:00:00", "01-Jan-1970 00:00:00 0000", "01-Jan-1970 24:00:00 +0000",
		"01-Jan-1970 00:60:00 +0000", "01-Jan-1970 00:00:61 +0000", "01-Jan-1970 00:00:00 +0060", "01-Jan-1970 00:00:00 +00000",
		"01-Jan-1970  0:00:00 +0000", "01-Jan-1970T00:00:00 +0000", "  1-Jan-1970 00:00:00 +0000",
	};
	int64_t v = 0;
	int zone;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(d); i++) {
		v = 0;
		assert_row(i, mail_imap_date_parse(slice_cstr(d[i].in), &v) == d[i].r);
		assert_row(i, v == d[i].days);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_row(i, mail_imap_datetime_parse(slice_cstr(bad[i]), &v, &zone) == ERR_SYNTAX);
	assert_int_equal(mail_date_days(-1, 0), -1);
	assert_int_equal(mail_date_days(-1, 1), 0);
	assert_int_equal(mail_date_days(86399, 0), 0);
	assert_int_equal(mail_date_days(86400, -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(format),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(imap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
