#include "tests/lib/unit.h"

#include "imapd/fetch.h"
#include "imapd/names.h"
#include "imapd/parse.h"
#include "imapd/reader.h"
#include "imapd/search.h"
#include "imapd/seqset.h"

/* ---- framing ---------------------------------------------------------------- */

/* What a stream of bytes is taken for, as text: C{...} a command, L a literal that is kept, R one that
 * is refused, B a bad line, T too long. Literals over 10 bytes are refused. */
static void read_all(struct slice in, size_t step, struct buf *out)
{
	struct imap_reader r;
	struct buf b = BUF_INIT(256);
	size_t off = 0;
	enum imap_read res;

	imap_reader_init(&r, 64, 100, 3);
	for (;;) {
		res = imap_reader_next(&r, &b);
		if (res == IMAP_READ_MORE) {
			struct slice piece = slice_sub(in, off, step);

			if (piece.len == 0)
				break;
			buf_add_slice(&b, piece);
			off += piece.len;
		} else if (res == IMAP_READ_COMMAND) {
			buf_add_cstr(out, "C{");
			buf_add_slice(out, r.cmd);
			buf_add_cstr(out, "}");
			imap_reader_done(&r, &b);
		} else if (res == IMAP_READ_LITERAL) {
			bool ok = r.lit_size <= 10 && imap_reader_fits(&r);

			buf_add_cstr(out, ok ? "L" : "R");
			if (ok)
				imap_reader_accept(&r);
			else
				imap_reader_refuse(&r);
		} else {
			buf_add_cstr(out, res == IMAP_READ_BAD ? "B" : "T");
			if (res == IMAP_READ_TOO_LONG)
				break;
			imap_reader_done(&r, &b);
		}
	}
	imap_reader_free(&r);
	buf_free(&b);
}

static void test_reader(void **state)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "a NOOP\r\nb NOOP\r\n", "C{a NOOP}C{b NOOP}" },
		{ "a LOGIN {3}\r\nabc {2}\r\nxy\r\n", "LLC{a LOGIN {3}\r\nabc {2}\r\nxy}" },
		{ "a LOGIN {3+}\r\na\r\n {2+}\r\n\n\n\r\n", "LLC{a LOGIN {3+}\r\na\r\n {2+}\r\n\n\n}" },
		/* a refused synchronising literal ends its command */
		{ "a X {11}\r\nb NOOP\r\n", "RC{b NOOP}" },
		/* a refused LITERAL+ is read and dropped, with all that follows on its lines */
		{ "a X {11+}\r\nc BAD\r\nxxxx tail\r\nb NOOP\r\n", "RC{b NOOP}" },
		{ "a X {11+}\r\n12345678901 {3+}\r\nabc tail\r\nb NOOP\r\n", "RC{b NOOP}" },
		{ "a X {0}\r\n\r\n", "LC{a X {0}\r\n}" },
		{ "a X {1}\r\na {1}\r\nb {1}\r\nc {1}\r\n", "LLLR" },
		{ "a X {99999999999999999999}\r\nb NOOP\r\n", "RC{b NOOP}" },
		/* no literals */
		{ "a X {}\r\na X {+}\r\na X {1-}\r\na 1}\r\n", "C{a X {}}C{a X {+}}C{a X {1-}}C{a 1}}" },
		{ "a NOOP\nb NOOP\r\n", "BC{b NOOP}" },
		{ "a NO\rOP\r\nb NOOP\r\n", "BC{b NOOP}" },
		{ "a 1234567890123456789012345678901234567890123456789012345678901234567890\r\n", "T" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step < 60; step += step < 4 ? 1 : 13) {
			struct buf got = BUF_INIT(4096);

			read_all(slice_cstr(rows[i].in), step, &got);
			assert_slice(i, buf_slice(&got), rows[i].want);
			buf_free(&got);
		}
	}
}

static void test_reader_nul(void **state)
{
	static const char in[] = "a N\0OP\r\nb NOOP\r\n";
	struct buf got = BUF_INIT(4096);

	(void)state;
	read_all(slice_of(in, sizeof(in) - 1), 1, &got);
	assert_slice(0, buf_slice(&got), "BC{b NOOP}");
	buf_free(&got);
}

/* ---- words ------------------------------------------------------------------ */

