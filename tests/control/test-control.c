#include "tests/lib/unit.h"

#include "control/client.h"
#include "control/command.h"
#include "control/secret.h"
#include "control/show.h"

/* ---- the command line ------------------------------------------------------------ */

/* complain() and finish_output() of main.c are not wanted here. */
int complain(const char *fmt, ...)
{
	(void)fmt;
	return EXIT_FAILED;
}

int finish_output(struct buf *b)
{
	buf_free(b);
	return EXIT_DONE;
}

struct line { const char *argv[10]; };

static int count(const struct line *l)
{
	int n = 0;

	while (l->argv[n] != NULL)
		n++;
	return n;
}

static void arguments(void **state)
{
	static const struct { struct line in; int r; unsigned opts; const char *config, *file, *words, *why; } t[] = {
		{ { { "pabal", "status" } }, 0, 0, NULL, NULL, "status", "" },
		{ { { "pabal", "-c", "f", "--json", "queue", "list", "x" } }, 0, OPT_JSON, "f", NULL, "queue list x", "" },
		{ { { "pabal", "queue", "list", "-cf", "--json" } }, 0, OPT_JSON, "f", NULL, "queue list", "" },
		{ { { "pabal", "--config=f", "status", "-v" } }, 0, OPT_VERBOSE, "f", NULL, "status", "" },
		{ { { "pabal", "user", "add", "--password-file=-", "a@b" } }, 0, OPT_PASSWORD, NULL, "-", "user add a@b", "" },
		{ { { "pabal", "user", "add", "a@b", "--password-file", "f" } }, 0, OPT_PASSWORD, NULL, "f", "user add a@b", "" },
		{ { { "pabal", "queue", "list", "--", "--all" } }, 0, 0, NULL, NULL, "queue list --all", "" },
		{ { { "pabal", "x", "-" } }, 0, 0, NULL, NULL, "x -", "" },
		{ { { "pabal" } }, 0, 0, NULL, NULL, "", "" },
		{ { { "pabal", "-h" } }, 0, OPT_HELP, NULL, NULL, "", "" },
		{ { { "pabal", "--jso" } }, ERR_SYNTAX, 0, NULL, NULL, "", "no option --jso" },
		{ { { "pabal", "--json=1" } }, ERR_SYNTAX, 0, NULL, NULL, "", "no option --json=1" },
		{ { { "pabal", "-vx" } }, ERR_SYNTAX, 0, NULL, NULL, "", "no option -vx" },
		{ { { "pabal", "spool", "dump", "--from=7" } }, 0, OPT_FROM, NULL, NULL, "spool dump", "" },
		{ { { "pabal", "spool", "dump", "--from" } }, ERR_SYNTAX, OPT_FROM, NULL, NULL, "spool dump", "needs a number" },
		{ { { "pabal", "app-password", "add", "a@b", "--label", "the phone", "--service=imap" } }, 0, OPT_LABEL | OPT_SERVICE, NULL, NULL,
		    "app-password add a@b", "" },
		{ { { "pabal", "user", "add", "--hash", "a@b" } }, 0, OPT_HASH, NULL, NULL, "user add a@b", "" },
		{ { { "pabal", "oauth-validator", "--", "p", "-c", "--json" } }, 0, 0, NULL, NULL, "oauth-validator p -c --json", "" },
		{ { { "pabal", "app-password", "add", "--service" } }, ERR_SYNTAX, OPT_SERVICE, NULL, NULL, "app-password add", "needs smtp, pop3 or imap" },
		{ { { "pabal", "-c" } }, ERR_SYNTAX, 0, NULL, NULL, "", "needs a file name" },
		{ { { "pabal", "--password-file=" } }, ERR_SYNTAX, OPT_PASSWORD, NULL, NULL, "", "needs a file name" },
		{ { { "pabal", "user", "add", "a@b", "--password=x" } }, ERR_SYNTAX, 0, NULL, NULL, "user add a@b", "no option --password=x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf why = BUF_INIT(1000), words = BUF_INIT(1000);
		struct args a;

		assert_row(i, args_parse(count(&t[i].in), t[i].in.argv, &a, &why) == t[i].r);
		assert_row(i, a.opts == t[i].opts);
		for (unsigned k = 0; k < a.words_n; k++)
			buf_addf(&words, "%s%s", k != 0 ? " " : "", a.words[k]);
		assert_slice(i, buf_slice(&words), t[i].words);
		if (t[i].config != NULL)
			assert_string_equal(a.config, t[i].config);
		if (t[i].file != NULL)
			assert_string_equal(a.password_file, t[i].file);
		buf_add_byte(&why, '\0');
		assert_row(i, strstr((const char *)why.p, t[i].why) != NULL);
		buf_free(&why);
		buf_free(&words);
		args_free(&a);
	}
}

static void lookups(void **state)
{
	static const struct { const char *words[5]; unsigned opts; const char *name, *verb, *why; } t[] = {
		{ { "status" }, OPT_VERBOSE | OPT_JSON, "status", NULL, "" },
		{ { "status" }, OPT_ALL, "status", NULL, "An option does not fit" },
		{ { "status", "x" }, 0, "status", NULL, "more than expected" },
		{ { "queue", "hold" }, OPT_ALL, "queue", "hold", "" },
		{ { "queue", "hold" }, 0, "queue", "hold", "Something is missing" },
		{ { "queue", "hold", "X" }, 0, "queue", "hold", "" },
		{ { "queue", "show" }, 0, "queue", "show", "pabal queue show ID" },
		{ { "user", "add" }, 0, "user", "add", "pabal user add [--password-file FILE] [--hash] USER@DOMAIN" },
		{ { "login-failures" }, 0, "login-failures", NULL, "" },
		{ { "login-failures", "list" }, 0, "login-failures", "list", "" },
		{ { "login-failures", "nix" }, 0, "login-failures", NULL, "more than expected" },
		{ { "app-password", "delete", "a@b" }, 0, "app-password", "delete", "pabal app-password delete USER@DOMAIN ID" },
		{ { "oauth-validator" }, 0, "oauth-validator", NULL, "Something is missing" },
		{ { "alias", "add", "a" }, 0, "alias", "add", "Something is missing" },
		{ { "user" }, 0, NULL, NULL, "is followed by one of: add delete password passwd show list." },
		{ { "user", "nix" }, 0, NULL, NULL, "is followed by one of" },
		{ { "nix" }, 0, NULL, NULL, "no command \"nix\"" },
		{ { NULL }, 0, NULL, NULL, "What shall be done?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf why = BUF_INIT(1000);
		struct args a = { .opts = t[i].opts };
		const struct command *c;
		unsigned n = 0, used;

		while (t[i].words[n] != NULL)
			n++;
		c = command_find(t[i].words, n, &used, &why);
		assert_row(i, (c != NULL) == (t[i].name != NULL));
		if (c != NULL) {
			assert_string_equal(c->name, t[i].name);
			assert_row(i, (c->verb == NULL) == (t[i].verb == NULL));
			assert_row(i, (command_check(c, &a, n - used, &why) == 0) == (t[i].why[0] == '\0'));
		}
		buf_add_byte(&why, '\0');
		assert_row(i, strstr((const char *)why.p, t[i].why) != NULL);
		buf_free(&why);
	}
}

/* Every row can be found and is whole; the help names each. */
static void table(void **state)
{
	struct buf help = BUF_INIT(100000), why = BUF_INIT(1000);

	(void)state;
	command_usage(&help);
	buf_add_byte(&help, '\0');
	for (unsigned i = 0; i < commands_n; i++) {
		const char *words[] = { commands[i].name, commands[i].verb };
		unsigned used;

		assert_row(i, command_find(words, commands[i].verb != NULL ? 2 : 1, &used, &why) == &commands[i]);
		assert_row(i, commands[i].run != NULL && commands[i].min <= commands[i].max);
		assert_row(i, (commands[i].max == 0) == (commands[i].operands[0] == '\0'));
		assert_row(i, strstr((const char *)help.p, commands[i].help) != NULL);
	}
	buf_free(&help);
	buf_free(&why);
}

/* ---- texts ------------------------------------------------------------------------- */

static void texts(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "plain <a@b>", "plain <a@b>" }, { "\xed\x8c\x8c\xeb\xb0\x9c", "\xed\x8c\x8c\xeb\xb0\x9c" },
		{ "a\x1b[2Jb", "a\\x1B[2Jb" }, { "a\nb\rc\td", "a\\x0Ab\\x0Dc\\x09d" }, { "\x7f", "\\x7F" },
		{ "\xff\xfe", "\\xFF\\xFE" }, { "\xc0\xaf", "\\xC0\\xAF" }, { "\xed\xa0\x80", "\\xED\\xA0\\x80" },
		{ "\xe2\x82", "\\xE2\\x82" }, { "\xc2\x9b" "31m", "\\xC2\\x9B31m" }, { "\xe2\x80\xae" "x", "\\xE2\\x80\\xAEx" },
		{ "\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80" }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);
		json_t *v;

		format_text(&b, slice_cstr(t[i].in));
		assert_slice(i, buf_slice(&b), t[i].want);
		buf_reset(&b);
		v = json_text(slice_cstr(t[i].in));
		assert_non_null(v);
		format_json(&b, v);
		assert_row(i, buf_err(&b) == 0);
		buf_free(&b);
	}
}

