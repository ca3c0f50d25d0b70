#include "tests/lib/unit.h"

#include "common/mail/envelope.h"
#include "common/mail/imaptext.h"
#include "common/mail/summary.h"

/* ---- ENVELOPE --------------------------------------------------------------------- */

#define ADDR(m, h) "((NIL NIL \"" m "\" \"" h "\"))"

static void addresses(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "", "NIL" },
		{ "a@b.test", ADDR("a", "b.test") },
		{ "<a@b>", ADDR("a", "b") },
		{ "A B <a@b>", "((\"A B\" NIL \"a\" \"b\"))" },
		{ "\"A, B\" <a@b>, c@d", "((\"A, B\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
		{ "\"A \\\"x\\\" B\" <a@b>", "(({7}\r\nA \"x\" B NIL \"a\" \"b\"))" },
		{ "=?utf-8?Q?=C3=A4?= <a@b>", "((\"=?utf-8?Q?=C3=A4?=\" NIL \"a\" \"b\"))" },
		{ "\xc3\xa4 <a@b>", "(({2}\r\n\xc3\xa4 NIL \"a\" \"b\"))" },
		{ "a@b (Name N)", "((\"Name N\" NIL \"a\" \"b\"))" },
		{ "A <a@b> (x)", "((\"A\" NIL \"a\" \"b\"))" },
		{ "<@r1,@r2:a@b>", "((NIL \"@r1,@r2\" \"a\" \"b\"))" },
		{ "\"a b\"@c", ADDR("a b", "c") },
		{ "<\"a b\"@c>", ADDR("a b", "c") },
		{ "a . b @ c . d", ADDR("a.b", "c.d") },
		{ "a@[192.0.2.1]", ADDR("a", "[192.0.2.1]") },
		{ "g: a@b, c@d;", "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL))" },
		{ "Undisclosed recipients:;", "((NIL NIL \"Undisclosed recipients\" NIL)(NIL NIL NIL NIL))" },
		{ "g: a@b", "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
		{ "g:;, a@b", "((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)(NIL NIL \"a\" \"b\"))" },
		{ "g: h: a@b;;", "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
		{ ",,, a@b ,,", ADDR("a", "b") },
		{ "nobody", ADDR("nobody", "MISSING_DOMAIN") },
		{ "A <nobody>", "((\"A\" NIL \"nobody\" \"MISSING_DOMAIN\"))" },
		{ "A <>", "((\"A\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))" },
		{ "@b", ADDR("MISSING_MAILBOX", "b") },
		{ "a@", ADDR("a", "MISSING_DOMAIN") },
		{ "A <a@b", "((\"A\" NIL \"a\" \"b\"))" },
		{ "A <a@b, c@d", "((\"A\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
		{ "a@b c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
		{ "a@b; c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
		{ "\"unclosed <a@b>", ADDR("unclosed <a@b>", "MISSING_DOMAIN") },
		{ "(only a comment)", "NIL" },
		{ "(unclosed a@b", "NIL" },
		{ "a(x)@(y)b(z)", "((\"z\" NIL \"a\" \"b\"))" },
		{ ")>;:", "NIL" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf h = BUF_INIT(1000), b = BUF_INIT(10000), want = BUF_INIT(10000);

		buf_addf(&h, "To: %s\r\n\r\n", t[i].in);
		(void)envelope_format(&b, buf_slice(&h));
		buf_addf(&want, "(NIL NIL NIL NIL NIL %s NIL NIL NIL NIL)", t[i].want);
		buf_add_byte(&want, 0);
		assert_slice(i, buf_slice(&b), (const char *)want.p);
		buf_free(&h);
		buf_free(&b);
		buf_free(&want);
	}
}

static void envelopes(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Date: d\r\nSubject: a\r\n b\r\nFrom: a@b\r\nIn-Reply-To: <1>\r\nMessage-ID: <2>\r\n\r\n",
		    "(\"d\" \"a b\" " ADDR("a", "b") " " ADDR("a", "b") " " ADDR("a", "b") " NIL NIL NIL \"<1>\" \"<2>\")" },
		{ "From: a@b\r\nSender:\r\nReply-To: c@d\r\nTo: e@f\r\nTo: g@h\r\nSubject:\r\nSubject: x\r\n\r\n",
		    "(NIL \"\" " ADDR("a", "b") " " ADDR("a", "b") " " ADDR("c", "d") " ((NIL NIL \"e\" \"f\")(NIL NIL \"g\" \"h\")) NIL NIL NIL NIL)" },
		{ "Reply-To: c@d\r\n\r\n", "(NIL NIL NIL NIL " ADDR("c", "d") " NIL NIL NIL NIL NIL)" },
		{ "Subject: a\"b\\c\r\n\r\n", "(NIL {5}\r\na\"b\\c NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject: \xe4\r\n\r\n", "(NIL {1}\r\n\xe4 NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject: a\rb\r\n\r\n", "(NIL \"ab\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	};
	struct buf b = BUF_INIT(10000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		buf_reset(&b);
		(void)envelope_format(&b, slice_cstr(t[i].in));
		assert_slice(i, buf_slice(&b), t[i].want);
	}
	buf_reset(&b);
	imap_add_string(&b, slice_of("a\0b", 3));
	imap_add_nstring(&b, slice_of(NULL, 0));
	assert_slice(99, buf_slice(&b), "{3}\r\na?bNIL");
	buf_free(&b);
}

/* ---- BODY, BODYSTRUCTURE -------------------------------------------------------------- */

static void structures(void **state)
{
#define PLAIN(n, l) "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" " n " " l
	static const struct { const char *in, *body, *structure; } t[] = {
		{ "", PLAIN("0", "0") ")", PLAIN("0", "0") " NIL NIL NIL NIL)" },
		{ "A: b\r\n\r\nx\r\ny", PLAIN("4", "2") ")", PLAIN("4", "2") " NIL NIL NIL NIL)" },
		{ "Content-Type: IMAGE/png; name=\"\xc3\xa4\"; n*=a'b'c\r\nContent-ID: <i>\r\nContent-MD5: m\r\n"
		  "Content-Disposition: attachment; filename=f\r\nContent-Language: de, en-US\r\nContent-Location: l\r\n"
		  "Content-Description: d\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==",
		  "(\"IMAGE\" \"png\" (\"name\" {2}\r\n\xc3\xa4 \"n*\" \"a'b'c\") \"<i>\" \"d\" \"base64\" 4)",
		  "(\"IMAGE\" \"png\" (\"name\" {2}\r\n\xc3\xa4 \"n*\" \"a'b'c\") \"<i>\" \"d\" \"base64\" 4 \"m\" (\"attachment\" (\"filename\" \"f\")) (\"de\" \"en-US\") \"l\")" },
		{ "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n",
		  "(" PLAIN("1", "1") ")" PLAIN("1", "1") ") \"mixed\")",
		  "(" PLAIN("1", "1") " NIL NIL NIL NIL)" PLAIN("1", "1") " NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"x\") NIL NIL NIL)" },
		{ "Content-Type: multipart/mixed; boundary=x\r\n\r\nempty",
		  "(" PLAIN("0", "0") ") \"mixed\")",
		  "(" PLAIN("0", "0") " NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"x\") NIL NIL NIL)" },
		{ "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\na\r\n",
		  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) " PLAIN("3", "1") ") 3)",
		  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) " PLAIN("3", "1") " NIL NIL NIL NIL) 3 NIL NIL NIL NIL)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new(1 << 20);
		struct mail_summary s;

		assert_row(i, mail_summary_make(slice_cstr(t[i].in), a, &s) == 0);
		assert_slice(i, s.body, t[i].body);
		assert_slice(i, s.bodystructure, t[i].structure);
		arena_free(&a);
	}
}

