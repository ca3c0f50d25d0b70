#include "tests/lib/unit.h"

#include "smtpd/verbs.h"

struct row {
	const char *line;    /* what follows the verb and its space */
	int want;            /* 0, or the code of the refusal */
	const char *enh;
	const char *local, *domain;
	uint64_t size;
	enum smtp_body_type body;
};

static const struct smtp_caps esmtp = { .esmtp = true, .size_limit = 1000 };

static void one(size_t i, const struct row *t,
    int (*parse)(struct cursor *, const struct smtp_caps *, union smtp_args *, struct smtp_reply *), union smtp_args *args_r)
{
	struct cursor c = cursor_of(slice_cstr(t->line));
	struct smtp_reply reply = { .code = 0 };
	int r;

	memset(args_r, 0, sizeof(*args_r));
	r = parse(&c, &esmtp, args_r, &reply);
	if ((r == 0) != (t->want == 0) || (r != 0 && ((int)reply.code != t->want || strcmp(reply.enh, t->enh) != 0)))
		fail_msg("row %zu \"%s\": r %d, %u %s %s", i, t->line, r, reply.code, r != 0 ? reply.enh : "", r != 0 ? reply.text : "");
}

static void mail(void **state)
{
	static const struct row t[] = {
		{ "FROM:<a@b.test>", 0, "", "a", "b.test", 0, SMTP_BODY_7BIT },
		{ "from: <a@b.test>", 0, "", "a", "b.test", 0, SMTP_BODY_7BIT },
		{ "FROM:<>", 0, "", "", "", 0, SMTP_BODY_7BIT },
		{ "FROM:<> SIZE=0", 0, "", "", "", 0, SMTP_BODY_7BIT },
		{ "FROM:<@x.test,@y.test:a@b.test> size=1000  body=8bitmime ", 0, "", "a", "b.test", 1000, SMTP_BODY_8BITMIME },
		{ "FROM:<\"a b\"@[127.0.0.1]> BODY=7BIT", 0, "", "\"a b\"", "[127.0.0.1]", 0, SMTP_BODY_7BIT },
		{ "", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "<a@b.test>", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM <a@b.test>", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:a@b.test", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<a@b.test", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<a>", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<postmaster>", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<a@b.test>SIZE=1", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<\xc3\xa4@b.test>", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<a..b@b.test>", 501, "5.1.7", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE=1001", 552, "5.3.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE=99999999999999999999", 552, "5.3.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE=000000000000000000001", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE=", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE=-1", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SIZE=1 SIZE=1", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> BODY=BINARYMIME", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> AUTH=<>", 555, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> SMTPUTF8", 555, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> =x", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> -A=x", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> A=x=y", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "FROM:<> A=\x01", 501, "5.5.4", NULL, NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		union smtp_args args;

		one(i, &t[i], smtp_parse_mail, &args);
		if (t[i].want != 0)
			continue;
		assert_slice(i, args.mail.path.local, t[i].local);
		assert_slice(i, args.mail.path.domain, t[i].domain);
		assert_row(i, args.mail.size == t[i].size && args.mail.body == t[i].body);
	}
}

static void rcpt(void **state)
{
	static const struct row t[] = {
		{ "TO:<a@b.test>", 0, "", "a", "b.test", 0, 0 },
		{ "to: <a@b.test> ", 0, "", "a", "b.test", 0, 0 },
		{ "TO:<PostMaster>", 0, "", "PostMaster", "", 0, 0 },
		{ "TO:<>", 501, "5.1.3", NULL, NULL, 0, 0 },
		{ "TO:<a>", 501, "5.1.3", NULL, NULL, 0, 0 },
		{ "TO:<a@b.test>,<c@d>", 501, "5.1.3", NULL, NULL, 0, 0 },
		{ "FROM:<a@b.test>", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "TO:<a@b.test> NOTIFY=NEVER", 555, "5.5.4", NULL, NULL, 0, 0 },
		{ "TO:<a@b.test> x", 555, "5.5.4", NULL, NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		union smtp_args args;

		one(i, &t[i], smtp_parse_rcpt, &args);
		if (t[i].want == 0) {
			assert_slice(i, args.rcpt.path.local, t[i].local);
			assert_slice(i, args.rcpt.path.domain, t[i].domain);
		}
	}
}

static void helo(void **state)
{
	static const struct row t[] = {
		{ "client.test", 0, "", "client.test", NULL, 0, 0 },
		{ "[192.0.2.1] ", 0, "", "[192.0.2.1]", NULL, 0, 0 },
		{ "[IPv6:2001:db8::1]", 0, "", "[IPv6:2001:db8::1]", NULL, 0, 0 },
		{ "my_pc.", 0, "", "my_pc.", NULL, 0, 0 },
		{ "", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "a b", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "a(b)", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "a\x7f", 501, "5.5.4", NULL, NULL, 0, 0 },
		{ "<x>", 501, "5.5.4", NULL, NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		union smtp_args args;

		one(i, &t[i], smtp_parse_helo, &args);
		if (t[i].want == 0)
			assert_slice(i, args.helo.name, t[i].local);
	}
}

static void names(void **state)
{
	static const struct { const char *line, *name, *rest; } t[] = {
		{ "EHLO x", "EHLO", "x" }, { "ehlo", "EHLO", "" }, { "Rset ", "RSET", "" }, { "MAIL  FROM:", "MAIL", " FROM:" },
		{ "MAILFROM:", NULL, "" }, { "", NULL, "" }, { "EHL", NULL, "" }, { "EHLOX", NULL, "" }, { "get /", "GET", "/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct cursor c = cursor_of(slice_cstr(t[i].line));
		const struct smtp_verb *v = smtp_verb_take(&c);

		assert_row(i, (v == NULL) == (t[i].name == NULL));
		if (v != NULL) {
			assert_string_equal(v->name, t[i].name);
			assert_slice(i, cur_rest(&c), t[i].rest);
		}
	}
	assert_true(smtp_verbs_n <= SMTP_VERBS_MAX);
}

static void replies(void **state)
{
	struct smtp_reply r;
	struct buf out = BUF_INIT(8192);
	char big[1000];

	(void)state;
	smtp_reply_set(&r, 250, "2.0.0", "a\x01\xff\nb");
	smtp_reply_print(&out, &r);
	assert_slice(0, buf_slice(&out), "250-2.0.0 a??\r\n250 2.0.0 b\r\n");
	buf_reset(&out);
	smtp_reply_set(&r, 354, "", "go");
	smtp_reply_print(&out, &r);
	assert_slice(1, buf_slice(&out), "354 go\r\n");
	buf_reset(&out);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	smtp_reply_set(&r, 550, "5.0.0", "%s", big);
	smtp_reply_print(&out, &r);
	assert_int_equal(buf_len(&out), 512);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail),
		cmocka_unit_test(rcpt),
		cmocka_unit_test(helo),
		cmocka_unit_test(names),
		cmocka_unit_test(replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