static void numbers(void **state)
{
	static const struct { uint64_t v; const char *size, *duration, *time; } t[] = {
		{ 0, "0", "0s", "-" }, { 59, "59", "59s", "1970-01-01 00:00:59" }, { 60, "60", "1m", "1970-01-01 00:01:00" },
		{ 1023, "1023", "17m", "1970-01-01 00:17:03" }, { 1024, "1.0k", "17m", "1970-01-01 00:17:04" },
		{ 3600, "3.5k", "1h", "1970-01-01 01:00:00" }, { 3660, "3.5k", "1h 1m", "1970-01-01 01:01:00" },
		{ 102400, "100k", "1d 4h", "1970-01-02 04:26:40" }, { 1048576, "1.0m", "12d 3h", "1970-01-13 03:16:16" },
		{ 1764000000, "1.6g", "20416d 16h", "2025-11-24 16:00:00" },
		{ UINT64_MAX, "16777215t", "213503982334601d 7h", "-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);

		format_size(&b, t[i].v);
		assert_slice(i, buf_slice(&b), t[i].size);
		buf_reset(&b);
		format_duration(&b, t[i].v);
		assert_slice(i, buf_slice(&b), t[i].duration);
		buf_reset(&b);
		format_time(&b, t[i].v);
		assert_slice(i, buf_slice(&b), t[i].time);
		buf_free(&b);
	}
}

static void tables(void **state)
{
	static const struct { const char *in; unsigned right; const char *want; } t[] = {
		{ "", 0, "" }, { "A\tB\n", 0, "A  B\n" },
		{ "NAME\tN\nx\t10\n", 2, "NAME   N\nx     10\n" },
		{ "a\tlast is left alone\nbb\tz\n", 0, "a   last is left alone\nbb  z\n" },
		{ "\xed\x8c\x8c\tx\nabc\ty\n", 0, "\xed\x8c\x8c    x\nabc  y\n" },
		{ "no end", 0, "no end\n" }, { "\t\n", 0, "  \n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b = BUF_INIT(1000);

		format_table(&b, slice_cstr(t[i].in), t[i].right);
		assert_slice(i, buf_slice(&b), t[i].want);
		buf_free(&b);
	}
}

/* ---- answers -------------------------------------------------------------------------- */

static struct spool_rcpt rcpts[] = {
	{ .index = 0, .addr = SLICE_LIT("def@daum.test"), .state = RCPT_PENDING, .attempts = 2, .due = 1240,
	    .status = SLICE_LIT("4.4.1"), .text = SLICE_LIT("timed\nout"), .relay = SLICE_LIT("mx[192.0.2.1]:25") },
	{ .index = 1, .addr = SLICE_LIT("ok@daum.test"), .state = RCPT_DONE, .attempts = 1, .status = SLICE_LIT("2.0.0") },
	{ .index = 2, .addr = SLICE_LIT("new@daum.test"), .state = RCPT_PENDING, .due = 900 },
	{ .index = 3, .addr = SLICE_LIT("odd@daum.test"), .state = 77 },
};

static const struct spool_msg msg = { .msgid = 0x12, .sender = SLICE_LIT("abc@naver.test"), .created = 400, .size = 1536,
	.flags = MSG_HELD, .origin = SLICE_LIT("client=x[192.0.2.9]"), .message_id = SLICE_LIT("<1@naver.test>"),
	.rcpts = rcpts, .rcpts_n = 4 };

static void messages(void **state)
{
	struct buf b = BUF_INIT(100000);
	json_t *v = show_msg_json(&msg), *r;

	(void)state;
	show_msg(&b, &msg, 1000, false);
	assert_slice(0, buf_slice(&b), "0000000012 H  10m  1.5k  <abc@naver.test>\n"
	    "    def@daum.test  try 3 in 4m: 4.4.1 timed\\x0Aout (mx[192.0.2.1]:25)\n"
	    "    new@daum.test  try 1 now\n");
	buf_reset(&b);
	show_msg(&b, &msg, 1000, true);
	assert_slice(1, buf_slice(&b), "0000000012 H  10m  1.5k  <abc@naver.test>\n"
	    "  came: 1970-01-01 00:06:40 UTC\n  from: client=x[192.0.2.9]\n  message-id: <1@naver.test>\n"
	    "    def@daum.test  try 3 in 4m: 4.4.1 timed\\x0Aout (mx[192.0.2.1]:25)\n"
	    "    ok@daum.test  done: 2.0.0\n    new@daum.test  try 1 now\n    odd@daum.test  unknown\n");
	buf_free(&b);
	assert_string_equal(json_string_value(json_object_get(v, "id")), "0000000012");
	assert_true(json_is_true(json_object_get(v, "held")));
	r = json_array_get(json_object_get(v, "recipients"), 0);
	assert_string_equal(json_string_value(json_object_get(r, "text")), "timed\nout");
	assert_int_equal(json_integer_value(json_object_get(r, "due")), 1240);
	json_decref(v);
}

static void traces(void **state)
{
	static struct spool_trace_item items[] = {
		{ 1000001, 7, SLICE_LIT("accepted"), SLICE_LIT("from=<a@b>") },
		{ 2500000, 8, SLICE_LIT("done"), SLICE_LIT("to=<c@d> \xff") },
	};
	static const struct spool_trace_reply t = { items, 2 };
	struct buf b = BUF_INIT(10000);
	json_t *v = show_trace_json(&t);

	(void)state;
	show_trace(&b, &t);
	assert_slice(0, buf_slice(&b), "1970-01-01 00:00:01.000001  accepted  from=<a@b>\n"
	    "1970-01-01 00:00:02.500000  done  to=<c@d> \\xFF\n");
	assert_int_equal(json_array_size(v), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(v, 1), "text")), "to=<c@d> \\xFF");
	json_decref(v);
	buf_free(&b);
}

