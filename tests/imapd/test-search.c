/* What is found in raw bytes is what is found after decoding. */
#include "imapd/search.h"

#include <stdlib.h>

#include "common/mail/mime.h"
#include "tests/lib/unit.h"

static struct slice folded(const char *text, struct buf *b)
{
	buf_reset(b);
	search_fold(slice_cstr(text), b);
	return buf_slice(b);
}

/* 1 or 0; -1: not told from the raw bytes. */
static int raw_finds(struct slice needle, struct slice text, const struct mail_part *part)
{
	struct search_key k = { .kind = KEY_BODY, .text = needle };

	search_probe_set(&k);
	return search_part_raw(&k, text, part) ? k.hit : -1;
}

static bool decoded_finds(struct slice needle, struct slice text, const struct mail_part *part)
{
	struct buf out = BUF_INIT(4 * SEARCH_PART_MAX);
	bool hit;

	search_part_text(text, part, &out);
	hit = search_contains(buf_slice(&out), needle);
	buf_free(&out);
	return hit;
}

static void test_parts(void **state)
{
	static const struct { const char *text, *needle, *charset; enum mime_encoding enc; int want; } t[] = {
		{ "Meet me at the SEA shore\r\n", "Sea Shore", "us-ascii", MIME_IDENTITY, 1 },
		{ "Meet me at the SEA shore\r\n", "sea shores", "us-ascii", MIME_IDENTITY, 0 },
		{ "a", "a", "", MIME_IDENTITY, 1 }, { "", "a", "", MIME_IDENTITY, 0 },
		{ "[@`{", "{", "utf-8", MIME_IDENTITY, 1 }, { "[@`", "{", "utf-8", MIME_IDENTITY, 0 },
		{ "0123456789abcdef0123456789abcdeX", "abcdex", "utf-8", MIME_IDENTITY, 1 },
		{ "\xc3\x89t\xc3\xa9 et \xffhiver", "hiver", "utf-8", MIME_IDENTITY, 1 },
		{ "\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9", "utf-8", MIME_IDENTITY, -1 },
		{ "sea=\r\nshore", "seashore", "utf-8", MIME_QP, -1 },
		{ "c2VhIHNob3Jl", "sea", "utf-8", MIME_BASE64, -1 },
	};
	struct buf b = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct mail_part part = { .encoding = (uint8_t)t[i].enc, .charset = slice_cstr(t[i].charset) };
		struct slice needle = folded(t[i].needle, &b), text = slice_cstr(t[i].text);

		if (raw_finds(needle, text, &part) != t[i].want)
			fail_msg("row %zu", i);
		if (t[i].want >= 0 && decoded_finds(needle, text, &part) != t[i].want)
			fail_msg("row %zu, decoded", i);
	}
	buf_free(&b);
}

/* Random text of few letters, so that needles nearly match everywhere; every length around the sizes of steps and pieces. */
static void test_random(void **state)
{
	struct mail_part part = { .encoding = MIME_IDENTITY };
	uint32_t seed = 1;
	char *text = malloc(20000);

	(void)state;
	assert_non_null(text);
	for (unsigned round = 0; round < 3000; round++) {
		size_t len = round % 7 == 0 ? 4080 + round % 40 : round % 97 == 0 ? 19990 : round % 120;
		char needle[64];
		size_t n = 1 + round % 20;
		int want;

		for (size_t i = 0; i < len; i++)
			text[i] = "aAbB"[(seed = seed * 1103515245 + 12345) >> 16 & 3];
		for (size_t i = 0; i < n; i++)
			needle[i] = "ab"[(seed = seed * 1103515245 + 12345) >> 20 & 1];
		want = decoded_finds(slice_of(needle, n), slice_of(text, len), &part);
		if (raw_finds(slice_of(needle, n), slice_of(text, len), &part) != want)
			fail_msg("round %u", round);
	}
	/* The needle nearly everywhere. */
	memset(text, 'a', 20000);
	assert_int_equal(raw_finds(SLICE_LIT("aaaaaaaaaaaaaaaaaba"), slice_of(text, 20000), &part), 0);
	text[19998] = 'B';
	assert_int_equal(raw_finds(SLICE_LIT("aaaaaaaaaaaaaaaaaba"), slice_of(text, 20000), &part), 1);
	free(text);
}