static struct arena *arena;

static struct imap_parse parse_of(const char *text)
{
	arena_reset(arena);
	return (struct imap_parse){ .cur = cursor_of(slice_cstr(text)), .arena = arena };
}

static void test_strings(void **state)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "abc", "abc" }, { "\"a b\"", "a b" }, { "\"a\\\"b\\\\\"", "a\"b\\" }, { "\"\"", "" },
		{ "{3}\r\na\r\n", "a\r\n" }, { "{0}\r\n", "" }, { "{2+}\r\nab", "ab" }, { "a]b", "a]b" },
		{ "", NULL }, { "\"abc", NULL }, { "\"a\\c\"", NULL }, { "{3}\r\nab", NULL }, { "{3}ab", NULL },
		{ "(", NULL }, { "\"a\\", NULL }, { "{99999999999999999999}\r\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct slice got;
		int r = imap_take_astring(&p, &got);

		if (rows[i].want == NULL) {
			assert_row(i, r != 0 && p.why != NULL);
			continue;
		}
		assert_row(i, r == 0 && imap_take_end(&p) == 0);
		assert_slice(i, got, rows[i].want);
	}
}

static void test_flags(void **state)
{
	static const struct { const char *in; bool bare; int r; uint32_t flags, keywords; } rows[] = {
		{ "(\\Seen \\deleted)", false, 0, FLAG_SEEN | FLAG_DELETED, 0 },
		{ "()", false, 0, 0, 0 },
		{ "\\Seen foo", true, 0, FLAG_SEEN, 1 },
		{ "(foo FOO bar)", false, 0, 0, 2 },
		{ "\\Seen", false, ERR_SYNTAX, 0, 0 },
		{ "(\\Recent)", false, ERR_SYNTAX, 0, 0 },
		{ "(\\Unknown)", false, ERR_SYNTAX, 0, 0 },
		{ "(\\Seen", false, ERR_SYNTAX, 0, 0 },
		{ "( \\Seen)", false, ERR_SYNTAX, 0, 0 },
		{ "(a(b)", false, ERR_SYNTAX, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct imap_flags f;
		int r = imap_take_flags(&p, rows[i].bare, &f);

		if (r == 0)
			r = imap_take_end(&p);
		assert_row(i, r == rows[i].r);
		if (r == 0)
			assert_row(i, f.flags == rows[i].flags && f.keywords_n == rows[i].keywords);
	}
}

static void test_sets(void **state)
{
	static const struct { const char *in; int r; uint32_t n; } rows[] = {
		{ "1", 0, 1 }, { "1:*", 0, 1 }, { "*:1,5,7:9", 0, 3 }, { "1:4294967295", 0, 1 }, { "*", 0, 1 },
		{ "0", ERR_SYNTAX, 0 }, { "1:", ERR_SYNTAX, 0 }, { "1,", ERR_SYNTAX, 0 }, { ",1", ERR_SYNTAX, 0 },
		{ "4294967296", ERR_SYNTAX, 0 }, { "a", ERR_SYNTAX, 0 }, { "1:2:3", ERR_SYNTAX, 0 }, { "", ERR_SYNTAX, 0 },
	};
	struct spool_range v[] = { { 5, 6 }, { 1, 2 }, { 3, 4 }, { 9, 9 }, { 2, 3 }, { 11, UINT32_MAX }, { 20, 30 } };
	struct buf b = BUF_INIT(256);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct imap_set set;
		int r = imap_take_set(&p, &set);

		if (r == 0)
			r = imap_take_end(&p);
		assert_row(i, r == rows[i].r && (r != 0 || set.n == rows[i].n));
	}
	imap_ranges_print(&b, v, imap_ranges_normalise(v, ARRAY_LEN(v)));
	assert_slice(0, buf_slice(&b), "1:6,9,11:4294967295");
	buf_free(&b);
}

/* ---- FETCH and SEARCH --------------------------------------------------------- */