static void system_state(void **state)
{
	static struct master_proc procs[] = {
		{ SLICE_LIT("spoold"), 0, 17, SLICE_LIT("ready"), 940, 0 },
		{ SLICE_LIT("smtpd"), 1, 118, SLICE_LIT("waiting"), 0, 12 },
	};
	static struct spool_stat stats[] = { { SLICE_LIT("queued"), 3 }, { SLICE_LIT("flushes"), 1200 } };
	static struct job_dest dests[] = { { SLICE_LIT("daum.test"), 2, 10, 20, 0 }, { SLICE_LIT("x.test"), 0, 1, 1, 1060 } };
	static const struct master_status_reply s = { SLICE_LIT("running"), SLICE_LIT("mx.naver.test"), 9, 400,
		SLICE_LIT("0.1.0"), procs, 2 };
	static const struct spool_stats_reply spool = { stats, 2 };
	static const struct job_status_reply jobs = { dests, 2 };
	struct buf b = BUF_INIT(10000);
	json_t *v;

	(void)state;
	show_status(&b, &s, &spool, 1000, true);
	assert_slice(0, buf_slice(&b), "Pabal 0.1.0 on mx.naver.test: running, process 9, for 10m\n"
	    "PROCESS  NUMBER  PID  STATE    FOR  RESTARTS\n"
	    "spoold        0   17  ready    1m          0\n"
	    "smtpd         1  118  waiting  -          12\n"
	    "queued=3\nflushes=1200\n");
	buf_reset(&b);
	show_destinations(&b, &jobs, 1000);
	assert_slice(1, buf_slice(&b), "DESTINATION  ACTIVE  WAITING  LIMIT  STATE\n"
	    "daum.test         2       10     20  ok\n"
	    "x.test            0        1      1  not reached, again in 1m\n");
	v = show_status_json(&s, NULL);
	assert_true(json_is_null(json_object_get(v, "spool")));
	assert_int_equal(json_array_size(json_object_get(v, "processes")), 2);
	json_decref(v);
	v = show_status_json(&s, &spool);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(v, "spool"), "flushes")), 1200);
	json_decref(v);
	v = show_destinations_json(&jobs);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(v, 1), "dead_until")), 1060);
	json_decref(v);
	buf_free(&b);
}

