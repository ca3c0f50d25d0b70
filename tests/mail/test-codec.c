#include "tests/lib/unit.h"

#include "common/mail/base64.h"
#include "common/mail/charset.h"
#include "common/mail/qp.h"
#include "common/mail/rfc2047.h"

static void base64(void **state)
{
	static const struct { const char *plain, *coded; } t[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" }, { "\xfb\xef\xbe", "++++" },
	};
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg==Zg==", "Zh==", "Zm9=", "====", "Z===", "Zm9v\r\n", " Zm9v", "Zm-v" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);

		base64_encode(&b, slice_cstr(t[i].plain));
		assert_slice(i, buf_slice(&b), t[i].coded);
		buf_reset(&b);
		assert_row(i, base64_decode_strict(slice_cstr(t[i].coded), &b) == 0);
		assert_slice(i, buf_slice(&b), t[i].plain);
		buf_free(&b);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf b = BUF_INIT(1000);

		assert_row(i, base64_decode_strict(slice_cstr(bad[i]), &b) == ERR_SYNTAX);
		buf_free(&b);
	}
}

static void base64_stream(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "Zm9v\r\nYmFy\r\n", "foobar" }, { "Zm 9!vYm\nFy", "foobar" }, { "Zg==Zm9v", "ffoo" }, { "Zm9vYg", "foob" },
		{ "Z", "" }, { "====", "" }, { "\xff", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (size_t step = 1; step < 8; step++) {
			struct base64_decoder d = { 0, 0 };
			struct buf b = BUF_INIT(1000);

			for (size_t off = 0; off < strlen(t[i].in); off += step)
				base64_decode(&d, slice_sub(slice_cstr(t[i].in), off, step), &b);
			assert_slice(i * 10 + step, buf_slice(&b), t[i].want);
			buf_free(&b);
		}
}

static void qp(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "a=20b", "a b" }, { "a=\r\nb", "ab" }, { "a=\nb", "ab" }, { "a= \t\r\nb", "ab" }, { "a  \r\nb", "a\r\nb" },
		{ "a \t b", "a \t b" }, { "a=c3=A4", "a\xc3\xa4" }, { "a=zz", "a=zz" }, { "a=4z", "a=4z" }, { "a==41", "a=A" },
		{ "a=", "a" }, { "a=4", "a=4" }, { "a  ", "a" }, { "\r\n\r\n", "\r\n\r\n" }, { "a= b", "a= b" }, { "=\rx", "=\rx" },
		{ "a\rb\n", "a\rb\n" }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (size_t step = 1; step < 8; step++) {
			struct qp_decoder d = { .n = 0 };
			struct buf b = BUF_INIT(1000);

			for (size_t off = 0; off < strlen(t[i].in); off += step)
				qp_decode(&d, slice_sub(slice_cstr(t[i].in), off, step), &b);
			qp_decode_end(&d, &b);
			assert_slice(i * 10 + step, buf_slice(&b), t[i].want);
			buf_free(&b);
		}
}

static void qp_back(void **state)
{
	struct buf in = BUF_INIT(10000), out = BUF_INIT(40000), back = BUF_INIT(40000);
	struct qp_decoder d = { .n = 0 };
	size_t col = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		buf_add_byte(&in, (uint8_t)(i % 7 == 0 ? ' ' : i % 251));
	buf_add_cstr(&in, " \r\n.x\r\n");
	qp_encode(&out, buf_slice(&in));
	for (size_t i = 0; i < buf_len(&out); i++) {
		col = out.p[i] == '\n' ? 0 : col + 1;
		assert_true(col <= 77);    /* with its CR */
	}
	qp_decode(&d, buf_slice(&out), &back);
	qp_decode_end(&d, &back);
	assert_int_equal(buf_len(&back), buf_len(&in));
	assert_memory_equal(back.p, in.p, in.len);
	buf_free(&in);
	buf_free(&out);
	buf_free(&back);
}

static void charsets(void **state)
{
	static const struct { const char *cs, *in, *want; } t[] = {
		{ "us-ascii", "abc", "abc" }, { "", "\xc3\xa4", "\xc3\xa4" }, { "US-ASCII", "\xe4", "\xc3\xa4" },
		{ "utf-8", "\xc3\xa4\xe4x", "\xc3\xa4\xef\xbf\xbdx" }, { "UTF-8", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "utf-8", "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" }, { "utf-8", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "utf-8", "\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, { "utf-8", "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "iso-8859-1", "\xe4", "\xc3\xa4" }, { "iso-8859-15", "\xa4", "\xe2\x82\xac" }, { "windows-1252", "\x80", "\xe2\x82\xac" },
		{ "x-unknown", "\xe4", "\xc3\xa4" }, { "x-unknown", "abc", "abc" },
		{ "euc-kr", "\xb0\xa1", "\xea\xb0\x80" }, { "EUC-KR", "\xb0\xa1\xff" "a", "\xea\xb0\x80\xef\xbf\xbd" "a" },
		{ "iso-2022-jp", "\x1b$B$\"\x1b(B", "\xe3\x81\x82" }, { "euc-kr", "\xb0", "\xef\xbf\xbd" },
	};

	(void)state;
	charset_preload();
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);

		if (!charset_known(slice_cstr(t[i].cs)) && t[i].cs[0] != 'x')
			continue;    /* this system lacks it */
		charset_to_utf8(slice_cstr(t[i].cs), slice_cstr(t[i].in), &b);
		assert_slice(i, buf_slice(&b), t[i].want);
		assert_row(i, utf8_valid(buf_slice(&b)));
		buf_free(&b);
	}
	charset_unload();
	assert_false(charset_known(slice_cstr("euc-kr")));
}

static void words(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "plain", "plain" }, { "", "" },
		{ "=?utf-8?B?w6Q=?=", "\xc3\xa4" }, { "=?UTF-8?q?=c3=A4_x?=", "\xc3\xa4 x" },
		{ "a =?utf-8?Q?b?= c", "a b c" }, { "=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab" }, { "=?utf-8?Q?a?=\r\n =?iso-8859-1?Q?=E4?= x", "a\xc3\xa4 x" },
		{ "=?utf-8?Q?=c3?= =?utf-8?Q?=a4?=", "\xc3\xa4" }, { "=?utf-8*en?Q?a?=", "a" },
		{ "=?utf-8?X?a?=", "=?utf-8?X?a?=" }, { "=?utf-8?Q?a", "=?utf-8?Q?a" }, { "=?utf-8?Q?a?", "=?utf-8?Q?a?" }, { "=?", "=?" },
		{ "=??Q?a?=", "=??Q?a?=" }, { "=?utf-8?Q?a b?=", "a b" }, { "=?utf-8?Q?" "?=", "" }, { "x=?utf-8?Q?a?=y", "xay" },
		{ "\xe4", "\xc3\xa4" }, { "\xc3\xa4", "\xc3\xa4" }, { "=?utf-8?Q?=?=", "=" }, { "=?utf-8?B?!?=", "" },
		{ "=?x-none?Q?=E4?=", "\xc3\xa4" }, { "=?utf-8?Q?=?utf-8?Q?a?=", "=?utf-8?Q?a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);

		rfc2047_decode(slice_cstr(t[i].in), &b);
		assert_slice(i, buf_slice(&b), t[i].want);
		assert_int_equal(buf_err(&b), 0);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64),
		cmocka_unit_test(base64_stream),
		cmocka_unit_test(qp),
		cmocka_unit_test(qp_back),
		cmocka_unit_test(charsets),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