static void test_fetch_items(void **state)
{
	/* the labels come back as they are printed, or NULL */
	static const struct { const char *in, *want; } rows[] = {
		{ "BODY[]", "BODY[]" }, { "body.peek[]<0.100>", "BODY[]<0>" }, { "BODY[1.2]", "BODY[1.2]" },
		{ "BODY[HEADER]", "BODY[HEADER]" }, { "BODY[1.MIME]", "BODY[1.MIME]" }, { "BODY[2.1.text]", "BODY[2.1.TEXT]" },
		{ "BODY.PEEK[1.2.HEADER.FIELDS (a \"b c\")]<5.6>", "BODY[1.2.HEADER.FIELDS (a \"b c\")]<5>" },
		{ "BODY[HEADER.FIELDS.NOT (A)]", "BODY[HEADER.FIELDS.NOT (A)]" },
		{ "RFC822", "RFC822" }, { "rfc822.text", "RFC822.TEXT" }, { "(RFC822.HEADER)", "RFC822.HEADER" },
		{ "BODY[MIME]", NULL }, { "BODY[0]", NULL }, { "BODY[1.]", NULL }, { "BODY[1", NULL }, { "BODY[HEADER.FIELDS ()]", NULL },
		{ "BODY[HEADER.FIELDS]", NULL }, { "BODY[]<0>", NULL }, { "BODY[]<0.0>", NULL }, { "BODY[]<-1.5>", NULL },
		{ "BODY.PEEK", NULL }, { "()", NULL }, { "(FLAGS", NULL }, { "FLAGS UID", NULL }, { "(ALL)", NULL }, { "NONSENSE", NULL },
		{ "BODY[1..2]", NULL }, { "BODY[01]", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct fetch_args a;
		struct buf b = BUF_INIT(1024);
		int r;

		memset(&a, 0, sizeof(a));
		r = fetch_items_parse(NULL, &p, &a);
		if (r == 0)
			r = imap_take_end(&p);
		if (rows[i].want == NULL) {
			assert_row(i, r != 0);
			continue;
		}
		assert_row(i, r == 0 && a.items_n == 1);
		fetch_print_label(&b, &a.items[0]);
		assert_slice(i, buf_slice(&b), rows[i].want);
		buf_free(&b);
	}
}

static void test_search_keys(void **state)
{
	static const struct { const char *in; int r; unsigned keys; } rows[] = {
		{ " ALL", 0, 1 }, { " 1:5 UNSEEN", 0, 2 }, { " OR SEEN NOT (FROM a TO b)", 0, 6 },
		{ " CHARSET utf-8 SUBJECT \"x\"", 0, 1 }, { " SINCE 1-Feb-2026 BEFORE \"02-Feb-2026\"", 0, 2 },
		{ " KEYWORD foo UNKEYWORD bar HEADER X-Y \"\" UID 1:* LARGER 5", 0, 5 }, { " ((((ALL))))", 0, 5 },
		{ "", ERR_SYNTAX, 0 }, { " ", ERR_SYNTAX, 0 }, { " OR SEEN", ERR_SYNTAX, 0 }, { " (ALL", ERR_SYNTAX, 0 },
		{ " NOT", ERR_SYNTAX, 0 }, { " SINCE 31-Feb-2026x", ERR_SYNTAX, 0 }, { " FROM", ERR_SYNTAX, 0 },
		{ " ((((((((((((((((((((((((((((ALL", ERR_SYNTAX, 0 }, { " LARGER x", ERR_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct imap_parse p = parse_of(rows[i].in);
		struct search_args a;
		int r;

		memset(&a, 0, sizeof(a));
		r = search_parse(NULL, &p, &a);
		assert_row(i, r == rows[i].r);
		if (r == 0)
			assert_row(i, a.keys == rows[i].keys);
	}
}

static void test_search_text(void **state)
{
	static const struct { const char *hay, *needle; bool want; } rows[] = {
		{ "Hello", "hello", true }, { "\xc3\x84pfel", "\xc3\xa4PFEL", true }, { "abc", "", true }, { "abc", "abcd", false },
		{ "\xd0\x9f\xd1\x80\xd0\xb8", "\xd0\xbf\xd1\x80", true }, { "\xce\xa3", "\xcf\x82", true },
		{ "\xff\xfe", "\xff", true }, { "\xed\x95\x9c\xea\xb8\x80", "\xea\xb8\x80", true },
	};
	static const char header[] = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from Seoul\r\nX-Empty:\r\n\r\n";
	static const char envelope[] = "(\"date\" \"=?utf-8?q?Gr=C3=BC?=\" ((\"Ann \\\"A\\\" Lee\" NIL \"ann\" \"naver.test\")) "
	    "NIL NIL ((NIL NIL {3}\r\nbob \"daum.test\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf a = BUF_INIT(256), b = BUF_INIT(256);

		search_fold(slice_cstr(rows[i].hay), &a);
		search_fold(slice_cstr(rows[i].needle), &b);
		assert_row(i, search_contains(buf_slice(&a), buf_slice(&b)) == rows[i].want);
		buf_free(&a);
		buf_free(&b);
	}
	assert_true(search_in_header(slice_cstr(header), SLICE_LIT("subject"), SLICE_LIT("gr\xc3\xbc\xc3\x9f" "e from seoul")));
	assert_true(search_in_header(slice_cstr(header), SLICE_LIT("X-EMPTY"), SLICE_LIT("")));
	assert_false(search_in_header(slice_cstr(header), SLICE_LIT("X-Other"), SLICE_LIT("")));
	assert_int_equal(search_in_envelope(slice_cstr(envelope), SLICE_LIT("Subject"), SLICE_LIT("gr\xc3\xbc")), SEARCH_YES);
	assert_int_equal(search_in_envelope(slice_cstr(envelope), SLICE_LIT("From"), SLICE_LIT("\"a\" lee <ann@naver")), SEARCH_YES);
	assert_int_equal(search_in_envelope(slice_cstr(envelope), SLICE_LIT("To"), SLICE_LIT("bob@daum.test")), SEARCH_YES);
	assert_int_equal(search_in_envelope(slice_cstr(envelope), SLICE_LIT("To"), SLICE_LIT("c@d")), SEARCH_YES);
	assert_int_equal(search_in_envelope(slice_cstr(envelope), SLICE_LIT("Cc"), SLICE_LIT("bob")), SEARCH_NO);
	assert_int_equal(search_in_envelope(SLICE_LIT("(rubbish"), SLICE_LIT("Cc"), SLICE_LIT("bob")), SEARCH_MAYBE);
}

/* ---- names --------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "inbox", "INBOX" }, { "Inbox/Sub", "INBOX/Sub" }, { "inboxes", "inboxes" }, { "a&AOQ-b", "a\xc3\xa4" "b" },
		{ "&-", "&" }, { "a&AOQ", NULL }, { "\xc3\xa4", NULL }, { "", NULL },
	};
	static const struct { const char *name, *pattern; bool want; } match[] = {
		{ "a/b", "*", true }, { "a/b", "%", false }, { "a/b", "a/%", true }, { "a/b/c", "a/%", false }, { "a/b/c", "a/*", true },
		{ "a/b/c", "%/%/c", true }, { "a/b/c", "*c", true }, { "aXbXc", "a%c", true }, { "a/ab", "*a%b", true },
		{ "a", "a%", true }, { "a", "a*b", false }, { "", "", true }, { "a/b", "*%b", true }, { "a/b/c", "a%c", false },
		{ "xa/yb", "*a%/%b", true }, { "xa/y/b", "*a%/%b", false },
	};
	static const struct { const char *name; bool want; } create[] = {
		{ "a", true }, { "a/b", true }, { "", false }, { "/a", false }, { "a//b", false }, { "a/", false }, { "a%", false },
		{ "a*b", false }, { "..", false }, { "a/./b", false }, { "a.b", true }, { "a\nb", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice got;
		int r;

		arena_reset(arena);
		r = imap_name_decode(slice_cstr(rows[i].in), arena, &got);
		if (rows[i].want == NULL) {
			assert_row(i, r != 0);
			continue;
		}
		assert_row(i, r == 0);
		assert_slice(i, got, rows[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(match); i++)
		assert_row(i, imap_name_match(slice_cstr(match[i].name), slice_cstr(match[i].pattern)) == match[i].want);
	for (size_t i = 0; i < ARRAY_LEN(create); i++)
		assert_row(i, imap_name_can_create(slice_cstr(create[i].name)) == create[i].want);
}

static int setup(void **state)
{
	(void)state;
	arena = arena_new(16 * 1024 * 1024);
	return arena != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reader_nul),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_fetch_items),
		cmocka_unit_test(test_search_keys),
		cmocka_unit_test(test_search_text),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