/* ---- passwords ------------------------------------------------------------------------- */

static void secrets(void **state)
{
	static const struct { const char *in; size_t len; int r; const char *want; } t[] = {
		{ "secret\nrest\n", 12, 0, "secret" }, { "secret", 6, 0, "secret" }, { "secret\r\n", 8, 0, "secret" },
		{ " a b \n", 6, 0, " a b " }, { "", 0, ERR_NOTFOUND, "" }, { "\n", 1, 0, "" }, { "a\0b\n", 4, ERR_SYNTAX, NULL },
	};
	static char longest[SECRET_MAX + 3];
	char out[SECRET_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		FILE *f = tmpfile();

		assert_non_null(f);
		assert_int_equal(fwrite(t[i].in, 1, t[i].len, f), t[i].len);
		rewind(f);
		assert_row(i, secret_read_line(f, out) == t[i].r);
		if (t[i].want != NULL)
			assert_string_equal(out, t[i].want);
		(void)fclose(f);
	}
	memset(longest, 'x', sizeof(longest));
	for (size_t n = SECRET_MAX - 1; n <= sizeof(longest); n++)
		for (int lf = 0; lf < 2; lf++) {
			FILE *f = tmpfile();

			assert_int_equal(fwrite(longest, 1, n, f), n);
			if (lf != 0)
				(void)fputc('\n', f);
			rewind(f);
			assert_row(n, secret_read_line(f, out) == (n <= SECRET_MAX ? 0 : ERR_LIMIT));
			assert_row(n, n > SECRET_MAX || strlen(out) == n);
			(void)fclose(f);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test(lookups),
		cmocka_unit_test(table),
		cmocka_unit_test(texts),
		cmocka_unit_test(numbers),
		cmocka_unit_test(tables),
		cmocka_unit_test(messages),
		cmocka_unit_test(traces),
		cmocka_unit_test(system_state),
		cmocka_unit_test(secrets),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