/* ---- sections ---------------------------------------------------------------------------- */

static const char nested[] =
    "Subject: outer\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    "--x\r\nContent-Type: text/plain\r\n\r\none\r\n"
    "--x\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: in\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n"
    "--y\r\n\r\nplain\r\n--y\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>\r\n--y--\r\n"
    "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: single\r\n\r\nbody\r\n"
    "--x--\r\n";

static void cut(const char *in, const struct mail_summary *s, size_t row, const char *section, enum section_text what, const char *want)
{
	uint64_t off = 0, len = 0;
	int r = mail_summary_cut(s, slice_cstr(section), what, strlen(in), &off, &len);

	if (want == NULL)
		assert_row(row, r == ERR_NOTFOUND);
	else
		assert_slice(row, r == 0 ? slice_sub(slice_cstr(in), off, len) : SLICE_LIT("not found"), want);
}

static void sections(void **state)
{
	static const struct { const char *section; enum section_text what; const char *want; } t[] = {
		{ "", SECTION_BODY, nested },
		{ "", SECTION_HEADER, "Subject: outer\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" },
		{ "", SECTION_MIME, NULL },
		{ "1", SECTION_BODY, "one" },
		{ "1", SECTION_MIME, "Content-Type: text/plain\r\n\r\n" },
		{ "1", SECTION_HEADER, NULL },
		{ "1", SECTION_TEXT, NULL },
		{ "2", SECTION_MIME, "Content-Type: message/rfc822\r\n\r\n" },
		{ "2", SECTION_HEADER, "Subject: in\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n" },
		{ "2", SECTION_TEXT, "--y\r\n\r\nplain\r\n--y\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>\r\n--y--" },
		{ "2.1", SECTION_BODY, "plain" },
		{ "2.1", SECTION_MIME, "\r\n" },
		{ "2.2", SECTION_BODY, "<b>" },
		{ "2.3", SECTION_BODY, NULL },
		{ "2.1.1", SECTION_BODY, NULL },
		{ "3", SECTION_BODY, "Subject: single\r\n\r\nbody" },
		{ "3", SECTION_HEADER, "Subject: single\r\n\r\n" },
		{ "3", SECTION_TEXT, "body" },
		{ "3.1", SECTION_BODY, "body" },
		{ "3.1", SECTION_MIME, "Subject: single\r\n\r\n" },
		{ "4", SECTION_BODY, NULL },
		{ "0", SECTION_BODY, NULL },
		{ "1.", SECTION_BODY, NULL },
	};
	static const char single[] = "A: b\r\n\r\nbody\r\n";
	struct arena *a = arena_new(1 << 20);
	const struct mail_part *p;
	struct mail_summary s;

	(void)state;
	assert_int_equal(mail_summary_make(slice_cstr(nested), a, &s), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		cut(nested, &s, i, t[i].section, t[i].what, t[i].want);
	p = mail_summary_find(&s, SLICE_LIT("2.2"));
	assert_int_equal(p->flags, PART_TEXT | PART_HTML);
	assert_slice(100, p->charset, "utf-8");
	assert_int_equal(mail_summary_find(&s, SLICE_LIT("2"))->flags, PART_RFC822);
	assert_int_equal(mail_summary_find(&s, SLICE_LIT(""))->flags, PART_MULTIPART | PART_WHOLE);
	assert_int_equal(s.lines, 28);

	assert_int_equal(mail_summary_make(slice_cstr(single), a, &s), 0);
	cut(single, &s, 200, "", SECTION_BODY, single);
	cut(single, &s, 201, "", SECTION_HEADER, "A: b\r\n\r\n");
	cut(single, &s, 202, "", SECTION_TEXT, "body\r\n");
	cut(single, &s, 203, "1", SECTION_BODY, "body\r\n");
	cut(single, &s, 204, "1", SECTION_MIME, "A: b\r\n\r\n");
	cut(single, &s, 205, "1", SECTION_TEXT, NULL);
	cut(single, &s, 206, "1.1", SECTION_BODY, NULL);
	arena_free(&a);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void previews(void **state)
{
#define H "Content-Type: text/html\r\n\r\n"
	static const struct { const char *in, *want; } t[] = {
		{ "\r\nhello\r\n  world\r\n", "hello world" },
		{ "\r\n> quoted\r\nanswer\r\n", "answer" },
		{ "\r\n> quoted\r\n> all\r\n", "> quoted > all" },
		{ "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=", "hello" },
		{ "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4=\r\n\x01=FF", "\xc3\xa4 \xef\xbf\xbd" },
		{ "\r\n\xe4", "\xc3\xa4" },
		{ H "<html><head><title>t</title></head><style>x{}</style><p>a<b>b</b>c</p>d &amp; &lt;&#228;&#xE4;&bogus; e<!-- > -->f<br>g", "abc d & <\xc3\xa4\xc3\xa4&bogus; ef g" },
		{ H "a<script>if (a<b) x</script>b<", "ab" },
		{ "Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n" H "<p>html</p>\r\n--x\r\n\r\nplain\r\n--x--", "plain" },
		{ "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Disposition: attachment\r\n\r\nfile\r\n--x\r\n\r\ntext\r\n--x--", "text" },
		{ "Content-Type: image/png\r\n\r\nxx", "" },
		{ "", "" },
		{ "\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789x",
		  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new(1 << 20);
		struct mail_summary s;

		assert_row(i, mail_summary_make(slice_cstr(t[i].in), a, &s) == 0);
		assert_slice(i, s.preview, t[i].want);
		arena_free(&a);
	}
}

static void dates(void **state)
{
	static const struct { const char *in; uint64_t sec; uint32_t day; const char *id; } t[] = {
		{ "Date: Tue, 24 Nov 2026 18:26:40 +0900\r\nMessage-ID: <a@b>\r\n\r\n", 1795512400, 20781, "a@b" },
		{ "Date: Tue, 24 Nov 2026 23:00:00 -0900\r\nMessage-ID:\r\n <a@b>\r\n\r\n", 1795593600, 20781, "a@b" },
		{ "Date: nonsense\r\nMessage-ID: a@b\r\n\r\n", 0, 0, "" },
		{ "Date: 1 Jan 1950 00:00:00 +0000\r\n\r\n", 0, 0, "" },
		{ "\r\n", 0, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new(1 << 20);
		struct mail_summary s;

		assert_row(i, mail_summary_make(slice_cstr(t[i].in), a, &s) == 0);
		assert_row(i, s.sent_date == t[i].sec && s.sent_day == t[i].day);
		assert_slice(i, s.message_id, t[i].id);
		arena_free(&a);
	}
}

/* Too much of everything: still a summary, within its size. */
static void too_much(void **state)
{
	struct buf in = BUF_INIT(64 << 20), out = BUF_INIT(MAIL_SUMMARY_MAX);
	struct arena *a = arena_new(16 << 20);
	struct mail_summary s;

	(void)state;
	buf_add_cstr(&in, "To: ");
	for (unsigned i = 0; i < 100000; i++)
		buf_addf(&in, "user%u@example.test, ", i);
	buf_add_cstr(&in, "\r\nSubject: ");
	for (unsigned i = 0; i < 100000; i++)
		buf_add_cstr(&in, "subject ");
	buf_add_cstr(&in, "\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_add_cstr(&in, "--x\r\n\r\na\r\n");
	assert_int_equal(mail_summary_build(buf_slice(&in), &out), 0);
	assert_int_equal(mail_summary_load(buf_slice(&out), a, &s), 0);
	assert_true(s.parts_n >= 1000 && s.envelope.len < 100000);
	/* cut short anywhere it is not a summary */
	for (size_t n = 0; n < 2000; n++)
		assert_int_not_equal(mail_summary_load(slice_sub(buf_slice(&out), 0, n), a, &s), 0);
	out.p[out.off]++;
	assert_int_equal(mail_summary_load(buf_slice(&out), a, &s), ERR_VERSION);
	buf_free(&in);
	buf_free(&out);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(structures),
		cmocka_unit_test(sections),
		cmocka_unit_test(previews),
		cmocka_unit_test(dates),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