static void test_headers(void **state)
{
	static const struct { const char *header, *needle; bool may; } t[] = {
		{ "Subject: Hello there\r\n", "hello there", true }, { "Subject: Hello there\r\n", "goodbye there", false },
		/* folded: only the words are looked for */
		{ "Subject: Hello\r\n there\r\n", "hello there", true }, { "Subject:there\r\n", "subject: the", true },
		{ "Subject: =?utf-8?q?x?=\r\n", "hello", true }, { "Subject: x\r\n", "\xc3\xa9", true },
		{ "Subject: x\r\n", ": ", true }, { "", "a", false },
	};
	struct buf b = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct search_key k = { .kind = KEY_TEXT, .text = folded(t[i].needle, &b) };

		search_probe_set(&k);
		if (search_header_may(&k, slice_cstr(t[i].header)) != t[i].may)
			fail_msg("row %zu", i);
		k.hit = true;
		if (strstr(t[i].header, "=?") == NULL && search_header_may(&k, slice_cstr(t[i].header)))
			fail_msg("row %zu, found already", i);
	}
	buf_free(&b);
}

/* Whatever the summary tells of a field is what the header says of it; whole: it has to tell. */
static void test_summaries(void **state)
{
	static const struct { const char *header; bool whole; } t[] = {
		{ "Subject: Message 17\r\n", true }, { "", true }, { "Subject:\r\n", true }, { "Subject: =?utf-8?q?m=C3=A9ssage_17?=\r\n", true },
		{ "Subject: Mess\r\n age\r\n\t17 \r\n", true }, { "subject: x\r\nSubject: message 17\r\n", false },
		{ "Subject: \"message\" \\17 {3}\r\n", true }, { "Subject: m\xc3\xa9ssage 17 \xff\r\n", true },
		{ "Message-ID: <message@17>\r\nSubject: NIL\r\nIn-Reply-To: <a> <message 17>\r\nDate: message 17\r\n", true },
		{ "From: a@b.test\r\nTo: \"m\" <x@y.test>, z: message@17.test;\r\nCc: c@d\r\nBcc: e@f\r\nIn-Reply-To: 17\r\nMessage-ID: 18\r\n", true },
		{ "Message-ID: 1\r\nMessage-ID: 17\r\n", false }, { "X-Subject: message 17\r\nSubject: a\r\n", true },
	};
	static const char *const names[] = { "subject", "Message-ID", "Date", "IN-REPLY-TO", "From", "To", "X-Subject" };
	static const char *const needles[] = { "", "message", "17", "m\xc3\xa9ssage", "age 17", "nil", "\\17 {", "?" };
	struct arena *a = arena_new(4 * 1024 * 1024);
	struct buf m = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t) * ARRAY_LEN(names) * ARRAY_LEN(needles); i++) {
		size_t row = i % ARRAY_LEN(t), name = i / ARRAY_LEN(t) % ARRAY_LEN(names);
		struct slice needle = slice_cstr(needles[i / ARRAY_LEN(t) / ARRAY_LEN(names)]);
		struct mail_summary sum;
		enum search_result r;

		arena_reset(a);
		buf_reset(&m);
		buf_add_cstr(&m, t[row].header);
		buf_add_cstr(&m, "\r\nBody\r\n");
		assert_int_equal(mail_summary_make(buf_slice(&m), a, &sum), 0);
		r = search_in_summary(&sum, slice_cstr(names[name]), needle, a);
		if ((r != SEARCH_MAYBE) != (t[row].whole && name < 4))
			fail_msg("row %zu, %s: told %d", row, names[name], r);
		if (r != SEARCH_MAYBE && (r == SEARCH_YES) != search_in_header(slice_cstr(t[row].header), slice_cstr(names[name]), needle))
			fail_msg("row %zu, %s, %.*s: %d", row, names[name], SLICE_ARG(needle), r);
		sum.parts[0].flags &= (uint8_t)~PART_WHOLE;     /* as of before that was known */
		assert_int_equal(search_in_summary(&sum, slice_cstr(names[name]), needle, a), SEARCH_MAYBE);
	}
	/* what is cut or altered in ENVELOPE does not tell */
	for (unsigned i = 0; i < 2; i++) {
		struct mail_summary sum;

		arena_reset(a);
		m.max = 32 * 1024;
		buf_reset(&m);
		buf_add_cstr(&m, "Subject: ");
		for (unsigned k = 0; k < 9000 && i == 0; k++)
			buf_add_byte(&m, 'a');
		buf_add(&m, "x\0y\r\n\r\nBody\r\n", 13);
		assert_int_equal(mail_summary_make(buf_slice(&m), a, &sum), 0);
		assert_int_equal(search_in_summary(&sum, SLICE_LIT("Subject"), SLICE_LIT("x"), a), SEARCH_MAYBE);
	}
	buf_free(&m);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_summaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
